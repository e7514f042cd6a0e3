//! HTTP of releases: parse, authorize, call, wrap.

use actix_web::{HttpResponse, get, http::StatusCode, post, web};
use drydock_wire::serving::{DeploymentDetail, ExperimentPage, MetricReported, ReleasePage, ReportMetric, RollBack};
use serde::Deserialize;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{Order, measure};
use crate::accounts::{self, Principal, action};
use crate::app::App;
use crate::error::Result;
use crate::serving::Gateway;

/// Mounts the routes under `/api/v1`.
pub fn configure(config: &mut ServiceConfig<'_>) {
    config
        .service(experiment)
        .service(page)
        .service(promote)
        .service(pause)
        .service(resume)
        .service(abort)
        .service(roll_back);
}

/// Mounts the report of a metric at the root, before the gateway's own route.
pub fn configure_metric(config: &mut web::ServiceConfig) {
    config.route("/serve/{deployment}/metric", web::post().to(report_metric));
}

#[derive(Deserialize, utoipa::IntoParams)]
struct OfRelease {
    /// Id of the release; absent: the one that goes on, else the last one.
    release: Option<String>,
}

/// What a release measured of its two variants.
#[utoipa::path(tag = "deployments", operation_id = "get_experiment", params(OfRelease),
    responses((status = 200, body = ExperimentPage)))]
#[get("/deployments/{name}/experiment")]
async fn experiment(
    app: web::Data<App>,
    gateway: web::Data<Gateway>,
    who: Principal,
    name: web::Path<String>,
    query: web::Query<OfRelease>,
) -> Result<web::Json<ExperimentPage>> {
    let auth = accounts::authorize(&who, action::View, &who.project)?;
    Ok(web::Json(measure::page(&app, &gateway, &auth, &name, query.into_inner().release).await?))
}

/// Whoever may predict may report what came of it.
async fn report_metric(
    gateway: web::Data<Gateway>,
    who: Principal,
    deployment: web::Path<String>,
    wish: web::Json<ReportMetric>,
) -> Result<web::Json<MetricReported>> {
    accounts::authorize(&who, action::View, &who.project)?;
    gateway.check_caller(&deployment, &who)?;
    Ok(web::Json(measure::report(&gateway, &deployment, &wish)?))
}

#[utoipa::path(tag = "deployments", responses((status = 200, body = ReleasePage)))]
#[get("/deployments/{name}/release")]
async fn page(
    app: web::Data<App>,
    gateway: web::Data<Gateway>,
    who: Principal,
    name: web::Path<String>,
) -> Result<web::Json<ReleasePage>> {
    let auth = accounts::authorize(&who, action::View, &who.project)?;
    Ok(web::Json(super::page(&app, &gateway, &auth, &name).await?))
}

/// The candidate takes over now.
#[utoipa::path(tag = "deployments", operation_id = "promote_release", responses((status = 200, body = ReleasePage)))]
#[post("/deployments/{name}/release/promote")]
async fn promote(
    app: web::Data<App>,
    gateway: web::Data<Gateway>,
    who: Principal,
    name: web::Path<String>,
) -> Result<web::Json<ReleasePage>> {
    order(&app, &gateway, &who, &name, Order::Promote).await
}

/// It stays in its step. A candidate that is bad is taken out all the same.
#[utoipa::path(tag = "deployments", operation_id = "pause_release", responses((status = 200, body = ReleasePage)))]
#[post("/deployments/{name}/release/pause")]
async fn pause(
    app: web::Data<App>,
    gateway: web::Data<Gateway>,
    who: Principal,
    name: web::Path<String>,
) -> Result<web::Json<ReleasePage>> {
    order(&app, &gateway, &who, &name, Order::Pause).await
}

#[utoipa::path(tag = "deployments", operation_id = "resume_release", responses((status = 200, body = ReleasePage)))]
#[post("/deployments/{name}/release/resume")]
async fn resume(
    app: web::Data<App>,
    gateway: web::Data<Gateway>,
    who: Principal,
    name: web::Path<String>,
) -> Result<web::Json<ReleasePage>> {
    order(&app, &gateway, &who, &name, Order::Resume).await
}

/// The candidate is taken back; the live revision goes on alone.
#[utoipa::path(tag = "deployments", operation_id = "abort_release", responses((status = 200, body = ReleasePage)))]
#[post("/deployments/{name}/release/abort")]
async fn abort(
    app: web::Data<App>,
    gateway: web::Data<Gateway>,
    who: Principal,
    name: web::Path<String>,
) -> Result<web::Json<ReleasePage>> {
    order(&app, &gateway, &who, &name, Order::Abort).await
}

/// Back to a former revision: at once while it is kept warm, else as a new revision of the same content.
#[utoipa::path(tag = "deployments", operation_id = "roll_back_deployment", request_body = RollBack, responses(
    (status = 200, description = "It is live again", body = DeploymentDetail),
    (status = 201, description = "A new revision is on its way", body = DeploymentDetail)))]
#[post("/deployments/{name}/rollback")]
async fn roll_back(
    app: web::Data<App>,
    gateway: web::Data<Gateway>,
    who: Principal,
    name: web::Path<String>,
    wish: web::Json<RollBack>,
) -> Result<HttpResponse> {
    let auth = accounts::authorize(&who, action::Deploy, &who.project)?;
    let (_, is_new) = super::roll_back_to(&app, &gateway, &auth, &name, wish.revision).await?;
    let view = accounts::authorize(&who, action::View, &who.project)?;
    let detail = crate::serving::get(&app, &gateway, &view, &name).await?;
    Ok(HttpResponse::build(if is_new { StatusCode::CREATED } else { StatusCode::OK }).json(detail))
}

async fn order(
    app: &App,
    gateway: &Gateway,
    who: &Principal,
    name: &str,
    order: Order,
) -> Result<web::Json<ReleasePage>> {
    let auth = accounts::authorize(who, action::Deploy, &who.project)?;
    Ok(web::Json(super::order(app, gateway, &auth, name, order).await?))
}
