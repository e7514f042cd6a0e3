//! What starts a pipeline by itself: its schedules with their next instants, its triggers.

use super::words::{catch_up, trigger};
use crate::{
    api::{self, seg},
    live::hint,
    pages::parts::is_engineer,
    reactive::effect,
    ui::{
        Button, Card, CopyButton, Dialog, Field, Icon, Look, Pill, SelectField, Show, Status, TimeAgo, Tone, act,
        opened_by, toast,
    },
};
use drydock_wire::{
    events::Topic,
    pipelines::{CatchUp, PipelineDetail, Schedule, Trigger, TriggerKind, UpdateSchedule},
};
use js_sys::Date;
use leptos::prelude::*;
use wasm_bindgen::JsValue;

#[component]
pub fn Starts(pipeline: Signal<PipelineDetail>) -> impl IntoView {
    let name = Memo::new(move |_| pipeline.with(|p| p.summary.name.clone()));
    let editing = RwSignal::new(None::<Schedule>);
    let schedules = move || pipeline.with(|p| p.schedules.clone());
    let triggers = move || pipeline.with(|p| p.triggers.clone());
    view! {
        <div class="split">
            <Card title="Schedules">
                <Show when=move || !schedules().is_empty() fallback=|| view! {
                    <p class="dim none">"It has no schedule. Write one under schedules in its YAML: a cron with its time zone, and what becomes of missed runs."</p>
                }>
                    <ul class="plain-list starts">{move || schedules().into_iter().map(|s| schedule(s, name, editing)).collect_view()}</ul>
                </Show>
            </Card>
            <Card title="Triggers">
                <Show when=move || !triggers().is_empty() fallback=|| view! {
                    <p class="dim none">"Nothing that happens starts it. Under triggers in its YAML it can follow a new dataset version, an alert, a drift finding, another pipeline or a webhook."</p>
                }>
                    <ul class="plain-list starts">{move || triggers().into_iter().map(|t| view! { <OneTrigger t name/> }).collect_view()}</ul>
                </Show>
            </Card>
        </div>
        <EditSchedule editing name/>
    }
}

fn local(at: i64) -> String {
    Date::new(&JsValue::from_f64(at as f64)).to_locale_string("default", &JsValue::UNDEFINED).into()
}

fn change(name: &str, id: &str, wish: UpdateSchedule, busy: RwSignal<bool>, done: impl FnOnce() + 'static) {
    let path = format!("/pipelines/{}/schedules/{}", seg(name), seg(id));
    act(
        busy,
        "The schedule was not changed",
        async move { api::patch::<_, PipelineDetail>(&path, &wish).await },
        move |_| {
            hint(Topic::Pipelines);
            done();
        },
    );
}

fn schedule(s: Schedule, name: Memo<String>, editing: RwSignal<Option<Schedule>>) -> impl IntoView {
    let busy = RwSignal::new(false);
    let (this, id, paused) = (s.clone(), s.id.clone(), s.paused);
    let pause = move |_| {
        let wish = UpdateSchedule { paused: Some(!paused), ..UpdateSchedule::default() };
        change(&name.get_untracked(), &id, wish, busy, move || {
            let text = if paused { "What fell into the pause is not made up for." } else { "" };
            toast(Tone::Good, if paused { "The schedule goes on" } else { "The schedule is paused" }, text);
        });
    };
    let next = s
        .next
        .iter()
        .map(|at| view! { <li><time>{local(*at)}</time>" "<span class="dim"><TimeAgo at=*at/></span></li> })
        .collect_view();
    view! {
        <li>
            <div class="start-head"><b>{s.words}</b>{paused.then(|| view! { <Pill status=Status::new(Tone::Neutral, "Paused")/> })}
                {is_engineer().then(|| view! {
                    <span class="push row">
                        <Button small=true busy on_press=pause icon=if paused { "play" } else { "pause" }>{if paused { "Resume" } else { "Pause" }}</Button>
                        <Button small=true icon="pencil" on_press=move |_| editing.set(Some(this.clone()))>"Edit"</Button>
                    </span>
                })}
            </div>
            <p class="dim"><code>{s.cron}</code>" in "{s.zone}" · "{catch_up(s.catch_up)}" · in the name of "{s.by}</p>
            <details><summary>{if paused { "When it would run next" } else { "When it runs next" }}</summary><ol class="plain-list">{next}</ol></details>
        </li>
    }
}

