//! The search over runs, made for 100,000 of them: the same answer whatever the way, the way chosen by what is there.
//!
//! A condition that few runs satisfy leads (an index over values says which). Else a sort by a metric walks the index over
//! that metric's values and stops when the page is full; a sort by start walks the index over starts. Only what is left, a small
//! experiment or another sort key, is sorted. `CROSS JOIN` and unary `+` keep SQLite from choosing another way.

use super::{
    json_ids,
    search::{Window, has, ids, metric_comparison, paged, value_comparison},
};
use crate::{
    db::Conn,
    error::Result,
    tracking::{
        Stage,
        search::{
            Condition, Direction, Entity, Op, Operand, OrderBy,
            sql::{Fragment, compare},
        },
    },
};

/// So many runs are looked at and sorted without a second thought.
const FEW: i64 = 1000;
/// The index over values of params and tags has no longer ones (`migrations/…_search`).
const INDEXED_CHARS: usize = 250;

/// Which runs, in which order.
#[derive(Debug, Clone, Default)]
pub struct RunSearch {
    /// `None`: all experiments.
    pub experiments: Option<Vec<i64>>,
    pub stage: Stage,
    pub conditions: Vec<Condition>,
    pub order: Vec<OrderBy>,
    /// Runs whose name, id or user contains this.
    pub words: Option<String>,
}

/// Surrogate ids of runs, `window.limit` at most.
pub fn runs(conn: &mut Conn, search: &RunSearch, window: Window) -> Result<Vec<i64>> {
    if let Some(few) = selective(conn, search)? {
        return ids(conn, paged(sorted(search, led_by(few)), window));
    }
    let large = is_large(conn, search)?;
    match search.order.first() {
        Some(key) if large && key.entity == Entity::Metric => along_metric(conn, search, key, window),
        _ => ids(conn, paged(sorted(search, from_runs(search, large)), window)),
    }
}

/// How many runs match, whatever the page.
pub fn count_runs(conn: &mut Conn, search: &RunSearch) -> Result<i64> {
    let mut query = match selective(conn, search)? {
        Some(few) => led_by(few),
        None if search.conditions.is_empty() && search.words.is_none() && search.stage == Stage::Active => {
            return count_active(conn, search);
        }
        None => from_runs(search, false),
    };
    query.sql.insert_str(0, "SELECT count(*) AS id");
    query.append(run_where(search));
    count(conn, query)
}

/// All runs less the deleted ones: both are counted in their index.
fn count_active(conn: &mut Conn, search: &RunSearch) -> Result<i64> {
    let mut query = Fragment::new("SELECT (SELECT count(*) FROM runs r WHERE ");
    query.append(in_experiments(search, "r.experiment_id"));
    query.push(") - (SELECT count(*) FROM runs r WHERE r.deleted_at IS NOT NULL AND ");
    query.append(in_experiments(search, "+r.experiment_id")).push(") AS id");
    count(conn, query)
}

fn count(conn: &mut Conn, query: Fragment) -> Result<i64> {
    Ok(ids(conn, query)?.first().copied().unwrap_or(0))
}

// --- where the candidates come from -----------------------------------------------------------------------------------

/// `FROM …` over every run of the experiments; of many, so that SQLite walks along the starts and does not sort.
fn from_runs(search: &RunSearch, large: bool) -> Fragment {
    let experiment = match &search.experiments {
        Some(list) if list.len() != 1 && large => "+r.experiment_id",
        _ => "r.experiment_id",
    };
    let mut from = Fragment::new(" FROM runs r CROSS JOIN experiments e ON e.id = r.experiment_id AND ");
    from.append(in_experiments(search, experiment));
    from
}

/// `FROM …` over the runs that `few` selects.
fn led_by(few: Fragment) -> Fragment {
    let mut from = Fragment::new(" FROM (SELECT DISTINCT run FROM (");
    from.append(few);
    from.push(")) few CROSS JOIN runs r ON r.id = few.run CROSS JOIN experiments e ON e.id = r.experiment_id");
    from
}

/// A condition's runs, if an index finds them and they are few; of several such the fewest.
fn selective(conn: &mut Conn, search: &RunSearch) -> Result<Option<Fragment>> {
    let mut best: Option<(i64, Fragment)> = None;
    for condition in &search.conditions {
        let Some(candidates) = by_index(condition) else { continue };
        let mut probe = Fragment::new("SELECT count(*) AS id FROM (");
        probe.append(candidates.clone()).push(" LIMIT ?)").integer(FEW + 1);
        let found = count(conn, probe)?;
        if found <= FEW && best.as_ref().is_none_or(|(least, _)| found < *least) {
            best = Some((found, candidates));
        }
    }
    Ok(best.map(|(_, candidates)| candidates))
}

