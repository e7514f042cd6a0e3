//! The first rows of a Parquet file: its footer, then of each column the first pages. Ranges are read as they are asked for.

use std::{io::Read, panic::AssertUnwindSafe, sync::Arc};

use bytes::Bytes;
use drydock_wire::tracking::{Preview, PreviewColumn, PreviewKind};
use parquet::{
    errors::{ParquetError, Result as Outcome},
    file::reader::{ChunkReader, FileReader, Length, SerializedFileReader},
    record::Field,
    schema::types::Type,
};
use tokio::runtime::Handle;

use super::{Ranges, cell, empty};
use crate::error::{Error, Result};

const ROWS: usize = 100;
const COLUMNS: usize = 60;
/// Of one range: a page or the footer.
const MAX_RANGE_BYTES: u64 = 32 << 20;
const STEP_BYTES: u64 = 64 << 10;

pub async fn of(file: Arc<dyn Ranges>, size_bytes: u64) -> Result<Preview> {
    let blob = Blob { file, size_bytes, handle: Handle::current() };
    // The file is a stranger's: whatever it does to the reader stays here.
    let read = move || std::panic::catch_unwind(AssertUnwindSafe(|| head(blob)));
    let outcome = tokio::task::spawn_blocking(read).await.map_err(Error::internal)?;
    let unreadable = |why: &str| Preview {
        note: Some(format!("This file could not be read as Parquet: {why}")),
        ..empty(PreviewKind::Binary, size_bytes)
    };
    Ok(match outcome {
        Ok(Ok(preview)) => preview,
        Ok(Err(error)) => unreadable(&error.to_string()),
        Err(_) => unreadable("its content contradicts itself."),
    })
}

fn head(blob: Blob) -> Outcome<Preview> {
    let size_bytes = blob.size_bytes;
    let reader = SerializedFileReader::new(blob)?;
    let meta = reader.metadata().file_metadata();
    let (schema, total) = (meta.schema(), meta.num_rows());
    let fields: Vec<_> = schema.get_fields().iter().take(COLUMNS).cloned().collect();
    let columns = fields.iter().map(|field| PreviewColumn { name: cell(field.name()), kind: kind_of(field) }).collect();
    let wide = schema.get_fields().len() > COLUMNS;
    let projection = Type::group_type_builder(schema.name()).with_fields(fields).build()?;
    let mut rows = Vec::new();
    for row in reader.get_row_iter(Some(projection))?.take(ROWS) {
        rows.push(row?.get_column_iter().map(|(_, field)| text_of(field)).collect());
    }
    Ok(Preview {
        truncated: wide || total > rows.len() as i64,
        columns,
        rows,
        total_rows: u64::try_from(total).ok(),
        ..empty(PreviewKind::Table, size_bytes)
    })
}

fn kind_of(field: &Type) -> String {
    match field {
        Type::PrimitiveType { physical_type, .. } => match field.get_basic_info().logical_type_ref() {
            Some(parquet::basic::LogicalType::String) => "string".to_owned(),
            Some(parquet::basic::LogicalType::Timestamp { .. }) => "timestamp".to_owned(),
            _ => physical_type.to_string().to_lowercase(),
        },
        Type::GroupType { .. } => "nested".to_owned(),
    }
}

fn text_of(field: &Field) -> Option<String> {
    match field {
        Field::Null => None,
        Field::Str(text) => Some(cell(text)),
        Field::Float(value) => Some(value.to_string()),
        Field::Double(value) => Some(value.to_string()),
        other => Some(cell(&other.to_string())),
    }
}

/// A blob that is read in ranges.
#[derive(Clone)]
struct Blob {
    file: Arc<dyn Ranges>,
    size_bytes: u64,
    handle: Handle,
}

impl Blob {
    fn read(&self, from: u64, length: u64) -> std::io::Result<Bytes> {
        let to = from.saturating_add(length).min(self.size_bytes);
        let read = self.handle.block_on(self.file.range(from, to));
        read.map_err(|error| std::io::Error::other(error.message))
    }
}

impl Length for Blob {
    fn len(&self) -> u64 {
        self.size_bytes
    }
}

impl ChunkReader for Blob {
    type T = Onward;

    fn get_read(&self, start: u64) -> Outcome<Onward> {
        Ok(Onward { blob: self.clone(), at: start, held: Bytes::new() })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Outcome<Bytes> {
        if length as u64 > MAX_RANGE_BYTES {
            return Err(ParquetError::General("one of its pages is larger than a preview may read.".into()));
        }
        let bytes = self.read(start, length as u64)?;
        if bytes.len() < length {
            return Err(ParquetError::EOF("it ends too early.".into()));
        }
        Ok(bytes)
    }
}

/// Reads on from a place, a step at a time.
struct Onward {
    blob: Blob,
    at: u64,
    held: Bytes,
}

impl Read for Onward {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if self.held.is_empty() {
            self.held = self.blob.read(self.at, STEP_BYTES)?;
            self.at += self.held.len() as u64;
        }
        let count = into.len().min(self.held.len());
        into[..count].copy_from_slice(&self.held.split_to(count));
        Ok(count)
    }
}
