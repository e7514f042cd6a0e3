//! The table of a model's versions: what they scored, who made them, what points at them and serves them.

use super::{
    aliases::AliasAction,
    delete::Doomed,
    describe::Described,
    detail::{Actions, no_version},
};
use crate::{
    api::{self, seg},
    pages::parts::{is_engineer, metric_text},
    reactive::memo,
    ui::{Button, Icon, Pill, Show, Status, TimeAgo, Tone, act, toast, url::param},
};
use drydock_wire::{
    registry::{CardState, ModelDetail, ModelVersion, SetStage},
    tracking::MetricValue,
};
use leptos::prelude::*;
use std::collections::BTreeMap;

/// Metric columns of the version table; the run has all.
const METRICS: usize = 4;
/// Of these, the ones that narrower screens have room for.
const ALWAYS: usize = 2;
const STAGES: [&str; 4] = ["None", "Staging", "Production", "Archived"];

/// The metrics most versions have; those on held-out data first, since they say more.
fn common_metrics(versions: &[ModelVersion]) -> Vec<String> {
    let mut counts = BTreeMap::<&str, usize>::new();
    versions.iter().flat_map(|v| &v.metrics).for_each(|m| *counts.entry(&m.key).or_default() += 1);
    let mut keys: Vec<(&str, usize)> = counts.into_iter().filter(|(k, _)| !k.starts_with("system/")).collect();
    let held_out = |key: &str| ["val", "test", "eval", "holdout"].iter().any(|w| key.contains(w));
    keys.sort_by_key(|(key, n)| (std::cmp::Reverse(*n), !held_out(key)));
    keys.into_iter().take(METRICS).map(|(k, _)| k.to_owned()).collect()
}

#[component]
pub fn Versions(model: Signal<ModelDetail>, actions: Actions) -> impl IntoView {
    let metrics = memo(move || model.with(|m| common_metrics(&m.versions)));
    let serving = memo(move || model.with(|m| m.versions.iter().any(|v| !v.deployments.is_empty())));
    let staged = memo(move || model.with(|m| m.versions.iter().any(|v| v.stage != "None")));
    let against = param("compare", "");
    let chosen = RwSignal::new(Vec::<i64>::new());
    let why_not =
        Signal::derive(move || (chosen.with(Vec::len) != 2).then(|| "Choose two versions to compare.".to_owned()));
    let compare = move |_| {
        let mut two = chosen.get_untracked();
        two.sort_unstable();
        against.push(&two.iter().map(i64::to_string).collect::<Vec<_>>().join(","));
    };
    let many = move || model.with(|m| m.versions.len() > 1);
    view! {
        <Show when=move || model.with(|m| !m.versions.is_empty()) fallback=no_version>
            <Show when=many>
                <div class="toolbar"><Button small=true icon="git-compare" why_not on_press=compare>"Compare the chosen"</Button>
                    <span class="dim" role="status">{move || match chosen.with(Vec::len) { 0 => "Choose two versions to compare their parameters and metrics.".to_owned(), n => format!("{n} of 2 chosen") }}</span></div>
            </Show>
            <div class="pane" role="region" aria-label="Versions" tabindex="0">
                <table class="grid" aria-label="Versions">
                    <thead><tr>
                        <Show when=many><th scope="col"><span class="sr">"Compare"</span></th></Show>
                        <th scope="col">"Version"</th><th scope="col">"Aliases"</th>
                        <Show when=move || staged.get()><th scope="col">"Stage"</th></Show>
                        {move || metrics.get().into_iter().enumerate().map(|(i, m)| view! { <th scope="col" class="num" class:roomy={i >= ALWAYS}>{m}</th> }).collect_view()}
                        <th scope="col">"Run"</th><th scope="col">"Card"</th>
                        <Show when=move || serving.get()><th scope="col">"Serves"</th></Show><th scope="col" class="num">"Registered"</th>
                        <th scope="col"><span class="sr">"Actions"</span></th>
                    </tr></thead>
                    <tbody>{move || {
                        let (metrics, with) = (metrics.get(), Columns { stage: staged.get(), choose: many(), serves: serving.get() });
                        let name = model.with(|m| m.summary.name.clone());
                        let row = move |v: ModelVersion| row(&name, v, &metrics, with, chosen, actions).into_any();
                        model.with(|m| m.versions.clone()).into_iter().map(row).collect_view()
                    }}</tbody>
                </table>
            </div>
        </Show>
    }
}

/// Columns that are there only where some version has something in them.
#[derive(Clone, Copy)]
struct Columns {
    stage: bool,
    choose: bool,
    serves: bool,
}

