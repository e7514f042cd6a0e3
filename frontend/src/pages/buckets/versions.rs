//! The versions of an object: look at one, fetch it, make it the latest again, remove it for good.

use super::{bucket::Place, content_url, object_path, path};
use crate::{
    api, format,
    ui::{Button, Card, ConfirmDialog, Icon, Look, Pill, Show, Status, TimeAgo, Tone, act, toast},
};
use drydock_wire::storage::{ObjectDetail, ObjectSummary, ObjectVersion, RestoreVersion};
use leptos::prelude::*;

#[component]
pub fn Versions(
    bucket: Memo<String>,
    object: Signal<ObjectDetail>,
    writes: Memo<bool>,
    place: Place,
    #[prop(into)] done: Callback<()>,
) -> impl IntoView {
    let busy = RwSignal::new(false);
    let removing = RwSignal::new(None::<ObjectVersion>);
    let asking = RwSignal::new(false);
    let restore = Callback::new(move |version_id: String| {
        let wish = RestoreVersion { key: object.with_untracked(|o| o.object.key.clone()), version_id };
        let to = path(&bucket.get_untracked(), "/object/restore");
        let call = async move { api::post::<_, ObjectSummary>(&to, &wish).await };
        act(busy, "The version was not restored", call, move |_| {
            toast(Tone::Good, "Version restored", "It is the file's latest version now.");
            place.version.clear();
            done.run(());
        });
    });
    let ask = Callback::new(move |version: ObjectVersion| {
        removing.set(Some(version));
        asking.set(true);
    });
    let confirm = move |()| {
        let Some(version) = removing.get_untracked() else { return };
        let to = object_path(
            &bucket.get_untracked(),
            "object",
            &object.with_untracked(|o| o.object.key.clone()),
            &version.version_id,
        );
        act(busy, "The version was not deleted", async move { api::delete(&to).await }, move |()| {
            asking.set(false);
            toast(Tone::Good, if version.is_delete_marker { "The file is back" } else { "Version deleted" }, "");
            place.version.clear();
            done.run(());
        });
    };
    let is_marker = move || removing.with(|v| v.as_ref().is_some_and(|v| v.is_delete_marker));
    // only of a file that has or had versions is there something to say
    let any = move || object.with(|o| o.version_id.is_some() || o.versions.len() > 1);
    view! {
        <Show when=any>
            <Card title="Versions" class="flush">
                <table class="grid" aria-label="Versions">
                    <thead><tr><th scope="col">"When"</th><th scope="col" class="num">"Size"</th><th scope="col" class="tools"><span class="sr">"Actions"</span></th></tr></thead>
                    <tbody>{move || object.with(|o| o.versions.clone()).into_iter()
                        .map(|v| line(v, bucket, object, writes, place, restore, ask)).collect_view()}</tbody>
                </table>
            </Card>
        </Show>
        <ConfirmDialog open=asking title=Signal::derive(move || if is_marker() { "Undo the deletion?".to_owned() } else { "Delete this version?".into() })
            name=Signal::derive(move || if is_marker() { String::new() } else { "delete".to_owned() })
            action="Remove it" on_confirm=confirm busy=busy>
            <p>{move || if is_marker() {
                "The mark that hides the file goes; what was there before is the file again."
            } else {
                "This version goes for good. If it is the latest, the one before it takes its place."
            }}</p>
        </ConfirmDialog>
    }
}

fn line(
    version: ObjectVersion,
    bucket: Memo<String>,
    object: Signal<ObjectDetail>,
    writes: Memo<bool>,
    place: Place,
    restore: Callback<String>,
    ask: Callback<ObjectVersion>,
) -> impl IntoView {
    let (id, key) = (version.version_id.clone(), object.with_untracked(|o| o.object.key.clone()));
    let get = content_url(&bucket.get_untracked(), &key, &id);
    let (looked, restored, removed) = (id.clone(), id.clone(), version.clone());
    let marker = version.is_delete_marker;
    let latest = version.is_latest;
    let state = match (latest, marker) {
        (true, false) => Some(Status::new(Tone::Good, "Latest")),
        (_, true) => Some(Status::new(Tone::Neutral, "Deleted")),
        _ => None,
    };
    let chosen = move || place.version.is(&looked);
    let open = id.clone();
    view! {
        <tr class:chosen=chosen>
            <td title=id>{match marker {
                true => view! { <span class="dim"><TimeAgo at=version.modified_at/></span> }.into_any(),
                false => view! { <button type="button" class="name" on:click=move |_| place.version.push(if latest { "" } else { &open })><TimeAgo at=version.modified_at/></button> }.into_any(),
            }}{state.map(|status| view! { " "<Pill status/> })}</td>
            <td class="num">{(!marker).then(|| format::bytes(version.size_bytes))}</td>
            <td class="row-actions">
                {(!marker).then(|| view! { <a class="icon-btn" download="" href=get aria-label="Download this version" title="Download"><Icon name="download"/></a> })}
                <Show when=move || writes.get()>
                    {
                        let (restored, removed) = (restored.clone(), removed.clone());
                        view! {
                            {(!marker && !latest).then(|| { let id = restored.clone(); view! {
                                <Button small=true on_press=move |_| restore.run(id.clone())>"Restore"</Button> } })}
                            <Button small=true look=Look::Quiet icon="trash-2" on_press=move |_| ask.run(removed.clone())>
                                <span class="sr">{if marker { "Undo the deletion" } else { "Delete this version" }}</span></Button>
                        }
                    }
                </Show>
            </td>
        </tr>
    }
}
