//! How runs come to be: by a person, a schedule, an event. Always holds: the same instant of a schedule and the same event make one run.

use std::collections::BTreeMap;

use drydock_wire::pipelines::{RunCause, RunState};
use serde_json::Value;

use super::{
    schema::Spec,
    store::{
        self, PipelineRow,
        runs::{self, RunRow, TaskRow},
    },
};
use crate::{
    clock,
    db::Conn,
    error::{Error, Result},
};

/// A run to be.
pub struct NewRun<'a> {
    /// Absent: the latest.
    pub version: Option<i64>,
    pub given: BTreeMap<String, Value>,
    pub cause: RunCause,
    pub dedupe: Option<String>,
    pub person_id: &'a str,
}

/// Makes the run; nothing when its cause has made one already.
///
/// # Errors
/// `invalid` for parameters that the pipeline has not, or that are missing.
pub fn start_on(conn: &mut Conn, pipeline: &PipelineRow, new: NewRun<'_>) -> Result<Option<RunRow>> {
    let version = new.version.unwrap_or(pipeline.last_version);
    let spec = store::version(conn, pipeline, version)?.spec()?;
    let parameters = parameters(&spec, new.given).map_err(Error::invalid)?;
    let mut pipeline = store::by_id(conn, &pipeline.id)?;
    let now = clock::now_ms();
    let row = RunRow {
        id: uuid::Uuid::now_v7().simple().to_string(),
        pipeline_id: pipeline.id.clone(),
        version,
        number: pipeline.last_run + 1,
        parameters: serde_json::to_string(&parameters).map_err(Error::internal)?,
        state: RunState::Waiting.as_str().into(),
        reason: None,
        cause: serde_json::to_string(&new.cause).map_err(Error::internal)?,
        dedupe: new.dedupe,
        person_id: new.person_id.to_owned(),
        created_at: now,
        started_at: None,
        ended_at: None,
    };
    if !runs::insert(conn, &row)? {
        return Ok(None);
    }
    pipeline.last_run = row.number;
    store::update(conn, &pipeline)?;
    for task in &spec.tasks {
        runs::insert_task(conn, &TaskRow::waiting(&row.id, &task.name, None, 1))?;
    }
    Ok(Some(row))
}

/// Defaults with what is given instead of them.
pub fn parameters(spec: &Spec, given: BTreeMap<String, Value>) -> std::result::Result<BTreeMap<String, Value>, String> {
    if let Some(name) = given.keys().find(|name| !spec.parameters.contains_key(*name)) {
        let known: Vec<&str> = spec.parameters.keys().map(String::as_str).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return Err(format!("{} has no parameter {name}; it has {known}.", spec.name));
    }
    let mut made = spec.parameters.clone();
    made.extend(given);
    match made.iter().find(|(_, value)| value.is_null()) {
        Some((name, _)) => Err(format!("The parameter {name} has no default; give it.")),
        None => Ok(made),
    }
}
