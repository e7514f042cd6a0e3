//! Rows of sweeps, and the jobs that are of one.

use std::collections::{BTreeMap, HashMap};

use diesel::prelude::*;
use drydock_wire::{
    Page,
    sweeps::{SubmitSweep, SweepSummary},
};

use crate::{
    accounts::{Principal, Scope},
    db::{
        Conn,
        schema::jobs::{job_attempts as attempts, jobs, sweeps},
    },
    error::{Error, Result},
    jobs::store::{self as job_store, Job},
};

/// A sweep as the feature works on it.
#[derive(Debug, Clone)]
pub struct Sweep {
    pub id: String,
    pub name: String,
    pub spec: SubmitSweep,
    pub submitted_by: String,
    pub created_at: i64,
    pub cancelled_at: Option<i64>,
}

type Row = (String, String, String, i64, Option<i64>);

/// What the scheduler holds it to; 0 in the wish is no cap of its own.
fn cap(most_at_once: u32) -> i32 {
    match most_at_once {
        0 => i32::MAX,
        most => i32::try_from(most).unwrap_or(i32::MAX),
    }
}

pub fn insert(conn: &mut Conn, id: &str, who: &Principal, spec: &SubmitSweep, at: i64) -> Result<()> {
    diesel::insert_into(sweeps::table)
        .values((
            sweeps::id.eq(id),
            sweeps::project_id.eq(&who.project),
            sweeps::name.eq(&spec.name),
            sweeps::spec.eq(serde_json::to_string(spec).map_err(Error::internal)?),
            sweeps::most_at_once.eq(cap(spec.most_at_once)),
            sweeps::person_id.eq(&who.person_id),
            sweeps::created_at.eq(at),
        ))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// The sweep of that id.
///
/// # Errors
/// `not_found`.
pub fn require(conn: &mut Conn, id: &str) -> Result<Sweep> {
    let row: Option<Row> = rows().filter(sweeps::id.eq(id)).first(conn).optional().map_err(Error::internal)?;
    sweep(conn, row.ok_or_else(|| Error::not_found(format!("There is no sweep {id}.")))?)
}

/// One page, newest first.
pub fn page(conn: &mut Conn, scope: &Scope, offset: i64, limit: i64) -> Result<Page<SweepSummary>> {
    let (offset, limit) = (offset.max(0), limit.clamp(1, 200));
    let shown = || diesel::dsl::sql::<diesel::sql_types::Bool>(&scope.sql("sweeps.project_id"));
    let total: i64 = sweeps::table.filter(shown()).count().get_result(conn).map_err(Error::internal)?;
    let found: Vec<Row> = rows()
        .filter(shown())
        .order((sweeps::created_at.desc(), sweeps::id.desc()))
        .offset(offset)
        .limit(limit)
        .load(conn)
        .map_err(Error::internal)?;
    let items = found
        .into_iter()
        .map(|row| {
            let sweep = sweep(conn, row)?;
            summary(conn, &sweep)
        })
        .collect::<Result<Vec<_>>>()?;
    let end = offset.saturating_add(i64::try_from(items.len()).unwrap_or(limit));
    Ok(Page { items, total: u64::try_from(total).unwrap_or(0), next: (end < total).then(|| end.to_string()) })
}

/// As a list shows it.
pub fn summary(conn: &mut Conn, sweep: &Sweep) -> Result<SweepSummary> {
    let counts: Vec<(String, i64)> = jobs::table
        .filter(jobs::sweep_id.eq(&sweep.id))
        .group_by(jobs::state)
        .select((jobs::state, diesel::dsl::count_star()))
        .load(conn)
        .map_err(Error::internal)?;
    let count = |(state, count): (String, i64)| (state, u64::try_from(count).unwrap_or(0));
    Ok(SweepSummary {
        id: sweep.id.clone(),
        name: sweep.name.clone(),
        submitted_by: sweep.submitted_by.clone(),
        created_at: sweep.created_at,
        cancelled_at: sweep.cancelled_at,
        most_at_once: sweep.spec.most_at_once,
        metric: sweep.spec.metric.clone(),
        goal: sweep.spec.goal,
        jobs: counts.into_iter().map(count).collect::<BTreeMap<_, _>>(),
    })
}

pub fn cancelled(conn: &mut Conn, id: &str, at: i64) -> Result<()> {
    diesel::update(sweeps::table.find(id))
        .set(sweeps::cancelled_at.eq(at))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// Its jobs, in the order of their numbers: ids grow.
pub fn jobs_of(conn: &mut Conn, id: &str) -> Result<Vec<Job>> {
    let of_it: Vec<String> = jobs::table
        .filter(jobs::sweep_id.eq(id))
        .order(jobs::id)
        .select(jobs::id)
        .load(conn)
        .map_err(Error::internal)?;
    of_it.iter().map(|job| job_store::require(conn, job)).collect()
}

/// The latest run that was made for each of its jobs.
pub fn runs_of(conn: &mut Conn, id: &str) -> Result<HashMap<String, String>> {
    let found: Vec<(String, Option<String>)> = attempts::table
        .inner_join(jobs::table)
        .filter(jobs::sweep_id.eq(id))
        .filter(attempts::run_id.is_not_null())
        .order(attempts::number)
        .select((attempts::job_id, attempts::run_id))
        .load(conn)
        .map_err(Error::internal)?;
    Ok(found.into_iter().filter_map(|(job, run)| Some((job, run?))).collect())
}

#[diesel::dsl::auto_type(no_type_alias)]
fn rows() -> _ {
    sweeps::table.select((sweeps::id, sweeps::name, sweeps::spec, sweeps::created_at, sweeps::cancelled_at))
}

/// Who submitted it is what its jobs say.
fn sweep(conn: &mut Conn, (id, name, spec, created_at, cancelled_at): Row) -> Result<Sweep> {
    let of_it = jobs::table.filter(jobs::sweep_id.eq(&id)).select(jobs::submitted_by);
    let submitted_by: Option<String> = of_it.first(conn).optional().map_err(Error::internal)?;
    let spec = serde_json::from_str(&spec).map_err(Error::internal)?;
    Ok(Sweep { id, name, spec, submitted_by: submitted_by.unwrap_or_default(), created_at, cancelled_at })
}
