//! The YAML as its author wrote it, before anything is checked. Fields that may hold references are values of any kind.

use std::{collections::BTreeMap, fmt, marker::PhantomData};

use drydock_wire::pipelines::{CatchUp, Concurrency, RunState, StartWhen};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error, MapAccess, Visitor},
};
use serde_json::Value;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    pub name: String,
    #[serde(default)]
    pub description: String,
    #[serde(default)]
    pub parameters: BTreeMap<String, Value>,
    #[serde(default)]
    pub concurrency: Concurrency,
    #[serde(default)]
    pub timeout: Option<Value>,
    pub tasks: Ordered<TaskDocument>,
    #[serde(default)]
    pub schedules: Vec<ScheduleDocument>,
    #[serde(default)]
    pub triggers: Vec<TriggerDocument>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TaskDocument {
    pub needs: Vec<String>,
    pub start_when: StartWhen,
    pub when: Option<String>,
    pub for_each: Option<Value>,
    #[serde(rename = "as")]
    pub item: Option<String>,
    pub most_at_once: Option<u32>,
    pub retries: Option<RetriesDocument>,
    pub timeout: Option<Value>,
    pub cache: bool,
    pub job: Option<Value>,
    pub validate: Option<Value>,
    pub gate: Option<Value>,
    pub register: Option<Value>,
    pub promote: Option<Value>,
    pub deploy: Option<Value>,
    pub approval: Option<Value>,
    pub notify: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetriesDocument {
    pub limit: u32,
    pub delay: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleDocument {
    #[serde(default)]
    pub name: Option<String>,
    pub cron: String,
    pub zone: String,
    pub catch_up: Option<CatchUp>,
    #[serde(default)]
    pub parameters: BTreeMap<String, Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TriggerDocument {
    pub dataset_version: Option<String>,
    pub alert: Option<String>,
    pub drift: Option<String>,
    pub pipeline: Option<String>,
    /// With `pipeline`: how it must have ended.
    pub state: Option<RunState>,
    pub webhook: Option<bool>,
    pub parameters: BTreeMap<String, Value>,
}

/// A mapping in the order of its text, each key once.
#[derive(Debug)]
pub struct Ordered<T>(pub Vec<(String, T)>);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Ordered<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<T>(PhantomData<T>);
        impl<'de, T: DeserializeOwned> Visitor<'de> for Reader<T> {
            type Value = Vec<(String, T)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("tasks by name")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut found: Vec<(String, T)> = vec![];
                while let Some((key, value)) = map.next_entry::<String, T>()? {
                    if found.iter().any(|(known, _)| *known == key) {
                        return Err(M::Error::custom(format!("{key} is there twice")));
                    }
                    found.push((key, value));
                }
                Ok(found)
            }
        }
        deserializer.deserialize_map(Reader(PhantomData)).map(Self)
    }
}
