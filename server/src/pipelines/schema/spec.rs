//! A pipeline as it is kept and run: checked, with a task's work still in references.

use std::collections::BTreeMap;

use drydock_wire::pipelines::{CatchUp, Concurrency, RunState, StartWhen, TaskKind, TaskShape, TriggerKind};
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    pub name: String,
    pub description: String,
    /// With their defaults; null: must be given.
    pub parameters: BTreeMap<String, Value>,
    pub concurrency: Concurrency,
    pub timeout_s: Option<u64>,
    /// In the order of the YAML.
    pub tasks: Vec<Task>,
    pub schedules: Vec<ScheduleSpec>,
    pub triggers: Vec<TriggerSpec>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    pub name: String,
    pub line: Option<u32>,
    pub needs: Vec<String>,
    pub start_when: StartWhen,
    pub when: Option<String>,
    /// A list, or a reference to one.
    pub for_each: Option<Value>,
    /// How its items are called; `item` if nothing else is said.
    pub item: String,
    pub most_at_once: Option<u32>,
    pub retries: u32,
    pub delay_s: u64,
    pub timeout_s: Option<u64>,
    pub cache: bool,
    pub kind: TaskKind,
    pub body: Value,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScheduleSpec {
    pub name: String,
    pub cron: String,
    pub zone: String,
    pub catch_up: CatchUp,
    #[serde(default)]
    pub parameters: BTreeMap<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TriggerSpec {
    pub kind: TriggerKind,
    pub subject: String,
    pub state: Option<RunState>,
    #[serde(default)]
    pub parameters: BTreeMap<String, Value>,
}

impl Spec {
    pub fn task(&self, name: &str) -> Option<&Task> {
        self.tasks.iter().find(|task| task.name == name)
    }

    /// The task and everything that needs it, over any number of steps, in the order of the YAML.
    pub fn downstream(&self, name: &str) -> Vec<&str> {
        let mut found = vec![name];
        loop {
            let more: Vec<&str> = self
                .tasks
                .iter()
                .filter(|task| !found.contains(&task.name.as_str()))
                .filter(|task| task.needs.iter().any(|need| found.contains(&need.as_str())))
                .map(|task| task.name.as_str())
                .collect();
            if more.is_empty() {
                break;
            }
            found.extend(more);
        }
        self.tasks.iter().map(|task| task.name.as_str()).filter(|task| found.contains(task)).collect()
    }

    /// What the task needs, over any number of steps, without itself.
    pub fn upstream(&self, name: &str) -> Vec<&str> {
        let mut found: Vec<&str> = vec![];
        let mut open: Vec<&str> = vec![name];
        while let Some(one) = open.pop() {
            for need in self.task(one).into_iter().flat_map(|task| &task.needs) {
                if !found.contains(&need.as_str()) {
                    found.push(need);
                    open.push(need);
                }
            }
        }
        found
    }

    pub fn shapes(&self) -> Vec<TaskShape> {
        self.tasks.iter().map(Task::shape).collect()
    }
}

impl Task {
    pub fn fans_out(&self) -> bool {
        self.for_each.is_some()
    }

    /// How the task calls its items, if it has any.
    pub fn item_name(&self) -> Option<&str> {
        self.for_each.as_ref().map(|_| self.item.as_str())
    }

    fn shape(&self) -> TaskShape {
        TaskShape {
            name: self.name.clone(),
            kind: self.kind,
            needs: self.needs.clone(),
            start_when: self.start_when,
            when: self.when.clone(),
            fans_out: self.fans_out(),
            cache: self.cache,
            retries: self.retries,
            timeout_s: self.timeout_s,
            line: self.line,
            what: self.what(),
        }
    }

    /// What it does, in a few words, references as they are written.
    fn what(&self) -> String {
        let text =
            |key: &str| self.body.get(key).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        let joined = |keys: &[&str], with: &str| keys.iter().filter_map(|key| text(key)).collect::<Vec<_>>().join(with);
        match self.kind {
            TaskKind::Job => match self.body.get("command") {
                Some(Value::Array(words)) => words
                    .iter()
                    .map(|word| word.as_str().map_or_else(|| word.to_string(), str::to_owned))
                    .collect::<Vec<_>>()
                    .join(" "),
                _ => String::new(),
            },
            TaskKind::Validate => joined(&["dataset", "version"], "@"),
            TaskKind::Gate => {
                let bars = ["all", "any"].into_iter().filter_map(|key| self.body.get(key)?.as_array()).flatten();
                bars.filter_map(|bar| bar.get("metric")?.as_str()).collect::<Vec<_>>().join(", ")
            }
            TaskKind::Register => joined(&["model"], ""),
            TaskKind::Promote => joined(&["model", "alias"], "@"),
            TaskKind::Deploy => joined(&["deployment"], ""),
            TaskKind::Approval => text("text").unwrap_or_else(|| joined(&["role"], "")),
            TaskKind::Notify => joined(&["webhook"], ""),
        }
    }
}
