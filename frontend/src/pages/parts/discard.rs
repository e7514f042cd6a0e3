//! Deleting runs, experiments and logged models: first what goes and what the disk gets back, then the name, then the trash.

use crate::{
    api,
    format::{bytes, plural},
    session::may,
    ui::{
        Button, Dialog, Look, Show, Skeleton, Tone, act,
        toast::{toast, toast_error},
    },
};
use drydock_wire::{
    accounts::Role,
    trash::{TRASH_DAYS, TrashChange, TrashDone, TrashHolder, TrashPreview, TrashSelection},
};
use leptos::{prelude::*, task::spawn_local};

/// What the dialog leads to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Into the trash.
    Trash,
    /// Out of it, for good.
    Purge,
}

/// A button that deletes these runs after a preview; nothing for those who may not. `done` gets the ids that went.
/// `<DeleteRuns runs=chosen done=move |ids| …/>`
#[component]
pub fn DeleteRuns(
    /// Ids; the button shows while there is one.
    #[prop(into)]
    runs: Signal<Vec<String>>,
    #[prop(optional, into)] done: Option<Callback<Vec<String>>>,
) -> impl IntoView {
    let open = RwSignal::new(false);
    let what = Signal::derive(move || TrashSelection { runs: runs.get(), with_models: true, ..Default::default() });
    let finished = move |_: TrashDone| {
        if let Some(done) = done {
            done.run(runs.get_untracked());
        }
    };
    view! {
        <Show when=move || may(Role::Engineer) && runs.with(|r| !r.is_empty())>
            <Button look=Look::Danger icon="trash-2" on_press=move |_| open.set(true)>
                {move || match runs.with(Vec::len) { 1 => "Delete".to_owned(), n => format!("Delete {n}") }}
            </Button>
        </Show>
        <DiscardDialog open what end=End::Trash done=finished/>
    }
}

/// A button that deletes an experiment with all its runs after a preview; nothing while `id` is empty, or for those who may not.
#[component]
pub fn DeleteExperiment(#[prop(into)] id: Signal<String>, #[prop(into)] done: Callback<()>) -> impl IntoView {
    let open = RwSignal::new(false);
    let what = Signal::derive(move || TrashSelection { experiments: vec![id.get()], ..Default::default() });
    view! {
        <Show when=move || may(Role::Engineer) && id.with(|id| !id.is_empty() && id != "0")>
            <Button look=Look::Quiet icon="trash-2" on_press=move |_| open.set(true)>"Delete experiment"</Button>
        </Show>
        <DiscardDialog open what end=End::Trash done=move |_| done.run(())/>
    }
}

/// A button that deletes a logged model after a preview; nothing for those who may not.
#[component]
pub fn DeleteLoggedModel(id: String) -> impl IntoView {
    let open = RwSignal::new(false);
    let what = TrashSelection { logged_models: vec![id], ..Default::default() };
    view! {
        <Show when=move || may(Role::Engineer)>
            <Button look=Look::Quiet small=true icon="trash-2" on_press=move |_| open.set(true)>"Delete"</Button>
        </Show>
        <DiscardDialog open what=Signal::derive(move || what.clone()) end=End::Trash done=|_| ()/>
    }
}

/// Asks the server what would go, shows it, and lets it go once its name was typed.
#[component]
pub fn DiscardDialog(
    open: RwSignal<bool>,
    #[prop(into)] what: Signal<TrashSelection>,
    end: End,
    #[prop(into)] done: Callback<TrashDone>,
) -> impl IntoView {
    let title = if end == End::Trash { "Move to the trash?" } else { "Free the disk now?" };
    view! {
        <Dialog open title>
            {move || view! { <Preview open what=what.get_untracked() end done/> }}
        </Dialog>
    }
}

