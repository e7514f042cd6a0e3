//! The queues: how much of the box each used against its weight, by whom, and its rules.

use super::{
    amounts,
    dialogs::{DeleteQueue, pause},
    people::People,
    settings::{Editing, SettingsDialog},
};
use crate::{
    format,
    pages::parts::Listing,
    reactive::memo,
    session::may,
    ui::{Button, Card, Each, Facts, Look, Pill, Show, Status, Tone},
};
use drydock_wire::{
    accounts::Role,
    queues::{Caps, DEFAULT_QUEUE, Queue},
    units,
};
use leptos::prelude::*;

#[component]
pub fn Queues(list: Signal<Listing<Queue>>) -> impl IntoView {
    let editing = RwSignal::new(None::<Editing>);
    let deleting = RwSignal::new(None::<String>);
    let names = memo(move || list.with(|l| l.items().iter().map(|q| q.name.clone()).collect::<Vec<_>>()));
    view! {
        <div class="row wraps">
            <p class="dim">"A bar is a queue's part of what was used, now and lately; half of what was used fades in a day. The mark is its part by weight: what it gets while every queue has jobs."</p>
            <span class="push"></span>
            <Show when=move || may(Role::Admin)>
                <Button icon="plus" on_press=move |_| editing.set(Some(Editing::new_queue()))>"New queue"</Button>
            </Show>
        </div>
        <div class="queues">
            <Each keys=names let:name>{card(name, list, editing, deleting)}</Each>
        </div>
        <SettingsDialog editing/>
        <DeleteQueue deleting/>
    }
}

/// A part of a whole with a mark where it would be by weight; the same in words.
#[component]
pub fn Part(label: String, part: f64, due: f64) -> impl IntoView {
    let text = format!("{:.0} %", part * 100.0);
    let spoken = format!("{:.0} % used, {:.0} % by weight", part * 100.0, due * 100.0);
    let width = |share: f64| format!("{:.1}%", share.clamp(0.0, 1.0) * 100.0);
    view! {
        <span class="part" title=spoken.clone()>
            <span class="bar" role="meter" aria-label=label aria-valuemin="0" aria-valuemax="100" aria-valuenow=format!("{:.0}", part * 100.0) aria-valuetext=spoken.clone()>
                <i style:width=width(part)></i></span>
            <span class="due" aria-hidden="true" style:left=width(due)></span>
        </span>
        <span class="part-text tabular">{text}</span>
    }
}

fn card(
    name: String,
    list: Signal<Listing<Queue>>,
    editing: RwSignal<Option<Editing>>,
    deleting: RwSignal<Option<String>>,
) -> impl IntoView {
    let find = move || list.with(|l| l.items().iter().find(|q| q.name == name).cloned());
    let Some(first) = untrack(&find) else { return ().into_any() };
    let queue = Memo::new(move |old: Option<&Queue>| find().or_else(|| old.cloned()).unwrap_or_else(|| first.clone()));
    let name = queue.with_untracked(|q| q.name.clone());
    let parts = memo(move || {
        let (shares, weights) = list.with(|l| {
            l.items().iter().fold((0.0, 0.0), |sum, q| (sum.0 + q.share, sum.1 + f64::from(q.settings.weight)))
        });
        queue.with(|q| {
            let part = if shares > 0.0 { q.share / shares } else { 0.0 };
            (part, f64::from(q.settings.weight) / f64::max(weights, 1.0))
        })
    });
    let shown = name.clone();
    let bar = move || {
        let (part, due) = parts.get();
        view! { <Part label=format!("Part of the queue {shown}") part due/> }
    };
    let counts = move || {
        queue.with(|q| {
            format!(
                "{} running, {} waiting · uses {}",
                format::number(q.running),
                format::number(q.waiting),
                amounts::used(&q.using)
            )
        })
    };
    view! {
        <Card class="queue">
            <div class="card-head wraps">
                <h2>{name.clone()}</h2>
                <Show when=move || queue.with(|q| q.settings.paused)><Pill status=Status::new(Tone::Warn, "Paused")/></Show>
                <span class="dim">{counts}</span>
                <span class="push"></span>
                <Actions queue editing deleting/>
            </div>
            <div class="queue-part">{bar}<span class="dim">{move || {
                let weight = queue.with(|q| q.settings.weight);
                format!("weight {}: {:.0} % while all have jobs", format::number(u64::from(weight)), parts.get().1 * 100.0)
            }}</span></div>
            <Rules queue/>
            <People queue/>
        </Card>
    }
    .into_any()
}

#[component]
fn Actions(
    queue: Memo<Queue>,
    editing: RwSignal<Option<Editing>>,
    deleting: RwSignal<Option<String>>,
) -> impl IntoView {
    let busy = RwSignal::new(false);
    let paused = memo(move || queue.with(|q| q.settings.paused));
    let name = move || queue.with_untracked(|q| q.name.clone());
    let stays = Signal::derive(move || {
        queue.with(|q| match q.name.as_str() {
            DEFAULT_QUEUE => Some("Jobs that name no queue go there: it stays.".to_owned()),
            _ if q.waiting + q.running > 0 => Some("Jobs are in it. Move or cancel them first.".to_owned()),
            _ => None,
        })
    });
    view! {
        <Show when=move || may(Role::Admin)>
            <Show when=move || paused.get() fallback=move || view! {
                <Button small=true icon="pause" busy on_press=move |_| pause(name(), true, busy)>"Pause"</Button>
            }>
                <Button small=true icon="play" busy on_press=move |_| pause(name(), false, busy)>"Resume"</Button>
            </Show>
            <Button small=true icon="sliders-horizontal" on_press=move |_| editing.set(Some(Editing::of(&queue.get_untracked())))>"Settings"</Button>
            <Button small=true look=Look::Danger icon="trash-2" why_not=stays on_press=move |_| deleting.set(Some(name()))>"Delete"</Button>
        </Show>
    }
}

/// The queue's rules in words.
#[component]
fn Rules(queue: Memo<Queue>) -> impl IntoView {
    let rules = memo(move || queue.with(|q| q.settings.clone()));
    move || {
        let it = rules.get();
        let all = |caps: &Caps| amounts::capped(caps).unwrap_or_else(|| "no cap".to_owned());
        view! {
            <Facts>
                <dt>"At once, together"</dt><dd>{all(&it.caps)}</dd>
                <dt>"At once, each person"</dt><dd>{all(&it.person_caps)}</dd>
                <dt>"Time limit of a job that names none"</dt><dd>{units::seconds(it.longest_s)}</dd>
                <dt>"A person waits at most for a turn"</dt><dd>{units::seconds(it.patience_s)}</dd>
                <dt>"Highest priority"</dt><dd>{it.highest_priority}</dd>
                {it.preempts.then(|| view! { <dt>"Preempts"</dt><dd>"may stop resumable jobs that have less claim"</dd> })}
            </Facts>
        }
    }
}
