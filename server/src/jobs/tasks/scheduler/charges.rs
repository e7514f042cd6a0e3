//! What jobs used of the box, written down for their lines: while they run once a minute, and at their end before the next decision, so
//! that who had the box just now does not get it again for being the older one.

use std::collections::HashMap;

use super::{Shared, lock, store};
use crate::{
    clock,
    db::Conn,
    error::Result,
    scheduling::{self, Board, Capacity, JobRow, Last, LineOf},
};

/// Use of the box is written down this often while a job runs.
const CHARGE_MS: i64 = 60_000;

/// What a running job has been charged for.
pub(super) struct Charged {
    job: JobRow,
    until: i64,
}

/// Hours of the whole box, by queue and person.
type Due = HashMap<(String, String), f64>;

fn add(due: &mut Due, one: &Charged, capacity: &Capacity, now: i64) {
    let hours = scheduling::box_hours(&one.job.ask(), capacity, now - one.until);
    *due.entry((one.job.queue_id.clone(), one.job.person_id.clone())).or_default() += hours;
}

/// Of jobs that ended since the last pass.
pub(super) async fn ended(shared: &Shared) -> Result<()> {
    let ids: Vec<String> = lock(&shared.charged).keys().cloned().collect();
    let Some(last) = shared.app.memory.of::<Board>().last().filter(|_| !ids.is_empty()) else { return Ok(()) };
    let open = shared.app.db.read(move |conn| store::open_among(conn, &ids)).await?;
    let (mut due, now) = (Due::new(), clock::now_ms());
    lock(&shared.charged).retain(|id, one| {
        let runs = open.contains(id);
        if !runs {
            add(&mut due, one, &last.loaded.rows.capacity, now);
        }
        runs
    });
    write(shared, due, now).await
}

/// Of jobs that run.
pub(super) async fn running(shared: &Shared, last: &Last) -> Result<()> {
    let (rows, now) = (&last.loaded.rows, last.loaded.rows.now);
    let mut due = Due::new();
    {
        let mut charged = lock(&shared.charged);
        for job in &last.loaded.running {
            let one = charged.entry(job.id.clone()).or_insert_with(|| {
                let since = job.admitted_at.unwrap_or(now).max(shared.app.started_at);
                Charged { job: job.clone(), until: since.min(now) }
            });
            if now - one.until >= CHARGE_MS {
                add(&mut due, one, &rows.capacity, now);
                one.until = now;
            }
        }
    }
    write(shared, due, now).await
}

async fn write(shared: &Shared, mut due: Due, now: i64) -> Result<()> {
    due.retain(|_, hours| *hours > 0.0);
    if due.is_empty() {
        return Ok(());
    }
    let write = move |conn: &mut Conn| {
        due.iter().try_for_each(|((queue_id, person_id), hours)| {
            scheduling::charge(conn, LineOf { queue_id, person_id }, *hours, now)
        })
    };
    shared.app.db.write(write).await
}
