//! The transaction of each step. Each looks again whether its row is as the plan saw it; if not, it does nothing and says so.

use std::sync::Arc;

use drydock_wire::{
    ErrorCode,
    pipelines::{RunState, TaskKind, TaskState, TriggerKind},
};
use serde_json::{Value, json};

use super::{
    super::{
        kinds,
        rules::{
            admit::Turn,
            plan::{Place, Step},
        },
        running::Loaded,
        store::{
            self,
            runs::{self, RunRow, TaskRow},
        },
        tell,
    },
    Runner,
};
use crate::{
    accounts::{
        self, Principal,
        limits::{self, Asked},
        projects::{self, Kind, Subject},
    },
    clock::now_ms,
    datasets,
    db::Conn,
    error::{Error, Result},
};

/// What tasks started or stopped, for whoever has to be woken.
pub type Touched = Vec<(TaskKind, Option<String>)>;

impl Runner {
    /// Executes a step; whether it did something.
    pub(super) async fn take(&self, loaded: &Arc<Loaded>, step: Step) -> Result<bool> {
        let (touched, moved) = match step {
            Step::Start(place) => return self.start(loaded, place).await,
            Step::End { place, outputs } => (vec![], self.end(loaded, place, outputs).await?),
            Step::EndRun { state, reason } => {
                let seen = loaded.clone();
                let ended = self.write(move |conn| end_as_seen(conn, &seen, state, reason)).await?;
                // Another run may have waited for this one, or another pipeline for its end.
                self.waker.wake();
                (ended.unwrap_or_default(), false)
            }
            other => {
                let id = loaded.row.id.clone();
                let known = known(loaded, &other);
                self.write(move |conn| change(conn, &id, known, other)).await?
            }
        };
        for (kind, subject) in touched {
            kinds::announce(&self.app, kind, subject.as_deref());
        }
        Ok(moved)
    }

    async fn end(&self, loaded: &Arc<Loaded>, place: Place, outputs: Value) -> Result<bool> {
        let Some(seen) = loaded.at(&place).cloned() else { return Ok(false) };
        let report = self.checks.report(&seen);
        let (known, loaded) = (seen.clone(), loaded.clone());
        let done = self.write(move |conn| end_task(conn, &loaded, &known, outputs, report.as_ref())).await?;
        self.checks.forget(&seen);
        Ok(done)
    }
}

/// The try that a step is about, as the plan saw it.
fn known(loaded: &Loaded, step: &Step) -> Option<TaskRow> {
    let place = match step {
        Step::Say { place, .. } | Step::Skip { place, .. } | Step::Fail { place, .. } => place.clone(),
        Step::Expand { task, .. } | Step::Block { task, .. } => Place { task: task.clone(), item: None },
        Step::Start(place) | Step::End { place, .. } => place.clone(),
        Step::EndRun { .. } => return None,
    };
    loaded.at(&place).cloned()
}

/// The try as it is now, if it still is what the plan saw and the run goes on.
pub fn same(conn: &mut Conn, seen: &TaskRow) -> Result<Option<TaskRow>> {
    if runs::require(conn, &seen.run_id)?.state()? != RunState::Running {
        return Ok(None);
    }
    let now = runs::at(conn, &seen.run_id, &seen.place())?;
    Ok(now.filter(|row| row.number == seen.number && row.state == seen.state))
}

/// The person in whose name a run goes, as they are now and with no more than it was asked for with.
pub(super) fn person_of(conn: &mut Conn, run: &RunRow) -> Result<Principal> {
    let who = limits::principal(conn, &run.person_id, Asked::PipelineRun, &run.id)?.ok_or_else(|| {
        Error::forbidden("The person in whose name it goes is disabled or gone; start it in another name.")
    })?;
    // in the pipeline's project, so that what it makes goes there
    projects::enter_all(conn, who, [Subject::new(Kind::PipelineRun, run.id.as_str())])
}

fn change(conn: &mut Conn, run: &str, seen: Option<TaskRow>, step: Step) -> Result<(Touched, bool)> {
    let Some(mut row) = seen.map(|seen| same(conn, &seen)).transpose()?.flatten() else { return Ok((vec![], false)) };
    let now = now_ms();
    let mut touched = vec![];
    match step {
        Step::Say { reason, .. } => row.reason = Some(reason),
        Step::Skip { reason, .. } => ended(&mut row, TaskState::Skipped, Some(reason), now),
        Step::Block { reason, .. } => ended(&mut row, TaskState::Blocked, Some(reason), now),
        Step::Expand { items, .. } => {
            expand(conn, run, &row.task, &items, row.fresh)?;
            row.value = Some(json!(items).to_string());
            (row.state, row.started_at) = (TaskState::Running.as_str().into(), Some(now));
        }
        Step::Fail { reason, retry_at, cancelled, .. } => {
            touched = give_up(conn, &mut row, reason, cancelled, now)?;
            if let Some(at) = retry_at {
                again(conn, &row, at)?;
            }
        }
        Step::Start(_) | Step::End { .. } | Step::EndRun { .. } => return Ok((vec![], false)),
    }
    runs::save_task(conn, &row)?;
    Ok((touched, true))
}

pub fn ended(row: &mut TaskRow, state: TaskState, reason: Option<String>, now: i64) {
    (row.state, row.reason, row.ended_at) = (state.as_str().into(), reason, Some(now));
}

