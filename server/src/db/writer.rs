//! Group commit: one thread owns the writing connection. It takes all closures that wait, runs each as a savepoint of one
//! immediate transaction, commits once and then answers all. Load makes commits larger, not slower.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use diesel::{
    Connection,
    connection::{AnsiTransactionManager, TransactionManager},
    result::Error as DieselError,
};
use tokio::sync::oneshot;

use super::Conn;
use crate::error::{Error, Result};

/// A transaction takes no more closures than this, so that the first one's answer is not delayed for long …
const MAX_BATCH: usize = 512;
/// … and no more once it has run for this long.
const MAX_BATCH_TIME: Duration = Duration::from_millis(20);

/// Counters since the start.
#[derive(Debug, Clone, Copy, Default)]
pub struct WriteStats {
    pub writes: u64,
    pub commits: u64,
    /// Closures that wait right now.
    pub queued: u64,
    /// Sum over all commits, in microseconds.
    pub commit_us: u64,
}

#[derive(Default)]
struct Counters {
    writes: AtomicU64,
    commits: AtomicU64,
    queued: AtomicU64,
    commit_us: AtomicU64,
}

pub struct Writer {
    queue: mpsc::Sender<Request>,
    counters: Arc<Counters>,
}

/// Runs in a savepoint; says whether it went well and how to answer once the fate of the whole is known.
type Request = Box<dyn FnOnce(&mut Conn) -> Answer + Send>;
type Answer = Box<dyn FnOnce(Option<&DieselError>) + Send>;

impl Writer {
    pub fn start(mut conn: Conn) -> Result<Self> {
        let (queue, requests) = mpsc::channel::<Request>();
        let counters = Arc::new(Counters::default());
        let shared = counters.clone();
        std::thread::Builder::new()
            .name("db-writer".into())
            .spawn(move || {
                while let Ok(first) = requests.recv() {
                    commit_batch(&mut conn, first, &requests, &shared);
                }
            })
            .map_err(Error::internal)?;
        Ok(Self { queue, counters })
    }

    pub async fn run<T, F>(&self, f: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Conn) -> Result<T> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let request: Request = Box::new(move |conn| {
            let outcome = savepoint(conn, f);
            Box::new(move |failed: Option<&DieselError>| {
                let outcome = match failed {
                    None => outcome,
                    Some(source) => outcome.and_then(|_| Err(commit_error(source))),
                };
                // The asker may be gone; what it asked for is done all the same.
                let _ = sender.send(outcome);
            })
        });
        self.counters.queued.fetch_add(1, Ordering::Relaxed);
        self.queue.send(request).map_err(|_| Error::unavailable("The server is shutting down."))?;
        receiver.await.map_err(|_| Error::unavailable("The server is shutting down."))?
    }

    pub fn stats(&self) -> WriteStats {
        WriteStats {
            writes: self.counters.writes.load(Ordering::Relaxed),
            commits: self.counters.commits.load(Ordering::Relaxed),
            queued: self.counters.queued.load(Ordering::Relaxed),
            commit_us: self.counters.commit_us.load(Ordering::Relaxed),
        }
    }
}

fn commit_batch(conn: &mut Conn, first: Request, waiting: &mpsc::Receiver<Request>, counters: &Counters) {
    let began = Instant::now();
    let mut answers = Vec::new();
    let mut result = AnsiTransactionManager::begin_transaction_sql(conn, "BEGIN IMMEDIATE");
    if let Err(failed) = &result {
        // Nothing can run, but the asker gets its answer: run on a connection outside a transaction is out of the question.
        tracing::error!(error.chain = %failed, "cannot begin a transaction");
        counters.queued.fetch_sub(1, Ordering::Relaxed);
        drop(first);
        return;
    }
    let mut next = Some(first);
    while let Some(request) = next {
        answers.push(request(conn));
        let full = answers.len() >= MAX_BATCH || began.elapsed() >= MAX_BATCH_TIME;
        next = if full { None } else { waiting.try_recv().ok() };
    }
    let committing = Instant::now();
    result = AnsiTransactionManager::commit_transaction(conn);
    let spent = u64::try_from(committing.elapsed().as_micros()).unwrap_or(u64::MAX);
    counters.commit_us.fetch_add(spent, Ordering::Relaxed);
    counters.commits.fetch_add(1, Ordering::Relaxed);
    counters.writes.fetch_add(answers.len() as u64, Ordering::Relaxed);
    counters.queued.fetch_sub(answers.len() as u64, Ordering::Relaxed);
    if let Err(failed) = &result {
        stop_if_disk_lies(failed);
        let _ = AnsiTransactionManager::rollback_transaction(conn);
    }
    for answer in answers {
        answer(result.as_ref().err());
    }
}

/// Diesel's `transaction` wants an error type that diesel's own converts into; ours has no such conversion on purpose.
enum InSavepoint {
    Ours(Error),
    Sqlite(DieselError),
}

impl From<DieselError> for InSavepoint {
    fn from(error: DieselError) -> Self {
        Self::Sqlite(error)
    }
}

fn savepoint<T>(conn: &mut Conn, f: impl FnOnce(&mut Conn) -> Result<T>) -> Result<T> {
    let ran = catch_unwind(AssertUnwindSafe(|| conn.transaction(|conn| f(conn).map_err(InSavepoint::Ours))));
    match ran {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(InSavepoint::Ours(error))) => Err(error),
        Ok(Err(InSavepoint::Sqlite(error))) => Err(Error::internal(error)),
        Err(_panic) => {
            let _ = AnsiTransactionManager::rollback_transaction(conn);
            Err(Error::internal(anyhow::anyhow!("a database closure panicked")))
        }
    }
}

fn commit_error(source: &DieselError) -> Error {
    Error::internal(anyhow::anyhow!("commit: {source}"))
}

/// After a failed fsync the kernel may have dropped the pages: nothing in memory can be trusted to be on disk.
fn stop_if_disk_lies(failed: &DieselError) {
    if failed.to_string().contains("disk I/O error") {
        tracing::error!(error.chain = %failed, "the disk failed while committing; stopping so that nothing is falsely acknowledged");
        std::process::abort();
    }
}
