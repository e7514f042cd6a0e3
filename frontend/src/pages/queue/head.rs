//! The job that has its turn next: what it waits for, and by when it starts at the latest.

use super::order::sentence;
use crate::{
    api::seg,
    app::ago,
    reactive::memo,
    ui::{Icon, Show},
};
use drydock_wire::queues::{QueueOrder, QueuedJob};
use js_sys::{Date, Reflect};
use leptos::prelude::*;
use wasm_bindgen::JsValue;

/// `14:05`, with the day where that is not today.
pub fn clock(at: i64) -> String {
    let date = Date::new(&JsValue::from_f64(at as f64));
    let today = Date::new_0();
    let options = js_sys::Object::new();
    let set = |key: &str, value: &str| drop(Reflect::set(&options, &JsValue::from_str(key), &JsValue::from_str(value)));
    set("hour", "2-digit");
    set("minute", "2-digit");
    if date.to_date_string() != today.to_date_string() {
        set("weekday", "short");
        set("day", "numeric");
        set("month", "short");
    }
    date.to_locale_string("default", &options).into()
}

#[component]
pub fn Head(order: Signal<QueueOrder>) -> impl IntoView {
    let head = memo(move || order.with(|o| o.jobs.items.iter().find(|job| job.starts_by.is_some()).cloned()));
    let drawn = move || head.get().map(|job| card(job).into_any());
    view! { <Show when=move || head.with(Option::is_some)>{drawn}</Show> }
}

fn card(job: QueuedJob) -> impl IntoView {
    let by = job.starts_by.unwrap_or_default();
    let href = format!("/jobs/{}", seg(&job.id));
    view! {
        <section class="card queue-head" aria-label="Next in line" data-testid="queue-head">
            <Icon name="flag"/>
            <div>
                <h2>"Next in line: "<a href=href>{job.name}</a></h2>
                <p class="dim">{sentence(&job.reason)}</p>
            </div>
            <div class="promise"><span class="dim">"starts at the latest"</span><b>{clock(by)}</b><span class="dim">{move || ago(by)}</span></div>
        </section>
    }
}
