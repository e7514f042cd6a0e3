//! The command line beside `serve`: accounts from a shell, the sample, backup and doctor. Commands on the data directory
//! work whether or not the server runs: SQLite arbitrates between the two.

mod audit;
mod backup;
mod doctor;
mod moving;
mod remote;

use std::{
    io::{BufRead, Write},
    path::{Path, PathBuf},
};

use clap::{Args, Parser, Subcommand};
use diesel::connection::{AnsiTransactionManager, TransactionManager};
use drydock_wire::storage::{CreateS3Key, KeyScope};

use crate::{
    accounts::{self, secrets::BoxKey},
    boot,
    config::{Config, ServeFlags},
    db::{self, Conn},
    demo,
    error::{Error, Result},
    logs, transfers,
    web::assets::Dashboard,
};

/// Drydock: data, training, tracking, registry and serving in one program, without the internet.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server.
    Serve(ServeFlags),
    /// Administrators, from a shell on the box.
    #[command(subcommand)]
    Admin(AdminCommand),
    /// API tokens.
    #[command(subcommand)]
    Token(TokenCommand),
    /// S3 access keys.
    #[command(subcommand, name = "s3-key")]
    S3Key(S3KeyCommand),
    /// Jobs on a box, from anywhere: run, list, show, logs, cancel, rerun, outputs, sweep.
    #[command(subcommand)]
    Job(remote::JobCommand),
    /// Images built on the box: build, list, logs, cancel.
    #[command(subcommand)]
    Image(remote::ImageCommand),
    /// Deployments: put, list, show, logs, promote, pause, resume, abort, rollback, delete; from anywhere.
    #[command(subcommand)]
    Deploy(remote::DeployCommand),
    /// Python packages of the box: add, list, show, missing.
    #[command(subcommand)]
    Package(remote::PackageCommand),
    /// Pipelines: apply, run, look, clear, pause; from anywhere.
    #[command(subcommand)]
    Pipeline(remote::PipelineCommand),
    /// What waits and why, and the queues.
    #[command(subcommand)]
    Queue(remote::QueueCommand),
    /// What jobs, deployments, builds and Drydock wrote: search, and follow.
    Logs(Box<remote::LogsFlags>),
    /// Secrets that jobs get as files.
    #[command(subcommand)]
    Secret(remote::SecretCommand),
    /// Run the sample lifecycle against a running server.
    Demo(DemoFlags),
    /// Take in the history of another MLflow: a folder, its SQLite file or a running server.
    #[command(subcommand)]
    Import(ImportCommand),
    /// Give out experiments and models as an `mlruns` folder that mlflow reads.
    #[command(subcommand)]
    Export(ExportCommand),
    /// The store of large content.
    #[command(subcommand)]
    Objects(ObjectsCommand),
    /// Write database, blobs and keys into one file; the server may run meanwhile.
    Backup(WriteBackupFlags),
    /// Fill an empty data directory from a backup.
    Restore(BackupFlags),
    /// Check the data directory: database, audit chain, blobs.
    Doctor(DataDir),
    /// The audit trail: verify, export, key.
    #[command(subcommand)]
    Audit(audit::AuditCommand),
}

#[derive(Debug, Clone, Args)]
pub struct DataDir {
    /// Folder of the database, the blobs and the keys.
    #[arg(long, env = "DRYDOCK_DATA_DIR")]
    pub data_dir: PathBuf,
}

#[derive(Debug, Clone, Args)]
pub struct PersonFlags {
    #[command(flatten)]
    at: DataDir,
    #[arg(long)]
    username: String,
    /// Read the password from standard input, one line. Passwords are never arguments.
    #[arg(long, required = true)]
    password_stdin: bool,
}

#[derive(Debug, Subcommand)]
pub enum AdminCommand {
    /// Make an administrator.
    Create(PersonFlags),
    /// Give an account a new password, enable it, end its sessions.
    ResetPassword(PersonFlags),
}

