//! The whole API, readable as an index: which face is mounted where, on which listener.

use actix_web::{HttpResponse, web};
use drydock_wire::ErrorCode;
use utoipa::OpenApi;
use utoipa_actix_web::OpenApiFactory;

use crate::{
    accounts::{self, Accounts},
    app::App,
    builds, datasets, demo, devices,
    error::{Error, Result},
    images, jobs, lineage, logs, monitoring, overview, packages, pipelines, registry as models, scheduling, serving,
    storage, traces, tracking, transfers, trash, upkeep,
    web::{assets, ca, extract, guard::AllowedHosts, live},
    webhooks,
};

/// Head of the OpenAPI document; its paths come from the handlers.
#[derive(OpenApi)]
#[openapi(
    info(title = "Drydock", description = "The native API. MLflow, S3 and OCI clients have their own faces."),
    modifiers(&Security),
    security(("token" = []), ("session" = []))
)]
struct Document;

struct Security;

impl utoipa::Modify for Security {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
        let components = openapi.components.get_or_insert_default();
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        components.add_security_scheme("token", SecurityScheme::Http(bearer));
        let cookie = SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new("drydock")));
        components.add_security_scheme("session", cookie);
    }
}

/// Everything the faces are made of.
#[derive(Clone)]
pub struct Faces {
    pub app: App,
    pub accounts: Accounts,
    pub gateway: serving::Gateway,
    pub demo: demo::Demo,
    pub courier: webhooks::Courier,
    pub images: images::Images,
    pub upkeep: upkeep::Upkeep,
    pub logs: logs::Logs,
    pub samples: jobs::Samples,
    pub dashboard: assets::Dashboard,
}

/// A listener's set of routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    /// 8080: dashboard, native API, MLflow, gateway, health and metrics.
    Web,
    /// On the instance's network: MLflow, the native API (a job's token may read and log, nothing else), health.
    Containers,
    /// 5000: the OCI registry.
    Registry,
}

/// Mounts the routes of `face`.
pub fn mount(config: &mut web::ServiceConfig, faces: &Faces, face: Face) {
    shared(config, faces, face);
    match face {
        Face::Web => {
            // first, since routes are looked through in order and a prediction is not to wait for it
            serving::gateway::configure(config);
            ca::configure(config);
            programs(config);
            packages::configure_index(config, packages::Readers::Named);
            storage::configure_links(config);
            config.app_data(web::Data::new(faces.dashboard));
            config.default_service(web::route().to(assets::serve));
        }
        Face::Containers => {
            programs(config);
            packages::configure_index(config, packages::Readers::Anybody);
        }
        Face::Registry => {
            ca::configure(config);
            images::configure_oci(config);
        }
    }
}

fn programs(config: &mut web::ServiceConfig) {
    native(config);
    tracking::mlflow::configure(config);
    traces::mlflow::configure(config);
    traces::otlp::configure(config);
    webhooks::mlflow::configure(config);
    models::mlflow::configure(config);
    monitoring::configure(config);
}

fn shared(config: &mut web::ServiceConfig, faces: &Faces, face: Face) {
    let app = &faces.app;
    let json_bytes = usize::try_from(app.config.limits.json_bytes).unwrap_or(usize::MAX);
    let mut names = app.config.listeners.hosts.clone();
    names.extend((face == Face::Containers).then(|| builds::NAME_OF_BOX.to_owned()));
    let hosts = AllowedHosts::new(drydock_appliance::devices::hostname(), &names);
    config
        .app_data(web::Data::new(app.clone()))
        .app_data(web::Data::new(app.db.clone()))
        .app_data(web::Data::new(faces.accounts.clone()))
        .app_data(web::Data::new(faces.gateway.clone()))
        .app_data(web::Data::new(faces.demo.clone()))
        .app_data(web::Data::new(faces.courier.clone()))
        .app_data(web::Data::new(faces.images.clone()))
        .app_data(web::Data::new(faces.upkeep.clone()))
        .app_data(web::Data::new(faces.logs.clone()))
        .app_data(web::Data::new(faces.samples.clone()))
        .app_data(web::Data::new(hosts))
        .app_data(extract::json(json_bytes))
        .app_data(extract::query())
        .app_data(extract::path());
}

/// `/api/v1` with its document at `/api/v1/openapi.json`.
fn native(config: &mut web::ServiceConfig) {
    let mut document = Document::openapi();
    let scope = utoipa_actix_web::scope("/api/v1")
        .configure(accounts::configure)
        .configure(overview::configure)
        .configure(storage::configure)
        .configure(datasets::configure)
        .configure(images::configure)
        .configure(tracking::configure)
        .configure(traces::configure)
        .configure(models::configure)
        .configure(webhooks::configure)
        .configure(lineage::configure)
        .configure(scheduling::configure)
        .configure(devices::configure)
        .configure(packages::configure)
        .configure(jobs::configure)
        .configure(builds::configure)
        .configure(pipelines::configure)
        .configure(serving::configure)
        .configure(monitoring::configure_native)
        .configure(logs::configure)
        .configure(demo::configure)
        .configure(trash::configure)
        .configure(upkeep::configure)
        .configure(transfers::mlflow::configure)
        .service(live::events)
        .default_service(web::route().to(unknown))
        .map(|scope| scope.route("/openapi.json", web::get().to(document_json)));
    document.paths.merge(scope.paths());
    let mut schemas = Vec::new();
    scope.schemas(&mut schemas);
    document.components.get_or_insert_default().schemas.extend(schemas);
    config.service(scope);
    config.app_data(web::Data::new(document));
}

async fn document_json(document: web::Data<utoipa::openapi::OpenApi>) -> HttpResponse {
    HttpResponse::Ok().json(document.get_ref())
}

async fn unknown(request: actix_web::HttpRequest) -> Result<HttpResponse> {
    let text =
        format!("There is no {} {}; /api/v1/openapi.json lists what there is.", request.method(), request.path());
    Err(Error::new(ErrorCode::NotFound, text))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use actix_web::test;

    use super::*;
    use crate::accounts::projects::subjects;

    #[actix_web::test]
    async fn every_route_says_what_of_a_project_it_is_about() {
        let app = test::init_service(actix_web::App::new().configure(native)).await;
        let request = test::TestRequest::get().uri("/api/v1/openapi.json").to_request();
        let document: serde_json::Value = test::call_and_read_body_json(&app, request).await;
        let paths = document["paths"].as_object().unwrap();
        let unknown: Vec<&String> = paths.keys().filter(|path| !subjects::knows(path)).collect();
        assert!(unknown.is_empty(), "add them to accounts/projects/subjects.rs: {unknown:?}");
        let gone: Vec<&&str> = subjects::CONCERNS_NOTHING.iter().filter(|path| !paths.contains_key(**path)).collect();
        assert!(gone.is_empty(), "in accounts/projects/subjects.rs and not in the program: {gone:?}");
    }
}
