//! What several charts on a page share: smoothing, scale, axis, the place that is pointed at, the part that is zoomed to.

use super::Axis;
use crate::ui::Show;
use crate::ui::{Button, url::Param};
use leptos::prelude::*;

/// Shared by the charts of a page. The first three live in the address.
#[derive(Clone, Copy)]
pub struct Settings {
    pub smoothing: Param,
    /// `log` or nothing.
    pub scale: Param,
    pub axis: Param,
    /// Where the pointer is, in the units of the axis.
    pub hover: RwSignal<Option<f64>>,
    pub zoom: RwSignal<Option<(f64, f64)>>,
}

impl Settings {
    /// Call it while the page is built.
    pub fn new(axis: &'static str) -> Self {
        use crate::ui::url::param;
        Self {
            smoothing: param("smooth", "0"),
            scale: param("scale", ""),
            axis: param("axis", axis),
            hover: RwSignal::new(None),
            zoom: RwSignal::new(None),
        }
    }

    pub fn weight(&self) -> f64 {
        self.smoothing.get().parse::<f64>().unwrap_or(0.0).clamp(0.0, 0.99)
    }

    pub fn axis(&self) -> Axis {
        Axis::parse(&self.axis.get())
    }
}

/// The row of controls above charts.
#[component]
pub fn ChartTools(settings: Settings) -> impl IntoView {
    let axis = move |key: &'static str, label: &'static str| {
        view! {
            <button type="button" aria-pressed=move || settings.axis.is(key).to_string()
                on:click=move |_| { settings.zoom.set(None); settings.hover.set(None); settings.axis.set(key) }>{label}</button>
        }
    };
    let log = move || settings.scale.is("log");
    view! {
        <div class="chart-tools">
            <label class="smooth">"Smoothing"
                <input type="range" min="0" max="0.99" step="0.01" prop:value=move || settings.smoothing.get()
                    on:input:target=move |e| settings.smoothing.set(&e.target().value())/>
                <output>{move || settings.smoothing.get()}</output>
            </label>
            <div class="segments" role="group" aria-label="Horizontal axis">
                {axis("step", "Step")}{axis("elapsed", "Elapsed")}{axis("clock", "Clock")}
            </div>
            <label class="check">
                <input type="checkbox" prop:checked=log
                    on:change:target=move |e| settings.scale.set(if e.target().checked() { "log" } else { "" })/>
                "Log scale"
            </label>
            <Show when=move || settings.zoom.with(Option::is_some)>
                <Button small=true icon="rotate-ccw" on_press=move |_| settings.zoom.set(None)>"Reset zoom"</Button>
            </Show>
        </div>
    }
}
