//! HTTP of the front page.

use actix_web::{get, web};
use drydock_wire::overview::Overview;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    accounts::{Principal, action, authorize},
    app::App,
    error::Result,
};

/// Mounts the routes under `/api/v1`.
pub fn configure(config: &mut ServiceConfig<'_>) {
    config.service(overview);
}

#[utoipa::path(tag = "overview", responses((status = 200, body = Overview)))]
#[get("/overview")]
async fn overview(app: web::Data<App>, who: Principal) -> Result<web::Json<Overview>> {
    let auth = authorize(&who, action::View, &who.project)?;
    Ok(web::Json(super::overview(&app, &auth).await?))
}
