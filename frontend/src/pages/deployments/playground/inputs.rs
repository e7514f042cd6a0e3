//! The inputs of a model as fields, from the signature as the Open Inference Protocol tells it.

use crate::ui::Icon;
use leptos::prelude::*;
use serde_json::{Map, Value, json};

/// What a model takes.
#[derive(Clone, PartialEq)]
pub struct Signature {
    /// Its name to the server.
    pub model: String,
    pub inputs: Vec<Input>,
}

#[derive(Clone, PartialEq)]
pub struct Input {
    pub name: String,
    /// `FP64`, `INT64`, `BOOL`, `BYTES`, …
    pub datatype: String,
    /// -1: as many as one likes.
    pub shape: Vec<i64>,
    pub optional: bool,
}

impl Input {
    fn is_number(&self) -> bool {
        !matches!(self.datatype.as_str(), "BOOL" | "BYTES")
    }

    /// A value a row, and no list.
    fn is_plain(&self) -> bool {
        self.shape.len() == 1
    }

    /// The value that a text stands for; absent: it stands for none.
    fn value(&self, text: &str) -> Option<Value> {
        let text = text.trim();
        match text {
            "" if self.optional => Some(Value::Null),
            _ if !self.is_plain() => serde_json::from_str(text).ok().filter(Value::is_array),
            _ if self.datatype == "BYTES" => Some(Value::from(text)),
            "true" | "false" if self.datatype == "BOOL" => Some(Value::from(text == "true")),
            _ if self.datatype.starts_with("FP") || self.datatype == "BF16" => {
                text.parse::<f64>().ok().map(Value::from)
            }
            _ if self.is_number() => text.parse::<i64>().ok().map(Value::from),
            _ => None,
        }
    }

    /// What it is, in words.
    fn kind(&self) -> String {
        let kind = match self.datatype.as_str() {
            "BYTES" => "text",
            "BOOL" => "true or false",
            kind if kind.starts_with("FP") || kind == "BF16" => "number",
            _ => "whole number",
        };
        let shape =
            self.shape.iter().map(|n| if *n < 0 { "any".to_owned() } else { n.to_string() }).collect::<Vec<_>>();
        let list = if self.is_plain() { kind.to_owned() } else { format!("{kind}, list of {}", shape.join(" × ")) };
        if self.optional { format!("{list}, optional") } else { list }
    }
}

impl Signature {
    /// Absent where no inputs are told.
    pub fn read(told: &Value) -> Option<Self> {
        let input = |it: &Value| {
            let shape = it["shape"].as_array()?.iter().filter_map(Value::as_i64).collect();
            let optional = it["parameters"]["optional"].as_bool().unwrap_or(false);
            Some(Input {
                name: it["name"].as_str()?.to_owned(),
                datatype: it["datatype"].as_str()?.to_owned(),
                shape,
                optional,
            })
        };
        let inputs: Option<Vec<Input>> = told["inputs"].as_array()?.iter().map(input).collect();
        let inputs = inputs.filter(|i| !i.is_empty())?;
        Some(Self { model: told["name"].as_str()?.to_owned(), inputs })
    }
}

/// The fields, each with what was typed.
#[derive(Clone, PartialEq)]
pub struct Fields {
    fields: Vec<(Input, RwSignal<String>)>,
    /// A row of columns, or named tensors.
    columns: bool,
    /// The one tensor has no name.
    unnamed: bool,
}

impl Fields {
    /// Filled with the first row of the body.
    pub fn new(signature: &Signature, body: &str) -> Self {
        let body: Value = serde_json::from_str(body).unwrap_or_default();
        let tensors = body.get("inputs").filter(|i| !i.as_array().is_some_and(Vec::is_empty));
        let unnamed = signature.inputs.len() == 1 && tensors.is_some_and(Value::is_array);
        let columns = tensors.is_none() && signature.inputs.iter().all(Input::is_plain);
        let value = |input: &Input| {
            let found = match tensors {
                Some(all) if unnamed => Some(all.clone()),
                Some(all) => all.get(&input.name).cloned(),
                None => cell(&body, &input.name),
            };
            let found = if input.is_plain() { found.map(first) } else { found };
            match found {
                Some(Value::String(text)) => text,
                Some(Value::Null) | None => String::new(),
                Some(other) => other.to_string(),
            }
        };
        let fields = signature.inputs.iter().map(|i| (i.clone(), RwSignal::new(value(i)))).collect();
        Self { fields, columns, unnamed }
    }

