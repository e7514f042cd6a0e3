//! Links to one object: making one, and opening it without a login.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, post, web};
use drydock_wire::storage::{ShareObject, SharedLink};
use utoipa_actix_web::service_config::ServiceConfig;

use super::writer;
use crate::{
    accounts::Principal,
    app::App,
    error::Result,
    storage::{
        download,
        shares::{self, Closed},
    },
};

pub fn configure(cfg: &mut ServiceConfig<'_>) {
    cfg.service(share);
}

/// `/share/…`, on the web port alone.
pub fn configure_links(config: &mut web::ServiceConfig) {
    config.service(web::resource("/share/{token}").route(web::get().to(open)).route(web::head().to(open)));
}

#[utoipa::path(tag = "buckets", responses((status = 200, body = SharedLink)))]
#[post("/buckets/{bucket}/share")]
async fn share(
    app: web::Data<App>,
    who: Principal,
    bucket: web::Path<String>,
    wish: web::Json<ShareObject>,
) -> Result<web::Json<SharedLink>> {
    Ok(web::Json(shares::create(&app, &writer(&who)?, &bucket, wish.into_inner()).await?))
}

async fn open(app: web::Data<App>, token: web::Path<String>, request: HttpRequest) -> Result<HttpResponse> {
    match shares::open(&app, &token).await? {
        Ok(found) => download::answer(&app, &request, &found).await,
        Err(closed) => Ok(words(closed)),
    }
}

/// A page for whoever was sent the link; they may never have heard of Drydock.
fn words(closed: Closed) -> HttpResponse {
    let (status, title, text) = match closed {
        Closed::Unknown => (
            StatusCode::NOT_FOUND,
            "This is not a link to a file",
            "Part of it may be missing. Copy the whole link, or ask whoever sent it to you for another.",
        ),
        Closed::Expired => (
            StatusCode::GONE,
            "This link has expired",
            "Links to files end after the time that was chosen for them. Ask whoever sent it to you for another.",
        ),
        Closed::Gone => (
            StatusCode::GONE,
            "The file is not shared any more",
            "It was removed, or whoever shared it may not read it any more. Ask them for another link.",
        ),
    };
    let page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title} · Drydock</title><main><h1>{title}</h1><p>{text}</p></main></html>"
    );
    HttpResponse::build(status).content_type("text/html; charset=utf-8").body(page)
}
