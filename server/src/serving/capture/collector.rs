//! What was captured and is in no file yet: from the gateway through a bounded channel to a thread that makes rows of it.
//!
//! Always holds: memory is bounded, by requests and by bytes, in the channel and behind it; what does not fit is dropped and counted.
//! The thread is of its own, so that reading a body takes nothing from those that answer requests.

use std::collections::{HashMap, VecDeque};
use std::io::Read;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use actix_web::web::Bytes;

use super::flatten::{self, Reading};
use super::rows::Captured;
use super::tap::{Copied, Plan, Seen};
use crate::background::Waker;
use crate::clock;

/// Requests that may wait to become rows, and their bytes.
const WAITING: usize = 4_096;
const WAITING_BYTES: usize = 64 << 20;
/// Rows of all deployments that may wait for their file, and their bytes, roughly.
const KEPT_ROWS: usize = 100_000;
const KEPT_BYTES: usize = 64 << 20;
/// With so many rows, or so many bytes, a file is written at once.
pub const FILE_ROWS: usize = 5_000;
pub const FILE_BYTES: usize = 16 << 20;
/// An answer that is an error is kept by its beginning.
const ERROR_BYTES: usize = 2 << 10;
/// Of a body that was compressed.
const PLAIN_BYTES: usize = 8 << 20;

/// Cheap to clone.
#[derive(Clone, Default)]
pub struct Collector {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Made at the first request that is captured.
    sender: OnceLock<SyncSender<Seen>>,
    waiting_bytes: AtomicUsize,
    waiting: AtomicUsize,
    dropped: Mutex<HashMap<String, u64>>,
    captured: AtomicU64,
    buffers: Mutex<HashMap<String, Buffer>>,
    /// By deployment; empty where nothing is captured.
    plans: RwLock<HashMap<String, Arc<Plan>>>,
    /// Why the last file of a deployment could not be written.
    problems: Mutex<HashMap<String, String>>,
    /// Held while files are written, so that none is written twice.
    writing: tokio::sync::Mutex<()>,
    full: OnceLock<Waker>,
}

/// Rows of one deployment that wait for their file.
#[derive(Debug, Default)]
pub struct Buffer {
    pub requests: VecDeque<Arc<Captured>>,
    pub rows: usize,
    pub bytes: usize,
    /// When the oldest came.
    pub since: i64,
}

impl Collector {
    /// Whom to wake when a file is due before its time.
    pub fn wake_when_full(&self, waker: Waker) {
        let _ = self.shared.full.set(waker);
    }

    /// Captures these deployments from now on, and no others.
    pub fn follow(&self, plans: Vec<Plan>) {
        let plans = plans.into_iter().map(|plan| (plan.deployment_id.to_string(), Arc::new(plan))).collect();
        *self.shared.plans.write().unwrap_or_else(PoisonError::into_inner) = plans;
    }

    /// How that deployment is captured, if it is.
    pub fn plan(&self, deployment_id: &str) -> Option<Arc<Plan>> {
        self.shared.plans.read().unwrap_or_else(PoisonError::into_inner).get(deployment_id).cloned()
    }

    /// Takes what a request left, unless too much waits.
    pub fn give(&self, seen: Seen) {
        let bytes = seen.body.len() + seen.answer.len();
        let id = seen.plan.deployment_id.clone();
        if self.shared.waiting_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes > WAITING_BYTES {
            self.shared.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
            return self.drop_of(&id);
        }
        self.shared.waiting.fetch_add(1, Ordering::SeqCst);
        let sender = self.shared.sender.get_or_init(|| self.begin());
        if sender.try_send(seen).is_err() {
            self.shared.waiting.fetch_sub(1, Ordering::SeqCst);
            self.shared.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
            self.drop_of(&id);
        }
    }

    fn begin(&self) -> SyncSender<Seen> {
        let (sender, receiver) = sync_channel(WAITING);
        let shared = Arc::downgrade(&self.shared);
        let work = move |receiver: Receiver<Seen>| {
            while let Ok(seen) = receiver.recv() {
                let Some(shared) = shared.upgrade() else { return };
                Self { shared }.take(seen);
            }
        };
        // without the thread the channel is closed, and everything counts as dropped
        let _ = std::thread::Builder::new().name("capture".to_owned()).spawn(move || work(receiver));
        sender
    }

