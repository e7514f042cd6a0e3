//! Rows as people see them.

use std::collections::{BTreeMap, HashMap};

use drydock_wire::{
    Page,
    pipelines::{
        ApprovalAnswer, ApprovalState, GridCell, GridRow, PipelineDetail, PipelineGrid, PipelineRun, PipelineRunDetail,
        PipelineSummary, PipelineVersion, RunCause, RunState, Schedule, TaskRun, TaskState, Trigger, TriggerKind,
    },
};
use serde_json::Value;

use super::{
    kinds::person::{self, Question},
    rules::{clock::Clock, plan},
    running::{self, Loaded},
    store::{
        self, PipelineRow,
        runs::{self, ApprovalRow, RunRow, TaskRow, WHOLE},
        starts::{self, ScheduleRow},
    },
};
use crate::{
    accounts::{self, Principal, Scope},
    clock::now_ms,
    db::Conn,
    error::Result,
};

const LAST_RUNS: i64 = 10;
const NEXT: usize = 5;
const MOST_DETAIL_BYTES: usize = 2_000;

/// Names of people by id, each looked up once.
#[derive(Default)]
struct People(HashMap<String, String>);

impl People {
    fn name(&mut self, conn: &mut Conn, id: &str) -> Result<String> {
        if let Some(known) = self.0.get(id) {
            return Ok(known.clone());
        }
        let name = accounts::username(conn, id)?.unwrap_or_else(|| "nobody".into());
        self.0.insert(id.to_owned(), name.clone());
        Ok(name)
    }
}

pub fn summaries(conn: &mut Conn, scope: &Scope, search: &str, window: (i64, i64)) -> Result<Page<PipelineSummary>> {
    let (wanted, (offset, limit)) = (search.to_lowercase(), window);
    let rows: Vec<PipelineRow> =
        store::all(conn, scope)?.into_iter().filter(|row| row.name.contains(&wanted)).collect();
    let part = |value: i64| usize::try_from(value).unwrap_or(0);
    let mut people = People::default();
    let shown = rows.iter().skip(part(offset)).take(part(limit));
    let items: Vec<PipelineSummary> = shown.map(|row| summary(conn, row, &mut people)).collect::<Result<_>>()?;
    let end = part(offset).saturating_add(items.len());
    Ok(Page { items, total: rows.len() as u64, next: (end < rows.len()).then(|| end.to_string()) })
}

fn summary(conn: &mut Conn, row: &PipelineRow, people: &mut People) -> Result<PipelineSummary> {
    let version = store::version(conn, row, row.last_version)?;
    let spec = version.spec()?;
    let (last, _) = runs::page(conn, &Scope::All, Some(&row.id), &[], (0, LAST_RUNS))?;
    let now = now_ms();
    let schedules = starts::schedules_of(conn, &row.id)?;
    let next = schedules
        .iter()
        .filter(|schedule| !schedule.paused && !row.paused)
        .filter_map(|schedule| Clock::new(&schedule.cron, &schedule.zone).ok()?.next(now));
    Ok(PipelineSummary {
        name: row.name.clone(),
        description: spec.description.clone(),
        version: row.last_version,
        task_count: u32::try_from(spec.tasks.len()).unwrap_or(u32::MAX),
        paused: row.paused,
        created_at: row.created_at,
        updated_at: row.updated_at,
        updated_by: people.name(conn, &version.author_id)?,
        next_due_at: next.min(),
        last_runs: last.into_iter().map(|(run, name)| view(conn, &run, name, people)).collect::<Result<_>>()?,
    })
}

pub fn detail(conn: &mut Conn, name: &str, version: Option<i64>) -> Result<PipelineDetail> {
    let row = store::require(conn, name)?;
    let shown = store::version(conn, &row, version.unwrap_or(row.last_version))?;
    let spec = shown.spec()?;
    let mut people = People::default();
    let mut versions = vec![];
    for (version, author, created_at) in store::history(conn, &row.id)? {
        versions.push(PipelineVersion { version, author: people.name(conn, &author)?, created_at });
    }
    let schedules = starts::schedules_of(conn, &row.id)?;
    Ok(PipelineDetail {
        summary: summary(conn, &row, &mut people)?,
        version: shown.version,
        yaml: shown.yaml,
        tasks: spec.shapes(),
        parameters: spec.parameters.clone(),
        concurrency: spec.concurrency,
        timeout_s: spec.timeout_s,
        schedules: schedules.iter().map(|one| schedule(conn, one, &mut people)).collect::<Result<_>>()?,
        triggers: triggers(conn, &row, &mut people)?,
        versions,
    })
}

