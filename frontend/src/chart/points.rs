//! Runs as points on a canvas: two axes, a third value for the tint, the nearest point under the pointer with its name.

use super::{
    frame::{FONT, Paper, watch_size, whenever},
    scale::{self, Plot},
};
use crate::format;
use crate::ui::Show;
use leptos::{ev, html, prelude::*};
use std::sync::Arc;
use web_sys::{CanvasRenderingContext2d, PointerEvent};

const RADIUS: f64 = 4.5;
/// How near the pointer has to be.
const NEAR_PX: f64 = 16.0;
const LABELS: usize = 12;

/// Points with what they stand for, all lists of the same length.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Points {
    pub x: Vec<f64>,
    pub y: Vec<f64>,
    /// 0 to 1; absent: no tint.
    pub tint: Vec<Option<f64>>,
    pub labels: Vec<String>,
    pub ids: Vec<String>,
    /// Words at the places 0, 1, … where an axis has no figures.
    pub x_words: Option<Vec<String>>,
    pub y_words: Option<Vec<String>>,
}

/// A tint between the first colours of the palette, read along `share`.
pub fn tint(paper: &Paper, share: Option<f64>) -> String {
    match share {
        None => paper.lines[0].clone(),
        Some(share) => {
            let percent = (share.clamp(0.0, 1.0) * 100.0).round();
            // mixed by the browser, so that both themes keep their own colours
            format!("color-mix(in oklab, {} {percent}%, {})", paper.lines[2], paper.lines[0])
        }
    }
}

#[component]
pub fn PointChart(
    #[prop(into)] title: String,
    #[prop(into)] x_label: String,
    #[prop(into)] y_label: String,
    #[prop(into)] points: Signal<Arc<Points>>,
    /// Gets the id of a point that was pressed.
    #[prop(into)]
    on_open: Callback<String>,
) -> impl IntoView {
    let canvas = NodeRef::<html::Canvas>::new();
    let size = watch_size(canvas);
    let plot = RwSignal::new(None::<Plot>);
    let near = RwSignal::new(None::<usize>);
    let names = StoredValue::new((x_label.clone(), y_label.clone()));
    whenever(
        canvas,
        move || (size.track(), points.track(), near.track()),
        move |c, paper| {
            let now = names.with_value(|(x, y)| {
                draw(c, paper, &points.get_untracked(), size.get_untracked(), near.get_untracked(), x, y)
            });
            if plot.get_untracked() != now {
                plot.set(now);
            }
        },
    );
    let point = move |e: PointerEvent| {
        near.set(
            plot.get_untracked()
                .and_then(|p| nearest(&points.get_untracked(), &p, f64::from(e.offset_x()), f64::from(e.offset_y()))),
        );
    };
    let open = move || {
        if let Some(id) = near.get_untracked().and_then(|i| points.with_untracked(|p| p.ids.get(i).cloned())) {
            on_open.run(id);
        }
    };
    let step = move |e: ev::KeyboardEvent| {
        let count = points.with_untracked(|p| p.x.len());
        if count == 0 {
            return;
        }
        let now = near.get_untracked();
        match e.key().as_str() {
            "ArrowRight" => near.set(Some(now.map_or(0, |i| (i + 1) % count))),
            "ArrowLeft" => near.set(Some(now.map_or(count - 1, |i| (i + count - 1) % count))),
            "Enter" => open(),
            "Escape" => near.set(None),
            _ => return,
        }
        e.prevent_default();
        e.stop_propagation();
    };
    let tip = move || {
        let (i, plot) = (near.get()?, plot.get()?);
        points.with(|p| {
            let (x, y) = (*p.x.get(i)?, *p.y.get(i)?);
            let (px, py) = (plot.px(x), plot.py(y));
            let flip = px > (plot.left + plot.right) / 2.0;
            let (xn, yn) = names.get_value();
            Some(view! {
                <div class="tip" class:flip=flip role="status" style:left=format!("{}px", if flip { px - 12.0 } else { px + 12.0 }) style:top=format!("{}px", (py - 30.0).max(4.0))>
                    <b>{p.labels[i].clone()}</b>
                    <div><span>{xn}</span><code>{text(x, &p.x_words)}</code></div>
                    <div><span>{yn}</span><code>{text(y, &p.y_words)}</code></div>
                </div>
            })
        })
    };
    let label = format!("Scatter chart of {title}. Arrow keys go from run to run, Enter opens one.");
    view! {
        <figure class="chart" aria-label=title>
            <div class="plot tall">
                <canvas node_ref=canvas tabindex="0" role="img" aria-label=label on:pointermove=point on:pointerdown=point
                    on:pointerleave=move |_| { let _ = near.try_set(None); } on:click=move |_| open() on:keydown=step></canvas>
                {tip}
                <Show when=move || points.with(|p| p.x.is_empty())><p class="no-plot">"No run has both values."</p></Show>
            </div>
        </figure>
    }
}

