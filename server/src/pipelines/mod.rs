//! Pipelines: versioned graphs of tasks, run by hand, on a schedule or on an event.
//!
//! Always holds: a run keeps the version it was made of; its state machine lies in rows, and each step is one transaction of the row and the
//! effect (`tasks`), so that a kill anywhere repeats nothing and loses nothing; what to do next is decided by pure rules (`rules`); a task acts
//! with the rights that the run's person has at that moment. Never here: containers (a `job` is a job like any other), a model's files,
//! or a second way to do what a feature does.

mod applying;
mod changing;
mod hooks;
mod kinds;
mod routes;
mod rules;
mod running;
mod schedules;
mod schema;
mod starting;
mod store;
mod tasks;
#[cfg(test)]
mod tests;
mod views;

use drydock_wire::{
    Page,
    events::Topic,
    pipelines::{
        AnswerApproval, ClearTask, PipelineDetail, PipelineGrid, PipelineRun, PipelineRunDetail, PipelineSummary,
        Rerun, RunCause, RunState, StartRun, Trigger, TriggerKind, UpdatePipeline,
    },
};
use serde_json::{Value, json};

pub use applying::{apply, check};
pub use routes::configure;
pub use schedules::{
    add as add_schedule, preview as preview_schedule, remove as remove_schedule, update as update_schedule,
};

use crate::{
    accounts::{
        self, Authorized, Principal, Scope, action,
        limits::{self, Asked},
        projects::{self, Kind},
        secrets,
    },
    app::App,
    clock, datasets,
    db::Conn,
    error::{Error, Result},
    jobs, objects,
};
use starting::NewRun;
use store::starts::{self, word};
use tasks::{Runner, steps::Touched};

/// Name of the background part, and of its waker.
pub const RUNNER: &str = "pipeline-runner";

/// Starts the runner.
pub async fn start(app: &App) -> Result<()> {
    datasets::tell_of_new(new_dataset_version);
    let runner = Runner::new(app.clone());
    runner.listen();
    app.background.spawn(runner);
    Ok(())
}

/// Has the runner look at what was told now; after the transaction that told it.
pub fn wake(app: &App) {
    app.background.waker(RUNNER).wake();
}

/// Tells pipelines that something happened, in the transaction of what happened: alerts and findings of drift call this, too. `detail` is an
/// object whose fields are `${event.…}`.
pub fn tell(conn: &mut Conn, kind: TriggerKind, subject: &str, detail: Value) -> Result<()> {
    let kind = word(kind)?;
    if starts::listening(conn, &kind, subject)?.is_empty() {
        return Ok(());
    }
    starts::insert_event(conn, (&kind, subject), None, &detail.to_string(), clock::now_ms())
}

/// What a finding started.
#[derive(Debug, Default)]
pub struct Started {
    pub pipelines: Vec<String>,
    /// Why the pipeline that was named did not start, if so.
    pub problem: Option<String>,
}

/// Tells of a deployment whose traffic drifted: pipelines with such a trigger start, and the one that the deployment names, in the name of `by`.
pub fn drifted(conn: &mut Conn, deployment: &str, detail: &Value, named: Option<&str>, by: &str) -> Result<Started> {
    let mut started = Started::default();
    for trigger in starts::listening(conn, &word(TriggerKind::Drift)?, deployment)? {
        let pipeline = store::by_id(conn, &trigger.pipeline_id)?;
        if !pipeline.paused && !started.pipelines.contains(&pipeline.name) {
            started.pipelines.push(pipeline.name);
        }
    }
    tell(conn, TriggerKind::Drift, deployment, detail.clone())?;
    let Some(named) = named.filter(|named| !started.pipelines.iter().any(|name| name == named)) else {
        return Ok(started);
    };
    match start_named(conn, deployment, detail, named, by) {
        Ok(()) => started.pipelines.push(named.to_owned()),
        Err(error) if error.code.http_status() < 500 => {
            started.problem = Some(format!("The pipeline {named} did not start: {}", error.message));
        }
        Err(error) => return Err(error),
    }
    Ok(started)
}

