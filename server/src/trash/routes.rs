//! HTTP of the trash, under `/api/v1/trash`.

use actix_web::{get, post, web};
use drydock_wire::{
    Page,
    trash::{TrashChange, TrashDone, TrashItem, TrashKind, TrashPreview, TrashSelection},
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    Wish, rules,
    store::{Chosen, list},
};
use crate::{
    accounts::{Principal, action, authorize},
    app::App,
    error::{Error, Result},
    tracking::{rules as ids, search},
};

const DEFAULT_PAGE: i64 = 50;
const MAX_PAGE: i64 = 200;

/// Mounts the routes under `/api/v1`.
pub fn configure(config: &mut ServiceConfig<'_>) {
    config.service(list_trash).service(preview).service(discard).service(restore).service(purge);
}

fn chosen(what: TrashSelection) -> Result<Chosen> {
    if what.runs.len() + what.experiments.len() + what.logged_models.len() > rules::MOST {
        return Err(Error::too_large(format!("Name at most {} things at once.", rules::MOST)));
    }
    Ok(Chosen {
        experiments: what.experiments.iter().map(|id| ids::experiment_id(id)).collect::<Result<_>>()?,
        runs: what.runs,
        logged_models: what.logged_models,
        with_models: what.with_models,
    })
}

/// Out of the trash, models go the way of the run that they came with.
fn wish(what: TrashSelection) -> Result<Wish> {
    if what.everything {
        return Ok(Wish::Everything);
    }
    chosen(what).map(Wish::These)
}

/// Which part of the trash.
#[derive(Debug, Deserialize, IntoParams)]
struct TrashQuery {
    /// `experiment`, `run` or `logged_model`.
    kind: Option<TrashKind>,
    /// Part of a name or an id.
    search: Option<String>,
    page: Option<String>,
    limit: Option<i64>,
}

#[utoipa::path(tag = "trash", params(TrashQuery), responses((status = 200, body = Page<TrashItem>)))]
#[get("/trash")]
async fn list_trash(
    app: web::Data<App>,
    who: Principal,
    query: web::Query<TrashQuery>,
) -> Result<web::Json<Page<TrashItem>>> {
    let auth = authorize(&who, action::View, &who.project)?;
    let query = query.into_inner();
    let limit = query.limit.unwrap_or(DEFAULT_PAGE).clamp(1, MAX_PAGE);
    let offset = search::page_offset(query.page.as_deref())?;
    let words = query.search.unwrap_or_default().trim().to_owned();
    let (items, total, next) =
        super::items(&app, &auth, list::Wish { kind: query.kind, words }, (offset, limit)).await?;
    Ok(web::Json(Page { items, total: u64::try_from(total).unwrap_or(0), next: next.map(search::page_token) }))
}

#[utoipa::path(tag = "trash", request_body = TrashSelection, responses((status = 200, body = TrashPreview)))]
#[post("/trash/preview")]
async fn preview(
    app: web::Data<App>,
    who: Principal,
    what: web::Json<TrashSelection>,
) -> Result<web::Json<TrashPreview>> {
    let auth = authorize(&who, action::Develop, &who.project)?;
    Ok(web::Json(super::preview(&app, &auth, wish(what.into_inner())?).await?))
}

/// Moves things into the trash.
#[utoipa::path(tag = "trash", request_body = TrashChange, responses((status = 200, body = TrashDone)))]
#[post("/trash")]
async fn discard(app: web::Data<App>, who: Principal, change: web::Json<TrashChange>) -> Result<web::Json<TrashDone>> {
    let auth = authorize(&who, action::Develop, &who.project)?;
    let TrashChange { what, confirm } = change.into_inner();
    if what.everything {
        return Err(Error::invalid("Only the trash can be emptied as a whole; name what is to go there."));
    }
    Ok(web::Json(super::discard(&app, &auth, chosen(what)?, &confirm).await?))
}

#[utoipa::path(tag = "trash", request_body = TrashSelection, responses((status = 200, body = TrashDone)))]
#[post("/trash/restore")]
async fn restore(app: web::Data<App>, who: Principal, what: web::Json<TrashSelection>) -> Result<web::Json<TrashDone>> {
    let auth = authorize(&who, action::Develop, &who.project)?;
    let what = TrashSelection { with_models: true, ..what.into_inner() };
    Ok(web::Json(super::restore(&app, &auth, wish(what)?).await?))
}

/// Frees the disk now. What a registered version needs stays and is named.
#[utoipa::path(tag = "trash", request_body = TrashChange, responses((status = 200, body = TrashDone)))]
#[post("/trash/purge")]
async fn purge(app: web::Data<App>, who: Principal, change: web::Json<TrashChange>) -> Result<web::Json<TrashDone>> {
    let auth = authorize(&who, action::Administer, &who.project)?;
    let TrashChange { what, confirm } = change.into_inner();
    let what = TrashSelection { with_models: true, ..what };
    Ok(web::Json(super::purge(&app, &auth, wish(what)?, &confirm).await?))
}
