//! What lies above the canvas: hair line, spots, the read-out, the part being dragged over; and the table below it.

use super::{
    Axis, COLOURS, Mark, Series,
    line::Model,
    paint::x_label,
    scale::{Plot, short},
};
use crate::{format, reactive::memo};
use leptos::prelude::*;
use std::sync::Arc;

/// Lines in the read-out; a comparison of more runs says how many are left out.
const ROWS: usize = 12;
const READOUT_WIDTH: f64 = 230.0;

/// The points that the read-out is about.
#[derive(Clone, PartialEq)]
struct Reading {
    plot: Plot,
    px: f64,
    x: f64,
    /// Series index, pixel of the spot, value.
    values: Vec<(usize, f64, f64)>,
}

#[component]
pub(super) fn Overlay(model: Model, axis: Signal<Axis>) -> impl IntoView {
    let reading = memo(move || read(model));
    let drag = move || {
        let (plot, (a, b)) = (model.plot.get()?, model.drag.get()?);
        ((a - b).abs() > 2.0).then(|| {
            view! {
                <div class="zoom" style:left=format!("{}px", a.min(b)) style:width=format!("{}px", (a - b).abs())
                    style:height=format!("{}px", plot.bottom - plot.top)></div>
            }
        })
    };
    let marks = move || {
        let Reading { plot, px, values, .. } = reading.get()?;
        let spots = values.into_iter().map(|(i, spot, value)| {
            let colour = model.series.with_untracked(|s| s.get(i).map_or(0, |s| s.colour % COLOURS));
            let top = plot.py(value);
            top.is_finite().then(|| {
                view! { <i class=format!("spot s{colour}") style:left=format!("{spot}px") style:top=format!("{top}px")></i> }
            })
        });
        Some(view! {
            <div class="hair" style:left=format!("{px}px") style:height=format!("{}px", plot.bottom - plot.top)></div>
            {spots.collect_view()}
        })
    };
    let readout = move || {
        if !model.inside.get() {
            return None;
        }
        let reading = reading.get()?;
        Some(readout(model, axis.get(), &reading))
    };
    let nothing = move || {
        let points = model.series.with(|s| s.iter().any(|s| !s.values.is_empty()));
        (points && model.plot.with(Option::is_none) && model.settings.scale.is("log"))
            .then(|| view! { <p class="no-plot">"No value is above zero, so a log scale has nothing to show."</p> })
    };
    view! { {drag} {marks} {readout} {nothing} }
}

/// Upright lines where something happened, with its words at the top.
#[component]
pub(super) fn Marks(model: Model, marks: Signal<Arc<Vec<Mark>>>) -> impl IntoView {
    let shown = move || {
        let plot = model.plot.get()?;
        let inside: Vec<Mark> =
            marks.with(|all| all.iter().filter(|mark| mark.x >= plot.x.0 && mark.x <= plot.x.1).cloned().collect());
        let line = |mark: Mark| {
            let left = format!("{}px", plot.px(mark.x));
            let height = format!("{}px", plot.bottom - plot.top);
            let (title, text) = (mark.text.clone(), mark.text);
            view! { <div class="happened" style:left=left style:height=height title=title><span>{text}</span></div> }
        };
        Some(inside.into_iter().map(line).collect_view())
    };
    view! { {shown} }
}

fn readout(model: Model, axis: Axis, reading: &Reading) -> impl IntoView + use<> {
    let Reading { plot, px, x, values } = reading;
    let flip = *px > plot.right - READOUT_WIDTH && *px > READOUT_WIDTH;
    let more = values.len().saturating_sub(ROWS);
    let head = match axis {
        Axis::Step => format!("Step {}", format::value(x.round())),
        Axis::Elapsed | Axis::Clock => x_label(*x, axis, 0.0),
    };
    let left = if flip { px - 14.0 } else { px + 14.0 };
    let rows = values.iter().take(ROWS).map(|(i, _, value)| {
        let (label, colour) =
            model.series.with_untracked(|s| s.get(*i).map_or((String::new(), 0), |s| (s.label.clone(), s.colour % COLOURS)));
        view! {
            <div><i class=format!("dot s{colour}") aria-hidden="true"></i><span>{label}</span><code>{format::value(*value)}</code></div>
        }
    });
    view! {
        <div class="tip" class:flip=flip role="status" style:left=format!("{left}px")>
            <b>{head}</b>
            {rows.collect_view()}
            {(more > 0).then(|| format!("and {more} more"))}
        </div>
    }
}

/// The nearest point of each shown line; the hair goes to the one nearest to the pointer.
fn read(model: Model) -> Option<Reading> {
    let plot = model.plot.get()?;
    let at = model.settings.hover.get()?;
    let close = (plot.x.1 - plot.x.0) / (plot.right - plot.left) * 14.0;
    let curves = model.curves.get();
    let mut found: Vec<(usize, f64, f64)> = vec![];
    for (i, curve) in curves.iter().enumerate().filter(|(i, _)| !model.is_hidden(*i)) {
        let (Some(first), Some(last)) = (curve.x.first(), curve.x.last()) else { continue };
        if at < first - close || at > last + close {
            continue;
        }
        if let Some(p) = curve.nearest(at).filter(|p| curve.x[*p] >= plot.x.0 && curve.x[*p] <= plot.x.1) {
            found.push((i, curve.x[p], curve.shown()[p]));
        }
    }
    let x = found.iter().map(|f| f.1).min_by(|a, b| (a - at).abs().total_cmp(&(b - at).abs()))?;
    let values = found.into_iter().map(|(i, x, value)| (i, plot.px(x), value)).collect();
    Some(Reading { plot, px: plot.px(x), x, values })
}

/// The picture in figures: last, least and greatest value of each line.
#[component]
pub(super) fn LastValues(series: Signal<Arc<Vec<Series>>>) -> impl IntoView {
    let open = RwSignal::new(false);
    let rows = move || {
        series.with(|all| {
            let row = |s: &Series| {
                let finite = || s.values.iter().copied().filter(|v| v.is_finite());
                let text = |v: Option<f64>| v.map_or("–".to_owned(), format::value);
                let (last, least, greatest) = (finite().next_back(), finite().reduce(f64::min), finite().reduce(f64::max));
                let step = s.steps.last().map_or("–".to_owned(), |v| short(*v));
                view! {
                    <tr>
                        <th scope="row">{s.label.clone()}</th><td class="num">{text(last)}</td><td class="num">{step}</td>
                        <td class="num">{text(least)}</td><td class="num">{text(greatest)}</td>
                    </tr>
                }
            };
            all.iter().map(row).collect_view()
        })
    };
    view! {
        <details class="chart-values" on:toggle=move |_| open.update(|o| *o = !*o)>
            <summary>"Values"</summary>
            <div class="scroll-x">
                <table class="plain">
                    <thead><tr>
                        <th scope="col">"Line"</th><th scope="col" class="num">"Last"</th><th scope="col" class="num">"At step"</th>
                        <th scope="col" class="num">"Least"</th><th scope="col" class="num">"Greatest"</th>
                    </tr></thead>
                    <tbody>{move || open.get().then(rows)}</tbody>
                </table>
            </div>
        </details>
    }
}
