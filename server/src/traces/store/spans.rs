//! Rows of spans: what filters and figures look at. Their content is in `chunks`.

use std::collections::{HashMap, HashSet};

use diesel::prelude::*;

use super::chunks;
use crate::{
    db::{Conn, schema::traces::spans},
    error::{Error, Result},
    traces::{
        span::{Span, key},
        summary::{Cost, Figures, Usage},
        value::Value,
    },
};

/// Values of one IN.
const MANY: usize = 500;

/// Those of the ids that the trace has spans of.
pub fn known(conn: &mut Conn, trace: i64, ids: &[i64]) -> Result<HashSet<i64>> {
    let mut found = HashSet::new();
    for some in ids.chunks(MANY) {
        let known: Vec<i64> = spans::table
            .filter(spans::trace.eq(trace).and(spans::span_id.eq_any(some)))
            .select(spans::span_id)
            .load(conn)
            .map_err(Error::internal)?;
        found.extend(known);
    }
    Ok(found)
}

/// Inserts the spans' rows, or replaces them; `places` has the chunk of each.
pub fn upsert(conn: &mut Conn, trace: i64, all: &[Span], places: &HashMap<i64, i64>) -> Result<()> {
    for span in all {
        let text = |name: &str| {
            span.attribute(name).and_then(Value::as_text).map(|text| text.chars().take(500).collect::<String>())
        };
        let Figures { usage, cost, .. } = Figures::of(span);
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
                spans::chunk.eq(places.get(&span.id)),
                (
                    spans::model.eq(text(key::MODEL)),
                    spans::provider.eq(text(key::PROVIDER)),
                    spans::input_cost.eq(cost.map(|cost| cost.input)),
                    spans::output_cost.eq(cost.map(|cost| cost.output)),
                    spans::total_cost.eq(cost.map(|cost| cost.total)),
                ),
                spans::token_usage.eq(usage.map(Usage::to_json)),
            ))
            .execute(conn)
            .map_err(Error::internal)?;
    }
    Ok(())
}

type Costs = (Option<f64>, Option<f64>, Option<f64>);
/// What the trace's spans used and cost. Of spans that were kept before these were columns, from their chunks.
pub fn figures(conn: &mut Conn, trace: i64) -> Result<Vec<Figures>> {
    let older = spans::table.filter(spans::trace.eq(trace).and(spans::chunk.is_null()));
    if diesel::select(diesel::dsl::exists(older)).get_result(conn).map_err(Error::internal)? {
        return Ok(chunks::of_trace(conn, trace)?.iter().map(Figures::of).collect());
    }
    let rows: Vec<(i64, Option<i64>, Costs, Option<String>)> = spans::table
        .filter(spans::trace.eq(trace))
        .select((
            spans::span_id,
            spans::parent_id,
            (spans::input_cost, spans::output_cost, spans::total_cost),
            spans::token_usage,
        ))
        .load(conn)
        .map_err(Error::internal)?;
    Ok(rows.into_iter().map(|(id, parent, costs, usage)| read(id, parent, costs, usage)).collect())
}

fn read(id: i64, parent: Option<i64>, costs: Costs, usage: Option<String>) -> Figures {
    let cost = match costs {
        (Some(input), Some(output), Some(total)) => Some(Cost { input, output, total }),
        _ => None,
    };
    let usage = usage.as_deref().and_then(Value::parse).as_ref().and_then(Usage::of);
    Figures { id, parent, usage, cost }
}
