//! `drydock backup FILE` and `restore FILE`: a zstd-compressed tar of a database snapshot, the blob files and the keys.
//!
//! Content that lies in an S3 cluster is fetched from there, so that the file is whole by itself; a restored box has it on its
//! disk. Order matters: the snapshot first, then the blobs. A blob is only removed a day after nothing refers to it, so every
//! blob that the snapshot knows is still there when its turn comes.

use std::{
    fs::File,
    io::{Seek, Write},
    path::{Path, PathBuf},
};

use diesel::{RunQueryDsl, sql_types::Text};
use drydock_appliance::blobs::{BlobError, Owner, Problem, S3Blobs, Tenure};
use sha2::{Digest, Sha256};
use tokio::{io::AsyncReadExt, runtime::Handle};

use super::look;
use crate::{
    boot,
    config::{Config, objects::Engine},
    db,
    error::{Error, Result},
    objects::{engine, store},
};

/// What goes in beside the database: blob files, box key, certificates, settings.
const FOLDERS: [&str; 2] = [engine::BLOBS, "tls"];
const FILES: [&str; 2] = ["box.key", "drydock.toml"];

/// Where the large content comes from.
enum Content {
    Folder,
    Bucket(S3Blobs, Vec<String>),
    /// It stays in the bucket.
    LeftOut,
}

/// Writes the backup; the file appears under its name only when it is whole. Returns a line for the console.
pub async fn create(data_dir: &Path, file: &Path, with_cluster_content: bool) -> Result<String> {
    if file.exists() {
        return Err(Error::exists(format!("{} exists already; name another file.", file.display())));
    }
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let scratch = tempfile::tempdir_in(parent).map_err(Error::internal)?;
    let snapshot = scratch.path().join(boot::DATABASE);
    look(data_dir)?;
    // Not a read-only connection: SQLite counts the file it writes the copy to as a write.
    let mut source = db::connect(&data_dir.join(boot::DATABASE), false)?;
    diesel::sql_query("VACUUM INTO ?")
        .bind::<Text, _>(snapshot.to_string_lossy().into_owned())
        .execute(&mut source)
        .map_err(Error::internal)?;
    let content = content(data_dir, &snapshot, with_cluster_content).await?;
    let temporary = scratch.path().join("backup");
    let job = Job { data_dir: data_dir.to_owned(), snapshot, content, scratch: scratch.path().to_owned() };
    let (to, threads) = (temporary.clone(), Handle::current());
    let writing = tokio::task::spawn_blocking(move || job.write(&to, &threads).map(|missing| (missing, job)));
    let (missing, job) = writing.await.map_err(Error::internal)?.map_err(not_written)?;
    std::fs::rename(&temporary, file).map_err(Error::internal)?;
    File::open(parent).and_then(|dir| dir.sync_all()).map_err(Error::internal)?;
    let size = file.metadata().map_err(Error::internal)?.len();
    let note = match job.content {
        Content::LeftOut => " Large content is NOT in it: it is good only together with the bucket.".to_owned(),
        Content::Bucket(..) if missing > 0 => {
            format!(" {missing} damaged or missing contents of the bucket are not in it.")
        }
        _ => String::new(),
    };
    let name = file.display();
    Ok(format!("backup written: {name} ({size} bytes). It holds the box key: keep it as safe as the box.{note}"))
}

/// A cluster that breaks off is no fault of the disk.
fn not_written(cause: std::io::Error) -> Error {
    match cause.get_ref().and_then(|inner| inner.downcast_ref::<Problem>()) {
        Some(problem) => Error::unavailable(format!("{problem} No backup was written.")),
        None => Error::internal(cause),
    }
}

