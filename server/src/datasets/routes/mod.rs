//! `/api/v1/datasets` and `/api/v1/uploads`: parse, authorize, call, wrap.

mod files;
mod uploads;

use actix_web::{HttpResponse, delete, get, post, put, web};
use drydock_wire::datasets::{
    CreateDataset, CreateVersion, CreatedVersion, DatasetDeletion, DatasetDetail, DatasetSummary, SetRules,
    SetVersionTag, ValidationReport, VersionDetail, VersionDiff, VersionFromBucket, VersionFromJob,
};
use utoipa_actix_web::service_config::ServiceConfig;

use super::{difference, sources, uses, versions, yaml};
use crate::accounts::{Principal, action, authorize};
use crate::app::App;
use crate::error::{Error, Result};

pub fn configure(cfg: &mut ServiceConfig<'_>) {
    uploads::configure(cfg);
    files::configure(cfg);
    cfg.service(list)
        .service(create)
        .service(get)
        .service(remove)
        .service(deletion)
        .service(set_rules)
        .service(get_rules_yaml)
        .service(set_rules_yaml)
        .service(set_tag)
        .service(remove_tag)
        .service(create_version)
        .service(create_version_from_lines)
        .service(create_version_from_bucket)
        .service(create_version_from_job)
        .service(diff)
        .service(version)
        .service(remove_version)
        .service(version_deletion)
        .service(check);
}

type NameAndVersion = web::Path<(String, String)>;

#[utoipa::path(tag = "datasets", responses((status = 200, body = [DatasetSummary])))]
#[get("/datasets")]
async fn list(app: web::Data<App>, who: Principal) -> Result<web::Json<Vec<DatasetSummary>>> {
    let auth = authorize(&who, action::View, &who.project)?;
    Ok(web::Json(super::list(&app, &auth).await?))
}

#[utoipa::path(tag = "datasets", responses((status = 201, body = DatasetDetail)))]
#[post("/datasets")]
async fn create(app: web::Data<App>, who: Principal, wish: web::Json<CreateDataset>) -> Result<HttpResponse> {
    let auth = authorize(&who, action::Develop, &who.project)?;
    Ok(HttpResponse::Created().json(super::create(&app, &auth, wish.into_inner()).await?))
}

#[utoipa::path(tag = "datasets", responses((status = 200, body = DatasetDetail)))]
#[get("/datasets/{name}")]
async fn get(app: web::Data<App>, who: Principal, name: web::Path<String>) -> Result<web::Json<DatasetDetail>> {
    let auth = authorize(&who, action::View, &who.project)?;
    Ok(web::Json(super::get(&app, &auth, &name).await?))
}

#[derive(serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
struct DeleteQuery {
    /// Deletes it although something refers to it.
    #[serde(default)]
    even_if_used: bool,
}

