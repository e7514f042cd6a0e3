//! All registered models.

use crate::{
    api::seg,
    format,
    live::remote,
    pages::parts::Listing,
    ui::{Button, Column, EmptyState, Icon, LinkButton, Loaded, PageHead, SearchBox, Show, Table, TimeAgo, url::param},
};
use drydock_wire::{events::Topic, registry::ModelSummary};
use leptos::prelude::*;

#[component]
pub fn ModelsPage() -> impl IntoView {
    let list = remote::<Listing<ModelSummary>>(|| Some("/models".to_owned()), &[Topic::Models]);
    let (search, sort) = (param("search", ""), param("sort", "-updated"));
    view! {
        <section class="page">
            <PageHead title="Models" sub=|| "Versions that runs made, and the names that point at them."/>
            <Loaded remote=list lines=8 let:all>
                {
                    let rows = Signal::derive(move || {
                        let wanted = search.get().to_lowercase();
                        let alias = |m: &ModelSummary| m.aliases.iter().any(|a| a.alias.to_lowercase().contains(&wanted));
                        let tag = |m: &ModelSummary| m.tags.iter().any(|t| format!("{}={}", t.key, t.value).to_lowercase().contains(&wanted));
                        let hit = |m: &&ModelSummary| m.name.to_lowercase().contains(&wanted) || m.description.to_lowercase().contains(&wanted) || alias(m) || tag(m);
                        all.with(|l| l.items().iter().filter(hit).cloned().collect::<Vec<_>>())
                    });
                    view! {
                        <Show when=move || all.with(|l| l.total() > 0) fallback=|| view! {
                            <EmptyState icon="box" title="No models yet"
                                text="Register one from a run: mlflow.register_model(\"runs:/RUN/model\", \"NAME\"), or registered_model_name= when logging it.">
                                <LinkButton href="/runs" icon="activity">"Go to the runs"</LinkButton>
                            </EmptyState>
                        }>
                            <div class="toolbar"><SearchBox param=search label="Search models"/></div>
                            <Show when=move || rows.with(|r| !r.is_empty()) fallback=move || view! {
                                <EmptyState icon="filter" title="No model matches" text="Search for something else.">
                                    <Button on_press=move |_| search.clear()>"Clear the search"</Button>
                                </EmptyState>
                            }>
                                <Table id="models" label="Models" rows columns=Signal::derive(columns) key=|m| m.name.clone()
                                    href=|m| format!("/models/{}", seg(&m.name)) sort/>
                            </Show>
                        </Show>
                    }
                }
            </Loaded>
        </section>
    }
}

fn columns() -> Vec<Column<ModelSummary>> {
    vec![
        Column::<ModelSummary>::new("name", "Name", |m| {
            let href = format!("/models/{}", seg(&m.name));
            view! { <a class="row-link name" href=href>{m.name.clone()}</a> }.into_any()
        })
        .fixed()
        .sorts_by(|a, b| a.name.cmp(&b.name)),
        Column::<ModelSummary>::new("aliases", "Aliases", |m| {
            let tags = m.aliases.iter().map(|a| view! {
                <span class="tag"><Icon name="tag"/>{a.alias.clone()}<span class="dim">{format!("v{}", a.version)}</span></span> " "
            });
            tags.collect_view().into_any()
        }),
        Column::<ModelSummary>::new("description", "Description", |m| {
            view! { <span class="dim">{m.description.clone()}</span> }.into_any()
        })
        .wide_only(),
        Column::<ModelSummary>::new("tags", "Tags", |m| {
            let tags = m.tags.iter().map(|t| {
                let text = if t.value.is_empty() { t.key.clone() } else { format!("{}={}", t.key, t.value) };
                view! { <span class="tag">{text}</span> " " }
            });
            tags.collect_view().into_any()
        })
        .wide_only(),
        Column::<ModelSummary>::new("latest", "Latest", |m| {
            m.latest_version.map_or("–".to_owned(), |v| format!("version {v}")).into_any()
        })
        .right()
        .sorts_by(|a, b| a.latest_version.cmp(&b.latest_version)),
        Column::<ModelSummary>::new("versions", "Versions", |m| format::number(m.version_count).into_any())
            .right()
            .wide_only()
            .sorts_by(|a, b| a.version_count.cmp(&b.version_count)),
        Column::<ModelSummary>::new("updated", "Updated", |m| {
            view! { <span class="dim"><TimeAgo at=m.updated_at/></span> }.into_any()
        })
        .right()
        .sorts_by(|a, b| a.updated_at.cmp(&b.updated_at)),
    ]
}