/// What the snapshot's large content is, and that the snapshot says where a restored box has it.
async fn content(data_dir: &Path, snapshot: &Path, with_cluster_content: bool) -> Result<Content> {
    let mut conn = db::connect(snapshot, false)?;
    if engine::noted(&mut conn)? != Some(Engine::S3) {
        return Ok(Content::Folder);
    }
    if !with_cluster_content {
        return Ok(Content::LeftOut);
    }
    let owner = Owner { instance: super::moving::instance(&mut conn)?, tenure: Tenure::Looks, was_here: false };
    let digests = store::files(&mut conn)?;
    engine::note(&mut conn, Engine::Disk)?;
    let (s3, problem) = engine::open_s3(data_dir, &Config::objects_of(data_dir)?, owner, 0).await?;
    match problem {
        Some(problem) => Err(Error::unavailable(format!(
            "{problem} Large content cannot be read from there; --without-cluster-content leaves it out."
        ))),
        None => Ok(Content::Bucket(s3, digests)),
    }
}

struct Job {
    data_dir: PathBuf,
    snapshot: PathBuf,
    content: Content,
    /// For a content that is on its way from the bucket into the file.
    scratch: PathBuf,
}

impl Job {
    /// How many contents of a bucket could not be had sound.
    fn write(&self, to: &Path, threads: &Handle) -> std::io::Result<u64> {
        use std::os::unix::fs::OpenOptionsExt;
        let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
        let mut archive = tar::Builder::new(zstd::Encoder::new(file, 3)?);
        archive.follow_symlinks(false);
        archive.append_path_with_name(&self.snapshot, boot::DATABASE)?;
        for name in FILES.iter().filter(|name| self.data_dir.join(name).is_file()) {
            archive.append_path_with_name(self.data_dir.join(name), name)?;
        }
        let is_here = matches!(self.content, Content::Folder);
        for name in
            FOLDERS.iter().filter(|name| self.data_dir.join(name).is_dir() && (is_here || **name != engine::BLOBS))
        {
            append_folder(&mut archive, &self.data_dir.join(name), Path::new(name))?;
        }
        let mut missing = 0;
        if let Content::Bucket(s3, digests) = &self.content {
            for digest in digests {
                match threads.block_on(fetched(s3, digest, &self.scratch))? {
                    Some(mut file) => archive
                        .append_file(Path::new(engine::BLOBS).join(&digest[..2]).join(&digest[2..]), &mut file)?,
                    None => missing += 1,
                }
            }
        }
        archive.into_inner()?.finish()?.sync_all()?;
        Ok(missing)
    }
}

/// A content of the bucket as a file that goes when it is closed; `None` when it is not there, or not what its name says.
async fn fetched(s3: &S3Blobs, digest: &str, scratch: &Path) -> std::io::Result<Option<File>> {
    let mut reader = match s3.open_kept(digest).await {
        Ok(reader) => reader,
        Err(BlobError::NotFound(_) | BlobError::Damaged(_)) => return Ok(None),
        Err(BlobError::Cluster(problem)) => return Err(std::io::Error::other(problem)),
        Err(error) => return Err(std::io::Error::other(error)),
    };
    let mut file = tempfile::tempfile_in(scratch)?;
    let (mut hasher, mut buffer) = (Sha256::new(), vec![0u8; 1 << 20]);
    loop {
        let count = reader.read(&mut buffer).await?;
        let Some(piece) = buffer.get(..count).filter(|piece| !piece.is_empty()) else { break };
        hasher.update(piece);
        file.write_all(piece)?;
    }
    file.rewind()?;
    Ok((hex::encode(hasher.finalize()) == digest).then_some(file))
}

