//! How many lines match, over time; a part of it is chosen by dragging over it.

use super::Asked;
use crate::{
    format::{number, plural},
    live::remote,
    pages::parts::full_time,
    ui::{Button, Loaded, Look, Show},
};
use drydock_wire::logs::{LogBucket, LogHistogram};
use leptos::{ev, html, prelude::*};

const BUCKETS: usize = 60;

/// Buckets between which somebody drags.
type Brush = RwSignal<Option<(usize, usize)>>;

#[component]
pub fn Chart(asked: Asked) -> impl IntoView {
    let path = move || Some(asked.path("/logs/histogram", &[("buckets", BUCKETS.to_string())]));
    let histogram = remote::<LogHistogram>(path, &[]);
    view! {
        <div class="log-chart card">
            <Loaded remote=histogram lines=3 let:it>
                <Drawn asked it/>
            </Loaded>
        </div>
    }
}

#[component]
fn Drawn(asked: Asked, it: Signal<LogHistogram>) -> impl IntoView {
    let brush: Brush = RwSignal::new(None);
    let pane = NodeRef::<html::Div>::new();
    let at = move |e: &ev::PointerEvent| {
        let place = pane.get_untracked()?.get_bounding_client_rect();
        let share = (f64::from(e.client_x()) - place.left()) / place.width().max(1.0);
        let count = it.with_untracked(|it| it.buckets.len());
        Some(((share * count as f64).max(0.0) as usize).min(count.saturating_sub(1)))
    };
    let begin = move |e: ev::PointerEvent| brush.set(at(&e).map(|at| (at, at)));
    let go_on = move |e: ev::PointerEvent| {
        if let (Some((from, _)), Some(to)) = (brush.get_untracked(), at(&e)) {
            brush.set(Some((from, to)));
        }
    };
    let end = move |_: ev::PointerEvent| {
        let Some((a, b)) = brush.get_untracked() else { return };
        brush.set(None);
        let (first, last) = (a.min(b), a.max(b));
        let (from, step) = it.with_untracked(|it| (it.from, it.step_ms));
        asked.brush(from + first as i64 * step, from + (last as i64 + 1) * step);
    };
    let words = move || {
        it.with(|it| {
            let of = |count: fn(&LogBucket) -> u64| it.buckets.iter().map(count).sum::<u64>();
            let (warnings, errors) = (of(|b| b.warnings), of(|b| b.errors));
            let told =
                format!("{}, {}, {}", plural(it.total, "line"), plural(warnings, "warning"), plural(errors, "error"));
            format!("{told}, {} to {}", full_time(it.from), full_time(it.to))
        })
    };
    view! {
        <div class="log-chart-head">
            <span role="status" data-testid="log-count">{words}</span>
            <Show when=move || asked.is_brushed()>
                <Button small=true look=Look::Quiet icon="zoom-out" on_press=move |_| asked.whole()>"Whole time"</Button>
            </Show>
        </div>
        <div class="log-bars" role="img" aria-label=move || format!("Lines over time: {}. Drag to choose a part.", words()) node_ref=pane
            on:pointerdown=begin on:pointermove=go_on on:pointerup=end on:pointerleave=move |_| brush.set(None)>
            {move || it.with(|it| bars(it, brush))}
        </div>
    }
}

fn bars(it: &LogHistogram, brush: Brush) -> Vec<impl IntoView + use<>> {
    let most = it.buckets.iter().map(|b| b.total).max().unwrap_or(0).max(1);
    // a bucket that has lines stays visible
    let share = move |count: u64| match count {
        0 => "0".to_owned(),
        count => format!("{:.1}%", (count as f64 / most as f64 * 100.0).max(3.0)),
    };
    let bar = |(n, bucket): (usize, &LogBucket)| {
        let words = format!("{}: {}", full_time(bucket.at), number(bucket.total));
        let rest = bucket.total.saturating_sub(bucket.warnings + bucket.errors);
        let chosen = move || brush.get().is_some_and(|(a, b)| (a.min(b)..=a.max(b)).contains(&n));
        view! {
            <span class:chosen=chosen title=words>
                <i class="bad" style:height=share(bucket.errors)></i><i class="warn" style:height=share(bucket.warnings)></i><i style:height=share(rest)></i>
            </span>
        }
    };
    it.buckets.iter().enumerate().map(bar).collect()
}
