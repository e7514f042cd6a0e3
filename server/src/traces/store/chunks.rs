//! Whole spans, compressed together as they came. A span is in one chunk of its trace only: one that comes again makes the
//! trace's chunks one, with the new span in the old one's place.

use std::collections::{HashMap, HashSet};

use diesel::prelude::*;

use crate::{
    db::{Conn, schema::traces::span_chunks as chunks},
    error::{Error, Result},
    traces::span::Span,
};

/// Fast, and within a tenth of the best.
const LEVEL: i32 = 3;
/// A trace whose spans come one by one is made one chunk whenever it has this many.
const MOST_CHUNKS: i64 = 64;

/// Spans as a chunk keeps them.
pub fn pack(spans: &[Span]) -> Result<Vec<u8>> {
    let json = serde_json::to_vec(spans).map_err(Error::internal)?;
    zstd::bulk::compress(&json, LEVEL).map_err(Error::internal)
}

/// The spans of a chunk.
pub fn unpack(data: &[u8]) -> Result<Vec<Span>> {
    let json = zstd::stream::decode_all(data).map_err(Error::internal)?;
    serde_json::from_slice(&json).map_err(Error::internal)
}

/// Keeps spans that are new to the trace; `packed` is what `pack` made of them.
pub fn append(conn: &mut Conn, trace: i64, packed: &[u8]) -> Result<()> {
    insert(conn, trace, packed)?;
    let count: i64 = chunks::table.filter(chunks::trace.eq(trace)).count().get_result(conn).map_err(Error::internal)?;
    if count < MOST_CHUNKS { Ok(()) } else { replace(conn, trace, &[]) }
}

/// Makes the trace's chunks one, with these spans in the place of their older selves.
pub fn replace(conn: &mut Conn, trace: i64, newer: &[Span]) -> Result<()> {
    let again: HashSet<i64> = newer.iter().map(|span| span.id).collect();
    let mut all = of_trace(conn, trace)?;
    all.retain(|span| !again.contains(&span.id));
    all.extend_from_slice(newer);
    diesel::delete(chunks::table.filter(chunks::trace.eq(trace))).execute(conn).map_err(Error::internal)?;
    insert(conn, trace, &pack(&all)?)
}

fn insert(conn: &mut Conn, trace: i64, packed: &[u8]) -> Result<()> {
    diesel::insert_into(chunks::table)
        .values((chunks::trace.eq(trace), chunks::data.eq(packed)))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// All spans of a trace: roots first, then in order of their start.
pub fn of_trace(conn: &mut Conn, trace: i64) -> Result<Vec<Span>> {
    Ok(of_traces(conn, &[trace])?.remove(&trace).unwrap_or_default())
}

/// All spans by trace: roots first, then in order of their start.
pub fn of_traces(conn: &mut Conn, traces: &[i64]) -> Result<HashMap<i64, Vec<Span>>> {
    let mut found: HashMap<i64, Vec<Span>> = HashMap::new();
    // A few traces at a time: a list of ids has its limit, and so has memory.
    for some in traces.chunks(50) {
        let rows: Vec<(i64, Vec<u8>)> = chunks::table
            .filter(chunks::trace.eq_any(some))
            .order(chunks::id)
            .select((chunks::trace, chunks::data))
            .load(conn)
            .map_err(Error::internal)?;
        for (trace, data) in rows {
            found.entry(trace).or_default().extend(unpack(&data)?);
        }
    }
    for spans in found.values_mut() {
        spans.sort_by_key(|span| (span.parent.is_some(), span.start_ns));
    }
    Ok(found)
}
