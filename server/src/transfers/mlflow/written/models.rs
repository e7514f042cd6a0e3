//! Files of logged models, and of the registry's models with their versions.

use std::{fs, io, path::Path};

use drydock_wire::{
    KeyValue,
    import::{ForeignLoggedModel, ForeignModel, ForeignVersion},
};

use super::{Unread, Value, head, leaf, meta, note_left_out, pairs, stage};

/// What could not be written of it.
pub fn logged_model(
    place: &Path,
    experiment: &str,
    it: &ForeignLoggedModel,
    artifacts: &Path,
) -> io::Result<Vec<Unread>> {
    head(
        place,
        &[
            ("artifact_location", Value::Text(&artifacts.display().to_string())),
            ("creation_timestamp", Value::Number(it.created_at)),
            ("experiment_id", Value::Text(experiment)),
            ("last_updated_timestamp", Value::Number(it.updated_at)),
            ("lifecycle_stage", stage(it.deleted)),
            ("model_id", Value::Text(&it.id)),
            ("model_type", Value::Text(&it.model_type)),
            ("name", Value::Text(&it.name)),
            ("source_run_id", Value::Maybe(it.source_run_id.as_deref())),
            ("status", Value::Number(it.status)),
            ("status_message", Value::Maybe(None)),
        ],
    )?;
    let of = format!("logged model {}", it.id);
    let mut refused = Vec::new();
    pairs(&place.join("params"), &of, &it.params, &mut refused)?;
    pairs(&place.join("tags"), &of, &it.tags, &mut refused)?;
    fs::create_dir_all(place.join("metrics"))?;
    let mut lines: std::collections::BTreeMap<&str, String> = Default::default();
    for metric in &it.metrics {
        let value = f64::from_bits(metric.value_bits);
        let text = lines.entry(&metric.key).or_default();
        text.push_str(&format!("{} {value:?} {} {}", metric.at, metric.step, metric.run_id));
        if let (Some(name), Some(digest)) = (&metric.dataset_name, &metric.dataset_digest) {
            text.push_str(&format!(" {name} {digest}"));
        }
        text.push('\n');
    }
    for (key, text) in lines {
        leaf(&place.join("metrics"), &of, key, text.as_bytes(), &mut refused)?;
    }
    Ok(refused)
}

/// What could not be written of it.
pub fn model(dir: &Path, it: &ForeignModel) -> io::Result<Vec<Unread>> {
    let (of, mut refused) = (format!("model {}", it.name), Vec::new());
    let numbers: Vec<KeyValue> =
        it.aliases.iter().map(|a| KeyValue { key: a.alias.clone(), value: a.version.to_string() }).collect();
    for version in &it.versions {
        self::version(&dir.join(format!("version-{}", version.version)), &it.name, version, &mut refused)?;
    }
    pairs(&dir.join("tags"), &of, &it.tags, &mut refused)?;
    pairs(&dir.join("aliases"), &of, &numbers, &mut refused)?;
    note_left_out(dir, &refused)?;
    // Last: without it the folder is no model, and the next export writes it again.
    meta(
        dir,
        &[
            ("aliases", Value::Map(&numbers)),
            ("creation_timestamp", Value::Number(it.created_at)),
            ("description", Value::Text(&it.description)),
            ("last_updated_timestamp", Value::Number(it.updated_at)),
            ("name", Value::Text(&it.name)),
        ],
    )?;
    Ok(refused)
}

fn version(dir: &Path, name: &str, it: &ForeignVersion, refused: &mut Vec<Unread>) -> io::Result<()> {
    pairs(&dir.join("tags"), &format!("model {name}, version {}", it.version), &it.tags, refused)?;
    meta(
        dir,
        &[
            ("creation_timestamp", Value::Number(it.created_at)),
            ("current_stage", Value::Text(&it.stage)),
            ("description", Value::Text(&it.description)),
            ("last_updated_timestamp", Value::Number(it.updated_at)),
            ("model_id", Value::Maybe(it.model_id.as_deref())),
            ("name", Value::Text(name)),
            ("run_id", Value::Maybe(it.run_id.as_deref())),
            ("run_link", Value::Text(&it.run_link)),
            ("source", Value::Text(&it.source)),
            ("status", Value::Text(&it.status)),
            ("status_message", Value::Maybe(None)),
            ("storage_location", Value::Text(&it.storage_location)),
            ("user_id", Value::Text(&it.user)),
            ("version", Value::Number(it.version)),
        ],
    )
}
