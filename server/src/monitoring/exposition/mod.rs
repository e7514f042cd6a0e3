//! What is measured at one moment, as families of samples: the one form from which `/metrics`, the store of series and remote
//! writing are made, so that all three say the same.

mod parse;
mod text;

use std::collections::BTreeMap;

pub use parse::parse;
pub use text::{Format, render};

/// What a family measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// Which sample of its family one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    Value,
    Bucket,
    Sum,
    Count,
}

impl Part {
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Value => "",
            Self::Bucket => "_bucket",
            Self::Sum => "_sum",
            Self::Count => "_count",
        }
    }
}

/// A value with what it is of.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    pub part: Part,
    pub labels: Vec<(String, String)>,
    pub value: f64,
}

/// Samples of one name.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    pub name: String,
    pub kind: Kind,
    pub help: String,
    /// Too many series to be kept: shown, not stored.
    pub is_detail: bool,
    pub samples: Vec<Sample>,
}

/// Families in the making.
#[derive(Debug, Default)]
pub struct Exposition {
    families: Vec<Family>,
    places: BTreeMap<String, usize>,
}

/// A histogram by upper bounds in seconds: how many were at or below each.
pub struct Cumulative<'a> {
    pub buckets: &'a [(f64, u64)],
    pub count: u64,
    pub sum: f64,
}

/// A number of any kind that is measured.
pub trait Number {
    fn number(self) -> f64;
}

macro_rules! numbers {
    ($($kind:ty),+) => { $(impl Number for $kind { fn number(self) -> f64 { self as f64 } })+ };
}
numbers!(u8, u16, u32, u64, usize, i32, i64, f32, f64);

impl Exposition {
    /// Begins a family; its samples follow.
    pub fn family(&mut self, name: &str, kind: Kind, help: &str) {
        if !self.places.contains_key(name) {
            self.places.insert(name.to_owned(), self.families.len());
            let family =
                Family { name: name.to_owned(), kind, help: help.to_owned(), is_detail: false, samples: vec![] };
            self.families.push(family);
        }
    }

    /// As `family`, for one that is shown and not kept.
    pub fn detail(&mut self, name: &str, kind: Kind, help: &str) {
        self.family(name, kind, help);
        if let Some(family) = self.find(name) {
            family.is_detail = true;
        }
    }

    /// One value of a family that was begun.
    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Number) {
        self.add(name, Part::Value, owned(labels), value.number());
    }

    /// A family of one value without labels.
    pub fn single(&mut self, name: &str, kind: Kind, help: &str, value: impl Number) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    /// The samples of one histogram.
    pub fn histogram(&mut self, name: &str, labels: &[(&str, &str)], of: &Cumulative<'_>) {
        let with_bound = |bound: String| {
            let mut labels = owned(labels);
            labels.push(("le".to_owned(), bound));
            labels
        };
        for (bound, count) in of.buckets {
            self.add(name, Part::Bucket, with_bound(bound.to_string()), count.number());
        }
        self.add(name, Part::Bucket, with_bound("+Inf".to_owned()), of.count.number());
        self.add(name, Part::Sum, owned(labels), of.sum);
        self.add(name, Part::Count, owned(labels), of.count.number());
    }

    /// One sample as it is.
    pub fn add(&mut self, family: &str, part: Part, labels: Vec<(String, String)>, value: f64) {
        if let Some(family) = self.find(family) {
            family.samples.push(Sample { part, labels, value });
        }
    }

    /// All families that have samples, in the order in which they were begun.
    pub fn finish(self) -> Vec<Family> {
        self.families.into_iter().filter(|family| !family.samples.is_empty()).collect()
    }

    fn find(&mut self, name: &str) -> Option<&mut Family> {
        self.places.get(name).and_then(|place| self.families.get_mut(*place))
    }
}

fn owned(labels: &[(&str, &str)]) -> Vec<(String, String)> {
    labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[cfg(test)]
pub mod testing {
    use super::{Exposition, Format, render};

    /// As Prometheus' text, for tests of who measures.
    pub fn text(exposition: Exposition) -> String {
        render(&exposition.finish(), Format::Text)
    }
}