    /// As `/invocations` takes it. What is not filled rightly is null.
    pub fn body(&self) -> Value {
        let value = |(input, text): &(Input, RwSignal<String>)| text.with(|t| input.value(t)).unwrap_or(Value::Null);
        let wrapped = |field: &(Input, RwSignal<String>)| {
            let value = value(field);
            if field.0.is_plain() { json!([value]) } else { value }
        };
        if self.columns {
            let names: Vec<&str> = self.fields.iter().map(|(i, _)| i.name.as_str()).collect();
            let row: Vec<Value> = self.fields.iter().map(value).collect();
            return json!({"dataframe_split": {"columns": names, "data": [row]}});
        }
        if let (true, Some(only)) = (self.unnamed, self.fields.first()) {
            return json!({"inputs": wrapped(only)});
        }
        let named: Map<String, Value> = self.fields.iter().map(|f| (f.0.name.clone(), wrapped(f))).collect();
        json!({"inputs": named})
    }

    /// The first field that says nothing the model takes.
    pub fn wrong(&self) -> Option<String> {
        let bad = |(input, text): &&(Input, RwSignal<String>)| text.with(|t| input.value(t)).is_none();
        self.fields.iter().find(bad).map(|(input, _)| format!("{} is to be a {}.", input.name, input.kind()))
    }
}

/// The value of a column in the first row.
fn cell(body: &Value, name: &str) -> Option<Value> {
    if let Some(table) = body.get("dataframe_split") {
        let at = table["columns"].as_array()?.iter().position(|c| c == name)?;
        return table["data"][0].get(at).cloned();
    }
    body.get("dataframe_records")?.get(0)?.get(name).cloned()
}

fn first(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().next().unwrap_or_default(),
        other => other,
    }
}

#[component]
pub fn InputFields(fields: Fields) -> impl IntoView {
    let many = fields.fields.len() > 8;
    let one = |(at, (input, text)): (usize, (Input, RwSignal<String>))| {
        let id = format!("input-{at}");
        let checked = input.clone();
        let wrong = move || text.with(|t| !t.trim().is_empty() && checked.value(t).is_none());
        let note = format!("{id}-note");
        let control = if input.datatype == "BOOL" && input.is_plain() {
            view! {
                <select id=id.clone() prop:value=move || text.get() on:change:target=move |e| text.set(e.target().value())>
                    <option value="">"Choose"</option><option value="true">"true"</option><option value="false">"false"</option>
                </select>
            }
            .into_any()
        } else if input.is_plain() {
            let mode = if input.is_number() { "decimal" } else { "text" };
            view! { <input id=id.clone() inputmode=mode class:mono=input.is_number() bind:value=text aria-describedby=note.clone() spellcheck="false" autocomplete="off"/> }.into_any()
        } else {
            view! { <textarea id=id.clone() rows="4" class="mono" bind:value=text aria-describedby=note.clone() spellcheck="false"></textarea> }.into_any()
        };
        view! {
            <div class="field" class:invalid=wrong>
                <label for=id class="mono input-name">{input.name.clone()}</label>
                {control}
                <p id=note class="note">{input.kind()}</p>
            </div>
        }
    };
    view! {
        <div class="input-fields" class:many=many>{fields.fields.into_iter().enumerate().map(one).collect_view()}</div>
        <p class="dim row"><Icon name="info"/>"The fields are the model's signature. For several rows write JSON."</p>
    }
}
