//! The box's side: takes things in, one write closure each, and knows what came before.

use drydock_wire::{
    events::Topic,
    import::{
        ForeignFile, ForeignLoggedModel, ForeignRun, ForeignState, ForeignTrace, ImportAnswer, ImportExperiment,
        ImportModel, ImportOutcome, ImportedExperiment, ImportedModel,
    },
};
use futures_util::future::join_all;
use serde_json::json;

use super::store;
use crate::{
    accounts::{
        Authorized, Principal, action, audit,
        projects::{self, Kind},
    },
    app::App,
    clock,
    db::Conn,
    error::{Error, Result},
    registry, traces,
    tracking::{self, ARTIFACT_BUCKET, Experiment, Outcome, Taken, rules},
};

type Launch = Authorized<action::Launch>;

/// Finds or makes the experiment that this one becomes here.
///
/// # Errors
/// `conflict` when even the name with the suffix belongs to another one.
pub async fn experiment(app: &App, auth: &Launch, wish: ImportExperiment) -> Result<ImportedExperiment> {
    let who = auth.principal().clone();
    let answer = app.db.write(move |conn| place(conn, &who, &wish)).await?;
    app.events.publish(Topic::Runs, None);
    Ok(answer)
}

fn place(conn: &mut Conn, who: &Principal, wish: &ImportExperiment) -> Result<ImportedExperiment> {
    let foreign = &wish.experiment;
    let key = ("experiment", foreign.id.as_str(), foreign.created_at);
    if let Some(name) = &wish.into {
        let (experiment, outcome) = match tracking::experiment_named(conn, &who.project, name)? {
            Some(known) => (known, ImportOutcome::Already),
            None => (make(conn, who, wish, name)?, ImportOutcome::Imported),
        };
        return placed(experiment, outcome);
    }
    if let Some(came) = store::find(conn, key)?
        && let Ok(id) = came.local_id.parse()
        && let Some(known) = tracking::experiment_of_id(conn, id)?
    {
        return placed(known, ImportOutcome::Already);
    }
    for name in [foreign.name.clone(), format!("{}{}", foreign.name, wish.suffix)] {
        match tracking::experiment_named(conn, &who.project, &name)? {
            None => {
                let made = make(conn, who, wish, &name)?;
                store::begin(conn, key, &made.id.to_string(), &wish.source, clock::now_ms(), &who.username)?;
                return placed(made, ImportOutcome::Imported);
            }
            // Made at that very time under that name: it is the same one, come back from an export say.
            Some(known) if known.created_at == foreign.created_at => return placed(known, ImportOutcome::Already),
            Some(_) => {}
        }
    }
    Err(Error::conflict(format!(
        "The box has other experiments named {0:?} and {0:?} with {1:?}; choose another suffix.",
        foreign.name, wish.suffix
    )))
}

fn make(conn: &mut Conn, who: &Principal, wish: &ImportExperiment, name: &str) -> Result<Experiment> {
    let made =
        tracking::import_experiment(conn, &who.project, &wish.experiment, name, (&wish.source, clock::now_ms()))?;
    let detail = json!({"name": name, "source": wish.source});
    audit(conn, who, "experiment.import", &format!("experiment/{}", made.id), detail)?;
    Ok(made)
}

fn placed(experiment: Experiment, outcome: ImportOutcome) -> Result<ImportedExperiment> {
    let artifact_root = rules::artifact_key(&experiment.artifact_location).ok_or_else(|| {
        Error::conflict(format!("The artifacts of {} are not kept by Drydock; import into another.", experiment.name))
    })?;
    Ok(ImportedExperiment { id: experiment.id.to_string(), name: experiment.name, artifact_root, outcome })
}

