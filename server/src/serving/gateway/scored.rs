//! MLflow's scoring protocol in front of a model server that speaks the Open Inference Protocol alone (MLServer, Triton): `/invocations` in
//! all its forms, `/predict`, `/ping`, `/health` and `/version`. What such a server speaks itself passes as it is.

use std::sync::Arc;

use actix_web::http::header::{CONTENT_TYPE, ContentType};
use actix_web::web::{Bytes, Payload};
use actix_web::{HttpRequest, HttpResponse, http::StatusCode};
use drydock_wire::ErrorCode;
use hyper::HeaderMap;
use serde_json::{Value, json};

use super::body::{Upload, whole};
use super::deadline::Deadline;
use super::endpoint::Lease;
use super::headers;
use super::proxy::{Admitted, Outgoing, allowed, lease, reach};
use super::relay::Passage;
use super::translated::{collected, decompressed, harmless, off_thread, words_of_model};
use crate::error::{Error, Result};
use crate::percent;
use crate::serving::v2;

/// What a caller asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    Healthy,
    Version,
    Invocations,
}

/// How the model server calls the model, and what it takes.
#[derive(Debug)]
pub struct Served {
    /// Path of the model at the server.
    path: String,
    schema: v2::Schema,
}

/// A body of `/invocations`.
#[derive(Debug, Clone, Copy)]
enum Form {
    Json,
    Csv,
}

/// What is asked under this path; absent for one that the protocol does not have.
pub fn ask(path: &str) -> Option<Ask> {
    match path.split('?').next().unwrap_or_default() {
        "/ping" | "/health" => Some(Ask::Healthy),
        "/version" => Some(Ask::Version),
        "/invocations" | "/predict" => Some(Ask::Invocations),
        _ => None,
    }
}

/// Answers it.
pub async fn answer(
    ask: Ask,
    request: &HttpRequest,
    payload: Payload,
    admitted: Admitted,
    passage: &mut Passage,
) -> Result<HttpResponse> {
    if ask == Ask::Invocations && request.method() != "POST" {
        return Err(Error::not_found("Predictions are asked for with POST."));
    }
    let deadline = Deadline::of(request, admitted.limits.patience)?;
    let payload = allowed(request, payload, admitted.limits.body_bytes).await?;
    let lease = lease(request, admitted.aim, passage, deadline).await?;
    match ask {
        Ask::Healthy => {
            let (status, _, _) = exchange(get("/v2/health/ready"), lease, passage, deadline).await?;
            if !status.is_success() {
                return Err(Error::unavailable(format!("The model server answers its health check with {status}.")));
            }
            Ok(text("\n"))
        }
        Ask::Version => {
            let (_, body, _) = exchange(get("/v2"), lease, passage, deadline).await?;
            let said: Value = serde_json::from_slice(&body).unwrap_or_default();
            Ok(text(said["version"].as_str().unwrap_or("unknown")))
        }
        Ask::Invocations => {
            let form = form(request)?;
            let sent = deadline.keep(whole(payload, admitted.limits.body_bytes)).await??;
            let sent = decompressed(request, sent, admitted.limits.body_bytes)?;
            invoke(form, sent, request, lease, passage, deadline).await
        }
    }
}

fn form(request: &HttpRequest) -> Result<Form> {
    let said = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match said.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "" | "application/json" => Ok(Form::Json),
        "text/csv" => Ok(Form::Csv),
        other => {
            let text = format!("Content-Type '{other}' is not read; send application/json or text/csv.");
            Err(Error::new(ErrorCode::UnsupportedMediaType, text))
        }
    }
}

async fn invoke(
    form: Form,
    sent: Bytes,
    request: &HttpRequest,
    lease: Lease,
    passage: &mut Passage,
    deadline: Deadline,
) -> Result<HttpResponse> {
    let signature = lease.pool.signature().await?;
    let (served, lease) = served(request, &signature, lease, passage, deadline).await?;
    let (of_server, of_caller) = (served.clone(), sent.clone());
    let translated = off_thread(sent.len(), move || match form {
        Form::Json => v2::v2_of_invocation(&sent, &of_server.schema),
        Form::Csv => v2::v2_of_csv(&sent, &of_server.schema),
    });
    let body = Bytes::from(translated.await?.map_err(|fault| Error::invalid(fault.0))?);
    // captured as the caller sent it; CSV as its tensors, which are read without its content type
    let kept = match form {
        Form::Json => of_caller,
        Form::Csv => body.clone(),
    };
    let mut passed = headers::towards_model(request.headers());
    headers::make_json(&mut passed);
    let outgoing = Outgoing {
        method: hyper::Method::POST,
        path: format!("{}/infer", served.path),
        headers: passed,
        upload: Upload::Whole(body),
        length: None,
    };
    let (status, answer, _lease) = exchange(outgoing, lease, passage, deadline).await?;
    let answer = Bytes::from(answer);
    passage.heard(&answer);
    passage.heard_all();
    if !status.is_success() {
        passage.tap.iter_mut().for_each(|tap| tap.translated(&kept, &answer));
        return Ok(refusal(status, &answer));
    }
    let predictions = off_thread(answer.len(), move || v2::predictions_of_v2(&answer, &signature)).await?;
    let predictions = predictions.map_err(|fault| Error::new(ErrorCode::BadGateway, fault.0))?;
    passage.tap.iter_mut().for_each(|tap| tap.translated(&kept, &predictions));
    Ok(harmless(HttpResponse::Ok().insert_header(ContentType::json()).body(predictions)))
}

