//! Disk limits of running attempts: Docker has none for folders, so a watcher looks once a second and stops what uses more than it
//! asked for.
//!
//! Always holds: a job is stopped for its own use, or, when the box is below its floor, because it wrote most in the last seconds. Then the
//! next one is stopped only when the room of the one before has come and was not enough, or what is left goes quickly all the same. The
//! limit is soft: a fast writer gets a second's worth beyond it. Folders that the server may not read (it need not be root) count for
//! nothing here; for them there is the floor of the box.

use std::{
    collections::BTreeMap,
    fs::File,
    os::{
        fd::AsRawFd,
        unix::fs::{MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use drydock_wire::store::DiskLevel;
use futures_util::future::BoxFuture;

use super::{
    files, outputs,
    store::{self, Admitted, Job},
};
use crate::{
    app::App,
    background::Task,
    db::Conn,
    error::{Error, Result},
    workloads::{self, Phase},
};

const PERIOD: Duration = Duration::from_secs(1);
/// Looking takes at most a tenth of the time.
const REST: u32 = 10;
/// Who wrote most is said of so long.
const RECENTLY: Duration = Duration::from_secs(10);
/// The room of a job that was stopped is waited for so long: it has its time to end, and its folders go then.
const PATIENCE: Duration = Duration::from_secs(60);
const DEEPEST: usize = 256;
/// `O_DIRECTORY | O_NOFOLLOW` of Linux: a folder that became a link since it was listed is not entered.
const FOLDER_ITSELF: i32 = 0o200_000 | 0o400_000;

/// Bytes that an attempt had on the disk at some instants, oldest first.
type History = Vec<(Instant, u64)>;

/// Looks after the disk of running attempts.
pub struct DiskWatcher {
    app: App,
    /// By job and attempt.
    seen: Mutex<BTreeMap<(String, i64), History>>,
    next: Mutex<Option<Instant>>,
    /// The last one that was stopped because the box was full.
    stopped: Mutex<Option<Stopped>>,
}

/// Who was stopped for the box, when, and how much was free then.
#[derive(Clone)]
struct Stopped {
    job: String,
    number: i64,
    at: Instant,
    free_bytes: u64,
}

/// A running attempt and what it has on the disk.
struct Use {
    job: Job,
    number: i64,
    bytes: u64,
    recent: u64,
}

impl Task for DiskWatcher {
    fn name(&self) -> &'static str {
        "disk-watcher"
    }

    fn period(&self) -> Duration {
        PERIOD
    }

    fn run(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.pass())
    }
}

impl DiskWatcher {
    pub fn new(app: App) -> Self {
        Self { app, seen: Mutex::default(), next: Mutex::default(), stopped: Mutex::default() }
    }

    async fn pass(&self) -> Result<()> {
        let is_early =
            self.next.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|next| Instant::now() < next);
        if is_early {
            return Ok(());
        }
        let began = Instant::now();
        let running = self.app.db.read(running).await?;
        let root = self.app.data_dir.clone();
        let measured = tokio::task::spawn_blocking(move || {
            let bytes =
                |job: &Job, number| files::places(job, number).iter().map(|it| used(&root.join(&it.source))).sum();
            running.into_iter().map(|(job, number)| (bytes(&job, number), job, number)).collect::<Vec<(u64, _, _)>>()
        });
        let uses = self.note(measured.await.map_err(Error::internal)?);
        for one in uses.iter().filter(|one| one.bytes > outputs::disk_bytes(&one.job)) {
            let words = format!("its {} of disk were full", workloads::mebibytes(outputs::disk_bytes(&one.job)));
            self.stop(one, words).await?;
        }
        let disk = self.app.objects.room().state();
        if disk.level == DiskLevel::Full && !self.awaits_room(disk.free_bytes).await? {
            self.stop_greediest(&uses, disk.free_bytes).await?;
        }
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Some(began + began.elapsed() * REST);
        Ok(())
    }

    /// Adds the readings to what was seen before.
    fn note(&self, measured: Vec<(u64, Job, i64)>) -> Vec<Use> {
        let now = Instant::now();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut kept = BTreeMap::new();
        let mut note = |(bytes, job, number): (u64, Job, i64)| {
            let key = (job.id.clone(), number);
            let mut history = seen.remove(&key).unwrap_or_default();
            history.retain(|(at, _)| now.duration_since(*at) <= RECENTLY);
            history.push((now, bytes));
            let recent = bytes.saturating_sub(history.first().map_or(0, |(_, before)| *before));
            kept.insert(key, history);
            Use { job, number, bytes, recent }
        };
        let uses = measured.into_iter().map(&mut note).collect();
        *seen = kept;
        uses
    }

    /// Whether the room of the one that was stopped last is still to come. Not while half of what was left then went, too: it may be all of
    /// it before that one is gone.
    async fn awaits_room(&self, free_bytes: u64) -> Result<bool> {
        let is_due = |it: &&Stopped| it.at.elapsed() < PATIENCE && free_bytes >= it.free_bytes / 2;
        let last = self.stopped.lock().unwrap_or_else(PoisonError::into_inner).as_ref().filter(is_due).cloned();
        match last {
            Some(last) => files::are_there(&self.app, &last.job, last.number).await,
            None => Ok(false),
        }
    }

    async fn stop_greediest(&self, uses: &[Use], free_bytes: u64) -> Result<()> {
        match greediest(uses.iter().map(|one| (one.recent, one.bytes))) {
            Some(index) => {
                let one = &uses[index];
                let wrote = workloads::mebibytes(one.bytes);
                let words = format!("the disk of the box is full, and of what runs this job wrote most ({wrote})");
                self.stop(one, words).await?;
                let (job, number) = (one.job.id.clone(), one.number);
                let stopped = Stopped { job, number, at: Instant::now(), free_bytes };
                *self.stopped.lock().unwrap_or_else(PoisonError::into_inner) = Some(stopped);
                Ok(())
            }
            None => Ok(()),
        }
    }

    async fn stop(&self, one: &Use, words: String) -> Result<()> {
        tracing::warn!(job.id = one.job.id, job.disk_bytes = one.bytes, "job {} is stopped: {words}", one.job.id);
        let (id, number) = (one.job.id.clone(), one.number);
        let stop = move |conn: &mut Conn| {
            let runs = store::open_attempt(conn, &id)? == Some(number);
            if runs { workloads::stop_because(conn, &id, "disk", &words) } else { Ok(()) }
        };
        self.app.db.write(stop).await?;
        workloads::wake(&self.app);
        Ok(())
    }
}

