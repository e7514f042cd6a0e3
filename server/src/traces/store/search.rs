//! Searches over traces, put together from conditions.

use diesel::RunQueryDsl;

use super::{
    Id,
    functions::{self, Comparison, Part, Wanted},
    json_ids,
};
use crate::{
    db::Conn,
    error::{Error, Result},
    traces::names,
    tracking::search::{
        Condition, Entity, Op, Operand, OrderBy,
        sql::{Fragment, compare},
    },
};

/// Which traces, in which order.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// `None`: those of all experiments that are not deleted.
    pub experiments: Option<Vec<i64>>,
    pub conditions: Vec<Condition>,
    pub order: Vec<OrderBy>,
    /// Traces whose name, id, request or response contains this.
    pub words: Option<String>,
}

/// Surrogate ids of a page of traces.
pub fn page(conn: &mut Conn, search: &Search, offset: i64, limit: i64) -> Result<Vec<i64>> {
    let (joins, keys) = order(&search.order)?;
    let mut query = Fragment::new("SELECT t.id FROM traces t");
    query.append(joins).append(conditions(conn, search)?).push(&format!(" ORDER BY {keys} LIMIT ? OFFSET ?"));
    query.integer(limit).integer(offset);
    ids(conn, query)
}

/// How many traces match.
pub fn count(conn: &mut Conn, search: &Search) -> Result<i64> {
    let mut query = Fragment::new("SELECT count(*) AS id FROM traces t");
    query.append(conditions(conn, search)?);
    Ok(ids(conn, query)?.first().copied().unwrap_or(0))
}

fn ids(conn: &mut Conn, query: Fragment) -> Result<Vec<i64>> {
    let rows: Vec<Id> = query.query().load(conn).map_err(Error::internal)?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// The WHERE; teaches the connection what it needs for it.
fn conditions(conn: &mut Conn, search: &Search) -> Result<Fragment> {
    let mut all = Fragment::new(" WHERE ");
    match &search.experiments {
        Some(some) => all.push("t.experiment_id IN (SELECT value FROM json_each(?))").text(json_ids(some)),
        None => all
            .push("NOT EXISTS (SELECT 1 FROM experiments e WHERE e.id = t.experiment_id AND e.deleted_at IS NOT NULL)"),
    };
    if let Some(words) = &search.words {
        let places = [
            "coalesce(t.name, t.root_name, '')",
            "t.trace_id",
            "coalesce(t.request_preview, '')",
            "coalesce(t.response_preview, '')",
        ];
        all.push(" AND (0");
        for place in places {
            all.push(&format!(" OR instr(lower({place}), lower(?))")).text(words.clone());
        }
        all.push(")");
    }
    let (of_spans, others): (Vec<&Condition>, Vec<&Condition>) =
        search.conditions.iter().partition(|condition| condition.entity == Entity::Span);
    for condition in others {
        all.and(one(condition)?);
    }
    if !of_spans.is_empty() {
        all.and(spans(&of_spans)?);
    }
    functions::teach(conn)?;
    Ok(all)
}

fn one(condition: &Condition) -> Result<Fragment> {
    Ok(match (condition.entity, condition.key.as_str()) {
        (Entity::Attribute, "run_id") => run(condition)?,
        (Entity::Metadata, names::RUN) if condition.op == Op::Eq => run(condition)?,
        (Entity::Attribute, "prompt") => prompt(condition)?,
        (Entity::Attribute, key) => compared(column(key), condition)?,
        (Entity::Tag, names::NAME_TAG) => match condition.op {
            Op::IsNull => Fragment::new("t.name IS NULL"),
            Op::IsNotNull => Fragment::new("t.name IS NOT NULL"),
            _ => compared("t.name", condition)?,
        },
        (Entity::Tag, _) => has("trace_tags", condition)?,
        (Entity::Metadata, _) => has("trace_metadata", condition)?,
        (Entity::Issue, _) => {
            let mut piece = Fragment::new("t.id IN (SELECT a.trace FROM assessments a WHERE a.kind = 'issue' AND ");
            piece.append(compared("a.name", condition)?).push(")");
            piece
        }
        (Entity::Feedback, _) => assessment("feedback", condition)?,
        (Entity::Expectation, _) => assessment("expectation", condition)?,
        // The grammar lets nothing else through.
        _ => Fragment::new("0"),
    })
}

fn column(key: &str) -> &'static str {
    match key {
        "timestamp" | "timestamp_ms" => "t.started_at",
        "execution_time" | "execution_time_ms" => "t.duration_ms",
        "end_time" | "end_time_ms" => "(t.started_at + coalesce(t.duration_ms, 0))",
        "status" => "t.state",
        "name" => "t.name",
        "experiment_id" => "t.experiment_id",
        "client_request_id" => "t.client_request_id",
        _ => "t.trace_id",
    }
}

