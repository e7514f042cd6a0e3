//! All jobs, newest first.

use crate::{
    api::seg,
    app::app,
    format,
    live::remote,
    pages::parts::{Listing, PAGE_SIZE, counted, describe, query, short_id},
    reactive::memo,
    session::may,
    ui::{
        Button, Chips, Column, EmptyState, Icon, LinkButton, Loaded, Look, PageHead, Pager, Pill, SearchBox, Show,
        Table, TimeAgo, Tone,
        list::Chip,
        url::{Param, param},
    },
};
use drydock_wire::{
    accounts::Role,
    events::Topic,
    jobs::{JobState, JobSummary},
    queues::Queue,
};
use leptos::prelude::*;

#[component]
pub fn JobsPage() -> impl IntoView {
    let (search, state, page) = (param("search", ""), param("state", ""), param("page", ""));
    let (queue, sweep) = (param("queue", ""), param("sweep", ""));
    let path = move |state: &str, page: String, limit: u64| {
        let pairs = [
            ("state", state.to_owned()),
            ("search", search.get()),
            ("queue", queue.get()),
            ("sweep", sweep.get()),
            ("page", page),
            ("limit", limit.to_string()),
        ];
        query("/jobs", &pairs)
    };
    // why a job waits is known anew after each decision about the queue
    let jobs = remote::<Listing<JobSummary>>(
        move || Some(path(&state.get(), page.get(), PAGE_SIZE)),
        &[Topic::Jobs, Topic::Queue],
    );
    let chips = counted(chips(), Topic::Jobs, move |state| path(state, String::new(), 1));
    let filters = [search, state, queue, sweep, page];
    view! {
        <section class="page">
            <PageHead title="Jobs" sub=|| "Training containers: what waits, what runs, how it ended.">
                <LinkButton href="/sweeps" icon="sliders-horizontal">"Sweeps"</LinkButton>
                <LinkButton href="/pipelines" icon="workflow">"Pipelines"</LinkButton>{submit}
            </PageHead>
            <div class="toolbar">
                <SearchBox param=search label="Search jobs" resets=page/>
                <QueuePick queue page/>
                <Chips param=state label="State" chips resets=page/>
                <Show when=move || !sweep.is("")>
                    <button type="button" class="chip" on:click=move |_| { page.clear(); sweep.clear() }><Icon name="x"/>"Only of one sweep"</button>
                </Show>
            </div>
            <Loaded remote=jobs lines=12 let:list>
                {
                    let rows = Signal::derive(move || list.with(|l| l.items().to_vec()));
                    view! {
                        <Show when=move || rows.with(|r| !r.is_empty()) fallback=move || nothing(filters)>
                            <Table id="jobs" label="Jobs" rows columns=Signal::derive(columns) key=|j| j.id.clone()
                                href=|j| format!("/jobs/{}", seg(&j.id))/>
                            <Pager param=page total=Signal::derive(move || list.with(Listing::total)) noun="job"
                                shown=Signal::derive(move || rows.with(Vec::len)) next=Signal::derive(move || list.with(Listing::next))/>
                        </Show>
                    }
                }
            </Loaded>
        </section>
    }
}

fn submit() -> impl IntoView {
    may(Role::Engineer)
        .then(|| view! { <LinkButton href="/jobs/new" look=Look::Primary icon="play">"Submit a job"</LinkButton> })
}

/// What stands there instead of rows.
fn nothing(filters: [Param; 5]) -> AnyView {
    if filters.iter().any(|p| !p.is("")) {
        let clear = move |_| filters.iter().for_each(|p| p.clear());
        return view! {
            <EmptyState icon="filter" title="No job matches" text="Clear the filters, or search for something else.">
                <Button on_press=clear>"Clear filters"</Button>
            </EmptyState>
        }
        .into_any();
    }
    view! {
        <EmptyState icon="container" title="No jobs yet" text="A job runs your code in a container of its own, with the data, cores and memory you give it. What it logs with mlflow becomes a run.">
            {submit}
        </EmptyState>
    }
    .into_any()
}

