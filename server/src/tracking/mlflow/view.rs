//! Tracking's things in MLflow's JSON. Empty lists and absent fields are left out, as protobuf's JSON does.

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::tracking::{
    DatasetInput, Experiment, LoggedModel, Metric, Pair, Point, Run, RunInfo, artifacts::Entry, stage_word,
};

/// A double as MLflow's server gives it: "NaN" as text, infinities as the largest doubles.
#[derive(Debug, Clone, Copy)]
pub struct Double(pub f64);

impl Serialize for Double {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_nan() {
            serializer.serialize_str("NaN")
        } else {
            serializer.serialize_f64(self.0.clamp(f64::MIN, f64::MAX))
        }
    }
}

#[derive(Serialize)]
pub struct KeyValue<'a> {
    key: &'a str,
    value: &'a str,
}

/// Pairs as `[{"key", "value"}]`.
pub fn pairs(all: &[Pair]) -> Vec<KeyValue<'_>> {
    all.iter().map(|(key, value)| KeyValue { key, value }).collect()
}

#[derive(Serialize)]
pub struct MetricView<'a> {
    key: &'a str,
    value: Double,
    timestamp: i64,
    step: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_id: Option<&'a str>,
}

/// A point of a series.
pub fn point<'a>(key: &'a str, point: &Point, run_id: Option<&'a str>) -> MetricView<'a> {
    MetricView { key, value: Double(point.value), timestamp: point.at, step: point.step, run_id }
}

fn latest(metric: &Metric) -> MetricView<'_> {
    MetricView { key: &metric.key, value: Double(metric.value), timestamp: metric.at, step: metric.step, run_id: None }
}

#[derive(Serialize)]
pub struct InfoView<'a> {
    run_uuid: &'a str,
    experiment_id: String,
    run_name: &'a str,
    user_id: &'a str,
    status: &'static str,
    start_time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_time: Option<i64>,
    artifact_uri: &'a str,
    lifecycle_stage: &'static str,
    run_id: &'a str,
}

pub fn info(run: &RunInfo) -> InfoView<'_> {
    InfoView {
        run_uuid: &run.run_id,
        experiment_id: run.experiment_id.to_string(),
        run_name: &run.name,
        user_id: &run.user,
        status: run.status.as_str(),
        start_time: run.started_at,
        end_time: run.ended_at.filter(|at| *at != 0),
        artifact_uri: &run.artifact_uri,
        lifecycle_stage: stage_word(run.deleted),
        run_id: &run.run_id,
    }
}

#[derive(Serialize)]
struct DataView<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    metrics: Vec<MetricView<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    params: Vec<KeyValue<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<KeyValue<'a>>,
}

#[derive(Serialize)]
pub struct RunView<'a> {
    info: InfoView<'a>,
    data: DataView<'a>,
    inputs: Value,
    #[serde(skip_serializing_if = "Value::is_null")]
    outputs: Value,
}

/// A run that was just made: it has no outputs yet, not even an empty list of them.
pub fn new_run(made: &Run) -> RunView<'_> {
    RunView { outputs: Value::Null, ..run(made) }
}

pub fn run(run: &Run) -> RunView<'_> {
    let mut inputs = json!({});
    if !run.datasets.is_empty() {
        inputs["dataset_inputs"] = run.datasets.iter().map(dataset).collect();
    }
    if !run.models_in.is_empty() {
        inputs["model_inputs"] = run.models_in.iter().map(|id| json!({"model_id": id})).collect();
    }
    let mut outputs = json!({});
    if !run.models_out.is_empty() {
        outputs["model_outputs"] =
            run.models_out.iter().map(|(id, step)| json!({"model_id": id, "step": step})).collect();
    }
    RunView {
        info: info(&run.info),
        data: DataView {
            metrics: run.metrics.iter().map(latest).collect(),
            params: pairs(&run.params),
            tags: pairs(&run.tags),
        },
        inputs,
        outputs,
    }
}

fn dataset(input: &DatasetInput) -> Value {
    let mut dataset = json!({
        "name": input.name, "digest": input.digest, "source_type": input.source_type, "source": input.source,
    });
    if let Some(schema) = &input.schema {
        dataset["schema"] = json!(schema);
    }
    if let Some(profile) = &input.profile {
        dataset["profile"] = json!(profile);
    }
    let mut view = json!({"dataset": dataset});
    with_pairs(&mut view, "tags", &input.tags);
    view
}

/// Adds the pairs under the key, if there are any.
pub fn with_pairs(view: &mut Value, key: &str, all: &[Pair]) {
    if !all.is_empty() {
        view[key] = json!(pairs(all));
    }
}

pub fn experiment(experiment: &Experiment) -> Value {
    let mut view = json!({
        "experiment_id": experiment.id.to_string(),
        "name": experiment.name,
        "artifact_location": experiment.artifact_location,
        "lifecycle_stage": stage_word(experiment.deleted),
        "last_update_time": experiment.updated_at,
        "creation_time": experiment.created_at,
        "workspace": "default",
    });
    with_pairs(&mut view, "tags", &experiment.tags);
    view
}

pub fn logged_model(model: &LoggedModel) -> Value {
    let mut info = json!({
        "model_id": model.model_id,
        "experiment_id": model.experiment_id.to_string(),
        "name": model.name,
        "creation_timestamp_ms": model.created_at,
        "last_updated_timestamp_ms": model.updated_at,
        "artifact_uri": model.artifact_uri,
        "status": status(model.status),
        "model_type": model.model_type,
    });
    if let Some(run) = &model.source_run_id {
        info["source_run_id"] = json!(run);
    }
    with_pairs(&mut info, "tags", &model.tags);
    let mut data = json!({});
    with_pairs(&mut data, "params", &model.params);
    if !model.metrics.is_empty() {
        data["metrics"] = model.metrics.iter().map(model_metric).collect();
    }
    json!({"info": info, "data": data})
}

fn model_metric(metric: &crate::tracking::ModelMetric) -> Value {
    let mut view = json!({
        "key": metric.key,
        "value": Double(metric.value),
        "timestamp": metric.at,
        "step": metric.step,
        "model_id": metric.model_id,
        "run_id": metric.run_id,
    });
    if let Some(name) = &metric.dataset_name {
        view["dataset_name"] = json!(name);
    }
    if let Some(digest) = &metric.dataset_digest {
        view["dataset_digest"] = json!(digest);
    }
    view
}

/// MLflow's word for a logged model's status.
fn status(number: i64) -> &'static str {
    match number {
        1 => "LOGGED_MODEL_PENDING",
        2 => "LOGGED_MODEL_READY",
        3 => "LOGGED_MODEL_UPLOAD_FAILED",
        _ => "LOGGED_MODEL_STATUS_UNSPECIFIED",
    }
}

/// Folder entries, with `folder` before each name.
pub fn entries(all: &[Entry], folder: &str) -> Vec<Value> {
    all.iter()
        .map(|entry| {
            let path = if folder.is_empty() { entry.name.clone() } else { format!("{folder}/{}", entry.name) };
            let mut view = json!({"path": path, "is_dir": entry.is_dir});
            if let Some(size) = entry.size_bytes {
                view["file_size"] = json!(size);
            }
            view
        })
        .collect()
}

/// `{list_key: items, "next_page_token": …}`, each left out when empty.
pub fn page(list_key: &str, items: Value, next: Option<i64>) -> Value {
    let mut view = json!({});
    if items.as_array().is_some_and(|items| !items.is_empty()) {
        view[list_key] = items;
    }
    if let Some(offset) = next {
        view["next_page_token"] = json!(crate::tracking::search::page_token(offset));
    }
    view
}
