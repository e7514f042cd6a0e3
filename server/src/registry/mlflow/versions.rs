//! `model-versions/…` and `/model-versions/get-artifact`.

use actix_web::{HttpRequest, web};
use serde_json::json;

use super::{models::page_size, view};
use crate::{
    accounts::{Authorized, action},
    app::App,
    error::{Error, Result},
    registry::{self, NewVersion, rules},
    tracking::{
        self,
        mlflow::{Answer, Args, Who, ok, send_artifact},
        search,
    },
};

pub fn configure(cfg: &mut web::ServiceConfig, base: &str) {
    let path = |name: &str| format!("{base}/{name}");
    cfg.service(web::resource(path("create")).route(web::post().to(create)));
    cfg.service(web::resource(path("get")).route(web::get().to(get)));
    cfg.service(web::resource(path("update")).route(web::patch().to(update)));
    cfg.service(web::resource(path("transition-stage")).route(web::post().to(transition)));
    cfg.service(web::resource(path("delete")).route(web::delete().to(delete)));
    cfg.service(web::resource(path("search")).route(web::get().to(find)));
    cfg.service(web::resource(path("get-download-uri")).route(web::get().to(download_uri)));
    cfg.service(web::resource(path("set-tag")).route(web::post().to(set_tag)));
    cfg.service(web::resource(path("delete-tag")).route(web::delete().to(delete_tag)));
}

/// Name and number, both required.
fn which(args: &Args) -> Result<(String, i64)> {
    let name = args.required("name")?;
    // Clients send the number as text, as protobuf has it; a bare number is taken as well.
    let number = match args.raw("version") {
        Some(serde_json::Value::Number(number)) => number.to_string(),
        _ => args.required("version")?,
    };
    Ok((name, rules::version(&number)?))
}

async fn create(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let auth = who.develop()?;
    let new = NewVersion {
        model: args.required("name")?,
        source: args.required("source")?,
        run_id: args.filled("run_id")?,
        model_id: args.filled("model_id")?,
        run_link: args.text("run_link")?.unwrap_or_default(),
        description: args.text("description")?.unwrap_or_default(),
        tags: args.pairs("tags")?,
    };
    let made = registry::create_version(&app, &auth, new).await?;
    ok(json!({"model_version": view::version(&made)}))
}

async fn get(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let (name, number) = which(&args)?;
    let found = registry::version(&app, &who.view()?, name, number).await?;
    ok(json!({"model_version": view::version(&found)}))
}

async fn update(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let (auth, (name, number)) = (who.develop()?, which(&args)?);
    let description = args.text("description")?.unwrap_or_default();
    let changed = registry::update_version(&app, &auth, name, number, description).await?;
    ok(json!({"model_version": view::version(&changed)}))
}

async fn transition(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let (auth, (name, number)) = (who.develop()?, which(&args)?);
    let (stage, archive) = (args.required("stage")?, args.flag("archive_existing_versions")?);
    let changed = registry::transition(&app, &auth, name, number, &stage, archive).await?;
    ok(json!({"model_version": view::version(&changed)}))
}

async fn delete(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let (auth, (name, number)) = (who.develop()?, which(&args)?);
    registry::delete_version(&app, &auth, name, number).await?;
    ok(json!({}))
}

async fn find(app: web::Data<App>, who: Who, args: Args) -> Answer {
    ok(searched(&app, &who.view()?, &args).await?)
}

/// What `model-versions/search` answers.
pub async fn searched(app: &App, auth: &Authorized<action::View>, args: &Args) -> Result<serde_json::Value> {
    let limit = page_size(args.int("max_results")?, 10_000, 200_000)?;
    let offset = search::page_offset(args.text("page_token")?.as_deref())?;
    let (filter, order) = (args.text("filter")?.unwrap_or_default(), args.texts("order_by")?);
    let (found, next) = registry::search_versions(app, auth, &filter, &order, (offset, limit)).await?;
    Ok(view::page("model_versions", found.iter().map(view::version).collect(), next))
}

async fn download_uri(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let (name, number) = which(&args)?;
    let uri = registry::download_uri(&app, &who.view()?, name, number).await?;
    ok(json!({"artifact_uri": uri}))
}

async fn set_tag(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let (auth, (name, number)) = (who.develop()?, which(&args)?);
    let (key, value) = (args.required("key")?, args.text("value")?.unwrap_or_default());
    registry::set_version_tag(&app, &auth, name, number, key, value).await?;
    ok(json!({}))
}

async fn delete_tag(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let (auth, (name, number)) = (who.develop()?, which(&args)?);
    registry::delete_version_tag(&app, &auth, name, number, args.required("key")?).await?;
    ok(json!({}))
}

/// One file of a version, as MLflow's web page downloads it.
pub async fn artifact(app: web::Data<App>, who: Who, args: Args, request: HttpRequest) -> Answer {
    let (auth, (name, number)) = (who.view()?, which(&args)?);
    let path = args.required("path")?;
    tracking::rules::artifact_path(&path)?;
    let found = registry::version(&app, &auth, name, number).await?;
    let folder = app.db.read(move |conn| registry::source::folder_of(conn, &found.storage_location)).await?;
    let folder = folder.ok_or_else(|| Error::not_found("The files of this version are not kept by Drydock."))?;
    let file = tracking::find_artifact(&app, &auth, &format!("{folder}/{path}")).await?;
    Ok(send_artifact(&app, &request, &file).await?)
}
