//! From a wish to a revision: what is checked and pinned first, and the rows in one transaction.

use drydock_wire::events::Topic;
use drydock_wire::serving::{DeploymentDetail, PutDeployment, ReleasePlan, Runtime, ServedBy, ServingSettings};

use super::rules::RevisionState;
use super::store::{self, DeploymentRow, RevisionRow, Wish};
use super::{Gateway, check, detail, fit, release, show, waker, write_move};
use crate::accounts::projects::{self, Kind};
use crate::accounts::{self, Authorized, Principal, action, audit, limits};
use crate::app::App;
use crate::clock;
use crate::db::Conn;
use crate::error::{Error, Result};
use crate::{devices, images, registry};

/// Makes the deployment serve this, by a new revision if it does not yet; whether there is a new one.
///
/// # Errors
/// `not_found` for an unknown model or version, `conflict` while the deployment is being deleted, `invalid` or `refused` for what
/// cannot be served here.
pub async fn put(
    app: &App,
    gateway: &Gateway,
    auth: &Authorized<action::Deploy>,
    name: &str,
    wish: PutDeployment,
) -> Result<(bool, DeploymentDetail)> {
    let (who, wanted_name) = (auth.principal().clone(), name.to_owned());
    let wish = pinned(app, &who, wish).await?;
    let has_settings = wish.settings.is_some();
    let (_, is_new) = write_move(app, move |conn| put_on(conn, &who, &wanted_name, wish)).await?;
    if is_new || has_settings {
        waker(app).wake();
        show(app, gateway).await?;
        app.events.publish(Topic::Deployments, Some(name));
    }
    Ok((is_new, detail(app, gateway, name).await?))
}

/// The wish with its image as it is now: by digest if it is of the box's registry, else by its id, so that every replica runs that
/// one whatever gets its name meanwhile.
///
/// # Errors
/// `refused` when there is no such image; `not_found` for one of a project that is not there for this person.
pub async fn pinned(app: &App, who: &Principal, mut wish: PutDeployment) -> Result<PutDeployment> {
    let Some(Runtime::Image(image)) = wish.served_by.as_mut().map(|served_by| &mut served_by.runtime) else {
        return Ok(wish);
    };
    image.image_id = None;
    let boxes = images::Boxes::of(&app.config.listeners);
    if boxes.are_of(&image.image) {
        let (who, named) = (who.clone(), image.image.clone());
        image.image = app.db.read(move |conn| images::pin_for(conn, &who, &boxes, &named)).await?;
        return Ok(wish);
    }
    match app.engine.image(&image.image).await {
        Ok(Some(found)) => image.image_id = Some(found.id),
        Ok(None) => {
            return Err(Error::refused(format!(
                "image: neither the registry of this box nor its Docker has {}; push it first, or look at what there is under Images.",
                image.image
            )));
        }
        // Docker is away: it is found, or missed, when the containers are made
        Err(_) => {}
    }
    Ok(wish)
}

/// As `put` of a wish that is `pinned`, within the caller's transaction: number of the revision that serves this, and whether it is new.
/// The caller calls `announce` once that is committed.
pub fn put_on(conn: &mut Conn, who: &Principal, name: &str, wish: PutDeployment) -> Result<(i64, bool)> {
    let served_by = match &wish.served_by {
        Some(served_by) => served_by.clone(),
        None => served_by_before(conn, name)?,
    };
    check::wish(name, &wish, &served_by, machine(conn)?)?;
    projects::may(conn, who, action::Deploy, Kind::Deployment, name)?;
    if !wish.model.is_empty() {
        projects::see(conn, who, Kind::Model, &wish.model)?;
    }
    check_callers(conn, wish.settings.as_ref())?;
    check_drift(conn, who, wish.settings.as_ref())?;
    let plan = wish.release.filter(|plan| *plan != ReleasePlan::Rolling);
    plan.iter().try_for_each(release::check::plan)?;
    let version = if wish.model.is_empty() { 0 } else { registry::resolve(conn, &wish.model, &wish.version)? };
    let alias = wish.version.starts_with('@').then_some(wish.version);
    let settings = wish.settings;
    let wish = Wish { model: wish.model, version, resources: wish.resources, served_by, release: plan };
    let comes = serving(conn, name, &wish)?.is_none();
    fit::admit(conn, who, name, &wish, settings.as_ref(), comes)?;
    let (number, is_new) = put_rows(conn, (&who.project, name), &wish, &who.username)?;
    put_settings(conn, who, name, settings, alias.as_deref())?;
    if is_new {
        limits::keep(conn, who, limits::Asked::Deployment, name)?;
        let strategy = wish.release.as_ref().unwrap_or(&ReleasePlan::Rolling).strategy();
        let detail = serde_json::json!({
            "model": wish.model, "version": version, "revision": number, "resources": wish.resources, "release": strategy,
        });
        audit(conn, who, "deployment.put", &format!("deployment/{name}"), detail)?;
    }
    Ok((number, is_new))
}

