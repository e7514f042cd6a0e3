//! Blobs and their uploads. A blob is durable, and a row of the repository, before 201.

use std::sync::Arc;

use actix_web::{
    HttpResponse,
    body::{BodySize, MessageBody, SizedStream},
    http::{StatusCode, header},
    web,
};
use drydock_wire::events::Topic;
use sha2::{Digest as _, Sha512};

use super::{
    CONTENT_DIGEST, Call,
    refusal::{Refusal, Result},
};
use crate::{
    accounts::{self, Principal, action, projects},
    clock,
    download::{self, Wanted},
    error::Error,
    images::{
        reference::{Digest, is_name},
        store::{self, NewBlob},
        uploads::{Missing, Turn, Upload},
    },
    objects::{BlobInfo, Received},
};

/// An answer to HEAD: the length of what GET would send, and nothing of it.
pub struct Length(pub u64);

impl MessageBody for Length {
    type Error = std::convert::Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.0)
    }

    fn poll_next(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<std::result::Result<web::Bytes, Self::Error>>> {
        std::task::Poll::Ready(None)
    }
}

pub async fn head(call: &Call<'_>, name: String, digest: Digest) -> Result<HttpResponse> {
    let unknown = || Refusal::blob_unknown(digest.as_str());
    let found = {
        let (name, digest) = (name.clone(), digest.clone());
        call.app.db.glance(move |conn| store::sound_blob(conn, &name, &digest)).await?.ok_or_else(unknown)?
    };
    // A client that may push takes this for "no need to send it": it must not be collected before the manifest comes.
    let (now, grace_ms) = (clock::now_ms(), call.images.grace_ms);
    if now - found.touched_at > grace_ms / 2 && call.may(action::Push).is_ok() {
        let (name, digest) = (name.clone(), digest.clone());
        if !call.app.db.write(move |conn| store::touch_blob(conn, &name, &digest, now)).await? {
            return Err(unknown());
        }
    }
    let size = u64::try_from(found.size_bytes).unwrap_or(0);
    Ok(described(StatusCode::OK, &digest).body(Length(size)))
}

fn described(status: StatusCode, digest: &Digest) -> actix_web::HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response
        .insert_header((header::CONTENT_TYPE, "application/octet-stream"))
        .insert_header((CONTENT_DIGEST, digest.as_str()))
        .insert_header((header::ETAG, format!("\"{}\"", digest.as_str())))
        .insert_header((header::ACCEPT_RANGES, "bytes"))
        .insert_header((header::CACHE_CONTROL, "private, max-age=31536000"));
    response
}

pub async fn get(call: &Call<'_>, name: String, digest: Digest) -> Result<HttpResponse> {
    let found = {
        let wanted = digest.clone();
        call.app.db.glance(move |conn| store::blob(conn, &name, &wanted)).await?
    };
    let found = found.ok_or_else(|| Refusal::blob_unknown(digest.as_str()))?;
    let etag = format!("\"{}\"", digest.as_str());
    let size = u64::try_from(found.size_bytes).unwrap_or(0);
    let range = match download::wanted(call.request.headers(), &etag, size) {
        Wanted::Unchanged => return Ok(download::unchanged(etag)),
        Wanted::Beyond => {
            let refusal = Refusal::not_satisfiable("The blob has no such bytes.");
            return Err(refusal.with_header(header::CONTENT_RANGE, format!("bytes */{size}")));
        }
        Wanted::Whole => None,
        Wanted::Part(from, to) => Some((from, to)),
    };
    let (from, to) = range.unwrap_or((0, size));
    let status = if range.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let mut response = described(status, &digest);
    if range.is_some() {
        response.insert_header((header::CONTENT_RANGE, download::content_range(from, to, size)));
    }
    let (_, body) = call.app.objects.stream(&found.digest, range).await?;
    Ok(response.body(SizedStream::new(to - from, body)))
}

