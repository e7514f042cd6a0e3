//! Puts curves on a canvas. Knows nothing of signals or the page.

use super::{
    Axis, COLOURS,
    scale::{self, Curve, Plot},
};
use js_sys::Date;
use leptos::prelude::window;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement};

const TOP: f64 = 10.0;
const BOTTOM: f64 = 26.0;
const RIGHT: f64 = 14.0;
/// About the width of a digit in that font.
const GLYPH_PX: f64 = 6.6;
const FONT: &str = "11px 'Inter Variable', Inter, system-ui, sans-serif";
/// With fewer points than this on a line, each is marked.
const MARKED: usize = 40;
/// More lines than this are drawn thin and without marks.
const BUNDLE: usize = 12;

/// Colours of the present theme, read from the stylesheet.
#[derive(Clone, Debug, PartialEq)]
pub struct Ink {
    grid: String,
    text: String,
    lines: Vec<String>,
}

impl Ink {
    pub fn read(canvas: &HtmlCanvasElement) -> Self {
        let style = window().get_computed_style(canvas).ok().flatten();
        let var = |name: &str| {
            let value = style.as_ref().and_then(|s| s.get_property_value(name).ok()).unwrap_or_default();
            value.trim().to_owned()
        };
        Self { grid: var("--line"), text: var("--dim"), lines: (0..COLOURS).map(|i| var(&format!("--s{i}"))).collect() }
    }
}

/// What to draw.
pub struct Scene<'a> {
    pub curves: &'a [Curve],
    pub hidden: &'a [bool],
    pub zoom: Option<(f64, f64)>,
    pub log: bool,
    pub axis: Axis,
    pub size: (f64, f64),
}

impl Scene<'_> {
    fn visible(&self) -> impl Iterator<Item = &Curve> {
        self.curves.iter().enumerate().filter(|(i, _)| !self.hidden.get(*i).copied().unwrap_or(false)).map(|(_, c)| c)
    }

    /// Absent where there is nothing to draw or no room.
    pub fn plot(&self) -> Option<Plot> {
        let (width, height) = self.size;
        if width < 120.0 || height < 60.0 {
            return None;
        }
        let x = self.zoom.or_else(|| scale::span(self.visible()))?;
        let y = scale::reach(self.visible(), x, self.log)?;
        let mut plot = Plot { left: 0.0, right: width - RIGHT, top: TOP, bottom: height - BOTTOM, x, y, log: self.log };
        let widest = y_ticks(&plot).into_iter().map(|t| scale::short(t).chars().count()).max().unwrap_or(1);
        plot.left = (widest as f64 * GLYPH_PX + 16.0).max(34.0);
        Some(plot)
    }
}

fn y_ticks(plot: &Plot) -> Vec<f64> {
    let count = ((plot.bottom - plot.top) / 46.0).max(2.0);
    if plot.log { scale::log_ticks(plot.y.0, plot.y.1, count) } else { scale::ticks(plot.y.0, plot.y.1, count) }
}

/// Draws all of it and says where the plot is.
pub fn draw(canvas: &HtmlCanvasElement, scene: &Scene<'_>, ink: &Ink) -> Option<Plot> {
    let (width, height) = scene.size;
    let ratio = window().device_pixel_ratio();
    let (w, h) = ((width * ratio).round() as u32, (height * ratio).round() as u32);
    if canvas.width() != w || canvas.height() != h {
        canvas.set_width(w);
        canvas.set_height(h);
    }
    let context = canvas.get_context("2d").ok().flatten()?;
    let c: CanvasRenderingContext2d = context.dyn_into().ok()?;
    let _ = c.set_transform(ratio, 0.0, 0.0, ratio, 0.0, 0.0);
    c.clear_rect(0.0, 0.0, width, height);
    let plot = scene.plot()?;
    grid(&c, &plot, scene.axis, ink);
    c.save();
    c.begin_path();
    c.rect(plot.left - 1.0, 0.0, plot.right - plot.left + 6.0, plot.bottom + 4.0);
    c.clip();
    c.set_line_join("round");
    // a bundle of lines shows its shape only where they are thin
    let bundle = scene.visible().count() > BUNDLE;
    for curve in scene.visible() {
        line(&c, &plot, curve, &ink.lines[curve.colour % COLOURS], bundle);
    }
    c.restore();
    Some(plot)
}

fn grid(c: &CanvasRenderingContext2d, plot: &Plot, axis: Axis, ink: &Ink) {
    c.set_line_width(1.0);
    c.set_font(FONT);
    c.set_stroke_style_str(&ink.grid);
    c.set_fill_style_str(&ink.text);
    c.set_text_align("right");
    c.set_text_baseline("middle");
    for tick in y_ticks(plot) {
        let y = plot.py(tick).round() + 0.5;
        c.begin_path();
        c.move_to(plot.left, y);
        c.line_to(plot.right, y);
        c.stroke();
        let _ = c.fill_text(&scale::short(tick), plot.left - 8.0, y);
    }
    c.set_text_align("center");
    c.set_text_baseline("top");
    for tick in x_ticks(plot, axis) {
        let label = x_label(tick, axis, plot.x.1 - plot.x.0);
        // at the edge a label moves inwards rather than being cut
        let half = label.chars().count() as f64 * GLYPH_PX / 2.0;
        let x = plot.px(tick).min(plot.right + RIGHT - half - 1.0);
        let _ = c.fill_text(&label, x, plot.bottom + 10.0);
    }
}

