//! A run with its graph and rows, read together: what planning, starting a task and showing the run work on.

use std::sync::Arc;

use drydock_wire::pipelines::RunCause;
use serde_json::{Value, json};

use super::{
    rules::{
        clock,
        plan::{Place, Run},
        references::{self, Reference},
    },
    schema::{Spec, Task},
    store::{
        self, PipelineRow,
        runs::{self, RunRow, TaskRow},
    },
};
use crate::{
    db::Conn,
    error::{Error, Result},
};

/// All that is known of a run.
pub struct Loaded {
    pub pipeline: PipelineRow,
    pub spec: Arc<Spec>,
    pub row: RunRow,
    /// Every try, by task and item, the latest last.
    pub tries: Vec<TaskRow>,
    /// As the planner sees it; what running tasks started is not looked at.
    pub run: Run,
}

pub fn load(conn: &mut Conn, id: &str) -> Result<Loaded> {
    let row = runs::require(conn, id)?;
    let pipeline = store::by_id(conn, &row.pipeline_id)?;
    let spec = store::version(conn, &pipeline, row.version)?.spec()?;
    let tries = runs::tries(conn, id)?;
    let rows = runs::latest(&tries).iter().map(TaskRow::planned).collect::<Result<_>>()?;
    let run = Run {
        started_at: row.started_at.unwrap_or(row.created_at),
        parameters: serde_json::from_str(&row.parameters).map_err(Error::internal)?,
        about: about(&row)?,
        event: event(&row)?,
        rows,
    };
    Ok(Loaded { pipeline, spec, row, tries, run })
}

/// `${run.…}`: of a schedule's run the instant that it is about, else when it was made.
fn about(row: &RunRow) -> Result<Value> {
    let (zone, due_at) = match row.cause()? {
        RunCause::Schedule { zone, due_at, .. } => (zone, due_at),
        _ => ("UTC".to_owned(), row.created_at),
    };
    let written = clock::written(due_at, &zone);
    let date = written.get(..10).unwrap_or(&written).to_owned();
    Ok(json!({ "id": row.id, "number": row.number, "due_at": written, "due_date": date }))
}

/// `${event.…}`: the event's fields beside its subject.
fn event(row: &RunRow) -> Result<Value> {
    Ok(match row.cause()? {
        RunCause::Trigger { subject, detail, .. } => {
            let mut event = detail.as_object().cloned().unwrap_or_default();
            event.entry("subject").or_insert(Value::String(subject));
            Value::Object(event)
        }
        _ => json!({}),
    })
}

impl Loaded {
    /// The latest try of the place.
    pub fn at(&self, place: &Place) -> Option<&TaskRow> {
        self.tries.iter().rev().find(|row| row.place() == *place)
    }

    /// The task's body with a value for each reference.
    pub fn body(&self, task: &Task, item: &Value) -> std::result::Result<Value, String> {
        self.substituted(task, &|reference| self.run.meaning(reference, item))
    }

    /// The same, where what earlier tasks made stands for its content.
    pub fn body_by_content(&self, task: &Task, item: &Value) -> std::result::Result<Value, String> {
        self.substituted(task, &|reference| match reference {
            Reference::Output { task, path } => {
                let outputs = self.run.whole(task).filter(|row| row.state.is_good()).map(|row| &row.outputs);
                let outputs = outputs.map(super::rules::cache::by_content).unwrap_or_default();
                Ok(references::at(&outputs, path).clone())
            }
            // Another run of the same work is the same work.
            Reference::Run(field) if field == "id" || field == "number" => Ok(json!("run")),
            other => self.run.meaning(other, item),
        })
    }

    fn substituted(
        &self,
        task: &Task,
        scope: &dyn Fn(&Reference) -> std::result::Result<Value, String>,
    ) -> std::result::Result<Value, String> {
        references::substitute(&task.body, task.item_name(), scope)
    }
}
