//! The same request as code: curl, Python, and by the Open Inference Protocol.

use super::inputs::{Input, Signature};
use crate::{
    reactive::memo,
    ui::{Card, CopyButton, Show},
};
use drydock_wire::serving::DeploymentDetail;
use leptos::prelude::*;
use serde_json::{Value, json};

const WAYS: [(&str, &str); 4] =
    [("curl", "curl"), ("python", "Python"), ("v2", "V2 with curl"), ("triton", "V2 with tritonclient")];

#[component]
pub fn Snippets(
    deployment: Signal<DeploymentDetail>,
    endpoint: Signal<String>,
    body: Signal<String>,
    signature: Signal<Option<Signature>>,
) -> impl IntoView {
    let way = RwSignal::new("curl");
    let origin = window().location().origin().unwrap_or_default();
    let name = memo(move || deployment.with(|d| d.summary.name.clone()));
    let text = Signal::derive(move || {
        let value = body.with(|b| serde_json::from_str::<Value>(b).unwrap_or_default());
        let url = format!("{origin}{}", endpoint.get());
        let v2 = signature.with(|s| s.as_ref().map(|s| (s.model.clone(), tensors(s, &value)))).unwrap_or_default();
        match way.get() {
            "python" => python(&url, &value),
            "v2" => {
                curl(&format!("{origin}/serve/{}/v2/models/{}/infer", name.get(), v2.0), &json!({ "inputs": v2.1 }))
            }
            "triton" => triton(&origin, &name.get(), &v2.0, &v2.1),
            _ => curl(&url, &value),
        }
    });
    let offered = move || {
        let v2 = signature.with(Option::is_some);
        let button = |(key, words): (&'static str, &'static str)| {
            view! { <button type="button" aria-pressed=move || (way.get() == key).to_string() on:click=move |_| way.set(key)>{words}</button> }
        };
        WAYS.into_iter().take(if v2 { 4 } else { 2 }).map(button).collect_view()
    };
    view! {
        <Card title="As code" aside=move || view! { <CopyButton text what="Copy the code"/> }>
            <div class="segments snippet-ways" role="group" aria-label="Language of the code">{offered}</div>
            <pre class="code" tabindex="0">{move || text.get()}</pre>
            <p class="dim">"A token is made under "<a href="/settings?tab=tokens">"Settings"</a>"."
                <Show when=move || way.get() == "triton">" The client comes with "<code>"pip install tritonclient[http]"</code>"."</Show></p>
        </Card>
    }
}

/// A POST of JSON from a terminal.
pub fn curl(url: &str, body: &Value) -> String {
    let quoted = body.to_string().replace('\'', r"'\''");
    format!(
        "curl {url} \\\n  -H \"Authorization: Bearer $DRYDOCK_TOKEN\" \\\n  -H 'Content-Type: application/json' \\\n  -d '{quoted}'"
    )
}

fn python(url: &str, body: &Value) -> String {
    format!(
        "import os\nimport requests\n\nanswer = requests.post(\n    \"{url}\",\n    headers={{\"Authorization\": f\"Bearer {{os.environ['DRYDOCK_TOKEN']}}\"}},\n    json={},\n)\nanswer.raise_for_status()\nprint(answer.json())",
        literal(body)
    )
}

/// JSON as a literal of Python.
fn literal(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Array(items) => format!("[{}]", items.iter().map(literal).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let one = |(key, value): (&String, &Value)| format!("{}: {}", Value::from(key.as_str()), literal(value));
            format!("{{{}}}", map.iter().map(one).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// The body's inputs as the protocol has them.
fn tensors(signature: &Signature, body: &Value) -> Vec<Value> {
    signature.inputs.iter().filter_map(|input| tensor(input, signature.inputs.len() == 1, body)).collect()
}

fn tensor(input: &Input, only: bool, body: &Value) -> Option<Value> {
    let values = match body.get("inputs") {
        Some(all @ Value::Array(_)) if only => all.clone(),
        Some(all) => all.get(&input.name)?.clone(),
        None => Value::Array(column(body, &input.name)),
    };
    let values = if values.is_array() { values } else { json!([values]) };
    if values.as_array().is_some_and(|v| v.iter().all(Value::is_null)) {
        return None;
    }
    let (mut shape, mut inner) = (Vec::new(), &values);
    while let Value::Array(items) = inner {
        shape.push(items.len());
        let Some(first) = items.first() else { break };
        inner = first;
    }
    Some(json!({ "name": input.name, "shape": shape, "datatype": input.datatype, "data": flat(&values) }))
}

fn column(body: &Value, name: &str) -> Vec<Value> {
    if let Some(table) = body.get("dataframe_split") {
        let at = table["columns"].as_array().and_then(|c| c.iter().position(|c| c == name));
        let rows = table["data"].as_array();
        return at.zip(rows).map(|(at, rows)| rows.iter().map(|r| r[at].clone()).collect()).unwrap_or_default();
    }
    let rows = body.get("dataframe_records").and_then(Value::as_array);
    rows.map(|rows| rows.iter().map(|r| r[name].clone()).collect()).unwrap_or_default()
}

fn flat(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items.iter().flat_map(flat).collect(),
        other => vec![other.clone()],
    }
}

fn triton(origin: &str, name: &str, model: &str, inputs: &[Value]) -> String {
    let (scheme, host) = origin.split_once("://").unwrap_or(("http", origin));
    let tls = if scheme == "https" { ", ssl=True" } else { "" };
    let line = |i: &Value| {
        let kind = match i["datatype"].as_str().unwrap_or_default() {
            "BYTES" => "object".to_owned(),
            "BOOL" => "bool".to_owned(),
            kind if kind.starts_with("FP") => format!("np.float{}", &kind[2..]),
            kind => format!("np.{}", kind.to_lowercase()),
        };
        let (name, shape) = (&i["name"], &i["shape"]);
        format!("    ({name}, np.array({}, dtype={kind}).reshape({shape}), {}),", literal(&i["data"]), i["datatype"])
    };
    let lines = inputs.iter().map(line).collect::<Vec<_>>().join("\n");
    format!(
        "import os\nimport numpy as np\nfrom tritonclient.http import InferenceServerClient, InferInput\n\nclient = InferenceServerClient(\"{host}/serve/{name}\"{tls})\ninputs = []\nfor name, values, datatype in [\n{lines}\n]:\n    tensor = InferInput(name, list(values.shape), datatype)\n    tensor.set_data_from_numpy(values)\n    inputs.append(tensor)\n\nheaders = {{\"Authorization\": f\"Bearer {{os.environ['DRYDOCK_TOKEN']}}\"}}\nanswer = client.infer(\"{model}\", inputs, headers=headers)\nprint(answer.get_response())"
    )
}
