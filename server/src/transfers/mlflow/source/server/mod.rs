//! A running MLflow server, asked over the calls that its clients use; Drydock's own face answers them, too.

mod traces;

use std::sync::Arc;

use drydock_wire::{
    ErrorCode, KeyValue,
    import::{
        ForeignAlias, ForeignDataset, ForeignExperiment, ForeignLoggedModel, ForeignModel, ForeignModelMetric,
        ForeignModelUse, ForeignRun, ForeignSeries, ForeignVersion,
    },
};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};

use super::{Batch, File, Place, Unread, Whole, infinite_again};
use crate::{
    error::{Error, Result},
    transfers::mlflow::api::Api,
};

const PAGE: i64 = 1000;
/// Questions under way at once.
const AT_ONCE: usize = 8;
/// Folders deeper than this are no artifacts.
const DEEPEST: usize = 40;

/// The server.
#[derive(Clone)]
pub struct Server {
    api: Api,
    /// Asked once.
    drydock: Arc<tokio::sync::OnceCell<bool>>,
}

/// Whether nothing more will come of this server. One that fails at a single thing goes on with the next.
fn is_over(error: &Error) -> bool {
    error.code == ErrorCode::Unauthenticated || (error.code.retryable() && error.code != ErrorCode::BadGateway)
}

