//! Until when a request must have its answer: as long as the deployment has patience, or the caller if that is shorter.

use std::future::Future;
use std::time::Duration;

use actix_web::HttpRequest;
use drydock_wire::ErrorCode;
use tokio::time::Instant;

use crate::error::{Error, Result};

/// How long the caller waits, in seconds; it can ask for less than the limit, not for more.
const TIMEOUT: &str = "x-request-timeout";

/// Until when there must be an answer.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    at: Instant,
    pub patience: Duration,
    /// The caller set it.
    pub is_callers: bool,
}

impl Deadline {
    /// As long as the deployment has patience, or the caller if that is shorter.
    pub fn of(request: &HttpRequest, most: Duration) -> Result<Self> {
        let patience = match request.headers().get(TIMEOUT) {
            None => most,
            Some(said) => {
                let seconds = said.to_str().ok().and_then(|text| text.trim().parse::<f64>().ok());
                let asked = seconds.filter(|seconds| *seconds > 0.0).map(Duration::try_from_secs_f64);
                // longer than there are instants is longer than the limit
                let wrong = || Error::invalid("X-Request-Timeout is no number of seconds above 0, like 2.5.");
                asked.ok_or_else(wrong)?.unwrap_or(most).min(most)
            }
        };
        Ok(Self { at: Instant::now() + patience, patience, is_callers: patience < most })
    }

    /// What the work answers in time; past that it is dropped, and with it a request under way.
    pub async fn keep<F: Future>(&self, work: F) -> Result<F::Output> {
        tokio::time::timeout_at(self.at, work).await.map_err(|_| too_slow(self.patience))
    }
}

fn too_slow(patience: Duration) -> Error {
    let text = format!("The model server did not answer within {} seconds.", patience.as_secs_f64());
    Error::new(ErrorCode::GatewayTimeout, text)
}
