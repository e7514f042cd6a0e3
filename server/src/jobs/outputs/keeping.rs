//! A container's `/outputs`, from Docker's archive into the store.

use std::{
    collections::HashMap,
    io::{self, Read},
    path::Path,
};

use drydock_appliance::{RUNTIME_IMAGE, containers::EngineError};
use drydock_wire::validate;
use tokio::{runtime::Handle, task::JoinSet};

use super::{Kept, MOST_FILES};
use crate::{
    app::App,
    error::{Error, Result},
    jobs::{
        files::OUTPUTS,
        tarball::{self, Pieces},
    },
    objects::Objects,
};

/// Contents that become durable side by side: they share commits.
const AT_ONCE: usize = 32;
const CHUNK_BYTES: usize = 256 << 10;

/// As `take`, where somebody removed the container: another one, which never runs, has the folder instead of it.
///
/// # Errors
/// As `take`.
pub async fn take_without(app: &App, attempt: &str, folder: &Path, most_bytes: u64) -> Result<Kept> {
    let name = format!("drydock-outputs-{attempt}");
    let made = app.engine.stand_in(&app.instance, &name, RUNTIME_IMAGE, folder, OUTPUTS).await;
    let taken = take(app, &made.map_err(not_read)?, most_bytes).await;
    if let Err(error) = app.engine.remove(&name).await {
        tracing::warn!(container.name = name, "the container {name}, which is not needed any more, is left: {error}");
    }
    taken
}

/// Reads all files of the container's `/outputs` into the store.
///
/// # Errors
/// `unavailable` while Docker or the store is away, `not_found` without the container; else why they cannot be kept.
pub async fn take(app: &App, container: &str, most_bytes: u64) -> Result<Kept> {
    let body = app.engine.archive(container, OUTPUTS).await.map_err(not_read)?;
    let (objects, threads) = (app.objects.clone(), Handle::current());
    tarball::read_on_thread(body, move |reader| {
        let taking = Taking { objects, threads, most_bytes, kept: Kept::default(), keeping: JoinSet::new() };
        taking.all(reader)
    })
    .await?
}

struct Taking {
    objects: Objects,
    threads: Handle,
    /// Of what is still to come: a sparse file comes with all its zeros.
    most_bytes: u64,
    kept: Kept,
    keeping: JoinSet<Result<()>>,
}

impl Taking {
    fn all(mut self, reader: Pieces) -> Result<Kept> {
        let mut archive = tar::Archive::new(reader);
        let mut digests = HashMap::new();
        for entry in archive.entries().map_err(unreadable)? {
            let mut entry = entry.map_err(unreadable)?;
            let kind = entry.header().entry_type();
            if kind == tar::EntryType::Directory {
                continue;
            }
            if self.kept.files.len() >= MOST_FILES {
                return Err(Error::refused(format!("there are more than {MOST_FILES} files")));
            }
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let path = below(&name);
            let digest = match (&path, kind) {
                (Some(_), tar::EntryType::Regular | tar::EntryType::Continuous) => Some(self.file(&mut entry)?),
                // another name of a file that came before
                (Some(_), tar::EntryType::Link) => {
                    let link = entry.link_name_bytes().map(|link| String::from_utf8_lossy(&link).into_owned());
                    link.and_then(|link| digests.get(&link).cloned())
                }
                _ => None,
            };
            match (path, digest) {
                (Some(path), Some(digest)) => {
                    digests.insert(name, digest.clone());
                    self.kept.files.push((path, digest));
                }
                _ => self.kept.left_out.push(name.trim_start_matches("outputs/").to_owned()),
            }
        }
        while !self.keeping.is_empty() {
            self.settle()?;
        }
        Ok(self.kept)
    }

    /// Takes one in, and makes it durable beside the next ones; its digest.
    fn file(&mut self, entry: &mut impl Read) -> Result<String> {
        let mut receiving = self.objects.receiving(());
        let mut buffer = vec![0; CHUNK_BYTES];
        loop {
            let count = entry.read(&mut buffer).map_err(unreadable)?;
            if count == 0 {
                break;
            }
            self.most_bytes = self.most_bytes.checked_sub(count as u64).ok_or_else(|| {
                Error::refused("they are larger than the disk it asked for, holes in files counted as zeros")
            })?;
            self.threads.block_on(receiving.push(&buffer[..count]))?;
        }
        let received = self.threads.block_on(receiving.end())?;
        let digest = received.digest().to_owned();
        while self.keeping.len() >= AT_ONCE {
            self.settle()?;
        }
        let objects = self.objects.clone();
        let keep = async move { objects.keep(received, |_, _| Ok(())).await.map(drop) };
        self.keeping.spawn_on(keep, &self.threads);
        Ok(digest)
    }

    /// Waits for one that is becoming durable.
    fn settle(&mut self) -> Result<()> {
        match self.threads.block_on(self.keeping.join_next()) {
            Some(done) => done.map_err(Error::internal)?,
            None => Ok(()),
        }
    }
}

/// The path below `/outputs` of an archive's name, if a file of the store can be called that.
fn below(name: &str) -> Option<String> {
    let path = name.strip_prefix("outputs/")?;
    (validate::relative_path(path).is_ok() && !path.contains(char::REPLACEMENT_CHARACTER)).then(|| path.to_owned())
}

fn not_read(error: EngineError) -> Error {
    match error {
        EngineError::Unavailable(text) => Error::unavailable(text),
        EngineError::NotFound(text) => Error::not_found(text),
        other => Error::refused(other.to_string()),
    }
}

/// Docker broke off, or sent something else.
fn unreadable(error: io::Error) -> Error {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<EngineError>());
    match inner {
        Some(EngineError::Unavailable(text)) => Error::unavailable(text.clone()),
        Some(EngineError::NotFound(text)) => Error::not_found(text.clone()),
        _ if error.kind() == io::ErrorKind::UnexpectedEof => Error::unavailable(format!("Docker broke off: {error}")),
        _ => Error::internal(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_below_the_folder() {
        assert_eq!(below("outputs/a/b.txt").as_deref(), Some("a/b.txt"));
        for bad in ["outputs/", "outputs/../x", "etc/passwd", "outputs//x", "outputs/a\nb", "outputs/a\u{fffd}"] {
            assert_eq!(below(bad), None, "{bad}");
        }
    }
}
