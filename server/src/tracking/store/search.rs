//! Searches put together from conditions: each gives surrogate ids in order, one more than asked so that the caller knows
//! whether there is a next page.

use diesel::RunQueryDsl;

use super::{Id, json_ids};
use crate::{
    db::Conn,
    error::{Error, Result},
    tracking::{
        Stage,
        search::{
            Condition, Entity, Op, Operand, OrderBy,
            sql::{Bind, Fragment, compare},
        },
    },
};

/// A page of a search.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    pub offset: i64,
    pub limit: i64,
}

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
    let (joins, keys) = run_order(&search.order);
    let mut query = Fragment::new("SELECT r.id FROM runs r JOIN experiments e ON e.id = r.experiment_id");
    query.append(joins).append(run_where(search)).push(&format!(" ORDER BY {keys}"));
    ids(conn, paged(query, window))
}

/// How many runs match, whatever the page.
pub fn count_runs(conn: &mut Conn, search: &RunSearch) -> Result<i64> {
    let mut query = Fragment::new("SELECT count(*) AS id FROM runs r JOIN experiments e ON e.id = r.experiment_id");
    query.append(run_where(search));
    Ok(ids(conn, query)?.first().copied().unwrap_or(0))
}

fn paged(mut query: Fragment, window: Window) -> Fragment {
    query.push(" LIMIT ? OFFSET ?").integer(window.limit).integer(window.offset);
    query
}

