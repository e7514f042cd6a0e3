//! What the runs of some experiments read, in short.

use super::store::inputs as store;
use crate::{
    accounts::{Authorized, action},
    app::App,
    error::Result,
};

/// A dataset that some run of an experiment declared, once per context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetSummary {
    pub experiment_id: i64,
    pub name: String,
    pub digest: String,
    pub context: Option<String>,
}

/// The datasets of these experiments' runs, at most a thousand.
pub async fn dataset_summaries(
    app: &App,
    _auth: &Authorized<action::View>,
    experiments: Vec<i64>,
) -> Result<Vec<DatasetSummary>> {
    app.db.read(move |conn| store::summaries(conn, &experiments)).await
}
