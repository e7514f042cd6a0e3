//! Files of a version: their list, their bytes, their beginnings; and the beginning of an object in a bucket.

use actix_web::{HttpRequest, HttpResponse, get, web};
use drydock_wire::datasets::FilePage;
use drydock_wire::tracking::Preview;
use utoipa_actix_web::service_config::ServiceConfig;

use super::NameAndVersion;
use crate::accounts::{Principal, action, authorize};
use crate::app::App;
use crate::datasets::versions::{self, Listing};
use crate::datasets::{download, preview as previews};
use crate::error::Result;
use crate::storage::{access::Caller, rules::VersionId};

pub fn configure(cfg: &mut ServiceConfig<'_>) {
    cfg.service(files).service(file).service(preview).service(preview_of_object);
}

#[derive(serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
struct FilesQuery {
    /// What the paths start with; a folder ends in `/`.
    #[serde(default)]
    prefix: String,
    /// `next` of the page before.
    after: Option<String>,
    /// 1 to 1000.
    limit: Option<usize>,
    /// All files below, without folders.
    #[serde(default)]
    flat: bool,
}

/// A page of a version's files and folders.
#[utoipa::path(tag = "datasets", params(FilesQuery), responses((status = 200, body = FilePage)))]
#[get("/datasets/{name}/versions/{version}/files")]
async fn files(
    app: web::Data<App>,
    who: Principal,
    path: NameAndVersion,
    query: web::Query<FilesQuery>,
) -> Result<web::Json<FilePage>> {
    let auth = authorize(&who, action::View, &who.project)?;
    let (name, number) = path.into_inner();
    let FilesQuery { prefix, after, limit, flat } = query.into_inner();
    let wanted = Listing { prefix, after, limit: limit.unwrap_or(200), flat };
    Ok(web::Json(versions::files(&app, &auth, &name, &number, wanted).await?))
}

#[derive(serde::Deserialize, utoipa::IntoParams)]
struct FileQuery {
    /// As in the version's list of files.
    path: String,
}

/// The bytes of one file; ranges are honoured.
#[utoipa::path(tag = "datasets", params(FileQuery),
    responses((status = 200, content_type = "application/octet-stream"), (status = 206)))]
#[get("/datasets/{name}/versions/{version}/file")]
async fn file(
    app: web::Data<App>,
    who: Principal,
    request: HttpRequest,
    path: NameAndVersion,
    query: web::Query<FileQuery>,
) -> Result<HttpResponse> {
    let auth = authorize(&who, action::View, &who.project)?;
    let (name, number) = path.into_inner();
    let file = versions::file(&app, &auth, &name, &number, &query.path).await?;
    download::answer(&app, &request, &file).await
}

/// The first rows of a table, or the beginning of a text.
#[utoipa::path(tag = "datasets", params(FileQuery), responses((status = 200, body = Preview)))]
#[get("/datasets/{name}/versions/{version}/preview")]
async fn preview(
    app: web::Data<App>,
    who: Principal,
    path: NameAndVersion,
    query: web::Query<FileQuery>,
) -> Result<web::Json<Preview>> {
    let auth = authorize(&who, action::View, &who.project)?;
    let (name, number) = path.into_inner();
    Ok(web::Json(previews::preview(&app, &auth, &name, &number, &query.path).await?))
}

#[derive(serde::Deserialize, utoipa::IntoParams)]
struct ObjectQuery {
    key: String,
    /// A version's id; absent: what the key holds now.
    version: Option<String>,
}

/// As of a version's file, of an object.
#[utoipa::path(tag = "buckets", params(ObjectQuery), responses((status = 200, body = Preview)))]
#[get("/buckets/{bucket}/object/preview")]
async fn preview_of_object(
    app: web::Data<App>,
    who: Principal,
    bucket: web::Path<String>,
    query: web::Query<ObjectQuery>,
) -> Result<web::Json<Preview>> {
    let caller = Caller::of(&authorize(&who, action::View, &who.project)?)?;
    let version = query.version.as_deref().filter(|version| !version.is_empty());
    let version = version.map(VersionId::parse).transpose()?;
    Ok(web::Json(previews::of_object(&app, &caller, &bucket, &query.key, version).await?))
}