/// `SELECT run …` of the runs that satisfy the condition, where an index over values answers it.
fn by_index(condition: &Condition) -> Option<Fragment> {
    let table = match (condition.entity, &condition.value) {
        (Entity::Metric, _) if condition.op != Op::Ne => {
            let mut query = Fragment::new("SELECT run FROM metrics WHERE key = ? AND is_nan = 0");
            query.text(condition.key.clone()).and(compare("value", condition.op, &as_float(&condition.value)));
            return Some(query);
        }
        (Entity::Param, Operand::Text(text)) if text.chars().count() <= INDEXED_CHARS => "run_params",
        (Entity::Tag, Operand::Text(text)) if text.chars().count() <= INDEXED_CHARS => "run_tags",
        _ => return None,
    };
    if condition.op != Op::Eq {
        return None;
    }
    let mut query =
        Fragment::new(format!("SELECT run FROM {table} WHERE length(value) <= {INDEXED_CHARS} AND key = ?"));
    query.text(condition.key.clone()).and(compare("value", Op::Eq, &condition.value));
    Some(query)
}

fn as_float(value: &Operand) -> Operand {
    match value {
        Operand::Integer(value) => Operand::Float(*value as f64),
        other => other.clone(),
    }
}

/// Whether the experiments have more runs than are sorted without a second thought.
fn is_large(conn: &mut Conn, search: &RunSearch) -> Result<bool> {
    let mut probe = Fragment::new("SELECT count(*) AS id FROM (SELECT 1 FROM runs r WHERE ");
    probe.append(in_experiments(search, "r.experiment_id")).push(" LIMIT ?)").integer(FEW + 1);
    Ok(count(conn, probe)? > FEW)
}

// --- along a metric ---------------------------------------------------------------------------------------------------

/// The three sorts of runs in a sort by a metric, in their order.
#[derive(Clone, Copy)]
enum Part {
    /// The metric is a number: along the index over its values.
    Number,
    Nan,
    /// The run never logged it.
    Absent,
}

fn along_metric(conn: &mut Conn, search: &RunSearch, key: &OrderBy, window: Window) -> Result<Vec<i64>> {
    // A condition on the metric itself leaves none without it.
    let present = |condition: &Condition| {
        condition.entity == Entity::Metric && condition.key == key.key && condition.op != Op::Ne
    };
    let parts: &[Part] = match search.conditions.iter().any(present) {
        true => &[Part::Number],
        false => &[Part::Number, Part::Nan, Part::Absent],
    };
    let mut found = Vec::new();
    let mut left = window;
    for part in parts {
        let page = ids(conn, paged(part_of(search, key, *part), left))?;
        let got = page.len() as i64;
        found.extend(page);
        if got == left.limit {
            break;
        }
        // Where the next part starts depends on how many this one has in all.
        let had = if got > 0 || left.offset == 0 {
            left.offset + got
        } else {
            let mut all = Fragment::new("SELECT count(*) AS id FROM (");
            all.append(part_of(search, key, *part)).push(")");
            count(conn, all)?
        };
        left = Window { offset: (left.offset - had).max(0), limit: left.limit - got };
    }
    Ok(found)
}

fn part_of(search: &RunSearch, key: &OrderBy, part: Part) -> Fragment {
    let (joins, mut keys) = order_keys(&search.order[1..], 1);
    let mut query = Fragment::new("SELECT r.id");
    match part {
        Part::Number | Part::Nan => {
            query.push(" FROM metrics o0 CROSS JOIN runs r ON r.id = o0.run");
            query.push(" CROSS JOIN experiments e ON e.id = r.experiment_id").append(joins).append(run_where(search));
            query.push(" AND o0.key = ?").text(key.key.clone());
            query.push(if matches!(part, Part::Nan) { " AND o0.is_nan = 1" } else { " AND o0.is_nan = 0" });
            query.and(in_experiments(search, "+o0.experiment_id"));
            for condition in search.conditions.iter().filter(|one| one.entity == Entity::Metric && one.key == key.key) {
                if condition.op != Op::Ne {
                    query.and(compare("o0.value", condition.op, &as_float(&condition.value)));
                }
            }
            if matches!(part, Part::Number) {
                keys.insert(0, format!("o0.value {}", key.direction.sql()));
            }
        }
        Part::Absent => {
            query.append(from_runs(search, true)).append(joins).append(run_where(search));
            query.push(" AND NOT EXISTS (SELECT 1 FROM metrics WHERE run = r.id AND key = ?)").text(key.key.clone());
        }
    }
    query.push(&format!(" ORDER BY {}", keys.join(", ")));
    query
}

// --- sorted -----------------------------------------------------------------------------------------------------------

