//! HTTP of projects.

use actix_web::{HttpResponse, delete, get, patch, post, put, web};
use drydock_wire::projects::{CreateProject, Project, ProjectDetail, PutMember, UpdateProject};
use utoipa_actix_web::service_config::ServiceConfig;

use super::super::{Accounts, Principal, action, authorize};
use crate::{db::Db, error::Result};

/// Mounts the routes under `/api/v1`.
pub fn configure(config: &mut ServiceConfig<'_>) {
    config
        .service(list)
        .service(create)
        .service(get)
        .service(update)
        .service(delete)
        .service(put_member)
        .service(delete_member);
}

#[utoipa::path(tag = "projects", operation_id = "list_projects", responses((status = 200, body = [Project])))]
#[get("/projects")]
async fn list(db: web::Data<Db>, who: Principal) -> Result<web::Json<Vec<Project>>> {
    let auth = authorize(&who, action::View, &who.project)?;
    Ok(web::Json(super::list(&db, &auth).await?))
}

#[utoipa::path(tag = "projects", operation_id = "create_project", responses((status = 201, body = ProjectDetail)))]
#[post("/projects")]
async fn create(accounts: web::Data<Accounts>, who: Principal, wish: web::Json<CreateProject>) -> Result<HttpResponse> {
    let auth = authorize(&who, action::Administer, &who.project)?;
    Ok(HttpResponse::Created().json(super::create(&accounts, &auth, wish.into_inner()).await?))
}

#[utoipa::path(tag = "projects", operation_id = "get_project", responses((status = 200, body = ProjectDetail)))]
#[get("/projects/{id}")]
async fn get(db: web::Data<Db>, who: Principal, id: web::Path<String>) -> Result<web::Json<ProjectDetail>> {
    let auth = authorize(&who, action::View, &who.project)?;
    Ok(web::Json(super::get(&db, &auth, &id).await?))
}

#[utoipa::path(tag = "projects", operation_id = "update_project", responses((status = 200, body = ProjectDetail)))]
#[patch("/projects/{id}")]
async fn update(
    db: web::Data<Db>,
    who: Principal,
    id: web::Path<String>,
    wish: web::Json<UpdateProject>,
) -> Result<web::Json<ProjectDetail>> {
    let auth = authorize(&who, action::Manage, &who.project)?;
    Ok(web::Json(super::update(&db, &auth, &id, wish.into_inner()).await?))
}

#[utoipa::path(tag = "projects", operation_id = "delete_project", responses((status = 204), (status = 409)))]
#[delete("/projects/{id}")]
async fn delete(accounts: web::Data<Accounts>, who: Principal, id: web::Path<String>) -> Result<HttpResponse> {
    let auth = authorize(&who, action::Administer, &who.project)?;
    super::delete(&accounts, &auth, &id).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[utoipa::path(tag = "projects", responses((status = 200, body = ProjectDetail)))]
#[put("/projects/{id}/members/{username}")]
async fn put_member(
    db: web::Data<Db>,
    who: Principal,
    path: web::Path<(String, String)>,
    wish: web::Json<PutMember>,
) -> Result<web::Json<ProjectDetail>> {
    let auth = authorize(&who, action::Manage, &who.project)?;
    let (id, username) = path.into_inner();
    Ok(web::Json(super::put_member(&db, &auth, &id, &username, wish.role).await?))
}

#[utoipa::path(tag = "projects", responses((status = 204)))]
#[delete("/projects/{id}/members/{username}")]
async fn delete_member(db: web::Data<Db>, who: Principal, path: web::Path<(String, String)>) -> Result<HttpResponse> {
    let auth = authorize(&who, action::Manage, &who.project)?;
    let (id, username) = path.into_inner();
    super::delete_member(&db, &auth, &id, &username).await?;
    Ok(HttpResponse::NoContent().finish())
}
