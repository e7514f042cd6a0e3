//! How a new revision takes over: steps, shares of the requests, what the analysis sees, and what a person may do about it.

use super::{
    analysis::{Looks, Steps},
    experiment::ExperimentPanel,
    flow::Flow,
};
use crate::{
    api::{self, seg},
    live::{Remote, remote},
    pages::parts::When,
    reactive::memo,
    session::may,
    ui::{Button, Card, ConfirmDialog, EmptyState, Look, Pill, Show, Status, TimeAgo, Tone, act, toast},
};
use drydock_wire::{
    accounts::Role,
    events::Topic,
    serving::{DeploymentDetail, Release, ReleaseEvent, ReleasePage, ReleasePlan, RollBack},
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

    /// The words of the button that does it.
    fn action(self) -> &'static str {
        match self {
            Self::Promote => "Promote now",
            Self::Pause => "Pause it",
            Self::Resume => "Go on",
            Self::Abort => "Take it back now",
            Self::Back => "Go back",
        }
    }

    /// Taking something from callers again is marked; the rest is as usual.
    fn look(self) -> Look {
        match self {
            Self::Abort | Self::Back => Look::DangerSolid,
            Self::Promote | Self::Pause | Self::Resume => Look::Primary,
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
        <Flow page/>
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
            {match &plan {
                ReleasePlan::Canary(plan) => view! { <Steps plan=plan.clone() at=release.step since=release.step_began_at running/> }.into_any(),
                ReleasePlan::Shadow(plan) => view! { <p class="dim">{format!("Revision {} gets copies of {} % of the requests; callers see only what revision {} answers.", release.revision, plan.percent, release.stable)}</p> }.into_any(),
                ReleasePlan::Ab(plan) => view! { <p class="dim">{format!("Revision {} answers {} % of the callers; all others stay with revision {}.", release.revision, plan.weight, release.stable)}</p> }.into_any(),
                _ => view! { <p class="dim">{format!("Try it with the header X-Drydock-Revision: {}; all other requests go to revision {}.", release.revision, release.stable)}</p> }.into_any(),
            }}
            {plan.analysis().map(|limits| view! { <Looks limits=limits.clone() looks=release.looks.clone() at=release.step/> })}
            <Events events=release.events.clone()/>
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

/// What happened in this release, newest first.
#[component]
fn Events(events: Vec<ReleaseEvent>) -> impl IntoView {
    let line = |event: ReleaseEvent| {
        let by = event.by.unwrap_or_else(|| "Drydock".to_owned());
        view! { <li><span class="dim"><TimeAgo at=event.at/></span><span>{event.what}</span><span class="dim">{by}</span></li> }
    };
    let lines: Vec<_> = events.into_iter().rev().map(line).collect();
    (!lines.is_empty()).then(|| view! { <h3 class="label">"What happened"</h3><ol class="release-events" aria-label="What happened, newest first">{lines}</ol> })
}

#[component]
fn Nothing(page: Remote<ReleasePage>, order: RwSignal<Order>, asking: RwSignal<bool>) -> impl IntoView {
    let has_former = move || {
        page.data
            .with(|p| p.as_ref().is_some_and(|p| !p.history.is_empty() || p.shares.iter().any(|s| s.state == "warm")))
    };
    view! {
        <Card title="Release">
            <EmptyState icon="rocket" title="No release goes on" text="Press Change version and choose how the new one takes over: a canary's steps, an A/B test or a shadow show here as they happen."/>
            <Show when=move || may(Role::Engineer) && has_former()>
                <div class="actions">
                    <Button icon="rotate-ccw" on_press=move |_| { order.set(Order::Back); asking.set(true); }>"Roll back"</Button>
                </div>
            </Show>
        </Card>
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
                <td class="dim reason">{release.reason}</td>
                <td>{release.began_by}</td>
                <td class="num dim"><When at=Some(release.began_at)/></td>
                <td class="num dim"><When at=release.ended_at/></td>
            </tr>
        }
    };
    view! {
        <Show when=move || list.with(|l| !l.is_empty())>
            <Card title="Former releases" class="flush"><div class="scroll-x" role="region" aria-label="Former releases" tabindex="0">
                <table class="grid" aria-label="Former releases">
                    <thead><tr><th scope="col">"Revision"</th><th scope="col">"End"</th><th scope="col">"Strategy"</th><th scope="col">"Why"</th>
                        <th scope="col">"By"</th><th scope="col" class="num">"Began"</th><th scope="col" class="num">"Ended"</th></tr></thead>
                    <tbody>{move || list.get().into_iter().map(row).collect_view()}</tbody>
                </table>
            </div></Card>
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
            action=Signal::derive(move || order.get().action()) look=Signal::derive(move || order.get().look()) on_confirm=confirm busy=busy>
            <p>{move || order.get().meaning().1}</p>
        </ConfirmDialog>
    }
}