#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Print a new token, alone; good as Bearer and as MLFLOW_TRACKING_TOKEN.
    Create {
        #[command(flatten)]
        at: DataDir,
        /// Whose token.
        #[arg(long)]
        user: String,
        /// What it is for.
        #[arg(long)]
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum S3KeyCommand {
    /// Print a new access key and its secret key as JSON.
    Create(S3KeyFlags),
}

#[derive(Debug, Clone, Args)]
pub struct S3KeyFlags {
    #[command(flatten)]
    at: DataDir,
    /// Whose key.
    #[arg(long)]
    user: String,
    /// What it is for.
    #[arg(long, default_value = "command line")]
    name: String,
    /// 1 to 3650; without it the key has no end.
    #[arg(long)]
    expires_in_days: Option<u32>,
    /// BUCKET or BUCKET/PREFIX that the key opens, and nothing else; may be given several times.
    #[arg(long)]
    bucket: Vec<String>,
    /// With --bucket: to write as well as to read.
    #[arg(long, requires = "bucket")]
    write: bool,
}

impl S3KeyFlags {
    fn wish(&self) -> CreateS3Key {
        let scope = |text: &String| {
            let (bucket, prefix) = text.split_once('/').unwrap_or((text, ""));
            KeyScope { bucket: bucket.to_owned(), prefix: prefix.to_owned(), may_write: self.write }
        };
        CreateS3Key {
            name: self.name.clone(),
            expires_in_days: self.expires_in_days,
            scopes: self.bucket.iter().map(scope).collect(),
            project: None,
        }
    }
}

#[derive(Debug, Clone, Args)]
pub struct DemoFlags {
    /// Address of the server, http://127.0.0.1:8080.
    #[arg(long, env = "DRYDOCK_URL")]
    url: String,
    /// A token of an engineer or admin.
    #[arg(long, env = "DRYDOCK_TOKEN", hide_env_values = true)]
    token: String,
    /// Leave it to the box as a pipeline, weekly and when the data drift, instead of running it from here.
    #[arg(long)]
    pipeline: bool,
}

#[derive(Debug, Clone, Args)]
pub struct BackupFlags {
    #[command(flatten)]
    at: DataDir,
    /// The backup file.
    file: PathBuf,
}

#[derive(Debug, Clone, Args)]
pub struct WriteBackupFlags {
    #[command(flatten)]
    backup: BackupFlags,
    /// Leave out large content that lies in an S3 cluster: the backup is good only as long as the bucket is.
    #[arg(long)]
    without_cluster_content: bool,
}

#[derive(Debug, Subcommand)]
pub enum ObjectsCommand {
    /// Carry large content from the disk into an S3 cluster, or back. Can be broken off and started again; exits with 3 when
    /// damaged content stayed behind.
    Move(moving::MoveFlags),
}

#[derive(Debug, Subcommand)]
pub enum ImportCommand {
    /// Into a running box. Can be broken off and started again; exits with 3 when some parts were left out.
    Mlflow(transfers::mlflow::ImportFlags),
}

#[derive(Debug, Subcommand)]
pub enum ExportCommand {
    /// From a running box. Can be broken off and started again; exits with 3 when some parts were left out.
    Mlflow(transfers::mlflow::ExportFlags),
}

/// How a command ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Well,
    /// An import, export or move left parts out, and said which.
    Partly,
    /// As the job that was followed.
    Code(u8),
}

impl Ended {
    /// The code that the program exits with.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Well => 0,
            Self::Partly => 3,
            Self::Code(code) => code,
        }
    }
}

/// Runs a command to its end. Not `async`: whoever polls a future compiles it, and that is to be this library.
///
/// # Errors
/// What the command or the server says; the caller shows it.
pub fn main(cli: Cli, dashboard: Dashboard) -> Result<Ended> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Error::internal)?;
    match cli.command {
        Command::Serve(flags) => {
            let config = Config::load(flags)?;
            log_to_stderr(config.log_json);
            runtime.block_on(boot::serve(config, dashboard)).map(|()| Ended::Well)
        }
        command => runtime.block_on(run(command)),
    }
}

/// `DRYDOCK_LOG` filters as `RUST_LOG` does elsewhere. What passes goes into the search over logs, too.
fn log_to_stderr(json: bool) {
    use tracing_subscriber::{Layer, layer::SubscriberExt, util::SubscriberInitExt};
    let filter = tracing_subscriber::EnvFilter::try_from_env("DRYDOCK_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info,s3s=off,actix_server=warn,tantivy=warn"));
    // colours are for people at a terminal, not for files and journals
    let is_seen = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let lines = tracing_subscriber::fmt::layer().with_ansi(is_seen).with_writer(std::io::stderr);
    let lines = if json { lines.json().flatten_event(true).boxed() } else { lines.boxed() };
    tracing_subscriber::registry().with(filter).with(lines).with(logs::layer()).init();
}

