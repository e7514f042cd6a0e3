//! What a pipeline must be to be applied: names that exist, no circle, references to what a task needs, values that parse.

use std::collections::BTreeMap;

use drydock_wire::{
    pipelines::{Problem, TaskKind, TriggerKind},
    validate,
};
use serde_json::{Value, json};

use super::{
    ScheduleSpec, Spec, Task, TriggerSpec, bodies,
    document::{Document, RetriesDocument, ScheduleDocument, TaskDocument, TriggerDocument},
    lines::{At, line_of},
};
use crate::pipelines::rules::{
    clock::Clock,
    condition,
    plan::MOST_ITEMS,
    references::{self, Reference},
    units,
};

const MOST_TASKS: usize = 500;
const MOST_RETRIES: u32 = 100;
const DELAY_S: u64 = 10;
/// Names that a task's items cannot have.
const TAKEN: [&str; 4] = ["params", "tasks", "run", "event"];

/// The outputs that a kind has.
pub fn outputs(kind: TaskKind) -> &'static [&'static str] {
    match kind {
        TaskKind::Job => &["job", "run", "exit_code", "metrics", "params", "tags", "outputs"],
        TaskKind::Validate => &["dataset", "version", "digest", "rules"],
        TaskKind::Gate => &["passed", "words"],
        TaskKind::Register => &["model", "version"],
        TaskKind::Promote => &["model", "version", "alias", "before"],
        TaskKind::Deploy => &["deployment", "model", "version", "revision"],
        TaskKind::Approval => &["by", "comment"],
        TaskKind::Notify => &["delivery"],
    }
}

struct Checker<'a> {
    yaml: &'a str,
    problems: Vec<Problem>,
}