/// One queue's jobs; nothing to choose while there is one queue.
#[component]
fn QueuePick(queue: Param, page: Param) -> impl IntoView {
    let queues = remote::<Listing<Queue>>(|| Some("/queues".to_owned()), &[Topic::Queue]);
    let names = memo(move || {
        queues
            .data
            .with(|l| l.as_ref().map(|l| l.items().iter().map(|q| q.name.clone()).collect::<Vec<_>>()))
            .unwrap_or_default()
    });
    let choose = move |name: String| {
        page.clear();
        queue.set(&name);
    };
    view! {
        <Show when=move || names.with(|n| n.len() > 1) || !queue.is("")>
            <label class="pick"><span class="sr">"Queue"</span>
                <select prop:value=move || { names.track(); queue.get() } on:change:target=move |e| choose(e.target().value())>
                    <option value="">"All queues"</option>
                    {move || names.get().into_iter().map(|n| view! { <option value=n.clone() selected=queue.is(&n)>"Queue "{n.clone()}</option> }).collect_view()}
                </select>
            </label>
        </Show>
    }
}

fn chips() -> Vec<Chip> {
    let chip = |value, label, tone| Chip { value, label, tone, count: None };
    vec![
        chip("", "All", None),
        chip("queued,starting", "Waiting", Some(Tone::Warn)),
        chip("running,cancelling", "Running", Some(Tone::Info)),
        chip("succeeded", "Succeeded", Some(Tone::Good)),
        chip("failed,lost", "Failed", Some(Tone::Bad)),
        chip("cancelled", "Cancelled", Some(Tone::Neutral)),
    ]
}

fn columns() -> Vec<Column<JobSummary>> {
    vec![
        Column::<JobSummary>::new("name", "Job", |j| {
            let href = format!("/jobs/{}", seg(&j.id));
            view! { <a class="row-link name" href=href>{j.name.clone()}</a> " " <code class="dim">{short_id(&j.id)}</code> }.into_any()
        })
        .fixed(),
        Column::<JobSummary>::new("state", "State", |j| view! { <Pill status=j.state/> }.into_any()),
        Column::<JobSummary>::new("reason", "Why", |j| {
            let text = j.reason.clone().unwrap_or_default();
            view! { <span class="dim" title=text.clone()>{text.clone()}</span> }.into_any()
        })
        .wide_only(),
        Column::<JobSummary>::new("queue", "Queue", |j| {
            let sweep = j.sweep_id.clone().map(|id| view! { " "<a class="tag" href=format!("/sweeps/{}", seg(&id))>"sweep"</a> });
            let priority = (j.priority != 0).then(|| view! { " "<span class="tag" title="Priority">{format!("{:+}", j.priority)}</span> });
            view! { <span class="dim">{j.queue.clone()}</span>{priority}{sweep} }.into_any()
        })
        .wide_only(),
        Column::<JobSummary>::new("resources", "Resources", |j| view! { <span class="dim">{describe(&j.resources)}</span> }.into_any()).wide_only(),
        Column::<JobSummary>::new("by", "By", |j| j.submitted_by.clone().into_any()).wide_only(),
        Column::<JobSummary>::new("duration", "Duration", |j| view! { <span class="mono">{duration(j)}</span> }.into_any()).right(),
        Column::<JobSummary>::new("submitted", "Submitted", |j| view! { <span class="dim"><TimeAgo at=j.submitted_at/></span> }.into_any()).right(),
    ]
}

/// How long the job ran, or runs so far.
pub fn duration(job: &JobSummary) -> String {
    let Some(start) = job.started_at else {
        return if job.state == JobState::Queued { "waiting".to_owned() } else { "–".to_owned() };
    };
    let end = job.ended_at.unwrap_or_else(|| app().now.get());
    format::duration((end - start).max(0) as u64)
}
