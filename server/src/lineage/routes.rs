//! HTTP of lineage.

use actix_web::{get, web};
use drydock_wire::lineage::Lineage;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    accounts::{self, Principal, action},
    app::App,
    error::Result,
};

/// Mounts the route under `/api/v1`.
pub fn configure(config: &mut ServiceConfig<'_>) {
    config.service(lineage);
}

#[utoipa::path(tag = "lineage", responses((status = 200, body = Lineage), (status = 400), (status = 404)))]
#[get("/lineage/{kind}/{id:.*}")]
async fn lineage(app: web::Data<App>, who: Principal, path: web::Path<(String, String)>) -> Result<web::Json<Lineage>> {
    let auth = accounts::authorize(&who, action::View, &who.project)?;
    let (kind, id) = path.into_inner();
    Ok(web::Json(super::of(&app, &auth, &kind, id).await?))
}
