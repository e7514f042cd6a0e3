//! How a new revision takes over: steps, shares of the requests, what the analysis sees, and what a person may do about it.

use super::{experiment::ExperimentPanel, traffic::milliseconds};
use crate::{
    api::{self, seg},
    format,
    live::{Remote, remote},
    pages::parts::When,
    reactive::memo,
    session::may,
    ui::{Button, Card, ConfirmDialog, EmptyState, Look, Meter, Pill, Show, Status, Tone, act, toast},
};
use drydock_wire::{
    accounts::Role,
    events::Topic,
    serving::{
        Analysis, Canary, DeploymentDetail, Release, ReleaseLook, ReleasePage, ReleasePlan, ReleaseShare, RollBack,
    },
};
use leptos::prelude::*;
use std::time::Duration;

/// Counts change without a hint.
const PERIOD: Duration = Duration::from_secs(2);

/// What a person may ask for, with what it means.
#[derive(Clone, Copy, PartialEq)]
enum Order {
    Promote,
    Pause,
    Resume,
    Abort,
    Back,
}

impl Order {
    fn path(self) -> &'static str {
        match self {
            Self::Promote => "release/promote",
            Self::Pause => "release/pause",
            Self::Resume => "release/resume",
            Self::Abort => "release/abort",
            Self::Back => "rollback",
        }
    }

    fn meaning(self) -> (&'static str, &'static str) {
        match self {
            Self::Promote => (
                "Promote the new revision now?",
                "It gets all requests at once. The present one is kept warm for a while.",
            ),
            Self::Pause => (
                "Pause the release?",
                "It stays in its step. If the new revision turns bad, it is taken out all the same.",
            ),
            Self::Resume => ("Go on with the release?", "The steps go on from the present one."),
            Self::Abort => (
                "Take the new revision back?",
                "The live revision gets all requests again; the new one finishes what it has.",
            ),
            Self::Back => (
                "Go back to the revision before?",
                "At once if it is kept warm; else it starts again as a new revision, and takes over when it answers.",
            ),
        }
    }
}

#[component]
pub fn ReleasePanel(deployment: Signal<DeploymentDetail>) -> impl IntoView {
    let name = memo(move || deployment.with(|d| d.summary.name.clone()));
    let path = move || Some(format!("/deployments/{}/release", seg(&name.get())));
    let page = remote::<ReleasePage>(path, &[Topic::Deployments]).every(PERIOD);
    let order = RwSignal::new(Order::Promote);
    let asking = RwSignal::new(false);
    let current = memo(move || page.data.with(|p| p.as_ref().and_then(|p| p.current.clone())));
    view! {
        {move || match current.get() {
            Some(release) => view! { <Current release order asking/> }.into_any(),
            None => view! { <Nothing page order asking/> }.into_any(),
        }}
        <Shares page/>
        <ExperimentPanel name/>
        <History page/>
        <OrderDialog name order asking page/>
    }
}

#[component]
fn Current(release: Release, order: RwSignal<Order>, asking: RwSignal<bool>) -> impl IntoView {
    let ask = move |wanted: Order| {
        order.set(wanted);
        asking.set(true);
    };
    let (paused, running) = (release.paused, release.state != "starting");
    let state = if paused { "paused".to_owned() } else { release.state.clone() };
    let title = format!("Revision {} beside revision {}", release.revision, release.stable);
    let waits = release.waits_for.clone();
    let plan = release.plan.clone();
    view! {
        <Card title=title aside=move || view! { <Pill status=Status::release(&state)/> }>
            {waits.map(|text| view! { <p role="status">{text}</p> })}
            {match plan {
                ReleasePlan::Canary(plan) => view! { <Steps plan=plan.clone() at=release.step running/><Looks plan looks=release.looks.clone()/> }.into_any(),
                _ => view! { <p class="dim">{format!("Try it with the header X-Drydock-Revision: {}; all other requests go to revision {}.", release.revision, release.stable)}</p> }.into_any(),
            }}
            <Show when=move || may(Role::Engineer)>
                <div class="actions">
                    <Button icon="rotate-ccw" on_press=move |_| ask(Order::Abort)>"Take it back"</Button>
                    <Show when=move || running>
                        <Button icon=if paused { "play" } else { "pause" }
                            on_press=move |_| ask(if paused { Order::Resume } else { Order::Pause })>{if paused { "Resume" } else { "Pause" }}</Button>
                        <Button look=Look::Primary icon="rocket" on_press=move |_| ask(Order::Promote)>"Promote"</Button>
                    </Show>
                </div>
            </Show>
        </Card>
    }
}

