//! Changes as parts of a transaction that does more: a pipeline's step is one with its own row. Whoever calls these wakes the webhooks and
//! tells `Topic::Models` once that is committed.

use drydock_wire::{ErrorCode, events::Topic, registry::RegisterVersion};
use serde_json::json;

use super::{NewVersion, Version, models, moves::Mover, rules, source, told, versions};
use crate::{
    accounts::{
        Authorized, Principal, action, audit,
        projects::{self, Kind},
    },
    app::App,
    clock,
    db::Conn,
    error::{Error, Result},
    objects, tracking, webhooks,
};

/// Registers a model that a run logged; the registered model is made if need be.
pub async fn register(
    app: &App,
    auth: &Authorized<action::Develop>,
    model: String,
    wish: RegisterVersion,
) -> Result<Version> {
    let who = auth.principal().clone();
    let version = app.db.write(move |conn| register_on(conn, &who, &model, &wish)).await?;
    webhooks::wake(app);
    app.events.publish(Topic::Models, Some(&version.model));
    app.events.publish(Topic::Runs, version.run_id.as_deref());
    Ok(version)
}

/// As `register`, within the caller's transaction.
///
/// # Errors
/// `not_found` when there is no such run, or the run has no model at that path.
pub fn register_on(conn: &mut Conn, who: &Principal, model: &str, wish: &RegisterVersion) -> Result<Version> {
    let path = tracking::rules::artifact_path(wish.path.trim_end_matches('/'))?.to_owned();
    rules::model_name(model)?;
    projects::see(conn, who, Kind::Run, &wish.run_id)?;
    let origin = origin(conn, &wish.run_id, &path)?;
    match models::insert(conn, who, model, "", &[]) {
        Ok(_) => {}
        Err(error) if error.code == ErrorCode::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    let new = NewVersion { model: model.to_owned(), description: wish.description.clone(), ..origin };
    versions::insert(conn, who, &new)
}

/// Points the alias at the version, within the caller's transaction; what it pointed at before.
pub fn set_alias_on(conn: &mut Conn, who: &Principal, model: &str, alias: &str, number: i64) -> Result<Option<i64>> {
    rules::free_alias(alias)?;
    let version = versions::known(conn, model, number)?;
    let row = versions::model_row(conn, model)?;
    let mover = Mover { row, model: &version.model, by: &who.username, at: clock::now_ms() };
    let before = versions::point(conn, mover, alias, number)?;
    told::alias_set(conn, row, &version, alias)?;
    let detail = json!({"alias": alias, "before": before, "after": number});
    audit(conn, who, "model_alias.set", &format!("model/{model}/{number}"), detail)?;
    Ok(before)
}

/// The version that an alias points at; nothing when there is no such model or alias.
pub fn alias_on(conn: &mut Conn, model: &str, alias: &str) -> Result<Option<Version>> {
    let found =
        super::resolve(conn, model, &format!("@{alias}")).and_then(|number| versions::known(conn, model, number));
    match found {
        Ok(version) => Ok(Some(version)),
        Err(error) if error.code == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A model that a run logged: a logged model of that name where the run made one, else the run's folder.
fn origin(conn: &mut Conn, run_id: &str, path: &str) -> Result<NewVersion> {
    if tracking::run_on_conn(conn, run_id)?.is_none() {
        return Err(Error::not_found(format!("There is no run {run_id}.")));
    }
    let model = tracking::logged_model_of_run(conn, run_id, path)?;
    let source = match &model {
        Some(model) => format!("models:/{}", model.model_id),
        None => format!("runs:/{run_id}/{path}"),
    };
    let storage = model.as_ref().map_or(source.clone(), |model| model.artifact_uri.clone());
    let files = match source::folder_of(conn, &storage)? {
        Some(folder) => objects::store::list_prefix(conn, tracking::ARTIFACT_BUCKET, &format!("{folder}/"))?.len(),
        None => 0,
    };
    if files == 0 {
        return Err(Error::not_found(format!("The run {run_id} has no model at '{path}'.")));
    }
    let model_id = model.map(|model| model.model_id);
    Ok(NewVersion { source, run_id: Some(run_id.to_owned()), model_id, ..NewVersion::default() })
}
