//! The form of a queue: its weight, caps, times and priorities.

use super::caps::{CapFields, CapInputs, OF_PERSON, OF_QUEUE};
use crate::{
    api::{self, seg},
    live,
    ui::{Button, Dialog, Field, Look, Tone, act, opened_by, toast},
};
use drydock_wire::{
    events::Topic,
    queues::{Queue, QueueSettings},
    units, validate,
};
use leptos::prelude::*;

/// What the dialog is about.
#[derive(Clone, PartialEq)]
pub struct Editing {
    /// Absent: a new one.
    name: Option<String>,
    settings: QueueSettings,
}

impl Editing {
    pub fn new_queue() -> Self {
        Self { name: None, settings: QueueSettings::default() }
    }

    pub fn of(queue: &Queue) -> Self {
        Self { name: Some(queue.name.clone()), settings: queue.settings.clone() }
    }
}

#[component]
pub fn SettingsDialog(editing: RwSignal<Option<Editing>>) -> impl IntoView {
    let open = opened_by(editing);
    let title = Signal::derive(move || {
        let name = editing.with(|e| e.as_ref().and_then(|e| e.name.clone()));
        name.map_or_else(|| "New queue".to_owned(), |name| format!("Settings of the queue {name}"))
    });
    view! {
        <Dialog open title wide=true>
            {move || editing.get_untracked().map(|start| view! { <Form start open/> })}
        </Dialog>
    }
}

fn check_name(text: &str) -> Result<(), &'static str> {
    if text.trim().is_empty() { Err("Give the queue a name.") } else { validate::slug(text.trim()) }
}

fn check_weight(text: &str) -> Result<(), &'static str> {
    match text.trim().parse::<u32>() {
        Ok(1..=1000) => Ok(()),
        _ => Err("A whole number from 1 to 1000."),
    }
}

fn check_priority(text: &str) -> Result<(), &'static str> {
    match text.trim().parse::<i32>() {
        Ok(0..=1000) => Ok(()),
        _ => Err("A whole number from 0 to 1000."),
    }
}

fn check_time(text: &str) -> Result<(), &'static str> {
    match units::parse_seconds(text) {
        Ok(1..) => Ok(()),
        _ => Err("Write it as 4h, 30m or 7d."),
    }
}

/// The fields' contents.
#[derive(Clone, Copy)]
struct Fields {
    name: RwSignal<String>,
    weight: RwSignal<String>,
    highest: RwSignal<String>,
    patience: RwSignal<String>,
    longest: RwSignal<String>,
    preempts: RwSignal<bool>,
    caps: CapFields,
    person_caps: CapFields,
}

impl Fields {
    fn new(start: &Editing) -> Self {
        let it = &start.settings;
        Self {
            name: RwSignal::new(start.name.clone().unwrap_or_default()),
            weight: RwSignal::new(it.weight.to_string()),
            highest: RwSignal::new(it.highest_priority.to_string()),
            patience: RwSignal::new(units::seconds(it.patience_s)),
            longest: RwSignal::new(units::seconds(it.longest_s)),
            preempts: RwSignal::new(it.preempts),
            caps: CapFields::new(&it.caps),
            person_caps: CapFields::new(&it.person_caps),
        }
    }

    /// Absent while a field is wrong.
    fn read(&self, paused: bool) -> Option<QueueSettings> {
        let text = |s: RwSignal<String>| s.get_untracked();
        check_name(&text(self.name)).and(check_weight(&text(self.weight))).ok()?;
        check_priority(&text(self.highest))
            .and(check_time(&text(self.patience)))
            .and(check_time(&text(self.longest)))
            .ok()?;
        Some(QueueSettings {
            weight: text(self.weight).trim().parse().ok()?,
            caps: self.caps.read()?,
            person_caps: self.person_caps.read()?,
            patience_s: units::parse_seconds(&text(self.patience)).ok()?,
            longest_s: units::parse_seconds(&text(self.longest)).ok()?,
            highest_priority: text(self.highest).trim().parse().ok()?,
            preempts: self.preempts.get_untracked(),
            paused,
        })
    }
}

#[component]
fn Form(start: Editing, open: RwSignal<bool>) -> impl IntoView {
    let fields = Fields::new(&start);
    let (busy, tried) = (RwSignal::new(false), RwSignal::new(false));
    let is_new = start.name.is_none();
    let paused = start.settings.paused;
    let submit = move |e: leptos::ev::SubmitEvent| {
        e.prevent_default();
        tried.set(true);
        let Some(wish) = fields.read(paused) else {
            return toast(Tone::Bad, "The form is not complete", "Look at the marked fields.");
        };
        let name = fields.name.get_untracked().trim().to_owned();
        let to = format!("/queues/{}", seg(&name));
        let call = async move { api::put::<_, Queue>(&to, &wish).await };
        act(busy, "The queue was not saved", call, move |_| {
            open.set(false);
            live::hint(Topic::Queue);
            toast(Tone::Good, if is_new { "Queue made" } else { "Settings saved" }, &name);
        });
    };
    let preempts = fields.preempts;
    view! {
        <form novalidate on:submit=submit>
            {is_new.then(|| view! {
                <Field id="queue-name" label="Name" value=fields.name check=check_name tried=tried mono=true autofocus=true placeholder="research"/>
            })}
            <div class="cols">
                <Field id="queue-weight" label="Weight" value=fields.weight check=check_weight tried=tried hint="Of two queues with jobs, one of weight 3 gets three times as much as one of weight 1."/>
                <Field id="queue-highest" label="Highest priority" value=fields.highest check=check_priority tried=tried hint="A priority counts among the jobs of the queue only."/>
            </div>
            <CapInputs legend="At once, all jobs together" fields=fields.caps ids=OF_QUEUE tried/>
            <CapInputs legend="At once, each person" fields=fields.person_caps ids=OF_PERSON tried/>
            <div class="cols">
                <Field id="queue-patience" label="Longest wait for a turn" value=fields.patience check=check_time tried=tried hint="After it a person's oldest job comes before all shares and priorities."/>
                <Field id="queue-longest" label="Time limit of a job that names none" value=fields.longest check=check_time tried=tried hint="Every job has one: without it nothing could be promised."/>
            </div>
            <label class="check"><input type="checkbox" prop:checked=move || preempts.get() on:change:target=move |e| preempts.set(e.target().checked())/>
                "Its jobs may have resumable ones stopped that have less claim: a lower priority, or a queue above its part"</label>
            <div class="actions">
                <Button on_press=move |_| open.set(false)>"Cancel"</Button>
                <Button look=Look::Primary icon="save" submit=true busy>{if is_new { "Make the queue" } else { "Save the settings" }}</Button>
            </div>
        </form>
    }
}
