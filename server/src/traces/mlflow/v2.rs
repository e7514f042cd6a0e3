//! Version 2: what clients before 3.0 send, and what newer ones still do (tags, deletion, links).

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use serde_json::json;

use super::view;
use crate::{
    app::App,
    error::Error,
    traces::{self, Doomed, NewTrace, State, names, value::Value},
    tracking::{
        self,
        mlflow::{Answer, Args, Who, missing, mistyped, ok, send_artifact, text_of},
        rules::{artifact_key, experiment_id, max_results},
        search::page_offset,
    },
};

/// A page of a search.
pub const MAX_PAGE: i64 = 500;
const DEFAULT_PAGE: i64 = 100;
/// Ids in one deletion.
const MAX_IDS: usize = 10_000;

pub fn configure(cfg: &mut web::ServiceConfig, base: &str) {
    let path = |rest: &str| format!("{base}/traces{rest}");
    cfg.route(&path(""), web::post().to(start));
    cfg.route(&path(""), web::get().to(search));
    cfg.route(&path("/delete-traces"), web::post().to(delete));
    cfg.route(&path("/link-to-run"), web::post().to(link_to_run));
    cfg.route(&path("/link-prompts"), web::post().to(link_prompts));
    cfg.route(&path("/{id}/info"), web::get().to(info));
    cfg.route(&path("/{id}/tags"), web::patch().to(set_tag));
    cfg.route(&path("/{id}/tags"), web::delete().to(delete_tag));
    cfg.route(&path("/{id}"), web::patch().to(end));
    cfg.route(&format!("{base}/get-trace-artifact"), web::get().to(data));
}

async fn start(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let auth = who.develop()?;
    let new = NewTrace {
        trace_id: None,
        experiment_id: experiment_id(&args.text("experiment_id")?.unwrap_or_default())?,
        started_at: args.int("timestamp_ms")?.unwrap_or(0),
        duration_ms: None,
        state: State::InProgress,
        client_request_id: None,
        request_preview: None,
        response_preview: None,
        tags: args.pairs("tags")?,
        metadata: args.pairs("request_metadata")?,
        assessments: Vec::new(),
        finalized: false,
    };
    let trace = traces::create_trace(&app, &auth, new).await?;
    ok(json!({"trace_info": view::info_v2(&trace)}))
}

async fn end(app: web::Data<App>, who: Who, id: web::Path<String>, args: Args) -> Answer {
    let auth = who.develop()?;
    let state = super::read_state(args.raw("status"), "status")?;
    let (metadata, tags) = (args.pairs("request_metadata")?, args.pairs("tags")?);
    let at = args.int("timestamp_ms")?.unwrap_or(0);
    let trace = traces::end_trace(&app, &auth, id.into_inner(), at, state, metadata, tags).await?;
    ok(json!({"trace_info": view::info_v2(&trace)}))
}

async fn info(app: web::Data<App>, who: Who, id: web::Path<String>) -> Answer {
    let trace = traces::trace(&app, &who.view()?, id.into_inner()).await?;
    ok(json!({"trace_info": view::info_v2(&trace)}))
}

async fn search(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let auth = who.view()?;
    let experiments = args.experiment_ids("experiment_ids")?;
    if experiments.is_empty() {
        return Err(missing("experiment_ids").into());
    }
    let (filter, order_by) = (args.text("filter")?.unwrap_or_default(), args.texts("order_by")?);
    let (found, next) = traces::search_traces(&app, &auth, experiments, &filter, &order_by, window(&args)?).await?;
    ok(view::page("traces", found.iter().map(view::info_v2).collect(), next))
}

/// Offset and limit.
pub fn window(args: &Args) -> crate::error::Result<(i64, i64)> {
    let limit = args.int("max_results")?.unwrap_or(DEFAULT_PAGE);
    if limit > MAX_PAGE {
        return Err(mistyped("max_results", &json!(limit)));
    }
    Ok((page_offset(args.text("page_token")?.as_deref())?, max_results(limit, MAX_PAGE)?))
}

pub async fn set_tag(app: web::Data<App>, who: Who, id: web::Path<String>, args: Args) -> Answer {
    let auth = who.develop()?;
    let (key, value) = (args.required("key")?, args.text("value")?.unwrap_or_default());
    traces::set_tag(&app, &auth, id.into_inner(), key, value).await?;
    ok(json!({}))
}

