//! Drydock's own lines: a layer of `tracing` that hands each event to a queue, and a writer that puts them into a log of the spool, where
//! a kill does not reach them.
//!
//! Always holds: whoever logs never waits; what the queue has no room for is counted and told. What taking lines in says of itself
//! does not come back as a line, unless it is a warning: else each line would make the next.

use std::{
    fmt,
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, layer::Context};

use crate::{
    app::App,
    clock,
    error::{Error, Result},
    spool::{Bounds, Kind, Line},
};

/// Name of the log in the spool. It ends in no number, so that nobody takes it for a container's.
pub const LOG: &str = "drydock-self";

const QUEUE: usize = 8_192;
/// Of what lies in the spool after it was taken in, so much stays.
const SPOOL_BYTES: u64 = 64 << 20;
/// Shows up in the spool after at most so long.
const AT_ONCE: usize = 256;
const DISK_FULL: Duration = Duration::from_secs(1);

static OUT: OnceLock<mpsc::Sender<Line>> = OnceLock::new();
static IN: Mutex<Option<mpsc::Receiver<Line>>> = Mutex::new(None);
static LOST: AtomicU64 = AtomicU64::new(0);

/// How many were lost since the start.
pub fn lost() -> u64 {
    LOST.load(Ordering::Relaxed)
}

/// The layer for the server's subscriber; one in a process.
pub fn layer() -> OwnLines {
    let (out, queue) = mpsc::channel(QUEUE);
    if OUT.set(out).is_ok() {
        *IN.lock().unwrap_or_else(PoisonError::into_inner) = Some(queue);
    }
    OwnLines
}

/// Hands events to the queue.
pub struct OwnLines;

impl<S: Subscriber> Layer<S> for OwnLines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let about = event.metadata();
        let is_ours = ["drydock::logs", "tantivy"].iter().any(|name| about.target().starts_with(name));
        if is_ours && *about.level() > Level::WARN {
            return;
        }
        let Some(out) = OUT.get() else { return };
        let mut fields = Fields(Map::new());
        fields.0.insert("level".into(), json!(about.level().as_str()));
        event.record(&mut fields);
        fields.0.insert("target".into(), json!(about.target()));
        let text = Value::Object(fields.0).to_string();
        let line = Line { at_ns: clock::now_ms().saturating_mul(1_000_000), kind: Kind::Out, text };
        if out.try_send(line).is_err() {
            LOST.fetch_add(1, Ordering::Relaxed);
        }
    }
}

struct Fields(Map<String, Value>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), Value::String(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

/// Starts writing the lines down, if this process has the layer.
pub async fn start(app: &App) -> Result<()> {
    let queue = IN.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(queue) = queue else { return Ok(()) };
    let mut spool = app.spools.write(LOG, Bounds::of(SPOOL_BYTES)).await?;
    spool.begin("").await.map_err(Error::internal)?;
    tokio::spawn(write(app.clone(), queue, spool));
    Ok(())
}

async fn write(app: App, mut queue: mpsc::Receiver<Line>, mut spool: crate::spool::Spool) {
    let (mut batch, mut told) = (vec![], 0);
    loop {
        let taken = tokio::select! {
            taken = queue.recv_many(&mut batch, AT_ONCE) => taken,
            () = app.background.stopped() => {
                queue.close();
                queue.recv_many(&mut batch, AT_ONCE).await
            }
        };
        if taken == 0 {
            return;
        }
        let lost = lost();
        if lost > told {
            batch.push(note(lost - told));
            told = lost;
        }
        batch.drain(..).for_each(|line| spool.push(&line));
        while let Err(error) = spool.flush().await {
            // not through the log: it would be a line more
            tracing::debug!(error.chain = %error, "Drydock's own log cannot be written");
            if tokio::time::timeout(DISK_FULL, app.background.stopped()).await.is_ok() {
                return;
            }
        }
    }
}

fn note(lost: u64) -> Line {
    let text = format!("[{lost} lines of Drydock are missing here: they came faster than they could be written down.]");
    Line { at_ns: clock::now_ms().saturating_mul(1_000_000), kind: Kind::Note { lines: 1 }, text }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tracing_subscriber::layer::SubscriberExt;

    #[tokio::test]
    async fn events_become_lines_with_fields_and_those_of_this_feature_do_not_come_back() {
        let subscriber = tracing_subscriber::registry().with(layer());
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(target: "drydock::jobs", { job.id = "j1", count = 3 }, "job {} started", "j1");
            tracing::info!(target: "tantivy::indexer", "committed");
            tracing::info!(target: "drydock::logs::tasks", "taken in");
            tracing::warn!(target: "drydock::logs::tasks", "no room");
        });
        let mut queue = IN.lock().unwrap().take().unwrap();
        let mut lines = vec![];
        while let Ok(line) = queue.try_recv() {
            lines.push(crate::logs::rules::parse::line(&line.text));
        }
        assert_eq!(lines.iter().map(|line| line.message.as_str()).collect::<Vec<_>>(), ["job j1 started", "no room"]);
        let labels: Vec<(&str, &str)> =
            lines[0].labels.iter().map(|label| (label.key.as_str(), label.value.as_str())).collect();
        assert_eq!(labels[..2], [("job.id", "j1"), ("count", "3")]);
        // nobody waits, and what is lost is counted
        let before = lost();
        let subscriber = tracing_subscriber::registry().with(layer());
        tracing::subscriber::with_default(subscriber, || {
            (0..QUEUE + 5).for_each(|n| tracing::info!(target: "drydock::jobs", "{n}"))
        });
        assert!(lost() >= before + 5);
    }
}
