//! What a person asks to run, a job or a sweep of it, as YAML and back: the same file that `drydock job run --file` takes.
//! Pure, so that the host tests it.

use crate::{
    json,
    yaml::{self, Wrong},
};
use drydock_wire::{
    jobs::{Resources, Retries, SubmitJob},
    sweeps::SubmitSweep,
    units,
};
use serde_json::{Map, Value, json};

/// Fields in the order in which people read them.
const ORDER: [&str; 24] = [
    "name",
    "image",
    "image_id",
    "command",
    "job",
    "code",
    "snapshot",
    "datasets",
    "params",
    "grid",
    "random",
    "most_at_once",
    "metric",
    "goal",
    "resources",
    "time",
    "retries",
    "resume",
    "secrets",
    "queue",
    "priority",
    "experiment",
    "tracked",
    "seed",
];

#[derive(Clone, Debug, PartialEq)]
pub enum Wish {
    Job(SubmitJob),
    Sweep(SubmitSweep),
}

impl Wish {
    pub fn to_yaml(&self) -> String {
        let value = match self {
            Self::Job(job) => job_value(job),
            Self::Sweep(sweep) => sweep_value(sweep),
        };
        yaml::write(&units::to_people(value), &ORDER)
    }

    /// Reads it back; what is wrong names its line where there is one.
    pub fn from_yaml(text: &str) -> Result<Self, Wrong> {
        let mut value = yaml::read(text)?;
        let Some(fields) = value.as_object_mut() else {
            return Err(wrong("Write fields with their values, such as 'name: train'."));
        };
        let is_sweep = fields.contains_key("job");
        if is_sweep {
            name_its_job(fields);
            values_as_texts(fields);
        }
        let value = units::to_wire(value).map_err(|message| in_line(text, message))?;
        let text_of = value.to_string();
        let read = if is_sweep {
            json::from_str::<SubmitSweep>(&text_of).map(Self::Sweep)
        } else {
            json::from_str::<SubmitJob>(&text_of).map(Self::Job)
        };
        read.map_err(|error| explained(text, &error.to_string(), is_sweep))
    }
}

fn wrong(message: impl Into<String>) -> Wrong {
    Wrong { line: 0, message: message.into() }
}

/// A sweep's jobs are named after it, so that nobody has to say it twice.
fn name_its_job(fields: &mut Map<String, Value>) {
    let name = fields.get("name").cloned().unwrap_or_default();
    if let Some(Value::Object(job)) = fields.get_mut("job") {
        job.entry("name").or_insert(name);
    }
}

/// Values of parameters are texts, however they are written: `lr: [0.1, 0.01]`.
fn values_as_texts(fields: &mut Map<String, Value>) {
    fn as_texts(list: &mut Value) {
        let list = list.as_array_mut().into_iter().flatten();
        list.filter(|v| v.is_number() || v.is_boolean()).for_each(|v| *v = Value::String(v.to_string()));
    }
    if let Some(Value::Object(grid)) = fields.get_mut("grid") {
        grid.values_mut().for_each(as_texts);
    }
    if let Some(Value::Object(params)) = fields.get_mut("random").and_then(|random| random.get_mut("params")) {
        params.values_mut().filter_map(|from| from.get_mut("choice")).for_each(as_texts);
    }
}

/// `memory_bytes: '4 apples' is no size…`: the field stands before the colon, and the file may have its short name.
fn in_line(text: &str, message: String) -> Wrong {
    let field = message.split(':').next().unwrap_or_default();
    let short = field.trim_end_matches("_bytes").trim_end_matches("_s");
    let names = [field, short, if field == "timeout_s" { "time" } else { field }];
    let line = names.iter().map(|name| yaml::line_of(text, name)).find(|line| *line > 0).unwrap_or(0);
    Wrong { line, message }
}

/// What the reader of wire types says, in words for a person.
fn explained(text: &str, error: &str, is_sweep: bool) -> Wrong {
    let noun = if is_sweep { "sweep" } else { "job" };
    match error.split_once(": ") {
        Some(("unknown", field)) => {
            Wrong { line: yaml::line_of(text, field), message: format!("'{field}' is no field of a {noun}.") }
        }
        Some(("missing", field)) => wrong(format!("The {noun} lacks '{field}'.")),
        _ => wrong(format!("A field of the {noun} has {error}; see the form for what it takes.")),
    }
}

