//! The next steps of a run: what may start, what ended, what is given up. Pure; whoever executes a step looks again whether its
//! row still is as it was here, so that a step out of date does nothing.

use std::collections::BTreeMap;

use drydock_wire::pipelines::{RunState, TaskState};
use serde_json::{Map, Value};

use super::{
    condition,
    needs::{Readiness, readiness},
    references::{self, Reference},
    units,
};
use crate::pipelines::schema::{Spec, Task};

/// As many items as a task may fan out over.
pub const MOST_ITEMS: usize = 1_000;

/// A task, or an item of one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    pub task: String,
    /// Absent: the task as a whole.
    pub item: Option<i64>,
}

/// The latest try of a place.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub place: Place,
    pub number: i64,
    /// Failures since it was cleared or first tried.
    pub retried: u32,
    pub state: TaskState,
    pub not_before: Option<i64>,
    pub started_at: Option<i64>,
    /// The item's; of a task that fans out, the list.
    pub value: Value,
    pub outputs: Value,
    pub reason: Option<String>,
    /// What is seen now of that which it started.
    pub seen: Option<Seen>,
}

/// How that which a task started is getting on.
#[derive(Debug, Clone, PartialEq)]
pub enum Seen {
    /// In words, if there is something to say.
    Going(Option<String>),
    Done(Value),
    Failed(String),
    /// Skips what follows instead of failing it.
    Skipped(String),
    Cancelled(String),
}

/// A run as the planner sees it.
#[derive(Debug, Clone)]
pub struct Run {
    pub started_at: i64,
    pub parameters: BTreeMap<String, Value>,
    /// `${run.…}`.
    pub about: Value,
    /// `${event.…}`.
    pub event: Value,
    pub rows: Vec<Row>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    Start(Place),
    /// A task that fans out gets its items.
    Expand {
        task: String,
        items: Vec<Value>,
    },
    Say {
        place: Place,
        reason: String,
    },
    End {
        place: Place,
        outputs: Value,
    },
    Skip {
        place: Place,
        reason: String,
    },
    Block {
        task: String,
        reason: String,
    },
    Fail {
        place: Place,
        reason: String,
        retry_at: Option<i64>,
        cancelled: bool,
    },
    EndRun {
        state: RunState,
        reason: Option<String>,
    },
}

impl Run {
    pub fn whole(&self, task: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.place.task == task && row.place.item.is_none())
    }

    /// Items of the list that the task has now.
    pub fn items<'a>(&'a self, task: &'a str) -> impl Iterator<Item = &'a Row> {
        let count = self.whole(task).and_then(|row| row.value.as_array()).map_or(0, Vec::len);
        let count = i64::try_from(count).unwrap_or(0);
        self.rows.iter().filter(move |row| row.place.task == task && row.place.item.is_some_and(|item| item < count))
    }

    /// What a reference means for the task, and for the item's value if it has one.
    pub fn meaning(&self, reference: &Reference, item: &Value) -> Result<Value, String> {
        Ok(match reference {
            Reference::Param(name) => {
                self.parameters.get(name).cloned().ok_or_else(|| format!("There is no parameter {name}."))?
            }
            Reference::Output { task, path } => {
                let outputs = self.whole(task).filter(|row| row.state.is_good()).map(|row| &row.outputs);
                outputs.map_or(Value::Null, |outputs| references::at(outputs, path).clone())
            }
            Reference::Item => item.clone(),
            Reference::Run(field) => self.about.get(field).cloned().unwrap_or_default(),
            Reference::Event(path) => references::at(&self.event, path).clone(),
        })
    }
}

/// The steps that can be taken now; none: nothing changes until something happens or time passes.
pub fn plan(spec: &Spec, run: &Run, now: i64) -> Vec<Step> {
    if let Some(limit) = spec.timeout_s
        && now - run.started_at > ms(limit)
    {
        let reason = format!("took longer than {}", units::say(limit));
        return vec![Step::EndRun { state: RunState::Failed, reason: Some(reason) }];
    }
    let steps: Vec<Step> = spec.tasks.iter().flat_map(|task| steps_of(run, task, now)).collect();
    let ended = spec.tasks.iter().all(|task| run.whole(&task.name).is_some_and(|row| row.state.is_final()));
    if steps.is_empty() && ended { vec![end(spec, run)] } else { steps }
}

