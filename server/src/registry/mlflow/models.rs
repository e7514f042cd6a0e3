//! `registered-models/…`.

use actix_web::web;
use serde_json::json;

use super::view;
use crate::{
    app::App,
    error::Error,
    registry::{self, rules},
    tracking::{
        mlflow::{Answer, Args, Who, ok},
        search,
    },
};

pub fn configure(cfg: &mut web::ServiceConfig, base: &str) {
    let path = |name: &str| format!("{base}/{name}");
    cfg.service(web::resource(path("create")).route(web::post().to(create)));
    cfg.service(web::resource(path("get")).route(web::get().to(get)));
    cfg.service(web::resource(path("rename")).route(web::post().to(rename)));
    cfg.service(web::resource(path("update")).route(web::patch().to(update)));
    cfg.service(web::resource(path("delete")).route(web::delete().to(delete)));
    cfg.service(web::resource(path("search")).route(web::get().to(find)));
    cfg.service(web::resource(path("get-latest-versions")).route(web::get().to(latest)).route(web::post().to(latest)));
    cfg.service(web::resource(path("set-tag")).route(web::post().to(set_tag)));
    cfg.service(web::resource(path("delete-tag")).route(web::delete().to(delete_tag)));
    cfg.service(
        web::resource(path("alias"))
            .route(web::get().to(by_alias))
            .route(web::post().to(set_alias))
            .route(web::delete().to(delete_alias)),
    );
}

async fn create(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let auth = who.develop()?;
    let (name, description) = (args.required("name")?, args.text("description")?.unwrap_or_default());
    let made = registry::create_model(&app, &auth, name, description, args.pairs("tags")?).await?;
    ok(json!({"registered_model": view::model(&made)}))
}

async fn get(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let found = registry::model(&app, &who.view()?, args.required("name")?).await?;
    ok(json!({"registered_model": view::model(&found)}))
}

async fn rename(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let auth = who.develop()?;
    let renamed = registry::rename_model(&app, &auth, args.required("name")?, args.required("new_name")?).await?;
    ok(json!({"registered_model": view::model(&renamed)}))
}

async fn update(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let auth = who.develop()?;
    let description = args.text("description")?.unwrap_or_default();
    let changed = registry::update_model(&app, &auth, args.required("name")?, description).await?;
    ok(json!({"registered_model": view::model(&changed)}))
}

async fn delete(app: web::Data<App>, who: Who, args: Args) -> Answer {
    registry::delete_model(&app, &who.develop()?, args.required("name")?).await?;
    ok(json!({}))
}

async fn find(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let limit = page_size(args.int("max_results")?, 100, 1000)?;
    let offset = search::page_offset(args.text("page_token")?.as_deref())?;
    let (filter, order) = (args.text("filter")?.unwrap_or_default(), args.texts("order_by")?);
    let (found, next) = registry::search_models(&app, &who.view()?, &filter, &order, (offset, limit)).await?;
    ok(view::page("registered_models", found.iter().map(view::model).collect(), next))
}

/// How many results, by the registry's own texts.
pub fn page_size(asked: Option<i64>, usual: i64, most: i64) -> Result<i64, Error> {
    match asked {
        None => Ok(usual),
        Some(asked) if asked < 1 => Err(Error::invalid(format!(
            "Invalid value for max_results. It must be a positive integer, but got {asked}"
        ))),
        Some(asked) if asked > most => Err(Error::invalid(format!(
            "Invalid value for request parameter max_results. It must be at most {most}, but got value {asked}"
        ))),
        Some(asked) => Ok(asked),
    }
}

async fn latest(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let (name, stages) = (args.required("name")?, args.texts("stages")?);
    let found = registry::latest_versions(&app, &who.view()?, name, stages).await?;
    ok(view::page("model_versions", found.iter().map(view::version).collect(), None))
}

async fn set_tag(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let auth = who.develop()?;
    let (key, value) = (args.required("key")?, args.text("value")?.unwrap_or_default());
    registry::set_model_tag(&app, &auth, args.required("name")?, key, value).await?;
    ok(json!({}))
}

async fn delete_tag(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let auth = who.develop()?;
    registry::delete_model_tag(&app, &auth, args.required("name")?, args.required("key")?).await?;
    ok(json!({}))
}

async fn by_alias(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let (name, alias) = (args.required("name")?, args.required("alias")?);
    let found = registry::version_by_alias(&app, &who.view()?, name, alias).await?;
    ok(json!({"model_version": view::version(&found)}))
}

async fn set_alias(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let auth = who.develop()?;
    let (name, alias) = (args.required("name")?, args.required("alias")?);
    let version = rules::version(&args.required("version")?)?;
    registry::set_alias(&app, &auth, name, alias, version).await?;
    ok(json!({}))
}

async fn delete_alias(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let auth = who.develop()?;
    registry::delete_alias(&app, &auth, args.required("name")?, args.required("alias")?).await?;
    ok(json!({}))
}
