//! Whole spans, compressed together as they came, in chunks of about a mebibyte. A span is in one chunk of its trace only; one
//! that comes again is taken out of the chunk it was in. What a change costs is bounded by the chunks it touches, not by the
//! trace: all of this runs in the writer.

use std::collections::{HashMap, HashSet};

use diesel::{dsl::sql, prelude::*, sql_types::BigInt};

use crate::{
    db::{
        Conn,
        schema::traces::{span_chunks as chunks, spans as rows},
    },
    error::{Error, Result},
    traces::{rules, span::Span},
};

/// Fast, and within a tenth of the best.
const LEVEL: i32 = 3;
/// A chunk is closed when its spans take this much as JSON.
const CHUNK_BYTES: usize = 1 << 20;
/// A trace whose spans come one by one has its small chunks merged whenever there are this many of them.
const MOST_SMALL: usize = 64;
const SMALL_BYTES: i64 = 256 << 10;
/// Values of one IN.
const MANY: usize = 500;

/// Spans as a chunk keeps them.
#[derive(Debug)]
pub struct Packed {
    pub data: Vec<u8>,
    ids: Vec<i64>,
    unpacked_bytes: i64,
}

/// Packs spans, in their order, into as many chunks as they need.
pub fn pack(spans: &[Span]) -> Result<Vec<Packed>> {
    let (mut packed, mut json, mut ids) = (Vec::new(), Vec::new(), Vec::new());
    for span in spans {
        json.push(if ids.is_empty() { b'[' } else { b',' });
        serde_json::to_writer(&mut json, span).map_err(Error::internal)?;
        ids.push(span.id);
        if json.len() >= CHUNK_BYTES {
            packed.push(closed(&mut json, &mut ids)?);
        }
    }
    if !ids.is_empty() {
        packed.push(closed(&mut json, &mut ids)?);
    }
    Ok(packed)
}

fn closed(json: &mut Vec<u8>, ids: &mut Vec<i64>) -> Result<Packed> {
    json.push(b']');
    let data = zstd::bulk::compress(json, LEVEL).map_err(Error::internal)?;
    let unpacked_bytes = json.len() as i64;
    json.clear();
    Ok(Packed { data, ids: std::mem::take(ids), unpacked_bytes })
}

/// The spans of a chunk.
pub fn unpack(data: &[u8]) -> Result<Vec<Span>> {
    let json = zstd::stream::decode_all(data).map_err(Error::internal)?;
    serde_json::from_slice(&json).map_err(Error::internal)
}

/// The spans of a chunk of the store; `None`, and a line in the log, when it cannot be read: others are not to suffer from it.
fn readable(id: i64, data: &[u8]) -> Option<Vec<Span>> {
    unpack(data)
        .inspect_err(
            |error| tracing::error!(chunk = id, cause = ?error, "a chunk of spans cannot be read and is left out"),
        )
        .ok()
}

/// Keeps packed spans; the chunk of each.
///
/// # Errors
/// `too_large` when the trace would have more than it may.
pub fn insert(conn: &mut Conn, trace: i64, packed: &[Packed]) -> Result<HashMap<i64, i64>> {
    let new: i64 = packed.iter().map(|one| one.unpacked_bytes).sum();
    rules::trace_bytes(size(conn, &[trace])?.saturating_add(new))?;
    let mut places = HashMap::new();
    for one in packed {
        let id: i64 = diesel::insert_into(chunks::table)
            .values((
                chunks::trace.eq(trace),
                chunks::data.eq(&one.data),
                chunks::unpacked_bytes.eq(one.unpacked_bytes),
            ))
            .returning(chunks::id)
            .get_result(conn)
            .map_err(Error::internal)?;
        places.extend(one.ids.iter().map(|span| (*span, id)));
    }
    Ok(places)
}

