//! What an attempt left in `/outputs`, kept at its end: artifacts of its run under `outputs/`, or objects of a bucket where no run was
//! made for it.
//!
//! Always holds: content is in the store before the transaction that ends the attempt refers to it, so outputs and end become visible
//! together, and a crash in between repeats both. They outlive a container that somebody removed. Links, pipes and the like are left
//! out, and it is said so: nothing outside the folder is ever read. What cannot be kept fails the job and stays on the disk for a day.

mod into_dataset;
mod keeping;
mod looking;
mod routes;

use std::path::Path;

use drydock_wire::ErrorCode;

use super::{
    files,
    store::{AttemptRecord, Job},
};
use crate::{app::App, clock, db::Conn, error::Result, objects, tracking};

pub use into_dataset::into_dataset;
pub use looking::{archive, file, list};
pub use routes::configure;

/// Bucket of outputs of attempts without a run: `{job}/{number}/{path}`.
pub const OUTPUTS_BUCKET: &str = "outputs";
/// Where they are among a run's artifacts.
const RUN_FOLDER: &str = "outputs";
const MOST_FILES: usize = 100_000;
/// Of an attempt that asked for no disk.
pub const USUAL_DISK_BYTES: u64 = 4 << 30;

/// What was kept of an attempt's outputs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// Paths with digests.
    pub files: Vec<(String, String)>,
    /// Paths of what is no plain file, or has no plain name.
    pub left_out: Vec<String>,
    /// Why they are not kept, in words.
    pub problem: Option<String>,
}

impl Kept {
    /// A remark for people, about what is not an end in itself.
    pub fn remark(&self) -> Option<String> {
        let first = self.left_out.first()?;
        let more = match self.left_out.len() {
            1 => String::new(),
            count => format!(" and {} more", count - 1),
        };
        Some(format!("{first:?}{more} in /outputs is no plain file and is not kept"))
    }
}

/// Disk that the attempt may use in all.
pub fn disk_bytes(job: &Job) -> u64 {
    job.spec.resources.disk_bytes.unwrap_or(USUAL_DISK_BYTES)
}

/// Takes an ended attempt's outputs into the store.
///
/// # Errors
/// `unavailable` while Docker or the store is away: to be tried again. All else is a `problem` of the attempt.
pub async fn keep(app: &App, job: &Job, attempt: &AttemptRecord, container: Option<&str>) -> Result<Kept> {
    let folder = app.data_dir.join(files::relative(&job.id, attempt.number)).join("outputs");
    if is_empty(&folder).await {
        return Ok(Kept::default());
    }
    match take(app, job, attempt.number, &folder, container).await {
        Ok(kept) => Ok(kept),
        Err(error) if error.code == ErrorCode::Unavailable => Err(error),
        Err(error) => {
            let left = files::leave_unkept(app, &job.id, attempt.number)?;
            tracing::warn!(job.id = job.id, "outputs of job {} are not kept: {error}", job.id);
            let why = error.message.trim_end_matches('.');
            let problem = format!("its outputs are not kept: {why}; they stay in {} for a day", left.display());
            Ok(Kept { problem: Some(problem), ..Kept::default() })
        }
    }
}

/// From the container, or without it where somebody removed that.
async fn take(app: &App, job: &Job, number: i64, folder: &Path, container: Option<&str>) -> Result<Kept> {
    if let Some(container) = container {
        match keeping::take(app, container, disk_bytes(job)).await {
            Err(error) if error.code == ErrorCode::NotFound => {}
            other => return other,
        }
    }
    keeping::take_without(app, &format!("{}-{number}", job.id), folder, disk_bytes(job)).await
}

/// Whether nothing was written, as far as can be seen without Docker.
async fn is_empty(folder: &Path) -> bool {
    match tokio::fs::read_dir(folder).await {
        Ok(mut entries) => matches!(entries.next_entry().await, Ok(None)),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

/// Refers to what was kept, in the transaction that ends the attempt.
pub fn link(conn: &mut Conn, attempt: &AttemptRecord, kept: &Kept) -> Result<()> {
    if kept.files.is_empty() {
        return Ok(());
    }
    let (bucket, prefix) = place(conn, attempt)?;
    let now = clock::now_ms();
    for (path, digest) in &kept.files {
        objects::store::link(conn, bucket, &format!("{prefix}{path}"), digest, now)?;
    }
    Ok(())
}

/// Bucket and prefix of an attempt's outputs.
fn place(conn: &mut Conn, attempt: &AttemptRecord) -> Result<(&'static str, String)> {
    let folder = match &attempt.run_id {
        Some(run_id) => tracking::artifact_folder(conn, run_id)?,
        None => None,
    };
    Ok(match folder {
        Some(folder) => (tracking::ARTIFACT_BUCKET, format!("{folder}/{RUN_FOLDER}/")),
        None => (OUTPUTS_BUCKET, format!("{}/{}/", attempt.job_id, attempt.number)),
    })
}
