//! `/api/v1/secrets`.

use actix_web::{HttpResponse, delete, get, put, web};
use drydock_wire::{
    ErrorBody,
    secrets::{PutSecret, Secret},
};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    accounts::{self, Principal, action},
    app::App,
    error::Result,
};

pub fn configure(cfg: &mut ServiceConfig<'_>) {
    cfg.service(list).service(put).service(delete);
}

/// Secrets of the project by name; values are never given out.
#[utoipa::path(tag = "jobs", responses((status = 200, body = Vec<Secret>)))]
#[get("/secrets")]
async fn list(app: web::Data<App>, who: Principal) -> Result<web::Json<Vec<Secret>>> {
    let auth = accounts::authorize(&who, action::Launch, &who.project)?;
    Ok(web::Json(super::list(&app, &auth).await?))
}

/// Makes a secret, or gives it another value.
#[utoipa::path(tag = "jobs", request_body = PutSecret,
    responses((status = 200, body = Secret), (status = 400, body = ErrorBody)))]
#[put("/secrets/{name}")]
async fn put(
    app: web::Data<App>,
    who: Principal,
    name: web::Path<String>,
    body: web::Json<PutSecret>,
) -> Result<web::Json<Secret>> {
    let auth = accounts::authorize(&who, action::Launch, &who.project)?;
    Ok(web::Json(super::put(&app, &auth, &name, body.into_inner()).await?))
}

/// Deletes a secret that no unfinished job names.
#[utoipa::path(tag = "jobs", responses((status = 204), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
#[delete("/secrets/{name}")]
async fn delete(app: web::Data<App>, who: Principal, name: web::Path<String>) -> Result<HttpResponse> {
    let auth = accounts::authorize(&who, action::Launch, &who.project)?;
    super::delete(&app, &auth, &name).await?;
    Ok(HttpResponse::NoContent().finish())
}
