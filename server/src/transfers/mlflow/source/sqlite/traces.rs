//! Traces. Since 3.6 spans are rows, before that a file among the trace's artifacts; since 3.17 some metadata are columns.

use std::collections::{HashMap, HashSet};

use diesel::{QueryableByName, RunQueryDsl, SqliteConnection, sql_query, sql_types::*};
use drydock_wire::{
    KeyValue,
    import::{ForeignAssessment, ForeignFault, ForeignTrace},
};
use serde::Deserialize;
use serde_json::json;

use super::{
    super::{
        Batch, Unread, Whole,
        trace_info::{self, LOCATION_TAG, SPANS_FILE},
    },
    Name, Sqlite, broken,
};
use crate::{
    error::{Error, Result},
    traces::names,
};

#[derive(QueryableByName)]
struct Head {
    #[diesel(sql_type = BigInt)]
    started_at: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    duration_ms: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    state: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    client_request_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    request_preview: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    response_preview: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    trace_name: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    session_id: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    input_tokens: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    output_tokens: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    total_tokens: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    cache_read_input_tokens: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    cache_creation_input_tokens: Option<i64>,
    #[diesel(sql_type = Nullable<Double>)]
    input_cost: Option<f64>,
    #[diesel(sql_type = Nullable<Double>)]
    output_cost: Option<f64>,
    #[diesel(sql_type = Nullable<Double>)]
    total_cost: Option<f64>,
}

/// Columns that not every release has.
const LATER: [&str; 13] = [
    "client_request_id",
    "request_preview",
    "response_preview",
    "trace_name",
    "session_id",
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "input_cost",
    "output_cost",
    "total_cost",
];

impl Head {
    /// What other releases keep as metadata.
    fn metadata(&self) -> Vec<(&'static str, String)> {
        let tokens = [
            ("input_tokens", self.input_tokens),
            ("output_tokens", self.output_tokens),
            ("total_tokens", self.total_tokens),
            ("cache_read_input_tokens", self.cache_read_input_tokens),
            ("cache_creation_input_tokens", self.cache_creation_input_tokens),
        ];
        let costs =
            [("input_cost", self.input_cost), ("output_cost", self.output_cost), ("total_cost", self.total_cost)];
        let mut found = Vec::new();
        found.extend(self.session_id.clone().map(|id| (names::SESSION, id)));
        found.extend(object(&tokens).map(|text| (names::USAGE, text)));
        found.extend(object(&costs).map(|text| (names::COST, text)));
        found
    }
}

/// JSON of what is there, as Python writes it.
fn object<T: serde::Serialize>(pairs: &[(&str, Option<T>)]) -> Option<String> {
    let there = pairs.iter().filter_map(|(key, value)| Some(format!("{}: {}", json!(key), json!(value.as_ref()?))));
    let there: Vec<String> = there.collect();
    (!there.is_empty()).then(|| format!("{{{}}}", there.join(", ")))
}

#[derive(QueryableByName)]
struct AssessmentRow {
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Text)]
    value: String,
    #[diesel(sql_type = Nullable<Text>)]
    error: Option<String>,
    #[diesel(sql_type = BigInt)]
    created_at: i64,
    #[diesel(sql_type = BigInt)]
    updated_at: i64,
    #[diesel(sql_type = Text)]
    source_type: String,
    #[diesel(sql_type = Nullable<Text>)]
    source_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    span_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    rationale: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    overrides: Option<String>,
    #[diesel(sql_type = Bool)]
    valid: bool,
    #[diesel(sql_type = Nullable<Text>)]
    metadata: Option<String>,
}

