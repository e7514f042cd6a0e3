//! Counts over the features' tables, in one statement. The one place that reads tables of others: it names only table
//! and state columns, and a test runs it against the migrated schema.

use diesel::{
    OptionalExtension, QueryableByName, RunQueryDsl, sql_query,
    sql_types::{BigInt, Text},
};
use drydock_wire::overview::Counts;

use crate::{
    accounts::Scope,
    db::Conn,
    error::{Error, Result},
    workloads::Kind,
};

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = BigInt)]
    experiments: i64,
    #[diesel(sql_type = BigInt)]
    runs: i64,
    #[diesel(sql_type = BigInt)]
    traces: i64,
    #[diesel(sql_type = BigInt)]
    models: i64,
    #[diesel(sql_type = BigInt)]
    datasets: i64,
    #[diesel(sql_type = BigInt)]
    jobs_running: i64,
    #[diesel(sql_type = BigInt)]
    jobs_queued: i64,
    #[diesel(sql_type = BigInt)]
    deployments: i64,
    #[diesel(sql_type = BigInt)]
    deployments_ready: i64,
}

/// Of what is shown to the asker.
fn statement(scope: &Scope) -> String {
    let mine = scope.sql("project_id");
    let of = |parent: &str, column: &str| match scope {
        Scope::All => "1".to_owned(),
        _ => format!("{column} IN (SELECT id FROM {parent} WHERE {mine})"),
    };
    let (in_experiment, in_deployment) = (of("experiments", "experiment_id"), of("deployments", "deployment_id"));
    format!(
        "SELECT
    (SELECT count(*) FROM experiments WHERE deleted_at IS NULL AND {mine}) AS experiments,
    (SELECT count(*) FROM runs WHERE deleted_at IS NULL AND {in_experiment}) AS runs,
    (SELECT count(*) FROM traces WHERE {in_experiment}) AS traces,
    (SELECT count(*) FROM registered_models WHERE {mine}) AS models,
    (SELECT count(*) FROM datasets WHERE {mine}) AS datasets,
    (SELECT count(*) FROM jobs WHERE state IN ('starting', 'running', 'cancelling') AND {mine}) AS jobs_running,
    (SELECT count(*) FROM jobs WHERE state = 'queued' AND {mine}) AS jobs_queued,
    (SELECT count(*) FROM deployments WHERE {mine}) AS deployments,
    (SELECT count(DISTINCT deployment_id) FROM revisions WHERE state = 'live' AND {in_deployment}) AS deployments_ready"
    )
}

/// How much there is of everything that is shown to the asker, and of content on the box.
pub fn counts(conn: &mut Conn, scope: &Scope) -> Result<Counts> {
    let row: Row = sql_query(statement(scope)).get_result(conn).map_err(Error::internal)?;
    let (blobs, blob_bytes) = crate::objects::store::totals(conn)?;
    let count = |n: i64| u64::try_from(n).unwrap_or(0);
    Ok(Counts {
        experiments: count(row.experiments),
        runs: count(row.runs),
        traces: count(row.traces),
        models: count(row.models),
        datasets: count(row.datasets),
        jobs_running: count(row.jobs_running),
        jobs_queued: count(row.jobs_queued),
        deployments: count(row.deployments),
        deployments_ready: count(row.deployments_ready),
        blobs,
        blob_bytes,
    })
}

/// What people call the job or deployment with this id.
pub fn name_of_owner(conn: &mut Conn, kind: Kind, id: &str) -> Result<Option<String>> {
    let statement = match kind {
        Kind::Job => "SELECT name FROM jobs WHERE id = ?",
        Kind::Revision => "SELECT name FROM deployments WHERE id = ?",
    };
    let row: Option<Name> =
        sql_query(statement).bind::<Text, _>(id).get_result(conn).optional().map_err(Error::internal)?;
    Ok(row.map(|row| row.name))
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::workloads::Kind;

    #[test]
    fn the_statements_fit_the_schema() {
        use crate::accounts::Scope;
        for scope in [Scope::All, Scope::Only("default".into()), Scope::AllBut(vec!["x".into()])] {
            let counts = super::counts(&mut crate::db::testing::connection(), &scope).unwrap();
            assert_eq!((counts.jobs_running, counts.deployments_ready, counts.experiments), (0, 0, 1));
        }
        let mut conn = crate::db::testing::connection();
        assert_eq!(super::name_of_owner(&mut conn, Kind::Job, "x").unwrap(), None);
        assert_eq!(super::name_of_owner(&mut conn, Kind::Revision, "x").unwrap(), None);
    }
}
