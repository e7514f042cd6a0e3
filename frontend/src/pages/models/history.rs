//! A model's aliases: what they point at, what they pointed at on a day, and every move there was.

use super::{aliases::AliasAction, detail::Actions};
use crate::{
    api::seg,
    live::remote,
    pages::parts::is_engineer,
    reactive::memo,
    ui::{Button, Card, EmptyState, Icon, Loaded, Show, TimeAgo, url::param},
};
use drydock_wire::{
    events::Topic,
    registry::{Alias, AliasAt, AliasMove, ModelDetail, MoveCause},
};
use leptos::prelude::*;
use std::collections::BTreeSet;
use wasm_bindgen::JsValue;

#[component]
pub fn AliasesPanel(model: Signal<ModelDetail>, actions: Actions) -> impl IntoView {
    let name = memo(move || model.with(|m| m.summary.name.clone()));
    let history =
        remote::<Vec<AliasMove>>(move || Some(format!("/models/{}/history", seg(&name.get()))), &[Topic::Models]);
    view! {
        <Present model actions/>
        <Loaded remote=history lines=6 let:moves>
            <Show when=move || moves.with(|m| !m.is_empty()) fallback=|| view! {
                <div class="pane"><EmptyState icon="history" title="No alias was ever set here"
                    text="An alias such as champion names one version; code that loads models:/NAME@champion follows it when it moves."/></div>
            }>
                <OnADay name moves/>
                <Timeline moves/>
            </Show>
        </Loaded>
    }
}

#[component]
fn Present(model: Signal<ModelDetail>, actions: Actions) -> impl IntoView {
    let list = memo(move || model.with(|m| m.summary.aliases.clone()));
    let one = move |a: Alias| {
        let (move_it, remove) = (a.clone(), a.clone());
        let text = view! { <span class="tag big"><Icon name="tag"/>{a.alias.clone()}</span><span class="dim">"→ version "{a.version}</span> };
        view! {
            <li>
                {text}
                {is_engineer().then(|| view! {
                    <button type="button" class="icon-btn" title="Move to another version" aria-label=format!("Move {} to another version", a.alias)
                        on:click=move |_| actions.alias.set(Some(AliasAction::Set { alias: move_it.alias.clone(), version: Some(move_it.version) }))><Icon name="pencil"/></button>
                    <button type="button" class="icon-btn" title="Remove" aria-label=format!("Remove {}", a.alias)
                        on:click=move |_| actions.alias.set(Some(AliasAction::Remove(remove.clone())))><Icon name="x"/></button>
                })}
            </li>
        }
    };
    view! {
        <section class="aliases" aria-label="Aliases">
            <h2 class="sr">"Aliases"</h2>
            <ul>
                {move || list.get().into_iter().map(one).collect_view()}
                {move || list.with(Vec::is_empty).then(|| view! { <li class="dim">"No alias points at a version."</li> })}
            </ul>
            {move || (is_engineer() && model.with(|m| !m.versions.is_empty())).then(|| view! {
                <Button small=true icon="plus" on_press=move |_| actions.alias.set(Some(AliasAction::Set { alias: String::new(), version: None }))>"Set an alias"</Button>
            })}
        </section>
    }
}

/// The end of that day where the browser is, in milliseconds: its last moment counts.
fn end_of_day(day: &str) -> Option<i64> {
    let at = js_sys::Date::new(&JsValue::from_str(&format!("{day}T23:59:59.999"))).get_time();
    at.is_finite().then_some(at as i64)
}

