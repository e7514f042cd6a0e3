//! Runs: the list, one run, several beside each other.

mod artifacts;
mod charts;
mod columns;
mod compare;
mod detail;
mod filter;
mod list;
mod table;
mod views;
mod windows;

pub use compare::ComparePage;
pub use detail::RunPage;
pub use list::RunsPage;
