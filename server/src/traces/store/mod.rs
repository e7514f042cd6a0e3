//! Rows of traces. Each function composes in the caller's transaction; none decides anything.

pub mod assessments;
pub mod chunks;
pub mod functions;
pub mod metrics;
pub mod search;
pub mod spans;
pub mod traces;

use std::collections::HashSet;

use diesel::{QueryableByName, sql_types::BigInt};

use super::{rules, span::Span};
use crate::{db::Conn, error::Result};

/// Keeps a trace's spans with their content, which `chunks::pack` packed; those of them that it has already are replaced.
///
/// # Errors
/// `too_large` when the trace would have more, or larger, spans than one may.
pub fn keep_spans(conn: &mut Conn, trace: &traces::Known, all: &[Span], packed: &[chunks::Packed]) -> Result<i64> {
    let ids: Vec<i64> = all.iter().map(|span| span.id).collect();
    let again = spans::known(conn, trace.row, &ids)?;
    let fresh = ids.iter().collect::<HashSet<_>>().len() - again.len();
    let count = rules::span_count(trace.span_count + fresh as i64)?;
    chunks::take_out(conn, trace.row, &again)?;
    let places = chunks::insert(conn, trace.row, packed)?;
    spans::upsert(conn, trace.row, all, &places)?;
    chunks::merge_small(conn, trace.row)?;
    let changes = traces::Changes { span_count: Some(count), ..traces::Changes::default() };
    traces::change(conn, trace.row, &changes)?;
    Ok(count)
}

/// One integer of a hand-written query.
#[derive(QueryableByName)]
pub struct Id {
    #[diesel(sql_type = BigInt)]
    pub id: i64,
}

/// A set of surrogate ids as one bound value for `json_each(?)`.
pub fn json_ids(ids: &[i64]) -> String {
    serde_json::Value::from(ids.to_vec()).to_string()
}
