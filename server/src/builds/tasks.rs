//! The builder: one build after the other. While one is made the row says how far it is; a process that ends leaves the row as it
//! is, and the next one begins the build again, which Docker's kept layers make short.

use std::time::Duration;

use drydock_wire::{ErrorCode, builds::BuildState, events::Topic, packages::MissingPackages};
use futures_util::{FutureExt, future::BoxFuture};

use super::{
    BUCKET, BUILDER, cache, log,
    making::{Made, Making},
    store::{self, Build},
};
use crate::{
    app::App,
    background::Task,
    clock,
    db::Conn,
    error::{Error, Result},
    objects,
    workloads::OwnImages,
};

/// A build that Docker breaks off again and again is not begun for ever.
const MOST_TRIES: i64 = 5;
const LOOK_FOR_CANCEL: Duration = Duration::from_millis(500);
/// What a build is made of can be built again for so long.
const KEPT_MS: i64 = 30 * 86_400_000;
const LONGEST_REASON: usize = 1000;

pub struct Builder {
    app: App,
    own_images: OwnImages,
}

enum End {
    Made(Made),
    Failed(Error, Option<MissingPackages>),
    Cancelled,
    /// The box stops.
    Left,
}

impl Builder {
    pub fn new(app: App, own_images: OwnImages) -> Self {
        Self { app, own_images }
    }

    async fn pass(&self) -> Result<()> {
        let before = clock::now_ms() - KEPT_MS;
        self.app.db.write(move |conn| objects::store::delete_older(conn, BUCKET, before)).await?;
        loop {
            let Some(next) = self.app.db.read(store::next).await? else { return Ok(()) };
            if let Some(why) = self.waits_for().await {
                return self.note(next, why).await;
            }
            let build = self.app.db.write(move |conn| begin(conn, &next.id)).await?;
            // cancelled meanwhile
            let Some(build) = build else { continue };
            self.app.events.publish(Topic::Builds, Some(&build.id));
            if !self.make(build).await? {
                return Ok(());
            }
        }
    }

    /// What keeps a build from beginning now.
    async fn waits_for(&self) -> Option<String> {
        if let Err(away) = self.app.engine.version().await {
            return Some(format!("waiting for Docker: {away}"));
        }
        self.app.objects.room().check().err().map(|full| full.message)
    }

    async fn note(&self, mut build: Build, why: String) -> Result<()> {
        if build.reason.as_ref() == Some(&why) {
            return Ok(());
        }
        build.reason = Some(why);
        let id = build.id.clone();
        self.app.db.write(move |conn| store::save(conn, &build)).await?;
        self.app.events.publish(Topic::Builds, Some(&id));
        Ok(())
    }

    /// Whether the next one may begin.
    async fn make(&self, build: Build) -> Result<bool> {
        let (id, tries) = (build.id.clone(), build.tries);
        tracing::info!(build.id = id, "building {}:{}", build.repository, build.tag);
        let mut making = Making::new(self.app.clone(), self.own_images.clone(), build)?;
        let limit = Duration::from_secs(self.app.config.limits.build_timeout_s);
        let end = tokio::select! {
            made = making.run() => match made {
                Ok(made) => End::Made(made),
                Err(error) => End::Failed(error, None),
            },
            () = cancelled(&self.app, &id) => End::Cancelled,
            () = tokio::time::sleep(limit) => {
                let text = format!("It took longer than {} s (build_timeout_s).", limit.as_secs());
                End::Failed(Error::refused(text), None)
            }
            () = self.app.background.stopped() => End::Left,
        };
        if matches!(end, End::Left) {
            return Ok(false);
        }
        // what was made so far is kept, also of a build that failed: the next one goes on from there
        if let Err(error) = cache::settle(&self.app, std::mem::take(&mut making.touched)).await {
            tracing::warn!(build.id = id, "the build cache could not be looked after: {error}");
        }
        let end = match end {
            End::Failed(error, _) if error.code == ErrorCode::Unavailable && tries < MOST_TRIES => {
                self.app.db.write(move |conn| wait_again(conn, &id, &error.message)).await?;
                return Ok(false);
            }
            End::Failed(error, _) => {
                let missing = making.missing().await?;
                End::Failed(error, missing)
            }
            other => other,
        };
        self.finish(making, &id, end).await?;
        Ok(true)
    }

