//! `/api/v1/datasets` and `/api/v1/uploads`: parse, authorize, call, wrap.

use actix_web::{HttpRequest, HttpResponse, delete, get, post, put, web};
use drydock_wire::datasets::{
    CreateDataset, CreateVersion, CreatedVersion, DatasetDetail, DatasetSummary, SetRules, Upload, ValidationReport,
    VersionDetail,
};
use utoipa_actix_web::service_config::ServiceConfig;

use super::download;
use crate::accounts::{DEFAULT_PROJECT, Principal, action, authorize};
use crate::app::App;
use crate::error::Result;

pub fn configure(cfg: &mut ServiceConfig<'_>) {
    cfg.service(upload)
        .service(list)
        .service(create)
        .service(get)
        .service(remove)
        .service(set_rules)
        .service(create_version)
        .service(version)
        .service(file)
        .service(check);
}

/// Keeps a file's bytes for a version or a job to refer to.
#[utoipa::path(tag = "datasets", request_body(content = [u8], content_type = "application/octet-stream"),
    responses((status = 200, body = Upload)))]
#[put("/uploads")]
async fn upload(app: web::Data<App>, who: Principal, body: web::Payload) -> Result<web::Json<Upload>> {
    let auth = authorize(&who, action::Develop, DEFAULT_PROJECT)?;
    Ok(web::Json(super::upload(&app, &auth, body).await?))
}

#[utoipa::path(tag = "datasets", responses((status = 200, body = [DatasetSummary])))]
#[get("/datasets")]
async fn list(app: web::Data<App>, who: Principal) -> Result<web::Json<Vec<DatasetSummary>>> {
    let auth = authorize(&who, action::View, DEFAULT_PROJECT)?;
    Ok(web::Json(super::list(&app, &auth).await?))
}

#[utoipa::path(tag = "datasets", responses((status = 201, body = DatasetDetail)))]
#[post("/datasets")]
async fn create(app: web::Data<App>, who: Principal, wish: web::Json<CreateDataset>) -> Result<HttpResponse> {
    let auth = authorize(&who, action::Develop, DEFAULT_PROJECT)?;
    Ok(HttpResponse::Created().json(super::create(&app, &auth, wish.into_inner()).await?))
}

#[utoipa::path(tag = "datasets", responses((status = 200, body = DatasetDetail)))]
#[get("/datasets/{name}")]
async fn get(app: web::Data<App>, who: Principal, name: web::Path<String>) -> Result<web::Json<DatasetDetail>> {
    let auth = authorize(&who, action::View, DEFAULT_PROJECT)?;
    Ok(web::Json(super::get(&app, &auth, &name).await?))
}

#[utoipa::path(tag = "datasets", responses((status = 204)))]
#[delete("/datasets/{name}")]
async fn remove(app: web::Data<App>, who: Principal, name: web::Path<String>) -> Result<HttpResponse> {
    let auth = authorize(&who, action::Develop, DEFAULT_PROJECT)?;
    super::delete(&app, &auth, &name).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[utoipa::path(tag = "datasets", responses((status = 200, body = DatasetDetail)))]
#[put("/datasets/{name}/rules")]
async fn set_rules(
    app: web::Data<App>,
    who: Principal,
    name: web::Path<String>,
    wish: web::Json<SetRules>,
) -> Result<web::Json<DatasetDetail>> {
    let auth = authorize(&who, action::Develop, DEFAULT_PROJECT)?;
    Ok(web::Json(super::set_rules(&app, &auth, &name, wish.into_inner().rules).await?))
}

#[utoipa::path(tag = "datasets", responses(
    (status = 201, body = CreatedVersion), (status = 200, description = "nothing changed", body = CreatedVersion)))]
#[post("/datasets/{name}/versions")]
async fn create_version(
    app: web::Data<App>,
    who: Principal,
    name: web::Path<String>,
    wish: web::Json<CreateVersion>,
) -> Result<HttpResponse> {
    let auth = authorize(&who, action::Develop, DEFAULT_PROJECT)?;
    let answer = super::create_version(&app, &auth, &name, wish.into_inner()).await?;
    let mut response = if answer.created { HttpResponse::Created() } else { HttpResponse::Ok() };
    Ok(response.json(answer))
}

#[utoipa::path(tag = "datasets", responses((status = 200, body = VersionDetail)))]
#[get("/datasets/{name}/versions/{version}")]
async fn version(
    app: web::Data<App>,
    who: Principal,
    path: web::Path<(String, i64)>,
) -> Result<web::Json<VersionDetail>> {
    let auth = authorize(&who, action::View, DEFAULT_PROJECT)?;
    let (name, number) = path.into_inner();
    Ok(web::Json(super::version(&app, &auth, &name, number).await?))
}

#[derive(serde::Deserialize, utoipa::IntoParams)]
struct FileQuery {
    /// As in the version's list of files.
    path: String,
}

/// The bytes of one file; ranges are honoured.
#[utoipa::path(tag = "datasets", params(FileQuery),
    responses((status = 200, content_type = "application/octet-stream"), (status = 206)))]
#[get("/datasets/{name}/versions/{version}/file")]
async fn file(
    app: web::Data<App>,
    who: Principal,
    request: HttpRequest,
    path: web::Path<(String, i64)>,
    query: web::Query<FileQuery>,
) -> Result<HttpResponse> {
    let auth = authorize(&who, action::View, DEFAULT_PROJECT)?;
    let (name, number) = path.into_inner();
    let file = super::file(&app, &auth, &name, number, &query.path).await?;
    download::answer(&app, &request, &file).await
}

#[utoipa::path(tag = "datasets", responses((status = 200, body = ValidationReport)))]
#[post("/datasets/{name}/versions/{version}/validate")]
async fn check(
    app: web::Data<App>,
    who: Principal,
    path: web::Path<(String, i64)>,
) -> Result<web::Json<ValidationReport>> {
    let auth = authorize(&who, action::Develop, DEFAULT_PROJECT)?;
    let (name, number) = path.into_inner();
    Ok(web::Json(super::check(&app, &auth, &name, number).await?))
}
