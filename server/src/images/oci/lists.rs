//! Lists: repositories, tags, referrers; in pages, whose size is bounded whatever is asked for.

use actix_web::{HttpResponse, http::header};
use serde_json::{Value, json};

use super::{
    Call,
    refusal::{Refusal, Result},
};
use crate::{
    images::{
        manifest::OCI_INDEX,
        reference::Digest,
        store::{self, manifests::Manifest},
    },
    percent,
};

const PAGE: i64 = 1000;

/// `n` and `last`. Any number is good; more than a page is a page.
fn page(call: &Call<'_>) -> Result<(i64, String)> {
    let count = match call.query("n") {
        None => PAGE,
        Some(text) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
            text.parse::<i64>().unwrap_or(i64::MAX).min(PAGE)
        }
        Some(_) => return Err(Refusal::page_invalid()),
    };
    Ok((count, call.query("last").unwrap_or_default()))
}

/// Cuts the list, which was asked for with one more, and says where the next page is.
fn paged(path: &str, count: i64, mut items: Vec<String>) -> (Vec<String>, Option<String>) {
    let wanted = usize::try_from(count).unwrap_or(0);
    let more = items.len() > wanted;
    items.truncate(wanted);
    let last = items.last().filter(|_| more);
    let link = last.map(|last| format!("<{path}?n={count}&last={}>; rel=\"next\"", percent::encoded(last, "")));
    (items, link)
}

fn answer(body: &Value, link: Option<String>) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    if let Some(link) = link {
        response.insert_header((header::LINK, link));
    }
    response.json(body)
}

pub async fn catalog(call: &Call<'_>) -> Result<HttpResponse> {
    let (count, last) = page(call)?;
    let scope = call.who.reach.scope();
    let names = call.app.db.read(move |conn| store::names_after(conn, &scope, &last, count + 1)).await?;
    let (names, link) = paged("/v2/_catalog", count, names);
    Ok(answer(&json!({"repositories": names}), link))
}

pub async fn tags(call: &Call<'_>, name: String) -> Result<HttpResponse> {
    let (count, last) = page(call)?;
    let wanted = name.clone();
    let found = call.app.db.read(move |conn| {
        if store::find(conn, &wanted)?.is_none() {
            return Ok(None);
        }
        store::tags::names_after(conn, &wanted, &last, count + 1).map(Some)
    });
    let tags = found.await?.ok_or_else(|| Refusal::name_unknown(&name))?;
    let (tags, link) = paged(&format!("/v2/{name}/tags/list"), count, tags);
    Ok(answer(&json!({"name": name, "tags": tags}), link))
}

/// An index of what has this digest as its subject, whether or not that is there.
pub async fn referrers(call: &Call<'_>, name: String, digest: Digest) -> Result<HttpResponse> {
    let (count, last) = page(call)?;
    let wanted_type = call.query("artifactType").filter(|it| !it.is_empty());
    let (repository, subject) = (name.clone(), digest.as_str().to_owned());
    let found = call.app.db.read(move |conn| {
        let Some(repository) = store::find(conn, &repository)? else { return Ok(vec![]) };
        store::manifests::referrers(conn, repository.id, &subject, &last, count + 1)
    });
    let found = found.await?;
    let path = format!("/v2/{name}/referrers/{}", digest.as_str());
    let (names, link) = paged(&path, count, found.iter().map(|it| it.name.clone()).collect());
    let filter = wanted_type.as_ref().map(|it| format!("&artifactType={}>;", percent::encoded(it, "")));
    let link = link.map(|link| filter.map_or(link.clone(), |filter| link.replacen(">;", &filter, 1)));
    let page = found.iter().take(names.len());
    let fits = |it: &&Manifest| wanted_type.as_ref().is_none_or(|wanted| it.artifact_type.as_ref() == Some(wanted));
    let manifests: Vec<Value> = page.filter(fits).map(descriptor).collect();
    let body = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests});
    let mut response = HttpResponse::Ok();
    response.insert_header((header::CONTENT_TYPE, OCI_INDEX));
    if wanted_type.is_some() {
        response.insert_header(("oci-filters-applied", "artifactType"));
    }
    if let Some(link) = link {
        response.insert_header((header::LINK, link));
    }
    Ok(response.body(body.to_string()))
}

fn descriptor(it: &Manifest) -> Value {
    let mut descriptor = json!({"mediaType": it.media_type, "digest": it.name, "size": it.size_bytes});
    if let Some(kind) = &it.artifact_type {
        descriptor["artifactType"] = json!(kind);
    }
    if let Some(annotations) = it.annotations.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok()) {
        descriptor["annotations"] = annotations;
    }
    descriptor
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_is_not_the_last_says_where_the_next_is() {
        let names = |list: &[&str]| list.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let (items, link) = paged("/v2/_catalog", 2, names(&["a", "b/c", "d"]));
        assert_eq!(
            (items, link.as_deref()),
            (names(&["a", "b/c"]), Some("</v2/_catalog?n=2&last=b%2Fc>; rel=\"next\""))
        );
        assert_eq!(paged("/v2/_catalog", 2, names(&["a", "b"])), (names(&["a", "b"]), None));
        assert_eq!(paged("/v2/_catalog", 0, names(&["a"])), (vec![], None));
    }
}
