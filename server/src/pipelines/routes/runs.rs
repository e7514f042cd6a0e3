//! HTTP of runs.

use actix_web::{HttpResponse, get, post, web};
use drydock_wire::{
    ErrorBody, Page,
    pipelines::{AnswerApproval, ClearTask, PipelineRun, PipelineRunDetail, Rerun, RunState, StartRun},
};
use serde::Deserialize;
use utoipa_actix_web::service_config::ServiceConfig;

use super::super as pipelines;
use crate::{
    accounts::{self, Principal, action},
    app::App,
    error::{Error, Result},
};

pub fn configure(config: &mut ServiceConfig<'_>) {
    config
        .service(of_pipeline)
        .service(start)
        .service(all)
        .service(get_run)
        .service(cancel)
        .service(clear)
        .service(rerun)
        .service(answer);
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
struct Window {
    /// One state or several, separated by commas.
    state: Option<String>,
    page: Option<String>,
    /// 1 to 200; 50 when absent.
    limit: Option<i64>,
}

impl Window {
    fn read(self) -> Result<(Vec<RunState>, (i64, i64))> {
        let words = self.state.as_deref().unwrap_or("").split(',').filter(|word| !word.is_empty());
        let state =
            |word: &str| RunState::parse(word).ok_or_else(|| Error::invalid(format!("There is no state '{word}'.")));
        let states = words.map(state).collect::<Result<_>>()?;
        Ok((states, super::window(self.page.as_deref(), self.limit)?))
    }
}

/// Runs of the pipeline, newest first.
#[utoipa::path(tag = "pipelines", params(Window), responses((status = 200, body = Page<PipelineRun>)))]
#[get("/pipelines/{name}/runs")]
async fn of_pipeline(
    app: web::Data<App>,
    who: Principal,
    name: web::Path<String>,
    query: web::Query<Window>,
) -> Result<web::Json<Page<PipelineRun>>> {
    let auth = accounts::authorize(&who, action::View, &who.project)?;
    let (states, window) = query.into_inner().read()?;
    Ok(web::Json(pipelines::runs(&app, &auth, Some(name.into_inner()), states, window).await?))
}

/// Runs it now.
#[utoipa::path(tag = "pipelines", request_body = StartRun,
    responses((status = 201, body = PipelineRunDetail), (status = 404, body = ErrorBody)))]
#[post("/pipelines/{name}/runs")]
async fn start(
    app: web::Data<App>,
    who: Principal,
    name: web::Path<String>,
    wish: web::Json<StartRun>,
) -> Result<HttpResponse> {
    let auth = accounts::authorize(&who, action::Launch, &who.project)?;
    Ok(HttpResponse::Created().json(pipelines::start_run(&app, &auth, name.into_inner(), wish.into_inner()).await?))
}

/// Runs of all pipelines, newest first.
#[utoipa::path(tag = "pipelines", params(Window), responses((status = 200, body = Page<PipelineRun>)))]
#[get("/pipeline-runs")]
async fn all(app: web::Data<App>, who: Principal, query: web::Query<Window>) -> Result<web::Json<Page<PipelineRun>>> {
    let auth = accounts::authorize(&who, action::View, &who.project)?;
    let (states, window) = query.into_inner().read()?;
    Ok(web::Json(pipelines::runs(&app, &auth, None, states, window).await?))
}

/// A run with every try of its tasks.
#[utoipa::path(tag = "pipelines", responses((status = 200, body = PipelineRunDetail), (status = 404, body = ErrorBody)))]
#[get("/pipeline-runs/{id}")]
async fn get_run(app: web::Data<App>, who: Principal, id: web::Path<String>) -> Result<web::Json<PipelineRunDetail>> {
    let auth = accounts::authorize(&who, action::View, &who.project)?;
    Ok(web::Json(pipelines::run(&app, &auth, id.into_inner()).await?))
}

/// Ends the run and what it started.
#[utoipa::path(tag = "pipelines", responses((status = 200, body = PipelineRunDetail), (status = 409, body = ErrorBody)))]
#[post("/pipeline-runs/{id}/cancel")]
async fn cancel(app: web::Data<App>, who: Principal, id: web::Path<String>) -> Result<web::Json<PipelineRunDetail>> {
    let auth = accounts::authorize(&who, action::Launch, &who.project)?;
    Ok(web::Json(pipelines::cancel(&app, &auth, id.into_inner()).await?))
}

/// Has a task run again, and what follows it.
#[utoipa::path(tag = "pipelines", request_body = ClearTask,
    responses((status = 200, body = PipelineRunDetail), (status = 404, body = ErrorBody)))]
#[post("/pipeline-runs/{id}/clear")]
async fn clear(
    app: web::Data<App>,
    who: Principal,
    id: web::Path<String>,
    wish: web::Json<ClearTask>,
) -> Result<web::Json<PipelineRunDetail>> {
    let auth = accounts::authorize(&who, action::Launch, &who.project)?;
    Ok(web::Json(pipelines::clear(&app, &auth, id.into_inner(), wish.into_inner()).await?))
}

/// Has what failed run again; with `all`, the whole of it as a new run.
#[utoipa::path(tag = "pipelines", request_body = Rerun,
    responses((status = 200, body = PipelineRunDetail), (status = 409, body = ErrorBody)))]
#[post("/pipeline-runs/{id}/rerun")]
async fn rerun(
    app: web::Data<App>,
    who: Principal,
    id: web::Path<String>,
    wish: web::Json<Rerun>,
) -> Result<web::Json<PipelineRunDetail>> {
    let auth = accounts::authorize(&who, action::Launch, &who.project)?;
    Ok(web::Json(pipelines::rerun(&app, &auth, id.into_inner(), wish.into_inner()).await?))
}

/// A person's yes or no to a task that asks for it.
#[utoipa::path(tag = "pipelines", request_body = AnswerApproval,
    responses((status = 200, body = PipelineRunDetail), (status = 403, body = ErrorBody), (status = 409, body = ErrorBody)))]
#[post("/pipeline-runs/{id}/approvals")]
async fn answer(
    app: web::Data<App>,
    who: Principal,
    id: web::Path<String>,
    wish: web::Json<AnswerApproval>,
) -> Result<web::Json<PipelineRunDetail>> {
    let auth = accounts::authorize(&who, action::Deploy, &who.project)?;
    Ok(web::Json(pipelines::answer(&app, &auth, id.into_inner(), wish.into_inner()).await?))
}
