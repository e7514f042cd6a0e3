//! All deployments.

use super::{
    deploy::{DeployDialog, Wish},
    traffic::{brief, milliseconds},
};
use crate::{
    api::seg,
    format,
    live::{Remote, remote},
    pages::parts::Listing,
    reactive::memo,
    session::may,
    ui::{
        Button, Chips, Column, EmptyState, LinkButton, Loaded, Look, PageHead, Pill, SearchBox, Show, Table, TimeAgo,
        Tone, list::Chip, url::param,
    },
};
use drydock_wire::{
    accounts::Role,
    events::Topic,
    serving::{DeploymentState, DeploymentSummary},
};
use leptos::prelude::*;
use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

/// Counts change without a hint.
const PERIOD: Duration = Duration::from_secs(5);
/// So many looks are averaged over.
const LOOKS: usize = 3;

/// Requests a second by name.
type Rates = RwSignal<HashMap<String, f64>>;

/// From what was counted in all between looks at it.
fn rates(list: Remote<Listing<DeploymentSummary>>) -> Rates {
    let rates = RwSignal::new(HashMap::new());
    let looks = StoredValue::new(VecDeque::<(f64, HashMap<String, u64>)>::new());
    let look = move || {
        let counted = |d: &DeploymentSummary| (d.name.clone(), d.total_requests);
        let counts = list.data.with_untracked(|l| l.as_ref().map(|l| l.items().iter().map(counted).collect()));
        let Some(counts): Option<HashMap<String, u64>> = counts else { return };
        let _ = looks.try_update_value(|looks| {
            let now = js_sys::Date::now();
            if let Some((at, before)) = looks.front() {
                let rate = |(name, count): (&String, &u64)| {
                    let grown = count.saturating_sub(*before.get(name)?);
                    Some((name.clone(), grown as f64 * 1000.0 / (now - at)))
                };
                let _ = rates.try_set(counts.iter().filter_map(rate).collect());
            }
            looks.push_back((now, counts));
            if looks.len() > LOOKS {
                looks.pop_front();
            }
        });
    };
    if let Ok(handle) = set_interval_with_handle(look, PERIOD) {
        on_cleanup(move || handle.clear());
    }
    rates
}

#[component]
pub fn DeploymentsPage() -> impl IntoView {
    let list =
        remote::<Listing<DeploymentSummary>>(|| Some("/deployments".to_owned()), &[Topic::Deployments]).every(PERIOD);
    let rates = rates(list);
    let (search, state, sort) = (param("search", ""), param("state", ""), param("sort", "name"));
    let open = RwSignal::new(false);
    let wish = RwSignal::new(Wish::default());
    let deploy = move || {
        may(Role::Engineer).then(|| {
            view! { <Button look=Look::Primary icon="rocket" on_press=move |_| { wish.set(Wish::default()); open.set(true) }>"Deploy a model"</Button> }
        })
    };
    view! {
        <section class="page">
            <PageHead title="Deployments" sub=|| "Models that answer requests behind the gateway.">{deploy}</PageHead>
            <Loaded remote=list lines=8 let:all>
                {
                    let rows = Signal::derive(move || {
                        let wanted = search.get().to_lowercase();
                        let state = state.get();
                        let hit = |d: &&DeploymentSummary| {
                            (d.name.contains(&wanted) || d.model.to_lowercase().contains(&wanted)) && (state.is_empty() || group(d.state) == state)
                        };
                        all.with(|l| l.items().iter().filter(hit).cloned().collect::<Vec<_>>())
                    });
                    let chips = memo(move || all.with(|l| chips(l.items())));
                    view! {
                        <Show when=move || all.with(|l| l.total() > 0) fallback=move || view! {
                            <EmptyState icon="rocket" title="Nothing is deployed" text="Deploy a registered model to give it an address that answers predictions. A newer version later replaces it without a failed request.">
                                {deploy}
                                <LinkButton href="/models" icon="box">"Go to the models"</LinkButton>
                            </EmptyState>
                        }>
                            <div class="toolbar">
                                <SearchBox param=search label="Search deployments"/>
                                <Chips param=state label="State" chips/>
                            </div>
                            <Show when=move || rows.with(|r| !r.is_empty()) fallback=move || view! {
                                <EmptyState icon="filter" title="No deployment matches" text="Clear the filters, or search for something else.">
                                    <Button on_press=move |_| { search.clear(); state.clear() }>"Clear filters"</Button>
                                </EmptyState>
                            }>
                                <Table id="deployments" label="Deployments" rows columns=Signal::derive(move || columns(rates)) key=|d| d.name.clone()
                                    href=|d| format!("/deployments/{}", seg(&d.name)) sort/>
                            </Show>
                        </Show>
                    }
                }
            </Loaded>
            <DeployDialog open wish/>
        </section>
    }
}

