//! How programs reach a bucket: its address, and settings to paste for the usual clients.

use crate::ui::{
    Card, CopyButton, LinkButton,
    url::{Param, param},
};
use drydock_wire::storage::{BucketDetail, S3Endpoint};
use leptos::prelude::*;

/// A program, its name on the page, and where its settings go.
const CLIENTS: [(&str, &str, &str); 6] = [
    ("boto3", "boto3", "Python. The same for anything that builds on botocore."),
    ("aws", "aws-cli", "In a shell, or in ~/.aws/config and ~/.aws/credentials."),
    ("pandas", "pandas, s3fs", "Python. Needs the package s3fs."),
    ("dvc", "DVC", "In a repository with `dvc init`."),
    ("rclone", "rclone", "In ~/.config/rclone/rclone.conf."),
    ("minio", "MinIO's client", "Python. For its mc: `mc alias set box ENDPOINT KEY SECRET`."),
];

#[component]
pub fn Connect(detail: Signal<BucketDetail>, prefix: Param) -> impl IntoView {
    let client = param("client", "boto3");
    let bucket = Signal::derive(move || detail.with(|d| d.summary.name.clone()));
    let endpoint = Signal::derive(move || detail.with(|d| address(&d.endpoint)));
    let text = Signal::derive(move || snippet(&client.get(), &endpoint.get(), &bucket.get(), &prefix.get()));
    let note = move || CLIENTS.iter().find(|(key, ..)| client.is(key)).map(|(_, _, note)| *note);
    let tls = move || detail.with(|d| d.endpoint.tls);
    view! {
        <div class="split">
            <Card title="Where it is">
                <div class="stack tight">
                    <div class="labelled"><span class="label">"Endpoint"</span><div class="secret"><code>{move || endpoint.get()}</code><CopyButton text=endpoint what="Copy the endpoint"/></div></div>
                    <div class="labelled"><span class="label">"Bucket"</span><div class="secret"><code>{move || bucket.get()}</code><CopyButton text=bucket what="Copy the bucket's name"/></div></div>
                    <p class="dim among">"Addresses are path-style, the region is us-east-1 or any other. "
                        {move || match tls() {
                            true => view! { "Clients have to trust this box's own authority: "<a href="/ca.pem" download="ca.pem">"download its certificate"</a>" and name it in AWS_CA_BUNDLE." }.into_any(),
                            false => "The box speaks plain HTTP at this address.".into_any(),
                        }}</p>
                </div>
            </Card>
            <Card title="Keys">
                <p>"An access key speaks for a person. Make one for each program, limited to what it needs: it can be ended without the others noticing."</p>
                <div class="actions below-text"><LinkButton icon="key-round" href="/settings?tab=s3-keys">"Your S3 keys"</LinkButton></div>
                <p class="dim">"Jobs need none: each has a key of its own in its environment, which ends with it."</p>
            </Card>
        </div>
        <Card title="Settings to paste">
            <div class="segments wraps" role="group" aria-label="Program">
                {CLIENTS.map(|(key, label, _)| view! {
                    <button type="button" aria-pressed=move || client.is(key).to_string() on:click=move |_| client.set(key)>{label}</button>
                }).collect_view()}
            </div>
            <p class="dim note-line">{note}</p>
            <div class="copied"><pre class="code" tabindex="0">{move || text.get()}</pre><CopyButton text what="Copy the settings"/></div>
        </Card>
    }
}

/// Where S3 clients reach the box: by the name that this page was reached by.
fn address(endpoint: &S3Endpoint) -> String {
    let host = window().location().hostname().unwrap_or_default();
    format!("{}://{host}:{}", if endpoint.tls { "https" } else { "http" }, endpoint.port)
}

fn snippet(client: &str, endpoint: &str, bucket: &str, prefix: &str) -> String {
    let tls = endpoint.starts_with("https");
    let host = endpoint.rsplit("//").next().unwrap_or_default();
    let (secure, insecure) = if tls { ("True", "") } else { ("False", "\ndvc remote modify box use_ssl false") };
    match client {
        "aws" => format!(
            "export AWS_ENDPOINT_URL={endpoint}\nexport AWS_ACCESS_KEY_ID=KEY\nexport AWS_SECRET_ACCESS_KEY=SECRET\nexport AWS_DEFAULT_REGION=us-east-1\n\naws s3 ls s3://{bucket}/{prefix}\naws s3 cp data.csv s3://{bucket}/{prefix}data.csv"
        ),
        "pandas" => format!(
            "import pandas as pd\n\noptions = {{\n    \"key\": \"KEY\",\n    \"secret\": \"SECRET\",\n    \"client_kwargs\": {{\"endpoint_url\": \"{endpoint}\"}},\n}}\ndf = pd.read_csv(\"s3://{bucket}/{prefix}data.csv\", storage_options=options)"
        ),
        "dvc" => format!(
            "dvc remote add --default box s3://{bucket}/{prefix}dvc\ndvc remote modify box endpointurl {endpoint}{insecure}\ndvc remote modify --local box access_key_id KEY\ndvc remote modify --local box secret_access_key SECRET\n\ndvc push"
        ),
        "rclone" => format!(
            "[box]\ntype = s3\nprovider = Other\nendpoint = {endpoint}\naccess_key_id = KEY\nsecret_access_key = SECRET\nregion = us-east-1\nforce_path_style = true\n\n# rclone ls box:{bucket}/{prefix}"
        ),
        "minio" => format!(
            "from minio import Minio\n\nclient = Minio(\"{host}\", access_key=\"KEY\", secret_key=\"SECRET\", secure={secure})\nfor item in client.list_objects(\"{bucket}\", prefix=\"{prefix}\"):\n    print(item.object_name)"
        ),
        _ => format!(
            "import boto3\n\ns3 = boto3.client(\n    \"s3\",\n    endpoint_url=\"{endpoint}\",\n    aws_access_key_id=\"KEY\",\n    aws_secret_access_key=\"SECRET\",\n    region_name=\"us-east-1\",\n)\ns3.upload_file(\"data.csv\", \"{bucket}\", \"{prefix}data.csv\")"
        ),
    }
}

/// How programs name one object: label, text, and what copying it is called.
pub fn snippets_of(bucket: &str, key: &str, endpoint: &S3Endpoint) -> Vec<(&'static str, String, &'static str)> {
    let name = super::last(key).replace('"', "\\\"");
    let quoted = key.replace('\\', "\\\\").replace('"', "\\\"");
    let shell = format!("s3://{bucket}/{key}").replace('\'', "'\\''");
    vec![
        ("S3 address", format!("s3://{bucket}/{key}"), "Copy the S3 address"),
        ("boto3", format!("s3.download_file(\"{bucket}\", \"{quoted}\", \"{name}\")"), "Copy the line for boto3"),
        ("aws-cli", format!("aws --endpoint-url {} s3 cp '{shell}' .", address(endpoint)), "Copy the line for aws-cli"),
    ]
}
