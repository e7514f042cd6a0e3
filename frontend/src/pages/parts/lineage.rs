//! The lineage of a thing, drawn from left to right; each node is a link. On narrow screens, and for screen readers that
//! prefer it, the same as a list.

use crate::{
    api::seg,
    layout,
    live::remote,
    ui::{EmptyState, Icon, Loaded},
};
use drydock_wire::{
    events::Topic,
    lineage::{Edge, Lineage, Node, NodeKind},
};
use leptos::prelude::*;
use std::collections::HashMap;

const WIDTH: usize = 176;
const HEIGHT: usize = 58;
const GAP_X: usize = 74;
const GAP_Y: usize = 18;
const MARGIN: usize = 8;

/// What a node looks like.
fn icon(kind: NodeKind) -> &'static str {
    match kind {
        NodeKind::Dataset | NodeKind::Input => "database",
        NodeKind::Commit => "git-branch",
        NodeKind::Source => "code",
        NodeKind::Job => "play",
        NodeKind::Run => "activity",
        NodeKind::LoggedModel => "package",
        NodeKind::Version => "box",
        NodeKind::Deployment => "rocket",
    }
}

/// `of` is the start's `kind/id`, as the address of the API has it.
#[component]
pub fn LineageView(#[prop(into)] of: Signal<Option<(NodeKind, String)>>) -> impl IntoView {
    let path = move || of.get().map(|(kind, id)| format!("/lineage/{}/{}", kind.as_str(), seg(&id)));
    let found = remote::<Lineage>(path, &[Topic::Models, Topic::Deployments, Topic::Runs, Topic::Jobs]);
    view! { <Loaded remote=found lines=8 let:lineage>{move || drawn(lineage.get())}</Loaded> }
}

fn drawn(lineage: Lineage) -> AnyView {
    if lineage.nodes.len() < 2 {
        return view! {
            <div class="pane"><EmptyState icon="git-branch" title="Nothing is known about where this came from"
                text="Lineage appears when a run logs the model, a job mounts a dataset, or a deployment serves a version."/></div>
        }
        .into_any();
    }
    let truncated = lineage.truncated;
    view! {
        {truncated.then(|| view! { <p class="dim">"There is more than is shown here; open a node to go on from it."</p> })}
        {picture(&lineage)}
        {listed(&lineage)}
    }
    .into_any()
}

/// Text that fits into a node.
fn short(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let cut: String = text.chars().take(most - 1).collect();
    format!("{cut}…")
}

fn picture(lineage: &Lineage) -> impl IntoView + use<> {
    let at: HashMap<&str, usize> = lineage.nodes.iter().enumerate().map(|(i, n)| (n.key.as_str(), i)).collect();
    let pairs: Vec<(usize, usize)> =
        lineage.edges.iter().filter_map(|e| Some((*at.get(e.from.as_str())?, *at.get(e.to.as_str())?))).collect();
    let placed = layout::places(lineage.nodes.len(), &pairs);
    let columns = placed.iter().map(|p| p.0 + 1).max().unwrap_or(1);
    let tallest = placed.iter().map(|p| p.1 + 1).max().unwrap_or(1);
    let in_column = |column: usize| placed.iter().filter(|p| p.0 == column).count();
    let corner = |i: usize| {
        let (column, row) = placed[i];
        let pushed = (tallest - in_column(column)) * (HEIGHT + GAP_Y) / 2;
        (MARGIN + column * (WIDTH + GAP_X), MARGIN + row * (HEIGHT + GAP_Y) + pushed)
    };
    let width = MARGIN * 2 + columns * WIDTH + (columns - 1) * GAP_X;
    let height = MARGIN * 2 + tallest * HEIGHT + (tallest - 1) * GAP_Y;
    let edges = lineage.edges.iter().zip(&pairs).map(|(edge, (from, to))| line(edge, corner(*from), corner(*to)));
    let edges = edges.collect_view();
    let nodes = lineage.nodes.iter().enumerate().map(|(i, node)| tile(node, corner(i), node.key == lineage.start));
    let nodes = nodes.collect_view();
    view! {
        <div class="lineage pane" role="region" aria-label="Lineage, drawn" tabindex="0">
            <svg width=width height=height viewBox=format!("0 0 {width} {height}") aria-label="Lineage, from sources on the left to deployments on the right">
                <defs>
                    <marker id="lineage-tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">
                        <path d="M0 0.8 7.2 4 0 7.2z" class="tip"></path>
                    </marker>
                </defs>
                {edges}{nodes}
            </svg>
        </div>
    }
}

