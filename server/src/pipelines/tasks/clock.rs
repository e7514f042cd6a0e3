//! Schedules: for each instant that is due a run, in one transaction with the schedule's own row.

use drydock_wire::pipelines::RunCause;

use super::{
    super::{
        rules::clock::{Clock, Due, MOST_CAUGHT_UP},
        starting::{self, NewRun},
        store::{
            self,
            starts::{self, ScheduleRow},
        },
    },
    Runner,
};
use crate::{
    accounts::limits::{self, Asked},
    clock::now_ms,
    db::Conn,
    error::Result,
};

impl Runner {
    pub(super) async fn look_at_clock(&self) -> Result<()> {
        for schedule in self.app.db.read(due).await? {
            let made = self.write(move |conn| make_runs(conn, &schedule)).await?;
            made.iter().for_each(|run| self.publish(run));
        }
        Ok(())
    }
}

fn of(row: &ScheduleRow, now: i64) -> Result<Due> {
    match Clock::new(&row.cron, &row.zone) {
        Ok(clock) => Ok(clock.due(row.done_until, now, row.catch_up()?)),
        // It was checked when it was written; a zone that the next release lacks must stop this schedule alone.
        Err(words) => {
            tracing::warn!(schedule.id = row.id, "schedule {}: {words}", row.name);
            Ok(Due { instants: vec![], dropped: false, done_until: row.done_until })
        }
    }
}

/// Schedules that have something to do now.
fn due(conn: &mut Conn) -> Result<Vec<ScheduleRow>> {
    let now = now_ms();
    let mut found = vec![];
    for row in starts::all_schedules(conn)?.into_iter().filter(|row| !row.paused) {
        let due = of(&row, now)?;
        // A clock that was far ahead once is told apart from one that has nothing to do.
        let is_reset = due.done_until < row.done_until;
        if (!due.instants.is_empty() || is_reset) && !store::by_id(conn, &row.pipeline_id)?.paused {
            found.push(row);
        }
    }
    Ok(found)
}

/// Ids of the runs that were made.
fn make_runs(conn: &mut Conn, seen: &ScheduleRow) -> Result<Vec<String>> {
    let pipeline = store::by_id(conn, &seen.pipeline_id)?;
    let now = starts::schedules_of(conn, &pipeline.id)?.into_iter().find(|row| row.id == seen.id);
    let Some(mut row) = now.filter(|row| !row.paused && row.done_until == seen.done_until && !pipeline.paused) else {
        return Ok(vec![]);
    };
    let due = of(&row, now_ms())?;
    let mut made = vec![];
    for due_at in &due.instants {
        let given = row.parameters()?;
        let cause = RunCause::Schedule { schedule: row.name.clone(), zone: row.zone.clone(), due_at: *due_at };
        let dedupe = Some(format!("{}/{due_at}", row.id));
        let new = NewRun { version: None, given, cause, dedupe, person_id: &row.person_id };
        match starting::start_on(conn, &pipeline, new) {
            Ok(Some(run)) => {
                limits::hand_on(conn, (Asked::Schedule, &row.id), (Asked::PipelineRun, &run.id))?;
                made.push(run.id);
            }
            Ok(None) => {}
            // A parameter that the newest version lacks: told in the log, and the schedule goes on.
            Err(error) if error.code.http_status() < 500 => {
                tracing::warn!(
                    pipeline.name = pipeline.name,
                    "schedule {} of {} starts nothing: {error}",
                    row.name,
                    pipeline.name
                );
            }
            Err(error) => return Err(error),
        }
    }
    if due.dropped {
        tracing::warn!(
            pipeline.name = pipeline.name,
            "schedule {} of {} missed more than {MOST_CAUGHT_UP} instants; the newest of them are made up for",
            row.name,
            pipeline.name
        );
    }
    row.done_until = due.done_until;
    starts::put_schedule(conn, &row)?;
    Ok(made)
}
