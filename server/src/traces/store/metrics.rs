//! Figures over many traces, spans or assessments: counts, sums, percentiles, by time and by what they are grouped by.

use std::collections::BTreeMap;

use diesel::{
    QueryableByName, RunQueryDsl,
    sql_types::{BigInt, Double, Nullable, Text},
};

use super::json_ids;
use crate::{
    db::Conn,
    error::{Error, Result},
    traces::names,
    tracking::search::sql::Fragment,
};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    Traces,
    Spans,
    Assessments,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Aggregate {
    Count,
    Sum,
    Average,
    Percentile(f64),
    Min,
    Max,
}

/// A condition that a figure is taken under. All compare for equality.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Only {
    Status(String),
    Name(String),
    Tag(String, String),
    Metadata(String, String),
    Run(String),
    SpanName(String),
    SpanStatus(String),
    SpanKind(String),
    AssessmentName(String),
    AssessmentKind(String),
}

/// A question; its names are checked before.
#[derive(Debug, Clone)]
pub struct Question {
    pub view: View,
    pub metric: String,
    pub aggregates: Vec<Aggregate>,
    pub dimensions: Vec<String>,
    pub only: Vec<Only>,
    pub experiments: Vec<i64>,
    pub interval_ms: Option<i64>,
    pub from_ms: Option<i64>,
    pub to_ms: Option<i64>,
    pub most: i64,
}

/// One group: what it is grouped by (the time first, in milliseconds, if asked), and a figure per aggregate.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    pub bucket_ms: Option<i64>,
    pub dimensions: Vec<String>,
    pub figures: Vec<Option<f64>>,
}

/// Answers the question.
pub fn answer(conn: &mut Conn, question: &Question) -> Result<Vec<Point>> {
    let mut points = grouped(conn, question)?;
    if question.aggregates.iter().any(|aggregate| matches!(aggregate, Aggregate::Percentile(_))) {
        let mut values = values(conn, question)?;
        for point in &mut points {
            let sorted = values.remove(&(point.bucket_ms, point.dimensions.clone())).unwrap_or_default();
            for (figure, aggregate) in point.figures.iter_mut().zip(&question.aggregates) {
                if let Aggregate::Percentile(percent) = aggregate {
                    *figure = percentile(&sorted, *percent);
                }
            }
        }
    }
    Ok(points)
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Nullable<BigInt>)]
    bucket: Option<i64>,
    #[diesel(sql_type = Text)]
    dims: String,
    #[diesel(sql_type = BigInt)]
    n: i64,
    #[diesel(sql_type = Nullable<Double>)]
    sum: Option<f64>,
    #[diesel(sql_type = Nullable<Double>)]
    least: Option<f64>,
    #[diesel(sql_type = Nullable<Double>)]
    greatest: Option<f64>,
}

fn grouped(conn: &mut Conn, question: &Question) -> Result<Vec<Point>> {
    let value = value(question);
    let distinct = if question.metric == "session_count" { "DISTINCT " } else { "" };
    let numbers = if is_count(question) {
        "NULL AS sum, NULL AS least, NULL AS greatest".to_owned()
    } else {
        format!(
            "sum(CAST({value} AS REAL)) AS sum, CAST(min({value}) AS REAL) AS least, CAST(max({value}) AS REAL) AS greatest"
        )
    };
    let mut query = Fragment::new(format!("SELECT {}, count({distinct}{value}) AS n, {numbers}", head(question)));
    query.append(body(question)).push(" GROUP BY 1, 2 ORDER BY 1, 2 LIMIT ?").integer(question.most);
    let rows: Vec<Row> = query.query().load(conn).map_err(Error::internal)?;
    Ok(rows.into_iter().filter(|row| row.n > 0).map(|row| point(question, row)).collect())
}

fn point(question: &Question, row: Row) -> Point {
    let figure = |aggregate: &Aggregate| match aggregate {
        Aggregate::Count => Some(row.n as f64),
        Aggregate::Sum => row.sum,
        Aggregate::Average => row.sum.map(|sum| sum / row.n as f64),
        Aggregate::Min => row.least,
        Aggregate::Max => row.greatest,
        Aggregate::Percentile(_) => None,
    };
    Point {
        bucket_ms: row.bucket,
        dimensions: serde_json::from_str(&row.dims).unwrap_or_default(),
        figures: question.aggregates.iter().map(figure).collect(),
    }
}

#[derive(QueryableByName)]
struct One {
    #[diesel(sql_type = Nullable<BigInt>)]
    bucket: Option<i64>,
    #[diesel(sql_type = Text)]
    dims: String,
    #[diesel(sql_type = Double)]
    value: f64,
}

type Group = (Option<i64>, Vec<String>);

/// Every value by group, sorted.
fn values(conn: &mut Conn, question: &Question) -> Result<BTreeMap<Group, Vec<f64>>> {
    let mut query = Fragment::new(format!("SELECT {}, CAST({} AS REAL) AS value", head(question), value(question)));
    query.append(body(question)).push(" ORDER BY 3");
    let rows: Vec<One> = query.query().load(conn).map_err(Error::internal)?;
    let mut groups: BTreeMap<Group, Vec<f64>> = BTreeMap::new();
    for row in rows {
        groups.entry((row.bucket, serde_json::from_str(&row.dims).unwrap_or_default())).or_default().push(row.value);
    }
    Ok(groups)
}