#[utoipa::path(tag = "datasets", params(DeleteQuery), responses((status = 204), (status = 409)))]
#[delete("/datasets/{name}")]
async fn remove(
    app: web::Data<App>,
    who: Principal,
    name: web::Path<String>,
    query: web::Query<DeleteQuery>,
) -> Result<HttpResponse> {
    let auth = authorize(&who, action::Develop, &who.project)?;
    uses::delete(&app, &auth, &name, None, query.even_if_used).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// What deleting the dataset would take.
#[utoipa::path(tag = "datasets", responses((status = 200, body = DatasetDeletion)))]
#[get("/datasets/{name}/deletion")]
async fn deletion(app: web::Data<App>, who: Principal, name: web::Path<String>) -> Result<web::Json<DatasetDeletion>> {
    let auth = authorize(&who, action::View, &who.project)?;
    Ok(web::Json(uses::preview(&app, &auth, &name, None).await?))
}

/// Deletes one version.
#[utoipa::path(tag = "datasets", params(DeleteQuery), responses((status = 204), (status = 409)))]
#[delete("/datasets/{name}/versions/{version}")]
async fn remove_version(
    app: web::Data<App>,
    who: Principal,
    path: NameAndVersion,
    query: web::Query<DeleteQuery>,
) -> Result<HttpResponse> {
    let auth = authorize(&who, action::Develop, &who.project)?;
    let (name, number) = path.into_inner();
    uses::delete(&app, &auth, &name, Some(&number), query.even_if_used).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// What deleting the version would take.
#[utoipa::path(tag = "datasets", responses((status = 200, body = DatasetDeletion)))]
#[get("/datasets/{name}/versions/{version}/deletion")]
async fn version_deletion(
    app: web::Data<App>,
    who: Principal,
    path: NameAndVersion,
) -> Result<web::Json<DatasetDeletion>> {
    let auth = authorize(&who, action::View, &who.project)?;
    let (name, number) = path.into_inner();
    Ok(web::Json(uses::preview(&app, &auth, &name, Some(&number)).await?))
}

/// Sets a tag, or moves it to another version.
#[utoipa::path(tag = "datasets", responses((status = 200, body = DatasetDetail)))]
#[put("/datasets/{name}/tags/{tag}")]
async fn set_tag(
    app: web::Data<App>,
    who: Principal,
    path: web::Path<(String, String)>,
    wish: web::Json<SetVersionTag>,
) -> Result<web::Json<DatasetDetail>> {
    let auth = authorize(&who, action::Develop, &who.project)?;
    let (name, tag) = path.into_inner();
    Ok(web::Json(uses::set_tag(&app, &auth, &name, &tag, wish.version).await?))
}

#[utoipa::path(tag = "datasets", responses((status = 200, body = DatasetDetail)))]
#[delete("/datasets/{name}/tags/{tag}")]
async fn remove_tag(
    app: web::Data<App>,
    who: Principal,
    path: web::Path<(String, String)>,
) -> Result<web::Json<DatasetDetail>> {
    let auth = authorize(&who, action::Develop, &who.project)?;
    let (name, tag) = path.into_inner();
    Ok(web::Json(uses::remove_tag(&app, &auth, &name, &tag).await?))
}

#[utoipa::path(tag = "datasets", responses((status = 200, body = DatasetDetail)))]
#[put("/datasets/{name}/rules")]
async fn set_rules(
    app: web::Data<App>,
    who: Principal,
    name: web::Path<String>,
    wish: web::Json<SetRules>,
) -> Result<web::Json<DatasetDetail>> {
    let auth = authorize(&who, action::Develop, &who.project)?;
    Ok(web::Json(super::set_rules(&app, &auth, &name, wish.into_inner().rules, None).await?))
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
    let auth = authorize(&who, action::Develop, &who.project)?;
    Ok(created(versions::create(&app, &auth, &name, wish.into_inner()).await?))
}

fn created(answer: CreatedVersion) -> HttpResponse {
    let mut response = if answer.created { HttpResponse::Created() } else { HttpResponse::Ok() };
    response.json(answer)
}

#[derive(serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
struct LinesQuery {
    /// The version to change: a number, a tag or `latest`. Absent: the lines are the whole version.
    base_version: Option<String>,
    #[serde(default)]
    message: String,
}

/// Adds a version of very many files: one line of JSON each.
#[utoipa::path(tag = "datasets", params(LinesQuery),
    request_body(content = [u8], content_type = "application/x-ndjson"),
    responses((status = 201, body = CreatedVersion), (status = 200, description = "nothing changed", body = CreatedVersion)))]
#[post("/datasets/{name}/versions/lines")]
async fn create_version_from_lines(
    app: web::Data<App>,
    who: Principal,
    name: web::Path<String>,
    query: web::Query<LinesQuery>,
    body: web::Payload,
) -> Result<HttpResponse> {
    let auth = authorize(&who, action::Develop, &who.project)?;
    let LinesQuery { base_version, message } = query.into_inner();
    Ok(created(versions::create_from_lines(&app, &auth, &name, base_version, message, body).await?))
}

/// Adds a version of the objects under a prefix of a bucket.
#[utoipa::path(tag = "datasets", responses(
    (status = 201, body = CreatedVersion), (status = 200, description = "nothing changed", body = CreatedVersion)))]
