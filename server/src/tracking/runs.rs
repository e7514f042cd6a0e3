//! What can be done with runs.

use drydock_wire::events::Topic;
use serde_json::json;

use super::{
    JOB_TAG, Metric, Pair, RUN_NAME_TAG, Run, RunInfo, RunStatus, Stage, experiments, job_runs, rules,
    search::{self, RUNS},
    stage_word,
    store::{
        run_search::{self as found, RunSearch},
        runs as store,
        search::Window,
    },
};
use crate::{
    accounts::{Authorized, action, audit},
    app::App,
    clock,
    db::Conn,
    error::{Error, Result},
};

type Develop = Authorized<action::Develop>;
type View = Authorized<action::View>;

/// A run to be.
#[derive(Debug, Clone, Default)]
pub struct NewRun {
    pub experiment_id: i64,
    /// As the client says; the principal when it says nothing.
    pub user: Option<String>,
    pub name: Option<String>,
    pub started_at: Option<i64>,
    pub tags: Vec<Pair>,
}

/// Which runs a search wants.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    /// `None`: all experiments.
    pub experiments: Option<Vec<i64>>,
    pub stage: Stage,
    pub filter: String,
    pub order_by: Vec<String>,
    pub offset: i64,
    pub limit: i64,
}

pub(super) fn absent(run_id: &str) -> Error {
    Error::not_found(format!("Run with id={run_id} not found"))
}

/// Surrogate ids of the run and its experiment, for a change that needs the run alive.
pub(super) fn active(conn: &mut Conn, run_id: &str) -> Result<(i64, i64)> {
    let (row, experiment, deleted) = store::key_of(conn, run_id)?.ok_or_else(|| absent(run_id))?;
    if deleted {
        let state = stage_word(deleted);
        return Err(Error::invalid(format!(
            "The run {run_id} must be in the 'active' state. Current state is {state}."
        )));
    }
    Ok((row, experiment))
}

/// Drops what is more than a page asked for, and says where the next one starts. The window asked for one too many.
pub(super) fn cut<T>(all: &mut Vec<T>, window: Window) -> Option<i64> {
    let limit = usize::try_from(window.limit - 1).unwrap_or(0);
    if all.len() <= limit {
        return None;
    }
    all.truncate(limit);
    Some(window.offset + window.limit - 1)
}

/// Starts a run.
pub async fn create_run(app: &App, auth: &Develop, new: NewRun) -> Result<Run> {
    let who = auth.principal().clone();
    let (info, tags) = planned(new, who.username.clone(), who.job_id.clone())?;
    let run = app
        .db
        .write(move |conn| {
            let experiment = experiments::active(conn, info.experiment_id)?;
            if let Some(claimed) = job_runs::claim(conn, &info, &tags)? {
                return store::load_one(conn, &claimed.run_id)?.ok_or_else(|| absent(&claimed.run_id));
            }
            let mut info = info;
            info.artifact_uri = rules::join_uri(&experiment.artifact_location, &[&info.run_id, "artifacts"]);
            info.row = store::insert(conn, &info)?;
            for (key, value) in &tags {
                store::set_tag(conn, info.row, key, value)?;
            }
            audit(
                conn,
                &who,
                "run.create",
                &format!("run/{}", info.run_id),
                json!({"experiment": info.experiment_id}),
            )?;
            Ok(empty(info, tags))
        })
        .await?;
    app.events.publish(Topic::Runs, Some(&run.info.run_id));
    Ok(run)
}

fn empty(info: RunInfo, tags: Vec<Pair>) -> Run {
    let (metrics, params, datasets, models_in, models_out) = Default::default();
    Run { info, metrics, params, tags, datasets, models_in, models_out }
}

/// What a run may start with. MLflow names no limit; without one, a single request keeps everybody waiting for minutes.
const MAX_TAGS: usize = 1000;