/// A comparison, regular expressions too.
fn compared(column: &str, condition: &Condition) -> Result<Fragment> {
    let (Op::Rlike, Operand::Text(text)) = (condition.op, &condition.value) else {
        return Ok(compare(column, condition.op, &condition.value));
    };
    functions::pattern(text)?;
    let mut piece = Fragment::new(format!("({column} IS NOT NULL AND rlike(?, {column}))"));
    piece.text(text.clone());
    Ok(piece)
}

/// The run by whichever way the trace is linked to it.
fn run(condition: &Condition) -> Result<Fragment> {
    linked(0, condition)
}

fn prompt(condition: &Condition) -> Result<Fragment> {
    match (&condition.op, &condition.value) {
        (Op::Eq, Operand::Text(text)) if text.matches('/').count() == 1 => linked(1, condition),
        (Op::Eq, Operand::Text(text)) => Err(Error::invalid(format!(
            "Invalid prompts filter value '{text}'. Expected format: prompt = \"name/version\""
        ))),
        (op, _) => Err(Error::invalid(format!(
            "Invalid comparator '{}' for prompts filter. Only '=' is supported with format: prompt = \"name/version\"",
            op.text()
        ))),
    }
}

fn linked(kind: i64, condition: &Condition) -> Result<Fragment> {
    let mut piece = Fragment::new("t.id IN (SELECT l.trace FROM trace_links l WHERE l.kind = ? AND ");
    piece.integer(kind).append(compared("l.target", condition)?).push(")");
    Ok(piece)
}

/// The indexes over values of tags and metadata have no longer ones (`migrations/…_span_chunks`).
const INDEXED_CHARS: usize = 250;

fn has(table: &str, condition: &Condition) -> Result<Fragment> {
    if let (Op::Eq, Operand::Text(text)) = (condition.op, &condition.value)
        && text.chars().count() <= INDEXED_CHARS
    {
        let mut piece = Fragment::new(format!(
            "t.id IN (SELECT x.trace FROM {table} x WHERE length(x.value) <= {INDEXED_CHARS} AND x.key = ?"
        ));
        piece.text(condition.key.clone()).and(compared("x.value", condition)?);
        piece.push(")");
        return Ok(piece);
    }
    let not = if condition.op == Op::IsNull { "NOT " } else { "" };
    let mut piece = Fragment::new(format!("{not}EXISTS (SELECT 1 FROM {table} x WHERE x.trace = t.id AND x.key = ?"));
    piece.text(condition.key.clone());
    if !condition.op.is_null_test() {
        piece.and(compared("x.value", condition)?);
    }
    piece.push(")");
    Ok(piece)
}

/// Values are kept as JSON: a text equals its JSON or, as of numbers and truths, itself.
fn assessment(kind: &str, condition: &Condition) -> Result<Fragment> {
    let not = if condition.op == Op::IsNull { "NOT " } else { "" };
    let mut piece = Fragment::new(format!(
        "t.id {not}IN (SELECT a.trace FROM assessments a WHERE a.kind = ? AND a.name = ? AND a.valid"
    ));
    piece.text(kind).text(condition.key.clone());
    match (condition.op, &condition.value) {
        (op, _) if op.is_null_test() => {}
        (op @ (Op::Eq | Op::Ne), Operand::Text(text)) => {
            let json = crate::traces::value::Value::Text(text.clone()).to_json();
            let word = if op == Op::Eq { "IN" } else { "NOT IN" };
            piece.push(&format!(" AND a.value {word} (?, ?)")).text(text.clone()).text(json);
        }
        (op, Operand::Integer(_) | Operand::Float(_)) if op.is_numeric() => {
            piece.push(" AND a.is_number AND ").append(compare("a.number", op, &condition.value));
        }
        _ => {
            piece.and(compared("a.value", condition)?);
        }
    }
    piece.push(")");
    Ok(piece)
}

