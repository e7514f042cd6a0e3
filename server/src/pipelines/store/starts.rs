//! Rows of what starts runs: schedules, triggers, and events that happened.

use std::collections::BTreeMap;

use diesel::prelude::*;
use drydock_wire::pipelines::{CatchUp, RunState, TriggerKind};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    db::{
        Conn,
        schema::pipelines::{
            pipeline_events as events, pipeline_schedules as schedules, pipeline_triggers as triggers,
        },
    },
    error::{Error, Result},
};

#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = schedules)]
pub struct ScheduleRow {
    pub id: String,
    pub pipeline_id: String,
    pub name: String,
    pub cron: String,
    pub zone: String,
    pub catch_up: String,
    pub parameters: String,
    pub paused: bool,
    pub person_id: String,
    pub done_until: i64,
    /// Not of the YAML.
    pub by_hand: bool,
}

#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = triggers, treat_none_as_null = true)]
pub struct TriggerRow {
    pub id: String,
    pub pipeline_id: String,
    pub kind: String,
    pub subject: String,
    pub state: Option<String>,
    pub parameters: String,
    pub sealed_token: Option<String>,
    pub person_id: String,
}

#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = events)]
pub struct EventRow {
    pub id: i64,
    pub kind: String,
    pub subject: String,
    pub trigger_id: Option<String>,
    pub detail: String,
}

/// The word of a wire enum, as the database keeps it.
pub fn word<T: Serialize>(value: T) -> Result<String> {
    match serde_json::to_value(value).map_err(Error::internal)? {
        serde_json::Value::String(word) => Ok(word),
        other => Err(Error::internal(anyhow::anyhow!("{other} is no word"))),
    }
}

/// The value of that word.
pub fn meaning<T: DeserializeOwned>(word: &str) -> Result<T> {
    serde_json::from_value(serde_json::Value::String(word.to_owned())).map_err(Error::internal)
}

impl ScheduleRow {
    pub fn catch_up(&self) -> Result<CatchUp> {
        meaning(&self.catch_up)
    }

    pub fn parameters(&self) -> Result<BTreeMap<String, Value>> {
        serde_json::from_str(&self.parameters).map_err(Error::internal)
    }
}

impl TriggerRow {
    pub fn kind(&self) -> Result<TriggerKind> {
        meaning(&self.kind)
    }

    pub fn state(&self) -> Option<RunState> {
        self.state.as_deref().and_then(RunState::parse)
    }
}

pub fn put_schedule(conn: &mut Conn, row: &ScheduleRow) -> Result<()> {
    diesel::insert_into(schedules::table)
        .values(row)
        .on_conflict(schedules::id)
        .do_update()
        .set(row)
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

pub fn delete_schedule(conn: &mut Conn, id: &str) -> Result<()> {
    diesel::delete(schedules::table.find(id)).execute(conn).map(drop).map_err(Error::internal)
}

/// Schedules of a pipeline, by name.
pub fn schedules_of(conn: &mut Conn, pipeline: &str) -> Result<Vec<ScheduleRow>> {
    let of_it = schedules::table.filter(schedules::pipeline_id.eq(pipeline)).order(schedules::name);
    of_it.select(ScheduleRow::as_select()).load(conn).map_err(Error::internal)
}

/// Every schedule.
pub fn all_schedules(conn: &mut Conn) -> Result<Vec<ScheduleRow>> {
    schedules::table.select(ScheduleRow::as_select()).load(conn).map_err(Error::internal)
}

pub fn insert_trigger(conn: &mut Conn, row: &TriggerRow) -> Result<()> {
    diesel::insert_into(triggers::table).values(row).execute(conn).map(drop).map_err(Error::internal)
}

pub fn save_trigger(conn: &mut Conn, row: &TriggerRow) -> Result<()> {
    diesel::update(triggers::table.find(&row.id)).set(row).execute(conn).map(drop).map_err(Error::internal)
}

pub fn delete_trigger(conn: &mut Conn, id: &str) -> Result<()> {
    diesel::delete(triggers::table.find(id)).execute(conn).map(drop).map_err(Error::internal)
}

pub fn trigger(conn: &mut Conn, id: &str) -> Result<Option<TriggerRow>> {
    triggers::table.find(id).select(TriggerRow::as_select()).first(conn).optional().map_err(Error::internal)
}

/// Triggers of a pipeline, as they were made.
pub fn triggers_of(conn: &mut Conn, pipeline: &str) -> Result<Vec<TriggerRow>> {
    let of_it = triggers::table.filter(triggers::pipeline_id.eq(pipeline)).order(triggers::id);
    of_it.select(TriggerRow::as_select()).load(conn).map_err(Error::internal)
}

/// Triggers that wait for this kind of event about this subject.
pub fn listening(conn: &mut Conn, kind: &str, subject: &str) -> Result<Vec<TriggerRow>> {
    let of_it = triggers::table.filter(triggers::kind.eq(kind)).filter(triggers::subject.eq(subject));
    of_it.order(triggers::id).select(TriggerRow::as_select()).load(conn).map_err(Error::internal)
}

/// Writes down that something happened; `trigger`: for that one alone.
pub fn insert_event(conn: &mut Conn, what: (&str, &str), trigger: Option<&str>, detail: &str, at: i64) -> Result<()> {
    let row = (events::kind.eq(what.0), events::subject.eq(what.1), events::trigger_id.eq(trigger));
    diesel::insert_into(events::table)
        .values((row, events::detail.eq(detail), events::at.eq(at)))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// The oldest events that nobody took, at most a hundred.
pub fn new_events(conn: &mut Conn) -> Result<Vec<EventRow>> {
    let new = events::table.filter(events::taken_at.is_null()).order(events::id).limit(100);
    new.select(EventRow::as_select()).load(conn).map_err(Error::internal)
}

/// Whether it was still to be taken.
pub fn take_event(conn: &mut Conn, id: i64, at: i64) -> Result<bool> {
    let new = events::table.find(id).filter(events::taken_at.is_null());
    let taken = diesel::update(new).set(events::taken_at.eq(at)).execute(conn).map_err(Error::internal)?;
    Ok(taken > 0)
}

/// Forgets events that were taken before that instant.
pub fn forget_events(conn: &mut Conn, before: i64) -> Result<()> {
    let old = events::table.filter(events::taken_at.lt(before));
    diesel::delete(old).execute(conn).map(drop).map_err(Error::internal)
}
