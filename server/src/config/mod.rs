//! Settings: one file per section; a TOML file, then DRYDOCK_* variables, then flags, each over the one before.
//!
//! Always holds: what is here was validated; the one secret (`objects::Secret`) shows itself to nobody
//! who does not ask for it by name. Never here: what a feature does with it.

mod disk;
mod gpus;
mod limits;
mod listeners;
mod logs;
mod metrics;
pub mod objects;
pub mod webhooks;

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Deserialize;

pub use disk::Disk;
pub use gpus::Gpus;
pub use limits::Limits;
pub use listeners::Listeners;
pub use logs::Logs;
pub use metrics::Metrics;
pub use objects::Objects;
pub use webhooks::Webhooks;

use crate::error::{Error, Result};

/// Everything that can be set.
#[derive(Debug, Clone)]
pub struct Config {
    pub data_dir: PathBuf,
    pub listeners: Listeners,
    pub limits: Limits,
    pub disk: Disk,
    pub gpus: Gpus,
    pub metrics: Metrics,
    pub logs: Logs,
    pub webhooks: Webhooks,
    pub objects: Objects,
    /// Log lines as JSON rather than for people.
    pub log_json: bool,
}

/// Flags of `drydock serve`; each is a DRYDOCK_* variable as well.
#[derive(Debug, Clone, Args)]
pub struct ServeFlags {
    /// Folder of the database, the blobs and the keys.
    #[arg(long, env = "DRYDOCK_DATA_DIR")]
    pub data_dir: PathBuf,
    /// Address of dashboard, API, MLflow and gateway.
    #[arg(long, env = "DRYDOCK_HTTP")]
    pub http: Option<String>,
    /// Address of the S3 face.
    #[arg(long, env = "DRYDOCK_S3")]
    pub s3: Option<String>,
    /// Address of the OCI registry face.
    #[arg(long, env = "DRYDOCK_REGISTRY")]
    pub registry: Option<String>,
    /// Serve plain HTTP on addresses other than loopback, too (behind a proxy that speaks TLS).
    #[arg(long, env = "DRYDOCK_INSECURE_HTTP")]
    pub insecure_http: bool,
    /// Addresses and hosts that webhooks may reach though they are not public: 10.0.0.0/8,hooks.example:8443.
    #[arg(long, env = "DRYDOCK_WEBHOOKS_ALLOW", value_delimiter = ',')]
    pub webhooks_allow: Vec<String>,
    /// Settings file; `drydock.toml` in the data directory when absent.
    #[arg(long, env = "DRYDOCK_CONFIG")]
    pub config: Option<PathBuf>,
    /// Log lines as JSON.
    #[arg(long, env = "DRYDOCK_LOG_JSON")]
    pub log_json: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    listeners: listeners::Section,
    limits: Limits,
    disk: Disk,
    gpus: Gpus,
    metrics: Metrics,
    logs: Logs,
    webhooks: webhooks::Section,
    objects: objects::Section,
    log_json: bool,
}

impl Config {
    /// Puts file, variables and flags together.
    ///
    /// # Errors
    /// `invalid`, naming the setting and what it may be.
    pub fn load(flags: ServeFlags) -> Result<Self> {
        let file = match &flags.config {
            Some(path) => read(path, true)?,
            None => read(&flags.data_dir.join("drydock.toml"), false)?,
        };
        file.limits.validate()?;
        file.disk.validate()?;
        file.metrics.validate()?;
        file.logs.validate()?;
        Ok(Self {
            listeners: Listeners::resolve(file.listeners, &flags)?,
            limits: file.limits,
            disk: file.disk,
            gpus: file.gpus,
            metrics: file.metrics,
            logs: file.logs,
            webhooks: Webhooks::resolve(file.webhooks, &flags)?,
            objects: Objects::resolve(file.objects, variable)?,
            log_json: flags.log_json || file.log_json,
            data_dir: flags.data_dir,
        })
    }

    /// `[objects]` alone, for commands beside the server. They find the settings file as the server does.
    ///
    /// # Errors
    /// As `load`.
    pub fn objects_of(data_dir: &Path) -> Result<Objects> {
        let file = match std::env::var_os("DRYDOCK_CONFIG") {
            Some(path) => read(Path::new(&path), true)?,
            None => read(&data_dir.join("drydock.toml"), false)?,
        };
        Objects::resolve(file.objects, variable)
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn read(path: &Path, must_exist: bool) -> Result<File> {
    match std::fs::read_to_string(path) {
        Ok(text) => toml::from_str(&text).map_err(|cause| Error::invalid(unreadable(path, &text, &cause))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !must_exist => Ok(File::default()),
        Err(error) => Err(Error::invalid(format!("{}: {error}", path.display()))),
    }
}

/// With the line, but not its text: a key may stand there.
fn unreadable(path: &Path, text: &str, cause: &toml::de::Error) -> String {
    let before = cause.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    format!("{}, line {}: {}", path.display(), before.matches('\n').count() + 1, cause.message())
}
