//! JSON as people read it: each list and object can be folded, keys stay in the order they came, long texts wrap.

use crate::ui::CopyButton;
use leptos::prelude::*;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// Lists and objects below this depth start folded, unless they are short.
const OPEN_DEPTH: usize = 2;
/// More items than this start folded.
const OPEN_ITEMS: usize = 30;
/// Items of one list or object that are drawn; a page has its limits.
const MOST_ITEMS: usize = 500;

/// A JSON value. Numbers are kept as they were written, so that long ids stay right.
#[derive(Clone, PartialEq)]
pub enum Json {
    Plain(String),
    Text(String),
    List(Vec<Json>),
    Map(Vec<(String, Json)>),
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Json;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Plain("null".into()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Plain(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Plain(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Plain(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Plain(format!("{value:?}")))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Json::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = access.next_entry()? {
            pairs.push(pair);
        }
        Ok(Json::Map(pairs))
    }
}

impl Json {
    /// What is no JSON is a text.
    pub fn read(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_else(|_| Self::Text(text.to_owned()))
    }

    /// A text without its quotes, a plain value, or the first characters of anything else.
    pub fn short(&self) -> String {
        match self {
            Self::Plain(text) | Self::Text(text) => text.clone(),
            Self::List(items) => format!("{} items", items.len()),
            Self::Map(pairs) => {
                pairs.iter().map(|(key, value)| format!("{key}: {}", value.short())).collect::<Vec<_>>().join(", ")
            }
        }
    }
}

/// JSON with its title and a button that copies it.
#[component]
pub fn JsonBlock(title: &'static str, what: &'static str, json: String) -> impl IntoView {
    let text = StoredValue::new(json.clone());
    view! {
        <section class="json-block" aria-label=title>
            <div class="json-head"><h3>{title}</h3><CopyButton text=Signal::derive(move || text.get_value()) what/></div>
            <div class="json" tabindex="0" role="region" aria-label="Value">{tree(Json::read(&json), None, 0)}</div>
        </section>
    }
}

/// The value, with its key if it has one.
pub fn tree(value: Json, key: Option<String>, depth: usize) -> AnyView {
    let label = key.map(|key| view! { <span class="json-key">{key}</span>": " });
    match value {
        Json::Plain(text) => {
            view! { <div class="json-line">{label}<span class="json-plain">{text}</span></div> }.into_any()
        }
        Json::Text(text) => {
            view! { <div class="json-line">{label}<span class="json-text">{text}</span></div> }.into_any()
        }
        Json::List(items) if items.is_empty() => {
            view! { <div class="json-line">{label}<span class="dim">"[ ]"</span></div> }.into_any()
        }
        Json::Map(pairs) if pairs.is_empty() => {
            view! { <div class="json-line">{label}<span class="dim">"{ }"</span></div> }.into_any()
        }
        Json::List(items) => {
            let count = items.len();
            let pairs = items.into_iter().enumerate().map(|(index, item)| (index.to_string(), item)).collect();
            fold(label.into_any(), format!("[{count}]"), pairs, depth)
        }
        Json::Map(pairs) => fold(label.into_any(), format!("{{{}}}", pairs.len()), pairs, depth),
    }
}

fn fold(label: AnyView, size: String, mut pairs: Vec<(String, Json)>, depth: usize) -> AnyView {
    let open = depth < OPEN_DEPTH && pairs.len() <= OPEN_ITEMS;
    let left_out = pairs.len().saturating_sub(MOST_ITEMS);
    pairs.truncate(MOST_ITEMS);
    let pairs = StoredValue::new(Some(pairs));
    // what is folded is built when it is first opened: inputs may be long
    let built = RwSignal::new(open);
    let children = move || {
        built.get().then(|| {
            let pairs = pairs.try_update_value(Option::take).flatten().unwrap_or_default();
            pairs.into_iter().map(|(key, value)| tree(value, Some(key), depth + 1)).collect_view()
        })
    };
    view! {
        <details class="json-fold" open=open on:toggle=move |_| if !built.get_untracked() { built.set(true) }>
            <summary>{label}<span class="dim">{size}</span></summary>
            <div class="json-children">
                {children}
                {(left_out > 0).then(|| view! { <p class="dim">{format!("{left_out} more are not shown; copy the value to see them.")}</p> })}
            </div>
        </details>
    }
    .into_any()
}
