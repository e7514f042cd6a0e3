//! The graph of a pipeline, drawn from left to right, with the states of a run where there is one. The grid and the list of
//! tasks say the same in words.

use super::words::{kind_icon, task_status};
use crate::{
    layout::{Routed, routed},
    reactive::memo,
    ui::{Icon, Status, url::Param},
};
use drydock_wire::pipelines::{TaskShape, TaskState};
use leptos::prelude::*;
use std::collections::HashMap;

const WIDTH: usize = 186;
const HEIGHT: usize = 54;
const GAP_X: usize = 52;
const GAP_Y: usize = 18;
const MARGIN: usize = 10;

/// What is known of a task in a run.
#[derive(Clone, PartialEq)]
pub struct NodeState {
    pub state: TaskState,
    /// "12 s", "3 of 12".
    pub detail: String,
}

/// `chosen` is the address's parameter with the task that is looked at.
#[component]
pub fn Graph(
    #[prop(into)] shapes: Signal<Vec<TaskShape>>,
    /// By the task's name; empty: no run.
    #[prop(into)]
    states: Signal<HashMap<String, NodeState>>,
    chosen: Param,
) -> impl IntoView {
    let plan = memo(move || shapes.with(|s| Plan::of(s)));
    let frame = move || plan.with(|p| (p.width(), p.height()));
    let edges = move || {
        plan.with(|p| p.paths.clone())
            .into_iter()
            .map(|path| view! { <path d=path class="edge" marker-end="url(#task-tip)"></path> })
            .collect_view()
    };
    let nodes = move || {
        shapes
            .get()
            .into_iter()
            .enumerate()
            .filter_map(|(i, shape)| {
                plan.with(|p| p.corners.get(i).copied()).map(|corner| node(shape, corner, states, chosen))
            })
            .collect_view()
    };
    view! {
        <div class="task-graph pane" role="region" aria-label="Graph of the tasks" tabindex="0">
            <svg width=move || frame().0 height=move || frame().1 viewBox=move || format!("0 0 {} {}", frame().0, frame().1) aria-label="Tasks, from first on the left to last on the right">
                <defs>
                    <marker id="task-tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0.8 7.2 4 0 7.2z" class="tip"></path></marker>
                </defs>
                {edges}{nodes}
            </svg>
        </div>
    }
}

/// Where everything goes, in pixels.
#[derive(Clone, PartialEq)]
struct Plan {
    corners: Vec<(usize, usize)>,
    paths: Vec<String>,
    columns: usize,
    rows: usize,
}

impl Plan {
    fn of(shapes: &[TaskShape]) -> Self {
        let at: HashMap<&str, usize> = shapes.iter().enumerate().map(|(i, s)| (s.name.as_str(), i)).collect();
        let edges: Vec<(usize, usize)> = shapes
            .iter()
            .enumerate()
            .flat_map(|(to, s)| {
                s.needs.iter().filter_map(|n| at.get(n.as_str()).map(|from| (*from, to))).collect::<Vec<_>>()
            })
            .collect();
        let Routed { places, ways, heights } = routed(shapes.len(), &edges);
        let rows = heights.iter().copied().max().unwrap_or(0);
        // columns stand around the same middle
        let corner = |(column, row): (usize, usize)| {
            let pushed = (rows - heights[column]) * (HEIGHT + GAP_Y) / 2;
            (MARGIN + column * (WIDTH + GAP_X), MARGIN + row * (HEIGHT + GAP_Y) + pushed)
        };
        let corners: Vec<(usize, usize)> = places.iter().map(|p| corner(*p)).collect();
        let paths = edges
            .iter()
            .zip(&ways)
            .map(|((from, to), way)| path(corners[*from], corners[*to], way.iter().map(|p| corner(*p))))
            .collect();
        Self { corners, paths, columns: heights.len(), rows }
    }

    fn width(&self) -> usize {
        2 * MARGIN + self.columns * WIDTH + self.columns.saturating_sub(1) * GAP_X
    }

    fn height(&self) -> usize {
        2 * MARGIN + self.rows * HEIGHT + self.rows.saturating_sub(1) * GAP_Y
    }
}

