//! `drydock doctor`: looks, changes nothing, and exits non-zero when something is wrong.

use std::{io::Write, path::Path};

use diesel::{RunQueryDsl, sql_types::Text};
use drydock_appliance::blobs::{Blobs, DiskBlobs, Owner, Tenure};
use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt;

use super::{audit, look};
use crate::{
    config::{Config, objects::Engine},
    error::{Error, Result},
    objects::{engine, store},
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
    let content = open_content(data_dir).await;
    let checks = [
        ("database", check_database(data_dir)),
        ("audit trail", check_audit(data_dir)),
        ("content engine", content.as_ref().map(described).map_err(|bad| Error::conflict(bad.message.clone()))),
        ("blobs", check_blobs(data_dir, content.as_ref().ok()).await),
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
        return Err(Error::conflict(format!("{unwell} of 4 checks failed; restore from a backup, or ask for help.")));
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
    let whole = audit::verify(data_dir)?;
    Ok(format!("{} rows, each follows from the one before; signed up to row {}", whole.rows, whole.signed_to))
}

/// The engine that has the large content, which has to be the one of the settings.
async fn open_content(data_dir: &Path) -> Result<Blobs> {
    let mut conn = look(data_dir)?;
    let (noted, set) = (engine::noted(&mut conn)?.unwrap_or(Engine::Disk), Config::objects_of(data_dir)?);
    if noted != set.engine && engine::files(&mut conn)? > 0 {
        return Err(Error::conflict(format!(
            "the settings say engine = \"{}\", but the content lies with \"{}\": the server would not start",
            set.engine.name(),
            noted.name()
        )));
    }
    if noted == Engine::Disk {
        return Ok(Blobs::Disk(DiskBlobs::open(data_dir.join(engine::BLOBS)).map_err(Error::internal)?));
    }
    let was_here = engine::files(&mut conn)? > 0;
    let owner = Owner { instance: super::moving::instance(&mut conn)?, tenure: Tenure::Looks, was_here };
    match engine::open_s3(data_dir, &set, owner, 0).await? {
        (_, Some(problem)) => Err(Error::conflict(problem.words)),
        (s3, None) => Ok(Blobs::S3(s3)),
    }
}

fn described(content: &Blobs) -> String {
    match content {
        Blobs::Disk(_) => "this box's disk".into(),
        Blobs::S3(s3) => {
            let state = engine::s3_state(s3);
            let (used, limit) = (state.cached_bytes, state.cache_bytes);
            format!("{}, bucket {}, answers; {used} of {limit} bytes are cached here", state.endpoint, state.bucket)
        }
    }
}

/// Reads every blob, where it counts, and compares it with its name.
async fn check_blobs(data_dir: &Path, content: Option<&Blobs>) -> Result<String> {
    let mut conn = look(data_dir)?;
    let rows = store::all_blobs(&mut conn)?;
    let (mut bytes, mut unseen) = (0u64, 0);
    for (digest, size) in &rows {
        bytes += u64::try_from(*size).unwrap_or(0);
        let found = match (store::blob(&mut conn, digest)?, content) {
            (Some(store::StoredBlob { data: Some(data), .. }), _) => hex::encode(Sha256::digest(&data)),
            (_, Some(content)) => hash_content(content, digest).await?,
            (_, None) => {
                unseen += 1;
                continue;
            }
        };
        if found != *digest {
            return Err(Error::conflict(format!("{digest} has other bytes than its name says")));
        }
    }
    match unseen {
        0 => Ok(format!("{} blobs, {bytes} bytes, all as their names say", rows.len())),
        _ => Err(Error::conflict(format!("{unseen} of {} could not be looked at", rows.len()))),
    }
}

async fn hash_content(content: &Blobs, digest: &str) -> Result<String> {
    let unreadable = |cause: String| Error::conflict(format!("{digest} cannot be read: {cause}"));
    let mut reader = content.open_kept(digest).await.map_err(|cause| unreadable(cause.to_string()))?;
    let (mut hasher, mut buffer) = (Sha256::new(), vec![0u8; 1 << 20]);
    loop {
        match reader.read(&mut buffer).await.map_err(|cause| unreadable(cause.to_string()))? {
            0 => return Ok(hex::encode(hasher.finalize())),
            count => hasher.update(buffer.get(..count).unwrap_or_default()),
        }
    }
}