fn start_named(conn: &mut Conn, deployment: &str, detail: &Value, named: &str, by: &str) -> Result<()> {
    let pipeline = store::require(conn, named)?;
    if pipeline.paused {
        return Err(Error::conflict("It is paused."));
    }
    let person_id = accounts::person_id(conn, by)?;
    let who = limits::principal(conn, &person_id, Asked::Deployment, deployment)?
        .ok_or_else(|| Error::forbidden(format!("{by}, in whose name it would go, is disabled.")))?;
    projects::may(conn, &who, action::Launch, Kind::Pipeline, named)?;
    let new = NewRun {
        version: None,
        given: Default::default(),
        cause: RunCause::Trigger { kind: TriggerKind::Drift, subject: deployment.to_owned(), detail: detail.clone() },
        dedupe: Some(format!("drift/{deployment}/{}", detail["until_at"])),
        person_id: &person_id,
    };
    match starting::start_on(conn, &pipeline, new)? {
        Some(run) => limits::hand_on(conn, (Asked::Deployment, deployment), (Asked::PipelineRun, &run.id)),
        None => Ok(()),
    }
}

fn new_dataset_version(conn: &mut Conn, name: &str, version: i64) -> Result<()> {
    tell(conn, TriggerKind::DatasetVersion, name, json!({ "dataset": name, "version": version }))
}

/// One page of pipelines by name; `search` is part of it, `window` offset and length.
pub async fn list(
    app: &App,
    auth: &Authorized<action::View>,
    search: String,
    window: (i64, i64),
) -> Result<Page<PipelineSummary>> {
    let scope = auth.scope();
    app.db.read(move |conn| views::summaries(conn, &scope, &search, window)).await
}

/// One pipeline, as of a version.
pub async fn get(
    app: &App,
    _auth: &Authorized<action::View>,
    name: String,
    version: Option<i64>,
) -> Result<PipelineDetail> {
    app.db.read(move |conn| views::detail(conn, &name, version)).await
}

/// Pauses or resumes it. What fell into the pause is not made up for.
pub async fn update(
    app: &App,
    auth: &Authorized<action::Launch>,
    name: String,
    wish: UpdatePipeline,
) -> Result<PipelineDetail> {
    let who = auth.principal().clone();
    let topic = name.clone();
    let change = move |conn: &mut Conn| {
        let mut row = store::require(conn, &name)?;
        if let Some(paused) = wish.paused.filter(|paused| *paused != row.paused) {
            row.paused = paused;
            store::update(conn, &row)?;
            if !paused {
                for schedule in starts::schedules_of(conn, &row.id)? {
                    starts::put_schedule(conn, &starts::ScheduleRow { done_until: clock::now_ms(), ..schedule })?;
                }
            }
            let verb = if paused { "pipeline.pause" } else { "pipeline.resume" };
            accounts::audit(conn, &who, verb, &format!("pipeline/{name}"), json!({}))?;
        }
        views::detail(conn, &name, None)
    };
    let detail = app.db.write(change).await?;
    app.events.publish(Topic::Pipelines, Some(&topic));
    Ok(detail)
}

/// Removes it with its versions and runs; jobs, models and deployments that came of it stay.
///
/// # Errors
/// `conflict` while a run goes.
pub async fn delete(app: &App, auth: &Authorized<action::Launch>, name: String) -> Result<()> {
    let who = auth.principal().clone();
    let topic = name.clone();
    let remove = move |conn: &mut Conn| {
        let row = store::require(conn, &name)?;
        let (open, _) =
            store::runs::page(conn, &Scope::All, Some(&row.id), &[RunState::Waiting, RunState::Running], (0, 1))?;
        if let Some((run, _)) = open.first() {
            return Err(Error::conflict(format!("Run {} of {name} has not ended; cancel it first.", run.number)));
        }
        objects::store::delete_prefix(conn, jobs::CODE_BUCKET, &applying::code_prefix(&row.id))?;
        store::delete(conn, &row.id)?;
        let detail = json!({ "versions": row.last_version, "runs": row.last_run });
        accounts::audit(conn, &who, "pipeline.delete", &format!("pipeline/{name}"), detail)
    };
    app.db.write(remove).await?;
    app.events.publish(Topic::Pipelines, Some(&topic));
    Ok(())
}

