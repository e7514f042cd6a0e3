//! Listings of a bucket, as the faces ask for them.

use super::{
    access::{Caller, Entered, enter_to_list},
    refusals,
    rules::VersionId,
    store::{
        self,
        list::{AfterVersion, Listed, ListedVersion, Page, Wanted},
    },
};
use crate::{app::App, error::Result};

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

/// Keys under the prefix that contain a text, in order; at most `limit`, after `after`. Reads every key under the prefix until then.
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
            let mut found = Page::default();
            let mut wanted = Wanted { prefix, delimiter: String::new(), after, limit: 1000, only };
            loop {
                let page = store::list::objects(conn, bucket.id, &wanted)?;
                for row in page.objects {
                    if !row.key.to_lowercase().contains(&text) {
                        continue;
                    }
                    if found.objects.len() == limit {
                        found.next = found.objects.last().map(|row: &Listed| row.key.clone());
                        return Ok(found);
                    }
                    found.objects.push(row);
                }
                match page.next {
                    Some(next) => wanted.after = Some(next),
                    None => return Ok(found),
                }
            }
        })
        .await
}

/// All versions and delete markers; after a key, or after a version of it. `true`: there is more.
pub async fn versions(
    app: &App,
    caller: &Caller,
    bucket: &str,
    wanted: Wanted,
    after: Option<(String, Option<VersionId>)>,
) -> Result<(Page<ListedVersion>, bool)> {
    let (caller, name) = (caller.clone(), bucket.to_owned());
    app.db
        .read(move |conn| {
            let (bucket, only) = enter_to_list(conn, &caller, &name, &wanted.prefix)?;
            if wanted.limit == 0 {
                return Ok((Page::default(), false));
            }
            let after = match after {
                None => None,
                Some((key, None)) => Some(AfterVersion { key, seq: None }),
                Some((key, Some(VersionId::Seq(seq)))) => Some(AfterVersion { key, seq: Some(seq) }),
                Some((key, Some(VersionId::Null))) => {
                    let marker = store::objects::version(conn, bucket.id, &key, VersionId::Null)?;
                    let seq = marker.ok_or_else(|| refusals::invalid_argument("Invalid version id marker."))?.seq;
                    Some(AfterVersion { key, seq: Some(seq) })
                }
            };
            let one_more = Wanted { limit: wanted.limit + 1, only, ..wanted.clone() };
            let mut page = store::list::versions(conn, bucket.id, &one_more, after.as_ref())?;
            let is_more = page.objects.len() + page.prefixes.len() > wanted.limit;
            if is_more {
                drop_last(&mut page);
            }
            Ok((page, is_more))
        })
        .await
}

/// Takes away what comes last of both.
fn drop_last(page: &mut Page<ListedVersion>) {
    match (page.objects.last(), page.prefixes.last()) {
        (Some(object), Some(prefix)) if object.key > *prefix => drop(page.objects.pop()),
        (_, Some(_)) => drop(page.prefixes.pop()),
        _ => drop(page.objects.pop()),
    }
}
