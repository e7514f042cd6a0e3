//! What people do with runs: cancel, clear, rerun, answer. Each is one transaction with its audit row.

use drydock_wire::pipelines::{AnswerApproval, ClearTask, RunCause, RunState, TaskState};
use serde_json::{Value, json};

use super::{
    kinds::person::{self, Question},
    rules::plan::Place,
    running::{self, Loaded},
    starting::{self, NewRun},
    store::runs::{self, ApprovalRow, RunRow, TaskRow},
    tasks::steps::{self, Touched},
};
use crate::{
    accounts::{
        self, Principal,
        limits::{self, Asked},
    },
    clock,
    db::Conn,
    error::{Error, Result},
};

fn audit(conn: &mut Conn, who: &Principal, verb: &str, loaded: &Loaded, more: Value) -> Result<()> {
    let mut detail = json!({ "pipeline": loaded.pipeline.name, "number": loaded.row.number });
    if let (Some(detail), Some(more)) = (detail.as_object_mut(), more.as_object()) {
        detail.extend(more.clone());
    }
    accounts::audit(conn, who, verb, &format!("pipeline-run/{}", loaded.row.id), detail)
}

/// Ends the run and everything that it started.
///
/// # Errors
/// `conflict` when it has ended already.
pub fn cancel(conn: &mut Conn, who: &Principal, id: &str) -> Result<Touched> {
    let loaded = running::load(conn, id)?;
    let reason = format!("cancelled by {}", who.username);
    let touched = steps::end_run(conn, id, RunState::Cancelled, Some(reason))?
        .ok_or_else(|| Error::conflict(format!("The run has already ended: {}.", loaded.row.state)))?;
    audit(conn, who, "pipeline_run.cancel", &loaded, json!({}))?;
    Ok(touched)
}

/// Has the task run again, and what follows it.
///
/// # Errors
/// `not_found` for a task that the run has not; `conflict` when what it needs has not ended well.
pub fn clear(conn: &mut Conn, who: &Principal, id: &str, wish: &ClearTask) -> Result<Touched> {
    let loaded = running::load(conn, id)?;
    if loaded.spec.task(&wish.task).is_none() {
        return Err(Error::not_found(format!("The run has no task {}.", wish.task)));
    }
    let cleared = match wish.downstream {
        true => loaded.spec.downstream(&wish.task),
        false => vec![wish.task.as_str()],
    };
    let mut touched = vec![];
    for task in &cleared {
        touched.extend(renew(conn, &loaded, task, true)?);
    }
    go_on(conn, &loaded)?;
    audit(conn, who, "pipeline_run.clear", &loaded, json!({ "tasks": cleared }))?;
    Ok(touched)
}

/// Has what failed run again; what succeeded stays.
///
/// # Errors
/// `conflict` when nothing failed.
pub fn rerun_failed(conn: &mut Conn, who: &Principal, id: &str) -> Result<Touched> {
    let loaded = running::load(conn, id)?;
    let bad: Vec<&str> = loaded
        .run
        .rows
        .iter()
        .filter(|row| row.place.item.is_none() && row.state.is_bad())
        .map(|row| row.place.task.as_str())
        .collect();
    if bad.is_empty() {
        return Err(Error::conflict("Nothing of this run failed; clear a task to have it run again."));
    }
    // What was skipped because of a failure, or ran because of one, follows from what comes of it now.
    let follows = |task: &&str| bad.iter().any(|first| loaded.spec.downstream(first).contains(task));
    let again: Vec<&str> = loaded.spec.tasks.iter().map(|task| task.name.as_str()).filter(follows).collect();
    let mut touched = vec![];
    for task in &again {
        let fans_out = loaded.spec.task(task).is_some_and(super::schema::Task::fans_out);
        let failed = loaded.run.whole(task).is_some_and(|row| row.state == TaskState::Failed);
        if fans_out && failed {
            renew_items(conn, &loaded, task)?;
        } else {
            touched.extend(renew(conn, &loaded, task, false)?);
        }
    }
    go_on(conn, &loaded)?;
    audit(conn, who, "pipeline_run.rerun", &loaded, json!({ "tasks": again }))?;
    Ok(touched)
}

