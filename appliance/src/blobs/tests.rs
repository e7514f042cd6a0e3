//! Promises of the disk engine, on a real disk.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::os::unix::fs::MetadataExt;

use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt;

use super::*;

const MIB: usize = 1024 * 1024;

fn store() -> (tempfile::TempDir, DiskBlobs) {
    let dir = tempfile::tempdir().unwrap();
    let blobs = DiskBlobs::open(dir.path().join("blobs")).unwrap();
    (dir, blobs)
}

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length.div_ceil(4)).flat_map(|_| (self.next() as u32).to_le_bytes()).take(length).collect()
    }
}

fn digest_of(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

async fn read(blobs: &DiskBlobs, digest: &str) -> Vec<u8> {
    blobs.open_read(digest, None).await.unwrap().read_all().await.unwrap()
}

fn waiting(blobs: &DiskBlobs) -> usize {
    fs::read_dir(blobs.store.incoming()).unwrap().count()
}

#[tokio::test]
async fn any_bytes_in_any_pieces_come_back_under_their_hash() {
    let (_dir, blobs) = store();
    let mut dice = Dice(7);
    let mut sizes = vec![0, 1, MIB - 1, MIB, MIB + 1, 2 * MIB, 3 * MIB + 17];
    sizes.extend((0..20).map(|_| dice.next() as usize % (3 * MIB)));
    for size in sizes {
        let bytes = dice.bytes(size);
        let mut writer = blobs.writer();
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let (piece, later) = rest.split_at(rest.len().min(1 + dice.next() as usize % (MIB * 3 / 2)));
            writer.write(piece).await.unwrap();
            rest = later;
        }
        let (digest, written) = writer.finish().await.unwrap();
        assert_eq!((digest.as_str(), written), (digest_of(&bytes).as_str(), size as u64));
        assert!(read(&blobs, &digest).await == bytes, "{size} bytes came back different");
        assert_eq!(blobs.size(&digest).await.unwrap(), Some(size as u64));
    }
    assert_eq!(waiting(&blobs), 0);
}

#[tokio::test]
async fn a_blob_is_read_only_in_its_folder() {
    let (dir, blobs) = store();
    let digest = blobs.put(b"hello").await.unwrap();
    let metadata = fs::metadata(dir.path().join("blobs").join(&digest[..2]).join(&digest[2..])).unwrap();
    assert_eq!(metadata.mode() & 0o7777, 0o444);
}

#[tokio::test]
async fn any_range_is_that_part() {
    let (_dir, blobs) = store();
    let mut dice = Dice(11);
    let bytes = dice.bytes(100_000);
    let digest = blobs.put(&bytes).await.unwrap();
    for _ in 0..100 {
        let start = dice.next() as usize % (bytes.len() + 1);
        let end = start + dice.next() as usize % (bytes.len() - start + 1);
        let mut reader = blobs.open_read(&digest, Some(start as u64..end as u64)).await.unwrap();
        assert_eq!((reader.size_bytes(), reader.length_bytes()), (100_000, (end - start) as u64));
        let mut part = Vec::new();
        reader.read_to_end(&mut part).await.unwrap();
        assert!(part == bytes[start..end], "{start}..{end}");
    }
    #[allow(clippy::reversed_empty_ranges)]
    for range in [0..100_001, 100_001..100_001, 5..4] {
        let refused = blobs.open_read(&digest, Some(range)).await.err();
        assert!(matches!(refused, Some(BlobError::OutOfRange { size_bytes: 100_000 })), "{refused:?}");
    }
}

#[tokio::test]
async fn a_digest_is_checked_before_it_touches_a_path() {
    let (dir, blobs) = store();
    fs::write(dir.path().join("secret"), "x").unwrap();
    let long = format!("../{}", "a".repeat(61));
    for bad in
        ["", "../secret", "/etc/passwd", "sha256:../../x", "owner.lock", "incoming", "a\0b", &long, &"F".repeat(64)]
    {
        let to = dir.path().join("to");
        assert!(matches!(blobs.open_read(bad, None).await.err(), Some(BlobError::InvalidDigest(_))), "{bad}");
        assert!(matches!(blobs.delete(bad).await, Err(BlobError::InvalidDigest(_))), "{bad}");
        assert!(matches!(blobs.size(bad).await, Err(BlobError::InvalidDigest(_))), "{bad}");
        assert!(matches!(blobs.hard_link(bad, &to).await, Err(BlobError::InvalidDigest(_))), "{bad}");
    }
    assert!(dir.path().join("secret").exists());
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let (dir, blobs) = store();
    let digest = digest_of(b"never written");
    assert!(matches!(blobs.open_read(&digest, None).await.err(), Some(BlobError::NotFound(_))));
    assert!(matches!(blobs.hard_link(&digest, &dir.path().join("to")).await, Err(BlobError::NotFound(_))));
    assert_eq!(blobs.size(&digest).await.unwrap(), None);
    assert!(!blobs.delete(&digest).await.unwrap());
}

