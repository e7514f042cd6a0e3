//! One dataset: a version's columns, files and checks; its rules; all versions; the way to a new one.

use super::{profile::Profiles, report::Report, rules::RulesEditor, upload::NewVersion};
use crate::{
    api::{self, seg},
    app::{ago, go},
    format,
    live::{Remote, remote},
    pages::parts::is_engineer,
    reactive::memo,
    ui::{
        Button, Card, ConfirmDialog, CopyButton, EmptyState, Facts, Icon, LinkButton, Loaded, Look, PageHead, Pill,
        Show, Status, Tabs, TimeAgo, Tone, act, toast,
        url::{Param, param},
    },
};
use drydock_wire::{
    datasets::{DatasetDetail, ValidationState, VersionDetail, VersionSummary},
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
    ];
    if is_engineer() {
        tabs.push(("upload", "New version".to_owned()));
    }
    let panel = move || match tab.get().as_str() {
        "rules" => view! { <RulesEditor dataset detail/> }.into_any(),
        "versions" => view! { <Versions dataset/> }.into_any(),
        "upload" if is_engineer() => view! { <NewVersion dataset detail tab version/> }.into_any(),
        other => match (number.get(), other) {
            (None, _) => view! { <NoVersion tab/> }.into_any(),
            (_, "checks") => {
                view! { <Loaded remote=detail lines=6 let:detail><Report dataset=name detail/></Loaded> }.into_any()
            }
            (_, "files") => {
                view! { <Loaded remote=detail lines=6 let:detail><Files dataset=name detail/></Loaded> }.into_any()
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
        <DeleteDialog open=deleting name dataset/>
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
                        let text = if i == 0 { format!("Version {v} (latest)") } else { format!("Version {v}") };
                        view! { <option value=v.to_string() selected=number.get_untracked() == Some(v)>{text}</option> }
                    }).collect_view()}
                </select>
            </label>
        </Show>
    }
}

#[component]
fn NoVersion(tab: Param) -> impl IntoView {
    view! {
        <EmptyState icon="upload" title="No version yet" text="Upload files to make the first version. CSV files get a profile of each column.">
            {is_engineer().then(|| view! {
                <Button look=Look::Primary icon="upload" on_press=move |_| tab.set("upload")>"Upload files"</Button>
            })}
        </EmptyState>
    }
}

#[component]
fn Files(dataset: Memo<String>, detail: Signal<VersionDetail>) -> impl IntoView {
    let digest = Signal::derive(move || detail.with(|d| d.summary.digest.clone()));
    let address = move |path: &str| {
        let version = detail.with_untracked(|d| d.summary.version);
        format!("/api/v1/datasets/{}/versions/{version}/file?path={}", seg(&dataset.get_untracked()), seg(path))
    };
    view! {
        <Card>
            <Facts>
                <dt>"Message"</dt><dd>{move || detail.with(|d| match d.summary.message.as_str() { "" => "–".to_owned(), m => m.to_owned() })}</dd>
                <dt>"Made by"</dt><dd>{move || detail.with(|d| d.summary.author.clone())}" "
                    <span class="dim">{move || { let at = detail.with(|d| d.summary.created_at); view! { <TimeAgo at/> } }}</span></dd>
                <dt>"Digest"</dt><dd><code>{move || digest.get()}</code><CopyButton text=digest what="Copy the digest"/></dd>
            </Facts>
        </Card>
        <div class="pane" role="region" aria-label="Files" tabindex="0">
            <table class="grid" aria-label="Files">
                <thead><tr><th scope="col">"File"</th><th scope="col">"SHA-256"</th><th scope="col" class="num">"Size"</th>
                    <th scope="col" class="tools"><span class="sr">"Download"</span></th></tr></thead>
                <tbody>
                    {move || detail.with(|d| d.files.clone()).into_iter().map(|f| view! {
                        <tr>
                            <td class="mono">{f.path.clone()}</td><td class="mono dim" title=f.digest.clone()>{f.digest.chars().take(16).collect::<String>()}</td>
                            <td class="num">{format::bytes(f.size_bytes)}</td>
                            <td class="tools"><a class="icon-btn" download="" href=address(&f.path) aria-label=format!("Download {}", f.path)
                                title="Download"><Icon name="download"/></a></td>
                        </tr>
                    }).collect_view()}
                </tbody>
            </table>
        </div>
    }
}

#[component]
fn Versions(dataset: Signal<DatasetDetail>) -> impl IntoView {
    let row = |v: VersionSummary| {
        let number = v.version.to_string();
        let href = format!("?version={number}");
        view! {
            <tr>
                <td><a class="row-link name" href=href>"Version "{number}</a></td>
                <td><Pill status=v.validation/></td>
                <td class="dim">{v.message}</td>
                <td>{v.author}</td>
                <td class="num">{format::number(v.file_count)}</td>
                <td class="num">{format::bytes(v.size_bytes)}</td>
                <td class="num dim"><TimeAgo at=v.created_at/></td>
            </tr>
        }
    };
    view! {
        <Show when=move || dataset.with(|d| !d.versions.is_empty()) fallback=|| view! {
            <EmptyState icon="history" title="No version yet" text="Each upload makes a version; versions never change."/>
        }>
            <div class="pane" role="region" aria-label="Versions" tabindex="0">
                <table class="grid" aria-label="Versions">
                    <thead><tr><th scope="col">"Version"</th><th scope="col">"Checks"</th><th scope="col">"Message"</th><th scope="col">"By"</th>
                        <th scope="col" class="num">"Files"</th><th scope="col" class="num">"Size"</th><th scope="col" class="num">"Made"</th></tr></thead>
                    <tbody>{move || dataset.with(|d| d.versions.clone()).into_iter().map(row).collect_view()}</tbody>
                </table>
            </div>
        </Show>
    }
}

#[component]
fn DeleteDialog(open: RwSignal<bool>, name: Memo<String>, dataset: Signal<DatasetDetail>) -> impl IntoView {
    let busy = RwSignal::new(false);
    let confirm = move |()| {
        let gone = name.get_untracked();
        let path = format!("/datasets/{}", seg(&gone));
        act(busy, "The dataset was not deleted", async move { api::delete(&path).await }, move |()| {
            open.set(false);
            toast(Tone::Good, "Dataset deleted", &gone);
            go("/datasets");
        });
    };
    view! {
        <ConfirmDialog open title="Delete this dataset?" name=Signal::derive(move || name.get()) action="Delete the dataset" on_confirm=confirm busy=busy>
            <p>{move || {
                let count = dataset.with(|d| d.summary.version_count);
                format!("All of it goes: {}, their profiles, checks and rules. Jobs that ran with it keep their results.", format::plural(count, "version"))
            }}</p>
        </ConfirmDialog>
    }
}
