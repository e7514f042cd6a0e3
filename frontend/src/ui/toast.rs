//! Short messages at the edge of the page, read out by screen readers.

use super::{Icon, Tone};
use crate::{api::ApiError, app::app};
use leptos::{prelude::*, task::spawn_local};
use std::{future::Future, time::Duration};

#[derive(Clone, PartialEq)]
pub struct Toast {
    id: u32,
    tone: Tone,
    title: String,
    text: String,
}

const STAYS: Duration = Duration::from_secs(6);
const BAD_STAYS: Duration = Duration::from_secs(15);

/// Shows a message for a while. Callable from anywhere.
pub fn toast(tone: Tone, title: &str, text: &str) {
    let list = app().toasts;
    let id = list.with_untracked(|l| l.last().map_or(1, |t| t.id + 1));
    list.update(|l| l.push(Toast { id, tone, title: title.into(), text: text.into() }));
    set_timeout(move || dismiss(id), if tone == Tone::Bad { BAD_STAYS } else { STAYS });
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
    busy.set(true);
    spawn_local(async move {
        let answer = call.await;
        let _ = busy.try_set(false);
        match answer {
            Ok(value) => done(value),
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
    view! {
        <div class="toasts" role="status" aria-live="polite">
            <For each=move || list.get() key=|t| t.id let:t>
                <div class=format!("toast {}", t.tone.class())>
                    <Icon name=match t.tone { Tone::Good => "circle-check", Tone::Bad => "triangle-alert", _ => "info" }/>
                    <div><b>{t.title}</b>{(!t.text.is_empty()).then(|| view! { <p>{t.text}</p> })}</div>
                    <button class="icon-btn" type="button" aria-label="Dismiss" on:click=move |_| dismiss(t.id)><Icon name="x"/></button>
                </div>
            </For>
        </div>
    }
}
