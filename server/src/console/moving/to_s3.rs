//! From this box's disk into the bucket. Each content is read and compared with its name before it is sent, sent with check
//! sums, and noted in a journal, so that a move that goes on reads nothing twice.

use std::{
    collections::{HashMap, HashSet},
    fs::{File, OpenOptions},
    io::{Read, Write},
    path::{Path, PathBuf},
};

use drydock_appliance::blobs::{DiskBlobs, S3Blobs};
use futures_util::{StreamExt, stream};
use sha2::{Digest, Sha256};
use tokio::task::spawn_blocking;

use super::{Content, Copied, progress::Progress};
use crate::{
    error::{Error, Result},
    objects::{self, engine},
};

const AT_ONCE: usize = 4;
const JOURNAL: &str = "objects-move.journal";

pub async fn copy(data_dir: &Path, s3: &S3Blobs, contents: &[Content]) -> Result<Copied> {
    let there = listed(s3).await?;
    let mut journal = Journal::open(data_dir, s3)?;
    let (mut copied, mut progress) = (Copied::default(), Progress::of(contents));
    let mut waiting = vec![];
    for content in contents {
        if there.get(&content.digest) == Some(&content.size_bytes) && journal.has(&content.digest) {
            copied.already_there += 1;
            progress.done(content.size_bytes, false);
        } else {
            waiting.push(content.clone());
        }
    }
    let folder = data_dir.join(engine::BLOBS);
    let mut sent = stream::iter(waiting)
        .map(|content| async {
            let outcome = send(s3, file_of(&folder, &content.digest), &content).await;
            (content, outcome)
        })
        .buffer_unordered(AT_ONCE);
    while let Some((content, outcome)) = sent.next().await {
        match outcome? {
            None => {
                journal.add(&content.digest)?;
                copied.copied += 1;
            }
            Some(problem) => copied.damaged.push(format!("{}: {problem}", content.digest)),
        }
        progress.done(content.size_bytes, true);
    }
    drop(sent);
    Ok(copied)
}

/// What is wrong with the file, if it cannot be sent for that.
async fn send(s3: &S3Blobs, path: PathBuf, content: &Content) -> Result<Option<String>> {
    let hashed = spawn_blocking(move || hash(&path)).await.map_err(Error::internal)?;
    let (file, digest) = match hashed {
        Ok(hashed) => hashed,
        Err(error) => return Ok(Some(error.to_string())),
    };
    if digest != content.digest {
        return Ok(Some("other bytes than its name says".into()));
    }
    s3.send(&content.digest, file, content.size_bytes).await.map_err(objects::store_error)?;
    Ok(None)
}

pub(super) fn hash(path: &Path) -> std::io::Result<(File, String)> {
    let mut file = File::open(path)?;
    let (mut hasher, mut buffer) = (Sha256::new(), vec![0u8; 1 << 20]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((file, hex::encode(hasher.finalize()))),
            count => hasher.update(buffer.get(..count).unwrap_or_default()),
        }
    }
}

async fn listed(s3: &S3Blobs) -> Result<HashMap<String, u64>> {
    let (mut all, mut found) = (s3.iter(), HashMap::new());
    while let Some(entry) = all.next().await {
        let entry = entry.map_err(objects::store_error)?;
        found.insert(entry.digest, entry.size_bytes);
    }
    Ok(found)
}

/// After the switch: what lies in the bucket, too, becomes the cache, as far as that may grow, and the rest goes.
pub async fn clear(data_dir: &Path, s3: &S3Blobs, contents: &[Content]) -> Result<()> {
    let there = listed(s3).await?;
    let (from, to) = (data_dir.join(engine::BLOBS), data_dir.join(engine::CACHE));
    let (mut cached, limit) = s3.cache();
    let disk = DiskBlobs::open(&from).map_err(objects::store_error)?;
    let needed: HashSet<&str> = contents.iter().map(|content| content.digest.as_str()).collect();
    let mut files = disk.iter();
    while let Some(file) = files.next().await {
        let file = file.map_err(objects::store_error)?;
        // Damaged content, which did not go along, stays.
        if needed.contains(file.digest.as_str()) && there.get(&file.digest) != Some(&file.size_bytes) {
            continue;
        }
        if needed.contains(file.digest.as_str()) && cached + file.size_bytes <= limit {
            cached += file.size_bytes;
            std::fs::rename(file_of(&from, &file.digest), file_of(&to, &file.digest)).map_err(Error::internal)?;
        } else {
            disk.delete(&file.digest).await.map_err(objects::store_error)?;
        }
    }
    match std::fs::remove_file(data_dir.join(JOURNAL)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::internal(error)),
        _ => Ok(()),
    }
}

pub(super) fn file_of(folder: &Path, digest: &str) -> PathBuf {
    let (first, rest) = digest.split_at(2.min(digest.len()));
    folder.join(first).join(rest)
}

/// What an earlier run has sent and compared. It counts only for the same place, and only together with what lies there.
struct Journal {
    file: File,
    known: HashSet<String>,
}

impl Journal {
    fn open(data_dir: &Path, s3: &S3Blobs) -> Result<Journal> {
        let at = s3.settings();
        Journal::of_place(&data_dir.join(JOURNAL), &format!("to {} {}/{}", at.endpoint, at.bucket, at.prefix))
    }

    fn of_place(path: &Path, place: &str) -> Result<Journal> {
        let before = std::fs::read_to_string(path).unwrap_or_default();
        let mut lines = before.lines();
        let is_same = lines.next() == Some(place);
        let mut file = OpenOptions::new()
            .create(true)
            .write(true)
            .append(is_same)
            .truncate(!is_same)
            .open(path)
            .map_err(Error::internal)?;
        // A torn last line is no digest, and a new line begins after it.
        let begin = if is_same { "\n".to_owned() } else { format!("{place}\n") };
        file.write_all(begin.as_bytes()).map_err(Error::internal)?;
        let known = if is_same { lines.map(str::to_owned).collect() } else { HashSet::new() };
        Ok(Journal { file, known })
    }

    fn has(&self, digest: &str) -> bool {
        self.known.contains(digest)
    }

    fn add(&mut self, digest: &str) -> Result<()> {
        self.file.write_all(format!("{digest}\n").as_bytes()).map_err(Error::internal)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_journal_counts_for_its_place_and_outlives_a_torn_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let mut journal = Journal::of_place(&path, "to a").unwrap();
        journal.add("one").unwrap();
        journal.file.write_all(b"tw").unwrap();
        let mut again = Journal::of_place(&path, "to a").unwrap();
        assert!(again.has("one") && !again.has("two"));
        again.add("three").unwrap();
        assert!(Journal::of_place(&path, "to a").unwrap().has("three"));
        assert!(!Journal::of_place(&path, "to b").unwrap().has("one"));
    }
}
