//! Events: each is taken once, and starts a run for every trigger that waits for it.

use std::collections::BTreeMap;

use drydock_wire::pipelines::{RunCause, TriggerKind};
use serde_json::{Map, Value};

use super::{
    super::{
        rules::references::{self, Reference},
        starting::{self, NewRun},
        store::{
            self,
            starts::{self, EventRow, TriggerRow},
        },
    },
    Runner,
};
use crate::{
    accounts::limits::{self, Asked},
    clock::now_ms,
    db::Conn,
    error::{Error, Result},
};

/// Events that were taken are kept so long, to be looked into.
const KEPT_MS: i64 = 30 * 86_400_000;

impl Runner {
    pub(super) async fn take_events(&self) -> Result<()> {
        let new = self.app.db.read(starts::new_events).await?;
        let any = !new.is_empty();
        for event in new {
            let made = self.write(move |conn| take(conn, &event)).await?;
            made.iter().for_each(|run| self.publish(run));
        }
        if any {
            self.app.db.write(|conn| starts::forget_events(conn, now_ms() - KEPT_MS)).await?;
        }
        Ok(())
    }
}

/// Ids of the runs that were made.
fn take(conn: &mut Conn, event: &EventRow) -> Result<Vec<String>> {
    if !starts::take_event(conn, event.id, now_ms())? {
        return Ok(vec![]);
    }
    let detail: Value = serde_json::from_str(&event.detail).map_err(Error::internal)?;
    let triggers = match &event.trigger_id {
        Some(id) => starts::trigger(conn, id)?.into_iter().collect(),
        None => starts::listening(conn, &event.kind, &event.subject)?,
    };
    let mut made = vec![];
    for trigger in triggers.iter().filter(|trigger| fits(trigger, &detail)) {
        let pipeline = store::by_id(conn, &trigger.pipeline_id)?;
        if pipeline.paused {
            continue;
        }
        let kind = trigger.kind()?;
        let new = NewRun {
            version: None,
            given: given(trigger, kind, &event.subject, &detail)?,
            cause: RunCause::Trigger { kind, subject: event.subject.clone(), detail: detail.clone() },
            dedupe: Some(format!("{}/{}", trigger.id, event.id)),
            person_id: &trigger.person_id,
        };
        match starting::start_on(conn, &pipeline, new) {
            Ok(Some(run)) => {
                limits::hand_on(conn, (Asked::Trigger, &trigger.id), (Asked::PipelineRun, &run.id))?;
                made.push(run.id);
            }
            Ok(None) => {}
            Err(error) if error.code.http_status() < 500 => {
                tracing::warn!(pipeline.name = pipeline.name, "a trigger of {} starts nothing: {error}", pipeline.name);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(made)
}

fn fits(trigger: &TriggerRow, detail: &Value) -> bool {
    trigger.state().is_none_or(|state| detail["state"].as_str() == Some(state.as_str()))
}

/// The trigger's parameters, `${event.…}` in them replaced; of a webhook also those that its body names.
fn given(trigger: &TriggerRow, kind: TriggerKind, subject: &str, detail: &Value) -> Result<BTreeMap<String, Value>> {
    let mut event = detail.as_object().cloned().unwrap_or_default();
    event.entry("subject").or_insert_with(|| subject.into());
    let event = Value::Object(event);
    let parameters: Value = serde_json::from_str(&trigger.parameters).map_err(Error::internal)?;
    let scope = |reference: &Reference| match reference {
        Reference::Event(path) => Ok(references::at(&event, path).clone()),
        other => Err(format!("${{{other}}} means nothing in a trigger.")),
    };
    let made = references::substitute(&parameters, None, &scope).map_err(Error::invalid)?;
    let mut made: BTreeMap<String, Value> = serde_json::from_value(made).map_err(Error::internal)?;
    if kind == TriggerKind::Webhook {
        made.extend(detail["parameters"].as_object().cloned().unwrap_or_else(Map::new));
    }
    Ok(made)
}
