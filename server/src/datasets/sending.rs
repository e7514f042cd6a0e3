//! Files that come in parts, so that a broken connection or a reload costs one part of them; what they become is an upload like
//! one that came in one piece.
//!
//! Always holds: whoever begins with the same path, size and time goes on with what has arrived; a part is kept from the moment
//! it is acknowledged, in the bucket "file-uploads" under `{person}/{upload}/{part}`, where nobody else's requests reach; ending
//! an upload twice is ending it once, since an answer may get lost. What is never ended goes after a week.

use bytes::Bytes;
use drydock_wire::datasets::Upload;
use drydock_wire::storage::{BeginUpload, ObjectUpload, UploadedPart};
use futures_util::Stream;
use sha2::{Digest, Sha256};

use super::store;
use crate::accounts::{Authorized, action};
use crate::app::App;
use crate::clock;
use crate::db::Conn;
use crate::error::{Error, Result};
use crate::objects::parts::{self, Busy, Cut};
use crate::objects::store as rows;

const BUCKET: &str = "file-uploads";
const KEPT_MS: i64 = 7 * 86_400_000;
/// An answer that got lost is asked for again by then; the same file later on is sent anew.
const ENDED_MS: i64 = 10 * 60_000;
const ENDED: &str = "ended";

/// Of one person. The name says how large the file is, and so how it is cut.
struct Place {
    /// Of its rows, with the `/`.
    prefix: String,
    id: String,
    cut: Cut,
}

impl Place {
    /// # Errors
    /// `not_found` for what is no upload's name, `too_large` for a file above the configured limit.
    fn new(app: &App, auth: &Authorized<action::Develop>, id: &str) -> Result<Self> {
        let unknown = || Error::not_found(format!("There is no upload {id}."));
        let (size, sum) = id.split_once('-').ok_or_else(unknown)?;
        if sum.len() != 32 || !sum.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(unknown());
        }
        let (size_bytes, limit) = (size.parse().map_err(|_| unknown())?, app.config.limits.upload_bytes);
        if size_bytes > limit {
            return Err(Error::too_large(format!("The upload is larger than {limit} bytes.")));
        }
        let prefix = format!("{}/{id}/", auth.principal().person_id);
        Ok(Self { prefix, id: id.to_owned(), cut: Cut(size_bytes) })
    }

    fn number(&self, key: &str) -> Option<u32> {
        key.strip_prefix(&self.prefix)?.parse().ok()
    }

    fn ended(&self) -> String {
        format!("{}{ENDED}", self.prefix)
    }

    fn part(&self, number: u32) -> Result<UploadedPart> {
        Ok(UploadedPart { number, size_bytes: self.cut.size_or_refusal(number)? })
    }
}

/// Begins an upload, or goes on with the caller's own of the same path, size and time.
///
/// # Errors
/// `too_large` above the configured limit.
pub async fn begin(app: &App, auth: &Authorized<action::Develop>, wish: BeginUpload) -> Result<ObjectUpload> {
    app.objects.room().check()?;
    let said = format!("{}\0{:?}", wish.key, wish.modified_at);
    let sum = hex::encode(Sha256::digest(said));
    let id = format!("{}-{}", wish.size_bytes, sum.get(..32).unwrap_or_default());
    let place = Place::new(app, auth, &id)?;
    app.db
        .write(move |conn| {
            let known = rows::list_prefix(conn, BUCKET, &place.prefix)?;
            let ended = known.iter().find(|one| one.key == place.ended());
            let numbers: Vec<u32> = match ended {
                Some(ended) if ended.created_at > clock::now_ms() - ENDED_MS => (1..=place.cut.part_count()).collect(),
                Some(_) => {
                    rows::delete_prefix(conn, BUCKET, &place.prefix)?;
                    vec![]
                }
                None => known.iter().filter_map(|one| place.number(&one.key)).collect(),
            };
            let parts = numbers.into_iter().map(|number| place.part(number)).collect::<Result<_>>()?;
            Ok(ObjectUpload { part_bytes: place.cut.part_bytes(), id: place.id, parts })
        })
        .await
}

/// Takes one part in. Sent twice, the later one counts.
pub async fn put_part<S, E>(
    app: &App,
    auth: &Authorized<action::Develop>,
    (id, number): (&str, u32),
    body: S,
) -> Result<UploadedPart>
where
    S: Stream<Item = std::result::Result<Bytes, E>> + Unpin,
    E: std::fmt::Display,
{
    let place = Place::new(app, auth, id)?;
    let part = place.part(number)?;
    let kept = app.objects.put_stream(body, Some(part.size_bytes)).await?;
    if kept.size_bytes != part.size_bytes {
        return Err(Error::invalid(format!("Part {number} of this upload has {} bytes.", part.size_bytes)));
    }
    app.objects.link(BUCKET, &format!("{}{number}", place.prefix), &kept.digest).await?;
    Ok(part)
}

/// Makes one content of the parts, which is the caller's upload from now on.
///
/// # Errors
/// `conflict` while parts are missing.
pub async fn complete(app: &App, auth: &Authorized<action::Develop>, id: &str) -> Result<Upload> {
    let place = Place::new(app, auth, id)?;
    let Some(_busy) = Busy::with(&place.prefix).await else {
        return Err(Error::unavailable("This upload is still being put together; ask again in a moment."));
    };
    let prefix = place.prefix.clone();
    let known = app.db.read(move |conn| rows::list_prefix(conn, BUCKET, &prefix)).await?;
    let ended = known.iter().find(|one| one.key == place.ended()).map(|one| one.digest.clone());
    let digest = match ended {
        Some(digest) => digest,
        None => {
            let digests = in_order(&place, &known)?;
            parts::join(&app.objects, digests, app.config.limits.upload_bytes).await?
        }
    };
    let (person_id, size_bytes, kept) = (auth.principal().person_id.clone(), place.cut.0, digest.clone());
    app.db
        .write(move |conn| {
            let now = clock::now_ms();
            rows::delete_prefix(conn, BUCKET, &place.prefix)?;
            rows::link(conn, BUCKET, &place.ended(), &kept, now)?;
            store::insert_upload(conn, &person_id, &kept, size_bytes, now)
        })
        .await?;
    Ok(Upload { digest, size_bytes })
}

fn in_order(place: &Place, known: &[crate::objects::Object]) -> Result<Vec<String>> {
    let of = |number: u32| known.iter().find(|one| place.number(&one.key) == Some(number));
    if let Some(missing) = place.cut.missing(|number| of(number).is_some()) {
        let count = place.cut.part_count();
        return Err(Error::conflict(format!("Part {missing} of {count} has not arrived yet; send it first.")));
    }
    Ok((1..=place.cut.part_count()).filter_map(of).map(|one| one.digest.clone()).collect())
}

/// Gives the upload up: what has arrived goes.
pub async fn abort(app: &App, auth: &Authorized<action::Develop>, id: &str) -> Result<()> {
    let place = Place::new(app, auth, id)?;
    app.db.write(move |conn| rows::delete_prefix(conn, BUCKET, &place.prefix)).await.map(drop)
}

/// Forgets what nobody ended.
pub fn forget_stale(conn: &mut Conn) -> Result<usize> {
    rows::delete_older(conn, BUCKET, clock::now_ms() - KEPT_MS)
}
