//! `logged-models/…`.

use actix_web::{HttpRequest, web};
use serde_json::{Value, json};

use super::{
    Answer, Args, Who,
    args::{missing, mistyped, text_of},
    artifacts::{checked_folder, listing, send_artifact},
    ok, view,
};
use crate::{
    app::App,
    error::{Error, Result},
    tracking::{
        self, rules,
        search::{self, LOGGED_MODELS},
        store::search::{ModelKey, ModelOrder, ModelSearch, model_column},
    },
};

/// However many are asked for.
const MOST_MODELS: i64 = 50_000;

pub fn configure(cfg: &mut web::ServiceConfig, base: &str) {
    let path = |rest: &str| format!("{base}/logged-models{rest}");
    cfg.service(web::resource(path("")).route(web::post().to(create)));
    cfg.service(web::resource(path("/search")).route(web::post().to(search_)));
    cfg.service(web::resource(path("/{id}/artifacts/directories")).route(web::get().to(directories)));
    cfg.service(web::resource(path("/{id}/artifacts/files")).route(web::get().to(file)));
    cfg.service(web::resource(path("/{id}/params")).route(web::post().to(set_params)));
    cfg.service(web::resource(path("/{id}/tags")).route(web::patch().to(set_tags)));
    cfg.service(web::resource(path("/{id}/tags/{key:.*}")).route(web::delete().to(delete_tag)));
    cfg.service(
        web::resource(path("/{id}"))
            .route(web::get().to(get))
            .route(web::patch().to(finalize))
            .route(web::delete().to(delete)),
    );
}

async fn create(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let auth = who.develop()?;
    let (experiment, pairs) = (args.experiment_id()?, (args.pairs("params")?, args.pairs("tags")?));
    let (name, run) = (args.filled("name")?, args.filled("source_run_id")?);
    let kind = args.text("model_type")?.unwrap_or_default();
    let model = tracking::create_logged_model(&app, &auth, experiment, name, kind, run, pairs).await?;
    ok(json!({"model": view::logged_model(&model)}))
}

async fn get(app: web::Data<App>, who: Who, id: web::Path<String>, args: Args) -> Answer {
    let deleted_too = args.flag("allow_deleted")?;
    let model = tracking::logged_model(&app, &who.view()?, id.into_inner(), deleted_too).await?;
    ok(json!({"model": view::logged_model(&model)}))
}

async fn finalize(app: web::Data<App>, who: Who, id: web::Path<String>, args: Args) -> Answer {
    let auth = who.develop()?;
    let value = args.raw("status").filter(|value| !value.is_null()).ok_or_else(|| missing("status"))?;
    let status = match value {
        Value::String(name) => match name.as_str() {
            "LOGGED_MODEL_PENDING" => Some(1),
            "LOGGED_MODEL_READY" => Some(2),
            "LOGGED_MODEL_UPLOAD_FAILED" => Some(3),
            _ => None,
        },
        other => other.as_i64().filter(|number| (1..=3).contains(number)),
    };
    let status = status.ok_or_else(|| mistyped("status", value))?;
    let model = tracking::finalize_logged_model(&app, &auth, id.into_inner(), status).await?;
    ok(json!({"model": view::logged_model(&model)}))
}

async fn delete(app: web::Data<App>, who: Who, id: web::Path<String>) -> Answer {
    tracking::delete_logged_model(&app, &who.develop()?, id.into_inner()).await?;
    ok(json!({}))
}

async fn set_params(app: web::Data<App>, who: Who, id: web::Path<String>, args: Args) -> Answer {
    let auth = who.develop()?;
    tracking::set_logged_model_params(&app, &auth, id.into_inner(), args.pairs("params")?).await?;
    ok(json!({}))
}

async fn set_tags(app: web::Data<App>, who: Who, id: web::Path<String>, args: Args) -> Answer {
    let auth = who.develop()?;
    tracking::set_logged_model_tags(&app, &auth, id.into_inner(), args.pairs("tags")?).await?;
    ok(json!({}))
}

