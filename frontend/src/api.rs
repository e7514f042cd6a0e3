//! Calls to the native API. Every answer is a wire type or an `ApiError` that can be shown to a person as it is.
//!
//! Paths are relative to `/api/v1`. An answer 401 means that the session is over: the shell then shows the login page.

use crate::json;
use drydock_wire::{ErrorBody, ErrorCode};
use js_sys::Promise;
use leptos::prelude::window;
use serde::{Serialize, de::DeserializeOwned};
use std::pin::Pin;
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, Headers, ProgressEvent, RequestCache, RequestInit, Response, XmlHttpRequest};

const BASE: &str = "/api/v1";

/// Why a call failed, in words for a person.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiError {
    pub code: ErrorCode,
    pub message: String,
    /// Empty where no server answered.
    pub request_id: String,
}

impl ApiError {
    pub fn offline() -> Self {
        let message = "Drydock does not answer. Check that the server runs and that this computer reaches it.";
        Self { code: ErrorCode::Unavailable, message: message.to_owned(), request_id: String::new() }
    }

    /// The browser does not give a file's bytes any more: it was changed or removed after it was chosen.
    pub fn unreadable_file() -> Self {
        let message = "The file was changed or removed on this computer; choose it again.";
        Self { code: ErrorCode::InvalidRequest, message: message.to_owned(), request_id: String::new() }
    }

    fn unreadable(detail: &str) -> Self {
        let message =
            format!("The server's answer could not be read ({detail}). Reload the page if Drydock was just upgraded.");
        Self { code: ErrorCode::Internal, message, request_id: String::new() }
    }
}

/// The status and body of an answer, whatever it is.
pub struct Answer {
    pub status: u16,
    pub body: String,
    pub request_id: String,
    /// Of a deployment: number of the revision that answered.
    pub revision: String,
}

pub async fn get<T: DeserializeOwned>(path: &str) -> Result<T, ApiError> {
    read(&get_text(path).await?)
}

/// What a `GET` answers, for `read`.
pub fn get_text(path: &str) -> Sent {
    send("GET", path, None)
}

pub async fn post<B: Serialize, T: DeserializeOwned>(path: &str, body: &B) -> Result<T, ApiError> {
    call("POST", path, Some(written(body)?)).await
}

/// A `POST` of a text: lines of JSON, say.
pub async fn post_text<T: DeserializeOwned>(path: &str, text: String) -> Result<T, ApiError> {
    call("POST", path, Some(text)).await
}

/// A `POST` that is answered with nothing.
pub async fn post_nothing<B: Serialize>(path: &str, body: &B) -> Result<(), ApiError> {
    send("POST", path, Some(written(body)?)).await.map(drop)
}

/// A `POST` without a body.
pub async fn post_empty<T: DeserializeOwned>(path: &str) -> Result<T, ApiError> {
    call("POST", path, None).await
}

pub async fn put<B: Serialize, T: DeserializeOwned>(path: &str, body: &B) -> Result<T, ApiError> {
    call("PUT", path, Some(written(body)?)).await
}

/// A `PUT` of a text.
pub async fn put_text<T: DeserializeOwned>(path: &str, text: &str) -> Result<T, ApiError> {
    let parts = js_sys::Array::of1(&JsValue::from_str(text));
    let blob = Blob::new_with_str_sequence(&parts).map_err(|_| ApiError::offline())?;
    upload(path, &blob, |_, _| ()).await
}

pub async fn patch<B: Serialize, T: DeserializeOwned>(path: &str, body: &B) -> Result<T, ApiError> {
    call("PATCH", path, Some(written(body)?)).await
}

pub async fn delete(path: &str) -> Result<(), ApiError> {
    send("DELETE", path, None).await.map(drop)
}

/// Any request to an absolute path, whatever its status: the prediction box.
pub async fn raw(method: &str, path: &str, json_body: Option<String>) -> Result<Answer, ApiError> {
    fetch(method, path, json_body).await
}

/// `PUT` of a file's bytes. `progress` gets the bytes sent so far and all of them.
pub async fn upload<T: DeserializeOwned>(
    path: &str,
    blob: &Blob,
    progress: impl Fn(f64, f64) + 'static,
) -> Result<T, ApiError> {
    upload_started(path, blob, progress, |_| {}).await
}

/// As `upload`; `started` gets the request, with which it can be broken off.
pub async fn upload_started<T: DeserializeOwned>(
    path: &str,
    blob: &Blob,
    progress: impl Fn(f64, f64) + 'static,
    started: impl FnOnce(&XmlHttpRequest),
) -> Result<T, ApiError> {
    read(&sent(path, blob, Closure::new(move |e: ProgressEvent| progress(e.loaded(), e.total())), started).await?)
}

