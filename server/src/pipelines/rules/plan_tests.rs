//! Runs played by hand: the steps that follow from rows, and the end that follows from steps.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use drydock_wire::pipelines::{RunState, TaskState};
use serde_json::{Value, json};

use super::plan::*;
use crate::pipelines::schema::{Spec, read};

/// A run of a pipeline, with a world that does what it is told.
struct Played {
    spec: Spec,
    run: Run,
    now: i64,
}

fn played(tasks: &str) -> Played {
    let yaml = format!("name: x\nparameters: {{ go: \"yes\", list: [1, 2, 3] }}\ntasks:\n{tasks}");
    let (spec, problems) = read(&yaml);
    assert_eq!(problems, []);
    let spec = spec.unwrap();
    let rows = spec.tasks.iter().map(|task| row(&task.name, None, 1)).collect();
    let parameters: BTreeMap<String, Value> = spec.parameters.clone();
    let run = Run { started_at: 0, parameters, about: json!({"number": 7}), event: json!({}), rows };
    Played { spec, run, now: 1_000 }
}

fn row(task: &str, item: Option<i64>, number: i64) -> Row {
    Row {
        place: Place { task: task.into(), item },
        number,
        retried: 0,
        state: TaskState::Waiting,
        not_before: None,
        started_at: None,
        value: Value::Null,
        outputs: json!({}),
        reason: None,
        seen: None,
    }
}

fn said(step: &Step) -> String {
    let at = |place: &Place| match place.item {
        Some(item) => format!("{}[{item}]", place.task),
        None => place.task.clone(),
    };
    match step {
        Step::Start(place) => format!("start {}", at(place)),
        Step::Expand { task, items } => format!("expand {task} {}", items.len()),
        Step::Say { place, reason } => format!("say {}: {reason}", at(place)),
        Step::End { place, .. } => format!("end {}", at(place)),
        Step::Skip { place, reason } => format!("skip {}: {reason}", at(place)),
        Step::Block { task, reason } => format!("block {task}: {reason}"),
        Step::Fail { place, reason, retry_at, .. } => {
            format!("fail {}: {reason}{}", at(place), retry_at.map(|at| format!(", again at {at}")).unwrap_or_default())
        }
        Step::EndRun { state, reason } => format!("{}: {}", state.as_str(), reason.clone().unwrap_or_default()),
    }
}

impl Played {
    /// Plans, says and applies what the runner would write.
    fn step(&mut self) -> Vec<String> {
        let steps = plan(&self.spec, &self.run, self.now);
        for step in &steps {
            self.apply(step);
        }
        steps.iter().map(said).collect()
    }

    fn at(&mut self, task: &str, item: Option<i64>) -> &mut Row {
        self.run.rows.iter_mut().find(|row| row.place.task == task && row.place.item == item).unwrap()
    }

    fn apply(&mut self, step: &Step) {
        let now = self.now;
        match step {
            Step::Start(place) => {
                let row = self.at(&place.task, place.item);
                (row.state, row.started_at) = (TaskState::Running, Some(now));
            }
            Step::Expand { task, items } => {
                let row = self.at(task, None);
                (row.state, row.started_at, row.value) = (TaskState::Running, Some(now), json!(items));
                for (n, item) in (0..).zip(items) {
                    self.run.rows.push(Row { value: item.clone(), ..self::row(task, Some(n), 1) });
                }
            }
            Step::Say { place, reason } => self.at(&place.task, place.item).reason = Some(reason.clone()),
            Step::End { place, outputs } => {
                let row = self.at(&place.task, place.item);
                (row.state, row.outputs) = (TaskState::Succeeded, outputs.clone());
            }
            Step::Skip { place, .. } => self.at(&place.task, place.item).state = TaskState::Skipped,
            Step::Block { task, .. } => self.at(task, None).state = TaskState::Blocked,
            Step::Fail { place, reason, retry_at, cancelled } => {
                let row = self.at(&place.task, place.item);
                row.reason = Some(reason.clone());
                row.seen = None;
                if let Some(at) = retry_at {
                    (row.state, row.not_before, row.started_at) = (TaskState::Waiting, Some(*at), None);
                    (row.retried, row.number) = (row.retried + 1, row.number + 1);
                } else {
                    row.state = if *cancelled { TaskState::Cancelled } else { TaskState::Failed };
                }
            }
            Step::EndRun { .. } => {}
        }
    }

    fn see(&mut self, task: &str, item: Option<i64>, seen: Seen) {
        self.at(task, item).seen = Some(seen);
    }

    fn done(&mut self, task: &str, outputs: Value) {
        self.see(task, None, Seen::Done(outputs));
    }
}

const JOB: &str = "job: { command: [a] }";

