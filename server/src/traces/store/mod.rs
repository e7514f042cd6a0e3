//! Rows of traces. Each function composes in the caller's transaction; none decides anything.

pub mod assessments;
pub mod chunks;
pub mod functions;
pub mod metrics;
pub mod search;
pub mod spans;
pub mod traces;

use diesel::{QueryableByName, sql_types::BigInt};

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
