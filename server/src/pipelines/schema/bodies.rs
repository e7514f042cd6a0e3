//! What each kind of task asks for, once its references have values.

use drydock_wire::{
    self as wire,
    accounts::Role,
    jobs::{DatasetRef, Resources, SubmitJob},
    pipelines::TaskKind,
    serving::{PutDeployment, ReleasePlan, Runtime, ServedBy},
};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use crate::{
    pipelines::rules::{condition, gate::Gate, units},
    serving,
};

/// `validate:`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validate {
    pub dataset: String,
    /// A number, a tag or `latest`.
    #[serde(default = "latest", deserialize_with = "text")]
    pub version: String,
}

/// `register:`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Register {
    pub run: String,
    #[serde(default = "model")]
    pub path: String,
    pub model: String,
    #[serde(default)]
    pub description: String,
}

/// `promote:`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Promote {
    pub model: String,
    #[serde(deserialize_with = "text")]
    pub version: String,
    pub alias: String,
}

/// `deploy:`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deploy {
    pub deployment: String,
    /// May be left out where an image brings all that it needs.
    #[serde(default)]
    pub model: String,
    /// A number, or `@alias`.
    #[serde(default, deserialize_with = "text")]
    pub version: String,
    #[serde(default)]
    resources: Value,
    #[serde(default)]
    served_by: Value,
    #[serde(default)]
    settings: Value,
    #[serde(default)]
    release: Value,
}

impl Deploy {
    /// As the API takes it.
    ///
    /// # Errors
    /// Begins with the field that is wrong.
    pub fn wish(self) -> Result<PutDeployment, String> {
        let served_by: Option<ServedBy> = part("served_by", self.served_by)?;
        let brings_all = served_by.as_ref().is_some_and(|it| matches!(it.runtime, Runtime::Image(_)));
        match (self.model.is_empty(), self.version.is_empty()) {
            (true, _) if !brings_all => return Err("model: say which registered model".into()),
            (false, true) => return Err("version: say a number, or @alias".into()),
            (true, false) => return Err("version: goes with model".into()),
            _ => {}
        }
        let release: Option<ReleasePlan> = part("release", self.release)?;
        let plan = release.iter().try_for_each(serving::check_release);
        plan.map_err(|error| format!("release: {}", error.message))?;
        Ok(PutDeployment {
            model: self.model,
            version: self.version,
            served_by,
            settings: part("settings", self.settings)?,
            resources: resources(&self.resources).map_err(|cause| format!("resources: {cause}"))?,
            release,
        })
    }
}

/// A part of a body that is as on the wire, with sizes and times in words.
fn part<T: DeserializeOwned>(name: &str, value: Value) -> Result<Option<T>, String> {
    if value.is_null() {
        return Ok(None);
    }
    let wire = wire::units::to_wire(value).map_err(|cause| format!("{name}: {cause}"))?;
    read(&wire).map(Some).map_err(|cause| format!("{name}: {cause}"))
}

/// `approval:`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Approval {
    pub role: Role,
    /// Only these may answer, whatever their role; empty: everybody of the role.
    pub people: Vec<String>,
    /// Not the person in whose name the run goes.
    pub four_eyes: bool,
    pub text: String,
}

impl Default for Approval {
    fn default() -> Self {
        Self { role: Role::Engineer, people: vec![], four_eyes: false, text: String::new() }
    }
}

/// `notify:`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notify {
    /// The webhook's name.
    pub webhook: String,
    pub text: String,
    #[serde(default)]
    pub data: Value,
}

fn latest() -> String {
    "latest".into()
}

fn model() -> String {
    "model".into()
}

/// A number counts as its text.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        other => Err(serde::de::Error::custom(format!("{other} is neither a number nor a text"))),
    }
}

/// Reads a body that has values only.
pub fn read<T: DeserializeOwned>(body: &Value) -> Result<T, String> {
    T::deserialize(body).map_err(|cause| cause.to_string())
}

/// Whether the body makes sense for its kind; `name`: of the job, if it is one.
pub fn check(kind: TaskKind, body: &Value, name: &str) -> Result<(), String> {
    match kind {
        TaskKind::Job => job(body, name).map(drop),
        TaskKind::Validate => read::<Validate>(body).map(drop),
        TaskKind::Gate => {
            let gate = read::<Gate>(body)?;
            if gate.all.is_empty() && gate.any.is_empty() {
                return Err("a gate needs conditions: all: [ { metric: accuracy, at_least: 0.9 } ]".into());
            }
            let idle = |bar: &&crate::pipelines::rules::gate::Bar| {
                bar.better_than.is_none()
                    && [bar.at_least, bar.at_most, bar.above, bar.below].iter().all(Option::is_none)
            };
            match gate.all.iter().chain(&gate.any).find(idle) {
                Some(bar) => Err(format!("{}: say at_least, at_most, above, below or better_than", bar.metric)),
                None => Ok(()),
            }
        }
        TaskKind::Register => read::<Register>(body).map(drop),
        TaskKind::Promote => read::<Promote>(body).map(drop),
        TaskKind::Deploy => read::<Deploy>(body)?.wish().map(drop),
        TaskKind::Approval if body.is_null() => Ok(()),
        TaskKind::Approval => read::<Approval>(body).map(drop),
        TaskKind::Notify => read::<Notify>(body).map(drop),
    }
}

