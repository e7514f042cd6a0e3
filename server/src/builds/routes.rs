//! `/api/v1/builds`: parse, authorize, call, wrap.

use actix_web::{HttpRequest, HttpResponse, delete, get, post, web};
use drydock_wire::{
    ErrorBody, Page,
    builds::{BuildCache, BuildDetail, BuildPreview, BuildState, BuildSummary, SubmitBuild},
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{Filter, log};
use crate::{
    accounts::{Principal, action, authorize},
    app::App,
    error::{Error, Result},
    workloads::logs,
};

pub fn configure(cfg: &mut ServiceConfig<'_>) {
    cfg.service(preview)
        .service(submit)
        .service(list)
        .service(get)
        .service(cancel)
        .service(again)
        .service(whole_log)
        .service(log_stream)
        .service(missing)
        .service(cache)
        .service(empty_cache);
}

/// Queues an image to be built.
#[utoipa::path(tag = "builds", responses((status = 201, body = BuildDetail), (status = 422, body = ErrorBody)))]
#[post("/builds")]
async fn submit(app: web::Data<App>, who: Principal, wish: web::Json<SubmitBuild>) -> Result<HttpResponse> {
    let auth = authorize(&who, action::Push, &who.project)?;
    Ok(HttpResponse::Created().json(super::submit(&app, &auth, wish.into_inner()).await?))
}

/// The Dockerfile that a form means, and what it is built from.
#[utoipa::path(tag = "builds", responses((status = 200, body = BuildPreview), (status = 422, body = ErrorBody)))]
#[post("/builds/preview")]
async fn preview(app: web::Data<App>, who: Principal, wish: web::Json<SubmitBuild>) -> Result<web::Json<BuildPreview>> {
    // a question, but one that only who may build has
    authorize(&who, action::Push, &who.project)?;
    let auth = authorize(&who, action::View, &who.project)?;
    Ok(web::Json(super::preview(&app, &auth, wish.into_inner()).await?))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    /// One state or several, separated by commas.
    state: Option<String>,
    /// Part of the repository's name, or an id.
    search: Option<String>,
    page: Option<i64>,
    /// 1 to 200; 50 when absent.
    limit: Option<i64>,
}

#[utoipa::path(tag = "builds", params(ListQuery), responses((status = 200, body = Page<BuildSummary>)))]
#[get("/builds")]
async fn list(
    app: web::Data<App>,
    who: Principal,
    query: web::Query<ListQuery>,
) -> Result<web::Json<Page<BuildSummary>>> {
    let auth = authorize(&who, action::View, &who.project)?;
    let query = query.into_inner();
    let state =
        |word: &str| BuildState::parse(word).ok_or_else(|| Error::invalid(format!("There is no state '{word}'.")));
    let words = query.state.as_deref().unwrap_or("").split(',').filter(|word| !word.is_empty());
    let filter = Filter {
        states: words.map(state).collect::<Result<_>>()?,
        search: query.search.filter(|text| !text.is_empty()),
        offset: query.page.unwrap_or(0).max(0),
        limit: query.limit.unwrap_or(50).clamp(1, 200),
    };
    Ok(web::Json(super::list(&app, &auth, filter).await?))
}

#[utoipa::path(tag = "builds", responses((status = 200, body = BuildDetail), (status = 404, body = ErrorBody)))]
#[get("/builds/{id}")]
async fn get(app: web::Data<App>, who: Principal, id: web::Path<String>) -> Result<web::Json<BuildDetail>> {
    let auth = authorize(&who, action::View, &who.project)?;
    Ok(web::Json(super::get(&app, &auth, &id).await?))
}

#[utoipa::path(tag = "builds", responses((status = 200, body = BuildDetail), (status = 409, body = ErrorBody)))]
#[post("/builds/{id}/cancel")]
async fn cancel(app: web::Data<App>, who: Principal, id: web::Path<String>) -> Result<web::Json<BuildDetail>> {
    let auth = authorize(&who, action::Push, &who.project)?;
    Ok(web::Json(super::cancel(&app, &auth, &id).await?))
}

/// Builds the same anew.
#[utoipa::path(tag = "builds", responses((status = 201, body = BuildDetail), (status = 409, body = ErrorBody)))]
#[post("/builds/{id}/again")]
async fn again(app: web::Data<App>, who: Principal, id: web::Path<String>) -> Result<HttpResponse> {
    let auth = authorize(&who, action::Push, &who.project)?;
    Ok(HttpResponse::Created().json(super::again(&app, &auth, &id).await?))
}

/// What the build said so far, as text.
#[utoipa::path(tag = "builds", responses((status = 200, content_type = "text/plain")))]
#[get("/builds/{id}/log")]
async fn whole_log(app: web::Data<App>, who: Principal, id: web::Path<String>) -> Result<HttpResponse> {
    let auth = authorize(&who, action::View, &who.project)?;
    super::get(&app, &auth, &id).await?;
    Ok(logs::plain_text(log::text(&app, &id).await?))
}

/// The same as server-sent events, live, as a job's log has them; ends with the build. `Last-Event-ID` resumes.
#[utoipa::path(tag = "builds", responses((status = 200, content_type = "text/event-stream")))]
#[get("/builds/{id}/log/stream")]
async fn log_stream(
    app: web::Data<App>,
    who: Principal,
    id: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let auth = authorize(&who, action::View, &who.project)?;
    super::get(&app, &auth, &id).await?;
    Ok(logs::event_stream(log::stream(&app, &id, logs::last_event_id(&request))))
}

/// The wheels that pip did not find, as a requirements file for a connected machine.
#[utoipa::path(tag = "builds", responses((status = 200, content_type = "text/plain"), (status = 404, body = ErrorBody)))]
#[get("/builds/{id}/missing.txt")]
async fn missing(app: web::Data<App>, who: Principal, id: web::Path<String>) -> Result<HttpResponse> {
    let auth = authorize(&who, action::View, &who.project)?;
    let text = super::missing_list(&app, &auth, &id).await?;
    Ok(HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .insert_header(("content-disposition", "attachment; filename=\"missing.txt\""))
        .body(text))
}

#[utoipa::path(tag = "builds", responses((status = 200, body = BuildCache)))]
#[get("/build-cache")]
async fn cache(app: web::Data<App>, who: Principal) -> Result<web::Json<BuildCache>> {
    let auth = authorize(&who, action::View, &who.project)?;
    Ok(web::Json(super::cache_state(&app, &auth).await?))
}

/// Removes what nothing stands on; the next builds take longer.
#[utoipa::path(tag = "builds", responses((status = 200, body = BuildCache)))]
#[delete("/build-cache")]
async fn empty_cache(app: web::Data<App>, who: Principal) -> Result<web::Json<BuildCache>> {
    let auth = authorize(&who, action::Administer, &who.project)?;
    Ok(web::Json(super::empty_cache(&app, &auth).await?))
}
