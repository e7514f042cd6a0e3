//! The form as YAML, at its side: what is typed there fills the form, what changes in the form stands there.

use super::state::Form;
use crate::{
    reactive::effect,
    ui::{CopyButton, Icon},
    wish::Wish,
};
use leptos::prelude::*;
use std::time::Duration;

/// How long after the last key the form follows.
const PAUSE: Duration = Duration::from_millis(350);

/// The text, and what is wrong with it.
#[derive(Clone, Copy)]
pub struct Pane {
    text: RwSignal<String>,
    pub wrong: RwSignal<Option<String>>,
    /// Somebody types here: the form follows, not the text.
    typing: RwSignal<bool>,
}

impl Pane {
    /// Call it once, after the form is filled.
    pub fn new(form: Form) -> Self {
        let pane =
            Self { text: RwSignal::new(String::new()), wrong: RwSignal::new(None), typing: RwSignal::new(false) };
        effect(move || {
            let written = form.wish().to_yaml();
            if !pane.typing.get() && pane.wrong.with_untracked(Option::is_none) {
                pane.text.set(written);
            }
        });
        pane
    }

    fn take(&self, form: Form) {
        match Wish::from_yaml(&self.text.get_untracked()) {
            Ok(wish) => {
                self.wrong.set(None);
                if wish != untrack(|| form.wish()) {
                    form.load(&wish);
                }
            }
            Err(wrong) => self.wrong.set(Some(wrong.words())),
        }
    }
}

#[component]
pub fn YamlPane(form: Form, pane: Pane) -> impl IntoView {
    let waiting = StoredValue::new(None::<TimeoutHandle>);
    let stop_waiting = move || {
        if let Some(Some(handle)) = waiting.try_update_value(Option::take) {
            handle.clear();
        }
    };
    let on_input = move |text: String| {
        pane.text.set(text);
        stop_waiting();
        let later = move || {
            waiting.set_value(None);
            pane.take(form);
        };
        waiting.set_value(set_timeout_with_handle(later, PAUSE).ok());
    };
    on_cleanup(stop_waiting);
    let leave = move || {
        if waiting.try_with_value(Option::is_some) == Some(true) {
            stop_waiting();
            pane.take(form);
        }
        let _ = pane.typing.try_set(false);
    };
    let rows = move || pane.text.with(|t| t.lines().count().clamp(12, 40)).to_string();
    view! {
        <section class="yaml-pane card" aria-label="The job as YAML">
            <div class="card-head"><h2>"As YAML"</h2><span><CopyButton text=pane.text what="Copy the YAML"/></span></div>
            <div class="field" class:invalid=move || pane.wrong.with(Option::is_some)>
                <label for="job-yaml" class="sr">"YAML of the job"</label>
                <textarea id="job-yaml" class="mono" rows=rows prop:value=move || pane.text.get() spellcheck="false" autocapitalize="off"
                    wrap="off" aria-describedby="job-yaml-note" aria-invalid=move || pane.wrong.with(Option::is_some).then_some("true")
                    on:focus=move |_| pane.typing.set(true) on:blur=move |_| leave()
                    on:input:target=move |e| on_input(e.target().value())></textarea>
                <p id="job-yaml-note" class="note" aria-live="polite">
                    {move || pane.wrong.get().unwrap_or_else(|| "The form follows what you write here. The same file runs with:".to_owned())}</p>
            </div>
            <p class="below"><Icon name="terminal"/>" "<code>{move || if form.sweep.is_on() { "drydock job sweep -f job.yaml" } else { "drydock job run --file job.yaml" }}</code></p>
        </section>
    }
}
