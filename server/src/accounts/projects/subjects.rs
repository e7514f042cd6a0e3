//! Which thing a request is about, and which project that belongs to: the one place that asks over the features' tables.
//!
//! Always holds: every route of the native API has a row here or is said to be about no single thing (`CONCERNS_NOTHING`); a test
//! over the router fails for one that has neither. What is not there belongs to nobody: the handler says so.

use std::collections::BTreeSet;

use actix_web::HttpRequest;
use diesel::{OptionalExtension, RunQueryDsl, sql_query, sql_types::Text};
use serde_json::Value;

use crate::{
    db::Conn,
    error::{Error, Result},
};

/// Things that belong to a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Bucket,
    Build,
    Dataset,
    Deployment,
    Experiment,
    /// A path below the artifact root, of the experiment whose place it is in.
    Folder,
    Job,
    LoggedModel,
    Model,
    Package,
    Pipeline,
    PipelineRun,
    Project,
    Repository,
    Run,
    Sweep,
    Trace,
    View,
    Webhook,
}

/// One thing, by what people call it by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    pub kind: Kind,
    pub key: String,
}

impl Subject {
    pub fn new(kind: Kind, key: impl Into<String>) -> Self {
        Self { kind, key: key.into() }
    }

    /// For somebody who may not know that it is there.
    pub fn absent(&self) -> Error {
        Error::not_found(format!("There is no {} {}.", self.kind.word(), self.key))
    }
}

impl Kind {
    pub fn word(self) -> &'static str {
        match self {
            Self::Bucket => "bucket",
            Self::Build => "build",
            Self::Dataset => "dataset",
            Self::Deployment => "deployment",
            Self::Experiment => "experiment",
            Self::Folder => "folder",
            Self::Job => "job",
            Self::LoggedModel => "logged model",
            Self::Model => "registered model",
            Self::Package => "package",
            Self::Pipeline => "pipeline",
            Self::PipelineRun => "pipeline run",
            Self::Project => "project",
            Self::Repository => "repository",
            Self::Run => "run",
            Self::Sweep => "sweep",
            Self::Trace => "trace",
            Self::View => "view",
            Self::Webhook => "webhook",
        }
    }

    fn query(self) -> &'static str {
        match self {
            Self::Bucket => "SELECT project_id AS project FROM buckets WHERE name = ?",
            Self::Build => "SELECT project_id AS project FROM builds WHERE id = ?",
            Self::Dataset => "SELECT project_id AS project FROM datasets WHERE name = ?",
            Self::Deployment => "SELECT project_id AS project FROM deployments WHERE name = ?",
            Self::Experiment => "SELECT project_id AS project FROM experiments WHERE id = CAST(? AS INTEGER)",
            // the path of `mlflow-artifacts:/PATH` or `mlflow-artifacts://HOST/PATH`; the deepest place counts
            Self::Folder => {
                "SELECT place.project_id AS project
                 FROM (SELECT ? || '/' AS path) asked,
                      (SELECT project_id,
                              trim(CASE WHEN artifact_location LIKE 'mlflow-artifacts://%'
                                   THEN substr(substr(artifact_location, 20), instr(substr(artifact_location, 20) || '/', '/'))
                                   ELSE substr(artifact_location, 18) END, '/') || '/' AS path
                       FROM experiments WHERE artifact_location LIKE 'mlflow-artifacts:%') place
                 WHERE length(place.path) > 1 AND substr(asked.path, 1, length(place.path)) = place.path
                 ORDER BY length(place.path) DESC LIMIT 1"
            }
            Self::Job => "SELECT project_id AS project FROM jobs WHERE id = ?",
            Self::LoggedModel => {
                "SELECT e.project_id AS project FROM logged_models m JOIN experiments e ON e.id = m.experiment_id
                 WHERE m.model_id = ?"
            }
            Self::Model => "SELECT project_id AS project FROM registered_models WHERE name = ?",
            Self::Package => "SELECT project_id AS project FROM packages WHERE name = ?",
            Self::Pipeline => "SELECT project_id AS project FROM pipelines WHERE name = ?",
            Self::PipelineRun => {
                "SELECT p.project_id AS project FROM pipeline_runs r JOIN pipelines p ON p.id = r.pipeline_id WHERE r.id = ?"
            }
            Self::Project => "SELECT id AS project FROM projects WHERE id = ?",
            Self::Repository => "SELECT project_id AS project FROM repositories WHERE name = ?",
            Self::Run => {
                "SELECT e.project_id AS project FROM runs r JOIN experiments e ON e.id = r.experiment_id WHERE r.run_id = ?"
            }
            Self::Sweep => "SELECT project_id AS project FROM sweeps WHERE id = ?",
            Self::Trace => {
                "SELECT e.project_id AS project FROM traces t JOIN experiments e ON e.id = t.experiment_id
                 WHERE t.trace_id = ?"
            }
            Self::View => "SELECT project_id AS project FROM saved_views WHERE id = ?",
            Self::Webhook => "SELECT project_id AS project FROM webhooks WHERE id = ?",
        }
    }
}

