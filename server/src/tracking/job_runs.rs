//! Runs that Drydock makes for jobs, so that each has a record of its own whatever its program logs.
//!
//! Always holds: such a run waits for the program: the first run that the job's token starts is this one, in the experiment and under
//! the name that the program says, and only later ones are new. Its params were given by Drydock, so the program may log them again in
//! its own words (`1e-4` for `0.0001`). It ends with the job's attempt unless the program ended it.

use std::collections::{BTreeMap, HashMap};

use diesel::prelude::*;
use serde_json::json;

use super::{
    JOB_TAG, Pair, RUN_NAME_TAG, RunInfo, RunStatus, experiments, rules,
    store::{experiments as places, runs as store},
};
use crate::{
    accounts::{DEFAULT_PROJECT, Principal, audit},
    clock,
    db::{
        Conn,
        schema::tracking::{metrics, run_params as params, runs},
    },
    error::{Error, Result},
};

/// Names of the params that the program may log again with another text.
const GIVEN_TAG: &str = "drydock.params";
/// The experiment that every box has.
const DEFAULT_EXPERIMENT: i64 = 0;
/// Of a project that has no such: it is made where a job names none.
pub const DEFAULT_EXPERIMENT_NAME: &str = "Default";

/// A run for a job.
#[derive(Debug, Clone, Default)]
pub struct NewJobRun {
    pub job_id: String,
    pub name: String,
    /// By name; made if it is not there. Absent: the default one.
    pub experiment: Option<String>,
    pub params: Vec<Pair>,
    pub tags: Vec<Pair>,
}

/// Makes a run that waits for the job's program; its id.
///
/// # Errors
/// `invalid` for an experiment in the trash, or a param or tag that no run can have.
pub fn make_job_run(conn: &mut Conn, who: &Principal, new: &NewJobRun) -> Result<String> {
    let experiment_id = match &new.experiment {
        Some(name) => experiment(conn, who, name)?,
        None if who.project == DEFAULT_PROJECT => DEFAULT_EXPERIMENT,
        // the one that every box has is the default project's
        None => experiment(conn, who, DEFAULT_EXPERIMENT_NAME)?,
    };
    experiments::active(conn, experiment_id)?;
    let mut info = RunInfo {
        row: 0,
        run_id: uuid::Uuid::new_v4().simple().to_string(),
        experiment_id,
        name: new.name.clone(),
        user: who.username.clone(),
        status: RunStatus::Running,
        started_at: clock::now_ms(),
        ended_at: None,
        deleted: false,
        job_id: Some(new.job_id.clone()),
        artifact_uri: String::new(),
    };
    info.row = store::insert(conn, &info)?;
    let own = [(RUN_NAME_TAG.to_owned(), new.name.clone()), (JOB_TAG.to_owned(), new.job_id.clone())];
    for (key, value) in new.tags.iter().cloned().chain(own) {
        let (key, value) = rules::tag(key, value, "")?;
        store::set_tag(conn, info.row, &key, &value)?;
    }
    for (key, value) in &new.params {
        let (key, value) = rules::param(key.clone(), value.clone(), "")?;
        store::insert_param(conn, info.row, &key, &value)?;
    }
    let names: Vec<&String> = new.params.iter().map(|(key, _)| key).collect();
    store::set_tag(conn, info.row, GIVEN_TAG, &json!(names).to_string())?;
    await_job(conn, info.row, true)?;
    audit(conn, who, "run.create", &format!("run/{}", info.run_id), json!({ "experiment": experiment_id }))?;
    Ok(info.run_id)
}

fn experiment(conn: &mut Conn, who: &Principal, name: &str) -> Result<i64> {
    if let Some(known) = places::find_by_name(conn, &who.project, name)? {
        return Ok(known.id);
    }
    rules::experiment_name(name)?;
    let id = places::insert(conn, &who.project, name, None, clock::now_ms())?;
    audit(conn, who, "experiment.create", &format!("experiment/{id}"), json!({ "name": name }))?;
    Ok(id)
}