/// Why a task that waits does not run.
pub fn why(spec: &Spec, run: &Run, place: &Place, now: i64) -> Option<String> {
    let task = spec.task(&place.task)?;
    let row = run.rows.iter().find(|row| row.place == *place)?;
    if row.state != TaskState::Waiting {
        return row.reason.clone();
    }
    if row.not_before.is_some_and(|at| at > now) {
        let before = row.reason.as_deref().map(|reason| format!(" ({reason})")).unwrap_or_default();
        return Some(format!("waits before it is tried again{before}"));
    }
    if place.item.is_some() {
        return Some(format!("waits for its turn: at most {} at once", task.most_at_once.unwrap_or(1)));
    }
    match ready(run, task) {
        Readiness::Wait(words) => Some(words),
        _ => row.reason.clone(),
    }
}

fn ready(run: &Run, task: &Task) -> Readiness {
    let state = |need: &str| run.whole(need).map_or(TaskState::Waiting, |row| row.state);
    let needs: Vec<_> = task.needs.iter().map(|need| (need.as_str(), state(need))).collect();
    readiness(task.start_when, &needs)
}

fn steps_of(run: &Run, task: &Task, now: i64) -> Vec<Step> {
    let Some(row) = run.whole(&task.name) else { return vec![] };
    match row.state {
        TaskState::Waiting => waiting(run, task, row, now).into_iter().collect(),
        TaskState::Running if task.fans_out() => fanned_out(run, task, row, now),
        TaskState::Running | TaskState::WaitsForPerson => going(task, row, now).into_iter().collect(),
        _ => vec![],
    }
}

fn waiting(run: &Run, task: &Task, row: &Row, now: i64) -> Option<Step> {
    let place = row.place.clone();
    match ready(run, task) {
        Readiness::Wait(_) => return None,
        Readiness::Skip(reason) => return Some(Step::Skip { place, reason }),
        Readiness::Block(reason) => return Some(Step::Block { task: task.name.clone(), reason }),
        Readiness::Go => {}
    }
    if row.not_before.is_some_and(|at| at > now) {
        return None;
    }
    let fail = |reason: String| Some(Step::Fail { place: place.clone(), reason, retry_at: None, cancelled: false });
    let scope = |reference: &Reference| run.meaning(reference, &Value::Null);
    if let Some(text) = &task.when {
        match condition::parse(text, None).and_then(|condition| condition.holds(&scope)) {
            Ok(true) => {}
            Ok(false) => return Some(Step::Skip { place, reason: format!("its condition is not met: {text}") }),
            Err(words) => return fail(format!("its condition means nothing: {words}")),
        }
    }
    let Some(list) = &task.for_each else { return Some(Step::Start(place)) };
    match items_of(list, &scope) {
        Ok(items) => Some(Step::Expand { task: task.name.clone(), items }),
        Err(words) => fail(words),
    }
}

/// The list that a task fans out over; one in a text (a tag, a parameter) is read as JSON.
pub fn items_of(list: &Value, scope: &dyn Fn(&Reference) -> Result<Value, String>) -> Result<Vec<Value>, String> {
    let found = references::substitute(list, None, scope)?;
    let found = match &found {
        Value::String(text) => serde_json::from_str(text).unwrap_or(found),
        _ => found,
    };
    match found {
        Value::Array(items) if items.len() > MOST_ITEMS => {
            Err(format!("for_each has {} items; at most {MOST_ITEMS} are run", items.len()))
        }
        Value::Array(items) => Ok(items),
        other => Err(format!("for_each is {other}, which is no list")),
    }
}

