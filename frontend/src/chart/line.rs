//! The chart as a part of a page: canvas, legend, gestures, keys.

use super::{
    Axis, COLOURS, Mark, Series, Settings,
    frame::watch_size,
    overlay::{LastValues, Marks, Overlay},
    paint::{self, Ink, Scene},
    scale::{Curve, Plot},
};
use crate::{
    app::app,
    format,
    reactive::{effect, memo},
};
use leptos::{ev, html, prelude::*};
use std::{cell::Cell, rc::Rc, sync::Arc};
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::PointerEvent;

/// Data in, picture out; what `Overlay` also needs.
#[derive(Clone, Copy)]
pub(super) struct Model {
    pub series: Signal<Arc<Vec<Series>>>,
    pub curves: Memo<Arc<Vec<Curve>>>,
    pub hidden: RwSignal<Vec<bool>>,
    pub plot: RwSignal<Option<Plot>>,
    pub settings: Settings,
    /// The pointer or the keyboard is at this chart, not at another that shares the settings.
    pub inside: RwSignal<bool>,
    pub drag: RwSignal<Option<(f64, f64)>>,
}

impl Model {
    pub fn is_hidden(&self, i: usize) -> bool {
        self.hidden.with(|h| h.get(i).copied().unwrap_or(false))
    }
}

/// Lines over steps or time. Charts with the same `settings` zoom together and point at the same place.
#[component]
pub fn LineChart(
    #[prop(into)] title: String,
    #[prop(into)] series: Signal<Arc<Vec<Series>>>,
    settings: Settings,
    /// In place of the one in `settings`.
    #[prop(optional)]
    axis: Option<Axis>,
    #[prop(default = true)] legend: bool,
    /// What happened meanwhile.
    #[prop(optional, into)]
    marks: Option<Signal<Arc<Vec<Mark>>>>,
) -> impl IntoView {
    let axis = Signal::derive(move || axis.unwrap_or_else(|| settings.axis()));
    let curves = Memo::new_with_compare(
        move |_| {
            let (axis, weight) = (axis.get(), settings.weight());
            Arc::new(series.with(|s| s.iter().map(|s| Curve::of(s, axis, weight)).collect()))
        },
        |_, _| true,
    );
    let model = Model {
        series,
        curves,
        hidden: RwSignal::new(vec![]),
        plot: RwSignal::new(None),
        settings,
        inside: RwSignal::new(false),
        drag: RwSignal::new(None),
    };
    let canvas = NodeRef::<html::Canvas>::new();
    let size = watch_size(canvas);
    draw_when_needed(canvas, size, model, axis);
    let name = StoredValue::new(title.clone());
    let label = move || {
        let last = |s: &Series| {
            let value = s.values.iter().rev().find(|v| v.is_finite()).map_or("no value".into(), |v| format::value(*v));
            format!("{} {value}", s.label)
        };
        let all = series.with(|s| s.iter().take(8).map(last).collect::<Vec<_>>().join(", "));
        name.with_value(|n| format!("Line chart of {n}. Last values: {all}. Arrow keys move along it."))
    };
    view! {
        <figure class="chart" aria-label=title>
            {legend.then(|| view! { <Legend model/> })}
            <div class="plot">
                <canvas node_ref=canvas tabindex="0" role="img" aria-label=label
                    on:pointerdown=move |e| press(&e, model, canvas)
                    on:pointermove=move |e| point(&e, model)
                    on:pointerup=move |_| release(model)
                    on:pointercancel=move |_| model.drag.set(None)
                    on:pointerleave=move |_| leave(model)
                    on:blur=move |_| leave(model)
                    on:dblclick=move |_| settings.zoom.set(None)
                    on:keydown=move |e| key(&e, model)></canvas>
                {marks.map(|marks| view! { <Marks model marks/> })}
                <Overlay model axis/>
            </div>
            <LastValues series/>
        </figure>
    }
}

/// Names of the lines; pressing one hides or shows its line.
#[component]
fn Legend(model: Model) -> impl IntoView {
    let names = memo(move || {
        model.series.with(|s| s.iter().map(|s| (s.label.clone(), s.colour % COLOURS)).collect::<Vec<_>>())
    });
    let toggle = move |i: usize| {
        model.hidden.update(|h| {
            let length = h.len().max(i + 1);
            h.resize(length, false);
            h[i] = !h[i];
        });
    };
    view! {
        <div class="legend" role="group" aria-label="Lines shown">
            {move || names.get().into_iter().enumerate().map(|(i, (label, colour))| view! {
                <button type="button" aria-pressed=move || (!model.is_hidden(i)).to_string() on:click=move |_| toggle(i)>
                    <i class=format!("dot s{colour}") aria-hidden="true"></i>{label}
                </button>
            }).collect_view()}
        </div>
    }
}

