//! `drydock doctor`: looks, changes nothing, and exits non-zero when something is wrong.

use std::{io::Write, path::Path};

use diesel::{RunQueryDsl, sql_types::Text};
use drydock_appliance::blobs::DiskBlobs;
use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt;

use super::look;
use crate::{
    accounts,
    error::{Error, Result},
    objects::store,
};

#[derive(diesel::QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    text: String,
}

/// Says how each part is, in one line each.
///
/// # Errors
/// `conflict` when any part is not well.
pub async fn examine(data_dir: &Path, out: &mut dyn Write) -> Result<()> {
    let checks = [
        ("database", check_database(data_dir)),
        ("audit trail", check_audit(data_dir)),
        ("blobs", check_blobs(data_dir).await),
    ];
    let mut unwell = 0;
    for (name, result) in checks {
        let line = match result {
            Ok(good) => format!("ok    {name}: {good}"),
            Err(bad) => {
                unwell += 1;
                format!("BAD   {name}: {bad}")
            }
        };
        writeln!(out, "{line}").map_err(Error::internal)?;
    }
    if unwell > 0 {
        return Err(Error::conflict(format!("{unwell} of 3 checks failed; restore from a backup, or ask for help.")));
    }
    Ok(())
}

/// SQLite's own integrity check and the foreign keys.
pub fn check_database(data_dir: &Path) -> Result<String> {
    let mut conn = look(data_dir)?;
    let problems: Vec<Line> = diesel::sql_query("SELECT integrity_check AS text FROM pragma_integrity_check LIMIT 5")
        .load(&mut conn)
        .map_err(Error::internal)?;
    if let Some(problem) = problems.iter().find(|line| line.text != "ok") {
        return Err(Error::conflict(problem.text.clone()));
    }
    let orphans: Vec<Line> = diesel::sql_query("SELECT \"table\" AS text FROM pragma_foreign_key_check LIMIT 1")
        .load(&mut conn)
        .map_err(Error::internal)?;
    match orphans.first() {
        Some(orphan) => Err(Error::conflict(format!("rows of {} refer to nothing", orphan.text))),
        None => Ok("whole, every reference leads somewhere".into()),
    }
}

fn check_audit(data_dir: &Path) -> Result<String> {
    match accounts::verify_audit(&mut look(data_dir)?)? {
        Ok(rows) => Ok(format!("{rows} rows, each follows from the one before")),
        Err(id) => Err(Error::conflict(format!("row {id} does not follow from the row before: it was altered"))),
    }
}

/// Reads every blob and compares it with its name.
async fn check_blobs(data_dir: &Path) -> Result<String> {
    let mut conn = look(data_dir)?;
    let disk = DiskBlobs::open(data_dir.join("blobs")).map_err(Error::internal)?;
    let rows = store::all_blobs(&mut conn)?;
    let mut bytes = 0u64;
    for (digest, size) in &rows {
        bytes += u64::try_from(*size).unwrap_or(0);
        let found = match store::blob(&mut conn, digest)? {
            Some(store::StoredBlob { data: Some(data), .. }) => hex::encode(Sha256::digest(&data)),
            _ => hash_file(&disk, digest).await?,
        };
        if found != *digest {
            return Err(Error::conflict(format!("{digest} has other bytes than its name says")));
        }
    }
    Ok(format!("{} blobs, {bytes} bytes, all as their names say", rows.len()))
}

async fn hash_file(disk: &DiskBlobs, digest: &str) -> Result<String> {
    let unreadable = |cause: String| Error::conflict(format!("{digest} cannot be read: {cause}"));
    let mut reader = disk.open_read(digest, None).await.map_err(|cause| unreadable(cause.to_string()))?;
    let (mut hasher, mut buffer) = (Sha256::new(), vec![0u8; 1 << 20]);
    loop {
        match reader.read(&mut buffer).await.map_err(|cause| unreadable(cause.to_string()))? {
            0 => return Ok(hex::encode(hasher.finalize())),
            count => hasher.update(&buffer[..count]),
        }
    }
}
