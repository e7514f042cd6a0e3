//! The indexer: takes what the logs have gained into the index, a second's lines with one commit, and lets the old ones go.
//!
//! Always holds: the rows say no more than was committed; a source goes on after what its row, or the last commit, says. Below the
//! disk's floor nothing is taken in: the lines wait where they lie.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use drydock_wire::{
    logs::{LogEntry, LogKind, NOTE},
    store::DiskLevel,
};
use futures_util::future::BoxFuture;
use tokio::sync::Mutex;

use super::{
    Logs,
    index::Incoming,
    own,
    rules::parse,
    sources::{self, Reading},
    store::{self, About, SourceRow},
};
use crate::{
    app::App,
    background::Task,
    clock,
    error::{Error, Result},
    spool::{Kind, Numbered},
};

/// Name of the task, and of its waker.
pub const INDEXER: &str = "log-indexer";

const PERIOD: Duration = Duration::from_secs(1);
/// Between two looks for logs that are kept, and at those that nobody writes.
const LOOK: Duration = Duration::from_secs(5);
const CLEAN: Duration = Duration::from_secs(30);
/// Lines of one commit, and of one source before the next has its turn.
const MOST_LINES: usize = 50_000;
const TURN_LINES: usize = 5_000;
const KEPT_AT_ONCE: i64 = 200;
const DAY_MS: i64 = 24 * 3600 * 1000;

pub struct Indexer {
    app: App,
    logs: Logs,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    sources: HashMap<String, Source>,
    /// Taken in to their end, as long as something of them lies about.
    done: HashSet<String>,
    /// Of what the last commits said, what the rows do not say yet.
    unsaved: BTreeMap<String, SourceRow>,
    looked: Option<Instant>,
    cleaned: Option<Instant>,
}

/// A log that is taken in.
struct Source {
    /// As of the last commit.
    row: SourceRow,
    /// The next line, with those that are not committed.
    next: u64,
    last_at: i64,
    reading: Option<Reading>,
    /// Its whole copy is in the store.
    is_kept: bool,
    is_over: bool,
    /// To be looked at though nobody writes it.
    is_due: bool,
}

impl Task for Indexer {
    fn name(&self) -> &'static str {
        INDEXER
    }

    fn period(&self) -> Duration {
        PERIOD
    }

    fn run(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.pass())
    }
}

impl Indexer {
    pub fn new(app: App, logs: Logs) -> Self {
        Self { app, logs, state: Mutex::default() }
    }

    async fn pass(&self) -> Result<()> {
        let mut state = self.state.lock().await;
        self.clean(&mut state).await?;
        if self.app.objects.room().state().level == DiskLevel::Full {
            self.logs.pause("The disk of the box is below its floor: lines are not taken into the search until there is room again.");
            return Ok(());
        }
        self.find(&mut state).await?;
        let taken = self.take_all(&mut state).await;
        let done = match taken {
            Ok(lines) => self.commit(&mut state, lines).await.map(|()| lines),
            Err(error) => Err(error),
        };
        match done {
            Ok(lines) => {
                self.logs.go_on();
                if lines >= MOST_LINES {
                    self.app.background.waker(INDEXER).wake();
                }
                Ok(())
            }
            Err(error) => {
                // what was not committed is read again
                for source in state.sources.values_mut() {
                    source.next = u64::try_from(source.row.next_seq).unwrap_or(0);
                    (source.reading, source.is_over, source.is_due) = (None, false, true);
                }
                self.logs.pause(&error.message);
                Err(error)
            }
        }
    }

