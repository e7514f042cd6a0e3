//! Server-sent events of a log, as a client that reads on and on.

use anyhow::{Context, Result, bail, ensure};
use futures_util::{StreamExt, stream::BoxStream};
use reqwest::Method;
use serde_json::Value;

use crate::Api;

/// An open stream of log lines.
pub struct LogStream {
    bytes: BoxStream<'static, reqwest::Result<Vec<u8>>>,
    open: Vec<u8>,
    ready: std::collections::VecDeque<String>,
}

impl LogStream {
    /// Opens the stream at `path` (`/api/v1/jobs/…/log/stream`), after line `after` where given.
    pub async fn open(api: &Api, path: &str, after: Option<u64>) -> Result<Self> {
        let mut request = api.request(Method::GET, path).timeout(std::time::Duration::from_secs(600));
        if let Some(after) = after {
            request = request.header("last-event-id", after.to_string());
        }
        let answer = request.send().await?;
        ensure!(answer.status().is_success(), "{path} answered {}", answer.status());
        let bytes = answer.bytes_stream().map(|part| part.map(|part| part.to_vec())).boxed();
        Ok(Self { bytes, open: vec![], ready: Default::default() })
    }

    /// The next line as the wire has it; nothing once the server said `end`.
    ///
    /// # Errors
    /// When the connection ends before that.
    pub async fn next(&mut self) -> Result<Option<Value>> {
        loop {
            while let Some(event) = self.ready.pop_front() {
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
                match field("event:") {
                    Some("line") => return Ok(Some(serde_json::from_str(field("data:").context("no data")?)?)),
                    Some("end") => return Ok(None),
                    _ => {}
                }
            }
            let Some(part) = self.bytes.next().await else { bail!("the stream ended without its end") };
            self.open.extend_from_slice(&part?);
            if let Some(end) = self.open.windows(2).rposition(|two| two == b"\n\n") {
                let whole: Vec<u8> = self.open.drain(..end + 2).collect();
                self.ready.extend(String::from_utf8(whole)?.split("\n\n").map(str::to_owned));
            }
        }
    }
}