#[component]
fn Nothing(page: Remote<ReleasePage>, order: RwSignal<Order>, asking: RwSignal<bool>) -> impl IntoView {
    let has_former = move || {
        page.data
            .with(|p| p.as_ref().is_some_and(|p| !p.history.is_empty() || p.shares.iter().any(|s| s.state == "warm")))
    };
    view! {
        <Card title="Release">
            <EmptyState icon="rocket" title="No release goes on" text="Change the version as blue-green or canary, and its steps show here."/>
            <Show when=move || may(Role::Engineer) && has_former()>
                <div class="actions">
                    <Button icon="rotate-ccw" on_press=move |_| { order.set(Order::Back); asking.set(true); }>"Roll back"</Button>
                </div>
            </Show>
        </Card>
    }
}

/// The steps in a row: done, present, to come.
#[component]
fn Steps(plan: Canary, at: u32, running: bool) -> impl IntoView {
    let item = move |(index, (weight, hold)): (usize, (u32, Option<u64>))| {
        let place = index as u32;
        let class = match place.cmp(&at) {
            std::cmp::Ordering::Less => "done",
            std::cmp::Ordering::Equal if running => "now",
            _ => "next",
        };
        let note = hold.map_or("all requests".to_owned(), |s| format!("{s} s at least"));
        view! { <li class=class aria-current=(class == "now").then_some("step")><b>{format!("{weight} %")}</b><small class="dim">{note}</small></li> }
    };
    let steps: Vec<(u32, Option<u64>)> =
        plan.steps.iter().map(|s| (s.weight, Some(s.hold_s))).chain([(100, None)]).collect();
    view! { <ol class="release-steps" aria-label="Steps">{steps.into_iter().enumerate().map(item).collect_view()}</ol> }
}

/// The last look of each step against the limits.
#[component]
fn Looks(plan: Canary, looks: Vec<ReleaseLook>) -> impl IntoView {
    let mut last: Vec<ReleaseLook> = Vec::new();
    for look in looks {
        last.retain(|kept| kept.step != look.step);
        last.push(look);
    }
    let limits = plan.analysis;
    let ms = |value: Option<f64>| value.map_or("–".to_owned(), milliseconds);
    let limit = |value: Option<f64>| value.map_or("no limit".to_owned(), |ms| format!("at most {}", milliseconds(ms)));
    let Analysis { min_requests, min_success_rate, max_p50_ms, max_p95_ms, max_p99_ms, .. } = limits;
    let least = min_success_rate.map_or("no limit".to_owned(), |rate| format!("at least {rate} %"));
    let row = move |look: ReleaseLook| {
        let state = match (look.judged, look.broken.is_empty()) {
            (false, _) => Status::new(Tone::Neutral, "Too few requests"),
            (true, true) => Status::new(Tone::Good, "Within limits"),
            (true, false) => Status::new(Tone::Bad, "Out of limits"),
        };
        let rate = look.success_rate.map_or("–".to_owned(), |rate| format!("{rate:.1} %"));
        view! {
            <tr>
                <td>{format!("Step {}", look.step + 1)}</td>
                <td><Pill status=state/></td>
                <td class="num">{format::number(look.requests)}</td>
                <td class="num">{rate}</td>
                <td class="num">{ms(look.p50_ms)}</td>
                <td class="num">{ms(look.p95_ms)}</td>
                <td class="num">{ms(look.p99_ms)}</td>
            </tr>
        }
    };
    view! {
        <div class="pane" role="region" aria-label="Analysis" tabindex="0">
            <table class="grid" aria-label="Analysis">
                <thead><tr><th scope="col">"Step"</th><th scope="col">"Analysis"</th><th scope="col" class="num">"Requests"</th>
                    <th scope="col" class="num">"Successful"</th><th scope="col" class="num">"p50"</th><th scope="col" class="num">"p95"</th><th scope="col" class="num">"p99"</th></tr></thead>
                <tbody>
                    {last.into_iter().map(row).collect_view()}
                    <tr class="dim"><td>"Limits"</td><td></td><td class="num">{format!("at least {}", format::number(min_requests))}</td><td class="num">{least}</td>
                        <td class="num">{limit(max_p50_ms)}</td><td class="num">{limit(max_p95_ms)}</td><td class="num">{limit(max_p99_ms)}</td></tr>
                </tbody>
            </table>
        </div>
    }
}

