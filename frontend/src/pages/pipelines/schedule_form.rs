//! The dialog that adds a schedule or edits one: its times told while one types, what becomes of missed ones stated, its parameters.

use super::{
    parameters::{ParameterFields, Parameters},
    preview::{Preview, Times},
    words::catch_up,
};
use crate::{
    api::{self, seg},
    live::hint,
    reactive::memo,
    ui::{Button, Choice, Dialog, Field, Icon, Look, Suggestions, Tone, act, field::focus_wrong, opened_by, toast},
};
use drydock_wire::{
    events::Topic,
    pipelines::{CatchUp, CreateSchedule, PipelineDetail, Schedule, UpdateSchedule},
    validate,
};
use js_sys::{Array, Function, Intl, Object, Reflect, global};
use leptos::prelude::*;
use std::collections::BTreeMap;
use wasm_bindgen::{JsCast, JsValue};

/// What the dialog is about.
#[derive(Clone)]
pub enum Subject {
    New,
    Old(Schedule),
}

/// To begin with: what people write most.
const USUAL: [(&str, &str); 4] =
    [("Hourly", "0 * * * *"), ("Each night", "0 3 * * *"), ("Mondays", "0 3 * * 1"), ("Monthly", "0 3 1 * *")];

#[component]
pub fn ScheduleDialog(subject: RwSignal<Option<Subject>>, pipeline: Signal<PipelineDetail>) -> impl IntoView {
    let open = opened_by(subject);
    // the title stays while the dialog closes
    let title = Memo::new(move |before: Option<&String>| {
        subject.with(|subject| match subject {
            Some(Subject::New) => "Add a schedule".to_owned(),
            Some(Subject::Old(s)) => format!("Edit the schedule {}", s.name),
            None => before.cloned().unwrap_or_default(),
        })
    });
    let form = move || untrack(|| subject.get()).map(|subject| view! { <Form subject open pipeline/> });
    view! { <Dialog open title=title>{form()}</Dialog> }
}

#[derive(Clone, Copy)]
struct Fields {
    name: RwSignal<String>,
    cron: RwSignal<String>,
    zone: RwSignal<String>,
    catch_up: RwSignal<String>,
    parameters: Parameters,
}

impl Fields {
    fn of(subject: &Subject, pipeline: &PipelineDetail) -> Self {
        let text = |text: &str| RwSignal::new(text.to_owned());
        match subject {
            Subject::New => Self {
                name: text(""),
                cron: text(""),
                zone: text(&zone_here()),
                catch_up: text(""),
                parameters: Parameters::new(pipeline, &BTreeMap::new()),
            },
            Subject::Old(s) => Self {
                name: text(&s.name),
                cron: text(&s.cron),
                zone: text(&s.zone),
                catch_up: text(word(s.catch_up)),
                parameters: Parameters::new(pipeline, &s.parameters),
            },
        }
    }

    fn created(self, catch_up: CatchUp) -> CreateSchedule {
        CreateSchedule {
            name: trimmed(self.name),
            cron: trimmed(self.cron),
            zone: trimmed(self.zone),
            catch_up,
            parameters: self.parameters.given(),
            paused: false,
        }
    }

    fn updated(self, catch_up: CatchUp) -> UpdateSchedule {
        UpdateSchedule {
            cron: Some(trimmed(self.cron)),
            zone: Some(trimmed(self.zone)),
            catch_up: Some(catch_up),
            paused: None,
            parameters: Some(self.parameters.given()),
        }
    }

    /// What `catch_up` says; nothing yet.
    fn stated(self) -> Option<CatchUp> {
        let stated = self.catch_up.get_untracked();
        [CatchUp::None, CatchUp::Last, CatchUp::All].into_iter().find(|how| word(*how) == stated)
    }
}

fn trimmed(text: RwSignal<String>) -> String {
    text.get_untracked().trim().to_owned()
}

fn word(how: CatchUp) -> &'static str {
    match how {
        CatchUp::None => "none",
        CatchUp::Last => "last",
        CatchUp::All => "all",
    }
}

fn check_cron(text: &str) -> Result<(), &'static str> {
    if text.trim().is_empty() { Err("Write five fields; 0 3 * * 1 is Mondays at three.") } else { Ok(()) }
}

