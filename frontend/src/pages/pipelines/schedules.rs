//! The schedules of a pipeline with their next times: added, edited, paused and removed one at a time.

use super::{
    parameters::shown,
    schedule_form::{ScheduleDialog, Subject},
    words::catch_up,
};
use crate::{
    api::{self, seg},
    live::hint,
    pages::parts::is_engineer,
    reactive::memo,
    ui::{Button, Card, ConfirmDialog, Look, Pill, Show, Status, TimeAgo, Tone, act, opened_by, toast},
};
use drydock_wire::{
    events::Topic,
    pipelines::{PipelineDetail, Schedule, UpdateSchedule},
};
use js_sys::Date;
use leptos::prelude::*;
use wasm_bindgen::JsValue;

#[component]
pub fn Schedules(pipeline: Signal<PipelineDetail>) -> impl IntoView {
    let subject = RwSignal::new(None::<Subject>);
    let removing = RwSignal::new(None::<Schedule>);
    let name = memo(move || pipeline.with(|p| p.summary.name.clone()));
    let schedules = memo(move || pipeline.with(|p| p.schedules.clone()));
    let add = move || {
        is_engineer().then(|| view! { <Button small=true icon="plus" on_press=move |_| subject.set(Some(Subject::New))>"Add a schedule"</Button> })
    };
    view! {
        <Card title="Schedules" aside=add>
            <Show when=move || schedules.with(|all| !all.is_empty()) fallback=|| view! {
                <p class="dim none">"It has no schedule. Add one here, or write it under schedules in its YAML: a cron with its time zone, and what becomes of missed runs."</p>
            }>
                <ul class="plain-list starts">{move || schedules.get().into_iter().map(|s| one(s, name, subject, removing)).collect_view()}</ul>
            </Show>
        </Card>
        <ScheduleDialog subject pipeline/>
        <RemoveDialog removing name/>
    }
}

fn one(
    s: Schedule,
    name: Memo<String>,
    subject: RwSignal<Option<Subject>>,
    removing: RwSignal<Option<Schedule>>,
) -> impl IntoView {
    let given: Vec<String> = s.parameters.iter().map(|(key, value)| format!("{key}={}", shown(value))).collect();
    let next = if s.paused { "When it would run next, in your time" } else { "When it runs next, in your time" };
    view! {
        <li>
            <div class="start-head"><b>{s.name.clone()}</b>
                {s.paused.then(|| view! { <Pill status=Status::new(Tone::Neutral, "Paused")/> })}
                {s.by_hand.then(|| view! { <span class="tag" title="It stays when other versions are applied">"beside the YAML"</span> })}
                {is_engineer().then(|| actions(&s, name, subject, removing))}
            </div>
            <p>{s.words.clone()}</p>
            <p class="dim"><code>{s.cron.clone()}</code>" in "{s.zone.clone()}" · "{catch_up(s.catch_up)}" · in the name of "{s.by.clone()}</p>
            {(!given.is_empty()).then(|| view! { <p class="dim">"With "<code>{given.join(", ")}</code></p> })}
            <details><summary>{next}</summary><ol class="plain-list tabular">{s.next.iter().map(|at| time(*at)).collect_view()}</ol></details>
        </li>
    }
}

fn time(at: i64) -> impl IntoView {
    let local: String =
        Date::new(&JsValue::from_f64(at as f64)).to_locale_string("default", &JsValue::UNDEFINED).into();
    view! { <li><time>{local}</time>" "<span class="dim"><TimeAgo at/></span></li> }
}

fn actions(
    s: &Schedule,
    name: Memo<String>,
    subject: RwSignal<Option<Subject>>,
    removing: RwSignal<Option<Schedule>>,
) -> impl IntoView + use<> {
    let busy = RwSignal::new(false);
    let (id, paused, of) = (s.id.clone(), s.paused, s.name.clone());
    let (edited, removed) = (s.clone(), s.clone());
    let pause = move |_| switch(&name.get_untracked(), &id, !paused, busy);
    let word = if paused { "Resume" } else { "Pause" };
    // several schedules have these buttons: who does not see the row hears whose they are
    let whose = move || view! { <span class="sr">{format!(" {of}")}</span> };
    let (first, second) = (whose.clone(), whose.clone());
    view! {
        <span class="push row">
            <Button small=true busy on_press=pause icon=if paused { "play" } else { "pause" }>{word}{first()}</Button>
            <Button small=true icon="pencil" on_press=move |_| subject.set(Some(Subject::Old(edited.clone())))>"Edit"{second()}</Button>
            <Button small=true look=Look::Danger icon="trash-2" on_press=move |_| removing.set(Some(removed.clone()))>"Remove"{whose()}</Button>
        </span>
    }
}

/// Pauses a schedule or lets it go on.
fn switch(pipeline: &str, id: &str, paused: bool, busy: RwSignal<bool>) {
    let path = format!("/pipelines/{}/schedules/{}", seg(pipeline), seg(id));
    let wish = UpdateSchedule { paused: Some(paused), ..UpdateSchedule::default() };
    let call = async move { api::patch::<_, PipelineDetail>(&path, &wish).await };
    act(busy, "The schedule was not changed", call, move |_| {
        hint(Topic::Pipelines);
        match paused {
            true => toast(Tone::Good, "The schedule is paused", ""),
            false => toast(Tone::Good, "The schedule goes on", "What fell into the pause is not made up for."),
        }
    });
}

#[component]
fn RemoveDialog(removing: RwSignal<Option<Schedule>>, name: Memo<String>) -> impl IntoView {
    let (open, busy) = (opened_by(removing), RwSignal::new(false));
    let typed = memo(move || removing.with(|s| s.as_ref().map(|s| s.name.clone()).unwrap_or_default()));
    let is_of_yaml = memo(move || removing.with(|s| s.as_ref().is_some_and(|s| !s.by_hand)));
    let confirm = move |()| {
        let Some(schedule) = removing.get_untracked() else { return };
        let path = format!("/pipelines/{}/schedules/{}", seg(&name.get_untracked()), seg(&schedule.id));
        act(busy, "The schedule was not removed", async move { api::delete(&path).await }, move |()| {
            open.set(false);
            hint(Topic::Pipelines);
            toast(Tone::Good, "The schedule is removed", "The runs that it started stay.");
        });
    };
    view! {
        <ConfirmDialog open title="Remove this schedule?" name=typed action="Remove the schedule" on_confirm=confirm busy=busy>
            <p>"It starts no more runs; those that it started stay."</p>
            <Show when=move || is_of_yaml.get()><p>"The YAML still has it: it comes back when a version with other schedules is applied."</p></Show>
        </ConfirmDialog>
    }
}
