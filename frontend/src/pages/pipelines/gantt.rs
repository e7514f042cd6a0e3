//! When each task of a run ran: a bar for every try, on one axis of time.

use super::words::task_status;
use crate::{
    app::app,
    format,
    gantt::Span,
    reactive::memo,
    ui::{EmptyState, Show, url::Param},
};
use drydock_wire::pipelines::{PipelineRunDetail, TaskRun};
use leptos::prelude::*;

#[component]
pub fn Gantt(run: Signal<PipelineRunDetail>, chosen: Param) -> impl IntoView {
    let bars =
        memo(move || run.with(|r| r.tasks.iter().filter(|t| t.started_at.is_some()).cloned().collect::<Vec<_>>()));
    let span = memo(move || {
        let now = app().now.get();
        bars.with(|b| Span::around(b.iter().filter_map(|t| Some((t.started_at?, t.ended_at))), now))
    });
    let marks = move || {
        let span = span.get();
        span.map(|s| {
            s.marks(6).into_iter().map(|seconds| {
                let (left, _) = s.bar(s.from + seconds * 1_000, s.from + seconds * 1_000);
                view! { <i style:left=format!("{left:.2}%")>{if seconds == 0 { "0".to_owned() } else { format::duration(seconds as u64 * 1_000) }}</i> }
            }).collect_view()
        })
    };
    let rows = move || {
        let span = span.get();
        bars.get().into_iter().filter_map(|t| span.map(|s| row(t, s, chosen))).collect_view()
    };
    view! {
        <Show when=move || bars.with(|b| !b.is_empty()) fallback=|| view! {
            <EmptyState icon="timer" title="Nothing has started" text="A bar appears for each try of each task when it starts."/>
        }>
            <div class="gantt pane" role="region" aria-label="When each task ran" tabindex="0">
                <div class="gantt-axis" aria-hidden="true"><span></span><div class="gantt-marks">{marks}</div></div>
                <ul>{rows}</ul>
            </div>
        </Show>
    }
}

fn row(t: TaskRun, span: Span, chosen: Param) -> impl IntoView {
    let status = task_status(t.state);
    let from = t.started_at.unwrap_or(span.from);
    let to = t.ended_at.unwrap_or(span.to);
    let (left, width) = span.bar(from, to);
    let took = format::duration((to - from).max(0) as u64);
    let item = t.item.map(|i| format!(" [{i}]")).unwrap_or_default();
    let attempt = if t.number > 1 { format!(", try {}", t.number) } else { String::new() };
    let words = format!("{}{item}{attempt}: {} after {took}", t.task, status.label.to_lowercase());
    let task = t.task.clone();
    // words stand where there is room: behind the bar, or before it where it ends at the edge
    let before = left + width > 82.0;
    view! {
        <li class:past=t.is_past>
            <button type="button" class="gantt-row" aria-label=words.clone() title=words on:click=move |_| chosen.set(&task)>
                <span class="gantt-name mono">{t.task.clone()}{item}<small class="dim">{attempt}</small></span>
                <span class="gantt-lane">
                    <i class=format!("gantt-bar {}", status.tone.class()) class:live=status.live style:left=format!("{left:.2}%") style:width=format!("max(3px, {width:.2}%)")></i>
                    <small class="gantt-took" class:before=before style:left=format!("{:.2}%", if before { left } else { left + width })>{took}</small>
                </span>
            </button>
        </li>
    }
}
