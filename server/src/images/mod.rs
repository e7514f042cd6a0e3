//! The OCI registry: repositories of images and artifacts, pushed and pulled by docker, podman, skopeo and oras.
//!
//! Always holds: a manifest is there with all it refers to, or not at all; a blob answers only in repositories that have it, since
//! knowing a digest is not having the bytes; what was answered with 201 is durable; what a job or deployment refers to is not
//! removed by a rule. Never here: running an image; the engine of the box pulls like any other client.

mod manifest;
mod oci;
mod reference;
mod retention;
mod routes;
mod rules;
mod store;
mod tasks;
#[cfg(test)]
mod tests;
mod trust;
mod uploads;
mod use_of;
mod views;

use std::{sync::Arc, time::Duration};

use drydock_wire::{
    events::Topic,
    images::{ManifestDetail, RepositoryDetail, RepositorySummary, Retention, RetentionPreview},
};
use serde_json::json;

pub use oci::configure as configure_oci;
pub use reference::{is_name, is_tag};
pub use routes::configure;
use use_of::Uses;
pub use use_of::{Boxes, ask_who_uses, pin, pin_for, pulled_as};

use crate::{
    accounts::{self, Authorized, Scope, action},
    app::App,
    clock,
    db::Conn,
    error::{Error, Result},
    remembered::Remembered,
    workloads,
};

/// The handle of this feature; cheap to clone.
#[derive(Clone)]
pub struct Images {
    uploads: uploads::Uploads,
    tokens: oci::Tokens,
    /// A blob that no manifest refers to stays this long after it was last pushed or asked for.
    grace_ms: i64,
    /// Their sizes are sums over the whole registry.
    summaries: Remembered<Vec<RepositorySummary>>,
}

/// So long a large registry's sums are those of before.
const REMEMBERED: Duration = Duration::from_secs(10);

impl Images {
    pub fn new(app: &App) -> Result<Self> {
        let grace_ms = i64::try_from(app.config.limits.blob_grace_s.saturating_mul(1000)).unwrap_or(i64::MAX);
        let summaries = Remembered::new(REMEMBERED);
        Ok(Self { uploads: uploads::Uploads::default(), tokens: oci::Tokens::new()?, grace_ms, summaries })
    }
}

/// For the reconciler: which images the engine has to fetch from this registry, and how.
pub fn own_images(app: &App, images: &Images) -> workloads::OwnImages {
    let (config, password) = (app.config.clone(), images.tokens.engine_password.clone());
    Arc::new(move |image| {
        let from = use_of::pulled_as(&Boxes::of(&config.listeners), image)?;
        Some(workloads::Fetch { from, username: oci::ENGINE.into(), password: password.to_string() })
    })
}

/// Starts what runs in the background.
pub fn start(app: &App, images: &Images) {
    app.background.spawn(tasks::Collector::new(app.clone(), images.clone()));
}

/// Has the collector look now.
fn wake(app: &App) {
    app.background.waker(tasks::COLLECTOR).wake();
}

/// Every repository that is shown to the asker, by name.
pub async fn list(app: &App, images: &Images, auth: &Authorized<action::View>) -> Result<Vec<RepositorySummary>> {
    let mut all = images.summaries.get(app.db.read(views::summaries)).await?;
    let scope = auth.scope();
    if scope != Scope::All {
        let shown = app.db.read(move |conn| store::names_after(conn, &scope, "", i64::MAX)).await?;
        all.retain(|one| shown.binary_search(&one.name).is_ok());
    }
    Ok(all)
}

/// One repository with its tags.
pub async fn get(app: &App, auth: &Authorized<action::View>, name: &str) -> Result<RepositoryDetail> {
    let (who, name) = (auth.principal().clone(), name.to_owned());
    app.db.read(move |conn| views::repository(conn, &who, &name)).await
}

/// One manifest with what it refers to.
pub async fn manifest(app: &App, auth: &Authorized<action::View>, name: &str, digest: &str) -> Result<ManifestDetail> {
    views::manifest(app, auth.principal().clone(), name.to_owned(), digest.to_owned()).await
}

/// Removes the repository with all it holds. Content that nothing else refers to goes with a later sweep.
///
/// # Errors
/// `conflict` while something runs an image of it.
pub async fn delete(app: &App, auth: &Authorized<action::Push>, name: &str) -> Result<()> {
    let (who, wanted) = (auth.principal().clone(), name.to_owned());
    app.db
        .write(move |conn| {
            let repository = store::require(conn, &wanted)?;
            let uses = Uses::load(conn)?.of_repository(&wanted);
            refuse_while_running(use_of::as_seen(conn, &who, uses)?, &format!("The repository {wanted}"))?;
            let manifests = store::manifests::of_repository(conn, repository.id)?.len();
            store::delete(conn, repository.id)?;
            accounts::audit(conn, &who, "repository.delete", &store::subject(&wanted), json!({"manifests": manifests}))
        })
        .await?;
    app.events.publish(Topic::Images, Some(name));
    Ok(())
}

