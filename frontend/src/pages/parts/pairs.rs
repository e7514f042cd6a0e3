//! Variables of an environment as rows of a name and a value.

use crate::{recipe, ui::Icon};
use leptos::prelude::*;
use std::collections::BTreeMap;
use web_sys::ClipboardEvent;

/// A variable of the environment.
#[derive(Clone, Copy, PartialEq)]
pub struct Pair {
    name: RwSignal<String>,
    value: RwSignal<String>,
}

impl Pair {
    pub fn new(name: &str, value: &str) -> Self {
        Self { name: RwSignal::new(name.to_owned()), value: RwSignal::new(value.to_owned()) }
    }

    fn is_empty(&self) -> bool {
        self.name.with_untracked(|n| n.trim().is_empty()) && self.value.with_untracked(String::is_empty)
    }
}

fn check_key(key: &str) -> Result<(), &'static str> {
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    let good = key.starts_with(letter) && key.chars().all(|c| letter(c) || c.is_ascii_digit());
    good.then_some(()).ok_or("A name has letters, digits and underscores, and no digit at the start.")
}

/// The rows as a map; rows without a name are left out.
pub fn read_pairs(pairs: &[Pair]) -> Result<BTreeMap<String, String>, &'static str> {
    let mut all = BTreeMap::new();
    for pair in pairs {
        let (name, value) = (pair.name.get().trim().to_owned(), pair.value.get());
        if name.is_empty() && value.is_empty() {
            continue;
        }
        check_key(&name)?;
        if all.insert(name, value).is_some() {
            return Err("Each name stands once.");
        }
    }
    Ok(all)
}

/// Rows of names and values. Pasted lines `NAME=value`, as an `.env` file has them, become rows of their own.
#[component]
pub fn Pairs(
    pairs: RwSignal<Vec<Pair>>,
    tried: RwSignal<bool>,
    /// Who sees them.
    hint: &'static str,
) -> impl IntoView {
    let owner = StoredValue::new(Owner::current().unwrap_or_default());
    let made = move |name: &str, value: &str| owner.with_value(|o| o.with(|| Pair::new(name, value)));
    let add = move |_| {
        let row = made("", "");
        pairs.update(|p| p.push(row));
    };
    let paste = move |e: ClipboardEvent| {
        let text = e.clipboard_data().and_then(|data| data.get_data("text").ok());
        let read = text.and_then(|text| recipe::pairs(&text).ok()).filter(|read| !read.is_empty());
        let Some(read) = read else { return };
        e.prevent_default();
        let rows: Vec<Pair> = read.iter().map(|(name, value)| made(name, value)).collect();
        pairs.update(|all| {
            all.retain(|p| !p.is_empty() && !p.name.with_untracked(|n| read.contains_key(n.trim())));
            all.extend(rows);
        });
    };
    let error = move || if tried.get() { read_pairs(&pairs.get()).err() } else { None };
    let row = move |(i, pair): (usize, Pair)| {
        view! {
            <li>
                <input class="mono" aria-label=format!("Name of variable {}", i + 1) placeholder="NAME" bind:value=pair.name spellcheck="false" autocapitalize="off" autocomplete="off"/>
                <span class="dim">"="</span>
                <input class="mono" aria-label=format!("Value of variable {}", i + 1) placeholder="value" bind:value=pair.value spellcheck="false" autocapitalize="off" autocomplete="off"/>
                <button type="button" class="icon-btn" aria-label=format!("Remove variable {}", i + 1)
                    on:click=move |_| pairs.update(|p| { p.remove(i); })><Icon name="x"/></button>
            </li>
        }
    };
    view! {
        <div class="field" class:invalid=move || error().is_some() on:paste=paste>
            <span class="label">"Environment"</span>
            <ul class="env" aria-label="Variables">{move || pairs.get().into_iter().enumerate().map(row).collect_view()}</ul>
            <button type="button" class="btn small" on:click=add><Icon name="plus"/>"Add a variable"</button>
            <p class="note" aria-live="polite">{move || error().unwrap_or(hint)}</p>
        </div>
    }
}
