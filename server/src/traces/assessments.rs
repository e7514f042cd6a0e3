//! What people, judges and programs say about traces.

use drydock_wire::events::Topic;
use serde_json::json;
use uuid::Uuid;

use super::{
    Assessment, Fault, Kind, Pair, absent, rules,
    store::{assessments as store, traces as heads},
    value::Value,
};
use crate::{
    accounts::{Authorized, action, audit},
    app::App,
    clock,
    error::{Error, Result},
    tracking::rules::at_most,
};

type Develop = Authorized<action::Develop>;
type View = Authorized<action::View>;

const MAX_NAME_CHARS: usize = 250;
const MAX_ID_CHARS: usize = 50;

/// An assessment before it has an id.
#[derive(Debug, Clone)]
pub struct NewAssessment {
    /// Absent: the server makes one.
    pub assessment_id: Option<String>,
    pub name: String,
    pub kind: Kind,
    pub value: Value,
    pub error: Option<Fault>,
    pub source: (String, Option<String>),
    pub span_id: Option<String>,
    pub rationale: Option<String>,
    pub metadata: Vec<Pair>,
    pub overrides: Option<String>,
    pub valid: bool,
    pub created_at: Option<i64>,
    pub updated_at: Option<i64>,
}

impl NewAssessment {
    /// Of that trace, with an id and times.
    ///
    /// # Errors
    /// `invalid` for names and ids that are too long.
    pub fn of(self, trace_id: &str) -> Result<Assessment> {
        at_most("assessment_name", MAX_NAME_CHARS, &self.name)?;
        at_most("assessment_id", MAX_ID_CHARS, self.assessment_id.as_deref().unwrap_or_default())?;
        let now = clock::now_ms();
        Ok(Assessment {
            assessment_id: self.assessment_id.unwrap_or_else(|| format!("a-{}", Uuid::new_v4().simple())),
            trace_id: trace_id.to_owned(),
            name: self.name,
            kind: self.kind,
            value: self.value,
            error: self.error,
            source_type: self.source.0,
            source_id: self.source.1,
            span_id: self.span_id,
            rationale: self.rationale,
            metadata: self.metadata.into_iter().map(|(key, value)| rules::metadata(key, value)).collect(),
            overrides: self.overrides,
            valid: self.valid,
            created_at: self.created_at.unwrap_or(now),
            updated_at: self.updated_at.unwrap_or(now),
        })
    }
}

/// Keeps the assessment. One that it overrides counts no more.
pub async fn create_assessment(app: &App, _auth: &Develop, trace_id: String, new: NewAssessment) -> Result<Assessment> {
    let assessment = new.of(&trace_id)?;
    let (kept, published) = (assessment.clone(), trace_id.clone());
    app.db
        .write(move |conn| {
            let known = heads::known(conn, &trace_id)?.ok_or_else(|| absent(&trace_id))?;
            if let Some(overridden) = &kept.overrides
                && !store::set_valid(conn, known.row, overridden, false)?
            {
                return Err(Error::not_found(format!(
                    "Assessment with ID '{overridden}' not found for trace '{trace_id}'"
                )));
            }
            store::insert(conn, known.row, &kept)
        })
        .await?;
    app.events.publish(Topic::Traces, Some(&published));
    Ok(assessment)
}

pub async fn assessment(app: &App, _auth: &View, trace_id: String, id: String) -> Result<Assessment> {
    app.db.read(move |conn| known(conn, &trace_id, &id)).await
}

fn known(conn: &mut crate::db::Conn, trace_id: &str, id: &str) -> Result<Assessment> {
    let trace = heads::known(conn, trace_id)?
        .ok_or_else(|| Error::not_found(format!("Trace with request_id '{trace_id}' not found")))?;
    store::find(conn, trace.row, id)?
        .ok_or_else(|| Error::not_found(format!("Assessment with ID '{id}' not found for trace '{trace_id}'")))
}

/// What of an assessment changes.
#[derive(Debug, Clone, Default)]
pub struct Change {
    pub name: Option<String>,
    pub feedback: Option<(Value, Option<Fault>)>,
    pub expectation: Option<Value>,
    pub rationale: Option<String>,
    /// Merged into what there is.
    pub metadata: Vec<Pair>,
    pub valid: Option<bool>,
}

impl Change {
    fn apply(self, to: &mut Assessment) -> Result<()> {
        match (self.feedback, self.expectation, to.kind) {
            (Some(_), Some(_), _) => {
                return Err(Error::invalid("Cannot specify both `expectation` and `feedback` parameters."));
            }
            (None, Some(_), kind) if kind != Kind::Expectation => {
                return Err(Error::invalid("Cannot update expectation value on a Feedback assessment."));
            }
            (Some(_), None, kind) if kind != Kind::Feedback => {
                return Err(Error::invalid("Cannot update feedback value on an Expectation assessment."));
            }
            (Some((value, error)), None, _) => (to.value, to.error) = (value, error),
            (None, Some(value), _) => to.value = value,
            (None, None, _) => {}
        }
        if let Some(name) = self.name {
            at_most("assessment_name", MAX_NAME_CHARS, &name)?;
            to.name = name;
        }
        for (key, value) in self.metadata {
            let (key, value) = rules::metadata(key, value);
            to.metadata.retain(|(old, _)| *old != key);
            to.metadata.push((key, value));
        }
        to.rationale = self.rationale.or(to.rationale.take());
        to.valid = self.valid.unwrap_or(to.valid);
        Ok(())
    }
}

pub async fn update_assessment(
    app: &App,
    _auth: &Develop,
    trace_id: String,
    id: String,
    change: Change,
) -> Result<Assessment> {
    let published = trace_id.clone();
    let changed = app
        .db
        .write(move |conn| {
            let mut assessment = known(conn, &trace_id, &id)?;
            change.apply(&mut assessment)?;
            assessment.updated_at = clock::now_ms();
            store::update(conn, &assessment)?;
            Ok(assessment)
        })
        .await?;
    app.events.publish(Topic::Traces, Some(&published));
    Ok(changed)
}

/// Removes the assessment, if it is there; one that it had overridden counts again.
pub async fn delete_assessment(app: &App, auth: &Develop, trace_id: String, id: String) -> Result<()> {
    let (who, published) = (auth.principal().clone(), trace_id.clone());
    app.db
        .write(move |conn| {
            let trace = heads::known(conn, &trace_id)?;
            let Some((row, old)) = trace
                .map(|trace| Ok::<_, Error>(store::find(conn, trace.row, &id)?.map(|old| (trace.row, old))))
                .transpose()?
                .flatten()
            else {
                return Ok(());
            };
            store::delete(conn, &id)?;
            if let Some(overridden) = &old.overrides {
                store::set_valid(conn, row, overridden, true)?;
            }
            let detail = json!({"id": id, "name": old.name, "kind": old.kind.as_str()});
            audit(conn, &who, "assessment.delete", &format!("trace/{trace_id}"), detail)
        })
        .await?;
    app.events.publish(Topic::Traces, Some(&published));
    Ok(())
}