/// A new token for a webhook; the one before is good no more.
pub async fn renew_token(app: &App, auth: &Authorized<action::Launch>, name: String, id: String) -> Result<Trigger> {
    let (who, token) = (auth.principal().clone(), secrets::new_secret("ddh_")?);
    let sealed = app.box_key.seal(&token)?;
    let renew = move |conn: &mut Conn| {
        let pipeline = store::require(conn, &name)?;
        let row =
            starts::trigger(conn, &id)?.filter(|row| row.pipeline_id == pipeline.id && row.sealed_token.is_some());
        let row = row.ok_or_else(|| Error::not_found(format!("{name} has no webhook {id}.")))?;
        starts::save_trigger(conn, &starts::TriggerRow { sealed_token: Some(sealed), ..row })?;
        accounts::audit(conn, &who, "pipeline.token", &format!("pipeline/{name}"), json!({ "trigger": id }))?;
        let found = views::detail(conn, &name, None)?.triggers.into_iter().find(|trigger| trigger.id == id);
        found.ok_or_else(|| Error::not_found(format!("{name} has no webhook {id}.")))
    };
    let trigger = app.db.write(renew).await?;
    Ok(Trigger { token: Some(token), ..trigger })
}

/// Makes a run.
///
/// # Errors
/// `invalid` for parameters that it has not, or that are missing.
pub async fn start_run(
    app: &App,
    auth: &Authorized<action::Launch>,
    name: String,
    wish: StartRun,
) -> Result<PipelineRunDetail> {
    let who = auth.principal().clone();
    let make = move |conn: &mut Conn| {
        let pipeline = store::require(conn, &name)?;
        let new = NewRun {
            version: wish.version,
            given: wish.parameters,
            cause: RunCause::Person,
            dedupe: None,
            person_id: &who.person_id,
        };
        let made = starting::start_on(conn, &pipeline, new)?;
        let made = made.ok_or_else(|| Error::internal(anyhow::anyhow!("a run without a cause was there already")))?;
        limits::keep(conn, &who, Asked::PipelineRun, &made.id)?;
        let detail = json!({ "run": made.id, "number": made.number, "version": made.version });
        accounts::audit(conn, &who, "pipeline_run.start", &format!("pipeline/{name}"), detail)?;
        views::run(conn, &who, &made.id)
    };
    let detail = app.db.write(make).await?;
    moved(app, &detail.run.id, vec![]);
    Ok(detail)
}

/// A page of runs, newest first: of a pipeline, or of all.
pub async fn runs(
    app: &App,
    auth: &Authorized<action::View>,
    pipeline: Option<String>,
    states: Vec<RunState>,
    window: (i64, i64),
) -> Result<Page<PipelineRun>> {
    let scope = auth.scope();
    // of one that was named, and so looked at already, whatever the lists show
    let scope = if pipeline.is_some() { Scope::All } else { scope };
    let read = move |conn: &mut Conn| views::runs_page(conn, &scope, pipeline.as_deref(), &states, window);
    let (items, total) = app.db.read(read).await?;
    let end = window.0 + i64::try_from(items.len()).unwrap_or(0);
    Ok(Page { items, total: u64::try_from(total).unwrap_or(0), next: (end < total).then(|| end.to_string()) })
}

/// A run with every try of its tasks.
pub async fn run(app: &App, auth: &Authorized<action::View>, id: String) -> Result<PipelineRunDetail> {
    let who = auth.principal().clone();
    app.db.read(move |conn| views::run(conn, &who, &id)).await
}

/// Runs × tasks.
pub async fn grid(app: &App, _auth: &Authorized<action::View>, name: String, limit: i64) -> Result<PipelineGrid> {
    app.db.read(move |conn| views::grid(conn, &name, limit)).await
}

