//! An answer that comes piece by piece: server-sent events of a `POST`.

use crate::api::{ApiError, refused};
use js_sys::{Reflect, Uint8Array};
use leptos::prelude::window;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, Headers, ReadableStreamDefaultReader, RequestInit, Response};

/// Sends the body; `each` gets the data of each event as it comes. Ends with the stream, or when `stop` is pressed.
pub async fn events(
    path: &str,
    body: String,
    stop: &AbortController,
    mut each: impl FnMut(&str),
) -> Result<(), ApiError> {
    let init = RequestInit::new();
    init.set_method("POST");
    init.set_signal(Some(&stop.signal()));
    let headers = Headers::new().map_err(|_| ApiError::offline())?;
    let _ = headers.set("content-type", "application/json");
    init.set_headers(&headers);
    init.set_body(&JsValue::from_str(&body));
    let answer =
        JsFuture::from(window().fetch_with_str_and_init(path, &init)).await.map_err(|_| ApiError::offline())?;
    let answer: Response = answer.dyn_into().map_err(|_| ApiError::offline())?;
    if !answer.ok() {
        let text = answer.text().map_err(|_| ApiError::offline())?;
        let text = JsFuture::from(text).await.ok().and_then(|t| t.as_string()).unwrap_or_default();
        return Err(said(answer.status(), &text));
    }
    let Some(stream) = answer.body() else { return Ok(()) };
    let reader: ReadableStreamDefaultReader = stream.get_reader().unchecked_into();
    let mut rest = Vec::new();
    while let Ok(piece) = JsFuture::from(reader.read()).await {
        let done = Reflect::get(&piece, &"done".into()).is_ok_and(|d| d.is_truthy());
        if done {
            break;
        }
        let Ok(bytes) = Reflect::get(&piece, &"value".into()) else { break };
        rest.extend_from_slice(&Uint8Array::new(&bytes).to_vec());
        // whole lines only: a character may be cut in the middle of a piece
        while let Some(end) = rest.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            if let Some(data) = String::from_utf8_lossy(&line).trim().strip_prefix("data:") {
                each(data.trim());
            }
        }
    }
    Ok(())
}

/// What a server like OpenAI's says of an error, else what the gateway says.
fn said(status: u16, text: &str) -> ApiError {
    let mut error = refused(status, text);
    let told = serde_json::from_str::<serde_json::Value>(text).ok();
    let message = told.as_ref().and_then(|v| v["error"]["message"].as_str().or(v["message"].as_str()));
    if let Some(message) = message {
        error.message = message.to_owned();
    }
    error
}
