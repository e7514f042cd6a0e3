//! The containers of a revision: MLflow's scoring server on the model's files or what its image brings, and where those files are.
//!
//! uvicorn is started on MLflow's application itself: `mlflow models serve` does the same in a child process and takes
//! nearly twice as long to answer. The container needs no network of its own, no token and nothing writable but scratch.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use drydock_appliance::RUNTIME_IMAGE;
use drydock_wire::serving::{ImageRuntime, MODEL_FOLDER, Runtime};
use drydock_wire::validate;

use super::check::RESERVED;
use super::rules::{Container, Run};
use super::store::{DeploymentRow, RevisionRow};
use crate::app::App;
use crate::db::Conn;
use crate::error::{Error, Result};
use crate::workloads::{self, Kind, NewWorkload, Observed, Phase, SpecMount, WorkloadSpec};

/// Of a replica's first container; one that is started again has a higher one.
pub const FIRST_GENERATION: i64 = 1;
/// Where MLflow's scoring server listens.
const MLFLOW_PORT: u16 = 8080;
const RUN_KIND: &str = "revisions";

/// The desired row of one replica of a revision.
pub fn workload(
    deployment: &DeploymentRow,
    revision: &RevisionRow,
    replica: &str,
    generation: i64,
    gpu_uuids: Vec<String>,
) -> Result<NewWorkload> {
    let (resources, served_by) = (revision.resources()?, revision.served_by()?);
    let model = SpecMount { source: format!("run/{RUN_KIND}/{}/model", revision.id), target: MODEL_FOLDER.to_owned() };
    let (image, command, own) = match &served_by.runtime {
        Runtime::Mlflow => (RUNTIME_IMAGE.to_owned(), command(), scorer(resources.cpus)),
        Runtime::Image(image) => {
            let named = image.image_id.as_ref().unwrap_or(&image.image);
            (named.clone(), image.command.clone(), of_image(image, revision))
        }
    };
    let mut env = served_by.env;
    for (name, value) in own {
        // how many threads it has is a matter of taste, where the model is is not
        if RESERVED.contains(&name.as_str()) || !env.contains_key(&name) {
            env.insert(name, value);
        }
    }
    Ok(NewWorkload {
        id: replica.to_owned(),
        kind: Kind::Revision,
        owner: deployment.id.clone(),
        generation,
        spec: WorkloadSpec {
            image,
            command,
            env,
            mounts: if revision.model.is_empty() { vec![] } else { vec![model] },
            writable: vec![],
            working_dir: "/scratch".to_owned(),
            image_working_dir: served_by.runtime != Runtime::Mlflow,
            cpus: resources.cpus,
            memory_bytes: resources.memory_bytes,
            gpu_uuids,
            reach_drydock: false,
            grace_s: None,
        },
        secrets: BTreeMap::new(),
    })
}

fn command() -> Vec<String> {
    let words = "python3 -m uvicorn --host 0.0.0.0 --port 8080 --timeout-keep-alive 75 --no-access-log \
                 mlflow.pyfunc.scoring_server.app:app";
    words.split_whitespace().map(str::to_owned).collect()
}

fn scorer(cpus: f64) -> BTreeMap<String, String> {
    let threads = (cpus.ceil() as u64).max(1).to_string();
    let pairs = [
        // where MLflow's own command tells its application what to load
        ("__pyfunc_model_path__", MODEL_FOLDER),
        // the gateway's patience is the limit that counts
        ("MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT", "3600"),
        ("PYTHONUNBUFFERED", "1"),
        ("PYTHONDONTWRITEBYTECODE", "1"),
        // numeric libraries would start a thread for each core of the box
        ("OMP_NUM_THREADS", &threads),
        ("OPENBLAS_NUM_THREADS", &threads),
        ("MKL_NUM_THREADS", &threads),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn of_image(image: &ImageRuntime, revision: &RevisionRow) -> BTreeMap<String, String> {
    let mut env =
        BTreeMap::from([("PORT".to_owned(), image.port.to_string()), ("PYTHONUNBUFFERED".to_owned(), "1".to_owned())]);
    if !revision.model.is_empty() {
        env.insert("DRYDOCK_MODEL".to_owned(), MODEL_FOLDER.to_owned());
    }
    env
}

/// Which container of a replica is its present one, by number.
pub fn generation(conn: &mut Conn, replica: &str) -> Result<i64> {
    Ok(workloads::find(conn, replica)?.map_or(FIRST_GENERATION, |workload| workload.generation))
}

/// Where the server in its containers listens.
pub fn port(runtime: &Runtime) -> u16 {
    match runtime {
        Runtime::Mlflow => MLFLOW_PORT,
        Runtime::Image(image) => image.port,
    }
}

/// What the workload's row says, in the words of this feature.
pub fn seen(observed: Option<&Observed>, memory_bytes: u64, port: u16) -> Container {
    let Some(observed) = observed else { return Container::Gone };
    let unnamed = || observed.message.clone().unwrap_or_else(|| "exit code 0".to_owned());
    match observed.phase {
        Phase::Gone => Container::Gone,
        Phase::Pending | Phase::Creating | Phase::Starting | Phase::Stopping => {
            Container::Waiting(observed.message.clone())
        }
        Phase::Running => match observed.address {
            Some(address) => Container::Running(Run {
                address: SocketAddr::new(address, port),
                started_at: observed.started_at.unwrap_or_default(),
            }),
            None => Container::Waiting(None),
        },
        Phase::Refused => Container::Refused { times: observed.restarts, why: unnamed() },
        Phase::Exited | Phase::Vanished => Container::Ended {
            times: observed.restarts,
            how: workloads::ending(observed, memory_bytes).unwrap_or_else(unnamed),
        },
    }
}

/// Puts the model's files where the container sees them, all or none. Doing it again changes nothing.
pub async fn place(app: &App, revision_id: &str, files: &[(String, String)]) -> Result<()> {
    let folder = app.run_dir(RUN_KIND, revision_id);
    let (whole, part) = (model_folder(app, revision_id), folder.join("model.partial"));
    if tokio::fs::try_exists(&whole).await.map_err(Error::internal)? {
        return Ok(());
    }
    remove_folder(&part).await?;
    tokio::fs::create_dir_all(&part).await.map_err(Error::internal)?;
    for (path, digest) in files {
        validate::relative_path(path).map_err(Error::invalid)?;
        app.objects.materialize(digest, &part.join(path)).await?;
    }
    let open = part.clone();
    tokio::task::spawn_blocking(move || open_folders(&open))
        .await
        .map_err(Error::internal)?
        .map_err(Error::internal)?;
    tokio::fs::rename(&part, &whole).await.map_err(Error::internal)
}

/// Where `place` puts them.
pub fn model_folder(app: &App, revision_id: &str) -> PathBuf {
    app.run_dir(RUN_KIND, revision_id).join("model")
}

/// Removes what `place` made; without it, nothing happens.
pub async fn clear(app: &App, revision_id: &str) -> Result<()> {
    remove_folder(&app.run_dir(RUN_KIND, revision_id)).await
}

async fn remove_folder(folder: &Path) -> Result<()> {
    match tokio::fs::remove_dir_all(folder).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::internal(error)),
        _ => Ok(()),
    }
}

/// The container's user is nobody here: whatever the server's umask, it must be able to walk the folders.
fn open_folders(folder: &PathBuf) -> std::io::Result<()> {
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))?;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_folders(&entry.path())?;
        }
    }
    Ok(())
}
