//! `/api/v1/sweeps`.

use actix_web::{HttpResponse, get, post, web};
use drydock_wire::{
    ErrorBody, Page,
    sweeps::{SubmitSweep, SweepDetail, SweepSummary},
};
use serde::Deserialize;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    accounts::{self, Principal, action},
    app::App,
    error::{Error, Result},
    jobs::submit,
};

pub fn configure(cfg: &mut ServiceConfig<'_>) {
    cfg.service(submit_sweep).service(list).service(get).service(cancel);
}

/// Queues a job for each combination of parameters, or for each draw.
#[utoipa::path(tag = "jobs", request_body = SubmitSweep,
    responses((status = 201, body = SweepDetail), (status = 400, body = ErrorBody), (status = 422, body = ErrorBody)))]
#[post("/sweeps")]
async fn submit_sweep(app: web::Data<App>, who: Principal, body: web::Bytes) -> Result<HttpResponse> {
    let auth = accounts::authorize(&who, action::Launch, &who.project)?;
    let wish = submit::parse::<SubmitSweep>(&app, &who, &body, "sweep").await?;
    Ok(HttpResponse::Created().json(super::submit(&app, &auth, wish).await?))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    page: Option<String>,
    limit: Option<i64>,
}

/// Sweeps, newest first.
#[utoipa::path(tag = "jobs", params(ListQuery), responses((status = 200, body = Page<SweepSummary>)))]
#[get("/sweeps")]
async fn list(
    app: web::Data<App>,
    who: Principal,
    query: web::Query<ListQuery>,
) -> Result<web::Json<Page<SweepSummary>>> {
    let auth = accounts::authorize(&who, action::View, &who.project)?;
    let offset = query.page.as_deref().filter(|page| !page.is_empty()).map_or(Ok(0), str::parse::<i64>);
    let offset = offset.map_err(|_| Error::invalid("page: use 'next' of the page before."))?;
    Ok(web::Json(super::list(&app, &auth, offset, query.limit.unwrap_or(50)).await?))
}

/// A sweep with the results of its jobs, and the best of them.
#[utoipa::path(tag = "jobs", responses((status = 200, body = SweepDetail), (status = 404, body = ErrorBody)))]
#[get("/sweeps/{id}")]
async fn get(app: web::Data<App>, who: Principal, id: web::Path<String>) -> Result<web::Json<SweepDetail>> {
    let auth = accounts::authorize(&who, action::View, &who.project)?;
    Ok(web::Json(super::get(&app, &auth, &id).await?))
}

/// Cancels whatever of it has not ended.
#[utoipa::path(tag = "jobs", responses((status = 200, body = SweepDetail), (status = 404, body = ErrorBody)))]
#[post("/sweeps/{id}/cancel")]
async fn cancel(app: web::Data<App>, who: Principal, id: web::Path<String>) -> Result<web::Json<SweepDetail>> {
    let auth = accounts::authorize(&who, action::Launch, &who.project)?;
    Ok(web::Json(super::cancel(&app, &auth, &id).await?))
}
