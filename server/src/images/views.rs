//! From rows to what the dashboard shows.

use std::collections::{BTreeMap, BTreeSet};

use drydock_wire::{
    KeyValue,
    images::{ImageConfig, ImageLayer, ImageTag, ManifestDetail, ManifestSummary, RepositoryDetail, RepositorySummary},
};
use serde_json::Value;

use super::{
    find_manifest,
    manifest::is_index,
    store::{
        self,
        manifests::{Manifest, ReferenceRow},
        sizes::Figures,
    },
    use_of::Uses,
};
use crate::{accounts::Principal, app::App, db::Conn, error::Result};

/// A configuration larger than this is not shown.
const LARGEST_CONFIG: u64 = 4 << 20;

fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

impl From<Figures> for RepositorySummary {
    fn from(row: Figures) -> Self {
        Self {
            name: row.name,
            tag_count: unsigned(row.tag_count),
            manifest_count: unsigned(row.manifest_count),
            size_bytes: unsigned(row.size_bytes),
            own_bytes: unsigned(row.own_bytes),
            pushed_at: row.pushed_at,
            pushed_by: row.pushed_by,
        }
    }
}

pub fn summaries(conn: &mut Conn) -> Result<Vec<RepositorySummary>> {
    Ok(store::sizes::of_all(conn)?.into_iter().map(Into::into).collect())
}

pub fn repository(conn: &mut Conn, who: &Principal, name: &str) -> Result<RepositoryDetail> {
    let repository = store::require(conn, name)?;
    let figures = store::sizes::of(conn, repository.id)?;
    let manifests = store::manifests::of_repository(conn, repository.id)?;
    let tags = store::tags::of_repository(conn, repository.id)?;
    let references = store::manifests::references_of_repository(conn, repository.id)?;
    let uses = Uses::load(conn)?.seen_by(conn, who, name)?;
    let mut tags_of: BTreeMap<i64, Vec<String>> = BTreeMap::new();
    for tag in &tags {
        tags_of.entry(tag.manifest).or_default().push(tag.tag.clone());
    }
    let summary = |it: &Manifest| {
        let tags = tags_of.get(&it.id).map_or(&[][..], Vec::as_slice);
        summary(it, &uses, name, tags)
    };
    let by_id: BTreeMap<i64, &Manifest> = manifests.iter().map(|it| (it.id, it)).collect();
    let tagged = tags.iter().filter_map(|tag| {
        let pushed = ManifestSummary {
            pushed_at: tag.pushed_at,
            pushed_by: tag.pushed_by.clone(),
            ..summary(by_id.get(&tag.manifest)?)
        };
        Some(ImageTag { tag: tag.tag.clone(), manifest: pushed })
    });
    let parts: BTreeSet<&str> =
        references.iter().filter(|it| it.kind == "manifest").map(|it| it.name.as_str()).collect();
    let names: BTreeSet<&str> = manifests.iter().map(|it| it.name.as_str()).collect();
    let belongs = |it: &Manifest| {
        parts.contains(it.name.as_str()) || it.subject.as_deref().is_some_and(|subject| names.contains(subject))
    };
    let untagged = manifests.iter().filter(|it| !tags_of.contains_key(&it.id) && !belongs(it)).map(summary);
    Ok(RepositoryDetail {
        retention: repository.retention()?,
        tags: tagged.collect(),
        untagged: untagged.collect(),
        summary: figures.into(),
    })
}

fn summary(it: &Manifest, uses: &Uses, repository: &str, tags: &[String]) -> ManifestSummary {
    ManifestSummary {
        digest: it.name.clone(),
        media_type: it.media_type.clone(),
        artifact_type: it
            .artifact_type
            .clone()
            .filter(|kind| !kind.contains("image.config") && !kind.contains("container.image")),
        platforms: it.platforms.split_whitespace().map(str::to_owned).collect(),
        size_bytes: unsigned(it.total_bytes),
        pushed_at: it.pushed_at,
        pushed_by: it.pushed_by.clone(),
        used_by: uses.of(repository, &it.name, tags),
    }
}

/// What the rows say of a manifest.
struct Rows {
    detail: ManifestDetail,
    /// SHA-256 of the content of manifest and configuration.
    digest: String,
    config: Option<(String, u64)>,
}

pub async fn manifest(app: &App, who: Principal, name: String, digest: String) -> Result<ManifestDetail> {
    let rows = app.db.read(move |conn| rows_of(conn, &who, &name, &digest)).await?;
    let mut detail = rows.detail;
    detail.manifest = String::from_utf8_lossy(&app.objects.read(&rows.digest).await?).into_owned();
    if let Some((digest, _)) = rows.config.filter(|(_, size)| *size <= LARGEST_CONFIG) {
        let bytes = app.objects.read(&digest).await?;
        if let Ok(json) = serde_json::from_slice::<Value>(&bytes) {
            explain_layers(&mut detail.layers, &json);
            detail.config = Some(config(&json));
        }
    }
    Ok(detail)
}

