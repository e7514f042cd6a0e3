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
use drydock_wire::ErrorCode;
use tokio::sync::oneshot;

use super::Conn;
use crate::error::{Error, Result};

/// A transaction takes no more closures than this, so that the first one's answer is not delayed for long …
const MAX_BATCH: usize = 512;
/// … and no more once it has run for this long.
const MAX_BATCH_TIME: Duration = Duration::from_millis(20);

/// A log that was given up and made anew has nothing reserved; so often it is done again.
const COMMITS_PER_RESERVE: u64 = 256;

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

/// Runs in a savepoint and says how to answer once the fate of the whole is known; without a transaction it answers at once.
type Request = Box<dyn FnOnce(std::result::Result<&mut Conn, &DieselError>) -> Option<Done> + Send>;
/// How to answer, and whether SQLite itself failed: a full disk, say, may have ended the whole transaction.
type Done = (Answer, bool);
type Answer = Box<dyn FnOnce(Option<&DieselError>) + Send>;

impl Writer {
    /// `reconnect` gives the writing connection, again whenever an error has made the old one unusable.
    ///
    /// `reserve` keeps room for what has to go on when the disk is full.
    pub fn start(
        reconnect: impl Fn() -> Result<Conn> + Send + 'static,
        reserve: impl Fn() + Send + 'static,
    ) -> Result<Self> {
        let mut conn = reconnect()?;
        reserve();
        let (queue, requests) = mpsc::channel::<Request>();
        let counters = Arc::new(Counters::default());
        let shared = counters.clone();
        std::thread::Builder::new()
            .name("db-writer".into())
            .spawn(move || {
                while let Ok(first) = requests.recv() {
                    commit_batch(&mut conn, first, &requests, &shared);
                    if shared.commits.load(Ordering::Relaxed).is_multiple_of(COMMITS_PER_RESERVE) {
                        reserve();
                    }
                    if AnsiTransactionManager::is_broken_transaction_manager(&mut conn) {
                        tracing::warn!("the writing connection is unusable after an error; opening another");
                        match reconnect() {
                            Ok(fresh) => conn = fresh,
                            Err(error) => tracing::error!("the database cannot be opened again: {error}"),
                        }
                    }
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
            let outcome = match conn {
                Ok(conn) => savepoint(conn, f),
                Err(source) => {
                    let _ = sender.send(Err(commit_error(source)));
                    return None;
                }
            };
            let troubled = matches!(
                &outcome,
                Err(error) if matches!(error.code, ErrorCode::Internal | ErrorCode::InsufficientStorage)
            );
            let answer = move |failed: Option<&DieselError>| {
                let outcome = match failed {
                    None => outcome,
                    Some(source) => outcome.and_then(|_| Err(commit_error(source))),
                };
                // The asker may be gone; what it asked for is done all the same.
                let _ = sender.send(outcome);
            };
            Some((Box::new(answer), troubled))
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
        counters.queued.fetch_sub(1, Ordering::Relaxed);
        first(Err(failed));
        return;
    }
    let mut next = Some(first);
    while let Some(request) = next {
        let Some((answer, troubled)) = request(Ok(conn)) else { break };
        answers.push(answer);
        // After trouble nothing more may run as if the transaction were still whole.
        let over = troubled || answers.len() >= MAX_BATCH || began.elapsed() >= MAX_BATCH_TIME;
        next = if over { None } else { waiting.try_recv().ok() };
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
    Ours,
    Sqlite(DieselError),
}

impl From<DieselError> for InSavepoint {
    fn from(error: DieselError) -> Self {
        Self::Sqlite(error)
    }
}

#[allow(clippy::disallowed_methods, reason = "this is where Db::write() nests its closures")]
fn savepoint<T>(conn: &mut Conn, f: impl FnOnce(&mut Conn) -> Result<T>) -> Result<T> {
    // Kept aside: when undoing fails as well (a full disk ends the whole transaction), the first error is the one to tell.
    let mut ours = None;
    let ran = catch_unwind(AssertUnwindSafe(|| {
        conn.transaction(|conn| {
            f(conn).map_err(|error| {
                ours = Some(error);
                InSavepoint::Ours
            })
        })
    }));
    match ran {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(failed)) => Err(ours.unwrap_or_else(|| match failed {
            InSavepoint::Sqlite(error) => Error::internal(error),
            InSavepoint::Ours => Error::internal(anyhow::anyhow!("a database closure failed without saying why")),
        })),
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
