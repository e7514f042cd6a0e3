//! Saved views of the runs' table and saved comparisons.

use actix_web::{HttpResponse, delete, get, post, web};
use drydock_wire::tracking::{SaveView, SavedView};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    accounts::{self, Principal, action},
    app::App,
    error::Result,
    tracking::{store::views::View, views},
};

fn saved_view(view: View, who: &Principal) -> SavedView {
    let mine = view.owner == who.person_id;
    let View { id, kind, name, query, updated_at, username, .. } = view;
    SavedView { id, kind, name, query, owner: username, mine, updated_at }
}

/// Of which kind.
#[derive(Debug, Deserialize, IntoParams)]
struct ViewsQuery {
    /// `runs`, `compare` or `monitoring`.
    kind: Option<String>,
}

#[utoipa::path(tag = "runs", params(ViewsQuery), responses((status = 200, body = Vec<SavedView>)))]
#[get("/views")]
pub async fn list_views(
    app: web::Data<App>,
    who: Principal,
    query: web::Query<ViewsQuery>,
) -> Result<web::Json<Vec<SavedView>>> {
    let auth = accounts::authorize(&who, action::View, &who.project)?;
    let kind = query.into_inner().kind.unwrap_or_else(|| "runs".into());
    let found = views::list_views(&app, &auth, kind).await?;
    Ok(web::Json(found.into_iter().map(|view| saved_view(view, &who)).collect()))
}

#[utoipa::path(tag = "runs", responses((status = 200, body = SavedView)))]
#[get("/views/{id}")]
pub async fn get_view(app: web::Data<App>, who: Principal, id: web::Path<String>) -> Result<web::Json<SavedView>> {
    let auth = accounts::authorize(&who, action::View, &who.project)?;
    Ok(web::Json(saved_view(views::view(&app, &auth, id.into_inner()).await?, &who)))
}

#[utoipa::path(tag = "runs", responses((status = 200, body = SavedView)))]
#[post("/views")]
pub async fn save_view(app: web::Data<App>, who: Principal, wish: web::Json<SaveView>) -> Result<web::Json<SavedView>> {
    let auth = accounts::authorize(&who, action::View, &who.project)?;
    let SaveView { kind, name, query } = wish.into_inner();
    Ok(web::Json(saved_view(views::save_view(&app, &auth, kind, name, query).await?, &who)))
}

#[utoipa::path(tag = "runs", responses((status = 204)))]
#[delete("/views/{id}")]
pub async fn delete_view(app: web::Data<App>, who: Principal, id: web::Path<String>) -> Result<HttpResponse> {
    let auth = accounts::authorize(&who, action::View, &who.project)?;
    views::delete_view(&app, &auth, id.into_inner()).await?;
    Ok(HttpResponse::NoContent().finish())
}