    fn take(&self, seen: Seen) {
        let bytes = seen.body.len() + seen.answer.len();
        let id = seen.plan.deployment_id.clone();
        // whatever a body does to its reader stays here
        let rows = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| made(seen)));
        match rows {
            Ok(rows) => self.keep(&id, Arc::new(rows)),
            Err(_) => self.drop_of(&id),
        }
        self.shared.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.shared.waiting.fetch_sub(1, Ordering::SeqCst);
    }

    fn keep(&self, deployment_id: &str, request: Arc<Captured>) {
        let mut buffers = self.buffers();
        let all = buffers.values().fold((0, 0), |sum, one| (sum.0 + one.rows, sum.1 + one.bytes));
        if all.0 + request.rows > KEPT_ROWS || all.1 + request.bytes > KEPT_BYTES {
            drop(buffers);
            return self.drop_of(deployment_id);
        }
        let buffer = buffers.entry(deployment_id.to_owned()).or_default();
        if buffer.requests.is_empty() {
            buffer.since = clock::now_ms();
        }
        buffer.rows += request.rows;
        buffer.bytes += request.bytes;
        buffer.requests.push_back(request);
        let is_full = buffer.is_full();
        drop(buffers);
        self.shared.captured.fetch_add(1, Ordering::Relaxed);
        if is_full && let Some(waker) = self.shared.full.get() {
            waker.wake();
        }
    }

    fn drop_of(&self, deployment_id: &str) {
        let mut dropped = self.shared.dropped.lock().unwrap_or_else(PoisonError::into_inner);
        *dropped.entry(deployment_id.to_owned()).or_default() += 1;
    }

    /// Requests of that deployment that were not captured.
    pub fn dropped(&self, deployment_id: &str) -> u64 {
        let dropped = self.shared.dropped.lock().unwrap_or_else(PoisonError::into_inner);
        dropped.get(deployment_id).copied().unwrap_or_default()
    }

    /// Requests that were captured since the start, and those that were dropped.
    pub fn totals(&self) -> (u64, u64) {
        let dropped = self.shared.dropped.lock().unwrap_or_else(PoisonError::into_inner).values().sum();
        (self.shared.captured.load(Ordering::Relaxed), dropped)
    }

    /// Everything that waits, by deployment.
    pub fn buffers(&self) -> MutexGuard<'_, HashMap<String, Buffer>> {
        self.shared.buffers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What waits of one deployment, oldest first.
    pub fn waiting_of(&self, deployment_id: &str) -> Vec<Arc<Captured>> {
        self.buffers().get(deployment_id).map_or_else(Vec::new, |buffer| buffer.requests.iter().cloned().collect())
    }

    /// To be held while files are written.
    pub async fn writing(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.shared.writing.lock().await
    }

    /// Notes why a file could not be written; absent: it was.
    pub fn set_problem(&self, deployment_id: &str, problem: Option<String>) {
        let mut problems = self.shared.problems.lock().unwrap_or_else(PoisonError::into_inner);
        match problem {
            Some(words) => problems.insert(deployment_id.to_owned(), words),
            None => problems.remove(deployment_id),
        };
    }

    pub fn problem(&self, deployment_id: &str) -> Option<String> {
        self.shared.problems.lock().unwrap_or_else(PoisonError::into_inner).get(deployment_id).cloned()
    }

    /// Waits until every request that was given is rows, a few seconds at most.
    pub async fn settled(&self) {
        for _ in 0..500 {
            if self.shared.waiting.load(Ordering::SeqCst) == 0 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
}

impl Buffer {
    pub fn is_full(&self) -> bool {
        self.rows >= FILE_ROWS || self.bytes >= FILE_BYTES
    }

    /// Those that make the next file.
    pub fn next_file(&self) -> Vec<Arc<Captured>> {
        let (mut rows, mut bytes) = (0, 0);
        let fits = |one: &&Arc<Captured>| {
            let begins = rows == 0;
            rows += one.rows;
            bytes += one.bytes;
            begins || (rows <= FILE_ROWS && bytes <= FILE_BYTES)
        };
        self.requests.iter().take_while(fits).cloned().collect()
    }

    /// These, the oldest, are in a file.
    pub fn written(&mut self, requests: &[Arc<Captured>]) {
        for one in requests {
            if self.requests.front().is_some_and(|front| Arc::ptr_eq(front, one)) {
                self.requests.pop_front();
                self.rows -= one.rows;
                self.bytes -= one.bytes;
            }
        }
        self.since = clock::now_ms();
    }
}

/// The rows of a request.
fn made(seen: Seen) -> Captured {
    let table = |of: &Copied, read: fn(&[u8], Reading<'_>, &flatten::Mask) -> flatten::Table| {
        let how = Reading { content_type: of.content_type.as_deref(), header_length: of.header_length };
        plain(of).map_or_else(flatten::Table::default, |body| read(&body, how, &seen.plan.mask))
    };
    let inputs = table(&seen.body, flatten::inputs);
    if seen.status.is_some_and(|status| status < 400) {
        return Captured::new(&seen, inputs, table(&seen.answer, flatten::predictions), None);
    }
    // words of an error may repeat what was sent
    let words = plain(&seen.answer).filter(|words| seen.plan.mask.is_empty() && !words.is_empty());
    let words = words.map(|words| String::from_utf8_lossy(&words[..words.len().min(ERROR_BYTES)]).into_owned());
    Captured::new(&seen, inputs, flatten::Table::default(), words)
}

/// The bytes as they were before they were compressed; absent where they are not here as a whole, or of an unknown encoding.
fn plain(of: &Copied) -> Option<Bytes> {
    let whole = of.whole()?;
    let mut out = vec![];
    let most = PLAIN_BYTES as u64 + 1;
    match of.encoding.as_deref() {
        None => return Some(whole),
        Some("gzip") => flate2::read::MultiGzDecoder::new(&whole[..]).take(most).read_to_end(&mut out).ok()?,
        Some("deflate") => flate2::read::ZlibDecoder::new(&whole[..]).take(most).read_to_end(&mut out).ok()?,
        Some(_) => return None,
    };
    (out.len() <= PLAIN_BYTES).then(|| out.into())
}