/// Makes a change to a run and tells everybody.
async fn change<F>(app: &App, who: &Principal, id: String, f: F) -> Result<PipelineRunDetail>
where
    F: FnOnce(&mut Conn, &Principal, &str) -> Result<Touched> + Send + 'static,
{
    let (who, run) = (who.clone(), id.clone());
    let work = move |conn: &mut Conn| {
        let touched = f(conn, &who, &run)?;
        Ok((views::run(conn, &who, &run)?, touched))
    };
    let (detail, touched) = app.db.write(work).await?;
    moved(app, &id, touched);
    Ok(detail)
}

fn moved(app: &App, run: &str, touched: Touched) {
    for (kind, subject) in touched {
        kinds::announce(app, kind, subject.as_deref());
    }
    wake(app);
    app.events.publish(Topic::Pipelines, Some(run));
}

pub async fn cancel(app: &App, auth: &Authorized<action::Launch>, id: String) -> Result<PipelineRunDetail> {
    change(app, auth.principal(), id, changing::cancel).await
}

pub async fn clear(
    app: &App,
    auth: &Authorized<action::Launch>,
    id: String,
    wish: ClearTask,
) -> Result<PipelineRunDetail> {
    change(app, auth.principal(), id, move |conn, who, run| changing::clear(conn, who, run, &wish)).await
}

/// What failed again, or all of it as a new run.
pub async fn rerun(app: &App, auth: &Authorized<action::Launch>, id: String, wish: Rerun) -> Result<PipelineRunDetail> {
    if !wish.all {
        return change(app, auth.principal(), id, changing::rerun_failed).await;
    }
    let who = auth.principal().clone();
    let make = move |conn: &mut Conn| {
        let made = changing::rerun_all(conn, &who, &id)?;
        views::run(conn, &who, &made.id)
    };
    let detail = app.db.write(make).await?;
    moved(app, &detail.run.id, vec![]);
    Ok(detail)
}

/// A person's yes or no.
pub async fn answer(
    app: &App,
    auth: &Authorized<action::Deploy>,
    id: String,
    wish: AnswerApproval,
) -> Result<PipelineRunDetail> {
    let give =
        move |conn: &mut Conn, who: &Principal, run: &str| changing::answer(conn, who, run, &wish).map(|()| vec![]);
    change(app, auth.principal(), id, give).await
}

/// An alert or a finding of drift from outside; the pipelines that it starts: of those that wait for it, the ones that the
/// asker might start by hand.
///
/// # Errors
/// `invalid` for another kind.
pub async fn event(
    app: &App,
    auth: &Authorized<action::Launch>,
    kind: TriggerKind,
    subject: String,
    detail: Value,
) -> Result<Vec<String>> {
    if !matches!(kind, TriggerKind::Alert | TriggerKind::Drift) {
        return Err(Error::invalid("kind: use alert or drift; the others happen by themselves."));
    }
    let who = auth.principal().clone();
    let told = move |conn: &mut Conn| {
        let (mut names, of_kind, text, now) = (vec![], word(kind)?, detail.to_string(), clock::now_ms());
        for trigger in starts::listening(conn, &of_kind, &subject)? {
            let pipeline = store::by_id(conn, &trigger.pipeline_id)?;
            match projects::may(conn, &who, action::Launch, Kind::Pipeline, &pipeline.name) {
                Err(error) if error.code.http_status() < 500 => continue,
                other => other?,
            }
            starts::insert_event(conn, (&of_kind, &subject), Some(&trigger.id), &text, now)?;
            if !pipeline.paused && !names.contains(&pipeline.name) {
                names.push(pipeline.name);
            }
        }
        let detail = json!({ "kind": kind, "pipelines": names });
        accounts::audit(conn, &who, "pipeline.event", &format!("event/{subject}"), detail)?;
        Ok(names)
    };
    let names = app.db.write(told).await?;
    wake(app);
    Ok(names)
}
