//! Taking in whole traces with the ids and times that they had elsewhere, for `transfers`. Within the caller's transaction.
//!
//! Always holds: a trace that is here and did not come from there stays as it is; nothing is shortened, summed up or guessed
//! anew; spans end up in the store, wherever they were.

use std::collections::HashMap;

use drydock_wire::{
    KeyValue,
    import::{ForeignAssessment, ForeignTrace},
};

use super::{
    Assessment, Fault, Kind, Pair, State, Trace, names, rules,
    span::Span,
    store::{self, chunks, traces as heads},
    translate,
    value::Value,
};
use crate::{
    db::Conn,
    error::{Error, Result},
    tracking::{
        self, Outcome, TagMarks, Taken, plan_tags,
        rules::{at_most, experiment_id, key_name},
    },
};

const MAX_KEY_CHARS: usize = 250;
const MAX_TEXT_BYTES: usize = 1 << 20;
/// Tags that say where the spans and files are there.
const PLACES: [&str; 4] = [
    names::ARTIFACT_LOCATION_TAG,
    names::SPANS_LOCATION_TAG,
    "mlflow.trace.archiveLocation",
    "mlflow.trace.archivalFailure",
];

/// A trace with all that can be worked out before the transaction.
#[derive(Debug)]
pub struct Arriving {
    pub id: String,
    pub started_at: i64,
    experiment: i64,
    duration_ms: Option<i64>,
    state: State,
    texts: [Option<String>; 3],
    tags: Vec<Pair>,
    metadata: Vec<Pair>,
    runs: Vec<String>,
    prompts: Vec<String>,
    assessments: Vec<Assessment>,
    spans: Vec<Span>,
    packed: Vec<chunks::Packed>,
}

impl Arriving {
    /// Of the experiment on the box that it goes into.
    pub fn experiment_id(&self) -> String {
        self.experiment.to_string()
    }

    /// # Errors
    /// `invalid` or `refused` for what no client could have logged.
    pub fn read(foreign: ForeignTrace) -> Result<Self> {
        rules::trace_id(&foreign.id)?;
        let state = State::parse(&foreign.state)
            .ok_or_else(|| Error::refused(format!("{:?} is no state of a trace.", foreign.state)))?;
        let mut spans = foreign.spans.iter().map(|text| span(text)).collect::<Result<Vec<_>>>()?;
        for span in &mut spans {
            translate::complete(span);
            span.flatten();
        }
        let mut tags = pairs(foreign.tags)?;
        tags.iter().try_for_each(|(key, _)| key_name(key, "key"))?;
        tags.retain(|(key, _)| !PLACES.contains(&key.as_str()));
        let id = foreign.id;
        Ok(Self {
            started_at: foreign.started_at,
            experiment: experiment_id(&foreign.experiment_id)?,
            duration_ms: foreign.duration_ms,
            state,
            texts: [foreign.client_request_id, foreign.request_preview, foreign.response_preview],
            tags,
            metadata: pairs(foreign.metadata)?,
            runs: foreign.runs,
            prompts: foreign.prompts,
            assessments: foreign.assessments.into_iter().map(|one| assessment(&id, one)).collect::<Result<_>>()?,
            packed: chunks::pack(&spans)?,
            spans,
            id,
        })
    }
}

fn pairs(all: Vec<KeyValue>) -> Result<Vec<Pair>> {
    all.into_iter()
        .map(|KeyValue { key, value }| {
            at_most("key", MAX_KEY_CHARS, &key)?;
            if value.len() > MAX_TEXT_BYTES {
                return Err(Error::refused(format!("The value of {key} is larger than 1 MiB.")));
            }
            Ok((key, value))
        })
        .collect()
}

fn span(text: &str) -> Result<Span> {
    let value = Value::parse(text).ok_or_else(|| Error::refused("One of its spans is no JSON."))?;
    Span::from_file(&value).ok_or_else(|| Error::refused("One of its spans has no id, name or start."))
}