/// Who gets how much of the requests, live.
#[component]
fn Shares(page: Remote<ReleasePage>) -> impl IntoView {
    let shares = memo(move || page.data.with(|p| p.as_ref().map(|p| p.shares.clone()).unwrap_or_default()));
    let meter = |share: ReleaseShare| {
        let p95 = share.p95_ms.map_or(String::new(), |ms| format!(", p95 {}", milliseconds(ms)));
        let text = format!(
            "{} % · {} requests, {} failed{p95}",
            share.weight,
            format::number(share.requests),
            format::number(share.failed)
        );
        let label = format!("Revision {} ({})", share.revision, share.state);
        view! { <Meter label share=Signal::stored(f64::from(share.weight) / 100.0) text=Signal::stored(text) calm=true/> }
    };
    view! {
        <Show when=move || shares.with(|s| !s.is_empty())>
            <Card title="Requests go to"><div class="shares">{move || shares.get().into_iter().map(meter).collect_view()}</div></Card>
        </Show>
    }
}

#[component]
fn History(page: Remote<ReleasePage>) -> impl IntoView {
    let list = memo(move || page.data.with(|p| p.as_ref().map(|p| p.history.clone()).unwrap_or_default()));
    let row = |release: Release| {
        view! {
            <tr>
                <td>{format!("{} after {}", release.revision, release.stable)}</td>
                <td><Pill status=Status::release(&release.state)/></td>
                <td>{strategy(&release.plan)}</td>
                <td class="dim">{release.reason}</td>
                <td>{release.began_by}</td>
                <td class="num dim"><When at=Some(release.began_at)/></td>
                <td class="num dim"><When at=release.ended_at/></td>
            </tr>
        }
    };
    view! {
        <Show when=move || list.with(|l| !l.is_empty())>
            <div class="pane" role="region" aria-label="Former releases" tabindex="0">
                <table class="grid" aria-label="Former releases">
                    <thead><tr><th scope="col">"Revision"</th><th scope="col">"End"</th><th scope="col">"Strategy"</th><th scope="col">"Why"</th>
                        <th scope="col">"By"</th><th scope="col" class="num">"Began"</th><th scope="col" class="num">"Ended"</th></tr></thead>
                    <tbody>{move || list.get().into_iter().map(row).collect_view()}</tbody>
                </table>
            </div>
        </Show>
    }
}

fn strategy(plan: &ReleasePlan) -> &'static str {
    match plan {
        ReleasePlan::Rolling => "Switched back",
        ReleasePlan::Recreate => "Recreate",
        ReleasePlan::BlueGreen(_) => "Blue-green",
        ReleasePlan::Canary(_) => "Canary",
        ReleasePlan::Ab(_) => "A/B test",
        ReleasePlan::Shadow(_) => "Shadow",
    }
}

#[component]
fn OrderDialog(
    name: Memo<String>,
    order: RwSignal<Order>,
    asking: RwSignal<bool>,
    page: Remote<ReleasePage>,
) -> impl IntoView {
    let busy = RwSignal::new(false);
    let confirm = move |()| {
        let wanted = order.get_untracked();
        let path = format!("/deployments/{}/{}", seg(&name.get_untracked()), wanted.path());
        let call = async move {
            match wanted {
                Order::Back => api::post::<_, DeploymentDetail>(&path, &RollBack::default()).await.map(drop),
                _ => api::post_empty::<ReleasePage>(&path).await.map(drop),
            }
        };
        act(busy, "That was refused", call, move |()| {
            asking.set(false);
            page.refetch();
            toast(Tone::Good, "Done", "The release shows it.");
        });
    };
    view! {
        <ConfirmDialog open=asking title=Signal::derive(move || order.get().meaning().0.to_owned()) name=Signal::stored(String::new())
            action="Do it" on_confirm=confirm busy=busy>
            <p>{move || order.get().meaning().1}</p>
        </ConfirmDialog>
    }
}