#[derive(diesel::QueryableByName)]
struct Found {
    #[diesel(sql_type = Text)]
    project: String,
}

/// A package's name as the index keeps it (PEP 503).
fn package_name(name: &str) -> String {
    let parts: Vec<&str> = name.split(['-', '_', '.']).collect();
    let (first, last) = (parts.first().copied().unwrap_or_default(), parts.last().copied().unwrap_or_default());
    let inner = parts.iter().skip(1).take(parts.len().saturating_sub(2)).filter(|part| !part.is_empty()).copied();
    let mut all: Vec<&str> = vec![first];
    all.extend(inner);
    if parts.len() > 1 {
        all.push(last);
    }
    all.join("-").to_lowercase()
}

/// Which project it belongs to; absent when there is no such thing.
pub fn project_of(conn: &mut Conn, subject: &Subject) -> Result<Option<String>> {
    let key = match subject.kind {
        Kind::Package => package_name(&subject.key),
        _ => subject.key.clone(),
    };
    if subject.kind == Kind::Experiment && key.parse::<i64>().is_err() {
        return Ok(None);
    }
    let found: Option<Found> =
        sql_query(subject.kind.query()).bind::<Text, _>(key).get_result(conn).optional().map_err(Error::internal)?;
    Ok(found.map(|found| found.project))
}

/// The beginning of a route, and what its hole names.
const PATHS: &[(&str, Kind, &str)] = &[
    ("/api/v1/buckets/{bucket}", Kind::Bucket, "bucket"),
    ("/api/v1/builds/{id}", Kind::Build, "id"),
    ("/api/v1/datasets/{name}", Kind::Dataset, "name"),
    ("/api/v1/deployments/{name}", Kind::Deployment, "name"),
    ("/api/v1/jobs/{id}", Kind::Job, "id"),
    ("/api/v1/models/{name}", Kind::Model, "name"),
    ("/api/v1/packages/{name}", Kind::Package, "name"),
    ("/api/v1/pipeline-runs/{id}", Kind::PipelineRun, "id"),
    ("/api/v1/pipelines/{name}", Kind::Pipeline, "name"),
    ("/api/v1/projects/{id}", Kind::Project, "id"),
    ("/api/v1/runs/{id}", Kind::Run, "id"),
    ("/api/v1/sweeps/{id}", Kind::Sweep, "id"),
    ("/api/v1/traces/{id}", Kind::Trace, "id"),
    ("/api/v1/views/{id}", Kind::View, "id"),
    ("/api/v1/webhooks/{id}", Kind::Webhook, "id"),
    ("/pypi/simple/{name}", Kind::Package, "name"),
    ("/serve/{deployment}", Kind::Deployment, "deployment"),
];

/// Routes whose subject is a parameter of the query.
const QUERIES: &[(&str, Kind, &str)] = &[
    ("/api/v1/repository", Kind::Repository, "name"),
    ("/get-artifact", Kind::Run, "run_id"),
    ("/model-versions/get-artifact", Kind::Model, "name"),
    ("/ajax-api/2.0/mlflow/upload-artifact", Kind::Run, "run_uuid"),
    ("/api/2.0/mlflow/upload-artifact", Kind::Run, "run_uuid"),
];

