//! `[objects]`: where large content is kept, on this box's disk or in a bucket of an S3 cluster. Each setting is a variable as
//! well (`DRYDOCK_OBJECTS_SECRET_KEY`, …); none is a flag, since a command line is no place for a key.

use std::{fmt, path::PathBuf, time::Duration};

use serde::Deserialize;

use crate::error::{Error, Result};

/// The largest content that may live in the database.
const SMALL_BYTES: usize = 64 * 1024;

#[derive(Debug, Clone)]
pub struct Objects {
    pub engine: Engine,
    /// Content up to this size lives in the database and rides its group commit.
    pub small_bytes: usize,
    /// The cluster, also where `engine` is the disk: what `drydock objects move` moves to.
    pub cluster: Option<Cluster>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    #[default]
    Disk,
    S3,
}

impl Engine {
    pub fn name(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::S3 => "s3",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Disk, Self::S3].into_iter().find(|engine| engine.name() == name)
    }
}

#[derive(Debug, Clone)]
pub struct Cluster {
    pub endpoint: String,
    pub region: String,
    pub bucket: String,
    /// Empty, or ending in a slash.
    pub prefix: String,
    pub access_key: String,
    pub secret_key: Secret,
    /// PEM file of the authority of the cluster's certificate.
    pub ca: Option<PathBuf>,
    pub timeout: Duration,
    pub cache_bytes: u64,
}

/// A text that no log and no message shows.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct Secret(String);

impl Secret {
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Section {
    engine: Engine,
    small_bytes: Option<usize>,
    endpoint: Option<String>,
    region: Option<String>,
    bucket: Option<String>,
    prefix: Option<String>,
    access_key: Option<String>,
    secret_key: Option<Secret>,
    secret_key_file: Option<PathBuf>,
    ca: Option<PathBuf>,
    timeout_s: Option<u64>,
    cache_bytes: Option<u64>,
}

impl Default for Objects {
    fn default() -> Self {
        Self { engine: Engine::Disk, small_bytes: SMALL_BYTES, cluster: None }
    }
}

impl Objects {
    /// Puts the section and the variables together.
    pub(super) fn resolve(file: Section, variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let text = |name: &str, file: Option<String>| variable(&format!("DRYDOCK_OBJECTS_{name}")).or(file);
        let engine = match variable("DRYDOCK_OBJECTS_ENGINE") {
            None => file.engine,
            Some(name) => Engine::from_name(&name).ok_or_else(|| wrong("engine", "is disk or s3"))?,
        };
        let small = number("small_bytes", variable("DRYDOCK_OBJECTS_SMALL_BYTES"), file.small_bytes.map(|n| n as u64))?;
        let small_bytes = usize::try_from(small.unwrap_or(SMALL_BYTES as u64)).unwrap_or(usize::MAX);
        if small_bytes > SMALL_BYTES {
            return Err(wrong("small_bytes", &format!("is at most {SMALL_BYTES}")));
        }
        let timeout_s = number("timeout_s", variable("DRYDOCK_OBJECTS_TIMEOUT_S"), file.timeout_s)?.unwrap_or(30);
        let cache = number("cache_bytes", variable("DRYDOCK_OBJECTS_CACHE_BYTES"), file.cache_bytes)?;
        let endpoint = text("ENDPOINT", file.endpoint);
        let Some(endpoint) = endpoint else {
            return match engine {
                Engine::Disk => Ok(Self { engine, small_bytes, cluster: None }),
                Engine::S3 => Err(wrong("endpoint", "is missing: http://minio.lan:9000, for example")),
            };
        };
        let secret = match variable("DRYDOCK_OBJECTS_SECRET_KEY").map(Secret).or(file.secret_key) {
            Some(secret) => secret,
            None => secret_of(text("SECRET_KEY_FILE", path_text(file.secret_key_file)))?,
        };
        let needed = |name: &str, value: Option<String>| {
            value.filter(|value| !value.is_empty()).ok_or_else(|| wrong(name, "is missing"))
        };
        let cluster = Cluster {
            endpoint: endpoint_of(&endpoint)?,
            region: text("REGION", file.region).unwrap_or_else(|| "us-east-1".into()),
            bucket: needed("bucket", text("BUCKET", file.bucket))?,
            prefix: prefix_of(&text("PREFIX", file.prefix).unwrap_or_default())?,
            access_key: needed("access_key", text("ACCESS_KEY", file.access_key))?,
            secret_key: secret,
            ca: text("CA", path_text(file.ca)).map(PathBuf::from),
            timeout: Duration::from_secs(timeout_s.clamp(1, 600)),
            cache_bytes: cache.unwrap_or(32 << 30),
        };
        Ok(Self { engine, small_bytes, cluster: Some(cluster) })
    }

