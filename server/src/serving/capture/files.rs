//! Captured files in their bucket: writing, reading, and letting go of those that are too old or too many.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use drydock_wire::serving::Capture;
use drydock_wire::storage::BucketAccess;
use futures_util::{StreamExt, stream};
use sha2::{Digest, Sha256};

use super::rows::Captured;
use super::store::{self, FileRow, NewFile};
use super::{bucket_of, parquet};
use crate::accounts::{self, Principal};
use crate::app::App;
use crate::clock;
use crate::error::{Error, Result};
use crate::storage::access::{Caller, Right};
use crate::storage::objects::{self, Put};
use crate::storage::{buckets, reading};
use drydock_wire::ErrorCode;

const DAY_MS: i64 = 86_400_000;
/// Above any file that is written here.
const LARGEST: u64 = 256 << 20;
/// Files that go in one transaction.
const AT_ONCE: usize = 100;

/// In whose name files are written and read.
fn nobody() -> Caller {
    Caller::person(Principal { username: "capture".into(), ..Principal::console() })
}

/// Writes a file of these requests; it is in the bucket and in the list at the same moment, or not at all.
pub async fn write(app: &App, deployment_id: &str, name: &str, requests: Vec<Arc<Captured>>) -> Result<()> {
    let id = deployment_id.to_owned();
    let project = app.db.glance(move |conn| store::project_of(conn, &id)).await?;
    let bucket = bucket_of(&project);
    make_bucket(app, &project, &bucket).await?;
    let (from_at, until_at) =
        requests.iter().fold((i64::MAX, i64::MIN), |span, one| (span.0.min(one.at), span.1.max(one.at)));
    let ids = index(requests.iter().map(|one| one.request_id.as_str()));
    let rows: usize = requests.iter().map(|one| one.rows).sum();
    let file = tokio::task::spawn_blocking(move || parquet::write(&requests)).await.map_err(Error::internal)??;
    let row = NewFile {
        deployment_id: deployment_id.to_owned(),
        bucket: bucket.clone(),
        key: key(name, from_at),
        from_at,
        until_at,
        row_count: i64::try_from(rows).map_err(Error::internal)?,
        size_bytes: i64::try_from(file.len()).map_err(Error::internal)?,
        ids,
    };
    let put = Put {
        key: row.key.clone(),
        content_type: Some("application/vnd.apache.parquet".to_owned()),
        size_bytes: Some(file.len() as u64),
        ..Put::default()
    };
    let body = stream::iter([Ok(Bytes::from(file))]);
    let noted = move |conn: &mut crate::db::Conn| store::insert_file(conn, &row);
    objects::put_then(app, &nobody(), &bucket, put, body, || Ok(None), noted).await.map(drop)
}

/// A folder a day, so that whoever lists the bucket finds a time.
fn key(name: &str, at: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(at).unwrap_or_default().to_string();
    let (day, time) = at.split_once('T').unwrap_or((&at, ""));
    let time: String = time.chars().take_while(|c| *c != '.' && *c != 'Z').filter(|c| *c != ':').collect();
    let unique = uuid::Uuid::new_v4().simple().to_string();
    format!("{name}/{day}/{time}-{}.parquet", &unique[..8])
}

