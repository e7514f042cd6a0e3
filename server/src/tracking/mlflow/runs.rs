//! `runs/…`: life of a run, its tags, search.

use actix_web::web;
use serde_json::{Value, json};

use super::{Answer, Args, Who, args::mistyped, ok, view};
use crate::{
    accounts::{Authorized, action},
    app::App,
    error::Result,
    tracking::{self, NewRun, Run, RunFilter, RunStatus, rules, search},
};

type View = Authorized<action::View>;

pub fn configure(cfg: &mut web::ServiceConfig, base: &str) {
    let path = |name: &str| format!("{base}/runs/{name}");
    cfg.service(web::resource(path("get")).route(web::get().to(get)));
    cfg.service(web::resource(path("create")).route(web::post().to(create)));
    cfg.service(web::resource(path("update")).route(web::post().to(update)));
    cfg.service(web::resource(path("search")).route(web::post().to(search_)));
    cfg.service(web::resource(path("delete")).route(web::post().to(delete)));
    cfg.service(web::resource(path("restore")).route(web::post().to(restore)));
    cfg.service(web::resource(path("set-tag")).route(web::post().to(set_tag)));
    cfg.service(web::resource(path("delete-tag")).route(web::post().to(delete_tag)));
}

async fn create(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let auth = who.develop()?;
    let new = NewRun {
        experiment_id: args.filled("experiment_id")?.map_or(Ok(0), |text| rules::experiment_id(&text))?,
        user: args.filled("user_id")?,
        name: args.filled("run_name")?,
        started_at: args.int("start_time")?,
        tags: args.pairs("tags")?,
    };
    let run = tracking::create_run(&app, &auth, new).await?;
    ok(json!({"run": view::new_run(&run)}))
}

async fn get(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let run = tracking::run(&app, &who.view()?, args.run_id()?).await?;
    #[derive(serde::Serialize)]
    struct Found<'a> {
        run: view::RunView<'a>,
    }
    ok(Found { run: view::run(&run) })
}

async fn update(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let auth = who.develop()?;
    let (status, ended_at, name) = (status(&args)?, args.int("end_time")?, args.text("run_name")?);
    let info = tracking::update_run(&app, &auth, args.run_id()?, status, ended_at, name).await?;
    ok(json!({"run_info": view::info(&info)}))
}

/// A status by name or by protobuf's number.
fn status(args: &Args) -> Result<Option<RunStatus>> {
    let Some(value) = args.raw("status").filter(|value| !value.is_null()) else { return Ok(None) };
    let status = match value {
        Value::String(name) => RunStatus::parse(name),
        Value::Number(number) => match number.as_i64() {
            Some(1) => Some(RunStatus::Running),
            Some(2) => Some(RunStatus::Scheduled),
            Some(3) => Some(RunStatus::Finished),
            Some(4) => Some(RunStatus::Failed),
            Some(5) => Some(RunStatus::Killed),
            _ => None,
        },
        _ => None,
    };
    status.map(Some).ok_or_else(|| mistyped("status", value))
}

async fn search_(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let (runs, next) = page(&app, &who.view()?, &args).await?;
    #[derive(serde::Serialize)]
    struct Found<'a> {
        #[serde(skip_serializing_if = "Vec::is_empty")]
        runs: Vec<view::RunView<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        next_page_token: Option<String>,
    }
    ok(Found { runs: runs.iter().map(view::run).collect(), next_page_token: next.map(search::page_token) })
}

/// What `runs/get` answers.
pub async fn found(app: &App, auth: &View, args: &Args) -> Result<Value> {
    let run = tracking::run(app, auth, args.run_id()?).await?;
    Ok(json!({"run": view::run(&run)}))
}

/// What `runs/search` answers.
pub async fn searched(app: &App, auth: &View, args: &Args) -> Result<Value> {
    let (runs, next) = page(app, auth, args).await?;
    Ok(view::page("runs", runs.iter().map(|run| json!(view::run(run))).collect(), next))
}

async fn page(app: &App, auth: &View, args: &Args) -> Result<(Vec<Run>, Option<i64>)> {
    let limit = args.int("max_results")?.unwrap_or(1000);
    if limit > 50_000 {
        return Err(mistyped("max_results", &json!(limit)));
    }
    let wish = RunFilter {
        experiments: Some(args.experiment_ids("experiment_ids")?),
        stage: args.stage("run_view_type")?,
        filter: args.text("filter")?.unwrap_or_default(),
        order_by: args.texts("order_by")?,
        offset: search::page_offset(args.text("page_token")?.as_deref())?,
        limit: rules::max_results(limit, 50_000)?,
    };
    tracking::search_runs(app, auth, wish).await
}

async fn delete(app: web::Data<App>, who: Who, args: Args) -> Answer {
    tracking::delete_run(&app, &who.develop()?, args.run_id()?).await?;
    ok(json!({}))
}

async fn restore(app: web::Data<App>, who: Who, args: Args) -> Answer {
    tracking::restore_run(&app, &who.develop()?, args.run_id()?).await?;
    ok(json!({}))
}

async fn set_tag(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let auth = who.develop()?;
    let (key, value) = (args.required("key")?, args.text("value")?.unwrap_or_default());
    tracking::set_tag(&app, &auth, args.run_id()?, key, value).await?;
    ok(json!({}))
}

async fn delete_tag(app: web::Data<App>, who: Who, args: Args) -> Answer {
    tracking::delete_tag(&app, &who.develop()?, args.run_id()?, args.required("key")?).await?;
    ok(json!({}))
}
