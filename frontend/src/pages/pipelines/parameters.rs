//! Parameters of a pipeline as fields: each with its default, as people type it.

use drydock_wire::pipelines::PipelineDetail;
use leptos::prelude::*;
use serde_json::Value;
use std::collections::BTreeMap;

/// What is typed for each parameter.
#[derive(Clone, Copy)]
pub struct Parameters(StoredValue<Vec<One>>);

#[derive(Clone)]
struct One {
    name: String,
    default: Value,
    text: RwSignal<String>,
}

impl Parameters {
    /// The pipeline's, with `given` instead of the defaults. What it has no parameter for any more is left out.
    pub fn new(pipeline: &PipelineDetail, given: &BTreeMap<String, Value>) -> Self {
        let one = |(name, default): (&String, &Value)| One {
            name: name.clone(),
            default: default.clone(),
            text: RwSignal::new(shown(given.get(name).unwrap_or(default))),
        };
        Self(StoredValue::new(pipeline.parameters.iter().map(one).collect()))
    }

    pub fn is_empty(self) -> bool {
        self.0.with_value(Vec::is_empty)
    }

    /// What to do about one that has no default and no value; reactive.
    pub fn missing(self) -> Option<String> {
        self.0.with_value(|all| {
            let lacks = all.iter().find(|one| one.default.is_null() && one.text.with(|t| t.trim().is_empty()));
            lacks.map(|one| format!("Give {} a value; it has no default.", one.name))
        })
    }

    /// Those that differ from their defaults.
    pub fn given(self) -> BTreeMap<String, Value> {
        self.0.with_value(|all| {
            let given = all.iter().filter(|one| one.text.get_untracked() != shown(&one.default));
            given.map(|one| (one.name.clone(), read(&one.text.get_untracked(), &one.default))).collect()
        })
    }
}

/// A value as people type it: text as it is, all else as JSON.
pub fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The other way: a parameter whose default is a text stays one.
fn read(text: &str, default: &Value) -> Value {
    match default {
        Value::String(_) => Value::String(text.to_owned()),
        _ => serde_json::from_str(text.trim()).unwrap_or_else(|_| Value::String(text.to_owned())),
    }
}

#[component]
pub fn ParameterFields(parameters: Parameters) -> impl IntoView {
    let field = |one: One| {
        let id = format!("param-{}", one.name);
        let note = match one.default.is_null() {
            true => "It has no default.".to_owned(),
            false => format!("Default: {}", shown(&one.default)),
        };
        view! {
            <div class="field"><label for=id.clone()>{one.name}</label>
                <input id=id class="mono" bind:value=one.text spellcheck="false" autocomplete="off"/><p class="note">{note}</p></div>
        }
    };
    parameters.0.get_value().into_iter().map(field).collect_view()
}
