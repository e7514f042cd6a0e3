//! OpenAI's API (`/v1/…`) through the gateway: answers pass byte for byte, and their tokens are counted on the way.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::HttpResponse;
use drydock_wire::serving::Protocol;
use serde_json::json;

use super::endpoint::{Endpoint, Lease};
use super::relay::Passage;
use super::upstream::Answer;
use crate::accounts::Principal;
use crate::clock;
use crate::error::{Error, Result};
use crate::serving::tokens::Reader;

/// Whether the path is one of OpenAI's API.
pub fn is_asked(path: &str) -> bool {
    path.strip_prefix("/v1").is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
}

/// # Errors
/// `not_found` where the model server is known to speak something else.
pub fn check(path: &str, deployment: &str, protocol: Option<Protocol>) -> Result<()> {
    let speaks = match protocol {
        Some(Protocol::Mlflow) => "MLflow's scoring protocol (/invocations) and the Open Inference Protocol (/v2)",
        Some(Protocol::OpenInference) => {
            "the Open Inference Protocol (/v2) and MLflow's scoring protocol (/invocations)"
        }
        _ => return Ok(()),
    };
    if !is_asked(path) {
        return Ok(());
    }
    Err(Error::not_found(format!(
        "'{deployment}' does not speak OpenAI's API; it speaks {speaks}. Deploy an image with the protocol 'openai' for /v1."
    )))
}

/// A refusal as OpenAI's clients read it.
pub fn refused(answer: HttpResponse, error: &Error) -> HttpResponse {
    let kind = match answer.status().as_u16() {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        429 => "rate_limit_error",
        status if status < 500 => "invalid_request_error",
        _ => "server_error",
    };
    let code = serde_json::to_value(error.code).unwrap_or_default();
    let body = json!({"error": {"message": error.message, "type": kind, "param": null, "code": code}});
    answer.set_body(body.to_string()).map_into_boxed_body()
}

/// Watches a good answer of a server with OpenAI's API that may have tokens in it.
pub fn watch(answer: &Answer, lease: &Lease, passage: &Passage, who: &Principal) -> Option<Watch> {
    if lease.pool.protocol != Protocol::Openai || !answer.status.is_success() {
        return None;
    }
    let content_type = answer.headers.get(hyper::header::CONTENT_TYPE)?.to_str().ok()?;
    Some(Watch {
        endpoint: passage.endpoint().clone(),
        caller: who.username.clone(),
        began: passage.began(),
        reader: Reader::of(content_type)?,
        first_token: None,
    })
}

/// Counts the tokens of one answer until it is dropped, also where the caller leaves before the end.
#[derive(Debug)]
pub struct Watch {
    endpoint: Arc<Endpoint>,
    caller: String,
    began: Instant,
    reader: Reader,
    first_token: Option<Duration>,
}

impl Watch {
    /// These bytes go to the caller.
    pub fn see(&mut self, part: &[u8]) {
        self.reader.see(part);
        if self.first_token.is_none() && self.reader.has_begun() {
            self.first_token = Some(self.began.elapsed());
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(tokens) = self.reader.counts() {
            self.endpoint.meter.tokens.record(clock::now_ms(), &self.caller, &tokens, self.first_token);
        }
    }
}
