//! Setting, moving and removing a model's aliases.

use crate::{
    api::{self, seg},
    reactive::effect,
    ui::{Button, ConfirmDialog, Dialog, Field, Look, SelectField, Tone, act, toast},
};
use drydock_wire::registry::{Alias, SetAlias};
use leptos::prelude::*;

/// Which dialog is open.
#[derive(Clone, PartialEq)]
pub enum AliasAction {
    /// `alias` empty: a new one. `version` absent: the newest.
    Set {
        alias: String,
        version: Option<i64>,
    },
    Remove(Alias),
}

#[component]
pub fn AliasDialogs(
    model: Memo<String>,
    action: RwSignal<Option<AliasAction>>,
    versions: Signal<Vec<i64>>,
) -> impl IntoView {
    let (setting, removing) = (RwSignal::new(false), RwSignal::new(false));
    effect(move || {
        let now = action.get();
        setting.set(matches!(now, Some(AliasAction::Set { .. })));
        removing.set(matches!(now, Some(AliasAction::Remove(_))));
    });
    // a dialog that was closed by Escape may be opened again with the same action
    effect(move || {
        if !setting.get() && !removing.get() && action.with_untracked(Option::is_some) {
            action.set(None);
        }
    });
    let busy = RwSignal::new(false);
    let gone = Memo::new(move |old: Option<&Option<Alias>>| match action.get() {
        Some(AliasAction::Remove(alias)) => Some(alias),
        _ => old.cloned().flatten(),
    });
    let remove = move |()| {
        let Some(alias) = gone.get_untracked() else { return };
        let path = format!("/models/{}/aliases/{}", seg(&model.get_untracked()), seg(&alias.alias));
        act(busy, "The alias was not removed", async move { api::delete(&path).await }, move |()| {
            action.set(None);
            toast(Tone::Good, "Alias removed", &alias.alias);
        });
    };
    view! {
        <Dialog open=setting title="Set an alias">
            {move || match action.get_untracked() {
                Some(AliasAction::Set { alias, version }) => view! { <SetForm model action versions alias version/> }.into_any(),
                _ => ().into_any(),
            }}
        </Dialog>
        <ConfirmDialog open=removing title="Remove this alias?" name="" action="Remove the alias" on_confirm=remove busy=busy>
            <p>{move || gone.get().map(|a| format!("Nothing is called {} any more. Version {} stays, and deployments go on serving what they serve. Code that loads models:/{}@{} fails.", a.alias, a.version, model.get(), a.alias))}</p>
        </ConfirmDialog>
    }
}

fn check_alias(text: &str) -> Result<(), &'static str> {
    let good =
        !text.is_empty() && text.len() <= 63 && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    let number = text.strip_prefix('v').unwrap_or(text).parse::<u64>().is_ok();
    if number {
        return Err("A version's number cannot be an alias.");
    }
    good.then_some(()).ok_or("Use letters, digits, dashes, dots and underscores, such as champion.")
}

#[component]
fn SetForm(
    model: Memo<String>,
    action: RwSignal<Option<AliasAction>>,
    versions: Signal<Vec<i64>>,
    alias: String,
    version: Option<i64>,
) -> impl IntoView {
    let moves = !alias.is_empty();
    let name = RwSignal::new(alias);
    let newest = versions.with_untracked(|v| v.first().copied());
    let chosen = RwSignal::new(version.or(newest).unwrap_or(1).to_string());
    let (busy, tried) = (RwSignal::new(false), RwSignal::new(false));
    let options = Signal::derive(move || {
        versions.with(|v| v.iter().map(|v| (v.to_string(), format!("Version {v}"))).collect::<Vec<_>>())
    });
    let submit = move |e: leptos::ev::SubmitEvent| {
        e.prevent_default();
        tried.set(true);
        let (alias, Ok(version)) = (name.get_untracked(), chosen.get_untracked().parse::<i64>()) else { return };
        if check_alias(&alias).is_err() {
            return;
        }
        let path = format!("/models/{}/aliases/{}", seg(&model.get_untracked()), seg(&alias));
        let call = async move { api::put::<_, serde_json::Value>(&path, &SetAlias { version }).await };
        act(busy, "The alias was not set", call, move |_| {
            action.set(None);
            toast(Tone::Good, &format!("{alias} is version {version}"), "");
        });
    };
    view! {
        <form novalidate on:submit=submit>
            <Field id="alias" label="Alias" value=name check=check_alias tried=tried disabled=moves mono=true autofocus=!moves
                hint="An alias names one version; setting it again moves it. Usual: champion, challenger."/>
            <SelectField id="alias-version" label="Version" value=chosen options/>
            <div class="actions">
                <Button on_press=move |_| action.set(None)>"Cancel"</Button>
                <Button look=Look::Primary submit=true busy>{if moves { "Move the alias" } else { "Set the alias" }}</Button>
            </div>
        </form>
    }
}
