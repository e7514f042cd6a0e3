//! Rows of traces, their tags, metadata and links.

use std::collections::HashMap;

use diesel::{
    prelude::*,
    sql_types::{BigInt, Nullable},
};

use super::assessments;
use crate::{
    db::{
        Conn,
        schema::traces::{trace_links as links, trace_metadata as metadata, trace_tags as tags, traces},
        schema::tracking::experiments,
    },
    error::{Error, Result},
    traces::{Pair, State, Trace, names, summary::Usage, value::Value},
    tracking::rules::join_uri,
};

const RUN: i64 = 0;
const PROMPT: i64 = 1;

/// A trace before it has rows beside it.
#[derive(Debug, Clone)]
pub struct NewRow<'a> {
    pub trace_id: &'a str,
    pub experiment_id: i64,
    pub started_at: i64,
    pub duration_ms: Option<i64>,
    pub state: State,
    pub finalized: bool,
}

/// Inserts the trace; its surrogate id.
pub fn insert(conn: &mut Conn, new: &NewRow<'_>) -> Result<i64> {
    diesel::insert_into(traces::table)
        .values((
            traces::trace_id.eq(new.trace_id),
            traces::experiment_id.eq(new.experiment_id),
            traces::started_at.eq(new.started_at),
            traces::duration_ms.eq(new.duration_ms),
            traces::state.eq(new.state.as_str()),
            traces::finalized.eq(new.finalized),
            traces::span_count.eq(0),
        ))
        .returning(traces::id)
        .get_result(conn)
        .map_err(Error::internal)
}

/// What a change needs to know of a trace.
#[derive(Debug, Clone, Queryable)]
pub struct Known {
    pub row: i64,
    pub started_at: i64,
    pub duration_ms: Option<i64>,
    pub state: String,
    pub has_request: bool,
    pub has_response: bool,
    pub finalized: bool,
    pub span_count: i64,
}

/// The trace of that id, if there is one.
pub fn known(conn: &mut Conn, trace_id: &str) -> Result<Option<Known>> {
    traces::table
        .filter(traces::trace_id.eq(trace_id))
        .select((
            traces::id,
            traces::started_at,
            traces::duration_ms,
            traces::state,
            traces::request_preview.is_not_null(),
            traces::response_preview.is_not_null(),
            traces::finalized,
            traces::span_count,
        ))
        .first(conn)
        .optional()
        .map_err(Error::internal)
}

/// Columns that change; `None` leaves one as it is.
#[derive(Debug, Clone, Default, AsChangeset)]
#[diesel(table_name = traces)]
pub struct Changes {
    pub experiment_id: Option<i64>,
    pub started_at: Option<i64>,
    pub duration_ms: Option<Option<i64>>,
    pub state: Option<&'static str>,
    pub name: Option<Option<String>>,
    pub root_name: Option<String>,
    pub client_request_id: Option<String>,
    pub request_preview: Option<String>,
    pub response_preview: Option<String>,
    pub span_count: Option<i64>,
    pub finalized: Option<bool>,
    pub input_tokens: Option<i64>,
    pub output_tokens: Option<i64>,
    pub total_tokens: Option<i64>,
}

impl Changes {
    /// The columns of what a trace used.
    pub fn used(&mut self, usage: &Usage) {
        self.input_tokens = Some(usage.input);
        self.output_tokens = Some(usage.output);
        self.total_tokens = Some(usage.total);
    }
}

/// Writes the changes; none at all is none.
pub fn change(conn: &mut Conn, row: i64, changes: &Changes) -> Result<()> {
    match diesel::update(traces::table.find(row)).set(changes).execute(conn) {
        Ok(_) | Err(diesel::result::Error::QueryBuilderError(_)) => Ok(()),
        Err(source) => Err(Error::internal(source)),
    }
}

/// Sets a tag. The name is a column; where artifacts are is never kept.
pub fn set_tag(conn: &mut Conn, row: i64, key: &str, value: &str) -> Result<()> {
    match key {
        names::ARTIFACT_LOCATION_TAG => Ok(()),
        names::NAME_TAG => change(conn, row, &Changes { name: Some(Some(value.to_owned())), ..Changes::default() }),
        key => diesel::replace_into(tags::table)
            .values((tags::trace.eq(row), tags::key.eq(key), tags::value.eq(value)))
            .execute(conn)
            .map(drop)
            .map_err(Error::internal),
    }
}

