//! Runs: the list, one run, several beside each other.

mod artifacts;
mod charts;
mod compare;
mod detail;
mod list;
mod table;

pub use compare::ComparePage;
pub use detail::RunPage;
pub use list::RunsPage;
