//! Who may call a deployment: users as chips. An administrator chooses among those there are; others name them.

use super::{Text, text};
use crate::{
    live::remote,
    session::may,
    ui::{Icon, Show},
};
use drydock_wire::accounts::{Person, Role};
use leptos::{ev, prelude::*};

#[derive(Clone, Copy)]
pub struct CallersForm {
    chosen: RwSignal<Vec<String>>,
    /// What stands in the field and was not added yet.
    typed: Text,
}

impl CallersForm {
    pub fn new(start: &[String]) -> Self {
        Self { chosen: RwSignal::new(start.to_vec()), typed: text("") }
    }

    /// With a name that was typed and not added.
    pub fn read(&self) -> Vec<String> {
        let mut all = self.chosen.get();
        all.extend(super::words_of(&self.typed.get()).into_iter().filter(|name| !self.has(name)));
        all
    }

    pub fn summary(&self) -> String {
        let all = self.read();
        if all.is_empty() { "everyone who is signed in".to_owned() } else { all.join(", ") }
    }

    fn has(&self, name: &str) -> bool {
        self.chosen.with(|all| all.iter().any(|it| it == name))
    }

    fn add(&self, name: &str) {
        if !name.is_empty() && !untrack(|| self.has(name)) {
            self.chosen.update(|all| all.push(name.to_owned()));
        }
    }

    fn add_typed(&self) {
        let names = super::words_of(&self.typed.get_untracked());
        self.typed.set(String::new());
        names.iter().for_each(|name| self.add(name));
    }
}

#[component]
pub fn CallerFields(form: CallersForm) -> impl IntoView {
    let chip = move |name: String| {
        let gone = name.clone();
        view! {
            <li class="chip">{name.clone()}<button type="button" aria-label=format!("{name} may not call any more")
                on:click=move |_| form.chosen.update(|all| all.retain(|it| *it != gone))><Icon name="x"/></button></li>
        }
    };
    view! {
        <div class="field">
            <Show when=move || form.chosen.with(|all| !all.is_empty())>
                <ul class="chips callers" aria-label="Users who may call">{move || form.chosen.get().into_iter().map(chip).collect_view()}</ul>
            </Show>
            <Show when=move || may(Role::Admin) fallback=move || view! { <Named form/> }><Listed form/></Show>
        </div>
    }
}

/// The users that there are, less those who are chosen.
#[component]
fn Listed(form: CallersForm) -> impl IntoView {
    let people = remote::<Vec<Person>>(|| Some("/people".to_owned()), &[]);
    let left = move || {
        let all = people.data.get().unwrap_or_default();
        all.into_iter().filter(|p| !p.disabled && !form.has(&p.username)).map(|p| p.username).collect::<Vec<_>>()
    };
    let option = |name: String| view! { <option value=name.clone()>{name.clone()}</option> };
    view! {
        <label for="callers">"Add a user"</label>
        <select id="callers" aria-describedby="callers-note" prop:value=move || { form.chosen.track(); String::new() }
            on:change:target=move |e| form.add(&e.target().value())>
            <option value="">{move || if left().is_empty() { "Nobody is left" } else { "Choose a user" }}</option>
            {move || left().into_iter().map(option).collect_view()}
        </select>
        <p id="callers-note" class="note">"Nobody chosen: everyone who is signed in. Administrators and whoever made the deployment always may."</p>
    }
}

/// Names typed: only administrators see the list of users.
#[component]
fn Named(form: CallersForm) -> impl IntoView {
    let key = move |e: ev::KeyboardEvent| {
        if matches!(e.key().as_str(), "Enter" | ",") && !form.typed.with_untracked(|t| t.trim().is_empty()) {
            e.prevent_default();
            form.add_typed();
        }
    };
    view! {
        <label for="callers">"Add a user"</label>
        <input id="callers" bind:value=form.typed on:keydown=key placeholder="everyone who is signed in" aria-describedby="callers-note"
            spellcheck="false" autocapitalize="off" autocomplete="off"/>
        <p id="callers-note" class="note">"Usernames; Enter adds one. Only administrators see the list of users: ask one for the exact names. Administrators and whoever made the deployment always may."</p>
    }
}