/// Routes of the native API that are about no single thing of a project: lists, which show what the asker may see, and what
/// belongs to the box or to the asker alone.
pub const CONCERNS_NOTHING: &[&str] = &[
    "/api/v1/audit",
    "/api/v1/buckets",
    "/api/v1/build-cache",
    "/api/v1/builds",
    "/api/v1/builds/preview",
    "/api/v1/datasets",
    "/api/v1/demo",
    "/api/v1/demo/pipeline",
    "/api/v1/deployments",
    "/api/v1/devices",
    "/api/v1/devices/{uuid}",
    "/api/v1/devices/{uuid}/free",
    "/api/v1/devices/{uuid}/quarantine",
    "/api/v1/events",
    "/api/v1/experiments",
    "/api/v1/hooks/{id}",
    "/api/v1/import/mlflow/done",
    "/api/v1/import/mlflow/experiment",
    "/api/v1/import/mlflow/files",
    "/api/v1/import/mlflow/known",
    "/api/v1/import/mlflow/logged-models",
    "/api/v1/import/mlflow/model",
    "/api/v1/import/mlflow/runs",
    "/api/v1/import/mlflow/traces",
    "/api/v1/jobs",
    "/api/v1/login",
    "/api/v1/logout",
    "/api/v1/logs",
    "/api/v1/logs/context",
    "/api/v1/logs/download",
    "/api/v1/logs/histogram",
    "/api/v1/logs/state",
    "/api/v1/logs/tail",
    "/api/v1/me",
    "/api/v1/me/logins",
    "/api/v1/me/password",
    "/api/v1/metrics",
    "/api/v1/metrics/marks",
    "/api/v1/metrics/names",
    "/api/v1/metrics/range",
    "/api/v1/metrics/series",
    "/api/v1/models",
    "/api/v1/overview",
    "/api/v1/package-index",
    "/api/v1/packages",
    "/api/v1/packages/missing",
    "/api/v1/people",
    "/api/v1/password-link",
    "/api/v1/people/{username}",
    "/api/v1/people/{username}/password-link",
    "/api/v1/people/{username}/sessions",
    "/api/v1/people/{username}/tokens/{id}",
    "/api/v1/pipeline-events",
    "/api/v1/pipeline-runs",
    "/api/v1/pipeline-schedule-preview",
    "/api/v1/pipelines",
    "/api/v1/pipelines/check",
    "/api/v1/projects",
    "/api/v1/queue",
    "/api/v1/queues",
    "/api/v1/queues/{name}",
    "/api/v1/queues/{name}/pause",
    "/api/v1/registry",
    "/api/v1/repositories",
    "/api/v1/run-ids",
    "/api/v1/run-keys",
    "/api/v1/run-series",
    "/api/v1/run-values",
    "/api/v1/runs",
    "/api/v1/s3-keys",
    "/api/v1/s3-keys/{access_key}",
    "/api/v1/secrets",
    "/api/v1/secrets/{name}",
    "/api/v1/sessions",
    "/api/v1/sessions/{id}",
    "/api/v1/setup",
    "/api/v1/store",
    "/api/v1/store/scrub",
    "/api/v1/sweeps",
    "/api/v1/tokens",
    "/api/v1/tokens/{id}",
    "/api/v1/traces",
    "/api/v1/trash",
    "/api/v1/trash/preview",
    "/api/v1/trash/purge",
    "/api/v1/trash/restore",
    "/api/v1/uploads",
    "/api/v1/uploads/{id}",
    "/api/v1/uploads/{id}/complete",
    "/api/v1/uploads/{id}/parts/{number}",
    "/api/v1/views",
    "/api/v1/webhooks",
];

