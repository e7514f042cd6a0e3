//! Searches put together from conditions: each gives surrogate ids in order, one more than asked so that the caller knows
//! whether there is a next page.

use diesel::RunQueryDsl;

use super::{Id, json_ids};
use crate::{
    accounts::Scope,
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

pub(super) fn paged(mut query: Fragment, window: Window) -> Fragment {
    query.push(" LIMIT ? OFFSET ?").integer(window.limit).integer(window.offset);
    query
}

pub(super) fn ids(conn: &mut Conn, query: Fragment) -> Result<Vec<i64>> {
    let rows: Vec<Id> = query.query().load(conn).map_err(Error::internal)?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// `EXISTS (a row of `table` with the condition's key and a value that fits)`, or its absence for IS NULL.
pub(super) fn has(table: &str, owner: &str, condition: &Condition, fits: Option<Fragment>) -> Fragment {
    let not = if condition.op == Op::IsNull { "NOT " } else { "" };
    let mut piece = Fragment::new(format!("{not}EXISTS (SELECT 1 FROM {table} WHERE {owner} AND key = ?"));
    piece.text(condition.key.clone());
    if let Some(fits) = fits {
        piece.and(fits);
    }
    piece.push(")");
    piece
}

pub(super) fn value_comparison(condition: &Condition) -> Option<Fragment> {
    (!condition.op.is_null_test()).then(|| compare("value", condition.op, &condition.value))
}

/// NaN equals nothing, so it satisfies `!=` alone.
pub(super) fn metric_comparison(condition: &Condition) -> Option<Fragment> {
    let number = match &condition.value {
        Operand::Integer(value) => Operand::Float(*value as f64),
        other => other.clone(),
    };
    let mut piece = Fragment::new("(");
    piece.append(compare("value", condition.op, &number));
    piece.push(if condition.op == Op::Ne { " OR is_nan)" } else { " AND NOT is_nan)" });
    Some(piece)
}

/// Ids of experiments.
pub fn experiments(
    conn: &mut Conn,
    scope: &Scope,
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
    query.push(" AND ").push(&scope.sql("e.project_id"));
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