#[component]
fn Preview(open: RwSignal<bool>, what: TrashSelection, end: End, done: Callback<TrashDone>) -> impl IntoView {
    let preview = RwSignal::new(None::<TrashPreview>);
    let asked = what.clone();
    spawn_local(async move {
        match api::post::<_, TrashPreview>("/trash/preview", &asked).await {
            Ok(seen) => drop(preview.try_set(Some(seen))),
            Err(error) => {
                let _ = open.try_set(false);
                toast_error("Nothing was deleted", &error);
            }
        }
    });
    let (typed, busy) = (RwSignal::new(String::new()), RwSignal::new(false));
    let wanted = move || preview.with(|p| p.as_ref().map(|p| p.confirm.clone()).unwrap_or_default());
    let reason = Signal::derive(move || {
        (preview.with(Option::is_none) || typed.get().trim() != wanted().trim())
            .then(|| format!("Type {} to confirm.", wanted()))
    });
    let what = StoredValue::new(what);
    let submit = move |e: leptos::ev::SubmitEvent| {
        e.prevent_default();
        if reason.get_untracked().is_some() {
            return;
        }
        let change = TrashChange { what: what.get_value(), confirm: untrack(wanted) };
        let path = if end == End::Trash { "/trash" } else { "/trash/purge" };
        let call = async move { api::post::<_, TrashDone>(path, &change).await };
        act(busy, "Nothing was deleted", call, move |answer: TrashDone| {
            open.set(false);
            tell(end, &answer);
            done.run(answer);
        });
    };
    let action = if end == End::Trash { "Move to the trash" } else { "Free now" };
    view! {
        <form novalidate on:submit=submit>
            <div class="modal-text">
                {move || match preview.get() {
                    None => view! { <Skeleton lines=4/> }.into_any(),
                    Some(seen) => view! { <What seen end/> }.into_any(),
                }}
            </div>
            <div class="field">
                <label for="discard-name">"Type " <code>{wanted}</code> " to confirm"</label>
                <input id="discard-name" bind:value=typed autocomplete="off" spellcheck="false"/>
            </div>
            <div class="actions">
                <Button on_press=move |_| open.set(false)>"Cancel"</Button>
                <Button look=Look::DangerSolid submit=true busy why_not=reason>{action}</Button>
            </div>
        </form>
    }
}

fn tell(end: End, answer: &TrashDone) {
    let count = answer.runs + answer.experiments + answer.logged_models;
    match end {
        End::Trash => {
            let text = format!("Restore it from the trash within {TRASH_DAYS} days.");
            toast(Tone::Good, &format!("{} in the trash", plural(count, "thing")), &text);
        }
        End::Purge => {
            let title = format!("{} removed, {} freed", plural(count, "thing"), bytes(answer.freed_bytes));
            let kept = answer.kept.iter().take(3).cloned().collect::<Vec<_>>().join(" ");
            toast(if answer.kept.is_empty() { Tone::Good } else { Tone::Warn }, &title, &kept);
        }
    }
}

/// Counts as a sentence's part: "2 runs, 1 experiment".
fn counts(seen: &TrashPreview) -> String {
    let all = [
        (seen.experiments, "experiment"),
        (seen.runs, "run"),
        (seen.logged_models, "logged model"),
        (seen.traces, "trace"),
        (seen.files, "artifact"),
    ];
    let parts: Vec<String> = all.iter().filter(|(n, _)| *n > 0).map(|(n, noun)| plural(*n, noun)).collect();
    if parts.is_empty() { "Nothing".into() } else { parts.join(", ") }
}

#[component]
fn What(seen: TrashPreview, end: End) -> impl IntoView {
    let size = format!(
        "{} of artifacts, of which the disk gets back {}: the rest is shared with other runs, models or datasets.",
        bytes(seen.bytes),
        bytes(seen.freed_bytes)
    );
    let size = if seen.bytes == seen.freed_bytes { format!("{} of artifacts.", bytes(seen.bytes)) } else { size };
    let when = match end {
        End::Trash => {
            format!("It stays in the trash for {TRASH_DAYS} days and can be restored; only then is the disk freed.")
        }
        End::Purge => "It is gone at once and cannot be restored.".to_owned(),
    };
    let named = (seen.names.len() > 1).then(|| seen.names.join(", "));
    let running = (seen.running > 0)
        .then(|| format!("{} still going: what is logged from now on is refused.", plural(seen.running, "run")));
    view! {
        <p><b>{counts(&seen)}</b></p>
        {named.map(|names| view! { <p class="dim">{names}</p> })}
        <p>{size}</p>
        {running.map(|text| view! { <p class="warn-text">{text}</p> })}
        {(!seen.versions.is_empty()).then(|| view! { <Held versions=seen.versions.clone() end/> })}
        <p class="dim">{when}</p>
    }
}

/// Registered versions made from it, and who serves them.
#[component]
fn Held(versions: Vec<TrashHolder>, end: End) -> impl IntoView {
    let text = match end {
        End::Trash => {
            "Registered versions were made from it. They and their files stay, and so does what they were made from:"
        }
        End::Purge => "What these versions were made from stays, with its files:",
    };
    view! {
        <p>{text}</p>
        <ul class="held">{versions.into_iter().take(8).map(|v| view! { <li>{holder_text(&v)}</li> }).collect_view()}</ul>
    }
}

/// `wine version 3, served by wine-prod`.
pub fn holder_text(holder: &TrashHolder) -> String {
    let served = match holder.deployments.as_slice() {
        [] => String::new(),
        names => format!(", served by {}", names.join(", ")),
    };
    format!("{} version {}{served}", holder.model, holder.version)
}