/// Whether the table knows what a route of the native API is about.
pub fn knows(pattern: &str) -> bool {
    CONCERNS_NOTHING.contains(&pattern)
        || pattern.starts_with("/api/v1/lineage/{kind}/{id")
        || row(PATHS, pattern).or_else(|| row(QUERIES, pattern)).is_some()
}

fn row(table: &'static [(&str, Kind, &str)], pattern: &str) -> Option<(Kind, &'static str)> {
    let fits = |start: &str| {
        pattern
            .strip_prefix(start)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || rest.starts_with('{'))
    };
    table.iter().find(|(start, ..)| fits(start)).map(|(_, kind, hole)| (*kind, *hole))
}

/// What the address of the request names.
pub fn of_request(request: &HttpRequest) -> Vec<Subject> {
    let pattern = request.match_pattern().unwrap_or_default();
    if CONCERNS_NOTHING.contains(&pattern.as_str()) {
        return vec![];
    }
    let hole = |name: &str| request.match_info().get(name).map(decoded).unwrap_or_default();
    if let Some((kind, name)) = row(PATHS, &pattern) {
        return vec![Subject::new(kind, hole(name))];
    }
    if let Some((kind, name)) = row(QUERIES, &pattern) {
        let named = query(request, name).or_else(|| query(request, "run_uuid").filter(|_| kind == Kind::Run));
        return named.map(|key| Subject::new(kind, key)).into_iter().collect();
    }
    if pattern.starts_with("/api/v1/lineage/") {
        return of_lineage(&hole("kind"), &hole("id")).into_iter().collect();
    }
    if pattern.ends_with("/mlflow-artifacts/artifacts") {
        return of_artifact(&query(request, "path").unwrap_or_default());
    }
    of_mlflow_path(&pattern, &hole("id"), &hole("path"))
}

fn decoded(text: &str) -> String {
    crate::percent::decoded(text)
}

/// Says no to a parameter that names the subject twice: handlers differ in which of the two they take.
///
/// # Errors
/// `invalid` with the parameter.
pub fn refuse_doubled(request: &HttpRequest) -> Result<()> {
    let pattern = request.match_pattern().unwrap_or_default();
    let name = match row(QUERIES, &pattern) {
        Some((_, name)) => name,
        None if pattern.ends_with("/mlflow-artifacts/artifacts") => "path",
        None => return Ok(()),
    };
    if values(request, name).len() > 1 {
        return Err(Error::invalid(format!("{name}: the address has it more than once; give it once.")));
    }
    Ok(())
}

/// A parameter of the query, decoded.
pub fn query(request: &HttpRequest, name: &str) -> Option<String> {
    values(request, name).into_iter().next()
}

fn values(request: &HttpRequest, name: &str) -> Vec<String> {
    if request.query_string().is_empty() {
        return vec![];
    }
    let Ok(all) = actix_web::web::Query::<Vec<(String, String)>>::from_query(request.query_string()) else {
        return vec![];
    };
    all.into_inner().into_iter().filter(|(key, _)| key == name).map(|(_, value)| value).collect()
}

/// `version` `iris:3` is of the model iris.
pub fn of_lineage(kind: &str, id: &str) -> Option<Subject> {
    let first = id.split([':', '/', '@']).next().unwrap_or_default();
    let (kind, key) = match kind {
        "dataset" => (Kind::Dataset, first),
        "run" => (Kind::Run, first),
        "job" => (Kind::Job, first),
        "version" | "model" => (Kind::Model, first),
        "deployment" => (Kind::Deployment, first),
        "logged_model" => (Kind::LoggedModel, first),
        _ => return None,
    };
    Some(Subject::new(kind, key))
}

fn of_mlflow_path(pattern: &str, id: &str, path: &str) -> Vec<Subject> {
    let kind = if pattern.contains("/mlflow/traces/{id}") {
        Kind::Trace
    } else if pattern.contains("/logged-models/{id}") {
        Kind::LoggedModel
    } else if pattern.contains("/mlflow/webhooks/{id}") {
        Kind::Webhook
    } else if pattern.contains("mlflow-artifacts/") {
        return of_artifact(path);
    } else {
        return vec![];
    };
    vec![Subject::new(kind, id)]
}

