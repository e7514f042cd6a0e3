//! `/api/v1/packages`: parse, authorize, call, wrap.

use actix_web::{HttpRequest, HttpResponse, delete, get, http::header, post, put, web};
use drydock_wire::{
    Page,
    packages::{AskMissing, MissingPackages, PackageDetail, PackageFile, PackageIndex, PackageSummary, YankFile},
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use super::names::Target;
use crate::{
    accounts::{Principal, action, authorize},
    app::App,
    error::{Error, Result},
};

pub fn configure(cfg: &mut ServiceConfig<'_>) {
    // `missing` before what any name matches
    cfg.service(missing)
        .service(list)
        .service(index)
        .service(get)
        .service(add)
        .service(remove)
        .service(remove_file)
        .service(yank)
        .service(unyank);
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    /// Part of a name or a summary.
    search: Option<String>,
    page: Option<i64>,
    /// 1 to 200; 50 when absent.
    limit: Option<i64>,
}

#[utoipa::path(tag = "packages", params(ListQuery), responses((status = 200, body = Page<PackageSummary>)))]
#[get("/packages")]
async fn list(
    app: web::Data<App>,
    who: Principal,
    query: web::Query<ListQuery>,
) -> Result<web::Json<Page<PackageSummary>>> {
    let auth = authorize(&who, action::View, &who.project)?;
    let query = query.into_inner();
    let search = query.search.filter(|text| !text.trim().is_empty());
    let (offset, limit) = (query.page.unwrap_or(0).max(0), query.limit.unwrap_or(50).clamp(1, 200));
    Ok(web::Json(super::list(&app, &auth, search, offset, limit).await?))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct TargetQuery {
    /// `3.11` when absent.
    python: Option<String>,
    /// `manylinux_2_36_x86_64` when absent.
    platform: Option<String>,
}

/// How much there is, and what its own packages ask for in vain.
#[utoipa::path(tag = "packages", params(TargetQuery), responses((status = 200, body = PackageIndex)))]
#[get("/package-index")]
async fn index(app: web::Data<App>, who: Principal, of: web::Query<TargetQuery>) -> Result<web::Json<PackageIndex>> {
    let auth = authorize(&who, action::View, &who.project)?;
    let target = Target::parse(of.python.as_deref(), of.platform.as_deref())?;
    Ok(web::Json(super::index(&app, &auth, target).await?))
}

/// What an installation of these would lack; as `text/plain` the list to take to a connected machine.
#[utoipa::path(tag = "packages", responses((status = 200, body = MissingPackages)))]
#[post("/packages/missing")]
async fn missing(
    app: web::Data<App>,
    who: Principal,
    request: HttpRequest,
    wish: web::Json<AskMissing>,
) -> Result<HttpResponse> {
    authorize(&who, action::Develop, &who.project)?;
    let auth = authorize(&who, action::View, &who.project)?;
    let told = super::what_is_missing(&app, &auth, wish.into_inner()).await?;
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accept.starts_with("text/plain") {
        return Ok(HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(told.list));
    }
    Ok(HttpResponse::Ok().json(told))
}

#[utoipa::path(tag = "packages", responses((status = 200, body = PackageDetail), (status = 404)))]
#[get("/packages/{name}")]
async fn get(app: web::Data<App>, who: Principal, name: web::Path<String>) -> Result<web::Json<PackageDetail>> {
    let auth = authorize(&who, action::View, &who.project)?;
    Ok(web::Json(super::get(&app, &auth, &name).await?))
}

/// Takes a wheel in; the last part of the path is its file name.
#[utoipa::path(tag = "packages", request_body(content = [u8], content_type = "application/octet-stream"),
    responses((status = 201, body = PackageFile), (status = 200, body = PackageFile), (status = 409)))]
#[put("/packages/{name}")]
async fn add(app: web::Data<App>, who: Principal, name: web::Path<String>, body: web::Payload) -> Result<HttpResponse> {
    let auth = authorize(&who, action::Push, &who.project)?;
    let added = super::add(&app, &auth, &name, body, None).await?;
    Ok(if added.known { HttpResponse::Ok() } else { HttpResponse::Created() }.json(added.file))
}

#[utoipa::path(tag = "packages", responses((status = 204), (status = 404)))]
#[delete("/packages/{name}")]
async fn remove(app: web::Data<App>, who: Principal, name: web::Path<String>) -> Result<HttpResponse> {
    let auth = authorize(&who, action::Push, &who.project)?;
    super::delete(&app, &auth, &name, None).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[utoipa::path(tag = "packages", responses((status = 204), (status = 404)))]
#[delete("/packages/{name}/{filename}")]
async fn remove_file(app: web::Data<App>, who: Principal, path: web::Path<(String, String)>) -> Result<HttpResponse> {
    let auth = authorize(&who, action::Push, &who.project)?;
    super::delete(&app, &auth, &path.0, Some(&path.1)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Installers leave it out from now on, unless exactly its version is asked for.
#[utoipa::path(tag = "packages", responses((status = 200, body = PackageFile), (status = 404)))]
#[post("/packages/{name}/{filename}/yank")]
async fn yank(
    app: web::Data<App>,
    who: Principal,
    path: web::Path<(String, String)>,
    wish: web::Json<YankFile>,
) -> Result<web::Json<PackageFile>> {
    let auth = authorize(&who, action::Push, &who.project)?;
    let reason = wish.into_inner().reason;
    if reason.trim().is_empty() {
        return Err(Error::invalid("reason: say why, for whoever wonders what became of it."));
    }
    Ok(web::Json(super::set_yanked(&app, &auth, &path.0, &path.1, Some(reason)).await?))
}

#[utoipa::path(tag = "packages", responses((status = 200, body = PackageFile), (status = 404)))]
#[delete("/packages/{name}/{filename}/yank")]
async fn unyank(
    app: web::Data<App>,
    who: Principal,
    path: web::Path<(String, String)>,
) -> Result<web::Json<PackageFile>> {
    let auth = authorize(&who, action::Push, &who.project)?;
    Ok(web::Json(super::set_yanked(&app, &auth, &path.0, &path.1, None).await?))
}
