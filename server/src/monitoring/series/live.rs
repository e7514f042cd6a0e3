//! What is in memory: the series by name and labels, and the samples whose hour is not over.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::file::{Entry, Known};
use super::point::{Point, Resolution};
use super::selector::Selector;
use super::{Identity, Labels, Latest};
use crate::monitoring::exposition::{Family, Kind, Part, Sample};

/// Series with samples in memory; more than that are left out.
const MOST_SERIES: usize = 20_000;
/// Hours of samples that are kept in memory while the file cannot be written.
const MOST_HOURS: usize = 4;
/// Samples that wait for the journal while it cannot be written.
const MOST_WAITING: usize = 4_000_000;

/// Samples of one hour: the place on the grid of five seconds, and the value.
#[derive(Debug, Default, Clone)]
pub struct Hour {
    slots: Vec<u16>,
    values: Vec<f64>,
}

impl Hour {
    fn push(&mut self, slot: u16, value: f64) {
        if self.slots.last() == Some(&slot) {
            self.values.pop();
            self.values.push(value);
        } else {
            self.slots.push(slot);
            self.values.push(value);
        }
    }

    /// As points, in the order in which they came.
    pub fn points(&self, start: i64) -> impl Iterator<Item = Point> {
        let at = move |slot: &u16| start + i64::from(*slot) * Resolution::Full.width_ms();
        self.slots.iter().zip(&self.values).map(move |(slot, value)| Point::sample(at(slot), *value))
    }

    pub fn len(&self) -> usize {
        self.slots.len()
    }

    fn forget(&mut self, count: usize) {
        self.slots.drain(..count.min(self.slots.len()));
        self.values.drain(..count.min(self.values.len()));
    }
}

/// One series.
#[derive(Debug)]
pub struct Series {
    pub identity: Arc<Identity>,
    pub is_written: bool,
    /// By start of the hour.
    pub hours: BTreeMap<i64, Hour>,
    last: Option<(i64, f64)>,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Live {
    pub series: BTreeMap<i64, Series>,
    /// Id by name and labels.
    ids: HashMap<(String, Labels), i64>,
    next_id: i64,
    /// Kind and help by name of the family; whether the file has them.
    pub families: BTreeMap<String, (String, String, bool)>,
    /// Not in the journal yet.
    pub waiting: Vec<Entry>,
    pub noted_at: i64,
    pub believed_at: Option<i64>,
    pub kept_at: Option<std::time::Instant>,
    pub dropped: u64,
    pub file_bytes: u64,
}

impl Live {
    pub fn of(known: Known) -> Self {
        let mut live = Self { believed_at: known.believed_at, ..Self::default() };
        for (name, kind, help) in known.families {
            live.families.insert(name, (kind, help, true));
        }
        for (id, identity) in known.series {
            live.next_id = live.next_id.max(id);
            live.ids.insert((identity.name.clone(), identity.labels.clone()), id);
            let identity = Arc::new(identity);
            live.series.insert(id, Series { identity, is_written: true, hours: BTreeMap::new(), last: None });
        }
        for Entry { series, at, value } in known.entries {
            live.put(series, at, value);
        }
        live
    }

    pub fn count(&self) -> usize {
        self.series.len()
    }

    pub fn take(&mut self, at_ms: i64, families: &[Family]) {
        let at = Resolution::Full.slot(at_ms);
        for family in families.iter().filter(|family| !family.is_detail) {
            self.know(family);
            for sample in &family.samples {
                match self.id_of(family, sample) {
                    Some(series) if self.waiting.len() < MOST_WAITING => {
                        self.put(series, at, sample.value);
                        self.waiting.push(Entry { series, at, value: sample.value });
                    }
                    _ => self.dropped += 1,
                }
            }
        }
    }

    fn know(&mut self, family: &Family) {
        let is_new = self.families.get(&family.name).is_none_or(|(kind, help, _)| {
            (kind.as_str(), help.as_str()) != (family.kind.as_str(), family.help.as_str())
        });
        if is_new {
            let about = (family.kind.as_str().to_owned(), family.help.clone(), false);
            self.families.insert(family.name.clone(), about);
        }
    }

