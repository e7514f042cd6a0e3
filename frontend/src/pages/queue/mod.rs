//! The queue: what waits, in which order and why; and the queues with who uses how much of the box.

mod amounts;
mod caps;
mod dialogs;
mod head;
mod moving;
mod order;
mod people;
mod priority;
mod queues;
mod settings;

use crate::{
    format,
    live::{Remote, remote},
    pages::parts::{Listing, PAGE_SIZE, query},
    ui::{LinkButton, Loaded, Look, PageHead, Tabs, url::param},
};
use drydock_wire::{
    accounts::Role,
    events::Topic,
    queues::{Queue, QueueOrder},
};
use leptos::prelude::*;
use std::time::Duration;

/// Reasons tell amounts that are free now, which change without a hint.
const PERIOD: Duration = Duration::from_secs(5);

#[component]
pub fn QueuePage() -> impl IntoView {
    let tab = param("tab", "order");
    let (queue, page) = (param("queue", ""), param("page", ""));
    let path = move || {
        let pairs = [("queue", queue.get()), ("page", page.get()), ("limit", PAGE_SIZE.to_string())];
        Some(query("/queue", &pairs))
    };
    let order = remote::<QueueOrder>(path, &[Topic::Queue, Topic::Jobs]).every(PERIOD);
    let queues =
        remote::<Listing<Queue>>(|| Some("/queues?limit=200".to_owned()), &[Topic::Queue, Topic::Jobs]).every(PERIOD);
    let sub = move || {
        let count =
            |of: fn(&Queue) -> u64| queues.data.with(|l| l.as_ref().map(|l| l.items().iter().map(of).sum::<u64>()));
        let (waiting, running) = (count(|q| q.waiting)?, count(|q| q.running)?);
        Some(format!("{} waiting, {} running", format::plural(waiting, "job"), format::number(running)))
    };
    let submit = || {
        crate::session::may(Role::Engineer)
            .then(|| view! { <LinkButton href="/jobs/new" look=Look::Primary icon="play">"Submit a job"</LinkButton> })
    };
    let tabs = vec![("order", "What waits".to_owned()), ("queues", "Queues and people".to_owned())];
    view! {
        <section class="page">
            <PageHead title="Queue" sub>{submit}</PageHead>
            <Tabs param=tab label="Parts of the queue" tabs/>
            <div role="tabpanel" class="panel">
                {move || match tab.get().as_str() {
                    "queues" => view! { <Loaded remote=queues lines=8 let:list><queues::Queues list/></Loaded> }.into_any(),
                    _ => view! { <Loaded remote=order lines=10 let:order><order::Order order queues=known(queues) queue page/></Loaded> }.into_any(),
                }}
            </div>
        </section>
    }
}

/// The queues as far as they came.
fn known(queues: Remote<Listing<Queue>>) -> Signal<Vec<Queue>> {
    Signal::derive(move || queues.data.with(|l| l.as_ref().map(|l| l.items().to_vec()).unwrap_or_default()))
}