/// For a job that goes on where it was stopped: its run goes on, too, and waits for the program again. Whether it is there.
pub fn reopen_job_run(conn: &mut Conn, run_id: &str) -> Result<bool> {
    let Some((row, _, false)) = store::key_of(conn, run_id)? else { return Ok(false) };
    diesel::update(runs::table.find(row))
        .set((runs::status.eq(RunStatus::Running.as_str()), runs::ended_at.eq(None::<i64>), runs::awaits_job.eq(true)))
        .execute(conn)
        .map_err(Error::internal)?;
    Ok(true)
}

/// Ends the runs that the job's program left open.
pub fn end_job_runs(conn: &mut Conn, job_id: &str, status: RunStatus, at: i64) -> Result<()> {
    let open = runs::table.filter(runs::job_id.eq(job_id)).filter(runs::status.eq(RunStatus::Running.as_str()));
    diesel::update(open)
        .set((runs::status.eq(status.as_str()), runs::ended_at.eq(at)))
        .execute(conn)
        .map_err(Error::internal)?;
    let waiting = runs::table.filter(runs::job_id.eq(job_id)).filter(runs::awaits_job.eq(true));
    diesel::update(waiting).set(runs::awaits_job.eq(false)).execute(conn).map(drop).map_err(Error::internal)
}

/// The folder of the run's artifacts in `ARTIFACT_BUCKET`; none when they are kept elsewhere, or the run is gone.
pub fn artifact_folder(conn: &mut Conn, run_id: &str) -> Result<Option<String>> {
    let run = store::find(conn, run_id)?.filter(|run| !run.deleted);
    Ok(run.and_then(|run| rules::artifact_key(&run.artifact_uri)))
}

/// The latest finite values that these runs logged, by run and metric.
pub fn latest_metrics(conn: &mut Conn, run_ids: &[String]) -> Result<HashMap<String, BTreeMap<String, f64>>> {
    let mut found: HashMap<String, BTreeMap<String, f64>> = HashMap::new();
    for some in run_ids.chunks(500) {
        let rows: Vec<(i64, String)> = runs::table
            .filter(runs::run_id.eq_any(some))
            .select((runs::id, runs::run_id))
            .load(conn)
            .map_err(Error::internal)?;
        let ids: HashMap<i64, String> = rows.into_iter().collect();
        let values: Vec<(i64, String, f64)> = metrics::table
            .filter(metrics::run.eq_any(ids.keys()))
            .filter(metrics::is_nan.eq(false))
            .select((metrics::run, metrics::key, metrics::value))
            .load(conn)
            .map_err(Error::internal)?;
        for (row, key, value) in values.into_iter().filter(|(_, _, value)| value.is_finite()) {
            found.entry(ids[&row].clone()).or_default().insert(key, value);
        }
    }
    Ok(found)
}

/// The job's program starts a run: the one that waits for it, if there is one.
pub(super) fn claim(conn: &mut Conn, asked: &RunInfo, tags: &[Pair]) -> Result<Option<RunInfo>> {
    let Some(job) = &asked.job_id else { return Ok(None) };
    let waiting = runs::table.filter(runs::job_id.eq(job)).filter(runs::awaits_job.eq(true));
    let found: Option<(i64, String, i64)> = waiting
        .filter(runs::deleted_at.is_null())
        .select((runs::id, runs::run_id, runs::experiment_id))
        .first(conn)
        .optional()
        .map_err(Error::internal)?;
    let Some((row, run_id, experiment)) = found else { return Ok(None) };
    await_job(conn, row, false)?;
    if experiment != asked.experiment_id {
        let logged = metrics::table.filter(metrics::run.eq(row));
        let has_logged = diesel::select(diesel::dsl::exists(logged)).get_result(conn).map_err(Error::internal)?;
        if has_logged {
            // it was resumed, and what it has lies in its experiment's folder
            return Ok(None);
        }
        let moved = diesel::update(runs::table.find(row)).set(runs::experiment_id.eq(asked.experiment_id));
        moved.execute(conn).map_err(Error::internal)?;
    }
    let named = (runs::name.eq(&asked.name), runs::user_name.eq(&asked.user));
    diesel::update(runs::table.find(row)).set(named).execute(conn).map_err(Error::internal)?;
    for (key, value) in tags {
        store::set_tag(conn, row, key, value)?;
    }
    store::find(conn, &run_id)
}