/// Which of these are wholly here, as they are there now.
pub async fn known(app: &App, _auth: &Launch, states: Vec<ForeignState>) -> Result<Vec<String>> {
    app.db
        .read(move |conn| {
            let mut found = Vec::new();
            for state in states {
                let came = store::find(conn, (&state.kind, &state.id, state.made_at))?;
                if came.is_some_and(|came| came.digest == state.digest) && is_here(conn, &state)? {
                    found.push(state.id);
                }
            }
            Ok(found)
        })
        .await
}

/// What was purged here since may come again.
fn is_here(conn: &mut Conn, state: &ForeignState) -> Result<bool> {
    match state.kind.as_str() {
        "run" => Ok(tracking::run_on_conn(conn, &state.id)?.is_some()),
        "trace" => traces::is_trace(conn, &state.id),
        _ => tracking::is_logged_model(conn, &state.id),
    }
}

/// Says that all of these, files included, is here.
pub async fn done(app: &App, _auth: &Launch, states: Vec<ForeignState>) -> Result<()> {
    app.db
        .write(move |conn| {
            states
                .iter()
                .try_for_each(|state| store::finish(conn, (&state.kind, &state.id, state.made_at), &state.digest))
        })
        .await?;
    app.events.publish(Topic::Runs, None);
    Ok(())
}

/// Takes runs in, each by itself: one that is refused leaves the others be.
pub async fn runs(app: &App, auth: &Launch, source: &str, runs: Vec<ForeignRun>) -> Vec<ImportAnswer> {
    let taken = runs.into_iter().map(|run| {
        let (who, source, id) = (auth.principal().clone(), source.to_owned(), run.id.clone());
        let write = app.db.write(move |conn| {
            projects::may(conn, &who, action::Launch, Kind::Experiment, &run.experiment_id)?;
            projects::see(conn, &who, Kind::Run, &run.id)?;
            let key = ("run", run.id.as_str(), run.started_at);
            let came = store::find(conn, key)?;
            let last = came.as_ref().map(store::Came::marks).transpose()?;
            let outcome = tracking::import_run(conn, &run, last.as_ref(), clock::now_ms())?;
            note(conn, &who, key, &source, (outcome, came))
        });
        async move { answer(id, write.await) }
    });
    join_all(taken).await
}

/// Takes logged models in, as `runs` does.
pub async fn logged_models(
    app: &App,
    auth: &Launch,
    source: &str,
    models: Vec<ForeignLoggedModel>,
) -> Vec<ImportAnswer> {
    let taken = models.into_iter().map(|model| {
        let (who, source, id) = (auth.principal().clone(), source.to_owned(), model.id.clone());
        let write = app.db.write(move |conn| {
            projects::may(conn, &who, action::Launch, Kind::Experiment, &model.experiment_id)?;
            projects::see(conn, &who, Kind::LoggedModel, &model.id)?;
            let key = ("logged_model", model.id.as_str(), model.created_at);
            let came = store::find(conn, key)?;
            let last = came.as_ref().map(store::Came::marks).transpose()?;
            let outcome = tracking::import_logged_model(conn, &model, last.as_ref(), clock::now_ms())?;
            note(conn, &who, key, &source, (outcome, came))
        });
        async move { answer(id, write.await) }
    });
    join_all(taken).await
}

/// Takes traces in, as `runs` does. Spans are read and packed before the write.
pub async fn traces(app: &App, auth: &Launch, source: &str, traces: Vec<ForeignTrace>) -> Result<Vec<ImportAnswer>> {
    let read = |trace: ForeignTrace| (trace.id.clone(), traces::Arriving::read(trace));
    let ready = tokio::task::spawn_blocking(move || traces.into_iter().map(read).collect::<Vec<_>>());
    let taken = ready.await.map_err(Error::internal)?.into_iter().map(|(id, ready)| {
        let (who, source) = (auth.principal().clone(), source.to_owned());
        async move {
            let ready = match ready {
                Ok(ready) => ready,
                Err(error) => return answer(id, Err(error)),
            };
            let write = app.db.write(move |conn| {
                projects::may(conn, &who, action::Launch, Kind::Experiment, &ready.experiment_id())?;
                projects::see(conn, &who, Kind::Trace, &ready.id)?;
                let key = ("trace", ready.id.as_str(), ready.started_at);
                let came = store::find(conn, key)?;
                let last = came.as_ref().map(store::Came::marks).transpose()?;
                let outcome = traces::import_trace(conn, &ready, last.as_ref())?;
                note(conn, &who, key, &source, (outcome, came))
            });
            answer(id, write.await)
        }
    });
    let answers = join_all(taken).await;
    app.events.publish(Topic::Traces, None);
    Ok(answers)
}