fn schedule(conn: &mut Conn, row: &ScheduleRow, people: &mut People) -> Result<Schedule> {
    let clock = Clock::new(&row.cron, &row.zone).ok();
    Ok(Schedule {
        id: row.id.clone(),
        name: row.name.clone(),
        cron: row.cron.clone(),
        words: clock.as_ref().map(Clock::words).unwrap_or_default(),
        zone: row.zone.clone(),
        catch_up: row.catch_up()?,
        paused: row.paused,
        by: people.name(conn, &row.person_id)?,
        next: clock.map(|clock| clock.upcoming(now_ms(), NEXT)).unwrap_or_default(),
        parameters: row.parameters()?,
        by_hand: row.by_hand,
    })
}

fn triggers(conn: &mut Conn, row: &PipelineRow, people: &mut People) -> Result<Vec<Trigger>> {
    let rows = starts::triggers_of(conn, &row.id)?;
    rows.iter()
        .map(|row| {
            let kind = row.kind()?;
            Ok(Trigger {
                kind,
                state: row.state(),
                hook: (kind == TriggerKind::Webhook).then(|| format!("/api/v1/hooks/{}", row.id)),
                token: None,
                by: people.name(conn, &row.person_id)?,
                id: row.id.clone(),
                subject: row.subject.clone(),
            })
        })
        .collect()
}

fn view(conn: &mut Conn, row: &RunRow, pipeline: String, people: &mut People) -> Result<PipelineRun> {
    Ok(PipelineRun {
        id: row.id.clone(),
        pipeline,
        version: row.version,
        number: row.number,
        state: row.state()?,
        reason: row.reason.clone(),
        cause: shortened(row.cause()?),
        person: people.name(conn, &row.person_id)?,
        created_at: row.created_at,
        started_at: row.started_at,
        ended_at: row.ended_at,
        waits_for_person: row.state()? == RunState::Running && runs::waits_for_person(conn, &row.id)?,
    })
}

/// Without a long detail: a forge's webhook has a hundred kilobytes, and a list has fifty runs.
fn shortened(cause: RunCause) -> RunCause {
    match cause {
        RunCause::Trigger { kind, subject, detail } if detail.to_string().len() > MOST_DETAIL_BYTES => {
            RunCause::Trigger { kind, subject, detail: Value::Null }
        }
        cause => cause,
    }
}

/// A page of runs, and how many there are in all.
pub fn runs_page(
    conn: &mut Conn,
    scope: &Scope,
    pipeline: Option<&str>,
    states: &[RunState],
    window: (i64, i64),
) -> Result<(Vec<PipelineRun>, i64)> {
    let id = pipeline.map(|name| store::require(conn, name)).transpose()?.map(|row| row.id);
    let (rows, total) = runs::page(conn, scope, id.as_deref(), states, window)?;
    let mut people = People::default();
    let items = rows.into_iter().map(|(row, name)| view(conn, &row, name, &mut people)).collect::<Result<_>>()?;
    Ok((items, total))
}

pub fn run(conn: &mut Conn, who: &Principal, id: &str) -> Result<PipelineRunDetail> {
    let loaded = running::load(conn, id)?;
    let mut people = People::default();
    let approvals = runs::approvals_of(conn, id)?;
    let order = |row: &TaskRow| loaded.spec.tasks.iter().position(|task| task.name == row.task);
    let mut rows: Vec<&TaskRow> = loaded.tries.iter().collect();
    rows.sort_by_key(|row| (order(row), row.item, row.number));
    let tasks = rows.into_iter().map(|row| task(conn, &loaded, row, who, &approvals, &mut people));
    Ok(PipelineRunDetail {
        tasks: tasks.collect::<Result<_>>()?,
        run: view(conn, &loaded.row, loaded.pipeline.name.clone(), &mut people)?,
        parameters: loaded.run.parameters.clone(),
        shapes: loaded.spec.shapes(),
    })
}

