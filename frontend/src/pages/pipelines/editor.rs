//! The editor of a pipeline's YAML: checked by the server as one types, what is wrong at its line, the graph beside it.

use super::{
    graph::{Graph, TaskList},
    href,
};
use crate::{
    api::{self, ApiError},
    app::go,
    pages::parts::is_engineer,
    reactive::effect,
    ui::{Button, EmptyState, Icon, LinkButton, Look, PageHead, Show, Tone, toast, url::param},
};
use drydock_wire::pipelines::{AppliedPipeline, ApplyPipeline, PipelineCheck, PipelineDetail, Problem};
use leptos::{html, prelude::*, task::spawn_local};
use std::{collections::HashMap, time::Duration};

const PAUSE: Duration = Duration::from_millis(400);

/// What a new pipeline starts from.
const START: &str = "name: my-pipeline
description: trains every Monday, and whenever there is new data

parameters:
  dataset: wine
  least_accuracy: 0.9

tasks:
  check:
    validate:
      dataset: ${params.dataset}
  train:
    needs: [check]
    job:
      command: [python3, /workspace/train.py]
      data: ['${params.dataset}']
      resources: {cpus: 1, memory: 1GiB}
    retries: {limit: 1, delay: 30s}
    timeout: 1h
  good:
    needs: [train]
    gate:
      run: ${tasks.train.run}
      all:
        - {metric: accuracy, at_least: '${params.least_accuracy}'}

schedules:
  - {cron: 0 3 * * 1, zone: Europe/Berlin, catch_up: none}

triggers:
  - dataset_version: wine
";

#[component]
pub fn NewPipelinePage() -> impl IntoView {
    let from = param("from", "").get_untracked();
    let start = RwSignal::new(from.is_empty().then(|| START.to_owned()));
    if !from.is_empty() {
        let path = format!("/pipelines/{}", api::seg(&from));
        spawn_local(async move {
            let text = match api::get::<PipelineDetail>(&path).await {
                Ok(found) => found.yaml,
                Err(error) => {
                    toast(Tone::Bad, "The pipeline could not be read", &error.message);
                    START.to_owned()
                }
            };
            let _ = start.try_set(Some(text));
        });
    }
    let body = move || {
        match start.get() {
        _ if !is_engineer() => view! { <EmptyState icon="lock" title="Your role does not write pipelines" text="Ask an admin for the role engineer."/> }.into_any(),
        None => view! { <crate::ui::Skeleton lines=12/> }.into_any(),
        Some(text) => view! { <Editor text=text on_done=Callback::new(|name: String| go(&href(&name))) back="/pipelines".to_owned()/> }.into_any(),
    }
    };
    view! {
        <section class="page">
            <PageHead title="New pipeline" sub=|| "Its name stands in the YAML; applying the same name again makes its next version."/>
            {body}
        </section>
    }
}

#[derive(Clone, Copy)]
struct Edit {
    text: RwSignal<String>,
    check: RwSignal<Option<PipelineCheck>>,
    /// The check itself could not be made.
    failed: RwSignal<Option<ApiError>>,
    asked: StoredValue<u32>,
}

impl Edit {
    fn ask(self) {
        self.asked.update_value(|n| *n += 1);
        let (number, yaml) = (self.asked.get_value(), self.text.get_untracked());
        spawn_local(async move {
            let answer = api::post::<_, PipelineCheck>("/pipelines/check", &ApplyPipeline { yaml }).await;
            // only the newest text's answer counts
            if self.asked.try_get_value() != Some(number) {
                return;
            }
            match answer {
                Ok(check) => {
                    let _ = self.failed.try_set(None);
                    let _ = self.check.try_set(Some(check));
                }
                Err(error) => drop(self.failed.try_set(Some(error))),
            }
        });
    }

    fn problems(&self) -> Vec<Problem> {
        self.check.with(|c| c.as_ref().map(|c| c.problems.clone()).unwrap_or_default())
    }
}

/// `on_done` gets the name of what was applied.
#[component]
pub fn Editor(text: String, on_done: Callback<String>, back: String) -> impl IntoView {
    let edit = Edit {
        text: RwSignal::new(text),
        check: RwSignal::new(None),
        failed: RwSignal::new(None),
        asked: StoredValue::new(0),
    };
    check_when_typed(edit);
    let (busy, refused) = (RwSignal::new(false), RwSignal::new(None::<ApiError>));
    let why_not = Signal::derive(move || {
        edit.check.with(|c| match c {
            None => Some("The YAML is being checked.".to_owned()),
            Some(c) if c.problems.is_empty() => None,
            Some(_) => Some("Mend what is wrong in the YAML first.".to_owned()),
        })
    });
    let apply = move |_| {
        if !busy.get_untracked() {
            busy.set(true);
            refused.set(None);
            spawn_local(send(edit.text.get_untracked(), busy, refused, on_done));
        }
    };
    let tasks = Signal::derive(move || edit.check.with(|c| c.as_ref().map(|c| c.tasks.clone()).unwrap_or_default()));
    let states = Signal::stored(HashMap::new());
    let chosen = param("task", "");
    view! {
        <div class="pipeline-editor">
            <YamlText edit/>
            <div class="panel">
                <Problems edit/>
                <Show when=move || tasks.with(|t| !t.is_empty())>
                    <Graph shapes=tasks states chosen/><TaskList shapes=tasks states chosen/>
                </Show>
                {move || refused.get().map(|e| view! { <p class="callout bad" role="alert"><Icon name="triangle-alert"/><span>{e.message}</span></p> })}
                <div class="actions">
                    <LinkButton href=back>"Cancel"</LinkButton>
                    <Button look=Look::Primary icon="save" busy why_not on_press=apply>"Apply"</Button>
                </div>
            </div>
        </div>
    }
}

