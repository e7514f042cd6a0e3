//! One sweep: how far it is, its best job, all of them by what came out.

use super::{chart::SweepChart, progress, status};
use crate::{
    api::{self, seg},
    app::ago,
    format,
    live::remote,
    pages::parts::is_engineer,
    reactive::memo,
    ui::{
        Button, Column, ConfirmDialog, EmptyState, Icon, LinkButton, Loaded, Look, PageHead, Pill, Show, Table, Tone,
        act, toast, url::param,
    },
};
use drydock_wire::{
    events::Topic,
    sweeps::{Goal, SweepDetail, Trial},
};
use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use std::{cmp::Ordering, collections::BTreeSet};

/// Keys of the columns, as the address has them when it sorts by one: so many parameters and further metrics are shown.
const PARAMS: [&str; 12] = ["p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9", "p10", "p11", "p12"];
const METRICS: [&str; 4] = ["m1", "m2", "m3", "m4"];
/// So many runs can be looked at beside each other.
const COMPARED: usize = 20;

#[component]
pub fn SweepPage() -> impl IntoView {
    let params = use_params_map();
    let id = memo(move || params.with(|p| p.get("id")).unwrap_or_default());
    let sweep = remote::<SweepDetail>(
        move || Some(format!("/sweeps/{}", seg(&id.get()))),
        &[Topic::Jobs, Topic::Runs, Topic::Queue],
    );
    view! { <section class="page"><Loaded remote=sweep lines=10 let:sweep><Detail sweep/></Loaded></section> }
}

#[component]
fn Detail(sweep: Signal<SweepDetail>) -> impl IntoView {
    let id = memo(move || sweep.with(|s| s.summary.id.clone()));
    let stopping = RwSignal::new(false);
    let state = memo(move || sweep.with(|s| status(&s.summary)));
    let ended = memo(move || sweep.with(|s| s.trials.iter().all(|t| t.state.is_final())));
    let why_not = Signal::derive(move || ended.get().then(|| "All of its jobs have ended.".to_owned()));
    let sub = move || {
        sweep.with(|s| {
            let cap = match s.summary.most_at_once {
                0 => String::new(),
                n => format!(" · {n} at once"),
            };
            format!(
                "{} · submitted {} · {}{cap}",
                s.summary.submitted_by,
                ago(s.summary.created_at),
                progress(&s.summary)
            )
        })
    };
    let compare = move || {
        let runs =
            sweep.with(|s| best_first(s).into_iter().filter_map(|t| t.run_id).take(COMPARED).collect::<Vec<_>>());
        (runs.len() > 1).then(|| {
            let href = format!("/compare?ids={}", runs.iter().map(|r| seg(r)).collect::<Vec<_>>().join(","));
            let text = if runs.len() == COMPARED {
                format!("Compare the best {COMPARED} runs")
            } else {
                "Compare the runs".to_owned()
            };
            view! { <LinkButton icon="git-compare" href=href>{text}</LinkButton> }
        })
    };
    view! {
        <PageHead title=Signal::derive(move || sweep.with(|s| s.summary.name.clone())) aside=move || view! { <Pill status=state.get()/> } sub=sub>
            {compare}
            {move || is_engineer().then(|| view! {
                <LinkButton icon="pencil" href=format!("/jobs/new?sweep={}", seg(&id.get()))>"Edit as new"</LinkButton>
                <Button look=Look::Danger icon="square" why_not on_press=move |_| stopping.set(true)>"Cancel the rest"</Button>
            })}
        </PageHead>
        <Best sweep/>
        <SweepChart sweep/>
        <Trials sweep/>
        <CancelDialog open=stopping id/>
    }
}

/// By the metric, jobs without a result last; without a metric as they are numbered.
fn best_first(sweep: &SweepDetail) -> Vec<Trial> {
    let mut trials = sweep.trials.clone();
    trials.sort_by(|a, b| match (a.value, b.value) {
        (Some(a), Some(b)) if sweep.summary.goal == Goal::Minimize => a.total_cmp(&b),
        (Some(a), Some(b)) => b.total_cmp(&a),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => a.number.cmp(&b.number),
    });
    trials
}

#[component]
fn Best(sweep: Signal<SweepDetail>) -> impl IntoView {
    move || {
        sweep.with(|s| {
            let metric = s.summary.metric.clone();
            let Some(best) = s.best.as_ref().and_then(|id| s.trials.iter().find(|t| t.job_id == *id)) else {
                let text = match metric {
                    None => "No metric is named to compare by; the runs can still be compared.".to_owned(),
                    Some(metric) => format!("No job has logged {metric} yet."),
                };
                return view! { <p class="callout neutral"><Icon name="info"/><span>{text}</span></p> }.into_any();
            };
            let params = best
                .params
                .iter()
                .map(|(k, v)| view! { " "<span class="tag">{format!("{k} {v}")}</span> })
                .collect_view();
            let value = best.value.map(format::value).unwrap_or_default();
            view! {
                <p class="callout good among"><Icon name="star"/><span>"Best so far: "<b>{metric}" "{value}</b>", "
                    <a href=format!("/jobs/{}", seg(&best.job_id))>"job "{best.number}</a>", with"{params}</span></p>
            }
            .into_any()
        })
    }
}