/// Draws once per frame, when something that shows has changed.
fn draw_when_needed(canvas: NodeRef<html::Canvas>, size: RwSignal<(f64, f64)>, model: Model, axis: Signal<Axis>) {
    let ink = StoredValue::new_local(None::<Ink>);
    let scheduled = Rc::new(Cell::new(false));
    let themes = theme_changes();
    effect(move || {
        themes.track();
        ink.set_value(None);
    });
    effect(move || {
        (themes.track(), size.track(), model.curves.track(), model.hidden.track());
        (model.settings.zoom.track(), model.settings.scale.is("log"), axis.track());
        let Some(element) = canvas.get() else { return };
        if scheduled.replace(true) {
            return;
        }
        let scheduled = scheduled.clone();
        request_animation_frame(move || {
            scheduled.set(false);
            let Some(curves) = model.curves.try_get_untracked() else { return };
            let read = ink.try_get_value().flatten().unwrap_or_else(|| Ink::read(&element));
            let hidden = model.hidden.get_untracked();
            let scene = Scene {
                curves: &curves,
                hidden: &hidden,
                zoom: model.settings.zoom.get_untracked(),
                log: model.settings.scale.get_untracked() == "log",
                axis: axis.get_untracked(),
                size: size.get_untracked(),
            };
            let plot = paint::draw(&element, &scene, &read);
            ink.set_value(Some(read));
            if model.plot.get_untracked() != plot {
                model.plot.set(plot);
            }
        });
    });
}

/// Grows when the theme changes, here or in the system.
pub(super) fn theme_changes() -> Signal<u32> {
    let themes = RwSignal::new(0u32);
    if let Ok(Some(dark)) = window().match_media("(prefers-color-scheme: dark)") {
        let changed = Closure::<dyn FnMut()>::new(move || {
            let _ = themes.try_update(|n| *n += 1);
        });
        dark.set_onchange(Some(changed.as_ref().unchecked_ref()));
        let keep = StoredValue::new_local((dark, changed));
        on_cleanup(move || {
            let _ = keep.try_with_value(|k| k.0.set_onchange(None));
        });
    }
    Signal::derive(move || {
        app().theme.track();
        themes.get()
    })
}

fn inside_plot(model: Model, px: f64) -> Option<(Plot, f64)> {
    let plot = model.plot.get_untracked()?;
    Some((plot, px.clamp(plot.left, plot.right)))
}

fn press(e: &PointerEvent, model: Model, canvas: NodeRef<html::Canvas>) {
    let Some((_, px)) = inside_plot(model, f64::from(e.offset_x())) else { return };
    if e.button() != 0 {
        return;
    }
    // a finger that moves along a chart wants to read it or to scroll, not to zoom
    if e.pointer_type() != "touch" {
        model.drag.set(Some((px, px)));
        if let Some(canvas) = canvas.get_untracked() {
            let _ = canvas.set_pointer_capture(e.pointer_id());
        }
    }
    point(e, model);
}

fn point(e: &PointerEvent, model: Model) {
    let Some((plot, px)) = inside_plot(model, f64::from(e.offset_x())) else { return };
    model.inside.set(true);
    model.settings.hover.set(Some(plot.x_at(px)));
    if let Some((from, _)) = model.drag.get_untracked() {
        model.drag.set(Some((from, px)));
    }
}

fn release(model: Model) {
    let Some((a, b)) = model.drag.get_untracked() else { return };
    model.drag.set(None);
    if let (Some(plot), true) = (model.plot.get_untracked(), (a - b).abs() > 6.0) {
        model.settings.zoom.set(Some((plot.x_at(a.min(b)), plot.x_at(a.max(b)))));
    }
}

fn leave(model: Model) {
    // also sent while the chart is taken away, when its signals are gone already
    if model.drag.try_get_untracked() == Some(None) {
        model.inside.set(false);
        model.settings.hover.set(None);
    }
}

/// Arrows move from point to point, Home and End to the ends, plus and minus zoom, Escape shows all.
fn key(e: &ev::KeyboardEvent, model: Model) {
    let Some(plot) = model.plot.get_untracked() else { return };
    let (lo, hi) = plot.x;
    let at = model.settings.hover.get_untracked().unwrap_or((lo + hi) / 2.0).clamp(lo, hi);
    let to = match e.key().as_str() {
        "ArrowRight" => next_point(model, at, true).unwrap_or(at),
        "ArrowLeft" => next_point(model, at, false).unwrap_or(at),
        "Home" => lo,
        "End" => hi,
        "+" | "=" => {
            let half = (hi - lo) / 4.0;
            model.settings.zoom.set(Some((at - half, at + half)));
            at
        }
        "-" | "Escape" if model.settings.zoom.get_untracked().is_some() => {
            model.settings.zoom.set(None);
            at
        }
        _ => return,
    };
    e.prevent_default();
    e.stop_propagation();
    model.inside.set(true);
    model.settings.hover.set(Some(to.clamp(lo, hi)));
}

/// The next x of any shown line that is at least three pixels away.
fn next_point(model: Model, at: f64, forward: bool) -> Option<f64> {
    let plot = model.plot.get_untracked()?;
    let three_px = (plot.x.1 - plot.x.0) / (plot.right - plot.left) * 3.0;
    let curves = model.curves.get_untracked();
    let shown = curves.iter().enumerate().filter(|(i, _)| !untrack(|| model.is_hidden(*i)));
    let next = shown.filter_map(|(_, c)| {
        if forward {
            c.x.get(c.x.partition_point(|x| *x < at + three_px)).copied()
        } else {
            c.x.partition_point(|x| *x <= at - three_px).checked_sub(1).map(|i| c.x[i])
        }
    });
    next.reduce(|a, b| if forward { a.min(b) } else { a.max(b) })
}
