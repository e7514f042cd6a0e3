//! The writer: makes files of what waits, joins feedback with them, and lets go of files and feedback that are too old.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use drydock_wire::serving::{Capture, ServingSettings};
use futures_util::{FutureExt, future::BoxFuture};

use super::collector::Collector;
use super::{feedback, files, store};
use crate::app::App;
use crate::background::Task;
use crate::clock;
use crate::error::{Error, Result};

pub const WRITER: &str = "capture-writer";
/// A file is written when its oldest row is so old.
const FILE_AGE_MS: i64 = 60_000;
const PRUNE_EVERY_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;
/// Feedback about a request that nobody knows is kept so long.
const WAITS_MS: i64 = 7 * DAY_MS;

pub struct CaptureWriter {
    app: App,
    collector: Collector,
    pruned_at: AtomicI64,
}

impl CaptureWriter {
    pub fn new(app: App, collector: Collector) -> Self {
        Self { app, collector, pruned_at: AtomicI64::new(0) }
    }

    async fn pass(&self) -> Result<()> {
        write(&self.app, &self.collector, Which::Due).await?;
        let now = clock::now_ms();
        if now - self.pruned_at.load(Ordering::Relaxed) >= PRUNE_EVERY_MS {
            prune(&self.app).await?;
            self.pruned_at.store(now, Ordering::Relaxed);
        }
        Ok(())
    }
}

impl Task for CaptureWriter {
    fn name(&self) -> &'static str {
        WRITER
    }

    fn period(&self) -> Duration {
        Duration::from_secs(5)
    }

    fn run(&self) -> BoxFuture<'_, Result<()>> {
        self.pass().boxed()
    }
}

/// Which files are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Those that are full or whose time has come.
    Due,
    All,
}

/// Writes files of what waits, and joins the feedback that waited for them. One deployment's trouble is no other's.
pub async fn write(app: &App, collector: &Collector, which: Which) -> Result<()> {
    let _writing = collector.writing().await;
    if which == Which::All {
        collector.settled().await;
    }
    let waiting: Vec<String> = collector.buffers().keys().cloned().collect();
    if waiting.is_empty() {
        return Ok(());
    }
    let known: HashMap<String, String> =
        app.db.read(store::deployments).await?.into_iter().map(|(id, name, _)| (id, name)).collect();
    let mut first_failure = None;
    for id in waiting {
        let Some(name) = known.get(&id) else {
            collector.buffers().remove(&id);
            continue;
        };
        let written = write_of(app, collector, (&id, name), which).await;
        collector.set_problem(&id, written.as_ref().err().map(|error: &Error| error.message.clone()));
        if let Err(error) = written {
            first_failure.get_or_insert(error);
        }
    }
    first_failure.map_or(Ok(()), Err)
}

async fn write_of(app: &App, collector: &Collector, (id, name): (&str, &str), which: Which) -> Result<()> {
    let mut any = false;
    loop {
        let next = {
            let buffers = collector.buffers();
            let due = buffers.get(id).filter(|buffer| {
                let is_old = clock::now_ms() - buffer.since >= FILE_AGE_MS;
                !buffer.requests.is_empty() && (which == Which::All || is_old || buffer.is_full())
            });
            due.map(super::collector::Buffer::next_file)
        };
        let Some(requests) = next else { break };
        files::write(app, id, name, requests.clone()).await?;
        if let Some(buffer) = collector.buffers().get_mut(id) {
            buffer.written(&requests);
        }
        any = true;
    }
    if any { feedback::join(app, collector, id).await } else { Ok(()) }
}

async fn prune(app: &App) -> Result<()> {
    let settings = |(id, _, text): (String, String, String)| {
        let settings: ServingSettings = serde_json::from_str(&text).map_err(Error::internal)?;
        Ok((id, settings.capture.unwrap_or_default()))
    };
    let all = app.db.read(store::deployments).await?.into_iter().map(settings);
    let limits: HashMap<String, Capture> = all.collect::<Result<_>>()?;
    files::prune(app, &limits).await?;
    let now = clock::now_ms();
    let forget = move |conn: &mut crate::db::Conn| {
        limits.iter().try_for_each(|(id, limit)| {
            let before = now - i64::from(limit.max_age_days) * DAY_MS;
            store::forget_feedback(conn, id, now - WAITS_MS, before)
        })
    };
    app.db.write(forget).await
}
