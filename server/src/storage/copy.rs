//! Copies within the store: new rows for the same content, no byte is read.

use super::{
    about::About,
    access::{Caller, Right, enter},
    objects::{Written, check_conditions},
    reading::{Found, look_in},
    refusals, rules,
    rules::{Conditions, VersionId},
    store::{
        self,
        objects::{Content, NewObject, ObjectRow},
        uploads::NewUpload,
    },
    uploads::new_id,
};
use crate::{
    app::App,
    clock,
    error::{Error, Result},
};

#[derive(Debug, Clone, Default)]
pub struct Copy {
    pub from_bucket: String,
    pub from_key: String,
    pub from_version: Option<VersionId>,
    pub source_conditions: Conditions,
    pub bucket: String,
    pub key: String,
    pub conditions: Conditions,
    /// Content type and headers in place of the source's.
    pub headers: Option<(Option<String>, About)>,
    /// Tags in place of the source's.
    pub tags: Option<std::collections::BTreeMap<String, String>>,
}

/// Copies an object: the source, and the copy.
///
/// # Errors
/// `not_found` without the source; `conflict` (PreconditionFailed); `invalid` for a copy onto itself that changes nothing.
pub async fn copy(app: &App, caller: &Caller, wanted: Copy) -> Result<(Found, Written)> {
    rules::check_key(&wanted.key)?;
    app.objects.room().check()?;
    let upload_id = new_id()?;
    let caller = caller.clone();
    app.db
        .write(move |conn| {
            let from = enter(conn, &caller, &wanted.from_bucket, Right::Read, &wanted.from_key)?;
            let found = look_in(conn, from, &wanted.from_key, wanted.from_version, false)?.object()?;
            let source = &found.row;
            wanted.source_conditions.on_source(&source.etag, source.modified_at)?;
            let bucket = enter(conn, &caller, &wanted.bucket, Right::Write, &wanted.key)?;
            check_conditions(conn, &bucket, &wanted.key, &wanted.conditions)?;
            let is_itself = source.bucket == bucket.id && source.key == wanted.key && source.shelf == 0;
            if is_itself && wanted.from_version.is_none() && wanted.headers.is_none() && wanted.tags.is_none() {
                let text = "This copy request is illegal because it is trying to copy an object to itself without changing \
                            the object's metadata.";
                return Err(Error::invalid(text).with_source(refusals::S3Word("InvalidRequest")));
            }
            let (content_type, about) = described(source, &wanted)?;
            let now = clock::now_ms();
            let content = match (&source.digest, source.upload) {
                (Some(digest), _) => Content::Blob(digest.clone()),
                (None, Some(upload)) => {
                    let parts = NewUpload {
                        upload_id,
                        bucket: bucket.id,
                        key: wanted.key.clone(),
                        person_id: caller.principal.person_id.clone(),
                        begun_at: now,
                        content_type: None,
                        about: None,
                        checksum: None,
                        whole_checksum: false,
                        note: None,
                    };
                    store::uploads::copy(conn, &bucket, upload, &parts, now)?
                }
                (None, None) => return Err(refusals::no_such_key(&source.key)),
            };
            let new = NewObject {
                key: wanted.key,
                size_bytes: source.size_bytes,
                modified_at: now,
                etag: source.etag.clone(),
                content,
                content_type,
                about: about.column()?,
            };
            let row = store::objects::insert(conn, &bucket, new)?;
            Ok((found, Written { row, versioning: bucket.versioning() }))
        })
        .await
}

/// Headers and tags of the copy. Checksums are the content's, and so go with it.
fn described(source: &ObjectRow, wanted: &Copy) -> Result<(Option<String>, About)> {
    let theirs = About::read(source.about.as_deref())?;
    let (content_type, mut about) = match &wanted.headers {
        Some((content_type, headers)) => (content_type.clone(), headers.clone()),
        None => (source.content_type.clone(), theirs.clone()),
    };
    about.checksums = theirs.checksums;
    about.tags = wanted.tags.clone().unwrap_or(theirs.tags);
    Ok((content_type, about))
}
