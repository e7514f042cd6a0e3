//! A new version: files dropped or chosen, objects of a bucket, or what a job's runs logged; made as one snapshot.

use crate::{
    api::{self, seg},
    format,
    live::Remote,
    pages::parts::{DropZone, Interrupted, UploadList, Uploads, query},
    reactive::memo,
    ui::{
        Button, Card, Field, Look, Show, Tone, act, toast,
        url::{Param, param},
    },
};
use drydock_wire::datasets::{
    CreatedVersion, DatasetDetail, DatasetFile, VersionDetail, VersionFromBucket, VersionFromJob,
};
use leptos::prelude::*;

#[component]
pub fn NewVersion(
    dataset: Signal<DatasetDetail>,
    detail: Remote<VersionDetail>,
    tab: Param,
    version: Param,
) -> impl IntoView {
    let uploads = Uploads::of(format!("dataset/{}", dataset.with_untracked(|d| d.summary.name.clone())));
    let message = RwSignal::new(String::new());
    let keep = RwSignal::new(true);
    let busy = RwSignal::new(false);
    let old = memo(move || detail.data.with(|d| d.as_ref().map_or(0, |d| d.summary.file_count)));
    let source = param("source", "files");
    let (bucket, prefix) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    let (job, folder) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    let why_not = Signal::derive(move || match source.get().as_str() {
        "bucket" => bucket.with(|b| b.trim().is_empty()).then(|| "Name a bucket.".to_owned()),
        "job" => job.with(|j| j.trim().is_empty()).then(|| "Give the job's id.".to_owned()),
        _ if uploads.is_empty() => Some("Choose files first.".to_owned()),
        _ => uploads.why_not(),
    });
    let create = move |_| {
        let base = detail.data.with_untracked(|d| d.as_ref().map(|d| d.summary.version.to_string()));
        let base_version = base.filter(|_| keep.get_untracked());
        let message = message.get_untracked().trim().to_owned();
        let path = format!("/datasets/{}/versions", seg(&dataset.with_untracked(|d| d.summary.name.clone())));
        let files = (bucket.get_untracked(), prefix.get_untracked(), job.get_untracked(), folder.get_untracked());
        let from = source.get_untracked();
        let line = |file: &DatasetFile| serde_json::to_string(file).unwrap_or_default() + "\n";
        let lines: String = if from == "files" { uploads.files().iter().map(line).collect() } else { String::new() };
        let call = async move {
            let into = String::new();
            let (bucket, prefix, job_id, folder) = files;
            match from.as_str() {
                "bucket" => {
                    let wish = VersionFromBucket { bucket, prefix, message, base_version, into };
                    api::post::<_, CreatedVersion>(&format!("{path}/from-bucket"), &wish).await
                }
                "job" => {
                    let wish = VersionFromJob { job_id, path: folder, message, base_version, into };
                    api::post::<_, CreatedVersion>(&format!("{path}/from-job"), &wish).await
                }
                _ => {
                    // as lines: a folder may have more files than one piece of JSON may be long
                    let pairs = [("base_version", base_version.unwrap_or_default()), ("message", message)];
                    api::post_text::<CreatedVersion>(&query(&format!("{path}/lines"), &pairs), lines).await
                }
            }
        };
        act(busy, "The version was not made", call, move |made| {
            let number = made.version.version;
            if made.created {
                toast(Tone::Good, &format!("Version {number} made"), &format::plural(made.version.file_count, "file"));
            } else {
                toast(
                    Tone::Info,
                    "Nothing changed",
                    &format!("The content is that of version {number}; no version was made."),
                );
            }
            if source.is("files") {
                uploads.clear();
            }
            version.clear();
            tab.set("columns");
        });
    };
    view! {
        <Card title="New version">
            <div class="stack">
                <div class="row version-sources" role="group" aria-label="Where the files are">
                    {[("files", "From this computer"), ("bucket", "From a bucket"), ("job", "From a job")].into_iter().map(|(key, text)| view! {
                        <button type="button" class="btn small" aria-pressed=move || source.is(key).to_string() on:click=move |_| source.set(key)>{text}</button>
                    }).collect_view()}
                </div>
                {move || match source.get().as_str() {
                    "bucket" => view! {
                        <Field id="version-bucket" label="Bucket" value=bucket mono=true/>
                        <Field id="version-prefix" label="Prefix" value=prefix mono=true placeholder="images/2026/" hint="Objects whose keys start with this. Nothing is copied: the version refers to the same content."/>
                    }.into_any(),
                    "job" => view! {
                        <Field id="version-job" label="Job" value=job mono=true hint="The id, as its page shows it. What its runs logged as artifacts becomes the version."/>
                        <Field id="version-folder" label="Folder" value=folder mono=true hint="Of the artifacts; empty: all of them."/>
                    }.into_any(),
                    _ => view! {
                        <Interrupted goal=Signal::derive(move || uploads.goal())/>
                        <DropZone uploads text="Drop files and folders here"/>
                        <UploadList uploads/>
                    }.into_any(),
                }}
                <Show when=move || old.get().ne(&0)>
                    <label class="check">
                        <input type="checkbox" prop:checked=move || keep.get() on:change:target=move |e| keep.set(e.target().checked())/>
                        {move || format!("Keep the {} of the version shown, unless one of the same name comes",
                            format::plural(old.get(), "file"))}
                    </label>
                </Show>
                <Field id="version-message" label="Message" value=message hint="What changed, in a line."/>
                <div class="actions">
                    <Button look=Look::Primary icon="check" busy why_not on_press=create>"Make the version"</Button>
                </div>
            </div>
        </Card>
    }
}
