//! `/api/v1/buckets` and `/share`: parse, authorize, call, wrap.

mod objects;
mod shares;
mod uploads;

use actix_web::{HttpResponse, delete, get, post, put, web};
use drydock_wire::storage::{BucketDetail, BucketSettings, BucketSummary, CreateBucket};
use utoipa_actix_web::service_config::ServiceConfig;

use super::{access::Caller, browser, buckets};
use crate::{
    accounts::{Principal, action, authorize},
    app::App,
    error::Result,
};
pub use shares::configure_links;

pub fn configure(cfg: &mut ServiceConfig<'_>) {
    cfg.service(list).service(create).service(get).service(set).service(remove);
    objects::configure(cfg);
    uploads::configure(cfg);
    shares::configure(cfg);
}

fn reader(who: &Principal) -> Result<Caller> {
    Caller::of(&authorize(who, action::View, &who.project)?)
}

fn writer(who: &Principal) -> Result<Caller> {
    Caller::of(&authorize(who, action::Develop, &who.project)?)
}

#[utoipa::path(tag = "buckets", responses((status = 200, body = [BucketSummary])))]
#[get("/buckets")]
async fn list(app: web::Data<App>, who: Principal) -> Result<web::Json<Vec<BucketSummary>>> {
    Ok(web::Json(browser::list(&app, &reader(&who)?).await?))
}

#[utoipa::path(tag = "buckets", responses((status = 201, body = BucketSummary)))]
#[post("/buckets")]
async fn create(app: web::Data<App>, who: Principal, wish: web::Json<CreateBucket>) -> Result<HttpResponse> {
    Ok(HttpResponse::Created().json(browser::create(&app, &writer(&who)?, wish.into_inner()).await?))
}

#[utoipa::path(tag = "buckets", responses((status = 200, body = BucketDetail)))]
#[get("/buckets/{bucket}")]
async fn get(app: web::Data<App>, who: Principal, bucket: web::Path<String>) -> Result<web::Json<BucketDetail>> {
    Ok(web::Json(browser::detail(&app, &reader(&who)?, &bucket).await?))
}

#[utoipa::path(tag = "buckets", responses((status = 200, body = BucketDetail)))]
#[put("/buckets/{bucket}")]
async fn set(
    app: web::Data<App>,
    who: Principal,
    bucket: web::Path<String>,
    wish: web::Json<BucketSettings>,
) -> Result<web::Json<BucketDetail>> {
    Ok(web::Json(browser::set(&app, &writer(&who)?, &bucket, wish.into_inner()).await?))
}

#[derive(serde::Deserialize, utoipa::IntoParams)]
struct RemoveQuery {
    /// All that is in it goes, too.
    #[serde(default)]
    with_objects: bool,
}

#[utoipa::path(tag = "buckets", params(RemoveQuery), responses((status = 204), (status = 409, description = "not empty")))]
#[delete("/buckets/{bucket}")]
async fn remove(
    app: web::Data<App>,
    who: Principal,
    bucket: web::Path<String>,
    query: web::Query<RemoveQuery>,
) -> Result<HttpResponse> {
    buckets::delete(&app, &writer(&who)?, &bucket, query.with_objects).await?;
    Ok(HttpResponse::NoContent().finish())
}
