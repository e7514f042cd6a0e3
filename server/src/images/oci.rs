//! `/v2/` of the OCI distribution specification v1.1: the version check, with its errors in the registry's form.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use crate::accounts::{Accounts, identify};

/// Mounts `/v2/…` and `/healthz`.
pub fn configure(config: &mut web::ServiceConfig) {
    config
        .route("/healthz", web::get().to(HttpResponse::Ok))
        .route("/v2/", web::get().to(version))
        .default_service(web::to(unsupported));
}

async fn version(accounts: web::Data<Accounts>, request: HttpRequest) -> HttpResponse {
    match identify(&accounts, &request).await {
        Ok(_) => HttpResponse::Ok().insert_header(("docker-distribution-api-version", "registry/2.0")).json(json!({})),
        Err(error) => refusal(&error.message),
    }
}

async fn unsupported(accounts: web::Data<Accounts>, request: HttpRequest) -> HttpResponse {
    if let Err(error) = identify(&accounts, &request).await {
        return refusal(&error.message);
    }
    HttpResponse::NotFound().json(body("UNSUPPORTED", "This box keeps no images yet."))
}

fn refusal(message: &str) -> HttpResponse {
    HttpResponse::Unauthorized()
        .insert_header(("www-authenticate", "Basic realm=\"Drydock\""))
        .insert_header(("docker-distribution-api-version", "registry/2.0"))
        .json(body("UNAUTHORIZED", message))
}

fn body(code: &str, message: &str) -> serde_json::Value {
    json!({"errors": [{"code": code, "message": message, "detail": null}]})
}
