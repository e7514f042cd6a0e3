//! What waits, in the order in which it is looked at when something is free, each with its reason.

use super::{
    amounts::BoxMeters,
    head::{Head, clock},
    moving::{Board, Carrying, Handle},
    priority::{Changes, Priority, highest, may_move, note_pressed, put_into},
};
use crate::{
    api::seg,
    app::ago,
    format,
    pages::parts::describe,
    reactive::{effect, memo},
    ui::{Button, Each, EmptyState, Icon, Pager, Show, TimeAgo, url::Param},
};
use drydock_wire::queues::{Queue, QueueOrder, QueuedJob};
use leptos::{ev, prelude::*};
use wasm_bindgen::JsCast;

#[component]
pub fn Order(order: Signal<QueueOrder>, queues: Signal<Vec<Queue>>, queue: Param, page: Param) -> impl IntoView {
    let (changes, pressed) = (Changes::of(order), RwSignal::new(String::new()));
    let keys = move || order.with(|o| o.jobs.items.iter().map(|job| job.id.clone()).collect::<Vec<_>>());
    let count = memo(move || order.with(|o| o.jobs.items.len()));
    keep_focus(order, pressed);
    let board = Board::new(order, queues, changes, pressed);
    let undecided = move || order.with(|o| o.decided_at.is_none() && !o.jobs.items.is_empty());
    let paused = move || {
        let names = queues.with(|all| {
            all.iter().filter(|q| q.settings.paused && q.waiting > 0).map(|q| q.name.clone()).collect::<Vec<_>>()
        });
        (!names.is_empty()).then(|| names.join(", "))
    };
    view! {
        <BoxMeters total=Signal::derive(move || order.with(|o| o.total)) using=Signal::derive(move || order.with(|o| o.using))/>
        <Head order/>
        <Show when=undecided><p class="callout info" role="status"><Icon name="info"/><span>"Nothing was decided since the server started; the order follows in a moment."</span></p></Show>
        {move || paused().map(|names| view! {
            <p class="callout warn among" role="status"><Icon name="pause"/><span>{format!("Paused, so that nothing of it starts: {names}. ")}<a href="/queue?tab=queues">"See the queues"</a></span></p>
        })}
        <Show when=move || queues.with(|q| q.len() > 1)><div class="toolbar"><Which queues queue page/></div></Show>
        <p class="sr" role="status" aria-live="polite">{move || changes.said.get()}</p>
        <Show when=move || count.get() != 0 fallback=move || view! { <Nothing order queue/> }>
            <div class="pane" role="region" aria-label="Waiting jobs" tabindex="0">
                <table class="grid waiting" aria-label="Waiting jobs">
                    <thead><tr><th scope="col" class="num">"#"</th><th scope="col">"Job"</th><th scope="col" class="wide-only">"Why it waits"</th>
                        <th scope="col">"Priority"</th><th scope="col" class="wide-only">"Queue"</th><th scope="col" class="num wide-only">"Since"</th></tr></thead>
                    <tbody node_ref=board.rows><Each keys let:id>{row(id, order, queues, changes, pressed, board)}</Each></tbody>
                </table>
            </div>
            <Carrying board/>
            <p class="dim wide-only">"A job is moved by its handle, with the pointer or with "<kbd>"Enter"</kbd>" and the arrow keys. On a row, "<kbd>"+"</kbd>" and "<kbd>"−"</kbd>" change the priority."</p>
            <Pager param=page total=Signal::derive(move || order.with(|o| o.jobs.total)) noun="job" shown=Signal::derive(move || count.get())
                next=Signal::derive(move || order.with(|o| o.jobs.next.clone()))/>
        </Show>
    }
}

/// A row that moves takes the focus from its button: it is given back.
fn keep_focus(order: Signal<QueueOrder>, pressed: RwSignal<String>) {
    effect(move || {
        order.track();
        let id = pressed.get_untracked();
        if id.is_empty() {
            return;
        }
        request_animation_frame(move || {
            let lost = document().active_element().is_none_or(|at| at.tag_name() == "BODY");
            let button = document().get_element_by_id(&id).and_then(|b| b.dyn_into::<web_sys::HtmlElement>().ok());
            if let (true, Some(button)) = (lost, button) {
                let _ = button.focus();
            }
        });
    });
}

/// One queue, or all of them.
#[component]
fn Which(queues: Signal<Vec<Queue>>, queue: Param, page: Param) -> impl IntoView {
    let choose = move |name: String| {
        page.clear();
        queue.set(&name);
    };
    view! {
        <label class="pick"><span class="sr">"Queue"</span>
            <select aria-label="Queue" prop:value=move || { queues.track(); queue.get() } on:change:target=move |e| choose(e.target().value())>
                <option value="">"All queues"</option>
                {move || queues.get().into_iter().map(|q| {
                    let chosen = untrack(|| queue.is(&q.name));
                    let text = format!("{} ({})", q.name, format::number(q.waiting));
                    view! { <option value=q.name selected=chosen>{text}</option> }
                }).collect_view()}
            </select></label>
    }
}