    async fn finish(&self, mut making: Making, id: &str, end: End) -> Result<()> {
        let (state, reason) = match &end {
            End::Made(made) => {
                making.log.line(&format!("in the registry as {}", made.digest), false)?;
                (BuildState::Succeeded, None)
            }
            End::Failed(error, missing) => (BuildState::Failed, Some(in_words(&error.message, missing.as_ref()))),
            End::Cancelled | End::Left => (BuildState::Cancelled, None),
        };
        if let Some(reason) = &reason {
            making.log.line(reason, true)?;
        }
        drop(making);
        let digest = log::keep(&self.app, id).await?;
        let wanted = id.to_owned();
        self.app
            .db
            .write(move |conn| {
                log::link(conn, &wanted, &digest)?;
                let mut build = store::require(conn, &wanted)?;
                build.set_state(state);
                build.step = None;
                // of one that was cancelled it says by whom
                if state != BuildState::Cancelled {
                    build.reason = reason;
                }
                if let End::Made(made) = &end {
                    build.digest = Some(made.digest.clone());
                    build.size_bytes = i64::try_from(made.size_bytes).ok();
                }
                if let End::Failed(_, missing) = &end {
                    build.set_missing(missing.as_ref());
                }
                build.ended_at = Some(clock::now_ms());
                store::save(conn, &build)
            })
            .await?;
        log::remove_file(&self.app, id).await;
        tracing::info!(build.id = id, build.state = state.as_str(), "build {id} is {}", state.as_str());
        self.app.events.publish(Topic::Builds, Some(id));
        Ok(())
    }
}

fn begin(conn: &mut Conn, id: &str) -> Result<Option<Build>> {
    let mut build = store::require(conn, id)?;
    if build.state()? != BuildState::Queued {
        return Ok(None);
    }
    build.set_state(BuildState::Running);
    build.reason = None;
    build.tries += 1;
    build.started_at = Some(clock::now_ms());
    store::save(conn, &build)?;
    Ok(Some(build))
}

fn wait_again(conn: &mut Conn, id: &str, why: &str) -> Result<()> {
    let mut build = store::require(conn, id)?;
    build.set_state(BuildState::Queued);
    build.reason = Some(why.to_owned());
    build.step = None;
    store::save(conn, &build)
}

/// Ready once somebody asked for the build's end.
async fn cancelled(app: &App, id: &str) {
    loop {
        tokio::time::sleep(LOOK_FOR_CANCEL).await;
        let id = id.to_owned();
        let found = app.db.glance(move |conn| store::find(conn, &id)).await;
        if matches!(found, Ok(Some(build)) if build.cancel_requested_at.is_some()) {
            return;
        }
    }
}

fn in_words(message: &str, missing: Option<&MissingPackages>) -> String {
    let short: String = message.chars().take(LONGEST_REASON).collect();
    if let Some(missing) = missing {
        let names: Vec<&str> = missing.missing.iter().take(5).map(|one| one.name.as_str()).collect();
        let more = missing.missing.len().saturating_sub(names.len());
        let rest = if more == 0 { String::new() } else { format!(" and {more} more") };
        return format!("{} wheels are not on the box: {}{rest}. {short}", missing.missing.len(), names.join(", "));
    }
    if short.contains("returned a non-zero code: 137") {
        return format!("A step was killed, most likely for want of memory (build_memory_bytes). {short}");
    }
    short
}

impl Task for Builder {
    fn name(&self) -> &'static str {
        BUILDER
    }

    fn period(&self) -> Duration {
        Duration::from_secs(10)
    }

    fn run(&self) -> BoxFuture<'_, Result<()>> {
        self.pass().boxed()
    }
}
