//! The followers: one per container that exists, which writes its lines down as Docker gives them out.
//!
//! Always holds: the log of a container is read by its follower alone, which reads it to the end before anybody removes the container
//! (`keep` waits for that). A follower that starts anew, with the server or because Docker was away, knows what it has written.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use drydock_appliance::containers::{EngineError, LogChunk, LogStream, SeenPhase};
use drydock_wire::ErrorCode;
use futures_util::{StreamExt, future::BoxFuture};
use tokio::time::{Instant, sleep, timeout};

use super::{
    kept,
    mask::Masks,
    name_of, parts_of,
    sequence::{Sequence, Take},
};
use crate::{
    app::App,
    background::Task,
    clock,
    db::Conn,
    error::{Error, Result},
    spool::{Bounds, Kind, Line, Spool},
    workloads::{self, spec, store},
};

/// Name of the task, and of its waker.
pub const FOLLOWER: &str = "log-follower";

/// What was received shows up after at most so long, and is written in pieces of so many bytes.
const FLUSH: Duration = Duration::from_millis(40);
const PIECE_BYTES: usize = 64 * 1024;
const LINES_AT_ONCE: usize = 256;
/// Between two looks at a container that has not been started.
const NOT_STARTED: Duration = Duration::from_millis(25);
const DOCKER_AWAY: Duration = Duration::from_millis(500);
const DISK_FULL: Duration = Duration::from_secs(1);
/// The log of a container that ended is waited for as long as something happens within this.
const PATIENCE: Duration = Duration::from_secs(5);
/// A log that nobody kept is removed after so long; what is looked at less often than this goes then.
const FORGOTTEN_S: u64 = 24 * 3600;
const SWEEP: Duration = Duration::from_secs(15);

/// Starts a follower for each container that has none, and removes logs that lie in the store by now.
pub struct LogFollower {
    app: App,
    swept: Mutex<Option<Instant>>,
}

/// A container whose log is to be followed.
struct Wanted {
    workload: String,
    name: String,
    container: String,
}

impl Task for LogFollower {
    fn name(&self) -> &'static str {
        FOLLOWER
    }

    fn period(&self) -> Duration {
        Duration::from_secs(2)
    }

    fn run(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.pass())
    }
}

impl LogFollower {
    pub fn new(app: App) -> Self {
        Self { app, swept: Mutex::default() }
    }

    async fn pass(&self) -> Result<()> {
        for wanted in self.app.db.read(wanted).await? {
            if self.app.spools.progress(&wanted.name).is_none() && !is_complete(&self.app, &wanted).await {
                Follower::start(&self.app, wanted).await?;
            }
        }
        if self.is_time_to_sweep() { self.sweep().await } else { Ok(()) }
    }

    fn is_time_to_sweep(&self) -> bool {
        let mut swept = self.swept.lock().unwrap_or_else(PoisonError::into_inner);
        let due = swept.is_none_or(|at| at.elapsed() >= SWEEP);
        if due {
            *swept = Some(Instant::now());
        }
        due
    }

    async fn sweep(&self) -> Result<()> {
        let names = self.app.spools.names().await?;
        let over = move |conn: &mut Conn| {
            let mut over = vec![];
            for (name, age_s) in names {
                if is_over(conn, &name, age_s)? {
                    over.push(name);
                }
            }
            Ok(over)
        };
        for name in self.app.db.read(over).await? {
            self.app.spools.remove(&name).await?;
        }
        Ok(())
    }
}

/// Every container that Docker has of a present generation, as far as its log is not in the store.
fn wanted(conn: &mut Conn) -> Result<Vec<Wanted>> {
    let mut found = vec![];
    for (desired, observed) in store::live(conn)? {
        let Some(container) = observed.container_id.filter(|_| observed.generation == desired.generation) else {
            continue;
        };
        if desired.kind == spec::Kind::Job && kept::digest(conn, &desired.id, desired.generation)?.is_some() {
            continue;
        }
        let name = name_of(&desired.id, desired.generation);
        found.push(Wanted { workload: desired.id, name, container });
    }
    Ok(found)
}

async fn is_complete(app: &App, wanted: &Wanted) -> bool {
    let source = app.spools.source(&wanted.name).await;
    source.is_some_and(|source| source.complete && source.container == wanted.container)
}

