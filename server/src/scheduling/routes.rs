//! `/api/v1/queues` and `/api/v1/queue`: parse, authorize, call, wrap.

use actix_web::{HttpResponse, delete, get, post, put, web};
use drydock_wire::{
    ErrorBody, Page,
    queues::{PauseQueue, Queue, QueueOrder, QueueSettings},
};
use serde::Deserialize;
use utoipa_actix_web::service_config::ServiceConfig;

use super::Board;
use crate::{
    accounts::{self, Principal, action},
    app::App,
    error::{Error, Result},
};

/// Mounts the routes of the native API.
pub fn configure(config: &mut ServiceConfig<'_>) {
    config.service(list).service(get_queue).service(put_queue).service(delete_queue).service(pause).service(order);
}

/// Queues by name, with what they and their people use.
#[utoipa::path(tag = "queues", responses((status = 200, body = Page<Queue>)))]
#[get("/queues")]
async fn list(app: web::Data<App>, who: Principal) -> Result<web::Json<Page<Queue>>> {
    let auth = accounts::authorize(&who, action::View, &who.project)?;
    Ok(web::Json(super::list(&app, &auth).await?))
}

#[utoipa::path(tag = "queues", responses((status = 200, body = Queue), (status = 404, body = ErrorBody)))]
#[get("/queues/{name}")]
async fn get_queue(app: web::Data<App>, who: Principal, name: web::Path<String>) -> Result<web::Json<Queue>> {
    let auth = accounts::authorize(&who, action::View, &who.project)?;
    Ok(web::Json(super::get(&app, &auth, &name).await?))
}

/// Makes the queue or changes it.
#[utoipa::path(tag = "queues", request_body = QueueSettings, responses((status = 200, body = Queue), (status = 400, body = ErrorBody)))]
#[put("/queues/{name}")]
async fn put_queue(
    app: web::Data<App>,
    who: Principal,
    name: web::Path<String>,
    settings: web::Json<QueueSettings>,
) -> Result<web::Json<Queue>> {
    let auth = accounts::authorize(&who, action::Administer, &who.project)?;
    Ok(web::Json(super::put(&app, &auth, &name, settings.into_inner()).await?))
}

/// Deletes a queue that no job is in.
#[utoipa::path(tag = "queues", responses((status = 204), (status = 409, body = ErrorBody)))]
#[delete("/queues/{name}")]
async fn delete_queue(app: web::Data<App>, who: Principal, name: web::Path<String>) -> Result<HttpResponse> {
    let auth = accounts::authorize(&who, action::Administer, &who.project)?;
    super::delete(&app, &auth, &name).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Nothing of a paused queue starts; what runs goes on.
#[utoipa::path(tag = "queues", request_body = PauseQueue, responses((status = 200, body = Queue), (status = 404, body = ErrorBody)))]
#[post("/queues/{name}/pause")]
async fn pause(
    app: web::Data<App>,
    who: Principal,
    name: web::Path<String>,
    wish: web::Json<PauseQueue>,
) -> Result<web::Json<Queue>> {
    let auth = accounts::authorize(&who, action::Administer, &who.project)?;
    Ok(web::Json(super::pause(&app, &auth, &name, wish.paused).await?))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
struct OrderQuery {
    /// Of this queue alone.
    queue: Option<String>,
    page: Option<String>,
    /// 1 to 500; 100 when absent.
    limit: Option<usize>,
}

/// What waits, in the order in which it is looked at when something is free, each with its reason.
#[utoipa::path(tag = "queues", params(OrderQuery), responses((status = 200, body = QueueOrder)))]
#[get("/queue")]
async fn order(app: web::Data<App>, who: Principal, query: web::Query<OrderQuery>) -> Result<web::Json<QueueOrder>> {
    let auth = accounts::authorize(&who, action::View, &who.project)?;
    let query = query.into_inner();
    let offset = query.page.as_deref().filter(|page| !page.is_empty()).map_or(Ok(0), str::parse::<usize>);
    let offset = offset.map_err(|_| Error::invalid("page: use 'next' of the page before."))?;
    let limit = query.limit.unwrap_or(100).clamp(1, 500);
    let order = app.memory.of::<Board>().order(query.queue.as_deref(), offset, limit);
    Ok(web::Json(super::board::without_hidden(&app, &auth, order).await?))
}
