//! Uploads in parts that can be gone on with.

use actix_web::{HttpRequest, HttpResponse, delete, post, put, web};
use drydock_wire::storage::{BeginUpload, ObjectSummary, ObjectUpload, UploadedPart};
use futures_util::TryStreamExt;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    objects::{broken_off, length},
    writer,
};
use crate::{accounts::Principal, app::App, error::Result, storage::sending};

pub fn configure(cfg: &mut ServiceConfig<'_>) {
    cfg.service(begin).service(put_part).service(complete).service(abort);
}

/// Begins an upload, or goes on with the caller's own unfinished one of the same file.
#[utoipa::path(tag = "buckets", responses((status = 200, body = ObjectUpload)))]
#[post("/buckets/{bucket}/uploads")]
async fn begin(
    app: web::Data<App>,
    who: Principal,
    bucket: web::Path<String>,
    wish: web::Json<BeginUpload>,
) -> Result<web::Json<ObjectUpload>> {
    Ok(web::Json(sending::begin(&app, &writer(&who)?, &bucket, wish.into_inner()).await?))
}

#[utoipa::path(tag = "buckets", request_body(content = [u8], content_type = "application/octet-stream"),
    responses((status = 200, body = UploadedPart), (status = 404)))]
#[put("/buckets/{bucket}/uploads/{id}/parts/{number}")]
async fn put_part(
    app: web::Data<App>,
    who: Principal,
    path: web::Path<(String, String, u32)>,
    request: HttpRequest,
    body: web::Payload,
) -> Result<web::Json<UploadedPart>> {
    let caller = writer(&who)?;
    let (bucket, id, number) = path.into_inner();
    let body = body.map_err(broken_off);
    Ok(web::Json(sending::put_part(&app, &caller, (&bucket, &id, number), length(&request), body).await?))
}

#[utoipa::path(tag = "buckets", responses((status = 200, body = ObjectSummary), (status = 404), (status = 409)))]
#[post("/buckets/{bucket}/uploads/{id}/complete")]
async fn complete(
    app: web::Data<App>,
    who: Principal,
    path: web::Path<(String, String)>,
) -> Result<web::Json<ObjectSummary>> {
    let (bucket, id) = path.into_inner();
    Ok(web::Json(sending::complete(&app, &writer(&who)?, &bucket, &id).await?))
}

#[utoipa::path(tag = "buckets", responses((status = 204), (status = 404)))]
#[delete("/buckets/{bucket}/uploads/{id}")]
async fn abort(app: web::Data<App>, who: Principal, path: web::Path<(String, String)>) -> Result<HttpResponse> {
    let (bucket, id) = path.into_inner();
    sending::abort(&app, &writer(&who)?, &bucket, &id).await?;
    Ok(HttpResponse::NoContent().finish())
}
