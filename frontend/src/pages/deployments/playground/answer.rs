//! What came back: status, time, predictions, the body.

use crate::{
    api::ApiError,
    pages::deployments::traffic::milliseconds,
    ui::{Pill, Status, Tone},
};
use leptos::prelude::*;
use serde_json::Value;

/// What came back.
#[derive(Clone, PartialEq)]
pub struct Outcome {
    pub status: u16,
    pub took_ms: f64,
    pub body: String,
    pub request_id: String,
    /// Number of the revision that answered.
    pub revision: String,
}

pub fn now_ms() -> f64 {
    window().performance().map_or_else(js_sys::Date::now, |p| p.now())
}

/// As text in which a row of numbers is a line.
pub fn pretty(value: &Value) -> String {
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

pub fn answer(outcome: Option<Result<Outcome, ApiError>>) -> AnyView {
    let Some(outcome) = outcome else {
        return view! { <p class="dim none">"The answer appears here."</p> }.into_any();
    };
    let Outcome { status, took_ms, body, request_id, revision } = match outcome {
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
            {(!revision.is_empty()).then(|| view! { <span class="dim">{format!("revision {revision}")}</span> })}
            {(!request_id.is_empty()).then(|| view! { <span class="dim">"request "<code>{request_id.clone()}</code></span> })}
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