/// What stands at a place of an axis.
pub fn text(value: f64, words: &Option<Vec<String>>) -> String {
    match words {
        Some(words) => words.get(value.round().max(0.0) as usize).cloned().unwrap_or_default(),
        None => format::value(value),
    }
}

fn nearest(points: &Points, plot: &Plot, px: f64, py: f64) -> Option<usize> {
    let far = |i: &usize| (plot.px(points.x[*i]) - px).hypot(plot.py(points.y[*i]) - py);
    (0..points.x.len()).min_by(|a, b| far(a).total_cmp(&far(b))).filter(|i| far(i) < NEAR_PX)
}

fn span(values: &[f64]) -> Option<(f64, f64)> {
    let (lo, hi) = (values.iter().copied().reduce(f64::min)?, values.iter().copied().reduce(f64::max)?);
    let air = if hi > lo { (hi - lo) * 0.05 } else { (lo.abs() * 0.1).max(0.5) };
    Some((lo - air, hi + air))
}

fn places((lo, hi): (f64, f64), words: &Option<Vec<String>>, count: f64) -> Vec<f64> {
    match words {
        Some(words) => {
            let every = (words.len() as f64 / count.max(2.0)).ceil().max(1.0) as usize;
            (0..words.len()).step_by(every).map(|i| i as f64).collect()
        }
        None => scale::ticks(lo, hi, count),
    }
}

fn short(value: f64, words: &Option<Vec<String>>) -> String {
    match words {
        None => scale::short(value),
        Some(_) => {
            let all = text(value, words);
            if all.chars().count() <= LABELS {
                all
            } else {
                format!("{}…", all.chars().take(LABELS - 1).collect::<String>())
            }
        }
    }
}

fn draw(
    c: &CanvasRenderingContext2d,
    paper: &Paper,
    points: &Points,
    (width, height): (f64, f64),
    near: Option<usize>,
    x_label: &str,
    y_label: &str,
) -> Option<Plot> {
    let (x, y) = (span(&points.x)?, span(&points.y)?);
    if width < 120.0 || height < 80.0 {
        return None;
    }
    let wide = if points.y_words.is_some() { 92.0 } else { 62.0 };
    let plot = Plot { left: wide, right: width - 16.0, top: 26.0, bottom: height - 46.0, x, y, log: false };
    c.set_font(FONT);
    c.set_line_width(1.0);
    c.set_stroke_style_str(&paper.grid);
    c.set_fill_style_str(&paper.text);
    c.set_text_baseline("middle");
    c.set_text_align("right");
    for at in places(y, &points.y_words, (plot.bottom - plot.top) / 46.0) {
        let py = plot.py(at).round() + 0.5;
        line(c, plot.left, py, plot.right, py);
        let _ = c.fill_text(&short(at, &points.y_words), plot.left - 8.0, py);
    }
    c.set_text_align("center");
    c.set_text_baseline("top");
    for at in places(x, &points.x_words, (plot.right - plot.left) / 90.0) {
        let px = plot.px(at).round() + 0.5;
        line(c, px, plot.top, px, plot.bottom);
        let _ = c.fill_text(&short(at, &points.x_words), px, plot.bottom + 8.0);
    }
    let _ = c.fill_text(x_label, (plot.left + plot.right) / 2.0, plot.bottom + 27.0);
    c.set_text_align("left");
    let _ = c.fill_text(y_label, 4.0, 4.0);
    c.set_global_alpha(0.82);
    for i in (0..points.x.len()).filter(|i| Some(*i) != near) {
        spot(c, &plot, points, i, RADIUS, &tint(paper, points.tint[i]));
    }
    c.set_global_alpha(1.0);
    if let Some(i) = near.filter(|i| *i < points.x.len()) {
        spot(c, &plot, points, i, RADIUS + 2.5, &tint(paper, points.tint[i]));
    }
    Some(plot)
}

fn line(c: &CanvasRenderingContext2d, x0: f64, y0: f64, x1: f64, y1: f64) {
    c.begin_path();
    c.move_to(x0, y0);
    c.line_to(x1, y1);
    c.stroke();
}

fn spot(c: &CanvasRenderingContext2d, plot: &Plot, points: &Points, i: usize, radius: f64, colour: &str) {
    c.set_fill_style_str(colour);
    c.begin_path();
    let _ = c.arc(plot.px(points.x[i]), plot.py(points.y[i]), radius, 0.0, std::f64::consts::TAU);
    c.fill();
}
