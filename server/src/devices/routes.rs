//! HTTP of the devices, under `/api/v1/devices`.

use actix_web::{HttpResponse, get, patch, post, web};
use drydock_wire::{
    ErrorBody,
    devices::{ChangeGpu, Devices, QuarantineGpu},
};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    accounts::{Principal, action, authorize},
    app::App,
    error::Result,
};

/// Mounts the routes under `/api/v1`.
pub fn configure(config: &mut ServiceConfig<'_>) {
    config.service(devices).service(quarantine).service(free).service(change);
}

/// The machine with its disks, networks and GPUs, who holds these, and what happened to them.
#[utoipa::path(tag = "devices", responses((status = 200, body = Devices)))]
#[get("/devices")]
async fn devices(app: web::Data<App>, who: Principal) -> Result<web::Json<Devices>> {
    let auth = authorize(&who, action::View, &who.project)?;
    Ok(web::Json(super::devices(&app, &auth).await?))
}

/// Gives the GPU to nobody until an admin frees it.
#[utoipa::path(tag = "devices", request_body = QuarantineGpu,
    responses((status = 204), (status = 404, body = ErrorBody)))]
#[post("/devices/{uuid}/quarantine")]
async fn quarantine(
    app: web::Data<App>,
    who: Principal,
    uuid: web::Path<String>,
    wish: web::Json<QuarantineGpu>,
) -> Result<HttpResponse> {
    let auth = authorize(&who, action::Administer, &who.project)?;
    super::quarantine(&app, &auth, &uuid, wish.into_inner()).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Ends the quarantine of the GPU.
#[utoipa::path(tag = "devices",
    responses((status = 204), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
#[post("/devices/{uuid}/free")]
async fn free(app: web::Data<App>, who: Principal, uuid: web::Path<String>) -> Result<HttpResponse> {
    let auth = authorize(&who, action::Administer, &who.project)?;
    super::free(&app, &auth, &uuid).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Says whether the GPU may be given by shares of its memory.
#[utoipa::path(tag = "devices", request_body = ChangeGpu,
    responses((status = 204), (status = 404, body = ErrorBody)))]
#[patch("/devices/{uuid}")]
async fn change(
    app: web::Data<App>,
    who: Principal,
    uuid: web::Path<String>,
    wish: web::Json<ChangeGpu>,
) -> Result<HttpResponse> {
    let auth = authorize(&who, action::Administer, &who.project)?;
    super::change(&app, &auth, &uuid, wish.into_inner()).await?;
    Ok(HttpResponse::NoContent().finish())
}