#[test]
fn tasks_follow_each_other_and_the_run_succeeds() {
    let mut run = played(&format!("  a: {{ {JOB} }}\n  b: {{ needs: [a], {JOB} }}\n  c: {{ needs: [a], {JOB} }}\n"));
    assert_eq!(run.step(), ["start a"]);
    assert!(run.step().is_empty());
    run.done("a", json!({}));
    assert_eq!(run.step(), ["end a"]);
    assert_eq!(run.step(), ["start b", "start c"]);
    run.done("c", json!({}));
    assert_eq!(run.step(), ["end c"]);
    assert!(run.step().is_empty());
    run.done("b", json!({}));
    assert_eq!(run.step(), ["end b"]);
    assert_eq!(run.step(), ["succeeded: "]);
}

#[test]
fn a_failure_blocks_what_needs_it_and_starts_what_waits_for_one() {
    let mut run = played(&format!(
        "  a: {{ {JOB} }}\n  b: {{ needs: [a], {JOB} }}\n  c: {{ needs: [b], {JOB} }}\n  tell: {{ needs: [c], start_when: any_failed, {JOB} }}\n  last: {{ needs: [tell], start_when: all_ended, {JOB} }}\n"
    ));
    run.step();
    run.see("a", None, Seen::Failed("exit code 3".into()));
    assert_eq!(run.step(), ["fail a: exit code 3"]);
    assert_eq!(run.step(), ["block b: a failed"]);
    assert_eq!(run.step(), ["block c: b could not start"]);
    assert_eq!(run.step(), ["start tell"]);
    run.done("tell", json!({}));
    assert_eq!(run.step(), ["end tell"]);
    assert_eq!(run.step(), ["start last"]);
    run.done("last", json!({}));
    run.step();
    assert_eq!(run.step(), ["failed: a: exit code 3"]);
}

#[test]
fn nothing_failed_so_what_waits_for_a_failure_is_skipped() {
    let mut run = played(&format!("  a: {{ {JOB} }}\n  tell: {{ needs: [a], start_when: any_failed, {JOB} }}\n"));
    run.step();
    run.done("a", json!({}));
    run.step();
    assert_eq!(run.step(), ["skip tell: nothing that it needs failed"]);
    assert_eq!(run.step(), ["succeeded: tell was skipped: "]);
}

#[test]
fn a_condition_that_is_not_met_skips_the_task_and_what_needs_it() {
    let mut run = played(&format!(
        "  a: {{ {JOB} }}\n  b: {{ needs: [a], when: \"${{tasks.a.metrics.acc}} > 0.9\", {JOB} }}\n  c: {{ needs: [b], {JOB} }}\n  d: {{ needs: [b], start_when: none_failed, {JOB} }}\n"
    ));
    run.step();
    run.done("a", json!({"metrics": {"acc": 0.5}}));
    run.step();
    assert_eq!(run.step(), ["skip b: its condition is not met: ${tasks.a.metrics.acc} > 0.9"]);
    assert_eq!(run.step(), ["skip c: b was skipped", "start d"]);
}

#[test]
fn a_condition_without_sense_fails_the_task() {
    let mut run = played(&format!("  a: {{ when: \"${{params.list}} > 3\", {JOB} }}\n"));
    assert_eq!(run.step(), ["fail a: its condition means nothing: [1,2,3] and 3.0 cannot be put in an order."]);
    assert_eq!(run.step().len(), 1);
}

#[test]
fn it_is_tried_again_after_its_delay_as_often_as_it_says() {
    let mut run = played(&format!("  a: {{ {JOB}, retries: {{ limit: 2, delay: 30s }} }}\n"));
    for attempt in 1..=3 {
        assert_eq!(run.step(), ["start a"], "{attempt}");
        run.see("a", None, Seen::Failed("bad".into()));
        let again = format!(", again at {}", run.now + 30_000);
        assert_eq!(run.step(), [format!("fail a: bad{}", if attempt < 3 { again.as_str() } else { "" })]);
        if attempt < 3 {
            assert!(run.step().is_empty(), "it waits");
            let place = Place { task: "a".into(), item: None };
            assert_eq!(why(&run.spec, &run.run, &place, run.now).unwrap(), "waits before it is tried again (bad)");
            run.now += 30_000;
        }
    }
    assert_eq!(run.step(), ["failed: a: bad"]);
}

#[test]
fn what_somebody_cancelled_is_not_tried_again() {
    let mut run = played(&format!("  a: {{ {JOB}, retries: {{ limit: 2 }} }}\n"));
    run.step();
    run.see("a", None, Seen::Cancelled("cancelled by ann".into()));
    assert_eq!(run.step(), ["fail a: cancelled by ann"]);
    assert_eq!(run.step(), ["cancelled: a: cancelled by ann"]);
}

