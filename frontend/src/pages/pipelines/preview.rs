//! When a schedule that is being written would run, told while one types. The server says it: by the very clock that will run it.

use crate::{
    api::{self, ApiError},
    reactive::{effect, memo},
    ui::TimeAgo,
};
use drydock_wire::pipelines::{PreviewSchedule, PreviewedTime, SchedulePreview};
use js_sys::{Date, Object, Reflect};
use leptos::{prelude::*, task::spawn_local};
use std::time::Duration;
use wasm_bindgen::JsValue;

/// So long nothing must be typed before the server is asked.
const REST: Duration = Duration::from_millis(200);

/// What the server said of the cron and the zone of a form.
#[derive(Clone, Copy)]
pub struct Preview {
    found: RwSignal<Option<Result<SchedulePreview, ApiError>>>,
    /// Something was typed since.
    is_old: RwSignal<bool>,
    /// Counts what was typed: an answer that is overtaken is not shown.
    turn: StoredValue<u64>,
}

impl Preview {
    pub fn follow(cron: RwSignal<String>, zone: RwSignal<String>) -> Self {
        let it = Self { found: RwSignal::new(None), is_old: RwSignal::new(false), turn: StoredValue::new(0) };
        effect(move || {
            let wish = PreviewSchedule { cron: cron.get(), zone: zone.get() };
            it.turn.update_value(|turn| *turn += 1);
            let mine = it.turn.get_value();
            if wish.cron.trim().is_empty() {
                it.is_old.set(false);
                return it.found.set(None);
            }
            it.is_old.set(true);
            set_timeout(move || it.ask(wish, mine), REST);
        });
        it
    }

    fn is_mine(self, mine: u64) -> bool {
        self.turn.try_get_value() == Some(mine)
    }

    fn ask(self, wish: PreviewSchedule, mine: u64) {
        if !self.is_mine(mine) {
            return;
        }
        spawn_local(async move {
            let answer = api::post::<_, SchedulePreview>("/pipeline-schedule-preview", &wish).await;
            if self.is_mine(mine) {
                self.found.set(Some(answer));
                self.is_old.set(false);
            }
        });
    }

    pub fn cron_fault(self) -> Signal<Option<String>> {
        self.fault(|found| found.cron_fault.clone())
    }

    pub fn zone_fault(self) -> Signal<Option<String>> {
        self.fault(|found| found.zone_fault.clone())
    }

    fn fault(self, of: fn(&SchedulePreview) -> Option<String>) -> Signal<Option<String>> {
        memo(move || self.found.with(|found| found.as_ref().and_then(|found| found.as_ref().ok()).and_then(of))).into()
    }
}

/// The next times, or why there are none.
#[component]
pub fn Times(preview: Preview) -> impl IntoView {
    let body = move || {
        preview.found.with(|found| match found {
            None => said("They appear here as soon as there is a cron."),
            Some(Err(error)) => said(&error.message),
            Some(Ok(found)) if found.next.is_empty() => said("There are none, for the reason above."),
            Some(Ok(found)) => times(found),
        })
    };
    view! {
        <section class="preview" class:old=move || preview.is_old.get() aria-label="The next five times">
            <h3 class="label">"The next five times"</h3>
            {body}
        </section>
    }
}

fn said(text: &str) -> AnyView {
    view! { <p class="dim">{text.to_owned()}</p> }.into_any()
}

fn times(found: &SchedulePreview) -> AnyView {
    let words = found.words.clone().map(|words| view! { <p class="soft" role="status">{words}</p> });
    let mut ahead = found.next.iter().map(|time| ahead_of_utc(&time.local));
    let first = ahead.next();
    let changes = ahead.any(|other| Some(other) != first);
    view! {
        {words}
        <ol class="plain-list tabular">{found.next.iter().map(time).collect_view()}</ol>
        {changes.then(|| view! { <p class="note">"The clocks there are changed in between."</p> })}
    }
    .into_any()
}

fn time(time: &PreviewedTime) -> impl IntoView + use<> {
    let here: String =
        Date::new(&JsValue::from_f64(time.at as f64)).to_locale_string("default", &JsValue::UNDEFINED).into();
    view! {
        <li><time datetime=time.local.clone() title=format!("{here} in your time")>{written(&time.local)}</time>
            <span class="dim">{ahead_of_utc(&time.local)}" · "<TimeAgo at=time.at/></span></li>
    }
}

/// The zone's own date and time as the browser writes dates, whatever zone the browser is in and whatever zones it knows.
fn written(local: &str) -> String {
    let options = Object::new();
    let set = |key: &str, value: &str| drop(Reflect::set(&options, &key.into(), &value.into()));
    set("timeZone", "UTC");
    set("weekday", "short");
    for key in ["day", "hour", "minute"] {
        set(key, "2-digit");
    }
    set("month", "short");
    set("year", "numeric");
    let clock = local.get(..19).unwrap_or(local);
    Date::new(&JsValue::from_str(&format!("{clock}Z"))).to_locale_string("default", &options).into()
}

/// `UTC+1` of `2026-11-26T03:00:00+01:00`.
fn ahead_of_utc(local: &str) -> String {
    let ahead = local.get(19..).unwrap_or_default();
    let (hours, minutes) = ahead.split_once(':').unwrap_or((ahead, "00"));
    let (sign, hours) = hours.split_at_checked(1).unwrap_or(("+", "0"));
    let hours = hours.trim_start_matches('0');
    match (hours, minutes) {
        ("", "00") => "UTC".to_owned(),
        (hours, "00") => format!("UTC{sign}{hours}"),
        (hours, minutes) => format!("UTC{sign}{}:{minutes}", if hours.is_empty() { "0" } else { hours }),
    }
}
