//! Artifacts that come in parts: `mpu/…` of MLflow's clients, for files of hundreds of megabytes.
//!
//! Always holds: a part is a kept blob from the moment it is acknowledged, referred to by an object of the bucket
//! "mlflow-uploads" under `{upload}/{part}`; the artifact appears whole, in the transaction that ends the upload; ending it
//! twice is ending it once, since clients ask again when an answer is late. What is never ended goes after two days.

use bytes::Bytes;
use drydock_wire::events::Topic;
use futures_util::Stream;
use serde::{Deserialize, Serialize};

use super::{ARTIFACT_BUCKET, artifacts::run_of, rules};
use crate::{
    accounts::{Authorized, Principal, action, audit},
    app::App,
    clock,
    db::Conn,
    error::{Error, Result},
    objects::{
        parts::{self, Busy},
        store,
    },
};

type Develop = Authorized<action::Develop>;

const UPLOAD_BUCKET: &str = "mlflow-uploads";
/// As S3.
pub const MAX_PARTS: i64 = 10_000;
/// An upload that nobody ended by then is over.
const UPLOAD_MS: i64 = 2 * 86_400_000;

/// What is noted of an upload when it begins.
#[derive(Debug, Serialize, Deserialize)]
struct Begun {
    key: String,
    person_id: String,
}

fn absent(upload: &str) -> Error {
    Error::not_found(format!(
        "There is no upload {upload}; it was completed, aborted, or began more than two days ago."
    ))
}

/// Begins an upload of the artifact at `key`; its id.
pub async fn begin_upload(app: &App, auth: &Develop, key: &str) -> Result<String> {
    rules::artifact_path(key)?;
    let upload = uuid::Uuid::new_v4().simple().to_string();
    let begun = Begun { key: key.to_owned(), person_id: auth.principal().person_id.clone() };
    let note = Bytes::from(serde_json::to_vec(&begun).map_err(Error::internal)?);
    let blob = app.objects.put_bytes(note).await?;
    app.objects.link(UPLOAD_BUCKET, &format!("{upload}/begun"), &blob.digest).await?;
    Ok(upload)
}

/// The key that the upload is for.
///
/// # Errors
/// `not_found` when there is no such upload of this person; somebody else's is noted in the audit trail.
async fn known(app: &App, who: &Principal, upload: &str) -> Result<String> {
    let note = app.objects.get(UPLOAD_BUCKET, &format!("{upload}/begun")).await?.ok_or_else(|| absent(upload))?;
    let begun: Begun = serde_json::from_slice(&app.objects.read(&note.digest).await?).map_err(Error::internal)?;
    if begun.person_id == who.person_id {
        return Ok(begun.key);
    }
    let (who, subject) = (who.clone(), format!("upload/{upload}"));
    app.db.write(move |conn| audit(conn, &who, "upload.denied", &subject, serde_json::json!({}))).await?;
    Err(absent(upload))
}

/// Keeps one part; its tag, which ends the upload.
pub async fn put_part<S, E>(app: &App, auth: &Develop, upload: &str, number: i64, body: S) -> Result<String>
where
    S: Stream<Item = std::result::Result<Bytes, E>> + Unpin,
    E: std::fmt::Display,
{
    known(app, auth.principal(), upload).await?;
    if !(1..=MAX_PARTS).contains(&number) {
        return Err(Error::invalid(format!("Parts are numbered from 1 to {MAX_PARTS}.")));
    }
    let blob = app.objects.put_stream(body, Some(app.config.limits.upload_bytes)).await?;
    app.objects.link(UPLOAD_BUCKET, &format!("{upload}/{number}"), &blob.digest).await?;
    Ok(blob.digest)
}

/// Puts the parts, in this order, together as the artifact. `parts` are numbers with their tags.
pub async fn complete_upload(
    app: &App,
    auth: &Develop,
    upload: &str,
    key: &str,
    parts: Vec<(i64, String)>,
) -> Result<()> {
    let Some(_busy) = Busy::with(upload).await else {
        return Err(Error::unavailable("This upload is still being put together; ask again in a moment."));
    };
    if app.objects.get(UPLOAD_BUCKET, &format!("{upload}/done")).await?.is_some() {
        return Ok(());
    }
    if known(app, auth.principal(), upload).await? != key {
        return Err(absent(upload));
    }
    let digests = digests(app, upload, parts).await?;
    let digest = parts::join(&app.objects, digests, app.config.limits.upload_bytes).await?;
    // The note is a blob of its own, kept before the row refers to it.
    let done = app.objects.put_bytes(Bytes::from_static(b"done")).await?;
    let (upload, target) = (upload.to_owned(), key.to_owned());
    app.db
        .write(move |conn| {
            let now = clock::now_ms();
            store::link(conn, ARTIFACT_BUCKET, &target, &digest, now)?;
            store::delete_prefix(conn, UPLOAD_BUCKET, &format!("{upload}/"))?;
            store::link(conn, UPLOAD_BUCKET, &format!("{upload}/done"), &done.digest, now)
        })
        .await?;
    app.events.publish(Topic::Runs, run_of(key));
    Ok(())
}

/// The parts' digests, each checked against what was acknowledged.
async fn digests(app: &App, upload: &str, mut parts: Vec<(i64, String)>) -> Result<Vec<String>> {
    if parts.is_empty() {
        return Err(Error::invalid("An upload has at least one part."));
    }
    parts.sort();
    if parts.windows(2).any(|two| matches!(two, [one, other] if one.0 == other.0)) {
        return Err(Error::invalid("A part is named twice."));
    }
    let mut found = Vec::with_capacity(parts.len());
    for (number, tag) in parts {
        let part = app.objects.get(UPLOAD_BUCKET, &format!("{upload}/{number}")).await?;
        match part {
            Some(part) if part.digest == tag.trim_matches('"') => found.push(part.digest),
            Some(_) => {
                return Err(Error::invalid(format!("Part {number} was uploaded again; its tag is another one.")));
            }
            None => return Err(Error::invalid(format!("Part {number} was not uploaded."))),
        }
    }
    Ok(found)
}

/// Forgets the upload and its parts.
pub async fn abort_upload(app: &App, auth: &Develop, upload: &str) -> Result<()> {
    known(app, auth.principal(), upload).await?;
    let prefix = format!("{upload}/");
    app.db.write(move |conn| store::delete_prefix(conn, UPLOAD_BUCKET, &prefix)).await.map(drop)
}

/// For the sweeper: forgets what belongs to uploads that were never ended.
pub(super) fn forget_stale(conn: &mut Conn) -> Result<usize> {
    store::delete_older(conn, UPLOAD_BUCKET, clock::now_ms() - UPLOAD_MS)
}
