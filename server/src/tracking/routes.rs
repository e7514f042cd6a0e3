//! Experiments and runs for the dashboard.

use actix_web::{HttpRequest, HttpResponse, get, web};
use drydock_wire::{
    KeyValue, Page,
    tracking::{
        ArtifactEntry, Experiment, MetricSeries, MetricValue, RunDataset, RunDetail, RunModelVersion, RunSummary,
    },
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    Metric, Pair, Run, RunStatus, decimation, experiments, mlflow, rules, runs,
    search::{self, RUNS},
    store::{self, run_search::RunSearch, search::Window},
};
use crate::{
    accounts::{self, DEFAULT_PROJECT, Principal, action},
    app::App,
    error::{Error, Result},
};

/// Mounts the native routes.
pub fn configure(cfg: &mut ServiceConfig<'_>) {
    cfg.service(list_experiments).service(list_runs).service(get_run);
    cfg.service(get_metrics).service(get_artifacts).service(get_file);
}

const DEFAULT_PAGE: i64 = 50;
const MAX_PAGE: i64 = 500;
const DEFAULT_POINTS: usize = 2000;

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
#[derive(Debug, Deserialize, IntoParams)]
struct RunsQuery {
    /// Id of an experiment.
    experiment: Option<String>,
    /// MLflow's filter language, or words in name, id or user.
    search: Option<String>,
    status: Option<String>,
    /// `started_at`, `ended_at`, `name`, `status`, `user`, `metrics.…` or `params.…`; with `-` before it descending.
    sort: Option<String>,
    page: Option<String>,
    limit: Option<i64>,
}

#[utoipa::path(tag = "runs", params(RunsQuery), responses((status = 200, body = Page<RunSummary>)))]
#[get("/runs")]
async fn list_runs(
    app: web::Data<App>,
    who: Principal,
    query: web::Query<RunsQuery>,
) -> Result<web::Json<Page<RunSummary>>> {
    accounts::authorize(&who, action::View, DEFAULT_PROJECT)?;
    let limit = query.limit.unwrap_or(DEFAULT_PAGE).clamp(1, MAX_PAGE);
    let window = Window { offset: search::page_offset(query.page.as_deref())?, limit: limit + 1 };
    let wish = run_search(&query)?;
    let page = app
        .db
        .read(move |conn| {
            let total = store::run_search::count_runs(conn, &wish)?;
            let mut ids = store::run_search::runs(conn, &wish, window)?;
            let next = runs::cut(&mut ids, window).map(search::page_token);
            let found = store::runs::load(conn, &ids)?;
            let experiments: Vec<i64> = found.iter().map(|run| run.info.experiment_id).collect();
            let names = store::experiments::names(conn, &experiments)?;
            let items = found
                .into_iter()
                .map(|run| {
                    let name = names.get(&run.info.experiment_id).cloned().unwrap_or_default();
                    summary(run, name).0
                })
                .collect();
            Ok(Page { items, total: u64::try_from(total).unwrap_or(0), next })
        })
        .await?;
    Ok(web::Json(page))
}

