//! HTTP of what was captured, and the way in for feedback: parse, authorize, call, wrap.

use actix_web::{HttpResponse, get, web};
use drydock_wire::Page;
use drydock_wire::serving::{CapturedFile, CapturedPage, Feedback, QualityReport};
use serde::Deserialize;
use serde_json::Value;
use utoipa_actix_web::service_config::ServiceConfig;

use super::views::{self, Place, Status, Wanted};
use super::{collector, feedback};
use crate::accounts::{self, Principal, action};
use crate::app::App;
use crate::error::{Error, Result};
use crate::serving::gateway::{Gateway, check_caller};
use crate::serving::store::{self, DeploymentRow};
use crate::serving::unknown;

const USUAL_ROWS: usize = 50;
const MOST_ROWS: usize = 500;
const USUAL_HOURS: i64 = 24;
const MOST_HOURS: i64 = 90 * 24;

/// Mounts the routes under `/api/v1`.
pub fn configure(config: &mut ServiceConfig<'_>) {
    config.service(captured).service(captured_files).service(quality);
}

/// Mounts `/serve/{deployment}/feedback`; before the gateway, which would pass it on.
pub fn configure_feedback(config: &mut web::ServiceConfig) {
    config.route("/serve/{deployment}/feedback", web::post().to(take_feedback));
}

#[derive(Deserialize, utoipa::IntoParams)]
struct CapturedQuery {
    /// A number, a class as `2xx`, or `error`.
    status: Option<String>,
    /// Number of the revision that answered.
    revision: Option<i64>,
    /// 1 to 500; 50 when absent.
    limit: Option<usize>,
    /// `next` of the page before.
    before: Option<String>,
}

/// Requests and answers that were captured, newest first.
#[utoipa::path(tag = "deployments", params(CapturedQuery), responses((status = 200, body = CapturedPage)))]
#[get("/deployments/{name}/captured")]
async fn captured(
    app: web::Data<App>,
    who: Principal,
    name: web::Path<String>,
    query: web::Query<CapturedQuery>,
) -> Result<web::Json<CapturedPage>> {
    accounts::authorize(&who, action::View, &who.project)?;
    let text = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let wanted = Wanted {
        status: text(&query.status).as_deref().map(Status::parse).transpose()?,
        revision: query.revision,
        limit: query.limit.unwrap_or(USUAL_ROWS).clamp(1, MOST_ROWS),
        before: text(&query.before).as_deref().map(Place::parse).transpose()?,
    };
    let deployment = deployment(&app, &name).await?;
    Ok(web::Json(views::rows(&app, &collector(&app), &deployment, wanted).await?))
}

/// The Parquet files of captured requests, newest first.
#[utoipa::path(tag = "deployments", responses((status = 200, body = Page<CapturedFile>)))]
#[get("/deployments/{name}/captured/files")]
async fn captured_files(
    app: web::Data<App>,
    who: Principal,
    name: web::Path<String>,
) -> Result<web::Json<Page<CapturedFile>>> {
    accounts::authorize(&who, action::View, &who.project)?;
    let deployment = deployment(&app, &name).await?;
    Ok(web::Json(views::files(&app, &deployment).await?))
}

#[derive(Deserialize, utoipa::IntoParams)]
struct QualityQuery {
    /// How far back, up to 2160 (90 days); 24 when absent.
    hours: Option<i64>,
}

/// How right the answers were, where the truth is known.
#[utoipa::path(tag = "deployments", params(QualityQuery), responses((status = 200, body = QualityReport)))]
#[get("/deployments/{name}/quality")]
async fn quality(
    app: web::Data<App>,
    who: Principal,
    name: web::Path<String>,
    query: web::Query<QualityQuery>,
) -> Result<web::Json<QualityReport>> {
    accounts::authorize(&who, action::View, &who.project)?;
    let hours = query.hours.unwrap_or(USUAL_HOURS);
    if !(1..=MOST_HOURS).contains(&hours) {
        return Err(Error::invalid(format!("hours is from 1 to {MOST_HOURS}.")));
    }
    let deployment = deployment(&app, &name).await?;
    Ok(web::Json(views::quality(&app, &deployment, hours).await?))
}

/// Whoever may call the deployment may say how right it was.
async fn take_feedback(
    app: web::Data<App>,
    gateway: web::Data<Gateway>,
    who: Principal,
    name: web::Path<String>,
    body: web::Json<Value>,
) -> Result<HttpResponse> {
    accounts::authorize(&who, action::View, &who.project)?;
    let deployment = deployment(&app, &name).await?;
    if let Some(endpoint) = gateway.endpoint(&name) {
        check_caller(&endpoint.rules(), &name, &who)?;
    }
    let sent = read(body.into_inner())?;
    let taken = feedback::take(&app, &collector(&app), &deployment.id, sent, &who.username).await?;
    Ok(HttpResponse::Accepted().json(taken))
}

/// One, or a list.
fn read(body: Value) -> Result<Vec<Feedback>> {
    let all = match body {
        Value::Array(all) => all,
        one => vec![one],
    };
    let item = |(place, one): (usize, Value)| {
        serde_json::from_value(one).map_err(|cause| {
            Error::invalid(format!(
                "Item {place}: {cause}. A feedback is {{ \"request_id\": …, \"truth\": … }}, with \"row\" and \"score\" where they are needed."
            ))
        })
    };
    all.into_iter().enumerate().map(item).collect()
}

async fn deployment(app: &App, name: &str) -> Result<DeploymentRow> {
    let wanted = name.to_owned();
    app.db.glance(move |conn| store::find(conn, &wanted)?.ok_or_else(|| unknown(&wanted))).await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]
    use serde_json::json;

    use super::*;

    #[test]
    fn one_or_a_list_is_read_and_a_wrong_item_is_named() {
        assert_eq!(read(json!({ "request_id": "a", "truth": 1 })).unwrap().len(), 1);
        assert_eq!(
            read(json!([{ "request_id": "a", "truth": 1 }, { "request_id": "b", "score": 0.5 }])).unwrap().len(),
            2
        );
        let message = read(json!([{ "request_id": "a", "truth": 1 }, { "id": "b" }])).unwrap_err().message;
        assert!(message.contains("Item 1") && message.contains("request_id"), "{message}");
    }
}
