//! The priority of a waiting job, with its buttons: `+` and `-` do the same on the job's row.

use crate::{
    api::{self, seg},
    live,
    place::shown,
    session::{may, use_me},
    ui::{
        Icon,
        toast::{toast_error, toast_undo},
    },
};
use drydock_wire::{
    accounts::Role,
    events::Topic,
    jobs::JobDetail,
    queues::{Queue, QueuedJob, SetPriority, SetQueue},
};
use leptos::{prelude::*, task::spawn_local};
use std::time::Duration;

/// The lowest that a person sets here; below all usual ones.
pub const LOWEST: i32 = -10;

/// What was changed last, read out by screen readers.
pub type Said = RwSignal<String>;

/// A row follows its priority within this time; whoever looks elsewhere later keeps the focus where it is.
const FOLLOWS: Duration = Duration::from_secs(4);

/// Notes what was pressed, by its id.
pub fn note_pressed(pressed: RwSignal<String>, id: String) {
    pressed.set(id.clone());
    let forget = move || {
        if pressed.try_with_untracked(|now| *now == id) == Some(true) {
            pressed.set(String::new());
        }
    };
    set_timeout(forget, FOLLOWS);
}

/// Whether the person may change where this job stands.
pub fn may_move(job: &QueuedJob) -> bool {
    may(Role::Admin) || (may(Role::Engineer) && use_me().is_some_and(|me| me.username == job.submitted_by))
}

/// The highest priority of the job's queue.
pub fn highest(queues: Signal<Vec<Queue>>, queue: &str) -> i32 {
    queues.with(|all| all.iter().find(|q| q.name == queue).map_or(10, |q| q.settings.highest_priority))
}

/// Raises or lowers it by `step`, within what the queue allows.
pub fn change(job: &QueuedJob, step: i32, highest: i32, said: Said) {
    let priority = (job.priority + step).clamp(LOWEST.min(job.priority), highest.max(job.priority));
    if priority == job.priority {
        return said.set(format!(
            "{} has the {} priority of its queue.",
            job.name,
            if step > 0 { "highest" } else { "lowest" }
        ));
    }
    send(job.id.clone(), job.name.clone(), priority, said, None);
}

/// Sets it where the job was put down by hand, with a way back beside what was done.
pub fn set(job: &QueuedJob, priority: i32, said: Said) {
    send(job.id.clone(), job.name.clone(), priority, said, Some(job.priority));
}

/// `before`: what undoing sets again; absent: it is not offered.
fn send(id: String, name: String, priority: i32, said: Said, before: Option<i32>) {
    let to = format!("/jobs/{}/priority", seg(&id));
    spawn_local(async move {
        match api::post::<_, JobDetail>(&to, &SetPriority { priority }).await {
            Ok(_) => {
                let words = format!("The priority of {name} is {}.", shown(priority));
                if let Some(before) = before {
                    let undo = move || send(id.clone(), name.clone(), before, said, None);
                    toast_undo("Moved", &words, undo);
                }
                let _ = said.try_set(words);
            }
            Err(error) => toast_error("The priority was not changed", &error),
        }
        // in both cases: the list shows what is true
        live::hint(Topic::Queue);
    });
}

/// Puts the job into another queue.
pub fn put_into(job: &QueuedJob, queue: String, said: Said) {
    let (to, name) = (format!("/jobs/{}/queue", seg(&job.id)), job.name.clone());
    spawn_local(async move {
        match api::post::<_, JobDetail>(&to, &SetQueue { queue: queue.clone() }).await {
            Ok(_) => {
                let _ = said.try_set(format!("{name} waits in the queue {queue}."));
                live::hint(Topic::Queue);
            }
            Err(error) => {
                toast_error("The job was not moved", &error);
                // the choice goes back to what is true
                live::hint(Topic::Queue);
            }
        }
    });
}

/// The number between its buttons; for who may not change it, the number.
#[component]
pub fn Priority(
    job: Memo<QueuedJob>,
    queues: Signal<Vec<Queue>>,
    said: Said,
    /// The button that was pressed last, so that the focus stays on it when its row moves.
    pressed: RwSignal<String>,
) -> impl IntoView {
    let top = move || highest(queues, &job.with(|j| j.queue.clone()));
    let button = move |step: i32| {
        let (icon, verb, side) = if step > 0 { ("plus", "Raise", "up") } else { ("minus", "Lower", "down") };
        let id = move || format!("priority-{side}-{}", job.with(|j| j.id.clone()));
        let ends = move || job.with(|j| if step > 0 { j.priority >= top() } else { j.priority <= LOWEST });
        let title = move || match (ends(), step > 0) {
            (true, true) => format!("{} is the highest priority of its queue", top()),
            (true, false) => "It is the lowest priority".to_owned(),
            (false, _) => format!("{verb} the priority ({})", if step > 0 { "+" } else { "−" }),
        };
        let press = move |_| {
            note_pressed(pressed, untrack(id));
            change(&job.get_untracked(), step, untrack(top), said);
        };
        view! {
            <button type="button" class="icon-btn" id=id title=title aria-disabled=move || ends().then_some("true")
                aria-label=move || format!("{verb} the priority of {}", job.with(|j| j.name.clone())) on:click=press><Icon name=icon/></button>
        }
    };
    let allowed = untrack(|| job.with(may_move));
    view! {
        <span class="priority">
            {allowed.then(|| button(-1))}
            <b class="tabular">{move || job.with(|j| shown(j.priority))}</b>
            {allowed.then(|| button(1))}
        </span>
    }
}
