//! Rows of spans: what filters and figures look at. Their content is in `chunks`.

use std::collections::HashSet;

use diesel::prelude::*;

use crate::{
    db::{Conn, schema::traces::spans},
    error::{Error, Result},
    traces::{
        span::{Span, key},
        summary::Cost,
        value::Value,
    },
};

/// Ids of the trace's spans.
pub fn ids(conn: &mut Conn, trace: i64) -> Result<HashSet<i64>> {
    let ids: Vec<i64> =
        spans::table.filter(spans::trace.eq(trace)).select(spans::span_id).load(conn).map_err(Error::internal)?;
    Ok(ids.into_iter().collect())
}

/// Inserts the spans' rows, or replaces them.
pub fn upsert(conn: &mut Conn, trace: i64, all: &[Span]) -> Result<()> {
    for span in all {
        let text = |name: &str| {
            span.attribute(name).and_then(Value::as_text).map(|text| text.chars().take(500).collect::<String>())
        };
        let cost = span.attribute(key::COST).and_then(Cost::of);
        diesel::replace_into(spans::table)
            .values((
                spans::trace.eq(trace),
                spans::span_id.eq(span.id),
                spans::parent_id.eq(span.parent),
                spans::name.eq(&span.name),
                spans::kind.eq(span.kind()),
                spans::status.eq(span.status.word()),
                spans::start_ns.eq(span.start_ns),
                spans::end_ns.eq(span.end_ns),
                (
                    spans::model.eq(text(key::MODEL)),
                    spans::provider.eq(text(key::PROVIDER)),
                    spans::input_cost.eq(cost.map(|cost| cost.input)),
                    spans::output_cost.eq(cost.map(|cost| cost.output)),
                    spans::total_cost.eq(cost.map(|cost| cost.total)),
                ),
            ))
            .execute(conn)
            .map_err(Error::internal)?;
    }
    Ok(())
}
