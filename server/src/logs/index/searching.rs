//! Questions to all partitions at once.

use std::sync::Arc;

use drydock_wire::logs::LogEntry;

use super::{
    Index, Question, Sight, Stored, broken, fields, histogram,
    histogram::{Counts, Histogram},
    partition::{By, Hit, Partition},
    question,
};
use crate::error::Result;

/// Keys of lines, from the first to before the second.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    pub from: u64,
    pub to: u64,
}

impl Window {
    pub fn of(question: &Question) -> Self {
        Self {
            from: question.from.map_or(0, fields::first_key),
            to: question.to.map_or(u64::MAX, |to| fields::first_key(to).max(1)),
        }
    }

    fn meets(self, partition: &Partition) -> bool {
        let extent = partition.extent();
        extent.lines > 0 && extent.keys.0 < self.to && self.from <= extent.keys.1
    }
}

impl Index {
    /// The newest `limit` lines in the window, and where older ones follow, the `to` of their window.
    pub fn newest(&self, question: &Question, window: Window, limit: usize) -> Result<(Vec<LogEntry>, Option<u64>)> {
        let mut partitions = self.that_meet(window);
        partitions.sort_by_key(|it| std::cmp::Reverse(it.extent().keys.1));
        let mut found: Vec<(u64, Hit)> = vec![];
        for partition in partitions {
            let lowest = found.get(limit).map(|(key, _)| *key);
            if lowest.is_some_and(|lowest| partition.extent().keys.1 < lowest) {
                break;
            }
            found.extend(top(&partition, question, window, By::NewestFirst, limit + 1)?);
            found.sort_by_key(|(key, _)| std::cmp::Reverse(*key));
            found.truncate(limit + 1);
        }
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().map(|(key, _)| *key).filter(|_| more);
        Ok((entries(&found)?, next))
    }

    /// The oldest `limit` lines in the window, and where newer ones follow, the `from` of their window.
    pub fn oldest(&self, question: &Question, window: Window, limit: usize) -> Result<(Vec<LogEntry>, Option<u64>)> {
        let mut partitions = self.that_meet(window);
        partitions.sort_by_key(|it| it.extent().keys.0);
        let mut found: Vec<(u64, Hit)> = vec![];
        for partition in partitions {
            let highest = found.get(limit).map(|(key, _)| *key);
            if highest.is_some_and(|highest| partition.extent().keys.0 > highest) {
                break;
            }
            found.extend(top(&partition, question, window, By::OldestFirst, limit + 1)?);
            found.sort_by_key(|(key, _)| *key);
            found.truncate(limit + 1);
        }
        let next = found.get(limit).map(|(key, _)| *key);
        found.truncate(limit);
        Ok((entries(&found)?, next))
    }

    /// Lines from that number on, in the order in which they were taken in.
    pub fn since(&self, question: &Question, number: u64, limit: usize) -> Result<Vec<LogEntry>> {
        let mut found: Vec<(u64, Hit)> = vec![];
        for partition in self.partitions() {
            let extent = partition.extent();
            if extent.lines == 0 || extent.numbers.1 < number || found.len() >= limit {
                continue;
            }
            let fields = partition.fields;
            let wanted = question::all(vec![
                (tantivy::query::Occur::Must, question.wanted(&fields)),
                (tantivy::query::Occur::Must, question::between(fields.number, number, u64::MAX)),
            ]);
            found.extend(partition.top(&*wanted, (0, u64::MAX), By::Number, limit - found.len()).map_err(broken)?);
        }
        entries(&found)
    }

    /// Counts over time.
    pub fn histogram(&self, question: &Question, shape: Histogram) -> Result<Vec<Counts>> {
        let end = shape.from + shape.step_ms * i64::try_from(shape.buckets).unwrap_or(i64::MAX);
        let asked = Window::of(question);
        let window = Window {
            from: fields::first_key(shape.from).max(asked.from),
            to: fields::first_key(end).max(1).min(asked.to),
        };
        let mut sum = vec![Counts::default(); shape.buckets];
        for partition in self.that_meet(window) {
            let wanted = question.wanted(&partition.fields);
            let counts = partition.collect(&*wanted, (window.from, window.to), &shape).map_err(broken)?;
            histogram::add(&mut sum, &counts);
        }
        Ok(sum)
    }

    /// The instants of the oldest and the newest line that could match.
    pub fn bounds(&self) -> Option<(i64, i64)> {
        let extents: Vec<_> = self.partitions().iter().map(|it| it.extent()).filter(|it| it.lines > 0).collect();
        let oldest = extents.iter().map(|it| fields::at_of(it.keys.0)).min()?;
        Some((oldest, extents.iter().map(|it| fields::at_of(it.keys.1)).max()?))
    }

    /// The line of that id.
    pub fn line(&self, sight: &Sight, id: u64) -> Result<Option<Stored>> {
        let question = everything(sight);
        for partition in self.partitions() {
            let (first, last) = partition.extent().numbers;
            if !(first..=last).contains(&id) {
                continue;
            }
            let wanted = question::all(vec![
                (tantivy::query::Occur::Must, question.wanted(&partition.fields)),
                (tantivy::query::Occur::Must, question::between(partition.fields.number, id, id + 1)),
            ]);
            let found = partition.top(&*wanted, (0, u64::MAX), By::Number, 1).map_err(broken)?;
            if let Some((_, hit)) = found.first() {
                return hit.read().map(Some).map_err(broken);
            }
        }
        Ok(None)
    }

    /// At most `limit` lines of a log from its line `from` on, or backwards from the one before it; in the order of the log.
    pub fn around(
        &self,
        sight: &Sight,
        source: &str,
        from: u64,
        backwards: bool,
        limit: usize,
    ) -> Result<Vec<LogEntry>> {
        if limit == 0 {
            return Ok(vec![]);
        }
        let (bounds, by) = if backwards { ((0, from), By::SeqBackwards) } else { ((from, u64::MAX), By::Seq) };
        let question = everything(sight);
        let mut found: Vec<(u64, Hit)> = vec![];
        for partition in self.partitions() {
            let fields = partition.fields;
            let wanted = question::all(vec![
                (tantivy::query::Occur::Must, question.wanted(&fields)),
                (tantivy::query::Occur::Must, question::exact(fields.source, source)),
                (tantivy::query::Occur::Must, question::between(fields.seq, bounds.0, bounds.1)),
            ]);
            found.extend(partition.top(&*wanted, (0, u64::MAX), by, limit).map_err(broken)?);
        }
        found.sort_by_key(|(seq, _)| if backwards { u64::MAX - *seq } else { *seq });
        found.truncate(limit);
        if backwards {
            found.reverse();
        }
        entries(&found)
    }

    fn that_meet(&self, window: Window) -> Vec<Arc<Partition>> {
        self.partitions().into_iter().filter(|it| window.meets(it)).collect()
    }
}

fn everything(sight: &Sight) -> Question {
    Question {
        sight: sight.clone(),
        query: crate::logs::rules::query::Query::All,
        kinds: vec![],
        levels: vec![],
        owner: None,
        from: None,
        to: None,
    }
}

fn top(partition: &Partition, question: &Question, window: Window, by: By, limit: usize) -> Result<Vec<(u64, Hit)>> {
    let wanted = question.wanted(&partition.fields);
    partition.top(&*wanted, (window.from, window.to), by, limit).map_err(broken)
}

fn entries(found: &[(u64, Hit)]) -> Result<Vec<LogEntry>> {
    found.iter().map(|(_, hit)| hit.read().map(|stored| stored.entry).map_err(broken)).collect()
}
