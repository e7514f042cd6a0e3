//! HTTP of the import, under `/api/v1/import/mlflow`. For people; the token of a job may not.

use actix_web::{post, web};
use drydock_wire::import::{
    ImportAnswer, ImportExperiment, ImportFiles, ImportLoggedModels, ImportModel, ImportRuns, ImportStates,
    ImportTraces, ImportedExperiment, ImportedModel,
};
use utoipa_actix_web::service_config::ServiceConfig;

use super::receive;
use crate::{
    accounts::{Authorized, Principal, action, authorize},
    app::App,
    error::Result,
};

/// Mounts the routes under `/api/v1`.
pub fn configure(config: &mut ServiceConfig<'_>) {
    config.service(experiment).service(runs).service(logged_models).service(traces).service(model);
    config.service(known).service(done).service(files);
}

fn may(who: &Principal) -> Result<Authorized<action::Launch>> {
    authorize(who, action::Launch, &who.project)
}

#[utoipa::path(tag = "import", request_body = ImportExperiment, responses((status = 200, body = ImportedExperiment)))]
#[post("/import/mlflow/experiment")]
async fn experiment(
    app: web::Data<App>,
    who: Principal,
    wish: web::Json<ImportExperiment>,
) -> Result<web::Json<ImportedExperiment>> {
    Ok(web::Json(receive::experiment(&app, &may(&who)?, wish.into_inner()).await?))
}

#[utoipa::path(tag = "import", request_body = ImportRuns, responses((status = 200, body = Vec<ImportAnswer>)))]
#[post("/import/mlflow/runs")]
async fn runs(
    app: web::Data<App>,
    who: Principal,
    wish: web::Json<ImportRuns>,
) -> Result<web::Json<Vec<ImportAnswer>>> {
    let auth = may(&who)?;
    let ImportRuns { source, runs } = wish.into_inner();
    Ok(web::Json(receive::runs(&app, &auth, &source, runs).await))
}

#[utoipa::path(tag = "import", request_body = ImportLoggedModels, responses((status = 200, body = Vec<ImportAnswer>)))]
#[post("/import/mlflow/logged-models")]
async fn logged_models(
    app: web::Data<App>,
    who: Principal,
    wish: web::Json<ImportLoggedModels>,
) -> Result<web::Json<Vec<ImportAnswer>>> {
    let auth = may(&who)?;
    let ImportLoggedModels { source, models } = wish.into_inner();
    Ok(web::Json(receive::logged_models(&app, &auth, &source, models).await))
}

#[utoipa::path(tag = "import", request_body = ImportTraces, responses((status = 200, body = Vec<ImportAnswer>)))]
#[post("/import/mlflow/traces")]
async fn traces(
    app: web::Data<App>,
    who: Principal,
    wish: web::Json<ImportTraces>,
) -> Result<web::Json<Vec<ImportAnswer>>> {
    let auth = may(&who)?;
    let ImportTraces { source, traces } = wish.into_inner();
    Ok(web::Json(receive::traces(&app, &auth, &source, traces).await?))
}

#[utoipa::path(tag = "import", request_body = ImportModel, responses((status = 200, body = ImportedModel)))]
#[post("/import/mlflow/model")]
async fn model(app: web::Data<App>, who: Principal, wish: web::Json<ImportModel>) -> Result<web::Json<ImportedModel>> {
    Ok(web::Json(receive::model(&app, &may(&who)?, wish.into_inner()).await?))
}

/// Ids of those that are wholly on the box.
#[utoipa::path(tag = "import", request_body = ImportStates, responses((status = 200, body = Vec<String>)))]
#[post("/import/mlflow/known")]
async fn known(app: web::Data<App>, who: Principal, wish: web::Json<ImportStates>) -> Result<web::Json<Vec<String>>> {
    Ok(web::Json(receive::known(&app, &may(&who)?, wish.into_inner().states).await?))
}

/// These are wholly on the box now.
#[utoipa::path(tag = "import", request_body = ImportStates, responses((status = 204)))]
#[post("/import/mlflow/done")]
async fn done(app: web::Data<App>, who: Principal, wish: web::Json<ImportStates>) -> Result<actix_web::HttpResponse> {
    receive::done(&app, &may(&who)?, wish.into_inner().states).await?;
    Ok(actix_web::HttpResponse::NoContent().finish())
}

/// Keys of those that are on the box, byte for byte.
#[utoipa::path(tag = "import", request_body = ImportFiles, responses((status = 200, body = Vec<String>)))]
#[post("/import/mlflow/files")]
async fn files(app: web::Data<App>, who: Principal, wish: web::Json<ImportFiles>) -> Result<web::Json<Vec<String>>> {
    Ok(web::Json(receive::files(&app, &may(&who)?, wish.into_inner().files).await?))
}
