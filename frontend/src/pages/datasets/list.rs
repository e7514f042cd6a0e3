//! All datasets, and the dialog that makes one.

use crate::{
    api::{self, seg},
    app::go,
    format,
    live::remote,
    pages::parts::Listing,
    session::may,
    ui::{
        Button, Column, Dialog, EmptyState, Field, Loaded, Look, PageHead, Pill, SearchBox, Show, Table, TextArea,
        TimeAgo, act, url::param,
    },
};
use drydock_wire::{
    accounts::Role,
    datasets::{CreateDataset, DatasetDetail, DatasetSummary},
    events::Topic,
    validate,
};
use leptos::prelude::*;

#[component]
pub fn DatasetsPage() -> impl IntoView {
    let list = remote::<Listing<DatasetSummary>>(|| Some("/datasets".to_owned()), &[Topic::Datasets]);
    let (search, sort) = (param("search", ""), param("sort", "name"));
    let creating = RwSignal::new(false);
    let make = move || {
        may(Role::Engineer).then(|| {
            view! { <Button look=Look::Primary icon="plus" on_press=move |_| creating.set(true)>"New dataset"</Button> }
        })
    };
    view! {
        <section class="page">
            <PageHead title="Datasets" sub=|| "Versions of data that never change, with their figures and rules.">{make}</PageHead>
            <Loaded remote=list lines=8 let:all>
                {
                    let rows = Signal::derive(move || {
                        let wanted = search.get().to_lowercase();
                        let hit = |d: &&DatasetSummary| d.name.contains(&wanted) || d.description.to_lowercase().contains(&wanted);
                        all.with(|l| l.items().iter().filter(hit).cloned().collect::<Vec<_>>())
                    });
                    view! {
                        <Show when=move || all.with(|l| l.total() > 0) fallback=move || view! {
                            <EmptyState icon="database" title="No datasets yet"
                                text="A dataset is a line of versions of files, usually CSV. Drydock profiles each column and checks your rules.">
                                {make}
                            </EmptyState>
                        }>
                            <div class="toolbar"><SearchBox param=search label="Search datasets"/></div>
                            <Show when=move || rows.with(|r| !r.is_empty()) fallback=move || view! {
                                <EmptyState icon="filter" title="No dataset matches" text="Search for something else.">
                                    <Button on_press=move |_| search.clear()>"Clear the search"</Button>
                                </EmptyState>
                            }>
                                <Table id="datasets" label="Datasets" rows columns=Signal::derive(columns) key=|d| d.name.clone()
                                    href=|d| format!("/datasets/{}", seg(&d.name)) sort/>
                            </Show>
                        </Show>
                    }
                }
            </Loaded>
            <Dialog open=creating title="New dataset"><CreateForm open=creating/></Dialog>
        </section>
    }
}

fn columns() -> Vec<Column<DatasetSummary>> {
    let dash = || view! { <span class="dim">"–"</span> }.into_any();
    vec![
        Column::<DatasetSummary>::new("name", "Name", |d| {
            let href = format!("/datasets/{}", seg(&d.name));
            view! { <a class="row-link name" href=href>{d.name.clone()}</a> }.into_any()
        })
        .fixed()
        .sorts_by(|a, b| a.name.cmp(&b.name)),
        Column::<DatasetSummary>::new("description", "Description", |d| {
            view! { <span class="dim">{d.description.clone()}</span> }.into_any()
        })
        .wide_only(),
        Column::<DatasetSummary>::new("checks", "Checks", move |d| match &d.latest {
            Some(v) => view! { <Pill status=v.validation/> }.into_any(),
            None => dash(),
        }),
        Column::<DatasetSummary>::new("versions", "Versions", |d| format::number(d.version_count).into_any())
            .right()
            .sorts_by(|a, b| a.version_count.cmp(&b.version_count)),
        Column::<DatasetSummary>::new("size", "Size", move |d| {
            d.latest.as_ref().map_or_else(dash, |v| format::bytes(v.size_bytes).into_any())
        })
        .right()
        .sorts_by(|a, b| size(a).cmp(&size(b))),
        Column::<DatasetSummary>::new("changed", "Changed", |d| view! { <TimeAgo at=changed(d)/> }.into_any())
            .right()
            .sorts_by(|a, b| changed(a).cmp(&changed(b))),
    ]
}

fn size(d: &DatasetSummary) -> u64 {
    d.latest.as_ref().map_or(0, |v| v.size_bytes)
}

fn changed(d: &DatasetSummary) -> i64 {
    d.latest.as_ref().map_or(d.created_at, |v| v.created_at)
}

#[component]
fn CreateForm(open: RwSignal<bool>) -> impl IntoView {
    let (name, description) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    let (busy, tried) = (RwSignal::new(false), RwSignal::new(false));
    let submit = move |e: leptos::ev::SubmitEvent| {
        e.prevent_default();
        tried.set(true);
        if validate::slug(&name.get_untracked()).is_err() {
            return;
        }
        let wish =
            CreateDataset { name: name.get_untracked(), description: description.get_untracked().trim().to_owned() };
        let to = format!("/datasets/{}?tab=upload", seg(&wish.name));
        let call = async move { api::post::<_, DatasetDetail>("/datasets", &wish).await };
        act(busy, "The dataset was not made", call, move |_| {
            open.set(false);
            go(&to);
        });
    };
    view! {
        <form novalidate on:submit=submit>
            <Field id="dataset-name" label="Name" value=name check=validate::slug tried=tried
                hint="Jobs find it at /data/NAME." autofocus=true mono=true/>
            <TextArea id="dataset-description" label="Description" value=description rows=3 hint="What the data is and where it comes from."/>
            <div class="actions">
                <Button on_press=move |_| open.set(false)>"Cancel"</Button>
                <Button look=Look::Primary submit=true busy>"Create"</Button>
            </div>
        </form>
    }
}
