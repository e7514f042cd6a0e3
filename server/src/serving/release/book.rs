//! What a release measures of its two variants, while requests go on.
//!
//! The gateway writes into a book, and the recorder writes the book to the database every few seconds: whole counts, so twice is
//! once. After a restart the book is opened again where the database stands; a kill loses what came since. Only a release that
//! runs is counted: an experiment that reached its end keeps its figures.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use drydock_wire::serving::{Assign, Disagreement, ReleasePlan, Shadow};

use super::assign::{Side, Unit};
use super::check::is_metric_name;
use super::compare::Verdict;
use super::statistics::Moments;
use crate::error::{Error, Result};
use crate::serving::gateway::meter::Outcome;
use crate::serving::gateway::tally::{Counts, Tally};

/// Keys that are told apart; the first ones are as good a sample as all.
pub const MOST_UNITS: usize = 100_000;
const MOST_METRICS: usize = 50;
const MOST_EXAMPLES: usize = 20;
/// Requests whose revision is known by their id.
const RECENT: usize = 65_536;

/// Of which release the book is.
#[derive(Debug, Clone, PartialEq)]
pub struct Title {
    pub release_id: String,
    pub deployment_id: String,
    pub plan: ReleasePlan,
    /// Numbers of the revisions.
    pub candidate: i64,
    pub live: i64,
}

/// How a shadow's answers compare, so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Agreements {
    pub equal: u64,
    pub near: u64,
    pub different: u64,
    pub failed: u64,
    pub dropped: u64,
    pub skipped: u64,
    pub largest: Option<f64>,
    /// Newest first.
    pub examples: Vec<Disagreement>,
}

/// All that a book says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Kept {
    pub live: Counts,
    pub candidate: Counts,
    pub metrics: BTreeMap<String, [Moments; 2]>,
    pub agreements: Agreements,
    /// All that are known when it is opened; those that are new when it is written.
    pub units: Vec<Unit>,
}

/// Counts of one release.
#[derive(Debug)]
pub struct Book {
    pub title: Title,
    /// As the database had it.
    before: [Counts; 2],
    tallies: [Tally; 2],
    /// Requests are shared out, or copied, and counted.
    is_running: AtomicBool,
    /// The release is over.
    is_closed: AtomicBool,
    is_dirty: AtomicBool,
    metrics: Mutex<BTreeMap<String, [Moments; 2]>>,
    units: Mutex<Units>,
    recent: Mutex<Recent>,
    agreements: Mutex<Agreements>,
    /// Copies under way.
    copies: AtomicU32,
    /// Requests that could have been copied.
    turns: AtomicU64,
}

#[derive(Debug, Default)]
struct Units {
    known: HashSet<u64>,
    fresh: Vec<Unit>,
}

/// The newest requests by the hash of their id.
#[derive(Debug, Default)]
struct Recent {
    sides: HashMap<u64, Side>,
    order: VecDeque<u64>,
}

/// One copy's place among those under way, until dropped.
#[derive(Debug)]
pub struct Copying<'a>(&'a Book);

impl Agreements {
    /// Pairs of answers that were compared.
    pub fn compared(&self) -> u64 {
        self.equal + self.near + self.different + self.failed
    }
}

impl Book {
    /// A book that goes on where the database stands.
    pub fn open(title: Title, kept: Kept) -> Self {
        let known = kept.units.iter().map(|unit| unit.0).collect();
        Self {
            title,
            before: [kept.live, kept.candidate],
            tallies: Default::default(),
            is_running: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            is_dirty: AtomicBool::new(false),
            metrics: Mutex::new(kept.metrics),
            units: Mutex::new(Units { known, fresh: Vec::new() }),
            recent: Mutex::default(),
            agreements: Mutex::new(kept.agreements),
            copies: AtomicU32::default(),
            turns: AtomicU64::default(),
        }
    }

    /// Whether requests are shared out or copied now.
    pub fn set_running(&self, is_running: bool) {
        self.is_running.store(is_running, Ordering::Relaxed);
    }

