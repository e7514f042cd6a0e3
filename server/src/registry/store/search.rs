//! Searches over models and versions. Prompts show only where the filter asks for them.

use diesel::{QueryableByName, RunQueryDsl, sql_types::BigInt};

use crate::{
    accounts::Scope,
    db::Conn,
    error::{Error, Result},
    registry::rules::PROMPT_TAG,
    tracking::search::{
        Condition, Entity, Op, Operand, OrderBy,
        sql::{Fragment, compare},
    },
};

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

fn ids(conn: &mut Conn, mut query: Fragment, window: (i64, i64)) -> Result<Vec<i64>> {
    query.push(" LIMIT ? OFFSET ?").integer(window.1).integer(window.0);
    let rows: Vec<Id> = query.query().load(conn).map_err(Error::internal)?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// Whether the filter asks for prompts; models alone are the default.
fn wants_prompts(conditions: &[Condition]) -> bool {
    conditions.iter().find(|condition| is_prompt_test(condition)).is_some_and(|condition| {
        let value = matches!(&condition.value, Operand::Text(text) if text.eq_ignore_ascii_case("true"));
        (condition.op == Op::Eq) == value
    })
}

fn is_prompt_test(condition: &Condition) -> bool {
    condition.entity == Entity::Tag && condition.key == PROMPT_TAG
}

fn tagged(table: &str, owner: &str, condition: &Condition) -> Fragment {
    let mut piece = Fragment::new(format!("EXISTS (SELECT 1 FROM {table} WHERE {owner} AND key = ? AND "));
    piece.text(condition.key.clone()).append(compare("value", condition.op, &condition.value)).push(")");
    piece
}

/// `offset` and how many; surrogate keys of models.
pub fn models(
    conn: &mut Conn,
    scope: &Scope,
    conditions: &[Condition],
    order: &[OrderBy],
    window: (i64, i64),
) -> Result<Vec<i64>> {
    let mut query = Fragment::new("SELECT m.id FROM registered_models m WHERE ");
    query.push(&scope.sql("m.project_id"));
    let prompts = wants_prompts(conditions);
    exclude_prompts(&mut query, prompts);
    for condition in conditions.iter().filter(|condition| prompts || !is_prompt_test(condition)) {
        query.and(match condition.entity {
            Entity::Tag => tagged("registered_model_tags", "model = m.id", condition),
            _ => compare("m.name", condition.op, &condition.value),
        });
    }
    let mut keys: Vec<String> = order
        .iter()
        .map(|key| {
            let column = match key.key.as_str() {
                "name" => "m.name",
                "creation_timestamp" => "m.created_at",
                _ => "m.updated_at",
            };
            format!("{column} {}", key.direction.sql())
        })
        .collect();
    keys.push("m.name ASC".into());
    query.push(&format!(" ORDER BY {}", keys.join(", ")));
    ids(conn, query, window)
}

fn exclude_prompts(query: &mut Fragment, wanted: bool) {
    if !wanted {
        query.push(" AND m.id NOT IN (SELECT model FROM registered_model_tags WHERE key = ? AND value = 'true')");
        query.text(PROMPT_TAG);
    }
}

/// `offset` and how many; surrogate keys of versions.
pub fn versions(
    conn: &mut Conn,
    scope: &Scope,
    conditions: &[Condition],
    order: &[OrderBy],
    window: (i64, i64),
) -> Result<Vec<i64>> {
    let mut query =
        Fragment::new("SELECT v.id FROM model_versions v JOIN registered_models m ON m.id = v.model WHERE ");
    query.push(&scope.sql("m.project_id"));
    let prompts = wants_prompts(conditions);
    exclude_prompts(&mut query, prompts);
    for condition in conditions.iter().filter(|condition| prompts || !is_prompt_test(condition)) {
        query.and(match condition.entity {
            Entity::Tag => tagged("model_version_tags", "version = v.id", condition),
            _ => compare(compared_column(condition), condition.op, &condition.value),
        });
    }
    let keys: Vec<String> =
        order.iter().map(|key| format!("{} {}", version_column(&key.key), key.direction.sql())).collect();
    query.push(" ORDER BY ");
    match keys.is_empty() {
        true => query.push("v.updated_at DESC, m.name, v.version DESC"),
        false => query.push(&keys.join(", ")).push(", m.name, v.version DESC"),
    };
    ids(conn, query, window)
}

/// A version without a run has an empty one to a filter; the plain column, with its index, where that cannot matter.
fn compared_column(condition: &Condition) -> &'static str {
    let filled = match &condition.value {
        Operand::Text(text) => condition.op == Op::Eq && !text.is_empty(),
        Operand::List(items) => condition.op == Op::In && items.iter().all(|item| !item.is_empty()),
        _ => false,
    };
    match condition.key.as_str() {
        "run_id" if !filled => "coalesce(v.run_id, '')",
        key => version_column(key),
    }
}

fn version_column(key: &str) -> &'static str {
    match key {
        "version_number" => "v.version",
        "run_id" => "v.run_id",
        "source_path" => "v.source",
        "creation_timestamp" => "v.created_at",
        "last_updated_timestamp" => "v.updated_at",
        _ => "m.name",
    }
}