fn run_search(query: &RunsQuery) -> Result<RunSearch> {
    let filled = |field: &Option<String>| field.clone().filter(|text| !text.trim().is_empty());
    let mut wish = RunSearch::default();
    if let Some(id) = filled(&query.experiment) {
        wish.experiments = Some(vec![rules::experiment_id(&id)?]);
    }
    if let Some(text) = filled(&query.search) {
        match search::parse(&text, &RUNS) {
            Ok(conditions) => wish.conditions = conditions,
            // Without an operator these are words; with one it is a filter with a mistake.
            Err(error) if text.contains(['=', '<', '>']) => return Err(error),
            Err(_) => wish.words = Some(text.trim().to_owned()),
        }
    }
    if let Some(status) = filled(&query.status) {
        let status = RunStatus::parse(&status)
            .ok_or_else(|| Error::invalid("A status is running, finished, failed, killed or scheduled."))?;
        wish.conditions.extend(search::parse(&format!("status = '{}'", status.as_str()), &RUNS)?);
    }
    if let Some(sort) = filled(&query.sort) {
        wish.order = search::parse_order_by(&[order_clause(&sort)], &RUNS)?;
    }
    Ok(wish)
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

fn key_values(pairs: Vec<Pair>) -> Vec<KeyValue> {
    pairs.into_iter().map(|(key, value)| KeyValue { key, value }).collect()
}

/// A metric as the wire has it.
pub fn metric_value(metric: Metric) -> MetricValue {
    let Metric { key, step, at, value } = metric;
    let text = (!value.is_finite()).then(|| {
        if value.is_nan() {
            "NaN"
        } else if value > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        }
    });
    MetricValue { key, value: value.is_finite().then_some(value), text: text.map(str::to_owned), step, at }
}

/// The run for a list, and what the list leaves out: tags and datasets.
fn summary(run: Run, experiment_name: String) -> (RunSummary, Vec<Pair>, Vec<super::DatasetInput>) {
    let summary = RunSummary {
        id: run.info.run_id,
        name: run.info.name,
        experiment_id: run.info.experiment_id.to_string(),
        experiment_name,
        status: run.info.status.as_str().to_lowercase(),
        user: run.info.user,
        started_at: run.info.started_at,
        ended_at: run.info.ended_at,
        metrics: runs::by_key(run.metrics).into_iter().map(metric_value).collect(),
        params: key_values(run.params),
    };
    (summary, run.tags, run.datasets)
}

#[utoipa::path(tag = "runs", responses((status = 200, body = RunDetail)))]
#[get("/runs/{id}")]
async fn get_run(app: web::Data<App>, who: Principal, id: web::Path<String>) -> Result<web::Json<RunDetail>> {
    accounts::authorize(&who, action::View, DEFAULT_PROJECT)?;
    let id = id.into_inner();
    let detail = app
        .db
        .read(move |conn| {
            let run = store::runs::load_one(conn, &id)?.ok_or_else(|| runs::absent(&id))?;
            let names = store::experiments::names(conn, &[run.info.experiment_id])?;
            let name = names.into_values().next().unwrap_or_default();
            let versions = store::runs::model_versions(conn, &id)?;
            let job_id = run.info.job_id.clone();
            let (summary, tags, datasets) = summary(run, name);
            Ok(RunDetail {
                summary,
                tags: key_values(tags),
                job_id,
                model_versions: versions
                    .into_iter()
                    .map(|(model, version)| RunModelVersion { model, version })
                    .collect(),
                datasets: datasets.into_iter().map(run_dataset).collect(),
            })
        })
        .await?;
    Ok(web::Json(detail))
}

fn run_dataset(input: super::DatasetInput) -> RunDataset {
    let context = input.tags.into_iter().find(|(key, _)| key == "mlflow.data.context").map(|(_, value)| value);
    RunDataset { name: input.name, digest: input.digest, context }
}

/// Which series, and how many points of each.
#[derive(Debug, Deserialize, IntoParams)]
struct MetricsQuery {
    /// Absent: all metrics of the run.
    key: Option<String>,
    max_points: Option<usize>,
}

#[utoipa::path(tag = "runs", params(MetricsQuery), responses((status = 200, body = Vec<MetricSeries>)))]
#[get("/runs/{id}/metrics")]
async fn get_metrics(
    app: web::Data<App>,
    who: Principal,
    id: web::Path<String>,
    query: web::Query<MetricsQuery>,
) -> Result<web::Json<Vec<MetricSeries>>> {
    accounts::authorize(&who, action::View, DEFAULT_PROJECT)?;
    let (id, query) = (id.into_inner(), query.into_inner());
    let most = query.max_points.unwrap_or(DEFAULT_POINTS).clamp(10, 20_000);
    let all = app
        .db
        .read(move |conn| {
            let (row, _, _) = store::runs::key_of(conn, &id)?.ok_or_else(|| runs::absent(&id))?;
            let mut all = Vec::new();
            for (series, key) in store::metrics::series_of(conn, row, query.key.as_deref())? {
                let points = store::metrics::points(conn, series, None)?;
                let total = points.len() as u64;
                all.push(series_view(key, &decimation::decimate(&points, most), total));
            }
            Ok(all)
        })
        .await?;
    Ok(web::Json(all))
}

