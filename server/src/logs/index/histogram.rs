//! Counts lines over time, by how grave they are.

use std::sync::Arc;

use drydock_wire::logs::LogLevel;
use tantivy::{
    DocId, Score, SegmentOrdinal, SegmentReader,
    collector::{Collector, SegmentCollector},
    columnar::{Column, ColumnValues},
};

use super::fields;

/// All, at warn, at error or fatal.
pub type Counts = [u64; 3];

#[derive(Debug, Clone, Copy)]
pub struct Histogram {
    pub from: i64,
    pub step_ms: i64,
    pub buckets: usize,
}

pub struct Counting {
    shape: Histogram,
    keys: Arc<dyn ColumnValues<u64>>,
    levels: Arc<dyn ColumnValues<u64>>,
    counts: Vec<Counts>,
}

impl Collector for Histogram {
    type Fruit = Vec<Counts>;
    type Child = Counting;

    fn for_segment(&self, _: SegmentOrdinal, segment: &SegmentReader) -> tantivy::Result<Counting> {
        let column = |name: &str| -> tantivy::Result<Arc<dyn ColumnValues<u64>>> {
            let column: Column<u64> = segment.fast_fields().u64(name)?;
            Ok(column.first_or_default_col(0))
        };
        Ok(Counting {
            shape: *self,
            keys: column("key")?,
            levels: column("level")?,
            counts: vec![Counts::default(); self.buckets],
        })
    }

    fn requires_scoring(&self) -> bool {
        false
    }

    fn merge_fruits(&self, segments: Vec<Vec<Counts>>) -> tantivy::Result<Vec<Counts>> {
        let mut sum = vec![Counts::default(); self.buckets];
        segments.iter().for_each(|one| add(&mut sum, one));
        Ok(sum)
    }
}

impl SegmentCollector for Counting {
    type Fruit = Vec<Counts>;

    fn collect(&mut self, doc: DocId, _: Score) {
        const WARN: u64 = LogLevel::Warn as u64 + 1;
        let since = fields::at_of(self.keys.get_val(doc)) - self.shape.from;
        let bucket = usize::try_from(since / self.shape.step_ms).ok().and_then(|at| self.counts.get_mut(at));
        let Some(counts) = bucket.filter(|_| since >= 0) else { return };
        counts[0] += 1;
        match self.levels.get_val(doc) {
            WARN => counts[1] += 1,
            level if level > WARN => counts[2] += 1,
            _ => {}
        }
    }

    fn harvest(self) -> Vec<Counts> {
        self.counts
    }
}

pub fn add(sum: &mut [Counts], one: &[Counts]) {
    for (sum, one) in sum.iter_mut().zip(one) {
        (0..sum.len()).for_each(|at| sum[at] += one[at]);
    }
}
