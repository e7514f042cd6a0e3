//! What can be done with logged models: the model as a thing of its own that MLflow 3 clients make, fill and finalize.

use drydock_wire::events::Topic;
use serde_json::json;

use super::{
    LoggedModel, Pair, experiments, rules,
    store::{
        logged_models as store,
        search::{self as found, ModelSearch, Window},
    },
};
use crate::{
    accounts::{Authorized, action, audit},
    app::App,
    clock,
    db::Conn,
    error::{Error, Result},
};

type Develop = Authorized<action::Develop>;
type View = Authorized<action::View>;

const PENDING: i64 = 1;

fn absent(model_id: &str) -> Error {
    Error::not_found(format!("Logged model with ID '{model_id}' not found."))
}

fn known(conn: &mut Conn, model_id: &str) -> Result<LoggedModel> {
    store::find(conn, model_id)?.ok_or_else(|| absent(model_id))
}

/// Makes a pending model; its files follow under its artifact URI.
pub async fn create_logged_model(
    app: &App,
    auth: &Develop,
    experiment_id: i64,
    name: Option<String>,
    model_type: String,
    source_run_id: Option<String>,
    pairs: (Vec<Pair>, Vec<Pair>),
) -> Result<LoggedModel> {
    if let Some(name) = &name {
        rules::logged_model_name(name)?;
    }
    let (params, tags) = pairs;
    let (who, now) = (auth.principal().clone(), clock::now_ms());
    let model_id = format!("m-{}", uuid::Uuid::new_v4().simple());
    app.db
        .write(move |conn| {
            let experiment = experiments::active(conn, experiment_id)?;
            let mut model = LoggedModel {
                row: 0,
                artifact_uri: rules::join_uri(&experiment.artifact_location, &["models", &model_id, "artifacts"]),
                model_id,
                experiment_id,
                name: name.unwrap_or_else(rules::random_name),
                model_type,
                source_run_id,
                status: PENDING,
                created_at: now,
                updated_at: now,
                deleted: false,
                params,
                tags,
                metrics: Vec::new(),
            };
            model.row = store::insert(conn, &model)?;
            for (key, value) in &model.params {
                store::set_param(conn, model.row, key, value)?;
            }
            for (key, value) in &model.tags {
                store::set_tag(conn, model.row, key, value)?;
            }
            let detail = json!({"name": model.name, "run": model.source_run_id});
            audit(conn, &who, "logged_model.create", &format!("logged_model/{}", model.model_id), detail)?;
            Ok(model)
        })
        .await
}

pub async fn logged_model(app: &App, _auth: &View, model_id: String, allow_deleted: bool) -> Result<LoggedModel> {
    app.db
        .read(move |conn| {
            let model = known(conn, &model_id)?;
            if model.deleted && !allow_deleted { Err(absent(&model_id)) } else { Ok(model) }
        })
        .await
}

/// Says that the model's files are complete (2) or will not be (3).
pub async fn finalize_logged_model(app: &App, _auth: &Develop, model_id: String, status: i64) -> Result<LoggedModel> {
    let model = app
        .db
        .write(move |conn| {
            let model = known(conn, &model_id)?;
            store::set_status(conn, model.row, status, clock::now_ms())?;
            known(conn, &model_id)
        })
        .await?;
    app.events.publish(Topic::Runs, model.source_run_id.as_deref());
    Ok(model)
}

pub async fn delete_logged_model(app: &App, auth: &Develop, model_id: String) -> Result<()> {
    let who = auth.principal().clone();
    app.db
        .write(move |conn| {
            let model = known(conn, &model_id)?;
            store::set_deleted(conn, model.row, clock::now_ms())?;
            audit(conn, &who, "logged_model.delete", &format!("logged_model/{model_id}"), json!({"name": model.name}))
        })
        .await
}

pub async fn set_logged_model_params(app: &App, _auth: &Develop, model_id: String, params: Vec<Pair>) -> Result<()> {
    app.db
        .write(move |conn| {
            let model = known(conn, &model_id)?;
            for (key, value) in &params {
                if let Some((_, known)) = model.params.iter().find(|(known, _)| known == key) {
                    return Err(Error::invalid(format!(
                        "Changing param values is not allowed. Param with key='{key}' was already logged with \
                         value='{known}' for model ID='{model_id}'. Attempted logging new value '{value}'."
                    )));
                }
                store::set_param(conn, model.row, key, value)?;
            }
            Ok(())
        })
        .await
}

pub async fn set_logged_model_tags(app: &App, _auth: &Develop, model_id: String, tags: Vec<Pair>) -> Result<()> {
    app.db
        .write(move |conn| {
            let model = known(conn, &model_id)?;
            tags.iter().try_for_each(|(key, value)| store::set_tag(conn, model.row, key, value))
        })
        .await
}

pub async fn delete_logged_model_tag(app: &App, _auth: &Develop, model_id: String, key: String) -> Result<()> {
    app.db
        .write(move |conn| {
            let model = known(conn, &model_id)?;
            if store::delete_tag(conn, model.row, &key)? {
                return Ok(());
            }
            Err(Error::not_found(format!("No tag with key '{key}' found for model with ID '{model_id}'.")))
        })
        .await
}

/// A page of logged models and the offset of the next, if there is one.
pub async fn search_logged_models(
    app: &App,
    _auth: &View,
    search: ModelSearch,
    window: (i64, i64),
) -> Result<(Vec<LoggedModel>, Option<i64>)> {
    let window = Window { offset: window.0, limit: window.1 + 1 };
    app.db
        .read(move |conn| {
            let mut ids = found::logged_models(conn, &search, window)?;
            let next = super::runs::cut(&mut ids, window);
            Ok((store::load(conn, &ids)?, next))
        })
        .await
}
