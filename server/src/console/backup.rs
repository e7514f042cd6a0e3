//! `drydock backup FILE` and `restore FILE`: a zstd-compressed tar of a database snapshot, the blob files and the keys.
//!
//! Order matters: the snapshot first, then the blobs. A blob is only removed a day after nothing refers to it, so every
//! blob that the snapshot knows is still there when its turn comes.

use std::{fs::File, path::Path};

use diesel::{RunQueryDsl, sql_types::Text};

use super::look;
use crate::{
    boot, db,
    error::{Error, Result},
};

/// What goes in beside the database: blob files, box key, certificates, settings.
const FOLDERS: [&str; 2] = ["blobs", "tls"];
const FILES: [&str; 2] = ["box.key", "drydock.toml"];

/// Writes the backup; the file appears under its name only when it is whole. Returns a line for the console.
pub fn create(data_dir: &Path, file: &Path) -> Result<String> {
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
    let temporary = scratch.path().join("backup");
    write_archive(data_dir, &snapshot, &temporary).map_err(Error::internal)?;
    std::fs::rename(&temporary, file).map_err(Error::internal)?;
    File::open(parent).and_then(|dir| dir.sync_all()).map_err(Error::internal)?;
    let size = file.metadata().map_err(Error::internal)?.len();
    Ok(format!("backup written: {} ({size} bytes). It holds the box key: keep it as safe as the box.", file.display()))
}

fn write_archive(data_dir: &Path, snapshot: &Path, to: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    let mut archive = tar::Builder::new(zstd::Encoder::new(file, 3)?);
    archive.follow_symlinks(false);
    archive.append_path_with_name(snapshot, boot::DATABASE)?;
    for name in FILES.iter().filter(|name| data_dir.join(name).is_file()) {
        archive.append_path_with_name(data_dir.join(name), name)?;
    }
    for name in FOLDERS.iter().filter(|name| data_dir.join(name).is_dir()) {
        append_folder(&mut archive, &data_dir.join(name), Path::new(name))?;
    }
    archive.into_inner()?.finish()?.sync_all()
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
    Ok(format!("restored into {}; start it with: drydock serve --data-dir {0}", data_dir.display()))
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
        create(&data, &file).unwrap();

        let other = dir.path().join("other");
        restore(&other, &file).unwrap();
        let db = crate::db::Db::open(&other.join(boot::DATABASE)).unwrap();
        let objects = crate::objects::Objects::open(db, &other.join("blobs")).unwrap();
        assert_eq!(objects.read(&kept.digest).await.unwrap().len(), 200_000);
        assert!(restore(&other, &file).is_err(), "a folder with data is not overwritten");
    }

    #[test]
    fn a_cut_backup_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        boot::prepare_data_dir(&data).unwrap();
        drop(crate::db::Db::open(&data.join(boot::DATABASE)).unwrap());
        let file = dir.path().join("b.drydock");
        create(&data, &file).unwrap();
        let whole = std::fs::read(&file).unwrap();
        std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
        let other = dir.path().join("other");
        assert!(restore(&other, &file).is_err());
        assert!(!other.exists());
    }
}
