//! Which engine keeps large content, and that it is the one that has it.
//!
//! Always holds: the database says where its large content lies (the setting `objects.engine`); a start with another engine
//! is refused as long as there is any, so that nobody ever starts empty-handed over existing data.

use std::path::{Path, PathBuf};

use diesel::prelude::*;
use drydock_appliance::blobs::{BlobError, Blobs, ClusterSettings, DiskBlobs, Owner, S3Blobs, Tenure};

use super::{Objects, Publishing, Room, store_error};
use crate::{
    config::{
        Disk,
        objects::{Cluster, Engine, Objects as Settings},
    },
    db::{
        Conn, Db,
        schema::{accounts::settings, objects::blobs},
    },
    error::{Error, Result},
};

const SETTING: &str = "objects.engine";
/// Folders of the data directory: the only copy, and what is here of a bucket.
pub const BLOBS: &str = "blobs";
pub const CACHE: &str = "cache";
const SYSTEM_CAS: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// How the engine is, for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineState {
    Disk { path: PathBuf },
    S3(S3State),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3State {
    pub endpoint: String,
    pub bucket: String,
    pub prefix: String,
    /// Why the cluster cannot be used; `None` when it can.
    pub problem: Option<String>,
    /// Since when it is so.
    pub since: i64,
    /// What of it lies on this box, too, and how much may.
    pub cached_bytes: u64,
    pub cache_bytes: u64,
}

impl Objects {
    /// Opens the store as the settings say. A cluster that cannot be reached is no error: it is tried again and again.
    ///
    /// # Errors
    /// When content lies with the other engine, or only a person can mend what is wrong with the cluster.
    pub async fn open_as_set(
        db: Db,
        data_dir: &Path,
        settings: &Settings,
        disk: &Disk,
        instance: &str,
    ) -> Result<Self> {
        let engine = settings.engine;
        let was_here = db.write(move |conn| agree(conn, engine)).await?;
        let room = Room::new(data_dir, disk);
        let blobs = match engine {
            Engine::Disk => Blobs::Disk(DiskBlobs::open(data_dir.join(BLOBS)).map_err(Error::internal)?),
            Engine::S3 => {
                let owner = Owner { instance: instance.to_owned(), tenure: Tenure::Holds, was_here };
                let (s3, problem) = open_s3(data_dir, settings, owner, room.reserve_bytes()).await?;
                match problem {
                    Some(problem) if problem.is_lasting() => return Err(Error::unavailable(problem.words)),
                    Some(problem) => tracing::warn!("the S3 cluster cannot be used: {problem}"),
                    None => {}
                }
                Blobs::S3(s3)
            }
        };
        let (publishing, small_bytes) = (Publishing::default(), settings.small_bytes);
        Ok(Self { db, blobs, publishing, examining: Default::default(), small_bytes, room })
    }

    /// How the engine is.
    pub fn engine_state(&self) -> EngineState {
        match &self.blobs {
            Blobs::Disk(disk) => EngineState::Disk { path: disk.root().to_owned() },
            Blobs::S3(s3) => EngineState::S3(s3_state(s3)),
        }
    }
}

/// How a bucket is.
pub fn s3_state(s3: &S3Blobs) -> S3State {
    let (at, now, (cached_bytes, cache_bytes)) = (s3.settings(), s3.state(), s3.cache());
    S3State {
        endpoint: at.endpoint.clone(),
        bucket: at.bucket.clone(),
        prefix: at.prefix.clone(),
        problem: now.problem.map(|problem| problem.words),
        since: now.since,
        cached_bytes,
        cache_bytes,
    }
}

/// Opens the bucket of the settings; its cache leaves so much of the disk free.
///
/// # Errors
/// As `S3Blobs::open`; what is wrong with the cluster is in the answer.
pub async fn open_s3(
    data_dir: &Path,
    settings: &Settings,
    owner: Owner,
    spare_bytes: u64,
) -> Result<(S3Blobs, Option<drydock_appliance::blobs::Problem>)> {
    let cluster = settings.needed_cluster()?;
    let session = uuid::Uuid::new_v4().simple().to_string();
    S3Blobs::open(ClusterSettings { spare_bytes, ..cluster_settings(cluster)? }, &data_dir.join(CACHE), owner, session)
        .await
        .map_err(|cause| match cause {
            BlobError::Cluster(problem) => Error::invalid(problem.words),
            other => store_error(other),
        })
}

