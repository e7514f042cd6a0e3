//! Lists of runs for the dashboard: windows of the table, keys for its columns, one metric of many runs, saved views.

use std::collections::HashMap;

use actix_web::{HttpResponse, delete, get, post, web};
use drydock_wire::{
    Page,
    tracking::{Experiment, KeyCount, RunKeys, RunSeries, RunSummary, SaveView, SavedView},
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    RunStatus, experiments, routes, rules, runs,
    search::{self, Condition, Entity, Op, Operand, RUNS},
    store::{self, keys::Count, run_search::RunSearch, runs::Shown, search::Window, views::View},
    views,
};
use crate::{
    accounts::{self, DEFAULT_PROJECT, Principal, action},
    app::App,
    db::Conn,
    error::{Error, Result},
};

const DEFAULT_PAGE: i64 = 50;
const MAX_PAGE: i64 = 500;
/// Runs in one comparison.
const MAX_COMPARED: i64 = 500;
/// Points in one answer about many runs.
const MAX_TOTAL_POINTS: i64 = 150_000;

pub fn configure(cfg: &mut ServiceConfig<'_>) {
    cfg.service(list_experiments).service(list_runs).service(list_ids);
    cfg.service(list_keys).service(list_values).service(list_series);
    cfg.service(list_views).service(get_view).service(save_view).service(delete_view);
}