/// A line from the right edge of one to the left edge of the other, straight through the free places on its way.
fn path(from: (usize, usize), to: (usize, usize), way: impl Iterator<Item = (usize, usize)>) -> String {
    let middle = |y: usize| y + HEIGHT / 2;
    let (mut x, mut y) = (from.0 + WIDTH, middle(from.1));
    let mut d = format!("M{x} {y}");
    let mut bend = |d: &mut String, x2: usize, y2: usize| {
        let half = GAP_X / 2;
        d.push_str(&format!(" C{} {y} {} {y2} {x2} {y2}", x + half, x2.saturating_sub(half)));
        (x, y) = (x2, y2);
    };
    for (left, top) in way {
        bend(&mut d, left, middle(top));
        bend(&mut d, left + WIDTH, middle(top));
    }
    bend(&mut d, to.0, middle(to.1));
    d
}

/// Text that fits into a node.
fn short(text: &str, most: usize) -> String {
    if text.chars().count() <= most { text.to_owned() } else { text.chars().take(most - 1).chain(['…']).collect() }
}

fn node(
    shape: TaskShape,
    (x, y): (usize, usize),
    states: Signal<HashMap<String, NodeState>>,
    chosen: Param,
) -> impl IntoView {
    let name = StoredValue::new(shape.name.clone());
    let now = memo(move || states.with(|s| name.with_value(|n| s.get(n).cloned())));
    let status = move || now.with(|n| n.as_ref().map(|n| task_status(n.state)));
    let kind = shape.kind.as_str();
    let what = shape.what.clone();
    let said = StoredValue::new(what.clone());
    let label = move || {
        let state =
            now.with(|n| n.as_ref().map(|n| format!(", {} {}", task_status(n.state).label.to_lowercase(), n.detail)));
        format!("{}, {kind}{}", name.get_value(), state.unwrap_or_default())
    };
    let below = move || match now.get() {
        Some(n) if !n.detail.is_empty() => format!("{} · {}", task_status(n.state).label, n.detail),
        Some(n) => task_status(n.state).label,
        None => said.with_value(|w| short(w, 27)),
    };
    let class = move || {
        let (tone, live) = status().map_or(("", false), |Status { tone, live, .. }| (tone.class(), live));
        format!(
            "task-node {tone}{}{}",
            if live { " live" } else { "" },
            if chosen.is(&name.get_value()) { " chosen" } else { "" }
        )
    };
    let many = shape.fans_out;
    let press = move |e: leptos::ev::MouseEvent| {
        e.prevent_default();
        e.stop_propagation();
        chosen.set(&name.get_value());
    };
    // within a group, so that title and link are made as SVG's and not as HTML's
    view! {
        <g>
            <a href=format!("?task={}", crate::api::seg(&shape.name)) class=class aria-label=label on:click=press>
                <g>
                    <title>{what}</title>
                    {many.then(|| view! { <rect x=x + 5 y=y + 5 width=WIDTH height=HEIGHT rx="9" class="behind"></rect> })}
                    <rect x=x y=y width=WIDTH height=HEIGHT rx="9"></rect>
                    <rect x=x y=y + 9 width="4" height=HEIGHT - 18 rx="2" class="node-state"></rect>
                    <text x=x + 15 y=y + 22 class="title">{short(&shape.name, 20)}</text>
                    <text x=x + WIDTH - 10 y=y + 21 class="kind" text-anchor="end">{kind}</text>
                    <text x=x + 15 y=y + 40 class="detail">{below}</text>
                </g>
            </a>
        </g>
    }
}

/// The same as a list, for narrow screens.
#[component]
pub fn TaskList(
    #[prop(into)] shapes: Signal<Vec<TaskShape>>,
    #[prop(into)] states: Signal<HashMap<String, NodeState>>,
    chosen: Param,
) -> impl IntoView {
    let item = move |shape: TaskShape| {
        let (name, open) = (StoredValue::new(shape.name.clone()), shape.name.clone());
        let now = memo(move || states.with(|s| name.with_value(|n| s.get(n).cloned())));
        let after = if shape.needs.is_empty() { String::new() } else { format!("after {}", shape.needs.join(", ")) };
        view! {
            <li>
                <button type="button" aria-pressed=move || chosen.is(&name.get_value()).to_string() on:click=move |_| chosen.set(&open)>
                    <Icon name=kind_icon(shape.kind)/>
                    <span><b>{shape.name}</b><small class="dim">{shape.kind.as_str()}" · "{shape.what}</small><small class="dim">{after}</small></span>
                    {move || now.get().map(|n| view! { <span class="push"><crate::ui::Pill status=task_status(n.state)/><small class="dim">{n.detail}</small></span> })}
                </button>
            </li>
        }
    };
    view! { <ol class="task-list" aria-label="Tasks">{move || shapes.get().into_iter().map(item).collect_view()}</ol> }
}
