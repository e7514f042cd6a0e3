//! One dataset: a version's columns, files and checks; its rules; all versions and what changed; the way to a new one.

use super::{
    changes::Changes,
    drift::Drift,
    files::Files,
    profile::Profiles,
    report::Report,
    rules::RulesEditor,
    rules_yaml::YamlEditor,
    snippets::Snippets,
    timeline::{Timeline, deletion_words},
    upload::NewVersion,
};
use crate::{
    api::{self, seg},
    app::{ago, go},
    format,
    live::{Remote, remote},
    pages::parts::is_engineer,
    reactive::memo,
    ui::{
        Button, ConfirmDialog, EmptyState, LinkButton, Loaded, Look, PageHead, Pill, Show, Status, Tabs, Tone, act,
        toast,
        url::{Param, param},
    },
};
use drydock_wire::{
    datasets::{DatasetDeletion, DatasetDetail, ValidationState, VersionDetail},
    events::Topic,
};
use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

#[component]
pub fn DatasetPage() -> impl IntoView {
    let params = use_params_map();
    let name = memo(move || params.with(|p| p.get("name")).unwrap_or_default());
    let dataset = remote::<DatasetDetail>(move || Some(format!("/datasets/{}", seg(&name.get()))), &[Topic::Datasets]);
    view! { <section class="page"><Loaded remote=dataset lines=10 let:dataset><Detail dataset/></Loaded></section> }
}

/// The version that is looked at: the address's, else the newest.
fn shown_version(dataset: &DatasetDetail, wanted: &str) -> Option<i64> {
    let wanted = wanted.parse::<i64>().ok();
    let there = |v: &i64| dataset.versions.iter().any(|s| s.version == *v);
    wanted.filter(there).or_else(|| dataset.versions.first().map(|v| v.version))
}

#[component]
fn Detail(dataset: Signal<DatasetDetail>) -> impl IntoView {
    let (tab, version) = (param("tab", "columns"), param("version", ""));
    let name = memo(move || dataset.with(|d| d.summary.name.clone()));
    let number = memo(move || dataset.with(|d| shown_version(d, &version.get())));
    let path = move || Some(format!("/datasets/{}/versions/{}", seg(&name.get()), number.get()?));
    let detail = remote::<VersionDetail>(path, &[Topic::Datasets]);
    let deleting = RwSignal::new(false);
    let mut tabs = vec![
        ("columns", "Columns".to_owned()),
        ("checks", "Checks".to_owned()),
        ("rules", "Rules".to_owned()),
        ("files", "Files".to_owned()),
        ("versions", "Versions".to_owned()),
        ("changes", "Changes".to_owned()),
        ("drift", "Drift".to_owned()),
        ("use", "Use it".to_owned()),
    ];
    if is_engineer() {
        tabs.push(("upload", "New version".to_owned()));
    }
    let panel = move || match tab.get().as_str() {
        "rules" => view! { <Rules dataset detail/> }.into_any(),
        "versions" => view! { <Timeline dataset name/> }.into_any(),
        "changes" => view! { <Changes dataset name/> }.into_any(),
        "drift" => view! { <Drift dataset name/> }.into_any(),
        "upload" if is_engineer() => view! { <NewVersion dataset detail tab version/> }.into_any(),
        other => match (number.get(), other) {
            (None, _) => view! { <NoVersion tab/> }.into_any(),
            (_, "checks") => {
                view! { <Loaded remote=detail lines=6 let:detail><Report dataset=name detail/></Loaded> }.into_any()
            }
            (_, "files") => {
                view! { <Loaded remote=detail lines=6 let:detail><Files dataset=name detail/></Loaded> }.into_any()
            }
            (_, "use") => {
                view! { <Loaded remote=detail lines=6 let:detail><Snippets dataset=name detail/></Loaded> }.into_any()
            }
            _ => view! { <Loaded remote=detail lines=10 let:detail><Profiles detail/></Loaded> }.into_any(),
        },
    };
    view! {
        <PageHead title=Signal::derive(move || name.get())
            aside=move || view! { <VersionPill detail/> }
            sub=move || view! {
                {dataset.with(|d| sub_line(d))}
                {number.get().map(|v| view! { " · "<a href=format!("/lineage/dataset/{}", seg(&format!("{}:{v}", name.get())))>"Lineage"</a> })}
            }>
            <VersionPicker dataset version number/>
            {move || (is_engineer() && number.get().is_some()).then(|| view! {
                <LinkButton icon="play" href=format!("/jobs/new?dataset={}", seg(&name.get()))>"Use in a job"</LinkButton>
            })}
            {move || is_engineer().then(|| view! {
                <Button look=Look::Danger icon="trash-2" on_press=move |_| deleting.set(true)>"Delete"</Button>
            })}
        </PageHead>
        <Tabs param=tab label="Parts of the dataset" tabs/>
        <div role="tabpanel" class="panel">{panel}</div>
        <DeleteDialog open=deleting name/>
    }
}