    pub fn is_running(&self) -> bool {
        self.is_running.load(Ordering::Relaxed)
    }

    /// The release is over; what was counted is still to be written.
    pub fn close(&self) {
        self.set_running(false);
        self.is_closed.store(true, Ordering::Relaxed);
    }

    pub fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed)
    }

    /// Of an A/B test that shares requests out: by what, and how many percent the candidate gets.
    pub fn shares(&self) -> Option<(&Assign, u32)> {
        match &self.title.plan {
            ReleasePlan::Ab(plan) if self.is_running() => Some((&plan.assign, plan.weight)),
            _ => None,
        }
    }

    /// Of a shadow that copies requests.
    pub fn shadow(&self) -> Option<&Shadow> {
        match &self.title.plan {
            ReleasePlan::Shadow(plan) if self.is_running() => Some(plan),
            _ => None,
        }
    }

    /// The hash that decides about this key.
    pub fn unit(&self, key: &str) -> Unit {
        Unit::of(&self.title.deployment_id, &self.title.release_id, key)
    }

    /// A key was assigned.
    pub fn note_unit(&self, unit: Unit) {
        let mut units = lock(&self.units);
        if units.known.len() < MOST_UNITS && units.known.insert(unit.0) {
            units.fresh.push(unit);
            self.is_dirty.store(true, Ordering::Relaxed);
        }
    }

    /// How a request of that side ended; `is_broken` where the model server is to blame for a missing answer.
    pub fn record(&self, side: Side, outcome: Outcome, is_broken: bool) {
        self.tallies[side as usize].record(outcome, is_broken);
        self.is_dirty.store(true, Ordering::Relaxed);
    }

    /// The request of that id went to that side.
    pub fn note_request(&self, request_id: &str, side: Side) {
        let mut recent = lock(&self.recent);
        let hash = hash_of(request_id);
        if recent.sides.insert(hash, side).is_none() {
            recent.order.push_back(hash);
        }
        if recent.order.len() > RECENT
            && let Some(oldest) = recent.order.pop_front()
        {
            recent.sides.remove(&oldest);
        }
    }

    /// Where the request of that id went, if that is still known.
    pub fn side_of_request(&self, request_id: &str) -> Option<Side> {
        if let ReleasePlan::Ab(plan) = &self.title.plan
            && plan.assign == Assign::Request
        {
            return Some(self.unit(request_id).side(plan.weight));
        }
        lock(&self.recent).sides.get(&hash_of(request_id)).copied()
    }

    /// What a caller reports of an answer; how many reports that side has now.
    pub fn report(&self, metric: &str, side: Side, value: f64) -> Result<u64> {
        if !is_metric_name(metric) {
            return Err(Error::invalid("metric is a name of 1 to 64 letters, digits, spaces and _ . - /."));
        }
        if !value.is_finite() {
            return Err(Error::invalid("value is a number."));
        }
        let mut metrics = lock(&self.metrics);
        if metrics.len() >= MOST_METRICS && !metrics.contains_key(metric) {
            return Err(Error::invalid(format!("A release has at most {MOST_METRICS} metrics; use one that it has.")));
        }
        let of_side = &mut metrics.entry(metric.to_owned()).or_default()[side as usize];
        of_side.add(value);
        self.is_dirty.store(true, Ordering::Relaxed);
        Ok(of_side.count)
    }

    /// What is known of a metric on that side.
    pub fn metric(&self, metric: &str, side: Side) -> Moments {
        lock(&self.metrics).get(metric).map(|sides| sides[side as usize]).unwrap_or_default()
    }

    /// Whether this request is one of those to be copied: exactly so many of every hundred.
    pub fn is_turn(&self, percent: u32) -> bool {
        let (turn, percent) = (self.turns.fetch_add(1, Ordering::Relaxed) % 100, u64::from(percent));
        (turn + 1) * percent / 100 > turn * percent / 100
    }

    /// A place among the copies under way; absent, and counted, where there are too many.
    pub fn copying(&self, at_once: u32) -> Option<Copying<'_>> {
        if self.copies.fetch_add(1, Ordering::SeqCst) < at_once {
            return Some(Copying(self));
        }
        self.copies.fetch_sub(1, Ordering::SeqCst);
        self.change(|agreements| agreements.dropped += 1);
        None
    }

    /// A copy could not be sent, since too much is under way.
    pub fn note_dropped(&self) {
        self.change(|agreements| agreements.dropped += 1);
    }

    /// A request cannot be compared.
    pub fn note_skipped(&self) {
        self.change(|agreements| agreements.skipped += 1);
    }

    /// A pair of answers was compared; `example` is kept where they disagree.
    pub fn note_verdict(&self, verdict: &Verdict, example: Disagreement) {
        self.change(|agreements| match verdict {
            Verdict::Equal => agreements.equal += 1,
            Verdict::Near(difference) => {
                agreements.near += 1;
                agreements.saw(Some(*difference));
            }
            Verdict::Different(_, largest) => {
                agreements.different += 1;
                agreements.saw(*largest);
                agreements.keep(example);
            }
        });
    }

    /// The candidate did not answer a copy.
    pub fn note_failed(&self, example: Disagreement) {
        self.change(|agreements| {
            agreements.failed += 1;
            agreements.keep(example);
        });
    }

    /// What counts for the experiment's end.
    pub fn counted(&self) -> u64 {
        match &self.title.plan {
            ReleasePlan::Shadow(_) => lock(&self.agreements).compared(),
            _ => Side::BOTH.map(|side| self.counts(side).requests).iter().sum(),
        }
    }

    /// What that side did in the whole release.
    pub fn counts(&self, side: Side) -> Counts {
        let mut counts = self.before[side as usize].clone();
        counts.merge(&self.tallies[side as usize].counts());
        counts
    }

    /// All that it says now.
    pub fn kept(&self) -> Kept {
        Kept {
            live: self.counts(Side::Live),
            candidate: self.counts(Side::Candidate),
            metrics: lock(&self.metrics).clone(),
            agreements: lock(&self.agreements).clone(),
            units: lock(&self.units).known.iter().map(|unit| Unit(*unit)).collect(),
        }
    }

    /// What is to be written, with the units that are new; absent where nothing changed. If the write fails, `unwritten` says so.
    pub fn to_write(&self) -> Option<Kept> {
        if !self.is_dirty.swap(false, Ordering::Relaxed) {
            return None;
        }
        let units = std::mem::take(&mut lock(&self.units).fresh);
        Some(Kept {
            live: self.counts(Side::Live),
            candidate: self.counts(Side::Candidate),
            metrics: lock(&self.metrics).clone(),
            agreements: lock(&self.agreements).clone(),
            units,
        })
    }

    /// The write of these failed; they are due again.
    pub fn unwritten(&self, kept: Kept) {
        lock(&self.units).fresh.extend(kept.units);
        self.is_dirty.store(true, Ordering::Relaxed);
    }

    fn change(&self, change: impl FnOnce(&mut Agreements)) {
        change(&mut lock(&self.agreements));
        self.is_dirty.store(true, Ordering::Relaxed);
    }
}

impl Agreements {
    fn saw(&mut self, difference: Option<f64>) {
        if let Some(difference) = difference {
            self.largest = Some(self.largest.map_or(difference, |largest| largest.max(difference)));
        }
    }

    fn keep(&mut self, example: Disagreement) {
        self.examples.insert(0, example);
        self.examples.truncate(MOST_EXAMPLES);
    }
}

impl Drop for Copying<'_> {
    fn drop(&mut self) {
        self.0.copies.fetch_sub(1, Ordering::SeqCst);
    }
}

fn hash_of(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // counts are valid at every step, so a panic elsewhere does not spoil them
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