#[component]
fn OnADay(name: Memo<String>, moves: Signal<Vec<AliasMove>>) -> impl IntoView {
    let (alias, day) = (param("alias", ""), param("day", ""));
    let names = memo(move || {
        moves.with(|m| m.iter().map(|one| one.alias.clone()).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>())
    });
    let chosen = memo(move || {
        let champion = || names.with(|n| n.iter().find(|a| *a == "champion").or(n.first()).cloned());
        Some(alias.get()).filter(|a| !a.is_empty()).or_else(champion).unwrap_or_default()
    });
    let path = move || {
        let at = end_of_day(&day.get())?;
        Some(format!("/models/{}/aliases/{}/at?time={at}", seg(&name.get()), seg(&chosen.get())))
    };
    let answer = remote::<AliasAt>(path, &[Topic::Models]);
    view! {
        <Card title="What did it point at?">
            <div class="toolbar">
                <label class="pick"><span class="sr">"Alias"</span>
                    <select aria-label="Alias" prop:value=move || { names.track(); chosen.get() } on:change:target=move |e| alias.set(&e.target().value())>
                        {move || names.get().into_iter().map(|a| {
                            let is_it = a == chosen.get_untracked();
                            let text = a.clone();
                            view! { <option value=a selected=is_it>{text}</option> }
                        }).collect_view()}
                    </select></label>
                <label class="day"><span>"on"</span>
                    <input type="date" aria-label="Day" prop:value=move || day.get() on:change:target=move |e| day.set(&e.target().value())/></label>
            </div>
            <p class="answer" role="status" aria-live="polite">{move || match (day.get().is_empty(), answer.data.get(), answer.error.get()) {
                (true, _, _) => view! { <span class="dim">"Choose a day: the answer is for its end."</span> }.into_any(),
                (_, Some(at), None) => said(&name.get(), at).into_any(),
                (_, _, Some(error)) => view! { <span class="missing">{error.message}</span> }.into_any(),
                _ => view! { <span class="dim">"…"</span> }.into_any(),
            }}</p>
        </Card>
    }
}

fn said(now_called: &str, at: AliasAt) -> impl IntoView + use<> {
    let renamed = (at.model != now_called).then(|| format!(" The model was called {} then.", at.model));
    let since = at.since.map(|one| view! { " since " <TimeAgo at=one.at/> {format!(", set by {}", one.by)} });
    let until = at.until.map(|one| view! { ", until " <TimeAgo at=one.at/> });
    let what = match at.version {
        Some(version) if at.exists => {
            let href = format!("/models/{}?version={version}", seg(now_called));
            view! { <b>{at.alias}</b>" pointed at "<a href=href>"version "{version}</a> }.into_any()
        }
        Some(version) => {
            view! { <b>{at.alias}</b>{format!(" pointed at version {version}, which is deleted now")} }.into_any()
        }
        None => view! { <b>{at.alias}</b>" pointed at nothing" }.into_any(),
    };
    view! { <span>{what}{since}{until}"."{renamed}</span> }
}

fn words(one: &AliasMove) -> String {
    let from = one.from_version.map(|v| format!("version {v}"));
    let to = one.to_version.map(|v| format!("version {v}"));
    match (one.cause, from, to) {
        (MoveCause::Renamed, _, Some(to)) => format!("stayed at {to} when the model was renamed to {}", one.model),
        (MoveCause::VersionDeleted, Some(from), _) => format!("went with {from}, which was deleted"),
        (MoveCause::ModelDeleted, Some(from), _) => format!("went from {from} when the model was deleted"),
        (_, Some(from), Some(to)) => format!("moved from {from} to {to}"),
        (_, None, Some(to)) => format!("was set to {to}"),
        (_, Some(from), None) => format!("was removed from {from}"),
        (_, None, None) => "changed".to_owned(),
    }
}

#[component]
fn Timeline(moves: Signal<Vec<AliasMove>>) -> impl IntoView {
    let wanted = param("of", "");
    let names = memo(move || {
        moves.with(|m| m.iter().map(|one| one.alias.clone()).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>())
    });
    let one = |one: AliasMove| {
        let text = words(&one);
        let gone = one.to_version.is_none();
        view! {
            <li class:gone=gone>
                <span class="tag"><Icon name="tag"/>{one.alias}</span>
                <span>{text}</span>
                <span class="dim">"by "{one.by}" · "<TimeAgo at=one.at/></span>
            </li>
        }
    };
    let shown = move || {
        let wanted = wanted.get();
        moves.get().into_iter().filter(move |one| wanted.is_empty() || one.alias == wanted)
    };
    view! {
        <Card title="History" aside=move || view! {
            <Show when=move || names.with(|n| n.len() > 1)>
                <label class="pick"><span class="sr">"Only this alias"</span>
                    <select aria-label="Only this alias" prop:value=move || wanted.get() on:change:target=move |e| wanted.set(&e.target().value())>
                        <option value="">"All aliases"</option>
                        {move || names.get().into_iter().map(|a| {
                            let (is_it, text) = (wanted.get_untracked() == a, a.clone());
                            view! { <option value=a selected=is_it>{text}</option> }
                        }).collect_view()}
                    </select></label>
            </Show>
        }>
            <ol class="timeline">{move || shown().map(one).collect_view()}</ol>
        </Card>
    }
}