/// Applies what was written.
async fn send(yaml: String, busy: RwSignal<bool>, refused: RwSignal<Option<ApiError>>, on_done: Callback<String>) {
    let answer = api::post::<_, AppliedPipeline>("/pipelines", &ApplyPipeline { yaml }).await;
    let _ = busy.try_set(false);
    match answer {
        Ok(done) => {
            let title = match done.created {
                true => format!("Version {} is applied", done.pipeline.version),
                false => "Nothing had changed".to_owned(),
            };
            toast(Tone::Good, &title, "Runs that go on keep the version they started with.");
            on_done.run(done.pipeline.summary.name);
        }
        Err(error) => drop(refused.try_set(Some(error))),
    }
}

fn check_when_typed(edit: Edit) {
    let waiting = StoredValue::new(None::<TimeoutHandle>);
    let stop = move || {
        if let Some(Some(handle)) = waiting.try_update_value(Option::take) {
            handle.clear();
        }
    };
    effect(move || {
        edit.text.track();
        stop();
        waiting.set_value(set_timeout_with_handle(move || edit.ask(), PAUSE).ok());
    });
    on_cleanup(stop);
}

const EDITOR: &str = "pipeline-yaml";

/// The text with the numbers of its lines; a line with a mistake is marked.
#[component]
fn YamlText(edit: Edit) -> impl IntoView {
    let node = NodeRef::<html::Textarea>::new();
    let lines = move || edit.text.with(|t| t.split('\n').count());
    let rows = move || (lines() + 1).max(24).to_string();
    let wrong = move || edit.problems().iter().filter_map(|p| p.line).collect::<Vec<_>>();
    let numbers = move || {
        let wrong = wrong();
        (1..=lines() as u32).map(|n| view! { <span class:wrong=wrong.contains(&n)>{n}</span> }).collect_view()
    };
    // a tab indents, as in any editor of text; with Escape before it, it leaves the field
    let free = StoredValue::new(false);
    let on_key = move |e: leptos::ev::KeyboardEvent| {
        if e.key() == "Escape" {
            free.set_value(true);
        } else if e.key() == "Tab" && !e.shift_key() && !free.get_value() {
            e.prevent_default();
            if let Some(area) = node.get_untracked() {
                indent(&area, edit);
            }
        }
    };
    view! {
        <div class="code-editor card flush">
            <div class="line-numbers" aria-hidden="true">{numbers}</div>
            <label for=EDITOR class="sr">"YAML of the pipeline; Escape, then Tab, leaves it"</label>
            <textarea id=EDITOR node_ref=node class="mono" rows=rows wrap="off" spellcheck="false" autocapitalize="off"
                aria-invalid=move || (!edit.problems().is_empty()).then_some("true") aria-describedby="pipeline-problems"
                prop:value=move || edit.text.get() on:focus=move |_| free.set_value(false) on:keydown=on_key
                on:input:target=move |e| edit.text.set(e.target().value())></textarea>
        </div>
    }
}

fn indent(area: &web_sys::HtmlTextAreaElement, edit: Edit) {
    let at = area.selection_start().ok().flatten().unwrap_or(0);
    let end = area.selection_end().ok().flatten().unwrap_or(at);
    let _ = area.set_range_text_with_start_and_end("  ", at, end);
    let _ = area.set_selection_range(at + 2, at + 2);
    edit.text.set(area.value());
}

/// What is wrong; each leads to its line.
#[component]
fn Problems(edit: Edit) -> impl IntoView {
    let go_to = |line: u32| {
        let Some(area) = document().get_element_by_id(EDITOR) else { return };
        let area: web_sys::HtmlTextAreaElement = wasm_bindgen::JsCast::unchecked_into(area);
        let text = area.value();
        let start: usize =
            text.split('\n').take(line.saturating_sub(1) as usize).map(|l| l.encode_utf16().count() + 1).sum();
        let length = text.split('\n').nth(line.saturating_sub(1) as usize).map_or(0, |l| l.encode_utf16().count());
        let _ = area.focus();
        let _ = area.set_selection_range(start as u32, (start + length) as u32);
    };
    let one = move |p: Problem| {
        match p.line {
        Some(line) => view! { <li><button type="button" class="link" on:click=move |_| go_to(line)>"Line "{line}</button>": "{p.message}</li> }.into_any(),
        None => view! { <li>{p.message}</li> }.into_any(),
    }
    };
    let body = move || {
        if let Some(error) = edit.failed.get() {
            return view! { <p class="callout warn"><Icon name="wifi-off"/><span>"It could not be checked. "{error.message}</span></p> }.into_any();
        }
        match edit.check.with(|c| c.as_ref().map(|c| c.problems.is_empty())) {
            None => view! { <p class="dim">"Being checked…"</p> }.into_any(),
            Some(true) => {
                view! { <p class="callout good"><Icon name="circle-check"/><span>"This can be applied."</span></p> }
                    .into_any()
            }
            Some(false) => {
                view! { <ul class="problems callout bad">{edit.problems().into_iter().map(one).collect_view()}</ul> }
                    .into_any()
            }
        }
    };
    view! { <div id="pipeline-problems" aria-live="polite">{body}</div> }
}
