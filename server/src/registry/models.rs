//! What can be done with registered models.

use drydock_wire::events::Topic;
use serde_json::json;

use super::told;
use super::{
    Model, Version,
    moves::{self, Mover},
    rules,
    store::{models as store, search as found, versions as version_store},
};
use crate::{
    accounts::{Authorized, Principal, action, audit},
    app::App,
    clock,
    db::Conn,
    error::{Error, Result},
    tracking::{
        Pair,
        search::{self, MODEL_VERSIONS, REGISTERED_MODELS},
    },
    webhooks,
};
use drydock_wire::registry::MoveCause;

type Develop = Authorized<action::Develop>;
type View = Authorized<action::View>;

pub(super) fn absent(name: &str) -> Error {
    Error::not_found(format!("Registered Model with name={name} not found"))
}

/// Surrogate key of the model of that name.
pub(super) fn row_of(conn: &mut Conn, name: &str) -> Result<i64> {
    rules::model_name(name)?;
    store::row_of(conn, name)?.ok_or_else(|| absent(name))
}

pub async fn create_model(
    app: &App,
    auth: &Develop,
    name: String,
    description: String,
    tags: Vec<Pair>,
) -> Result<Model> {
    rules::model_name(&name)?;
    for (key, value) in &tags {
        rules::tag(key, value)?;
    }
    let who = auth.principal().clone();
    let model = app.db.write(move |conn| insert(conn, &who, &name, &description, &tags)).await?;
    webhooks::wake(app);
    app.events.publish(Topic::Models, Some(&model.name));
    Ok(model)
}

/// The rows of a new model.
pub(super) fn insert(conn: &mut Conn, who: &Principal, name: &str, description: &str, tags: &[Pair]) -> Result<Model> {
    check_free(conn, name, rules::is_prompt(tags))?;
    let row = store::insert(conn, &who.project, name, description, clock::now_ms())?;
    for (key, value) in tags {
        store::set_tag(conn, row, key, value)?;
    }
    audit(conn, who, "model.create", &format!("model/{name}"), json!({}))?;
    let model = store::load(conn, row)?;
    told::model_created(conn, &model)?;
    Ok(model)
}

/// MLflow words the clash by what the two are.
fn check_free(conn: &mut Conn, name: &str, is_prompt: bool) -> Result<()> {
    let Some(row) = store::row_of(conn, name)? else { return Ok(()) };
    let word = |prompt: bool| if prompt { "Prompt" } else { "Registered Model" };
    let known = rules::is_prompt(&store::load(conn, row)?.tags);
    if known == is_prompt {
        return Err(Error::exists(format!("{} (name={name}) already exists.", word(is_prompt))));
    }
    Err(Error::exists(format!(
        "Tried to create a {} with name '{name}', but the name is already taken by a {}. MLflow does not allow creating a \
         model and a prompt with the same name.",
        word(is_prompt).to_lowercase(),
        word(known).to_lowercase()
    )))
}

pub async fn model(app: &App, _auth: &View, name: String) -> Result<Model> {
    app.db
        .read(move |conn| {
            let row = row_of(conn, &name)?;
            store::load(conn, row)
        })
        .await
}

pub async fn update_model(app: &App, auth: &Develop, name: String, description: String) -> Result<Model> {
    let (who, id) = (auth.principal().clone(), name.clone());
    let model = app
        .db
        .write(move |conn| {
            let row = row_of(conn, &id)?;
            store::describe(conn, row, &description, clock::now_ms())?;
            audit(conn, &who, "model.update", &format!("model/{id}"), json!({"description": description}))?;
            store::load(conn, row)
        })
        .await?;
    app.events.publish(Topic::Models, Some(&name));
    Ok(model)
}

pub async fn rename_model(app: &App, auth: &Develop, name: String, new_name: String) -> Result<Model> {
    rules::model_name(&new_name)?;
    let who = auth.principal().clone();
    let model = app
        .db
        .write(move |conn| {
            let (row, now) = (row_of(conn, &name)?, clock::now_ms());
            if let Some(first) = deployments_of(conn, &name)?.first() {
                let first = super::in_words(conn, &who, first)?;
                return Err(Error::conflict(format!("{first} serves {name}; delete it before renaming.")));
            }
            store::rename(conn, row, &new_name, now)?;
            let mover = Mover { row, model: &new_name, by: &who.username, at: now };
            for (alias, version) in store::load(conn, row)?.aliases {
                moves::note(conn, mover, &alias, MoveCause::Renamed, (Some(version), Some(version)))?;
            }
            version_store::touch_all(conn, row, now)?;
            audit(
                conn,
                &who,
                "model.rename",
                &format!("model/{new_name}"),
                json!({"before": name, "after": new_name}),
            )?;
            store::load(conn, row)
        })
        .await?;
    app.events.publish(Topic::Models, None);
    Ok(model)
}