fn sub_line(d: &DatasetDetail) -> String {
    let versions = format::plural(d.summary.version_count, "version");
    match d.summary.description.as_str() {
        "" => format!("{versions} · made {}", ago(d.summary.created_at)),
        text => format!("{text} · {versions}"),
    }
}

#[component]
fn VersionPill(detail: Remote<VersionDetail>) -> impl IntoView {
    move || detail.data.with(|d| d.as_ref().map(|d| view! { <Pill status=checks(d.summary.validation)/> }))
}

/// The state of the checks beside a title, where "Failed" alone would say too little.
fn checks(state: ValidationState) -> Status {
    match state {
        ValidationState::Passed => Status::new(Tone::Good, "Checks passed"),
        ValidationState::Failed => Status::new(Tone::Bad, "Checks failed"),
        ValidationState::Unchecked => Status::from(state),
    }
}

#[component]
fn VersionPicker(dataset: Signal<DatasetDetail>, version: Param, number: Memo<Option<i64>>) -> impl IntoView {
    let options = move || dataset.with(|d| d.versions.iter().map(|v| v.version).collect::<Vec<_>>());
    view! {
        <Show when=move || number.get().is_some()>
            <label class="pick"><span class="sr">"Version"</span>
                <select prop:value=move || { options(); number.get().unwrap_or_default().to_string() }
                    on:change:target=move |e| version.push(&e.target().value())>
                    {move || options().into_iter().enumerate().map(|(i, v)| {
                        let tags = dataset.with_untracked(|d| d.tags.iter().filter(|t| t.version == v).map(|t| format!(" @{}", t.tag)).collect::<String>());
                        let text = if i == 0 { format!("Version {v} (latest){tags}") } else { format!("Version {v}{tags}") };
                        view! { <option value=v.to_string() selected=number.get_untracked() == Some(v)>{text}</option> }
                    }).collect_view()}
                </select>
            </label>
        </Show>
    }
}

/// The rules as a form or as text.
#[component]
fn Rules(dataset: Signal<DatasetDetail>, detail: Remote<VersionDetail>) -> impl IntoView {
    let form = param("as", "form");
    let revision = memo(move || dataset.with(|d| d.rules.clone()));
    view! {
        <div class="toolbar" role="group" aria-label="How the rules are shown">
            <button type="button" class="btn small" aria-pressed=move || form.is("form").to_string() on:click=move |_| form.set("form")>"Form"</button>
            <button type="button" class="btn small" aria-pressed=move || form.is("yaml").to_string() on:click=move |_| form.set("yaml")>"YAML"</button>
        </div>
        {move || {
            // read, since a memo that is only tracked is never asked whether it changed
            revision.with(|_| ());
            match form.get().as_str() {
                "yaml" => view! { <YamlEditor dataset/> }.into_any(),
                _ => view! { <RulesEditor dataset detail/> }.into_any(),
            }
        }}
    }
}

#[component]
fn NoVersion(tab: Param) -> impl IntoView {
    view! {
        <EmptyState icon="upload" title="No version yet" text="Upload files to make the first version. Tables (CSV, Parquet, JSON Lines) and images are profiled.">
            {is_engineer().then(|| view! {
                <Button look=Look::Primary icon="upload" on_press=move |_| tab.set("upload")>"Upload files"</Button>
            })}
        </EmptyState>
    }
}

#[component]
fn DeleteDialog(open: RwSignal<bool>, name: Memo<String>) -> impl IntoView {
    let busy = RwSignal::new(false);
    let preview =
        remote::<DatasetDeletion>(move || open.get().then(|| format!("/datasets/{}/deletion", seg(&name.get()))), &[]);
    let confirm = move |()| {
        let gone = name.get_untracked();
        let path = format!("/datasets/{}?even_if_used=true", seg(&gone));
        act(busy, "The dataset was not deleted", async move { api::delete(&path).await }, move |()| {
            open.set(false);
            toast(Tone::Good, "Dataset deleted", &gone);
            go("/datasets");
        });
    };
    view! {
        <ConfirmDialog open title="Delete this dataset?" name=Signal::derive(move || name.get()) action="Delete the dataset" on_confirm=confirm busy=busy>
            <p>"All of it goes, with profiles, checks and rules. Jobs that ran with it keep their results."</p>
            <Loaded remote=preview lines=3 let:gone>{move || gone.with(deletion_words)}</Loaded>
        </ConfirmDialog>
    }
}
