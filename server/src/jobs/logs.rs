//! `/api/v1/jobs/{id}/log…`: what an attempt's container wrote; of the latest attempt unless another is asked for.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, get, web};
use drydock_wire::{
    ErrorBody,
    logs::{LogHits, LogPage},
};
use serde::Deserialize;
use utoipa_actix_web::service_config::ServiceConfig;

use super::store;
use crate::{
    accounts::{self, Principal, action},
    app::App,
    db::Conn,
    error::{Error, Result},
    workloads::logs::{self, AskedPage, AskedSearch, AskedSpan},
};

pub fn configure(cfg: &mut ServiceConfig<'_>) {
    cfg.service(log).service(log_stream).service(log_lines).service(log_search);
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct OfAttempt {
    /// Its number; the latest if not said.
    attempt: Option<i64>,
}

/// What the job's container wrote so far, as text: all of it, or a range of lines.
#[utoipa::path(tag = "jobs", params(OfAttempt, AskedSpan),
    responses((status = 200, content_type = "text/plain"), (status = 404, body = ErrorBody)))]
#[get("/jobs/{id}/log")]
async fn log(
    app: web::Data<App>,
    who: Principal,
    id: web::Path<String>,
    of: web::Query<OfAttempt>,
    asked: web::Query<AskedSpan>,
) -> Result<HttpResponse> {
    let _auth = accounts::authorize(&who, action::View, &who.project)?;
    let number = attempt(&app, &id, of.attempt).await?;
    Ok(logs::plain_text(logs::text(&app, &id, number, asked.span()).await?))
}

/// The same as server-sent events, live; ends with the attempt. `Last-Event-ID` resumes.
#[utoipa::path(tag = "jobs", params(OfAttempt),
    responses((status = 200, content_type = "text/event-stream"), (status = 404, body = ErrorBody)))]
#[get("/jobs/{id}/log/stream")]
async fn log_stream(
    app: web::Data<App>,
    who: Principal,
    id: web::Path<String>,
    of: web::Query<OfAttempt>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let _auth = accounts::authorize(&who, action::View, &who.project)?;
    let number = attempt(&app, &id, of.attempt).await?;
    let job = id.clone();
    let finished = Arc::new(move |conn: &mut Conn| has_ended(conn, &job, number));
    let after = logs::last_event_id(&request);
    Ok(logs::event_stream(logs::stream_until(&app, &id, number, after, finished)))
}

/// Lines by their numbers.
#[utoipa::path(tag = "jobs", params(OfAttempt, AskedPage),
    responses((status = 200, body = LogPage), (status = 404, body = ErrorBody)))]
#[get("/jobs/{id}/log/lines")]
async fn log_lines(
    app: web::Data<App>,
    who: Principal,
    id: web::Path<String>,
    of: web::Query<OfAttempt>,
    asked: web::Query<AskedPage>,
) -> Result<web::Json<LogPage>> {
    let _auth = accounts::authorize(&who, action::View, &who.project)?;
    let number = attempt(&app, &id, of.attempt).await?;
    Ok(web::Json(logs::page(&app, &id, number, asked.from(), asked.limit()).await?))
}

/// Looks through the log: lines that contain a text or match an expression.
#[utoipa::path(tag = "jobs", params(OfAttempt, AskedSearch),
    responses((status = 200, body = LogHits), (status = 400, body = ErrorBody), (status = 404, body = ErrorBody)))]
#[get("/jobs/{id}/log/search")]
async fn log_search(
    app: web::Data<App>,
    who: Principal,
    id: web::Path<String>,
    of: web::Query<OfAttempt>,
    asked: web::Query<AskedSearch>,
) -> Result<web::Json<LogHits>> {
    let _auth = accounts::authorize(&who, action::View, &who.project)?;
    let number = attempt(&app, &id, of.attempt).await?;
    Ok(web::Json(logs::search(&app, &id, number, asked.into_inner().query()).await?))
}

/// The attempt that is meant: the one asked for, else the latest (1 before the first).
///
/// # Errors
/// `not_found` for a job or an attempt that is not there.
pub async fn attempt(app: &App, id: &str, asked: Option<i64>) -> Result<i64> {
    let id = id.to_owned();
    let find = move |conn: &mut Conn| {
        store::require(conn, &id)?;
        let latest = store::attempts(conn, &id)?.last().map_or(1, |attempt| attempt.number);
        match asked {
            Some(number) if !(1..=latest).contains(&number) => {
                Err(Error::not_found(format!("The job has no attempt {number}; its latest is {latest}.")))
            }
            asked => Ok(asked.unwrap_or(latest)),
        }
    };
    app.db.read(find).await
}

/// Whether the attempt's log is complete. A job that is not there any more writes nothing either.
fn has_ended(conn: &mut Conn, id: &str, number: i64) -> Result<bool> {
    let job = match store::require(conn, id) {
        Err(error) if error.code == drydock_wire::ErrorCode::NotFound => return Ok(true),
        job => job?,
    };
    let attempt = store::attempts(conn, id)?.into_iter().find(|attempt| attempt.number == number);
    Ok(job.state.is_final() || attempt.is_some_and(|attempt| attempt.state.is_final()))
}
