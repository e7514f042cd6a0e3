//! `/api/v1/demo`: the dashboard's button.

use actix_web::{HttpResponse, get, post, web};
use drydock_wire::{demo::DemoState, pipelines::AppliedPipeline};
use utoipa_actix_web::service_config::ServiceConfig;

use super::Demo;
use crate::accounts::{Principal, action, authorize};
use crate::error::Result;

pub fn configure(cfg: &mut ServiceConfig<'_>) {
    cfg.service(state).service(start).service(pipeline);
}

#[utoipa::path(tag = "demo", responses((status = 200, body = DemoState)))]
#[get("/demo")]
async fn state(demo: web::Data<Demo>, who: Principal) -> Result<web::Json<DemoState>> {
    let auth = authorize(&who, action::View, &who.project)?;
    Ok(web::Json(demo.state(&auth)))
}

#[utoipa::path(tag = "demo", responses((status = 202, body = DemoState)))]
#[post("/demo")]
async fn start(demo: web::Data<Demo>, who: Principal) -> Result<HttpResponse> {
    let auth = authorize(&who, action::Launch, &who.project)?;
    let deploy = authorize(&who, action::Deploy, &who.project)?;
    Ok(HttpResponse::Accepted().json(demo.start(&auth, &deploy).await?))
}

/// The sample lifecycle as a pipeline of the box: its data, its rules, and the YAML.
#[utoipa::path(tag = "demo", responses((status = 200, body = AppliedPipeline), (status = 201, body = AppliedPipeline)))]
#[post("/demo/pipeline")]
async fn pipeline(demo: web::Data<Demo>, who: Principal) -> Result<HttpResponse> {
    let auth = authorize(&who, action::Launch, &who.project)?;
    let applied = demo.pipeline(&auth).await?;
    let mut answer = if applied.created { HttpResponse::Created() } else { HttpResponse::Ok() };
    Ok(answer.json(applied))
}
