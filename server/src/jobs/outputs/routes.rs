//! `/api/v1/jobs/{id}/outputs`.

use actix_web::{HttpRequest, HttpResponse, get, http::header, post, web};
use drydock_wire::{
    ErrorBody,
    datasets::CreatedVersion,
    jobs::{DatasetFromOutputs, JobOutputs},
};
use serde::Deserialize;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    accounts::{self, Principal, action},
    app::App,
    download::{self, File},
    error::Result,
};

pub fn configure(cfg: &mut ServiceConfig<'_>) {
    cfg.service(file).service(archive).service(into_dataset).service(list);
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    /// Absent: the last one.
    attempt: Option<i64>,
    folder: Option<String>,
    /// Everything below the folder, too.
    #[serde(default)]
    deep: bool,
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
struct FileQuery {
    attempt: Option<i64>,
    path: String,
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
struct ArchiveQuery {
    attempt: Option<i64>,
}

/// What an attempt left in `/outputs`.
#[utoipa::path(tag = "jobs", params(ListQuery),
    responses((status = 200, body = JobOutputs), (status = 404, body = ErrorBody)))]
#[get("/jobs/{id}/outputs")]
async fn list(
    app: web::Data<App>,
    who: Principal,
    id: web::Path<String>,
    query: web::Query<ListQuery>,
) -> Result<web::Json<JobOutputs>> {
    let auth = accounts::authorize(&who, action::View, &who.project)?;
    let ListQuery { attempt, folder, deep } = query.into_inner();
    let folder = folder.unwrap_or_default();
    Ok(web::Json(super::list(&app, &auth, &id, attempt, &folder, deep).await?))
}

/// One file of it; ranges are answered.
#[utoipa::path(tag = "jobs", params(FileQuery),
    responses((status = 200, content_type = "application/octet-stream"), (status = 404, body = ErrorBody)))]
#[get("/jobs/{id}/outputs/file")]
async fn file(
    app: web::Data<App>,
    who: Principal,
    id: web::Path<String>,
    query: web::Query<FileQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let auth = accounts::authorize(&who, action::View, &who.project)?;
    let found = super::file(&app, &auth, &id, query.attempt, &query.path).await?;
    let asked = File {
        path: &query.path,
        content_type: "application/octet-stream",
        etag: format!("\"{}\"", found.digest),
        size_bytes: u64::try_from(found.size_bytes).unwrap_or(0),
    };
    download::answer(&request, asked, async |from, to| {
        app.objects.stream(&found.digest, Some((from, to))).await.map(|(_, body)| body)
    })
    .await
}

/// All of it as a tar archive.
#[utoipa::path(tag = "jobs", params(ArchiveQuery),
    responses((status = 200, content_type = "application/x-tar"), (status = 404, body = ErrorBody)))]
#[get("/jobs/{id}/outputs/archive")]
async fn archive(
    app: web::Data<App>,
    who: Principal,
    id: web::Path<String>,
    query: web::Query<ArchiveQuery>,
) -> Result<HttpResponse> {
    let auth = accounts::authorize(&who, action::View, &who.project)?;
    let body = super::archive(&app, &auth, &id, query.attempt).await?;
    Ok(HttpResponse::Ok()
        .content_type("application/x-tar")
        .insert_header((header::CONTENT_DISPOSITION, format!("attachment; filename=\"{id}-outputs.tar\"")))
        .streaming(body))
}

/// A folder or a file of it as a new version of a dataset, without copying.
#[utoipa::path(tag = "jobs", request_body = DatasetFromOutputs, responses(
    (status = 201, body = CreatedVersion), (status = 200, description = "nothing changed", body = CreatedVersion),
    (status = 404, body = ErrorBody), (status = 409, description = "the attempt goes on", body = ErrorBody)))]
#[post("/jobs/{id}/outputs/dataset")]
async fn into_dataset(
    app: web::Data<App>,
    who: Principal,
    id: web::Path<String>,
    wish: web::Json<DatasetFromOutputs>,
) -> Result<HttpResponse> {
    let auth = accounts::authorize(&who, action::Develop, &who.project)?;
    let answer = super::into_dataset(&app, &auth, &id, wish.into_inner()).await?;
    let mut response = if answer.created { HttpResponse::Created() } else { HttpResponse::Ok() };
    Ok(response.json(answer))
}
