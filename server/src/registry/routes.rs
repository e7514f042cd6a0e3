//! Registered models for the dashboard.

use actix_web::{HttpResponse, delete, get, patch, post, put, web};
use drydock_wire::{
    KeyValue, Page,
    registry::{
        Alias, AliasAt, AliasMove, Card, Describe, ModelDetail, ModelSummary, ModelVersion, RegisterVersion,
        RenameModel, SaveCard, SetAlias, SetStage,
    },
};
use serde::Deserialize;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    Model, Version, cards, models, moves, rules,
    store::{models as model_store, search, versions as store},
    versions, within,
};
use crate::{
    accounts::{
        self, Principal, action,
        projects::{self, Kind},
    },
    app::App,
    db::Conn,
    error::Result,
    tracking::{self, Pair},
};

/// Mounts the native routes.
pub fn configure(cfg: &mut ServiceConfig<'_>) {
    cfg.service(list).service(get_model).service(register).service(set_alias).service(delete_alias);
    cfg.service(describe)
        .service(rename)
        .service(delete_model)
        .service(describe_version)
        .service(delete_version)
        .service(set_stage);
    cfg.service(history).service(alias_history).service(alias_at).service(card).service(save_card);
}

const MOST_MODELS: i64 = 10_000;

#[utoipa::path(tag = "models", responses((status = 200, body = Page<ModelSummary>)))]
#[get("/models")]
async fn list(app: web::Data<App>, who: Principal) -> Result<web::Json<Page<ModelSummary>>> {
    let scope = accounts::authorize(&who, action::View, &who.project)?.scope();
    let items = app
        .db
        .read(move |conn| {
            let ids = search::models(conn, &scope, &[], &[], (0, MOST_MODELS))?;
            ids.into_iter()
                .map(|id| {
                    let model = model_store::load(conn, id)?;
                    summary(conn, &model)
                })
                .collect::<Result<Vec<_>>>()
        })
        .await?;
    Ok(web::Json(Page { total: items.len() as u64, items, next: None }))
}

fn summary(conn: &mut Conn, model: &Model) -> Result<ModelSummary> {
    let (count, newest) = store::extent(conn, model.row)?;
    let alias = |(alias, version): &(String, i64)| Alias { alias: alias.clone(), version: *version };
    Ok(ModelSummary {
        name: model.name.clone(),
        description: model.description.clone(),
        created_at: model.created_at,
        updated_at: model.updated_at,
        latest_version: newest,
        version_count: u64::try_from(count).unwrap_or(0),
        aliases: model.aliases.iter().map(alias).collect(),
        tags: key_values(model.tags.clone()),
    })
}

#[utoipa::path(tag = "models", responses((status = 200, body = ModelDetail)))]
#[get("/models/{name}")]
async fn get_model(app: web::Data<App>, who: Principal, name: web::Path<String>) -> Result<web::Json<ModelDetail>> {
    accounts::authorize(&who, action::View, &who.project)?;
    let name = name.into_inner();
    let detail = app
        .db
        .read(move |conn| {
            let row = models::row_of(conn, &name)?;
            let model = model_store::load(conn, row)?;
            let all = store::of_model(conn, row)?;
            let versions = all.into_iter().map(|version| version_view(conn, &who, version)).collect::<Result<_>>()?;
            Ok(ModelDetail { summary: summary(conn, &model)?, tags: key_values(model.tags), versions })
        })
        .await?;
    Ok(web::Json(detail))
}

fn key_values(pairs: Vec<Pair>) -> Vec<KeyValue> {
    pairs.into_iter().map(|(key, value)| KeyValue { key, value }).collect()
}

/// What it was made from, and who serves it, are there where they are for this person.
fn version_view(conn: &mut Conn, who: &Principal, version: Version) -> Result<ModelVersion> {
    let run = match &version.run_id {
        Some(run_id) if projects::sees(conn, who, Kind::Run, run_id)? => tracking::run_on_conn(conn, run_id)?,
        _ => None,
    };
    let (run_name, metrics) = run.map(|run| (Some(run.info.name), run.metrics)).unwrap_or_default();
    let mut deployments = vec![];
    for name in super::deployments_of(conn, &version.model, version.version)? {
        if projects::sees(conn, who, Kind::Deployment, &name)? {
            deployments.push(name);
        }
    }
    Ok(ModelVersion {
        deployments,
        card: cards::state(conn, version.row)?,
        stage: version.stage,
        version: version.version,
        created_at: version.created_at,
        user: version.user,
        description: version.description,
        status: version.status.to_lowercase(),
        source: version.source,
        run_id: version.run_id,
        run_name,
        aliases: version.aliases,
        metrics: metrics.into_iter().map(tracking::metric_value).collect(),
        tags: key_values(version.tags),
    })
}