#[post("/datasets/{name}/versions/from-bucket")]
async fn create_version_from_bucket(
    app: web::Data<App>,
    who: Principal,
    name: web::Path<String>,
    wish: web::Json<VersionFromBucket>,
) -> Result<HttpResponse> {
    let auth = authorize(&who, action::Develop, &who.project)?;
    Ok(created(sources::from_bucket(&app, &auth, &name, wish.into_inner()).await?))
}

/// Adds a version of what a job's runs logged.
#[utoipa::path(tag = "datasets", responses(
    (status = 201, body = CreatedVersion), (status = 200, description = "nothing changed", body = CreatedVersion)))]
#[post("/datasets/{name}/versions/from-job")]
async fn create_version_from_job(
    app: web::Data<App>,
    who: Principal,
    name: web::Path<String>,
    wish: web::Json<VersionFromJob>,
) -> Result<HttpResponse> {
    let auth = authorize(&who, action::Develop, &who.project)?;
    Ok(created(sources::from_job(&app, &auth, &name, wish.into_inner()).await?))
}

#[derive(serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
struct DiffQuery {
    /// A number, a tag or `latest`; absent: the parent of `to`.
    from: Option<String>,
    /// Absent: the latest.
    to: Option<String>,
}

/// How two versions differ.
#[utoipa::path(tag = "datasets", params(DiffQuery), responses((status = 200, body = VersionDiff)))]
#[get("/datasets/{name}/diff")]
async fn diff(
    app: web::Data<App>,
    who: Principal,
    name: web::Path<String>,
    query: web::Query<DiffQuery>,
) -> Result<web::Json<VersionDiff>> {
    let auth = authorize(&who, action::View, &who.project)?;
    let to = query.to.as_deref().unwrap_or("latest");
    Ok(web::Json(difference::diff(&app, &auth, &name, query.from.as_deref(), to).await?))
}

/// The rules as YAML.
#[utoipa::path(tag = "datasets", responses((status = 200, content_type = "application/yaml")))]
#[get("/datasets/{name}/rules.yaml")]
async fn get_rules_yaml(app: web::Data<App>, who: Principal, name: web::Path<String>) -> Result<HttpResponse> {
    let auth = authorize(&who, action::View, &who.project)?;
    let text = super::rules_yaml(&app, &auth, &name).await?;
    Ok(HttpResponse::Ok().content_type("application/yaml; charset=utf-8").body(text))
}

/// Declares the rules as YAML; an error names its line.
#[utoipa::path(tag = "datasets", request_body(content = String, content_type = "application/yaml"),
    responses((status = 200, body = DatasetDetail)))]
#[put("/datasets/{name}/rules.yaml")]
async fn set_rules_yaml(
    app: web::Data<App>,
    who: Principal,
    name: web::Path<String>,
    body: web::Bytes,
) -> Result<web::Json<DatasetDetail>> {
    let auth = authorize(&who, action::Develop, &who.project)?;
    let text = String::from_utf8(body.to_vec()).map_err(|_| Error::invalid("The rules are not UTF-8 text."))?;
    let rules = yaml::read(&text)?;
    Ok(web::Json(super::set_rules(&app, &auth, &name, rules, Some(text)).await?))
}

#[utoipa::path(tag = "datasets", responses((status = 200, body = VersionDetail)))]
#[get("/datasets/{name}/versions/{version}")]
async fn version(app: web::Data<App>, who: Principal, path: NameAndVersion) -> Result<web::Json<VersionDetail>> {
    let auth = authorize(&who, action::View, &who.project)?;
    let (name, number) = path.into_inner();
    Ok(web::Json(versions::detail(&app, &auth, &name, &number).await?))
}

#[utoipa::path(tag = "datasets", responses((status = 200, body = ValidationReport)))]
#[post("/datasets/{name}/versions/{version}/validate")]
async fn check(app: web::Data<App>, who: Principal, path: NameAndVersion) -> Result<web::Json<ValidationReport>> {
    let auth = authorize(&who, action::Develop, &who.project)?;
    let (name, number) = path.into_inner();
    Ok(web::Json(super::check(&app, &auth, &name, &number).await?))
}
