//! HTTP of deployments, and the gateway's one route: parse, authorize, call, wrap.

use actix_web::{HttpRequest, HttpResponse, delete, get, http::StatusCode, put, web};
use drydock_wire::Page;
use drydock_wire::logs::{LogHits, LogPage};
use drydock_wire::serving::{DeploymentDetail, DeploymentSummary, PutDeployment};
use serde::Deserialize;
use utoipa_actix_web::service_config::ServiceConfig;

use super::Gateway;
use crate::accounts::{self, Principal, action};
use crate::app::App;
use crate::error::{Error, Result};
use crate::workloads::logs::{self, AskedPage, AskedSearch, Span};

/// Mounts the routes under `/api/v1`.
pub fn configure(config: &mut ServiceConfig<'_>) {
    config
        .service(list)
        .service(put_deployment)
        .service(get_deployment)
        .service(delete_deployment)
        .service(log)
        .service(log_stream)
        .service(log_lines)
        .service(log_search)
        .configure(super::fit::routes::configure)
        .configure(super::release::configure)
        .configure(super::capture::configure);
}

/// Mounts `/serve/{deployment}/…` at the root.
pub fn configure_gateway(config: &mut web::ServiceConfig) {
    super::capture::configure_feedback(config);
    super::release::configure_metric(config);
    config.route("/serve/{deployment}/{tail:.*}", web::route().to(serve));
}

#[derive(Deserialize, utoipa::IntoParams)]
struct Search {
    /// Part of the name or model.
    search: Option<String>,
}

#[derive(Deserialize, utoipa::IntoParams)]
struct OfRevision {
    /// Number of the revision; absent: the one that serves.
    revision: Option<i64>,
    /// Number of its replica; absent: the first.
    replica: Option<i64>,
}

#[utoipa::path(tag = "deployments", params(Search), responses((status = 200, body = Page<DeploymentSummary>)))]
#[get("/deployments")]
async fn list(
    app: web::Data<App>,
    gateway: web::Data<Gateway>,
    who: Principal,
    query: web::Query<Search>,
) -> Result<web::Json<Page<DeploymentSummary>>> {
    let auth = accounts::authorize(&who, action::View, &who.project)?;
    let items = super::list(&app, &gateway, &auth, query.into_inner().search).await?;
    Ok(web::Json(Page { total: items.len() as u64, items, next: None }))
}

#[utoipa::path(tag = "deployments", request_body = PutDeployment, responses(
    (status = 200, description = "It serves this already, or is about to", body = DeploymentDetail),
    (status = 201, description = "A new revision is on its way", body = DeploymentDetail)))]
#[put("/deployments/{name}")]
async fn put_deployment(
    app: web::Data<App>,
    gateway: web::Data<Gateway>,
    who: Principal,
    name: web::Path<String>,
    wish: web::Json<PutDeployment>,
) -> Result<HttpResponse> {
    let auth = accounts::authorize(&who, action::Deploy, &who.project)?;
    let (is_new, detail) = super::put(&app, &gateway, &auth, &name, wish.into_inner()).await?;
    Ok(HttpResponse::build(if is_new { StatusCode::CREATED } else { StatusCode::OK }).json(detail))
}

#[utoipa::path(tag = "deployments", responses((status = 200, body = DeploymentDetail)))]
#[get("/deployments/{name}")]
async fn get_deployment(
    app: web::Data<App>,
    gateway: web::Data<Gateway>,
    who: Principal,
    name: web::Path<String>,
) -> Result<web::Json<DeploymentDetail>> {
    let auth = accounts::authorize(&who, action::View, &who.project)?;
    Ok(web::Json(super::get(&app, &gateway, &auth, &name).await?))
}

#[utoipa::path(tag = "deployments", responses((status = 204, description = "It serves no more; its containers end")))]
#[delete("/deployments/{name}")]
async fn delete_deployment(
    app: web::Data<App>,
    gateway: web::Data<Gateway>,
    who: Principal,
    name: web::Path<String>,
) -> Result<HttpResponse> {
    let auth = accounts::authorize(&who, action::Deploy, &who.project)?;
    super::delete(&app, &gateway, &auth, &name).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[utoipa::path(tag = "deployments", params(OfRevision), responses((status = 200, content_type = "text/plain", body = String)))]
#[get("/deployments/{name}/log")]
async fn log(
    app: web::Data<App>,
    who: Principal,
    name: web::Path<String>,
    query: web::Query<OfRevision>,
) -> Result<HttpResponse> {
    let auth = accounts::authorize(&who, action::View, &who.project)?;
    let (workload, generation) = super::logged_workload(&app, &auth, &name, query.revision, query.replica).await?;
    Ok(logs::plain_text(logs::text(&app, &workload, generation, Span::all()).await?))
}

#[utoipa::path(tag = "deployments", params(OfRevision),
    responses((status = 200, content_type = "text/event-stream", body = String)))]
#[get("/deployments/{name}/log/stream")]
async fn log_stream(
    app: web::Data<App>,
    who: Principal,
    request: HttpRequest,
    name: web::Path<String>,
    query: web::Query<OfRevision>,
) -> Result<HttpResponse> {
    let auth = accounts::authorize(&who, action::View, &who.project)?;
    let (workload, generation) = super::logged_workload(&app, &auth, &name, query.revision, query.replica).await?;
    let after = logs::last_event_id(&request);
    Ok(logs::event_stream(logs::stream(&app, &workload, generation, after)))
}

/// Lines by their numbers.
#[utoipa::path(tag = "deployments", params(OfRevision, AskedPage), responses((status = 200, body = LogPage)))]
#[get("/deployments/{name}/log/lines")]
async fn log_lines(
    app: web::Data<App>,
    who: Principal,
    name: web::Path<String>,
    query: web::Query<OfRevision>,
    asked: web::Query<AskedPage>,
) -> Result<web::Json<LogPage>> {
    let auth = accounts::authorize(&who, action::View, &who.project)?;
    let (workload, generation) = super::logged_workload(&app, &auth, &name, query.revision, query.replica).await?;
    Ok(web::Json(logs::page(&app, &workload, generation, asked.from(), asked.limit()).await?))
}

/// Looks through the log: lines that contain a text or match an expression.
#[utoipa::path(tag = "deployments", params(OfRevision, AskedSearch), responses((status = 200, body = LogHits)))]
#[get("/deployments/{name}/log/search")]
async fn log_search(
    app: web::Data<App>,
    who: Principal,
    name: web::Path<String>,
    query: web::Query<OfRevision>,
    asked: web::Query<AskedSearch>,
) -> Result<web::Json<LogHits>> {
    let auth = accounts::authorize(&who, action::View, &who.project)?;
    let (workload, generation) = super::logged_workload(&app, &auth, &name, query.revision, query.replica).await?;
    Ok(web::Json(logs::search(&app, &workload, generation, asked.into_inner().query()).await?))
}

/// Anyone who is signed in may predict, unless the deployment names its callers; tokens of jobs as well.
async fn serve(
    gateway: web::Data<Gateway>,
    who: std::result::Result<Principal, Error>,
    request: HttpRequest,
    path: web::Path<(String, String)>,
    payload: web::Payload,
) -> HttpResponse {
    match who.and_then(|who| accounts::authorize(&who, action::View, &who.project).map(|_| who)) {
        Ok(who) => super::gateway::forward(&gateway, &path.0, &who, &request, payload).await,
        Err(error) => super::gateway::refused(&request, &error),
    }
}
