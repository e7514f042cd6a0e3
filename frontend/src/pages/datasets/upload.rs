//! A new version: files dropped or chosen, sent to the store, then named as one snapshot.

use crate::{
    api::{self, seg},
    format,
    live::Remote,
    pages::parts::{DropZone, UploadList, Uploads},
    reactive::memo,
    ui::{Button, Card, Field, Look, Show, Tone, act, toast, url::Param},
};
use drydock_wire::datasets::{CreateVersion, CreatedVersion, DatasetDetail, VersionDetail};
use leptos::prelude::*;

#[component]
pub fn NewVersion(
    dataset: Signal<DatasetDetail>,
    detail: Remote<VersionDetail>,
    tab: Param,
    version: Param,
) -> impl IntoView {
    let uploads = Uploads::new();
    let message = RwSignal::new(String::new());
    let keep = RwSignal::new(true);
    let busy = RwSignal::new(false);
    let old = memo(move || detail.data.with(|d| d.as_ref().map_or(0, |d| d.summary.file_count)));
    let why_not =
        Signal::derive(
            move || if uploads.is_empty() { Some("Choose files first.".to_owned()) } else { uploads.why_not() },
        );
    let create = move |_| {
        let base = detail.data.with_untracked(|d| d.as_ref().map(|d| d.summary.version.to_string()));
        let wish = CreateVersion {
            files: uploads.files(),
            message: message.get_untracked().trim().to_owned(),
            base_version: base.filter(|_| keep.get_untracked()),
            remove: vec![],
        };
        let path = format!("/datasets/{}/versions", seg(&dataset.with_untracked(|d| d.summary.name.clone())));
        let call = async move { api::post::<_, CreatedVersion>(&path, &wish).await };
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
            version.clear();
            tab.set("columns");
        });
    };
    view! {
        <Card title="New version">
            <div class="stack">
                <DropZone uploads text="Drop files here"/>
                <UploadList uploads/>
                <Show when=move || old.get().ne(&0)>
                    <label class="check">
                        <input type="checkbox" prop:checked=move || keep.get() on:change:target=move |e| keep.set(e.target().checked())/>
                        {move || format!("Keep the {} of the version shown, unless one of the same name is uploaded",
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
