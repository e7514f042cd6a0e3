//! Parts of the job form: the command's words, the choice of datasets and of secrets.

use crate::{live::remote, pages::parts::Listing, ui::Icon};
use drydock_wire::{
    datasets::DatasetSummary,
    events::Topic,
    jobs::{DatasetRef, SecretRef},
    secrets::Secret,
};
use leptos::prelude::*;

/// Splits as a shell would: spaces part words; quotes and backslashes keep them together. Nothing is expanded.
pub fn split_words(text: &str) -> Result<Vec<String>, &'static str> {
    let (mut words, mut word, mut quote) = (vec![], None::<String>, None::<char>);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (Some('\''), c) => word.get_or_insert_default().push(c),
            (_, '\\') => {
                word.get_or_insert_default().push(chars.next().ok_or("A backslash at the end stands for nothing.")?)
            }
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err("A quote is opened and not closed.");
    }
    words.extend(word);
    Ok(words)
}

/// The other way: quotes where they are needed.
pub fn join_words(words: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    let one = |w: &String| {
        if !w.is_empty() && w.chars().all(plain) { w.clone() } else { format!("'{}'", w.replace('\'', r"'\''")) }
    };
    words.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// Datasets that the job reads, each at a version.
#[component]
pub fn DataPicker(chosen: RwSignal<Vec<DatasetRef>>) -> impl IntoView {
    let all = remote::<Listing<DatasetSummary>>(|| Some("/datasets".to_owned()), &[Topic::Datasets]);
    let known = move || all.data.with(|l| l.as_ref().map(|l| l.items().to_vec()).unwrap_or_default());
    let left = move || {
        let taken = chosen.get();
        known()
            .into_iter()
            .filter(|d| d.latest.is_some() && !taken.iter().any(|t| t.name == d.name))
            .collect::<Vec<_>>()
    };
    let versions =
        move |name: &str| known().into_iter().find(|d| d.name == name).and_then(|d| d.latest).map_or(0, |v| v.version);
    let set_version = move |name: &str, text: &str| {
        chosen.update(|c| c.iter_mut().filter(|d| d.name == name).for_each(|d| d.version = text.parse().ok()));
    };
    let row = move |d: DatasetRef| {
        let (name, other, gone) = (d.name.clone(), d.name.clone(), d.name.clone());
        let latest = move || versions(&other);
        view! {
            <li>
                <Icon name="database"/><span class="mono">{d.name.clone()}</span>
                <select aria-label=format!("Version of {}", d.name) on:change:target=move |e| set_version(&name, &e.target().value())>
                    <option value="" selected=d.version.is_none()>"latest"</option>
                    {move || (1..=latest()).rev().map(|v| view! { <option value=v.to_string() selected=d.version == Some(v)>"version "{v}</option> }).collect_view()}
                </select>
                <code class="dim">"/data/"{d.name.clone()}</code>
                <button type="button" class="icon-btn" aria-label=format!("Take out {}", d.name)
                    on:click=move |_| chosen.update(|c| c.retain(|d| d.name != gone))><Icon name="x"/></button>
            </li>
        }
    };
    view! {
        <div class="field">
            <label for="data">"Datasets"</label>
            <ul class="uploads">{move || chosen.get().into_iter().map(row).collect_view()}</ul>
            <select id="data" disabled=move || left().is_empty() prop:value=""
                on:change:target=move |e| {
                    let name = e.target().value();
                    if !name.is_empty() { chosen.update(|c| c.push(DatasetRef { name, version: None })) }
                }>
                <option value="">{move || if left().is_empty() { "No other dataset has a version" } else { "Add a dataset…" }}</option>
                {move || left().into_iter().map(|d| view! { <option value=d.name.clone()>{d.name.clone()}</option> }).collect_view()}
            </select>
            <p class="note">"Mounted read-only at /data/NAME; the job keeps the version it starts with."</p>
        </div>
    }
}

/// Secrets of the project that the job gets as files.
#[component]
pub fn SecretPicker(chosen: RwSignal<Vec<SecretRef>>) -> impl IntoView {
    let all = remote::<Listing<Secret>>(|| Some("/secrets".to_owned()), &[]);
    let known =
        move || all.data.with(|l| l.as_ref().map(|l| l.items().iter().map(|s| s.name.clone()).collect::<Vec<_>>()));
    let left = move || {
        let taken = chosen.get();
        known().unwrap_or_default().into_iter().filter(|n| !taken.iter().any(|t| t.name == *n)).collect::<Vec<_>>()
    };
    let rename = move |name: &str, file: String| {
        let file = Some(file.trim().to_owned()).filter(|f| !f.is_empty() && f != name);
        chosen.update(|c| c.iter_mut().filter(|s| s.name == name).for_each(|s| s.file.clone_from(&file)));
    };
    let row = move |s: SecretRef| {
        let (name, gone, asked) = (s.name.clone(), s.name.clone(), s.name.clone());
        let unknown = move || known().is_some_and(|known| !known.contains(&asked));
        view! {
            <li>
                <Icon name="key-round"/><span class="mono">{s.name.clone()}</span>
                {move || unknown().then(|| view! { <span class="missing">"there is no such secret"</span> })}
                <code class="dim">"/run/secrets/"</code>
                <input class="mono short" aria-label=format!("File name of {}", s.name) prop:value=s.file.clone().unwrap_or_else(|| s.name.clone())
                    on:change:target=move |e| rename(&name, e.target().value()) spellcheck="false"/>
                <button type="button" class="icon-btn" aria-label=format!("Take out {}", s.name)
                    on:click=move |_| chosen.update(|c| c.retain(|s| s.name != gone))><Icon name="x"/></button>
            </li>
        }
    };
    let nothing = move || match known() {
        Some(known) if known.is_empty() => "There is no secret yet; make one in the settings",
        _ => "No other secret",
    };
    view! {
        <div class="field">
            <label for="secret">"Secrets"</label>
            <ul class="uploads">{move || chosen.get().into_iter().map(row).collect_view()}</ul>
            <select id="secret" disabled=move || left().is_empty() prop:value=""
                on:change:target=move |e| {
                    let name = e.target().value();
                    if !name.is_empty() { chosen.update(|c| c.push(SecretRef { name, file: None })) }
                }>
                <option value="">{move || if left().is_empty() { nothing() } else { "Add a secret…" }}</option>
                {move || left().into_iter().map(|n| view! { <option value=n.clone()>{n.clone()}</option> }).collect_view()}
            </select>
            <p class="note among">"Given as files, never in the environment, and shown as *** in the log. "<a href="/settings?tab=secrets">"Secrets of this box"</a></p>
        </div>
    }
}
