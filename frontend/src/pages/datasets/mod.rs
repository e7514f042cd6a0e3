//! Datasets: the list, one with its versions, profile, rules and checks.

mod detail;
mod list;
mod profile;
mod report;
mod rules;
mod upload;

pub use detail::DatasetPage;
pub use list::DatasetsPage;