fn line(edge: &Edge, from: (usize, usize), to: (usize, usize)) -> impl IntoView + use<> {
    let (x1, y1) = (from.0 + WIDTH, from.1 + HEIGHT / 2);
    let (x2, y2) = (to.0, to.1 + HEIGHT / 2);
    let bend = GAP_X / 2;
    let path = format!("M{x1} {y1} C{} {y1} {} {y2} {x2} {y2}", x1 + bend, x2.saturating_sub(bend));
    let (x, y) = ((x1 + x2) / 2, (y1 + y2) / 2);
    let text = if edge.past { format!("once {}", edge.label) } else { edge.label.clone() };
    view! {
        <path d=path class="edge" class:past=edge.past marker-end="url(#lineage-tip)"></path>
        <text x=x y=y.saturating_sub(5) class="label" text-anchor="middle">{text}</text>
    }
}

fn tile(node: &Node, (x, y): (usize, usize), is_start: bool) -> AnyView {
    let name = format!("{} {}, {}", node.kind.word(), node.title, node.detail);
    // within a group, so that title and link are made as SVG's and not as HTML's
    let inside = view! {
        <g>
            <title>{name.clone()}</title>
            <rect x=x y=y width=WIDTH height=HEIGHT rx="9"></rect>
            <text x=x + 12 y=y + 17 class="kind">{node.kind.word()}</text>
            <text x=x + 12 y=y + 34 class="title">{short(&node.title, 23)}</text>
            <text x=x + 12 y=y + 49 class="detail">{short(&node.detail, 27)}</text>
        </g>
    };
    match &node.href {
        Some(href) => {
            view! { <g><a href=href.clone() class="node" class:start=is_start aria-label=name>{inside}</a></g> }
                .into_any()
        }
        None => view! { <g class="node fixed" class:start=is_start role="img" aria-label=name>{inside}</g> }.into_any(),
    }
}

/// The same as a list: what it is, and what it came from.
fn listed(lineage: &Lineage) -> impl IntoView + use<> {
    let titles: HashMap<&str, &Node> = lineage.nodes.iter().map(|n| (n.key.as_str(), n)).collect();
    let one = |node: &Node| {
        let from: Vec<String> = lineage
            .edges
            .iter()
            .filter(|e| e.to == node.key)
            .filter_map(|e| {
                let source = titles.get(e.from.as_str())?;
                let once = if e.past { "once " } else { "" };
                Some(format!("{once}from {} {}", source.kind.word().to_lowercase(), source.title))
            })
            .collect();
        let is_start = node.key == lineage.start;
        let title = match &node.href {
            Some(href) => view! { <a href=href.clone()>{node.title.clone()}</a> }.into_any(),
            None => view! { <span class="wrap">{node.title.clone()}</span> }.into_any(),
        };
        view! {
            <li class:start=is_start>
                <Icon name=icon(node.kind)/>
                <div>
                    <span class="dim">{node.kind.word()}{is_start.then_some(" (this one)")}</span>
                    <b>{title}</b>
                    <span class="dim wrap">{node.detail.clone()}</span>
                    {from.into_iter().map(|text| view! { <span class="from dim"><Icon name="corner-down-left"/>{text}</span> }).collect_view()}
                </div>
            </li>
        }
    };
    let items = lineage.nodes.iter().map(one).collect_view();
    view! { <ol class="lineage-list" aria-label="Lineage, as a list">{items}</ol> }
}
