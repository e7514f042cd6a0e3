//! One module per area of the dashboard. A page asks the API for what it shows and shows it with parts of `ui`.

pub mod buckets;
pub mod builds;
pub mod datasets;
pub mod deployments;
pub mod devices;
pub mod images;
pub mod jobs;
pub mod lineage;
pub mod login;
pub mod logs;
pub mod models;
pub mod monitoring;
pub mod overview;
pub mod packages;
pub mod parts;
pub mod pipelines;
pub mod queue;
pub mod runs;
pub mod settings;
pub mod setup;
pub mod store;
pub mod sweeps;
pub mod traces;
pub mod trash;
pub mod welcome;