#[tokio::test]
async fn an_abandoned_writer_leaves_nothing() {
    let (_dir, blobs) = store();
    let mut writer = blobs.writer();
    writer.write(&vec![1; 3 * MIB]).await.unwrap();
    drop(writer);
    for _ in 0..100 {
        if waiting(&blobs) == 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(waiting(&blobs), 0);
    assert_eq!(blobs.iter().count().await, 0);
}

#[tokio::test]
async fn what_a_crash_left_is_cleared_by_the_owner_alone() {
    let (dir, blobs) = store();
    let root = dir.path().join("blobs");
    let kept = blobs.put(b"kept").await.unwrap();
    fs::write(root.join(INCOMING).join("left"), "half").unwrap();
    let second = DiskBlobs::open(&root).unwrap();
    assert_eq!(waiting(&second), 1, "the owner may still be writing it");
    drop((blobs, second));
    let next = DiskBlobs::open(&root).unwrap();
    assert_eq!(waiting(&next), 0);
    assert_eq!(read(&next, &kept).await, b"kept");
}

#[tokio::test]
async fn all_are_listed_once_and_deleting_is_final() {
    let (_dir, blobs) = store();
    let mut expected = Vec::new();
    for number in 0..300_u32 {
        expected.push((blobs.put(&number.to_le_bytes()).await.unwrap(), 4));
    }
    blobs.put(&7_u32.to_le_bytes()).await.unwrap();
    expected.sort();
    let list = |blobs: DiskBlobs| async move {
        blobs.iter().map(|entry| entry.unwrap()).map(|entry| (entry.digest, entry.size_bytes)).collect::<Vec<_>>().await
    };
    assert_eq!(list(blobs.clone()).await, expected);
    let (gone, _) = expected.remove(100);
    assert!(blobs.delete(&gone).await.unwrap());
    assert_eq!(list(blobs.clone()).await, expected);
}

#[tokio::test]
async fn writing_it_again_renews_its_date_and_heals_it() {
    let (dir, blobs) = store();
    let digest = blobs.put(b"twice").await.unwrap();
    let path = dir.path().join("blobs").join(&digest[..2]).join(&digest[2..]);
    fs::remove_file(&path).unwrap();
    fs::write(&path, "spoiled").unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_modified(UNIX_EPOCH).unwrap();
    assert_eq!(blobs.iter().next().await.unwrap().unwrap().written_at, 0);
    blobs.put(b"twice").await.unwrap();
    assert!(blobs.iter().next().await.unwrap().unwrap().written_at > 0);
    assert_eq!(read(&blobs, &digest).await, b"twice");
}

#[tokio::test]
async fn many_writers_of_the_same_and_of_other_bytes() {
    let (_dir, blobs) = store();
    let writes = (0..64_usize).map(|number| {
        let blobs = blobs.clone();
        tokio::spawn(async move { blobs.put(&vec![(number % 8) as u8; 200_000]).await.unwrap() })
    });
    for (number, write) in writes.collect::<Vec<_>>().into_iter().enumerate() {
        assert_eq!(write.await.unwrap(), digest_of(&vec![(number % 8) as u8; 200_000]));
    }
    assert_eq!((blobs.iter().count().await, waiting(&blobs)), (8, 0));
}

#[tokio::test]
async fn a_link_is_the_same_file_and_a_copy_serves_elsewhere() {
    let (dir, blobs) = store();
    let digest = blobs.put(b"linked").await.unwrap();
    let to = dir.path().join("a/b/c.txt");
    blobs.hard_link(&digest, &to).await.unwrap();
    blobs.hard_link(&digest, &to).await.unwrap();
    let blob = dir.path().join("blobs").join(&digest[..2]).join(&digest[2..]);
    assert_eq!(fs::metadata(&to).unwrap().ino(), fs::metadata(&blob).unwrap().ino());

    let other = tempfile::tempdir_in("/dev/shm").unwrap();
    let far = other.path().join("x/c.txt");
    assert_ne!(
        fs::metadata(other.path()).unwrap().dev(),
        fs::metadata(dir.path()).unwrap().dev(),
        "needs a second file system"
    );
    blobs.hard_link(&digest, &far).await.unwrap();
    assert_eq!(fs::read(&far).unwrap(), b"linked");
    assert_eq!(fs::metadata(&far).unwrap().mode() & 0o7777, 0o444);
}

/// Fails for regular files: folders, as at opening, pass.
fn failing_fsync(file: &fs::File) -> io::Result<()> {
    if file.metadata()?.is_dir() { Ok(()) } else { Err(io::Error::from_raw_os_error(5)) }
}

fn failing_directory_fsync(file: &fs::File) -> io::Result<()> {
    // the root, synced at opening, passes
    let folder = file.metadata()?.is_dir()
        && !fs::exists(format!("/proc/self/fd/{}/incoming", std::os::fd::AsRawFd::as_raw_fd(file)))?;
    if folder { Err(io::Error::from_raw_os_error(5)) } else { Ok(()) }
}

#[tokio::test]
async fn a_failed_fsync_is_never_an_acknowledgement_and_ends_all_writing() {
    let dir = tempfile::tempdir().unwrap();
    let blobs = DiskBlobs::open_with(dir.path().to_owned(), failing_fsync).unwrap();
    let mut other = blobs.writer();
    other.write(b"begun before").await.unwrap();
    assert!(blobs.put(b"lost").await.unwrap_err().is_fatal());
    assert_eq!((blobs.iter().count().await, waiting(&blobs)), (0, 0), "nothing is visible");
    assert!(blobs.put(b"again").await.unwrap_err().is_fatal());
    assert!(other.finish().await.unwrap_err().is_fatal());
}

#[tokio::test]
async fn a_failed_fsync_of_the_folder_is_no_acknowledgement_either() {
    let dir = tempfile::tempdir().unwrap();
    let blobs = DiskBlobs::open_with(dir.path().to_owned(), failing_directory_fsync).unwrap();
    assert!(blobs.put(b"lost").await.unwrap_err().is_fatal());
}

#[tokio::test]
async fn a_large_blob_leaves_the_cache_half_way_and_is_the_same() {
    // the second folder is in memory, where there is no way around the cache
    let in_memory = tempfile::tempdir_in("/dev/shm").unwrap();
    let (_folder, on_disk) = store();
    for blobs in [on_disk, DiskBlobs::open(in_memory.path()).unwrap()] {
        for size in [8 << 20, (8 << 20) + 1, (10 << 20) + 4096, (11 << 20) + 777] {
            let bytes = Dice(size as u64).bytes(size);
            let digest = blobs.put(&bytes).await.unwrap();
            assert_eq!(digest, digest_of(&bytes));
            assert!(read(&blobs, &digest).await == bytes, "{size} bytes came back otherwise");
        }
    }
}

/// Counts and adds up what it sees.
struct Adder(u64, u64);

impl Sum for Adder {
    fn update(&mut self, bytes: &[u8]) {
        self.0 += bytes.len() as u64;
        // the order matters, as it does for a real sum
        self.1 = bytes.iter().fold(self.1, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
    }
}

#[tokio::test]
async fn a_sum_sees_every_byte_once_and_in_order() {
    let (_dir, blobs) = store();
    for size in [0, 5, MIB, 3 * MIB + 17] {
        let bytes = Dice(3).bytes(size);
        let mut writer = blobs.summing_writer(Adder(0, 0));
        for piece in bytes.chunks(MIB / 3) {
            writer.write(piece).await.unwrap();
        }
        let written = writer.settled().await.unwrap();
        let mut expected = Adder(0, 0);
        expected.update(&bytes);
        assert_eq!((written.sum().0, written.sum().1), (expected.0, expected.1));
        assert_eq!(written.digest(), digest_of(&bytes));
        assert_eq!(blobs.size(written.digest()).await.unwrap(), None, "it is not kept before it is said");
        let (digest, _) = written.keep().await.unwrap();
        assert!(read(&blobs, &digest).await == bytes);
    }
}
