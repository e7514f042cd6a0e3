//! Drift of live traffic over HTTP: parse, authorize, call, wrap.

use actix_web::{get, post, web};
use drydock_wire::serving::{DriftWindowReport, LiveDrift};
use serde::Deserialize;
use utoipa_actix_web::service_config::ServiceConfig;

use super::judging::judge;
use super::metrics::Latest;
use super::store::{self, WindowRow};
use crate::accounts::{Principal, action, authorize};
use crate::app::App;
use crate::clock;
use crate::error::{Error, Result};
use crate::serving::capture::{self, Watched};

/// Mounts the routes under `/api/v1`.
pub fn configure(config: &mut ServiceConfig<'_>) {
    config.service(of_deployment).service(compare_now);
}

#[derive(Deserialize, utoipa::IntoParams)]
struct WindowQuery {
    /// Id of the window whose report is wanted; absent: the newest that was judged.
    window: Option<i64>,
}

/// Windows of a deployment's traffic, and the report of one.
#[utoipa::path(tag = "deployments", params(WindowQuery), responses((status = 200, body = LiveDrift)))]
#[get("/deployments/{name}/drift")]
async fn of_deployment(
    app: web::Data<App>,
    who: Principal,
    name: web::Path<String>,
    query: web::Query<WindowQuery>,
) -> Result<web::Json<LiveDrift>> {
    authorize(&who, action::View, &who.project)?;
    let of = watched(&app, &name).await?;
    Ok(web::Json(view(&app, of, query.window).await?))
}

/// Compares the time since the last window at once, however short it is.
#[utoipa::path(tag = "deployments", responses((status = 200, body = LiveDrift)))]
#[post("/deployments/{name}/drift")]
async fn compare_now(app: web::Data<App>, who: Principal, name: web::Path<String>) -> Result<web::Json<LiveDrift>> {
    authorize(&who, action::Deploy, &who.project)?;
    let of = watched(&app, &name).await?;
    if of.watch.is_none() {
        return Err(Error::conflict(format!(
            "'{}' is not watched for drift; set capture.drift in its settings first.",
            of.name
        )));
    }
    let id = of.deployment_id.clone();
    let last = app.db.read(move |conn| store::last_until(conn, &id)).await?;
    let from = match last {
        Some(last) => Some(last),
        None => capture::oldest(&app, &of.deployment_id).await?,
    };
    let until = clock::now_ms() + 1;
    let nothing = || Error::conflict("Nothing was captured since the last window; ask again when there was traffic.");
    let from = from.filter(|from| *from < until).ok_or_else(nothing)?;
    let window = judge(&app, &of, (from, until)).await?.ok_or_else(nothing)?;
    Ok(web::Json(view(&app, of, Some(window)).await?))
}

async fn watched(app: &App, name: &str) -> Result<Watched> {
    let wanted = name.to_owned();
    let all = app.db.read(capture::all_on_conn).await?;
    all.into_iter()
        .find(|one| one.name == wanted)
        .ok_or_else(|| Error::not_found(format!("There is no deployment '{wanted}'.")))
}

async fn view(app: &App, of: Watched, window: Option<i64>) -> Result<LiveDrift> {
    let id = of.deployment_id.clone();
    let read = move |conn: &mut crate::db::Conn| Ok((store::list(conn, &id)?, store::report(conn, &id, window)?));
    let (windows, report) = app.db.read(read).await?;
    if report.is_none() && window.is_some() {
        return Err(Error::not_found("There is no such window; older ones than the last 200 are forgotten."));
    }
    Ok(LiveDrift {
        watch: of.watch,
        windows: windows.iter().map(WindowRow::view).collect(),
        report: report.map(|(window, drift)| DriftWindowReport { window, drift }),
        problem: app.memory.of::<Latest>().problem(&of.deployment_id),
    })
}
