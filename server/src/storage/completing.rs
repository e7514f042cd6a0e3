//! The end of an upload in parts: an object is made of them. Nothing is copied: the parts stay what they are.

use super::{
    about::About,
    access::{Caller, Entered, Right, enter},
    objects::{Written, check_conditions},
    refusals,
    rules::{self, Conditions, MIN_PART_BYTES},
    store::{
        self,
        objects::{Content, NewObject, ObjectRow},
        uploads::{PartRow, UploadRow},
    },
    sums::{self, Algorithm},
    uploads::own,
};
use crate::{
    app::App,
    clock,
    db::Conn,
    error::{Error, Result},
};

/// A part as the end of an upload names it.
#[derive(Debug, Clone)]
pub struct NamedPart {
    pub number: i64,
    /// Without quotes.
    pub etag: Option<String>,
    pub checksum: Option<(Algorithm, String)>,
}

/// How an upload is to end.
#[derive(Debug, Clone, Default)]
pub struct Complete {
    pub key: String,
    pub upload_id: String,
    /// In order; none: all that came.
    pub parts: Option<Vec<NamedPart>>,
    pub conditions: Conditions,
    /// Of all bytes, as the client knows it.
    pub whole_checksum: Option<(Algorithm, String)>,
    pub size_bytes: Option<u64>,
}

/// Makes an object of the parts. Asked again, it answers again, as long as that object is there.
///
/// # Errors
/// `invalid` (InvalidPart, InvalidPartOrder, EntityTooSmall, BadDigest); `not_found` (NoSuchUpload); `conflict` (PreconditionFailed).
pub async fn complete(app: &App, caller: &Caller, bucket: &str, wanted: Complete) -> Result<Written> {
    own(app, caller, bucket, Some(&wanted.key), &wanted.upload_id).await?;
    let (caller, name) = (caller.clone(), bucket.to_owned());
    app.db
        .write(move |conn| {
            let bucket = enter(conn, &caller, &name, Right::Write, &wanted.key)?;
            let row = complete_in(conn, &bucket, &wanted)?;
            Ok(Written { row, versioning: bucket.versioning() })
        })
        .await
}

fn complete_in(conn: &mut Conn, bucket: &Entered, wanted: &Complete) -> Result<ObjectRow> {
    let upload = store::uploads::find(conn, bucket.id, &wanted.key, &wanted.upload_id)?;
    if upload.completed_at.is_some() {
        return store::uploads::outcome(conn, upload.id)?.ok_or_else(refusals::no_such_upload);
    }
    let arrived = store::uploads::all_parts(conn, upload.id)?;
    let mut without: Vec<i64> = arrived.iter().map(|part| part.number).collect();
    let arrived_bytes: i64 = arrived.iter().map(|part| part.size_bytes).sum();
    let chosen = choose(&upload, arrived, wanted.parts.as_deref())?;
    without.retain(|number| chosen.binary_search_by_key(number, |part| part.number).is_err());
    let size_bytes: i64 = chosen.iter().map(|part| part.size_bytes).sum();
    if wanted.size_bytes.is_some_and(|size| i64::try_from(size).ok() != Some(size_bytes)) {
        let text = format!("The parts have {size_bytes} bytes together, not as many as x-amz-mp-object-size says.");
        return Err(Error::invalid(text).with_source(refusals::S3Word("InvalidRequest")));
    }
    if u64::try_from(size_bytes).unwrap_or(0) > rules::MAX_OBJECT_BYTES {
        return Err(refusals::too_large("An object", "5 TiB"));
    }
    let mut about = About::read(upload.about.as_deref())?;
    if let Some((algorithm, sum)) = object_checksum(&upload, &chosen)? {
        if matches!(&wanted.whole_checksum, Some((said, value)) if *said == algorithm && *value != sum) {
            return Err(refusals::bad_digest(&format!("x-amz-checksum-{}", algorithm.word())));
        }
        about.checksums.insert(algorithm.word().to_owned(), sum);
    }
    check_conditions(conn, bucket, &wanted.key, &wanted.conditions)?;
    let now = clock::now_ms();
    store::uploads::complete(conn, bucket, upload.id, (&without, arrived_bytes - size_bytes), now)?;
    let md5s: Vec<String> = chosen.into_iter().map(|part| part.md5).collect();
    let new = NewObject {
        key: upload.key,
        size_bytes,
        modified_at: now,
        etag: sums::composite_etag(&md5s)?,
        content: Content::Parts(upload.id),
        content_type: upload.content_type,
        about: about.column()?,
    };
    store::objects::insert(conn, bucket, new)
}

/// The parts that were named, held against those that came.
fn choose(upload: &UploadRow, arrived: Vec<PartRow>, named: Option<&[NamedPart]>) -> Result<Vec<PartRow>> {
    let chosen = match named {
        None => arrived,
        Some(named) => {
            if named.windows(2).any(|pair| matches!(pair, [a, b] if a.number >= b.number)) {
                return Err(refusals::parts_out_of_order());
            }
            let mut arrived = arrived.into_iter().peekable();
            let mut chosen = Vec::with_capacity(named.len());
            for part in named {
                while arrived.next_if(|row| row.number < part.number).is_some() {}
                let row = arrived.next_if(|row| row.number == part.number && is_that(upload, row, part));
                chosen.push(row.ok_or_else(|| refusals::invalid_part(part.number))?);
            }
            chosen
        }
    };
    if chosen.is_empty() {
        let text = "You must specify at least one part.";
        return Err(Error::invalid(text).with_source(refusals::S3Word("MalformedXML")));
    }
    let all_but_last = chosen.len() - 1;
    match chosen.iter().take(all_but_last).find(|part| part.size_bytes < MIN_PART_BYTES) {
        Some(small) => Err(refusals::part_too_small(small.number)),
        None => Ok(chosen),
    }
}

fn is_that(upload: &UploadRow, row: &PartRow, named: &NamedPart) -> bool {
    let etag_fits = named.etag.as_ref().is_none_or(|etag| *etag == row.md5);
    let sum_fits = match &named.checksum {
        Some((algorithm, sum)) if upload.checksum.as_deref() == Some(algorithm.word()) => {
            row.checksum.as_ref() == Some(sum)
        }
        _ => true,
    };
    etag_fits && sum_fits
}

fn object_checksum(upload: &UploadRow, parts: &[PartRow]) -> Result<Option<(Algorithm, String)>> {
    let Some(algorithm) = upload.checksum.as_deref().map(Algorithm::parse).transpose()? else { return Ok(None) };
    let sums: Option<Vec<String>> = parts.iter().map(|part| part.checksum.clone()).collect();
    let Some(sums) = sums else { return Ok(None) };
    let sum = if upload.whole_checksum {
        let sizes = parts.iter().map(|part| u64::try_from(part.size_bytes).unwrap_or(0));
        sums::whole_checksum(algorithm, &sums.into_iter().zip(sizes).collect::<Vec<_>>())?
    } else {
        sums::composite_checksum(algorithm, &sums)?
    };
    Ok(Some((algorithm, sum)))
}