/// Ends a try that did not succeed, and what it started.
pub fn give_up(conn: &mut Conn, row: &mut TaskRow, reason: String, cancelled: bool, now: i64) -> Result<Touched> {
    let run = runs::require(conn, &row.run_id)?;
    let state = if cancelled { TaskState::Cancelled } else { TaskState::Failed };
    ended(row, state, Some(reason), now);
    let Some(subject) = row.subject.clone().filter(|subject| subject.starts_with("job/")) else { return Ok(vec![]) };
    // In the name of whoever is there: a job must end also when its person is gone.
    let who = accounts::principal_of(conn, &run.person_id)?.unwrap_or_else(Principal::console);
    kinds::stop(conn, &who, row)?;
    Ok(vec![(TaskKind::Job, Some(subject))])
}

/// The next try of a task that failed.
pub(super) fn again(conn: &mut Conn, row: &TaskRow, at: i64) -> Result<()> {
    let mut next = TaskRow::waiting(&row.run_id, &row.task, row.place().item, row.number + 1);
    next.retried = row.retried + 1;
    next.fresh = row.fresh;
    next.not_before = Some(at);
    next.value.clone_from(&row.value);
    next.reason.clone_from(&row.reason);
    runs::insert_task(conn, &next)
}

fn expand(conn: &mut Conn, run: &str, task: &str, items: &[Value], fresh: bool) -> Result<()> {
    for (item, value) in (0_i64..).zip(items) {
        let place = Place { task: task.to_owned(), item: Some(item) };
        let last = runs::at(conn, run, &place)?.map_or(0, |row| row.number);
        let mut row = TaskRow::waiting(run, task, Some(item), last + 1);
        (row.value, row.fresh) = (Some(value.to_string()), fresh);
        runs::insert_task(conn, &row)?;
    }
    Ok(())
}

fn end_task(
    conn: &mut Conn,
    loaded: &Loaded,
    seen: &TaskRow,
    outputs: Value,
    report: Option<&datasets::Examined>,
) -> Result<bool> {
    let Some(mut row) = same(conn, seen)? else { return Ok(false) };
    let now = now_ms();
    if let Some(report) = report {
        let who = accounts::principal_of(conn, &loaded.row.person_id)?.unwrap_or_else(Principal::console);
        match datasets::keep_on(conn, &who, report) {
            Err(error) if error.code == ErrorCode::NotFound => return Err(error),
            other => other?,
        }
    }
    let text = outputs.to_string();
    ended(&mut row, TaskState::Succeeded, None, now);
    if let Some(key) = &row.cache_key {
        store::keep_outputs(conn, &loaded.pipeline.id, key, &loaded.row.id, &text, now)?;
    }
    row.outputs = Some(text);
    runs::save_task(conn, &row)?;
    Ok(true)
}

/// Ends a run that the plan saw through, unless somebody had tasks of it run again meanwhile.
pub fn end_as_seen(conn: &mut Conn, seen: &Loaded, state: RunState, reason: Option<String>) -> Result<Option<Touched>> {
    let of = |rows: &[TaskRow]| -> Vec<(String, i64, i64, String)> {
        rows.iter().map(|row| (row.task.clone(), row.item, row.number, row.state.clone())).collect()
    };
    let id = &seen.row.id;
    let same_tries = of(&runs::tries(conn, id)?) == of(&seen.tries);
    let run = runs::require(conn, id)?;
    if !same_tries || run.state()? != RunState::Running || run.started_at != seen.row.started_at {
        return Ok(None);
    }
    end_run(conn, id, state, reason)
}

/// Ends a run with everything of it that still goes; nothing when it has ended already.
pub fn end_run(conn: &mut Conn, id: &str, state: RunState, reason: Option<String>) -> Result<Option<Touched>> {
    let mut run = runs::require(conn, id)?;
    if run.state()?.is_final() {
        return Ok(None);
    }
    let now = now_ms();
    let mut touched = vec![];
    for mut row in runs::latest(&runs::tries(conn, id)?) {
        if !row.state()?.is_final() {
            let why = reason.clone().unwrap_or_else(|| "the run ended".into());
            touched.extend(give_up(conn, &mut row, why, true, now)?);
            runs::save_task(conn, &row)?;
        }
    }
    (run.state, run.reason, run.ended_at) = (state.as_str().into(), reason, Some(now));
    runs::save(conn, &run)?;
    let pipeline = store::by_id(conn, &run.pipeline_id)?;
    let detail = json!({ "state": state, "run": run.id, "number": run.number });
    tell(conn, TriggerKind::Pipeline, &pipeline.name, detail)?;
    tracing::info!(pipeline.run = id, "run {} of {} ended: {}", run.number, pipeline.name, state.as_str());
    Ok(Some(touched))
}

/// What becomes of a run that waits.
pub fn turn(conn: &mut Conn, turn: Turn) -> Result<Touched> {
    let (Turn::Start { id } | Turn::Skip { id, .. } | Turn::Cancel { id, .. } | Turn::Hold { id, .. }) = &turn;
    let mut run = runs::require(conn, id)?;
    let waits = run.state()? == RunState::Waiting;
    let ended = match turn {
        Turn::Start { .. } if waits => {
            (run.state, run.reason, run.started_at) = (RunState::Running.as_str().into(), None, Some(now_ms()));
            return runs::save(conn, &run).map(|()| vec![]);
        }
        Turn::Hold { reason, .. } if waits => {
            run.reason = Some(reason);
            return runs::save(conn, &run).map(|()| vec![]);
        }
        Turn::Skip { id, reason } if waits => end_run(conn, &id, RunState::Skipped, Some(reason))?,
        Turn::Cancel { id, reason } => end_run(conn, &id, RunState::Cancelled, Some(reason))?,
        _ => None,
    };
    Ok(ended.unwrap_or_default())
}
