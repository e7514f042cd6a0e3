//! Starting a task: what cannot be done in a transaction first (asking the box whether it can grant a job, and Docker for an image), then
//! all of it in one.

use std::sync::Arc;

use drydock_wire::pipelines::{TaskKind, TaskState};
use serde_json::{Value, json};

use super::{
    super::{
        kinds::{self, Outcome, Prepared, Starting, deploy, job, validate},
        rules::{cache, plan::Place},
        running::Loaded,
        schema::Task,
        store::{self, runs},
    },
    Runner,
    steps::{self, Touched},
};
use crate::{
    clock::now_ms,
    db::Conn,
    error::{Error, Result},
    jobs,
};

/// What came of a start.
enum Started {
    /// It was not as the plan saw it.
    Nothing,
    /// The same work goes on in another run.
    Held,
    Done(Touched),
}

impl Runner {
    /// Whether something came of it.
    pub(super) async fn start(&self, loaded: &Arc<Loaded>, place: Place) -> Result<bool> {
        let Some(task) = loaded.spec.task(&place.task).cloned() else { return Ok(false) };
        let Some(seen) = loaded.at(&place).cloned() else { return Ok(false) };
        let prepared = match self.prepared(loaded, &task, &seen).await {
            Ok(prepared) => Ok(prepared),
            Err(error) if error.code.http_status() < 500 => Err(error.message),
            Err(error) => return Err(error),
        };
        let all = loaded.clone();
        let started = self.write(move |conn| start(conn, &all, &task, &seen, prepared)).await?;
        match started {
            Started::Nothing | Started::Held => Ok(false),
            Started::Done(touched) => {
                for (kind, subject) in touched {
                    kinds::announce(&self.app, kind, subject.as_deref());
                }
                Ok(true)
            }
        }
    }

    /// A job that the box grants, or a deployment whose image is pinned; nothing for another kind.
    async fn prepared(&self, loaded: &Loaded, task: &Task, row: &runs::TaskRow) -> Result<Prepared> {
        if !matches!(task.kind, TaskKind::Job | TaskKind::Deploy) {
            return Ok(Prepared::default());
        }
        let body = loaded.body(task, &row.value()?).map_err(Error::invalid)?;
        let run = loaded.row.clone();
        let who = self.app.db.read(move |conn| steps::person_of(conn, &run)).await?;
        if task.kind == TaskKind::Deploy {
            let wish = deploy::pinned(&self.app, &who, &body).await?;
            return Ok(Prepared { deployment: Some(wish), ..Prepared::default() });
        }
        let wish = job::wish(&loaded.spec.name, &task.name, &body)?;
        let job = jobs::check(&self.app, &who, wish).await?;
        Ok(Prepared { job: Some(job), ..Prepared::default() })
    }
}

fn start(
    conn: &mut Conn,
    loaded: &Loaded,
    task: &Task,
    seen: &runs::TaskRow,
    prepared: std::result::Result<Prepared, String>,
) -> Result<Started> {
    let Some(mut row) = steps::same(conn, seen)? else { return Ok(Started::Nothing) };
    let now = now_ms();
    row.started_at = Some(now);
    row.reason = None;
    let outcome = prepared.map_err(Error::invalid).and_then(|prepared| begin(conn, loaded, task, &mut row, prepared));
    let outcome = match outcome {
        Ok(Some(outcome)) => outcome,
        // Held: the row says for what, once.
        Ok(None) if row.reason == seen.reason => return Ok(Started::Held),
        Ok(None) => {
            row.started_at = None;
            return runs::save_task(conn, &row).map(|()| Started::Held);
        }
        Err(error) if error.code.http_status() < 500 => Outcome::Failed(error.message),
        Err(error) => return Err(error),
    };
    let mut touched = vec![];
    match outcome {
        Outcome::Runs { subject } => {
            row.state = TaskState::Running.as_str().into();
            touched.push((task.kind, Some(subject.clone())));
            row.subject = Some(subject);
        }
        Outcome::Asks { question } => {
            row.state = TaskState::WaitsForPerson.as_str().into();
            row.outputs = Some(json!({ "question": question }).to_string());
        }
        Outcome::Done { outputs, subject } => {
            touched.push((task.kind, subject.clone()));
            row.subject = subject;
            row.outputs = Some(outputs.to_string());
            // What was taken from the cache has its state already.
            if row.cached_from.is_none() {
                steps::ended(&mut row, TaskState::Succeeded, None, now);
            }
        }
        Outcome::Skipped(reason) => steps::ended(&mut row, TaskState::Skipped, Some(reason), now),
        Outcome::Failed(reason) => return fail(conn, task, row, reason, now),
    }
    runs::save_task(conn, &row)?;
    Ok(Started::Done(touched))
}

