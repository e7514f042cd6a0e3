//! Requests at a constant rate, whether those before are answered or not, and what became of each.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Result;
use reqwest::Method;
use serde_json::json;
use tokio::{
    task::{JoinHandle, JoinSet},
    time::Instant,
};

use crate::Api;

/// Asks until it is stopped.
pub struct Load {
    stop: Arc<AtomicBool>,
    asking: JoinHandle<Seen>,
}

/// What the callers saw.
#[derive(Debug, Default)]
pub struct Seen {
    pub sent: usize,
    /// Answers of 400 and above: status and text.
    pub failed: Vec<String>,
    /// Requests without an answer: nobody listened, or it broke off.
    pub broken: Vec<String>,
    pub by_revision: BTreeMap<String, u64>,
    /// From when a request was due to its answer, of those that were answered well, in order.
    pub latencies: Vec<Duration>,
    pub lasted: Duration,
}

enum Outcome {
    Answered(u16, String, String),
    Broken(String),
}

impl Load {
    /// So many requests a second to the path.
    pub fn start(api: &Api, path: &str, per_second: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let asking = tokio::spawn(ask_until(api.clone(), path.to_owned(), per_second, stop.clone()));
        Self { stop, asking }
    }

    /// No more, and what became of those that were sent.
    pub async fn stop(self) -> Result<Seen> {
        self.stop.store(true, Ordering::Relaxed);
        Ok(self.asking.await?)
    }
}

impl Seen {
    /// Requests a second that were answered well.
    pub fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.lasted.as_secs_f64().max(1e-9)
    }

    /// The latency that this share of the requests stayed within.
    pub fn quantile(&self, share: f64) -> Duration {
        let place = (self.latencies.len() as f64 * share) as usize;
        self.latencies.get(place.min(self.latencies.len().saturating_sub(1))).copied().unwrap_or_default()
    }

    /// Requests that were not answered well.
    pub fn lost(&self) -> usize {
        self.failed.len() + self.broken.len()
    }

    fn add(&mut self, took: Duration, outcome: Outcome) {
        self.sent += 1;
        match outcome {
            Outcome::Broken(how) => self.broken.push(how),
            Outcome::Answered(status, _, text) if status >= 400 => self.failed.push(format!("{status}: {text}")),
            Outcome::Answered(_, revision, _) => {
                *self.by_revision.entry(revision).or_default() += 1;
                self.latencies.push(took);
            }
        }
    }
}

async fn ask_until(api: Api, path: String, per_second: u32, stop: Arc<AtomicBool>) -> Seen {
    let (mut seen, mut asked) = (Seen::default(), JoinSet::new());
    let path: Arc<str> = path.into();
    let began = Instant::now();
    // one that comes late catches up, so the rate stays
    let mut tick = tokio::time::interval(Duration::from_secs(1) / per_second);
    while !stop.load(Ordering::Relaxed) {
        let due = tick.tick().await;
        let (api, path) = (api.clone(), path.clone());
        asked.spawn(async move {
            let outcome = ask(&api, &path).await;
            (due.elapsed(), outcome)
        });
        while let Some(Ok((took, outcome))) = asked.try_join_next() {
            seen.add(took, outcome);
        }
    }
    while let Some(one) = asked.join_next().await {
        match one {
            Ok((took, outcome)) => seen.add(took, outcome),
            Err(error) => seen.add(Duration::ZERO, Outcome::Broken(error.to_string())),
        }
    }
    seen.lasted = began.elapsed();
    seen.latencies.sort_unstable();
    seen
}

async fn ask(api: &Api, path: &str) -> Outcome {
    let answer = match api.request(Method::POST, path).json(&json!({ "inputs": [1.0] })).send().await {
        Ok(answer) => answer,
        Err(error) => return Outcome::Broken(format!("{error:?}")),
    };
    let status = answer.status().as_u16();
    let revision = answer.headers().get("x-drydock-revision").and_then(|value| value.to_str().ok());
    let revision = revision.unwrap_or("none").to_owned();
    match answer.text().await {
        Ok(text) => Outcome::Answered(status, revision, text),
        Err(error) => Outcome::Broken(format!("{error:?}")),
    }
}