/// The model as the server has it, asked once for each revision.
async fn served(
    request: &HttpRequest,
    signature: &v2::Signature,
    mut lease: Lease,
    passage: &mut Passage,
    deadline: Deadline,
) -> Result<(Arc<Served>, Lease)> {
    if let Some(known) = lease.pool.served.get() {
        return Ok((known.clone(), lease));
    }
    let deployment = request.match_info().get("deployment").unwrap_or_default();
    let mut names = vec![lease.pool.model.name.clone(), deployment.to_owned()];
    names.retain(|name| !name.is_empty());
    names.dedup();
    let mut known = Vec::new();
    for is_from_index in [false, true] {
        if is_from_index {
            (known, lease) = index(lease, passage, deadline).await?;
            match known.as_slice() {
                [only] => names = vec![only.clone()],
                _ => break,
            }
        }
        for name in &names {
            let path = format!("/v2/models/{}", percent::encoded(name, ""));
            let (status, body, again) = exchange(get(&path), lease, passage, deadline).await?;
            lease = again;
            if !status.is_success() {
                continue;
            }
            let schema = v2::Schema::of_server(&body, signature);
            let schema = schema.map_err(|fault| Error::new(ErrorCode::BadGateway, fault.0))?;
            let served = Arc::new(Served { path, schema });
            let served = lease.pool.served.get_or_init(|| async { served }).await.clone();
            return Ok((served, lease));
        }
    }
    let names = names.join("' or '");
    let text = match known.as_slice() {
        [] | [_] => format!("The model server has no model that is ready and called '{names}'."),
        several => format!(
            "The model server has the models '{}', none of them called '{names}'; ask for one at /v2/models/NAME/infer.",
            several.join("', '")
        ),
    };
    Err(Error::new(ErrorCode::BadGateway, text))
}

/// Names of the models that the server has ready; none where it does not tell.
async fn index(lease: Lease, passage: &mut Passage, deadline: Deadline) -> Result<(Vec<String>, Lease)> {
    let mut asked = get("/v2/repository/index");
    asked.method = hyper::Method::POST;
    headers::make_json(&mut asked.headers);
    asked.upload = Upload::Whole(Bytes::from_static(b"{}"));
    let (_, body, lease) = exchange(asked, lease, passage, deadline).await?;
    let said: Value = serde_json::from_slice(&body).unwrap_or_default();
    let is_ready = |entry: &&Value| entry["state"].as_str().is_none_or(|state| state == "READY");
    let entries = said.as_array().map(Vec::as_slice).unwrap_or_default().iter().filter(is_ready);
    let mut names: Vec<String> = entries.filter_map(|entry| Some(entry["name"].as_str()?.to_owned())).collect();
    names.sort();
    names.dedup();
    Ok((names, lease))
}

async fn exchange(
    outgoing: Outgoing,
    lease: Lease,
    passage: &mut Passage,
    deadline: Deadline,
) -> Result<(hyper::StatusCode, Vec<u8>, Lease)> {
    let (answer, lease) = reach(&outgoing, lease, passage, deadline).await?;
    let status = answer.status;
    let body = deadline.keep(collected(answer)).await??;
    Ok((status, body, lease))
}

fn get(path: &str) -> Outgoing {
    Outgoing {
        method: hyper::Method::GET,
        path: path.to_owned(),
        headers: HeaderMap::new(),
        upload: Upload::Whole(Bytes::new()),
        length: None,
    }
}

/// What the server says of a request that it refuses, as MLflow's scorer would.
fn refusal(status: hyper::StatusCode, body: &[u8]) -> HttpResponse {
    let code = if status.is_server_error() { "INTERNAL_ERROR" } else { "BAD_REQUEST" };
    let said = json!({"error_code": code, "message": words_of_model(status.as_u16(), body)});
    let status = StatusCode::from_u16(status.as_u16()).unwrap_or(StatusCode::BAD_GATEWAY);
    harmless(HttpResponse::build(status).json(said))
}

fn text(said: &str) -> HttpResponse {
    harmless(HttpResponse::Ok().insert_header(ContentType::plaintext()).body(said.to_owned()))
}
