//! A place to try a deployment in: a form made of the model's signature or a body to write, what came back, and the same as code.
//! A server that speaks as OpenAI's API is chatted with.

mod answer;
mod chat;
mod inputs;
mod snippets;
mod stream;

use crate::{
    api::{self, Answer, ApiError, seg},
    reactive::{effect, memo},
    ui::{Button, Card, Field, Look, Show, TextArea},
};
use answer::{Outcome, answer, now_ms, pretty};
use chat::Chat;
use drydock_wire::serving::{DeploymentDetail, DeploymentState, Protocol};
use inputs::{Fields, InputFields, Signature};
use leptos::{prelude::*, task::spawn_local};
use serde_json::Value;
use snippets::Snippets;

#[component]
pub fn Playground(deployment: Signal<DeploymentDetail>) -> impl IntoView {
    let protocol = memo(move || deployment.with(super::protocol));
    move || match protocol.get() {
        Protocol::Openai => view! { <Chat deployment/> }.into_any(),
        protocol => view! { <Predict deployment protocol/> }.into_any(),
    }
}

#[component]
fn Predict(deployment: Signal<DeploymentDetail>, protocol: Protocol) -> impl IntoView {
    let (example, name) = deployment.with_untracked(|d| (d.example.clone(), d.summary.name.clone()));
    let body = RwSignal::new(example.as_ref().map(pretty).unwrap_or_else(|| "{\n  \"inputs\": []\n}".to_owned()));
    let endpoint = if protocol == Protocol::Plain {
        format!("/serve/{name}/predict")
    } else {
        deployment.with_untracked(|d| d.summary.endpoint.clone())
    };
    let endpoint = RwSignal::new(endpoint);
    let signature = RwSignal::new(None::<Signature>);
    if protocol != Protocol::Plain {
        ask_signature(deployment.with_untracked(|d| d.summary.clone()), signature);
    }
    let as_json = RwSignal::new(true);
    let fields = RwSignal::new(None::<Fields>);
    let reset = example.map(|e| {
        view! { <Button look=Look::Quiet small=true icon="rotate-ccw" on_press=move |_| { body.set(pretty(&e)); as_json.set(true) }>"Use the example"</Button> }
    });
    let owner = StoredValue::new(Owner::current().unwrap_or_default());
    let to_form = move || {
        let made = owner.with_value(|o| {
            o.with(|| signature.with_untracked(|s| s.as_ref().map(|s| Fields::new(s, &body.get_untracked()))))
        });
        fields.set(made);
        as_json.set(false);
    };
    // the form is what one starts with, where there is one
    effect(move || {
        if signature.with(Option::is_some) && fields.with_untracked(Option::is_none) {
            to_form();
        }
    });
    effect(move || {
        if let (false, Some(fields)) = (as_json.get(), fields.get()) {
            body.set(pretty(&fields.body()));
        }
    });
    let (busy, outcome) = (RwSignal::new(false), RwSignal::new(None::<Result<Outcome, ApiError>>));
    let problem = Signal::derive(move || {
        body.with(|b| serde_json::from_str::<Value>(b).err()).map(|e| format!("This is not JSON: {e}."))
    });
    let refused = move || if as_json.get() { None } else { fields.get().and_then(|f| f.wrong()) };
    let why_not = Signal::derive(move || why_not(deployment, problem.get().is_some(), refused()));
    let send = move |_| predict(endpoint.get_untracked(), body.get_untracked(), busy, outcome);
    view! {
        <div class="split">
            <Card title="Request" aside=move || view! {
                <Show when=move || signature.with(Option::is_some)>
                    <div class="segments" role="group" aria-label="How the request is written">
                        <button type="button" aria-pressed=move || (!as_json.get()).to_string() on:click=move |_| to_form()>"Form"</button>
                        <button type="button" aria-pressed=move || as_json.get().to_string() on:click=move |_| as_json.set(true)>"JSON"</button>
                    </div>
                </Show>
            }>
                <div class="stack">
                    <Show when=move || protocol == Protocol::Plain>
                        <Field id="prediction-path" label="Path" value=endpoint mono=true hint="Below the deployment's address; passed on as it is."/>
                    </Show>
                    <Show when=move || !as_json.get()>{move || fields.get().map(|fields| view! { <InputFields fields/> })}</Show>
                    <Show when=move || as_json.get()>
                        <TextArea id="prediction" label="Body" value=body rows=14 mono=true refused=problem
                            hint="JSON as MLflow's scoring server reads it: dataframe_split, dataframe_records, inputs or instances."/>
                    </Show>
                    <div class="actions">
                        {reset}
                        <Button look=Look::Primary icon="send" busy why_not on_press=send testid="predict">"Predict"</Button>
                    </div>
                </div>
            </Card>
            <div class="stack">
                <Card title="Answer"><div aria-live="polite" data-testid="prediction">{move || answer(outcome.get())}</div></Card>
                <Snippets deployment endpoint=endpoint.into() body=body.into() signature=signature.into()/>
            </div>
        </div>
    }
}

/// The inputs as the Open Inference Protocol tells them; a server that does not is written to in JSON.
fn ask_signature(about: drydock_wire::serving::DeploymentSummary, signature: RwSignal<Option<Signature>>) {
    let model = if about.model.is_empty() { about.name.clone() } else { about.model };
    let path = format!("/serve/{}/v2/models/{}", seg(&about.name), seg(&model));
    spawn_local(async move {
        let Ok(Answer { status: 200, body, .. }) = api::raw("GET", &path, None).await else { return };
        let found = serde_json::from_str(&body).ok().and_then(|told| Signature::read(&told));
        let _ = signature.try_set(found);
    });
}

fn why_not(deployment: Signal<DeploymentDetail>, is_broken: bool, refused: Option<String>) -> Option<String> {
    let state = deployment.with(|d| d.summary.state);
    let answers = deployment.with(|d| d.revisions.iter().any(|r| r.state == "live"));
    match state {
        DeploymentState::Deleting => Some("The deployment is going away.".to_owned()),
        DeploymentState::Starting if !answers => {
            Some("Nothing answers yet: the first revision is starting.".to_owned())
        }
        DeploymentState::Failed if !answers => Some("No revision answers; see why under Revisions.".to_owned()),
        _ if refused.is_some() => refused,
        _ => is_broken.then(|| "Correct the JSON first.".to_owned()),
    }
}

fn predict(path: String, text: String, busy: RwSignal<bool>, outcome: RwSignal<Option<Result<Outcome, ApiError>>>) {
    busy.set(true);
    spawn_local(async move {
        let started = now_ms();
        let answer = api::raw("POST", &path, Some(text)).await;
        let took_ms = now_ms() - started;
        let outcome_of =
            |Answer { status, body, request_id, revision }| Outcome { status, took_ms, body, request_id, revision };
        let _ = outcome.try_set(Some(answer.map(outcome_of)));
        let _ = busy.try_set(false);
    });
}
