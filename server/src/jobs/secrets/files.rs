//! Secrets as the files of an attempt: in memory, `/dev/shm/drydock-{instance}/{job}-{number}/{file}`, which no disk and no backup has.
//!
//! The folder above is the server's alone; a container gets its attempt's folder read-only. A box without `/dev/shm` has them below
//! `run/secrets`. After a restart of the machine they are made anew for attempts that have not ended.

use std::{
    io::Write,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use drydock_wire::jobs::SecretRef;

use super::store;
use crate::{
    app::App,
    db::Conn,
    error::{Error, Result},
    jobs::{
        files::{Live, is_needed},
        store::{self as job_store, Job},
    },
};

const MEMORY: &str = "/dev/shm";

/// Where they lie on this box.
pub fn root(data_dir: &Path, instance: &str) -> PathBuf {
    match Path::new(MEMORY).is_dir() {
        true => Path::new(MEMORY).join(format!("drydock-{instance}")),
        false => data_dir.join("run/secrets"),
    }
}

fn folder(app: &App, job_id: &str, number: i64) -> PathBuf {
    root(&app.data_dir, &app.instance).join(format!("{job_id}-{number}"))
}

/// Makes the files of an attempt; none for a job without secrets.
///
/// # Errors
/// `not_found` for a secret that is gone.
pub async fn lay_out(app: &App, job: &Job, number: i64) -> Result<Option<PathBuf>> {
    if job.spec.secrets.is_empty() {
        return Ok(None);
    }
    let (project, wanted) = (job.project_id.clone(), job.spec.secrets.clone());
    let sealed = app
        .db
        .read(move |conn| wanted.iter().map(|one| sealed(conn, &project, one)).collect::<Result<Vec<_>>>())
        .await?;
    let mut files = vec![];
    for (file, sealed) in sealed {
        files.push((file, app.box_key.open(&sealed)?));
    }
    let (root, own) = (root(&app.data_dir, &app.instance), folder(app, &job.id, number));
    let target = own.clone();
    tokio::task::spawn_blocking(move || write_all(&root, &target, &files)).await.map_err(Error::internal)??;
    Ok(Some(own))
}

/// The name of the file and the sealed value.
fn sealed(conn: &mut Conn, project: &str, wanted: &SecretRef) -> Result<(String, String)> {
    let value = store::sealed(conn, project, &wanted.name)?;
    let value = value.ok_or_else(|| Error::not_found(format!("The secret {} was deleted.", wanted.name)))?;
    Ok((wanted.file.clone().unwrap_or_else(|| wanted.name.clone()), value))
}

fn write_all(root: &Path, folder: &Path, files: &[(String, String)]) -> Result<()> {
    make_own(root)?;
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(Error::internal(error)),
        _ => {}
    }
    let write = || -> std::io::Result<()> {
        std::fs::create_dir(folder)?;
        for (name, value) in files {
            let mut file =
                std::fs::OpenOptions::new().write(true).create_new(true).mode(0o444).open(folder.join(name))?;
            file.write_all(value.as_bytes())?;
            file.set_permissions(std::fs::Permissions::from_mode(0o444))?;
        }
        // the container's user is another one
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))
    };
    write().map_err(Error::internal)
}

/// A folder that nobody else may pass. One that somebody else made is not used: `/dev/shm` is everybody's.
fn make_own(root: &Path) -> Result<()> {
    match std::fs::DirBuilder::new().mode(0o700).create(root) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(Error::internal(error)),
    }
    let there = std::fs::symlink_metadata(root).map_err(Error::internal)?;
    let me = std::fs::metadata("/proc/self").map_err(Error::internal)?.uid();
    if !there.is_dir() || there.uid() != me || there.mode() & 0o077 != 0 {
        return Err(Error::internal(anyhow::anyhow!("{} is not this server's alone; remove it", root.display())));
    }
    Ok(())
}

/// Makes the files of attempts that have not ended anew, where a restart of the machine took them.
pub async fn restore(app: &App) -> Result<()> {
    for job_store::Admitted { job, attempt, .. } in app.db.read(job_store::admitted).await? {
        if !job.spec.secrets.is_empty() && !folder(app, &job.id, attempt.number).is_dir() {
            // its container fails in words then; the box starts all the same
            if let Err(error) = lay_out(app, &job, attempt.number).await {
                tracing::warn!(job.id = job.id, "the secrets of job {} are not there: {error}", job.id);
            }
        }
    }
    Ok(())
}

/// Removes the files of attempts that have ended.
pub async fn sweep(app: &App, ended_attempts: impl AsyncFnOnce(Vec<String>) -> Result<Live>) -> Result<()> {
    let root = root(&app.data_dir, &app.instance);
    let entries = std::fs::read_dir(&root).into_iter().flatten().flatten();
    let names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    if names.is_empty() {
        return Ok(());
    }
    let live = ended_attempts(names.clone()).await?;
    for name in names.iter().filter(|name| !is_needed(name, &live)) {
        std::fs::remove_dir_all(root.join(name)).map_err(Error::internal)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn files_are_readable_in_a_folder_that_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("own");
        let files = [("key", "-----BEGIN-----\nabcdef123\nx\n"), ("pin", "12345"), ("word", "abcdef1234")];
        let files = files.map(|(name, value)| (name.to_owned(), value.to_owned()));
        write_all(&root, &root.join("j-1"), &files).unwrap();
        write_all(&root, &root.join("j-1"), &files).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(&root), mode(&root.join("j-1")), mode(&root.join("j-1/pin"))), (0o700, 0o755, 0o444));
        std::fs::set_permissions(&root, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert!(write_all(&root, &root.join("j-2"), &files).is_err(), "others could look in");
    }
}
