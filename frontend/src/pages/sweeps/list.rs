//! All sweeps, newest first.

use super::{progress, status};
use crate::{
    api::seg,
    live::remote,
    pages::parts::{Listing, PAGE_SIZE, is_engineer, query, short_id},
    ui::{Column, EmptyState, LinkButton, Loaded, Look, PageHead, Pager, Pill, Show, Table, TimeAgo, url::param},
};
use drydock_wire::{
    events::Topic,
    sweeps::{Goal, SweepSummary},
};
use leptos::prelude::*;

#[component]
pub fn SweepsPage() -> impl IntoView {
    let page = param("page", "");
    let path = move || Some(query("/sweeps", &[("page", page.get()), ("limit", PAGE_SIZE.to_string())]));
    let sweeps = remote::<Listing<SweepSummary>>(path, &[Topic::Jobs]);
    let submit = || {
        is_engineer().then(
            || view! { <LinkButton href="/jobs/new" look=Look::Primary icon="play">"Submit a sweep"</LinkButton> },
        )
    };
    let nothing = move || {
        view! {
            <EmptyState icon="sliders-horizontal" title="No sweeps yet"
                text="A sweep runs one job over many values of its parameters, every combination or random draws, and compares what came out. Give a job's parameters several values in the form.">
                {submit}
            </EmptyState>
        }
    };
    view! {
        <section class="page">
            <PageHead title="Sweeps" sub=|| "One job over many values of its parameters.">
                <LinkButton href="/jobs" icon="container">"Jobs"</LinkButton>{submit}
            </PageHead>
            <Loaded remote=sweeps lines=8 let:list>
                {
                    let rows = Signal::derive(move || list.with(|l| l.items().to_vec()));
                    view! {
                        <Show when=move || rows.with(|r| !r.is_empty()) fallback=nothing>
                            <Table id="sweeps" label="Sweeps" rows columns=Signal::derive(columns) key=|s| s.id.clone()
                                href=|s| format!("/sweeps/{}", seg(&s.id))/>
                            <Pager param=page total=Signal::derive(move || list.with(Listing::total)) noun="sweep"
                                shown=Signal::derive(move || rows.with(Vec::len)) next=Signal::derive(move || list.with(Listing::next))/>
                        </Show>
                    }
                }
            </Loaded>
        </section>
    }
}

fn columns() -> Vec<Column<SweepSummary>> {
    vec![
        Column::<SweepSummary>::new("name", "Sweep", |s| {
            let href = format!("/sweeps/{}", seg(&s.id));
            view! { <a class="row-link name" href=href>{s.name.clone()}</a> " " <code class="dim">{short_id(&s.id)}</code> }.into_any()
        })
        .fixed(),
        Column::<SweepSummary>::new("state", "State", |s| view! { <Pill status=status(s)/> }.into_any()),
        Column::<SweepSummary>::new("jobs", "Jobs", |s| view! { <span class="dim">{progress(s)}</span> }.into_any()).wide_only(),
        Column::<SweepSummary>::new("metric", "Compared by", |s| match &s.metric {
            Some(metric) => {
                let goal = if s.goal == Goal::Minimize { "lowest" } else { "highest" };
                view! { <span class="dim">{goal}" "</span><code>{metric.clone()}</code> }.into_any()
            }
            None => view! { <span class="dim">"–"</span> }.into_any(),
        })
        .wide_only(),
        Column::<SweepSummary>::new("by", "By", |s| s.submitted_by.clone().into_any()).wide_only(),
        Column::<SweepSummary>::new("created", "Submitted", |s| view! { <span class="dim"><TimeAgo at=s.created_at/></span> }.into_any()).right(),
    ]
}