async fn sent(
    path: &str,
    blob: &Blob,
    on_progress: Closure<dyn Fn(ProgressEvent)>,
    started: impl FnOnce(&XmlHttpRequest),
) -> Result<String, ApiError> {
    let request = XmlHttpRequest::new().map_err(|_| ApiError::offline())?;
    request.open("PUT", &format!("{BASE}{path}")).map_err(|_| ApiError::offline())?;
    let _ = request.set_request_header("content-type", "application/octet-stream");
    if let Some(project) = crate::project::chosen() {
        let _ = request.set_request_header(crate::project::HEADER, &project);
    }
    if let Ok(upload) = request.upload() {
        upload.set_onprogress(Some(on_progress.as_ref().unchecked_ref()));
    }
    started(&request);
    let sent = request.clone();
    let done = Promise::new(&mut |resolve, _| {
        sent.set_onloadend(Some(&resolve));
        if sent.send_with_opt_blob(Some(blob)).is_err() {
            let _ = resolve.call0(&JsValue::NULL);
        }
    });
    let _ = JsFuture::from(done).await;
    drop(on_progress);
    let status = request.status().unwrap_or(0);
    if status == 0 {
        return Err(ApiError::offline());
    }
    let body = request.response_text().ok().flatten().unwrap_or_default();
    let request_id = request.get_response_header("x-request-id").ok().flatten().unwrap_or_default();
    Ok(good(Answer { status, body, request_id, revision: String::new() })?.body)
}

/// A part of a path or of a query, percent-encoded.
pub fn seg(part: &str) -> String {
    js_sys::encode_uri_component(part).into()
}

fn written<B: Serialize>(body: &B) -> Result<String, ApiError> {
    serde_json::to_string(body).map_err(|e| ApiError::unreadable(&e.to_string()))
}

async fn call<T: DeserializeOwned>(method: &'static str, path: &str, body: Option<String>) -> Result<T, ApiError> {
    read(&send(method, path, body).await?)
}

/// A request under way. Boxed, so that what waits for it is small code for each type that is read from the answer.
pub type Sent = Pin<Box<dyn Future<Output = Result<String, ApiError>>>>;

/// Sends to the native API; the body of the answer, unless it is an error.
fn send(method: &'static str, path: &str, body: Option<String>) -> Sent {
    let url = format!("{BASE}{path}");
    Box::pin(async move { Ok(good(fetch(method, &url, body).await?)?.body) })
}

/// The value in the body of an answer.
pub fn read<T: DeserializeOwned>(body: &str) -> Result<T, ApiError> {
    let body = if body.is_empty() { "null" } else { body };
    json::from_str(body).map_err(|e| ApiError::unreadable(&e.to_string()))
}

/// What an answer that is an error says.
pub fn refused(status: u16, body: &str) -> ApiError {
    let answer = Answer { status, body: body.to_owned(), request_id: String::new(), revision: String::new() };
    good(answer).err().unwrap_or_else(ApiError::offline)
}

fn good(answer: Answer) -> Result<Answer, ApiError> {
    if (200..300).contains(&answer.status) {
        return Ok(answer);
    }
    let error = match json::from_str::<ErrorBody>(&answer.body) {
        Ok(body) => ApiError { code: body.code, message: body.message, request_id: body.request_id },
        Err(_) => ApiError {
            code: if answer.status == 401 { ErrorCode::Unauthenticated } else { ErrorCode::Internal },
            message: format!("The server answered with status {}.", answer.status),
            request_id: answer.request_id,
        },
    };
    if answer.status == 401 {
        crate::session::ended();
    }
    Err(error)
}

async fn fetch(method: &str, url: &str, body: Option<String>) -> Result<Answer, ApiError> {
    let init = RequestInit::new();
    init.set_method(method);
    init.set_cache(RequestCache::NoStore);
    let headers = Headers::new().map_err(|_| ApiError::offline())?;
    let _ = headers.set("accept", "application/json");
    if let Some(project) = crate::project::chosen() {
        let _ = headers.set(crate::project::HEADER, &project);
    }
    if let Some(body) = body {
        let _ = headers.set("content-type", "application/json");
        init.set_body(&JsValue::from_str(&body));
    }
    init.set_headers(&headers);
    let answer = JsFuture::from(window().fetch_with_str_and_init(url, &init)).await.map_err(|_| ApiError::offline())?;
    let answer: Response = answer.dyn_into().map_err(|_| ApiError::offline())?;
    let body = match answer.text() {
        Ok(text) => JsFuture::from(text).await.ok().and_then(|t| t.as_string()).unwrap_or_default(),
        Err(_) => String::new(),
    };
    let header = |name: &str| answer.headers().get(name).ok().flatten().unwrap_or_default();
    let (request_id, revision) = (header("x-request-id"), header("x-drydock-revision"));
    Ok(Answer { status: answer.status(), body, request_id, revision })
}
