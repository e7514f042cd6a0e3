//! The MLflow face of the registry. Mounted after `tracking::mlflow`: its last routes answer for paths nobody knows.

pub mod graphql;
mod models;
mod versions;
mod view;

use actix_web::web;

use crate::tracking::mlflow::{PREFIXES, unknown_route};

/// Mounts the registry's calls, and 404 in MLflow's form for all other paths below MLflow's prefixes.
pub fn configure(cfg: &mut web::ServiceConfig) {
    for prefix in PREFIXES {
        models::configure(cfg, &format!("{prefix}/mlflow/registered-models"));
        versions::configure(cfg, &format!("{prefix}/mlflow/model-versions"));
    }
    graphql::configure(cfg);
    for path in ["/model-versions/get-artifact", "//model-versions/get-artifact"] {
        cfg.route(path, web::get().to(versions::artifact));
    }
    for prefix in ["/api/2.0", "/api/3.0", "/ajax-api"] {
        cfg.route(&format!("{prefix}{{rest:.*}}"), web::to(unknown_route));
    }
}
