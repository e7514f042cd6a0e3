//! What an attempt's container sees of the store: code, laid out under `run/jobs/{job}-{number}` of the data directory, and
//! datasets, which `datasets` lays out once for all jobs. Code is made anew from the store before the attempt is admitted and
//! removed after it ended; nothing there is precious.

use std::{collections::BTreeSet, os::unix::fs::PermissionsExt, path::Path};

use super::store::Job;
use crate::{
    app::App,
    datasets,
    error::{Error, Result},
};

const FOLDER: &str = "run/jobs";

/// The attempt's folder, relative to the data directory.
pub fn relative(job_id: &str, number: i64) -> String {
    format!("{FOLDER}/{job_id}-{number}")
}

/// Lays out the files of an attempt; whatever an earlier try left there goes first. With it, the folders of its datasets,
/// or in words what it still waits for.
pub async fn lay_out(app: &App, job: &Job, number: i64) -> Result<std::result::Result<Vec<String>, String>> {
    let mut mounts = vec![];
    for dataset in &job.spec.datasets {
        let done = app.background.waker(crate::scheduling::SCHEDULER);
        match datasets::mount(app, &dataset.name, dataset.version.unwrap_or(1), done).await? {
            datasets::Mount::Ready(folder) => mounts.push(folder),
            datasets::Mount::Making(words) => return Ok(Err(words)),
        }
    }
    let folder = app.data_dir.join(relative(&job.id, number));
    remove(&folder).await?;
    let code = folder.join("code");
    make_folder(&code).await?;
    for file in &job.spec.code {
        app.objects.materialize(&file.digest, &code.join(&file.path)).await?;
    }
    tokio::task::spawn_blocking(move || open_to_container(&folder))
        .await
        .map_err(Error::internal)?
        .map_err(Error::internal)?;
    Ok(Ok(mounts))
}

/// Removes the folders of attempts that are not in `keep` (each `{job}-{number}`).
pub async fn sweep(app: &App, keep: &BTreeSet<String>) -> Result<()> {
    let mut entries = match tokio::fs::read_dir(app.data_dir.join(FOLDER)).await {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::internal(error)),
    };
    while let Some(entry) = entries.next_entry().await.map_err(Error::internal)? {
        if !entry.file_name().to_str().is_some_and(|name| keep.contains(name)) {
            remove(&entry.path()).await?;
        }
    }
    Ok(())
}

async fn make_folder(path: &Path) -> Result<()> {
    tokio::fs::create_dir_all(path).await.map_err(Error::internal)
}

async fn remove(path: &Path) -> Result<()> {
    match tokio::fs::remove_dir_all(path).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::internal(error)),
        _ => Ok(()),
    }
}

/// The container's user is another one than the server's, whose umask may hide folders.
fn open_to_container(folder: &Path) -> std::io::Result<()> {
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))?;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_to_container(&entry.path())?;
        }
    }
    Ok(())
}
