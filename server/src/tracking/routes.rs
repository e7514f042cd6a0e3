//! One run for the dashboard: what it logged, its files, its edits. Lists of runs are in `list_routes`.

use actix_web::{HttpRequest, HttpResponse, get, patch, web};
use drydock_wire::{
    KeyValue,
    tracking::{
        ArtifactEntry, EditRun, MetricSeries, MetricValue, Preview, RunDataset, RunDetail, RunLoggedModel,
        RunModelVersion, RunSummary,
    },
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{LoggedModel, Metric, Pair, Run, decimation, list_routes, mlflow, preview, rules, runs, store};
use crate::{
    accounts::{
        self, Principal, action,
        projects::{self, Kind},
    },
    app::App,
    db::Conn,
    error::{Error, Result},
};

/// Mounts the native routes.
pub fn configure(cfg: &mut ServiceConfig<'_>) {
    list_routes::configure(cfg);
    cfg.service(get_run).service(edit_run).service(get_preview);
    cfg.service(get_metrics).service(get_artifacts).service(get_file);
}

const DEFAULT_POINTS: usize = 2000;

pub(super) fn key_values(pairs: Vec<Pair>) -> Vec<KeyValue> {
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
pub(super) fn summary(run: Run, experiment_name: String) -> (RunSummary, Vec<Pair>, Vec<super::DatasetInput>) {
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
        tags: Vec::new(),
    };
    (summary, run.tags, run.datasets)
}

#[utoipa::path(tag = "runs", responses((status = 200, body = RunDetail)))]
#[get("/runs/{id}")]
async fn get_run(app: web::Data<App>, who: Principal, id: web::Path<String>) -> Result<web::Json<RunDetail>> {
    accounts::authorize(&who, action::View, &who.project)?;
    let id = id.into_inner();
    let detail = app
        .db
        .read(move |conn| {
            let run = store::runs::load_one(conn, &id)?.ok_or_else(|| runs::absent(&id))?;
            let names = store::experiments::names(conn, &[run.info.experiment_id])?;
            let name = names.into_values().next().unwrap_or_default();
            let mut model_versions = vec![];
            for (model, version) in store::runs::model_versions(conn, &id)? {
                if projects::sees(conn, &who, Kind::Model, &model)? {
                    model_versions.push(RunModelVersion { model, version });
                }
            }
            let job_id = run.info.job_id.clone();
            let artifact_uri = run.info.artifact_uri.clone();
            let logged_models = models_of(conn, &who, &run)?;
            let (summary, tags, datasets) = summary(run, name);
            Ok(RunDetail {
                summary,
                tags: key_values(tags),
                job_id,
                model_versions,
                datasets: datasets.into_iter().map(run_dataset).collect(),
                logged_models,
                artifact_uri,
            })
        })
        .await?;
    Ok(web::Json(detail))
}

fn models_of(conn: &mut Conn, who: &Principal, run: &Run) -> Result<Vec<RunLoggedModel>> {
    let made = run.models_out.iter().map(|(id, _)| (id, true));
    let mut all = Vec::new();
    for (id, made) in made.chain(run.models_in.iter().map(|id| (id, false))) {
        if !projects::sees(conn, who, Kind::LoggedModel, id)? {
            continue;
        }
        let Some(model) = store::logged_models::find(conn, id)?.filter(|model| !model.deleted) else { continue };
        let LoggedModel { model_id, name, model_type, created_at, .. } = model;
        all.push(RunLoggedModel { id: model_id, name, model_type, created_at, made });
    }
    Ok(all)
}

/// Renames the run, sets and takes away tags.
#[utoipa::path(tag = "runs", responses((status = 204)))]
#[patch("/runs/{id}")]
async fn edit_run(
    app: web::Data<App>,
    who: Principal,
    id: web::Path<String>,
    wish: web::Json<EditRun>,
) -> Result<HttpResponse> {
    let auth = accounts::authorize(&who, action::Develop, &who.project)?;
    let EditRun { name, tags, remove_tags } = wish.into_inner();
    let tags = tags.into_iter().map(|tag| (tag.key, tag.value)).collect();
    runs::edit_run(&app, &auth, id.into_inner(), name, tags, remove_tags).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn run_dataset(input: super::DatasetInput) -> RunDataset {
    let context = input.tags.iter().find(|(key, _)| key == "mlflow.data.context").map(|(_, value)| value.clone());
    let super::DatasetInput { name, digest, source_type, source, schema, profile, .. } = input;
    RunDataset { name, digest, context, source_type, source, schema, profile }
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
    accounts::authorize(&who, action::View, &who.project)?;
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

pub(super) fn series_view(key: String, points: &[super::Point], total: u64) -> MetricSeries {
    MetricSeries {
        key,
        steps: points.iter().map(|point| point.step).collect(),
        values: points.iter().map(|point| point.value.is_finite().then_some(point.value)).collect(),
        at: points.iter().map(|point| point.at).collect(),
        total,
    }
}

/// A folder or file below the artifact root of the run, or of a model that it logged or read.
#[derive(Debug, Deserialize, IntoParams)]
struct PathQuery {
    #[serde(default)]
    path: String,
    /// The id of a logged model, `m-…`.
    model: Option<String>,
}

#[utoipa::path(tag = "runs", params(PathQuery), responses((status = 200, body = Vec<ArtifactEntry>)))]
#[get("/runs/{id}/artifacts")]
async fn get_artifacts(
    app: web::Data<App>,
    who: Principal,
    id: web::Path<String>,
    query: web::Query<PathQuery>,
) -> Result<web::Json<Vec<ArtifactEntry>>> {
    let auth = accounts::authorize(&who, action::View, &who.project)?;
    let folder = query.path.trim_end_matches('/');
    let Some(root) = artifact_root(&app, &who, id.into_inner(), query.model.clone()).await? else {
        return Ok(web::Json(Vec::new()));
    };
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
    let auth = accounts::authorize(&who, action::View, &who.project)?;
    let path = rules::artifact_path(&query.path)?;
    let root = file_root(&app, &who, id.into_inner(), query.model.clone()).await?;
    let file = super::find_artifact(&app, &auth, &format!("{root}/{path}")).await?;
    mlflow::send_artifact(&app, &request, &file).await
}

/// The head of a file, as the dashboard shows it.
#[utoipa::path(tag = "runs", params(PathQuery), responses((status = 200, body = Preview)))]
#[get("/runs/{id}/preview")]
async fn get_preview(
    app: web::Data<App>,
    who: Principal,
    id: web::Path<String>,
    query: web::Query<PathQuery>,
) -> Result<web::Json<Preview>> {
    let auth = accounts::authorize(&who, action::View, &who.project)?;
    let path = rules::artifact_path(&query.path)?;
    let root = file_root(&app, &who, id.into_inner(), query.model.clone()).await?;
    let file = super::find_artifact(&app, &auth, &format!("{root}/{path}")).await?;
    let size_bytes = u64::try_from(file.size_bytes).unwrap_or(0);
    let kept = preview::Kept { objects: app.objects.clone(), digest: file.digest };
    Ok(web::Json(preview::of(std::sync::Arc::new(kept), &file.key, size_bytes).await?))
}

/// Key of the artifact root of the run, or of the model; `None` when its artifacts are on somebody else's storage.
async fn artifact_root(app: &App, who: &Principal, id: String, model: Option<String>) -> Result<Option<String>> {
    let who = who.clone();
    let read = move |conn: &mut Conn| {
        let info = store::runs::find(conn, &id)?.ok_or_else(|| runs::absent(&id))?;
        let Some(model) = model else { return Ok(info.artifact_uri) };
        projects::see(conn, &who, Kind::LoggedModel, &model)?;
        let found = store::logged_models::find(conn, &model)?.filter(|found| !found.deleted);
        found
            .map(|found| found.artifact_uri)
            .ok_or_else(|| Error::not_found(format!("There is no logged model {model}.")))
    };
    Ok(rules::artifact_key(&app.db.read(read).await?))
}

/// The same, for one file of it.
async fn file_root(app: &App, who: &Principal, id: String, model: Option<String>) -> Result<String> {
    let root = artifact_root(app, who, id, model).await?;
    root.ok_or_else(|| Error::not_found("These artifacts are not kept by Drydock."))
}