/// Whether it is there.
///
/// # Errors
/// `conflict` where another project has a bucket of that name: its people would read along.
async fn has_bucket(app: &App, project: &str, bucket: &str) -> Result<bool> {
    match buckets::get(app, &nobody(), bucket, Right::Enter).await {
        Ok(found) if found.project_id == project => Ok(true),
        Ok(_) => Err(Error::conflict(format!(
            "Captures of the project {project} go into the bucket {bucket}, which is another project's; delete that first."
        ))),
        Err(error) if error.code == ErrorCode::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

async fn make_bucket(app: &App, project: &str, bucket: &str) -> Result<()> {
    if has_bucket(app, project, bucket).await? {
        return Ok(());
    }
    let owner = app.db.read(|conn| {
        let admin = store::an_admin(conn)?;
        admin.map_or(Ok(None), |id| accounts::principal_of(conn, &id))
    });
    let owner = owner.await?.ok_or_else(|| Error::unavailable("There is no admin yet who could own the bucket."))?;
    let owner = owner.within(project).ok_or_else(|| Error::not_found(format!("There is no project {project}.")))?;
    match buckets::create(app, &Caller::person(owner), bucket, BucketAccess::Project, false).await {
        Err(error) if error.code == ErrorCode::AlreadyExists => has_bucket(app, project, bucket).await.map(drop),
        other => other.map(drop),
    }
}

/// The requests of a file; absent where somebody took it out of the bucket, or put something else in its place.
pub async fn read(app: &App, file: &FileRow) -> Result<Option<Vec<Captured>>> {
    read_key(app, &file.bucket, &file.key).await
}

pub async fn read_key(app: &App, bucket: &str, key: &str) -> Result<Option<Vec<Captured>>> {
    let found = match reading::look(app, &nobody(), bucket, key, None, true).await {
        Ok(reading::Looked::Object(found)) => found,
        Ok(reading::Looked::Marker(_)) => return Ok(None),
        Err(error) if error.code == ErrorCode::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let size = found.row.size();
    if size > LARGEST {
        return Ok(None);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    let mut body = found.stream(&app.db, &app.objects, (0, size)).await?;
    while let Some(part) = body.next().await {
        bytes.extend_from_slice(&part.map_err(Error::internal)?);
    }
    let read = tokio::task::spawn_blocking(move || parquet::read(bytes.into())).await.map_err(Error::internal)?;
    match read {
        Ok(requests) => Ok(Some(requests)),
        Err(words) => {
            tracing::warn!(object.key = key, "a captured file cannot be read: {words}");
            Ok(None)
        }
    }
}

/// Takes files away that are older or more than their deployment's settings allow.
pub async fn prune(app: &App, limits: &HashMap<String, Capture>) -> Result<()> {
    let all = app.db.read(store::all_files).await?;
    let gone = due(&all, limits, clock::now_ms());
    let mut by_bucket: HashMap<&str, Vec<&FileRow>> = HashMap::new();
    for file in gone {
        by_bucket.entry(&file.bucket).or_default().push(file);
    }
    for (bucket, files) in by_bucket {
        for some in files.chunks(AT_ONCE) {
            let keys = some.iter().map(|file| (file.key.clone(), None)).collect();
            match objects::remove_many(app, &nobody(), bucket, keys).await {
                Err(error) if error.code == ErrorCode::NotFound => {}
                removed => removed?.into_iter().try_for_each(|one| one.map(drop))?,
            }
            let ids: Vec<i64> = some.iter().map(|file| file.id).collect();
            app.db.write(move |conn| store::delete_files(conn, &ids)).await?;
        }
    }
    Ok(())
}

/// Of files, newest first: those that are to go. Those of a deployment that is gone, or captures no more, have the usual limits.
fn due<'a>(all: &'a [FileRow], limits: &HashMap<String, Capture>, now: i64) -> Vec<&'a FileRow> {
    let usual = Capture::default();
    let mut bytes: HashMap<&str, u64> = HashMap::new();
    let mut gone = vec![];
    for file in all {
        let limit = limits.get(&file.deployment_id).unwrap_or(&usual);
        let sum = bytes.entry(&file.deployment_id).or_default();
        *sum += u64::try_from(file.size_bytes).unwrap_or(0);
        let is_old = file.until_at < now - i64::from(limit.max_age_days) * DAY_MS;
        if is_old || *sum > limit.max_bytes {
            gone.push(file);
        }
    }
    gone
}

/// Hashes of request ids, in order, by which a file is found that may have one.
fn index<'a>(ids: impl Iterator<Item = &'a str>) -> Vec<u8> {
    let mut hashes: Vec<u32> = ids.map(hash).collect();
    hashes.sort_unstable();
    hashes.dedup();
    hashes.iter().flat_map(|hash| hash.to_be_bytes()).collect()
}

pub fn hash(id: &str) -> u32 {
    let digest: [u8; 32] = Sha256::digest(id.as_bytes()).into();
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])
}

/// Whether a request of that hash may be in the file.
pub fn may_have(index: &[u8], hash: u32) -> bool {
    let (wanted, places) = (hash.to_be_bytes(), index.len() / 4);
    let (mut low, mut high) = (0, places);
    while low < high {
        let middle = usize::midpoint(low, high);
        match index[middle * 4..middle * 4 + 4].cmp(&wanted) {
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Equal => return true,
            std::cmp::Ordering::Greater => high = middle,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(id: i64, deployment: &str, until_at: i64, size_bytes: i64) -> FileRow {
        let (deployment_id, bucket, key) = (deployment.to_owned(), bucket_of("default"), id.to_string());
        FileRow { id, deployment_id, bucket, key, from_at: until_at, until_at, row_count: 1, size_bytes }
    }

    #[test]
    fn the_oldest_files_go_by_size_and_by_age() {
        let now = 100 * DAY_MS;
        let all = [
            file(5, "a", now, 60),
            file(4, "b", now - 5 * DAY_MS, 60),
            file(3, "a", now - DAY_MS, 60),
            file(2, "gone", now - 29 * DAY_MS, 60),
            file(1, "gone", now - 31 * DAY_MS, 60),
        ];
        let limit = |max_bytes, max_age_days| Capture { max_bytes, max_age_days, ..Capture::default() };
        let limits = HashMap::from([("a".to_owned(), limit(100, 30)), ("b".to_owned(), limit(100, 4))]);
        let gone: Vec<i64> = due(&all, &limits, now).iter().map(|file| file.id).collect();
        assert_eq!(gone, [4, 3, 1]);
    }

    #[test]
    fn an_index_finds_what_is_in_it() {
        let ids: Vec<String> = (0..1_000).map(|n| format!("request-{n}")).collect();
        let made = index(ids.iter().map(String::as_str));
        assert!(ids.iter().all(|id| may_have(&made, hash(id))));
        assert!((0..1_000).filter(|n| may_have(&made, hash(&format!("other-{n}")))).count() < 3);
        assert!(!may_have(&[], 7));
    }

    #[test]
    fn a_key_tells_deployment_day_and_time() {
        let made = key("wine", 1_764_190_800_123);
        assert!(made.starts_with("wine/2025-11-26/210000-"), "{made}");
    }
}
