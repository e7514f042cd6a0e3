//! Runs: the list, one run, several beside each other.

mod artifacts;
mod charts;
mod columns;
mod compare;
mod data;
mod detail;
mod edit;
mod filter;
mod list;
mod media;
mod origin;
mod overview;
mod preview;
mod table;
mod views;
mod windows;

pub use compare::ComparePage;
pub use detail::RunPage;
pub use list::RunsPage;
pub use preview::shown as preview_of_head;