#[test]
fn time_is_up_for_a_task_for_a_person_and_for_the_run() {
    let mut run = played(&format!("  a: {{ {JOB}, timeout: 10s }}\n  b: {{ approval: {{}}, timeout: 1h }}\n"));
    run.step();
    run.at("b", None).state = TaskState::WaitsForPerson;
    run.see("a", None, Seen::Going(Some("running".into())));
    assert_eq!(run.step(), ["say a: running"]);
    assert!(run.step().is_empty());
    run.now += 10_001;
    assert_eq!(run.step(), ["fail a: took longer than 10 s"]);
    run.now += 3_600_000;
    assert_eq!(run.step(), ["fail b: nobody answered within 1 h"]);
    run.spec.timeout_s = Some(60);
    assert_eq!(run.step(), ["failed: took longer than 1 min"]);
}

#[test]
fn a_list_is_run_item_by_item_so_many_at_once_and_its_outputs_are_lists() {
    let mut run = played(&format!(
        "  a: {{ for_each: \"${{params.list}}\", as: n, most_at_once: 2, {JOB} }}\n  b: {{ needs: [a], {JOB} }}\n"
    ));
    assert_eq!(run.step(), ["expand a 3"]);
    assert_eq!(run.step(), ["start a[0]", "start a[1]"]);
    assert!(run.step().is_empty());
    let place = Place { task: "a".into(), item: Some(2) };
    assert_eq!(why(&run.spec, &run.run, &place, run.now).unwrap(), "waits for its turn: at most 2 at once");
    run.see("a", Some(1), Seen::Done(json!({"run": "r1", "content": "c"})));
    assert_eq!(run.step(), ["end a[1]"]);
    assert_eq!(run.step(), ["start a[2]"]);
    run.see("a", Some(0), Seen::Done(json!({"run": "r0"})));
    run.see("a", Some(2), Seen::Done(json!({"run": "r2"})));
    assert_eq!(run.step(), ["end a[0]", "end a[2]"]);
    assert_eq!(run.step(), ["end a"]);
    assert_eq!(run.at("a", None).outputs["run"], json!(["r0", "r1", "r2"]));
    assert_eq!(run.at("a", None).outputs["items"][1], json!({"run": "r1", "content": "c"}));
    assert_eq!(run.step(), ["start b"]);
}

#[test]
fn one_bad_item_is_told_after_the_others_ended() {
    let mut run = played(&format!("  a: {{ for_each: [x, y], {JOB} }}\n  b: {{ needs: [a], {JOB} }}\n"));
    run.step();
    assert_eq!(run.step(), ["start a[0]", "start a[1]"]);
    run.see("a", Some(0), Seen::Failed("exit code 1".into()));
    assert_eq!(run.step(), ["fail a[0]: exit code 1"]);
    assert!(run.step().is_empty());
    run.see("a", Some(1), Seen::Done(json!({})));
    run.step();
    assert_eq!(run.step(), ["fail a: 1 of 2 items did not succeed; item 1: exit code 1"]);
    assert_eq!(run.step(), ["block b: a failed"]);
}

#[test]
fn lists_may_come_as_text_may_be_empty_and_may_be_none() {
    let mut run =
        played(&format!("  a: {{ {JOB} }}\n  b: {{ needs: [a], for_each: \"${{tasks.a.tags.parts}}\", {JOB} }}\n"));
    run.step();
    run.done("a", json!({"tags": {"parts": "[\"x\", \"y\"]"}}));
    run.step();
    assert_eq!(run.step(), ["expand b 2"]);
    let list = |value: Value| items_of(&value, &|_| Ok(Value::Null));
    assert_eq!(list(json!([])), Ok(vec![]));
    assert!(list(json!("${params.none}")).unwrap_err().contains("no list"));
    assert!(list(json!(vec![0; 1001])).unwrap_err().contains("1001 items"));
    let mut empty = played(&format!("  a: {{ for_each: [], {JOB} }}\n"));
    assert_eq!(
        (empty.step(), empty.step(), empty.step()),
        (vec!["expand a 0".into()], vec!["end a".into()], vec!["succeeded: ".into()])
    );
}

#[test]
fn what_waits_says_for_what() {
    let run = played(&format!("  a: {{ {JOB} }}\n  b: {{ {JOB} }}\n  c: {{ needs: [a, b], {JOB} }}\n"));
    let place = Place { task: "c".into(), item: None };
    assert_eq!(why(&run.spec, &run.run, &place, 0).unwrap(), "waits for a, b");
}

#[test]
fn a_gate_that_skips_skips_what_follows() {
    let mut run = played(&format!("  a: {{ {JOB} }}\n  b: {{ needs: [a], {JOB} }}\n"));
    run.step();
    run.see("a", None, Seen::Skipped("not better".into()));
    assert_eq!(run.step(), ["skip a: not better"]);
    assert_eq!(run.step(), ["skip b: a was skipped"]);
    let RunState::Succeeded = RunState::parse(run.step()[0].split(':').next().unwrap()).unwrap() else {
        panic!("{:?}", run.step())
    };
}
