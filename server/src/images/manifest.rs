//! Reading a manifest: which kind it is and what it refers to. Bytes are kept exactly as pushed; this only looks.

use serde::Deserialize;
use serde_json::Value;

use super::reference::Digest;
use crate::error::{Error, Result};

pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const IMAGE_CONFIGS: [&str; 2] =
    ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];
/// As the specification asks for at least.
pub const MOST_BYTES: usize = 4 << 20;
const MOST_REFERENCES: usize = 20_000;

/// What a manifest refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    pub kind: Kind,
    pub digest: Digest,
    pub size_bytes: i64,
    pub media_type: String,
    /// It may lie elsewhere (layers that may not be distributed), so its bytes need not be here.
    pub is_foreign: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Config,
    Layer,
    Manifest,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Layer => "layer",
            Self::Manifest => "manifest",
        }
    }
}

/// A manifest that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    pub media_type: String,
    pub artifact_type: Option<String>,
    pub subject: Option<Digest>,
    /// JSON.
    pub annotations: Option<String>,
    pub references: Vec<Reference>,
    /// Of an index, as its descriptors say.
    pub platforms: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    schema_version: Option<u64>,
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    subject: Option<Descriptor>,
    annotations: Option<serde_json::Map<String, Value>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    #[serde(default)]
    media_type: String,
    digest: String,
    size: i64,
    urls: Option<Vec<String>>,
    platform: Option<Platform>,
}

#[derive(Deserialize)]
struct Platform {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    variant: Option<String>,
}

/// Whether something of this type is a manifest.
pub fn is_manifest(media_type: &str) -> bool {
    [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST].contains(&media_type)
}

/// Whether something of this type is a list of manifests.
pub fn is_index(media_type: &str) -> bool {
    [OCI_INDEX, DOCKER_LIST].contains(&media_type)
}

impl Document {
    /// Reads the bytes; `content_type` is what the client says they are.
    ///
    /// # Errors
    /// `invalid`, saying what is wrong.
    pub fn read(bytes: &[u8], content_type: Option<&str>) -> Result<Self> {
        let raw: Raw = serde_json::from_slice(bytes)
            .map_err(|cause| Error::invalid(format!("The manifest is no JSON of a manifest: {cause}.")))?;
        let said =
            content_type.map(|text| text.split(';').next().unwrap_or_default().trim()).filter(|it| !it.is_empty());
        let said = said.filter(|it| !matches!(*it, "application/json" | "application/octet-stream"));
        let media_type = match (raw.media_type.as_deref(), said) {
            (Some(inside), Some(outside)) if inside != outside => {
                return Err(Error::invalid(format!(
                    "The manifest says that it is {inside}; its Content-Type says {outside}."
                )));
            }
            (Some(found), _) | (None, Some(found)) => found.to_owned(),
            (None, None) if raw.manifests.is_some() => OCI_INDEX.to_owned(),
            (None, None) => OCI_MANIFEST.to_owned(),
        };
        if !is_manifest(&media_type) {
            return Err(Error::invalid(format!(
                "{media_type} is no type of manifest that this registry keeps; push OCI or Docker schema 2."
            )));
        }
        if raw.schema_version != Some(2) {
            return Err(Error::invalid("The manifest's schemaVersion must be 2."));
        }
        let (references, platforms) = if is_index(&media_type) { of_index(&raw)? } else { (of_image(&raw)?, vec![]) };
        if references.len() > MOST_REFERENCES {
            return Err(Error::invalid(format!("A manifest refers to at most {MOST_REFERENCES} things.")));
        }
        let from_config = || raw.config.as_ref().map(|config| config.media_type.clone()).filter(|it| !it.is_empty());
        let artifact_type = raw.artifact_type.clone().filter(|it| !it.is_empty()).or_else(from_config);
        let subject = raw.subject.as_ref().map(|subject| digest(&subject.digest)).transpose()?;
        let annotations =
            raw.annotations.map(|all| serde_json::to_string(&all)).transpose().map_err(Error::internal)?;
        Ok(Self { media_type, artifact_type, subject, annotations, references, platforms })
    }

    /// The configuration, where it is one of an image: small JSON that names the platform.
    pub fn image_config(&self) -> Option<&Reference> {
        self.references.iter().find(|it| it.kind == Kind::Config && IMAGE_CONFIGS.contains(&it.media_type.as_str()))
    }
}

fn of_image(raw: &Raw) -> Result<Vec<Reference>> {
    let missing = || Error::invalid("An image's manifest has a config and layers.");
    let config = raw.config.as_ref().ok_or_else(missing)?;
    let layers = raw.layers.as_ref().ok_or_else(missing)?;
    let mut references = vec![reference(Kind::Config, config)?];
    for layer in layers {
        references.push(reference(Kind::Layer, layer)?);
    }
    Ok(references)
}

