//! Uploads in parts: beginning, parts, completing, giving up. Completing copies nothing: the parts stay what they are.

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};

use super::{
    about::About,
    access::{Caller, Entered, Right, enter},
    objects::{self, Found, Written, check_conditions, check_fits},
    refusals,
    rules::{self, Conditions, MAX_PART_NUMBER, MIN_PART_BYTES, VersionId},
    store::{
        self,
        objects::{Content, NewObject, ObjectRow},
        uploads::{NewUpload, PartRow, UploadRow},
    },
    sums::{self, Algorithm, Expected},
};
use crate::{
    accounts::{audit, secrets},
    app::App,
    clock,
    db::Conn,
    error::{Error, Result},
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

/// An upload is its beginner's alone, whoever else may write there: others are told that there is none, and it is noted.
async fn own(app: &App, caller: &Caller, upload_id: &str) -> Result<()> {
    let id = upload_id.to_owned();
    let beginner = app.db.glance(move |conn| store::uploads::beginner(conn, &id)).await?;
    if beginner.is_none_or(|person_id| person_id == caller.principal.person_id) {
        return Ok(());
    }
    let (who, subject) = (caller.principal.clone(), format!("upload/{upload_id}"));
    app.db.write(move |conn| audit(conn, &who, "upload.refuse", &subject, serde_json::json!({}))).await?;
    Err(refusals::no_such_upload())
}

pub(super) fn new_id() -> Result<String> {
    Ok(hex::encode(secrets::random_bytes::<16>()?))
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
    own(app, caller, upload_id).await?;
    let (caller, name, key, id) = (caller.clone(), bucket.to_owned(), key.to_owned(), upload_id.to_owned());
    app.db
        .read(move |conn| {
            let bucket = enter(conn, &caller, &name, Right::Write, &key)?;
            let upload = store::uploads::open(conn, bucket.id, &key, &id)?;
            let parts = store::uploads::parts(conn, upload.id, after, limit)?;
            Ok((upload, parts))
        })
        .await
}

/// Open uploads under the prefix, in the order of keys; after that key, or after that upload of that key.
pub async fn list_open(
    app: &App,
    caller: &Caller,
    bucket: &str,
    prefix: &str,
    after: Option<(String, Option<String>)>,
    limit: usize,
) -> Result<Vec<UploadRow>> {
    let (caller, name, prefix) = (caller.clone(), bucket.to_owned(), prefix.to_owned());
    app.db
        .read(move |conn| {
            let bucket = enter(conn, &caller, &name, Right::Read, &prefix)?;
            let after = match &after {
                Some((key, Some(id))) => {
                    let marker = store::uploads::find(conn, bucket.id, key, id).ok();
                    Some((key.as_str(), Some(marker.map_or(i64::MAX, |row| row.id))))
                }
                Some((key, None)) => Some((key.as_str(), None)),
                None => None,
            };
            store::uploads::list_open(conn, bucket.id, &prefix, after, limit)
        })
        .await
}

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
    own(app, caller, &part.upload_id).await?;
    let (caller, name, part) = (caller.clone(), bucket.to_owned(), part.clone());
    app.db
        .glance(move |conn| {
            let bucket = enter(conn, &caller, &name, Right::Write, &part.key)?;
            check_fits(&bucket, size)?;
            store::uploads::open(conn, bucket.id, &part.key, &part.upload_id)
        })
        .await
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
    let found = objects::look(app, caller, &from.bucket, &from.key, from.version, true).await?.object()?;
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
            let body = found.stream(&app.objects, (begin, end)).await?.map_err(Error::internal);
            put_part(app, caller, bucket, part, (Expected::default(), Some(end - begin)), body, || Ok(None)).await?
        }
    };
    Ok((row, found))
}

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
    own(app, caller, &wanted.upload_id).await?;
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
    let chosen = choose(&upload, arrived, wanted.parts.as_deref())?;
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
    let numbers: Vec<i64> = chosen.iter().map(|part| part.number).collect();
    store::uploads::complete(conn, bucket, upload.id, &numbers, now)?;
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

/// Gives an upload up: its parts go.
pub async fn abort(app: &App, caller: &Caller, bucket: &str, key: &str, upload_id: &str) -> Result<()> {
    // Whoever looks after the bucket may clear it of others' uploads.
    let (asker, place) = (caller.clone(), bucket.to_owned());
    if app.db.glance(move |conn| enter(conn, &asker, &place, Right::Manage, "").map(drop)).await.is_err() {
        own(app, caller, upload_id).await?;
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