/// Everything about a new run that needs no database.
fn planned(new: NewRun, username: String, job_id: Option<String>) -> Result<(RunInfo, Vec<Pair>)> {
    if new.tags.len() > MAX_TAGS {
        return Err(Error::invalid(format!("A run starts with at most {MAX_TAGS} tags; set the others afterwards.")));
    }
    let mut tags: Vec<Pair> = Vec::with_capacity(new.tags.len() + 2);
    for (key, value) in new.tags {
        // As MLflow: what a run starts with is kept whole, whatever its length, and the last of equal keys counts.
        rules::at_most("key", rules::MAX_KEY_CHARS, &key)?;
        tags.retain(|(known, _)| *known != key);
        tags.push((key, value));
    }
    let tagged = tags.iter().find(|(key, _)| key == RUN_NAME_TAG).map(|(_, value)| value.clone());
    let asked = new.name.filter(|name| !name.is_empty());
    if let (Some(asked), Some(tagged)) = (&asked, &tagged)
        && asked != tagged
    {
        return Err(Error::invalid(format!(
            "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values \
             (run_name='{asked}', mlflow.runName='{tagged}')."
        )));
    }
    let name = asked.or_else(|| tagged.clone().filter(|name| !name.is_empty())).unwrap_or_else(rules::random_name);
    if tagged.is_none() {
        tags.push((RUN_NAME_TAG.into(), name.clone()));
    }
    tags.retain(|(key, _)| key != JOB_TAG);
    if let Some(job) = &job_id {
        tags.push((JOB_TAG.into(), job.clone()));
    }
    let info = RunInfo {
        row: 0,
        run_id: uuid::Uuid::new_v4().simple().to_string(),
        experiment_id: new.experiment_id,
        name,
        user: new.user.filter(|user| !user.is_empty()).unwrap_or(username),
        status: RunStatus::Running,
        started_at: new.started_at.unwrap_or_else(clock::now_ms),
        ended_at: None,
        deleted: false,
        job_id,
        artifact_uri: String::new(),
    };
    Ok((info, tags))
}

/// The run with everything it logged, deleted or not.
pub async fn run(app: &App, _auth: &View, run_id: String) -> Result<Run> {
    app.db.glance(move |conn| store::load_one(conn, &run_id)?.ok_or_else(|| absent(&run_id))).await
}

/// Changes what is `Some`.
pub async fn update_run(
    app: &App,
    auth: &Develop,
    run_id: String,
    status: Option<RunStatus>,
    ended_at: Option<i64>,
    name: Option<String>,
) -> Result<RunInfo> {
    let who = auth.principal().clone();
    let info = app
        .db
        .write(move |conn| {
            let (row, _) = active(conn, &run_id)?;
            if who.job_id.is_some() {
                // its program goes on with a run that it knows by its id
                job_runs::await_job(conn, row, false)?;
            }
            let name = name.filter(|name| !name.is_empty());
            store::update(conn, row, status, ended_at, name.as_deref())?;
            let detail = json!({"status": status.map(RunStatus::as_str), "name": name});
            audit(conn, &who, "run.update", &format!("run/{run_id}"), detail)?;
            store::find(conn, &run_id)?.ok_or_else(|| absent(&run_id))
        })
        .await?;
    app.events.publish(Topic::Runs, Some(&info.run_id));
    Ok(info)
}

/// A person's edit: renames the run where there is a name, sets and takes away tags, all in one.
pub async fn edit_run(
    app: &App,
    auth: &Develop,
    run_id: String,
    name: Option<String>,
    tags: Vec<Pair>,
    remove: Vec<String>,
) -> Result<()> {
    let name = name.map(|name| name.trim().to_owned());
    if name.as_deref().is_some_and(|name| name.is_empty() || name.chars().count() > rules::MAX_KEY_CHARS) {
        return Err(Error::invalid("A run's name has 1 to 250 characters."));
    }
    let tags = tags.into_iter().map(|(key, value)| rules::tag(key, value, "")).collect::<Result<Vec<_>>>()?;
    let who = auth.principal().clone();
    let id = run_id.clone();
    app.db
        .write(move |conn| {
            let (row, _) = active(conn, &id)?;
            store::update(conn, row, None, None, name.as_deref())?;
            for (key, value) in &tags {
                apply_tag(conn, row, key, value)?;
            }
            for key in remove.iter().filter(|key| ![RUN_NAME_TAG, JOB_TAG].contains(&key.as_str())) {
                store::delete_tag(conn, row, key)?;
            }
            let set: Vec<&String> = tags.iter().map(|(key, _)| key).collect();
            let detail = json!({"name": name, "tags": set, "removed_tags": remove});
            audit(conn, &who, "run.update", &format!("run/{id}"), detail)
        })
        .await?;
    app.events.publish(Topic::Runs, Some(&run_id));
    Ok(())
}

/// Moves a run to the trash.
pub async fn delete_run(app: &App, auth: &Develop, run_id: String) -> Result<()> {
    set_deleted(app, auth, run_id, true).await
}

/// Takes a run out of the trash.
pub async fn restore_run(app: &App, auth: &Develop, run_id: String) -> Result<()> {
    set_deleted(app, auth, run_id, false).await
}

