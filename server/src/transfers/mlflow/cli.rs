//! `drydock import mlflow` and `drydock export mlflow`.

use std::{
    io::{BufRead, Write},
    path::PathBuf,
};

use clap::Args;

use super::{
    api::{Api, Proof},
    export::{self, Export},
    import::{self, Import},
    report::Report,
    source::Source,
};
use crate::error::{Error, Result};

/// The box.
#[derive(Debug, Clone, Args)]
pub struct Target {
    /// Address of the box, http://127.0.0.1:8080. For a box with TLS, DRYDOCK_CA names a copy of its `tls/ca.pem`.
    #[arg(long, env = "DRYDOCK_URL")]
    url: String,
    /// A token of an engineer or admin.
    #[arg(long, env = "DRYDOCK_TOKEN", hide_env_values = true)]
    token: String,
}

/// Where a foreign server's credentials come from: never an argument.
#[derive(Debug, Clone, Args)]
pub struct ForeignProof {
    /// Read the token for a SOURCE that is a server from standard input, one line (or set DRYDOCK_SOURCE_TOKEN).
    #[arg(long)]
    source_token_stdin: bool,
    /// Name for a SOURCE that is a server with passwords; the password is read from standard input, one line (or set
    /// DRYDOCK_SOURCE_PASSWORD).
    #[arg(long)]
    source_user: Option<String>,
    /// Certificate, PEM, that signed the SOURCE's own, if it is an https:// server with one of its own.
    #[arg(long)]
    source_ca: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
pub struct ImportFlags {
    /// An `mlruns` folder, MLflow's SQLite file (a path or sqlite:///…), or the address of a running MLflow server.
    source: String,
    #[command(flatten)]
    to: Target,
    #[command(flatten)]
    proof: ForeignProof,
    /// A folder that may be read for artifacts, too: where they moved to, or where the store says that they are.
    #[arg(long)]
    artifacts: Vec<PathBuf>,
    /// Only the experiment of this name; may be given again. The registry is left out then.
    #[arg(long)]
    experiment: Vec<String>,
    /// Put after the name of an experiment or model where the box has another one of that name.
    #[arg(long, default_value = " (imported)")]
    suffix: String,
    /// Put all runs into the experiment of this name instead.
    #[arg(long)]
    into: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub struct ExportFlags {
    /// A folder to make, or one that an export was broken off in.
    folder: PathBuf,
    #[command(flatten)]
    from: Target,
    /// Only the experiment of this name; may be given again.
    #[arg(long)]
    experiment: Vec<String>,
    /// Only the registered model of this name; may be given again.
    #[arg(long)]
    model: Vec<String>,
}

impl Target {
    fn api(&self) -> Result<Api> {
        let ca = match std::env::var_os("DRYDOCK_CA") {
            Some(path) => Some(read(&path.into(), "DRYDOCK_CA")?),
            None => None,
        };
        Api::new(&self.url, Proof::Token(self.token.trim().to_owned()), ca.as_deref())
    }
}

fn read(path: &PathBuf, what: &str) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|cause| Error::invalid(format!("The file that {what} names cannot be read: {cause}.")))
}

fn line() -> Result<String> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(Error::internal)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

impl ForeignProof {
    fn api(&self, url: &str) -> Result<Api> {
        let proof = match (&self.source_user, std::env::var("DRYDOCK_SOURCE_TOKEN").ok()) {
            (Some(name), _) => {
                let password = std::env::var("DRYDOCK_SOURCE_PASSWORD").or_else(|_| line())?;
                Proof::Password(name.clone(), password)
            }
            _ if self.source_token_stdin => Proof::Token(line()?),
            (None, Some(token)) => Proof::Token(token),
            (None, None) => Proof::Nothing,
        };
        let ca = self.source_ca.as_ref().map(|path| read(path, "--source-ca")).transpose()?;
        Api::new(url, proof, ca.as_deref())
    }
}

/// `drydock import mlflow`. Whether nothing was left out.
pub async fn import(flags: ImportFlags) -> Result<bool> {
    let source = Source::open(&flags.source, &flags.artifacts, |url| flags.proof.api(url))?;
    let wish = import::Wish {
        source: named(&flags.source),
        suffix: flags.suffix,
        into: flags.into,
        experiments: flags.experiment,
    };
    let mut import = Import::new(&source, flags.to.api()?, wish);
    let ended = import.run().await;
    tell(&import.report, "imported", ended.is_ok())?;
    ended.map(|()| import.report.is_whole())
}

/// The source as the box keeps it: an address without credentials, a path in full.
fn named(source: &str) -> String {
    if let Ok(mut url) = reqwest::Url::parse(source)
        && url.has_host()
    {
        let _ = url.set_username("");
        let _ = url.set_password(None);
        return url.to_string();
    }
    let path = source.strip_prefix("sqlite:///").unwrap_or(source);
    std::fs::canonicalize(path).map_or_else(|_| source.to_owned(), |path| path.display().to_string())
}

/// `drydock export mlflow`. Whether nothing was left out.
pub async fn export(flags: ExportFlags) -> Result<bool> {
    let source = Source::Server(super::source::Server::new(flags.from.api()?));
    let wish = export::Wish { experiments: flags.experiment, models: flags.model };
    let mut export = Export::new(&source, &flags.folder, wish)?;
    let ended = export.run().await;
    tell(&export.report, "exported", ended.is_ok())?;
    ended.map(|()| export.report.is_whole())
}

fn tell(report: &Report, verb: &str, ended: bool) -> Result<()> {
    write!(std::io::stdout(), "{}", report.table(verb, ended)).map_err(Error::internal)
}