/// A new run of the same version with the same parameters, in the name of whoever asks.
pub fn rerun_all(conn: &mut Conn, who: &Principal, id: &str) -> Result<RunRow> {
    let loaded = running::load(conn, id)?;
    let new = NewRun {
        version: Some(loaded.row.version),
        given: loaded.run.parameters.clone(),
        cause: RunCause::Person,
        dedupe: None,
        person_id: &who.person_id,
    };
    let made = starting::start_on(conn, &loaded.pipeline, new)?;
    let made = made.ok_or_else(|| Error::internal(anyhow::anyhow!("a run without a cause was there already")))?;
    limits::keep(conn, who, Asked::PipelineRun, &made.id)?;
    audit(conn, who, "pipeline_run.rerun", &loaded, json!({ "run": made.id }))?;
    Ok(made)
}

/// A new try of a task as a whole; one that goes on is ended.
fn renew(conn: &mut Conn, loaded: &Loaded, task: &str, fresh: bool) -> Result<Touched> {
    let now = clock::now_ms();
    let mut touched = vec![];
    for row in runs::latest(&loaded.tries).iter().filter(|row| row.task == task) {
        let mut row = row.clone();
        if !row.state()?.is_final() {
            touched.extend(steps::give_up(conn, &mut row, "it was cleared".into(), true, now)?);
            runs::save_task(conn, &row)?;
        }
    }
    let last = loaded.at(&Place { task: task.to_owned(), item: None }).map_or(0, |row| row.number);
    let next = TaskRow { fresh, ..TaskRow::waiting(&loaded.row.id, task, None, last + 1) };
    runs::insert_task(conn, &next)?;
    Ok(touched)
}

/// A new try of the items that failed; the others stay.
fn renew_items(conn: &mut Conn, loaded: &Loaded, task: &str) -> Result<()> {
    let Some(whole) = loaded.at(&Place { task: task.to_owned(), item: None }) else { return Ok(()) };
    let mut next = TaskRow::waiting(&loaded.row.id, task, None, whole.number + 1);
    (next.state, next.started_at) = (TaskState::Running.as_str().into(), Some(clock::now_ms()));
    next.value.clone_from(&whole.value);
    runs::insert_task(conn, &next)?;
    for item in loaded.run.items(task).filter(|item| item.state.is_bad()) {
        let mut next = TaskRow::waiting(&loaded.row.id, task, item.place.item, item.number + 1);
        next.value = Some(item.value.to_string());
        runs::insert_task(conn, &next)?;
    }
    Ok(())
}

/// A run that had ended waits for its turn again.
fn go_on(conn: &mut Conn, loaded: &Loaded) -> Result<()> {
    let mut row = loaded.row.clone();
    if !row.state()?.is_final() {
        return Ok(());
    }
    (row.state, row.reason, row.ended_at) = (RunState::Waiting.as_str().into(), None, None);
    runs::save(conn, &row)
}

/// Writes down what a person answered, and ends the task with it.
///
/// # Errors
/// `conflict` when nobody is asked (any more); `forbidden` for who may not answer.
pub fn answer(conn: &mut Conn, who: &Principal, id: &str, wish: &AnswerApproval) -> Result<()> {
    let loaded = running::load(conn, id)?;
    let place = Place { task: wish.task.clone(), item: wish.item };
    let asks = |row: &&TaskRow| row.state == TaskState::WaitsForPerson.as_str();
    let mut row = loaded
        .at(&place)
        .filter(asks)
        .cloned()
        .ok_or_else(|| Error::conflict(format!("{} waits for nobody's answer.", wish.task)))?;
    let mut outputs = row.outputs()?;
    let question: Question = serde_json::from_value(outputs["question"].clone()).map_err(Error::internal)?;
    person::may_answer(&question, who, &loaded.row.person_id).map_err(Error::forbidden)?;
    if wish.comment.chars().count() > 2_000 {
        return Err(Error::invalid("A comment has at most 2,000 characters."));
    }
    let now = clock::now_ms();
    let answer = ApprovalRow {
        run_id: id.to_owned(),
        task: row.task.clone(),
        item: row.item,
        number: row.number,
        person_id: who.person_id.clone(),
        approved: wish.approve,
        comment: wish.comment.clone(),
        at: now,
    };
    runs::insert_approval(conn, &answer)?;
    (outputs["by"], outputs["comment"]) = (json!(who.username), json!(wish.comment));
    row.outputs = Some(outputs.to_string());
    let comment = if wish.comment.is_empty() { String::new() } else { format!(": {}", wish.comment) };
    let (state, words) = match wish.approve {
        true => (TaskState::Succeeded, format!("{} said yes{comment}", who.username)),
        false => (TaskState::Failed, format!("{} said no{comment}", who.username)),
    };
    steps::ended(&mut row, state, Some(words), now);
    runs::save_task(conn, &row)?;
    audit(conn, who, "pipeline_run.answer", &loaded, json!({ "task": wish.task, "approved": wish.approve }))
}