async fn set_deleted(app: &App, auth: &Develop, run_id: String, deleted: bool) -> Result<()> {
    let (who, id) = (auth.principal().clone(), run_id.clone());
    app.db
        .write(move |conn| {
            let (row, _, _) = store::key_of(conn, &id)?.ok_or_else(|| absent(&id))?;
            store::set_deleted(conn, row, deleted.then(clock::now_ms))?;
            let verb = if deleted { "run.delete" } else { "run.restore" };
            audit(conn, &who, verb, &format!("run/{id}"), json!({}))
        })
        .await?;
    app.events.publish(Topic::Runs, Some(&run_id));
    Ok(())
}

/// Sets a tag; the name's tag renames the run.
pub async fn set_tag(app: &App, _auth: &Develop, run_id: String, key: String, value: String) -> Result<()> {
    let (key, value) = rules::tag(key, value, "")?;
    let id = run_id.clone();
    app.db
        .write(move |conn| {
            let (row, _) = active(conn, &id)?;
            apply_tag(conn, row, &key, &value)
        })
        .await?;
    app.events.publish(Topic::Runs, Some(&run_id));
    Ok(())
}

/// As `set_tag`, within a transaction. Nobody but the server says which job a run is of.
pub(super) fn apply_tag(conn: &mut Conn, row: i64, key: &str, value: &str) -> Result<()> {
    match key {
        // An empty name is no name: the run keeps its own.
        RUN_NAME_TAG if value.is_empty() => Ok(()),
        RUN_NAME_TAG => store::update(conn, row, None, None, Some(value)),
        JOB_TAG => Ok(()),
        _ => store::set_tag(conn, row, key, value),
    }
}

pub async fn delete_tag(app: &App, _auth: &Develop, run_id: String, key: String) -> Result<()> {
    let id = run_id.clone();
    app.db
        .write(move |conn| {
            let (row, _) = active(conn, &id)?;
            if !store::delete_tag(conn, row, &key)? {
                return Err(Error::not_found(format!("No tag with name: {key} in run with id {id}")));
            }
            Ok(())
        })
        .await?;
    app.events.publish(Topic::Runs, Some(&run_id));
    Ok(())
}

/// A page of runs and the offset of the next, if there is one.
pub async fn search_runs(app: &App, _auth: &View, wish: RunFilter) -> Result<(Vec<Run>, Option<i64>)> {
    let search = RunSearch {
        conditions: search::parse(&wish.filter, &RUNS)?,
        order: search::parse_order_by(&wish.order_by, &RUNS)?,
        experiments: wish.experiments,
        stage: wish.stage,
        words: None,
    };
    let window = Window { offset: wish.offset, limit: wish.limit + 1 };
    app.db
        .read(move |conn| {
            let mut ids = found::runs(conn, &search, window)?;
            let next = cut(&mut ids, window);
            Ok((store::load(conn, &ids)?, next))
        })
        .await
}

/// For the dashboard: latest points, by key.
pub(super) fn by_key(mut metrics: Vec<Metric>) -> Vec<Metric> {
    metrics.sort_by(|a, b| a.key.cmp(&b.key));
    metrics
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_run_gets_a_name_and_the_tag_that_mirrors_it() {
        let (info, tags) = planned(NewRun::default(), "ann".into(), None).unwrap();
        assert!(!info.name.is_empty());
        assert_eq!(tags, [(RUN_NAME_TAG.to_owned(), info.name.clone())]);
        assert_eq!((info.user.as_str(), info.run_id.len()), ("ann", 32));
    }

    #[test]
    fn two_names_that_differ_are_refused() {
        let new = NewRun { name: Some("a".into()), tags: vec![(RUN_NAME_TAG.into(), "b".into())], ..NewRun::default() };
        assert!(planned(new, "ann".into(), None).unwrap_err().message.starts_with("Both 'run_name' argument"));
    }

    #[test]
    fn the_job_tag_comes_from_the_token_alone() {
        let forged = NewRun { tags: vec![(JOB_TAG.into(), "other".into())], ..NewRun::default() };
        let (_, tags) = planned(forged.clone(), "ann".into(), None).unwrap();
        assert!(!tags.iter().any(|(key, _)| key == JOB_TAG));
        let (info, tags) = planned(forged, "ann".into(), Some("w1".into())).unwrap();
        assert_eq!(info.job_id.as_deref(), Some("w1"));
        assert!(tags.contains(&(JOB_TAG.to_owned(), "w1".to_owned())));
    }

    #[test]
    fn a_page_says_where_the_next_one_starts() {
        let mut full = vec![1, 2, 3];
        assert_eq!(cut(&mut full, Window { offset: 4, limit: 3 }), Some(6));
        assert_eq!(full, [1, 2]);
        assert_eq!(cut(&mut full, Window { offset: 6, limit: 3 }), None);
    }
}