/// A start that was refused is a try that failed: it has its retries, too.
fn fail(conn: &mut Conn, task: &Task, mut row: runs::TaskRow, reason: String, now: i64) -> Result<Started> {
    steps::ended(&mut row, TaskState::Failed, Some(reason), now);
    runs::save_task(conn, &row)?;
    if u32::try_from(row.retried).unwrap_or(u32::MAX) < task.retries {
        let delay = i64::try_from(task.delay_s.saturating_mul(1000)).unwrap_or(i64::MAX);
        steps::again(conn, &row, now.saturating_add(delay))?;
    }
    Ok(Started::Done(vec![]))
}

/// The effect, or what the cache has of it. Nothing: it waits, and the row's reason says for what.
fn begin(
    conn: &mut Conn,
    loaded: &Loaded,
    task: &Task,
    row: &mut runs::TaskRow,
    prepared: Prepared,
) -> Result<Option<Outcome>> {
    let item = row.value()?;
    let body = loaded.body(task, &item).map_err(Error::invalid)?;
    let who = steps::person_of(conn, &loaded.row)?;
    if task.cache {
        let key = key(conn, loaded, task, &item, &body, prepared.job.as_ref())?;
        row.cache_key = Some(key.clone());
        if let Some(number) = runs::works_on(conn, &loaded.pipeline.id, &key)? {
            row.reason = Some(format!("the same is worked on already, in run {number}"));
            return Ok(None);
        }
        if !row.fresh
            && let Some(outputs) = cached(conn, loaded, task, row, &key)?
        {
            return Ok(Some(Outcome::Done { outputs, subject: row.subject.clone() }));
        }
    }
    let starting = Starting {
        kind: task.kind,
        body: &body,
        who: &who,
        id: job::id_of(&row.run_id, &row.task, row.item, row.number),
        prepared,
        about: json!({
            "pipeline": loaded.pipeline.name, "run": loaded.row.id, "number": loaded.row.number, "task": task.name,
        }),
    };
    kinds::start(conn, starting).map(Some)
}

fn key(
    conn: &mut Conn,
    loaded: &Loaded,
    task: &Task,
    item: &Value,
    body: &Value,
    granted: Option<&jobs::Checked>,
) -> Result<String> {
    let contents = match (task.kind, granted) {
        (TaskKind::Job, Some(checked)) => job::inputs(conn, checked)?,
        _ => validate::inputs(conn, body)?,
    };
    let named = match task.kind {
        TaskKind::Job => loaded.body_by_content(task, item).map_err(Error::invalid)?,
        // Content and rules are all that there is.
        _ => json!({}),
    };
    Ok(cache::key(task.kind.as_str(), &named, &contents))
}

/// Outputs of equal inputs, if all that they name is still there.
fn cached(conn: &mut Conn, loaded: &Loaded, task: &Task, row: &mut runs::TaskRow, key: &str) -> Result<Option<Value>> {
    let Some((run, text)) = store::kept_outputs(conn, &loaded.pipeline.id, key)? else { return Ok(None) };
    let mut outputs: Value = serde_json::from_str(&text).map_err(Error::internal)?;
    let is_there = match task.kind {
        TaskKind::Job => job::still_there(conn, &outputs)?,
        _ => validate::still_there(conn, &outputs)?,
    };
    if !is_there {
        store::forget_outputs(conn, &loaded.pipeline.id, key)?;
        return Ok(None);
    }
    // Equal content under another number: what is asked for now is what follows work on.
    if task.kind == TaskKind::Validate {
        let body = loaded.body(task, &row.value()?).map_err(Error::invalid)?;
        let (name, version) = validate::resolve(conn, &body)?;
        (outputs["dataset"], outputs["version"]) = (json!(name), json!(version));
    }
    row.cached_from = Some(run);
    row.subject = outputs["job"].as_str().map(|job| format!("job/{job}"));
    steps::ended(row, TaskState::Cached, Some("taken from the cache: equal inputs".into()), now_ms());
    Ok(Some(outputs))
}
