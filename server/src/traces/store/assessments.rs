//! Rows of assessments.

use std::collections::HashMap;

use diesel::prelude::*;

use crate::{
    db::{
        Conn,
        schema::traces::{assessments, traces},
    },
    error::{Error, Result},
    traces::{Assessment, Kind, Pair, value::Value},
};

/// Inserts the assessment.
///
/// # Errors
/// `exists` when the id is taken.
pub fn insert(conn: &mut Conn, trace: i64, new: &Assessment) -> Result<()> {
    diesel::insert_into(assessments::table)
        .values((
            (
                assessments::assessment_id.eq(&new.assessment_id),
                assessments::trace.eq(trace),
                assessments::name.eq(&new.name),
                assessments::kind.eq(new.kind.as_str()),
                assessments::value.eq(new.value.to_json()),
                assessments::error.eq(error_json(new)?),
            ),
            (
                assessments::source_type.eq(&new.source_type),
                assessments::source_id.eq(&new.source_id),
                assessments::span_id.eq(&new.span_id),
                assessments::rationale.eq(&new.rationale),
                assessments::metadata.eq(metadata_json(new)?),
                assessments::overrides.eq(&new.overrides),
                assessments::valid.eq(new.valid),
                assessments::created_at.eq(new.created_at),
                assessments::updated_at.eq(new.updated_at),
            ),
        ))
        .execute(conn)
        .map(drop)
        .map_err(|source| match source {
            diesel::result::Error::DatabaseError(diesel::result::DatabaseErrorKind::UniqueViolation, _) => {
                Error::exists(format!("There is an assessment with the ID '{}' already.", new.assessment_id))
            }
            source => Error::internal(source),
        })
}

/// Writes what of an assessment may change. One of another trace is not found.
pub fn update_of(conn: &mut Conn, trace: i64, changed: &Assessment) -> Result<()> {
    let mine = assessments::table
        .filter(assessments::assessment_id.eq(&changed.assessment_id))
        .filter(assessments::trace.eq(trace));
    let found = mine.count().get_result::<i64>(conn).map_err(Error::internal)?;
    if found == 0 {
        return Err(Error::not_found(format!("This trace has no assessment with the ID '{}'.", changed.assessment_id)));
    }
    update(conn, changed)
}

/// Writes what of an assessment may change.
pub fn update(conn: &mut Conn, changed: &Assessment) -> Result<()> {
    diesel::update(assessments::table.filter(assessments::assessment_id.eq(&changed.assessment_id)))
        .set((
            assessments::name.eq(&changed.name),
            assessments::value.eq(changed.value.to_json()),
            assessments::error.eq(error_json(changed)?),
            assessments::rationale.eq(&changed.rationale),
            assessments::metadata.eq(metadata_json(changed)?),
            assessments::valid.eq(changed.valid),
            assessments::updated_at.eq(changed.updated_at),
        ))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

fn error_json(of: &Assessment) -> Result<Option<String>> {
    of.error.as_ref().map(serde_json::to_string).transpose().map_err(Error::internal)
}

fn metadata_json(of: &Assessment) -> Result<Option<String>> {
    (!of.metadata.is_empty()).then(|| serde_json::to_string(&of.metadata)).transpose().map_err(Error::internal)
}

/// Says whether an assessment of the trace counts; whether there is one of that id.
pub fn set_valid(conn: &mut Conn, trace: i64, assessment_id: &str, valid: bool) -> Result<bool> {
    let of_trace = assessments::table.filter(assessments::trace.eq(trace));
    diesel::update(of_trace.filter(assessments::assessment_id.eq(assessment_id)))
        .set(assessments::valid.eq(valid))
        .execute(conn)
        .map(|count| count > 0)
        .map_err(Error::internal)
}

/// Removes the assessment.
pub fn delete(conn: &mut Conn, assessment_id: &str) -> Result<()> {
    diesel::delete(assessments::table.filter(assessments::assessment_id.eq(assessment_id)))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// The assessment of that trace.
pub fn find(conn: &mut Conn, trace: i64, assessment_id: &str) -> Result<Option<Assessment>> {
    let row: Option<Row> = rows()
        .filter(assessments::trace.eq(trace))
        .filter(assessments::assessment_id.eq(assessment_id))
        .first(conn)
        .optional()
        .map_err(Error::internal)?;
    Ok(row.map(|row| row.read().1))
}

/// Assessments by trace, in the order they were made.
pub fn of_traces(conn: &mut Conn, traces: &[i64]) -> Result<HashMap<i64, Vec<Assessment>>> {
    let found: Vec<Row> = rows()
        .filter(assessments::trace.eq_any(traces))
        .order((assessments::trace, assessments::id))
        .load(conn)
        .map_err(Error::internal)?;
    let mut groups: HashMap<i64, Vec<Assessment>> = HashMap::new();
    for (trace, assessment) in found.into_iter().map(Row::read) {
        groups.entry(trace).or_default().push(assessment);
    }
    Ok(groups)
}

#[diesel::dsl::auto_type(no_type_alias)]
fn rows() -> _ {
    assessments::table.inner_join(traces::table).select((
        assessments::trace,
        traces::trace_id,
        assessments::assessment_id,
        assessments::name,
        assessments::kind,
        assessments::value,
        assessments::error,
        assessments::source_type,
        assessments::source_id,
        assessments::span_id,
        assessments::rationale,
        assessments::metadata,
        assessments::overrides,
        assessments::valid,
        assessments::created_at,
        assessments::updated_at,
    ))
}

#[derive(Queryable)]
struct Row {
    trace: i64,
    trace_id: String,
    assessment_id: String,
    name: String,
    kind: String,
    value: String,
    error: Option<String>,
    source_type: String,
    source_id: Option<String>,
    span_id: Option<String>,
    rationale: Option<String>,
    metadata: Option<String>,
    overrides: Option<String>,
    valid: bool,
    created_at: i64,
    updated_at: i64,
}

impl Row {
    fn read(self) -> (i64, Assessment) {
        let metadata: Vec<Pair> = self.metadata.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default();
        let assessment = Assessment {
            assessment_id: self.assessment_id,
            trace_id: self.trace_id,
            name: self.name,
            kind: Kind::parse(&self.kind).unwrap_or(Kind::Feedback),
            value: Value::parse(&self.value).unwrap_or(Value::Null),
            error: self.error.and_then(|json| serde_json::from_str(&json).ok()),
            source_type: self.source_type,
            source_id: self.source_id,
            span_id: self.span_id,
            rationale: self.rationale,
            metadata,
            overrides: self.overrides,
            valid: self.valid,
            created_at: self.created_at,
            updated_at: self.updated_at,
        };
        (self.trace, assessment)
    }
}
