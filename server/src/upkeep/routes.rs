//! HTTP of the store's care, under `/api/v1/store`.

use actix_web::{HttpResponse, get, post, web};
use drydock_wire::store::StoreState;
use utoipa_actix_web::service_config::ServiceConfig;

use super::Upkeep;
use crate::{
    accounts::{Principal, action, authorize},
    app::App,
    error::Result,
};

/// Mounts the routes under `/api/v1`.
pub fn configure(config: &mut ServiceConfig<'_>) {
    config.service(state).service(scrub);
}

#[utoipa::path(tag = "store", responses((status = 200, body = StoreState)))]
#[get("/store")]
async fn state(app: web::Data<App>, upkeep: web::Data<Upkeep>, who: Principal) -> Result<web::Json<StoreState>> {
    let auth = authorize(&who, action::View, &who.project)?;
    Ok(web::Json(super::state(&app, &upkeep, &auth).await?))
}

/// Begins to read everything that is kept, to find what is damaged.
#[utoipa::path(tag = "store", responses((status = 202)))]
#[post("/store/scrub")]
async fn scrub(app: web::Data<App>, who: Principal) -> Result<HttpResponse> {
    let auth = authorize(&who, action::Administer, &who.project)?;
    super::start_scrub(&app, &auth).await?;
    Ok(HttpResponse::Accepted().finish())
}
