//! Rows of samples: a minute each.

use diesel::prelude::*;

use super::series::Sample;
use crate::{
    db::{
        Conn,
        schema::{jobs::job_attempts, samples::attempt_samples as table},
    },
    error::{Error, Result},
};

/// Fast, and a fifth of the text's size.
const ZSTD_LEVEL: i32 = 3;
/// No minute is larger when unpacked.
const MOST_BYTES: usize = 4 << 20;

pub fn minute_of(at_ms: i64) -> i64 {
    at_ms.div_euclid(60_000)
}

/// Writes the samples of one minute; more of the same minute are added to what is there.
pub fn add(conn: &mut Conn, job: &str, number: i64, minute: i64, samples: &[Sample]) -> Result<()> {
    let mut all = of_minutes(conn, job, number, minute, minute)?;
    all.extend(samples.iter().cloned());
    let text = serde_json::to_vec(&all).map_err(Error::internal)?;
    let data = zstd::bulk::compress(&text, ZSTD_LEVEL).map_err(Error::internal)?;
    diesel::replace_into(table::table)
        .values((table::job_id.eq(job), table::number.eq(number), table::minute.eq(minute), table::data.eq(data)))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// Samples of an attempt from an instant on, oldest first.
pub fn since(conn: &mut Conn, job: &str, number: i64, at_ms: i64) -> Result<Vec<Sample>> {
    let mut found = of_minutes(conn, job, number, minute_of(at_ms), i64::MAX)?;
    found.retain(|sample| sample.at >= at_ms);
    Ok(found)
}

fn of_minutes(conn: &mut Conn, job: &str, number: i64, first: i64, last: i64) -> Result<Vec<Sample>> {
    let rows: Vec<Vec<u8>> = table::table
        .filter(table::job_id.eq(job).and(table::number.eq(number)).and(table::minute.between(first, last)))
        .order(table::minute)
        .select(table::data)
        .load(conn)
        .map_err(Error::internal)?;
    let mut found = vec![];
    for row in rows {
        let text = zstd::bulk::decompress(&row, MOST_BYTES).map_err(Error::internal)?;
        found.extend(serde_json::from_slice::<Vec<Sample>>(&text).map_err(Error::internal)?);
    }
    Ok(found)
}

/// The most memory that the attempt held so far.
pub fn raise_peak(conn: &mut Conn, job: &str, number: i64, bytes: u64) -> Result<()> {
    let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
    let lower = job_attempts::peak_memory_bytes.is_null().or(job_attempts::peak_memory_bytes.lt(bytes));
    diesel::update(job_attempts::table.find((job, number)).filter(lower))
        .set(job_attempts::peak_memory_bytes.eq(bytes))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// Forgets what is older.
pub fn delete_before(conn: &mut Conn, at_ms: i64) -> Result<()> {
    diesel::delete(table::table.filter(table::minute.lt(minute_of(at_ms))))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}
