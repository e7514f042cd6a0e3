//! What can be done with experiments.

use drydock_wire::events::Topic;
use serde_json::json;

use super::{
    Experiment, Pair, Stage, rules,
    search::{self, EXPERIMENTS},
    store::{
        experiments as store, runs,
        search::{self as found, Window},
    },
};
use crate::{
    accounts::{Authorized, DEFAULT_PROJECT, action, audit},
    app::App,
    clock,
    db::Conn,
    error::{Error, Result},
};

type Develop = Authorized<action::Develop>;
type View = Authorized<action::View>;

fn absent(id: i64) -> Error {
    Error::not_found(format!("No Experiment with id={id} exists"))
}

/// The experiment, for a change that needs it alive.
pub(super) fn active(conn: &mut Conn, id: i64) -> Result<Experiment> {
    let experiment = store::find(conn, id, Stage::All)?.ok_or_else(|| absent(id))?;
    if experiment.deleted {
        return Err(Error::invalid(format!(
            "The experiment {id} must be in the 'active' state. Current state is deleted."
        )));
    }
    Ok(experiment)
}

/// Makes an experiment; its id.
pub async fn create_experiment(
    app: &App,
    auth: &Develop,
    name: String,
    location: Option<String>,
    tags: Vec<Pair>,
) -> Result<i64> {
    rules::experiment_name(&name)?;
    for (key, value) in &tags {
        rules::experiment_tag(key, value)?;
    }
    let ours = location.as_deref().is_some_and(|location| location.starts_with("mlflow-artifacts:"));
    if ours && auth.project() != DEFAULT_PROJECT {
        // what is of a project is told by the experiment's id at the beginning of the path
        return Err(Error::invalid(
            "'artifact_location': leave it out in a project; the box keeps the artifacts there.",
        ));
    }
    let who = auth.principal().clone();
    let id = app
        .db
        .write(move |conn| {
            refuse_inside(conn, location.as_deref())?;
            let id = store::insert(conn, &who.project, &name, location.as_deref(), clock::now_ms())?;
            for (key, value) in &tags {
                store::set_tag(conn, id, key, value)?;
            }
            audit(conn, &who, "experiment.create", &format!("experiment/{id}"), json!({"name": name}))?;
            Ok(id)
        })
        .await?;
    app.events.publish(Topic::Runs, None);
    Ok(id)
}

/// Experiments may share a place; one cannot be inside what another's run, model or trace keeps, or it would go with that.
///
/// # Errors
/// `invalid` with the name of that other experiment.
fn refuse_inside(conn: &mut Conn, location: Option<&str>) -> Result<()> {
    let Some(key) = location.and_then(rules::artifact_key) else { return Ok(()) };
    for (id, name, other) in store::places(conn)? {
        let Some(root) = rules::artifact_key(&other) else { continue };
        let Some(rest) = key.strip_prefix(&root).and_then(|rest| rest.strip_prefix('/')) else { continue };
        let folder = rest.split('/').next().unwrap_or_default();
        let owner = runs::key_of(conn, folder)?.map(|(_, experiment, _)| experiment);
        if rules::RESERVED_FOLDERS.contains(&folder) || owner == Some(id) {
            return Err(Error::invalid(format!(
                "'artifact_location' is inside what the experiment {name} keeps in its folder {folder}; choose another place."
            )));
        }
    }
    Ok(())
}

/// The experiment, deleted or not.
pub async fn experiment(app: &App, _auth: &View, id: i64) -> Result<Experiment> {
    app.db.read(move |conn| store::find(conn, id, Stage::All)?.ok_or_else(|| absent(id))).await
}

/// The experiment of that name, deleted or not.
pub async fn experiment_by_name(app: &App, auth: &View, name: String) -> Result<Experiment> {
    let (scope, project) = (auth.scope(), auth.project().to_owned());
    app.db
        .read(move |conn| {
            store::find_shown(conn, &scope, &project, &name)?
                .ok_or_else(|| Error::not_found(format!("Could not find experiment with name '{name}'")))
        })
        .await
}

