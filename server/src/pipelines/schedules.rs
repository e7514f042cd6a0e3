//! One schedule at a time: added beside the YAML, edited, paused, removed.
//!
//! Always holds: what becomes of missed times is said; nothing is made up for that fell into a pause, into a time before the schedule was there
//! or before its times were changed; its runs go in the name of whoever touched it last, so that nobody's edit runs with somebody
//! else's rights.

use std::collections::BTreeMap;

use drydock_wire::{
    events::Topic,
    pipelines::{CreateSchedule, PipelineDetail, PreviewSchedule, SchedulePreview, UpdateSchedule},
};
use serde_json::{Value, json};

use super::{
    rules::{clock::Clock, preview::preview_at},
    starting,
    store::{
        self, PipelineRow,
        starts::{self, ScheduleRow, word},
    },
    views, wake,
};
use crate::{
    accounts::{
        self, Authorized, Principal, action,
        limits::{self, Asked},
    },
    app::App,
    clock,
    db::Conn,
    error::{Error, Result},
};

type Launch = Authorized<action::Launch>;

const LONGEST_NAME: usize = 100;
const MOST_SCHEDULES: usize = 100;

/// Adds one.
///
/// # Errors
/// `invalid` for a cron, a zone or parameters that cannot be, `already_exists` for a name that another one has.
pub async fn add(app: &App, auth: &Launch, name: String, wish: CreateSchedule) -> Result<PipelineDetail> {
    change(app, auth, name, move |conn, who, pipeline| add_on(conn, who, pipeline, wish)).await
}

/// Changes one. Other times begin now, and so does one that is resumed.
///
/// # Errors
/// As `add`; `not_found` when it is not there.
pub async fn update(
    app: &App,
    auth: &Launch,
    name: String,
    id: String,
    wish: UpdateSchedule,
) -> Result<PipelineDetail> {
    change(app, auth, name, move |conn, who, pipeline| update_on(conn, who, pipeline, &id, wish)).await
}

/// When one would run, or what is wrong with it; nothing is kept.
pub fn preview(wish: &PreviewSchedule) -> SchedulePreview {
    preview_at(wish, clock::now_ms())
}

/// Removes one; the runs that it started stay.
///
/// # Errors
/// `not_found`.
pub async fn remove(app: &App, auth: &Launch, name: String, id: String) -> Result<()> {
    let removed = move |conn: &mut Conn, who: &Principal, pipeline: &PipelineRow| {
        let row = require(conn, pipeline, &id)?;
        starts::delete_schedule(conn, &row.id)?;
        audit(conn, who, "pipeline.schedule.delete", pipeline, json!({ "schedule": row.name, "before": told(&row) }))
    };
    change(app, auth, name, removed).await.map(drop)
}

/// In one transaction the change, its row of the audit trail, and the pipeline as it is then.
async fn change<F>(app: &App, auth: &Launch, name: String, how: F) -> Result<PipelineDetail>
where
    F: FnOnce(&mut Conn, &Principal, &PipelineRow) -> Result<()> + Send + 'static,
{
    let (who, wanted) = (auth.principal().clone(), name.clone());
    let work = move |conn: &mut Conn| {
        let pipeline = store::require(conn, &wanted)?;
        how(conn, &who, &pipeline)?;
        views::detail(conn, &wanted, None)
    };
    let detail = app.db.write(work).await?;
    wake(app);
    app.events.publish(Topic::Pipelines, Some(&name));
    Ok(detail)
}

fn add_on(conn: &mut Conn, who: &Principal, pipeline: &PipelineRow, wish: CreateSchedule) -> Result<()> {
    let name = wish.name.trim().to_owned();
    if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err(Error::invalid(format!("name: use 1 to {LONGEST_NAME} characters on one line, such as nightly.")));
    }
    let known = starts::schedules_of(conn, &pipeline.id)?;
    if known.iter().any(|row| row.name == name) {
        return Err(Error::exists(format!("{} already has a schedule called {name}; edit that one.", pipeline.name)));
    }
    if known.len() >= MOST_SCHEDULES {
        return Err(Error::refused(format!("{} has {MOST_SCHEDULES} schedules; remove one first.", pipeline.name)));
    }
    let row = ScheduleRow {
        id: uuid::Uuid::now_v7().simple().to_string(),
        pipeline_id: pipeline.id.clone(),
        name,
        cron: wish.cron.trim().to_owned(),
        zone: wish.zone.trim().to_owned(),
        catch_up: word(wish.catch_up)?,
        parameters: written(conn, pipeline, &wish.parameters)?,
        paused: wish.paused,
        person_id: who.person_id.clone(),
        done_until: clock::now_ms(),
        by_hand: true,
    };
    Clock::checked(&row.cron, &row.zone).map_err(Error::invalid)?;
    starts::put_schedule(conn, &row)?;
    limits::keep(conn, who, Asked::Schedule, &row.id)?;
    audit(conn, who, "pipeline.schedule.create", pipeline, json!({ "schedule": row.name, "after": told(&row) }))
}

fn update_on(conn: &mut Conn, who: &Principal, pipeline: &PipelineRow, id: &str, wish: UpdateSchedule) -> Result<()> {
    let before = require(conn, pipeline, id)?;
    let mut row = before.clone();
    row.cron = wish.cron.map_or(row.cron, |cron| cron.trim().to_owned());
    row.zone = wish.zone.map_or(row.zone, |zone| zone.trim().to_owned());
    row.paused = wish.paused.unwrap_or(row.paused);
    if let Some(catch_up) = wish.catch_up {
        row.catch_up = word(catch_up)?;
    }
    if let Some(parameters) = &wish.parameters {
        row.parameters = written(conn, pipeline, parameters)?;
    }
    let other_times = (&row.cron, &row.zone) != (&before.cron, &before.zone);
    if other_times {
        Clock::checked(&row.cron, &row.zone).map_err(Error::invalid)?;
    }
    if other_times || (before.paused && !row.paused) {
        row.done_until = clock::now_ms();
    }
    row.person_id.clone_from(&who.person_id);
    starts::put_schedule(conn, &row)?;
    limits::keep(conn, who, Asked::Schedule, &row.id)?;
    let detail = json!({ "schedule": row.name, "before": told(&before), "after": told(&row) });
    audit(conn, who, "pipeline.schedule", pipeline, detail)
}

fn require(conn: &mut Conn, pipeline: &PipelineRow, id: &str) -> Result<ScheduleRow> {
    let found = starts::schedules_of(conn, &pipeline.id)?.into_iter().find(|row| row.id == id);
    found.ok_or_else(|| Error::not_found(format!("{} has no schedule {id}.", pipeline.name)))
}

/// As they are kept, once the newest version could be started with them.
fn written(conn: &mut Conn, pipeline: &PipelineRow, given: &BTreeMap<String, Value>) -> Result<String> {
    let spec = store::version(conn, pipeline, pipeline.last_version)?.spec()?;
    starting::parameters(&spec, given.clone()).map_err(Error::invalid)?;
    serde_json::to_string(given).map_err(Error::internal)
}

fn told(row: &ScheduleRow) -> Value {
    json!([row.cron, row.zone, row.catch_up, row.paused, row.parameters])
}

fn audit(conn: &mut Conn, who: &Principal, verb: &str, pipeline: &PipelineRow, detail: Value) -> Result<()> {
    accounts::audit(conn, who, verb, &format!("pipeline/{}", pipeline.name), detail)
}
