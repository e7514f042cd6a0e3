//! Parts of an upload: as they are sent, or out of what is in the store already.

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};

use super::{
    about::About,
    access::{Caller, Right, enter},
    objects::{self, check_fits},
    reading::{self, Found},
    refusals,
    rules::{self, Conditions, MAX_PART_NUMBER, VersionId},
    store::{
        self,
        uploads::{PartRow, UploadRow},
    },
    sums::{Algorithm, Expected},
    uploads::own,
};
use crate::{
    app::App,
    clock,
    error::{Error, Result},
};

/// One part, named as its client names it.
#[derive(Debug, Clone)]
pub struct PartName {
    pub key: String,
    pub upload_id: String,
    pub number: i64,
}

impl PartName {
    fn check(&self) -> Result<()> {
        if (1..=MAX_PART_NUMBER).contains(&self.number) {
            return Ok(());
        }
        Err(refusals::invalid_argument("Part number must be an integer between 1 and 10000, inclusive."))
    }
}

/// Keeps a part, in place of an earlier one of that number.
///
/// # Errors
/// As `objects::put`; `not_found` (NoSuchUpload).
pub async fn put_part<B>(
    app: &App,
    caller: &Caller,
    bucket: &str,
    part: PartName,
    (mut expected, size_bytes): (Expected, Option<u64>),
    body: B,
    late: impl FnOnce() -> Result<Option<String>> + Send,
) -> Result<PartRow>
where
    B: Stream<Item = Result<Bytes>> + Unpin,
{
    part.check()?;
    app.objects.room().check()?;
    if size_bytes.is_some_and(|size| size > rules::MAX_PUT_BYTES) {
        return Err(refusals::too_large("A part", "5 GiB"));
    }
    let upload = open_for(app, caller, bucket, &part, size_bytes).await?;
    let wanted = upload.checksum.as_deref().map(Algorithm::parse).transpose()?;
    let algorithm = wanted.or(expected.checksum.as_ref().map(|(algorithm, _)| *algorithm));
    if matches!((&expected.checksum, algorithm), (Some((said, _)), Some(summed)) if *said != summed) {
        let text = "The part's checksum is of another algorithm than its upload was begun with.";
        return Err(Error::invalid(text).with_source(refusals::S3Word("InvalidRequest")));
    }
    let received = objects::receive(app, body, size_bytes, algorithm).await?;
    if let Some((_, said @ None)) = &mut expected.checksum {
        *said = late()?;
    }
    let summed = received.sum().summed(received.digest());
    summed.check(&expected)?;
    let size_bytes = i64::try_from(received.size_bytes()).map_err(Error::internal)?;
    let (caller, name) = (caller.clone(), bucket.to_owned());
    let kept = app.objects.keep(received, move |conn, digest| {
        let bucket = enter(conn, &caller, &name, Right::Write, &part.key)?;
        let upload = store::uploads::open(conn, bucket.id, &part.key, &part.upload_id)?;
        let row = PartRow {
            upload: upload.id,
            number: part.number,
            digest: digest.to_owned(),
            size_bytes,
            md5: summed.etag(),
            checksum: summed.checksum.map(|(_, sum)| sum),
            modified_at: clock::now_ms(),
        };
        store::uploads::put_part(conn, &bucket, &row)?;
        Ok(row)
    });
    Ok(kept.await?.1)
}

async fn open_for(app: &App, caller: &Caller, bucket: &str, part: &PartName, size: Option<u64>) -> Result<UploadRow> {
    let (bucket, upload) = own(app, caller, bucket, Some(&part.key), &part.upload_id).await?;
    check_fits(&bucket, size)?;
    upload.still_open()?;
    Ok(upload)
}

/// An object, or a stretch of one, that becomes a part.
#[derive(Debug, Clone)]
pub struct CopiedPart {
    pub bucket: String,
    pub key: String,
    pub version: Option<VersionId>,
    /// First byte, and last byte included.
    pub range: Option<(u64, u64)>,
    pub conditions: Conditions,
}

/// Makes a part of what is in the store already. Nothing is read where a whole object that came in one piece is taken.
pub async fn copy_part(
    app: &App,
    caller: &Caller,
    from: CopiedPart,
    bucket: &str,
    part: PartName,
) -> Result<(PartRow, Found)> {
    part.check()?;
    app.objects.room().check()?;
    let found = reading::look(app, caller, &from.bucket, &from.key, from.version, true).await?.object()?;
    from.conditions.on_source(&found.row.etag, found.row.modified_at)?;
    let size = found.row.size();
    let (begin, end) = match from.range {
        None => (0, size),
        Some((first, last)) if first <= last && last < size => (first, last + 1),
        Some(_) => return Err(refusals::range_not_satisfiable(size)),
    };
    if end - begin > rules::MAX_PUT_BYTES {
        return Err(refusals::too_large("A part", "5 GiB"));
    }
    let upload = open_for(app, caller, bucket, &part, Some(end - begin)).await?;
    let sum = upload
        .checksum
        .as_ref()
        .map(|word| About::read(found.row.about.as_deref()).ok().and_then(|about| about.checksums.get(word).cloned()));
    let is_whole = (begin, end) == (0, size) && found.row.etag.len() == 32;
    let row = match &found.row.digest {
        // the sum that the upload wants is known of the whole object, or none is wanted
        Some(digest) if is_whole && sum.as_ref().is_none_or(Option::is_some) => {
            let (caller, name, digest, md5) =
                (caller.clone(), bucket.to_owned(), digest.clone(), found.row.etag.clone());
            let (size_bytes, checksum) = (found.row.size_bytes, sum.flatten());
            app.db
                .write(move |conn| {
                    let bucket = enter(conn, &caller, &name, Right::Write, &part.key)?;
                    let upload = store::uploads::open(conn, bucket.id, &part.key, &part.upload_id)?;
                    let (number, modified_at) = (part.number, clock::now_ms());
                    let row = PartRow { upload: upload.id, number, digest, size_bytes, md5, checksum, modified_at };
                    store::uploads::put_part(conn, &bucket, &row)?;
                    Ok(row)
                })
                .await?
        }
        _ => {
            let body = found.stream(&app.db, &app.objects, (begin, end)).await?.map_err(Error::internal);
            put_part(app, caller, bucket, part, (Expected::default(), Some(end - begin)), body, || Ok(None)).await?
        }
    };
    Ok((row, found))
}
