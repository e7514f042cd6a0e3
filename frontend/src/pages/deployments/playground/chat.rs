//! A chat with a server that speaks as OpenAI's API: the answer is shown as it is written.

use super::{answer::now_ms, snippets::curl, stream::events};
use crate::{
    api::{self, Answer, seg},
    pages::deployments::traffic::milliseconds,
    reactive::{effect, memo},
    ui::{Button, Card, CopyButton, EmptyState, Look, Show},
};
use drydock_wire::serving::DeploymentDetail;
use leptos::{ev, prelude::*, task::spawn_local};
use serde_json::{Value, json};
use web_sys::AbortController;

/// One of the turns of a talk.
#[derive(Clone, PartialEq)]
struct Turn {
    /// `user`, `assistant` or `error`.
    role: &'static str,
    text: String,
    /// How long it took and how many tokens it has.
    note: String,
}

#[component]
pub fn Chat(deployment: Signal<DeploymentDetail>) -> impl IntoView {
    let name = memo(move || deployment.with(|d| d.summary.name.clone()));
    let models = RwSignal::new(Vec::<String>::new());
    let model = RwSignal::new(String::new());
    ask_models(name.get_untracked(), models, model);
    let turns = RwSignal::new(Vec::<Turn>::new());
    let draft = RwSignal::new(String::new());
    let stop = StoredValue::new_local(None::<AbortController>);
    let busy = RwSignal::new(false);
    let send = move || {
        let text = draft.get_untracked().trim().to_owned();
        if text.is_empty() || busy.get_untracked() {
            return;
        }
        draft.set(String::new());
        turns.update(|t| t.push(Turn { role: "user", text, note: String::new() }));
        let Ok(controller) = AbortController::new() else { return };
        stop.set_value(Some(controller.clone()));
        talk(name.get_untracked(), model.get_untracked(), turns, busy, controller);
    };
    on_cleanup(move || end(stop));
    let key = move |e: ev::KeyboardEvent| {
        if e.key() == "Enter" && !e.shift_key() && !e.is_composing() {
            e.prevent_default();
            send();
        }
    };
    let log = NodeRef::<leptos::html::Div>::new();
    effect(move || {
        turns.track();
        if let Some(log) = log.get_untracked() {
            log.set_scroll_top(log.scroll_height());
        }
    });
    view! {
        <div class="split">
            <Card title="Chat" aside=move || view! { <ModelPick models model/> }>
                <div class="chat" role="log" aria-label="Talk" tabindex="0" node_ref=log>
                    <Show when=move || turns.with(|t| !t.is_empty()) fallback=|| view! {
                        <EmptyState icon="bot" title="Say something" text="The answer appears as the model writes it."/>
                    }>{move || turns.get().into_iter().map(bubble).collect_view()}</Show>
                </div>
                <div class="chat-line">
                    <textarea rows="2" aria-label="Message" placeholder="Message; Enter sends, Shift and Enter begin a line" bind:value=draft on:keydown=key></textarea>
                    {move || if busy.get() {
                        view! { <Button icon="square" on_press=move |_| end(stop)>"Stop"</Button> }.into_any()
                    } else {
                        view! { <Button look=Look::Primary icon="send" on_press=move |_| send()>"Send"</Button> }.into_any()
                    }}
                </div>
                <Show when=move || turns.with(|t| !t.is_empty()) && !busy.get()>
                    <div class="actions"><Button small=true look=Look::Quiet icon="rotate-ccw" on_press=move |_| turns.set(vec![])>"Begin anew"</Button></div>
                </Show>
            </Card>
            <ChatCode name model/>
        </div>
    }
}

fn end(stop: StoredValue<Option<AbortController>, LocalStorage>) {
    if let Some(Some(controller)) = stop.try_update_value(Option::take) {
        controller.abort();
    }
}

fn bubble(turn: Turn) -> impl IntoView {
    let who = match turn.role {
        "user" => "You",
        "error" => "Refused",
        _ => "Model",
    };
    view! {
        <div class=format!("bubble {}", turn.role)>
            <b>{who}</b><p>{turn.text}</p>
            {(!turn.note.is_empty()).then(|| view! { <small class="dim tabular">{turn.note}</small> })}
        </div>
    }
}

#[component]
fn ModelPick(models: RwSignal<Vec<String>>, model: RwSignal<String>) -> impl IntoView {
    view! {
        <Show when=move || models.with(|m| m.len() > 1) fallback=move || view! { <code class="dim">{move || model.get()}</code> }>
            <label class="pick small"><span class="sr">"Model"</span>
                <select prop:value=move || model.get() on:change:target=move |e| model.set(e.target().value())>
                    {move || models.get().into_iter().map(|m| view! { <option value=m.clone()>{m.clone()}</option> }).collect_view()}
                </select>
            </label>
        </Show>
    }
}