/// A page of experiments and the offset of the next, if there is one.
pub async fn search_experiments(
    app: &App,
    auth: &View,
    stage: Stage,
    filter: &str,
    order_by: &[String],
    window: (i64, i64),
) -> Result<(Vec<Experiment>, Option<i64>)> {
    let conditions = search::parse(filter, &EXPERIMENTS)?;
    let order = search::parse_order_by(order_by, &EXPERIMENTS)?;
    let (offset, limit) = window;
    let scope = auth.scope();
    app.db
        .read(move |conn| {
            let window = Window { offset, limit: limit + 1 };
            let mut ids = found::experiments(conn, &scope, stage, &conditions, &order, window)?;
            let next = super::runs::cut(&mut ids, window);
            Ok((store::load(conn, &ids)?, next))
        })
        .await
}

/// Moves an experiment and its runs to the trash.
pub async fn delete_experiment(app: &App, auth: &Develop, id: i64) -> Result<()> {
    let who = auth.principal().clone();
    app.db
        .write(move |conn| {
            let known = store::find(conn, id, Stage::Active)?.ok_or_else(|| absent(id))?;
            let now = clock::now_ms();
            store::set_deleted(conn, id, Some(now), now)?;
            audit(conn, &who, "experiment.delete", &format!("experiment/{id}"), json!({"name": known.name}))
        })
        .await?;
    app.events.publish(Topic::Runs, None);
    Ok(())
}

/// Takes an experiment and its runs out of the trash.
pub async fn restore_experiment(app: &App, auth: &Develop, id: i64) -> Result<()> {
    let who = auth.principal().clone();
    app.db
        .write(move |conn| {
            let known = store::find(conn, id, Stage::Deleted)?.ok_or_else(|| absent(id))?;
            store::set_deleted(conn, id, None, clock::now_ms())?;
            audit(conn, &who, "experiment.restore", &format!("experiment/{id}"), json!({"name": known.name}))
        })
        .await?;
    app.events.publish(Topic::Runs, None);
    Ok(())
}

pub async fn rename_experiment(app: &App, auth: &Develop, id: i64, name: String) -> Result<()> {
    rules::experiment_name(&name)?;
    let who = auth.principal().clone();
    app.db
        .write(move |conn| {
            let known = store::find(conn, id, Stage::All)?.ok_or_else(|| absent(id))?;
            if known.deleted {
                return Err(Error::conflict("Cannot rename a non-active experiment."));
            }
            store::rename(conn, id, &name, clock::now_ms())?;
            let detail = json!({"before": known.name, "after": name});
            audit(conn, &who, "experiment.rename", &format!("experiment/{id}"), detail)
        })
        .await?;
    app.events.publish(Topic::Runs, None);
    Ok(())
}

pub async fn set_experiment_tag(app: &App, auth: &Develop, id: i64, key: String, value: String) -> Result<()> {
    rules::experiment_tag(&key, &value)?;
    let who = auth.principal().clone();
    app.db
        .write(move |conn| {
            active(conn, id)?;
            store::set_tag(conn, id, &key, &value)?;
            audit(conn, &who, "experiment.tag", &format!("experiment/{id}"), json!({"key": key}))
        })
        .await
}

pub async fn delete_experiment_tag(app: &App, auth: &Develop, id: i64, key: String) -> Result<()> {
    let who = auth.principal().clone();
    app.db
        .write(move |conn| {
            active(conn, id)?;
            if !store::delete_tag(conn, id, &key)? {
                return Err(Error::not_found(format!("No tag with name: {key} in experiment with id {id}")));
            }
            audit(conn, &who, "experiment.untag", &format!("experiment/{id}"), json!({"key": key}))
        })
        .await
}

/// For the dashboard: all that are not deleted, newest first, with the number of their runs.
pub(super) async fn list(app: &App, auth: &View) -> Result<Vec<(Experiment, i64)>> {
    let scope = auth.scope();
    app.db.read(move |conn| store::with_counts(conn, &scope)).await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_experiment_is_never_inside_what_anothers_run_keeps() {
        let mut conn = crate::db::testing::connection();
        crate::tracking::testing::run(&mut conn, "r1");
        for bad in [
            "mlflow-artifacts:/0/r1",
            "mlflow-artifacts:/0/r1/artifacts/x",
            "mlflow-artifacts://h/0/models/",
            "mlflow-artifacts:/0/traces/tr-1",
        ] {
            assert!(refuse_inside(&mut conn, Some(bad)).unwrap_err().message.contains("Default"), "{bad}");
        }
        for good in ["mlflow-artifacts:/0", "mlflow-artifacts:/0/r2", "mlflow-artifacts:/r1", "s3://b/0/r1"] {
            refuse_inside(&mut conn, Some(good)).unwrap();
        }
        refuse_inside(&mut conn, None).unwrap();
    }
}
