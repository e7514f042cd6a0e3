//! The replicas of one revision, and which of them gets the next request: the one with the fewest unanswered ones.
//!
//! A replica that fails again and again rests for growing seconds, as long as no more than half of them rest. What a
//! revision did is counted for all its replicas together.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use drydock_wire::serving::Protocol;

use super::scored::Served;
use super::tally::Tally;
use super::{Answering, Model, Place};
use crate::error::Result;
use crate::serving::v2;

/// So many failures in a row send a replica to rest.
const FAILURES: u32 = 5;
const FIRST_REST: Duration = Duration::from_secs(2);
const LONGEST_REST: Duration = Duration::from_secs(60);

/// A revision.
#[derive(Debug)]
pub struct Pool {
    pub revision_id: String,
    pub number: i64,
    pub protocol: Protocol,
    pub model: Model,
    pub tally: Tally,
    /// Requests of all its replicas, also of those that were taken out.
    pub in_flight: AtomicU64,
    /// Read when it is first asked for.
    signature: tokio::sync::OnceCell<Arc<v2::Signature>>,
    /// The model as a server of the Open Inference Protocol has it; asked when it is first needed.
    pub served: tokio::sync::OnceCell<Arc<Served>>,
    /// Every replica that may still have requests.
    known: Mutex<Vec<Arc<Replica>>>,
    /// Among equals the next one begins here.
    turns: AtomicUsize,
}

/// One container that answers.
#[derive(Debug)]
pub struct Replica {
    /// Of its workload.
    pub id: String,
    pub address: SocketAddr,
    /// Its connections are kept under this; never given twice.
    pub key: u64,
    pub in_flight: AtomicU64,
    pub requests: AtomicU64,
    pub ejections: AtomicU64,
    failures_in_a_row: AtomicU32,
    may_be_resting: AtomicBool,
    rest: Mutex<Rest>,
}

#[derive(Debug, Default)]
struct Rest {
    until: Option<Instant>,
    /// Rests without a success between them.
    in_a_row: u32,
}

impl Pool {
    pub fn new(answering: &Answering) -> Self {
        Self {
            revision_id: answering.revision_id.clone(),
            number: answering.number,
            protocol: answering.protocol,
            model: answering.model.clone(),
            tally: Tally::default(),
            in_flight: AtomicU64::default(),
            signature: tokio::sync::OnceCell::new(),
            served: tokio::sync::OnceCell::new(),
            known: Mutex::default(),
            turns: AtomicUsize::default(),
        }
    }

    /// These answer now; one that stays keeps its connections and counts.
    pub fn draw(&self, places: &[Place]) -> Vec<Arc<Replica>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |place: &Place| {
            let same = known.iter().find(|it| it.id == place.id && it.address == place.address);
            same.cloned().unwrap_or_else(|| Arc::new(Replica::new(place)))
        };
        let drawn: Vec<Arc<Replica>> = places.iter().map(of).collect();
        known.retain(|it| it.in_flight.load(Ordering::SeqCst) > 0 && !drawn.iter().any(|new| Arc::ptr_eq(it, new)));
        known.extend(drawn.iter().cloned());
        drawn
    }

    /// Every replica that answers or still has requests.
    pub fn replicas(&self) -> Vec<Arc<Replica>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes a place at the replica with the fewest requests, if one has room: below `most` each, and not `but`.
    pub fn take(&self, among: &[Arc<Replica>], most: Option<u32>, but: Option<&Replica>) -> Option<Arc<Replica>> {
        if let [only] = among {
            return (!but.is_some_and(|but| std::ptr::eq(but, &**only)) && only.take(most)).then(|| only.clone());
        }
        let now = Instant::now();
        let begin = self.turns.fetch_add(1, Ordering::Relaxed);
        let in_turn = || (0..among.len()).map(|step| &among[(begin + step) % among.len()]);
        let is_asked = |it: &&Arc<Replica>| !but.is_some_and(|but| std::ptr::eq(but, &***it));
        let mut asked: Vec<&Arc<Replica>> = in_turn().filter(is_asked).filter(|it| !it.is_resting(now)).collect();
        if asked.is_empty() {
            asked = in_turn().filter(is_asked).collect();
        }
        // the sort is stable, so among equals it is whose turn it is; another thread may have been quicker at the first
        asked.sort_by_key(|it| it.in_flight.load(Ordering::Relaxed));
        asked.into_iter().find(|it| it.take(most)).cloned()
    }

    /// A request to the replica failed by the replica's fault; after several in a row it rests.
    pub fn failed(&self, replica: &Replica) {
        let failures = replica.failures_in_a_row.fetch_add(1, Ordering::Relaxed) + 1;
        if failures < FAILURES {
            return;
        }
        let now = Instant::now();
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let resting = known.iter().filter(|it| it.is_resting(now)).count();
        if (resting + 1) * 2 > known.len() || replica.is_resting(now) {
            return;
        }
        replica.failures_in_a_row.store(0, Ordering::Relaxed);
        let rest = replica.send_to_rest(now);
        tracing::warn!(
            replica.id,
            "replica {} of revision {} failed {failures} times in a row and rests for {} s",
            replica.address,
            self.number,
            rest.as_secs()
        );
    }

    /// The model's signature; an empty one where it has none.
    pub async fn signature(&self) -> Result<Arc<v2::Signature>> {
        let read = || async { self.model.signature().await.map(Arc::new) };
        self.signature.get_or_try_init(read).await.cloned()
    }
}