/// The resources as the YAML has them: `{ cpus: 2, memory: 4GiB, gpus: 1, gpu_memory: 8GiB, disk: 20GiB }`.
pub fn resources(value: &Value) -> Result<Resources, String> {
    let Value::Object(given) = value else {
        return if value.is_null() {
            Ok(Resources::default())
        } else {
            Err("resources: write { cpus: 2, memory: 4GiB }".into())
        };
    };
    let mut made = Map::new();
    for (key, value) in given {
        let (key, value) = match key.as_str() {
            "memory" | "disk" | "gpu_memory" => (format!("{key}_bytes"), json!(units::bytes(value)?)),
            "cpus" => {
                (key.clone(), json!(condition::number(value).ok_or_else(|| format!("cpus: {value} is no number"))?))
            }
            "gpus" => (key.clone(), json!(whole(value).ok_or_else(|| format!("gpus: {value} is no count"))?)),
            _ => (key.clone(), value.clone()),
        };
        made.insert(key, value);
    }
    read(&Value::Object(made))
}

fn whole(value: &Value) -> Option<u64> {
    condition::number(value)
        .filter(|number| number.fract() == 0.0 && (0.0..1e15).contains(number))
        .map(|number| number as u64)
}

/// The job that a body asks for. Shorter than on the wire: `data: ["wine:3"]`, sizes and durations with units, numbers where
/// the container gets text.
pub fn job(body: &Value, name: &str) -> Result<SubmitJob, String> {
    let Value::Object(given) = body else { return Err("a job has a command: { command: [python3, train.py] }".into()) };
    let mut made = Map::new();
    made.insert("name".into(), json!(name));
    for (key, value) in given {
        let (key, value) = match key.as_str() {
            "data" => ("datasets".to_owned(), json!(datasets(value)?)),
            "resources" => (key.clone(), json!(resources(value)?)),
            "time" => ("timeout_s".to_owned(), json!(units::seconds(value)?)),
            "command" => (key.clone(), words(value)),
            "env" | "params" => (key.clone(), texts(value)),
            "priority" | "seed" | "timeout_s" => (
                key.clone(),
                condition::number(value)
                    .filter(|_| value.is_string())
                    .map_or_else(|| value.clone(), |n| json!(n as i64)),
            ),
            "retries" | "resume" => (key.clone(), pauses(value)?),
            _ => (key.clone(), value.clone()),
        };
        made.insert(key, value);
    }
    read(&Value::Object(made))
}

fn pauses(value: &Value) -> Result<Value, String> {
    let Value::Object(given) = value else { return Ok(value.clone()) };
    let mut made = Map::new();
    for (key, value) in given {
        match key.as_str() {
            "backoff" | "grace" => drop(made.insert(format!("{key}_s"), json!(units::seconds(value)?))),
            _ => drop(made.insert(key.clone(), value.clone())),
        }
    }
    Ok(Value::Object(made))
}

/// `wine`, `wine:3`, `wine:prod`, `wine@prod`, or as on the wire.
fn datasets(value: &Value) -> Result<Vec<DatasetRef>, String> {
    let Value::Array(all) = value else { return Err("data: write a list: [\"wine:3\"]".into()) };
    all.iter()
        .map(|one| match one {
            Value::String(text) => Ok(match text.split_once(':') {
                Some((name, version)) => match version.parse() {
                    Ok(number) => DatasetRef { name: name.to_owned(), version: Some(number) },
                    Err(_) => DatasetRef { name: format!("{name}@{version}"), version: None },
                },
                None => DatasetRef { name: text.clone(), version: None },
            }),
            other => read(other),
        })
        .collect()
}

fn plain(value: &Value) -> Value {
    match value {
        Value::Number(_) | Value::Bool(_) => Value::String(value.to_string()),
        Value::Array(_) | Value::Object(_) => Value::String(value.to_string()),
        other => other.clone(),
    }
}

fn words(value: &Value) -> Value {
    match value {
        Value::Array(all) => Value::Array(all.iter().map(plain).collect()),
        other => other.clone(),
    }
}