    /// Which logs there are.
    async fn find(&self, state: &mut State) -> Result<()> {
        let written = sources::written(&self.app).await?;
        let is_time = state.looked.is_none_or(|at| at.elapsed() >= LOOK);
        let mut kept = vec![];
        if is_time {
            state.looked = Some(Instant::now());
            let after = clock::now_ms() - self.max_age_ms();
            kept = self.app.db.read(move |conn| store::kept_and_not_finished(conn, after, KEPT_AT_ONCE)).await?;
            let is_there = |name: &String| written.contains(name) || kept.contains(name);
            state.done.retain(is_there);
            state.sources.retain(|name, _| is_there(name));
            state.sources.values_mut().for_each(|source| source.is_due = true);
        }
        let known: BTreeSet<&String> = written.iter().chain(&kept).collect();
        for name in known {
            if !state.sources.contains_key(name) && !state.done.contains(name) && (is_time || written.contains(name)) {
                self.meet(state, name).await?;
            }
        }
        for name in &kept {
            if let Some(source) = state.sources.get_mut(name).filter(|source| !source.is_kept) {
                (source.is_kept, source.reading, source.is_due) = (true, None, true);
            }
        }
        Ok(())
    }

    /// A log that was not there when last looked at.
    async fn meet(&self, state: &mut State, name: &str) -> Result<()> {
        let (source, index_id) = (name.to_owned(), self.logs.index.id().to_owned());
        let row = self
            .app
            .db
            .read(move |conn| {
                if let Some(row) = store::find(conn, &source)?.filter(|row| row.index_id == index_id) {
                    return Ok(Some(row));
                }
                let about = match sources::parts_of(&source) {
                    Some((workload, generation)) => store::about(conn, workload, generation)?,
                    None => Some(about_drydock()),
                };
                Ok(about.map(|about| SourceRow::new(&source, &index_id, about, clock::now_ms())))
            })
            .await?;
        // one that nobody knows is of nothing that exists any more, or not yet: it is looked at again
        let Some(row) = row else { return Ok(()) };
        if row.finished {
            state.done.insert(name.to_owned());
            return Ok(());
        }
        let next = u64::try_from(row.next_seq).unwrap_or(0);
        let source = Source { row, next, last_at: 0, reading: None, is_kept: false, is_over: false, is_due: true };
        state.sources.insert(name.to_owned(), source);
        Ok(())
    }

    /// Takes in what the logs have gained; how many lines.
    async fn take_all(&self, state: &mut State) -> Result<usize> {
        let mut all = 0;
        let mut names: Vec<String> = state.sources.keys().cloned().collect();
        names.sort_unstable();
        while all < MOST_LINES && !names.is_empty() {
            let mut still = vec![];
            for name in names {
                let Some(source) = state.sources.get_mut(&name) else { continue };
                if !self.has_more(source) {
                    continue;
                }
                let taken = self.take(source).await?;
                all += taken;
                if taken > 0 && !source.is_over {
                    still.push(name);
                }
            }
            names = still;
        }
        Ok(all)
    }

    fn has_more(&self, source: &Source) -> bool {
        let progress = self.app.spools.progress(&source.row.source);
        let gained = progress.is_some_and(|progress| progress.borrow().lines > source.next);
        let is_build = source.row.kind() == LogKind::Build;
        !source.is_over && (gained || source.is_due || is_build)
    }

    /// A turn of one source.
    async fn take(&self, source: &mut Source) -> Result<usize> {
        let mut taken = 0;
        let oldest = clock::now_ms() - self.max_age_ms();
        while taken < TURN_LINES {
            let mut reading = match source.reading.take() {
                Some(reading) => reading,
                None => Reading::open(&self.app, &source.row.source, source.next, source.is_kept).await?,
            };
            let batch = reading.batch(&self.app).await?;
            if batch.is_empty() {
                source.is_due = false;
                source.is_over = source.is_kept;
                source.reading = (!source.is_over).then_some(reading);
                break;
            }
            source.reading = Some(reading);
            taken += batch.len();
            let lines: Vec<Incoming> = batch.into_iter().filter_map(|line| source.incoming(line, oldest)).collect();
            if !lines.is_empty() {
                let index = self.logs.index.clone();
                blocking(move || index.append(lines)).await?;
            }
        }
        Ok(taken)
    }

