//! HTTP of webhooks for the dashboard: parse, authorize, call, wrap.

use actix_web::{HttpResponse, delete, get, patch, post, web};
use drydock_wire::{
    Page,
    webhooks::{CreateWebhook, Delivery, DeliveryDetail, DeliveryState, UpdateWebhook, Webhook},
};
use serde::Deserialize;
use utoipa_actix_web::service_config::ServiceConfig;

use super::Courier;
use crate::{
    accounts::{self, Principal, action},
    app::App,
    error::{Error, Result},
};

const MOST: i64 = 1000;

/// Mounts the routes under `/api/v1`.
pub fn configure(config: &mut ServiceConfig<'_>) {
    config
        .service(list)
        .service(create)
        .service(get_webhook)
        .service(update)
        .service(delete_webhook)
        .service(test)
        .service(deliveries)
        .service(delivery)
        .service(send_again);
}

#[derive(Deserialize, utoipa::IntoParams)]
struct LogQuery {
    /// Absent: all.
    state: Option<DeliveryState>,
    page: Option<String>,
    /// 1 to 200; 50 when absent.
    limit: Option<i64>,
}

#[utoipa::path(tag = "webhooks", responses((status = 200, body = Page<Webhook>)))]
#[get("/webhooks")]
async fn list(app: web::Data<App>, who: Principal) -> Result<web::Json<Page<Webhook>>> {
    let auth = accounts::authorize(&who, action::Deploy, &who.project)?;
    let (items, _) = super::list(&app, &auth, (0, MOST)).await?;
    Ok(web::Json(Page { total: items.len() as u64, items, next: None }))
}

#[utoipa::path(tag = "webhooks", responses((status = 201, body = Webhook), (status = 400, description = "A bad name, address or event")))]
#[post("/webhooks")]
async fn create(
    app: web::Data<App>,
    courier: web::Data<Courier>,
    who: Principal,
    wish: web::Json<CreateWebhook>,
) -> Result<HttpResponse> {
    let auth = accounts::authorize(&who, action::Deploy, &who.project)?;
    Ok(HttpResponse::Created().json(super::create(&app, &courier, &auth, wish.into_inner()).await?))
}

#[utoipa::path(tag = "webhooks", responses((status = 200, body = Webhook), (status = 404)))]
#[get("/webhooks/{id}")]
async fn get_webhook(app: web::Data<App>, who: Principal, id: web::Path<String>) -> Result<web::Json<Webhook>> {
    let auth = accounts::authorize(&who, action::Deploy, &who.project)?;
    Ok(web::Json(super::get(&app, &auth, &id).await?))
}

#[utoipa::path(tag = "webhooks", responses((status = 200, body = Webhook), (status = 404)))]
#[patch("/webhooks/{id}")]
async fn update(
    app: web::Data<App>,
    courier: web::Data<Courier>,
    who: Principal,
    id: web::Path<String>,
    wish: web::Json<UpdateWebhook>,
) -> Result<web::Json<Webhook>> {
    let auth = accounts::authorize(&who, action::Deploy, &who.project)?;
    Ok(web::Json(super::update(&app, &courier, &auth, &id, wish.into_inner()).await?))
}

#[utoipa::path(tag = "webhooks", responses((status = 204), (status = 404)))]
#[delete("/webhooks/{id}")]
async fn delete_webhook(app: web::Data<App>, who: Principal, id: web::Path<String>) -> Result<HttpResponse> {
    let auth = accounts::authorize(&who, action::Deploy, &who.project)?;
    super::delete(&app, &auth, &id).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[utoipa::path(tag = "webhooks", responses((status = 200, description = "How it went", body = DeliveryDetail), (status = 404)))]
#[post("/webhooks/{id}/test")]
async fn test(
    app: web::Data<App>,
    courier: web::Data<Courier>,
    who: Principal,
    id: web::Path<String>,
) -> Result<web::Json<DeliveryDetail>> {
    let auth = accounts::authorize(&who, action::Deploy, &who.project)?;
    Ok(web::Json(super::test(&app, &courier, &auth, &id, None).await?.0))
}

#[utoipa::path(tag = "webhooks", params(LogQuery), responses((status = 200, body = Page<Delivery>), (status = 404)))]
#[get("/webhooks/{id}/deliveries")]
async fn deliveries(
    app: web::Data<App>,
    who: Principal,
    id: web::Path<String>,
    query: web::Query<LogQuery>,
) -> Result<web::Json<Page<Delivery>>> {
    let auth = accounts::authorize(&who, action::Deploy, &who.project)?;
    let offset = match query.page.as_deref().filter(|page| !page.is_empty()) {
        Some(page) => page.parse::<i64>().ok().filter(|offset| *offset >= 0),
        None => Some(0),
    };
    let offset = offset.ok_or_else(|| Error::invalid("page: use the `next` of the page before."))?;
    let limit = query.limit.unwrap_or(50).clamp(1, 200);
    Ok(web::Json(super::deliveries(&app, &auth, &id, query.state, (offset, limit)).await?))
}

#[utoipa::path(tag = "webhooks", responses((status = 200, body = DeliveryDetail), (status = 404)))]
#[get("/webhooks/{id}/deliveries/{delivery}")]
async fn delivery(
    app: web::Data<App>,
    who: Principal,
    path: web::Path<(String, String)>,
) -> Result<web::Json<DeliveryDetail>> {
    let auth = accounts::authorize(&who, action::Deploy, &who.project)?;
    Ok(web::Json(super::delivery(&app, &auth, &path.0, &path.1).await?))
}

#[utoipa::path(tag = "webhooks", responses((status = 200, body = DeliveryDetail), (status = 404), (status = 409)))]
#[post("/webhooks/{id}/deliveries/{delivery}/send")]
async fn send_again(
    app: web::Data<App>,
    who: Principal,
    path: web::Path<(String, String)>,
) -> Result<web::Json<DeliveryDetail>> {
    let auth = accounts::authorize(&who, action::Deploy, &who.project)?;
    Ok(web::Json(super::send_again(&app, &auth, &path.0, &path.1).await?))
}
