//! Version 3: heads of traces with what MLflow 3 adds, and whole traces.

use std::time::Duration;

use actix_web::web;
use serde_json::{Value as Json, json};

use super::{assessments::read_assessment, time, v2, view};
use crate::{
    app::App,
    error::{Error, Result},
    traces::{self, Assessment, NewTrace},
    tracking::{
        mlflow::{Answer, Args, Who, missing, mistyped, ok, text_of},
        rules::experiment_id,
    },
};

/// Traces that one request may ask for by their ids.
const MAX_IDS: usize = 5000;

pub fn configure(cfg: &mut web::ServiceConfig, base: &str) {
    let path = |rest: &str| format!("{base}/traces{rest}");
    cfg.route(&path(""), web::post().to(create));
    cfg.route(&path("/search"), web::post().to(search));
    cfg.route(&path("/get"), web::get().to(get));
    cfg.route(&path("/batchGet"), web::get().to(batch_get));
    cfg.route(&path("/batchGetInfos"), web::post().to(batch_get_infos));
    cfg.route(&path("/delete-traces"), web::post().to(v2::delete));
    cfg.route(&path("/{id}/tags"), web::patch().to(v2::set_tag));
    cfg.route(&path("/{id}/tags"), web::delete().to(v2::delete_tag));
    cfg.route(&path("/{id}"), web::get().to(info));
    cfg.route(&format!("{base}/get-trace-artifact"), web::get().to(v2::data));
}

async fn create(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let auth = who.develop()?;
    let trace = args.raw("trace").filter(|trace| trace.is_object()).ok_or_else(|| missing("trace"))?;
    let info = trace.get("trace_info").cloned().unwrap_or_default();
    let trace = traces::create_trace(&app, &auth, new_trace(&info)?).await?;
    ok(json!({"trace": {"trace_info": view::info(&trace)}}))
}

fn new_trace(info: &Json) -> Result<NewTrace> {
    let text = |key: &str| text_of(info.get(key), &format!("trace.trace_info.{key}"));
    let id = text("trace_id")?.filter(|id| !id.is_empty()).ok_or_else(|| missing("trace.trace_info.trace_id"))?;
    let assessments = info.get("assessments").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
    let assessments =
        assessments.iter().map(|one| read_assessment(one)?.of(&id)).collect::<Result<Vec<Assessment>>>()?;
    let state = super::read_state(info.get("state"), "state")?;
    Ok(NewTrace {
        experiment_id: experiment(info.get("trace_location").unwrap_or(&Json::Null))?,
        started_at: time::read_instant(info.get("request_time"), "trace.trace_info.request_time")?.unwrap_or(0),
        duration_ms: time::read_duration(info.get("execution_duration"), "trace.trace_info.execution_duration")?,
        state,
        client_request_id: text("client_request_id")?,
        request_preview: text("request_preview")?,
        response_preview: text("response_preview")?,
        tags: map(info.get("tags"), "trace.trace_info.tags")?,
        metadata: map(info.get("trace_metadata"), "trace.trace_info.trace_metadata")?,
        assessments,
        finalized: true,
        trace_id: Some(id),
    })
}

fn experiment(location: &Json) -> Result<i64> {
    let id = location.get("mlflow_experiment").and_then(|experiment| experiment.get("experiment_id"));
    let id = text_of(id, "trace_location.mlflow_experiment.experiment_id")?;
    experiment_id(&id.ok_or_else(|| missing("trace_location.mlflow_experiment.experiment_id"))?)
}

/// A map of texts.
pub fn map(value: Option<&Json>, path: &str) -> Result<Vec<(String, String)>> {
    match value {
        None | Some(Json::Null) => Ok(Vec::new()),
        Some(Json::Object(fields)) => fields
            .iter()
            .map(|(key, value)| Ok((key.clone(), text_of(Some(value), &format!("{path}.{key}"))?.unwrap_or_default())))
            .collect(),
        Some(other) => Err(mistyped(path, other)),
    }
}

async fn info(app: web::Data<App>, who: Who, id: web::Path<String>) -> Answer {
    let trace = traces::trace(&app, &who.view()?, id.into_inner()).await?;
    ok(json!({"trace": {"trace_info": view::info(&trace)}}))
}

/// How long a trace that is still on its way is waited for, step by step.
const WAITS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(2)];

async fn get(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let auth = who.view()?;
    let (id, partial) = (args.required("trace_id")?, args.flag("allow_partial")?);
    let mut waits = WAITS.iter();
    loop {
        let trace = traces::trace(&app, &auth, id.clone()).await.map_err(|error| match error.code {
            drydock_wire::ErrorCode::NotFound => Error::not_found(format!("Trace with ID {id} is not found.")),
            _ => error,
        })?;
        let spans = traces::spans_of(&app, &auth, &trace).await?;
        if partial || is_complete(&trace, &spans) {
            return ok(json!({"trace": view::whole(&trace, &spans)}));
        }
        // Clients export in the background: the spans are likely to come in a moment.
        match waits.next() {
            Some(wait) => tokio::time::sleep(*wait).await,
            None => break,
        }
    }
    Err(Error::not_found(format!("Trace with ID {id} is not fully exported yet, please try again later.")).into())
}

/// Whether all spans that the client counted are there.
fn is_complete(trace: &traces::Trace, spans: &[traces::StoredSpan]) -> bool {
    let counted = trace
        .metadata("mlflow.trace.sizeStats")
        .and_then(|json| serde_json::from_str::<Json>(json).ok())
        .and_then(|stats| stats["num_spans"].as_u64());
    !spans.is_empty() && counted.is_none_or(|count| spans.len() as u64 >= count)
}

async fn batch_get(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let auth = who.view()?;
    let (ids, experiments) = asked(&args)?;
    let found = traces::whole_traces(&app, &auth, ids, experiments).await?;
    // Searches with spans go through here: what is not complete yet is left out.
    let views =
        found.iter().filter(|(trace, spans)| is_complete(trace, spans)).map(|(trace, spans)| view::whole(trace, spans));
    ok(view::page("traces", views.collect(), None))
}

async fn batch_get_infos(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let auth = who.view()?;
    let (ids, experiments) = asked(&args)?;
    let found = traces::traces(&app, &auth, ids, experiments).await?;
    ok(view::page("trace_infos", found.iter().map(view::info).collect(), None))
}

fn asked(args: &Args) -> Result<(Vec<String>, Option<Vec<i64>>)> {
    let ids = args.texts("trace_ids")?;
    if ids.is_empty() {
        return Err(missing("trace_ids"));
    }
    if ids.len() > MAX_IDS {
        return Err(Error::invalid(format!("At most {MAX_IDS} traces can be asked for by their ids in one request.")));
    }
    let experiments = args.raw("experiment_ids").map(|_| args.experiment_ids("experiment_ids")).transpose()?;
    Ok((ids, experiments))
}

async fn search(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let auth = who.view()?;
    super::has_list(&args, "locations")?;
    let locations = args.list("locations")?;
    let ours = locations.iter().filter(|location| location.get("mlflow_experiment").is_some());
    let experiments = ours.map(experiment).collect::<Result<Vec<_>>>()?;
    let (filter, order_by) = (args.text("filter")?.unwrap_or_default(), args.texts("order_by")?);
    let (found, next) = traces::search_traces(&app, &auth, experiments, &filter, &order_by, v2::window(&args)?).await?;
    ok(view::page("traces", found.iter().map(view::info).collect(), next))
}
