//! Diesel's view of the tables, one file per feature. The SQL in `migrations/` is the truth; each file mirrors its part.

pub mod accounts;
pub mod builds;
pub mod datasets;
pub mod devices;
pub mod images;
pub mod jobs;
pub mod logs;
pub mod monitoring;
pub mod objects;
pub mod packages;
pub mod pipelines;
pub mod registry;
pub mod samples;
pub mod serving;
pub mod storage;
pub mod traces;
pub mod tracking;
pub mod transfers;
pub mod webhooks;
pub mod workloads;
