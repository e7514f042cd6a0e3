//! Rows of runs, of the tries of their tasks, and of what people answered.

use diesel::prelude::*;
use drydock_wire::pipelines::{RunCause, RunState, TaskState};
use serde_json::Value;

use super::super::rules::plan::{Place, Row};
use crate::{
    accounts::Scope,
    db::{
        Conn,
        schema::pipelines::{
            pipeline_approvals as approvals, pipeline_runs as runs, pipeline_tasks as tasks, pipelines,
        },
    },
    error::{Error, Result},
};

/// `item` of a task as a whole.
pub const WHOLE: i64 = -1;

#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = runs, treat_none_as_null = true)]
pub struct RunRow {
    pub id: String,
    pub pipeline_id: String,
    pub version: i64,
    pub number: i64,
    pub parameters: String,
    pub state: String,
    pub reason: Option<String>,
    pub cause: String,
    pub dedupe: Option<String>,
    pub person_id: String,
    pub created_at: i64,
    pub started_at: Option<i64>,
    pub ended_at: Option<i64>,
}

#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = tasks, treat_none_as_null = true)]
#[diesel(primary_key(run_id, task, item, number))]
pub struct TaskRow {
    pub run_id: String,
    pub task: String,
    pub item: i64,
    pub number: i64,
    pub state: String,
    pub retried: i32,
    pub fresh: bool,
    pub not_before: Option<i64>,
    pub started_at: Option<i64>,
    pub ended_at: Option<i64>,
    pub subject: Option<String>,
    pub value: Option<String>,
    pub outputs: Option<String>,
    pub cache_key: Option<String>,
    pub cached_from: Option<String>,
    pub reason: Option<String>,
}

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = approvals)]
pub struct ApprovalRow {
    pub run_id: String,
    pub task: String,
    pub item: i64,
    pub number: i64,
    pub person_id: String,
    pub approved: bool,
    pub comment: String,
    pub at: i64,
}

impl RunRow {
    pub fn state(&self) -> Result<RunState> {
        RunState::parse(&self.state).ok_or_else(|| unknown(&self.state))
    }

    pub fn cause(&self) -> Result<RunCause> {
        serde_json::from_str(&self.cause).map_err(Error::internal)
    }
}

impl TaskRow {
    /// A try that has not started.
    pub fn waiting(run: &str, task: &str, item: Option<i64>, number: i64) -> Self {
        Self {
            run_id: run.to_owned(),
            task: task.to_owned(),
            item: item.unwrap_or(WHOLE),
            number,
            state: TaskState::Waiting.as_str().to_owned(),
            retried: 0,
            fresh: false,
            not_before: None,
            started_at: None,
            ended_at: None,
            subject: None,
            value: None,
            outputs: None,
            cache_key: None,
            cached_from: None,
            reason: None,
        }
    }

    pub fn state(&self) -> Result<TaskState> {
        TaskState::parse(&self.state).ok_or_else(|| unknown(&self.state))
    }

    pub fn place(&self) -> Place {
        Place { task: self.task.clone(), item: Some(self.item).filter(|item| *item != WHOLE) }
    }

    pub fn outputs(&self) -> Result<Value> {
        self.outputs.as_deref().map_or(Ok(Value::Object(Default::default())), parsed)
    }

    pub fn value(&self) -> Result<Value> {
        self.value.as_deref().map_or(Ok(Value::Null), parsed)
    }

    /// As the planner sees it; nothing is seen of what it started.
    pub fn planned(&self) -> Result<Row> {
        Ok(Row {
            place: self.place(),
            number: self.number,
            retried: u32::try_from(self.retried).unwrap_or(0),
            state: self.state()?,
            not_before: self.not_before,
            started_at: self.started_at,
            value: self.value()?,
            outputs: self.outputs()?,
            reason: self.reason.clone(),
            seen: None,
        })
    }
}

fn parsed(text: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(Error::internal)
}

fn unknown(word: &str) -> Error {
    Error::internal(anyhow::anyhow!("unknown state '{word}' of a pipeline's run"))
}

/// Adds a run, unless its cause has made one already; whether it was added.
pub fn insert(conn: &mut Conn, row: &RunRow) -> Result<bool> {
    let added = diesel::insert_into(runs::table).values(row).on_conflict(runs::dedupe).do_nothing().execute(conn);
    added.map(|count| count > 0).map_err(Error::internal)
}

pub fn save(conn: &mut Conn, row: &RunRow) -> Result<()> {
    diesel::update(runs::table.find(&row.id)).set(row).execute(conn).map(drop).map_err(Error::internal)
}

/// # Errors
/// `not_found`.
pub fn require(conn: &mut Conn, id: &str) -> Result<RunRow> {
    let found = runs::table.find(id).select(RunRow::as_select()).first(conn).optional().map_err(Error::internal)?;
    found.ok_or_else(|| Error::not_found(format!("There is no run {id} of a pipeline.")))
}

