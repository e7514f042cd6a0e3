//! The MLflow face of traces: versions 2 and 3 of its calls, answered as MLflow 3.17.2 answers them.
//!
//! Known differences: RLIKE has the syntax of Rust's `regex`, `span.attributes.x = 'y'` compares the value (MLflow's finds
//! nothing), IN works for names too, a tag on a trace that is not there is 404 where MLflow says 400 with SQL in it.

mod assessments;
mod metrics;
pub mod time;
mod v2;
mod v3;
mod view;

use actix_web::web;
use serde_json::{Value, json};

use super::State;
use crate::{
    error::Result,
    tracking::mlflow::{Args, missing, mistyped, unknown_route},
};

/// A list may be empty, but has to be there.
fn has_list(args: &Args, key: &str) -> Result<()> {
    if args.raw(key).is_none_or(Value::is_null) { Err(missing(key)) } else { Ok(()) }
}

/// A trace's state by its name or, as protobuf has it, its number.
fn read_state(value: Option<&Value>, path: &str) -> Result<State> {
    match value {
        None | Some(Value::Null) => Ok(State::Unspecified),
        Some(Value::String(name)) => State::parse(name).ok_or_else(|| mistyped(path, &json!(name))),
        Some(number) => match number.as_i64() {
            Some(0) => Ok(State::Unspecified),
            Some(1) => Ok(State::Ok),
            Some(2) => Ok(State::Error),
            Some(3) => Ok(State::InProgress),
            _ => Err(mistyped(path, number)),
        },
    }
}

/// Mounts the calls of traces.
pub fn configure(cfg: &mut web::ServiceConfig) {
    for prefix in ["/api/2.0/mlflow", "/ajax-api/2.0/mlflow"] {
        v2::configure(cfg, prefix);
        // Both are of a hosted product; MLflow's own server knows neither.
        for absent in ["unified-traces", "get-online-trace-details"] {
            cfg.route(&format!("{prefix}/{absent}"), web::get().to(unknown_route));
        }
    }
    for prefix in ["/api/3.0/mlflow", "/ajax-api/3.0/mlflow"] {
        v3::configure(cfg, prefix);
        metrics::configure(cfg, prefix);
        assessments::configure(cfg, prefix);
    }
}
