//! `/api/v1/jobs`: parse, authorize, call, wrap.

use actix_web::{HttpResponse, get, post, web};
use drydock_wire::{
    ErrorBody, Page,
    jobs::{JobDetail, JobState, JobSummary, Rerun, SubmitJob},
    queues::{SetPriority, SetQueue},
};
use serde::Deserialize;
use utoipa_actix_web::service_config::ServiceConfig;

use super::Filter;
use crate::{
    accounts::{self, Principal, action},
    app::App,
    error::{Error, Result},
    scheduling::Place,
};

pub fn configure(cfg: &mut ServiceConfig<'_>) {
    cfg.service(submit)
        .service(rerun)
        .service(list)
        .service(get)
        .service(cancel)
        .service(set_priority)
        .service(set_queue);
    super::logs::configure(cfg);
    super::samples::configure(cfg);
}

/// Queues a training container. A field that is not of the spec, such as a wish for privileges, is refused and audited.
#[utoipa::path(tag = "jobs", request_body = SubmitJob,
    responses((status = 201, body = JobDetail), (status = 400, body = ErrorBody), (status = 422, body = ErrorBody)))]
#[post("/jobs")]
async fn submit(app: web::Data<App>, who: Principal, body: web::Bytes) -> Result<HttpResponse> {
    let auth = accounts::authorize(&who, action::Launch, &who.project)?;
    let wish = super::submit::parse::<SubmitJob>(&app, &who, &body, "job").await?;
    Ok(HttpResponse::Created().json(super::submit(&app, &auth, wish).await?))
}

/// The same again as a new job: as it would be queued today, or exactly as it was.
#[utoipa::path(tag = "jobs", request_body = Rerun,
    responses((status = 201, body = JobDetail), (status = 404, body = ErrorBody), (status = 422, body = ErrorBody)))]
#[post("/jobs/{id}/rerun")]
async fn rerun(
    app: web::Data<App>,
    who: Principal,
    id: web::Path<String>,
    how: web::Json<Rerun>,
) -> Result<HttpResponse> {
    let auth = accounts::authorize(&who, action::Launch, &who.project)?;
    Ok(HttpResponse::Created().json(super::rerun::rerun(&app, &auth, &id, how.into_inner()).await?))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    /// One state or several, separated by commas.
    state: Option<String>,
    /// Part of the name, or an id.
    search: Option<String>,
    /// Name of a queue.
    queue: Option<String>,
    /// Id of a sweep.
    sweep: Option<String>,
    page: Option<String>,
    limit: Option<i64>,
}

/// Jobs, newest first.
#[utoipa::path(tag = "jobs", params(ListQuery), responses((status = 200, body = Page<JobSummary>)))]
#[get("/jobs")]
async fn list(
    app: web::Data<App>,
    who: Principal,
    query: web::Query<ListQuery>,
) -> Result<web::Json<Page<JobSummary>>> {
    let auth = accounts::authorize(&who, action::View, &who.project)?;
    Ok(web::Json(super::list(&app, &auth, filter(query.into_inner())?).await?))
}

/// One job with its attempts and runs.
#[utoipa::path(tag = "jobs", responses((status = 200, body = JobDetail), (status = 404, body = ErrorBody)))]
#[get("/jobs/{id}")]
async fn get(app: web::Data<App>, who: Principal, id: web::Path<String>) -> Result<web::Json<JobDetail>> {
    let auth = accounts::authorize(&who, action::View, &who.project)?;
    Ok(web::Json(super::get(&app, &auth, &id).await?))
}

/// Asks the job to end: SIGTERM, then SIGKILL after ten seconds.
#[utoipa::path(tag = "jobs", responses((status = 200, body = JobDetail), (status = 409, body = ErrorBody)))]
#[post("/jobs/{id}/cancel")]
async fn cancel(app: web::Data<App>, who: Principal, id: web::Path<String>) -> Result<web::Json<JobDetail>> {
    let auth = accounts::authorize(&who, action::Launch, &who.project)?;
    Ok(web::Json(super::cancel(&app, &auth, &id).await?))
}

/// The higher its priority, the sooner it has its turn among the jobs of its queue. By its owner or an admin.
#[utoipa::path(tag = "jobs", request_body = SetPriority,
    responses((status = 200, body = JobDetail), (status = 400, body = ErrorBody), (status = 409, body = ErrorBody)))]
#[post("/jobs/{id}/priority")]
async fn set_priority(
    app: web::Data<App>,
    who: Principal,
    id: web::Path<String>,
    wish: web::Json<SetPriority>,
) -> Result<web::Json<JobDetail>> {
    let auth = accounts::authorize(&who, action::Launch, &who.project)?;
    Ok(web::Json(super::move_to(&app, &auth, &id, Place::Priority(wish.priority)).await?))
}

/// Puts a job that waits into another queue. By its owner or an admin.
#[utoipa::path(tag = "jobs", request_body = SetQueue,
    responses((status = 200, body = JobDetail), (status = 400, body = ErrorBody), (status = 409, body = ErrorBody)))]
#[post("/jobs/{id}/queue")]
async fn set_queue(
    app: web::Data<App>,
    who: Principal,
    id: web::Path<String>,
    wish: web::Json<SetQueue>,
) -> Result<web::Json<JobDetail>> {
    let auth = accounts::authorize(&who, action::Launch, &who.project)?;
    let to = Place::Queue(wish.into_inner().queue);
    Ok(web::Json(super::move_to(&app, &auth, &id, to).await?))
}

fn filter(query: ListQuery) -> Result<Filter> {
    let state =
        |word: &str| JobState::parse(word).ok_or_else(|| Error::invalid(format!("There is no state '{word}'.")));
    let words = query.state.as_deref().unwrap_or("").split(',').filter(|word| !word.is_empty());
    let offset = query.page.as_deref().filter(|page| !page.is_empty()).map_or(Ok(0), str::parse::<i64>);
    Ok(Filter {
        states: words.map(state).collect::<Result<_>>()?,
        search: query.search,
        queue: query.queue,
        sweep: query.sweep,
        offset: offset
            .ok()
            .filter(|offset| *offset >= 0)
            .ok_or_else(|| Error::invalid("page: use 'next' of the page before."))?,
        limit: query.limit.unwrap_or(50),
    })
}
