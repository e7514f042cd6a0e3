//! A place that a job was given: held while its files are laid out, filled by its attempt.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use drydock_wire::{ErrorCode, jobs::JobState};

use super::{Shared, files, lock, publish, start, store};
use crate::{
    clock,
    db::Conn,
    error::{Error, Result},
    scheduling::{self, Held, JobRow, LineOf},
    workloads,
};

/// Files that are not there by then give the place back.
const LONGEST: Duration = Duration::from_secs(600);
/// Before a job whose files could not be laid out is looked at again.
const PAUSE_MS: i64 = 30_000;

/// Queue and person of a job that starts in its turn.
type Line = Option<(String, String)>;

pub(super) struct Place {
    pub held: Held,
    /// Somebody lays out its files now.
    pub busy: bool,
    since: Instant,
    queue_id: String,
    person_id: String,
    in_turn: bool,
}

/// What became of a try to fill a place.
enum Filled {
    /// It runs, or has gone: the place is not held any more.
    Done,
    /// Its files are still coming.
    Waits(String),
    /// Not now, for this reason.
    Later(String),
}

impl Place {
    pub fn new(job: &JobRow, held: Held, in_turn: bool) -> Self {
        let (queue_id, person_id) = (job.queue_id.clone(), job.person_id.clone());
        Self { held, busy: false, since: Instant::now(), queue_id, person_id, in_turn }
    }
}

/// Gives places back whose files do not come.
pub(super) async fn give_up_old(shared: &Shared) -> Result<()> {
    let old: Vec<String> = {
        let mut held = lock(&shared.held);
        let old = held.iter().filter(|(_, place)| !place.busy && place.since.elapsed() > LONGEST);
        let old: Vec<String> = old.map(|(id, _)| id.clone()).collect();
        old.iter().for_each(|id| drop(held.remove(id)));
        old
    };
    for id in old {
        later(shared, &id, "its data was not laid out within ten minutes").await?;
    }
    Ok(())
}

/// Lays out the job's files and starts its attempt.
pub(super) async fn fill(shared: Arc<Shared>, id: String) {
    let Ok(_turn) = shared.layouts.acquire().await else { return };
    let filled = match try_to_fill(&shared, &id).await {
        Ok(filled) => filled,
        Err(error) => {
            tracing::warn!(job.id = id, "job {id} cannot be started: {error}");
            Filled::Later(error.message)
        }
    };
    let told = match filled {
        Filled::Waits(words) => {
            if let Some(place) = lock(&shared.held).get_mut(&id) {
                place.busy = false;
            }
            say(&shared, &id, &words, None).await
        }
        Filled::Done => {
            lock(&shared.held).remove(&id);
            scheduling::wake(&shared.app);
            Ok(())
        }
        Filled::Later(words) => {
            lock(&shared.held).remove(&id);
            let told = later(&shared, &id, &words).await;
            scheduling::wake(&shared.app);
            told
        }
    };
    if let Err(error) = told {
        tracing::warn!(job.id = id, "job {id}: {error}");
    }
}

async fn try_to_fill(shared: &Shared, id: &str) -> Result<Filled> {
    let app = &shared.app;
    let wanted = id.to_owned();
    let look = move |conn: &mut Conn| Ok((store::require(conn, &wanted)?, store::next_number(conn, &wanted)?));
    let (job, number) = app.db.read(look).await?;
    if job.state != JobState::Queued {
        return Ok(Filled::Done);
    }
    let laid = match files::lay_out(app, &job, number).await {
        Ok(Ok(laid)) => laid,
        Ok(Err(waits_for)) => return Ok(Filled::Waits(waits_for)),
        // A dataset that was deleted while the job waited: it can never run.
        Err(error) if error.code == ErrorCode::NotFound => return give_up(shared, id, error.message).await,
        // Its data lies in a cluster that is away, a damaged file, a full disk: no reason for others to wait.
        Err(error) => return Ok(Filled::Later(error.message)),
    };
    let Some((gpu_uuids, line)) = place_of(shared, id) else { return Ok(Filled::Done) };
    let box_key = app.box_key.clone();
    let started = move |conn: &mut Conn| {
        let started = start(conn, &box_key, job, number, gpu_uuids, &laid)?;
        if let Some((queue_id, person_id)) = line.as_ref().filter(|_| started) {
            scheduling::took_turn(conn, LineOf { queue_id, person_id }, clock::now_ms())?;
        }
        Ok(started)
    };
    match app.db.write(started).await {
        Ok(true) => {
            workloads::wake(app);
            publish(app, id);
        }
        Ok(false) => {}
        // The picture that the decision was made from is out of date: the next one has a newer.
        Err(Error { code: ErrorCode::Conflict, message, .. }) => {
            tracing::info!(job.id = id, "job {id} is not started yet: {message}");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        Err(error) => return Err(error),
    }
    Ok(Filled::Done)
}

/// Its GPUs, and its line if it starts in its turn.
fn place_of(shared: &Shared, id: &str) -> Option<(Vec<String>, Line)> {
    let held = lock(&shared.held);
    let place = held.get(id)?;
    let line = place.in_turn.then(|| (place.queue_id.clone(), place.person_id.clone()));
    Some((place.held.gpu_uuids.clone(), line))
}

async fn give_up(shared: &Shared, id: &str, reason: String) -> Result<Filled> {
    let job = id.to_owned();
    let fail = move |conn: &mut Conn| {
        let mut job = store::require(conn, &job)?;
        if job.state != JobState::Queued {
            return Ok(());
        }
        (job.state, job.reason, job.ended_at) = (JobState::Failed, Some(reason), Some(clock::now_ms()));
        store::save(conn, &job)
    };
    shared.app.db.write(fail).await?;
    publish(&shared.app, id);
    Ok(Filled::Done)
}

async fn later(shared: &Shared, id: &str, words: &str) -> Result<()> {
    say(shared, id, words, Some(clock::now_ms() + PAUSE_MS)).await
}

async fn say(shared: &Shared, id: &str, words: &str, not_before: Option<i64>) -> Result<()> {
    let (job, words) = (id.to_owned(), words.to_owned());
    shared.app.db.write(move |conn| store::pause(conn, &job, &words, not_before)).await?;
    publish(&shared.app, id);
    Ok(())
}