fn refuse_while_running(uses: Vec<drydock_wire::images::ImageUse>, what: &str) -> Result<()> {
    match uses.into_iter().find(|it| it.running) {
        Some(it) => {
            let kind = match it.kind {
                drydock_wire::images::ImageUser::Job => "job",
                drydock_wire::images::ImageUser::Deployment => "deployment",
            };
            Err(Error::conflict(format!("{what} is in use by the {kind} {}; wait for it, or end it first.", it.name)))
        }
        None => Ok(()),
    }
}

/// Takes a tag away; its manifest stays, without it.
pub async fn delete_tag(app: &App, auth: &Authorized<action::Push>, name: &str, tag: &str) -> Result<()> {
    let (who, wanted, tag) = (auth.principal().clone(), name.to_owned(), tag.to_owned());
    app.db
        .write(move |conn| {
            let repository = store::require(conn, &wanted)?;
            if !store::tags::delete(conn, &who, repository.id, &tag, clock::now_ms())? {
                return Err(Error::not_found(format!("{wanted} has no tag {tag}.")));
            }
            accounts::audit(conn, &who, "repository.tag.delete", &store::subject(&wanted), json!({"tag": tag}))
        })
        .await?;
    app.events.publish(Topic::Images, Some(name));
    Ok(())
}

/// Removes a manifest with its tags.
///
/// # Errors
/// `conflict` while something runs it, or an index has it.
pub async fn delete_manifest(app: &App, auth: &Authorized<action::Push>, name: &str, digest: &str) -> Result<()> {
    let (who, wanted, digest) = (auth.principal().clone(), name.to_owned(), digest.to_owned());
    app.db
        .write(move |conn| {
            let repository = store::require(conn, &wanted)?;
            let found = find_manifest(conn, &repository, &digest)?;
            if let Some(by) = store::manifests::referring(conn, repository.id, &digest)? {
                return Err(Error::conflict(format!("{wanted}@{digest} is part of {by}; delete that first.")));
            }
            let tags = store::tags::of_manifest(conn, found.id)?;
            let uses = Uses::load(conn)?.of(&wanted, &digest, &tags);
            refuse_while_running(use_of::as_seen(conn, &who, uses)?, &format!("{wanted}@{digest}"))?;
            store::manifests::delete(conn, found.id)?;
            let detail = json!({"digest": digest, "tags": tags});
            accounts::audit(conn, &who, "repository.manifest.delete", &store::subject(&wanted), detail)
        })
        .await?;
    app.events.publish(Topic::Images, Some(name));
    Ok(())
}

fn find_manifest(conn: &mut Conn, repository: &store::Repository, digest: &str) -> Result<store::manifests::Manifest> {
    store::manifests::by_name(conn, repository.id, digest)?
        .ok_or_else(|| Error::not_found(format!("{} has no manifest {digest}.", repository.name)))
}

/// What the rules would remove now, without removing it.
pub async fn preview(
    app: &App,
    _auth: &Authorized<action::View>,
    name: &str,
    wish: Retention,
) -> Result<RetentionPreview> {
    rules::check(&wish)?;
    let name = name.to_owned();
    app.db.read(move |conn| due(conn, &name, &wish, clock::now_ms())).await
}

/// What these rules would remove at that instant.
pub fn due(conn: &mut Conn, name: &str, rules: &Retention, now: i64) -> Result<RetentionPreview> {
    let repository = store::require(conn, name)?;
    retention::preview(conn, &repository, rules, now)
}

/// Sets what goes by itself; the collector begins at once.
pub async fn set_retention(
    app: &App,
    auth: &Authorized<action::Push>,
    name: &str,
    wish: Retention,
) -> Result<RepositoryDetail> {
    rules::check(&wish)?;
    let (who, wanted) = (auth.principal().clone(), name.to_owned());
    app.db
        .write(move |conn| {
            let repository = store::require(conn, &wanted)?;
            let before = repository.retention()?;
            store::set_retention(conn, repository.id, &wish)?;
            let detail = json!({"before": before, "after": wish});
            accounts::audit(conn, &who, "repository.retention", &store::subject(&wanted), detail)
        })
        .await?;
    wake(app);
    app.events.publish(Topic::Images, Some(name));
    let (who, name) = (auth.principal().clone(), name.to_owned());
    app.db.read(move |conn| views::repository(conn, &who, &name)).await
}