fn cluster_settings(cluster: &Cluster) -> Result<ClusterSettings> {
    let mut authorities: Vec<Vec<u8>> = SYSTEM_CAS.iter().filter_map(|path| std::fs::read(path).ok()).take(1).collect();
    if let Some(path) = &cluster.ca {
        let pem =
            std::fs::read(path).map_err(|cause| Error::invalid(format!("objects.ca: {}: {cause}.", path.display())))?;
        if !String::from_utf8_lossy(&pem).contains("BEGIN CERTIFICATE") {
            return Err(Error::invalid(format!(
                "objects.ca: {}: no certificate in PEM form is in it.",
                path.display()
            )));
        }
        authorities.push(pem);
    }
    Ok(ClusterSettings {
        endpoint: cluster.endpoint.clone(),
        region: cluster.region.clone(),
        bucket: cluster.bucket.clone(),
        prefix: cluster.prefix.clone(),
        access_key: cluster.access_key.clone(),
        secret_key: cluster.secret_key.reveal().to_owned(),
        authorities,
        timeout: cluster.timeout,
        cache_bytes: cluster.cache_bytes,
        spare_bytes: 0,
    })
}

/// Notes the engine, if the content can lie with it. Whether content of this box lies there already.
fn agree(conn: &mut Conn, wanted: Engine) -> Result<bool> {
    let (noted, files) = (noted(conn)?, files(conn)?);
    if noted.unwrap_or(Engine::Disk) == wanted || files == 0 {
        note(conn, wanted)?;
        return Ok(noted == Some(wanted) && files > 0);
    }
    let (here, there) = match wanted {
        Engine::S3 => ("on this box's disk", "in the S3 cluster"),
        Engine::Disk => ("in the S3 cluster", "on this box's disk"),
    };
    let other = noted.unwrap_or(Engine::Disk).name();
    Err(Error::conflict(format!(
        "[objects] engine = \"{}\", but {files} contents lie {here}, not {there}. Set engine = \"{other}\" again, or move them \
         first: drydock objects move --to {}",
        wanted.name(),
        wanted.name(),
    )))
}

/// Where large content lies; `None` on a box from before there was a choice, and on a new one.
pub fn noted(conn: &mut Conn) -> Result<Option<Engine>> {
    let found: Option<String> =
        settings::table.find(SETTING).select(settings::value).first(conn).optional().map_err(Error::internal)?;
    Ok(found.as_deref().and_then(Engine::from_name))
}

/// Notes where large content lies.
pub fn note(conn: &mut Conn, engine: Engine) -> Result<()> {
    diesel::replace_into(settings::table)
        .values((settings::key.eq(SETTING), settings::value.eq(engine.name())))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// How many contents are no rows of the database alone.
pub fn files(conn: &mut Conn) -> Result<i64> {
    blobs::table.filter(blobs::data.is_null()).count().get_result(conn).map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{db::testing::connection, objects::store::touch_blob};

    #[test]
    fn a_store_with_content_never_starts_with_the_other_engine() {
        let mut conn = connection();
        assert!(!agree(&mut conn, Engine::S3).unwrap(), "a new box may choose");
        touch_blob(&mut conn, "small", 1, Some(b"x"), None, 1).unwrap();
        assert!(!agree(&mut conn, Engine::Disk).unwrap(), "what lies in the database is no reason");
        touch_blob(&mut conn, "large", 100_000, None, None, 1).unwrap();
        let refused = agree(&mut conn, Engine::S3).unwrap_err().message;
        assert!(refused.contains("drydock objects move --to s3"), "{refused}");
        assert!(agree(&mut conn, Engine::Disk).unwrap());
        note(&mut conn, Engine::S3).unwrap();
        assert!(agree(&mut conn, Engine::S3).unwrap());
        assert!(agree(&mut conn, Engine::Disk).unwrap_err().message.contains("move --to disk"));
    }

    #[test]
    fn a_box_from_before_there_was_a_choice_has_its_content_on_the_disk() {
        let mut conn = connection();
        touch_blob(&mut conn, "large", 100_000, None, None, 1).unwrap();
        assert!(agree(&mut conn, Engine::S3).is_err());
        assert!(!agree(&mut conn, Engine::Disk).unwrap());
    }
}
