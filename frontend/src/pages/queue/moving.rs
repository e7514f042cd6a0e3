//! Moving a waiting job to another place, by its handle: dragged with the pointer, or picked up and carried with the keys. Where it is
//! put becomes its priority (`place`); an undo stands beside what was done.

use super::priority::{Changes, LOWEST, highest, may_move, note_pressed};
use crate::{
    place::{self, Put, shown},
    reactive::memo,
    ui::{Icon, Show},
};
use drydock_wire::queues::{Queue, QueueOrder, QueuedJob};
use leptos::{ev, html, prelude::*};
use wasm_bindgen::JsCast;
use web_sys::PointerEvent;

/// So near the edge of the window the list is scrolled, in pixels.
const EDGE: f64 = 64.0;

/// A job that is in the hand.
#[derive(Clone, Debug, PartialEq)]
pub struct Carried {
    id: String,
    /// The row before which it is held.
    slot: usize,
    /// The pointer that holds it; absent: the keys do.
    pointer: Option<i32>,
}

/// The list as a place to carry jobs on.
#[derive(Clone, Copy)]
pub struct Board {
    order: Signal<QueueOrder>,
    queues: Signal<Vec<Queue>>,
    changes: Changes,
    pressed: RwSignal<String>,
    carried: RwSignal<Option<Carried>>,
    /// The body of the table.
    pub rows: NodeRef<html::Tbody>,
    /// What would happen if it were put down now.
    put: Memo<Option<(QueuedJob, Put)>>,
}

impl Board {
    pub fn new(
        order: Signal<QueueOrder>,
        queues: Signal<Vec<Queue>>,
        changes: Changes,
        pressed: RwSignal<String>,
    ) -> Self {
        let carried = RwSignal::new(None::<Carried>);
        let put = memo(move || {
            let carried = carried.get()?;
            order.with(|o| {
                let jobs = &o.jobs.items;
                let from = jobs.iter().position(|job| job.id == carried.id)?;
                let top = highest(queues, &jobs[from].queue);
                Some((jobs[from].clone(), place::put(jobs, from, carried.slot, LOWEST, top)))
            })
        });
        Self { order, queues, changes, pressed, carried, rows: NodeRef::new(), put }
    }

    pub fn carries(&self, id: &str) -> bool {
        self.carried.with(|c| c.as_ref().is_some_and(|c| c.id == id))
    }

    /// Where the line is drawn at the row of that job: above it, or below the last one.
    pub fn line(&self, id: &str) -> Option<&'static str> {
        let Some((_, Put::To { line, .. })) = self.put.get() else { return None };
        self.order.with(|o| {
            let at = o.jobs.items.iter().position(|job| job.id == id)?;
            match line {
                n if n == at => Some("above"),
                n if n >= o.jobs.items.len() && at + 1 == o.jobs.items.len() => Some("below"),
                _ => None,
            }
        })
    }

    fn place_of(&self, id: &str) -> Option<usize> {
        self.order.with_untracked(|o| o.jobs.items.iter().position(|job| job.id == id))
    }

    fn pick_up(&self, job: &QueuedJob, pointer: Option<i32>) {
        let Some(slot) = self.place_of(&job.id) else { return };
        self.carried.set(Some(Carried { id: job.id.clone(), slot, pointer }));
        if pointer.is_none() {
            self.changes
                .said
                .set(format!("{} is picked up. Arrow keys move it, Enter puts it down, Escape leaves it.", job.name));
        }
    }

    fn hold_at(&self, slot: usize) {
        self.carried.update(|c| {
            if let Some(c) = c {
                c.slot = slot;
            }
        });
    }

    fn leave(&self) {
        if let Some(carried) = self.carried.try_get_untracked().flatten() {
            self.carried.set(None);
            let name = self
                .order
                .with_untracked(|o| o.jobs.items.iter().find(|job| job.id == carried.id).map(|job| job.name.clone()));
            self.changes.said.set(format!("{} stays where it is.", name.unwrap_or_default()));
        }
    }

    fn put_down(&self) {
        let outcome = self.put.get_untracked();
        let by_keys = self.carried.with_untracked(|c| c.as_ref().is_some_and(|c| c.pointer.is_none()));
        self.carried.set(None);
        match outcome {
            Some((job, Put::To { priority, .. })) => {
                note_pressed(self.pressed, handle_id(&job.id));
                self.changes.set(&job, priority);
            }
            Some((job, Put::Not(why))) => self.changes.said.set(format!("{} stays where it is: {why}.", job.name)),
            Some((job, Put::Same)) if by_keys => self.changes.said.set(format!("{} stays where it is.", job.name)),
            _ => {}
        }
    }

    /// The row before which a pointer at that height is.
    fn slot_at(&self, y: f64) -> Option<usize> {
        let rows = self.rows.get_untracked()?.children();
        let middle = |at: u32| {
            rows.item(at).map(|row| {
                let area = row.get_bounding_client_rect();
                area.top() + area.height() / 2.0
            })
        };
        Some((0..rows.length()).filter(|at| middle(*at).is_some_and(|middle| middle < y)).count())
    }

    /// Scrolls so far that the rows around a place can be seen.
    fn show(&self, slot: usize) {
        let Some(rows) = self.rows.get_untracked().map(|body| body.children()) else { return };
        let height = window().inner_height().ok().and_then(|h| h.as_f64()).unwrap_or(f64::MAX);
        for at in [slot.saturating_sub(1), slot] {
            let Some(row) = rows.item(at as u32) else { continue };
            let area = row.get_bounding_client_rect();
            if area.top() < EDGE || area.bottom() > height - EDGE {
                row.scroll_into_view_with_bool(area.top() < EDGE);
            }
        }
    }
}