fn sorted(search: &RunSearch, from: Fragment) -> Fragment {
    let (joins, keys) = order_keys(&search.order, 0);
    let mut query = Fragment::new("SELECT r.id");
    query.append(from).append(joins).append(run_where(search)).push(&format!(" ORDER BY {}", keys.join(", ")));
    query
}

/// Joins for what is sorted by, and the sort keys: absent values last, NaN before them, ties newest first, then by id.
fn order_keys(order: &[OrderBy], first: usize) -> (Fragment, Vec<String>) {
    let mut joins = Fragment::default();
    let mut keys = Vec::new();
    let mut by_start = false;
    for (index, key) in order.iter().enumerate() {
        let (index, direction) = (index + first, key.direction.sql());
        let (table, column) = match key.entity {
            Entity::Metric => ("metrics", format!("o{index}.is_nan DESC")),
            Entity::Param => ("run_params", String::new()),
            Entity::Tag => ("run_tags", String::new()),
            _ => {
                let column = run_attribute(&key.key);
                by_start |= column == "r.started_at";
                keys.push(attribute_key(column, key.direction));
                continue;
            }
        };
        joins.push(&format!(" LEFT JOIN {table} o{index} ON o{index}.run = r.id AND o{index}.key = ?"));
        joins.text(key.key.clone());
        let absent = if column.is_empty() {
            format!("o{index}.value IS NULL")
        } else {
            format!("CASE WHEN o{index}.is_nan THEN 1 WHEN o{index}.value IS NULL THEN 2 ELSE 0 END")
        };
        keys.push(format!("{absent}, o{index}.value {direction}"));
    }
    if !by_start {
        keys.push("r.started_at DESC".into());
    }
    keys.push("r.run_id".into());
    (joins, keys)
}

/// Only an end may be absent; for the others a test for NULL would keep an index from giving the order.
fn attribute_key(column: &str, direction: Direction) -> String {
    let direction = direction.sql();
    if column == "r.ended_at" {
        format!("{column} IS NULL, {column} {direction}")
    } else {
        format!("{column} {direction}")
    }
}

// --- conditions -------------------------------------------------------------------------------------------------------

fn in_experiments(search: &RunSearch, column: &str) -> Fragment {
    let mut piece = Fragment::default();
    match search.experiments.as_deref() {
        None => piece.push("1"),
        Some([one]) => piece.push(column).push(" = ?").integer(*one),
        Some(several) => piece.push(column).push(" IN (SELECT value FROM json_each(?))").text(json_ids(several)),
    };
    piece
}

fn run_where(search: &RunSearch) -> Fragment {
    let mut all = Fragment::new(" WHERE ");
    match search.stage {
        Stage::Active => all.push("r.deleted_at IS NULL"),
        Stage::Deleted => all.push("r.deleted_at IS NOT NULL"),
        Stage::All => all.push("1"),
    };
    all.and(in_experiments(search, "+r.experiment_id"));
    if let Some(words) = &search.words {
        all.push(" AND (instr(lower(r.name), lower(?)) OR instr(r.run_id, ?) OR instr(r.user_name, ?))");
        all.text(words.clone()).text(words.clone()).text(words.clone());
    }
    for condition in &search.conditions {
        all.and(run_condition(condition));
    }
    all
}

fn run_condition(condition: &Condition) -> Fragment {
    match condition.entity {
        Entity::Attribute => compare(run_attribute(&condition.key), condition.op, &condition.value),
        Entity::Metric => has("metrics", "run = r.id", condition, metric_comparison(condition)),
        Entity::Param => has("run_params", "run = r.id", condition, value_comparison(condition)),
        Entity::Tag => has("run_tags", "run = r.id", condition, value_comparison(condition)),
        // The grammar of runs has no other.
        _ => {
            let column = match condition.key.as_str() {
                "context" => "i.context",
                "digest" => "d.digest",
                _ => "d.name",
            };
            let mut piece = Fragment::new(
                "EXISTS (SELECT 1 FROM run_inputs i JOIN run_datasets d ON d.id = i.dataset WHERE i.run = r.id AND ",
            );
            piece.append(compare(column, condition.op, &condition.value)).push(")");
            piece
        }
    }
}

fn run_attribute(key: &str) -> &'static str {
    match key {
        "run_name" | "run name" | "Run name" | "Run Name" => "r.name",
        "status" => "r.status",
        "user_id" => "r.user_name",
        "start_time" | "created" | "Created" => "r.started_at",
        "end_time" => "r.ended_at",
        "artifact_uri" => "(rtrim(e.artifact_location, '/') || '/' || r.run_id || '/artifacts')",
        _ => "r.run_id",
    }
}

#[cfg(test)]
#[path = "run_search_tests.rs"]
mod tests;
