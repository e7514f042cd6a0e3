//! Listings of a bucket, as the faces ask for them.

use super::{
    access::{Caller, Entered, enter_to_list},
    refusals,
    rules::VersionId,
    store::{
        self,
        fold::{Page, Wanted},
        list::{AfterVersion, Listed, ListedVersion},
        uploads::{AfterUpload, UploadRow},
    },
};
use crate::{app::App, db::Conn, error::Result};

/// Current objects and common prefixes, and the bucket they are in.
pub async fn objects(app: &App, caller: &Caller, bucket: &str, wanted: Wanted) -> Result<(Entered, Page<Listed>)> {
    let (caller, name) = (caller.clone(), bucket.to_owned());
    app.db
        .read(move |conn| {
            let (bucket, only) = enter_to_list(conn, &caller, &name, &wanted.prefix)?;
            let page = store::list::objects(conn, bucket.id, &Wanted { only, ..wanted })?;
            Ok((bucket, page))
        })
        .await
}

/// Keys that a search looks at before it gives what it found so far.
const MOST_SEARCHED: usize = 20_000;
const SEARCHED_AT_ONCE: usize = 1000;

/// Keys under the prefix that contain a text, in order; at most `limit`, after `after`. One call looks at so many keys and no more:
/// `next` then says where to go on, even if nothing was found yet.
pub async fn search(
    app: &App,
    caller: &Caller,
    bucket: &str,
    (prefix, text): (&str, &str),
    after: Option<String>,
    limit: usize,
) -> Result<Page<Listed>> {
    let (caller, name, prefix, text) = (caller.clone(), bucket.to_owned(), prefix.to_owned(), text.to_lowercase());
    app.db
        .read(move |conn| {
            let (bucket, only) = enter_to_list(conn, &caller, &name, &prefix)?;
            let wanted = Wanted { prefix, after, limit: SEARCHED_AT_ONCE, only, ..Wanted::default() };
            search_in(conn, bucket.id, wanted, &text, limit)
        })
        .await
}

/// `text`: in small letters.
pub(super) fn search_in(
    conn: &mut Conn,
    bucket: i64,
    mut wanted: Wanted,
    text: &str,
    limit: usize,
) -> Result<Page<Listed>> {
    let mut found = Page::default();
    for _ in 0..MOST_SEARCHED / SEARCHED_AT_ONCE {
        let page = store::list::objects(conn, bucket, &wanted)?;
        for row in page.objects {
            if !row.key.to_lowercase().contains(text) {
                continue;
            }
            if found.objects.len() == limit {
                found.next = found.objects.last().map(|row: &Listed| row.key.clone());
                return Ok(found);
            }
            found.objects.push(row);
        }
        if page.next.is_none() {
            return Ok(found);
        }
        wanted.after = page.next;
    }
    found.next = wanted.after;
    Ok(found)
}

/// All versions and delete markers; after a key, or after a version of it.
pub async fn versions(
    app: &App,
    caller: &Caller,
    bucket: &str,
    wanted: Wanted,
    after: Option<(String, Option<VersionId>)>,
) -> Result<(Entered, Page<ListedVersion>)> {
    let (caller, name) = (caller.clone(), bucket.to_owned());
    app.db
        .read(move |conn| {
            let (bucket, only) = enter_to_list(conn, &caller, &name, &wanted.prefix)?;
            let place = match &after {
                Some((_, Some(VersionId::Seq(seq)))) => Some(*seq),
                Some((key, Some(VersionId::Null))) => {
                    let marker = store::objects::version(conn, bucket.id, key, VersionId::Null)?;
                    Some(marker.ok_or_else(|| refusals::invalid_argument("Invalid version id marker."))?.seq)
                }
                _ => None,
            };
            let after = after.map(|(key, _)| AfterVersion { key, place });
            let page = store::list::versions(conn, bucket.id, &Wanted { only, ..wanted }, after)?;
            Ok((bucket, page))
        })
        .await
}

/// Open uploads in the order of keys; after a key, or after an upload of it.
pub async fn uploads(
    app: &App,
    caller: &Caller,
    bucket: &str,
    wanted: Wanted,
    after: Option<AfterUpload>,
) -> Result<Page<UploadRow>> {
    let (caller, name) = (caller.clone(), bucket.to_owned());
    app.db
        .read(move |conn| {
            let (bucket, only) = enter_to_list(conn, &caller, &name, &wanted.prefix)?;
            store::uploads::list_open(conn, bucket.id, &Wanted { only, ..wanted }, after)
        })
        .await
}
