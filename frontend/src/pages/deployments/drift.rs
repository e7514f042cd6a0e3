//! Whether the live traffic is spread as the reference: a timeline of windows, and of one of them each column.

use crate::{
    api::{self, seg},
    format,
    live::{Remote, remote},
    pages::parts::{drift_columns, drift_verdict, query},
    reactive::memo,
    session::may,
    ui::{
        Button, Card, EmptyState, Icon, LinkButton, Loaded, Pill, Show, Status, TimeAgo, Tone, act, toast,
        url::{Param, param},
    },
};
use drydock_wire::{
    accounts::Role,
    serving::{DeploymentDetail, DriftOutcome, DriftWatch, DriftWindow, LiveDrift},
};
use leptos::prelude::*;
use std::time::Duration;

const PERIOD: Duration = Duration::from_secs(15);

#[component]
pub fn DriftPanel(deployment: Signal<DeploymentDetail>) -> impl IntoView {
    let name = memo(move || deployment.with(|d| d.summary.name.clone()));
    let window = param("window", "");
    let path = move || Some(query(&format!("/deployments/{}/drift", seg(&name.get())), &[("window", window.get())]));
    let drift = remote::<LiveDrift>(path, &[]).every(PERIOD);
    view! {
        <Loaded remote=drift lines=8 let:live>
            <Show when=move || live.with(|l| l.watch.is_some() || !l.windows.is_empty()) fallback=|| view! {
                <EmptyState icon="git-compare" title="Nobody watches for drift" text="Under Settings, turn on capture and watch for drift: inputs and predictions of each window are compared with a dataset or with the window before.">
                    <LinkButton href="?tab=settings" icon="settings">"Go to the settings"</LinkButton>
                </EmptyState>
            }>
                <Watch live name drift window/>
                <Windows live window/>
                <Report live/>
            </Show>
        </Loaded>
    }
}

fn watched(watch: &DriftWatch) -> String {
    let every = format::plural(u64::from(watch.window_minutes), "minute");
    let against = watch.reference.as_ref().map_or_else(
        || "the window before".to_owned(),
        |r| match r.version {
            Some(version) => format!("{} version {version}", r.dataset),
            None => format!("the newest version of {}", r.dataset),
        },
    );
    let starts = watch.pipeline.as_ref().map(|p| format!("; a finding starts {p}")).unwrap_or_default();
    format!("Every {every} against {against}, from {} on{starts}.", format::plural(watch.min_rows, "row"))
}

/// What is watched, and a way to look now.
#[component]
fn Watch(live: Signal<LiveDrift>, name: Memo<String>, drift: Remote<LiveDrift>, window: Param) -> impl IntoView {
    let busy = RwSignal::new(false);
    let look = move |_| {
        let path = format!("/deployments/{}/drift", seg(&name.get_untracked()));
        act(busy, "Nothing was compared", async move { api::post_empty::<LiveDrift>(&path).await }, move |_| {
            window.clear();
            drift.refetch();
            toast(Tone::Good, "Compared", "The newest window is below.");
        });
    };
    let words =
        move || live.with(|l| l.watch.as_ref().map(watched)).unwrap_or_else(|| "Nobody watches any more.".to_owned());
    let problem = move || live.with(|l| l.problem.clone());
    view! {
        <div class="toolbar"><span class="dim">{words}</span><span class="push"></span>
            <Show when=move || may(Role::Engineer) && live.with(|l| l.watch.is_some())><Button icon="git-compare" busy on_press=look>"Compare now"</Button></Show></div>
        {move || problem().map(|p| view! { <p class="callout bad" role="alert"><Icon name="triangle-alert"/><span>{p}</span></p> })}
    }
}

fn status(outcome: DriftOutcome) -> Status {
    match outcome {
        DriftOutcome::Steady => Status::new(Tone::Good, "As before"),
        DriftOutcome::Drifted => Status::new(Tone::Bad, "Drifted"),
        DriftOutcome::NotJudged => Status::new(Tone::Neutral, "Not judged"),
    }
}

/// The windows as a row of blocks, oldest first, and the chosen one in words.
#[component]
fn Windows(live: Signal<LiveDrift>, window: Param) -> impl IntoView {
    let windows = memo(move || live.with(|l| l.windows.clone()));
    let chosen = memo(move || live.with(|l| l.report.as_ref().map(|r| r.window)));
    let block = move |w: DriftWindow| {
        let (class, word) = match w.outcome {
            DriftOutcome::Steady => ("good", "as before"),
            DriftOutcome::Drifted => ("bad", "drifted"),
            DriftOutcome::NotJudged => ("neutral", "not judged"),
        };
        let part = match (w.drifted_count, w.compared_count) {
            (Some(drifted), Some(all)) => format!(", {drifted} of {all} columns drifted"),
            _ => String::new(),
        };
        let label = format!("Window until {}: {word}, {}{part}", clock(w.until_at), format::plural(w.rows, "row"));
        let id = w.id;
        view! {
            <li><button type="button" class=format!("window {class}") title=label.clone() aria-label=label.clone()
                aria-pressed=move || (chosen.get() == Some(id)).to_string() on:click=move |_| window.push(&id.to_string())></button></li>
        }
    };
    let now = move || {
        let chosen = chosen.get()?;
        windows.get().into_iter().find(|w| w.id == chosen).map(|w| {
            let runs = (!w.pipelines.is_empty()).then(|| format!(" · started {}", w.pipelines.join(", ")));
            view! {
                <p class="row wraps"><Pill status=status(w.outcome)/><span>{format::duration((w.until_at - w.from_at).max(0).unsigned_abs())}" until "<TimeAgo at=w.until_at/></span>
                    <span class="dim">{format::plural(w.rows, "row")}" · "{w.reference}{runs}</span></p>
            }
        })
    };
    view! {
        <Show when=move || windows.with(|w| !w.is_empty()) fallback=|| view! {
            <Card title="Windows"><EmptyState icon="clock" title="No window yet" text="The first comparison comes with the end of the first window; or compare now."/></Card>
        }>
            <Card title="Windows" aside=move || view! { <span class="dim tabular">{move || format::number(windows.with(Vec::len) as u64)}</span> }>
                <ol class="windows" aria-label="Windows, oldest first">{move || windows.get().into_iter().rev().map(block).collect_view()}</ol>
                {now}
            </Card>
        </Show>
    }
}

fn clock(at: i64) -> String {
    let date = js_sys::Date::new(&(at as f64).into());
    date.to_locale_string("default", &wasm_bindgen::JsValue::UNDEFINED).into()
}

#[component]
fn Report(live: Signal<LiveDrift>) -> impl IntoView {
    let report = memo(move || {
        live.with(|l| {
            let report = l.report.clone()?;
            let window = l.windows.iter().find(|w| w.id == report.window);
            Some((report.drift, window.map(|w| w.reference.clone()).unwrap_or_default()))
        })
    });
    move || {
        let (drift, reference) = report.get()?;
        let body = match drift {
            None => view! { <p class="callout info" role="status"><Icon name="info"/><span>{reference}</span></p> }
                .into_any(),
            Some(drift) => {
                let (told, columns) = (
                    drift_verdict(&drift, "The traffic", "the reference"),
                    drift_columns(&drift, "Drift of the columns".to_owned()),
                );
                view! { <Card title="Inputs and predictions" class="flush"><div class="drift-verdict">{told}</div>{columns}</Card> }.into_any()
            }
        };
        Some(body)
    }
}