/// Linear between the two nearest values.
fn percentile(sorted: &[f64], percent: f64) -> Option<f64> {
    let place = percent.clamp(0.0, 100.0) / 100.0 * (sorted.len().checked_sub(1)?) as f64;
    let (low, high) = (sorted.get(place.floor() as usize)?, sorted.get(place.ceil() as usize)?);
    Some(low + (high - low) * place.fract())
}

/// The time's bucket and the JSON of the dimensions.
fn head(question: &Question) -> String {
    let bucket = match question.interval_ms {
        Some(interval) => {
            let at = match question.view {
                View::Spans => "(s.start_ns / 1000000)",
                _ => "t.started_at",
            };
            format!("({at} / {interval}) * {interval}")
        }
        None => "NULL".to_owned(),
    };
    let columns: Vec<&str> = question.dimensions.iter().map(|dimension| column(dimension)).collect();
    format!("{bucket} AS bucket, json_array({}) AS dims", columns.join(", "))
}

fn column(dimension: &str) -> &'static str {
    match dimension {
        "trace_name" => "t.name",
        "trace_status" => "t.state",
        "span_name" => "s.name",
        "span_type" => "s.kind",
        "span_status" => "s.status",
        "span_model_name" => "s.model",
        "span_model_provider" => "s.provider",
        "assessment_name" => "a.name",
        _ => "a.value",
    }
}

fn is_count(question: &Question) -> bool {
    question.metric.ends_with("_count")
}

fn value(question: &Question) -> &'static str {
    match (question.view, question.metric.as_str()) {
        (View::Traces, "session_count") => "m.value",
        (View::Traces, "latency") => "t.duration_ms",
        (View::Traces, "input_tokens") => "t.input_tokens",
        (View::Traces, "output_tokens") => "t.output_tokens",
        (View::Traces, "total_tokens") => "t.total_tokens",
        (View::Traces, "cache_read_input_tokens") => "t.cache_read_tokens",
        (View::Traces, "cache_creation_input_tokens") => "t.cache_creation_tokens",
        (View::Traces, _) => "t.id",
        (View::Spans, "latency") => "((s.end_ns - s.start_ns) / 1000000)",
        (View::Spans, "input_cost") => "s.input_cost",
        (View::Spans, "output_cost") => "s.output_cost",
        (View::Spans, "total_cost") => "s.total_cost",
        (View::Spans, _) => "s.span_id",
        (View::Assessments, "assessment_value") => "a.number",
        (View::Assessments, _) => "a.id",
    }
}

/// FROM and WHERE. Values that are NULL, and groups that have no name, are left out.
fn body(question: &Question) -> Fragment {
    let mut query = Fragment::new(" FROM traces t");
    match question.view {
        View::Traces if question.metric == "session_count" => {
            query.push(" JOIN trace_metadata m ON m.trace = t.id AND m.key = ?").text(names::SESSION);
        }
        View::Traces => {}
        View::Spans => drop(query.push(" JOIN spans s ON s.trace = t.id")),
        View::Assessments => drop(query.push(" JOIN assessments a ON a.trace = t.id AND a.valid")),
    }
    query.push(" WHERE t.experiment_id IN (SELECT value FROM json_each(?))").text(json_ids(&question.experiments));
    query.push(&format!(" AND {} IS NOT NULL", value(question)));
    for dimension in &question.dimensions {
        query.push(&format!(" AND {} IS NOT NULL", column(dimension)));
    }
    // A span's cost belongs to the span's own time, everything else to its trace's.
    let at = if question.metric.ends_with("_cost") { "(s.start_ns / 1000000)" } else { "t.started_at" };
    for (sign, bound) in [(">=", question.from_ms), ("<=", question.to_ms)] {
        if let Some(bound) = bound {
            query.push(&format!(" AND {at} {sign} ?")).integer(bound);
        }
    }
    question.only.iter().for_each(|only| narrow(&mut query, only));
    query
}

fn narrow(query: &mut Fragment, only: &Only) {
    let pair = |query: &mut Fragment, table: &str, key: &str, value: &str| {
        query
            .push(&format!(" AND EXISTS (SELECT 1 FROM {table} x WHERE x.trace = t.id AND x.key = ? AND x.value = ?)"));
        query.text(key).text(value);
    };
    let (column, value) = match only {
        Only::Tag(key, value) => return pair(query, "trace_tags", key, value),
        Only::Metadata(key, value) => return pair(query, "trace_metadata", key, value),
        Only::Run(run) => {
            query
                .push(" AND t.id IN (SELECT l.trace FROM trace_links l WHERE l.kind = 0 AND l.target = ?)")
                .text(run.as_str());
            return;
        }
        Only::Status(value) => ("t.state", value),
        Only::Name(value) => ("t.name", value),
        Only::SpanName(value) => ("s.name", value),
        Only::SpanStatus(value) => ("s.status", value),
        Only::SpanKind(value) => ("s.kind", value),
        Only::AssessmentName(value) => ("a.name", value),
        Only::AssessmentKind(value) => ("a.kind", value),
    };
    query.push(&format!(" AND {column} = ?")).text(value.as_str());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_lie_between_their_neighbours() {
        assert_eq!(percentile(&[1.0, 2.0, 3.0, 4.0], 50.0), Some(2.5));
        assert_eq!(percentile(&[70.0], 95.0), Some(70.0));
        assert_eq!(percentile(&[], 95.0), None);
    }
}