fn going(task: &Task, row: &Row, now: i64) -> Option<Step> {
    let place = row.place.clone();
    let fail = |reason: String, cancelled: bool| {
        let again = !cancelled && row.retried < task.retries;
        let retry_at = again.then(|| now.saturating_add(ms(task.delay_s)));
        Some(Step::Fail { place: place.clone(), reason, retry_at, cancelled })
    };
    match &row.seen {
        Some(Seen::Done(outputs)) => return Some(Step::End { place, outputs: outputs.clone() }),
        Some(Seen::Skipped(reason)) => return Some(Step::Skip { place, reason: reason.clone() }),
        Some(Seen::Failed(reason)) => return fail(reason.clone(), false),
        Some(Seen::Cancelled(reason)) => return fail(reason.clone(), true),
        _ => {}
    }
    if let (Some(limit), Some(started_at)) = (task.timeout_s, row.started_at)
        && now - started_at > ms(limit)
    {
        let words = if row.state == TaskState::WaitsForPerson { "nobody answered within" } else { "took longer than" };
        return fail(format!("{words} {}", units::say(limit)), false);
    }
    match &row.seen {
        Some(Seen::Going(Some(words))) if row.reason.as_ref() != Some(words) => {
            Some(Step::Say { place, reason: words.clone() })
        }
        _ => None,
    }
}

fn fanned_out(run: &Run, task: &Task, whole: &Row, now: i64) -> Vec<Step> {
    let items: Vec<&Row> = run.items(&task.name).collect();
    let mut steps: Vec<Step> =
        items.iter().filter(|row| !row.state.is_final()).filter_map(|row| going(task, row, now)).collect();
    let busy = items.iter().filter(|row| matches!(row.state, TaskState::Running | TaskState::WaitsForPerson)).count();
    let most = task.most_at_once.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX));
    let waits = |row: &&&Row| row.state == TaskState::Waiting && row.not_before.is_none_or(|at| at <= now);
    let free = most.saturating_sub(busy);
    steps.extend(items.iter().filter(waits).take(free).map(|row| Step::Start(row.place.clone())));
    if steps.is_empty() && items.iter().all(|row| row.state.is_final()) {
        steps.push(all_ended(whole, &items));
    }
    steps
}

fn all_ended(whole: &Row, items: &[&Row]) -> Step {
    let place = whole.place.clone();
    let bad: Vec<&&Row> = items.iter().filter(|row| row.state.is_bad()).collect();
    let Some(first) = bad.first() else { return Step::End { place, outputs: together(items) } };
    let why = first.reason.as_deref().unwrap_or("failed");
    let reason = format!(
        "{} of {} items did not succeed; item {}: {why}",
        bad.len(),
        items.len(),
        first.place.item.unwrap_or(0) + 1
    );
    let cancelled = bad.iter().all(|row| row.state == TaskState::Cancelled);
    Step::Fail { place, reason, retry_at: None, cancelled }
}

/// Outputs of all items: each as it is under `items`, and by name as lists.
fn together(items: &[&Row]) -> Value {
    let mut lists: Map<String, Value> = Map::new();
    let names = items.iter().filter_map(|row| row.outputs.as_object()).flat_map(Map::keys);
    for name in names.filter(|name| *name != "content") {
        let values = items.iter().map(|row| row.outputs.get(name).cloned().unwrap_or_default());
        lists.entry(name.clone()).or_insert_with(|| Value::Array(values.collect()));
    }
    lists.insert("items".into(), Value::Array(items.iter().map(|row| row.outputs.clone()).collect()));
    Value::Object(lists)
}

fn end(spec: &Spec, run: &Run) -> Step {
    let of = |state: TaskState| {
        let found = spec.tasks.iter().filter_map(|task| run.whole(&task.name)).find(|row| row.state == state);
        found.map(|row| format!("{}: {}", row.place.task, row.reason.as_deref().unwrap_or(state.as_str())))
    };
    let failed = of(TaskState::Failed);
    if let Some(reason) = failed {
        return Step::EndRun { state: RunState::Failed, reason: Some(reason) };
    }
    match of(TaskState::Cancelled).or_else(|| of(TaskState::Blocked)) {
        Some(reason) => Step::EndRun { state: RunState::Cancelled, reason: Some(reason) },
        None => Step::EndRun { state: RunState::Succeeded, reason: skipped(spec, run) },
    }
}

/// A run that succeeded and left something out says so.
fn skipped(spec: &Spec, run: &Run) -> Option<String> {
    let rows = spec.tasks.iter().filter_map(|task| run.whole(&task.name));
    let first = rows.into_iter().find(|row| row.state == TaskState::Skipped)?;
    Some(format!("{} was skipped: {}", first.place.task, first.reason.as_deref().unwrap_or("")))
}

fn ms(seconds: u64) -> i64 {
    i64::try_from(seconds.saturating_mul(1000)).unwrap_or(i64::MAX)
}