fn x_ticks(plot: &Plot, axis: Axis) -> Vec<f64> {
    let count = ((plot.right - plot.left) / 90.0).max(2.0);
    match axis {
        // steps are whole
        Axis::Step => scale::ticks(plot.x.0, plot.x.1, count.min((plot.x.1 - plot.x.0).max(1.0))),
        Axis::Elapsed => scale::time_ticks(plot.x.0, plot.x.1, count, 0.0),
        Axis::Clock => {
            let offset = Date::new(&JsValue::from_f64(plot.x.0 * 1000.0)).get_timezone_offset() * 60.0;
            scale::time_ticks(plot.x.0, plot.x.1, count, offset)
        }
    }
}

/// A place on the x axis in words; `span` decides how fine a time is told.
pub fn x_label(x: f64, axis: Axis, span: f64) -> String {
    match axis {
        Axis::Step => scale::short(x),
        Axis::Elapsed => scale::elapsed(x),
        Axis::Clock => {
            let date = Date::new(&JsValue::from_f64(x * 1000.0));
            let (h, m, s) = (date.get_hours(), date.get_minutes(), date.get_seconds());
            if span < 600.0 { format!("{h:02}:{m:02}:{s:02}") } else { format!("{h:02}:{m:02}") }
        }
    }
}

fn line(c: &CanvasRenderingContext2d, plot: &Plot, curve: &Curve, colour: &str, bundle: bool) {
    let range = curve.within(plot.x);
    let xs = &curve.x[range.clone()];
    c.set_stroke_style_str(colour);
    c.set_fill_style_str(colour);
    let (width, strength) = if bundle { (1.0, 0.6) } else { (1.75, 1.0) };
    if let Some(smooth) = curve.smooth.as_ref().filter(|_| !bundle) {
        c.set_global_alpha(0.28);
        c.set_line_width(1.0);
        trace(c, plot, xs, &curve.raw[range.clone()]);
        c.set_global_alpha(1.0);
        c.set_line_width(1.75);
        trace(c, plot, xs, &smooth[range.clone()]);
    } else {
        c.set_line_width(width);
        c.set_global_alpha(strength);
        trace(c, plot, xs, &curve.shown()[range.clone()]);
        c.set_global_alpha(1.0);
    }
    let all = range.len() <= MARKED && !bundle;
    let ys = &curve.shown()[range];
    // a point with no neighbour makes no line, so it is marked however many points there are
    let alone = |i: usize| {
        [i.checked_sub(1), Some(i + 1)].into_iter().flatten().all(|j| !ys.get(j).is_some_and(|y| y.is_finite()))
    };
    for (i, (x, y)) in xs.iter().zip(ys).enumerate() {
        let (x, y) = (plot.px(*x), plot.py(*y));
        if y.is_finite() && (all || alone(i)) {
            c.begin_path();
            let _ = c.arc(x, y, 2.5, 0.0, std::f64::consts::TAU);
            c.fill();
        }
    }
}

/// The points of one pixel column: where the line enters, its extremes, where it leaves.
struct Column {
    px: f64,
    first: f64,
    low: f64,
    high: f64,
    last: f64,
}

impl Column {
    fn put(&self, c: &CanvasRenderingContext2d, pen_down: &mut bool) {
        if *pen_down {
            c.line_to(self.px, self.first);
        } else {
            c.move_to(self.px, self.first);
            *pen_down = true;
        }
        if self.high > self.low {
            c.line_to(self.px, self.low);
            c.line_to(self.px, self.high);
            c.line_to(self.px, self.last);
        }
    }
}

fn trace(c: &CanvasRenderingContext2d, plot: &Plot, xs: &[f64], ys: &[f64]) {
    c.begin_path();
    let mut column: Option<Column> = None;
    let mut pen_down = false;
    for (x, y) in xs.iter().zip(ys) {
        let py = plot.py(*y);
        if !py.is_finite() {
            if let Some(done) = column.take() {
                done.put(c, &mut pen_down);
            }
            pen_down = false;
            continue;
        }
        let px = (plot.px(*x) * 2.0).round() / 2.0;
        match &mut column {
            Some(k) if k.px == px => {
                k.low = k.low.min(py);
                k.high = k.high.max(py);
                k.last = py;
            }
            other => {
                let started = Column { px, first: py, low: py, high: py, last: py };
                if let Some(done) = other.replace(started) {
                    done.put(c, &mut pen_down);
                }
            }
        }
    }
    if let Some(done) = column {
        done.put(c, &mut pen_down);
    }
    c.stroke();
}