    fn id_of(&mut self, family: &Family, sample: &Sample) -> Option<i64> {
        let name = format!("{}{}", family.name, sample.part.suffix());
        let key = (name, sample.labels.iter().cloned().collect::<Labels>());
        if let Some(id) = self.ids.get(&key) {
            return Some(*id);
        }
        if self.series.len() >= MOST_SERIES
            && self.series.values().filter(|it| !it.hours.is_empty()).count() >= MOST_SERIES
        {
            return None;
        }
        self.next_id += 1;
        let is_counter = family.kind == Kind::Counter || sample.part != Part::Value;
        let identity = Arc::new(Identity { name: key.0.clone(), labels: key.1.clone(), is_counter });
        let new = Series { identity, is_written: false, hours: BTreeMap::new(), last: None };
        self.series.insert(self.next_id, new);
        self.ids.insert(key, self.next_id);
        Some(self.next_id)
    }

    /// The number of a series, which is made if it is new.
    pub fn number_of(&mut self, identity: &Identity) -> i64 {
        let key = (identity.name.clone(), identity.labels.clone());
        if let Some(id) = self.ids.get(&key) {
            return *id;
        }
        self.next_id += 1;
        let series =
            Series { identity: Arc::new(identity.clone()), is_written: true, hours: BTreeMap::new(), last: None };
        self.series.insert(self.next_id, series);
        self.ids.insert(key, self.next_id);
        self.next_id
    }

    fn put(&mut self, series: i64, at: i64, value: f64) {
        let Some(series) = self.series.get_mut(&series) else { return };
        let start = Resolution::Full.chunk(at);
        let slot = (at - start) / Resolution::Full.width_ms();
        series.hours.entry(start).or_default().push(u16::try_from(slot).unwrap_or(0), value);
        series.last = Some((at, value));
        if series.hours.len() > MOST_HOURS {
            series.hours.pop_first();
        }
    }

    /// Forgets the first `count` samples of an hour: the file has them now.
    pub fn forget(&mut self, series: i64, hour: i64, count: usize) {
        let Some(series) = self.series.get_mut(&series) else { return };
        if let Some(samples) = series.hours.get_mut(&hour) {
            samples.forget(count);
            if samples.len() == 0 {
                series.hours.remove(&hour);
            }
        }
    }

    /// Forgets series without samples.
    pub fn forget_series(&mut self, ids: &[i64]) {
        for id in ids {
            if let Some(series) = self.series.remove(id) {
                self.ids.remove(&(series.identity.name.clone(), series.identity.labels.clone()));
            }
        }
    }

    pub fn latest(&self, of: &Selector, oldest_at: i64) -> Vec<Latest> {
        let fits = |series: &&Series| of.matches(&series.identity.name, &series.identity.labels);
        let told = |series: &Series| {
            let (at, value) = series.last?;
            (at >= oldest_at).then(|| Latest { labels: series.identity.labels.clone(), at, value })
        };
        self.series.values().filter(fits).filter_map(told).collect()
    }

    /// The newest sample of a series.
    pub fn last(&self, series: i64) -> Option<(i64, f64)> {
        self.series.get(&series).and_then(|series| series.last)
    }

    /// The series that match, by id.
    pub fn matching(&self, of: &Selector) -> Vec<(i64, Arc<Identity>)> {
        let fits = |identity: &Identity| of.matches(&identity.name, &identity.labels);
        self.series.iter().filter(|(_, it)| fits(&it.identity)).map(|(id, it)| (*id, it.identity.clone())).collect()
    }

    /// Samples of a series that the file does not have, in order of time.
    pub fn recent(&self, series: i64, from: i64, until: i64) -> Vec<Point> {
        let Some(series) = self.series.get(&series) else { return vec![] };
        let all = series.hours.iter().flat_map(|(start, hour)| hour.points(*start));
        super::point::merged(vec![], all.filter(|point| point.at >= from && point.at <= until))
    }
}
