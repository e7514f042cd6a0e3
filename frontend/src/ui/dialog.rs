//! Modal dialogs: the browser's own `<dialog>`, which traps the focus, dims the page and closes on Escape.

use super::{Button, Look, Show};
use crate::reactive::effect;
use leptos::{html, prelude::*};
use std::sync::atomic::{AtomicU32, Ordering};

static NEXT_ID: AtomicU32 = AtomicU32::new(1);

/// An id for pairing a label with its element.
pub fn fresh_id(prefix: &str) -> String {
    format!("{prefix}-{}", NEXT_ID.fetch_add(1, Ordering::Relaxed))
}

/// A modal. The children are built anew at each opening.
#[component]
pub fn Dialog(
    open: RwSignal<bool>,
    #[prop(into)] title: Signal<String>,
    #[prop(optional)] wide: bool,
    children: ChildrenFn,
) -> impl IntoView {
    let node = NodeRef::<html::Dialog>::new();
    let id = fresh_id("dialog");
    effect(move || {
        let Some(dialog) = node.get() else { return };
        match (open.get(), dialog.open()) {
            (true, false) => drop(dialog.show_modal()),
            (false, true) => dialog.close(),
            _ => {}
        }
    });
    let children = StoredValue::new(children);
    let labelled_by = id.clone();
    view! {
        <dialog node_ref=node class:wide=wide aria-labelledby=labelled_by on:close=move |_| open.set(false)
            on:mousedown=move |e| if e.target() == e.current_target() { open.set(false) }>
            <Show when=move || open.get()>
                <div class="modal">
                    <h2 id=id.clone()>{move || title.get()}</h2>
                    {children.with_value(|c| c())}
                </div>
            </Show>
        </dialog>
    }
}

/// Whether the dialog is open that is about this: it opens with something, and lets go of it when it closes, by whatever way.
pub fn opened_by<T: Send + Sync + 'static>(what: RwSignal<Option<T>>) -> RwSignal<bool> {
    let open = RwSignal::new(false);
    // Each tells the other only of a change: a value that is set again is news, too, and the two would never come to rest.
    effect(move || {
        let wanted = what.with(Option::is_some);
        if open.get_untracked() != wanted {
            open.set(wanted);
        }
    });
    effect(move || {
        if !open.get() && what.with_untracked(Option::is_some) {
            what.set(None);
        }
    });
    open
}

/// Asks before something goes away. The children say what goes; `name` has to be typed.
#[component]
pub fn ConfirmDialog(
    open: RwSignal<bool>,
    #[prop(into)] title: Signal<String>,
    /// What has to be typed; empty: nothing.
    #[prop(into)]
    name: Signal<String>,
    /// The button's words: "Delete the deployment".
    #[prop(into)]
    action: Signal<&'static str>,
    /// The button's look where nothing goes away.
    #[prop(optional, into)]
    look: Option<Signal<Look>>,
    #[prop(into)] on_confirm: Callback<()>,
    #[prop(optional, into)] busy: Option<Signal<bool>>,
    children: ChildrenFn,
) -> impl IntoView {
    let typed = RwSignal::new(String::new());
    effect(move || {
        if !open.get() {
            typed.set(String::new());
        }
    });
    let reason =
        Signal::derive(move || (typed.get() != name.get()).then(|| format!("Type {} to confirm.", name.get())));
    let input = StoredValue::new(fresh_id("confirm"));
    let busy = Signal::derive(move || busy.is_some_and(|b| b.get()));
    let children = StoredValue::new(children);
    // the content is built at each opening
    let look = move || look.map_or(Look::DangerSolid, |look| look.get_untracked());
    view! {
        <Dialog open title>
            <form novalidate on:submit=move |e| {
                e.prevent_default();
                if reason.get_untracked().is_none() && !busy.get_untracked() { on_confirm.run(()) }
            }>
                <div class="modal-text">{children.with_value(|c| c())}</div>
                <Show when=move || !name.get().is_empty()>
                    <div class="field">
                        <label for=input.get_value()>"Type " <code>{move || name.get()}</code> " to confirm"</label>
                        <input id=input.get_value() bind:value=typed autocomplete="off" spellcheck="false"/>
                    </div>
                </Show>
                <div class="actions">
                    <Button on_press=move |_| open.set(false)>"Cancel"</Button>
                    <Button look=look() submit=true busy=busy why_not=reason>{move || action.get()}</Button>
                </div>
            </form>
        </Dialog>
    }
}
