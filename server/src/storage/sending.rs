//! Uploads out of a browser: the size of the parts follows from the file's, so that whoever picks the same file again goes on
//! with what has arrived. Somebody else's upload is as one that is not there, and asking for it leaves a trace.

use bytes::Bytes;
use drydock_wire::storage::{BeginUpload, ObjectSummary, ObjectUpload, UploadedPart};
use futures_util::Stream;

use super::{
    access::{Caller, Right, enter},
    browser,
    completing::{self, Complete},
    parts::{self, PartName},
    refusals,
    rules::{self, Conditions},
    store::{self, uploads::UploadRow},
    sums::Expected,
    uploads::{self, Begin},
};
use crate::{
    app::App,
    error::{Error, Result},
    objects::parts::Cut,
};

/// What an upload out of a browser was begun with, kept as its note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Plan {
    size_bytes: u64,
    modified_at: Option<i64>,
}

impl Plan {
    fn note(self) -> String {
        let modified = self.modified_at.map_or_else(|| "-".to_owned(), |at| at.to_string());
        format!("browser {} {modified}", self.size_bytes)
    }

    fn read(note: Option<&str>) -> Option<Self> {
        let (size, modified) = note?.strip_prefix("browser ")?.split_once(' ')?;
        Some(Self { size_bytes: size.parse().ok()?, modified_at: modified.parse().ok() })
    }

    fn cut(self) -> Cut {
        Cut(self.size_bytes)
    }
}

/// Begins an upload, or goes on with the caller's own of the same key, size and time.
///
/// # Errors
/// `forbidden` when the bucket's quota has no room for all of it.
pub async fn begin(app: &App, caller: &Caller, bucket: &str, wish: BeginUpload) -> Result<ObjectUpload> {
    if wish.size_bytes > rules::MAX_OBJECT_BYTES {
        return Err(refusals::too_large("An object", "5 TiB"));
    }
    let plan = Plan { size_bytes: wish.size_bytes, modified_at: wish.modified_at };
    let content_type = Some(content_type(wish.content_type, &wish.key));
    let begun = Begin { key: wish.key, content_type, note: Some(plan.note()), ..Begin::default() };
    let upload = uploads::begin(app, caller, bucket, begun).await?;
    let (caller, name) = (caller.clone(), bucket.to_owned());
    app.db
        .write(move |conn| {
            let bucket = enter(conn, &caller, &name, Right::Write, &upload.key)?;
            let parts = store::uploads::all_parts(conn, upload.id)?;
            let arrived: i64 = parts.iter().map(|part| part.size_bytes).sum();
            let missing = i64::try_from(plan.size_bytes).unwrap_or(i64::MAX).saturating_sub(arrived);
            if let Some(quota) = bucket.quota_bytes.filter(|quota| bucket.size_bytes.saturating_add(missing) > *quota) {
                if parts.is_empty() {
                    store::uploads::abort(conn, &bucket, upload.id)?;
                }
                return Ok(Err(refusals::over_quota(&name, quota)));
            }
            let parts = parts.into_iter().map(|part| UploadedPart {
                number: u32::try_from(part.number).unwrap_or(0),
                size_bytes: u64::try_from(part.size_bytes).unwrap_or(0),
            });
            Ok(Ok(ObjectUpload { id: upload.upload_id, part_bytes: plan.cut().part_bytes(), parts: parts.collect() }))
        })
        .await?
}

/// What the sender said, else what the name says.
pub fn content_type(said: Option<String>, key: &str) -> String {
    let plain = |text: &String| !text.is_empty() && text.len() <= 200 && text.bytes().all(|b| (32..127).contains(&b));
    said.filter(plain).unwrap_or_else(|| mime_guess::from_path(key).first_or_octet_stream().to_string())
}

/// Takes one part in. Sent twice, the later one counts.
pub async fn put_part<B>(
    app: &App,
    caller: &Caller,
    (bucket, id, number): (&str, &str, u32),
    length: Option<u64>,
    body: B,
) -> Result<UploadedPart>
where
    B: Stream<Item = Result<Bytes>> + Unpin,
{
    let (upload, plan) = own(app, caller, bucket, id).await?;
    let wanted = plan.cut().size_or_refusal(number)?;
    if length != Some(wanted) {
        return Err(Error::invalid(format!(
            "Part {number} of this upload has {wanted} bytes; say so in Content-Length."
        )));
    }
    let part = PartName { key: upload.key, upload_id: upload.upload_id, number: i64::from(number) };
    let kept = parts::put_part(app, caller, bucket, part, (Expected::default(), length), body, || Ok(None)).await?;
    Ok(UploadedPart { number, size_bytes: u64::try_from(kept.size_bytes).unwrap_or(0) })
}

/// Makes the object of the parts. Asked again, it answers again.
///
/// # Errors
/// `conflict` while parts are missing.
pub async fn complete(app: &App, caller: &Caller, bucket: &str, id: &str) -> Result<ObjectSummary> {
    let (upload, plan) = own(app, caller, bucket, id).await?;
    if upload.completed_at.is_none() {
        let row = upload.id;
        let parts = app.db.read(move |conn| store::uploads::all_parts(conn, row)).await?;
        let there = |number| parts.iter().any(|part| part.number == i64::from(number));
        if let Some(missing) = plan.cut().missing(there) {
            let count = plan.cut().part_count();
            return Err(Error::conflict(format!("Part {missing} of {count} has not arrived yet; send it first.")));
        }
    }
    let wanted = Complete {
        key: upload.key,
        upload_id: upload.upload_id,
        conditions: Conditions::default(),
        size_bytes: Some(plan.size_bytes),
        ..Complete::default()
    };
    completing::complete(app, caller, bucket, wanted).await.map(|written| browser::summary_of(written.row))
}

/// Gives the upload up: what has arrived goes.
pub async fn abort(app: &App, caller: &Caller, bucket: &str, id: &str) -> Result<()> {
    let (upload, _) = own(app, caller, bucket, id).await?;
    uploads::abort(app, caller, bucket, &upload.key, &upload.upload_id).await
}

/// The caller's own upload of that id. One of somebody else, or of an S3 client, is as unknown as one that never was.
async fn own(app: &App, caller: &Caller, bucket: &str, id: &str) -> Result<(UploadRow, Plan)> {
    let (_, upload) = uploads::own(app, caller, bucket, None, id).await?;
    let plan = Plan::read(upload.note.as_deref()).ok_or_else(refusals::no_such_upload)?;
    Ok((upload, plan))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_reads_back() {
        for plan in [Plan { size_bytes: 5, modified_at: Some(7) }, Plan { size_bytes: 9, modified_at: None }] {
            assert_eq!(Plan::read(Some(&plan.note())), Some(plan));
        }
        assert_eq!(Plan::read(None), None);
        assert_eq!(Plan::read(Some("else")), None);
    }

    #[test]
    fn a_type_that_is_no_header_is_guessed_anew() {
        assert_eq!(content_type(Some("text/x".into()), "a.csv"), "text/x");
        assert_eq!(content_type(Some("a\r\nb".into()), "a.csv"), "text/csv");
        assert_eq!(content_type(None, "a.unknown"), "application/octet-stream");
    }
}
