//! Parallel coordinates on a canvas: upright axes, a line per run, brushes that keep the lines that pass through them.

use super::{
    frame::{FONT, Paper, watch_size, whenever},
    points::{text, tint},
    scale,
};
use leptos::{ev, html, prelude::*};
use std::sync::Arc;
use web_sys::{CanvasRenderingContext2d, PointerEvent};

const TOP: f64 = 40.0;
const BOTTOM: f64 = 22.0;
const SIDE: f64 = 64.0;
/// How near an axis a press has to be.
const NEAR_PX: f64 = 28.0;
const LONGEST: usize = 16;

/// Lowest and highest place that is kept.
pub type Brush = (f64, f64);

/// One upright axis with a place for each run.
#[derive(Clone, Debug, PartialEq)]
pub struct ParallelAxis {
    pub label: String,
    pub span: (f64, f64),
    pub places: Vec<Option<f64>>,
    pub words: Option<Vec<String>>,
}

#[derive(Clone, Copy, PartialEq)]
struct Frame {
    width: f64,
    height: f64,
    count: usize,
}

impl Frame {
    fn x(&self, axis: usize) -> f64 {
        SIDE + (self.width - 2.0 * SIDE) * axis as f64 / (self.count.max(2) - 1) as f64
    }

    fn y(&self, (lo, hi): (f64, f64), place: f64) -> f64 {
        self.height - BOTTOM - (place - lo) / (hi - lo) * (self.height - BOTTOM - TOP)
    }

    fn place(&self, (lo, hi): (f64, f64), y: f64) -> f64 {
        let share = (self.height - BOTTOM - y) / (self.height - BOTTOM - TOP);
        lo + share.clamp(0.0, 1.0) * (hi - lo)
    }

    fn nearest(&self, x: f64) -> Option<usize> {
        (0..self.count)
            .min_by(|a, b| (self.x(*a) - x).abs().total_cmp(&(self.x(*b) - x).abs()))
            .filter(|i| (self.x(*i) - x).abs() < NEAR_PX)
    }
}

#[component]
pub fn ParallelChart(
    axes: Memo<Arc<Vec<ParallelAxis>>>,
    /// Which runs the brushes leave.
    kept: Memo<Arc<Vec<bool>>>,
    brushes: Memo<Vec<Option<Brush>>>,
    /// Gets the axis and its brush, or nothing where it goes away.
    on_brush: Callback<(usize, Option<Brush>)>,
) -> impl IntoView {
    let canvas = NodeRef::<html::Canvas>::new();
    let size = watch_size(canvas);
    let drag = RwSignal::new(None::<(usize, f64, f64)>);
    let focus = RwSignal::new(0usize);
    let frame = move || Frame {
        width: size.get_untracked().0,
        height: size.get_untracked().1,
        count: axes.with_untracked(|a| a.len()),
    };
    whenever(
        canvas,
        move || (size.track(), axes.track(), kept.track(), brushes.track(), drag.track()),
        move |c, paper| {
            let axes = axes.get_untracked();
            let frame = frame();
            let mut shown = brushes.get_untracked();
            if let Some((i, a, b)) = drag.get_untracked()
                && let Some(brush) = shown.get_mut(i)
            {
                *brush = Some(between(&frame, &axes[i], a, b));
            }
            draw(c, paper, frame, &axes, &kept.get_untracked(), &shown);
        },
    );
    let press = move |e: PointerEvent| {
        let Some(axis) = frame().nearest(f64::from(e.offset_x())) else { return };
        let y = f64::from(e.offset_y());
        drag.set(Some((axis, y, y)));
        if let Some(canvas) = canvas.get_untracked() {
            let _ = canvas.set_pointer_capture(e.pointer_id());
        }
    };
    let pull = move |e: PointerEvent| {
        if let Some((axis, from, _)) = drag.get_untracked() {
            drag.set(Some((axis, from, f64::from(e.offset_y()))));
        }
    };
    let release = move |_: PointerEvent| {
        let Some((axis, a, b)) = drag.get_untracked() else { return };
        drag.set(None);
        let brush = ((a - b).abs() > 4.0).then(|| axes.with_untracked(|axes| between(&frame(), &axes[axis], a, b)));
        on_brush.run((axis, brush));
    };
    // arrows choose an axis; up and down keep its upper or lower half
    let key = move |e: ev::KeyboardEvent| {
        let count = axes.with_untracked(|a| a.len());
        let at = focus.get_untracked().min(count.saturating_sub(1));
        let (lo, hi) = axes.with_untracked(|a| a[at].span);
        match e.key().as_str() {
            "ArrowRight" => focus.set((at + 1) % count),
            "ArrowLeft" => focus.set((at + count - 1) % count),
            "ArrowUp" => on_brush.run((at, Some(((lo + hi) / 2.0, hi)))),
            "ArrowDown" => on_brush.run((at, Some((lo, (lo + hi) / 2.0)))),
            "Escape" | "Delete" => on_brush.run((at, None)),
            _ => return,
        }
        e.prevent_default();
        e.stop_propagation();
    };
    let label = move || {
        let names = axes.with(|a| a.iter().map(|a| a.label.clone()).collect::<Vec<_>>().join(", "));
        format!(
            "Parallel coordinates of {names}. Left and right choose an axis, up and down keep its upper or lower half, Escape keeps all."
        )
    };
    let said = move || axes.with(|a| a.get(focus.get()).map(|a| format!("Axis {}", a.label)));
    view! {
        <figure class="chart">
            <div class="plot parallel">
                <canvas node_ref=canvas tabindex="0" role="img" aria-label=label on:pointerdown=press on:pointermove=pull
                    on:pointerup=release on:pointercancel=move |_| drag.set(None) on:keydown=key></canvas>
            </div>
            <span class="sr" role="status">{said}</span>
        </figure>
    }
}