/// What an artifact's path is of: `EXPERIMENT/RUN/artifacts/…`, and the like for logged models and traces.
pub fn of_artifact(path: &str) -> Vec<Subject> {
    let mut parts = path.trim_start_matches('/').split('/');
    let (first, second) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let mut all = vec![];
    if !first.is_empty() && first.bytes().all(|byte| byte.is_ascii_digit()) {
        all.push(Subject::new(Kind::Experiment, first));
    } else if !first.is_empty() {
        // an experiment may have a place with a name
        all.push(Subject::new(Kind::Folder, path.trim_matches('/')));
    }
    match second {
        "models" => all.extend(parts.next().map(|id| Subject::new(Kind::LoggedModel, id))),
        "traces" => all.extend(parts.next().map(|id| Subject::new(Kind::Trace, id))),
        "" => {}
        run => all.push(Subject::new(Kind::Run, run)),
    }
    all
}

/// What a source names: `runs:/…`, `models:/…`, `mlflow-artifacts:/…`.
pub fn of_source(source: &str) -> Vec<Subject> {
    let rest = |scheme: &str| source.strip_prefix(scheme).map(|rest| rest.trim_start_matches('/'));
    let first = |text: &str| text.split(['/', '@', '?']).next().unwrap_or_default().to_owned();
    if let Some(rest) = rest("runs:") {
        return vec![Subject::new(Kind::Run, first(rest))];
    }
    if let Some(rest) = rest("models:") {
        let name = first(rest);
        return vec![Subject::new(Kind::LoggedModel, name.clone()), Subject::new(Kind::Model, decoded(&name))];
    }
    if let Some(rest) = source.strip_prefix("mlflow-artifacts:") {
        // `mlflow-artifacts://host:port/…` and `mlflow-artifacts:/…`
        let path = match rest.strip_prefix("//") {
            Some(with_host) => with_host.split_once('/').map_or("", |(_, path)| path),
            None => rest.trim_start_matches('/'),
        };
        return of_artifact(path.trim_start_matches("api/2.0/mlflow-artifacts/artifacts/"));
    }
    vec![]
}

/// So many things one request may name.
const MOST_NAMED: usize = 20_000;

/// What the fields of one of MLflow's requests name. `path` says whose name `name` is.
///
/// # Errors
/// `too_large` when the request names more than anybody asks for.
pub fn of_mlflow_fields(path: &str, fields: &serde_json::Map<String, Value>) -> Result<BTreeSet<Subject>> {
    let mut all = BTreeSet::new();
    for (key, value) in fields {
        collect(key, value, 0, &mut all)?;
    }
    let of_model = path.contains("/registered-models/") || path.contains("/model-versions/");
    // a new model's name is nobody's yet: that it is taken is said when it is made
    let is_new = path.ends_with("/registered-models/create");
    if let Some(name) = fields.get("name").and_then(Value::as_str).filter(|_| of_model && !is_new) {
        all.insert(Subject::new(Kind::Model, name));
    }
    Ok(all)
}

fn collect(key: &str, value: &Value, depth: u32, all: &mut BTreeSet<Subject>) -> Result<()> {
    if all.len() > MOST_NAMED {
        return Err(Error::too_large(format!("One request may name at most {MOST_NAMED} things.")));
    }
    match value {
        Value::Array(items) => items.iter().try_for_each(|item| collect(key, item, depth + 1, all)),
        Value::Object(fields) if depth < 12 => {
            fields.iter().try_for_each(|(key, value)| collect(key, value, depth + 1, all))
        }
        Value::String(text) => {
            all.extend(named(key, text));
            Ok(())
        }
        Value::Number(number) => {
            all.extend(named(key, &number.to_string()));
            Ok(())
        }
        _ => Ok(()),
    }
}

