//! HTTP of the question whether a deployment fits: parse, authorize, call, wrap.

use actix_web::{post, web};
use drydock_wire::serving::{Fit, PutDeployment};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::accounts::{self, Principal, action};
use crate::app::App;
use crate::error::Result;

/// Mounts the route under `/api/v1`.
pub fn configure(config: &mut ServiceConfig<'_>) {
    config.service(ask);
}

/// Whether it would fit, before anything is stopped; changes nothing.
#[utoipa::path(tag = "deployments", operation_id = "deployment_fits", request_body = PutDeployment,
    responses((status = 200, body = Fit)))]
#[post("/deployments/{name}/fit")]
async fn ask(
    app: web::Data<App>,
    who: Principal,
    name: web::Path<String>,
    wish: web::Json<PutDeployment>,
) -> Result<web::Json<Fit>> {
    let auth = accounts::authorize(&who, action::Deploy, &who.project)?;
    Ok(web::Json(super::ask(&app, &auth, &name, wish.into_inner()).await?))
}
