//! Background parts of jobs, one file each: `keeper` moves admitted jobs along, `scheduler` lets the next ones in, `start` and `end`
//! are the two transactions at either side of an attempt.

mod end;
mod keeper;
mod scheduler;
mod start;

use drydock_wire::events::Topic;

use super::{
    KEEPER, container, files, rules,
    store::{self, AttemptRecord, Job},
};
use crate::{
    app::App,
    db::Conn,
    error::Result,
    workloads::{self, Observed},
};

pub use keeper::JobKeeper;
#[cfg(test)]
pub(super) use {end::finish, start::start};

/// A job that has not ended, with all that is known of it.
struct Live {
    job: Job,
    attempt: Option<AttemptRecord>,
    observed: Option<Observed>,
}

fn load(conn: &mut Conn) -> Result<Vec<Live>> {
    let jobs = store::unfinished(conn)?;
    jobs.into_iter()
        .map(|(job, attempt)| {
            let observed = workloads::observed(conn, &job.id)?;
            let of_attempt = |it: &Observed| attempt.as_ref().is_some_and(|attempt| attempt.number == it.generation);
            Ok(Live { observed: observed.filter(of_attempt), job, attempt })
        })
        .collect()
}

/// Tells dashboards that look that the job changed.
fn publish(app: &App, id: &str) {
    app.events.publish(Topic::Jobs, Some(id));
    app.events.publish(Topic::Overview, None);
}