impl Checker<'_> {
    fn tell(&mut self, path: &[At<'_>], message: impl Into<String>) {
        self.problems.push(Problem { line: line_of(self.yaml, path), message: message.into() });
    }

    fn seconds(&mut self, path: &[At<'_>], value: Option<&Value>) -> Option<u64> {
        match units::seconds(value?) {
            Ok(seconds) if seconds > 0 => Some(seconds),
            Ok(_) => {
                self.tell(path, "Use one second or more.");
                None
            }
            Err(words) => {
                self.tell(path, words);
                None
            }
        }
    }
}

/// Checks all there is to check; the problems in the order of the text.
pub fn check(document: Document, yaml: &str) -> (Spec, Vec<Problem>) {
    let mut checker = Checker { yaml, problems: vec![] };
    if let Err(words) = validate::slug(&document.name) {
        checker.tell(&[At::Key("name")], words);
    }
    if document.description.chars().count() > 1_000 {
        checker.tell(&[At::Key("description")], "Use at most 1,000 characters.");
    }
    if !(1..=100).contains(&document.concurrency.most) {
        checker.tell(&[At::Key("concurrency")], "most: use 1 to 100.");
    }
    let timeout_s = checker.seconds(&[At::Key("timeout")], document.timeout.as_ref());
    let given = document.tasks.0;
    if given.is_empty() || given.len() > MOST_TASKS {
        checker.tell(&[At::Key("tasks")], format!("A pipeline has 1 to {MOST_TASKS} tasks."));
    }
    let tasks = given.into_iter().filter_map(|(name, task)| task_of(&mut checker, name, task)).collect();
    let mut spec = Spec {
        name: document.name,
        description: document.description,
        parameters: document.parameters,
        concurrency: document.concurrency,
        timeout_s,
        tasks,
        schedules: vec![],
        triggers: vec![],
    };
    graph(&mut checker, &spec);
    for task in &spec.tasks {
        references_of(&mut checker, &spec, task);
    }
    let schedules = document.schedules.into_iter().enumerate();
    spec.schedules = schedules.filter_map(|(n, one)| schedule(&mut checker, &spec, n, one)).collect();
    let triggers = document.triggers.into_iter().enumerate();
    spec.triggers = triggers.filter_map(|(n, one)| trigger(&mut checker, &spec, n, one)).collect();
    checker.problems.sort_by_key(|problem| problem.line);
    (spec, checker.problems)
}

fn task_of(checker: &mut Checker<'_>, name: String, task: TaskDocument) -> Option<Task> {
    let at = [At::Key("tasks"), At::Key(&name)];
    if validate::slug(&name.replace('_', "-").to_ascii_lowercase()).is_err() || name.contains('.') {
        checker.tell(&at, format!("{name}: use 1 to 63 letters, digits, dashes and underscores for a task's name."));
    }
    let (kind, body) = work_of(checker, &name, &task)?;
    let (retries, delay_s) = retries_of(checker, &name, kind, task.retries.as_ref());
    let under = |key: &'static str| [At::Key("tasks"), At::Key(&name), At::Key(key)];
    if task.cache && !matches!(kind, TaskKind::Job | TaskKind::Validate) {
        checker.tell(&under("cache"), format!("{name}: only job and validate can be taken from the cache."));
    }
    let item = item_of(checker, &name, &task);
    let timeout_s = checker.seconds(&under("timeout"), task.timeout.as_ref());
    let line = line_of(checker.yaml, &at);
    Some(Task {
        line,
        needs: task.needs,
        start_when: task.start_when,
        when: task.when,
        for_each: task.for_each,
        item,
        most_at_once: task.most_at_once,
        retries,
        delay_s,
        timeout_s,
        cache: task.cache,
        kind,
        body,
        name,
    })
}

/// The one kind that a task has, with what it asks for.
fn work_of(checker: &mut Checker<'_>, name: &str, task: &TaskDocument) -> Option<(TaskKind, Value)> {
    let kinds = [
        (TaskKind::Job, &task.job),
        (TaskKind::Validate, &task.validate),
        (TaskKind::Gate, &task.gate),
        (TaskKind::Register, &task.register),
        (TaskKind::Promote, &task.promote),
        (TaskKind::Deploy, &task.deploy),
        (TaskKind::Approval, &task.approval),
        (TaskKind::Notify, &task.notify),
    ];
    let mut found = kinds.into_iter().filter_map(|(kind, body)| Some((kind, body.clone()?)));
    if let (Some(one), None) = (found.next(), found.next()) {
        return Some(one);
    }
    let words = kinds.map(|(kind, _)| kind.as_str()).join(", ");
    checker.tell(&[At::Key("tasks"), At::Key(name)], format!("{name}: say what it does, with one of {words}."));
    None
}

/// How often it is tried again, and after how many seconds.
fn retries_of(checker: &mut Checker<'_>, name: &str, kind: TaskKind, given: Option<&RetriesDocument>) -> (u32, u64) {
    let Some(given) = given else { return (0, DELAY_S) };
    let at = [At::Key("tasks"), At::Key(name), At::Key("retries")];
    if given.limit > MOST_RETRIES {
        checker.tell(&at, format!("{name}: at most {MOST_RETRIES} retries."));
    }
    if given.limit > 0 && matches!(kind, TaskKind::Approval | TaskKind::Gate) {
        let words = format!("{name}: asked again, a {} has the same answer; leave retries out.", kind.as_str());
        checker.tell(&at, words);
    }
    match given.delay.as_ref().map(units::seconds) {
        None => (given.limit, DELAY_S),
        Some(Ok(seconds)) => (given.limit, seconds),
        Some(Err(words)) => {
            checker.tell(&at, format!("{name}: {words}"));
            (given.limit, DELAY_S)
        }
    }
}

/// How the task calls its items.
fn item_of(checker: &mut Checker<'_>, name: &str, task: &TaskDocument) -> String {
    let under = |key: &'static str| [At::Key("tasks"), At::Key(name), At::Key(key)];
    if task.for_each.is_none() && (task.item.is_some() || task.most_at_once.is_some()) {
        checker.tell(&[At::Key("tasks"), At::Key(name)], format!("{name}: as and most_at_once go with for_each."));
    }
    if task.most_at_once == Some(0) {
        checker.tell(&under("most_at_once"), format!("{name}: use 1 or more."));
    }
    if let Some(Value::Array(items)) = &task.for_each
        && items.len() > MOST_ITEMS
    {
        checker.tell(&under("for_each"), format!("{name}: at most {MOST_ITEMS} items."));
    }
    let item = task.item.clone().unwrap_or_else(|| "item".into());
    let plain = !item.is_empty() && item.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if TAKEN.contains(&item.as_str()) || !plain {
        checker.tell(&under("as"), format!("{name}: {item} cannot be the name of an item."));
    }
    item
}

fn graph(checker: &mut Checker<'_>, spec: &Spec) {
    for task in &spec.tasks {
        let at = [At::Key("tasks"), At::Key(&task.name), At::Key("needs")];
        for (place, need) in task.needs.iter().enumerate() {
            if spec.task(need).is_none() {
                checker.tell(&at, format!("{}: there is no task {need} that it could need.", task.name));
            } else if task.needs[..place].contains(need) {
                checker.tell(&at, format!("{}: {need} is there twice.", task.name));
            }
        }
    }
    if let Some(circle) = circle(spec) {
        let at = [At::Key("tasks"), At::Key(circle[0]), At::Key("needs")];
        checker.tell(&at, format!("These tasks wait for each other: {}.", circle.join(" → ")));
    }
}

/// One circle of tasks, the first again at its end.
fn circle(spec: &Spec) -> Option<Vec<&str>> {
    let start = spec.tasks.iter().find(|task| spec.upstream(&task.name).contains(&task.name.as_str()))?;
    let mut path = vec![start.name.as_str()];
    loop {
        let here = spec.task(path.last()?)?;
        // One of what it needs leads back to the start, or it would not be on a circle.
        let next = here
            .needs
            .iter()
            .find(|need| **need == start.name || spec.upstream(need).contains(&start.name.as_str()))?;
        path.push(next);
        if *next == start.name || path.len() > spec.tasks.len() + 1 {
            return Some(path);
        }
    }
}

fn references_of(checker: &mut Checker<'_>, spec: &Spec, task: &Task) {
    let key = |key: &'static str| [At::Key("tasks"), At::Key(&task.name), At::Key(key)];
    let upstream = spec.upstream(&task.name);
    let mut all: Vec<(&'static str, Result<Vec<Reference>, String>)> = vec![];
    if let Some(text) = &task.when {
        let parsed = condition::parse(text, None);
        all.push(("when", parsed.map(|condition| condition.references().into_iter().cloned().collect())));
    }
    if let Some(list) = &task.for_each {
        all.push(("for_each", references::references(list, None)));
        if !matches!(list, Value::Array(_) | Value::String(_)) {
            checker.tell(&key("for_each"), format!("{}: for_each is a list, or a reference to one.", task.name));
        }
    }
    let body = inline(task.kind, task.body.clone());
    all.push((task.kind.as_str(), references::references(&body, task.item_name())));
    let before = checker.problems.len();
    for (place, found) in all {
        match found {
            Err(words) => checker.tell(&key(place), format!("{}: {words}", task.name)),
            Ok(found) => {
                for words in found.iter().filter_map(|reference| wrong(spec, &upstream, reference)) {
                    checker.tell(&key(place), format!("{}: {words}", task.name));
                }
            }
        }
    }
    if checker.problems.len() == before {
        body_of(checker, spec, task);
    }
}

fn wrong(spec: &Spec, upstream: &[&str], reference: &Reference) -> Option<String> {
    match reference {
        Reference::Param(name) if !spec.parameters.contains_key(name) => {
            Some(format!("${{{reference}}}: there is no parameter {name}."))
        }
        Reference::Output { task, path } => {
            let Some(other) = spec.task(task) else {
                return Some(format!("${{{reference}}}: there is no task {task}."));
            };
            if !upstream.contains(&task.as_str()) {
                return Some(format!("${{{reference}}}: put {task} into its needs, so that it has ended before."));
            }
            let known = outputs(other.kind);
            let first = path.first().map_or("", String::as_str);
            let is_known = known.contains(&first) || other.fans_out() && first == "items";
            (!is_known)
                .then(|| format!("${{{reference}}}: a {} has the outputs {}.", other.kind.as_str(), known.join(", ")))
        }
        _ => None,
    }
}

/// The body with something plausible for each reference must be one.
fn body_of(checker: &mut Checker<'_>, spec: &Spec, task: &Task) {
    let item = match &task.for_each {
        Some(Value::Array(items)) => items.first().cloned().unwrap_or_else(|| json!("1")),
        _ => json!("1"),
    };
    let plausible = |reference: &Reference| {
        Ok(match reference {
            Reference::Param(name) => match spec.parameters.get(name) {
                Some(Value::Null) | None => json!("1"),
                Some(value) => value.clone(),
            },
            Reference::Item => item.clone(),
            _ => json!("1"),
        })
    };
    let body = inline(task.kind, task.body.clone());
    let checked = references::substitute(&body, task.item_name(), &plausible)
        .and_then(|body| bodies::check(task.kind, &body, &spec.name));
    if let Err(words) = checked {
        let at = [At::Key("tasks"), At::Key(&task.name), At::Key(task.kind.as_str())];
        let unknown = words.split('`').nth(1).filter(|_| words.contains("unknown field"));
        let part = words.split_once(':').map(|(part, _)| part);
        let under = |field: &str| line_of(checker.yaml, &[at[0], at[1], at[2], At::Key(field)]);
        let of_part = part
            .zip(unknown)
            .and_then(|(part, field)| line_of(checker.yaml, &[at[0], at[1], at[2], At::Key(part), At::Key(field)]));
        let line = of_part.or_else(|| unknown.and_then(under)).or_else(|| part.and_then(under));
        let line = line.or_else(|| line_of(checker.yaml, &at));
        checker.problems.push(Problem { line, message: format!("{}: {}: {words}", task.name, task.kind.as_str()) });
    }
}

/// Without what applying turns into code: `files: { train.py: "…" }`, whose texts are no places for references.
fn inline(kind: TaskKind, mut body: Value) -> Value {
    if let (TaskKind::Job, Value::Object(map)) = (kind, &mut body) {
        map.shift_remove("files");
    }
    body
}

fn schedule(checker: &mut Checker<'_>, spec: &Spec, n: usize, given: ScheduleDocument) -> Option<ScheduleSpec> {
    let at = [At::Key("schedules"), At::Entry(n)];
    if let Err(words) = Clock::checked(&given.cron, &given.zone) {
        checker.tell(&at, words);
        return None;
    }
    let Some(catch_up) = given.catch_up else {
        checker
            .tell(&at, "Say what becomes of runs that were missed while the box was off: catch_up: none, last or all.");
        return None;
    };
    known_parameters(checker, spec, &at, &given.parameters);
    let name = given.name.unwrap_or_else(|| format!("schedule-{}", n + 1));
    Some(ScheduleSpec { name, cron: given.cron, zone: given.zone, catch_up, parameters: given.parameters })
}

fn trigger(checker: &mut Checker<'_>, spec: &Spec, n: usize, given: TriggerDocument) -> Option<TriggerSpec> {
    let at = [At::Key("triggers"), At::Entry(n)];
    let mut kinds = [
        (TriggerKind::DatasetVersion, given.dataset_version),
        (TriggerKind::Alert, given.alert),
        (TriggerKind::Drift, given.drift),
        (TriggerKind::Pipeline, given.pipeline),
        (TriggerKind::Webhook, given.webhook.filter(|on| *on).map(|_| String::new())),
    ]
    .into_iter()
    .filter_map(|(kind, subject)| Some((kind, subject?)));
    let (Some((kind, subject)), None) = (kinds.next(), kinds.next()) else {
        checker.tell(&at, "A trigger has one of dataset_version, alert, drift, pipeline, webhook.");
        return None;
    };
    if kind == TriggerKind::Pipeline && subject == spec.name {
        checker.tell(&at, "A pipeline that its own end starts would never end.");
    }
    if given.state.is_some_and(|state| !state.is_final()) || given.state.is_some() && kind != TriggerKind::Pipeline {
        checker.tell(&at, "state goes with pipeline and is succeeded, failed or cancelled.");
    }
    known_parameters(checker, spec, &at, &given.parameters);
    Some(TriggerSpec { kind, subject, state: given.state, parameters: given.parameters })
}

/// What starts by itself must have every parameter.
fn known_parameters(checker: &mut Checker<'_>, spec: &Spec, at: &[At<'_>], given: &BTreeMap<String, Value>) {
    for name in given.keys().filter(|name| !spec.parameters.contains_key(*name)) {
        checker.tell(at, format!("There is no parameter {name}."));
    }
    let missing = |(name, value): &(&String, &Value)| value.is_null() && !given.contains_key(*name);
    for (name, _) in spec.parameters.iter().filter(missing) {
        checker.tell(at, format!("The parameter {name} has no default; give it under parameters."));
    }
}
