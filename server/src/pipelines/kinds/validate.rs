//! `validate`: a version of a dataset against its declared rules. Reading may take minutes, so it goes on beside the runner (`Checks`);
//! its report is written with the task's row. A server that starts again reads again: nothing is lost by it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use drydock_wire::ErrorCode;
use serde_json::{Value, json};

use super::{
    super::{rules::plan::Seen, schema::bodies::Validate, store::runs::TaskRow},
    Outcome, read,
};
use crate::{
    accounts::{
        Principal, action,
        projects::{self, Kind},
    },
    app::App,
    background::Waker,
    datasets,
    db::Conn,
    error::Result,
};

/// Finds the version; a tag may move while it is read.
pub fn start(conn: &mut Conn, who: &Principal, body: &Value) -> Result<Outcome> {
    let (name, version) = resolve(conn, body)?;
    projects::may(conn, who, action::Develop, Kind::Dataset, &name)?;
    Ok(Outcome::Runs { subject: format!("dataset/{name}/{version}") })
}

pub fn resolve(conn: &mut Conn, body: &Value) -> Result<(String, i64)> {
    let wish: Validate = read(body)?;
    datasets::resolve(conn, &format!("{}@{}", wish.dataset, wish.version), None)
}

/// What the result follows from: content and rules.
pub fn inputs(conn: &mut Conn, body: &Value) -> Result<Value> {
    let (name, version) = resolve(conn, body)?;
    let (digest, rules) = datasets::fingerprint(conn, &name, version)?;
    Ok(json!({ "digest": digest, "rules": rules }))
}

/// Whether the version is still there with that content.
pub fn still_there(conn: &mut Conn, outputs: &Value) -> Result<bool> {
    let (Some(name), Some(version)) = (outputs["dataset"].as_str(), outputs["version"].as_i64()) else {
        return Ok(false);
    };
    match datasets::fingerprint(conn, name, version) {
        Ok((digest, _)) => Ok(outputs["digest"] == json!(digest)),
        Err(error) if error.code == ErrorCode::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Run, task, item, try.
type Key = (String, String, i64, i64);

#[derive(Debug, Clone)]
enum Check {
    Going,
    Ended(std::result::Result<Box<datasets::Examined>, String>),
}

/// Versions that are being read now, and what came of them until it is written.
#[derive(Clone, Default)]
pub struct Checks(Arc<Mutex<BTreeMap<Key, Check>>>);

fn key(row: &TaskRow) -> Key {
    (row.run_id.clone(), row.task.clone(), row.item, row.number)
}

impl Checks {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Key, Check>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the reading is getting on; begins it if nobody does.
    pub fn look(&self, app: &App, row: &TaskRow, waker: &Waker) -> Seen {
        let known = self.lock().get(&key(row)).cloned();
        match known {
            Some(Check::Going) => Seen::Going(None),
            Some(Check::Ended(Err(words))) => Seen::Failed(words),
            Some(Check::Ended(Ok(found))) => verdict(&found),
            None => {
                self.begin(app, row, waker);
                Seen::Going(None)
            }
        }
    }

    /// The report, to be kept with the row.
    pub fn report(&self, row: &TaskRow) -> Option<datasets::Examined> {
        match self.lock().get(&key(row)) {
            Some(Check::Ended(Ok(found))) => Some(found.as_ref().clone()),
            _ => None,
        }
    }

    /// Forgets what came of runs that do not go any more.
    pub fn keep_only(&self, runs: &[String]) {
        self.lock().retain(|(run, ..), check| matches!(check, Check::Going) || runs.contains(run));
    }

    pub fn forget(&self, row: &TaskRow) {
        self.lock().remove(&key(row));
    }

    fn begin(&self, app: &App, row: &TaskRow, waker: &Waker) {
        let subject = row.subject.clone().unwrap_or_default();
        let mut parts = subject.split('/').skip(1);
        let (Some(name), Some(version)) = (parts.next(), parts.next()) else { return };
        let (name, version) = (name.to_owned(), version.to_owned());
        self.lock().insert(key(row), Check::Going);
        let (checks, app, key, waker) = (self.clone(), app.clone(), key(row), waker.clone());
        tokio::spawn(async move {
            let ended = match datasets::examine(&app, &name, &version).await {
                Ok(found) => Some(Check::Ended(Ok(Box::new(found)))),
                Err(error) if error.code.http_status() < 500 => Some(Check::Ended(Err(error.message))),
                // Profiling goes on, a disk is full: the next pass tries again.
                Err(error) => {
                    tracing::info!(dataset.name = name, "{name} version {version} is checked later: {error}");
                    None
                }
            };
            match ended {
                Some(check) => drop(checks.lock().insert(key, check)),
                None => drop(checks.lock().remove(&key)),
            }
            waker.wake();
        });
    }
}

fn verdict(found: &datasets::Examined) -> Seen {
    let report = &found.report;
    if let Some(broken) = report.results.iter().find(|result| !result.passed) {
        let failed = report.results.iter().filter(|result| !result.passed).count();
        return Seen::Failed(format!(
            "{} version {}: {failed} of {} rules are broken; {}: {}",
            found.dataset,
            found.version,
            report.results.len(),
            broken.file,
            broken.message
        ));
    }
    Seen::Done(json!({
        "dataset": found.dataset, "version": found.version, "digest": found.digest, "rules": report.results.len(),
        "content": found.digest,
    }))
}