fn series_view(key: String, points: &[super::Point], total: u64) -> MetricSeries {
    MetricSeries {
        key,
        steps: points.iter().map(|point| point.step).collect(),
        values: points.iter().map(|point| point.value.is_finite().then_some(point.value)).collect(),
        at: points.iter().map(|point| point.at).collect(),
        total,
    }
}

/// A folder or file below the run's artifact root.
#[derive(Debug, Deserialize, IntoParams)]
struct PathQuery {
    #[serde(default)]
    path: String,
}

#[utoipa::path(tag = "runs", params(PathQuery), responses((status = 200, body = Vec<ArtifactEntry>)))]
#[get("/runs/{id}/artifacts")]
async fn get_artifacts(
    app: web::Data<App>,
    who: Principal,
    id: web::Path<String>,
    query: web::Query<PathQuery>,
) -> Result<web::Json<Vec<ArtifactEntry>>> {
    let auth = accounts::authorize(&who, action::View, DEFAULT_PROJECT)?;
    let folder = query.path.trim_end_matches('/');
    let Some(root) = artifact_root(&app, id.into_inner()).await? else { return Ok(web::Json(Vec::new())) };
    let key = if folder.is_empty() { root } else { format!("{root}/{}", rules::artifact_path(folder)?) };
    let entries = super::list_artifacts(&app, &auth, &key).await?;
    let view = |entry: super::Entry| ArtifactEntry {
        path: if folder.is_empty() { entry.name } else { format!("{folder}/{}", entry.name) },
        is_dir: entry.is_dir,
        size_bytes: entry.size_bytes.and_then(|size| u64::try_from(size).ok()),
    };
    Ok(web::Json(entries.into_iter().map(view).collect()))
}

#[utoipa::path(tag = "runs", params(PathQuery), responses((status = 200, description = "The bytes, as an attachment")))]
#[get("/runs/{id}/artifacts/file")]
async fn get_file(
    app: web::Data<App>,
    who: Principal,
    id: web::Path<String>,
    query: web::Query<PathQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let auth = accounts::authorize(&who, action::View, DEFAULT_PROJECT)?;
    let path = rules::artifact_path(&query.path)?;
    let root = artifact_root(&app, id.into_inner()).await?;
    let root = root.ok_or_else(|| Error::not_found("The artifacts of this run are not kept by Drydock."))?;
    let file = super::find_artifact(&app, &auth, &format!("{root}/{path}")).await?;
    mlflow::send_artifact(&app, &request, &file).await
}

/// Key of the run's artifact root; `None` when its artifacts are on somebody else's storage.
async fn artifact_root(app: &App, id: String) -> Result<Option<String>> {
    let info = app.db.read(move |conn| store::runs::find(conn, &id)?.ok_or_else(|| runs::absent(&id))).await?;
    Ok(rules::artifact_key(&info.artifact_uri))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn query(search: &str, sort: &str) -> RunsQuery {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        RunsQuery { experiment: None, search: text(search), status: None, sort: text(sort), page: None, limit: None }
    }

    #[test]
    fn the_search_box_takes_filters_and_words() {
        assert_eq!(run_search(&query("metrics.acc > 0.5", "")).unwrap().conditions.len(), 1);
        assert_eq!(run_search(&query("quick fox", "")).unwrap().words.as_deref(), Some("quick fox"));
        assert!(run_search(&query("metrics.acc > ", "")).is_err());
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
}
