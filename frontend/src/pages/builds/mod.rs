//! Images built on the box: all builds, the form that asks for one, one with its log.

mod cache;
mod detail;
mod form;
mod list;
mod new;
mod preview;

pub use detail::BuildPage;
pub use list::BuildsPage;
pub use new::NewBuildPage;

use crate::{api::seg, app::app, format};
use drydock_wire::builds::{BuildState, BuildSummary};
use leptos::prelude::*;

/// Where the page of a build is.
fn href(id: &str) -> String {
    format!("/builds/{}", seg(id))
}

/// How long it took, or takes so far.
fn duration(build: &BuildSummary) -> String {
    let Some(start) = build.started_at else {
        return if build.state == BuildState::Queued { "waiting".to_owned() } else { "–".to_owned() };
    };
    let end = build.ended_at.unwrap_or_else(|| app().now.get());
    format::duration((end - start).max(0) as u64)
}