fn task(
    conn: &mut Conn,
    loaded: &Loaded,
    row: &TaskRow,
    who: &Principal,
    approvals: &[ApprovalRow],
    people: &mut People,
) -> Result<TaskRun> {
    let place = row.place();
    let latest = loaded.at(&place).is_some_and(|latest| latest.number == row.number);
    // Items beyond the list that the task has now are of an earlier one.
    let current = latest && (row.item == WHOLE || loaded.run.items(&row.task).any(|item| item.place == place));
    let outputs = row.outputs()?;
    let state = row.state()?;
    Ok(TaskRun {
        task: row.task.clone(),
        item: place.item,
        value: row.value.as_ref().filter(|_| place.item.is_some()).map(|_| row.value()).transpose()?,
        number: row.number,
        is_past: !current,
        state,
        reason: if current { plan::why(&loaded.spec, &loaded.run, &place, now_ms()) } else { row.reason.clone() },
        not_before: row.not_before.filter(|_| state == TaskState::Waiting),
        started_at: row.started_at,
        ended_at: row.ended_at,
        link: row.subject.as_deref().and_then(link),
        job_id: row.subject.as_deref().and_then(|subject| subject.strip_prefix("job/")).map(str::to_owned),
        approval: approval(conn, loaded, row, &outputs, who, approvals, people)?,
        outputs: shown(&outputs),
        cached_from: row.cached_from.clone(),
    })
}

/// Outputs without what is kept beside them.
fn shown(outputs: &Value) -> BTreeMap<String, Value> {
    let all = outputs.as_object().into_iter().flatten();
    all.filter(|(key, _)| !["content", "question"].contains(&key.as_str()))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// Where the dashboard shows a subject.
fn link(subject: &str) -> Option<String> {
    let (kind, rest) = subject.split_once('/')?;
    match kind {
        "job" => Some(format!("/jobs/{rest}")),
        "version" => Some(format!("/models/{rest}")),
        "deployment" => Some(format!("/deployments/{}", rest.split('/').next()?)),
        "dataset" => Some(format!("/datasets/{}", rest.split('/').next()?)),
        "run" => Some(format!("/runs/{rest}")),
        "webhook" => Some("/webhooks".into()),
        _ => None,
    }
}

fn approval(
    conn: &mut Conn,
    loaded: &Loaded,
    row: &TaskRow,
    outputs: &Value,
    who: &Principal,
    approvals: &[ApprovalRow],
    people: &mut People,
) -> Result<Option<ApprovalState>> {
    let Ok(question) = serde_json::from_value::<Question>(outputs["question"].clone()) else { return Ok(None) };
    let given = approvals.iter().find(|one| (&one.task, one.item, one.number) == (&row.task, row.item, row.number));
    let answer = match given {
        Some(given) => Some(ApprovalAnswer {
            approved: given.approved,
            by: people.name(conn, &given.person_id)?,
            comment: given.comment.clone(),
            at: given.at,
        }),
        None => None,
    };
    let waits = row.state()? == TaskState::WaitsForPerson;
    Ok(Some(ApprovalState {
        may_answer: waits && person::may_answer(&question, who, &loaded.row.person_id).is_ok(),
        text: question.text,
        role: question.role,
        people: question.people,
        four_eyes: question.four_eyes,
        answer,
    }))
}

pub fn grid(conn: &mut Conn, name: &str, limit: i64) -> Result<PipelineGrid> {
    let row = store::require(conn, name)?;
    let spec = store::version(conn, &row, row.last_version)?.spec()?;
    let (all, _) = runs::page(conn, &Scope::All, Some(&row.id), &[], (0, limit))?;
    let mut people = People::default();
    let mut rows = vec![];
    for (run, name) in all {
        let loaded = running::load(conn, &run.id)?;
        let whole = |task: &str| loaded.at(&plan::Place { task: task.to_owned(), item: None });
        let cells = loaded.spec.tasks.iter().filter_map(|task| Some((task, whole(&task.name)?)));
        let cell = |(task, row): (&super::schema::Task, &TaskRow)| {
            Ok(GridCell {
                task: task.name.clone(),
                state: row.state()?,
                reason: plan::why(&loaded.spec, &loaded.run, &row.place(), now_ms()),
                started_at: row.started_at,
                ended_at: row.ended_at,
                job_id: row.subject.as_deref().and_then(|subject| subject.strip_prefix("job/")).map(str::to_owned),
            })
        };
        let cells = cells.map(cell).collect::<Result<_>>()?;
        rows.push(GridRow { run: view(conn, &run, name, &mut people)?, cells });
    }
    Ok(PipelineGrid { tasks: spec.shapes(), rows })
}