fn between(frame: &Frame, axis: &ParallelAxis, a: f64, b: f64) -> Brush {
    let (one, two) = (frame.place(axis.span, a), frame.place(axis.span, b));
    let round = |v: f64| if axis.words.is_some() { v } else { format!("{v:.6e}").parse().unwrap_or(v) };
    (round(one.min(two)), round(one.max(two)))
}

fn draw(
    c: &CanvasRenderingContext2d,
    paper: &Paper,
    frame: Frame,
    axes: &[ParallelAxis],
    kept: &[bool],
    brushes: &[Option<Brush>],
) {
    if frame.width < 160.0 || axes.len() < 2 {
        return;
    }
    c.set_font(FONT);
    c.set_line_join("round");
    // what is brushed away lies below what is kept
    for pass in [false, true] {
        for (run, _) in kept.iter().enumerate().filter(|(_, k)| **k == pass) {
            let last = axes.last().and_then(|a| a.places[run].map(|p| (p - a.span.0) / (a.span.1 - a.span.0)));
            let colour = if pass { tint(paper, last) } else { paper.grid.clone() };
            c.set_stroke_style_str(&colour);
            c.set_line_width(if pass { 1.4 } else { 1.0 });
            c.set_global_alpha(if pass { opacity(kept.len()) } else { 0.7 });
            path(c, &frame, axes, run);
        }
    }
    c.set_global_alpha(1.0);
    for (i, axis) in axes.iter().enumerate() {
        upright(c, paper, &frame, i, axis, brushes.get(i).copied().flatten());
    }
}

fn opacity(runs: usize) -> f64 {
    (30.0 / runs.max(1) as f64).clamp(0.28, 0.9)
}

fn path(c: &CanvasRenderingContext2d, frame: &Frame, axes: &[ParallelAxis], run: usize) {
    c.begin_path();
    let mut down = false;
    for (i, axis) in axes.iter().enumerate() {
        match axis.places[run] {
            Some(place) if down => c.line_to(frame.x(i), frame.y(axis.span, place)),
            Some(place) => {
                c.move_to(frame.x(i), frame.y(axis.span, place));
                down = true;
            }
            None => down = false,
        }
    }
    c.stroke();
}

fn upright(
    c: &CanvasRenderingContext2d,
    paper: &Paper,
    frame: &Frame,
    i: usize,
    axis: &ParallelAxis,
    brush: Option<Brush>,
) {
    let x = frame.x(i).round() + 0.5;
    c.set_stroke_style_str(&paper.text);
    c.set_line_width(1.0);
    c.begin_path();
    c.move_to(x, TOP);
    c.line_to(x, frame.height - BOTTOM);
    c.stroke();
    if let Some((lo, hi)) = brush {
        let (top, bottom) = (frame.y(axis.span, hi), frame.y(axis.span, lo));
        c.set_fill_style_str(&paper.accent);
        c.set_global_alpha(0.3);
        c.fill_rect(x - 7.0, top, 14.0, (bottom - top).max(3.0));
        c.set_global_alpha(1.0);
    }
    c.set_fill_style_str(&paper.strong);
    c.set_text_align("center");
    c.set_text_baseline("top");
    let room = ((frame.width - 2.0 * SIDE) / (frame.count.max(2) - 1) as f64 / 6.2) as usize;
    let _ = c.fill_text(&shortened(&axis.label, room.clamp(6, 26)), x, 10.0);
    c.set_fill_style_str(&paper.text);
    c.set_stroke_style_str(&paper.panel);
    c.set_line_width(4.0);
    c.set_text_align("right");
    c.set_text_baseline("middle");
    let ticks: Vec<f64> = match &axis.words {
        Some(words) => (0..words.len()).step_by((words.len() / 8).max(1)).map(|w| w as f64).collect(),
        None => scale::ticks(axis.span.0, axis.span.1, 5.0),
    };
    for tick in ticks {
        let label = match axis.words {
            Some(_) => shortened(&text(tick, &axis.words), LONGEST),
            None => scale::short(tick),
        };
        let y = frame.y(axis.span, tick);
        let _ = c.stroke_text(&label, x - 9.0, y);
        let _ = c.fill_text(&label, x - 9.0, y);
    }
}

fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    format!("{}…", text.chars().take(most.saturating_sub(1)).collect::<String>())
}
