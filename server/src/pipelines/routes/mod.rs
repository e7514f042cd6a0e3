//! HTTP of pipelines: parse, authorize, call, wrap. Runs and the preview of a schedule have files of their own.

mod preview;
mod runs;

use actix_web::{HttpRequest, HttpResponse, delete, get, http::StatusCode, patch, post, web};
use drydock_wire::{
    ErrorBody, Page,
    pipelines::{
        AppliedPipeline, ApplyPipeline, CreateSchedule, EventTaken, PipelineCheck, PipelineDetail, PipelineGrid,
        PipelineSummary, TellEvent, Trigger, UpdatePipeline, UpdateSchedule,
    },
};
use serde::Deserialize;
use utoipa_actix_web::service_config::ServiceConfig;

use super::hooks::{self, Proof};
use crate::{
    accounts::{self, Principal, action},
    app::App,
    error::{Error, Result},
};

/// Mounts the routes under `/api/v1`.
pub fn configure(config: &mut ServiceConfig<'_>) {
    config
        .service(list)
        .service(apply)
        .service(check)
        .service(get_pipeline)
        .service(yaml)
        .service(update)
        .service(remove)
        .service(grid)
        .service(add_schedule)
        .service(update_schedule)
        .service(remove_schedule)
        .service(renew_token)
        .service(tell_event)
        .service(hook);
    preview::configure(config);
    runs::configure(config);
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
struct Search {
    /// Part of the name.
    search: Option<String>,
    page: Option<String>,
    /// 1 to 200; 50 when absent.
    limit: Option<i64>,
}

/// Offset and length of a page of a list.
fn window(page: Option<&str>, limit: Option<i64>) -> Result<(i64, i64)> {
    let offset = page.filter(|page| !page.is_empty()).map_or(Ok(0), str::parse::<i64>);
    let offset = offset.ok().filter(|offset| *offset >= 0);
    let offset = offset.ok_or_else(|| Error::invalid("page: use 'next' of the page before."))?;
    Ok((offset, limit.unwrap_or(50).clamp(1, 200)))
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
struct OfVersion {
    /// Absent: the latest.
    version: Option<i64>,
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
struct Rows {
    /// 1 to 100; 30 when absent.
    limit: Option<i64>,
}

/// Pipelines by name, each with its last ten runs.
#[utoipa::path(tag = "pipelines", params(Search), responses((status = 200, body = Page<PipelineSummary>)))]
#[get("/pipelines")]
async fn list(
    app: web::Data<App>,
    who: Principal,
    query: web::Query<Search>,
) -> Result<web::Json<Page<PipelineSummary>>> {
    let auth = accounts::authorize(&who, action::View, &who.project)?;
    let Search { search, page, limit } = query.into_inner();
    let window = window(page.as_deref(), limit)?;
    Ok(web::Json(super::list(&app, &auth, search.unwrap_or_default(), window).await?))
}

/// Makes the YAML the newest version of the pipeline that it names.
#[utoipa::path(tag = "pipelines", request_body = ApplyPipeline, responses(
    (status = 200, description = "It is the newest version already", body = AppliedPipeline),
    (status = 201, description = "A new version", body = AppliedPipeline), (status = 400, body = ErrorBody)))]
#[post("/pipelines")]
async fn apply(app: web::Data<App>, who: Principal, wish: web::Json<ApplyPipeline>) -> Result<HttpResponse> {
    let auth = accounts::authorize(&who, action::Launch, &who.project)?;
    let applied = super::apply(&app, &auth, wish.into_inner().yaml).await?;
    let status = if applied.created { StatusCode::CREATED } else { StatusCode::OK };
    Ok(HttpResponse::build(status).json(applied))
}

/// Says what is wrong with the YAML, without applying it.
#[utoipa::path(tag = "pipelines", request_body = ApplyPipeline, responses((status = 200, body = PipelineCheck)))]
#[post("/pipelines/check")]
async fn check(who: Principal, wish: web::Json<ApplyPipeline>) -> Result<web::Json<PipelineCheck>> {
    accounts::authorize(&who, action::Launch, &who.project)?;
    Ok(web::Json(super::check(&wish.yaml)))
}

#[utoipa::path(tag = "pipelines", params(OfVersion),
    responses((status = 200, body = PipelineDetail), (status = 404, body = ErrorBody)))]
#[get("/pipelines/{name}")]
async fn get_pipeline(
    app: web::Data<App>,
    who: Principal,
    name: web::Path<String>,
    query: web::Query<OfVersion>,
) -> Result<web::Json<PipelineDetail>> {
    let auth = accounts::authorize(&who, action::View, &who.project)?;
    Ok(web::Json(super::get(&app, &auth, name.into_inner(), query.version).await?))
}

/// The YAML as it was applied.
#[utoipa::path(tag = "pipelines", params(OfVersion),
    responses((status = 200, content_type = "text/plain", body = String), (status = 404, body = ErrorBody)))]
#[get("/pipelines/{name}/yaml")]
async fn yaml(
    app: web::Data<App>,
    who: Principal,
    name: web::Path<String>,
    query: web::Query<OfVersion>,
) -> Result<HttpResponse> {
    let auth = accounts::authorize(&who, action::View, &who.project)?;
    let detail = super::get(&app, &auth, name.into_inner(), query.version).await?;
    Ok(HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(detail.yaml))
}

/// Pauses or resumes its schedules and triggers.
#[utoipa::path(tag = "pipelines", request_body = UpdatePipeline,
    responses((status = 200, body = PipelineDetail), (status = 404, body = ErrorBody)))]