fn assessment(trace: &str, foreign: ForeignAssessment) -> Result<Assessment> {
    let kind = Kind::parse(&foreign.kind)
        .ok_or_else(|| Error::refused(format!("{:?} is no kind of assessment.", foreign.kind)))?;
    let value = Value::parse(&foreign.value)
        .ok_or_else(|| Error::refused(format!("The value of the assessment {} is no JSON.", foreign.id)))?;
    at_most("assessment_name", MAX_KEY_CHARS, &foreign.name)?;
    at_most("assessment_id", MAX_KEY_CHARS, &foreign.id)?;
    Ok(Assessment {
        assessment_id: foreign.id,
        trace_id: trace.to_owned(),
        name: foreign.name,
        kind,
        value,
        error: foreign.error.map(|fault| Fault {
            error_code: fault.code,
            error_message: fault.message,
            stack_trace: fault.stack,
        }),
        source_type: foreign.source_type,
        source_id: foreign.source_id,
        span_id: foreign.span_id,
        rationale: foreign.rationale,
        metadata: pairs(foreign.metadata)?,
        overrides: foreign.overrides,
        valid: foreign.valid,
        created_at: foreign.created_at,
        updated_at: foreign.updated_at,
    })
}

/// Whether there is a trace of that id.
pub fn is_trace(conn: &mut Conn, id: &str) -> Result<bool> {
    Ok(heads::known(conn, id)?.is_some())
}

/// Takes a trace in, or adds to one that came before, with these tags as `last` has it; a tag that was edited here since stays.
///
/// # Errors
/// `conflict` when a trace of that id is here that did not come from there and began at another time.
pub fn import_trace(conn: &mut Conn, new: &Arriving, last: Option<&TagMarks>) -> Result<Outcome> {
    match (heads::known(conn, &new.id)?, last) {
        (None, _) => {
            let row = insert(conn, new)?;
            let plan = plan_tags(&[], &new.tags, &TagMarks::default());
            add(conn, row, new, &plan.set)?;
            Ok(Outcome { taken: Taken::New, left_alone: 0, marks: plan.marks })
        }
        (Some(known), Some(last)) => {
            let before = whole(conn, known.row)?;
            let here = before.0.first().map(|trace| trace.tags.clone()).unwrap_or_default();
            let plan = plan_tags(&here, &new.tags, last);
            add(conn, known.row, new, &plan.set)?;
            let taken = if whole(conn, known.row)? == before { Taken::Same } else { Taken::Grown };
            Ok(Outcome { taken, left_alone: plan.left_alone, marks: plan.marks })
        }
        (Some(known), None) if known.started_at == new.started_at => Ok(Outcome::untouched()),
        (Some(_), None) => {
            let text = format!("The box has another trace with the id {}; it was left as it is.", new.id);
            Err(Error::conflict(text))
        }
    }
}

/// All that is kept of a trace.
type All = (Vec<Trace>, Vec<Span>, Vec<String>, Vec<String>);

fn whole(conn: &mut Conn, row: i64) -> Result<All> {
    let linked = |mut found: HashMap<i64, Vec<String>>| found.remove(&row).unwrap_or_default();
    Ok((
        heads::load(conn, &[row])?,
        chunks::of_trace(conn, row)?,
        linked(heads::runs_of(conn, &[row])?),
        linked(heads::prompts_of(conn, &[row])?),
    ))
}

fn add(conn: &mut Conn, row: i64, new: &Arriving, tags: &[&Pair]) -> Result<()> {
    let [client_request_id, request_preview, response_preview] = new.texts.clone();
    let root = new.spans.iter().find(|span| span.parent.is_none());
    let changes = heads::Changes {
        duration_ms: Some(new.duration_ms),
        state: Some(new.state.as_str()),
        finalized: Some(new.state != State::InProgress),
        root_name: root.map(|root| root.name.clone()),
        client_request_id,
        request_preview,
        response_preview,
        ..heads::Changes::default()
    };
    heads::change(conn, row, &changes)?;
    tags.iter().try_for_each(|(key, value)| heads::set_tag(conn, row, key, value))?;
    new.metadata.iter().try_for_each(|(key, value)| heads::set_metadata(conn, row, key, value))?;
    new.runs.iter().try_for_each(|run| heads::link_run(conn, row, run))?;
    new.prompts.iter().try_for_each(|prompt| heads::link_prompt(conn, row, prompt))?;
    add_spans(conn, row, new)?;
    new.assessments.iter().try_for_each(|one| add_assessment(conn, row, one))
}