fn ask_models(name: String, models: RwSignal<Vec<String>>, model: RwSignal<String>) {
    let path = format!("/serve/{}/v1/models", seg(&name));
    spawn_local(async move {
        let Ok(Answer { status: 200, body, .. }) = api::raw("GET", &path, None).await else { return };
        let told: Value = serde_json::from_str(&body).unwrap_or_default();
        let id = |m: &Value| m["id"].as_str().map(str::to_owned);
        let all: Vec<String> = told["data"].as_array().map(|m| m.iter().filter_map(id).collect()).unwrap_or_default();
        let _ = model.try_set(all.first().cloned().unwrap_or_default());
        let _ = models.try_set(all);
    });
}

/// Sends the talk so far, and adds the answer as it comes.
fn talk(name: String, model: String, turns: RwSignal<Vec<Turn>>, busy: RwSignal<bool>, stop: AbortController) {
    let said = |t: &Turn| (t.role != "error").then(|| json!({ "role": t.role, "content": t.text }));
    let messages: Vec<Value> = turns.with_untracked(|t| t.iter().filter_map(said).collect());
    let body =
        json!({ "model": model, "messages": messages, "stream": true, "stream_options": { "include_usage": true } });
    busy.set(true);
    turns.update(|t| t.push(Turn { role: "assistant", text: String::new(), note: String::new() }));
    spawn_local(async move {
        let (started, mut first, mut tokens) = (now_ms(), None, None);
        let path = format!("/serve/{}/v1/chat/completions", seg(&name));
        let each = |data: &str| {
            let Ok(part) = serde_json::from_str::<Value>(data) else { return };
            tokens = part["usage"]["completion_tokens"].as_u64().or(tokens);
            if let Some(text) = part["choices"][0]["delta"]["content"].as_str().filter(|t| !t.is_empty()) {
                first.get_or_insert_with(now_ms);
                let _ = turns.try_update(|t| t.last_mut().map(|last| last.text.push_str(text)));
            }
        };
        let outcome = events(&path, body.to_string(), &stop, each).await;
        let stopped = stop.signal().aborted();
        let note = note(started, first, tokens, stopped);
        let _ = turns.try_update(|t| match (t.last_mut(), outcome) {
            (Some(last), Err(error)) if !stopped => (last.role, last.text) = ("error", error.message),
            (Some(last), _) => last.note = note,
            (None, _) => {}
        });
        let _ = busy.try_set(false);
    });
}

/// `first words after 84 ms · 1.2 s · 112 tokens`
fn note(started: f64, first: Option<f64>, tokens: Option<u64>, stopped: bool) -> String {
    let mut said = Vec::new();
    said.extend(first.map(|at| format!("first words after {}", milliseconds(at - started))));
    said.push(milliseconds(now_ms() - started));
    said.extend(tokens.map(|n| crate::format::plural(n, "token")));
    said.extend(stopped.then(|| "stopped".to_owned()));
    said.join(" · ")
}

#[component]
fn ChatCode(name: Memo<String>, model: RwSignal<String>) -> impl IntoView {
    let way = RwSignal::new("curl");
    let origin = window().location().origin().unwrap_or_default();
    let text = Signal::derive(move || {
        let base = format!("{origin}/serve/{}/v1", name.get());
        let messages = json!([{ "role": "user", "content": "Say hello." }]);
        match way.get() {
            "python" => format!(
                "import os\nfrom openai import OpenAI\n\nclient = OpenAI(base_url=\"{base}\", api_key=os.environ[\"DRYDOCK_TOKEN\"])\nanswer = client.chat.completions.create(\n    model=\"{}\",\n    messages={messages},\n    stream=True,\n)\nfor part in answer:\n    if part.choices:\n        print(part.choices[0].delta.content or \"\", end=\"\", flush=True)",
                model.get()
            ),
            _ => curl(&format!("{base}/chat/completions"), &json!({ "model": model.get(), "messages": messages })),
        }
    });
    let button = move |(key, words): (&'static str, &'static str)| {
        view! { <button type="button" aria-pressed=move || (way.get() == key).to_string() on:click=move |_| way.set(key)>{words}</button> }
    };
    view! {
        <Card title="As code" aside=move || view! { <CopyButton text what="Copy the code"/> }>
            <div class="segments snippet-ways" role="group" aria-label="Language of the code">{[("curl", "curl"), ("python", "Python")].map(button)}</div>
            <pre class="code" tabindex="0">{move || text.get()}</pre>
            <p class="dim">"A token is made under "<a href="/settings?tab=tokens">"Settings"</a>"."</p>
        </Card>
    }
}
