//! A box to try a deployment in: a body to send, what came back, how long it took, the same as a command.

use super::traffic::milliseconds;
use crate::{
    api::{self, Answer, ApiError},
    ui::{Button, Card, CopyButton, Look, Pill, Status, TextArea, Tone},
};
use drydock_wire::serving::{DeploymentDetail, DeploymentState};
use leptos::{prelude::*, task::spawn_local};
use serde_json::Value;

/// What came back.
#[derive(Clone, PartialEq)]
struct Outcome {
    status: u16,
    took_ms: f64,
    body: String,
    request_id: String,
}

#[component]
pub fn PredictionBox(deployment: Signal<DeploymentDetail>) -> impl IntoView {
    let example = deployment.with_untracked(|d| d.example.clone());
    let body = RwSignal::new(example.as_ref().map(pretty).unwrap_or_else(|| "{\n  \"inputs\": []\n}".to_owned()));
    let busy = RwSignal::new(false);
    let outcome = RwSignal::new(None::<Result<Outcome, ApiError>>);
    let endpoint = Signal::derive(move || deployment.with(|d| d.summary.endpoint.clone()));
    let problem = Signal::derive(move || {
        body.with(|b| serde_json::from_str::<Value>(b).err()).map(|e| format!("This is not JSON: {e}."))
    });
    let why_not = Signal::derive(move || {
        let state = deployment.with(|d| d.summary.state);
        let answers = deployment.with(|d| d.revisions.iter().any(|r| r.state == "live"));
        match state {
            DeploymentState::Deleting => Some("The deployment is going away.".to_owned()),
            DeploymentState::Ready | DeploymentState::Updating => {
                problem.get().map(|_| "Correct the JSON first.".to_owned())
            }
            _ if answers => problem.get().map(|_| "Correct the JSON first.".to_owned()),
            DeploymentState::Starting => Some("Nothing answers yet: the first revision is starting.".to_owned()),
            DeploymentState::Failed => Some("No revision answers; see why under Revisions.".to_owned()),
        }
    });
    let send = move |_| {
        let (path, text) = (endpoint.get_untracked(), body.get_untracked());
        busy.set(true);
        spawn_local(async move {
            let started = now_ms();
            let answer = api::raw("POST", &path, Some(text)).await;
            let took_ms = now_ms() - started;
            let _ = outcome.try_set(Some(answer.map(|Answer { status, body, request_id }| Outcome {
                status,
                took_ms,
                body,
                request_id,
            })));
            let _ = busy.try_set(false);
        });
    };
    let reset = example.map(|e| {
        view! { <Button look=Look::Quiet small=true icon="rotate-ccw" on_press=move |_| body.set(pretty(&e))>"Use the example"</Button> }
    });
    view! {
        <div class="split">
            <Card title="Request" aside=move || view! { <code class="dim">"POST "{endpoint.get()}</code> }>
                <div class="stack">
                    <TextArea id="prediction" label="Body" value=body rows=14 mono=true refused=problem
                        hint="JSON as MLflow's scoring server reads it: dataframe_split, dataframe_records, inputs or instances."/>
                    <div class="actions">
                        {reset}
                        <Button look=Look::Primary icon="send" busy why_not on_press=send testid="predict">"Predict"</Button>
                    </div>
                </div>
            </Card>
            <div class="stack">
                <Card title="Answer"><div aria-live="polite" data-testid="prediction">{move || answer(outcome.get())}</div></Card>
                <Curl endpoint body/>
            </div>
        </div>
    }
}

fn now_ms() -> f64 {
    window().performance().map_or_else(js_sys::Date::now, |p| p.now())
}

fn pretty(value: &Value) -> String {
    // rows of numbers on one line each: a table is read across
    match value {
        Value::Object(map) => {
            let inner =
                map.iter().map(|(k, v)| format!("  {}: {}", Value::from(k.as_str()), rows(v, 1))).collect::<Vec<_>>();
            format!("{{\n{}\n}}", inner.join(",\n"))
        }
        other => rows(other, 0),
    }
}