    /// Makes it durable, and then the rows.
    async fn commit(&self, state: &mut State, lines: usize) -> Result<()> {
        let mut unsaved = state.unsaved.clone();
        for (name, source) in &state.sources {
            let next_seq = i64::try_from(source.next).unwrap_or(i64::MAX);
            if next_seq != source.row.next_seq || source.is_over != source.row.finished {
                let (finished, seen_at) = (source.is_over, clock::now_ms());
                unsaved.insert(name.clone(), SourceRow { next_seq, finished, seen_at, ..source.row.clone() });
            }
        }
        let rows: Vec<SourceRow> = unsaved.values().cloned().collect();
        if lines > 0 {
            let said = serde_json::to_string(&rows).map_err(Error::internal)?;
            let (index, max_bytes) = (self.logs.index.clone(), self.logs.max_bytes);
            blocking(move || index.commit(&said, max_bytes)).await?;
        }
        for row in &rows {
            if let Some(source) = state.sources.get_mut(&row.source) {
                source.row = row.clone();
            }
        }
        state.unsaved = unsaved;
        if !rows.is_empty() {
            self.app.db.write(move |conn| store::save(conn, &rows)).await?;
            state.unsaved.clear();
        }
        state.settle();
        Ok(())
    }

    /// Lets old lines go, now and then.
    async fn clean(&self, state: &mut State) -> Result<()> {
        if state.cleaned.is_some_and(|at| at.elapsed() < CLEAN) {
            return Ok(());
        }
        state.cleaned = Some(Instant::now());
        let (index, max_bytes) = (self.logs.index.clone(), self.logs.max_bytes);
        let before = clock::now_ms() - self.max_age_ms();
        let gone = blocking(move || {
            index.rest()?;
            index.retain(before, max_bytes)
        })
        .await?;
        if gone > 0 {
            tracing::info!(logs.partitions = gone, "{gone} of the oldest parts of the logs were let go");
        }
        let id = self.logs.index.id().to_owned();
        // a kept copy older than that is not looked at any more, so its row is of no use
        self.app.db.write(move |conn| store::forget(conn, &id, before - DAY_MS)).await
    }

    fn max_age_ms(&self) -> i64 {
        i64::from(self.app.config.logs.max_age_days) * DAY_MS
    }
}

impl State {
    /// Logs that were taken in to their end are not looked at any more.
    fn settle(&mut self) {
        let done = &mut self.done;
        self.sources.retain(|name, source| {
            if source.is_over {
                done.insert(name.clone());
            }
            !source.is_over
        });
    }
}

impl Source {
    fn incoming(&mut self, line: Numbered, oldest: i64) -> Option<Incoming> {
        let Numbered { seq, line } = line;
        self.next = seq + 1;
        let at = match line.at_ms() {
            0 if self.last_at > 0 => self.last_at,
            0 => clock::now_ms(),
            at => at,
        };
        self.last_at = at;
        if at < oldest {
            return None;
        }
        let stream = match line.kind {
            Kind::Out => "stdout",
            Kind::Error => "stderr",
            Kind::Note { .. } => NOTE,
        };
        let parse::Parsed { message, level, labels } = parse::line(&line.text);
        let entry = LogEntry {
            id: 0,
            at,
            kind: self.row.kind(),
            owner: self.row.owner.clone(),
            name: self.row.name.clone(),
            part: self.row.part.clone(),
            project: self.row.project_id.clone(),
            seq,
            level,
            stream: stream.to_owned(),
            message,
            labels,
        };
        Some(Incoming { source: Arc::from(self.row.source.as_str()), entry })
    }
}

fn about_drydock() -> About {
    let (owner, part, project) = Default::default();
    debug_assert!(sources::parts_of(own::LOG).is_none());
    About { kind: LogKind::Drydock, owner, name: "Drydock".into(), part, project }
}

/// Runs what blocks where it may.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(Error::internal)?
}