/// Whether nobody will ask for it any more: it is in the store, or it is of nothing that still exists and old.
fn is_over(conn: &mut Conn, name: &str, age_s: u64) -> Result<bool> {
    let Some((workload, generation)) = parts_of(name) else { return Ok(false) };
    let found = store::find(conn, workload)?.filter(|found| found.generation == generation);
    let may_go_on =
        found.is_some_and(|found| found.kind == spec::Kind::Revision && found.desired == spec::Desired::Running);
    let is_kept = kept::digest(conn, workload, generation)?.is_some();
    Ok(!may_go_on && (is_kept || age_s > FORGOTTEN_S))
}

/// Waits until the whole log of a container that ended is written down.
///
/// # Errors
/// `unavailable` when that does not come about; try again.
pub async fn wait_until_complete(app: &App, workload: &str, generation: i64, container: &str) -> Result<()> {
    let name = name_of(workload, generation);
    let wanted = Wanted { workload: workload.to_owned(), name, container: container.to_owned() };
    let (mut lines, mut since) = (0, Instant::now());
    while !is_complete(app, &wanted).await {
        match app.spools.progress(&wanted.name) {
            Some(mut progress) => {
                let _ = timeout(Duration::from_millis(100), progress.changed()).await;
                let now = progress.borrow().lines;
                if now != lines {
                    (lines, since) = (now, Instant::now());
                }
            }
            None => {
                app.background.waker(FOLLOWER).wake();
                sleep(Duration::from_millis(10)).await;
            }
        }
        if since.elapsed() > PATIENCE {
            return Err(Error::unavailable("The log of the container has not been read to its end yet."));
        }
    }
    Ok(())
}

/// How a reading of the log ended.
enum Reading {
    /// Docker has no more now.
    Ended,
    Broken(EngineError),
    /// The server is stopping.
    Stopped,
}

struct Follower {
    app: App,
    workload: String,
    container: String,
    spool: Spool,
    masks: Masks,
    sequence: Sequence,
    /// Lines whose end has not been seen: they count once the container has ended.
    open: Vec<LogChunk>,
    flushed: Instant,
    /// It was stopped for writing too much: so its log ends.
    flood: Option<String>,
}

impl Follower {
    async fn start(app: &App, wanted: Wanted) -> Result<()> {
        let masks = Masks::of(app, &wanted.workload).await?;
        let bounds = Bounds::of(app.config.limits.log_bytes);
        let mut spool = match app.spools.write(&wanted.name, bounds).await {
            Err(error) if error.code == ErrorCode::Conflict => return Ok(()),
            other => other?,
        };
        spool.begin(&wanted.container).await.map_err(Error::internal)?;
        let sequence = Sequence::after(spool.last());
        let follower = Self {
            app: app.clone(),
            workload: wanted.workload,
            container: wanted.container,
            spool,
            masks,
            sequence,
            open: vec![],
            flushed: Instant::now(),
            flood: None,
        };
        tokio::spawn(follower.run());
        Ok(())
    }

    async fn run(mut self) {
        let app = self.app.clone();
        while let Some(pause) = self.step().await {
            tokio::select! {
                () = sleep(pause) => {}
                () = app.background.stopped() => break,
            }
            // what follows is read from its beginning again
            self.open.clear();
            self.sequence = Sequence::after(self.spool.last());
        }
        drop(self);
        // a revision's next container may have waited for this
        app.background.waker(FOLLOWER).wake();
    }

    /// How long to wait before the next one; nothing when there is no more to do.
    async fn step(&mut self) -> Option<Duration> {
        match self.app.engine.phase(&self.container).await {
            Ok(SeenPhase::Created) if self.will_never_run().await => return self.complete().await,
            Ok(SeenPhase::Created) => return Some(NOT_STARTED),
            Ok(SeenPhase::Running | SeenPhase::Exited) => {}
            Err(EngineError::NotFound(_)) => return self.complete().await,
            Err(_) => return Some(DOCKER_AWAY),
        }
        match self.read(true).await {
            Reading::Stopped => return None,
            Reading::Broken(EngineError::NotFound(_)) => return self.complete().await,
            Reading::Broken(_) => return Some(DOCKER_AWAY),
            Reading::Ended => {}
        }
        match self.app.engine.phase(&self.container).await {
            Ok(SeenPhase::Exited) => {
                // who follows a container may miss what it wrote last (seen with 20.10): its end is read once more
                self.open.clear();
                self.sequence = Sequence::after(self.spool.last());
                match self.read(false).await {
                    Reading::Stopped => return None,
                    Reading::Broken(EngineError::NotFound(_)) => return self.complete().await,
                    Reading::Broken(_) => return Some(DOCKER_AWAY),
                    Reading::Ended => {}
                }
                for chunk in std::mem::take(&mut self.open) {
                    self.take(chunk);
                }
                self.complete().await
            }
            Err(EngineError::NotFound(_)) => self.complete().await,
            _ => Some(DOCKER_AWAY),
        }
    }