/// Whether there was such a tag.
pub fn delete_tag(conn: &mut Conn, row: i64, key: &str) -> Result<bool> {
    let count = if key == names::NAME_TAG {
        let named = traces::table.find(row).filter(traces::name.is_not_null());
        diesel::update(named).set(traces::name.eq(None::<String>)).execute(conn)
    } else {
        diesel::delete(tags::table.find((row, key))).execute(conn)
    };
    count.map(|count| count > 0).map_err(Error::internal)
}

/// Sets metadata, and what follows from it: the link to its run, the columns of its tokens.
pub fn set_metadata(conn: &mut Conn, row: i64, key: &str, value: &str) -> Result<()> {
    if key == names::RUN {
        link_run(conn, row, value)?;
    }
    if key == names::USAGE
        && let Some(usage) = Value::parse(value).as_ref().and_then(Usage::of)
    {
        let mut changes = Changes::default();
        changes.used(&usage);
        change(conn, row, &changes)?;
        cached(conn, row, &usage)?;
    }
    diesel::replace_into(metadata::table)
        .values((metadata::trace.eq(row), metadata::key.eq(key), metadata::value.eq(value)))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

fn cached(conn: &mut Conn, row: i64, usage: &Usage) -> Result<()> {
    if usage.cache_read.is_none() && usage.cache_creation.is_none() {
        return Ok(());
    }
    diesel::sql_query("UPDATE traces SET cache_read_tokens = ?, cache_creation_tokens = ? WHERE id = ?")
        .bind::<Nullable<BigInt>, _>(usage.cache_read)
        .bind::<Nullable<BigInt>, _>(usage.cache_creation)
        .bind::<BigInt, _>(row)
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// Whether the trace has this metadata.
pub fn has_metadata(conn: &mut Conn, row: i64, key: &str) -> Result<bool> {
    diesel::select(diesel::dsl::exists(metadata::table.find((row, key)))).get_result(conn).map_err(Error::internal)
}

/// Notes that the trace belongs to the run.
pub fn link_run(conn: &mut Conn, row: i64, run_id: &str) -> Result<()> {
    link(conn, row, RUN, run_id)
}

/// Notes that the trace used the prompt; `prompt` is "name/version".
pub fn link_prompt(conn: &mut Conn, row: i64, prompt: &str) -> Result<()> {
    link(conn, row, PROMPT, prompt)
}

fn link(conn: &mut Conn, row: i64, kind: i64, target: &str) -> Result<()> {
    diesel::insert_or_ignore_into(links::table)
        .values((links::trace.eq(row), links::kind.eq(kind), links::target.eq(target)))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// Runs by trace.
pub fn runs_of(conn: &mut Conn, rows: &[i64]) -> Result<HashMap<i64, Vec<String>>> {
    linked(conn, rows, RUN)
}

/// Prompt versions by trace.
pub fn prompts_of(conn: &mut Conn, rows: &[i64]) -> Result<HashMap<i64, Vec<String>>> {
    linked(conn, rows, PROMPT)
}

fn linked(conn: &mut Conn, rows: &[i64], kind: i64) -> Result<HashMap<i64, Vec<String>>> {
    let found: Vec<(i64, String)> = links::table
        .filter(links::trace.eq_any(rows))
        .filter(links::kind.eq(kind))
        .order((links::trace, links::target))
        .select((links::trace, links::target))
        .load(conn)
        .map_err(Error::internal)?;
    Ok(grouped(found))
}

/// Surrogate ids of the traces of these ids that there are, in this order.
pub fn rows_of(conn: &mut Conn, trace_ids: &[String], experiments: Option<&[i64]>) -> Result<Vec<i64>> {
    let mut rows = HashMap::new();
    for some in trace_ids.chunks(500) {
        let mut query = traces::table.filter(traces::trace_id.eq_any(some)).into_boxed();
        if let Some(experiments) = experiments {
            query = query.filter(traces::experiment_id.eq_any(experiments));
        }
        let found: Vec<(String, i64)> =
            query.select((traces::trace_id, traces::id)).load(conn).map_err(Error::internal)?;
        rows.extend(found);
    }
    Ok(trace_ids.iter().filter_map(|id| rows.remove(id)).collect())
}

type Columns = (
    (i64, String, i64, i64, Option<i64>, String),
    (Option<String>, Option<String>, Option<String>, Option<String>, Option<String>),
    (i64, Option<i64>, String),
);

/// The traces of these surrogate ids, in this order, with everything but spans.
pub fn load(conn: &mut Conn, rows: &[i64]) -> Result<Vec<Trace>> {
    let mut found = HashMap::new();
    for some in rows.chunks(500) {
        let columns: Vec<Columns> = traces::table
            .inner_join(experiments::table.on(experiments::id.eq(traces::experiment_id)))
            .filter(traces::id.eq_any(some))
            .select((
                (
                    traces::id,
                    traces::trace_id,
                    traces::experiment_id,
                    traces::started_at,
                    traces::duration_ms,
                    traces::state,
                ),
                (
                    traces::name,
                    traces::root_name,
                    traces::client_request_id,
                    traces::request_preview,
                    traces::response_preview,
                ),
                (traces::span_count, traces::total_tokens, experiments::artifact_location),
            ))
            .load(conn)
            .map_err(Error::internal)?;
        let mut all_tags = pairs(
            tags::table
                .filter(tags::trace.eq_any(some))
                .select((tags::trace, tags::key, tags::value))
                .load(conn)
                .map_err(Error::internal)?,
        );
        let mut all_metadata = pairs(
            metadata::table
                .filter(metadata::trace.eq_any(some))
                .select((metadata::trace, metadata::key, metadata::value))
                .load(conn)
                .map_err(Error::internal)?,
        );
        let mut all_assessments = assessments::of_traces(conn, some)?;
        for columns in columns {
            let row = columns.0.0;
            let take = |all: &mut HashMap<i64, Vec<Pair>>| all.remove(&row).unwrap_or_default();
            let (tags, metadata) = (take(&mut all_tags), take(&mut all_metadata));
            let mut trace = whole(columns, tags, metadata);
            trace.assessments = all_assessments.remove(&row).unwrap_or_default();
            found.insert(row, trace);
        }
    }
    Ok(rows.iter().filter_map(|row| found.remove(row)).collect())
}

fn pairs(rows: Vec<(i64, String, String)>) -> HashMap<i64, Vec<Pair>> {
    grouped(rows.into_iter().map(|(row, key, value)| (row, (key, value))).collect())
}

fn grouped<T>(rows: Vec<(i64, T)>) -> HashMap<i64, Vec<T>> {
    let mut groups: HashMap<i64, Vec<T>> = HashMap::new();
    for (row, item) in rows {
        groups.entry(row).or_default().push(item);
    }
    groups
}

fn whole(columns: Columns, mut tags: Vec<Pair>, metadata: Vec<Pair>) -> Trace {
    let (head, texts, (span_count, total_tokens, location)) = columns;
    let (row, trace_id, experiment_id, started_at, duration_ms, state) = head;
    let (name, root_name, client_request_id, request_preview, response_preview) = texts;
    let artifacts = join_uri(&location, &["traces", &trace_id, "artifacts"]);
    tags.push((names::ARTIFACT_LOCATION_TAG.into(), artifacts));
    if let Some(name) = &name {
        tags.push((names::NAME_TAG.into(), name.clone()));
    }
    Trace {
        row,
        trace_id,
        experiment_id,
        started_at,
        duration_ms,
        state: State::parse(&state).unwrap_or(State::Unspecified),
        name,
        root_name,
        client_request_id,
        request_preview,
        response_preview,
        span_count,
        total_tokens,
        tags,
        metadata,
        assessments: Vec::new(),
    }
}

/// Which traces of an experiment, the oldest first: surrogate ids, ids and the experiment's artifact location.
pub fn doomed(
    conn: &mut Conn,
    experiment: i64,
    before: Option<i64>,
    ids: Option<&[String]>,
    most: i64,
) -> Result<Vec<(i64, String, String)>> {
    let mut query = traces::table
        .inner_join(experiments::table.on(experiments::id.eq(traces::experiment_id)))
        .filter(traces::experiment_id.eq(experiment))
        .into_boxed();
    if let Some(before) = before {
        query = query.filter(traces::started_at.le(before));
    }
    if let Some(ids) = ids {
        query = query.filter(traces::trace_id.eq_any(ids));
    }
    query
        .order((traces::started_at, traces::trace_id))
        .limit(most)
        .select((traces::id, traces::trace_id, experiments::artifact_location))
        .load(conn)
        .map_err(Error::internal)
}

/// How many traces the experiments have.
pub fn count_in(conn: &mut Conn, some: &[i64]) -> Result<u64> {
    let count: i64 =
        traces::table.filter(traces::experiment_id.eq_any(some)).count().get_result(conn).map_err(Error::internal)?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// Removes all traces of an experiment.
pub fn delete_of_experiment(conn: &mut Conn, experiment: i64) -> Result<()> {
    diesel::delete(traces::table.filter(traces::experiment_id.eq(experiment)))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// Removes the rows; those beside them go with them.
pub fn delete(conn: &mut Conn, rows: &[i64]) -> Result<usize> {
    diesel::delete(traces::table.filter(traces::id.eq_any(rows))).execute(conn).map_err(Error::internal)
}