fn ids(conn: &mut Conn, query: Fragment) -> Result<Vec<i64>> {
    let rows: Vec<Id> = query.query().load(conn).map_err(Error::internal)?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

fn run_where(search: &RunSearch) -> Fragment {
    let mut all = Fragment::new(" WHERE ");
    match search.stage {
        Stage::Active => all.push("r.deleted_at IS NULL"),
        Stage::Deleted => all.push("r.deleted_at IS NOT NULL"),
        Stage::All => all.push("1"),
    };
    if let Some(experiments) = &search.experiments {
        all.push(" AND r.experiment_id IN (SELECT value FROM json_each(?))").text(json_ids(experiments));
    }
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
        Entity::Dataset => {
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

/// `EXISTS (a row of `table` with the condition's key and a value that fits)`, or its absence for IS NULL.
fn has(table: &str, owner: &str, condition: &Condition, fits: Option<Fragment>) -> Fragment {
    let not = if condition.op == Op::IsNull { "NOT " } else { "" };
    let mut piece = Fragment::new(format!("{not}EXISTS (SELECT 1 FROM {table} WHERE {owner} AND key = ?"));
    piece.text(condition.key.clone());
    if let Some(fits) = fits {
        piece.and(fits);
    }
    piece.push(")");
    piece
}

fn value_comparison(condition: &Condition) -> Option<Fragment> {
    (!condition.op.is_null_test()).then(|| compare("value", condition.op, &condition.value))
}

/// NaN equals nothing, so it satisfies `!=` alone.
fn metric_comparison(condition: &Condition) -> Option<Fragment> {
    let number = match &condition.value {
        Operand::Integer(value) => Operand::Float(*value as f64),
        other => other.clone(),
    };
    let mut piece = Fragment::new("(");
    piece.append(compare("value", condition.op, &number));
    piece.push(if condition.op == Op::Ne { " OR is_nan)" } else { " AND NOT is_nan)" });
    Some(piece)
}

/// Joins for what is sorted by, and the sort keys: absent values last, NaN before them, ties newest first, then by id.
fn run_order(order: &[OrderBy]) -> (Fragment, String) {
    let mut joins = Fragment::default();
    let mut keys = Vec::new();
    let mut by_start = false;
    for (index, key) in order.iter().enumerate() {
        let direction = key.direction.sql();
        let (table, column) = match key.entity {
            Entity::Attribute | Entity::Dataset => {
                let column = run_attribute(&key.key);
                by_start |= column == "r.started_at";
                keys.push(format!("{column} IS NULL, {column} {direction}"));
                continue;
            }
            Entity::Metric => ("metrics", format!("o{index}.is_nan DESC")),
            Entity::Param => ("run_params", String::new()),
            Entity::Tag => ("run_tags", String::new()),
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
    (joins, keys.join(", "))
}

/// Ids of experiments.
pub fn experiments(
    conn: &mut Conn,
    stage: Stage,
    conditions: &[Condition],
    order: &[OrderBy],
    window: Window,
) -> Result<Vec<i64>> {
    let mut query = Fragment::new("SELECT e.id FROM experiments e WHERE ");
    query.push(match stage {
        Stage::Active => "e.deleted_at IS NULL",
        Stage::Deleted => "e.deleted_at IS NOT NULL",
        Stage::All => "1",
    });
    for condition in conditions {
        query.and(match condition.entity {
            Entity::Attribute => experiment_comparison(condition)?,
            _ => has("experiment_tags", "experiment_id = e.id", condition, value_comparison(condition)),
        });
    }
    query.push(" ORDER BY ").push(&experiment_order(order));
    ids(conn, paged(query, window))
}

fn experiment_column(key: &str) -> &'static str {
    match key {
        "name" => "e.name",
        "creation_time" => "e.created_at",
        "last_update_time" => "e.updated_at",
        _ => "e.id",
    }
}

/// Ids are numbers below and texts in filters.
fn experiment_comparison(condition: &Condition) -> Result<Fragment> {
    let column = experiment_column(&condition.key);
    if condition.key != "experiment_id" {
        return Ok(compare(column, condition.op, &condition.value));
    }
    let number = crate::tracking::rules::experiment_id;
    match (&condition.value, condition.op) {
        (Operand::Text(text), Op::Eq | Op::Ne) => Ok(compare(column, condition.op, &Operand::Integer(number(text)?))),
        (Operand::List(items), _) => {
            let numbers = items.iter().map(|item| number(item)).collect::<Result<Vec<_>>>()?;
            let word = condition.op.text();
            let mut piece = Fragment::new(format!("{column} {word} (SELECT value FROM json_each(?))"));
            piece.text(json_ids(&numbers));
            Ok(piece)
        }
        _ => Err(Error::invalid(format!("Invalid comparator for experiment_id: {}", condition.op.text()))),
    }
}

fn experiment_order(order: &[OrderBy]) -> String {
    if order.is_empty() {
        return "e.created_at DESC, e.id ASC".into();
    }
    let mut keys: Vec<String> =
        order.iter().map(|key| format!("{} {}", experiment_column(&key.key), key.direction.sql())).collect();
    if !order.iter().any(|key| key.key == "experiment_id") {
        keys.push("e.id DESC".into());
    }
    keys.join(", ")
}

/// How logged models are sorted: a column or a metric, the latter on one dataset if named.
#[derive(Debug, Clone)]
pub struct ModelOrder {
    pub key: ModelKey,
    pub ascending: bool,
    pub dataset_name: Option<String>,
    pub dataset_digest: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelKey {
    Column(&'static str),
    Metric(String),
}

/// Which logged models.
#[derive(Debug, Clone, Default)]
pub struct ModelSearch {
    pub experiments: Vec<i64>,
    pub conditions: Vec<Condition>,
    /// Name and, if given, digest of datasets that metrics must be on.
    pub datasets: Vec<(String, Option<String>)>,
    pub order: Vec<ModelOrder>,
}

/// Column behind an attribute's name.
pub fn model_column(key: &str) -> Option<&'static str> {
    Some(match key {
        "name" => "m.name",
        "model_id" => "m.model_id",
        "model_type" => "m.model_type",
        "source_run_id" => "m.source_run_id",
        "experiment_id" => "m.experiment_id",
        "status" => {
            "(CASE m.status WHEN 1 THEN 'PENDING' WHEN 2 THEN 'READY' WHEN 3 THEN 'FAILED' ELSE 'UNSPECIFIED' END)"
        }
        "creation_time" | "creation_timestamp" | "creation_timestamp_ms" => "m.created_at",
        "last_updated_timestamp" | "last_updated_timestamp_ms" => "m.updated_at",
        "artifact_location" => "('mlflow-artifacts:/' || m.experiment_id || '/models/' || m.model_id || '/artifacts')",
        _ => return None,
    })
}

/// Surrogate ids of logged models.
pub fn logged_models(conn: &mut Conn, search: &ModelSearch, window: Window) -> Result<Vec<i64>> {
    let mut joins = Fragment::default();
    let mut keys = Vec::new();
    for (index, order) in search.order.iter().enumerate() {
        let direction = if order.ascending { "ASC" } else { "DESC" };
        let column = match &order.key {
            ModelKey::Column(column) => (*column).to_owned(),
            ModelKey::Metric(name) => {
                joins.append(latest_model_metric(index, name, order));
                format!("o{index}.value")
            }
        };
        keys.push(format!("{column} IS NULL, {column} {direction}"));
    }
    if !search.order.iter().any(|order| order.key == ModelKey::Column("m.created_at")) {
        keys.push("m.created_at DESC".into());
    }
    keys.push("m.model_id".into());
    let mut query = Fragment::new("SELECT m.id FROM logged_models m");
    query.append(joins).append(model_where(search)).push(&format!(" ORDER BY {}", keys.join(", ")));
    ids(conn, paged(query, window))
}

/// A join that gives the latest value of the metric per model.
fn latest_model_metric(index: usize, name: &str, order: &ModelOrder) -> Fragment {
    let mut inner = Fragment::new(
        "SELECT model, value, row_number() OVER (PARTITION BY model ORDER BY at DESC, step DESC, run_id) AS n
         FROM logged_model_metrics WHERE key = ?",
    );
    inner.text(name);
    for (column, value) in [("dataset_name", &order.dataset_name), ("dataset_digest", &order.dataset_digest)] {
        if let Some(value) = value {
            inner.push(&format!(" AND {column} = ?")).text(value.clone());
        }
    }
    let mut join = Fragment::new(" LEFT JOIN (");
    join.append(inner).push(&format!(") o{index} ON o{index}.model = m.id AND o{index}.n = 1"));
    join
}

fn model_where(search: &ModelSearch) -> Fragment {
    let mut all = Fragment::new(" WHERE m.deleted_at IS NULL AND m.experiment_id IN (SELECT value FROM json_each(?))");
    all.text(json_ids(&search.experiments));
    let mut metric_seen = false;
    for condition in &search.conditions {
        let owner = "model = m.id";
        all.and(match condition.entity {
            Entity::Param => has("logged_model_params", owner, condition, value_comparison(condition)),
            Entity::Tag => has("logged_model_tags", owner, condition, value_comparison(condition)),
            Entity::Metric => {
                metric_seen = true;
                let mut fits = metric_comparison(condition).unwrap_or_default();
                if !search.datasets.is_empty() {
                    fits.and(on_datasets(&search.datasets));
                }
                has("logged_model_metrics", owner, condition, Some(fits))
            }
            _ => compare(model_column(&condition.key).unwrap_or("m.name"), condition.op, &condition.value),
        });
    }
    if !metric_seen && !search.datasets.is_empty() {
        all.push(" AND EXISTS (SELECT 1 FROM logged_model_metrics WHERE model = m.id AND ");
        all.append(on_datasets(&search.datasets)).push(")");
    }
    all
}

fn on_datasets(datasets: &[(String, Option<String>)]) -> Fragment {
    let mut any = Fragment::new("(0");
    for (name, digest) in datasets {
        any.push(" OR (dataset_name = ?").binds.push(Bind::Text(name.clone()));
        if let Some(digest) = digest {
            any.push(" AND dataset_digest = ?").text(digest.clone());
        }
        any.push(")");
    }
    any.push(")");
    any
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::tracking::{
        Metric,
        search::{RUNS, parse, parse_order_by},
        store::{metrics, runs as rows},
        testing,
    };

    fn world() -> Conn {
        let mut conn = crate::db::testing::connection();
        for (name, acc, lr) in
            [("r1", 0.9, "0.1"), ("r2", 0.5, "0.1"), ("r3", f64::NAN, "0.01"), ("r4", f64::INFINITY, "0.1")]
        {
            let run = testing::run(&mut conn, name);
            metrics::append(&mut conn, run, &[Metric { key: "acc".into(), step: 0, at: 1, value: acc }]).unwrap();
            rows::insert_param(&mut conn, run, "lr", lr).unwrap();
            rows::set_tag(&mut conn, run, "owner", &format!("Ann-{name}")).unwrap();
        }
        testing::run(&mut conn, "r5");
        conn
    }

    fn found(conn: &mut Conn, filter: &str, order: &[&str]) -> Vec<String> {
        let order: Vec<String> = order.iter().map(|text| (*text).to_owned()).collect();
        let search = RunSearch {
            experiments: Some(vec![0]),
            conditions: parse(filter, &RUNS).unwrap(),
            order: parse_order_by(&order, &RUNS).unwrap(),
            ..RunSearch::default()
        };
        let ids = runs(conn, &search, Window { offset: 0, limit: 100 }).unwrap();
        assert_eq!(count_runs(conn, &search).unwrap(), ids.len() as i64, "{filter}");
        rows::load(conn, &ids).unwrap().into_iter().map(|run| run.info.run_id).collect()
    }

    #[test]
    fn conditions_select_what_they_say() {
        let mut conn = world();
        let cases: [(&str, &[&str]); 16] = [
            ("metrics.acc > 0.5", &["r1", "r4"]),
            ("metrics.acc > 0.5 AND params.lr = '0.1'", &["r1", "r4"]),
            ("metrics.acc = 0", &[]),
            ("metrics.acc != 0.5", &["r1", "r3", "r4"]),
            ("metrics.acc <= 1", &["r1", "r2"]),
            ("params.lr != '0.1'", &["r3"]),
            ("params.lr IS NULL", &["r5"]),
            ("params.lr IS NOT NULL AND run_id != 'r1'", &["r2", "r3", "r4"]),
            ("tags.owner LIKE 'Ann-%'", &["r1", "r2", "r3", "r4"]),
            ("tags.owner LIKE 'ann-%'", &[]),
            ("tags.owner ILIKE 'ann-_1'", &["r1"]),
            ("run_id IN ('r1', 'r5')", &["r1", "r5"]),
            ("attributes.run_id NOT IN ('r1')", &["r2", "r3", "r4", "r5"]),
            ("status = 'RUNNING' AND run_name = 'r2'", &["r2"]),
            ("artifact_uri LIKE '%/r2/artifacts'", &["r2"]),
            ("start_time > 0 AND end_time > 0", &[]),
        ];
        for (filter, expected) in cases {
            assert_eq!(found(&mut conn, filter, &["run_id"]), expected, "{filter}");
        }
    }

    #[test]
    fn orders_put_nan_and_absent_values_last() {
        let mut conn = world();
        assert_eq!(found(&mut conn, "", &["metrics.acc DESC"]), ["r4", "r1", "r2", "r3", "r5"]);
        assert_eq!(found(&mut conn, "", &["metrics.acc"]), ["r2", "r1", "r4", "r3", "r5"]);
        assert_eq!(found(&mut conn, "", &["params.lr DESC", "run_id DESC"]), ["r4", "r2", "r1", "r3", "r5"]);
        assert_eq!(found(&mut conn, "", &[]), ["r1", "r2", "r3", "r4", "r5"]);
    }

    #[test]
    fn values_cannot_break_out_of_their_place() {
        let mut conn = world();
        assert!(found(&mut conn, "params.lr = \"' OR 1=1 --\"", &[]).is_empty());
        assert!(found(&mut conn, "params.`') OR 1=1 --` = 'x'", &[]).is_empty());
        assert_eq!(found(&mut conn, "", &["params.`') OR 1=1 --`"]).len(), 5);
    }
}
