//! Short messages at the edge of the page, read out by screen readers.

use super::{Button, Icon, Tone};
use crate::{api::ApiError, app::app, reactive::effect};
use leptos::{prelude::*, task::spawn_local};
use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

#[derive(Clone)]
pub struct Toast {
    id: u32,
    tone: Tone,
    title: String,
    text: String,
    undo: Option<Undo>,
}

type Undo = Arc<dyn Fn() + Send + Sync>;

const STAYS: Duration = Duration::from_secs(6);
const BAD_STAYS: Duration = Duration::from_secs(15);

/// Shows a message for a while. Callable from anywhere.
pub fn toast(tone: Tone, title: &str, text: &str) {
    show(tone, title, text, None);
}

/// What was done, with a button that takes it back. It stays as long as a failure does.
pub fn toast_undo(title: &str, text: &str, undo: impl Fn() + Send + Sync + 'static) {
    show(Tone::Good, title, text, Some(Arc::new(undo)));
}

fn show(tone: Tone, title: &str, text: &str, undo: Option<Undo>) {
    let stays = if tone == Tone::Bad || undo.is_some() { BAD_STAYS } else { STAYS };
    let list = app().toasts;
    let id = list.with_untracked(|l| l.last().map_or(1, |t| t.id + 1));
    list.update(|l| l.push(Toast { id, tone, title: title.into(), text: text.into(), undo }));
    set_timeout(move || dismiss(id), stays);
}

/// A failed call as a toast, with its request id.
pub fn toast_error(title: &str, error: &ApiError) {
    let text = match error.request_id.as_str() {
        "" => error.message.clone(),
        id => format!("{} (request {id})", error.message),
    };
    toast(Tone::Bad, title, &text);
}

/// Does something on the server: `busy` while it lasts, `done` with the answer, a toast `failed` when it is refused.
pub fn act<T: 'static>(
    busy: RwSignal<bool>,
    failed: &'static str,
    call: impl Future<Output = Result<T, ApiError>> + 'static,
    done: impl FnOnce(T) + 'static,
) {
    if busy.get_untracked() {
        return;
    }
    let work = async move { call.await.map(|value| Box::new(move || done(value)) as Done) };
    act_on(busy, failed, Box::pin(work));
}

type Done = Box<dyn FnOnce()>;

/// The same for a call whatever its answer, so that it is compiled once.
fn act_on(busy: RwSignal<bool>, failed: &'static str, work: Pin<Box<dyn Future<Output = Result<Done, ApiError>>>>) {
    busy.set(true);
    spawn_local(async move {
        let answer = work.await;
        let _ = busy.try_set(false);
        match answer {
            Ok(done) => done(),
            Err(error) => toast_error(failed, &error),
        }
    });
}

fn dismiss(id: u32) {
    app().toasts.update(|l| l.retain(|t| t.id != id));
}

#[component]
pub fn Toasts() -> impl IntoView {
    let list = app().toasts;
    let place = NodeRef::<leptos::html::Div>::new();
    // shown anew with each, it stands above a dialog that opened meanwhile
    effect(move || {
        if let (false, Some(place)) = (list.with(Vec::is_empty), place.get()) {
            let _ = place.hide_popover();
            let _ = place.show_popover();
        }
    });
    view! {
        <div class="toasts" role="status" aria-live="polite" popover="manual" node_ref=place>
            <For each=move || list.get() key=|t| t.id let:t>
                <div class=format!("toast {}", t.tone.class())>
                    <Icon name=match t.tone { Tone::Good => "circle-check", Tone::Bad => "triangle-alert", _ => "info" }/>
                    <div><b>{t.title}</b>{(!t.text.is_empty()).then(|| view! { <p>{t.text}</p> })}</div>
                    {t.undo.map(|undo| view! { <Button small=true on_press=move |_| { dismiss(t.id); undo() }>"Undo"</Button> })}
                    <button class="icon-btn" type="button" aria-label="Dismiss" on:click=move |_| dismiss(t.id)><Icon name="x"/></button>
                </div>
            </For>
        </div>
    }
}