/// From now on, or no more, the first run that the job's program starts is this one.
pub(super) fn await_job(conn: &mut Conn, row: i64, awaits: bool) -> Result<()> {
    diesel::update(runs::table.find(row))
        .set(runs::awaits_job.eq(awaits))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// Lets the program say a given param in its own words, once. Whether it was a given one.
pub(super) fn say_again(conn: &mut Conn, row: i64, key: &str, value: &str) -> Result<bool> {
    let Some(text) = store::tag(conn, row, GIVEN_TAG)? else { return Ok(false) };
    let mut given: Vec<String> = serde_json::from_str(&text).unwrap_or_default();
    let before = given.len();
    given.retain(|name| name != key);
    if given.len() == before {
        return Ok(false);
    }
    store::set_tag(conn, row, GIVEN_TAG, &json!(given).to_string())?;
    diesel::update(params::table.find((row, key)))
        .set(params::value.eq(value))
        .execute(conn)
        .map_err(Error::internal)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{app::testing::somebody, db::testing::connection};

    fn made(conn: &mut Conn) -> String {
        let new = NewJobRun {
            job_id: "j1".into(),
            name: "train".into(),
            experiment: Some("Wine".into()),
            params: vec![("lr".into(), "1e-4".into())],
            tags: vec![],
        };
        make_job_run(conn, &somebody("ann"), &new).unwrap()
    }

    fn asked(conn: &mut Conn, job: &str, experiment: &str) -> RunInfo {
        let experiment_id = super::experiment(conn, &somebody("ann"), experiment).unwrap();
        let elsewhere = made_elsewhere(conn);
        let made = store::find(conn, &elsewhere).unwrap().unwrap();
        RunInfo { row: 0, experiment_id, name: "mine".into(), job_id: Some(job.into()), ..made }
    }

    fn made_elsewhere(conn: &mut Conn) -> String {
        let new = NewJobRun { job_id: "other".into(), name: "x".into(), ..NewJobRun::default() };
        make_job_run(conn, &somebody("ann"), &new).unwrap()
    }

    #[test]
    fn the_first_run_of_the_program_is_the_one_that_was_made() {
        let mut conn = connection();
        let run_id = made(&mut conn);
        let asked = asked(&mut conn, "j1", "Elsewhere");
        let claimed = claim(&mut conn, &asked, &[("a".into(), "b".into())]).unwrap().unwrap();
        assert_eq!((claimed.run_id.as_str(), claimed.name.as_str()), (run_id.as_str(), "mine"));
        assert_eq!(claimed.experiment_id, asked.experiment_id);
        assert!(claim(&mut conn, &asked, &[]).unwrap().is_none(), "the second one is new");
    }

    #[test]
    fn a_resumed_run_is_claimed_again_and_not_moved_from_what_it_logged() {
        let mut conn = connection();
        let run_id = made(&mut conn);
        let row = store::key_of(&mut conn, &run_id).unwrap().unwrap().0;
        let point = super::super::Metric { key: "loss".into(), step: 0, at: 1, value: 1.0 };
        super::super::store::metrics::append(&mut conn, row, &[point]).unwrap();
        end_job_runs(&mut conn, "j1", RunStatus::Killed, 5).unwrap();
        assert_eq!(store::find(&mut conn, &run_id).unwrap().unwrap().ended_at, Some(5));
        assert!(reopen_job_run(&mut conn, &run_id).unwrap());
        let same = asked(&mut conn, "j1", "Wine");
        assert_eq!(claim(&mut conn, &same, &[]).unwrap().unwrap().run_id, run_id);
        reopen_job_run(&mut conn, &run_id).unwrap();
        let other = asked(&mut conn, "j1", "Elsewhere");
        assert!(claim(&mut conn, &other, &[]).unwrap().is_none());
    }

    #[test]
    fn a_given_param_may_be_said_again_once() {
        let mut conn = connection();
        let run_id = made(&mut conn);
        let row = store::key_of(&mut conn, &run_id).unwrap().unwrap().0;
        assert!(say_again(&mut conn, row, "lr", "0.0001").unwrap());
        assert_eq!(store::param(&mut conn, row, "lr").unwrap().as_deref(), Some("0.0001"));
        assert!(!say_again(&mut conn, row, "lr", "7").unwrap());
        assert!(!say_again(&mut conn, row, "depth", "7").unwrap());
    }
}