#[component]
fn Nothing(order: Signal<QueueOrder>, queue: Param) -> impl IntoView {
    let free = move || {
        order.with(|o| {
            let memory = o.total.memory_bytes.saturating_sub(o.using.memory_bytes);
            let cores = format::value(((o.total.cpus - o.using.cpus).max(0.0) * 10.0).round() / 10.0);
            let gpus = (o.total.gpus > 0.0).then(|| {
                format!(", {} GPUs", format::value(((o.total.gpus - o.using.gpus).max(0.0) * 100.0).round() / 100.0))
            });
            format!("{cores} cores, {}{}", format::bytes(memory), gpus.unwrap_or_default())
        })
    };
    move || {
        if !queue.is("") {
            return view! {
                <div class="pane"><EmptyState icon="filter" title="Nothing waits in this queue" text="Other queues may have waiting jobs.">
                    <Button on_press=move |_| queue.clear()>"Show all queues"</Button></EmptyState></div>
            }
            .into_any();
        }
        let text =
            format!("A job that asks for no more than what is free starts at once. Free now: {}.", untrack(free));
        view! { <div class="pane"><EmptyState icon="list-ordered" title="Nothing waits" text/></div> }.into_any()
    }
}

fn row(
    id: String,
    order: Signal<QueueOrder>,
    queues: Signal<Vec<Queue>>,
    changes: Changes,
    pressed: RwSignal<String>,
    board: Board,
) -> impl IntoView {
    let (held, marked) = (id.clone(), id.clone());
    let lifted = memo(move || board.carries(&held));
    let line = memo(move || board.line(&marked));
    let find = move || order.with(|o| o.jobs.items.iter().find(|job| job.id == id).cloned());
    let Some(first) = untrack(&find) else { return ().into_any() };
    let job =
        Memo::new(move |old: Option<&QueuedJob>| find().or_else(|| old.cloned()).unwrap_or_else(|| first.clone()));
    let on_key = move |e: ev::KeyboardEvent| {
        let step = match e.key().as_str() {
            "+" | "=" => 1,
            "-" | "−" => -1,
            _ => return,
        };
        let now = job.get_untracked();
        let other =
            e.target().and_then(|t| t.dyn_into::<web_sys::Element>().ok()).is_some_and(|t| t.tag_name() == "SELECT");
        if e.ctrl_key() || e.meta_key() || other || !untrack(|| may_move(&now)) {
            return;
        }
        e.prevent_default();
        note_pressed(pressed, format!("waiting-{}", now.id));
        changes.step(&now, step, untrack(|| highest(queues, &now.queue)));
    };
    let href = format!("/jobs/{}", seg(&job.with_untracked(|j| j.id.clone())));
    let link_id = format!("waiting-{}", job.with_untracked(|j| j.id.clone()));
    let text = move |of: fn(&QueuedJob) -> String| move || job.with(of);
    let since = memo(move || job.with(|j| j.since));
    let movable = untrack(|| job.with(may_move));
    view! {
        <tr class:next=move || job.with(|j| j.starts_by.is_some()) class:lifted=move || lifted.get() data-line=move || line.get() on:keydown=on_key>
            <td class="num dim">{movable.then(|| view! { <Handle job board/> })}{text(|j| format::number(j.position))}</td>
            <td class="what"><a class="row-link name" id=link_id href=href>{text(|j| j.name.clone())}</a>{text(|j| match j.attempts {
                    0 => String::new(),
                    n => format!(" · attempt {}", n + 1),
                })}
                <small class="dim">{text(|j| format!("{} · {}", j.submitted_by, describe(&j.resources)))}</small>
                <small class="narrow-only"><Promise job/>{text(|j| sentence(&j.reason))}</small></td>
            <td class="why wide-only"><Promise job/>{text(|j| sentence(&j.reason))}</td>
            <td><Priority job queues changes pressed/></td>
            <td class="wide-only"><InQueue job queues changes/></td>
            <td class="num dim wide-only">{move || view! { <TimeAgo at=since.get()/> }}</td>
        </tr>
    }
    .into_any()
}

/// By when the head starts.
#[component]
fn Promise(job: Memo<QueuedJob>) -> impl IntoView {
    let by = memo(move || job.with(|j| j.starts_by));
    move || by.get().map(|at| view! { <b class="by" title=move || ago(at)>{format!("by {}", clock(at))}</b> " " })
}

pub(super) fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |c| c.to_uppercase().chain(chars).collect())
}

/// The job's queue; a choice of another for who may move it.
#[component]
fn InQueue(job: Memo<QueuedJob>, queues: Signal<Vec<Queue>>, changes: Changes) -> impl IntoView {
    let now = memo(move || job.with(|j| j.queue.clone()));
    let names = memo(move || queues.with(|all| all.iter().map(|q| q.name.clone()).collect::<Vec<_>>()));
    let allowed = untrack(|| job.with(may_move));
    let label = move || format!("Queue of {}", job.with(|j| j.name.clone()));
    view! {
        <Show when=move || allowed && names.with(|n| n.len() > 1) fallback=move || view! { <span>{move || now.get()}</span> }>
            <span class="pick small"><select aria-label=label prop:value=move || { names.track(); job.track(); now.get() }
                on:change:target=move |e| put_into(&job.get_untracked(), e.target().value(), changes)>
                {move || names.get().into_iter().map(|name| {
                    let chosen = now.with_untracked(|n| *n == name);
                    view! { <option value=name.clone() selected=chosen>{name.clone()}</option> }
                }).collect_view()}
            </select></span>
        </Show>
    }
}
