//! What is chosen in a list of files, and its removal: first it is said what goes.

use super::{last, path};
use crate::{
    api, format,
    reactive::effect,
    ui::{ConfirmDialog, Tone, act, toast},
};
use drydock_wire::storage::{DeleteObjects, DeletedObjects};
use leptos::{prelude::*, task::spawn_local};
use std::collections::BTreeSet;

/// Keys, and folders with their `/`.
#[derive(Clone, Copy)]
pub struct Chosen(RwSignal<BTreeSet<String>>);

impl Chosen {
    pub fn new() -> Self {
        Self(RwSignal::new(BTreeSet::new()))
    }

    pub fn one(key: String) -> Self {
        Self(RwSignal::new(BTreeSet::from([key])))
    }

    pub fn has(&self, key: &str) -> bool {
        self.0.with(|all| all.contains(key))
    }

    pub fn count(&self) -> usize {
        self.0.with(BTreeSet::len)
    }

    pub fn clear(&self) {
        self.0.set(BTreeSet::new());
    }

    pub fn set(&self, key: &str, is_chosen: bool) {
        self.0.update(|all| {
            if is_chosen {
                all.insert(key.to_owned());
            } else {
                all.remove(key);
            }
        });
    }

    pub fn set_all(&self, keys: &[String], is_chosen: bool) {
        keys.iter().for_each(|key| self.set(key, is_chosen));
    }

    fn wish(&self, preview: bool) -> DeleteObjects {
        let (prefixes, keys) = self.0.get_untracked().into_iter().partition(|key| key.ends_with('/'));
        DeleteObjects { keys, prefixes, preview }
    }
}

/// Asks, with what goes in figures, and removes.
#[component]
pub fn DeleteChosen(
    open: RwSignal<bool>,
    #[prop(into)] bucket: Signal<String>,
    chosen: Chosen,
    #[prop(into)] done: Callback<()>,
) -> impl IntoView {
    let busy = RwSignal::new(false);
    let goes = RwSignal::new(None::<DeletedObjects>);
    let refused = RwSignal::new(None::<String>);
    effect(move || {
        if !open.get() {
            return;
        }
        goes.set(None);
        refused.set(None);
        let (to, wish) = (path(&bucket.get_untracked(), "/objects/delete"), chosen.wish(true));
        spawn_local(async move {
            match api::post::<_, DeletedObjects>(&to, &wish).await {
                Ok(counted) => drop(goes.try_set(Some(counted))),
                Err(error) => drop(refused.try_set(Some(error.message))),
            }
        });
    });
    let names = move || chosen.0.with(|all| all.iter().take(8).cloned().collect::<Vec<_>>());
    let confirm = move |()| {
        let (to, wish) = (path(&bucket.get_untracked(), "/objects/delete"), chosen.wish(false));
        let call = async move { api::post::<_, DeletedObjects>(&to, &wish).await };
        act(busy, "Not everything was deleted", call, move |gone| {
            open.set(false);
            toast(Tone::Good, &format!("{} deleted", format::plural(gone.count, "file")), "");
            done.run(());
        });
    };
    // one file by its name, more by the bucket's: nobody types a list
    let name = Signal::derive(move || {
        chosen.0.with(|all| match all.first() {
            Some(key) if all.len() == 1 => last(key).to_owned(),
            _ => bucket.get(),
        })
    });
    let figures = move || match goes.get() {
        None if refused.with(Option::is_some) => String::new(),
        None => "Counting what goes…".to_owned(),
        Some(sum) => format!("{} with {} go.", format::plural(sum.count, "file"), format::bytes(sum.size_bytes)),
    };
    let problem = move || {
        refused
            .get()
            .map(|why| view! { <p class="missing" role="alert">{format!("What goes could not be counted: {why}")}</p> })
    };
    view! {
        <ConfirmDialog open title="Delete from this bucket?" name action="Delete" on_confirm=confirm busy=busy>
            <p role="status">{figures}</p>
            {problem}
            <ul class="held">{move || names().into_iter().map(|name| view! { <li class="mono">{name}</li> }).collect_view()}</ul>
            <Show when=move || { chosen.count() > 8 }><p class="dim">{move || format!("and {} more", chosen.count() - 8)}</p></Show>
            <p>"Where the bucket keeps versions they can be restored from their pages; elsewhere they are gone for good."</p>
        </ConfirmDialog>
    }
}