/// How callers are treated from now on, and which alias is followed.
fn put_settings(
    conn: &mut Conn,
    who: &Principal,
    name: &str,
    wish: Option<ServingSettings>,
    alias: Option<&str>,
) -> Result<()> {
    let Some(row) = store::find(conn, name)? else { return Ok(()) };
    let before = row.settings()?;
    let mut settings = wish.unwrap_or_else(|| before.clone());
    // a number was asked for, and stays
    settings.follow &= alias.is_some();
    if settings != before {
        let detail = serde_json::json!({ "settings": settings });
        audit(conn, who, "deployment.settings", &format!("deployment/{name}"), detail)?;
    }
    if settings != before || row.alias.as_deref() != alias {
        store::set_settings(conn, &row.id, &settings, alias, clock::now_ms())?;
    }
    Ok(())
}

fn machine(conn: &mut Conn) -> Result<check::Machine> {
    let cpus = std::thread::available_parallelism().map_or(1, |count| u32::try_from(count.get()).unwrap_or(u32::MAX));
    let gpus = u32::try_from(devices::room(conn)?.len()).unwrap_or(u32::MAX);
    Ok(check::Machine { cpus, gpus })
}

fn check_callers(conn: &mut Conn, settings: Option<&ServingSettings>) -> Result<()> {
    for caller in settings.into_iter().flat_map(|settings| &settings.callers) {
        accounts::person_id(conn, caller)
            .map_err(|_| Error::invalid(format!("settings.callers: nobody here is called '{caller}'.")))?;
    }
    Ok(())
}

/// What a finding of drift starts, and what traffic is compared with, is somebody's: of the one who wishes it, too.
fn check_drift(conn: &mut Conn, who: &Principal, settings: Option<&ServingSettings>) -> Result<()> {
    let capture = settings.and_then(|settings| settings.capture.as_ref());
    let Some(watch) = capture.and_then(|capture| capture.drift.as_ref()) else { return Ok(()) };
    if let Some(reference) = &watch.reference {
        let dataset = reference.dataset.split('@').next().unwrap_or_default();
        projects::see(conn, who, Kind::Dataset, dataset)?;
    }
    watch.pipeline.iter().try_for_each(|name| projects::may(conn, who, action::Launch, Kind::Pipeline, name))
}

/// What answers in the revision that was asked for last; where there is none, MLflow's scoring server.
fn served_by_before(conn: &mut Conn, name: &str) -> Result<ServedBy> {
    let Some(row) = store::find(conn, name)? else { return Ok(ServedBy::default()) };
    let revisions = store::revisions_of(conn, &row.id)?;
    let before = revisions.iter().find(|revision| revision.number == row.goal);
    before.map_or_else(|| Ok(ServedBy::default()), RevisionRow::served_by)
}

/// The number of the revision that serves this, and whether it is new.
pub fn put_rows(conn: &mut Conn, (project, name): (&str, &str), wish: &Wish, by: &str) -> Result<(i64, bool)> {
    let now = clock::now_ms();
    let Some(row) = store::find(conn, name)? else {
        let row = DeploymentRow {
            id: uuid::Uuid::now_v7().to_string(),
            name: name.to_owned(),
            goal: 1,
            deleting: false,
            created_at: now,
            created_by: by.to_owned(),
            updated_at: now,
            total_requests: 0,
            total_errors: 0,
            settings: serde_json::json!(ServingSettings::default()).to_string(),
            alias: None,
            wanted_replicas: None,
        };
        store::insert(conn, project, &row)?;
        store::insert_revision(conn, &RevisionRow::new(&row.id, 1, wish, by, now))?;
        return Ok((1, true));
    };
    if row.deleting {
        return Err(Error::conflict(format!("'{name}' is being deleted; try again in a moment.")));
    }
    if let Some(number) = serving(conn, name, wish)? {
        // what is wished serves or comes already; whatever else was on its way is not wanted any more
        if number != row.goal {
            release::replaced(conn, &row.id, &format!("{by} asked for revision {number} again."), now)?;
            store::set_goal(conn, &row.id, number, now)?;
        }
        return Ok((number, false));
    }
    let number = store::revisions_of(conn, &row.id)?.first().map_or(0, |newest| newest.number) + 1;
    release::replaced(conn, &row.id, &format!("{by} asked for revision {number} meanwhile."), now)?;
    store::insert_revision(conn, &RevisionRow::new(&row.id, number, wish, by, now))?;
    store::set_goal(conn, &row.id, number, now)?;
    release::begin(conn, &row, number, wish, by, now)?;
    Ok((number, true))
}

/// The number of the revision that serves this, or is on its way to.
fn serving(conn: &mut Conn, name: &str, wish: &Wish) -> Result<Option<i64>> {
    let Some(row) = store::find(conn, name)?.filter(|row| !row.deleting) else { return Ok(None) };
    for revision in store::revisions_of(conn, &row.id)? {
        let state = revision.state()?;
        let serves = state == RevisionState::Live || state.is_aside();
        // one that waits for room may be asked for once more, to get it from the one that serves
        let waits_otherwise = wish.release == Some(ReleasePlan::Recreate) && revision.release()? != wish.release;
        let is_coming = revision.number == row.goal && state.is_hopeful() && !waits_otherwise;
        if revision.is(wish)? && (serves || is_coming) {
            return Ok(Some(revision.number));
        }
    }
    Ok(None)
}