    /// The cluster, where something needs it.
    pub fn needed_cluster(&self) -> Result<&Cluster> {
        self.cluster
            .as_ref()
            .ok_or_else(|| wrong("endpoint", "is missing, and so are bucket, access_key and secret_key"))
    }
}

fn wrong(name: &str, what: &str) -> Error {
    Error::invalid(format!("objects.{name} {what}."))
}

fn path_text(path: Option<PathBuf>) -> Option<String> {
    path.map(|path| path.to_string_lossy().into_owned())
}

fn number(name: &str, variable: Option<String>, file: Option<u64>) -> Result<Option<u64>> {
    match variable {
        None => Ok(file),
        Some(text) => text.parse().map(Some).map_err(|_| wrong(name, "is a number")),
    }
}

fn secret_of(file: Option<String>) -> Result<Secret> {
    let path = file.ok_or_else(|| wrong("secret_key", "is missing; or name a file in secret_key_file"))?;
    let text = std::fs::read_to_string(&path)
        .map_err(|cause| Error::invalid(format!("objects.secret_key_file: {path}: {cause}.")))?;
    Ok(Secret(text.trim().to_owned()))
}

fn endpoint_of(text: &str) -> Result<String> {
    let bare = text.trim_end_matches('/');
    let host = bare.strip_prefix("http://").or_else(|| bare.strip_prefix("https://"));
    match host {
        Some(host) if !host.is_empty() && !host.contains(['/', '@', '?', '#']) => Ok(bare.to_owned()),
        _ => Err(wrong("endpoint", "is http:// or https:// with a host and a port: https://minio.lan:9000")),
    }
}

fn prefix_of(text: &str) -> Result<String> {
    let bare = text.trim_matches('/');
    let good = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    match bare {
        "" => Ok(String::new()),
        bare if bare.split('/').all(|part| good(part) && !part.starts_with('.')) => Ok(format!("{bare}/")),
        _ => Err(wrong("prefix", "has letters, digits, dashes and dots, in parts between slashes: teams/vision")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn resolved(toml: &str, variables: &[(&str, &str)]) -> Result<Objects> {
        let section: Section = toml::from_str(toml).unwrap();
        Objects::resolve(section, |name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    const WHOLE: &str =
        "engine = 's3'\nendpoint = 'http://minio:9000/'\nbucket = 'b'\naccess_key = 'a'\nsecret_key = 'hush'";

    #[test]
    fn the_disk_needs_nothing() {
        let objects = resolved("", &[]).unwrap();
        assert_eq!((objects.engine, objects.small_bytes), (Engine::Disk, 65536));
        assert!(objects.cluster.is_none() && objects.needed_cluster().is_err());
    }

    #[test]
    fn a_cluster_is_said_whole_or_the_missing_part_is_named() {
        let cluster = resolved(WHOLE, &[]).unwrap().cluster.unwrap();
        assert_eq!((cluster.endpoint.as_str(), cluster.region.as_str()), ("http://minio:9000", "us-east-1"));
        for missing in ["endpoint", "bucket", "access_key", "secret_key"] {
            let toml: Vec<&str> = WHOLE.lines().filter(|line| !line.starts_with(missing)).collect();
            let error = resolved(&toml.join("\n"), &[]).unwrap_err().message;
            assert!(error.starts_with(&format!("objects.{missing}")), "{missing}: {error}");
        }
    }

    #[test]
    fn variables_go_over_the_file_and_secrets_never_show() {
        let given = [("DRYDOCK_OBJECTS_SECRET_KEY", "other"), ("DRYDOCK_OBJECTS_PREFIX", "/team/a/")];
        let objects = resolved(WHOLE, &given).unwrap();
        let shown = format!("{objects:?}");
        let cluster = objects.cluster.unwrap();
        assert_eq!((cluster.secret_key.reveal(), cluster.prefix.as_str()), ("other", "team/a/"));
        assert!(!shown.contains("other") && !shown.contains("hush"), "{shown}");
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for (name, value) in [
            ("ENDPOINT", "minio:9000"),
            ("ENDPOINT", "http://u:p@minio"),
            ("PREFIX", "a/../b"),
            ("PREFIX", "a//b"),
            ("ENGINE", "tape"),
            ("SMALL_BYTES", "65537"),
            ("CACHE_BYTES", "many"),
        ] {
            assert!(resolved(WHOLE, &[(&format!("DRYDOCK_OBJECTS_{name}"), value)]).is_err(), "{name}={value}");
        }
    }
}
