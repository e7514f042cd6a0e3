//! The dialog that starts a run: its parameters with their defaults.

use super::run_href;
use crate::{
    api::{self, seg},
    app::go,
    ui::{Button, Dialog, Look, Tone, act, toast},
};
use drydock_wire::pipelines::{PipelineDetail, PipelineRunDetail, StartRun};
use leptos::prelude::*;
use serde_json::Value;

/// A value as people type it: text as it is, all else as JSON.
fn shown(value: &Value) -> String {
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
pub fn StartDialog(open: RwSignal<bool>, pipeline: Signal<PipelineDetail>) -> impl IntoView {
    view! { <Dialog open title="Start a run"><Fields open pipeline/></Dialog> }
}

#[component]
fn Fields(open: RwSignal<bool>, pipeline: Signal<PipelineDetail>) -> impl IntoView {
    let busy = RwSignal::new(false);
    let start = pipeline.get_untracked();
    let fields: Vec<(String, Value, RwSignal<String>)> = start
        .parameters
        .iter()
        .map(|(name, value)| (name.clone(), value.clone(), RwSignal::new(shown(value))))
        .collect();
    let rows = fields.clone();
    let missing = {
        let fields = fields.clone();
        Signal::derive(move || {
            let lacks =
                fields.iter().find(|(_, default, text)| default.is_null() && text.with(|t| t.trim().is_empty()));
            lacks.map(|(name, ..)| format!("Give {name} a value; it has no default."))
        })
    };
    let submit = move |e: leptos::ev::SubmitEvent| {
        e.prevent_default();
        if untrack(|| missing.get()).is_some() {
            return;
        }
        let given = fields.iter().filter(|(_, default, text)| text.get_untracked() != shown(default));
        let parameters =
            given.map(|(name, default, text)| (name.clone(), read(&text.get_untracked(), default))).collect();
        let path = format!("/pipelines/{}/runs", seg(&start.summary.name));
        let wish = StartRun { parameters, version: (start.version != start.summary.version).then_some(start.version) };
        let call = async move { api::post::<_, PipelineRunDetail>(&path, &wish).await };
        act(busy, "The run was not started", call, move |made| {
            open.set(false);
            toast(
                Tone::Good,
                &format!("Run {} is started", made.run.number),
                made.run.reason.as_deref().unwrap_or_default(),
            );
            go(&run_href(&made.run));
        });
    };
    let none = rows.is_empty();
    view! {
        <form novalidate on:submit=submit>
            {none.then(|| view! { <p class="soft">"This pipeline has no parameters."</p> })}
            {rows.into_iter().map(|(name, default, text)| {
                let id = format!("param-{name}");
                let note = if default.is_null() { "It has no default.".to_owned() } else { format!("Default: {}", shown(&default)) };
                view! {
                    <div class="field"><label for=id.clone()>{name}</label><input id=id class="mono" bind:value=text spellcheck="false" autocomplete="off"/>
                        <p class="note">{note}</p></div>
                }
            }).collect_view()}
            <div class="actions">
                <Button on_press=move |_| open.set(false)>"Cancel"</Button>
                <Button look=Look::Primary icon="play" submit=true busy=busy why_not=missing>"Start the run"</Button>
            </div>
        </form>
    }
}
