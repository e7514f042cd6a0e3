//! What a person may change about a run: its name, its description, its tags.

use crate::{
    api::{self, ApiError, seg},
    live::hint,
    pages::parts::is_engineer,
    reactive::memo,
    ui::{Button, Dialog, Field, Icon, Look, Show, act},
};
use drydock_wire::{
    KeyValue,
    events::Topic,
    tracking::{EditRun, RunDetail},
};
use leptos::prelude::*;

const NOTE: &str = "mlflow.note.content";

async fn change(id: String, edit: EditRun) -> Result<(), ApiError> {
    api::patch::<_, Option<()>>(&format!("/runs/{}", seg(&id)), &edit).await.map(drop)
}

fn nothing() -> EditRun {
    EditRun { name: None, tags: vec![], remove_tags: vec![] }
}

fn id_of(run: Signal<RunDetail>) -> String {
    run.with_untracked(|r| r.summary.id.clone())
}

#[component]
pub fn RenameButton(run: Signal<RunDetail>) -> impl IntoView {
    let (open, name, busy) = (RwSignal::new(false), RwSignal::new(String::new()), RwSignal::new(false));
    let begin = move |_| {
        name.set(run.with_untracked(|r| r.summary.name.clone()));
        open.set(true);
    };
    let save = move || {
        let edit = EditRun { name: Some(name.get_untracked()), ..nothing() };
        act(busy, "The run was not renamed", change(id_of(run), edit), move |()| {
            open.set(false);
            hint(Topic::Runs);
        });
    };
    is_engineer().then(|| view! {
        <Button icon="pencil" on_press=begin>"Rename"</Button>
        <Dialog open title="Rename this run">
            <form novalidate on:submit=move |e| { e.prevent_default(); save() }>
                <Field id="run-name" label="Name" value=name autofocus=true/>
                <div class="actions">
                    <Button on_press=move |_| open.set(false)>"Cancel"</Button>
                    <Button look=Look::Primary submit=true busy=busy
                        why_not=Signal::derive(move || name.with(|n| n.trim().is_empty()).then(|| "Give it a name.".to_owned()))>"Rename the run"</Button>
                </div>
            </form>
        </Dialog>
    })
}

/// The note that MLflow calls `mlflow.note.content`, as plain text.
#[component]
pub fn Description(run: Signal<RunDetail>) -> impl IntoView {
    let text =
        memo(move || run.with(|r| r.tags.iter().find(|t| t.key == NOTE).map(|t| t.value.clone())).unwrap_or_default());
    let (editing, typed, busy) = (RwSignal::new(false), RwSignal::new(String::new()), RwSignal::new(false));
    let begin = move |_| {
        typed.set(text.get_untracked());
        editing.set(true);
    };
    let save = move |_| {
        let note = KeyValue { key: NOTE.to_owned(), value: typed.get_untracked() };
        let edit = match note.value.trim().is_empty() {
            true => EditRun { remove_tags: vec![note.key], ..nothing() },
            false => EditRun { tags: vec![note], ..nothing() },
        };
        act(busy, "The description was not kept", change(id_of(run), edit), move |()| {
            editing.set(false);
            hint(Topic::Runs);
        });
    };
    let may = is_engineer();
    move || {
        if editing.get() {
            return view! {
                <div class="card note-edit">
                    <label class="label" for="run-note">"Description"</label>
                    <textarea id="run-note" rows="5" bind:value=typed></textarea>
                    <div class="actions">
                        <Button on_press=move |_| editing.set(false)>"Cancel"</Button>
                        <Button look=Look::Primary busy=busy on_press=save>"Keep the description"</Button>
                    </div>
                </div>
            }
            .into_any();
        }
        match (text.get(), may) {
            (text, false) if text.is_empty() => ().into_any(),
            (text, true) if text.is_empty() => view! {
                <div><Button small=true look=Look::Quiet icon="pencil" on_press=begin>"Add a description"</Button></div>
            }
            .into_any(),
            (text, _) => view! {
                <div class="card note-text"><p class="wrap">{text}</p>
                    {may.then(|| view! { <button type="button" class="icon-btn" aria-label="Edit the description" on:click=begin><Icon name="pencil"/></button> })}
                </div>
            }
            .into_any(),
        }
    }
}

/// Tags that are the person's own, each with a way to take it off, and a line to add one.
#[component]
pub fn TagEditor(run: Signal<RunDetail>, tags: Signal<Vec<KeyValue>>) -> impl IntoView {
    let (key, value, busy) = (RwSignal::new(String::new()), RwSignal::new(String::new()), RwSignal::new(false));
    let send = move |edit: EditRun| {
        act(busy, "The tags were not changed", change(id_of(run), edit), move |()| {
            key.set(String::new());
            value.set(String::new());
            hint(Topic::Runs);
        });
    };
    let add = move || {
        let tag = KeyValue { key: key.get_untracked().trim().to_owned(), value: value.get_untracked() };
        if !tag.key.is_empty() {
            send(EditRun { tags: vec![tag], ..nothing() });
        }
    };
    let one = move |tag: KeyValue| {
        let gone = tag.key.clone();
        view! {
            <tr><th scope="row">{tag.key.clone()}</th><td class="mono">{tag.value}</td>
                <td class="tools"><button type="button" class="icon-btn" aria-label=format!("Take off the tag {}", tag.key)
                    on:click=move |_| send(EditRun { remove_tags: vec![gone.clone()], ..nothing() })><Icon name="x"/></button></td></tr>
        }
    };
    view! {
        <Show when=move || tags.with(|t| !t.is_empty()) fallback=|| view! { <p class="dim none">"No tags yet."</p> }>
            <div class="pairs tags" role="region" aria-label="Tags" tabindex="0">
                <table class="plain"><tbody>{move || tags.get().into_iter().map(one).collect_view()}</tbody></table>
            </div>
        </Show>
        <form class="plain tag-add" novalidate on:submit=move |e| { e.prevent_default(); add() }>
            <input class="mono" aria-label="Name of the tag" placeholder="name" bind:value=key spellcheck="false" autocapitalize="off"/>
            <input class="mono" aria-label="Value of the tag" placeholder="value" bind:value=value spellcheck="false" autocapitalize="off"/>
            <Button submit=true small=true icon="plus" busy=busy>"Tag"</Button>
        </form>
    }
}