/// Runs a command other than `serve`.
async fn run(command: Command) -> Result<Ended> {
    let whole = match command {
        Command::Import(ImportCommand::Mlflow(flags)) => transfers::mlflow::import(flags).await?,
        Command::Export(ExportCommand::Mlflow(flags)) => transfers::mlflow::export(flags).await?,
        Command::Objects(ObjectsCommand::Move(flags)) => moving::run(flags).await?,
        Command::Job(command) => return remote::job(command).await,
        Command::Image(command) => return remote::image(command).await,
        Command::Deploy(command) => return remote::deploy(command).await,
        Command::Package(command) => return remote::package(command).await,
        other => run_plain(other).await.map(|()| true)?,
    };
    Ok(if whole { Ended::Well } else { Ended::Partly })
}

async fn run_plain(command: Command) -> Result<()> {
    match command {
        Command::Serve(_)
        | Command::Import(_)
        | Command::Export(_)
        | Command::Objects(_)
        | Command::Job(_)
        | Command::Image(_)
        | Command::Deploy(_)
        | Command::Package(_) => Err(Error::internal(anyhow::anyhow!("this is not a plain console command"))),
        Command::Admin(AdminCommand::Create(flags)) => {
            with_password(&flags, |conn, password| accounts::console_create_admin(conn, &flags.username, password))
        }
        Command::Admin(AdminCommand::ResetPassword(flags)) => {
            with_password(&flags, |conn, password| accounts::console_reset_password(conn, &flags.username, password))
        }
        Command::Token(TokenCommand::Create { at, user, name }) => {
            let secret = change(&at.data_dir, |conn| accounts::console_create_token(conn, &user, &name))?;
            print(&secret)
        }
        Command::S3Key(S3KeyCommand::Create(flags)) => {
            let key = BoxKey::load_or_create(&flags.at.data_dir.join("box.key"))?;
            let wish = flags.wish();
            let make = |conn: &mut Conn| accounts::console_create_s3_key(conn, &key, &flags.user, &wish);
            let (access, secret) = change(&flags.at.data_dir, make)?;
            print(&serde_json::json!({"access_key": access, "secret_key": secret}).to_string())
        }
        Command::Pipeline(command) => remote::pipeline(command).await,
        Command::Queue(command) => remote::queue(command).await,
        Command::Logs(flags) => remote::logs(*flags).await,
        Command::Secret(command) => remote::secret(command).await,
        Command::Demo(flags) => demo::cli(&flags.url, &flags.token, flags.pipeline).await,
        Command::Backup(WriteBackupFlags { backup: BackupFlags { at, file }, without_cluster_content }) => {
            print(&backup::create(&at.data_dir, &file, !without_cluster_content).await?)
        }
        Command::Restore(flags) => print(&backup::restore(&flags.at.data_dir, &flags.file)?),
        Command::Audit(command) => audit::run(&command, &mut std::io::stdout()),
        Command::Doctor(at) => doctor::examine(&at.data_dir, &mut std::io::stdout()).await,
    }
}

fn with_password(flags: &PersonFlags, f: impl FnOnce(&mut Conn, &str) -> Result<()>) -> Result<()> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(Error::internal)?;
    let password = line.trim_end_matches(['\r', '\n']).to_owned();
    change(&flags.at.data_dir, |conn| f(conn, &password))
}

/// One immediate transaction on the data directory's database, which is made when it is not there yet.
fn change<T>(data_dir: &Path, f: impl FnOnce(&mut Conn) -> Result<T>) -> Result<T> {
    boot::prepare_data_dir(data_dir)?;
    let mut conn = db::connect(&data_dir.join(boot::DATABASE), false)?;
    db::migrate(&mut conn)?;
    AnsiTransactionManager::begin_transaction_sql(&mut conn, "BEGIN IMMEDIATE").map_err(Error::internal)?;
    let outcome = f(&mut conn);
    let ended = match &outcome {
        Ok(_) => AnsiTransactionManager::commit_transaction(&mut conn),
        Err(_) => AnsiTransactionManager::rollback_transaction(&mut conn),
    };
    ended.map_err(Error::internal)?;
    outcome
}

/// Opens an existing database for looking only.
fn look(data_dir: &Path) -> Result<Conn> {
    let path = data_dir.join(boot::DATABASE);
    if !path.exists() {
        return Err(Error::not_found(format!("There is no Drydock data in {}.", data_dir.display())));
    }
    db::connect(&path, true)
}

fn print(text: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{text}").map_err(Error::internal)
}
