//! Images built on the box from a Dockerfile or a form, pushed to its own registry.
//!
//! Always holds: one build at a time, in the order in which they were asked for; a build sees the box's package index and
//! nothing else; its base is an image of the box; what it made is in the registry by digest before it counts as done, pushed
//! in the name of who asked. A build that a restart cut off is built again. Never here: running what was built.

mod bases;
mod cache;
mod context;
mod log;
mod making;
mod routes;
mod rules;
mod store;
mod tasks;

use drydock_wire::{
    Page,
    builds::{BuildCache, BuildDetail, BuildPreview, BuildState, BuildSummary, SubmitBuild},
    events::Topic,
};
use serde_json::json;

pub use log::{being_written, written as written_log};
pub use routes::configure;
pub use rules::dockerignore;
pub use store::Filter;

use crate::{
    accounts::{
        self, Authorized, DEFAULT_PROJECT, Principal, action,
        projects::{self, Kind},
    },
    app::App,
    background::Waker,
    clock, datasets,
    db::Conn,
    error::{Error, Result},
    images::Boxes,
    objects,
    workloads::OwnImages,
};
use rules::dockerfile::Dockerfile;

/// What an image's build calls the box: its address changes with the network, and would make every kept layer another one.
pub const NAME_OF_BOX: &str = "drydock";
/// Bucket of what builds are made of: `{build}/{digest}`.
const BUCKET: &str = "builds";
/// Name of the background part, and of its waker.
const BUILDER: &str = "builder";

/// Starts the background part; what a former process left half-done waits again.
pub async fn start(app: &App, own_images: OwnImages) -> Result<()> {
    app.db.write(queue_again).await?;
    app.background.spawn(tasks::Builder::new(app.clone(), own_images));
    Ok(())
}

fn waker(app: &App) -> Waker {
    app.background.waker(BUILDER)
}

fn host(app: &App) -> String {
    Boxes::of(&app.config.listeners).engine_host
}

fn queue_again(conn: &mut Conn) -> Result<()> {
    for mut build in store::unfinished(conn)? {
        build.set_state(BuildState::Queued);
        build.reason = Some("the box was restarted; it is built again".into());
        build.step = None;
        store::save(conn, &build)?;
    }
    Ok(())
}

/// The text that a wish means, where that is known before its context is opened.
fn text(wish: &SubmitBuild) -> Option<String> {
    wish.form.as_ref().map(rules::form::dockerfile).or_else(|| wish.dockerfile.clone())
}

/// Queues a build.
///
/// # Errors
/// `invalid` for a malformed wish, `refused` for one that would fetch something from elsewhere, `not_found` for content that the
/// caller did not upload.
pub async fn submit(app: &App, auth: &Authorized<action::Push>, wish: SubmitBuild) -> Result<BuildDetail> {
    rules::wishes::check(&wish)?;
    if let Some(text) = text(&wish) {
        let named = Dockerfile::parse(&text, &wish.args)?.images();
        for image in named {
            match bases::find(app, auth.principal(), &image).await {
                Err(error) if error.code == drydock_wire::ErrorCode::Unavailable => break,
                found => found.map(drop)?,
            }
        }
    }
    let (who, host) = (auth.principal().clone(), host(app));
    let detail = app.db.write(move |conn| insert(conn, &who, &wish, &host)).await?;
    waker(app).wake();
    app.events.publish(Topic::Builds, Some(&detail.summary.id));
    Ok(detail)
}

fn insert(conn: &mut Conn, who: &Principal, wish: &SubmitBuild, host: &str) -> Result<BuildDetail> {
    let (id, now) = (uuid::Uuid::now_v7().simple().to_string(), clock::now_ms());
    for digest in rules::wishes::digests(wish) {
        if !datasets::owns_upload(conn, &who.person_id, digest)? {
            return Err(Error::not_found(format!("The content {digest} is no upload of yours; send it first.")));
        }
        objects::store::link(conn, BUCKET, &format!("{id}/{digest}"), digest, now)?;
    }
    insert_row(conn, who, id, wish, host)
}

fn insert_row(conn: &mut Conn, who: &Principal, id: String, wish: &SubmitBuild, host: &str) -> Result<BuildDetail> {
    let mut build = store::Build::new(id, &who.person_id, wish, clock::now_ms())?;
    build.dockerfile = text(wish);
    projects::may(conn, who, action::Push, Kind::Repository, &build.repository)?;
    let own = build.repository.split_once('/').map(|(first, _)| first);
    // a new repository is of the project that its name begins with
    let known = projects::Subject::new(Kind::Repository, build.repository.as_str());
    if let (Some(first), None) = (own, projects::subjects::project_of(conn, &known)?) {
        projects::may(conn, who, action::Push, Kind::Project, first)?;
    }
    if who.project != DEFAULT_PROJECT && own != Some(who.project.as_str()) {
        return Err(Error::invalid(format!(
            "repository: images of the project {0} are called {0}/…; name it {0}/{1}.",
            who.project, build.repository
        )));
    }
    store::insert(conn, &who.project, &build)?;
    accounts::limits::keep(conn, who, accounts::limits::Asked::Build, &build.id)?;
    let told = json!({ "repository": build.repository, "tag": build.tag, "dockerfile": build.dockerfile });
    accounts::audit(conn, who, "build.submit", &subject(&build.id), told)?;
    store::detail(conn, &build, host)
}

