//! Queues: which job starts next, on which GPUs, and why the others wait.
//!
//! The decision is `rules::decide`, a pure function over rows. Here: the rows it is made from, its bookkeeping (whose turn it was, what
//! was used of the box), the queues as admins set them, and the last decision in memory for whoever looks. Never here: starting or
//! stopping anything; that is `jobs`.

mod board;
mod load;
mod queues;
mod routes;
mod rules;
mod share;
mod store;

use crate::{app::App, db::Conn, error::Result};

pub use board::{Board, Last};
pub use load::{BoxRoom, Held, JobRow, Known, Loaded, load};
pub use queues::{Place, delete, get, list, move_on, pause, put};
pub use routes::configure;
pub use rules::{Ask, Capacity, Decision, Gpu};
pub use share::box_hours;

/// Name of the background part that decides, and of its waker. It is a floor above.
pub const SCHEDULER: &str = "job-scheduler";

/// Makes the next decision now. Call it after the transaction that changed what it depends on.
pub fn wake(app: &App) {
    app.background.waker(SCHEDULER).wake();
}

/// Starts the background parts: none of its own, since what decides also starts jobs.
pub async fn start(_app: &App) -> Result<()> {
    Ok(())
}

/// Who starts, who is stopped for whom, why the others wait.
pub fn decide(loaded: &Loaded) -> Decision {
    rules::decide(&loaded.rows)
}

/// A person's jobs in a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineOf<'a> {
    pub queue_id: &'a str,
    pub person_id: &'a str,
}

/// Something of this line started in its turn.
pub fn took_turn(conn: &mut Conn, line: LineOf<'_>, now: i64) -> Result<()> {
    let Some(mut row) = store::line(conn, line.queue_id, line.person_id, now)? else { return Ok(()) };
    row.turn_at = Some(now);
    store::save_line(conn, &row)
}

/// This line used so many hours of the whole box.
pub fn charge(conn: &mut Conn, line: LineOf<'_>, hours: f64, now: i64) -> Result<()> {
    let Some(mut row) = store::line(conn, line.queue_id, line.person_id, now)? else { return Ok(()) };
    row.used_hours = share::faded(row.used_hours, now - row.used_at) + hours;
    row.used_at = now.max(row.used_at);
    store::save_line(conn, &row)
}

/// Keeps which job has the reservation, and by when it starts at the latest.
pub fn promise(conn: &mut Conn, head: Option<(&str, i64)>) -> Result<()> {
    store::set_head(conn, head)
}

#[cfg(test)]
mod tests;