fn value_of<T: serde::Serialize>(it: &T) -> Map<String, Value> {
    match serde_json::to_value(it) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

/// Without what is as it is when nothing is said.
fn job_value(job: &SubmitJob) -> Value {
    let mut fields = value_of(job);
    if job.priority == 0 {
        fields.remove("priority");
    }
    if job.retries == Retries::default() {
        fields.remove("retries");
    }
    if let Some(Value::Object(resources)) = fields.get_mut("resources") {
        if job.resources.gpus == 0 {
            resources.remove("gpus");
        }
        let usual = value_of(&Resources::default());
        resources
            .retain(|key, value| ["cpus", "memory_bytes"].contains(&key.as_str()) || usual.get(key) != Some(value));
    }
    Value::Object(fields)
}

fn sweep_value(sweep: &SubmitSweep) -> Value {
    let mut fields = value_of(sweep);
    let mut job = job_value(&sweep.job);
    if let Some(job) = job.as_object_mut() {
        job.remove("name");
    }
    fields.insert("job".to_owned(), job);
    if sweep.most_at_once == 0 {
        fields.remove("most_at_once");
    }
    if sweep.metric.is_none() && fields.get("goal") == Some(&json!("maximize")) {
        fields.remove("goal");
    }
    Value::Object(fields)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use drydock_wire::{
        jobs::{DatasetRef, Resume},
        sweeps::{Distribution, Goal, RandomSearch},
    };
    use std::collections::BTreeMap;

    fn job() -> SubmitJob {
        SubmitJob {
            name: "train".into(),
            command: vec!["python3".into(), "train.py".into(), "{lr}".into()],
            resources: Resources {
                cpus: 2.0,
                memory_bytes: 4 << 30,
                gpus: 1,
                gpu_memory_bytes: Some(12 << 30),
                disk_bytes: None,
            },
            timeout_s: Some(5400),
            retries: Retries { limit: 2, backoff_s: 30 },
            resume: Some(Resume { grace_s: 90 }),
            datasets: vec![DatasetRef { name: "wine".into(), version: Some(3) }],
            params: BTreeMap::from([("lr".into(), "0.1".into())]),
            env: BTreeMap::from([("N".into(), "3".into())]),
            queue: Some("nightly".into()),
            ..SubmitJob::default()
        }
    }

    #[test]
    fn a_job_goes_to_yaml_and_back() {
        let text = Wish::Job(job()).to_yaml();
        assert!(text.starts_with("name: train\ncommand: [python3, train.py, '{lr}']\n"), "{text}");
        for part in
            ["memory: 4GiB", "gpu_memory: 12GiB", "time: 1h30m", "backoff: 30s", "grace: 1m30s", "queue: nightly"]
        {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        assert!(!text.contains("priority") && !text.contains("buckets") && !text.contains("image"), "{text}");
        assert_eq!(Wish::from_yaml(&text).unwrap(), Wish::Job(job()));
    }

    #[test]
    fn a_sweep_goes_to_yaml_and_back() {
        let random = RandomSearch {
            params: BTreeMap::from([
                ("lr".into(), Distribution::LogUniform([1e-4, 0.1])),
                ("kind".into(), Distribution::Choice(vec!["a".into(), "b".into()])),
            ]),
            count: 20,
            seed: None,
        };
        let sweep = SubmitSweep {
            name: "train".into(),
            job: job(),
            random: Some(random),
            most_at_once: 2,
            metric: Some("loss".into()),
            goal: Goal::Minimize,
            ..SubmitSweep::default()
        };
        let text = Wish::Sweep(sweep.clone()).to_yaml();
        assert_eq!(Wish::from_yaml(&text).unwrap(), Wish::Sweep(sweep), "{text}");
        assert_eq!(text.matches("name: train\n").count(), 1, "{text}");
    }

    #[test]
    fn figures_of_a_sweep_are_texts() {
        let text = "name: a\njob:\n  command: [x]\ngrid: {lr: [0.1, 1e-3], depth: [4, big]}\n";
        let Ok(Wish::Sweep(sweep)) = Wish::from_yaml(text) else { panic!("a sweep") };
        assert_eq!(sweep.grid["lr"], ["0.1", "0.001"]);
        assert_eq!(sweep.grid["depth"], ["4", "big"]);
        assert_eq!(sweep.job.name, "a");
    }

    #[test]
    fn what_is_wrong_says_where() {
        let wrong = |text: &str| Wish::from_yaml(text).unwrap_err().words();
        assert_eq!(wrong("name: a\ncommand: [x]\nprivileged: true\n"), "Line 3: 'privileged' is no field of a job.");
        assert_eq!(wrong("name: a\n"), "The job lacks 'command'.");
        assert!(
            wrong("name: a\ncommand: [x]\nresources:\n  memory: 4 apples\n")
                .starts_with("Line 4: memory_bytes: '4 apples'")
        );
        assert!(wrong("name: a\ncommand: [x]\ntime: soon\n").starts_with("Line 3: "));
        assert!(wrong("- a\n").starts_with("Write fields"));
        assert!(wrong("name: [\n").starts_with("Line 1: "));
    }
}