impl Replica {
    fn new(place: &Place) -> Self {
        static KEYS: AtomicU64 = AtomicU64::new(0);
        Self {
            id: place.id.clone(),
            address: place.address,
            key: KEYS.fetch_add(1, Ordering::Relaxed),
            in_flight: AtomicU64::default(),
            requests: AtomicU64::default(),
            ejections: AtomicU64::default(),
            failures_in_a_row: AtomicU32::default(),
            may_be_resting: AtomicBool::default(),
            rest: Mutex::default(),
        }
    }

    /// Whether it gets no requests for a while.
    pub fn is_resting(&self, now: Instant) -> bool {
        self.may_be_resting.load(Ordering::Relaxed) && self.resting().until.is_some_and(|until| now < until)
    }

    /// It answered well.
    pub fn succeeded(&self) {
        if self.failures_in_a_row.load(Ordering::Relaxed) > 0 {
            self.failures_in_a_row.store(0, Ordering::Relaxed);
        }
        if self.may_be_resting.load(Ordering::Relaxed) && !self.is_resting(Instant::now()) {
            *self.resting() = Rest::default();
            self.may_be_resting.store(false, Ordering::Relaxed);
        }
    }

    fn send_to_rest(&self, now: Instant) -> Duration {
        let mut rest = self.resting();
        let duration = (FIRST_REST * 2_u32.saturating_pow(rest.in_a_row.min(16))).min(LONGEST_REST);
        rest.in_a_row += 1;
        rest.until = Some(now + duration);
        self.may_be_resting.store(true, Ordering::Relaxed);
        self.ejections.fetch_add(1, Ordering::Relaxed);
        duration
    }

    fn resting(&self) -> std::sync::MutexGuard<'_, Rest> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more request, unless it has `most` of them.
    fn take(&self, most: Option<u32>) -> bool {
        let Some(most) = most else {
            self.in_flight.fetch_add(1, Ordering::SeqCst);
            return true;
        };
        let more = |now: u64| (now < u64::from(most)).then_some(now + 1);
        self.in_flight.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).is_ok()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn pool(replicas: usize) -> (Pool, Vec<Arc<Replica>>) {
        let places: Vec<Place> = (0..replicas)
            .map(|n| Place { id: format!("p{n}"), address: SocketAddr::from(([127, 0, 0, 1], 1000 + n as u16)) })
            .collect();
        let model = Model { name: "wine".into(), version: 1, folder: "/nonexistent".into() };
        let answering = Answering {
            revision_id: "r1".into(),
            number: 1,
            replicas: places.clone(),
            protocol: Protocol::Mlflow,
            model,
        };
        let pool = Pool::new(&answering);
        let drawn = pool.draw(&places);
        (pool, drawn)
    }

    #[test]
    fn the_one_with_the_fewest_requests_is_next_and_equals_take_turns() {
        let (pool, among) = pool(3);
        let taken: Vec<_> = (0..9).map(|_| pool.take(&among, None, None).unwrap()).collect();
        assert!(among.iter().all(|it| it.in_flight.load(Ordering::SeqCst) == 3));
        // the last one answers two of its three
        among[2].in_flight.fetch_sub(2, Ordering::SeqCst);
        for _ in 0..2 {
            assert_eq!(pool.take(&among, None, None).unwrap().id, "p2");
        }
        assert_eq!(taken.len(), 9);
        let idle: Vec<String> = {
            among.iter().for_each(|it| it.in_flight.store(0, Ordering::SeqCst));
            let one_at_a_time = |_| {
                let it = pool.take(&among, None, None).unwrap();
                it.in_flight.fetch_sub(1, Ordering::SeqCst);
                it.id.clone()
            };
            (0..6).map(one_at_a_time).collect()
        };
        assert!(["p0", "p1", "p2"].iter().all(|id| idle.iter().filter(|it| it == id).count() == 2), "{idle:?}");
    }

    #[test]
    fn nobody_gets_more_than_the_most() {
        let (pool, among) = pool(2);
        assert!((0..4).all(|_| pool.take(&among, Some(2), None).is_some()));
        assert!(pool.take(&among, Some(2), None).is_none());
        assert!(pool.take(&among[..1], Some(2), None).is_none());
        assert_eq!(pool.take(&among, None, Some(&among[0])).unwrap().id, "p1");
    }

    #[test]
    fn who_fails_rests_but_never_more_than_half_and_never_the_only_one() {
        let (only, among) = pool(1);
        (0..20).for_each(|_| only.failed(&among[0]));
        assert!(!among[0].is_resting(Instant::now()));
        let (three, among) = pool(3);
        (0..4).for_each(|_| three.failed(&among[0]));
        among[0].succeeded();
        (0..4).for_each(|_| three.failed(&among[0]));
        assert!(!among[0].is_resting(Instant::now()), "a success between ends the row");
        three.failed(&among[0]);
        (0..5).for_each(|_| three.failed(&among[1]));
        let resting = |at| among.iter().map(|it| it.is_resting(at)).collect::<Vec<_>>();
        assert_eq!(resting(Instant::now()), [true, false, false]);
        assert!((0..30).all(|_| three.take(&among, None, None).unwrap().id != "p0"));
        assert_eq!(resting(Instant::now() + FIRST_REST), [false, false, false]);
    }

    #[test]
    fn a_replica_that_stays_keeps_its_counts_and_one_that_goes_is_known_until_it_is_done() {
        let (pool, among) = pool(2);
        pool.take(&among, None, Some(&among[1])).unwrap();
        let places = [Place { id: "p1".into(), address: among[1].address }];
        let drawn = pool.draw(&places);
        assert!(Arc::ptr_eq(&drawn[0], &among[1]));
        assert_eq!(pool.replicas().len(), 2);
        among[0].in_flight.store(0, Ordering::SeqCst);
        pool.draw(&places);
        assert_eq!(pool.replicas().len(), 1);
    }
}
