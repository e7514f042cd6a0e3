//! What can be done with versions and aliases.

use drydock_wire::{events::Topic, registry::MoveCause};
use serde_json::json;

use super::{
    Version, models,
    moves::{self, Mover},
    rules, source,
    store::{models as model_store, versions as store},
    told,
};
use crate::{
    accounts::{Authorized, Principal, action, audit},
    app::App,
    clock,
    db::Conn,
    error::{Error, Result},
    tracking::{self, Pair},
    webhooks,
};

type Develop = Authorized<action::Develop>;
type View = Authorized<action::View>;

/// MLflow's tag on a logged model that lists the versions made from it.
const VERSIONS_TAG: &str = "mlflow.modelVersions";

/// A version to be.
#[derive(Debug, Clone, Default)]
pub struct NewVersion {
    pub model: String,
    pub source: String,
    pub run_id: Option<String>,
    pub model_id: Option<String>,
    pub run_link: String,
    pub description: String,
    pub tags: Vec<Pair>,
}

/// Surrogate key of the model of that name.
pub(super) fn model_row(conn: &mut Conn, name: &str) -> Result<i64> {
    models::row_of(conn, name)
}

/// The version.
///
/// # Errors
/// `not_found` with MLflow's text.
pub(super) fn known(conn: &mut Conn, name: &str, version: i64) -> Result<Version> {
    rules::model_name(name)?;
    let found = match model_store::row_of(conn, name)? {
        Some(row) => store::find(conn, row, version)?,
        None => None,
    };
    found.ok_or_else(|| Error::not_found(format!("Model Version (name={name}, version={version}) not found")))
}

/// Registers a version.
pub async fn create_version(app: &App, auth: &Develop, new: NewVersion) -> Result<Version> {
    rules::model_name(&new.model)?;
    for (key, value) in &new.tags {
        rules::tag(key, value)?;
    }
    let who = auth.principal().clone();
    let version = app.db.write(move |conn| insert(conn, &who, &new)).await?;
    webhooks::wake(app);
    app.events.publish(Topic::Models, Some(&version.model));
    if let Some(run) = &version.run_id {
        app.events.publish(Topic::Runs, Some(run));
    }
    Ok(version)
}

pub(super) fn insert(conn: &mut Conn, who: &Principal, new: &NewVersion) -> Result<Version> {
    let model = models::row_of(conn, &new.model)?;
    let origin = if rules::is_prompt(&new.tags) {
        // A prompt's text is in its tags; the source is a placeholder.
        source::Origin {
            source: new.source.clone(),
            storage_location: new.source.clone(),
            run_id: new.run_id.clone(),
            model_id: None,
        }
    } else {
        source::resolve(conn, &new.source, new.run_id.clone(), new.model_id.clone())?
    };
    let texts = (new.description.as_str(), new.run_link.as_str());
    let row = store::insert(conn, model, &origin, texts, &who.username, clock::now_ms())?;
    for (key, value) in &new.tags {
        store::set_tag(conn, row, key, value)?;
    }
    let version = store::load(conn, &[row])?.pop().ok_or_else(|| models::absent(&new.model))?;
    if let Some(model_id) = &version.model_id {
        note_on_logged_model(conn, model_id, &version)?;
    }
    let subject = format!("model/{}/{}", version.model, version.version);
    audit(conn, who, "model_version.create", &subject, json!({"source": version.source, "run": version.run_id}))?;
    told::version_created(conn, &version)?;
    Ok(version)
}

fn note_on_logged_model(conn: &mut Conn, model_id: &str, version: &Version) -> Result<()> {
    let Some(model) = tracking::logged_model_on_conn(conn, model_id)? else { return Ok(()) };
    let known = model.tags.iter().find(|(key, _)| key == VERSIONS_TAG).map(|(_, value)| value.as_str());
    let mut all: Vec<serde_json::Value> = known.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let entry = json!({"name": version.model, "version": version.version});
    if !all.contains(&entry) {
        all.push(entry);
    }
    tracking::tag_logged_model(conn, &model, VERSIONS_TAG, &serde_json::Value::from(all).to_string())
}

pub async fn version(app: &App, _auth: &View, name: String, version: i64) -> Result<Version> {
    app.db.read(move |conn| known(conn, &name, version)).await
}

/// Where clients load the version from. Sources that lead through other things are followed to their end.
pub async fn download_uri(app: &App, auth: &View, name: String, number: i64) -> Result<String> {
    Ok(version(app, auth, name, number).await?.storage_location)
}

