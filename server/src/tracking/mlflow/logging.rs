//! `runs/log-…` and `runs/outputs`: what a run writes while it goes.

use actix_web::web;
use serde_json::{Value, json};

use super::{
    Answer, Args, Who,
    args::{float_of, int_of, missing, mistyped, pairs_of, text_of},
    ok,
};
use crate::{
    app::App,
    error::{Error, Result},
    tracking::{self, Batch, DatasetInput, Metric, ModelMetric, Pair, rules},
};

pub fn configure(cfg: &mut web::ServiceConfig, base: &str) {
    let path = |name: &str| format!("{base}/runs/{name}");
    cfg.service(web::resource(path("log-metric")).route(web::post().to(log_metric)));
    cfg.service(web::resource(path("log-batch")).route(web::post().to(log_batch)));
    cfg.service(web::resource(path("log-parameter")).route(web::post().to(log_param)));
    cfg.service(web::resource(path("log-inputs")).route(web::post().to(log_inputs)));
    cfg.service(web::resource(path("outputs")).route(web::post().to(outputs)));
    cfg.service(web::resource(path("log-model")).route(web::post().to(log_model)));
}

async fn log_metric(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let (auth, run_id) = (who.develop()?, args.run_id()?);
    let key = args.required("key")?;
    let value = args.float("value")?.ok_or_else(|| missing("value"))?;
    let at = args.int("timestamp")?.ok_or_else(|| missing("timestamp"))?;
    let metric = Metric { key, step: args.int("step")?.unwrap_or(0), at, value };
    rules::metric(&metric.key, metric.at, metric.value, "")?;
    let tied = TiedTo {
        model_id: args.filled("model_id")?,
        dataset_name: args.filled("dataset_name")?,
        dataset_digest: args.filled("dataset_digest")?,
    };
    let model_metrics = tied.metric(&metric, &run_id).into_iter().collect();
    let batch = Batch { metrics: vec![metric], model_metrics, ..Batch::default() };
    tracking::log_batch(&app, &auth, run_id, batch).await?;
    ok(json!({}))
}

/// The logged model, and the dataset, that a point is about.
struct TiedTo {
    model_id: Option<String>,
    dataset_name: Option<String>,
    dataset_digest: Option<String>,
}

impl TiedTo {
    fn metric(self, metric: &Metric, run_id: &str) -> Option<ModelMetric> {
        Some(ModelMetric {
            model_id: self.model_id?,
            run_id: run_id.to_owned(),
            key: metric.key.clone(),
            at: metric.at,
            step: metric.step,
            value: metric.value,
            dataset_name: self.dataset_name,
            dataset_digest: self.dataset_digest,
        })
    }
}

async fn log_param(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let (auth, run_id) = (who.develop()?, args.run_id()?);
    let param = rules::param(args.required("key")?, args.text("value")?.unwrap_or_default(), "")?;
    tracking::log_batch(&app, &auth, run_id, Batch { params: vec![param], ..Batch::default() }).await?;
    ok(json!({}))
}

async fn log_batch(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let (auth, run_id) = (who.develop()?, args.run_id()?);
    rules::run_id(&run_id)?;
    let (metrics, params, tags) = (args.list("metrics")?, args.list("params")?, args.list("tags")?);
    let mut batch = Batch { as_list: true, ..Batch::default() };
    for (index, item) in metrics.iter().enumerate() {
        let (metric, tied) = metric_of(item, index)?;
        batch.model_metrics.extend(tied.metric(&metric, &run_id));
        batch.metrics.push(metric);
    }
    batch.params = checked(pairs_of(params, "params")?, "params", rules::param)?;
    batch.tags = checked(pairs_of(tags, "tags")?, "tags", rules::tag)?;
    rules::batch(metrics.len(), params.len(), tags.len())?;
    rules::unique_params(&batch.params)?;
    tracking::log_batch(&app, &auth, run_id, batch).await?;
    ok(json!({}))
}

fn checked(pairs: Vec<Pair>, list: &str, rule: impl Fn(String, String, &str) -> Result<Pair>) -> Result<Vec<Pair>> {
    pairs.into_iter().enumerate().map(|(index, (key, value))| rule(key, value, &format!("{list}[{index}]"))).collect()
}

