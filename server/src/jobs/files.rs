//! Folders of a job: what its containers see of the store, and where they write.
//!
//! Below `run/jobs` an attempt has `{job}-{number}/` with `code` (its single files), `outputs` and, on disk, `scratch`; a resumable job
//! has `{job}-checkpoints` for all its attempts. Snapshots and datasets are laid out once for all jobs, elsewhere. What an attempt
//! only reads is made anew before it is admitted. What it wrote belongs to the container's user: it is read through Docker
//! (`outputs`), and goes through Docker where the server may not remove it. A folder goes when its attempt has ended and what is to
//! be kept of it is kept; checkpoints go with the job.

use std::{
    collections::{BTreeMap, BTreeSet},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use super::{
    container::SCRATCH,
    secrets, snapshot,
    store::{self, Job},
};
use crate::{
    app::App,
    datasets,
    db::Conn,
    error::{Error, Result},
    objects::laid,
    workloads::{self, SpecMount},
};

pub const FOLDER: &str = "run/jobs";
pub const OUTPUTS: &str = "/outputs";
const CHECKPOINTS: &str = "checkpoints";
/// Aside, to be removed.
const GONE: &str = ".gone-";
/// Outputs that could not be kept.
const UNKEPT: &str = ".unkept-";
const UNKEPT_FOR: Duration = Duration::from_secs(24 * 3600);

/// One after the other: removing what is large takes long, and must not hold up the jobs.
static REMOVING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Everything that an attempt reads, there for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Laid {
    /// Its code, relative to the data directory.
    pub code: String,
    /// Of its datasets, in the order of its spec.
    pub data: Vec<String>,
    /// Absolute; none when it has no secrets.
    pub secrets: Option<PathBuf>,
}

/// The attempt's folder, relative to the data directory.
pub fn relative(job_id: &str, number: i64) -> String {
    format!("{FOLDER}/{job_id}-{number}")
}

/// Where an attempt writes to disk, and what it sees that as.
pub fn places(job: &Job, number: i64) -> Vec<SpecMount> {
    let folder = relative(&job.id, number);
    let mut places = vec![SpecMount { source: format!("{folder}/outputs"), target: OUTPUTS.into() }];
    if job.spec.resources.disk_bytes.is_some() {
        places.push(SpecMount { source: format!("{folder}/scratch"), target: SCRATCH.into() });
    }
    if job.spec.resume.is_some() {
        let source = format!("{FOLDER}/{}-{CHECKPOINTS}", job.id);
        places.push(SpecMount { source, target: "/checkpoints".into() });
    }
    places
}

/// Lays out the files of an attempt; whatever an earlier try left there goes first. With it, the folders of its datasets,
/// or in words what it still waits for.
pub async fn lay_out(app: &App, job: &Job, number: i64) -> Result<std::result::Result<Laid, String>> {
    let mut data = vec![];
    for dataset in &job.spec.datasets {
        let done = app.background.waker(crate::scheduling::SCHEDULER);
        match datasets::mount(app, &dataset.name, dataset.version.unwrap_or(1), done).await? {
            datasets::Mount::Ready(folder) => data.push(folder),
            datasets::Mount::Making(words) => return Ok(Err(words)),
        }
    }
    let folder = relative(&job.id, number);
    put_aside(&app.data_dir.join(&folder))?;
    let code = match &job.spec.snapshot {
        Some(snapshot) => snapshot::lay_out(app, &snapshot.digest).await?,
        None => lay_out_files(app, job, &format!("{folder}/code")).await?,
    };
    let writable = places(job, number);
    let root = app.data_dir.clone();
    let make = move || -> std::io::Result<()> {
        writable.iter().try_for_each(|place| make_writable(&root.join(&place.source)))
    };
    tokio::task::spawn_blocking(make).await.map_err(Error::internal)?.map_err(Error::internal)?;
    let secrets = secrets::lay_out(app, job, number).await?;
    Ok(Ok(Laid { code, data, secrets }))
}

async fn lay_out_files(app: &App, job: &Job, folder: &str) -> Result<String> {
    let code = app.data_dir.join(folder);
    tokio::fs::create_dir_all(&code).await.map_err(Error::internal)?;
    for file in &job.spec.code {
        app.objects.materialize(&file.digest, &code.join(&file.path)).await?;
    }
    tokio::task::spawn_blocking(move || laid::open_to_container(&code))
        .await
        .map_err(Error::internal)?
        .map_err(Error::internal)?;
    Ok(folder.to_owned())
}

/// The container's user is another one than the server's. Nobody else passes the data directory, which is the server's alone.
fn make_writable(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let is_new = std::fs::metadata(folder)?.permissions().mode() & 0o777 != 0o777;
    if is_new { std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o777)) } else { Ok(()) }
}

/// Keeps an attempt's outputs for a day, because they could not be put into the store; where.
pub fn leave_unkept(app: &App, job_id: &str, number: i64) -> Result<PathBuf> {
    let folder = app.data_dir.join(relative(job_id, number));
    let aside = folder.with_file_name(format!("{UNKEPT}{job_id}-{number}"));
    match std::fs::rename(folder.join("outputs"), &aside) {
        // an earlier try came so far
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(aside),
        other => other.map(|()| aside).map_err(Error::internal),
    }
}

