//! From the bucket onto this box's disk. A file gets its name there only when its bytes were compared with it and are durable,
//! so that what has a name need not come again.

use std::{collections::HashSet, path::Path};

use drydock_appliance::blobs::{BlobError, DiskBlobs, S3Blobs};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::{io::AsyncReadExt, task::spawn_blocking};

use super::{
    Content, Copied,
    progress::Progress,
    to_s3::{file_of, hash},
};
use crate::{
    error::{Error, Result},
    objects::{self, engine},
};

const AT_ONCE: usize = 4;
/// A cluster takes its time over each.
const DELETED_AT_ONCE: usize = 16;

pub async fn copy(data_dir: &Path, s3: &S3Blobs, contents: &[Content]) -> Result<Copied> {
    let disk = DiskBlobs::open(data_dir.join(engine::BLOBS)).map_err(objects::store_error)?;
    let (mut copied, mut progress) = (Copied::default(), Progress::of(contents));
    let mut waiting = vec![];
    for content in contents {
        if is_there(data_dir, &disk, content).await? {
            copied.already_there += 1;
            progress.done(content.size_bytes, false);
        } else {
            waiting.push(content.clone());
        }
    }
    is_room(data_dir, &waiting)?;
    let mut fetched = stream::iter(waiting)
        .map(|content| async {
            let outcome = fetch(s3, &disk, &content).await;
            (content, outcome)
        })
        .buffer_unordered(AT_ONCE);
    while let Some((content, outcome)) = fetched.next().await {
        match outcome? {
            None => copied.copied += 1,
            Some(problem) => copied.damaged.push(format!("{}: {problem}", content.digest)),
        }
        progress.done(content.size_bytes, true);
    }
    drop(fetched);
    Ok(copied)
}

/// Whether the very bytes lie there. A file that is damaged is set aside: the bucket may have sound ones.
async fn is_there(data_dir: &Path, disk: &DiskBlobs, content: &Content) -> Result<bool> {
    if disk.size(&content.digest).await.map_err(objects::store_error)? != Some(content.size_bytes) {
        return Ok(false);
    }
    let path = file_of(&data_dir.join(engine::BLOBS), &content.digest);
    let hashed = spawn_blocking(move || hash(&path)).await.map_err(Error::internal)?;
    if hashed.is_ok_and(|(_, digest)| digest == content.digest) {
        return Ok(true);
    }
    disk.quarantine(&content.digest).await.map_err(objects::store_error)?;
    Ok(false)
}

fn is_room(data_dir: &Path, waiting: &[Content]) -> Result<()> {
    let needed: u64 = waiting.iter().map(|content| content.size_bytes).sum();
    let (_, free) = drydock_appliance::devices::disk_space(data_dir)
        .ok_or_else(|| Error::unavailable("The disk does not say how much room it has."))?;
    if needed < free {
        return Ok(());
    }
    Err(Error::new(
        drydock_wire::ErrorCode::InsufficientStorage,
        format!("{needed} bytes have to come, and the disk has {free} free. Make room, or add a disk."),
    ))
}

/// What is wrong with the content in the bucket, if it cannot be kept for that.
async fn fetch(s3: &S3Blobs, disk: &DiskBlobs, content: &Content) -> Result<Option<String>> {
    let mut reader = match s3.open_kept(&content.digest).await {
        Ok(reader) => reader,
        Err(BlobError::NotFound(_)) => return Ok(Some("not in the bucket".into())),
        Err(BlobError::Damaged(_)) => return Ok(Some("shorter than it should be".into())),
        Err(error) => return Err(objects::store_error(error)),
    };
    let (mut writer, mut buffer) = (disk.writer(), vec![0u8; 1 << 20]);
    loop {
        let count = reader.read(&mut buffer).await.map_err(|cause| objects::stream_error(&content.digest, cause))?;
        if count == 0 {
            break;
        }
        writer.write(buffer.get(..count).unwrap_or_default()).await.map_err(objects::store_error)?;
    }
    let written = writer.settled().await.map_err(objects::store_error)?;
    if written.digest() != content.digest {
        return Ok(Some("other bytes than its name says".into()));
    }
    written.keep().await.map_err(objects::store_error)?;
    Ok(None)
}

/// After the switch: takes what is this box's out of the bucket, its mark last, so that a run that was killed is seen. What is
/// needed and did not come along, because it is damaged, stays, and so does the mark.
pub async fn clear(data_dir: &Path, s3: &S3Blobs, contents: &[Content]) -> Result<()> {
    let disk = DiskBlobs::open(data_dir.join(engine::BLOBS)).map_err(objects::store_error)?;
    let mut stay = HashSet::new();
    for content in contents {
        if disk.size(&content.digest).await.map_err(objects::store_error)? != Some(content.size_bytes) {
            stay.insert(content.digest.as_str());
        }
    }
    let deleting = s3.iter().map_ok(|entry| {
        let stays = stay.contains(entry.digest.as_str());
        async move { if stays { Ok(()) } else { s3.delete(&entry.digest).await.map(drop) } }
    });
    let deleted = deleting.try_buffer_unordered(DELETED_AT_ONCE).try_for_each(|()| async { Ok(()) });
    deleted.await.map_err(objects::store_error)?;
    if stay.is_empty() { s3.leave().await.map_err(objects::store_error) } else { Ok(()) }
}
