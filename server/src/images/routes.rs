//! `/api/v1/repositories` and what belongs to it: parse, authorize, call, wrap.

use actix_web::{HttpRequest, HttpResponse, delete, get, post, put, web};
use drydock_wire::images::{
    ManifestDetail, RegistryAddress, RepositoryDetail, RepositorySummary, Retention, RetentionPreview,
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{Images, trust};
use crate::{
    accounts::{Principal, action, authorize},
    app::App,
    error::Result,
};

pub fn configure(cfg: &mut ServiceConfig<'_>) {
    cfg.service(list)
        .service(get)
        .service(remove)
        .service(remove_tag)
        .service(manifest)
        .service(remove_manifest)
        .service(set_retention)
        .service(preview)
        .service(registry);
}

/// Names have slashes.
#[derive(Deserialize, IntoParams)]
struct Named {
    name: String,
}

#[derive(Deserialize, IntoParams)]
struct NamedTag {
    name: String,
    tag: String,
}

#[derive(Deserialize, IntoParams)]
struct NamedDigest {
    name: String,
    digest: String,
}

#[utoipa::path(tag = "images", responses((status = 200, body = [RepositorySummary])))]
#[get("/repositories")]
async fn list(
    app: web::Data<App>,
    images: web::Data<Images>,
    who: Principal,
) -> Result<web::Json<Vec<RepositorySummary>>> {
    let auth = authorize(&who, action::View, &who.project)?;
    Ok(web::Json(super::list(&app, &images, &auth).await?))
}

#[utoipa::path(tag = "images", params(Named), responses((status = 200, body = RepositoryDetail)))]
#[get("/repository")]
async fn get(app: web::Data<App>, who: Principal, of: web::Query<Named>) -> Result<web::Json<RepositoryDetail>> {
    let auth = authorize(&who, action::View, &who.project)?;
    Ok(web::Json(super::get(&app, &auth, &of.name).await?))
}

#[utoipa::path(tag = "images", params(Named), responses((status = 204), (status = 409)))]
#[delete("/repository")]
async fn remove(app: web::Data<App>, who: Principal, of: web::Query<Named>) -> Result<HttpResponse> {
    let auth = authorize(&who, action::Push, &who.project)?;
    super::delete(&app, &auth, &of.name).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[utoipa::path(tag = "images", params(NamedTag), responses((status = 204)))]
#[delete("/repository/tag")]
async fn remove_tag(app: web::Data<App>, who: Principal, of: web::Query<NamedTag>) -> Result<HttpResponse> {
    let auth = authorize(&who, action::Push, &who.project)?;
    super::delete_tag(&app, &auth, &of.name, &of.tag).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[utoipa::path(tag = "images", params(NamedDigest), responses((status = 200, body = ManifestDetail)))]
#[get("/repository/manifest")]
async fn manifest(
    app: web::Data<App>,
    who: Principal,
    of: web::Query<NamedDigest>,
) -> Result<web::Json<ManifestDetail>> {
    let auth = authorize(&who, action::View, &who.project)?;
    Ok(web::Json(super::manifest(&app, &auth, &of.name, &of.digest).await?))
}

#[utoipa::path(tag = "images", params(NamedDigest), responses((status = 204), (status = 409)))]
#[delete("/repository/manifest")]
async fn remove_manifest(app: web::Data<App>, who: Principal, of: web::Query<NamedDigest>) -> Result<HttpResponse> {
    let auth = authorize(&who, action::Push, &who.project)?;
    super::delete_manifest(&app, &auth, &of.name, &of.digest).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[utoipa::path(tag = "images", params(Named), responses((status = 200, body = RepositoryDetail)))]
#[put("/repository/retention")]
async fn set_retention(
    app: web::Data<App>,
    who: Principal,
    of: web::Query<Named>,
    wish: web::Json<Retention>,
) -> Result<web::Json<RepositoryDetail>> {
    let auth = authorize(&who, action::Push, &who.project)?;
    Ok(web::Json(super::set_retention(&app, &auth, &of.name, wish.into_inner()).await?))
}

/// The very plan that would be carried out.
#[utoipa::path(tag = "images", params(Named), responses((status = 200, body = RetentionPreview)))]
#[post("/repository/retention/preview")]
async fn preview(
    app: web::Data<App>,
    who: Principal,
    of: web::Query<Named>,
    wish: web::Json<Retention>,
) -> Result<web::Json<RetentionPreview>> {
    // a question, but one that only who may set the rules has
    authorize(&who, action::Push, &who.project)?;
    let auth = authorize(&who, action::View, &who.project)?;
    Ok(web::Json(super::preview(&app, &auth, &of.name, wish.into_inner()).await?))
}

/// Where the registry is, and how a client comes to trust it.
#[utoipa::path(tag = "images", responses((status = 200, body = RegistryAddress)))]
#[get("/registry")]
async fn registry(app: web::Data<App>, who: Principal, request: HttpRequest) -> Result<web::Json<RegistryAddress>> {
    authorize(&who, action::View, &who.project)?;
    let said = request.headers().get("host").and_then(|value| value.to_str().ok());
    let said = said.or_else(|| request.uri().authority().map(|authority| authority.as_str())).unwrap_or_default();
    // it becomes part of a command line
    let host: String = said.chars().filter(|c| c.is_ascii_alphanumeric() || ".-_:[]".contains(*c)).collect();
    Ok(web::Json(trust::address(&app, &host).await))
}