/// Removes folders that nobody needs any more: of attempts that have ended, of jobs that are gone, of contents that no job uses.
pub async fn sweep(app: &App) -> Result<()> {
    let root = app.data_dir.join(FOLDER);
    let names = names_in(&root).await?;
    let live = live(app, &names).await?;
    for name in names.iter().filter(|name| !name.starts_with('.') && !is_needed(name, &live)) {
        put_aside(&root.join(name))?;
    }
    secrets::sweep(app, async |names| self::live(app, &names).await).await?;
    remove_aside(app, root);
    let mounted = app.db.read(workloads::mounted).await?;
    snapshot::evict(app, &mounted).await?;
    datasets::evict(app, &mounted).await
}

/// Whether an attempt still takes room: its folder is there, or some that are being removed.
pub async fn are_there(app: &App, job_id: &str, number: i64) -> Result<bool> {
    let own = format!("{job_id}-{number}");
    Ok(names_in(&app.data_dir.join(FOLDER)).await?.iter().any(|name| *name == own || name.starts_with(GONE)))
}

/// Of the jobs among these ids that have not ended: the number of the last attempt that has.
pub type Live = BTreeMap<String, i64>;

/// Of jobs whose folders these are.
async fn live(app: &App, names: &[String]) -> Result<Live> {
    let ids: BTreeSet<String> =
        names.iter().filter_map(|name| name.rsplit_once('-')).map(|(id, _)| id.to_owned()).collect();
    app.db.read(move |conn| ended_attempts(conn, &ids)).await
}

fn ended_attempts(conn: &mut Conn, ids: &BTreeSet<String>) -> Result<Live> {
    let mut live = Live::new();
    for id in ids {
        match store::require(conn, id) {
            Ok(job) if !job.state.is_final() => {
                let ended = store::attempts(conn, id)?.into_iter().filter(|attempt| attempt.ended_at.is_some());
                live.insert(id.clone(), ended.map(|attempt| attempt.number).max().unwrap_or(0));
            }
            Ok(_) => {}
            Err(error) if error.code == drydock_wire::ErrorCode::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(live)
}

/// Whether a folder `{job}-{number}` or `{job}-checkpoints` is of a job that goes on.
pub fn is_needed(name: &str, live: &Live) -> bool {
    let Some((id, what)) = name.rsplit_once('-') else { return false };
    let Some(ended) = live.get(id) else { return false };
    what == CHECKPOINTS || what.parse::<i64>().is_ok_and(|number| number > *ended)
}

async fn names_in(root: &Path) -> Result<Vec<String>> {
    let mut entries = match tokio::fs::read_dir(root).await {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
        Err(error) => return Err(Error::internal(error)),
    };
    let mut names = vec![];
    while let Some(entry) = entries.next_entry().await.map_err(Error::internal)? {
        names.extend(entry.file_name().into_string());
    }
    Ok(names)
}

/// Out of sight at once.
fn put_aside(folder: &Path) -> Result<()> {
    let aside = folder.with_file_name(format!("{GONE}{}", uuid::Uuid::now_v7().simple()));
    match std::fs::rename(folder, aside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::internal(error)),
        _ => Ok(()),
    }
}

/// Off the disk, in the background.
fn remove_aside(app: &App, root: PathBuf) {
    let Ok(turn) = REMOVING.try_lock() else { return };
    let app = app.clone();
    tokio::spawn(async move {
        let _turn = turn;
        let Ok(names) = names_in(&root).await else { return };
        for name in names.iter().filter(|name| name.starts_with(GONE) || is_stale(&root.join(name), name)) {
            if let Err(error) = remove(&app, &root.join(name)).await {
                tracing::warn!("{} is not removed: {error}", root.join(name).display());
            }
        }
    });
}

fn is_stale(folder: &Path, name: &str) -> bool {
    let changed = || {
        use std::os::unix::fs::MetadataExt;
        let seconds = u64::try_from(std::fs::symlink_metadata(folder).ok()?.ctime()).ok()?;
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?.elapsed().ok()
    };
    name.starts_with(UNKEPT) && changed().is_some_and(|age| age > UNKEPT_FOR)
}

/// Itself where it may, else through Docker.
async fn remove(app: &App, folder: &Path) -> Result<()> {
    let own = folder.to_owned();
    let removed = tokio::task::spawn_blocking(move || std::fs::remove_dir_all(own)).await.map_err(Error::internal)?;
    match removed {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            let emptied = app.engine.empty_folder(&app.instance, drydock_appliance::RUNTIME_IMAGE, folder).await;
            emptied.map_err(Error::internal)?;
            tokio::fs::remove_dir(folder).await.map_err(Error::internal)
        }
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::internal(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_ended_attempts_and_of_jobs_that_are_gone_are_not_needed() {
        let live = Live::from([("a".to_owned(), 2), ("b-c".to_owned(), 0)]);
        let needed = |name: &str| is_needed(name, &live);
        assert!(!needed("a-1") && !needed("a-2") && needed("a-3") && needed("a-checkpoints"));
        assert!(needed("b-c-1") && !needed("x-1") && !needed("x-checkpoints") && !needed("a") && !needed("a-x"));
    }
}