/// Jobs whose container runs, each with the number of its attempt.
fn running(conn: &mut Conn) -> Result<Vec<(Job, i64)>> {
    let runs = |one: &Admitted| one.observed.as_ref().is_some_and(|it| it.phase == Phase::Running);
    Ok(store::admitted(conn)?.into_iter().filter(runs).map(|one| (one.job, one.attempt.number)).collect())
}

/// The one that grew most, of equal ones the largest; none when nothing is there.
fn greediest(uses: impl Iterator<Item = (u64, u64)>) -> Option<usize> {
    uses.enumerate().filter(|(_, (_, bytes))| *bytes > 0).max_by_key(|(_, used)| *used).map(|(index, _)| index)
}

/// Bytes of the disk below a folder. What cannot be read, or goes meanwhile, counts for nothing.
fn used(folder: &Path) -> u64 {
    sum(folder.to_owned(), 0).unwrap_or(0)
}

fn sum(folder: PathBuf, depth: usize) -> std::io::Result<u64> {
    if depth > DEEPEST {
        return Ok(0);
    }
    let opened = File::options().read(true).custom_flags(FOLDER_ITSELF).open(folder)?;
    // by its descriptor: whatever takes its name meanwhile is another folder
    let itself = PathBuf::from(format!("/proc/self/fd/{}", opened.as_raw_fd()));
    let mut bytes = 0_u64;
    for entry in std::fs::read_dir(&itself)?.flatten() {
        let Ok(data) = entry.metadata() else { continue };
        bytes = bytes.saturating_add(data.blocks() * 512);
        if data.is_dir() {
            bytes = bytes.saturating_add(sum(itself.join(entry.file_name()), depth + 1).unwrap_or(0));
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_on_the_disk_counts_and_nothing_behind_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let (inside, outside) = (dir.path().join("in"), dir.path().join("out"));
        std::fs::create_dir_all(inside.join("a/b")).unwrap();
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(outside.join("large"), vec![1; 1 << 20]).unwrap();
        let empty = used(&inside);
        std::fs::write(inside.join("a/b/file"), vec![1; 100_000]).unwrap();
        File::create(inside.join("holes")).unwrap().set_len(1 << 30).unwrap();
        std::os::unix::fs::symlink(&outside, inside.join("a/link")).unwrap();
        let grown = used(&inside) - empty;
        assert!((100_000..200_000).contains(&grown), "{grown}");
        assert_eq!(used(&inside.join("a/link")), 0);
        assert_eq!(used(&dir.path().join("absent")), 0);
    }

    #[test]
    fn the_greediest_grew_most_and_somebody_who_wrote_nothing_is_never_it() {
        assert_eq!(greediest([(5, 50), (9, 9), (9, 20), (0, 100)].into_iter()), Some(2));
        assert_eq!(greediest([(0, 0), (0, 0)].into_iter()), None);
        assert_eq!(greediest([].into_iter()), None);
    }
}