fn named(key: &str, text: &str) -> Vec<Subject> {
    let kind = match key {
        "run_id" | "run_uuid" | "run_ids" | "runId" | "runIds" | "source_run_id" => Kind::Run,
        "experiment_id" | "experiment_ids" | "experimentId" | "experimentIds" => Kind::Experiment,
        "model_id" | "model_ids" | "modelId" | "modelIds" => Kind::LoggedModel,
        "trace_id" | "trace_ids" | "traceId" | "request_id" | "request_ids" => Kind::Trace,
        "source" | "artifact_location" => return of_source(text),
        _ => return vec![],
    };
    vec![Subject::new(kind, text)]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use diesel::connection::SimpleConnection;
    use serde_json::json;

    use super::*;

    fn named_in(path: &str, body: Value) -> Vec<String> {
        let found = of_mlflow_fields(path, body.as_object().unwrap()).unwrap();
        found.into_iter().map(|subject| format!("{} {}", subject.kind.word(), subject.key)).collect()
    }

    #[test]
    fn what_a_request_of_mlflow_names_is_found_wherever_it_stands() {
        let log = json!({"run_id": "r", "models": [{"model_id": "m-1", "step": 1}], "tags": [{"key": "run_id"}]});
        assert_eq!(named_in("/api/2.0/mlflow/runs/outputs", log), ["logged model m-1", "run r"]);
        let search = json!({"locations": [{"mlflow_experiment": {"experiment_id": "7"}}], "experiment_ids": [3, "4"]});
        assert_eq!(named_in("/t", search), ["experiment 3", "experiment 4", "experiment 7"]);
        let version = json!({"name": "iris", "source": "runs:/r1/model"});
        assert_eq!(
            named_in("/api/2.0/mlflow/model-versions/create", version.clone()),
            ["registered model iris", "run r1"]
        );
        assert_eq!(named_in("/api/2.0/mlflow/experiments/create", version), ["run r1"]);
    }

    #[test]
    fn a_source_names_what_its_files_are_of() {
        let of = |source: &str| {
            of_source(source)
                .into_iter()
                .map(|subject| format!("{} {}", subject.kind.word(), subject.key))
                .collect::<Vec<_>>()
        };
        assert_eq!(of("runs:/abc/model"), ["run abc"]);
        assert_eq!(of("models:/iris@champion"), ["logged model iris", "registered model iris"]);
        assert_eq!(of("mlflow-artifacts:/3/abc/artifacts"), ["experiment 3", "run abc"]);
        assert_eq!(of("mlflow-artifacts://host:1/3/models/m-1/artifacts"), ["experiment 3", "logged model m-1"]);
        assert!(of("s3://bucket/3").is_empty());
    }

    #[test]
    fn every_kind_has_a_table_that_is_there() {
        use Kind::*;
        let mut conn = crate::db::testing::connection();
        for kind in [
            Bucket,
            Build,
            Dataset,
            Deployment,
            Experiment,
            Folder,
            Job,
            LoggedModel,
            Model,
            Package,
            Pipeline,
            PipelineRun,
            Project,
            Repository,
            Run,
            Sweep,
            Trace,
            View,
            Webhook,
        ] {
            assert_eq!(project_of(&mut conn, &Subject::new(kind, "nobody")).unwrap(), None, "{kind:?}");
        }
        let found = project_of(&mut conn, &Subject::new(Experiment, "0")).unwrap();
        assert_eq!(found.as_deref(), Some("default"));
        conn.batch_execute(
            "INSERT INTO projects (id, name, created_at) VALUES ('p', 'P', 0);
             INSERT INTO experiments (project_id, name, artifact_location, created_at, updated_at) VALUES
               ('default', 'a', 'mlflow-artifacts:/team', 0, 0), ('p', 'b', 'mlflow-artifacts://host:1/team/deep/', 0, 0)",
        )
        .unwrap();
        for (path, project) in
            [("team/x", Some("default")), ("team/deep/x", Some("p")), ("team/deeper", Some("default")), ("teams", None)]
        {
            let found = project_of(&mut conn, &Subject::new(Folder, path)).unwrap();
            assert_eq!(found.as_deref(), project, "{path}");
        }
    }
}
