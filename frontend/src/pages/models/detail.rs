//! One model: its versions with what they scored, the aliases that point at them, the deployments that serve them.

use super::aliases::{AliasAction, AliasDialogs};
use crate::{
    api::seg,
    app::ago,
    format,
    live::remote,
    pages::{
        deployments::{DeployDialog, Wish},
        parts::{PairTable, is_engineer, metric_text},
    },
    ui::{Button, Card, EmptyState, Icon, Loaded, Look, PageHead, Pill, Status, TimeAgo, url::param},
};
use drydock_wire::{
    events::Topic,
    registry::{Alias, ModelDetail, ModelVersion},
    tracking::MetricValue,
};
use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use std::collections::BTreeMap;

/// Metric columns of the version table; the run has all.
const METRICS: usize = 4;
/// Of these, the ones that narrower screens have room for.
const ALWAYS: usize = 2;

/// What the page's dialogs are opened with.
#[derive(Clone, Copy)]
struct Actions {
    deploy: RwSignal<bool>,
    wish: RwSignal<Wish>,
    alias: RwSignal<Option<AliasAction>>,
}

#[component]
pub fn ModelPage() -> impl IntoView {
    let params = use_params_map();
    let name = Memo::new(move |_| params.with(|p| p.get("name")).unwrap_or_default());
    let model = remote::<ModelDetail>(
        move || Some(format!("/models/{}", seg(&name.get()))),
        &[Topic::Models, Topic::Deployments],
    );
    view! { <section class="page"><Loaded remote=model lines=10 let:model><Detail model/></Loaded></section> }
}

#[component]
fn Detail(model: Signal<ModelDetail>) -> impl IntoView {
    let actions =
        Actions { deploy: RwSignal::new(false), wish: RwSignal::new(Wish::default()), alias: RwSignal::new(None) };
    let name = Memo::new(move |_| model.with(|m| m.summary.name.clone()));
    let tags = Signal::derive(move || model.with(|m| m.tags.clone()));
    let sub = move || {
        model.with(|m| {
            let versions = format::plural(m.summary.version_count, "version");
            let updated = format!("{versions} · updated {}", ago(m.summary.updated_at));
            if m.summary.description.is_empty() { updated } else { format!("{} · {updated}", m.summary.description) }
        })
    };
    // the version that a person would most likely deploy: the champion, else the newest
    let best = move || {
        model.with(|m| {
            let champion = m.summary.aliases.iter().find(|a| a.alias == "champion").map(|a| format!("@{}", a.alias));
            champion.or_else(|| m.versions.first().map(|v| v.version.to_string()))
        })
    };
    let deploy = move |version: String| {
        actions.wish.set(Wish {
            name: String::new(),
            model: name.get_untracked(),
            version,
            fixed: false,
            resources: None,
        });
        actions.deploy.set(true);
    };
    view! {
        <PageHead title=Signal::derive(move || name.get()) sub>
            {move || (is_engineer() && best().is_some()).then(|| view! {
                <Button look=Look::Primary icon="rocket" on_press=move |_| if let Some(v) = untrack(best) { deploy(v) }>"Deploy"</Button>
            })}
        </PageHead>
        <Aliases model actions/>
        <Versions model actions deploy=Callback::new(deploy)/>
        <Show when=move || tags.with(|t| !t.is_empty())>
            <Card title="Tags"><PairTable label="Tags" pairs=tags none="No tags."/></Card>
        </Show>
        <DeployDialog open=actions.deploy wish=actions.wish/>
        <AliasDialogs model=name action=actions.alias versions=Signal::derive(move || model.with(|m| m.versions.iter().map(|v| v.version).collect()))/>
    }
}

#[component]
fn Aliases(model: Signal<ModelDetail>, actions: Actions) -> impl IntoView {
    let list = Memo::new(move |_| model.with(|m| m.summary.aliases.clone()));
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
fn Versions(model: Signal<ModelDetail>, actions: Actions, deploy: Callback<String>) -> impl IntoView {
    let wanted = param("version", "");
    let metrics = Memo::new(move |_| model.with(|m| common_metrics(&m.versions)));
    let row = move |v: ModelVersion| {
        let number = v.version;
        let chosen = move || wanted.get() == number.to_string();
        let metric =
            |key: &String| v.metrics.iter().find(|m: &&MetricValue| m.key == *key).map_or("–".to_owned(), metric_text);
        let cells = metrics
            .get_untracked()
            .iter()
            .enumerate()
            .map(|(i, k)| view! { <td class="num mono" class:roomy={i >= ALWAYS}>{metric(k)}</td> })
            .collect_view();
        let can_deploy = v.status == "ready";
        view! {
            <tr class:chosen=chosen id=format!("version-{number}")>
                <td><b>"Version "{number}</b>
                    {(!can_deploy).then(|| view! { <div><Pill status=Status::model_version(&v.status)/></div> })}
                    {(!v.description.is_empty()).then(|| view! { <div class="dim clip" title=v.description.clone()>{v.description.clone()}</div> })}</td>
                <td>{v.aliases.into_iter().map(|a| view! { <span class="tag"><Icon name="tag"/>{a}</span>" " }).collect_view()}</td>
                {cells}
                <td>{match v.run_id {
                    Some(id) => view! { <a href=format!("/runs/{id}")>{v.run_name.unwrap_or_else(|| id.chars().take(8).collect())}</a> }.into_any(),
                    None => view! { <span class="dim">"–"</span> }.into_any(),
                }}</td>
                <td>{v.deployments.into_iter().map(|d| view! { <a href=format!("/deployments/{}", seg(&d))>{d.clone()}</a>" " }).collect_view()}</td>
                <td class="num dim" title=format!("by {}", v.user)><TimeAgo at=v.created_at/></td>
                <td class="row-actions">{is_engineer().then(|| {
                    let set = move |_| actions.alias.set(Some(AliasAction::Set { alias: String::new(), version: Some(number) }));
                    view! {
                        {can_deploy.then(|| view! {
                            <button type="button" class="icon-btn" title="Deploy this version" aria-label=format!("Deploy version {number}")
                                on:click=move |_| deploy.run(number.to_string())><Icon name="rocket"/></button>
                        })}
                        <button type="button" class="icon-btn" title="Set an alias" aria-label=format!("Set an alias to version {number}")
                            on:click=set><Icon name="tag"/></button>
                    }
                })}</td>
            </tr>
        }
    };
    view! {
        <Show when=move || model.with(|m| !m.versions.is_empty()) fallback=|| view! {
            <EmptyState icon="box" title="No version yet" text="A version appears when a run's model is registered under this name."/>
        }>
            <div class="pane" role="region" aria-label="Versions" tabindex="0">
                <table class="grid" aria-label="Versions">
                    <thead><tr>
                        <th scope="col">"Version"</th><th scope="col">"Aliases"</th>                        {move || metrics.get().into_iter().enumerate().map(|(i, m)| view! { <th scope="col" class="num" class:roomy={i >= ALWAYS}>{m}</th> }).collect_view()}
                        <th scope="col">"Run"</th><th scope="col">"Serves"</th><th scope="col" class="num">"Registered"</th>
                        <th scope="col"><span class="sr">"Actions"</span></th>
                    </tr></thead>
                    <tbody>{move || { metrics.track(); model.with(|m| m.versions.clone()).into_iter().map(row).collect_view() }}</tbody>
                </table>
            </div>
        </Show>
    }
}