async fn delete_tag(app: web::Data<App>, who: Who, path: web::Path<(String, String)>) -> Answer {
    let (id, key) = path.into_inner();
    tracking::delete_logged_model_tag(&app, &who.develop()?, id, key).await?;
    ok(json!({}))
}

async fn directories(app: web::Data<App>, who: Who, id: web::Path<String>, args: Args) -> Answer {
    let auth = who.view()?;
    let folder = checked_folder(args.text("artifact_directory_path")?)?;
    let model = tracking::logged_model(&app, &auth, id.into_inner(), false).await?;
    ok(listing(&app, &auth, &model.artifact_uri, &folder).await?)
}

async fn file(app: web::Data<App>, who: Who, id: web::Path<String>, args: Args, request: HttpRequest) -> Answer {
    let auth = who.view()?;
    let path = args
        .filled("artifact_file_path")?
        .ok_or_else(|| Error::invalid("Request must include the \"artifact_file_path\" query parameter."))?;
    rules::artifact_path(&path)?;
    let model = tracking::logged_model(&app, &auth, id.into_inner(), false).await?;
    let root = rules::artifact_key(&model.artifact_uri)
        .ok_or_else(|| Error::not_found("The artifacts of this model are not kept by Drydock."))?;
    let found = tracking::find_artifact(&app, &auth, &format!("{root}/{path}")).await?;
    Ok(send_artifact(&app, &request, &found).await?)
}

async fn search_(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let auth = who.view()?;
    if args.raw("experiment_ids").is_none_or(Value::is_null) {
        return Err(missing("experiment_ids").into());
    }
    let experiments = args.experiment_ids("experiment_ids")?;
    let wish = ModelSearch {
        experiments,
        conditions: search::parse(&args.text("filter")?.unwrap_or_default(), &LOGGED_MODELS)?,
        datasets: args.list("datasets")?.iter().map(dataset_of).collect::<Result<_>>()?,
        order: args.list("order_by")?.iter().map(order_of).collect::<Result<_>>()?,
    };
    let limit = args.int("max_results")?.filter(|limit| *limit != 0).unwrap_or(100);
    let limit = rules::max_results(limit.min(MOST_MODELS), MOST_MODELS)?;
    let offset = search::page_offset(args.text("page_token")?.as_deref())?;
    let (models, next) = tracking::search_logged_models(&app, &auth, wish, (offset, limit)).await?;
    ok(view::page("models", models.iter().map(view::logged_model).collect(), next))
}

fn dataset_of(item: &Value) -> Result<(String, Option<String>)> {
    let name = text_of(item.get("dataset_name"), "datasets.dataset_name")?.filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| Error::invalid("`dataset_name` in the `datasets` clause must be specified."))?;
    Ok((name, text_of(item.get("dataset_digest"), "datasets.dataset_digest")?.filter(|digest| !digest.is_empty())))
}

fn order_of(item: &Value) -> Result<ModelOrder> {
    let field = text_of(item.get("field_name"), "order_by.field_name")?.unwrap_or_default();
    let key = match field.split_once('.') {
        Some(("metrics", name)) => ModelKey::Metric(name.trim_matches('`').to_owned()),
        Some(_) => {
            return Err(Error::invalid(format!("Invalid order by field name: {field}. Only metrics are supported.")));
        }
        None => ModelKey::Column(
            model_column(&field).ok_or_else(|| Error::invalid(format!("Invalid order by field name: {field}")))?,
        ),
    };
    let filled = |name: &str| Ok::<_, Error>(text_of(item.get(name), name)?.filter(|text| !text.is_empty()));
    Ok(ModelOrder {
        key,
        ascending: item.get("ascending").and_then(Value::as_bool).unwrap_or(true),
        dataset_name: filled("dataset_name")?,
        dataset_digest: filled("dataset_digest")?,
    })
}