/// Deployments whose live revision serves any version of the model.
fn deployments_of(conn: &mut Conn, name: &str) -> Result<Vec<String>> {
    let Some(row) = store::row_of(conn, name)? else { return Ok(Vec::new()) };
    let mut all = Vec::new();
    for version in version_store::of_model(conn, row)? {
        all.extend(super::deployments_of(conn, name, version.version)?);
    }
    Ok(all)
}

/// Removes the model and its versions; their files stay with the runs that logged them.
pub async fn delete_model(app: &App, auth: &Develop, name: String) -> Result<()> {
    let who = auth.principal().clone();
    app.db
        .write(move |conn| {
            let row = row_of(conn, &name)?;
            if let Some(first) = deployments_of(conn, &name)?.first() {
                let first = super::in_words(conn, &who, first)?;
                return Err(Error::conflict(format!(
                    "{first} serves {name}; delete it, or have it serve another model, first."
                )));
            }
            let (versions, _) = version_store::extent(conn, row)?;
            let mover = Mover { row, model: &name, by: &who.username, at: clock::now_ms() };
            for (alias, version) in store::load(conn, row)?.aliases {
                moves::note(conn, mover, &alias, MoveCause::ModelDeleted, (Some(version), None))?;
            }
            store::delete(conn, row)?;
            audit(conn, &who, "model.delete", &format!("model/{name}"), json!({"versions": versions}))
        })
        .await?;
    app.events.publish(Topic::Models, None);
    Ok(())
}

pub async fn set_model_tag(app: &App, auth: &Develop, name: String, key: String, value: String) -> Result<()> {
    rules::tag(&key, &value)?;
    let (who, id) = (auth.principal().clone(), name.clone());
    app.db
        .write(move |conn| {
            let row = row_of(conn, &id)?;
            store::set_tag(conn, row, &key, &value)?;
            told::model_tag_set(conn, row, &key, &value)?;
            audit(conn, &who, "model.tag", &format!("model/{id}"), json!({"key": key}))
        })
        .await?;
    webhooks::wake(app);
    app.events.publish(Topic::Models, Some(&name));
    Ok(())
}

pub async fn delete_model_tag(app: &App, auth: &Develop, name: String, key: String) -> Result<()> {
    let (who, id) = (auth.principal().clone(), name.clone());
    app.db
        .write(move |conn| {
            let row = row_of(conn, &id)?;
            told::model_tag_deleted(conn, row, &key)?;
            store::delete_tag(conn, row, &key)?;
            audit(conn, &who, "model.untag", &format!("model/{id}"), json!({"key": key}))
        })
        .await?;
    webhooks::wake(app);
    app.events.publish(Topic::Models, Some(&name));
    Ok(())
}

/// The newest version of each of the stages, of all when none is named.
pub async fn latest_versions(app: &App, _auth: &View, name: String, stages: Vec<String>) -> Result<Vec<Version>> {
    let stages = stages.iter().map(|stage| rules::stage(stage)).collect::<Result<Vec<_>>>()?;
    app.db
        .read(move |conn| {
            let row = row_of(conn, &name)?;
            let mut latest = version_store::latest_by_stage(conn, row)?;
            latest.retain(|version| stages.is_empty() || stages.contains(&version.stage.as_str()));
            Ok(latest)
        })
        .await
}

/// A page of models and the offset of the next, if there is one. `window` is offset and size.
pub async fn search_models(
    app: &App,
    auth: &View,
    filter: &str,
    order_by: &[String],
    window: (i64, i64),
) -> Result<(Vec<Model>, Option<i64>)> {
    let conditions = search::parse(filter, &REGISTERED_MODELS)?;
    let order = search::parse_order_by(order_by, &REGISTERED_MODELS)?;
    let scope = auth.scope();
    app.db
        .read(move |conn| {
            let mut ids = found::models(conn, &scope, &conditions, &order, (window.0, window.1 + 1))?;
            let next = cut(&mut ids, window);
            let models = ids.iter().map(|id| store::load(conn, *id)).collect::<Result<_>>()?;
            Ok((models, next))
        })
        .await
}

/// A page of versions and the offset of the next, if there is one.
pub(super) async fn search_versions(
    app: &App,
    auth: &View,
    filter: &str,
    order_by: &[String],
    window: (i64, i64),
) -> Result<(Vec<Version>, Option<i64>)> {
    let conditions = search::parse(filter, &MODEL_VERSIONS)?;
    let order = search::parse_order_by(order_by, &MODEL_VERSIONS)?;
    let scope = auth.scope();
    app.db
        .read(move |conn| {
            let mut ids = found::versions(conn, &scope, &conditions, &order, (window.0, window.1 + 1))?;
            let next = cut(&mut ids, window);
            Ok((version_store::load(conn, &ids)?, next))
        })
        .await
}

fn cut(ids: &mut Vec<i64>, window: (i64, i64)) -> Option<i64> {
    let limit = usize::try_from(window.1).unwrap_or(0);
    let more = ids.len() > limit;
    ids.truncate(limit);
    more.then_some(window.0 + window.1)
}
