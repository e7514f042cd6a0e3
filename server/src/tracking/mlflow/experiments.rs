//! `experiments/…`.

use actix_web::web;
use serde_json::json;

use super::{Answer, Args, Who, args::missing, ok, view};
use crate::{
    accounts::{Authorized, action},
    app::App,
    error::{Error, Result},
    tracking::{self, rules, search},
};

pub fn configure(cfg: &mut web::ServiceConfig, base: &str) {
    let path = |name: &str| format!("{base}/experiments/{name}");
    cfg.service(web::resource(path("create")).route(web::post().to(create)));
    cfg.service(web::resource(path("get")).route(web::get().to(get)));
    cfg.service(web::resource(path("get-by-name")).route(web::get().to(get_by_name)));
    cfg.service(web::resource(path("search")).route(web::get().to(search_)).route(web::post().to(search_)));
    cfg.service(web::resource(path("update")).route(web::post().to(update)));
    cfg.service(web::resource(path("delete")).route(web::post().to(delete)));
    cfg.service(web::resource(path("restore")).route(web::post().to(restore)));
    cfg.service(web::resource(path("set-experiment-tag")).route(web::post().to(set_tag)));
    cfg.service(web::resource(path("delete-experiment-tag")).route(web::post().to(delete_tag)));
}

async fn create(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let auth = who.develop()?;
    let (name, location) = (args.required("name")?, args.filled("artifact_location")?);
    if let Some(location) = &location {
        check_location(location)?;
    }
    let id = tracking::create_experiment(&app, &auth, name, location, args.pairs("tags")?).await?;
    ok(json!({"experiment_id": id.to_string()}))
}

/// Where clients shall put artifacts themselves. The server's own disk is none of these places.
fn check_location(location: &str) -> Result<()> {
    if location.chars().count() > 2048 {
        return Err(Error::invalid(
            "Invalid artifact path length. The length of the artifact path cannot be greater than 2048 characters.",
        ));
    }
    if location.starts_with("runs:") {
        let text = format!("Artifact location cannot be a runs:/ URI. Given: '{location}'");
        return Err(Error::invalid(text));
    }
    if location.contains('#') {
        return Err(Error::invalid("'artifact_location' URL can't include fragments or params."));
    }
    if location.split_once('?').is_some_and(|(_, query)| query.contains("..")) {
        return Err(Error::invalid("Invalid query string"));
    }
    let ours = location.starts_with("mlflow-artifacts:");
    let inside = rules::artifact_key(location).is_some();
    if location.starts_with("file:") || (ours && !inside) {
        return Err(Error::invalid(format!(
            "Invalid value \"{location}\" for parameter 'artifact_location' supplied: It must be a URI of a shared store \
             or mlflow-artifacts:/… without '..'."
        )));
    }
    Ok(())
}

async fn get(app: web::Data<App>, who: Who, args: Args) -> Answer {
    ok(found(&app, &who.view()?, &args).await?)
}

/// What `experiments/get` answers.
pub async fn found(app: &App, auth: &Authorized<action::View>, args: &Args) -> Result<serde_json::Value> {
    let found = tracking::experiment(app, auth, args.experiment_id()?).await?;
    Ok(json!({"experiment": view::experiment(&found)}))
}

async fn get_by_name(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let found = tracking::experiment_by_name(&app, &who.view()?, args.required("experiment_name")?).await?;
    ok(json!({"experiment": view::experiment(&found)}))
}

async fn search_(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let limit = rules::max_results(args.int("max_results")?.unwrap_or(0), 50_000)?;
    let offset = search::page_offset(args.text("page_token")?.as_deref())?;
    let filter = args.text("filter")?.unwrap_or_default();
    let (stage, order) = (args.stage("view_type")?, args.texts("order_by")?);
    let (found, next) =
        tracking::search_experiments(&app, &who.view()?, stage, &filter, &order, (offset, limit)).await?;
    ok(view::page("experiments", found.iter().map(view::experiment).collect(), next))
}

async fn update(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let auth = who.develop()?;
    let name = args.filled("new_name")?.ok_or_else(|| missing("new_name"))?;
    tracking::rename_experiment(&app, &auth, args.experiment_id()?, name).await?;
    ok(json!({}))
}

async fn delete(app: web::Data<App>, who: Who, args: Args) -> Answer {
    tracking::delete_experiment(&app, &who.develop()?, args.experiment_id()?).await?;
    ok(json!({}))
}

async fn restore(app: web::Data<App>, who: Who, args: Args) -> Answer {
    tracking::restore_experiment(&app, &who.develop()?, args.experiment_id()?).await?;
    ok(json!({}))
}

async fn set_tag(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let auth = who.develop()?;
    let (key, value) = (args.required("key")?, args.text("value")?.unwrap_or_default());
    tracking::set_experiment_tag(&app, &auth, args.experiment_id()?, key, value).await?;
    ok(json!({}))
}

async fn delete_tag(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let auth = who.develop()?;
    tracking::delete_experiment_tag(&app, &auth, args.experiment_id()?, args.required("key")?).await?;
    ok(json!({}))
}