pub async fn delete(call: &Call<'_>, name: String, digest: Digest) -> Result<HttpResponse> {
    call.may(action::Push)?;
    let (who, wanted) = (call.who.clone(), digest.clone());
    let deleted = call.app.db.write(move |conn| {
        let Some(repository) = store::find(conn, &name)? else { return Ok(false) };
        if let Some(by) = store::manifests::referring(conn, repository.id, wanted.as_str())? {
            return Err(Error::conflict(format!("The blob is part of {by}; delete that manifest first.")));
        }
        if !store::delete_blob(conn, repository.id, &wanted)? {
            return Ok(false);
        }
        let detail = serde_json::json!({"digest": wanted.as_str()});
        accounts::audit(conn, &who, "repository.blob.delete", &store::subject(&name), detail)?;
        Ok(true)
    });
    match deleted.await {
        Ok(true) => Ok(HttpResponse::Accepted().finish()),
        Ok(false) => Err(Refusal::blob_unknown(digest.as_str())),
        Err(error) if error.code == drydock_wire::ErrorCode::Conflict => Err(Refusal::unsupported(error.message)),
        Err(error) => Err(error.into()),
    }
}

/// POST: begins an upload, or does it at once (`?digest=`), or takes the blob from another repository (`?mount=&from=`).
pub async fn open(call: &Call<'_>, name: String, payload: web::Payload) -> Result<HttpResponse> {
    call.may(action::Push)?;
    if let (Some(digest), Some(from)) = (call.query("mount"), call.query("from")) {
        let digest = Digest::parse(&digest).ok_or(crate::images::reference::BadPath::Digest)?;
        if mount(call, &name, &from, &digest).await? {
            return Ok(created(&name, &digest));
        }
    } else if let Some(digest) = call.query("digest") {
        let digest = Digest::parse(&digest).ok_or(crate::images::reference::BadPath::Digest)?;
        let received = call.app.objects.receive(payload, Some(call.app.config.limits.upload_bytes), ()).await;
        keep(call, &name, received.map_err(upload_error)?, &digest).await?;
        return Ok(created(&name, &digest));
    }
    let upload = call.images.uploads.open(&call.who, &name, call.app.objects.receiving(()))?;
    Ok(progress(StatusCode::ACCEPTED, &name, &upload))
}

/// Whether the blob is in both repositories now. What the caller may not see, or nobody has, is simply uploaded.
async fn mount(call: &Call<'_>, name: &str, from: &str, digest: &Digest) -> Result<bool> {
    if !is_name(from) {
        return Ok(false);
    }
    let (who, name, from, digest) = (call.who.clone(), name.to_owned(), from.to_owned(), digest.clone());
    let now = clock::now_ms();
    let mounted = call.app.db.write(move |conn| {
        if !projects::sees(conn, &who, projects::Kind::Repository, &from)? {
            return Ok(false);
        }
        let Some(there) = store::sound_blob(conn, &from, &digest)? else { return Ok(false) };
        let blob = NewBlob { name: digest, digest: there.digest, size_bytes: there.size_bytes };
        store::put_blob(conn, &who, &name, &blob, now)?;
        Ok(true)
    });
    Ok(mounted.await?)
}

pub async fn status(call: &Call<'_>, name: &str, id: &str) -> Result<HttpResponse> {
    let upload = find(call, name, id).await?;
    Ok(progress(StatusCode::NO_CONTENT, name, &upload))
}

pub async fn cancel(call: &Call<'_>, name: &str, id: &str) -> Result<HttpResponse> {
    call.may(action::Push)?;
    let upload = find(call, name, id).await?;
    call.images.uploads.forget(&upload.id);
    Ok(HttpResponse::NoContent().finish())
}