/// A page of versions and the offset of the next, if there is one.
pub async fn search_versions(
    app: &App,
    auth: &View,
    filter: &str,
    order_by: &[String],
    window: (i64, i64),
) -> Result<(Vec<Version>, Option<i64>)> {
    models::search_versions(app, auth, filter, order_by, window).await
}

/// Changes one version under an audit row.
async fn change<F>(app: &App, auth: &Develop, name: String, number: i64, verb: &'static str, f: F) -> Result<Version>
where
    F: FnOnce(&mut Conn, i64, &Version) -> Result<serde_json::Value> + Send + 'static,
{
    let (who, id) = (auth.principal().clone(), name.clone());
    let changed = app
        .db
        .write(move |conn| {
            let version = known(conn, &id, number)?;
            let model = models::row_of(conn, &id)?;
            let detail = f(conn, model, &version)?;
            audit(conn, &who, verb, &format!("model/{id}/{number}"), detail)?;
            Ok(store::find(conn, model, number)?.unwrap_or(version))
        })
        .await?;
    webhooks::wake(app);
    app.events.publish(Topic::Models, Some(&name));
    Ok(changed)
}

pub async fn update_version(
    app: &App,
    auth: &Develop,
    name: String,
    number: i64,
    description: String,
) -> Result<Version> {
    change(app, auth, name, number, "model_version.update", move |conn, _, version| {
        store::describe(conn, version.row, &description, clock::now_ms())?;
        Ok(json!({"description": description}))
    })
    .await
}

/// Moves the version to a stage; the others there go to the archive if wished.
pub async fn transition(
    app: &App,
    auth: &Develop,
    name: String,
    number: i64,
    stage: &str,
    archive_existing: bool,
) -> Result<Version> {
    let to = rules::stage(stage)?;
    if archive_existing && !rules::is_active(to) {
        return Err(Error::invalid(format!(
            "Model version transition cannot archive existing model versions because '{stage}' is not an Active stage. \
             Valid stages are ['Staging', 'Production']"
        )));
    }
    change(app, auth, name, number, "model_version.stage", move |conn, model, version| {
        let now = clock::now_ms();
        if archive_existing {
            store::archive_others(conn, model, version.row, to, now)?;
        }
        store::set_stage(conn, version.row, to, now)?;
        model_store::touch(conn, model, now)?;
        Ok(json!({"before": version.stage, "after": to}))
    })
    .await
}

/// Removes a version and the aliases on it; its files stay with the run that logged them.
pub async fn delete_version(app: &App, auth: &Develop, name: String, number: i64) -> Result<()> {
    let who = auth.principal().clone();
    change(app, auth, name, number, "model_version.delete", move |conn, model, version| {
        if let Some(first) = super::deployments_of(conn, &version.model, version.version)?.first() {
            let first = super::in_words(conn, &who, first)?;
            return Err(Error::conflict(format!(
                "{first} serves {} version {}; delete it, or have it serve another version, first.",
                version.model, version.version
            )));
        }
        let mover = Mover { row: model, model: &version.model, by: &who.username, at: clock::now_ms() };
        for alias in &version.aliases {
            moves::note(conn, mover, alias, MoveCause::VersionDeleted, (Some(version.version), None))?;
        }
        store::delete(conn, model, version.row, version.version)?;
        model_store::touch(conn, model, clock::now_ms())?;
        Ok(json!({"source": version.source, "aliases": version.aliases}))
    })
    .await
    .map(drop)
}

pub async fn set_version_tag(
    app: &App,
    auth: &Develop,
    name: String,
    number: i64,
    key: String,
    value: String,
) -> Result<()> {
    rules::tag(&key, &value)?;
    change(app, auth, name, number, "model_version.tag", move |conn, model, version| {
        store::set_tag(conn, version.row, &key, &value)?;
        told::version_tag_set(conn, model, version, (&key, &value))?;
        Ok(json!({"key": key}))
    })
    .await
    .map(drop)
}

pub async fn delete_version_tag(app: &App, auth: &Develop, name: String, number: i64, key: String) -> Result<()> {
    change(app, auth, name, number, "model_version.untag", move |conn, model, version| {
        store::delete_tag(conn, version.row, &key)?;
        told::version_tag_deleted(conn, model, version, &key)?;
        Ok(json!({"key": key}))
    })
    .await
    .map(drop)
}

/// Points an alias at a version. The audit row says what it pointed at before.
pub async fn set_alias(app: &App, auth: &Develop, name: String, alias: String, number: i64) -> Result<()> {
    let who = auth.principal().clone();
    let id = name.clone();
    app.db.write(move |conn| super::set_alias_on(conn, &who, &id, &alias, number)).await?;
    webhooks::wake(app);
    app.events.publish(Topic::Models, Some(&name));
    Ok(())
}

/// Points the alias at the version, and keeps the move if it is one; what it pointed at before.
pub(super) fn point(conn: &mut Conn, mover: Mover<'_>, alias: &str, number: i64) -> Result<Option<i64>> {
    let before = store::alias_target(conn, mover.row, alias)?;
    model_store::set_alias(conn, mover.row, alias, number, mover.at, mover.by)?;
    if before != Some(number) {
        moves::note(conn, mover, alias, MoveCause::Set, (before, Some(number)))?;
    }
    Ok(before)
}

/// Removes an alias; without one: nothing to do.
pub async fn delete_alias(app: &App, auth: &Develop, name: String, alias: String) -> Result<()> {
    rules::alias(&alias)?;
    let (who, id) = (auth.principal().clone(), name.clone());
    app.db
        .write(move |conn| {
            let model = models::row_of(conn, &id)?;
            let Some(before) = model_store::delete_alias(conn, model, &alias)? else { return Ok(()) };
            let mover = Mover { row: model, model: &id, by: &who.username, at: clock::now_ms() };
            moves::note(conn, mover, &alias, MoveCause::Removed, (Some(before), None))?;
            told::alias_deleted(conn, model, &alias)?;
            audit(conn, &who, "model_alias.delete", &format!("model/{id}"), json!({"alias": alias, "before": before}))
        })
        .await?;
    webhooks::wake(app);
    app.events.publish(Topic::Models, Some(&name));
    Ok(())
}

/// The version that the alias points at; `latest` is the highest number.
pub async fn version_by_alias(app: &App, _auth: &View, name: String, alias: String) -> Result<Version> {
    rules::alias(&alias)?;
    app.db
        .read(move |conn| {
            let model = models::row_of(conn, &name)?;
            let number = if alias.eq_ignore_ascii_case("latest") {
                let (_, newest) = store::extent(conn, model)?;
                newest.ok_or_else(|| Error::not_found(format!("Latest version not found for model {name}.")))?
            } else {
                store::alias_target(conn, model, &alias)?
                    .ok_or_else(|| Error::invalid(format!("Registered model alias {alias} not found.")))?
            };
            known(conn, &name, number)
        })
        .await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn world() -> Conn {
        let mut conn = crate::db::testing::connection();
        tracking::testing::run(&mut conn, "r1");
        model_store::insert(&mut conn, "default", "wine", "", 1).unwrap();
        conn
    }

    fn new(conn: &mut Conn) -> Version {
        let wish = NewVersion {
            model: "wine".into(),
            source: "runs:/r1/model".into(),
            run_id: Some("r1".into()),
            ..NewVersion::default()
        };
        insert(conn, &Principal::console(), &wish).unwrap()
    }

    #[test]
    fn a_number_is_never_given_twice() {
        let mut conn = world();
        assert_eq!((new(&mut conn).version, new(&mut conn).version), (1, 2));
        let model = models::row_of(&mut conn, "wine").unwrap();
        let second = known(&mut conn, "wine", 2).unwrap();
        model_store::set_alias(&mut conn, model, "champion", 2, 1, "ann").unwrap();
        store::delete(&mut conn, model, second.row, 2).unwrap();
        assert_eq!(store::alias_target(&mut conn, model, "champion").unwrap(), None);
        assert_eq!(new(&mut conn).version, 3);
    }

    #[test]
    fn versions_are_named_by_number_and_by_alias() {
        let mut conn = world();
        new(&mut conn);
        let model = models::row_of(&mut conn, "wine").unwrap();
        model_store::set_alias(&mut conn, model, "champion", 1, 1, "ann").unwrap();
        assert_eq!(super::super::resolve(&mut conn, "wine", "1").unwrap(), 1);
        assert_eq!(super::super::resolve(&mut conn, "wine", "@champion").unwrap(), 1);
        for bad in ["2", "@none", "x"] {
            assert!(super::super::resolve(&mut conn, "wine", bad).is_err(), "{bad}");
        }
        assert!(super::super::resolve(&mut conn, "none", "1").is_err());
    }

    #[test]
    fn names_are_escaped_nowhere_because_they_are_bound() {
        let mut conn = world();
        let name = "x'; DROP TABLE runs; --";
        model_store::insert(&mut conn, "default", name, "", 1).unwrap();
        assert!(models::row_of(&mut conn, name).is_ok());
    }
}
