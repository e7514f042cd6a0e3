//! Rows of queues and of the lines in them (a line is a person's jobs in a queue).

use std::collections::HashMap;

use diesel::prelude::*;
use drydock_wire::queues::{Caps, QueueSettings};

use crate::{
    accounts::DEFAULT_PROJECT,
    db::{
        Conn,
        schema::{
            accounts::people,
            jobs::{jobs, queue_lines, queues},
        },
    },
    error::{Error, Result},
};

/// States of jobs that have not ended.
pub const UNFINISHED: [&str; 4] = ["queued", "starting", "running", "cancelling"];

#[derive(Queryable, Selectable)]
#[diesel(table_name = queues)]
struct QueueRow {
    id: String,
    name: String,
    weight: i32,
    caps: String,
    person_caps: String,
    patience_s: i64,
    longest_s: i64,
    highest_priority: i32,
    preempts: bool,
    paused: bool,
    created_at: i64,
    updated_at: i64,
}

/// A queue as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct QueueRecord {
    pub id: String,
    pub name: String,
    pub settings: QueueSettings,
    pub created_at: i64,
    pub updated_at: i64,
}

/// What a person used of a queue, and when something of theirs last started in its turn.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    pub queue_id: String,
    pub person_id: String,
    pub turn_at: Option<i64>,
    /// Hours of the whole box, faded until `used_at`.
    pub used_hours: f64,
    pub used_at: i64,
}

