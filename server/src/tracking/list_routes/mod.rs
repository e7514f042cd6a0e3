//! Lists of runs for the dashboard: windows of the table, ids, one metric of many runs; beside it keys and saved views.

mod keys;
mod query;
mod saved_views;

use std::collections::HashMap;

use actix_web::{get, web};
use drydock_wire::{
    Page,
    tracking::{Experiment, RunSeries, RunSummary},
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    experiments, routes, runs, search,
    store::{self, runs::Shown, search::Window},
};
use crate::{
    accounts::{self, Principal, action},
    app::App,
    db::Conn,
    error::Result,
};
use query::{RunsQuery, columns, run_search, with_set};

const DEFAULT_PAGE: i64 = 50;
const MAX_PAGE: i64 = 500;
/// Runs in one comparison.
const MAX_COMPARED: i64 = 500;
/// Points in one answer about many runs.
const MAX_TOTAL_POINTS: i64 = 150_000;

pub fn configure(cfg: &mut ServiceConfig<'_>) {
    cfg.service(list_experiments).service(list_runs).service(list_ids);
    cfg.service(keys::list_keys).service(keys::list_values).service(list_series);
    cfg.service(saved_views::list_views).service(saved_views::get_view);
    cfg.service(saved_views::save_view).service(saved_views::delete_view);
}

#[utoipa::path(tag = "runs", responses((status = 200, body = Page<Experiment>)))]
#[get("/experiments")]
async fn list_experiments(app: web::Data<App>, who: Principal) -> Result<web::Json<Page<Experiment>>> {
    let auth = accounts::authorize(&who, action::View, &who.project)?;
    let items: Vec<Experiment> = experiments::list(&app, &auth)
        .await?
        .into_iter()
        .map(|(experiment, runs)| Experiment {
            id: experiment.id.to_string(),
            name: experiment.name,
            created_at: experiment.created_at,
            run_count: u64::try_from(runs).unwrap_or(0),
            imported_from: experiment.tags.into_iter().find(|(key, _)| key == super::IMPORT_TAG).map(|(_, from)| from),
        })
        .collect();
    Ok(web::Json(Page { total: items.len() as u64, items, next: None }))
}

#[utoipa::path(tag = "runs", params(RunsQuery), responses((status = 200, body = Page<RunSummary>)))]
#[get("/runs")]
async fn list_runs(
    app: web::Data<App>,
    who: Principal,
    query: web::Query<RunsQuery>,
) -> Result<web::Json<Page<RunSummary>>> {
    let scope = accounts::authorize(&who, action::View, &who.project)?.scope();
    let query = query.into_inner();
    let limit = query.limit.unwrap_or(DEFAULT_PAGE).clamp(1, MAX_PAGE);
    let offset = match query.offset {
        Some(offset) => offset.max(0),
        None => search::page_offset(query.page.as_deref())?,
    };
    let window = Window { offset, limit: limit + 1 };
    let wish = run_search(&query)?;
    let shown = query.columns.as_deref().map(columns).transpose()?;
    let page = app
        .db
        .read(move |conn| {
            let wish = with_set(conn, &scope, wish, query.set.as_deref())?;
            let total = if query.count == Some(false) { 0 } else { store::run_search::count_runs(conn, &wish)? };
            let mut ids = store::run_search::runs(conn, &wish, window)?;
            let next = runs::cut(&mut ids, window).map(search::page_token);
            Ok(Page { items: summaries(conn, &ids, shown.as_ref())?, total: u64::try_from(total).unwrap_or(0), next })
        })
        .await?;
    Ok(web::Json(page))
}

fn summaries(conn: &mut Conn, ids: &[i64], shown: Option<&Shown>) -> Result<Vec<RunSummary>> {
    let found = match shown {
        Some(shown) => store::runs::load_shown(conn, ids, shown)?,
        None => store::runs::load(conn, ids)?,
    };
    let mut experiments: Vec<i64> = found.iter().map(|run| run.info.experiment_id).collect();
    experiments.sort_unstable();
    experiments.dedup();
    let names = store::experiments::names(conn, &experiments)?;
    let all = found.into_iter().map(|run| {
        let name = names.get(&run.info.experiment_id).cloned().unwrap_or_default();
        let (mut summary, tags, _) = routes::summary(run, name);
        if shown.is_some() {
            summary.tags = routes::key_values(tags);
        }
        summary
    });
    Ok(all.collect())
}

/// Ids of the runs that match, in order: what "choose all that match" chooses.
#[utoipa::path(tag = "runs", params(RunsQuery), responses((status = 200, body = Vec<String>)))]
#[get("/run-ids")]
async fn list_ids(app: web::Data<App>, who: Principal, query: web::Query<RunsQuery>) -> Result<web::Json<Vec<String>>> {
    let scope = accounts::authorize(&who, action::View, &who.project)?.scope();
    let query = query.into_inner();
    let wish = run_search(&query)?;
    let offset = query.offset.unwrap_or(0).max(0);
    let window = Window { offset, limit: query.limit.unwrap_or(10_000).clamp(1, 10_000) };
    let ids = app
        .db
        .read(move |conn| {
            let wish = with_set(conn, &scope, wish, query.set.as_deref())?;
            let rows = store::run_search::runs(conn, &wish, window)?;
            let found = store::runs::load_shown(conn, &rows, &Shown::default())?;
            Ok(found.into_iter().map(|run| run.info.run_id).collect())
        })
        .await?;
    Ok(web::Json(ids))
}

/// Which metric, and how finely.
#[derive(Debug, Deserialize, IntoParams)]
struct SeriesQuery {
    key: String,
    max_points: Option<i64>,
}

/// One metric of up to 500 runs.
#[utoipa::path(tag = "runs", params(SeriesQuery, RunsQuery), responses((status = 200, body = Vec<RunSeries>)))]
#[get("/run-series")]
async fn list_series(
    app: web::Data<App>,
    who: Principal,
    wanted: web::Query<SeriesQuery>,
    query: web::Query<RunsQuery>,
) -> Result<web::Json<Vec<RunSeries>>> {
    let scope = accounts::authorize(&who, action::View, &who.project)?.scope();
    let (SeriesQuery { key, max_points }, query) = (wanted.into_inner(), query.into_inner());
    let wish = run_search(&query)?;
    let window = Window { offset: 0, limit: query.limit.unwrap_or(MAX_COMPARED).clamp(1, MAX_COMPARED) };
    let all = app
        .db
        .read(move |conn| {
            let wish = with_set(conn, &scope, wish, query.set.as_deref())?;
            let ids = store::run_search::runs(conn, &wish, window)?;
            let found = store::runs::load_shown(conn, &ids, &Shown::default())?;
            let fair = MAX_TOTAL_POINTS / i64::try_from(ids.len().max(1)).unwrap_or(1);
            let most = max_points.unwrap_or(fair).clamp(10, fair.max(50)).min(2000);
            let mut points: HashMap<i64, Vec<super::Point>> = store::many_series::sampled(conn, &ids, &key, most)?;
            let one = |run: super::Run| {
                let points = points.remove(&run.info.row)?;
                let series = routes::series_view(key.clone(), &points, points.len() as u64);
                Some(RunSeries { run_id: run.info.run_id, series })
            };
            Ok(found.into_iter().filter_map(one).collect())
        })
        .await?;
    Ok(web::Json(all))
}
