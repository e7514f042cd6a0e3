//! The MLflow face of tracking: the REST calls that unmodified clients send, answered as MLflow 3.17.2 answers them.
//!
//! Always holds: bodies and errors have MLflow's forms (`Failure`), int64 are JSON numbers, NaN is "NaN", infinities are the
//! largest doubles. What is not implemented is 404, since clients retry 5xx for minutes. Known differences from MLflow:
//! a write to something deleted or in a wrong state is 400 where MLflow sometimes says 500; errors in filters name the
//! character. The registry's half is `registry::mlflow`, mounted after this one.

mod args;
pub mod artifacts;
pub mod datasets;
pub mod experiments;
mod failure;
mod logged_models;
mod logging;
pub mod metrics;
mod presigned;
pub mod runs;
mod uploads;
mod users;
pub mod view;

use actix_web::{HttpRequest, HttpResponse, web};

pub use args::{Args, missing, mistyped, pairs_of, text_of};
pub use artifacts::send_artifact;
pub use failure::{Answer, Failure, Who, ok};

/// The version of MLflow whose behaviour this is.
pub const MLFLOW_VERSION: &str = "3.17.2";

/// Prefixes that every call of version 2.0 answers under: clients', and that of MLflow's own web page.
pub const PREFIXES: [&str; 2] = ["/api/2.0", "/ajax-api/2.0"];

/// Mounts tracking's calls.
pub fn configure(cfg: &mut web::ServiceConfig) {
    for prefix in PREFIXES {
        let base = format!("{prefix}/mlflow");
        runs::configure(cfg, &base);
        logging::configure(cfg, &base);
        metrics::configure(cfg, &base);
        artifacts::configure(cfg, prefix);
        experiments::configure(cfg, &base);
        logged_models::configure(cfg, &base);
        uploads::configure(cfg, prefix);
        presigned::configure(cfg, prefix);
        datasets::configure(cfg, prefix);
        users::configure(cfg, &base);
        cfg.service(web::resource(format!("{base}/gateway-proxy")).route(web::get().to(no_gateway)));
    }
    cfg.service(
        web::resource("/ajax-api/3.0/mlflow/ui-telemetry")
            .route(web::get().to(no_telemetry))
            .route(web::post().to(no_telemetry)),
    );
    cfg.route("/get-artifact", web::get().to(artifacts::of_run));
    cfg.route("/version", web::get().to(|| async { MLFLOW_VERSION }));
    cfg.route("/health", web::get().to(|| async { "OK" }));
    for path in ["/api/3.0/mlflow/server-info", "/ajax-api/3.0/mlflow/server-info"] {
        cfg.route(path, web::get().to(server_info));
    }
}

/// What MLflow's web page asks an AI gateway that is not there.
async fn no_gateway(who: Who) -> Answer {
    who.view()?;
    ok(serde_json::json!({"endpoints": []}))
}

/// MLflow's web page reports to nobody: a box without a network has nobody to report to.
async fn no_telemetry(who: Who) -> Answer {
    who.view()?;
    ok(serde_json::json!({
        "disable_ui_telemetry": true, "disable_ui_events": [], "ui_rollout_percentage": 0, "status": "disabled",
    }))
}

/// Answered without login, as MLflow does: clients ask before they authenticate.
///
/// Uploads in parts are offered over plain HTTP alone: the client checks the certificate of a part's address without its
/// own tracking settings, so that it would refuse the box's own CA there, for good.
async fn server_info(request: HttpRequest) -> HttpResponse {
    let in_parts = request.connection_info().scheme() == "http";
    HttpResponse::Ok().json(serde_json::json!({
        "store_type": "SqlStore",
        "workspaces_enabled": false,
        "trace_archival_enabled": false,
        "multipart_uploads_enabled": in_parts,
        "multipart_downloads_enabled": false,
        "presigned_upload_run_id_supported": true,
        "presigned_upload_model_id_supported": true,
        "features_enabled": {"gateway": false},
    }))
}

/// What MLflow's server says about a path it does not know.
pub async fn unknown_route() -> HttpResponse {
    HttpResponse::NotFound().content_type("text/html; charset=utf-8").body(
        "<!doctype html><html lang=en><title>404 Not Found</title><h1>Not Found</h1><p>The requested URL was not found on \
         the server. If you entered the URL manually please check your spelling and try again.</p>",
    )
}
