//! Runs × tasks: a row per task, a column per run, the newest first; each cell leads to the task in its run.

use super::{
    run_href,
    words::{cause, letter, run_status, task_status},
};
use crate::{
    format,
    live::remote,
    reactive::memo,
    ui::{EmptyState, Loaded, Pill, TimeAgo},
};
use drydock_wire::{
    events::Topic,
    pipelines::{GridCell, GridRow, PipelineGrid, TaskState},
};
use leptos::prelude::*;

const RUNS: u32 = 30;

#[component]
pub fn Grid(name: Memo<String>) -> impl IntoView {
    let path = move || Some(format!("/pipelines/{}/grid?limit={RUNS}", crate::api::seg(&name.get())));
    let grid = remote::<PipelineGrid>(path, &[Topic::Pipelines]);
    view! {
        <Loaded remote=grid lines=8 let:grid>
            {move || if grid.with(|g| g.rows.is_empty()) {
                view! { <EmptyState icon="table" title="It never ran" text="Start a run; each run becomes a column here, with a cell for each task."/> }.into_any()
            } else {
                view! { <Table grid/><Key/> }.into_any()
            }}
        </Loaded>
    }
}

#[component]
fn Table(grid: Signal<PipelineGrid>) -> impl IntoView {
    // tasks of the latest version, then those that only older runs had
    let tasks = memo(move || {
        grid.with(|g| {
            let mut names: Vec<String> = g.tasks.iter().map(|t| t.name.clone()).collect();
            for cell in g.rows.iter().flat_map(|r| &r.cells) {
                if !names.contains(&cell.task) {
                    names.push(cell.task.clone());
                }
            }
            names
        })
    });
    let head = move || grid.with(|g| g.rows.iter().map(column_head).collect_view());
    let rows = move || {
        let rows = grid.with(|g| g.rows.clone());
        tasks
            .get()
            .into_iter()
            .map(|task| {
                let cells = rows.iter().map(|row| cell(row, row.cells.iter().find(|c| c.task == task))).collect_view();
                view! { <tr><th scope="row" class="mono">{task}</th>{cells}</tr> }
            })
            .collect_view()
    };
    view! {
        <div class="pane" role="region" aria-label="Runs and their tasks" tabindex="0">
            <table class="run-grid" aria-label="Runs and their tasks">
                <thead><tr><th scope="col">"Task"</th>{head}</tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
}

fn column_head(row: &GridRow) -> impl IntoView + use<> {
    let status = run_status(&row.run);
    let words = format!("Run {}, {}, {}", row.run.number, status.label.to_lowercase(), cause(&row.run));
    view! {
        <th scope="col"><a class=format!("run-head {}", status.tone.class()) class:live=status.live href=run_href(&row.run) aria-label=words.clone() title=words>
            <i aria-hidden="true"></i>{row.run.number}</a></th>
    }
}

fn cell(row: &GridRow, cell: Option<&GridCell>) -> AnyView {
    let Some(cell) = cell else { return view! { <td><span class="sr">"not in this run"</span></td> }.into_any() };
    let status = task_status(cell.state);
    let took =
        cell.started_at.zip(cell.ended_at).map(|(a, b)| format!(", {}", format::duration((b - a).max(0) as u64)));
    let why = cell.reason.clone().map(|r| format!(": {r}")).unwrap_or_default();
    let words = format!(
        "{} in run {}: {}{}{why}",
        cell.task,
        row.run.number,
        status.label.to_lowercase(),
        took.unwrap_or_default()
    );
    let href = format!("{}?task={}", run_href(&row.run), crate::api::seg(&cell.task));
    view! {
        <td><a class=format!("run-cell {}", status.tone.class()) class:live=status.live href=href aria-label=words.clone() title=words>{letter(cell.state)}</a></td>
    }
    .into_any()
}

/// What the letters mean.
#[component]
fn Key() -> impl IntoView {
    view! {
        <p class="run-key dim">
            {TaskState::ALL.into_iter().map(|s| {
                let status = task_status(s);
                view! { <span><b class=format!("run-cell {}", status.tone.class())>{letter(s)}</b>{status.label}</span> }
            }).collect_view()}
        </p>
    }
}

/// A pipeline's runs as a list, for what the grid has no room for.
#[component]
pub fn RunList(name: Memo<String>) -> impl IntoView {
    use crate::{
        pages::parts::{Listing, PAGE_SIZE, query},
        ui::{Column, Pager, Show, Table as Rows, url::param},
    };
    use drydock_wire::pipelines::PipelineRun;
    let page = param("page", "");
    let path = move || {
        let pairs = [("page", page.get()), ("limit", PAGE_SIZE.to_string())];
        Some(query(&format!("/pipelines/{}/runs", crate::api::seg(&name.get())), &pairs))
    };
    let runs = remote::<Listing<PipelineRun>>(path, &[Topic::Pipelines]);
    let columns = || {
        vec![
            Column::<PipelineRun>::new("run", "Run", |r| {
                view! { <a class="row-link name" href=run_href(r)>"Run "{r.number}</a> }.into_any()
            })
            .fixed(),
            Column::<PipelineRun>::new("state", "State", |r| view! { <Pill status=run_status(r)/> }.into_any()),
            Column::<PipelineRun>::new("cause", "Because of", |r| cause(r).into_any()).wide_only(),
            Column::<PipelineRun>::new("why", "Why", |r| {
                let why = r.reason.clone().unwrap_or_default();
                view! { <span class="dim" title=why.clone()>{why.clone()}</span> }.into_any()
            })
            .wide_only(),
            Column::<PipelineRun>::new("version", "Version", |r| r.version.to_string().into_any()).right().wide_only(),
            Column::<PipelineRun>::new("started", "Started", |r| {
                view! { <span class="dim"><TimeAgo at=r.created_at/></span> }.into_any()
            })
            .right(),
        ]
    };
    view! {
        <Loaded remote=runs lines=8 let:list>
            {
                let rows = Signal::derive(move || list.with(|l| l.items().to_vec()));
                view! {
                    <Show when=move || rows.with(|r| !r.is_empty()) fallback=|| view! {
                        <EmptyState icon="list" title="It never ran" text="Start a run, or give it a schedule."/>
                    }>
                        <Rows id="pipeline-runs" label="Runs" rows columns=Signal::derive(columns) key=|r| r.id.clone() href=run_href/>
                        <Pager param=page total=Signal::derive(move || list.with(Listing::total)) noun="run"
                            shown=Signal::derive(move || rows.with(Vec::len)) next=Signal::derive(move || list.with(Listing::next))/>
                    </Show>
                }
            }
        </Loaded>
    }
}