/// All conditions on spans are about one and the same span. Those on columns go by the rows; if one is on the content, chunks
/// of the traces that are left are opened.
fn spans(all: &[&Condition]) -> Result<Fragment> {
    let mut rows = Fragment::new("EXISTS (SELECT 1 FROM spans s WHERE s.trace = t.id");
    let mut wanted = Vec::new();
    let mut inside = false;
    for condition in all {
        let column = match condition.key.as_str() {
            "name" => Some(("s.name", Part::Name)),
            "type" => Some(("s.kind", Part::Kind)),
            "status" => Some(("s.status", Part::Status)),
            _ => None,
        };
        let part = match column {
            Some((column, part)) => {
                rows.and(compared(column, condition)?);
                part
            }
            None => {
                inside = true;
                condition.key.strip_prefix("attributes.").map_or(Part::Content, |name| Part::Attribute(name.to_owned()))
            }
        };
        wanted.push(want(part, condition)?);
    }
    rows.push(")");
    if inside {
        let wanted = serde_json::to_string(&wanted).map_err(Error::internal)?;
        rows.push(" AND EXISTS (SELECT 1 FROM span_chunks c WHERE c.trace = t.id AND chunk_has(c.data, ?))")
            .text(wanted);
    }
    Ok(rows)
}

fn want(part: Part, condition: &Condition) -> Result<Wanted> {
    let comparison = match condition.op {
        Op::Ne => Comparison::NotEqual,
        Op::Like => Comparison::Like,
        Op::Ilike => Comparison::Ilike,
        Op::Rlike => Comparison::Rlike,
        Op::In => Comparison::In,
        Op::NotIn => Comparison::NotIn,
        _ => Comparison::Equal,
    };
    let values = match &condition.value {
        Operand::Text(text) => vec![text.clone()],
        Operand::List(items) => items.clone(),
        _ => Vec::new(),
    };
    if comparison == Comparison::Rlike {
        functions::pattern(values.first().map_or("", String::as_str))?;
    }
    Ok(Wanted { part, comparison, values })
}

/// Joins for what is sorted by, and the sort keys: absent values last, ties newest first, then by id.
fn order(order: &[OrderBy]) -> Result<(Fragment, String)> {
    let mut joins = Fragment::default();
    let mut keys = Vec::new();
    for (index, key) in order.iter().enumerate() {
        let direction = key.direction.sql();
        let table = match (key.entity, key.key.as_str()) {
            (Entity::Attribute, "run_id") => Some(("trace_metadata", names::RUN)),
            (Entity::Attribute, _) => None,
            (Entity::Tag, names::NAME_TAG) => None,
            (Entity::Tag, key) => Some(("trace_tags", key)),
            (Entity::Metadata, key) => Some(("trace_metadata", key)),
            (entity, _) => return Err(Error::invalid(format!("Invalid identifier type '{}'", entity.word()))),
        };
        let column = match table {
            None if key.entity == Entity::Tag => "t.name".to_owned(),
            None => column(&key.key).to_owned(),
            Some((table, name)) => {
                joins
                    .push(&format!(" LEFT JOIN {table} o{index} ON o{index}.trace = t.id AND o{index}.key = ?"))
                    .text(name);
                format!("o{index}.value")
            }
        };
        // A bare column in order can be read from its index.
        keys.push(match column.as_str() {
            "t.started_at" | "t.trace_id" | "t.experiment_id" | "t.state" => format!("{column} {direction}"),
            _ => format!("{column} IS NULL, {column} {direction}"),
        });
    }
    if !keys.iter().any(|key| key.starts_with("t.started_at ")) {
        keys.push("t.started_at DESC".into());
    }
    keys.push("t.trace_id".into());
    Ok((joins, keys.join(", ")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::tracking::search::parse_traces;

    fn plan(filter: &str) -> String {
        #[derive(diesel::QueryableByName)]
        struct Step {
            #[diesel(sql_type = diesel::sql_types::Text)]
            detail: String,
        }
        let mut conn = crate::db::testing::connection();
        let search =
            Search { experiments: Some(vec![0]), conditions: parse_traces(filter).unwrap(), ..Search::default() };
        let mut query = Fragment::new("EXPLAIN QUERY PLAN SELECT t.id FROM traces t");
        query.append(conditions(&mut conn, &search).unwrap());
        let steps: Vec<Step> = query.query().load(&mut conn).unwrap();
        steps.into_iter().map(|step| step.detail).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_session_a_tag_and_a_name_are_found_in_an_index() {
        let session = plan("metadata.`mlflow.trace.session` = 'x'");
        assert!(session.contains("INDEX trace_metadata_by_value (key=? AND value=?)"), "{session}");
        let tag = plan("tags.env = 'prod'");
        assert!(tag.contains("INDEX trace_tags_by_value (key=? AND value=?)"), "{tag}");
        let name = plan("trace.name = 'x'");
        assert!(name.contains("INDEX traces_by_name (name=?)"), "{name}");
        let span = plan("span.name = 'x'");
        assert!(span.contains("INDEX spans_by_name (name=? AND trace=?)"), "{span}");
    }
}