fn texts(value: &Value) -> Value {
    match value {
        Value::Object(all) => Value::Object(all.iter().map(|(key, value)| (key.clone(), plain(value))).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_job_in_short_is_a_job_on_the_wire() {
        let body = json!({
            "command": ["python3", "t.py", 0.1], "data": ["wine:3", "beer:prod", "sake", {"name": "gin", "version": 2}],
            "resources": {"cpus": "2", "memory": "1GiB", "gpus": 1, "gpu_memory": "8Gi"}, "env": {"N": 3, "ON": true},
            "retries": {"limit": 2, "backoff": "1m"}, "time": "30m", "seed": "7",
        });
        let made = job(&body, "a-b").unwrap();
        assert_eq!(made.command, ["python3", "t.py", "0.1"]);
        let data: Vec<_> = made.datasets.iter().map(|one| (one.name.as_str(), one.version)).collect();
        assert_eq!(data, [("wine", Some(3)), ("beer@prod", None), ("sake", None), ("gin", Some(2))]);
        assert_eq!(
            (made.resources.memory_bytes, made.resources.cpus, made.resources.gpu_memory_bytes),
            (1 << 30, 2.0, Some(8 << 30))
        );
        assert_eq!((made.env["N"].as_str(), made.env["ON"].as_str()), ("3", "true"));
        assert_eq!(
            (made.retries.limit, made.retries.backoff_s, made.timeout_s, made.seed),
            (2, 60, Some(1800), Some(7))
        );
        assert_eq!(made.name, "a-b");
    }

    #[test]
    fn a_deployment_in_words_is_one_on_the_wire_and_faults_name_the_field() {
        let wish = |more: Value| {
            let mut body = json!({"deployment": "d", "model": "m", "version": 1});
            more.as_object().unwrap().iter().for_each(|(name, value)| body[name] = value.clone());
            read::<Deploy>(&body)?.wish()
        };
        let runtime = json!({"kind": "image", "image": "team/vllm:1", "port": 8000, "protocol": "openai"});
        let made = wish(json!({
            "served_by": {"runtime": runtime, "env": {"N": 3}},
            "settings": {"replicas": 2, "limits": {"timeout_s": "10m"}},
            "release": {"strategy": "canary", "steps": [{"weight": 10, "hold_s": "1m"}]},
            "resources": {"memory": "2GiB"},
        }));
        let made = serde_json::to_value(made.unwrap()).unwrap();
        assert_eq!(
            (&made["served_by"]["env"]["N"], &made["settings"]["limits"]["timeout_s"]),
            (&json!("3"), &json!(600))
        );
        assert_eq!((&made["release"]["steps"][0]["hold_s"], &made["version"]), (&json!(60), &json!("1")));
        assert_eq!(made["resources"]["memory_bytes"], json!(2_u64 << 30));
        assert!(wish(json!({"model": "", "version": "", "served_by": {"runtime": runtime}})).is_ok());
        for (field, more) in [
            ("model: ", json!({"model": "", "version": ""})),
            ("version: ", json!({"version": ""})),
            ("served_by: ", json!({"served_by": {"runtime": {"kind": "image", "image": "x"}}})),
            ("served_by: unknown field `enviroment`", json!({"served_by": {"enviroment": {}}})),
            ("settings: unknown field `replica`", json!({"settings": {"replica": 2}})),
            ("release: ", json!({"release": {"strategy": "hope"}})),
            ("release: ", json!({"release": {"strategy": "canary", "steps": [{"weight": 500, "hold_s": 1}]}})),
            ("resources: ", json!({"resources": {"ram": 1}})),
        ] {
            let why = wish(more).expect_err("it was taken");
            assert!(why.starts_with(field), "{field}: {why}");
        }
    }

    #[test]
    fn wrong_bodies_are_told() {
        for (kind, bad) in [
            (TaskKind::Job, json!({"image": "x"})),
            (TaskKind::Job, json!({"command": ["a"], "privileged": true})),
            (TaskKind::Job, json!({"command": ["a"], "resources": {"memory": "much"}})),
            (TaskKind::Job, json!({"command": ["a"], "data": "wine"})),
            (TaskKind::Validate, json!({})),
            (TaskKind::Gate, json!({"run": "x"})),
            (TaskKind::Gate, json!({"run": "x", "all": [{"metric": "a"}]})),
            (TaskKind::Promote, json!({"model": "m", "version": [1], "alias": "a"})),
            (TaskKind::Deploy, json!({"deployment": "d", "model": "m", "version": 1, "resources": {"ram": 1}})),
            (TaskKind::Approval, json!({"role": "king"})),
            (TaskKind::Notify, json!({"webhook": "w"})),
        ] {
            assert!(check(kind, &bad, "x").is_err(), "{bad}");
        }
        for (kind, good) in [
            (TaskKind::Promote, json!({"model": "m", "version": 1, "alias": "a"})),
            (TaskKind::Approval, Value::Null),
            (TaskKind::Validate, json!({"dataset": "d"})),
            (
                TaskKind::Gate,
                json!({"run": "x", "any": [{"metric": "a", "better_than": {"model": "m", "alias": "c"}}]}),
            ),
        ] {
            assert_eq!(check(kind, &good, "x"), Ok(()), "{good}");
        }
    }
}
