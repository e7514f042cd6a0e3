//! Datasets: the list, one with its versions, profile, rules and checks.

mod changes;
mod detail;
mod drift;
mod files;
mod list;
mod profile;
mod report;
mod rules;
mod rules_yaml;
mod snippets;
mod timeline;
mod upload;

pub use detail::DatasetPage;
pub use list::DatasetsPage;
