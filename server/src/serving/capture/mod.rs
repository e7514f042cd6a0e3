//! Capture: requests and answers of a deployment as Parquet in a bucket, and what others say of the answers afterwards.
//!
//! Owns the files and their list, and feedback. Always holds: no request waits for its capture, and none is lost for it; memory is bounded and
//! what does not fit is dropped and counted; a file is in the bucket and in the list at the same moment, so a kill loses at most the rows
//! that are in no file yet and leaves no half one; what is masked is never written. Never here: what drift is (`monitoring`).

mod collector;
mod feedback;
mod files;
pub mod flatten;
mod parquet;
mod quality;
mod routes;
pub mod rows;
mod store;
pub mod tap;
mod tasks;
mod views;

use drydock_wire::serving::{Capture, DriftWatch, ServingSettings};
use sha2::{Digest, Sha256};

pub use collector::Collector;
pub use routes::{configure, configure_feedback};

use crate::accounts::DEFAULT_PROJECT;
use crate::app::App;
use crate::db::Conn;
use crate::error::{Error, Result};
use crate::serving::gateway::Target;
use rows::Captured;

/// The bucket of the default project's captures, and the beginning of the names of all others.
const BUCKET: &str = "drydock-captured";
/// S3 has no longer names of buckets.
const LONGEST_BUCKET: usize = 63;

const MASKED: usize = 1_000;
/// A week: a window is read into memory.
const LONGEST_WINDOW: u32 = 7 * 24 * 60;

/// The bucket of a project's captures; each deployment has the prefix of its name.
pub fn bucket_of(project: &str) -> String {
    if project == DEFAULT_PROJECT {
        return BUCKET.to_owned();
    }
    let name = format!("{BUCKET}-{project}");
    if name.len() <= LONGEST_BUCKET {
        return name;
    }
    let digest: [u8; 32] = Sha256::digest(project.as_bytes()).into();
    // a dash and eight digits
    format!("{}-{}", &name[..LONGEST_BUCKET - 9], hex::encode(&digest[..4]))
}

/// Starts the part that writes files.
pub fn start(app: &App) {
    let collector = collector(app);
    collector.wake_when_full(app.background.waker(tasks::WRITER));
    app.background.spawn(tasks::CaptureWriter::new(app.clone(), collector));
}

/// Where captured requests wait for their file. One per server.
pub fn collector(app: &App) -> Collector {
    (*app.memory.of::<Collector>()).clone()
}

/// Captures these deployments from now on, as their settings have it.
pub(super) fn follow(app: &App, targets: &[Target]) {
    let plan = |target: &Target| Some(tap::Plan::new(&target.deployment_id, target.settings.capture.as_ref()?));
    collector(app).follow(targets.iter().filter_map(plan).collect());
}

/// Writes what is in no file yet; for a graceful shutdown, after the last request.
pub async fn flush(app: &App) -> Result<()> {
    tasks::write(app, &collector(app), tasks::Which::All).await
}

/// Whether settings make sense.
///
/// # Errors
/// `invalid` with what would.
pub fn check(capture: &Capture) -> Result<()> {
    if !(capture.sample_percent > 0.0 && capture.sample_percent <= 100.0) {
        return Err(Error::invalid(
            "capture.sample_percent is a number above 0 and up to 100; leave capture out for none.",
        ));
    }
    if capture.max_bytes < 1 << 20 || capture.max_age_days == 0 {
        return Err(Error::invalid("capture.max_bytes is at least 1 MiB, and max_age_days at least 1."));
    }
    if capture.mask.len() > MASKED || capture.mask.iter().any(String::is_empty) {
        return Err(Error::invalid(format!("capture.mask has at most {MASKED} names of columns, and none is empty.")));
    }
    let Some(watch) = &capture.drift else { return Ok(()) };
    if !(1..=LONGEST_WINDOW).contains(&watch.window_minutes) {
        return Err(Error::invalid("capture.drift.window_minutes is from 1 to 10080, a week."));
    }
    if watch.min_rows == 0 {
        return Err(Error::invalid("capture.drift.min_rows is at least 1; 100 is usual."));
    }
    Ok(())
}

/// A deployment whose traffic is to be watched.
#[derive(Debug, Clone)]
pub struct Watched {
    pub deployment_id: String,
    pub name: String,
    /// Who made it.
    pub by: String,
    pub watch: Option<DriftWatch>,
}

/// Every deployment, watched or not.
pub fn all_on_conn(conn: &mut Conn) -> Result<Vec<Watched>> {
    super::store::all(conn)?
        .into_iter()
        .map(|row| {
            let settings: ServingSettings = row.settings()?;
            let watch = settings.capture.and_then(|capture| capture.drift);
            Ok(Watched { deployment_id: row.id, name: row.name, by: row.created_by, watch })
        })
        .collect()
}

/// Calls `visit` with every captured request of that time, in files and not yet, until it answers false.
pub async fn each_between(
    app: &App,
    deployment_id: &str,
    (from, until): (i64, i64),
    mut visit: impl FnMut(&Captured) -> bool,
) -> Result<()> {
    let collector = collector(app);
    collector.settled().await;
    // before the files: what goes into one meanwhile is looked at once, here
    let waiting = collector.waiting_of(deployment_id);
    let id = deployment_id.to_owned();
    let listed = app.db.read(move |conn| store::files_between(conn, &id, from, until)).await?;
    let is_within = |at: i64| from <= at && at < until;
    let mut seen = std::collections::HashSet::new();
    for request in waiting.iter().filter(|one| is_within(one.at)) {
        seen.insert(request.request_id.clone());
        if !visit(request) {
            return Ok(());
        }
    }
    for file in listed {
        let requests = files::read(app, &file).await?.unwrap_or_default();
        for request in requests.iter().filter(|one| is_within(one.at) && !seen.contains(&one.request_id)) {
            if !visit(request) {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// When the oldest request that is kept was made.
pub async fn oldest(app: &App, deployment_id: &str) -> Result<Option<i64>> {
    let collector = collector(app);
    collector.settled().await;
    let waiting = collector.waiting_of(deployment_id).iter().map(|one| one.at).min();
    let id = deployment_id.to_owned();
    let in_files = app.db.read(move |conn| store::oldest(conn, &id)).await?;
    Ok(waiting.into_iter().chain(in_files).min())
}

#[cfg(test)]
mod tests;