impl QueueRow {
    fn into_record(self) -> Result<QueueRecord> {
        let caps = |text: &str| serde_json::from_str::<Caps>(text).map_err(Error::internal);
        let seconds = |value: i64| u64::try_from(value).unwrap_or(0);
        Ok(QueueRecord {
            settings: QueueSettings {
                weight: u32::try_from(self.weight).unwrap_or(1),
                caps: caps(&self.caps)?,
                person_caps: caps(&self.person_caps)?,
                patience_s: seconds(self.patience_s),
                longest_s: seconds(self.longest_s),
                highest_priority: self.highest_priority,
                preempts: self.preempts,
                paused: self.paused,
            },
            id: self.id,
            name: self.name,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

/// All queues, by name.
pub fn all(conn: &mut Conn) -> Result<Vec<QueueRecord>> {
    let rows: Vec<QueueRow> =
        queues::table.order(queues::name).select(QueueRow::as_select()).load(conn).map_err(Error::internal)?;
    rows.into_iter().map(QueueRow::into_record).collect()
}

/// The queue of that name.
pub fn find(conn: &mut Conn, name: &str) -> Result<Option<QueueRecord>> {
    let row: Option<QueueRow> = queues::table
        .filter(queues::name.eq(name))
        .select(QueueRow::as_select())
        .first(conn)
        .optional()
        .map_err(Error::internal)?;
    row.map(QueueRow::into_record).transpose()
}

/// Makes the queue of that name, or changes it; its id is its name when it was made.
pub fn put(conn: &mut Conn, name: &str, settings: &QueueSettings, now: i64) -> Result<()> {
    let text = |caps: &Caps| serde_json::to_string(caps).map_err(Error::internal);
    let seconds = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let values = (
        queues::weight.eq(i32::try_from(settings.weight).unwrap_or(1000)),
        queues::caps.eq(text(&settings.caps)?),
        queues::person_caps.eq(text(&settings.person_caps)?),
        queues::patience_s.eq(seconds(settings.patience_s)),
        queues::longest_s.eq(seconds(settings.longest_s)),
        queues::highest_priority.eq(settings.highest_priority),
        queues::preempts.eq(settings.preempts),
        queues::paused.eq(settings.paused),
        queues::updated_at.eq(now),
    );
    diesel::insert_into(queues::table)
        .values((
            queues::id.eq(name),
            queues::project_id.eq(DEFAULT_PROJECT),
            queues::name.eq(name),
            queues::created_at.eq(now),
            values.clone(),
        ))
        .on_conflict(queues::name)
        .do_update()
        .set(values)
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// Deletes a queue; what jobs that ended in it refer to becomes the queue that every box has.
pub fn delete(conn: &mut Conn, id: &str, heir: &str) -> Result<()> {
    diesel::update(jobs::table.filter(jobs::queue_id.eq(id)))
        .set(jobs::queue_id.eq(heir))
        .execute(conn)
        .map_err(Error::internal)?;
    diesel::delete(queues::table.find(id)).execute(conn).map(drop).map_err(Error::internal)
}

/// How many jobs that have not ended are in the queue.
pub fn unfinished_in(conn: &mut Conn, id: &str) -> Result<i64> {
    jobs::table
        .filter(jobs::queue_id.eq(id).and(jobs::state.eq_any(UNFINISHED)))
        .count()
        .get_result(conn)
        .map_err(Error::internal)
}

/// Every line that was ever used.
pub fn lines(conn: &mut Conn) -> Result<Vec<Line>> {
    let rows: Vec<(String, String, Option<i64>, f64, i64)> = queue_lines::table
        .select((
            queue_lines::queue_id,
            queue_lines::person_id,
            queue_lines::turn_at,
            queue_lines::used_hours,
            queue_lines::used_at,
        ))
        .load(conn)
        .map_err(Error::internal)?;
    let line = |(queue_id, person_id, turn_at, used_hours, used_at)| Line {
        queue_id,
        person_id,
        turn_at,
        used_hours,
        used_at,
    };
    Ok(rows.into_iter().map(line).collect())
}

/// Writes a line.
pub fn save_line(conn: &mut Conn, line: &Line) -> Result<()> {
    let values = (
        queue_lines::turn_at.eq(line.turn_at),
        queue_lines::used_hours.eq(line.used_hours),
        queue_lines::used_at.eq(line.used_at),
    );
    diesel::insert_into(queue_lines::table)
        .values((queue_lines::queue_id.eq(&line.queue_id), queue_lines::person_id.eq(&line.person_id), values))
        .on_conflict((queue_lines::queue_id, queue_lines::person_id))
        .do_update()
        .set(values)
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// Names of people by id.
pub fn usernames(conn: &mut Conn) -> Result<HashMap<String, String>> {
    let rows: Vec<(String, String)> =
        people::table.select((people::id, people::username)).load(conn).map_err(Error::internal)?;
    Ok(rows.into_iter().collect())
}

/// Keeps who has the reservation: one job, or none.
pub fn set_head(conn: &mut Conn, head: Option<(&str, i64)>) -> Result<()> {
    diesel::update(jobs::table.filter(jobs::promised_by.is_not_null().and(jobs::state.eq_any(UNFINISHED))))
        .set(jobs::promised_by.eq(None::<i64>))
        .execute(conn)
        .map_err(Error::internal)?;
    let Some((id, by)) = head else { return Ok(()) };
    diesel::update(jobs::table.find(id)).set(jobs::promised_by.eq(by)).execute(conn).map(drop).map_err(Error::internal)
}

/// What can be changed of a job that waits.
#[derive(Debug, Clone, Queryable)]
pub struct Place {
    pub name: String,
    pub state: String,
    pub person_id: String,
    pub queue_id: Option<String>,
    pub priority: i32,
}

/// Where the job of that id is.
pub fn place_of(conn: &mut Conn, id: &str) -> Result<Option<Place>> {
    jobs::table
        .find(id)
        .select((jobs::name, jobs::state, jobs::person_id, jobs::queue_id, jobs::priority))
        .first(conn)
        .optional()
        .map_err(Error::internal)
}

/// Moves a job.
pub fn move_job(conn: &mut Conn, id: &str, queue_id: &str, priority: i32) -> Result<()> {
    diesel::update(jobs::table.find(id))
        .set((jobs::queue_id.eq(queue_id), jobs::priority.eq(priority)))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// Line of a person in a queue; a new one if there is none. Nothing when the queue is gone.
pub fn line(conn: &mut Conn, queue_id: &str, person_id: &str, now: i64) -> Result<Option<Line>> {
    let there: Option<String> =
        queues::table.find(queue_id).select(queues::id).first(conn).optional().map_err(Error::internal)?;
    if there.is_none() {
        return Ok(None);
    }
    let found: Option<(Option<i64>, f64, i64)> = queue_lines::table
        .find((queue_id, person_id))
        .select((queue_lines::turn_at, queue_lines::used_hours, queue_lines::used_at))
        .first(conn)
        .optional()
        .map_err(Error::internal)?;
    let (turn_at, used_hours, used_at) = found.unwrap_or((None, 0.0, now));
    Ok(Some(Line { queue_id: queue_id.to_owned(), person_id: person_id.to_owned(), turn_at, used_hours, used_at }))
}