fn text(value: &Value, key: &str) -> Option<String> {
    match &value[key] {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// An int64 comes as a number or as a text, as protobuf's JSON has it.
fn integer(value: &Value, key: &str) -> Option<i64> {
    value[key].as_i64().or_else(|| value[key].as_str()?.parse().ok())
}

/// A double, or `NaN`, `Infinity`, `-Infinity` as a text.
fn double(value: &Value) -> Option<f64> {
    value.as_f64().map(infinite_again).or_else(|| value.as_str()?.parse().ok())
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    value[key].as_array().into_iter().flatten()
}

fn pairs(value: &Value, key: &str) -> Vec<KeyValue> {
    let pair =
        |pair: &Value| Some(KeyValue { key: text(pair, "key")?, value: text(pair, "value").unwrap_or_default() });
    list(value, key).filter_map(pair).collect()
}

impl Server {
    pub fn new(api: Api) -> Self {
        Self { api, drydock: Arc::default() }
    }

    pub fn api(&self) -> &Api {
        &self.api
    }

    /// All pages of a search by POST.
    async fn search(&self, path: &str, mut body: Value, items: &str) -> Result<Vec<Value>> {
        let mut all = Vec::new();
        loop {
            let page: Value = self.api.post(path, &body).await?;
            all.extend(list(&page, items).cloned());
            match text(&page, "next_page_token").filter(|token| !token.is_empty()) {
                Some(token) => body["page_token"] = token.into(),
                None => return Ok(all),
            }
        }
    }

    /// All pages of a question by GET.
    async fn pages(&self, path: &str, query: &[(&str, &str)], items: &str) -> Result<Vec<Value>> {
        let (mut all, mut token) = (Vec::new(), String::new());
        loop {
            let mut query = query.to_vec();
            if !token.is_empty() {
                query.push(("page_token", &token));
            }
            let page: Value = self.api.get(path, &query).await?;
            all.extend(list(&page, items).cloned());
            match text(&page, "next_page_token").filter(|token| !token.is_empty()) {
                Some(next) => token = next,
                None => return Ok(all),
            }
        }
    }

    pub async fn experiments(&self) -> Result<Vec<ForeignExperiment>> {
        let body = json!({"view_type": "ALL", "max_results": PAGE});
        let found = self.search("api/2.0/mlflow/experiments/search", body, "experiments").await?;
        Ok(found
            .iter()
            .map(|it| {
                let made = integer(it, "creation_time").unwrap_or(0);
                ForeignExperiment {
                    id: text(it, "experiment_id").unwrap_or_default(),
                    name: text(it, "name").unwrap_or_default(),
                    created_at: made,
                    updated_at: integer(it, "last_update_time").unwrap_or(made),
                    deleted: it["lifecycle_stage"] == "deleted",
                    tags: pairs(it, "tags"),
                }
            })
            .collect())
    }

    pub async fn run_ids(&self, experiment: &str) -> Result<Vec<String>> {
        let body = json!({"experiment_ids": [experiment], "run_view_type": "ALL", "max_results": PAGE});
        let found = self.search("api/2.0/mlflow/runs/search", body, "runs").await?;
        Ok(found.iter().filter_map(|run| text(&run["info"], "run_id")).collect())
    }

    pub async fn runs(&self, ids: Vec<String>) -> Result<Batch<ForeignRun>> {
        let asked = ids.into_iter().map(|id| async move { (self.run(&id).await, id) });
        let mut batch = Batch::default();
        let mut answers = stream::iter(asked).buffered(AT_ONCE);
        while let Some((run, id)) = answers.next().await {
            match run {
                Ok(run) => batch.things.push(run),
                // Nothing more will come of a server that went away or refuses the token.
                Err(error) if is_over(&error) => return Err(error),
                Err(error) => batch.unread.push(Unread::new(format!("run {id}"), error)),
            }
        }
        Ok(batch)
    }

    async fn run(&self, id: &str) -> Result<Whole<ForeignRun>> {
        let answer: Value = self.api.get("api/2.0/mlflow/runs/get", &[("run_id", id)]).await?;
        let (info, data) = (&answer["run"]["info"], &answer["run"]["data"]);
        let mut metrics = Vec::new();
        for metric in list(data, "metrics") {
            if let Some(key) = text(metric, "key") {
                metrics.push(self.history(id, key).await?);
            }
        }
        let uses = |kind: &str, items: &str| {
            list(&answer["run"][kind], items)
                .filter_map(|it| {
                    Some(ForeignModelUse { model_id: text(it, "model_id")?, step: integer(it, "step").unwrap_or(0) })
                })
                .collect()
        };
        let run = ForeignRun {
            id: id.to_owned(),
            experiment_id: String::new(),
            name: text(info, "run_name").unwrap_or_default(),
            user: text(info, "user_id").unwrap_or_default(),
            status: text(info, "status").unwrap_or_else(|| "RUNNING".into()),
            started_at: integer(info, "start_time").unwrap_or(0),
            ended_at: integer(info, "end_time"),
            deleted: info["lifecycle_stage"] == "deleted",
            params: pairs(data, "params"),
            tags: pairs(data, "tags"),
            metrics,
            datasets: list(&answer["run"]["inputs"], "dataset_inputs").filter_map(dataset).collect(),
            models_in: uses("inputs", "model_inputs"),
            models_out: uses("outputs", "model_outputs"),
        };
        let (mut files, mut unread) = (Vec::new(), Vec::new());
        let list = ("api/2.0/mlflow/artifacts/list", vec![("run_id", id)]);
        let place = |path: &str| {
            Place::Server("get-artifact".into(), vec![("path".into(), path.into()), ("run_uuid".into(), id.into())])
        };
        self.walk(list, place, &format!("run {id}"), &mut files, &mut unread).await?;
        Ok(Whole { thing: run, files, unread })
    }

    async fn history(&self, id: &str, key: String) -> Result<ForeignSeries> {
        let query = [("run_id", id), ("metric_key", &key), ("max_results", "25000")];
        let points = self.pages("api/2.0/mlflow/metrics/get-history", &query, "metrics").await?;
        let mut series = ForeignSeries { key, ..ForeignSeries::default() };
        for point in &points {
            let value = double(&point["value"]).unwrap_or(f64::NAN);
            series.push(integer(point, "step").unwrap_or(0), integer(point, "timestamp").unwrap_or(0), value);
        }
        Ok(series)
    }

    /// All files below a root, folder by folder.
    async fn walk(
        &self,
        (path, query): (&str, Vec<(&str, &str)>),
        place: impl Fn(&str) -> Place,
        of: &str,
        files: &mut Vec<File>,
        unread: &mut Vec<Unread>,
    ) -> Result<()> {
        let mut folders = vec![(String::new(), 0)];
        let name = if path.ends_with("directories") { "artifact_directory_path" } else { "path" };
        while let Some((folder, depth)) = folders.pop() {
            let mut query = query.clone();
            if !folder.is_empty() {
                query.push((name, &folder));
            }
            let entries = match self.pages(path, &query, "files").await {
                Ok(entries) => entries,
                Err(error) if is_over(&error) => return Err(error),
                Err(error) => {
                    unread.push(Unread::new(format!("{of}, artifacts {folder}"), error));
                    continue;
                }
            };
            for entry in entries {
                let Some(path) = text(&entry, "path") else { continue };
                if entry["is_dir"] == true && depth < DEEPEST {
                    folders.push((path, depth + 1));
                } else if entry["is_dir"] == true {
                    unread.push(Unread::new(format!("{of}, artifacts {path}"), "folders are nested too deep"));
                } else {
                    let size_bytes = integer(&entry, "file_size").and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
                    files.push(File { at: place(&path), path, size_bytes, changed_at: 0 });
                }
            }
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(())
    }

    pub async fn logged_models(&self, experiment: &str) -> Result<Batch<ForeignLoggedModel>> {
        let body = json!({"experiment_ids": [experiment], "max_results": 50});
        let found = match self.search("api/2.0/mlflow/logged-models/search", body, "models").await {
            Ok(found) => found,
            // A server before 3.0 has none.
            Err(error) if error.code == ErrorCode::NotFound => return Ok(Batch::default()),
            Err(error) => return Err(error),
        };
        let whole = found.iter().map(|model| self.logged_model(model));
        let things = stream::iter(whole).buffered(AT_ONCE).try_collect().await?;
        Ok(Batch { things, unread: Vec::new() })
    }

    async fn logged_model(&self, model: &Value) -> Result<Whole<ForeignLoggedModel>> {
        let (info, data) = (&model["info"], &model["data"]);
        let id = text(info, "model_id").ok_or_else(|| Error::invalid("A logged model has no id."))?;
        let made = integer(info, "creation_timestamp_ms").unwrap_or(0);
        let status = match info["status"].as_str() {
            Some("LOGGED_MODEL_PENDING") => 1,
            Some("LOGGED_MODEL_UPLOAD_FAILED") => 3,
            _ => integer(info, "status").unwrap_or(2),
        };
        let thing = ForeignLoggedModel {
            experiment_id: String::new(),
            name: text(info, "name").unwrap_or_default(),
            model_type: text(info, "model_type").unwrap_or_default(),
            source_run_id: text(info, "source_run_id").filter(|id| !id.is_empty()),
            status,
            created_at: made,
            updated_at: integer(info, "last_updated_timestamp_ms").unwrap_or(made),
            deleted: false,
            params: pairs(data, "params"),
            tags: pairs(info, "tags"),
            metrics: list(data, "metrics").filter_map(model_metric).collect(),
            id: id.clone(),
        };
        let (mut files, mut unread) = (Vec::new(), Vec::new());
        let path = format!("api/2.0/mlflow/logged-models/{id}/artifacts/directories");
        let bytes = format!("ajax-api/2.0/mlflow/logged-models/{id}/artifacts/files");
        let place = |path: &str| Place::Server(bytes.clone(), vec![("artifact_file_path".into(), path.into())]);
        self.walk((&path, Vec::new()), place, &format!("logged model {id}"), &mut files, &mut unread).await?;
        Ok(Whole { thing, files, unread })
    }

    pub async fn models(&self) -> Result<Vec<ForeignModel>> {
        let path = "api/2.0/mlflow/registered-models/search";
        let mut found = self.pages(path, &[("max_results", "100")], "registered_models").await?;
        let prompts = [("max_results", "100"), ("filter", "tags.`mlflow.prompt.is_prompt` = 'true'")];
        // A server before 2.21 has no prompts and may not know the question.
        match self.pages(path, &prompts, "registered_models").await {
            Ok(prompts) => found.extend(prompts),
            Err(error) if is_over(&error) || error.code == ErrorCode::BadGateway => return Err(error),
            Err(_) => {}
        }
        let mut models = Vec::new();
        for model in &found {
            models.push(self.model(model).await?);
        }
        Ok(models)
    }

    async fn model(&self, model: &Value) -> Result<ForeignModel> {
        let name = text(model, "name").unwrap_or_default();
        let filter = format!("name = '{}'", name.replace('\'', "''"));
        let query = [("filter", filter.as_str()), ("max_results", "1000")];
        let found = self.pages("api/2.0/mlflow/model-versions/search", &query, "model_versions").await?;
        let mut versions: Vec<ForeignVersion> = found.iter().filter_map(version).collect();
        versions.sort_by_key(|version| version.version);
        let made = integer(model, "creation_timestamp").unwrap_or(0);
        let aliases = list(model, "aliases").filter_map(|alias| {
            Some(ForeignAlias { alias: text(alias, "alias")?, version: integer(alias, "version")? })
        });
        Ok(ForeignModel {
            description: text(model, "description").unwrap_or_default(),
            created_at: made,
            updated_at: integer(model, "last_updated_timestamp").unwrap_or(made),
            tags: pairs(model, "tags"),
            last_version: versions.last().map_or(0, |version| version.version),
            aliases: aliases.collect(),
            versions,
            name,
        })
    }
}

fn dataset(input: &Value) -> Option<ForeignDataset> {
    let dataset = &input["dataset"];
    Some(ForeignDataset {
        name: text(dataset, "name")?,
        digest: text(dataset, "digest")?,
        source_type: text(dataset, "source_type").unwrap_or_default(),
        source: text(dataset, "source").unwrap_or_default(),
        schema: text(dataset, "schema"),
        profile: text(dataset, "profile"),
        tags: pairs(input, "tags"),
    })
}

fn model_metric(metric: &Value) -> Option<ForeignModelMetric> {
    Some(ForeignModelMetric {
        key: text(metric, "key")?,
        step: integer(metric, "step").unwrap_or(0),
        at: integer(metric, "timestamp").unwrap_or(0),
        value_bits: double(&metric["value"])?.to_bits(),
        run_id: text(metric, "run_id").unwrap_or_default(),
        dataset_name: text(metric, "dataset_name"),
        dataset_digest: text(metric, "dataset_digest"),
    })
}

fn version(version: &Value) -> Option<ForeignVersion> {
    let made = integer(version, "creation_timestamp").unwrap_or(0);
    let source = text(version, "source").unwrap_or_default();
    Some(ForeignVersion {
        version: integer(version, "version")?,
        created_at: made,
        updated_at: integer(version, "last_updated_timestamp").unwrap_or(made),
        user: text(version, "user_id").unwrap_or_default(),
        description: text(version, "description").unwrap_or_default(),
        storage_location: source.clone(),
        model_id: text(version, "model_id")
            .filter(|id| !id.is_empty())
            .or_else(|| source.strip_prefix("models:/").filter(|id| id.starts_with("m-")).map(str::to_owned)),
        source,
        run_id: text(version, "run_id").filter(|id| !id.is_empty()),
        run_link: text(version, "run_link").unwrap_or_default(),
        stage: text(version, "current_stage").unwrap_or_else(|| "None".into()),
        status: text(version, "status").unwrap_or_else(|| "READY".into()),
        tags: pairs(version, "tags"),
    })
}