/// Files of a folder; uploads in flight (`incoming`) stay out, and a file that a sweep removes meanwhile is no error.
fn append_folder<W: std::io::Write>(archive: &mut tar::Builder<W>, from: &Path, name: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (path, name) = (entry.path(), name.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            if entry.file_name() != "incoming" {
                append_folder(archive, &path, &name)?;
            }
            continue;
        }
        match File::open(&path) {
            Ok(mut file) => archive.append_file(&name, &mut file)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Fills `data_dir`, which must be empty or absent. Unpacked beside it first, so that a broken file leaves nothing.
pub fn restore(data_dir: &Path, file: &Path) -> Result<String> {
    let occupied = std::fs::read_dir(data_dir).is_ok_and(|mut entries| entries.next().is_some());
    if occupied {
        return Err(Error::conflict(format!("{} is not empty; restore into a new folder.", data_dir.display())));
    }
    let parent = data_dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent).map_err(Error::internal)?;
    let staging = tempfile::tempdir_in(parent).map_err(Error::internal)?;
    unpack(file, staging.path()).map_err(|cause| {
        Error::invalid(format!("{} is not a whole backup of Drydock: {cause}", file.display())).with_source(cause)
    })?;
    if !staging.path().join(boot::DATABASE).exists() {
        return Err(Error::invalid(format!("{} holds no database.", file.display())));
    }
    super::doctor::check_database(staging.path())?;
    boot::prepare_data_dir(data_dir)?;
    std::fs::remove_dir(data_dir).map_err(Error::internal)?;
    let unpacked = staging.keep();
    std::fs::rename(&unpacked, data_dir).map_err(Error::internal)?;
    boot::prepare_data_dir(data_dir)?;
    let name = data_dir.display();
    Ok(format!("restored into {name}; start it with: drydock serve --data-dir {name}{}", where_content_is(data_dir)?))
}

/// What a person has to know who restored a box whose content was, or is, in a cluster.
fn where_content_is(data_dir: &Path) -> Result<String> {
    let mut conn = look(data_dir)?;
    let (noted, set) = (engine::noted(&mut conn)?, Config::objects_of(data_dir).map(|objects| objects.engine));
    Ok(match (noted, set) {
        (Some(Engine::S3), _) => {
            "\nIts large content was not in the backup: it has to be in the bucket of [objects] still.".into()
        }
        (_, Ok(Engine::S3)) => {
            "\nIts content is on this disk now, while the settings say engine = \"s3\": set engine = \"disk\", or \
                                carry it into the cluster first with: drydock objects move --to s3"
                .into()
        }
        _ => String::new(),
    })
}

fn unpack(file: &Path, into: &Path) -> std::io::Result<()> {
    let mut archive = tar::Archive::new(zstd::Decoder::new(File::open(file)?)?);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let plain = entry.header().entry_type().is_file() || entry.header().entry_type().is_dir();
        // `unpack_in` refuses names that lead out of the folder; links have no business in a backup.
        if !plain || !entry.unpack_in(into)? {
            return Err(std::io::Error::other("it holds something that is no plain file of ours"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn a_backup_restores_to_the_same_people_and_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        boot::prepare_data_dir(&data).unwrap();
        let db = crate::db::Db::open(&data.join(boot::DATABASE)).unwrap();
        let objects = crate::objects::Objects::open(db.clone(), &data.join("blobs")).unwrap();
        let kept = objects.put_bytes(vec![7u8; 200_000].into()).await.unwrap();
        db.write(|conn| crate::accounts::console_create_admin(conn, "ann", "correct horse battery")).await.unwrap();
        let file = dir.path().join("b.drydock");
        create(&data, &file, true).await.unwrap();

        let other = dir.path().join("other");
        restore(&other, &file).unwrap();
        let db = crate::db::Db::open(&other.join(boot::DATABASE)).unwrap();
        let objects = crate::objects::Objects::open(db, &other.join("blobs")).unwrap();
        assert_eq!(objects.read(&kept.digest).await.unwrap().len(), 200_000);
        assert!(restore(&other, &file).is_err(), "a folder with data is not overwritten");
    }

    #[tokio::test]
    async fn a_cut_backup_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        boot::prepare_data_dir(&data).unwrap();
        drop(crate::db::Db::open(&data.join(boot::DATABASE)).unwrap());
        let file = dir.path().join("b.drydock");
        create(&data, &file, true).await.unwrap();
        let whole = std::fs::read(&file).unwrap();
        std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
        let other = dir.path().join("other");
        assert!(restore(&other, &file).is_err());
        assert!(!other.exists());
    }
}
