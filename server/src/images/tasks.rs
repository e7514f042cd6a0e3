//! The collector: ends uploads that nobody goes on with, carries out retention, and takes blobs away that no manifest refers to.
//! It runs beside pushes and needs no setting. The bytes themselves go with the store's sweep.

use std::time::Duration;

use drydock_wire::events::Topic;
use futures_util::{FutureExt, future::BoxFuture};

use super::{Images, retention, store};
use crate::{app::App, background::Task, clock, error::Result};

pub const COLLECTOR: &str = "images.collector";
/// Blobs that are decided on in one transaction.
const BATCH: i64 = 200;

pub struct Collector {
    app: App,
    images: Images,
}

impl Collector {
    pub fn new(app: App, images: Images) -> Self {
        Self { app, images }
    }

    async fn pass(&self) -> Result<()> {
        self.images.uploads.expire();
        self.retain().await?;
        collect(&self.app, self.images.grace_ms).await.map(drop)
    }

    async fn retain(&self) -> Result<()> {
        for repository in self.app.db.read(store::all).await?.into_iter().filter(store::Repository::has_rules) {
            let (now, name) = (clock::now_ms(), repository.name.clone());
            if !self.app.db.read(move |conn| retention::is_due(conn, &repository, now)).await? {
                continue;
            }
            let wanted = name.clone();
            let (tags, manifests) = self.app.db.write(move |conn| retention::carry_out(conn, &wanted, now)).await?;
            tracing::info!(
                repository.name = name,
                retention.tags = tags.len(),
                retention.manifests = manifests.len(),
                "removed what the rules of {name} let go"
            );
            self.app.events.publish(Topic::Images, Some(&name));
        }
        Ok(())
    }
}

/// Takes away what no manifest refers to and nobody pushed or asked for within the grace; how many blobs.
pub async fn collect(app: &App, grace_ms: i64) -> Result<usize> {
    let before = clock::now_ms().saturating_sub(grace_ms);
    let mut gone = 0;
    let mut after = store::collect::Unreferenced::default();
    loop {
        let found = app.db.read(move |conn| store::collect::unreferenced(conn, before, &after, BATCH)).await?;
        let Some(last) = found.last() else { break };
        after = last.clone();
        gone += app.db.write(move |conn| store::collect::forget(conn, &found, before)).await?;
    }
    if gone > 0 {
        tracing::info!(images.blobs = gone, "let go of {gone} blobs that no manifest refers to");
    }
    Ok(gone)
}

impl Task for Collector {
    fn name(&self) -> &'static str {
        COLLECTOR
    }

    fn period(&self) -> Duration {
        Duration::from_secs(600)
    }

    fn run(&self) -> BoxFuture<'_, Result<()>> {
        self.pass().boxed()
    }
}