#[component]
fn Form(subject: Subject, open: RwSignal<bool>, pipeline: Signal<PipelineDetail>) -> impl IntoView {
    let fields = pipeline.with_untracked(|p| Fields::of(&subject, p));
    let preview = Preview::follow(fields.cron, fields.zone);
    let (busy, tried) = (RwSignal::new(false), RwSignal::new(false));
    let (cron_fault, zone_fault) = (preview.cron_fault(), preview.zone_fault());
    let missing = memo(move || fields.parameters.missing());
    let (id, is_new) = match &subject {
        Subject::New => (None, true),
        Subject::Old(s) => (Some(s.id.clone()), false),
    };
    let submit = move |e: leptos::ev::SubmitEvent| {
        e.prevent_default();
        tried.set(true);
        let wrong = fields.name.with_untracked(|n| validate::label(n).is_err())
            || fields.cron.with_untracked(|c| check_cron(c).is_err())
            || cron_fault.get_untracked().or(zone_fault.get_untracked()).or(missing.get_untracked()).is_some();
        let Some(stated) = fields.stated().filter(|_| !wrong) else { return focus_wrong() };
        save(pipeline.with_untracked(|p| p.summary.name.clone()), id.clone(), fields, stated, busy, open);
    };
    let holds = match &subject {
        Subject::Old(s) if !s.by_hand => {
            "The YAML keeps what it says; this edit holds until a version with other schedules is applied."
        }
        _ => "It stands beside the YAML: it stays when other versions are applied.",
    };
    view! {
        <form novalidate on:submit=submit>
            {is_new.then(|| view! {
                <Field id="schedule-name" label="Name" value=fields.name check=validate::label tried=tried autofocus=true placeholder="nightly"/>
            })}
            <Cron fields refused=cron_fault tried=tried/>
            <Field id="zone" label="Time zone" value=fields.zone refused=zone_fault mono=true list="zones" hint="Such as Europe/Berlin or UTC."/>
            <Suggestions id="zones" values=Signal::stored(zones())/>
            <Times preview/>
            <Choice id="catch-up" label="After a time in which the box was off" value=fields.catch_up options=ways() tried=tried
                missing="Say what becomes of the times that were missed."/>
            <ParameterFields parameters=fields.parameters/>
            <p class="callout neutral"><Icon name="info"/><span>{holds}</span></p>
            <div class="actions">
                <Button on_press=move |_| open.set(false)>"Cancel"</Button>
                <Button look=Look::Primary submit=true busy=busy why_not=missing>{if is_new { "Add the schedule" } else { "Save" }}</Button>
            </div>
        </form>
    }
}

/// The cron, with what people write most beside it.
#[component]
fn Cron(fields: Fields, refused: Signal<Option<String>>, tried: RwSignal<bool>) -> impl IntoView {
    let usual = move |(text, cron): (&'static str, &'static str)| {
        view! {
            <button type="button" class="btn small" aria-pressed=move || fields.cron.with(|c| c.trim() == cron).to_string()
                on:click=move |_| fields.cron.set(cron.to_owned())>{text}</button>
        }
    };
    view! {
        <div class="stack cron">
            <Field id="cron" label="Cron" value=fields.cron check=check_cron refused=refused tried=tried mono=true placeholder="0 3 * * 1"
                hint="Minute, hour, day, month, weekday: 0 3 * * 1 is Mondays at three."/>
            <div class="row" role="group" aria-label="Usual crons">{USUAL.map(usual).collect_view()}</div>
        </div>
    }
}

fn ways() -> Vec<(&'static str, String)> {
    let way = |how: CatchUp| {
        let text = catch_up(how);
        let (first, rest) = text.split_at(1);
        (word(how), format!("{}{rest}", first.to_uppercase()))
    };
    [CatchUp::None, CatchUp::Last, CatchUp::All].map(way).into()
}

/// `id`: of the schedule that is edited.
fn save(
    pipeline: String,
    id: Option<String>,
    fields: Fields,
    stated: CatchUp,
    busy: RwSignal<bool>,
    open: RwSignal<bool>,
) {
    let (all, name, is_new) = (format!("/pipelines/{}/schedules", seg(&pipeline)), trimmed(fields.name), id.is_none());
    let call = async move {
        match id {
            None => api::post::<_, PipelineDetail>(&all, &fields.created(stated)).await,
            Some(id) => api::patch::<_, PipelineDetail>(&format!("{all}/{}", seg(&id)), &fields.updated(stated)).await,
        }
    };
    let failed = if is_new { "The schedule was not added" } else { "The schedule was not changed" };
    act(busy, failed, call, move |_| {
        hint(Topic::Pipelines);
        open.set(false);
        let title = if is_new { "The schedule is added" } else { "The schedule is changed" };
        toast(Tone::Good, title, &format!("{name} runs in your name from now on."));
    });
}

/// The browser's own zone.
fn zone_here() -> String {
    let found = Intl::DateTimeFormat::new(&Array::new(), &Object::new()).resolved_options();
    let zone = Reflect::get(&found, &JsValue::from_str("timeZone")).ok().and_then(|zone| zone.as_string());
    zone.unwrap_or_else(|| "UTC".to_owned())
}

/// The zones that the browser knows, to choose from; the server knows all that there are.
fn zones() -> Vec<String> {
    let get = |of: &JsValue, key: &str| Reflect::get(of, &JsValue::from_str(key)).ok();
    let listed = get(&global(), "Intl").and_then(|intl| {
        let list = get(&intl, "supportedValuesOf")?.dyn_into::<Function>().ok()?;
        list.call1(&intl, &JsValue::from_str("timeZone")).ok()?.dyn_into::<Array>().ok()
    });
    let listed = listed.map(|zones| zones.iter().filter_map(|zone| zone.as_string()).collect::<Vec<_>>());
    let mut zones = listed.unwrap_or_default();
    if !zones.iter().any(|zone| zone == "UTC") {
        zones.push("UTC".to_owned());
    }
    zones
}