impl AssessmentRow {
    fn assessment(self) -> std::result::Result<ForeignAssessment, Unread> {
        #[derive(Deserialize)]
        struct Fault {
            error_code: String,
            error_message: Option<String>,
            stack_trace: Option<String>,
        }
        let unread = |why: serde_json::Error| Unread::new(format!("assessment {}", self.id), why);
        let fault: Option<Fault> = self.error.as_deref().map(serde_json::from_str).transpose().map_err(unread)?;
        let metadata: Option<HashMap<String, serde_json::Value>> =
            self.metadata.as_deref().map(serde_json::from_str).transpose().map_err(unread)?;
        let mut metadata: Vec<KeyValue> = metadata
            .unwrap_or_default()
            .into_iter()
            .map(|(key, value)| KeyValue {
                key,
                value: value.as_str().map_or_else(|| value.to_string(), str::to_owned),
            })
            .collect();
        metadata.sort_by(|a, b| a.key.cmp(&b.key));
        let value = if self.kind == "issue" { issue(&self.value).map_err(unread)? } else { self.value };
        Ok(ForeignAssessment {
            id: self.id,
            name: self.name,
            kind: self.kind,
            value,
            error: fault.map(|fault| ForeignFault {
                code: fault.error_code,
                message: fault.error_message,
                stack: fault.stack_trace,
            }),
            source_type: self.source_type,
            source_id: self.source_id,
            span_id: self.span_id,
            rationale: self.rationale,
            metadata,
            overrides: self.overrides,
            valid: self.valid,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

/// The name within an issue's value.
fn issue(value: &str) -> serde_json::Result<String> {
    let value: serde_json::Value = serde_json::from_str(value)?;
    Ok(value.get("issue_name").unwrap_or(&value).to_string())
}

#[derive(QueryableByName)]
struct SpanRow {
    #[diesel(sql_type = Text)]
    content: String,
}

#[derive(QueryableByName)]
struct LinkRow {
    #[diesel(sql_type = Text)]
    trace: String,
    #[diesel(sql_type = Text)]
    run: String,
}

impl Sqlite {
    pub fn trace_ids(&self, experiment: &str) -> Result<Vec<String>> {
        if !self.has("trace_info") {
            return Ok(Vec::new());
        }
        let rows: Vec<Name> = sql_query(
            "SELECT request_id AS name FROM trace_info WHERE experiment_id = CAST(? AS INTEGER)
             ORDER BY timestamp_ms, request_id",
        )
        .bind::<Text, _>(experiment)
        .load(&mut self.conn()?)
        .map_err(broken)?;
        Ok(rows.into_iter().map(|row| row.name).collect())
    }

    /// Runs that traces were linked to, by trace; the one that a trace was made in is among its metadata.
    pub fn trace_runs(&self, experiment: &str) -> Result<HashMap<String, Vec<String>>> {
        let mut found: HashMap<String, Vec<String>> = HashMap::new();
        if !self.has("entity_associations") {
            return Ok(found);
        }
        let rows: Vec<LinkRow> = sql_query(
            "SELECT a.source_id AS trace, a.destination_id AS run FROM entity_associations a
             JOIN trace_info t ON t.request_id = a.source_id
             WHERE a.source_type = 'trace' AND a.destination_type = 'run' AND t.experiment_id = CAST(? AS INTEGER)
             ORDER BY 1, 2",
        )
        .bind::<Text, _>(experiment)
        .load(&mut self.conn()?)
        .map_err(broken)?;
        for row in rows {
            found.entry(row.trace).or_default().push(row.run);
        }
        Ok(found)
    }

    pub fn traces(&self, ids: &[String]) -> Result<Batch<ForeignTrace>> {
        let conn = &mut self.conn()?;
        let query = head_query(conn)?;
        let mut batch = Batch::default();
        for id in ids {
            match self.trace(conn, &query, id) {
                Ok(trace) => batch.things.push(trace),
                Err(error) => batch.unread.push(Unread::new(format!("trace {id}"), error)),
            }
        }
        Ok(batch)
    }

    fn trace(&self, conn: &mut SqliteConnection, query: &str, id: &str) -> Result<Whole<ForeignTrace>> {
        let head: Head = sql_query(query).bind::<Text, _>(id).get_result(conn).map_err(broken)?;
        let metadata = "SELECT key, value FROM trace_request_metadata WHERE request_id = ? ORDER BY key";
        let mut trace = ForeignTrace {
            id: id.to_owned(),
            started_at: head.started_at,
            duration_ms: head.duration_ms,
            state: trace_info::state(head.state.as_deref()),
            metadata: self.pairs(conn, metadata, id)?,
            ..ForeignTrace::default()
        };
        for (key, value) in head.metadata() {
            set(&mut trace.metadata, key, value);
        }
        let mut tags = self.pairs(conn, "SELECT key, value FROM trace_tags WHERE request_id = ? ORDER BY key", id)?;
        if let Some(name) = head.trace_name {
            set(&mut tags, names::NAME_TAG, name);
        }
        trace_info::set_tags(&mut trace, tags);
        trace.client_request_id = head.client_request_id;
        trace.request_preview = head.request_preview;
        trace.response_preview = head.response_preview;
        let mut unread = Vec::new();
        trace.assessments = self.assessments(conn, id, &mut unread)?;
        let mut whole = Whole { thing: trace, files: Vec::new(), unread };
        self.add_spans(conn, &mut whole)?;
        Ok(whole)
    }

    fn assessments(
        &self,
        conn: &mut SqliteConnection,
        id: &str,
        unread: &mut Vec<Unread>,
    ) -> Result<Vec<ForeignAssessment>> {
        if !self.has("assessments") {
            return Ok(Vec::new());
        }
        let rows: Vec<AssessmentRow> = sql_query(
            "SELECT assessment_id AS id, name, assessment_type AS kind, value, error, created_timestamp AS created_at,
             last_updated_timestamp AS updated_at, source_type, source_id, span_id, rationale, overrides, valid,
             assessment_metadata AS metadata FROM assessments WHERE trace_id = ? ORDER BY created_timestamp, assessment_id",
        )
        .bind::<Text, _>(id)
        .load(conn)
        .map_err(broken)?;
        let mut found = Vec::new();
        for row in rows {
            match row.assessment() {
                Ok(assessment) => found.push(assessment),
                Err(Unread { what, why }) => unread.push(Unread::new(format!("trace {id}, {what}"), why)),
            }
        }
        Ok(found)
    }

    /// Spans from rows or from the file, and the files that they name.
    fn add_spans(&self, conn: &mut SqliteConnection, whole: &mut Whole<ForeignTrace>) -> Result<()> {
        let of = format!("trace {}", whole.thing.id);
        let rows: Vec<SpanRow> = if self.has("spans") {
            sql_query("SELECT content FROM spans WHERE trace_id = ? ORDER BY start_time_unix_nano, span_id")
                .bind::<Text, _>(&whole.thing.id)
                .load(conn)
                .map_err(broken)?
        } else {
            Vec::new()
        };
        if rows.iter().any(|row| row.content.is_empty()) {
            let why = "they were moved to MLflow's archive; bring them back there before you import";
            whole.unread.push(Unread::new(format!("{of}, spans"), why));
            return Ok(());
        }
        whole.thing.spans = rows.into_iter().map(|row| row.content).collect();
        let in_rows = !whole.thing.spans.is_empty();
        if in_rows && trace_info::attachments(&whole.thing.spans).is_empty() {
            return Ok(());
        }
        let location = whole.thing.tags.iter().find(|tag| tag.key == LOCATION_TAG);
        let Some(location) = location.map(|tag| tag.value.clone()) else { return Ok(()) };
        let (mut files, missed) = self.files(&location, &whole.thing.id, &of);
        whole.unread.extend(missed);
        if in_rows {
            files.retain(|file| file.path != SPANS_FILE);
        } else if let Some(file) = files.iter().find(|file| file.path == SPANS_FILE) {
            // It comes along: clients before 3.6 look for spans there.
            match trace_info::spans_on_disk(file) {
                Ok(spans) => whole.thing.spans = spans,
                Err(why) => whole.unread.push(Unread::new(format!("{of}, spans"), why)),
            }
        }
        whole.files = files;
        Ok(())
    }
}

fn set(pairs: &mut Vec<KeyValue>, key: &str, value: String) {
    pairs.retain(|pair| pair.key != key);
    pairs.push(KeyValue { key: key.to_owned(), value });
}

fn head_query(conn: &mut SqliteConnection) -> Result<String> {
    let there: Vec<Name> = sql_query("SELECT name FROM pragma_table_info('trace_info')").load(conn).map_err(broken)?;
    let there: HashSet<String> = there.into_iter().map(|row| row.name).collect();
    if there.is_empty() {
        return Err(Error::not_found("The database has no traces."));
    }
    let later = LATER.map(|name| if there.contains(name) { name.to_owned() } else { format!("NULL AS {name}") });
    Ok(format!(
        "SELECT timestamp_ms AS started_at, execution_time_ms AS duration_ms, status AS state, {}
         FROM trace_info WHERE request_id = ?",
        later.join(", ")
    ))
}