#[utoipa::path(tag = "runs", responses((status = 200, body = Page<Experiment>)))]
#[get("/experiments")]
async fn list_experiments(app: web::Data<App>, who: Principal) -> Result<web::Json<Page<Experiment>>> {
    let auth = accounts::authorize(&who, action::View, DEFAULT_PROJECT)?;
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

/// Which runs, in which order.
#[derive(Debug, Default, Clone, Deserialize, IntoParams)]
struct RunsQuery {
    /// Ids of experiments, with commas.
    experiment: Option<String>,
    /// MLflow's filter language, or words in name, id or user.
    search: Option<String>,
    /// One or several, with commas.
    status: Option<String>,
    /// Ids of runs, with commas: these alone.
    ids: Option<String>,
    /// Id of a saved comparison: its runs alone.
    set: Option<String>,
    /// `started_at`, `ended_at`, `name`, `status`, `user`, `metrics.…`, `params.…` or `tags.…`; with `-` before it descending.
    sort: Option<String>,
    page: Option<String>,
    /// Where the window starts, in place of `page`.
    offset: Option<i64>,
    limit: Option<i64>,
    /// `metrics.acc,params.lr,tags.team`: what of the runs' values comes along; all of them where it is absent.
    columns: Option<String>,
    /// `false` leaves the counting out: `total` is 0 then.
    count: Option<bool>,
}

#[utoipa::path(tag = "runs", params(RunsQuery), responses((status = 200, body = Page<RunSummary>)))]
#[get("/runs")]
async fn list_runs(
    app: web::Data<App>,
    who: Principal,
    query: web::Query<RunsQuery>,
) -> Result<web::Json<Page<RunSummary>>> {
    accounts::authorize(&who, action::View, DEFAULT_PROJECT)?;
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
            let wish = with_set(conn, wish, query.set.as_deref())?;
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
    accounts::authorize(&who, action::View, DEFAULT_PROJECT)?;
    let query = query.into_inner();
    let wish = run_search(&query)?;
    let offset = query.offset.unwrap_or(0).max(0);
    let window = Window { offset, limit: query.limit.unwrap_or(10_000).clamp(1, 10_000) };
    let ids = app
        .db
        .read(move |conn| {
            let wish = with_set(conn, wish, query.set.as_deref())?;
            let rows = store::run_search::runs(conn, &wish, window)?;
            let found = store::runs::load_shown(conn, &rows, &Shown::default())?;
            Ok(found.into_iter().map(|run| run.info.run_id).collect())
        })
        .await?;
    Ok(web::Json(ids))
}

fn list_of(text: &Option<String>) -> Vec<String> {
    let parts = text.iter().flat_map(|text| text.split(','));
    parts.map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

fn experiments_of(text: &Option<String>) -> Result<Option<Vec<i64>>> {
    let ids = list_of(text).iter().map(|id| rules::experiment_id(id)).collect::<Result<Vec<_>>>()?;
    Ok((!ids.is_empty()).then_some(ids))
}

fn run_search(query: &RunsQuery) -> Result<RunSearch> {
    let filled = |field: &Option<String>| field.clone().filter(|text| !text.trim().is_empty());
    let mut wish = RunSearch { experiments: experiments_of(&query.experiment)?, ..RunSearch::default() };
    if let Some(text) = filled(&query.search) {
        match search::parse(&text, &RUNS) {
            Ok(conditions) => wish.conditions = conditions,
            Err(error) if is_filter(&text) => return Err(error),
            Err(_) => wish.words = Some(text.trim().to_owned()),
        }
    }
    let mut statuses = Vec::new();
    for status in list_of(&query.status) {
        let status = RunStatus::parse(&status)
            .ok_or_else(|| Error::invalid("A status is running, finished, failed, killed or scheduled."))?;
        statuses.push(status.as_str().to_owned());
    }
    if !statuses.is_empty() {
        wish.conditions.push(one_of("status", statuses));
    }
    let ids = list_of(&query.ids);
    if !ids.is_empty() {
        wish.conditions.push(one_of("run_id", ids));
    }
    if let Some(sort) = filled(&query.sort) {
        wish.order = search::parse_order_by(&[order_clause(&sort)], &RUNS)?;
    }
    Ok(wish)
}

/// Whether somebody meant a filter: it has an operator or names an entity. Anything else is words to look for.
fn is_filter(text: &str) -> bool {
    const ENTITIES: [&str; 8] =
        ["metric.", "metrics.", "param.", "params.", "tag.", "tags.", "attributes.", "datasets."];
    let low = text.trim_start().to_ascii_lowercase();
    text.contains(['=', '<', '>']) || ENTITIES.iter().any(|entity| low.starts_with(entity))
}

fn one_of(key: &str, values: Vec<String>) -> Condition {
    Condition { entity: Entity::Attribute, key: key.into(), op: Op::In, value: Operand::List(values), at: 0 }
}

/// The runs of a saved comparison, if one is named.
fn with_set(conn: &mut Conn, mut wish: RunSearch, set: Option<&str>) -> Result<RunSearch> {
    let Some(id) = set.filter(|id| !id.is_empty()) else { return Ok(wish) };
    let view = store::views::find(conn, id)?
        .ok_or_else(|| Error::not_found("There is no such comparison; whoever saved it may have deleted it."))?;
    let ids = view.query.split('&').find_map(|pair| pair.strip_prefix("ids=")).unwrap_or_default();
    wish.conditions.push(one_of("run_id", list_of(&Some(ids.to_owned()))));
    Ok(wish)
}

/// What `columns` names.
fn columns(text: &str) -> Result<Shown> {
    let mut shown = Shown::default();
    for word in text.split(',').filter(|word| !word.is_empty()) {
        match word.split_once('.') {
            Some(("metrics", key)) => shown.metrics.push(key.to_owned()),
            Some(("params", key)) => shown.params.push(key.to_owned()),
            Some(("tags", key)) => shown.tags.push(key.to_owned()),
            _ => return Err(Error::invalid(format!("A column is metrics.…, params.… or tags.…, not '{word}'."))),
        }
    }
    Ok(shown)
}

/// The dashboard's `-metrics.acc` as MLflow's ``metrics.`acc` DESC``.
fn order_clause(sort: &str) -> String {
    let (key, direction) = sort.strip_prefix('-').map_or((sort, "ASC"), |key| (key, "DESC"));
    let key = match key {
        "started_at" => "start_time".to_owned(),
        "ended_at" => "end_time".to_owned(),
        "name" => "run_name".to_owned(),
        "user" => "user_id".to_owned(),
        key => match key.split_once('.') {
            Some((entity, name)) => format!("{entity}.`{}`", name.replace('`', "``")),
            None => key.to_owned(),
        },
    };
    format!("{key} {direction}")
}

// --- keys, values, series ---------------------------------------------------------------------------------------------

fn key_counts(counts: Vec<Count>) -> Vec<KeyCount> {
    counts.into_iter().map(|(key, runs)| KeyCount { key, runs: u64::try_from(runs).unwrap_or(0) }).collect()
}

/// Of which experiments.
#[derive(Debug, Deserialize, IntoParams)]
struct KeysQuery {
    /// Ids of experiments, with commas; all where it is absent.
    experiment: Option<String>,
}

#[utoipa::path(tag = "runs", params(KeysQuery), responses((status = 200, body = RunKeys)))]
#[get("/run-keys")]
async fn list_keys(app: web::Data<App>, who: Principal, query: web::Query<KeysQuery>) -> Result<web::Json<RunKeys>> {
    accounts::authorize(&who, action::View, DEFAULT_PROJECT)?;
    let experiments = experiments_of(&query.experiment)?;
    let keys = app
        .db
        .read(move |conn| {
            let newest = store::keys::newest(conn, experiments.as_deref())?;
            let mut keys = |entity| Ok(key_counts(store::keys::keys(conn, &newest, entity)?));
            Ok(RunKeys {
                metrics: keys(Entity::Metric)?,
                params: keys(Entity::Param)?,
                tags: keys(Entity::Tag)?,
                runs: newest.len() as u64,
            })
        })
        .await?;
    Ok(web::Json(keys))
}

/// Values of what.
#[derive(Debug, Deserialize, IntoParams)]
struct ValuesQuery {
    /// `params.…`, `tags.…`, `status`, `run_name`, `user_id`.
    of: String,
    /// What the values contain.
    #[serde(default)]
    part: String,
    experiment: Option<String>,
}

#[utoipa::path(tag = "runs", params(ValuesQuery), responses((status = 200, body = Vec<KeyCount>)))]
#[get("/run-values")]
async fn list_values(
    app: web::Data<App>,
    who: Principal,
    query: web::Query<ValuesQuery>,
) -> Result<web::Json<Vec<KeyCount>>> {
    accounts::authorize(&who, action::View, DEFAULT_PROJECT)?;
    let ValuesQuery { of, part, experiment } = query.into_inner();
    let experiments = experiments_of(&experiment)?;
    let values = app
        .db
        .read(move |conn| {
            let newest = store::keys::newest(conn, experiments.as_deref())?;
            match of.split_once('.') {
                Some(("params", key)) => store::keys::values(conn, &newest, Entity::Param, key, &part),
                Some(("tags", key)) => store::keys::values(conn, &newest, Entity::Tag, key, &part),
                Some(("metrics", _)) => Ok(Vec::new()),
                _ => store::keys::attribute_values(conn, &newest, &of, &part),
            }
        })
        .await?;
    Ok(web::Json(key_counts(values)))
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
    accounts::authorize(&who, action::View, DEFAULT_PROJECT)?;
    let (SeriesQuery { key, max_points }, query) = (wanted.into_inner(), query.into_inner());
    let wish = run_search(&query)?;
    let window = Window { offset: 0, limit: query.limit.unwrap_or(MAX_COMPARED).clamp(1, MAX_COMPARED) };
    let all = app
        .db
        .read(move |conn| {
            let wish = with_set(conn, wish, query.set.as_deref())?;
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

// --- saved views ------------------------------------------------------------------------------------------------------

fn saved_view(view: View, who: &Principal) -> SavedView {
    let mine = view.owner == who.person_id;
    let View { id, kind, name, query, updated_at, username, .. } = view;
    SavedView { id, kind, name, query, owner: username, mine, updated_at }
}

/// Of which kind.
#[derive(Debug, Deserialize, IntoParams)]
struct ViewsQuery {
    /// `runs` or `compare`.
    kind: Option<String>,
}

#[utoipa::path(tag = "runs", params(ViewsQuery), responses((status = 200, body = Vec<SavedView>)))]
#[get("/views")]
async fn list_views(
    app: web::Data<App>,
    who: Principal,
    query: web::Query<ViewsQuery>,
) -> Result<web::Json<Vec<SavedView>>> {
    let auth = accounts::authorize(&who, action::View, DEFAULT_PROJECT)?;
    let kind = query.into_inner().kind.unwrap_or_else(|| "runs".into());
    let found = views::list_views(&app, &auth, kind).await?;
    Ok(web::Json(found.into_iter().map(|view| saved_view(view, &who)).collect()))
}

#[utoipa::path(tag = "runs", responses((status = 200, body = SavedView)))]
#[get("/views/{id}")]
async fn get_view(app: web::Data<App>, who: Principal, id: web::Path<String>) -> Result<web::Json<SavedView>> {
    let auth = accounts::authorize(&who, action::View, DEFAULT_PROJECT)?;
    Ok(web::Json(saved_view(views::view(&app, &auth, id.into_inner()).await?, &who)))
}

#[utoipa::path(tag = "runs", responses((status = 200, body = SavedView)))]
#[post("/views")]
async fn save_view(app: web::Data<App>, who: Principal, wish: web::Json<SaveView>) -> Result<web::Json<SavedView>> {
    let auth = accounts::authorize(&who, action::View, DEFAULT_PROJECT)?;
    let SaveView { kind, name, query } = wish.into_inner();
    Ok(web::Json(saved_view(views::save_view(&app, &auth, kind, name, query).await?, &who)))
}

#[utoipa::path(tag = "runs", responses((status = 204)))]
#[delete("/views/{id}")]
async fn delete_view(app: web::Data<App>, who: Principal, id: web::Path<String>) -> Result<HttpResponse> {
    let auth = accounts::authorize(&who, action::View, DEFAULT_PROJECT)?;
    views::delete_view(&app, &auth, id.into_inner()).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn query(search: &str, sort: &str) -> RunsQuery {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        RunsQuery { search: text(search), sort: text(sort), ..RunsQuery::default() }
    }

    #[test]
    fn the_search_box_takes_filters_and_words() {
        assert_eq!(run_search(&query("metrics.acc > 0.5", "")).unwrap().conditions.len(), 1);
        assert_eq!(run_search(&query("quick fox", "")).unwrap().words.as_deref(), Some("quick fox"));
        assert!(run_search(&query("metrics.acc > ", "")).is_err());
        assert!(run_search(&query("metrics.acc ~ 3", "")).is_err());
    }

    #[test]
    fn several_experiments_and_states_are_named_with_commas() {
        let text = |text: &str| Some(text.to_owned());
        let wish = RunsQuery { experiment: text("1,2"), status: text("running, failed"), ..RunsQuery::default() };
        let found = run_search(&wish).unwrap();
        assert_eq!(found.experiments, Some(vec![1, 2]));
        assert_eq!(found.conditions[0].value, Operand::List(vec!["RUNNING".into(), "FAILED".into()]));
        assert!(run_search(&RunsQuery { status: text("asleep"), ..RunsQuery::default() }).is_err());
    }

    #[test]
    fn sorts_become_order_clauses() {
        assert_eq!(order_clause("-metrics.val acc"), "metrics.`val acc` DESC");
        assert_eq!(order_clause("started_at"), "start_time ASC");
        for sort in ["-started_at", "name", "-metrics.a b", "params.lr", "status", "user"] {
            assert_eq!(run_search(&query("", sort)).unwrap().order.len(), 1, "{sort}");
        }
        assert!(run_search(&query("", "nope")).is_err());
    }

    #[test]
    fn columns_name_their_kind() {
        let shown = columns("metrics.a.b,params.lr").unwrap();
        assert_eq!((shown.metrics, shown.params), (vec!["a.b".to_owned()], vec!["lr".to_owned()]));
        assert!(columns("lr").is_err());
    }
}