const OPEN: [&str; 2] = ["waiting", "running"];

/// Runs that have not ended, by pipeline, then number.
pub fn open(conn: &mut Conn) -> Result<Vec<RunRow>> {
    runs::table
        .filter(runs::state.eq_any(OPEN))
        .order((runs::pipeline_id, runs::number))
        .select(RunRow::as_select())
        .load(conn)
        .map_err(Error::internal)
}

/// A page of runs with their pipelines' names, newest first, and how many there are. `pipeline`: of that id alone.
pub fn page(
    conn: &mut Conn,
    scope: &Scope,
    pipeline: Option<&str>,
    states: &[RunState],
    window: (i64, i64),
) -> Result<(Vec<(RunRow, String)>, i64)> {
    let filtered = || {
        let mut query = runs::table.inner_join(pipelines::table).into_boxed();
        if *scope != Scope::All {
            query = query.filter(diesel::dsl::sql::<diesel::sql_types::Bool>(&scope.sql("pipelines.project_id")));
        }
        if let Some(id) = pipeline {
            query = query.filter(runs::pipeline_id.eq(id.to_owned()));
        }
        if !states.is_empty() {
            query = query.filter(runs::state.eq_any(states.iter().map(|state| state.as_str())));
        }
        query
    };
    let total = filtered().count().get_result(conn).map_err(Error::internal)?;
    let rows = filtered()
        .order((runs::created_at.desc(), runs::number.desc()))
        .offset(window.0)
        .limit(window.1)
        .select((RunRow::as_select(), pipelines::name))
        .load(conn)
        .map_err(Error::internal)?;
    Ok((rows, total))
}

/// Whether a task of the run waits for a person.
pub fn waits_for_person(conn: &mut Conn, run: &str) -> Result<bool> {
    let waits = tasks::table.filter(tasks::run_id.eq(run)).filter(tasks::state.eq("waits_for_person"));
    diesel::select(diesel::dsl::exists(waits)).get_result(conn).map_err(Error::internal)
}

pub fn insert_task(conn: &mut Conn, row: &TaskRow) -> Result<()> {
    diesel::insert_into(tasks::table).values(row).execute(conn).map(drop).map_err(Error::internal)
}

pub fn save_task(conn: &mut Conn, row: &TaskRow) -> Result<()> {
    diesel::update(tasks::table.find((&row.run_id, &row.task, row.item, row.number)))
        .set(row)
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// Every try of every task of the run: by task and item, the latest last.
pub fn tries(conn: &mut Conn, run: &str) -> Result<Vec<TaskRow>> {
    tasks::table
        .filter(tasks::run_id.eq(run))
        .order((tasks::task, tasks::item, tasks::number))
        .select(TaskRow::as_select())
        .load(conn)
        .map_err(Error::internal)
}

/// The latest try of each place.
pub fn latest(tries: &[TaskRow]) -> Vec<TaskRow> {
    let mut found: Vec<TaskRow> = vec![];
    for row in tries {
        match found.last_mut() {
            Some(last) if (&last.task, last.item) == (&row.task, row.item) => *last = row.clone(),
            _ => found.push(row.clone()),
        }
    }
    found
}

/// The latest try of a place.
pub fn at(conn: &mut Conn, run: &str, place: &Place) -> Result<Option<TaskRow>> {
    tasks::table
        .filter(tasks::run_id.eq(run))
        .filter(tasks::task.eq(&place.task))
        .filter(tasks::item.eq(place.item.unwrap_or(WHOLE)))
        .order(tasks::number.desc())
        .select(TaskRow::as_select())
        .first(conn)
        .optional()
        .map_err(Error::internal)
}

/// Number of the run that works on the key now, of this pipeline, other than the run's own place.
pub fn works_on(conn: &mut Conn, pipeline: &str, key: &str) -> Result<Option<i64>> {
    tasks::table
        .inner_join(runs::table.on(runs::id.eq(tasks::run_id)))
        .filter(runs::pipeline_id.eq(pipeline))
        .filter(tasks::cache_key.eq(key))
        .filter(tasks::state.eq("running"))
        .select(runs::number)
        .first(conn)
        .optional()
        .map_err(Error::internal)
}

pub fn insert_approval(conn: &mut Conn, row: &ApprovalRow) -> Result<()> {
    diesel::insert_into(approvals::table).values(row).execute(conn).map(drop).map_err(Error::internal)
}

pub fn approvals_of(conn: &mut Conn, run: &str) -> Result<Vec<ApprovalRow>> {
    let of_run = approvals::table.filter(approvals::run_id.eq(run)).select(ApprovalRow::as_select());
    of_run.load(conn).map_err(Error::internal)
}
