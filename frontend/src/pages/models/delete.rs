//! Deleting a model or a version: says what goes, what stays, and what stands in the way.

use crate::{
    api::{self, seg},
    app::go,
    format,
    reactive::effect,
    ui::{ConfirmDialog, Tone, act, toast},
};
use drydock_wire::registry::{ModelDetail, ModelVersion};
use leptos::prelude::*;

/// What is to be deleted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Doomed {
    Model,
    Version(i64),
}

#[component]
pub fn DeleteDialogs(model: Signal<ModelDetail>, action: RwSignal<Option<Doomed>>) -> impl IntoView {
    let (open, busy) = (RwSignal::new(false), RwSignal::new(false));
    let last = Memo::new(move |old: Option<&Doomed>| action.get().or(old.copied()).unwrap_or(Doomed::Model));
    effect(move || {
        if action.get().is_some() {
            open.set(true);
        }
    });
    effect(move || {
        if !open.get() {
            action.set(None);
        }
    });
    let title = Signal::derive(move || match last.get() {
        Doomed::Model => "Delete this model?".to_owned(),
        Doomed::Version(n) => format!("Delete version {n}?"),
    });
    let name = Signal::derive(move || {
        let model = model.with(|m| m.summary.name.clone());
        match last.get() {
            Doomed::Model => model,
            Doomed::Version(n) => format!("{model} {n}"),
        }
    });
    let confirm = move |()| {
        let model = model.with_untracked(|m| m.summary.name.clone());
        let (path, said) = match last.get_untracked() {
            Doomed::Model => (format!("/models/{}", seg(&model)), format!("{model} deleted")),
            Doomed::Version(n) => (format!("/models/{}/versions/{n}", seg(&model)), format!("Version {n} deleted")),
        };
        let whole = last.get_untracked() == Doomed::Model;
        act(busy, "It was not deleted", async move { api::delete(&path).await }, move |()| {
            open.set(false);
            toast(Tone::Good, &said, "");
            if whole {
                go("/models");
            }
        });
    };
    view! {
        <ConfirmDialog open title name action="Delete" on_confirm=confirm busy=busy>
            {move || model.with(|m| what_goes(m, last.get()))}
        </ConfirmDialog>
    }
}

fn what_goes(model: &ModelDetail, doomed: Doomed) -> impl IntoView + use<> {
    let versions: Vec<&ModelVersion> = match doomed {
        Doomed::Model => model.versions.iter().collect(),
        Doomed::Version(n) => model.versions.iter().filter(|v| v.version == n).collect(),
    };
    let aliases: Vec<String> = versions.iter().flat_map(|v| v.aliases.clone()).collect();
    let cards = versions.iter().filter(|v| v.card.revision > 0).count() as u64;
    let served: Vec<String> = versions.iter().flat_map(|v| v.deployments.clone()).collect();
    let count = (doomed == Doomed::Model).then(|| format::plural(versions.len() as u64, "version"));
    let cards = (cards > 0).then(|| format::plural(cards, "model card"));
    let names = (!aliases.is_empty()).then(|| format!("the aliases {}", aliases.join(", ")));
    let goes: Vec<String> = [count, names, cards].into_iter().flatten().collect();
    let goes = if goes.is_empty() {
        "The entry in the registry goes.".to_owned()
    } else {
        format!("These go: {}.", goes.join(", "))
    };
    view! {
        {(!served.is_empty()).then(|| view! {
            <p class="callout bad">{format!("{} serves it. Delete the deployment, or have it serve another version, first.", served.join(", "))}</p>
        })}
        <p>{goes}" The files stay with the run that logged them, and the history of the aliases is kept. Code that loads it by name, number or alias fails from then on. A number is never given twice."</p>
    }
}
