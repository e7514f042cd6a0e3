//! All builds, newest first.

use super::{cache::Cache, duration, href};
use crate::{
    live::remote,
    pages::parts::{Listing, PAGE_SIZE, counted, is_engineer, query, short_id},
    ui::{
        Button, Chips, Column, EmptyState, LinkButton, Loaded, Look, PageHead, Pager, Pill, SearchBox, Show, Table,
        TimeAgo, Tone, list::Chip, url::param,
    },
};
use drydock_wire::{builds::BuildSummary, events::Topic};
use leptos::prelude::*;

#[component]
pub fn BuildsPage() -> impl IntoView {
    let (search, state, page) = (param("search", ""), param("state", ""), param("page", ""));
    let path = move |state: &str, page: String, limit: u64| {
        let pairs =
            [("state", state.to_owned()), ("search", search.get()), ("page", page), ("limit", limit.to_string())];
        query("/builds", &pairs)
    };
    let builds =
        remote::<Listing<BuildSummary>>(move || Some(path(&state.get(), page.get(), PAGE_SIZE)), &[Topic::Builds]);
    let chips = counted(chips(), Topic::Builds, move |state| path(state, String::new(), 1));
    let start = || {
        is_engineer().then(
            || view! { <LinkButton href="/builds/new" look=Look::Primary icon="hammer">"Build an image"</LinkButton> },
        )
    };
    let filtered = move || !(search.is("") && state.is(""));
    let nothing = move || {
        if filtered() {
            let clear = move |_| [search, state, page].iter().for_each(|p| p.clear());
            return view! {
                <EmptyState icon="filter" title="No build matches" text="Clear the filters, or search for another name.">
                    <Button on_press=clear>"Clear filters"</Button>
                </EmptyState>
            }
            .into_any();
        }
        view! {
            <EmptyState icon="hammer" title="Nothing was built yet" text="A build makes an image from a Dockerfile, or from a form: a base image with Python packages, Debian packages and your code. It needs no internet; pip installs from the packages of this box.">
                {start}
            </EmptyState>
        }
        .into_any()
    };
    view! {
        <section class="page">
            <PageHead title="Builds" sub=|| "Images made on this box and put into its registry, for jobs and deployments.">{start}</PageHead>
            <div class="toolbar">
                <SearchBox param=search label="Search builds" resets=page/>
                <Chips param=state label="State" chips resets=page/>
            </div>
            <Loaded remote=builds lines=10 let:list>
                {
                    let rows = Signal::derive(move || list.with(|l| l.items().to_vec()));
                    view! {
                        <Show when=move || rows.with(|r| !r.is_empty()) fallback=nothing>
                            <Table id="builds" label="Builds" rows columns=Signal::derive(columns) key=|b| b.id.clone() href=|b| href(&b.id)/>
                            <Pager param=page total=Signal::derive(move || list.with(Listing::total)) noun="build"
                                shown=Signal::derive(move || rows.with(Vec::len)) next=Signal::derive(move || list.with(Listing::next))/>
                        </Show>
                    }
                }
            </Loaded>
            <Cache/>
        </section>
    }
}

fn chips() -> Vec<Chip> {
    let chip = |value, label, tone| Chip { value, label, tone, count: None };
    vec![
        chip("", "All", None),
        chip("queued", "Waiting", Some(Tone::Warn)),
        chip("running,pushing", "Building", Some(Tone::Info)),
        chip("succeeded", "Succeeded", Some(Tone::Good)),
        chip("failed", "Failed", Some(Tone::Bad)),
        chip("cancelled", "Cancelled", Some(Tone::Neutral)),
    ]
}

fn columns() -> Vec<Column<BuildSummary>> {
    vec![
        Column::<BuildSummary>::new("image", "Image", |b| {
            view! { <a class="row-link name" href=href(&b.id)>{format!("{}:{}", b.repository, b.tag)}</a> " " <code class="dim">{short_id(&b.id)}</code> }.into_any()
        })
        .fixed(),
        Column::<BuildSummary>::new("state", "State", |b| view! { <Pill status=b.state/> }.into_any()),
        Column::<BuildSummary>::new("step", "How it stands", |b| {
            let text = b.reason.clone().or_else(|| b.step.clone()).or_else(|| short_digest(b)).unwrap_or_default();
            view! { <span class="dim" title=text.clone()>{text.clone()}</span> }.into_any()
        })
        .wide_only(),
        Column::<BuildSummary>::new("by", "By", |b| b.submitted_by.clone().into_any()).wide_only(),
        Column::<BuildSummary>::new("duration", "Duration", |b| view! { <span class="mono">{duration(b)}</span> }.into_any()).right(),
        Column::<BuildSummary>::new("submitted", "Asked for", |b| view! { <span class="dim"><TimeAgo at=b.submitted_at/></span> }.into_any()).right(),
    ]
}

/// `sha256:0123456789ab`, of a build that has ended well.
fn short_digest(build: &BuildSummary) -> Option<String> {
    build.digest.as_ref().map(|digest| digest.chars().take(19).collect())
}
