//! Pipelines: the list, one with its graph, its runs and what starts it, the editor, one run with its tasks as they go.

mod approval;
mod drawer;
mod editor;
mod gantt;
mod graph;
mod grid;
mod list;
mod parameters;
mod pipeline;
mod preview;
mod run;
mod schedule_form;
mod schedules;
mod start_run;
mod starts;
mod words;

pub use editor::NewPipelinePage;
pub use list::PipelinesPage;
pub use pipeline::PipelinePage;
pub use run::PipelineRunPage;

use crate::{
    api::seg,
    app::{ago, app},
    format,
};
use drydock_wire::pipelines::PipelineRun;
use leptos::prelude::*;

/// The address of a pipeline's page.
fn href(name: &str) -> String {
    format!("/pipelines/{}", seg(name))
}

/// The address of a run's page.
fn run_href(run: &PipelineRun) -> String {
    format!("/pipelines/{}/runs/{}", seg(&run.pipeline), seg(&run.id))
}

/// What made a run, when, and how long it takes or took; reactive.
fn cause_line(run: &PipelineRun) -> String {
    let took = run.started_at.map(|from| {
        let to = run.ended_at.unwrap_or_else(|| app().now.get());
        format!(" · {}", format::duration((to - from).max(0) as u64))
    });
    format!(
        "{} · {} · in the name of {} · version {}{}",
        words::cause(run),
        ago(run.created_at),
        run.person,
        run.version,
        took.unwrap_or_default()
    )
}
