//! `/api/v1/uploads`: files on their way, in one piece or in parts that can be gone on with.

use actix_web::{HttpResponse, delete, post, put, web};
use drydock_wire::datasets::Upload;
use drydock_wire::storage::{BeginUpload, ObjectUpload, UploadedPart};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::accounts::{Principal, action, authorize};
use crate::app::App;
use crate::datasets::sending;
use crate::error::Result;

pub fn configure(cfg: &mut ServiceConfig<'_>) {
    cfg.service(upload).service(begin).service(put_part).service(complete).service(abort);
}

/// Keeps a file's bytes for a version or a job to refer to.
#[utoipa::path(tag = "datasets", request_body(content = [u8], content_type = "application/octet-stream"),
    responses((status = 200, body = Upload)))]
#[put("/uploads")]
async fn upload(app: web::Data<App>, who: Principal, body: web::Payload) -> Result<web::Json<Upload>> {
    let auth = authorize(&who, action::Develop, &who.project)?;
    Ok(web::Json(crate::datasets::upload(&app, &auth, body).await?))
}

/// Begins an upload in parts, or goes on with the caller's own unfinished one of the same file; `key` is its path.
#[utoipa::path(tag = "datasets", responses((status = 200, body = ObjectUpload)))]
#[post("/uploads")]
async fn begin(app: web::Data<App>, who: Principal, wish: web::Json<BeginUpload>) -> Result<web::Json<ObjectUpload>> {
    let auth = authorize(&who, action::Develop, &who.project)?;
    Ok(web::Json(sending::begin(&app, &auth, wish.into_inner()).await?))
}

#[utoipa::path(tag = "datasets", request_body(content = [u8], content_type = "application/octet-stream"),
    responses((status = 200, body = UploadedPart), (status = 404)))]
#[put("/uploads/{id}/parts/{number}")]
async fn put_part(
    app: web::Data<App>,
    who: Principal,
    path: web::Path<(String, u32)>,
    body: web::Payload,
) -> Result<web::Json<UploadedPart>> {
    let auth = authorize(&who, action::Develop, &who.project)?;
    let (id, number) = path.into_inner();
    Ok(web::Json(sending::put_part(&app, &auth, (&id, number), body).await?))
}

/// Makes one content of the parts.
#[utoipa::path(tag = "datasets", responses((status = 200, body = Upload), (status = 404), (status = 409)))]
#[post("/uploads/{id}/complete")]
async fn complete(app: web::Data<App>, who: Principal, id: web::Path<String>) -> Result<web::Json<Upload>> {
    let auth = authorize(&who, action::Develop, &who.project)?;
    Ok(web::Json(sending::complete(&app, &auth, &id).await?))
}

#[utoipa::path(tag = "datasets", responses((status = 204), (status = 404)))]
#[delete("/uploads/{id}")]
async fn abort(app: web::Data<App>, who: Principal, id: web::Path<String>) -> Result<HttpResponse> {
    let auth = authorize(&who, action::Develop, &who.project)?;
    sending::abort(&app, &auth, &id).await?;
    Ok(HttpResponse::NoContent().finish())
}