/// Remembers where a thing came from, once, and with which tags; how it ended, and how many tags were left alone.
fn note(
    conn: &mut Conn,
    who: &Principal,
    key: store::Foreign<'_>,
    source: &str,
    (Outcome { taken, left_alone, marks }, came): (Outcome, Option<store::Came>),
) -> Result<(ImportOutcome, u64)> {
    let outcome = match (taken, &came) {
        (Taken::New, _) => ImportOutcome::Imported,
        // It was broken off before it was whole.
        (Taken::Grown | Taken::Same, Some(came)) if came.digest.is_empty() => ImportOutcome::Imported,
        (Taken::Grown, Some(_)) => ImportOutcome::Updated,
        (Taken::Same, Some(_)) => ImportOutcome::Same,
        (Taken::Grown | Taken::Same, None) => return Ok((ImportOutcome::Already, 0)),
    };
    if came.is_none() || taken == Taken::New {
        store::begin(conn, key, key.1, source, clock::now_ms(), &who.username)?;
        audit(conn, who, &format!("{}.import", key.0), &format!("{}/{}", key.0, key.1), json!({"source": source}))?;
    }
    store::keep_marks(conn, key, &marks)?;
    Ok((outcome, left_alone))
}

fn answer(id: String, outcome: Result<(ImportOutcome, u64)>) -> ImportAnswer {
    match outcome {
        Ok((outcome, tags_left_alone)) => ImportAnswer { id, outcome: Some(outcome), refused: None, tags_left_alone },
        Err(error) => {
            error.log("");
            ImportAnswer { id, outcome: None, refused: Some(error.message), tags_left_alone: 0 }
        }
    }
}

/// Takes a registered model with its versions and aliases in.
pub async fn model(app: &App, auth: &Launch, wish: ImportModel) -> Result<ImportedModel> {
    let who = auth.principal().clone();
    let answer = app
        .db
        .write(move |conn| {
            let taken = registry::import_model(conn, &who, &wish.model, &wish.suffix)?;
            let outcome = match (taken.is_new, taken.versions + taken.aliases) {
                (true, _) => ImportOutcome::Imported,
                (false, 0) => ImportOutcome::Already,
                (false, _) => ImportOutcome::Updated,
            };
            if outcome != ImportOutcome::Already {
                let detail = json!({"source": wish.source, "versions": taken.versions, "aliases": taken.aliases});
                audit(conn, &who, "model.import", &format!("model/{}", taken.name), detail)?;
            }
            let (versions, aliases) = (taken.versions, taken.aliases);
            Ok(ImportedModel { name: taken.name, outcome, versions, aliases, refused: Vec::new() })
        })
        .await?;
    app.events.publish(Topic::Models, None);
    Ok(answer)
}

/// Which of these artifacts are on the box with that very content.
pub async fn files(app: &App, _auth: &Launch, files: Vec<ForeignFile>) -> Result<Vec<String>> {
    app.db
        .read(move |conn| {
            let mut found = Vec::new();
            for file in files {
                let object = crate::objects::store::get(conn, ARTIFACT_BUCKET, &file.key)?;
                if object.is_some_and(|object| object.digest == file.digest) {
                    found.push(file.key);
                }
            }
            Ok(found)
        })
        .await
}
