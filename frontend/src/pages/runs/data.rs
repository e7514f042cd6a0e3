//! What a run said it read: `mlflow.log_input`, or a dataset that was mounted into its job.

use crate::{
    api::seg,
    pages::parts::short_id,
    ui::{Card, CopyButton, Facts},
};
use drydock_wire::tracking::{RunDataset, RunDetail};
use leptos::prelude::*;
use serde_json::Value;

/// Columns shown of a schema; the rest are counted.
const COLUMNS: usize = 100;

#[component]
pub fn Data(run: Signal<RunDetail>) -> impl IntoView {
    let all = move || run.with(|r| r.datasets.clone());
    view! { <div class="split">{move || all().into_iter().map(one).collect_view()}</div> }
}

fn one(d: RunDataset) -> impl IntoView {
    let lineage = format!("/lineage/input/{}", seg(&format!("{}@{}", d.name, d.digest)));
    let title = match &d.context {
        Some(context) => format!("{} ({context})", d.name),
        None => d.name.clone(),
    };
    let (digest, source) = (d.digest.clone(), place(&d.source));
    let profile = d.profile.as_deref().and_then(|text| pairs(text));
    view! {
        <Card title aside=move || view! { <a href=lineage.clone()>"Lineage"</a> }>
            <Facts>
                <dt>"Digest"</dt><dd><code>{short_id(&d.digest)}</code><CopyButton text=Signal::derive(move || digest.clone()) what="Copy the digest"/></dd>
                {(!d.source_type.is_empty()).then(|| view! { <dt>"Source"</dt><dd>{d.source_type}" "<code class="wrap">{source}</code></dd> })}
                {profile.unwrap_or_default().into_iter().map(|(k, v)| view! { <dt>{k}</dt><dd class="mono">{v}</dd> }).collect_view()}
            </Facts>
            {d.schema.as_deref().map(schema)}
        </Card>
    }
}

/// The address in a source, which is JSON mostly.
fn place(source: &str) -> String {
    let value: Option<Value> = serde_json::from_str(source).ok();
    let known = value.as_ref().and_then(|v| ["uri", "url", "path"].iter().find_map(|key| v.get(key)?.as_str()));
    known.unwrap_or(source).to_owned()
}

/// The members of a JSON object, as text.
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let Value::Object(object) = serde_json::from_str(text).ok()? else { return None };
    let shown = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Some(object.into_iter().map(|(key, value)| (word(&key), shown(value))).collect())
}

/// What MLflow's profiles call `num_rows`, a person calls Rows.
fn word(key: &str) -> String {
    let words = key.strip_prefix("num_").unwrap_or(key).replace('_', " ");
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// MLflow's column specification as a table, anything else as it is.
fn schema(text: &str) -> AnyView {
    let value: Option<Value> = serde_json::from_str(text).ok();
    let Some(columns) = value.as_ref().and_then(|v| v.get("mlflow_colspec")?.as_array()) else {
        return view! { <pre class="code" tabindex="0">{text.to_owned()}</pre> }.into_any();
    };
    let word = |column: &Value, key: &str| column.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let rows = columns.iter().take(COLUMNS).map(|c| {
        view! { <tr><td class="mono">{word(c, "name")}</td><td>{word(c, "type")}</td></tr> }
    });
    let more = columns.len().saturating_sub(COLUMNS);
    view! {
        <table class="plain lines"><thead><tr><th scope="col">"Column"</th><th scope="col">"Type"</th></tr></thead>
            <tbody>{rows.collect_view()}</tbody></table>
        {(more > 0).then(|| view! { <p class="dim below">{format!("and {more} more")}</p> })}
    }
    .into_any()
}
