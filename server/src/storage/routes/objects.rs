//! Objects: lists, details, bytes, removal, older versions.

use actix_web::{HttpRequest, HttpResponse, delete, get, post, put, web};
use drydock_wire::storage::{DeleteObjects, DeletedObjects, ObjectDetail, ObjectList, ObjectSummary, RestoreVersion};
use futures_util::TryStreamExt;
use serde::Deserialize;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{reader, writer};
use crate::{
    accounts::Principal,
    app::App,
    error::{Error, Result},
    storage::{
        browser, download,
        objects::{self, Put},
        reading,
        rules::VersionId,
        sending,
    },
};

pub fn configure(cfg: &mut ServiceConfig<'_>) {
    cfg.service(list)
        .service(detail)
        .service(write)
        .service(remove)
        .service(content)
        .service(remove_many)
        .service(restore);
}

#[derive(Deserialize, utoipa::IntoParams)]
struct ListQuery {
    /// A folder, ending in `/`; absent: the top.
    #[serde(default)]
    prefix: String,
    /// A text in keys; then all keys under the prefix are looked at and there are no folders.
    search: Option<String>,
    /// `next` of the page before.
    page: Option<String>,
    /// 1 to 1000; 200 when absent.
    limit: Option<usize>,
}

#[utoipa::path(tag = "buckets", params(ListQuery), responses((status = 200, body = ObjectList)))]
#[get("/buckets/{bucket}/objects")]
async fn list(
    app: web::Data<App>,
    who: Principal,
    bucket: web::Path<String>,
    query: web::Query<ListQuery>,
) -> Result<web::Json<ObjectList>> {
    let (caller, query) = (reader(&who)?, query.into_inner());
    let page = (query.page.filter(|page| !page.is_empty()), query.limit.unwrap_or(200));
    Ok(web::Json(browser::objects(&app, &caller, &bucket, query.prefix, query.search.as_deref(), page).await?))
}

#[derive(Deserialize, utoipa::IntoParams)]
struct ObjectQuery {
    key: String,
    /// A version's id; absent: what the key holds now.
    version: Option<String>,
}

impl ObjectQuery {
    fn version(&self) -> Result<Option<VersionId>> {
        self.version.as_deref().filter(|version| !version.is_empty()).map(VersionId::parse).transpose()
    }
}

#[utoipa::path(tag = "buckets", params(ObjectQuery), responses((status = 200, body = ObjectDetail)))]
#[get("/buckets/{bucket}/object")]
async fn detail(
    app: web::Data<App>,
    who: Principal,
    bucket: web::Path<String>,
    query: web::Query<ObjectQuery>,
) -> Result<web::Json<ObjectDetail>> {
    Ok(web::Json(browser::object(&app, &reader(&who)?, &bucket, &query.key, query.version()?).await?))
}

#[derive(Deserialize, utoipa::IntoParams)]
struct WriteQuery {
    key: String,
    content_type: Option<String>,
}

/// Writes an object in one piece.
#[utoipa::path(tag = "buckets", params(WriteQuery), request_body(content = [u8], content_type = "application/octet-stream"),
    responses((status = 200, body = ObjectSummary)))]
#[put("/buckets/{bucket}/object")]
async fn write(
    app: web::Data<App>,
    who: Principal,
    bucket: web::Path<String>,
    query: web::Query<WriteQuery>,
    request: HttpRequest,
    body: web::Payload,
) -> Result<web::Json<ObjectSummary>> {
    let (caller, query) = (writer(&who)?, query.into_inner());
    let put = Put {
        content_type: Some(sending::content_type(query.content_type, &query.key)),
        key: query.key,
        size_bytes: length(&request),
        ..Put::default()
    };
    let body = body.map_err(broken_off);
    let written = objects::put(&app, &caller, &bucket, put, body, || Ok(None)).await?;
    Ok(web::Json(browser::summary_of(written.row)))
}

pub(super) fn length(request: &HttpRequest) -> Option<u64> {
    request.headers().get("content-length")?.to_str().ok()?.parse().ok()
}

#[allow(clippy::needless_pass_by_value, reason = "map_err hands it over")]
pub(super) fn broken_off(cause: actix_web::error::PayloadError) -> Error {
    Error::invalid(format!("The upload broke off: {cause}"))
}

#[utoipa::path(tag = "buckets", params(ObjectQuery), responses((status = 204)))]
#[delete("/buckets/{bucket}/object")]
async fn remove(
    app: web::Data<App>,
    who: Principal,
    bucket: web::Path<String>,
    query: web::Query<ObjectQuery>,
) -> Result<HttpResponse> {
    browser::delete_one(&app, &writer(&who)?, &bucket, &query.key, query.version()?).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The bytes; ranges are honoured.
#[utoipa::path(tag = "buckets", params(ObjectQuery),
    responses((status = 200, content_type = "application/octet-stream"), (status = 206)))]
#[get("/buckets/{bucket}/object/content")]
async fn content(
    app: web::Data<App>,
    who: Principal,
    bucket: web::Path<String>,
    query: web::Query<ObjectQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let caller = reader(&who)?;
    let found = reading::look(&app, &caller, &bucket, &query.key, query.version()?, true).await?.object()?;
    download::answer(&app, &request, &found).await
}

/// Removes objects and whole folders, or says what would go.
#[utoipa::path(tag = "buckets", responses((status = 200, body = DeletedObjects)))]
#[post("/buckets/{bucket}/objects/delete")]
async fn remove_many(
    app: web::Data<App>,
    who: Principal,
    bucket: web::Path<String>,
    wish: web::Json<DeleteObjects>,
) -> Result<web::Json<DeletedObjects>> {
    Ok(web::Json(browser::delete(&app, &writer(&who)?, &bucket, wish.into_inner()).await?))
}

/// Makes an older version the latest again.
#[utoipa::path(tag = "buckets", responses((status = 200, body = ObjectSummary)))]
#[post("/buckets/{bucket}/object/restore")]
async fn restore(
    app: web::Data<App>,
    who: Principal,
    bucket: web::Path<String>,
    wish: web::Json<RestoreVersion>,
) -> Result<web::Json<ObjectSummary>> {
    Ok(web::Json(browser::restore(&app, &writer(&who)?, &bucket, wish.into_inner()).await?))
}
