//! What every canvas needs: its size, the theme's colours, one drawing per frame.

use super::{COLOURS, line::theme_changes};
use crate::reactive::effect;
use leptos::{html, prelude::*};
use std::{cell::Cell, rc::Rc};
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement, ResizeObserver};

pub const FONT: &str = "11px 'Inter Variable', Inter, system-ui, sans-serif";

/// Colours of the present theme.
pub struct Paper {
    pub grid: String,
    pub text: String,
    pub strong: String,
    pub accent: String,
    pub panel: String,
    pub lines: Vec<String>,
}

impl Paper {
    fn read(canvas: &HtmlCanvasElement) -> Self {
        let style = window().get_computed_style(canvas).ok().flatten();
        let var = |name: &str| {
            let value = style.as_ref().and_then(|s| s.get_property_value(name).ok()).unwrap_or_default();
            value.trim().to_owned()
        };
        Self {
            grid: var("--line"),
            text: var("--dim"),
            strong: var("--text"),
            accent: var("--accent"),
            panel: var("--panel"),
            lines: (0..COLOURS).map(|i| var(&format!("--s{i}"))).collect(),
        }
    }
}

/// The canvas's size in CSS pixels.
pub fn watch_size(canvas: NodeRef<html::Canvas>) -> RwSignal<(f64, f64)> {
    let size = RwSignal::new((0.0, 0.0));
    canvas.on_load(move |el| {
        let element: HtmlCanvasElement = el.clone();
        let measure = Closure::<dyn FnMut()>::new(move || {
            let now = (f64::from(element.client_width()), f64::from(element.client_height()));
            if size.try_get_untracked().is_some_and(|old| old != now) {
                size.set(now);
            }
        });
        let Ok(observer) = ResizeObserver::new(measure.as_ref().unchecked_ref()) else { return };
        observer.observe(&el);
        let keep = StoredValue::new_local((observer, measure));
        on_cleanup(move || {
            let _ = keep.try_with_value(|k| k.0.disconnect());
        });
    });
    size
}

/// Draws in the next frame when something of `track` or the theme changed. The canvas is cleared and scaled to the screen.
pub fn whenever<T: 'static>(
    canvas: NodeRef<html::Canvas>,
    track: impl Fn() -> T + 'static,
    draw: impl Fn(&CanvasRenderingContext2d, &Paper) + 'static,
) {
    let scheduled = Rc::new(Cell::new(false));
    let alive = RwSignal::new(());
    let draw = Rc::new(draw);
    let themes = theme_changes();
    effect(move || {
        themes.track();
        track();
        let Some(element) = canvas.get() else { return };
        if scheduled.replace(true) {
            return;
        }
        let (scheduled, draw) = (scheduled.clone(), draw.clone());
        request_animation_frame(move || {
            scheduled.set(false);
            // the page may be another one by now
            if alive.try_get_untracked().is_none() {
                return;
            }
            if let Some(c) = cleared(&element) {
                draw(&c, &Paper::read(&element));
            }
        });
    });
}

fn cleared(canvas: &HtmlCanvasElement) -> Option<CanvasRenderingContext2d> {
    let (width, height) = (f64::from(canvas.client_width()), f64::from(canvas.client_height()));
    let ratio = window().device_pixel_ratio();
    let (w, h) = ((width * ratio).round() as u32, (height * ratio).round() as u32);
    if canvas.width() != w || canvas.height() != h {
        canvas.set_width(w);
        canvas.set_height(h);
    }
    let c: CanvasRenderingContext2d = canvas.get_context("2d").ok().flatten()?.dyn_into().ok()?;
    let _ = c.set_transform(ratio, 0.0, 0.0, ratio, 0.0, 0.0);
    c.clear_rect(0.0, 0.0, width, height);
    Some(c)
}
