//! Another queue or priority for a job that waits.

use crate::{
    api::{self, ApiError, seg},
    live::{hint, remote},
    pages::parts::Listing,
    reactive::effect,
    ui::{Button, Dialog, Field, Look, SelectField, Show, Tone, act, toast},
};
use drydock_wire::{
    events::Topic,
    jobs::{JobDetail, JobState},
    queues::{Queue, SetPriority, SetQueue},
};
use leptos::prelude::*;

#[component]
pub fn PlaceButton(job: Signal<JobDetail>) -> impl IntoView {
    let open = RwSignal::new(false);
    let waits = move || job.with(|j| j.summary.state == JobState::Queued);
    view! {
        <Show when=waits><Button icon="sliders-horizontal" on_press=move |_| open.set(true)>"Queue and priority"</Button></Show>
        <Dialog open title="Queue and priority"><Place job open/></Dialog>
    }
}

fn check(text: &str) -> Result<(), &'static str> {
    text.trim().parse::<i32>().map(drop).map_err(|_| "A whole number; 0 is usual.")
}

#[component]
fn Place(job: Signal<JobDetail>, open: RwSignal<bool>) -> impl IntoView {
    let start = job.with_untracked(|j| j.summary.clone());
    let (queue, priority) = (RwSignal::new(start.queue.clone()), RwSignal::new(start.priority.to_string()));
    let (busy, tried) = (RwSignal::new(false), RwSignal::new(false));
    let queues = remote::<Listing<Queue>>(|| Some("/queues".to_owned()), &[Topic::Queue]);
    let options = RwSignal::new(vec![(start.queue.clone(), start.queue.clone())]);
    effect(move || {
        if let Some(names) =
            queues.data.with(|l| l.as_ref().map(|l| l.items().iter().map(|q| q.name.clone()).collect::<Vec<_>>()))
        {
            options.set(names.into_iter().map(|n| (n.clone(), n)).collect());
        }
    });
    let submit = move |e: leptos::ev::SubmitEvent| {
        e.prevent_default();
        tried.set(true);
        let Ok(wanted) = priority.get_untracked().trim().parse::<i32>() else { return };
        let (to, before) = (queue.get_untracked(), start.clone());
        let call = async move {
            moved(&before.id, (to != before.queue).then_some(to), (wanted != before.priority).then_some(wanted)).await
        };
        act(busy, "The job keeps its place", call, move |()| {
            open.set(false);
            hint(Topic::Jobs);
            toast(Tone::Good, "The job has its new place", "The queue decides again at once.");
        });
    };
    view! {
        <form novalidate on:submit=submit>
            <SelectField id="place-queue" label="Queue" value=queue options hint="Its turn is counted by the person's share there."/>
            <Field id="place-priority" label="Priority" value=priority check=check tried=tried
                hint="The higher, the sooner among the jobs of its queue; the queue names its highest."/>
            <div class="actions">
                <Button on_press=move |_| open.set(false)>"Cancel"</Button>
                <Button look=Look::Primary submit=true busy=busy>"Save"</Button>
            </div>
        </form>
    }
}

/// The queue first: the priority has to fit it.
async fn moved(id: &str, queue: Option<String>, priority: Option<i32>) -> Result<(), ApiError> {
    if let Some(queue) = queue {
        api::post::<_, JobDetail>(&format!("/jobs/{}/queue", seg(id)), &SetQueue { queue }).await?;
    }
    if let Some(priority) = priority {
        api::post::<_, JobDetail>(&format!("/jobs/{}/priority", seg(id)), &SetPriority { priority }).await?;
    }
    Ok(())
}
