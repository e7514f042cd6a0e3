//! Manifests: kept byte for byte, refused when what they refer to is not there.

use actix_web::{HttpResponse, http::Method, http::header, web};
use futures_util::stream;

use super::{
    CONTENT_DIGEST, Call,
    blobs::{Length, announce},
    refusal::{Refusal, Result},
};
use crate::{
    accounts::action,
    clock,
    error::Error,
    images::{
        self,
        manifest::{Document, MOST_BYTES},
        reference::{Digest, Target},
        store::{self, manifests::NewManifest},
    },
};

pub async fn get(call: &Call<'_>, name: String, target: Target) -> Result<HttpResponse> {
    let with_body = *call.request.method() != Method::HEAD;
    let (wanted, reference) = (target.clone(), name.clone());
    let found = call.app.db.glance(move |conn| store::manifests::lookup(conn, &reference, &wanted)).await?;
    let Some(found) = found else {
        let text = match &target {
            Target::Tag(tag) => format!("{name}:{tag}"),
            Target::Digest(digest) => format!("{name}@{}", digest.as_str()),
        };
        return Err(Refusal::manifest_unknown(&text));
    };
    let etag = format!("\"{}\"", found.name);
    if call.header(header::IF_NONE_MATCH).is_some_and(|tags| tags.split(',').any(|tag| tag.trim() == etag)) {
        return Ok(HttpResponse::NotModified().insert_header((header::ETAG, etag)).finish());
    }
    let mut response = HttpResponse::Ok();
    response
        .insert_header((header::CONTENT_TYPE, found.media_type))
        .insert_header((CONTENT_DIGEST, found.name))
        .insert_header((header::ETAG, etag));
    if !with_body {
        return Ok(response.body(Length(u64::try_from(found.size_bytes).unwrap_or(0))));
    }
    Ok(response.body(call.app.objects.read(&found.digest).await?))
}

pub async fn put(call: &Call<'_>, name: String, target: Target, payload: web::Payload) -> Result<HttpResponse> {
    call.may(action::Push)?;
    let too_large = || Error::too_large(format!("A manifest has at most {MOST_BYTES} bytes."));
    let body = payload.to_bytes_limited(MOST_BYTES).await.map_err(|_| Refusal::of_manifest(too_large()))?;
    let body = body.map_err(|cause| Refusal::upload_invalid(format!("The manifest broke off: {cause}")))?;
    let document = Document::read(&body, call.header(header::CONTENT_TYPE)).map_err(Refusal::of_manifest)?;
    let subject = document.subject.clone();
    let by_sha512 = matches!(&target, Target::Digest(digest) if digest.is_sha512());
    let sha512 = by_sha512.then(|| {
        use sha2::Digest as _;
        hex::encode(sha2::Sha512::digest(&body))
    });
    let received = call.app.objects.receive(stream::iter([Ok::<_, std::convert::Infallible>(body)]), None, ()).await?;
    let digest = match &target {
        Target::Tag(_) => Digest::of_sha256(received.digest()),
        Target::Digest(wanted) => {
            let found = sha512.as_deref().unwrap_or(received.digest());
            if wanted.hex() != found {
                return Err(Refusal::digest_invalid(format!(
                    "The manifest that arrived has the digest {found}; it was not kept."
                )));
            }
            wanted.clone()
        }
    };
    let has_rules = keep(call, &name, received, &target, &digest, document).await.map_err(Refusal::of_manifest)?;
    if has_rules {
        images::wake(call.app);
    }
    announce(call, &name);
    let mut response = HttpResponse::Created();
    response
        .insert_header((header::LOCATION, format!("/v2/{name}/manifests/{}", digest.as_str())))
        .insert_header((CONTENT_DIGEST, digest.as_str()));
    if let Some(subject) = subject {
        response.insert_header(("oci-subject", subject.as_str()));
    }
    Ok(response.finish())
}

/// Bytes, references and tag in one transaction; whether the repository has rules of what goes.
async fn keep(
    call: &Call<'_>,
    name: &str,
    received: crate::objects::Received,
    target: &Target,
    digest: &Digest,
    document: Document,
) -> crate::error::Result<bool> {
    let size_bytes = i64::try_from(received.size_bytes()).map_err(Error::internal)?;
    let (who, name, wanted, now) = (call.who.clone(), name.to_owned(), digest.clone(), clock::now_ms());
    let tag = if let Target::Tag(tag) = target { Some(tag.clone()) } else { None };
    let (_, has_rules) = call
        .app
        .objects
        .keep(received, move |conn, digest| {
            let repository = store::ensure(conn, &who, &name, now)?;
            let new = NewManifest { name: &wanted, digest, size_bytes, document: &document };
            let manifest = store::manifests::put(conn, &who, &repository, &new, now)?;
            if let Some(tag) = tag {
                store::tags::put(conn, &who, repository.id, &tag, &manifest, now)?;
            }
            Ok(repository.has_rules())
        })
        .await?;
    Ok(has_rules)
}

/// By tag the tag goes, by digest the manifest with its tags.
pub async fn delete(call: &Call<'_>, name: String, target: Target) -> Result<HttpResponse> {
    let auth = call.may(action::Push)?;
    let gone = match &target {
        Target::Tag(tag) => images::delete_tag(call.app, &auth, &name, tag).await,
        Target::Digest(digest) => images::delete_manifest(call.app, &auth, &name, digest.as_str()).await,
    };
    match gone {
        Ok(()) => Ok(HttpResponse::Accepted().finish()),
        Err(error) if error.code == drydock_wire::ErrorCode::NotFound => Err(Refusal::manifest_unknown(&name)),
        Err(error) if error.code == drydock_wire::ErrorCode::Conflict => Err(Refusal::unsupported(error.message)),
        Err(error) => Err(error.into()),
    }
}
