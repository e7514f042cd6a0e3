//! Uploads in parts: beginning, whose they are, giving up. Parts come in `parts`, the end is `completing`.

use serde_json::json;

use super::{
    about::About,
    access::{Caller, Entered, Right, enter},
    refusals, rules,
    store::{
        self,
        uploads::{NewUpload, PartRow, UploadRow},
    },
    sums::Algorithm,
};
use crate::{
    accounts::{audit, secrets},
    app::App,
    clock,
    error::Result,
};

/// An upload that is to be begun.
#[derive(Debug, Clone, Default)]
pub struct Begin {
    pub key: String,
    pub content_type: Option<String>,
    pub about: About,
    /// Each part has a checksum of this algorithm.
    pub checksum: Option<Algorithm>,
    /// The object has one checksum over all bytes rather than one over its parts' checksums.
    pub whole_checksum: bool,
    /// By which its beginner finds it again.
    pub note: Option<String>,
}

/// Begins an upload; with a note, goes on with the caller's open one of that note.
pub async fn begin(app: &App, caller: &Caller, bucket: &str, begin: Begin) -> Result<UploadRow> {
    rules::check_key(&begin.key)?;
    app.objects.room().check()?;
    let upload_id = new_id()?;
    let (caller, name) = (caller.clone(), bucket.to_owned());
    app.db
        .write(move |conn| {
            let bucket = enter(conn, &caller, &name, Right::Write, &begin.key)?;
            let person_id = caller.principal.person_id;
            if let Some(note) = &begin.note
                && let Some(open) = store::uploads::open_by_note(conn, bucket.id, &begin.key, &person_id, note)?
            {
                return Ok(open);
            }
            let new = NewUpload {
                upload_id,
                bucket: bucket.id,
                key: begin.key,
                person_id,
                begun_at: clock::now_ms(),
                content_type: begin.content_type,
                about: begin.about.column()?,
                checksum: begin.checksum.map(|algorithm| algorithm.word().to_owned()),
                whole_checksum: begin.whole_checksum,
                note: begin.note,
            };
            store::uploads::insert(conn, &new)
        })
        .await
}

/// An open upload, or one that was completed, and the bucket that it is in: the caller's own. An upload is its beginner's alone,
/// whoever else may write there: others are told that there is none, whatever they may do with the bucket, and it is noted.
///
/// # Errors
/// `not_found` (NoSuchUpload) also when it is another bucket's, or another key's than was named.
pub(super) async fn own(
    app: &App,
    caller: &Caller,
    bucket: &str,
    key: Option<&str>,
    upload_id: &str,
) -> Result<(Entered, UploadRow)> {
    let (asks, name, key) = (caller.clone(), bucket.to_owned(), key.map(str::to_owned));
    let id = upload_id.to_owned();
    let found = app
        .db
        .glance(move |conn| {
            let row = store::uploads::by_id(conn, &id)?;
            if row.as_ref().is_some_and(|row| row.person_id != asks.principal.person_id) {
                return Ok(None);
            }
            let bucket = match &key {
                Some(key) => enter(conn, &asks, &name, Right::Write, key)?,
                None => enter(conn, &asks, &name, Right::Enter, "")?,
            };
            let is_it = |row: &UploadRow| row.bucket == bucket.id && key.as_ref().is_none_or(|key| *key == row.key);
            let row = row.filter(is_it).ok_or_else(refusals::no_such_upload)?;
            Ok(Some((bucket, row)))
        })
        .await?;
    if let Some(own) = found {
        return Ok(own);
    }
    let (who, subject) = (caller.principal.clone(), format!("bucket/{bucket}"));
    let detail = json!({ "upload": upload_id, "why": "begun by somebody else" });
    app.db.write(move |conn| audit(conn, &who, "upload.refuse", &subject, detail)).await?;
    Err(refusals::no_such_upload())
}

/// Ids are in the order in which uploads are begun, so that a listing of a key's uploads goes on after one that has ended meanwhile;
/// nobody can guess one.
pub(super) fn new_id() -> Result<String> {
    let now = u64::try_from(clock::now_ms()).unwrap_or(0) & 0xffff_ffff_ffff;
    Ok(format!("{now:012x}{}", hex::encode(secrets::random_bytes::<10>()?)))
}

/// The open upload and its parts after number `after`, at most `limit`.
pub async fn parts(
    app: &App,
    caller: &Caller,
    bucket: &str,
    key: &str,
    upload_id: &str,
    (after, limit): (i64, i64),
) -> Result<(UploadRow, Vec<PartRow>)> {
    let (_, upload) = own(app, caller, bucket, Some(key), upload_id).await?;
    let id = upload.still_open()?.id;
    let parts = app.db.read(move |conn| store::uploads::parts(conn, id, after, limit)).await?;
    Ok((upload, parts))
}

/// Gives an upload up: its parts go.
pub async fn abort(app: &App, caller: &Caller, bucket: &str, key: &str, upload_id: &str) -> Result<()> {
    // Whoever looks after the bucket may clear it of others' uploads.
    let (asker, place) = (caller.clone(), bucket.to_owned());
    if app.db.glance(move |conn| enter(conn, &asker, &place, Right::Manage, "").map(drop)).await.is_err() {
        own(app, caller, bucket, Some(key), upload_id).await?;
    }
    let (caller, name, key, id) = (caller.clone(), bucket.to_owned(), key.to_owned(), upload_id.to_owned());
    app.db
        .write(move |conn| {
            let bucket = enter(conn, &caller, &name, Right::Write, &key)?;
            let upload = store::uploads::open(conn, bucket.id, &key, &id)?;
            store::uploads::abort(conn, &bucket, upload.id)
        })
        .await
}