#[utoipa::path(tag = "models", responses((status = 201, body = ModelVersion), (status = 404)))]
#[post("/models/{name}/versions")]
async fn register(
    app: web::Data<App>,
    who: Principal,
    name: web::Path<String>,
    wish: web::Json<RegisterVersion>,
) -> Result<HttpResponse> {
    let auth = accounts::authorize(&who, action::Develop, &who.project)?;
    let (name, wish) = (name.into_inner(), wish.into_inner());
    let made = within::register(&app, &auth, name, wish).await?;
    let view = app.db.read(move |conn| version_view(conn, &who, made)).await?;
    Ok(HttpResponse::Created().json(view))
}

#[utoipa::path(tag = "models", responses((status = 204)))]
#[put("/models/{name}/aliases/{alias}")]
async fn set_alias(
    app: web::Data<App>,
    who: Principal,
    path: web::Path<(String, String)>,
    wish: web::Json<SetAlias>,
) -> Result<HttpResponse> {
    let auth = accounts::authorize(&who, action::Develop, &who.project)?;
    let (name, alias) = path.into_inner();
    versions::set_alias(&app, &auth, name, alias, wish.version).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[utoipa::path(tag = "models", responses((status = 204)))]
#[delete("/models/{name}/aliases/{alias}")]
async fn delete_alias(app: web::Data<App>, who: Principal, path: web::Path<(String, String)>) -> Result<HttpResponse> {
    let auth = accounts::authorize(&who, action::Develop, &who.project)?;
    let (name, alias) = path.into_inner();
    versions::delete_alias(&app, &auth, name, alias).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[utoipa::path(tag = "models", responses((status = 204), (status = 404)))]
#[patch("/models/{name}")]
async fn describe(
    app: web::Data<App>,
    who: Principal,
    name: web::Path<String>,
    wish: web::Json<Describe>,
) -> Result<HttpResponse> {
    let auth = accounts::authorize(&who, action::Develop, &who.project)?;
    if let Some(description) = wish.into_inner().description {
        models::update_model(&app, &auth, name.into_inner(), description).await?;
    }
    Ok(HttpResponse::NoContent().finish())
}

#[utoipa::path(
    tag = "models",
    responses((status = 204), (status = 404), (status = 409, description = "A deployment serves it, or the name is taken"))
)]
#[post("/models/{name}/rename")]
async fn rename(
    app: web::Data<App>,
    who: Principal,
    name: web::Path<String>,
    wish: web::Json<RenameModel>,
) -> Result<HttpResponse> {
    let auth = accounts::authorize(&who, action::Develop, &who.project)?;
    models::rename_model(&app, &auth, name.into_inner(), wish.into_inner().name).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[utoipa::path(tag = "models", responses((status = 204), (status = 404), (status = 409, description = "A deployment serves it")))]
#[delete("/models/{name}")]
async fn delete_model(app: web::Data<App>, who: Principal, name: web::Path<String>) -> Result<HttpResponse> {
    let auth = accounts::authorize(&who, action::Develop, &who.project)?;
    models::delete_model(&app, &auth, name.into_inner()).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[utoipa::path(tag = "models", responses((status = 204), (status = 404)))]
#[patch("/models/{name}/versions/{version}")]
async fn describe_version(
    app: web::Data<App>,
    who: Principal,
    path: web::Path<(String, i64)>,
    wish: web::Json<Describe>,
) -> Result<HttpResponse> {
    let auth = accounts::authorize(&who, action::Develop, &who.project)?;
    let (name, version) = path.into_inner();
    if let Some(description) = wish.into_inner().description {
        versions::update_version(&app, &auth, name, version, description).await?;
    }
    Ok(HttpResponse::NoContent().finish())
}

#[utoipa::path(tag = "models", responses((status = 204), (status = 404), (status = 409, description = "A deployment serves it")))]
#[delete("/models/{name}/versions/{version}")]
async fn delete_version(app: web::Data<App>, who: Principal, path: web::Path<(String, i64)>) -> Result<HttpResponse> {
    let auth = accounts::authorize(&who, action::Develop, &who.project)?;
    let (name, version) = path.into_inner();
    versions::delete_version(&app, &auth, name, version).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[utoipa::path(tag = "models", responses((status = 204), (status = 404)))]
#[put("/models/{name}/versions/{version}/stage")]
async fn set_stage(
    app: web::Data<App>,
    who: Principal,
    path: web::Path<(String, i64)>,
    wish: web::Json<SetStage>,
) -> Result<HttpResponse> {
    let auth = accounts::authorize(&who, action::Develop, &who.project)?;
    let (name, version) = path.into_inner();
    versions::transition(&app, &auth, name, version, &wish.stage, wish.archive_existing).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[utoipa::path(tag = "models", responses((status = 200, description = "Newest first", body = Vec<AliasMove>), (status = 404)))]
#[get("/models/{name}/history")]
async fn history(app: web::Data<App>, who: Principal, name: web::Path<String>) -> Result<web::Json<Vec<AliasMove>>> {
    let auth = accounts::authorize(&who, action::View, &who.project)?;
    Ok(web::Json(moves::history(&app, &auth, name.into_inner(), None).await?))
}

#[utoipa::path(tag = "models", responses((status = 200, description = "Newest first", body = Vec<AliasMove>), (status = 404)))]
#[get("/models/{name}/aliases/{alias}/history")]
async fn alias_history(
    app: web::Data<App>,
    who: Principal,
    path: web::Path<(String, String)>,
) -> Result<web::Json<Vec<AliasMove>>> {
    let auth = accounts::authorize(&who, action::View, &who.project)?;
    let (name, alias) = path.into_inner();
    Ok(web::Json(moves::history(&app, &auth, name, Some(alias)).await?))
}

#[derive(Deserialize, utoipa::IntoParams)]
struct Instant {
    /// Milliseconds since the Unix epoch, or a date or time such as 2026-11-25 (its end, in UTC) or 2026-11-25T12:00:00Z.
    time: String,
}

#[utoipa::path(tag = "models", params(Instant), responses((status = 200, body = AliasAt), (status = 400), (status = 404)))]
#[get("/models/{name}/aliases/{alias}/at")]
async fn alias_at(
    app: web::Data<App>,
    who: Principal,
    path: web::Path<(String, String)>,
    query: web::Query<Instant>,
) -> Result<web::Json<AliasAt>> {
    let auth = accounts::authorize(&who, action::View, &who.project)?;
    let (name, alias) = path.into_inner();
    Ok(web::Json(moves::alias_at(&app, &auth, name, alias, rules::instant(&query.time)?).await?))
}

#[derive(Deserialize, utoipa::IntoParams)]
struct OfRevision {
    /// Absent: the newest.
    revision: Option<i64>,
}

#[utoipa::path(tag = "models", params(OfRevision), responses((status = 200, body = Card), (status = 404)))]
#[get("/models/{name}/versions/{version}/card")]
async fn card(
    app: web::Data<App>,
    who: Principal,
    path: web::Path<(String, i64)>,
    query: web::Query<OfRevision>,
) -> Result<web::Json<Card>> {
    let auth = accounts::authorize(&who, action::View, &who.project)?;
    let (name, version) = path.into_inner();
    Ok(web::Json(cards::card(&app, &auth, name, version, query.revision).await?))
}

#[utoipa::path(tag = "models", responses((status = 200, body = Card), (status = 404), (status = 409, description = "Saved by somebody else meanwhile")))]
#[put("/models/{name}/versions/{version}/card")]
async fn save_card(
    app: web::Data<App>,
    who: Principal,
    path: web::Path<(String, i64)>,
    wish: web::Json<SaveCard>,
) -> Result<web::Json<Card>> {
    let auth = accounts::authorize(&who, action::Develop, &who.project)?;
    let (name, version) = path.into_inner();
    Ok(web::Json(cards::save_card(&app, &auth, name, version, wish.into_inner()).await?))
}