fn row(
    model: &str,
    v: ModelVersion,
    metrics: &[String],
    with: Columns,
    chosen: RwSignal<Vec<i64>>,
    actions: Actions,
) -> impl IntoView + use<> {
    let number = v.version;
    let wanted = param("version", "");
    let metric =
        |key: &String| v.metrics.iter().find(|m: &&MetricValue| m.key == *key).map_or("–".to_owned(), metric_text);
    let cells = metrics
        .iter()
        .enumerate()
        .map(|(i, k)| view! { <td class="num mono" class:roomy={i >= ALWAYS}>{metric(k)}</td> })
        .collect_view();
    let choose = move |on: bool| {
        chosen.update(|all| {
            all.retain(|one| *one != number);
            if on {
                all.push(number);
                let extra = all.len().saturating_sub(2);
                all.drain(..extra);
            }
        });
    };
    let run = match v.run_id.clone() {
        Some(id) => {
            let text = v.run_name.clone().unwrap_or_else(|| id.chars().take(8).collect());
            view! { <a href=format!("/runs/{id}")>{text}</a> }.into_any()
        }
        None => view! { <span class="dim">"–"</span> }.into_any(),
    };
    view! {
        <tr class:chosen=move || wanted.get() == number.to_string() id=format!("version-{number}")>
            {with.choose.then(|| view! {
                <td class="choose"><input type="checkbox" aria-label=format!("Compare version {number}")
                    prop:checked=move || chosen.with(|c| c.contains(&number)) on:change:target=move |e| choose(e.target().checked())/></td>
            })}
            <td><b>"Version "{number}</b>
                {(v.status != "ready").then(|| view! { <div><Pill status=Status::model_version(&v.status)/></div> })}
                {(!v.description.is_empty()).then(|| view! { <div class="dim clip" title=v.description.clone()>{v.description.clone()}</div> })}</td>
            <td>{v.aliases.iter().map(|a| view! { <span class="tag"><Icon name="tag"/>{a.clone()}</span>" " }).collect_view()}</td>
            {with.stage.then(|| view! { <td>{stage_pill(&v.stage)}</td> })}
            {cells}
            <td>{run}</td>
            <td><a href=format!("/models/{}?tab=card&version={number}", seg(model))>{card_text(&v.card)}</a></td>
            {with.serves.then(|| view! {
                <td>{v.deployments.iter().map(|d| view! { <a href=format!("/deployments/{}", seg(d))>{d.clone()}</a>" " }).collect_view()}</td>
            })}
            <td class="num dim"><TimeAgo at=v.created_at/><div>"by "{v.user.clone()}</div></td>
            <td class="row-actions">{is_engineer().then(|| row_actions(model, v, actions))}</td>
        </tr>
    }
}

/// How far a card is filled.
pub fn card_text(card: &CardState) -> String {
    match card.revision {
        0 => "No card".to_owned(),
        _ => format!("{} of {}", card.filled, card.sections),
    }
}

fn stage_pill(stage: &str) -> impl IntoView + use<> {
    let tone = match stage {
        "Production" => Tone::Good,
        "Staging" => Tone::Info,
        _ => Tone::Neutral,
    };
    (stage != "None").then(|| view! { <Pill status=Status::new(tone, stage)/> })
}

fn row_actions(model: &str, v: ModelVersion, actions: Actions) -> impl IntoView + use<> {
    let (number, name, text) = (v.version, model.to_owned(), v.description.clone());
    let deploy = {
        let name = name.clone();
        move |_| actions.deploy(name.clone(), number.to_string())
    };
    let alias = move |_| actions.alias.set(Some(AliasAction::Set { alias: String::new(), version: Some(number) }));
    let describe = move |_| actions.describe.set(Some(Described { version: Some(number), text: text.clone() }));
    let busy = RwSignal::new(false);
    let set_stage = move |stage: String| {
        let path = format!("/models/{}/versions/{number}/stage", seg(&name));
        let said = stage.clone();
        let call = async move { api::put::<_, Option<()>>(&path, &SetStage { stage, archive_existing: false }).await };
        act(busy, "The stage was not set", call, move |_| {
            toast(Tone::Good, &format!("Version {number} is {said}"), "")
        });
    };
    let stage = v.stage.clone();
    view! {
        {(v.status == "ready").then(|| view! {
            <button type="button" class="icon-btn" title="Deploy this version" aria-label=format!("Deploy version {number}")
                on:click=deploy><Icon name="rocket"/></button>
        })}
        <button type="button" class="icon-btn" title="Set an alias" aria-label=format!("Set an alias to version {number}")
            on:click=alias><Icon name="tag"/></button>
        <button type="button" class="icon-btn" title="Edit the description" aria-label=format!("Edit the description of version {number}")
            on:click=describe><Icon name="pencil"/></button>
        <label class="stage-pick"><span class="sr">{format!("Stage of version {number}")}</span>
            <select title="Stage" on:change:target=move |e| set_stage(e.target().value())>
                {STAGES.map(|one| view! { <option value=one selected=one == stage>{if one == "None" { "No stage" } else { one }}</option> })}
            </select></label>
        <button type="button" class="icon-btn" title="Delete this version" aria-label=format!("Delete version {number}")
            on:click=move |_| actions.delete.set(Some(Doomed::Version(number)))><Icon name="trash-2"/></button>
    }
}