#[patch("/pipelines/{name}")]
async fn update(
    app: web::Data<App>,
    who: Principal,
    name: web::Path<String>,
    wish: web::Json<UpdatePipeline>,
) -> Result<web::Json<PipelineDetail>> {
    let auth = accounts::authorize(&who, action::Launch, &who.project)?;
    Ok(web::Json(super::update(&app, &auth, name.into_inner(), wish.into_inner()).await?))
}

/// Removes it with its versions and runs.
#[utoipa::path(tag = "pipelines", responses((status = 204), (status = 409, body = ErrorBody)))]
#[delete("/pipelines/{name}")]
async fn remove(app: web::Data<App>, who: Principal, name: web::Path<String>) -> Result<HttpResponse> {
    let auth = accounts::authorize(&who, action::Launch, &who.project)?;
    super::delete(&app, &auth, name.into_inner()).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Runs × tasks, newest run first.
#[utoipa::path(tag = "pipelines", params(Rows), responses((status = 200, body = PipelineGrid)))]
#[get("/pipelines/{name}/grid")]
async fn grid(
    app: web::Data<App>,
    who: Principal,
    name: web::Path<String>,
    query: web::Query<Rows>,
) -> Result<web::Json<PipelineGrid>> {
    let auth = accounts::authorize(&who, action::View, &who.project)?;
    let limit = query.limit.unwrap_or(30).clamp(1, 100);
    Ok(web::Json(super::grid(&app, &auth, name.into_inner(), limit).await?))
}

/// Adds a schedule beside those of the YAML.
#[utoipa::path(tag = "pipelines", request_body = CreateSchedule, responses(
    (status = 201, body = PipelineDetail), (status = 400, body = ErrorBody), (status = 409, body = ErrorBody)))]
#[post("/pipelines/{name}/schedules")]
async fn add_schedule(
    app: web::Data<App>,
    who: Principal,
    name: web::Path<String>,
    wish: web::Json<CreateSchedule>,
) -> Result<HttpResponse> {
    let auth = accounts::authorize(&who, action::Launch, &who.project)?;
    let detail = super::add_schedule(&app, &auth, name.into_inner(), wish.into_inner()).await?;
    Ok(HttpResponse::Created().json(detail))
}

/// Edits, pauses or resumes a schedule.
#[utoipa::path(tag = "pipelines", request_body = UpdateSchedule,
    responses((status = 200, body = PipelineDetail), (status = 404, body = ErrorBody)))]
#[patch("/pipelines/{name}/schedules/{id}")]
async fn update_schedule(
    app: web::Data<App>,
    who: Principal,
    path: web::Path<(String, String)>,
    wish: web::Json<UpdateSchedule>,
) -> Result<web::Json<PipelineDetail>> {
    let auth = accounts::authorize(&who, action::Launch, &who.project)?;
    let (name, id) = path.into_inner();
    Ok(web::Json(super::update_schedule(&app, &auth, name, id, wish.into_inner()).await?))
}

/// Removes a schedule; the runs that it started stay.
#[utoipa::path(tag = "pipelines", responses((status = 204), (status = 404, body = ErrorBody)))]
#[delete("/pipelines/{name}/schedules/{id}")]
async fn remove_schedule(
    app: web::Data<App>,
    who: Principal,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse> {
    let auth = accounts::authorize(&who, action::Launch, &who.project)?;
    let (name, id) = path.into_inner();
    super::remove_schedule(&app, &auth, name, id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// A new token for a webhook, told this once.
#[utoipa::path(tag = "pipelines", responses((status = 200, body = Trigger), (status = 404, body = ErrorBody)))]
#[post("/pipelines/{name}/triggers/{id}/token")]
async fn renew_token(
    app: web::Data<App>,
    who: Principal,
    path: web::Path<(String, String)>,
) -> Result<web::Json<Trigger>> {
    let auth = accounts::authorize(&who, action::Launch, &who.project)?;
    let (name, id) = path.into_inner();
    Ok(web::Json(super::renew_token(&app, &auth, name, id).await?))
}

/// An alert or a finding of drift from outside.
#[utoipa::path(tag = "pipelines", request_body = TellEvent, responses((status = 202, body = EventTaken)))]
#[post("/pipeline-events")]
async fn tell_event(app: web::Data<App>, who: Principal, wish: web::Json<TellEvent>) -> Result<HttpResponse> {
    let auth = accounts::authorize(&who, action::Launch, &who.project)?;
    let TellEvent { kind, subject, detail } = wish.into_inner();
    let detail = serde_json::Value::Object(detail.into_iter().collect());
    let pipelines = super::event(&app, &auth, kind, subject, detail).await?;
    Ok(HttpResponse::Accepted().json(EventTaken { pipelines }))
}

/// A call from another system, with the trigger's token (`Authorization: Bearer`, `X-Gitlab-Token`) or a signature (`X-Hub-Signature-256`).
#[utoipa::path(tag = "pipelines", responses((status = 202, body = EventTaken), (status = 404, body = ErrorBody)))]
#[post("/hooks/{id}")]
async fn hook(
    app: web::Data<App>,
    id: web::Path<String>,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse> {
    let body = body.to_bytes_limited(hooks::MOST_BYTES).await;
    let body = body.map_err(|_| Error::too_large("A hook's body has at most 1 MiB."))?;
    let body = body.map_err(|cause| Error::invalid(format!("The body broke off: {cause}.")))?;
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let bearer = header("authorization").and_then(|text| text.strip_prefix("Bearer ").map(str::to_owned));
    let token = bearer.or_else(|| header("x-gitlab-token")).map(Proof::Token);
    let proof = header("x-hub-signature-256").map(Proof::Signature).or(token);
    let pipelines = hooks::take(&app, id.into_inner(), proof, &body).await?;
    Ok(HttpResponse::Accepted().json(EventTaken { pipelines }))
}
