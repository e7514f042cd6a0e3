//! A client that never stops asking: sends predictions one after the other while a deployment is rolled.

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::sample;
use crate::client::Client;
use crate::error::{Error, Result};

/// Between an answer and the next question.
const PAUSE: Duration = Duration::from_millis(20);

/// What the probe saw.
#[derive(Debug, Default, Clone)]
pub struct Seen {
    pub sent: u64,
    pub failed: u64,
    /// Of the first that failed.
    pub first_failure: Option<String>,
    /// Of answers, in milliseconds, in order of time.
    pub latencies_ms: Vec<f64>,
}

/// Runs until `finish`.
pub struct Probe {
    stop: watch::Sender<bool>,
    work: JoinHandle<Seen>,
}

impl Probe {
    pub fn start(client: &Client) -> Self {
        let (stop, mut stopped) = watch::channel(false);
        let client = client.clone();
        let work = tokio::spawn(async move {
            let (rows, mut seen) = (sample::held_out(), Seen::default());
            for row in rows.iter().cycle() {
                if *stopped.borrow() {
                    break;
                }
                ask(&client, &mut seen, std::slice::from_ref(row)).await;
                tokio::select! {
                    () = tokio::time::sleep(PAUSE) => {}
                    _ = stopped.changed() => break,
                }
            }
            seen
        });
        Self { stop, work }
    }

    /// Lets the last question be answered and says what was seen.
    pub async fn finish(self) -> Result<Seen> {
        // the receiver is gone only if the work ended, which the next line shows
        let _ = self.stop.send(true);
        self.work.await.map_err(Error::internal)
    }
}

/// Sends `count` predictions one after the other.
pub async fn ask_times(client: &Client, count: usize) -> Seen {
    let mut seen = Seen::default();
    for row in sample::held_out().iter().cycle().take(count) {
        ask(client, &mut seen, std::slice::from_ref(row)).await;
    }
    seen
}

async fn ask(client: &Client, seen: &mut Seen, rows: &[sample::HeldOut]) {
    let began = Instant::now();
    let answer: Result<Value> = client.predict(sample::DEPLOYMENT, &sample::scoring_body(rows)).await;
    seen.sent += 1;
    match answer {
        Ok(value) if value["predictions"].is_array() => seen.latencies_ms.push(began.elapsed().as_secs_f64() * 1e3),
        Ok(value) => fail(seen, format!("an answer without predictions: {value}")),
        Err(error) => fail(seen, error.message),
    }
}

fn fail(seen: &mut Seen, cause: String) {
    seen.failed += 1;
    seen.first_failure.get_or_insert(cause);
}

/// The value below which this share of the latencies lies.
pub fn quantile(latencies_ms: &[f64], share: f64) -> Option<f64> {
    let mut sorted = latencies_ms.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    sorted.get((share * last as f64).round() as usize).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_few_and_of_none() {
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(quantile(&[3.0], 0.99), Some(3.0));
        assert_eq!(quantile(&[4.0, 1.0, 2.0, 3.0, 5.0], 0.5), Some(3.0));
    }
}