pub async fn delete_tag(
    app: web::Data<App>,
    who: Who,
    id: web::Path<String>,
    args: Args,
    request: HttpRequest,
) -> Answer {
    let auth = who.develop()?;
    // The key is in the body, or, as some clients have it, in the query.
    let key = match args.filled("key")? {
        Some(key) => key,
        None => web::Query::<std::collections::HashMap<String, String>>::from_query(request.query_string())
            .ok()
            .and_then(|mut query| query.remove("key"))
            .ok_or_else(|| missing("key"))?,
    };
    traces::delete_tag(&app, &auth, id.into_inner(), key).await?;
    ok(json!({}))
}

pub async fn delete(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let auth = who.erase()?;
    let experiment = args.experiment_id()?;
    let (before, most) = (args.int("max_timestamp_millis")?, args.int("max_traces")?);
    let ids = args.texts("request_ids")?;
    let doomed = match (before, ids.is_empty()) {
        (Some(_), false) => {
            return Err(Error::invalid("Only one of `max_timestamp_millis` and `trace_ids` can be specified.").into());
        }
        (None, true) => {
            return Err(Error::invalid("Either `max_timestamp_millis` or `trace_ids` must be specified.").into());
        }
        (None, false) if most.is_some() => {
            return Err(Error::invalid("`max_traces` can't be specified if `trace_ids` is specified.").into());
        }
        (None, false) if ids.len() > MAX_IDS => {
            return Err(Error::invalid(format!(
                "At most {MAX_IDS} traces can be deleted by their ids in one request."
            ))
            .into());
        }
        (None, false) => Doomed::Ids(ids),
        (Some(before), true) => Doomed::Until(before, most),
    };
    if let Some(most) = most.filter(|most| *most < 1) {
        return Err(Error::invalid(format!("`max_traces` must be a positive integer, received {most}.")).into());
    }
    let gone = traces::delete_traces(&app, &auth, experiment, doomed).await?;
    ok(json!({"traces_deleted": gone}))
}

async fn link_to_run(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let auth = who.develop()?;
    super::has_list(&args, "trace_ids")?;
    let ids = args.texts("trace_ids")?;
    let run = args.filled("run_id")?.ok_or_else(|| missing("run_id"))?;
    traces::link_run(&app, &auth, ids, run).await?;
    ok(json!({}))
}

async fn link_prompts(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let auth = who.develop()?;
    let (id, mut prompts) = (args.required("trace_id")?, Vec::new());
    super::has_list(&args, "prompt_versions")?;
    for prompt in args.list("prompt_versions")? {
        let part = |key: &str| {
            let path = format!("prompt_versions.{key}");
            text_of(prompt.get(key), &path)?.filter(|text| !text.is_empty()).ok_or_else(|| missing(&path))
        };
        let (name, version) = (part("name")?, part("version")?);
        let number: i64 = version.parse().map_err(|_| mistyped("prompt_versions.version", &json!(version)))?;
        prompts.push(format!("{name}/{number}"));
    }
    traces::link_prompts(&app, &auth, id, prompts).await?;
    ok(json!({}))
}

/// `get-trace-artifact`: the spans as MLflow's page reads them, or a file that was attached to one.
pub async fn data(app: web::Data<App>, who: Who, args: Args, request: HttpRequest) -> Answer {
    let auth = who.view()?;
    let id = args
        .filled("request_id")?
        .ok_or_else(|| Error::invalid("Request must include the \"request_id\" query parameter."))?;
    let trace = traces::trace(&app, &auth, id.clone()).await.map_err(|error| match error.code {
        drydock_wire::ErrorCode::NotFound => Error::not_found(format!("Trace with ID {id} is not found.")),
        _ => error,
    })?;
    if let Some(path) = args.filled("path")? {
        if uuid::Uuid::parse_str(&path).is_err() {
            let text = format!("Invalid attachment path: '{path}'. Attachment path must be a valid UUID.");
            return Err(Error::invalid(text).into());
        }
        let root = trace.tag(names::ARTIFACT_LOCATION_TAG).and_then(artifact_key);
        let root = root.ok_or_else(|| Error::not_found("The files of this trace are not kept by Drydock."))?;
        let file = tracking::find_artifact(&app, &auth, &format!("{root}/attachments/{path}")).await?;
        return Ok(send_artifact(&app, &request, &file).await?);
    }
    let spans = traces::spans_of(&app, &auth, &trace).await?;
    if spans.is_empty() && !trace.has_spans() {
        return Err(Error::not_found("Trace data not found for path=traces.json").into());
    }
    let id = trace.otel_id();
    let file = Value::Map(vec![("spans".into(), Value::List(spans.iter().map(|span| span.file_value(&id)).collect()))]);
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/plain"))
        .insert_header((header::CONTENT_DISPOSITION, "attachment; filename=traces.json"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(file.to_json()))
}