fn handle_id(job: &str) -> String {
    format!("move-{job}")
}

/// What a job is taken by.
#[component]
pub fn Handle(job: Memo<QueuedJob>, board: Board) -> impl IntoView {
    let id = job.with_untracked(|j| j.id.clone());
    let mine = move || board.carried.with_untracked(|c| c.clone().filter(|c| job.with_untracked(|j| j.id == c.id)));
    let down = move |e: PointerEvent| {
        if e.button() != 0 || !e.is_primary() {
            return;
        }
        // no selection of text on the way; the focus, for Escape, has to be asked for then
        e.prevent_default();
        if let Some(button) = e.current_target().and_then(|t| t.dyn_into::<web_sys::HtmlElement>().ok()) {
            let _ = button.focus();
            let _ = button.set_pointer_capture(e.pointer_id());
        }
        board.pick_up(&job.get_untracked(), Some(e.pointer_id()));
    };
    let drag = move |e: PointerEvent| {
        if mine().is_some_and(|c| c.pointer == Some(e.pointer_id()))
            && let Some(slot) = board.slot_at(f64::from(e.client_y()))
        {
            board.hold_at(slot);
            board.show(slot);
        }
    };
    let up = move |e: PointerEvent| {
        if mine().is_some_and(|c| c.pointer == Some(e.pointer_id())) {
            board.put_down();
        }
    };
    let click = move |e: ev::MouseEvent| match mine() {
        // a pointer's click is the end of its drag; keys and readers of the screen send one without it
        _ if e.detail() != 0 => {}
        Some(_) => board.put_down(),
        None => board.pick_up(&job.get_untracked(), None),
    };
    let key = move |e: ev::KeyboardEvent| key(&e, mine(), board);
    view! {
        <button type="button" class="icon-btn handle" id=handle_id(&id) aria-describedby="move-help" title="Drag it to another place, or press Enter and use the arrow keys"
            aria-label=move || format!("Move {}", job.with(|j| j.name.clone())) aria-pressed=move || board.carries(&id).to_string()
            on:pointerdown=down on:pointermove=drag on:pointerup=up on:pointercancel=move |_| board.leave()
            on:click=click on:keydown=key on:blur=move |_| if mine().is_some_and(|c| c.pointer.is_none()) { board.leave() }>
            <Icon name="grip-vertical"/></button>
    }
}

fn key(e: &ev::KeyboardEvent, mine: Option<Carried>, board: Board) {
    let Some(carried) = mine else { return };
    let (rows, from) = (board.order.with_untracked(|o| o.jobs.items.len()), board.place_of(&carried.id));
    let Some(from) = from else { return board.leave() };
    let slot = match e.key().as_str() {
        "ArrowUp" => place::step(from, carried.slot, true, rows),
        "ArrowDown" => place::step(from, carried.slot, false, rows),
        "Home" => 0,
        "End" => rows,
        "Escape" => {
            e.prevent_default();
            e.stop_propagation();
            return board.leave();
        }
        _ => return,
    };
    e.prevent_default();
    e.stop_propagation();
    board.hold_at(slot);
    board.show(slot);
    if let Some((job, put)) = board.put.get_untracked() {
        board.changes.said.set(words(&job, &put));
    }
}

fn words(job: &QueuedJob, put: &Put) -> String {
    match put {
        Put::Same => format!("{}: where it is.", job.name),
        Put::Not(why) => format!("{why}."),
        Put::To { priority, words, .. } => format!("{}: priority {}, {words}.", job.name, shown(*priority)),
    }
}

/// What would happen, at the foot of the window while a job is in the hand.
#[component]
pub fn Carrying(board: Board) -> impl IntoView {
    let text = memo(move || board.put.get().map(|(job, put)| words(&job, &put)).unwrap_or_default());
    let refused = memo(move || matches!(board.put.get(), Some((_, Put::Not(_)))));
    let can = move || board.order.with(|o| o.jobs.items.iter().any(may_move)) && !board.queues.with(Vec::is_empty);
    view! {
        <Show when=can><p class="sr" id="move-help">"Enter picks it up. Then the arrow keys move it, Enter puts it down and Escape leaves it where it is."</p></Show>
        <Show when=move || board.put.with(Option::is_some)>
            <div class="carrying" class:refused=move || refused.get() aria-hidden="true">
                <Icon name="grip-vertical"/><b>{move || text.get()}</b><span>"Esc leaves it"</span></div>
        </Show>
    }
}