#[component]
fn Trials(sweep: Signal<SweepDetail>) -> impl IntoView {
    let sort = param("sort", "");
    let rows = Signal::derive(move || sweep.with(best_first));
    let names =
        memo(move || sweep.with(|s| s.trials.iter().flat_map(|t| t.params.keys().cloned()).collect::<BTreeSet<_>>()));
    let metrics =
        memo(move || sweep.with(|s| s.trials.iter().flat_map(|t| t.metrics.keys().cloned()).collect::<BTreeSet<_>>()));
    let best = memo(move || sweep.with(|s| (s.best.clone(), s.summary.metric.clone())));
    let columns = Signal::derive(move || {
        let (best, metric) = best.get();
        let mut all = vec![job_column(best)];
        all.extend(PARAMS.into_iter().zip(names.get()).map(|(key, name)| param_column(key, name)));
        all.extend(metric.clone().map(|m| metric_column("value", m, |t, _| t.value)));
        let others = metrics.get().into_iter().filter(|m| Some(m) != metric.as_ref());
        all.extend(
            METRICS.into_iter().zip(others).map(|(key, m)| metric_column(key, m, |t, m| t.metrics.get(m).copied())),
        );
        all.push(Column::<Trial>::new("state", "State", |t| view! { <Pill status=t.state/> }.into_any()));
        all.push(
            Column::<Trial>::new("why", "Why", |t| {
                let why = t.reason.clone().unwrap_or_default();
                view! { <span class="dim" title=why.clone()>{why.clone()}</span> }.into_any()
            })
            .wide_only(),
        );
        all
    });
    view! {
        <Show when=move || rows.with(|r| !r.is_empty()) fallback=|| view! {
            <EmptyState icon="sliders-horizontal" title="No jobs" text="Its jobs were deleted."/>
        }>
            <Table id="trials" label="Jobs of the sweep" rows columns key=|t| t.job_id.clone() href=|t| format!("/jobs/{}", seg(&t.job_id)) sort/>
        </Show>
    }
}

fn job_column(best: Option<String>) -> Column<Trial> {
    Column::<Trial>::new("job", "Job", move |t| {
        let star =
            (best.as_ref() == Some(&t.job_id)).then(|| view! { " "<span class="tag"><Icon name="star"/>"best"</span> });
        view! { <a class="row-link name" href=format!("/jobs/{}", seg(&t.job_id))>{t.number}</a>{star} }.into_any()
    })
    .fixed()
    .sorts_by(|a, b| a.number.cmp(&b.number))
}

fn param_column(key: &'static str, name: String) -> Column<Trial> {
    let (shown, by) = (name.clone(), name.clone());
    let number = |t: &Option<String>| t.as_ref().and_then(|t| t.parse::<f64>().ok());
    Column::<Trial>::new(key, &name, move |t| {
        view! { <span class="mono">{t.params.get(&shown).cloned()}</span> }.into_any()
    })
    .sorts_by(move |a, b| {
        let (a, b) = (a.params.get(&by).cloned(), b.params.get(&by).cloned());
        number(&a).partial_cmp(&number(&b)).filter(|o| *o != Ordering::Equal).unwrap_or_else(|| a.cmp(&b))
    })
    .fixed()
}

fn metric_column(key: &'static str, name: String, value: fn(&Trial, &str) -> Option<f64>) -> Column<Trial> {
    let (shown, by) = (name.clone(), name.clone());
    let by = move |a: &Trial, b: &Trial| value(a, &by).partial_cmp(&value(b, &by)).unwrap_or(Ordering::Equal);
    let column = Column::<Trial>::new(key, &name, move |t| {
        view! { <span class="mono">{value(t, &shown).map_or("–".to_owned(), format::value)}</span> }.into_any()
    });
    let column = column.right().sorts_by(by);
    if key == "value" { column.fixed() } else { column.wide_only() }
}

#[component]
fn CancelDialog(open: RwSignal<bool>, id: Memo<String>) -> impl IntoView {
    let busy = RwSignal::new(false);
    let confirm = move |()| {
        let path = format!("/sweeps/{}/cancel", seg(&id.get_untracked()));
        act(
            busy,
            "The sweep was not cancelled",
            async move { api::post_empty::<SweepDetail>(&path).await },
            move |_| {
                open.set(false);
                toast(Tone::Good, "The rest of the sweep is cancelled", "What runs gets its time to end by itself.");
            },
        );
    };
    view! {
        <ConfirmDialog open title="Cancel the rest of this sweep?" name="" action="Cancel the rest" on_confirm=confirm busy=busy>
            <p>"Jobs that wait never start, and jobs that run are stopped. What has ended keeps its results."</p>
        </ConfirmDialog>
    }
}