/// Bytes of the traces' spans as JSON.
pub fn size(conn: &mut Conn, traces: &[i64]) -> Result<i64> {
    let mut total = 0_i64;
    for some in traces.chunks(MANY) {
        let found: i64 = chunks::table
            .filter(chunks::trace.eq_any(some))
            .select(sql::<BigInt>("coalesce(sum(unpacked_bytes), 0)"))
            .get_result(conn)
            .map_err(Error::internal)?;
        total = total.saturating_add(found);
    }
    Ok(total)
}

/// Takes these spans out of the trace's chunks.
pub fn take_out(conn: &mut Conn, trace: i64, again: &HashSet<i64>) -> Result<()> {
    let mut places: HashSet<Option<i64>> = HashSet::new();
    let ids: Vec<i64> = again.iter().copied().collect();
    for some in ids.chunks(MANY) {
        let found: Vec<Option<i64>> = rows::table
            .filter(rows::trace.eq(trace).and(rows::span_id.eq_any(some)))
            .select(rows::chunk)
            .distinct()
            .load(conn)
            .map_err(Error::internal)?;
        places.extend(found);
    }
    // Where a span's chunk is not known, it may be any.
    let touched = match places.iter().copied().collect::<Option<Vec<i64>>>() {
        Some(known) => known,
        None => ids_of(conn, trace, i64::MAX)?,
    };
    for chunk in touched {
        rewrite(conn, trace, &[chunk], |span| !again.contains(&span.id))?;
    }
    Ok(())
}

/// Makes the trace's small chunks one, once there are many.
pub fn merge_small(conn: &mut Conn, trace: i64) -> Result<()> {
    let small = ids_of(conn, trace, SMALL_BYTES)?;
    if small.len() < MOST_SMALL { Ok(()) } else { rewrite(conn, trace, &small, |_| true) }
}

fn ids_of(conn: &mut Conn, trace: i64, below_bytes: i64) -> Result<Vec<i64>> {
    chunks::table
        .filter(chunks::trace.eq(trace).and(chunks::unpacked_bytes.lt(below_bytes)))
        .order(chunks::id)
        .select(chunks::id)
        .load(conn)
        .map_err(Error::internal)
}

/// Packs what is to stay of these chunks anew.
fn rewrite(conn: &mut Conn, trace: i64, touched: &[i64], stays: impl Fn(&Span) -> bool) -> Result<()> {
    let mut spans = Vec::new();
    for id in touched {
        let data: Option<Vec<u8>> =
            chunks::table.find(id).select(chunks::data).first(conn).optional().map_err(Error::internal)?;
        let Some(found) = data.and_then(|data| readable(*id, &data)) else { continue };
        let before = found.len();
        let kept: Vec<Span> = found.into_iter().filter(&stays).collect();
        if touched.len() == 1 && kept.len() == before {
            return Ok(());
        }
        spans.extend(kept);
        diesel::delete(chunks::table.find(id)).execute(conn).map_err(Error::internal)?;
    }
    for packed in pack(&spans)? {
        let place = insert(conn, trace, std::slice::from_ref(&packed))?.into_values().next();
        for some in packed.ids.chunks(MANY) {
            diesel::update(rows::table.filter(rows::trace.eq(trace).and(rows::span_id.eq_any(some))))
                .set(rows::chunk.eq(place))
                .execute(conn)
                .map_err(Error::internal)?;
        }
    }
    Ok(())
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
        let rows: Vec<(i64, i64, Vec<u8>)> = chunks::table
            .filter(chunks::trace.eq_any(some))
            .order(chunks::id)
            .select((chunks::id, chunks::trace, chunks::data))
            .load(conn)
            .map_err(Error::internal)?;
        for (id, trace, data) in rows {
            found.entry(trace).or_default().extend(readable(id, &data).unwrap_or_default());
        }
    }
    for spans in found.values_mut() {
        spans.sort_by_key(|span| (span.parent.is_some(), span.start_ns));
    }
    Ok(found)
}
