//! How a deployment is asked in the Open Inference Protocol: from Python with tritonclient, and from a terminal.

use crate::ui::{Card, CopyButton};
use leptos::prelude::*;

#[component]
pub fn OpenInference(name: Signal<String>) -> impl IntoView {
    let origin = || window().location().origin().unwrap_or_default();
    let python = Signal::derive(move || name.with(|name| python(&origin(), name)));
    let terminal = Signal::derive(move || name.with(|name| terminal(&origin(), name)));
    view! {
        <Card title="From Python, in the Open Inference Protocol" aside=move || view! { <CopyButton text=python what="Copy the program"/> }>
            <pre class="code" tabindex="0" data-testid="open-inference">{move || python.get()}</pre>
            <p class="dim">"Names, datatypes and shapes of the inputs:"</p>
            <pre class="code" tabindex="0">{move || terminal.get()}</pre>
        </Card>
    }
}

/// The data frame `frame` has a column for each input.
fn python(origin: &str, name: &str) -> String {
    let (scheme, host) = origin.split_once("://").unwrap_or(("http", origin));
    let tls = if scheme == "https" { ", ssl=True" } else { "" };
    format!(
        r#"import os
from tritonclient.http import InferenceServerClient, InferInput
from tritonclient.utils import triton_to_np_dtype

headers = {{"Authorization": f"Bearer {{os.environ['DRYDOCK_TOKEN']}}"}}
client = InferenceServerClient("{host}/serve/{name}"{tls})
tensors = []
for column in client.get_model_metadata("{name}", headers=headers)["inputs"]:
    tensor = InferInput(column["name"], [len(frame)], column["datatype"])
    tensor.set_data_from_numpy(frame[column["name"]].to_numpy(triton_to_np_dtype(column["datatype"])))
    tensors.append(tensor)
answer = client.infer("{name}", tensors, headers=headers)
for output in answer.get_response()["outputs"]:
    print(output["name"], answer.as_numpy(output["name"]))"#
    )
}

fn terminal(origin: &str, name: &str) -> String {
    format!("curl {origin}/serve/{name}/v2/models/{name} \\\n  -H \"Authorization: Bearer $DRYDOCK_TOKEN\"")
}