/// The filter a state belongs to.
fn group(state: DeploymentState) -> &'static str {
    match state {
        DeploymentState::Ready => "ready",
        DeploymentState::Starting | DeploymentState::Updating | DeploymentState::Deleting => "changing",
        DeploymentState::Failed => "failed",
    }
}

fn chips(all: &[DeploymentSummary]) -> Vec<Chip> {
    let count = |value: &str| Some(all.iter().filter(|d| value.is_empty() || group(d.state) == value).count() as u64);
    let chip = |value: &'static str, label, tone| Chip { value, label, tone, count: count(value) };
    vec![
        chip("", "All", None),
        chip("ready", "Ready", Some(Tone::Good)),
        chip("changing", "Changing", Some(Tone::Info)),
        chip("failed", "Failed", Some(Tone::Bad)),
    ]
}

fn columns(rates: Rates) -> Vec<Column<DeploymentSummary>> {
    let ms = |v: Option<f64>| v.map_or("–".to_owned(), milliseconds);
    vec![
        Column::<DeploymentSummary>::new("name", "Name", |d| {
            let href = format!("/deployments/{}", seg(&d.name));
            view! { <a class="row-link name" href=href>{d.name.clone()}</a> }.into_any()
        })
        .fixed()
        .sorts_by(|a, b| a.name.cmp(&b.name)),
        Column::<DeploymentSummary>::new("state", "State", |d| view! { <Pill status=d.state/> }.into_any()),
        Column::<DeploymentSummary>::new("model", "Model", |d| {
            let href = format!("/models/{}?version={}", seg(&d.model), d.version);
            match d.model.is_empty() {
                true => view! { <span class="dim">"an image"</span> }.into_any(),
                false => view! { <a href=href>{format!("{} version {}", d.model, d.version)}</a> }.into_any(),
            }
        }),
        Column::<DeploymentSummary>::new("reason", "Why", |d| {
            view! { <div class="dim clip" title=d.reason.clone()>{d.reason.clone()}</div> }.into_any()
        })
        .wide_only(),
        Column::<DeploymentSummary>::new("replicas", "Replicas", |d| {
            let count = d.replicas;
            let gpus = (count.gpus > 0).then(|| format!(" · {}", format::plural(u64::from(count.gpus), "GPU")));
            view! { <span class:dim={count.all == 0}>{format!("{} of {} ready", count.ready, count.all)}{gpus}</span> }
                .into_any()
        })
        .wide_only(),
        Column::<DeploymentSummary>::new("rate", "Now", move |d| {
            let name = d.name.clone();
            let rate = move || rates.with(|r| r.get(&name).map_or("–".to_owned(), |r| format!("{}/s", brief(*r))));
            view! { <span>{rate}</span> }.into_any()
        })
        .right(),
        Column::<DeploymentSummary>::new("requests", "Requests (1 h)", |d| {
            format::number(d.traffic.requests).into_any()
        })
        .right()
        .sorts_by(|a, b| a.traffic.requests.cmp(&b.traffic.requests)),
        Column::<DeploymentSummary>::new("errors", "Errors (1 h)", |d| match d.traffic.errors {
            0 => view! { <span class="dim">"0"</span> }.into_any(),
            n => view! { <span class="missing">{format::number(n)}</span> }.into_any(),
        })
        .right(),
        Column::<DeploymentSummary>::new("p95", "p95 (1 h)", move |d| ms(d.traffic.p95_ms).into_any()).right(),
        Column::<DeploymentSummary>::new("updated", "Updated", |d| {
            view! { <span class="dim"><TimeAgo at=d.updated_at/></span> }.into_any()
        })
        .right()
        .wide_only()
        .sorts_by(|a, b| a.updated_at.cmp(&b.updated_at)),
    ]
}
