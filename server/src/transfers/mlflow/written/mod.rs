//! Files of a FileStore folder, as its own client writes them.

mod models;
mod traces;

pub use models::{logged_model, model};
pub use traces::trace;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use drydock_wire::{
    KeyValue,
    import::{ForeignDataset, ForeignExperiment, ForeignRun},
};
use sha2::{Digest, Sha256};

use super::source::Unread;

/// A run that is not whole yet, and its head: without that no reader takes the folder for a run.
const PART: &str = ".part-";
/// The heads of things that are written beside their place.
const HEADS: [&str; 2] = ["meta.yaml", TRACE_HEAD];
const TRACE_HEAD: &str = "trace_info.yaml";
/// What the export had to leave out of a thing, a line each.
const LEFT_OUT: &str = "drydock-left-out.txt";

/// How much of a run was written.
#[derive(Debug, Default)]
pub struct Written {
    pub params: usize,
    pub tags: usize,
    pub points: usize,
    /// Keys that cannot be files beside the others: `a` and `a/b`.
    pub refused: Vec<Unread>,
}

/// Whether the text can be the name of a folder and nothing else.
pub fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0']) && name.len() < 250
}

/// A scalar that every YAML reader takes for this very text.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

enum Value<'a> {
    Text(&'a str),
    Maybe(Option<&'a str>),
    Number(i64),
    Time(Option<i64>),
    Map(&'a [KeyValue]),
    List,
}

/// The head of a thing that is there at once.
fn meta(dir: &Path, fields: &[(&str, Value<'_>)]) -> io::Result<()> {
    write(&dir.join("meta.yaml"), lines(fields).as_bytes())
}

/// The head of a thing that `finish` gives its name.
fn head(place: &Path, fields: &[(&str, Value<'_>)]) -> io::Result<()> {
    write(&place.join(format!("{PART}meta.yaml")), lines(fields).as_bytes())
}

fn lines(fields: &[(&str, Value<'_>)]) -> String {
    let mut text = String::new();
    for (key, value) in fields {
        let value = match value {
            Value::Text(value) | Value::Maybe(Some(value)) => quoted(value),
            Value::Maybe(None) | Value::Time(None) => "null".into(),
            Value::Number(number) | Value::Time(Some(number)) => number.to_string(),
            Value::List => "[]".into(),
            Value::Map(pairs) => {
                let pairs: Vec<String> =
                    pairs.iter().map(|pair| format!("{}: {}", quoted(&pair.key), quoted(&pair.value))).collect();
                format!("{{{}}}", pairs.join(", "))
            }
        };
        text.push_str(&format!("{key}: {value}\n"));
    }
    text
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(path, bytes)
}

fn stage(deleted: bool) -> Value<'static> {
    Value::Text(if deleted { "deleted" } else { "active" })
}

/// One file per key; how many, and which could not be.
fn pairs(dir: &Path, of: &str, pairs: &[KeyValue], refused: &mut Vec<Unread>) -> io::Result<usize> {
    fs::create_dir_all(dir)?;
    let mut count = 0;
    for KeyValue { key, value } in pairs {
        count += usize::from(leaf(dir, of, key, value.as_bytes(), refused)?);
    }
    Ok(count)
}

/// Whether no file can ever have this name in this place, since it is too long or another file is in the way.
pub fn is_no_name(error: &io::Error) -> bool {
    use io::ErrorKind::{AlreadyExists, InvalidFilename, InvalidInput, IsADirectory, NotADirectory};
    matches!(error.kind(), AlreadyExists | InvalidFilename | InvalidInput | IsADirectory | NotADirectory)
}

/// The file of a key; a key may be a path, and never leaves the folder.
fn leaf(dir: &Path, of: &str, key: &str, bytes: &[u8], refused: &mut Vec<Unread>) -> io::Result<bool> {
    let why = match drydock_wire::validate::relative_path(key) {
        Err(why) => why.to_owned(),
        Ok(()) => match write(&dir.join(key), bytes) {
            Ok(()) => return Ok(true),
            Err(error) if is_no_name(&error) => error.to_string(),
            Err(error) => return Err(error),
        },
    };
    refused.push(Unread::new(format!("{of}, {key}"), why));
    Ok(false)
}

/// What could not be written of it.
pub fn experiment(dir: &Path, it: &ForeignExperiment) -> io::Result<Vec<Unread>> {
    fs::create_dir_all(dir)?;
    meta(
        dir,
        &[
            ("artifact_location", Value::Text(&dir.display().to_string())),
            ("creation_time", Value::Number(it.created_at)),
            ("experiment_id", Value::Text(&it.id)),
            ("last_update_time", Value::Number(it.updated_at)),
            ("lifecycle_stage", stage(it.deleted)),
            ("name", Value::Text(&it.name)),
        ],
    )?;
    let mut refused = Vec::new();
    pairs(&dir.join("tags"), &format!("experiment {}", it.name), &it.tags, &mut refused)?;
    Ok(refused)
}

/// An empty folder for a thing that is being written.
pub fn begin(dir: &Path, id: &str) -> io::Result<PathBuf> {
    let place = dir.join(format!("{PART}{id}"));
    if place.exists() {
        fs::remove_dir_all(&place)?;
    }
    fs::create_dir_all(&place)?;
    Ok(place)
}

/// Gives the thing its head and its name: from now on it is there. `never`: what a folder cannot have of it.
pub fn finish(dir: &Path, id: &str, never: &[Unread]) -> io::Result<()> {
    let place = dir.join(format!("{PART}{id}"));
    note_left_out(&place, never)?;
    for head in HEADS {
        let unfinished = place.join(format!("{PART}{head}"));
        if unfinished.is_file() {
            fs::rename(unfinished, place.join(head))?;
        }
    }
    fs::rename(dir.join(format!("{PART}{id}")), dir.join(id))?;
    fs::File::open(dir)?.sync_all()
}

fn note_left_out(dir: &Path, never: &[Unread]) -> io::Result<()> {
    if never.is_empty() {
        return Ok(());
    }
    let text: String = never.iter().map(|it| format!("{}: {}\n", it.what, it.why).replace(['\r', '\0'], " ")).collect();
    write(&dir.join(LEFT_OUT), text.as_bytes())
}

/// What an export had to leave out of the thing that is there.
pub fn left_out(dir: &Path) -> io::Result<Vec<String>> {
    match fs::read_to_string(dir.join(LEFT_OUT)) {
        Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// `dir`: the experiment's.
pub fn run(place: &Path, experiment: &str, dir: &Path, it: &ForeignRun, artifacts: &Path) -> io::Result<Written> {
    let status = match it.status.as_str() {
        "SCHEDULED" => 2,
        "FINISHED" => 3,
        "FAILED" => 4,
        "KILLED" => 5,
        _ => 1,
    };
    head(
        place,
        &[
            ("artifact_uri", Value::Text(&artifacts.display().to_string())),
            ("end_time", Value::Time(it.ended_at)),
            ("entry_point_name", Value::Text("")),
            ("experiment_id", Value::Text(experiment)),
            ("lifecycle_stage", stage(it.deleted)),
            ("run_id", Value::Text(&it.id)),
            ("run_name", Value::Text(&it.name)),
            ("run_uuid", Value::Text(&it.id)),
            ("source_name", Value::Text("")),
            ("source_type", Value::Number(4)),
            ("source_version", Value::Text("")),
            ("start_time", Value::Number(it.started_at)),
            ("status", Value::Number(status)),
            ("tags", Value::List),
            ("user_id", Value::Text(&it.user)),
        ],
    )?;
    let of = format!("run {}", it.id);
    let mut done = Written::default();
    done.params = pairs(&place.join("params"), &of, &it.params, &mut done.refused)?;
    done.tags = pairs(&place.join("tags"), &of, &it.tags, &mut done.refused)?;
    fs::create_dir_all(place.join("metrics"))?;
    for series in &it.metrics {
        let lines: String = series.points().map(|(step, at, value)| format!("{at} {value:?} {step}\n")).collect();
        if leaf(&place.join("metrics"), &of, &series.key, lines.as_bytes(), &mut done.refused)? {
            done.points += series.steps.len();
        }
    }
    for dataset in &it.datasets {
        input(place, dir, &it.id, dataset)?;
    }
    for (folder, kinds, uses) in [
        ("inputs", ("RUN_INPUT", "MODEL_INPUT"), &it.models_in),
        ("outputs", ("RUN_OUTPUT", "MODEL_OUTPUT"), &it.models_out),
    ] {
        for model in uses.iter().filter(|model| is_plain(&model.model_id)) {
            meta(
                &place.join(folder).join(&model.model_id),
                &[
                    ("destination_id", Value::Text(&model.model_id)),
                    ("destination_type", Value::Text(kinds.1)),
                    ("source_id", Value::Text(&model.model_id)),
                    ("source_type", Value::Text(kinds.0)),
                    ("step", Value::Number(model.step)),
                    ("tags", Value::Map(&[])),
                ],
            )?;
        }
    }
    Ok(done)
}

fn id_of(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(format!("{}:{part}", part.len())));
    hex::encode(hash.finalize())[..32].to_owned()
}

fn input(place: &Path, experiment: &Path, run: &str, it: &ForeignDataset) -> io::Result<()> {
    let id = id_of(&[&it.name, &it.digest]);
    meta(
        &experiment.join("datasets").join(&id),
        &[
            ("digest", Value::Text(&it.digest)),
            ("name", Value::Text(&it.name)),
            ("profile", Value::Maybe(it.profile.as_deref())),
            ("schema", Value::Maybe(it.schema.as_deref())),
            ("source", Value::Text(&it.source)),
            ("source_type", Value::Text(&it.source_type)),
        ],
    )?;
    meta(
        &place.join("inputs").join(id_of(&[&id, run])),
        &[
            ("destination_id", Value::Text(run)),
            ("destination_type", Value::Text("RUN")),
            ("source_id", Value::Text(&id)),
            ("source_type", Value::Text("DATASET")),
            ("tags", Value::Map(&it.tags)),
        ],
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn texts_come_back_from_yaml_as_they_went() {
        for text in
            ["1", "yes", "1e5", "1:30", "2020-01-01", "null", "a: b # c", "zwei\nZeilen\t\"ü\\\"", "\u{2028}x", ""]
        {
            let back: serde_yaml_ng::Value = serde_yaml_ng::from_str(&format!("k: {}\n", quoted(text))).unwrap();
            assert_eq!(back["k"].as_str(), Some(text));
        }
    }

    #[test]
    fn a_thing_has_no_head_before_all_of_it_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let place = begin(dir.path(), "r1").unwrap();
        let it = ForeignRun { id: "r1".into(), status: "FINISHED".into(), ..ForeignRun::default() };
        run(&place, "0", dir.path(), &it, &dir.path().join("r1/artifacts")).unwrap();
        let trace_place = begin(dir.path(), "tr-1").unwrap();
        let it = drydock_wire::import::ForeignTrace { id: "tr-1".into(), state: "OK".into(), ..Default::default() };
        trace(&trace_place, "0", &it, dir.path()).unwrap();
        assert!(!place.join("meta.yaml").exists() && !trace_place.join("trace_info.yaml").exists());
        finish(dir.path(), "r1", &[Unread::new("run r1, a/b", "a is a file")]).unwrap();
        finish(dir.path(), "tr-1", &[]).unwrap();
        assert!(dir.path().join("r1/meta.yaml").is_file() && dir.path().join("tr-1/trace_info.yaml").is_file());
        assert_eq!(left_out(&dir.path().join("r1")).unwrap(), ["run r1, a/b: a is a file"]);
        assert_eq!(left_out(&dir.path().join("tr-1")).unwrap(), [""; 0]);
    }

    #[test]
    fn keys_never_leave_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let mut refused = Vec::new();
        let pair = |key: &str| KeyValue { key: key.into(), value: "x".into() };
        let all = [pair("../out"), pair("/abs"), pair("a"), pair("a/b"), pair("c/d")];
        assert_eq!(pairs(&dir.path().join("params"), "run r", &all, &mut refused).unwrap(), 2);
        assert_eq!(refused.len(), 3);
        assert!(!dir.path().join("out").exists());
        assert!(!is_plain("..") && !is_plain("a/b") && is_plain("wine"));
    }
}