fn of_index(raw: &Raw) -> Result<(Vec<Reference>, Vec<String>)> {
    let children = raw.manifests.as_ref().ok_or_else(|| Error::invalid("An index has a list of manifests."))?;
    let mut references = vec![];
    let mut platforms: Vec<String> = vec![];
    for child in children {
        let kind = if is_manifest(&child.media_type) { Kind::Manifest } else { Kind::Layer };
        references.push(reference(kind, child)?);
        if let Some(platform) = child.platform.as_ref().and_then(Platform::words).filter(|it| !platforms.contains(it)) {
            platforms.push(platform);
        }
    }
    Ok((references, platforms))
}

impl Platform {
    /// Attestations say `unknown/unknown`.
    fn words(&self) -> Option<String> {
        platform(&self.os, &self.architecture, self.variant.as_deref())
    }
}

fn platform(os: &str, architecture: &str, variant: Option<&str>) -> Option<String> {
    let plain = |text: &str| {
        !text.is_empty()
            && text != "unknown"
            && text.len() <= 40
            && text.bytes().all(|b| b.is_ascii_graphic() && b != b'/')
    };
    if !plain(os) || !plain(architecture) {
        return None;
    }
    let variant = variant.filter(|it| plain(it)).map(|it| format!("/{it}")).unwrap_or_default();
    Some(format!("{os}/{architecture}{variant}"))
}

/// The platform that an image's configuration names.
pub fn platform_of_config(bytes: &[u8]) -> Option<String> {
    let found: Platform = serde_json::from_slice(bytes).ok()?;
    found.words()
}

fn reference(kind: Kind, of: &Descriptor) -> Result<Reference> {
    if of.size < 0 {
        return Err(Error::invalid(format!("The size of {} is negative.", of.digest)));
    }
    let is_foreign = of.urls.as_ref().is_some_and(|urls| !urls.is_empty())
        || of.media_type.contains(".foreign.")
        || of.media_type.contains(".nondistributable.");
    Ok(Reference {
        kind,
        digest: digest(&of.digest)?,
        size_bytes: of.size,
        media_type: of.media_type.clone(),
        is_foreign,
    })
}

fn digest(text: &str) -> Result<Digest> {
    Digest::parse(text).ok_or_else(|| Error::invalid(format!("The manifest refers to {text:?}, which is no digest.")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn digest_of(letter: char) -> String {
        format!("sha256:{}", letter.to_string().repeat(64))
    }

    fn image() -> Value {
        json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST,
            "config": {"mediaType": IMAGE_CONFIGS[0], "digest": digest_of('a'), "size": 3},
            "layers": [{"mediaType": "x", "digest": digest_of('b'), "size": 5}]})
    }

    #[test]
    fn an_image_refers_to_its_config_and_layers() {
        let read = Document::read(image().to_string().as_bytes(), Some(OCI_MANIFEST)).unwrap();
        let kinds: Vec<_> = read.references.iter().map(|it| (it.kind, it.size_bytes)).collect();
        assert_eq!(kinds, [(Kind::Config, 3), (Kind::Layer, 5)]);
        assert_eq!(read.artifact_type.as_deref(), Some(IMAGE_CONFIGS[0]));
        assert!(read.image_config().is_some());
    }

    #[test]
    fn an_index_names_its_platforms_once_and_no_unknown_ones() {
        let child = |letter: char, os: &str| {
            json!({"mediaType": OCI_MANIFEST, "digest": digest_of(letter), "size": 1,
            "platform": {"os": os, "architecture": if os == "unknown" { "unknown" } else { "arm64" }, "variant": "v8"}})
        };
        let index =
            json!({"schemaVersion": 2, "manifests": [child('a', "linux"), child('b', "linux"), child('c', "unknown")]});
        let read = Document::read(index.to_string().as_bytes(), Some(OCI_INDEX)).unwrap();
        assert_eq!(read.platforms, ["linux/arm64/v8"]);
        assert!(read.references.iter().all(|it| it.kind == Kind::Manifest));
    }

    #[test]
    fn what_is_no_manifest_is_refused_in_words() {
        let refused =
            |value: Value, kind: &str| Document::read(value.to_string().as_bytes(), Some(kind)).unwrap_err().message;
        assert!(refused(image(), DOCKER_MANIFEST).contains("Content-Type says"));
        assert!(refused(json!({"schemaVersion": 1}), OCI_MANIFEST).contains("schemaVersion"));
        assert!(refused(json!({"schemaVersion": 2}), OCI_MANIFEST).contains("config and layers"));
        assert!(refused(json!({"schemaVersion": 2}), "text/html").contains("text/html"));
        assert!(refused(json!([]), OCI_MANIFEST).contains("no JSON of a manifest"));
        let mut escaped = image();
        escaped["layers"][0]["digest"] = json!("sha256:../../x");
        assert!(refused(escaped, OCI_MANIFEST).contains("no digest"));
        let mut negative = image();
        negative["layers"][0]["size"] = json!(-1);
        assert!(refused(negative, OCI_MANIFEST).contains("negative"));
    }

    #[test]
    fn a_foreign_layer_need_not_be_here() {
        let mut foreign = image();
        foreign["layers"][0]["urls"] = json!(["https://elsewhere.example/x"]);
        let read = Document::read(foreign.to_string().as_bytes(), Some(OCI_MANIFEST)).unwrap();
        assert!(read.references[1].is_foreign && !read.references[0].is_foreign);
    }
}