fn rows(value: &Value, depth: usize) -> String {
    let pad = "  ".repeat(depth + 1);
    match value {
        Value::Array(items) if items.iter().any(|i| i.is_array() || i.is_object()) => {
            let inner = items.iter().map(|i| format!("{pad}{}", rows(i, depth + 1))).collect::<Vec<_>>();
            format!("[\n{}\n{}]", inner.join(",\n"), "  ".repeat(depth))
        }
        Value::Object(map) if !map.is_empty() => {
            let inner = map
                .iter()
                .map(|(k, v)| format!("{pad}{}: {}", Value::from(k.as_str()), rows(v, depth + 1)))
                .collect::<Vec<_>>();
            format!("{{\n{}\n{}}}", inner.join(",\n"), "  ".repeat(depth))
        }
        flat => flat.to_string().replace(",", ", "),
    }
}

fn answer(outcome: Option<Result<Outcome, ApiError>>) -> AnyView {
    let Some(outcome) = outcome else {
        return view! { <p class="dim none">"The answer appears here."</p> }.into_any();
    };
    let Outcome { status, took_ms, body, request_id } = match outcome {
        Ok(outcome) => outcome,
        Err(error) => {
            return view! { <p class="callout bad"><crate::ui::Icon name="wifi-off"/><span>{error.message}</span></p> }
                .into_any();
        }
    };
    let good = (200..300).contains(&status);
    let pill = Status::new(if good { Tone::Good } else { Tone::Bad }, &format!("{status} {}", meaning(status)));
    let value = serde_json::from_str::<Value>(&body).ok();
    let predictions = value
        .as_ref()
        .filter(|_| good)
        .and_then(|v| v.get("predictions"))
        .and_then(Value::as_array)
        .filter(|p| p.len() <= 50);
    let list = predictions.map(|items| {
        let one = |(i, v): (usize, &Value)| {
            let text = v.as_str().map_or_else(|| v.to_string(), str::to_owned);
            view! { <li><span class="dim">{i + 1}</span><b class="mono">{text}</b></li> }
        };
        view! { <ol class="predictions">{items.iter().enumerate().map(one).collect_view()}</ol> }
    });
    let text = value.as_ref().map_or(body, pretty);
    view! {
        <div class="row answer-head">
            <Pill status=pill/><span class="tabular">{milliseconds(took_ms)}</span>
            {(!good && !request_id.is_empty()).then(|| view! { <span class="dim">"request "<code>{request_id.clone()}</code></span> })}
        </div>
        {list}
        <pre class="code" tabindex="0">{text}</pre>
    }
    .into_any()
}

fn meaning(status: u16) -> &'static str {
    match status {
        200..=299 => "OK",
        400 | 422 => "The model refused the body",
        401 | 403 => "Not allowed",
        404 => "Not found",
        413 => "Too large",
        429 => "Too many requests",
        502 => "The model server broke off",
        503 => "Not available now",
        504 => "No answer in time",
        _ => "Error",
    }
}

/// The same request from a terminal.
#[component]
fn Curl(endpoint: Signal<String>, body: RwSignal<String>) -> impl IntoView {
    let command = Signal::derive(move || {
        let origin = window().location().origin().unwrap_or_default();
        let compact = body.with(|b| serde_json::from_str::<Value>(b).map_or_else(|_| b.clone(), |v| v.to_string()));
        let quoted = compact.replace('\'', r"'\''");
        format!(
            "curl {origin}{} \\\n  -H \"Authorization: Bearer $DRYDOCK_TOKEN\" \\\n  -H 'Content-Type: application/json' \\\n  -d '{quoted}'",
            endpoint.get()
        )
    });
    view! {
        <Card title="From a terminal" aside=move || view! { <CopyButton text=command what="Copy the command"/> }>
            <pre class="code" tabindex="0">{move || command.get()}</pre>
            <p class="dim">"A token is made under "<a href="/settings?tab=tokens">"Settings"</a>"."</p>
        </Card>
    }
}
