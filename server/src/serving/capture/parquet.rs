//! Files of captured rows: one Parquet file for many requests, its columns the union of theirs.
//!
//! A column that is whole numbers in all rows is INT64, numbers DOUBLE, booleans BOOLEAN, and anything else text. Reading takes nothing for
//! granted: the bucket is open to others.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMillisecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use serde_json::Value;

use super::rows::{Captured, INPUT, PREDICTION};
use crate::error::{Error, Result};

/// Of all columns of a file together; those that come later are one text each row under these names.
const COLUMNS: usize = 2_000;
const BATCH_ROWS: usize = 8_192;
const OWN: [&str; 10] =
    ["request_id", "row", "at", "caller", "revision", "model", "version", "status", "latency_ms", "error"];

/// The file of these requests.
pub fn write(requests: &[Arc<Captured>]) -> Result<Vec<u8>> {
    let batch = batch(requests)?;
    let compression = Compression::ZSTD(ZstdLevel::default());
    let properties = WriterProperties::builder().set_compression(compression).set_created_by("drydock".into()).build();
    let mut file = vec![];
    let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), Some(properties)).map_err(Error::internal)?;
    writer.write(&batch).map_err(Error::internal)?;
    writer.close().map_err(Error::internal)?;
    Ok(file)
}

fn batch(requests: &[Arc<Captured>]) -> Result<RecordBatch> {
    fn each<T: Clone>(requests: &[Arc<Captured>], value: impl Fn(&Captured) -> T) -> Vec<T> {
        requests.iter().flat_map(|one| std::iter::repeat_n(value(one), one.rows)).collect()
    }
    let rows = |one: &Arc<Captured>| 0..i32::try_from(one.rows).unwrap_or(i32::MAX);
    let own: [ArrayRef; 10] = [
        Arc::new(StringArray::from(each(requests, |one| one.request_id.clone()))),
        Arc::new(Int32Array::from(requests.iter().flat_map(rows).collect::<Vec<_>>())),
        Arc::new(TimestampMillisecondArray::from(each(requests, |one| one.at)).with_timezone("UTC")),
        Arc::new(StringArray::from(each(requests, |one| one.caller.clone()))),
        Arc::new(Int64Array::from(each(requests, |one| one.revision))),
        Arc::new(StringArray::from(each(requests, |one| one.model.clone()))),
        Arc::new(Int64Array::from(each(requests, |one| one.version))),
        Arc::new(Int32Array::from(each(requests, |one| one.status.map(i32::from)))),
        Arc::new(Float64Array::from(each(requests, |one| one.latency_ms))),
        Arc::new(StringArray::from(each(requests, |one| one.error.clone()))),
    ];
    let mut fields: Vec<Field> = OWN
        .iter()
        .zip(&own)
        .map(|(name, array)| {
            Field::new(*name, array.data_type().clone(), matches!(*name, "caller" | "status" | "error"))
        })
        .collect();
    let mut arrays: Vec<ArrayRef> = own.into();
    for (name, cells) in union(requests) {
        let array = typed(&cells);
        fields.push(Field::new(name, array.data_type().clone(), true));
        arrays.push(array);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(Error::internal)
}

/// Every column of any request, inputs first, with a cell for each row.
fn union(requests: &[Arc<Captured>]) -> Vec<(&str, Vec<&Value>)> {
    let all: usize = requests.iter().map(|one| one.rows).sum();
    let mut places = std::collections::HashMap::new();
    let mut columns: Vec<(&str, Vec<&Value>)> = vec![];
    let mut begin = 0;
    for one in requests {
        for (name, cells) in &one.columns {
            let place = *places.entry(name.as_str()).or_insert(columns.len());
            if place == columns.len() {
                columns.push((name, vec![&Value::Null; all]));
            }
            cells.iter().enumerate().for_each(|(row, cell)| columns[place].1[begin + row] = cell);
        }
        begin += one.rows;
    }
    // stable: within a side as they came
    columns.sort_by_key(|(name, _)| name.starts_with(PREDICTION));
    columns.truncate(COLUMNS);
    columns
}

fn typed(cells: &[&Value]) -> ArrayRef {
    let there = || cells.iter().filter(|cell| !cell.is_null());
    if there().next().is_some() {
        if there().all(|cell| cell.is_i64()) {
            return Arc::new(cells.iter().map(|cell| cell.as_i64()).collect::<Int64Array>());
        }
        if there().all(|cell| cell.is_number()) {
            return Arc::new(cells.iter().map(|cell| cell.as_f64()).collect::<Float64Array>());
        }
        if there().all(|cell| cell.is_boolean()) {
            return Arc::new(cells.iter().map(|cell| cell.as_bool()).collect::<BooleanArray>());
        }
    }
    let text = |cell: &&Value| match cell {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    Arc::new(cells.iter().map(text).collect::<StringArray>())
}

/// The requests of a file, as they were written.
///
/// # Errors
/// In words, when somebody put another file in its place.
pub fn read(file: Bytes) -> std::result::Result<Vec<Captured>, String> {
    catch_unwind(AssertUnwindSafe(|| try_read(file))).unwrap_or_else(|_| Err("Its content contradicts itself.".into()))
}

fn try_read(file: Bytes) -> std::result::Result<Vec<Captured>, String> {
    let words = |cause: &dyn std::fmt::Display| format!("It is no file of captured rows: {cause}");
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|cause| words(&cause))?;
    let reader = builder.with_batch_size(BATCH_ROWS).build().map_err(|cause| words(&cause))?;
    let mut requests: Vec<Captured> = vec![];
    for batch in reader {
        take(&batch.map_err(|cause| words(&cause))?, &mut requests)
            .ok_or_else(|| "It is no file of captured rows: a column is missing or of another type.".to_owned())?;
    }
    Ok(requests)
}

fn take(batch: &RecordBatch, requests: &mut Vec<Captured>) -> Option<()> {
    fn of<'a, A: 'static>(batch: &'a RecordBatch, name: &str) -> Option<&'a A> {
        batch.column_by_name(name)?.as_any().downcast_ref::<A>()
    }
    let (ids, rows) = (of::<StringArray>(batch, "request_id")?, of::<Int32Array>(batch, "row")?);
    let at = of::<TimestampMillisecondArray>(batch, "at")?;
    let (callers, errors) = (of::<StringArray>(batch, "caller")?, of::<StringArray>(batch, "error")?);
    let (revisions, versions) = (of::<Int64Array>(batch, "revision")?, of::<Int64Array>(batch, "version")?);
    let (models, statuses) = (of::<StringArray>(batch, "model")?, of::<Int32Array>(batch, "status")?);
    let latencies = of::<Float64Array>(batch, "latency_ms")?;
    let schema = batch.schema();
    let columns: Vec<(&str, &ArrayRef)> = schema
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(field, array)| (field.name().as_str(), array))
        .filter(|(name, _)| name.starts_with(INPUT) || name.starts_with(PREDICTION))
        .collect();
    let text = |array: &StringArray, row: usize| array.is_valid(row).then(|| array.value(row).to_owned());
    for row in 0..batch.num_rows() {
        let begins = rows.value(row) == 0 || requests.last().is_none_or(|last| last.request_id != ids.value(row));
        if begins {
            requests.push(Captured {
                request_id: ids.value(row).to_owned(),
                at: at.value(row),
                caller: text(callers, row),
                revision: revisions.value(row),
                model: models.value(row).to_owned(),
                version: versions.value(row),
                status: statuses.is_valid(row).then(|| u16::try_from(statuses.value(row)).unwrap_or_default()),
                latency_ms: latencies.value(row),
                error: text(errors, row),
                columns: columns.iter().map(|(name, _)| ((*name).to_owned(), vec![])).collect(),
                ..Captured::default()
            });
        }
        let last = requests.last_mut()?;
        last.rows += 1;
        for ((_, array), (_, cells)) in columns.iter().zip(&mut last.columns) {
            cells.push(cell(array, row));
        }
    }
    Some(())
}

fn cell(array: &ArrayRef, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    let any = array.as_any();
    match array.data_type() {
        DataType::Int64 => any.downcast_ref::<Int64Array>().map_or(Value::Null, |it| it.value(row).into()),
        DataType::Float64 => any.downcast_ref::<Float64Array>().map_or(Value::Null, |it| it.value(row).into()),
        DataType::Boolean => any.downcast_ref::<BooleanArray>().map_or(Value::Null, |it| it.value(row).into()),
        DataType::Utf8 => any.downcast_ref::<StringArray>().map_or(Value::Null, |it| it.value(row).into()),
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            any.downcast_ref::<TimestampMillisecondArray>().map_or(Value::Null, |it| it.value(row).into())
        }
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]
    use serde_json::json;

    use super::*;

    fn request(id: &str, columns: &[(&str, Value)]) -> Arc<Captured> {
        let column = |(name, cells): &(&str, Value)| ((*name).to_owned(), cells.as_array().unwrap().clone());
        let columns: Vec<_> = columns.iter().map(column).collect();
        Arc::new(Captured {
            request_id: id.into(),
            at: 1_750_000_000_123,
            caller: Some("ann".into()),
            revision: 2,
            model: "m".into(),
            version: 7,
            status: Some(200),
            latency_ms: 1.5,
            rows: columns.first().map_or(1, |(_, cells): &(String, Vec<Value>)| cells.len()),
            columns,
            ..Captured::default()
        })
    }

    #[test]
    fn a_file_gives_back_what_went_in_over_unlike_requests() {
        let first = request("a", &[("input.x", json!([1, 2])), ("prediction.0", json!(["u", "v"]))]);
        let second =
            request("b", &[("input.x", json!([2.5])), ("input.y", json!([true])), ("prediction.0", json!(["w"]))]);
        let broken = Arc::new(Captured {
            status: None,
            caller: None,
            rows: 1,
            error: Some("oh".into()),
            ..(*request("c", &[])).clone()
        });
        let file = write(&[first, second, broken]).unwrap();
        let back = read(Bytes::from(file)).unwrap();
        assert_eq!(
            back.iter().map(|one| (one.request_id.as_str(), one.rows)).collect::<Vec<_>>(),
            [("a", 2), ("b", 1), ("c", 1)]
        );
        let views: Vec<_> = back.iter().flat_map(Captured::view).collect();
        // numbers of one column are of one type
        assert_eq!(views[1].inputs["x"], json!(2.0));
        assert_eq!(
            (&views[2].inputs["x"], &views[2].inputs["y"], &views[2].predictions["0"]),
            (&json!(2.5), &json!(true), &json!("w"))
        );
        assert_eq!(
            (views[0].at, views[0].version, views[0].status, views[0].caller.as_deref()),
            (1_750_000_000_123, 7, Some(200), Some("ann"))
        );
        assert_eq!((views[3].status, views[3].error.as_deref(), views[3].inputs.len()), (None, Some("oh"), 0));
    }

    #[test]
    fn what_is_no_such_file_is_refused_in_words() {
        assert!(read(Bytes::from_static(b"PAR1 nothing PAR1")).is_err());
        assert!(read(Bytes::new()).is_err());
    }
}