fn insert(conn: &mut Conn, new: &Arriving) -> Result<i64> {
    if tracking::experiment_of_id(conn, new.experiment)?.is_none() {
        return Err(Error::not_found(format!("No Experiment with id={} exists", new.experiment)));
    }
    let row = heads::NewRow {
        trace_id: &new.id,
        experiment_id: new.experiment,
        started_at: new.started_at,
        duration_ms: new.duration_ms,
        state: new.state,
        finalized: true,
    };
    heads::insert(conn, &row)
}

fn add_spans(conn: &mut Conn, row: i64, new: &Arriving) -> Result<()> {
    if new.spans.is_empty() {
        return Ok(());
    }
    let known = heads::known(conn, &new.id)?.ok_or_else(|| super::absent(&new.id))?;
    store::keep_spans(conn, &known, &new.spans, &new.packed)?;
    heads::set_tag(conn, row, names::SPANS_LOCATION_TAG, names::IN_STORE)
}

/// What somebody changed here since stays.
fn add_assessment(conn: &mut Conn, row: i64, new: &Assessment) -> Result<()> {
    match store::assessments::find(conn, row, &new.assessment_id)? {
        None => store::assessments::insert(conn, row, new),
        Some(old) if old.updated_at <= new.updated_at => store::assessments::update(conn, new),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::traces::{ingest::loaded, summary::tests::span as some_span};

    fn pair(key: &str, value: &str) -> KeyValue {
        KeyValue { key: key.into(), value: value.into() }
    }

    fn foreign() -> ForeignTrace {
        let file = |span: Span| span.file_value(&[7; 16]).to_json();
        ForeignTrace {
            id: "tr-07070707070707070707070707070707".into(),
            experiment_id: "0".into(),
            started_at: 1000,
            duration_ms: Some(5),
            state: "ERROR".into(),
            request_preview: Some("asked".into()),
            tags: vec![
                pair("mlflow.traceName", "mine"),
                pair("mlflow.artifactLocation", "/home/x"),
                pair("mlflow.trace.spansLocation", "ARCHIVE_REPO"),
            ],
            metadata: vec![pair(names::USAGE, r#"{"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}"#)],
            runs: vec!["r1".into()],
            assessments: vec![ForeignAssessment {
                id: "a-1".into(),
                name: "good".into(),
                kind: "feedback".into(),
                value: r#"{"z": 1, "a": [true]}"#.into(),
                error: None,
                source_type: "HUMAN".into(),
                source_id: Some("ann".into()),
                span_id: None,
                rationale: None,
                metadata: vec![],
                overrides: None,
                valid: false,
                created_at: 7,
                updated_at: 8,
            }],
            spans: vec![file(some_span(1, None, &[("text", r#""[1]""#)])), file(some_span(2, Some(1), &[]))],
            ..ForeignTrace::default()
        }
    }

    fn take(conn: &mut Conn, trace: ForeignTrace, came_before: bool) -> Result<Taken> {
        let came: Vec<Pair> = pairs(foreign().tags)?;
        let last = came_before.then(|| plan_tags(&[], &came, &TagMarks::default()).marks);
        Ok(import_trace(conn, &Arriving::read(trace)?, last.as_ref())?.taken)
    }

    fn kept(conn: &mut Conn) -> (Trace, Vec<Span>) {
        let row = heads::known(conn, &foreign().id).unwrap().unwrap().row;
        (loaded(conn, row, "").unwrap(), chunks::of_trace(conn, row).unwrap())
    }

    #[test]
    fn a_trace_comes_over_as_it_was_and_twice_changes_nothing() {
        let conn = &mut crate::db::testing::connection();
        assert_eq!(take(conn, foreign(), false).unwrap(), Taken::New);
        let (first, spans) = kept(conn);
        assert_eq!((first.state, first.started_at, first.duration_ms), (State::Error, 1000, Some(5)));
        assert_eq!((first.name.as_deref(), first.total_tokens, first.span_count), (Some("mine"), Some(2), 2));
        assert_eq!(
            first.tag(names::ARTIFACT_LOCATION_TAG),
            Some("mlflow-artifacts:/0/traces/tr-07070707070707070707070707070707/artifacts")
        );
        assert!(first.has_spans());
        // A text that looks like JSON stays a text.
        assert_eq!(spans[0].attribute("text"), Some(&Value::Text("[1]".into())));
        assert_eq!(first.assessments[0].value.to_json(), r#"{"z": 1, "a": [true]}"#);
        assert!(!first.assessments[0].valid);
        assert_eq!(heads::runs_of(conn, &[first.row]).unwrap()[&first.row], ["r1"]);
        assert_eq!(take(conn, foreign(), true).unwrap(), Taken::Same);
        assert_eq!(kept(conn), (first, spans));
        let mut more = foreign();
        more.tags.push(pair("new", "x"));
        assert_eq!(take(conn, more, true).unwrap(), Taken::Grown);
    }

    #[test]
    fn spans_come_in_parts_and_what_was_judged_here_since_stays() {
        let conn = &mut crate::db::testing::connection();
        let mut parts = [foreign(), foreign()];
        parts[0].spans.truncate(1);
        parts[1].spans.remove(0);
        let [one, two] = parts;
        take(conn, one, false).unwrap();
        let mut mine = kept(conn).0.assessments.remove(0);
        (mine.updated_at, mine.value) = (99, Value::Bool(true));
        store::assessments::update(conn, &mine).unwrap();
        take(conn, two, true).unwrap();
        let (trace, spans) = kept(conn);
        assert_eq!((trace.span_count, spans.len()), (2, 2));
        assert_eq!(trace.assessments[0].value, Value::Bool(true));
    }

    #[test]
    fn a_tag_that_was_edited_here_stays_when_its_trace_comes_again() {
        let conn = &mut crate::db::testing::connection();
        let first = import_trace(conn, &Arriving::read(foreign()).unwrap(), None).unwrap();
        let row = kept(conn).0.row;
        heads::set_tag(conn, row, names::NAME_TAG, "edited").unwrap();
        let again = import_trace(conn, &Arriving::read(foreign()).unwrap(), Some(&first.marks)).unwrap();
        assert_eq!((again.taken, again.left_alone), (Taken::Same, 1));
        assert_eq!(kept(conn).0.name.as_deref(), Some("edited"));
    }

    #[test]
    fn another_trace_of_that_id_is_left_as_it_is() {
        let conn = &mut crate::db::testing::connection();
        take(conn, foreign(), false).unwrap();
        let before = kept(conn);
        let mut same = foreign();
        same.tags.push(pair("new", "x"));
        assert_eq!(take(conn, same.clone(), false).unwrap(), Taken::Same);
        same.started_at += 1;
        assert_eq!(take(conn, same, false).unwrap_err().code, drydock_wire::ErrorCode::Conflict);
        assert_eq!(kept(conn), before);
    }

    #[test]
    fn what_no_client_could_have_logged_is_refused() {
        let bad = |change: fn(&mut ForeignTrace)| {
            let mut trace = foreign();
            change(&mut trace);
            assert!(Arriving::read(trace).is_err());
        };
        bad(|trace| trace.id = "../x".into());
        bad(|trace| trace.state = "FINE".into());
        bad(|trace| trace.spans = vec!["{}".into()]);
        bad(|trace| trace.tags[0].key = "a//../b".into());
        bad(|trace| trace.assessments[0].kind = "praise".into());
        bad(|trace| trace.metadata[0].value = "x".repeat(MAX_TEXT_BYTES + 1));
    }
}
