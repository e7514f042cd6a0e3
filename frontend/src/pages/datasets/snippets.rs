//! How to get at a version from outside: Python, a shell, a job.

use crate::ui::{Card, CopyButton};
use drydock_wire::datasets::VersionDetail;
use leptos::prelude::*;

#[component]
pub fn Snippets(dataset: Memo<String>, detail: Signal<VersionDetail>) -> impl IntoView {
    let origin = window().location().origin().unwrap_or_default();
    let file = move || detail.with(|d| d.files.first().map_or_else(|| "data.csv".to_owned(), |f| f.path.clone()));
    let version = move || detail.with(|d| d.summary.version);
    let at = StoredValue::new(origin);
    let python = Signal::derive(move || {
        format!(
            "import os, pandas, mlflow\n\nurl = \"{}/api/v1/datasets/{}/versions/{}/file?path={}\"\ntoken = os.environ[\"MLFLOW_TRACKING_TOKEN\"]\nframe = pandas.read_csv(url, storage_options={{\"Authorization\": f\"Bearer {{token}}\"}})\nmlflow.log_input(mlflow.data.from_pandas(frame, source=url, name=\"{}\"))",
            at.get_value(),
            dataset.get(),
            version(),
            file(),
            dataset.get()
        )
    });
    let curl = Signal::derive(move || {
        format!(
            "curl -fH \"Authorization: Bearer $TOKEN\" -o {} \\\n  \"{}/api/v1/datasets/{}/versions/{}/file?path={}\"",
            file().rsplit('/').next().unwrap_or("file"),
            at.get_value(),
            dataset.get(),
            version(),
            file()
        )
    });
    let job = Signal::derive(move || {
        format!(
            "{{\"name\": \"train\", \"command\": [\"python3\", \"/workspace/train.py\"],\n \"datasets\": [{{\"name\": \"{0}@{1}\"}}]}}\n\n# in the job:\nframe = pandas.read_csv(\"/data/{0}/{2}\")",
            dataset.get(),
            version(),
            file()
        )
    });
    view! {
        <Snippet title="Python" text=python what="Copy the Python"/>
        <Snippet title="Shell" text=curl what="Copy the command"/>
        <Snippet title="In a job" text=job what="Copy the job"/>
    }
}

#[component]
fn Snippet(title: &'static str, text: Signal<String>, what: &'static str) -> impl IntoView {
    view! {
        <Card title=title aside=move || view! { <CopyButton text what/> }>
            <pre class="code" tabindex="0">{move || text.get()}</pre>
        </Card>
    }
}