fn metric_of(item: &Value, index: usize) -> Result<(Metric, TiedTo)> {
    // Paths are only written out for an error: a batch has a thousand of these.
    let path = |field: &str| format!("metrics[{index}].{field}");
    let text = |field: &str| match item.get(field) {
        None | Some(Value::Null) => Ok(None),
        value => text_of(value, &path(field)).map(|text| text.filter(|text| !text.is_empty())),
    };
    let key = text("key")?.ok_or_else(|| missing(&path("key")))?;
    let value = float_of(item.get("value"), "value")
        .map_err(|_| mistyped(&path("value"), item.get("value").unwrap_or(&Value::Null)))?
        .ok_or_else(|| missing(&path("value")))?;
    let at = int_of(item.get("timestamp"), "timestamp")
        .map_err(|_| mistyped(&path("timestamp"), item.get("timestamp").unwrap_or(&Value::Null)))?
        .ok_or_else(|| missing(&path("timestamp")))?;
    let step = int_of(item.get("step"), "step")?.unwrap_or(0);
    if let Err(plain) = rules::metric(&key, at, value, "") {
        rules::metric(&key, at, value, &format!("metrics[{index}]"))?;
        return Err(plain);
    }
    let tied = TiedTo {
        model_id: text("model_id")?,
        dataset_name: text("dataset_name")?,
        dataset_digest: text("dataset_digest")?,
    };
    Ok((Metric { key, step, at, value }, tied))
}

async fn log_inputs(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let (auth, run_id) = (who.develop()?, args.run_id()?);
    let datasets = args.list("datasets")?.iter().map(dataset_of).collect::<Result<Vec<_>>>()?;
    let models = args.list("models")?.iter().map(model_id_of).collect::<Result<Vec<_>>>()?;
    tracking::log_inputs(&app, &auth, run_id, datasets, models).await?;
    ok(json!({}))
}

fn dataset_of(item: &Value) -> Result<DatasetInput> {
    let dataset = item.get("dataset").ok_or_else(|| Error::invalid("Dataset cannot be None"))?;
    let required = |field: &str| {
        let path = format!("dataset.{field}");
        text_of(dataset.get(field), &path)?.ok_or_else(|| Error::invalid(format!("Dataset {field} cannot be None")))
    };
    let tags = item.get("tags").and_then(Value::as_array).map_or(Ok(Vec::new()), |tags| pairs_of(tags, "tags"))?;
    Ok(DatasetInput {
        tags,
        name: required("name")?,
        digest: required("digest")?,
        source_type: required("source_type")?,
        source: required("source")?,
        schema: text_of(dataset.get("schema"), "dataset.schema")?,
        profile: text_of(dataset.get("profile"), "dataset.profile")?,
    })
}

fn model_id_of(item: &Value) -> Result<String> {
    text_of(item.get("model_id"), "models.model_id")?.ok_or_else(|| missing("models.model_id"))
}

async fn outputs(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let (auth, run_id) = (who.develop()?, args.run_id()?);
    let models = args
        .list("models")?
        .iter()
        .map(|item| Ok((model_id_of(item)?, int_of(item.get("step"), "models.step")?.unwrap_or(0))))
        .collect::<Result<Vec<_>>>()?;
    if models.is_empty() {
        return Err(missing("models").into());
    }
    tracking::log_outputs(&app, &auth, run_id, models).await?;
    ok(json!({}))
}

const MODEL_FIELDS: [&str; 4] = ["artifact_path", "flavors", "utc_time_created", "run_id"];

async fn log_model(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let (auth, run_id, text) = (who.develop()?, args.run_id()?, args.required("model_json")?);
    let model: Value = serde_json::from_str(&text)
        .map_err(|_| Error::invalid(format!("Malformed model info. \n {text} \n is not a valid JSON.")))?;
    let absent: Vec<String> =
        MODEL_FIELDS.iter().filter(|field| model.get(**field).is_none()).map(|field| format!("'{field}'")).collect();
    if !absent.is_empty() {
        let text = format!("Model json is missing mandatory fields: {{{}}}", absent.join(", "));
        return Err(Error::invalid(text).into());
    }
    tracking::log_model_record(&app, &auth, run_id, record_of(&model)).await?;
    ok(json!({}))
}

/// What the history tag keeps of a model: its place and its flavors without their configuration.
fn record_of(model: &Value) -> Value {
    let mut record = json!({});
    for field in ["run_id", "artifact_path", "utc_time_created", "model_uuid"] {
        if let Some(value) = model.get(field) {
            record[field] = value.clone();
        }
    }
    let mut flavors = model.get("flavors").cloned().unwrap_or_default();
    if let Some(flavors) = flavors.as_object_mut() {
        for flavor in flavors.values_mut().filter_map(Value::as_object_mut) {
            flavor.remove("config");
        }
    }
    record["flavors"] = flavors;
    record
}