fn rows_of(conn: &mut Conn, who: &Principal, name: &str, digest: &str) -> Result<Rows> {
    let repository = store::require(conn, name)?;
    let found = find_manifest(conn, &repository, digest)?;
    let uses = Uses::load(conn)?.seen_by(conn, who, name)?;
    let tags = store::tags::of_manifest(conn, found.id)?;
    let references = store::manifests::references(conn, found.id)?;
    let described = |conn: &mut Conn, name: &str| -> Result<Option<ManifestSummary>> {
        let Some(it) = store::manifests::by_name(conn, repository.id, name)? else { return Ok(None) };
        let tags = store::tags::of_manifest(conn, it.id)?;
        Ok(Some(summary(&it, &uses, &repository.name, &tags)))
    };
    let mut children = vec![];
    for reference in references.iter().filter(|it| it.kind == "manifest") {
        children.extend(described(conn, &reference.name)?);
    }
    let mut referrers = vec![];
    for it in store::manifests::referrers(conn, repository.id, digest, "", 100)? {
        referrers.extend(described(conn, &it.name)?);
    }
    let mut config = None;
    let mut layers = vec![];
    for reference in &references {
        let blob = digest_of(conn, &repository.name, reference)?;
        match reference.kind.as_str() {
            "layer" => layers.push(layer(conn, repository.id, reference, blob)?),
            "config" => config = blob.map(|digest| (digest, unsigned(reference.size_bytes))),
            _ => {}
        }
    }
    let is_image = found
        .artifact_type
        .as_deref()
        .is_some_and(|kind| kind.contains("image.config") || kind.contains("container.image"));
    Ok(Rows {
        digest: found.digest.clone(),
        config: config.filter(|_| is_image && !is_index(&found.media_type)),
        detail: ManifestDetail {
            summary: summary(&found, &uses, name, &tags),
            tags,
            config: None,
            layers,
            children,
            referrers,
            manifest: String::new(),
        },
    })
}

fn digest_of(conn: &mut Conn, repository: &str, reference: &ReferenceRow) -> Result<Option<String>> {
    let Some(name) = super::reference::Digest::parse(&reference.name) else { return Ok(None) };
    Ok(store::blob(conn, repository, &name)?.map(|blob| blob.digest))
}

fn layer(conn: &mut Conn, repository: i64, reference: &ReferenceRow, digest: Option<String>) -> Result<ImageLayer> {
    let shared_with = match digest {
        Some(digest) => store::manifests::others_with_blob(conn, repository, &digest)?,
        None => vec![],
    };
    Ok(ImageLayer {
        digest: reference.name.clone(),
        media_type: reference.media_type.clone(),
        size_bytes: unsigned(reference.size_bytes),
        created_by: None,
        shared_with,
    })
}

/// The steps of the history that made a layer, in order; the others made none.
fn explain_layers(layers: &mut [ImageLayer], config: &Value) {
    let steps = config["history"].as_array().map_or(&[][..], Vec::as_slice);
    let made: Vec<&Value> = steps.iter().filter(|step| step["empty_layer"] != true).collect();
    if made.len() != layers.len() {
        return; // a squashed image, or a history that is of another
    }
    for (layer, step) in layers.iter_mut().zip(made) {
        layer.created_by = step["created_by"].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    }
}

fn config(json: &Value) -> ImageConfig {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &Value| -> Vec<String> { value.as_array().into_iter().flatten().map(&text).collect() };
    let inner = &json["config"];
    let created = json["created"].as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    ImageConfig {
        created_at: created.map(jiff::Timestamp::as_millisecond),
        architecture: text(&json["architecture"]),
        os: text(&json["os"]),
        user: text(&inner["User"]),
        working_dir: text(&inner["WorkingDir"]),
        entrypoint: list(&inner["Entrypoint"]),
        command: list(&inner["Cmd"]),
        environment: list(&inner["Env"]),
        ports: inner["ExposedPorts"].as_object().into_iter().flat_map(|it| it.keys().cloned()).collect(),
        labels: inner["Labels"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, value)| KeyValue { key: key.clone(), value: text(value) })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_layer_gets_the_step_that_made_it() {
        let bare = |digest: &str| ImageLayer {
            digest: digest.into(),
            media_type: String::new(),
            size_bytes: 1,
            created_by: None,
            shared_with: vec![],
        };
        let history = json!({"history": [
            {"created_by": "ADD rootfs"}, {"created_by": "ENV A=1", "empty_layer": true}, {"created_by": "RUN make"}]});
        let mut layers = vec![bare("a"), bare("b")];
        explain_layers(&mut layers, &history);
        assert_eq!(layers[0].created_by.as_deref(), Some("ADD rootfs"));
        assert_eq!(layers[1].created_by.as_deref(), Some("RUN make"));
        let mut one = vec![bare("a")];
        explain_layers(&mut one, &history);
        assert_eq!(one[0].created_by, None);
    }
}