/// The upload, if it is theirs. Somebody else's is as unknown as none, and that they asked is written down.
async fn find(call: &Call<'_>, name: &str, id: &str) -> Result<Arc<Upload>> {
    match call.images.uploads.find(&call.who, name, id) {
        Ok(upload) => Ok(upload),
        Err(Missing::Unknown) => Err(Refusal::upload_unknown()),
        Err(Missing::OfAnother) => {
            let (who, subject) = (call.who.clone(), store::subject(name));
            let detail = serde_json::json!({"upload": id});
            call.app
                .db
                .write(move |conn| accounts::audit(conn, &who, "repository.upload.refused", &subject, detail))
                .await?;
            Err(Refusal::upload_unknown())
        }
    }
}

/// PATCH: more bytes, in order. The piece goes on being taken in when the caller hangs up, so that all that arrived counts.
pub async fn patch(call: &Call<'_>, name: &str, id: &str, payload: web::Payload) -> Result<HttpResponse> {
    call.may(action::Push)?;
    let upload = find(call, name, id).await?;
    let turn = upload.clone().turn().await;
    in_order(call, name, &upload)?;
    append(call, turn, payload).await?;
    Ok(progress(StatusCode::ACCEPTED, name, &upload))
}

/// A piece that says where it begins begins where the one before ended.
fn in_order(call: &Call<'_>, name: &str, upload: &Upload) -> Result<()> {
    let Some(text) = call.header(header::CONTENT_RANGE) else { return Ok(()) };
    let (first, last) =
        content_range(text).ok_or_else(|| Refusal::upload_invalid("Content-Range reads FIRST-LAST."))?;
    if first != upload.size_bytes() {
        let text = format!("{} bytes have arrived; go on there.", upload.size_bytes());
        let refusal = Refusal::not_satisfiable(text).with_header(header::LOCATION, location(name, &upload.id));
        return Err(refusal.with_header(header::RANGE, arrived(upload)));
    }
    let length = call.header(header::CONTENT_LENGTH).and_then(|text| text.parse::<u64>().ok());
    if length.is_some_and(|length| last.checked_sub(first).and_then(|it| it.checked_add(1)) != Some(length)) {
        return Err(Refusal::size_invalid("Content-Range and Content-Length do not agree."));
    }
    Ok(())
}

/// `0-1023`, as the specification has it, or `bytes 0-1023/2048`, as HTTP has.
fn content_range(text: &str) -> Option<(u64, u64)> {
    let text = text.trim().strip_prefix("bytes").unwrap_or(text).trim();
    let (first, rest) = text.split_once('-')?;
    let last = rest.split('/').next()?;
    Some((first.parse().ok()?, last.parse().ok()?))
}

/// Runs on when the request is dropped: a half-written piece would end the upload. The turn comes back.
async fn append(call: &Call<'_>, mut turn: Turn, payload: web::Payload) -> Result<Turn> {
    let limit = call.app.config.limits.upload_bytes;
    let taking = actix_web::rt::spawn(async move {
        let taken = turn.append(payload, limit).await;
        (turn, taken)
    });
    let (turn, taken) = taking.await.map_err(Error::internal)?;
    match taken {
        Ok(()) => Ok(turn),
        Err(error) => Err(upload_error(error)),
    }
}

fn upload_error(error: Error) -> Refusal {
    match error.code {
        drydock_wire::ErrorCode::InvalidRequest => Refusal::upload_invalid(error.message),
        drydock_wire::ErrorCode::NotFound => Refusal::upload_unknown(),
        _ => error.into(),
    }
}

/// PUT: the last bytes, if any, and the digest that all must have.
pub async fn finish(call: &Call<'_>, name: String, id: &str, payload: web::Payload) -> Result<HttpResponse> {
    call.may(action::Push)?;
    let digest =
        call.query("digest").ok_or_else(|| Refusal::digest_invalid("Say the digest: PUT …?digest=sha256:…"))?;
    let digest = Digest::parse(&digest).ok_or(crate::images::reference::BadPath::Digest)?;
    let upload = find(call, &name, id).await?;
    let turn = upload.clone().turn().await;
    in_order(call, &name, &upload)?;
    let has_body = call.header(header::CONTENT_LENGTH) != Some("0");
    let turn = if has_body { append(call, turn, payload).await? } else { turn };
    let receiving = turn.take().map_err(upload_error)?;
    call.images.uploads.forget(&upload.id);
    keep(call, &name, receiving.end().await?, &digest).await?;
    Ok(created(&name, &digest))
}

