//! HTTP of a schedule that is still being written.

use actix_web::{post, web};
use drydock_wire::pipelines::{PreviewSchedule, SchedulePreview};
use utoipa_actix_web::service_config::ServiceConfig;

use super::super as pipelines;
use crate::{
    accounts::{self, Principal, action},
    error::Result,
};

pub fn configure(config: &mut ServiceConfig<'_>) {
    config.service(preview);
}

/// The next five times of a cron in its zone, or what is wrong with them; nothing is kept.
#[utoipa::path(tag = "pipelines", request_body = PreviewSchedule, responses((status = 200, body = SchedulePreview)))]
#[post("/pipeline-schedule-preview")]
async fn preview(who: Principal, wish: web::Json<PreviewSchedule>) -> Result<web::Json<SchedulePreview>> {
    accounts::authorize(&who, action::Launch, &who.project)?;
    Ok(web::Json(pipelines::preview_schedule(&wish)))
}
