//! The priority of a waiting job, with its buttons: `+` and `-` do the same on the job's row.

use crate::{
    api::{self, seg},
    asked::Asked,
    live,
    place::shown,
    reactive::{effect, memo},
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
    queues::{Queue, QueueOrder, QueuedJob, SetPriority, SetQueue},
};
use leptos::{prelude::*, task::spawn_local};
use std::time::Duration;

/// The lowest that a person sets here; below all usual ones.
pub const LOWEST: i32 = -10;

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

/// Changes of what waits: what was asked and is not in the list yet, and what was done last.
#[derive(Clone, Copy)]
pub struct Changes {
    asked: RwSignal<Asked>,
    /// Read out by screen readers.
    pub said: RwSignal<String>,
}

impl Changes {
    pub fn of(order: Signal<QueueOrder>) -> Self {
        let it = Self { asked: RwSignal::new(Asked::default()), said: RwSignal::new(String::new()) };
        effect(move || {
            let listed = order.with(|o| {
                o.jobs.items.iter().map(|job| (job.id.clone(), job.priority)).collect::<Vec<(String, i32)>>()
            });
            if it.asked.with_untracked(|asked| asked.is_behind(&listed)) {
                it.asked.update(|asked| asked.see(&listed));
            }
        });
        it
    }

    /// The job's priority as it is or is going to be.
    pub fn priority(self, job: &QueuedJob) -> i32 {
        self.asked.with(|asked| asked.of(&job.id, job.priority))
    }

    /// Raises or lowers it by `step`, within what the queue allows.
    pub fn step(self, job: &QueuedJob, step: i32, highest: i32) {
        let now = untrack(|| self.priority(job));
        let priority = (now + step).clamp(LOWEST.min(now), highest.max(now));
        if priority == now {
            let end = if step > 0 { "highest" } else { "lowest" };
            return self.said.set(format!("{} has the {end} priority of its queue.", job.name));
        }
        self.ask(job.id.clone(), job.name.clone(), priority, None);
    }

    /// Sets it where the job was put down by hand, with a way back beside what was done.
    pub fn set(self, job: &QueuedJob, priority: i32) {
        let before = untrack(|| self.priority(job));
        self.ask(job.id.clone(), job.name.clone(), priority, Some(before));
    }

    /// `before`: what undoing asks for; absent: it is not offered.
    fn ask(self, id: String, name: String, priority: i32, before: Option<i32>) {
        // an undo may be pressed when the page is left already, and all of this is gone
        let is_free = self.asked.try_update(|asked| asked.ask(&id, priority, before)).unwrap_or(true);
        if is_free {
            spawn_local(self.send(id, name, priority));
        }
    }

    /// Sends it, and what was asked for the job meanwhile.
    async fn send(self, id: String, name: String, first: i32) {
        let to = format!("/jobs/{}/priority", seg(&id));
        let mut next = Some(first);
        while let Some(priority) = next {
            if let Err(error) = api::post::<_, JobDetail>(&to, &SetPriority { priority }).await {
                toast_error("The priority was not changed", &error);
                self.asked.try_update(|asked| asked.forget(&id));
                break;
            }
            next = self.asked.try_update(|asked| asked.answered(&id)).flatten();
            if next.is_none() {
                self.done(&id, name.clone(), priority);
            }
        }
        // in both cases: the list shows what is true
        live::hint(Topic::Queue);
    }

    fn done(self, id: &str, name: String, priority: i32) {
        let (words, id) = (format!("The priority of {name} is {}.", shown(priority)), id.to_owned());
        if let Some(before) = self.asked.try_with_untracked(|asked| asked.way_back(&id)).flatten() {
            let id = id.clone();
            let undo = move || self.ask(id.clone(), name.clone(), before, None);
            toast_undo("Moved", &words, undo);
        }
        let _ = self.said.try_set(words);
        // somebody else may have set another meanwhile, which the list shows and this would hide
        let forget = move || {
            if self.asked.try_with_untracked(|asked| asked.is_settled(&id)) == Some(true) {
                self.asked.update(|asked| asked.forget(&id));
            }
        };
        set_timeout(forget, FOLLOWS);
    }
}

/// Puts the job into another queue.
pub fn put_into(job: &QueuedJob, queue: String, changes: Changes) {
    let (to, name) = (format!("/jobs/{}/queue", seg(&job.id)), job.name.clone());
    spawn_local(async move {
        match api::post::<_, JobDetail>(&to, &SetQueue { queue: queue.clone() }).await {
            Ok(_) => {
                let _ = changes.said.try_set(format!("{name} waits in the queue {queue}."));
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
    changes: Changes,
    /// The button that was pressed last, so that the focus stays on it when its row moves.
    pressed: RwSignal<String>,
) -> impl IntoView {
    let top = move || highest(queues, &job.with(|j| j.queue.clone()));
    let now = memo(move || job.with(|j| changes.priority(j)));
    let button = move |step: i32| {
        let (icon, verb, side) = if step > 0 { ("plus", "Raise", "up") } else { ("minus", "Lower", "down") };
        let id = move || format!("priority-{side}-{}", job.with(|j| j.id.clone()));
        let ends = move || if step > 0 { now.get() >= top() } else { now.get() <= LOWEST };
        let title = move || match (ends(), step > 0) {
            (true, true) => format!("{} is the highest priority of its queue", top()),
            (true, false) => "It is the lowest priority".to_owned(),
            (false, _) => format!("{verb} the priority ({})", if step > 0 { "+" } else { "−" }),
        };
        let press = move |_| {
            note_pressed(pressed, untrack(id));
            changes.step(&job.get_untracked(), step, untrack(top));
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
            <b class="tabular">{move || shown(now.get())}</b>
            {allowed.then(|| button(1))}
        </span>
    }
}