fn subject(id: &str) -> String {
    format!("build/{id}")
}

/// The Dockerfile that a wish means, without building it.
///
/// # Errors
/// As `submit`; also for a Dockerfile that is in the context alone.
pub async fn preview(app: &App, auth: &Authorized<action::View>, wish: SubmitBuild) -> Result<BuildPreview> {
    rules::wishes::check(&wish)?;
    let dockerfile = text(&wish).ok_or_else(|| {
        Error::invalid("dockerfile: it is in the context; only a form or a text can be shown before.")
    })?;
    let mut found = vec![];
    for image in Dockerfile::parse(&dockerfile, &wish.args)?.images() {
        found.push(bases::find(app, auth.principal(), &image).await?.pinned);
    }
    Ok(BuildPreview { dockerfile, bases: found })
}

/// One page, newest first.
pub async fn list(app: &App, auth: &Authorized<action::View>, filter: Filter) -> Result<Page<BuildSummary>> {
    let (host, scope) = (host(app), auth.scope());
    app.db
        .read(move |conn| {
            let (found, total) = store::page(conn, &scope, &filter)?;
            let end = filter.offset + i64::try_from(found.len()).unwrap_or(0);
            let items = found.iter().map(|build| store::summary(conn, build, &host)).collect::<Result<_>>()?;
            let next = (end < total).then(|| end.to_string());
            Ok(Page { items, total: u64::try_from(total).unwrap_or(0), next })
        })
        .await
}

/// One build.
pub async fn get(app: &App, _auth: &Authorized<action::View>, id: &str) -> Result<BuildDetail> {
    let (id, host) = (id.to_owned(), host(app));
    app.db
        .read(move |conn| {
            let build = store::require(conn, &id)?;
            store::detail(conn, &build, &host)
        })
        .await
}

/// Asks a build to end; one that waits ends at once.
///
/// # Errors
/// `conflict` when it has ended already.
pub async fn cancel(app: &App, auth: &Authorized<action::Push>, id: &str) -> Result<BuildDetail> {
    let (who, wanted, host) = (auth.principal().clone(), id.to_owned(), host(app));
    let cancelled = move |conn: &mut Conn| {
        let mut build = store::require(conn, &wanted)?;
        if build.state()?.is_final() {
            return Err(Error::conflict(format!("The build has already ended: {}.", build.state()?.as_str())));
        }
        if build.cancel_requested_at.is_none() {
            let now = clock::now_ms();
            build.cancel_requested_at = Some(now);
            build.reason = Some(format!("cancelled by {}", who.username));
            if build.state()? == BuildState::Queued {
                build.set_state(BuildState::Cancelled);
                build.ended_at = Some(now);
            }
            store::save(conn, &build)?;
            accounts::audit(conn, &who, "build.cancel", &subject(&wanted), json!({ "repository": build.repository }))?;
        }
        store::detail(conn, &build, &host)
    };
    let detail = app.db.write(cancelled).await?;
    app.events.publish(Topic::Builds, Some(id));
    Ok(detail)
}

/// Builds the same anew, as a build of its own.
///
/// # Errors
/// `conflict` when what it was made of is not kept any more.
pub async fn again(app: &App, auth: &Authorized<action::Push>, id: &str) -> Result<BuildDetail> {
    let (who, wanted, host) = (auth.principal().clone(), id.to_owned(), host(app));
    let detail = app
        .db
        .write(move |conn| {
            let wish = store::require(conn, &wanted)?.spec()?;
            let (new, now) = (uuid::Uuid::now_v7().simple().to_string(), clock::now_ms());
            for digest in rules::wishes::digests(&wish) {
                if objects::store::get(conn, BUCKET, &format!("{wanted}/{digest}"))?.is_none() {
                    return Err(Error::conflict(
                        "What it was made of was kept for 30 days and is gone; send the context again.",
                    ));
                }
                objects::store::link(conn, BUCKET, &format!("{new}/{digest}"), digest, now)?;
            }
            insert_row(conn, &who, new, &wish, &host)
        })
        .await?;
    waker(app).wake();
    app.events.publish(Topic::Builds, Some(&detail.summary.id));
    Ok(detail)
}

/// The list of missing wheels to take to a connected machine.
///
/// # Errors
/// `not_found` when nothing was missing.
pub async fn missing_list(app: &App, auth: &Authorized<action::View>, id: &str) -> Result<String> {
    let missing = get(app, auth, id).await?.missing;
    let list = missing.map(|missing| missing.list).filter(|list| !list.is_empty());
    list.ok_or_else(|| Error::not_found("No wheel was missing in this build."))
}

/// How much of earlier builds Docker keeps.
pub async fn cache_state(app: &App, _auth: &Authorized<action::View>) -> Result<BuildCache> {
    cache::state(app).await
}

/// Removes all of it that nothing stands on.
pub async fn empty_cache(app: &App, auth: &Authorized<action::Administer>) -> Result<BuildCache> {
    let freed = cache::trim(app, 0).await?;
    let who = auth.principal().clone();
    let audited = move |conn: &mut Conn| {
        accounts::audit(conn, &who, "build.cache.delete", "build", json!({ "freed_bytes": freed }))
    };
    app.db.write(audited).await?;
    app.events.publish(Topic::Builds, None);
    cache::state(app).await
}