#[component]
fn OneTrigger(t: Trigger, name: Memo<String>) -> impl IntoView {
    let busy = RwSignal::new(false);
    let token = RwSignal::new(t.token.clone());
    let id = StoredValue::new(t.id.clone());
    let renew = move |_| {
        let path = format!("/pipelines/{}/triggers/{}/token", seg(&name.get_untracked()), seg(&id.get_value()));
        act(
            busy,
            "The webhook has no new token",
            async move { api::post_empty::<Trigger>(&path).await },
            move |made| {
                token.set(made.token);
                toast(Tone::Good, "The webhook has a new token", "The one before is refused from now on.");
            },
        );
    };
    let words = match (t.kind, t.state) {
        (TriggerKind::Pipeline, Some(state)) => format!("When the pipeline {} {}", t.subject, state.as_str()),
        (kind, _) => format!("On a {}", trigger(kind, &t.subject)),
    };
    let words = words
        .replace("On a alert", "On the alert")
        .replace("On a drift", "On a drift finding")
        .replace("On a end", "At the end");
    let address = t.hook.clone().map(|hook| format!("{}{hook}", window().location().origin().unwrap_or_default()));
    view! {
        <li>
            <div class="start-head"><b>{words}</b><span class="dim push">"in the name of "{t.by}</span></div>
            {address.map(|address| {
                let copied = address.clone();
                view! {
                    <div class="secret"><code>"POST "{address}</code><CopyButton text=Signal::stored(copied) what="Copy the webhook's address"/></div>
                    <p class="note">"With the header Authorization: Bearer TOKEN; the body's fields are parameters of the run."</p>
                    {move || token.get().map(|t| { let copied = t.clone(); view! {
                        <p class="soft">"Copy the token now; it is not shown again."</p>
                        <div class="secret"><code>{t}</code><CopyButton text=Signal::stored(copied) what="Copy the token"/></div>
                    } })}
                    {is_engineer().then(|| view! { <Button small=true icon="key-round" busy on_press=renew>"New token"</Button> })}
                }
            })}
        </li>
    }
}

fn check_cron(text: &str) -> Result<(), &'static str> {
    match text.split_whitespace().count() {
        5 => Ok(()),
        _ => Err("Five fields: minute, hour, day, month, weekday; such as 0 3 * * 1."),
    }
}

#[component]
fn EditSchedule(editing: RwSignal<Option<Schedule>>, name: Memo<String>) -> impl IntoView {
    let open = opened_by(editing);
    let (cron, zone, how) = (RwSignal::new(String::new()), RwSignal::new(String::new()), RwSignal::new(String::new()));
    let (busy, tried) = (RwSignal::new(false), RwSignal::new(false));
    effect(move || {
        if let Some(s) = editing.get() {
            cron.set(s.cron);
            zone.set(s.zone);
            how.set(
                match s.catch_up {
                    CatchUp::None => "none",
                    CatchUp::Last => "last",
                    CatchUp::All => "all",
                }
                .to_owned(),
            );
            tried.set(false);
        }
    });
    let options = [("none", CatchUp::None), ("last", CatchUp::Last), ("all", CatchUp::All)];
    let options: Vec<(String, String)> = options.map(|(v, how)| (v.to_owned(), catch_up(how).to_owned())).into();
    let submit = move |e: leptos::ev::SubmitEvent| {
        e.prevent_default();
        tried.set(true);
        let Some(id) = editing.with_untracked(|s| s.as_ref().map(|s| s.id.clone())) else { return };
        if cron.with_untracked(|c| check_cron(c).is_err()) {
            return;
        }
        let catch_up = match how.get_untracked().as_str() {
            "last" => CatchUp::Last,
            "all" => CatchUp::All,
            _ => CatchUp::None,
        };
        let wish = UpdateSchedule {
            cron: Some(cron.get_untracked().trim().to_owned()),
            zone: Some(zone.get_untracked().trim().to_owned()),
            catch_up: Some(catch_up),
            paused: None,
            parameters: None,
        };
        change(&name.get_untracked(), &id, wish, busy, move || {
            open.set(false);
            toast(Tone::Good, "The schedule is changed", "It holds until a version with other schedules is applied.");
        });
    };
    let options = StoredValue::new(options);
    view! {
        <Dialog open title="Edit the schedule">
            <form novalidate on:submit=submit>
                <Field id="cron" label="Cron" value=cron check=check_cron tried=tried mono=true hint="Minute, hour, day, month, weekday: 0 3 * * 1 is Mondays at three."/>
                <Field id="zone" label="Time zone" value=zone mono=true hint="Such as Europe/Berlin or UTC."/>
                <SelectField id="catch-up" label="After a time in which the box was off" value=how options=Signal::stored(options.get_value())/>
                <p class="callout neutral"><Icon name="info"/><span>"The YAML keeps what it says; this edit holds until a version with other schedules is applied."</span></p>
                <div class="actions">
                    <Button on_press=move |_| open.set(false)>"Cancel"</Button>
                    <Button look=Look::Primary submit=true busy=busy>"Save"</Button>
                </div>
            </form>
        </Dialog>
    }
}
