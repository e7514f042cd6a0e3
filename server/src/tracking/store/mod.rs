//! Rows of tracking. Each function composes in the caller's transaction; none decides anything.

pub mod experiments;
pub mod inputs;
pub mod keys;
pub mod lineage;
pub mod logged_models;
pub mod many_series;
pub mod metrics;
pub mod run_search;
pub mod runs;
pub mod search;
pub mod views;

use diesel::{QueryableByName, RunQueryDsl, sql_query, sql_types::BigInt};

use crate::{
    db::Conn,
    error::{Error, Result},
};

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

/// Rows that this connection ever wrote: what a transaction changed is the difference.
pub fn rows_written(conn: &mut Conn) -> Result<i64> {
    let count: Id = sql_query("SELECT total_changes() AS id").get_result(conn).map_err(Error::internal)?;
    Ok(count.id)
}
