//! Parquet through arrow, a batch of rows at a time. Columns that hold lists or structures are left out; texts are read as
//! views of their page, so that a long word which a dictionary repeats is in memory once.

use std::fmt::Write;
use std::fs::File;
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::errors::Result as Outcome;
use parquet::file::reader::{ChunkReader, Length};

use super::{Cells, Row, Rows, Source, Stop, TypedCell, check_names, pages};

const BATCH_ROWS: usize = 1024;

pub struct Parquet {
    reader: ParquetRecordBatchReader,
    columns: Vec<String>,
    is_text: Vec<bool>,
    batch: Option<RecordBatch>,
    /// Of the batch.
    next: usize,
    row: u64,
    cells: Vec<TypedCell>,
}

impl Parquet {
    pub fn open(source: Source) -> Result<Self, Stop> {
        // the file is a stranger's: whatever it does to the reader stays here
        catch_unwind(AssertUnwindSafe(|| Self::try_open(source))).unwrap_or_else(|_| Err(contradicts()))
    }

    fn try_open(source: Source) -> Result<Self, Stop> {
        let size_bytes = source.size_bytes().map_err(Stop::Io)?;
        let source = match source {
            Source::File(mut file) => {
                pages::check_footer(&mut file, size_bytes)?;
                Chunks::File(Arc::new(file))
            }
            Source::Bytes(bytes) => {
                pages::check_footer(&mut io::Cursor::new(&bytes), size_bytes)?;
                Chunks::Bytes(bytes)
            }
        };
        let plain = ArrowReaderOptions::new;
        let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(source.clone(), plain()).map_err(explain)?;
        pages::check(&source, size_bytes, builder.metadata())?;
        let options = plain().with_schema(with_views(builder.schema()));
        let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(source, options).map_err(explain)?;
        let flat: Vec<usize> =
            (0..builder.schema().fields().len()).filter(|n| is_flat(builder.schema().field(*n).data_type())).collect();
        if flat.is_empty() {
            return Err(Stop::Malformed("The file has no column that is neither a list nor a structure.".into()));
        }
        let fields: Vec<&Field> = flat.iter().map(|n| builder.schema().field(*n)).collect();
        let columns: Vec<String> = fields.iter().map(|field| field.name().clone()).collect();
        check_names(&columns)?;
        let is_text: Vec<bool> = fields.iter().map(|field| is_text(field.data_type())).collect();
        let mask = ProjectionMask::roots(builder.parquet_schema(), flat);
        let reader = builder.with_projection(mask).with_batch_size(BATCH_ROWS).build().map_err(explain)?;
        let cells = is_text.iter().map(|is_text| TypedCell { text: String::new(), is_text: *is_text }).collect();
        Ok(Self { reader, columns, is_text, batch: None, next: 0, row: 0, cells })
    }

    fn advance(&mut self) -> Result<bool, Stop> {
        while self.batch.as_ref().is_none_or(|batch| self.next >= batch.num_rows()) {
            let read = catch_unwind(AssertUnwindSafe(|| self.reader.next())).map_err(|_| contradicts())?;
            match read {
                None => return Ok(false),
                Some(batch) => self.batch = Some(batch.map_err(explain)?),
            }
            self.next = 0;
        }
        let Some(batch) = &self.batch else { return Ok(false) };
        let options = FormatOptions::new();
        for (place, array) in batch.columns().iter().enumerate() {
            let cell = &mut self.cells[place];
            cell.text.clear();
            cell.is_text = self.is_text[place];
            if array.is_valid(self.next) {
                let formatter = ArrayFormatter::try_new(array.as_ref(), &options).map_err(explain)?;
                write!(cell.text, "{}", formatter.value(self.next)).map_err(explain)?;
            } else {
                cell.is_text = false;
            }
        }
        self.next += 1;
        self.row += 1;
        Ok(true)
    }
}

impl Rows for Parquet {
    fn columns(&self) -> &[String] {
        &self.columns
    }

    fn next_row(&mut self) -> Result<Option<Row<'_>>, Stop> {
        match self.advance()? {
            true => Ok(Some(Row { line: self.row, cells: Cells::Typed(&self.cells) })),
            false => Ok(None),
        }
    }
}

fn explain(error: impl std::fmt::Display) -> Stop {
    Stop::Malformed(format!("The file cannot be read as Parquet: {error}."))
}

fn contradicts() -> Stop {
    Stop::Malformed("The file cannot be read as Parquet: its content contradicts itself.".into())
}

fn with_views(schema: &SchemaRef) -> SchemaRef {
    let view = |field: &Arc<Field>| {
        let kind = match field.data_type() {
            DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
            DataType::Binary | DataType::LargeBinary => DataType::BinaryView,
            other => other.clone(),
        };
        Arc::new(field.as_ref().clone().with_data_type(kind))
    };
    let fields: Vec<Arc<Field>> = schema.fields().iter().map(view).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

fn is_flat(kind: &DataType) -> bool {
    match kind {
        DataType::Dictionary(_, values) => is_flat(values),
        other => !other.is_nested() && !matches!(other, DataType::Null),
    }
}

fn is_text(kind: &DataType) -> bool {
    match kind {
        DataType::Dictionary(_, values) => is_text(values),
        DataType::Utf8View | DataType::Utf8 | DataType::LargeUtf8 => true,
        DataType::BinaryView | DataType::Binary | DataType::LargeBinary | DataType::FixedSizeBinary(_) => true,
        _ => false,
    }
}

impl Source {
    fn size_bytes(&self) -> io::Result<u64> {
        match self {
            Self::File(file) => Ok(file.metadata()?.len()),
            Self::Bytes(bytes) => Ok(bytes.len() as u64),
        }
    }
}

/// The file as arrow wants it: read from any place.
#[derive(Clone)]
enum Chunks {
    File(Arc<File>),
    Bytes(Bytes),
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        match self {
            Self::File(file) => file.metadata().map_or(0, |data| data.len()),
            Self::Bytes(bytes) => bytes.len() as u64,
        }
    }
}

impl ChunkReader for Chunks {
    type T = Box<dyn Read + Send>;

    fn get_read(&self, start: u64) -> Outcome<Self::T> {
        Ok(match self {
            Self::File(file) => Box::new(file.get_read(start)?),
            Self::Bytes(bytes) => Box::new(io::Cursor::new(bytes.slice(usize::try_from(start).unwrap_or(usize::MAX).min(bytes.len())..))),
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Outcome<Bytes> {
        match self {
            Self::File(file) => file.get_bytes(start, length),
            Self::Bytes(bytes) => bytes.get_bytes(start, length),
        }
    }
}