/// Makes the bytes a blob of the repository if they have this digest.
async fn keep(call: &Call<'_>, name: &str, received: Received, digest: &Digest) -> Result<()> {
    let (who, name, now) = (call.who.clone(), name.to_owned(), clock::now_ms());
    if digest.is_sha512() {
        return keep_by_sha512(call, who, name, received, digest).await;
    }
    if received.digest() != digest.hex() {
        let text = format!("The bytes that arrived have the digest sha256:{}; nothing was kept.", received.digest());
        return Err(Refusal::digest_invalid(text));
    }
    let size_bytes = i64::try_from(received.size_bytes()).map_err(Error::internal)?;
    let wanted = digest.clone();
    call.app
        .objects
        .keep(received, move |conn, digest| {
            store::put_blob(conn, &who, &name, &NewBlob { name: wanted, digest: digest.to_owned(), size_bytes }, now)
        })
        .await?;
    Ok(())
}

/// The store hashes by SHA-256, so such a blob is read once more; until its name is known to be right, nothing refers to it.
async fn keep_by_sha512(
    call: &Call<'_>,
    who: Principal,
    name: String,
    received: Received,
    digest: &Digest,
) -> Result<()> {
    let (BlobInfo { digest: content, size_bytes }, ()) = call.app.objects.keep(received, |_, _| Ok(())).await?;
    let found = sha512(call, &content).await?;
    if found != digest.hex() {
        return Err(Refusal::digest_invalid(format!(
            "The bytes that arrived have the digest sha512:{found}; nothing was kept."
        )));
    }
    let size_bytes = i64::try_from(size_bytes).map_err(Error::internal)?;
    let blob = NewBlob { name: digest.clone(), digest: content, size_bytes };
    Ok(call.app.db.write(move |conn| store::put_blob(conn, &who, &name, &blob, clock::now_ms())).await?)
}

async fn sha512(call: &Call<'_>, content: &str) -> Result<String> {
    use futures_util::StreamExt;
    let (_, mut body) = call.app.objects.stream(content, None).await?;
    let mut hasher = Sha512::new();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(Error::internal)?;
        hasher = tokio::task::spawn_blocking(move || {
            hasher.update(&chunk);
            hasher
        })
        .await
        .map_err(Error::internal)?;
    }
    Ok(hex::encode(hasher.finalize()))
}

fn created(name: &str, digest: &Digest) -> HttpResponse {
    HttpResponse::Created()
        .insert_header((header::LOCATION, format!("/v2/{name}/blobs/{}", digest.as_str())))
        .insert_header((CONTENT_DIGEST, digest.as_str()))
        .finish()
}

fn progress(status: StatusCode, name: &str, upload: &Upload) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((header::LOCATION, location(name, &upload.id)))
        .insert_header((header::RANGE, arrived(upload)))
        .insert_header(("docker-upload-uuid", upload.id.as_str()))
        .finish()
}

fn location(name: &str, id: &str) -> String {
    format!("/v2/{name}/blobs/uploads/{id}")
}

/// Both ends count; of nothing it says the same as of one byte.
fn arrived(upload: &Upload) -> String {
    format!("0-{}", upload.size_bytes().saturating_sub(1))
}

/// Tells the dashboard.
pub fn announce(call: &Call<'_>, name: &str) {
    call.app.events.publish(Topic::Images, Some(name));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_of_a_piece_is_read() {
        assert_eq!(content_range("0-1023"), Some((0, 1023)));
        assert_eq!(content_range("bytes 5-9/10"), Some((5, 9)));
        for bad in ["", "5", "a-b", "-5", "5-", "0-99999999999999999999"] {
            assert_eq!(content_range(bad), None, "{bad}");
        }
    }
}
