//! Parquet through arrow, a batch of rows at a time. Columns that hold lists or structures are left out; texts are read as
//! views of their page, so that a long word which a dictionary repeats is in memory once, and a long one is looked at by its
//! beginning and its length: a small file can say a long word very often.

use std::fmt::Write;
use std::fs::File;
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::{Array, BinaryViewArray, RecordBatch, StringViewArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::errors::Result as Outcome;
use parquet::file::reader::{ChunkReader, Length};

use super::{Cells, Row, Rows, Source, Stop, TypedCell, check_names, pages};

/// Cells of a batch, and the rows it has at most.
const BATCH_CELLS: usize = 64 << 10;
const BATCH_ROWS: usize = 1024;
/// Of a text or of bytes.
const CELL_BYTES: usize = 4 << 10;

pub struct Parquet {
    reader: ParquetRecordBatchReader,
    columns: Vec<String>,
    is_text: Vec<bool>,
    /// Of the batch, row by row.
    cells: Vec<TypedCell>,
    batch_rows: usize,
    /// Of the batch.
    next: usize,
    row: u64,
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
        // what arrow wrote beside the file's own types would bring dictionaries back
        let plain = || ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let builder =
            ParquetRecordBatchReaderBuilder::try_new_with_options(source.clone(), plain()).map_err(explain)?;
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
        let rows = (BATCH_CELLS / columns.len()).clamp(16, BATCH_ROWS);
        let reader = builder.with_projection(mask).with_batch_size(rows).build().map_err(explain)?;
        Ok(Self { reader, columns, is_text, cells: vec![], batch_rows: 0, next: 0, row: 0 })
    }

    fn advance(&mut self) -> Result<bool, Stop> {
        while self.next >= self.batch_rows {
            let read = catch_unwind(AssertUnwindSafe(|| self.reader.next())).map_err(|_| contradicts())?;
            match read {
                None => return Ok(false),
                Some(batch) => self.take(&batch.map_err(explain)?)?,
            }
        }
        self.next += 1;
        self.row += 1;
        Ok(true)
    }

    /// Writes the batch's cells down, a column at a time.
    fn take(&mut self, batch: &RecordBatch) -> Result<(), Stop> {
        let width = self.columns.len();
        (self.batch_rows, self.next) = (batch.num_rows(), 0);
        self.cells.resize_with(self.batch_rows * width, TypedCell::default);
        let options = FormatOptions::new();
        for (place, array) in batch.columns().iter().enumerate() {
            let formatter = ArrayFormatter::try_new(array.as_ref(), &options).map_err(explain)?;
            let texts = array.as_any().downcast_ref::<StringViewArray>();
            let bytes = array.as_any().downcast_ref::<BinaryViewArray>();
            for row in 0..self.batch_rows {
                let cell = &mut self.cells[row * width + place];
                cell.text.clear();
                cell.is_text = self.is_text[place] && array.is_valid(row);
                match (texts, bytes) {
                    _ if array.is_null(row) => {}
                    (Some(texts), _) => beginning(&mut cell.text, texts.value(row)),
                    (None, Some(bytes)) => {
                        let value = bytes.value(row);
                        cell.text.push_str(&hex::encode(&value[..value.len().min(CELL_BYTES / 2)]));
                    }
                    (None, None) => write!(cell.text, "{}", formatter.value(row)).map_err(explain)?,
                }
            }
        }
        Ok(())
    }
}

/// The text; of a long one the beginning and the length, by which it is told from others.
fn beginning(out: &mut String, text: &str) {
    if text.len() <= CELL_BYTES {
        out.push_str(text);
        return;
    }
    let end = text.floor_char_boundary(CELL_BYTES);
    out.push_str(&text[..end]);
    let _ = write!(out, "… ({} bytes)", text.len());
}

impl Rows for Parquet {
    fn columns(&self) -> &[String] {
        &self.columns
    }

    fn next_row(&mut self) -> Result<Option<Row<'_>>, Stop> {
        match self.advance()? {
            true => {
                let width = self.columns.len();
                let cells = &self.cells[(self.next - 1) * width..self.next * width];
                Ok(Some(Row { line: self.row, cells: Cells::Typed(cells) }))
            }
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
        // written out whole for each row
        DataType::FixedSizeBinary(width) => usize::try_from(*width).is_ok_and(|width| width <= CELL_BYTES),
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
            Self::Bytes(bytes) => {
                Box::new(io::Cursor::new(bytes.slice(usize::try_from(start).unwrap_or(usize::MAX).min(bytes.len())..)))
            }
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Outcome<Bytes> {
        match self {
            Self::File(file) => file.get_bytes(start, length),
            Self::Bytes(bytes) => bytes.get_bytes(start, length),
        }
    }
}
