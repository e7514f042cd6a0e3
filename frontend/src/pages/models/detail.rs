//! One model: its head, the parts of its page, and the dialogs that they open.

use super::{
    aliases::{AliasAction, AliasDialogs},
    card::CardPanel,
    compare::Compare,
    delete::{DeleteDialogs, Doomed},
    describe::{DescribeDialog, Described},
    history::AliasesPanel,
    rename::RenameButton,
    versions::Versions,
};
use crate::{
    api::seg,
    app::ago,
    format,
    live::remote,
    pages::{
        deployments::{DeployDialog, Wish},
        parts::{LineageView, PairTable, is_engineer},
    },
    reactive::memo,
    ui::{
        Button, Card, EmptyState, Loaded, Look, PageHead, Show, Tabs,
        url::{Param, param},
    },
};
use drydock_wire::{events::Topic, lineage::NodeKind, registry::ModelDetail};
use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

/// What the page's dialogs are opened with.
#[derive(Clone, Copy)]
pub struct Actions {
    deploy: RwSignal<bool>,
    wish: RwSignal<Wish>,
    pub alias: RwSignal<Option<AliasAction>>,
    pub describe: RwSignal<Option<Described>>,
    pub delete: RwSignal<Option<Doomed>>,
}

impl Actions {
    /// Opens the dialog that deploys a version: a number or `@alias`.
    pub fn deploy(&self, model: String, version: String) {
        self.wish.set(Wish { model, version, ..Wish::default() });
        self.deploy.set(true);
    }
}

#[component]
pub fn ModelPage() -> impl IntoView {
    let params = use_params_map();
    let name = memo(move || params.with(|p| p.get("name")).unwrap_or_default());
    let model = remote::<ModelDetail>(
        move || Some(format!("/models/{}", seg(&name.get()))),
        &[Topic::Models, Topic::Deployments],
    );
    view! { <section class="page model"><Loaded remote=model lines=10 let:model><Detail model/></Loaded></section> }
}

/// The version that card and lineage are about: the address's, else the champion, else the newest.
fn shown(model: &ModelDetail, wanted: &str) -> Option<i64> {
    let there = |v: &i64| model.versions.iter().any(|one| one.version == *v);
    let champion = || model.summary.aliases.iter().find(|a| a.alias == "champion").map(|a| a.version);
    let newest = || model.versions.first().map(|v| v.version);
    wanted.parse().ok().filter(there).or_else(champion).filter(there).or_else(newest)
}

#[component]
fn Detail(model: Signal<ModelDetail>) -> impl IntoView {
    let actions = Actions {
        deploy: RwSignal::new(false),
        wish: RwSignal::new(Wish::default()),
        alias: RwSignal::new(None),
        describe: RwSignal::new(None),
        delete: RwSignal::new(None),
    };
    let (tab, version, against) = (param("tab", "versions"), param("version", ""), param("compare", ""));
    let name = memo(move || model.with(|m| m.summary.name.clone()));
    let number = memo(move || model.with(|m| shown(m, &version.get())));
    let tags = Signal::derive(move || model.with(|m| m.tags.clone()));
    let tabs = vec![
        ("versions", "Versions".to_owned()),
        ("aliases", "Aliases".to_owned()),
        ("card", "Card".to_owned()),
        ("lineage", "Lineage".to_owned()),
    ];
    let of = Signal::derive(move || number.get().map(|number| (NodeKind::Version, format!("{}:{number}", name.get()))));
    let panel = move || match tab.get().as_str() {
        "aliases" => view! { <AliasesPanel model actions/> }.into_any(),
        "card" if number.get().is_some() => {
            view! { <VersionPicker model version number/><CardPanel model number/> }.into_any()
        }
        "lineage" if number.get().is_some() => {
            view! { <VersionPicker model version number/><LineageView of/> }.into_any()
        }
        "card" | "lineage" => no_version().into_any(),
        _ if !against.get().is_empty() => view! { <Compare model against/> }.into_any(),
        _ => view! {
            <Versions model actions/>
            <Show when=move || tags.with(|t| !t.is_empty())>
                <Card title="Tags"><PairTable label="Tags" pairs=tags none="No tags."/></Card>
            </Show>
        }
        .into_any(),
    };
    view! {
        <Head model actions/>
        <Tabs param=tab label="Parts of the model" tabs/>
        <div role="tabpanel" class="panel">{panel}</div>
        <DeployDialog open=actions.deploy wish=actions.wish/>
        <AliasDialogs model=name action=actions.alias versions=Signal::derive(move || model.with(|m| m.versions.iter().map(|v| v.version).collect()))/>
        <DescribeDialog model=name action=actions.describe/>
        <DeleteDialogs model action=actions.delete/>
    }
}

/// What stands where a version is asked for and there is none.
pub fn no_version() -> impl IntoView {
    view! {
        <EmptyState icon="box" title="No version yet" text="A version appears when a run's model is registered under this name."/>
    }
}

#[component]
fn Head(model: Signal<ModelDetail>, actions: Actions) -> impl IntoView {
    let name = memo(move || model.with(|m| m.summary.name.clone()));
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
    let describe = move |_| {
        let text = model.with_untracked(|m| m.summary.description.clone());
        actions.describe.set(Some(Described { version: None, text }));
    };
    view! {
        <PageHead title=Signal::derive(move || name.get()) sub>
            {move || is_engineer().then(|| view! {
                <RenameButton model=name/>
                <Button icon="pencil" on_press=describe>"Edit description"</Button>
                <Button look=Look::Danger icon="trash-2" on_press=move |_| actions.delete.set(Some(Doomed::Model))>"Delete"</Button>
            })}
            {move || (is_engineer() && best().is_some()).then(|| view! {
                <Button look=Look::Primary icon="rocket"
                    on_press=move |_| if let Some(v) = untrack(best) { actions.deploy(name.get_untracked(), v) }>"Deploy"</Button>
            })}
        </PageHead>
    }
}

#[component]
fn VersionPicker(model: Signal<ModelDetail>, version: Param, number: Memo<Option<i64>>) -> impl IntoView {
    let options =
        move || model.with(|m| m.versions.iter().map(|v| (v.version, v.aliases.join(", "))).collect::<Vec<_>>());
    view! {
        <label class="pick print-hide"><span class="sr">"Version"</span>
            <select prop:value=move || { options(); number.get().unwrap_or_default().to_string() }
                on:change:target=move |e| version.push(&e.target().value())>
                {move || options().into_iter().map(|(v, aliases)| {
                    let text = if aliases.is_empty() { format!("Version {v}") } else { format!("Version {v} ({aliases})") };
                    view! { <option value=v.to_string() selected=number.get_untracked() == Some(v)>{text}</option> }
                }).collect_view()}
            </select>
        </label>
    }
}
