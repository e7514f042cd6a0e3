//! A part of the index: lines that were taken in one after the other, in a folder of its own, so that the oldest can go at once.

use std::{
    path::{Path, PathBuf},
    sync::RwLock,
};

use tantivy::{
    DocAddress, Executor, IndexReader, IndexSettings, IndexWriter, Order, ReloadPolicy, Searcher,
    collector::{Collector, TopDocs},
    directory::MmapDirectory,
    indexer::{IndexWriterOptions, LogMergePolicy},
    query::{Occur, Query},
    store::{Compressor, ZstdCompressor},
};

use super::{
    fields::{self, Fields, Stored},
    question,
};

/// Memory of the lines that are not on the disk yet.
const WRITER_BYTES: usize = 16 << 20;
/// Segments beyond it are not made larger: merging needs room twice.
const MERGED_LINES: usize = 1_000_000;
/// Blocks of stored lines that stay unpacked.
const CACHED_BLOCKS: usize = 20;

/// Where the lines of a part lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extent {
    pub lines: u64,
    /// Lowest and highest.
    pub keys: (u64, u64),
    pub numbers: (u64, u64),
}

pub struct Partition {
    pub folder: PathBuf,
    /// When it was begun, in milliseconds.
    pub begun_at: i64,
    pub fields: Fields,
    index: tantivy::Index,
    reader: IndexReader,
    extent: RwLock<Extent>,
}

impl Partition {
    /// Opens the part in the folder, or begins it.
    pub fn open(folder: PathBuf, begun_at: i64, executor: Executor) -> tantivy::Result<Self> {
        std::fs::create_dir_all(&folder)?;
        let (schema, fields) = fields::schema();
        let settings = IndexSettings {
            docstore_compression: Compressor::Zstd(ZstdCompressor { compression_level: Some(3) }),
            ..IndexSettings::default()
        };
        let directory = MmapDirectory::open(&folder)?;
        let mut index = tantivy::Index::builder().schema(schema).settings(settings).open_or_create(directory)?;
        index.set_executor(executor);
        fields::register(&index);
        let reader = index
            .reader_builder()
            .reload_policy(ReloadPolicy::Manual)
            .doc_store_cache_num_blocks(CACHED_BLOCKS)
            .try_into()?;
        let partition = Self { folder, begun_at, fields, index, reader, extent: RwLock::default() };
        partition.reload()?;
        Ok(partition)
    }

    pub fn writer(&self) -> tantivy::Result<IndexWriter> {
        let options = IndexWriterOptions::builder()
            .memory_budget_per_thread(WRITER_BYTES)
            .num_worker_threads(1)
            .num_merge_threads(1)
            .build();
        let writer = self.index.writer_with_options(options)?;
        let mut policy = LogMergePolicy::default();
        policy.set_max_docs_before_merge(MERGED_LINES);
        writer.set_merge_policy(Box::new(policy));
        Ok(writer)
    }

    /// What was said with the last commit.
    pub fn payload(&self) -> tantivy::Result<Option<String>> {
        Ok(self.index.load_metas()?.payload)
    }

    /// Shows what was committed.
    pub fn reload(&self) -> tantivy::Result<()> {
        self.reader.reload()?;
        let mut whole: Option<Extent> = None;
        for segment in self.reader.searcher().segment_readers() {
            let (key, number) = (segment.fast_fields().u64("key")?, segment.fast_fields().u64("number")?);
            let one = Extent {
                lines: u64::from(segment.num_docs()),
                keys: (key.min_value(), key.max_value()),
                numbers: (number.min_value(), number.max_value()),
            };
            whole = Some(match whole {
                None => one,
                Some(sum) => Extent {
                    lines: sum.lines + one.lines,
                    keys: (sum.keys.0.min(one.keys.0), sum.keys.1.max(one.keys.1)),
                    numbers: (sum.numbers.0.min(one.numbers.0), sum.numbers.1.max(one.numbers.1)),
                },
            });
        }
        *self.extent.write().unwrap_or_else(std::sync::PoisonError::into_inner) = whole.unwrap_or_default();
        Ok(())
    }

    pub fn extent(&self) -> Extent {
        *self.extent.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub fn bytes(&self) -> u64 {
        bytes_in(&self.folder)
    }

    /// The first by that field, among lines whose keys are from the first to before the second.
    pub fn top(&self, wanted: &dyn Query, keys: (u64, u64), by: By, limit: usize) -> tantivy::Result<Vec<(u64, Hit)>> {
        let searcher = self.reader.searcher();
        let (field, order) = match by {
            By::NewestFirst => ("key", Order::Desc),
            By::OldestFirst => ("key", Order::Asc),
            By::Number => ("number", Order::Asc),
            By::Seq => ("seq", Order::Asc),
            By::SeqBackwards => ("seq", Order::Desc),
        };
        let query = self.bounded(wanted, keys);
        let found = searcher.search(&*query, &TopDocs::with_limit(limit).order_by_u64_field(field, order))?;
        Ok(found
            .into_iter()
            .map(|(value, address)| {
                (value.unwrap_or(0), Hit { searcher: searcher.clone(), address, fields: self.fields })
            })
            .collect())
    }

    pub fn collect<C: Collector>(&self, wanted: &dyn Query, keys: (u64, u64), with: &C) -> tantivy::Result<C::Fruit> {
        let query = self.bounded(wanted, keys);
        self.reader.searcher().search(&*query, with)
    }

    /// The bound is left out where all lines are inside: looking at each key takes time.
    fn bounded(&self, wanted: &dyn Query, (from, to): (u64, u64)) -> Box<dyn Query> {
        let (first, last) = self.extent().keys;
        if from <= first && last < to {
            return wanted.box_clone();
        }
        question::all(vec![
            (Occur::Must, wanted.box_clone()),
            (Occur::Must, question::between(self.fields.key, from, to)),
        ])
    }
}

/// The order in which lines are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    NewestFirst,
    OldestFirst,
    /// As they were taken in.
    Number,
    /// As they stand in their log.
    Seq,
    SeqBackwards,
}

/// A line that was found, not yet read.
pub struct Hit {
    searcher: Searcher,
    address: DocAddress,
    fields: Fields,
}

impl Hit {
    pub fn read(&self) -> tantivy::Result<Stored> {
        let document = self.searcher.doc(self.address)?;
        let missing = || tantivy::TantivyError::InternalError("a line of the index has no content".into());
        self.fields.stored(&document).ok_or_else(missing)
    }
}

/// Sizes of a folder's files; one that goes just now counts nothing.
pub fn bytes_in(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries.filter_map(|entry| entry.ok()?.metadata().ok()).map(|about| about.len()).sum()
}