    /// Docker would not start it, or it is not of the present generation.
    async fn will_never_run(&self) -> bool {
        let (workload, container) = (self.workload.clone(), self.container.clone());
        let observed = self.app.db.read(move |conn| store::observed(conn, &workload)).await;
        let still = |observed: workloads::Observed| {
            observed.container_id.as_ref() == Some(&container) && observed.phase != workloads::Phase::Refused
        };
        observed.is_ok_and(|observed| !observed.is_some_and(still))
    }

    /// All of it and then what comes; or once more what is there from the last line that was written down.
    async fn read(&mut self, follow: bool) -> Reading {
        let stop = self.app.background.clone();
        let last_s = self.spool.last().map_or(0, |last| last.at_ns / 1_000_000_000);
        let since_s = if follow { 0 } else { i32::try_from(last_s).unwrap_or(0) };
        let chunks = self.app.engine.logs_since(&self.container, follow, since_s);
        let mut batches = chunks.ready_chunks(LINES_AT_ONCE);
        loop {
            let due = FLUSH.saturating_sub(self.flushed.elapsed());
            tokio::select! {
                biased;
                () = stop.stopped() => {
                    let _ = self.spool.flush().await;
                    return Reading::Stopped;
                }
                () = sleep(due), if self.spool.waiting_bytes() > 0 => self.flush().await,
                batch = batches.next() => {
                    let Some(batch) = batch else {
                        self.flush().await;
                        return Reading::Ended;
                    };
                    for chunk in batch {
                        match chunk {
                            Ok(chunk) if chunk.open => self.open.push(chunk),
                            Ok(chunk) => self.take(chunk),
                            Err(error) => {
                                self.flush().await;
                                return Reading::Broken(error);
                            }
                        }
                    }
                    if self.spool.waiting_bytes() >= PIECE_BYTES {
                        self.flush().await;
                    }
                }
            }
        }
    }

    fn take(&mut self, chunk: LogChunk) {
        let is_error = chunk.stream == LogStream::Stderr;
        match self.sequence.take(chunk.at_ns, is_error, &chunk.text) {
            Take::Known => return,
            Take::New => {}
            Take::NewAfterGap => self.spool.push(&note(
                "[Lines are missing here: Docker had dropped them before Drydock, which was away, could read them.]",
            )),
        }
        let text = self.masks.hide(&chunk.text).into_owned();
        let kind = if is_error { Kind::Error } else { Kind::Out };
        self.spool.push(&Line { at_ns: chunk.at_ns, kind, text });
    }

    /// Writes down what was taken. While the disk is full, Docker keeps what follows.
    async fn flush(&mut self) {
        while let Err(error) = self.spool.flush().await {
            tracing::warn!(
                workload.id = self.workload,
                "the log of workload {} cannot be written: {error}",
                self.workload
            );
            tokio::select! {
                () = sleep(DISK_FULL) => {}
                () = self.app.background.stopped() => break,
            }
        }
        self.flushed = Instant::now();
        self.stop_a_flood().await;
    }

    async fn stop_a_flood(&mut self) {
        let most = self.app.config.limits.log_flood_bytes;
        if self.flood.is_some() || self.spool.taken_bytes() <= most {
            return;
        }
        let words = format!("it wrote more than {} to its log", drydock_wire::units::bytes(most));
        self.flood = Some(words.clone());
        tracing::warn!(workload.id = self.workload, "workload {} is stopped: {words}", self.workload);
        if let Err(error) = super::stop_flood(&self.app, &self.workload, words).await {
            tracing::warn!(workload.id = self.workload, "workload {} cannot be stopped: {error}", self.workload);
            self.flood = None;
        }
    }

    async fn complete(&mut self) -> Option<Duration> {
        self.flush().await;
        if let Some(words) = self.flood.take() {
            self.spool.push(&note(&format!("[Stopped by Drydock: {words}.]")));
        }
        match self.spool.complete().await {
            Ok(()) => None,
            Err(error) => {
                tracing::warn!(
                    workload.id = self.workload,
                    "the log of workload {} has no end: {error}",
                    self.workload
                );
                Some(DISK_FULL)
            }
        }
    }
}

/// A line of our own.
fn note(text: &str) -> Line {
    Line { at_ns: clock::now_ms().saturating_mul(1_000_000), kind: Kind::Note { lines: 1 }, text: text.to_owned() }
}
