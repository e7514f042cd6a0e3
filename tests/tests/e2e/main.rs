//! The real program, end to end: real Docker, real clients, a real browser.

#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(clippy::print_stdout, reason = "seeds and counts, for whoever has to run it again")]

mod accounts;
mod away;
mod browser;
mod browser_buckets;
mod browser_cards;
mod browser_datasets;
mod browser_drop;
mod browser_images;
mod browser_models;
mod browser_run;
mod browser_run_parts;
mod browser_runs;
mod browser_store;
mod bucket_keys;
mod buckets;
mod datasets;
mod datasets_checks;
mod jobs;
mod job_logs;
mod kill;
mod lifecycle;
mod mlflow;
mod mlflow_page;
mod mlflow_routes;
mod models;
mod moving;
mod moving_broken;
mod moving_out;
mod moving_sources;
mod objects_s3;
mod objects_s3_away;
mod objects_s3_moving;
mod registry;
mod registry_rules;
mod roles;
mod s3;
mod s3_rules;
mod start;
mod tls;
mod traces;
mod trash;
mod trash_broken;
mod webhooks;
