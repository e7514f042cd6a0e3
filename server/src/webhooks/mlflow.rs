//! Webhooks in MLflow's forms: `/api/2.0/mlflow/webhooks…`, as the client of 3.17 calls them.

use actix_web::web;
use drydock_wire::webhooks::{CreateWebhook, UpdateWebhook, Webhook};
use serde_json::{Value, json};

use super::{Courier, rules};
use crate::{
    accounts::{Authorized, action},
    app::App,
    error::{Error, Result},
    tracking::{
        mlflow::{Answer, Args, Failure, PREFIXES, Who, ok},
        search,
    },
};

const USUAL: i64 = 100;
const MOST: i64 = 1000;
/// MLflow's numbers of its words, as protobuf may send them.
const ENTITIES: [&str; 11] = [
    "",
    "REGISTERED_MODEL",
    "MODEL_VERSION",
    "MODEL_VERSION_TAG",
    "MODEL_VERSION_ALIAS",
    "PROMPT",
    "PROMPT_VERSION",
    "PROMPT_TAG",
    "PROMPT_VERSION_TAG",
    "PROMPT_ALIAS",
    "BUDGET_POLICY",
];
const ACTIONS: [&str; 6] = ["", "CREATED", "UPDATED", "DELETED", "SET", "EXCEEDED"];

/// Mounts the calls; before `registry::mlflow`, whose last routes answer for paths nobody knows.
pub fn configure(cfg: &mut web::ServiceConfig) {
    for prefix in PREFIXES {
        let base = format!("{prefix}/mlflow/webhooks");
        cfg.service(web::resource(base.as_str()).route(web::get().to(list)).route(web::post().to(create)));
        cfg.service(
            web::resource(format!("{base}/{{id}}"))
                .route(web::get().to(get))
                .route(web::patch().to(update))
                .route(web::delete().to(delete)),
        );
        cfg.route(&format!("{base}/{{id}}/test"), web::post().to(test));
    }
}

fn manage(who: &Who) -> std::result::Result<Authorized<action::Deploy>, Failure> {
    who.may(action::Deploy)
}

fn view(webhook: &Webhook) -> Value {
    let event = |event: &String| {
        let (entity, action) = event.split_once('.').unwrap_or((event, ""));
        json!({"entity": entity.to_uppercase(), "action": action.to_uppercase()})
    };
    let mut view = json!({
        "webhook_id": webhook.id,
        "name": webhook.name,
        "url": webhook.url,
        // MLflow's client reads no entity that it does not know
        "events": webhook.events.iter().filter(|event| !event.starts_with("deployment.")).map(event).collect::<Vec<_>>(),
        "status": if webhook.active { "ACTIVE" } else { "DISABLED" },
        "creation_timestamp": webhook.created_at,
        "last_updated_timestamp": webhook.updated_at,
    });
    if !webhook.description.is_empty() {
        view["description"] = json!(webhook.description);
    }
    view
}

/// `{"entity": "MODEL_VERSION", "action": "CREATED"}`; either may be protobuf's number.
fn event(value: &Value) -> Result<&'static str> {
    let word = |key: &str, words: &[&'static str]| match &value[key] {
        Value::String(text) => text.clone(),
        Value::Number(number) => {
            let word = number.as_u64().and_then(|at| words.get(usize::try_from(at).ok()?));
            word.map_or_else(|| number.to_string(), |word| (*word).to_owned())
        }
        _ => String::new(),
    };
    rules::event(&word("entity", &ENTITIES), &word("action", &ACTIONS))
}

fn events(args: &Args) -> Result<Vec<String>> {
    args.list("events")?.iter().map(|value| event(value).map(str::to_owned)).collect()
}

/// What clients say about whether it is on; what MLflow does not know, it takes for on.
fn active(args: &Args) -> Result<Option<bool>> {
    let status = match args.raw("status") {
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => args.filled("status")?,
    };
    Ok(status.map(|word| !matches!(word.as_str(), "DISABLED" | "2")))
}

async fn create(app: web::Data<App>, courier: web::Data<Courier>, who: Who, args: Args) -> Answer {
    let auth = manage(&who)?;
    let (name, url) = (args.required("name")?, args.required("url")?);
    if args.raw("events").is_none_or(Value::is_null) {
        return Err(Error::invalid(
            "Missing value for required parameter 'events'. See the API docs for more information about request parameters.",
        )
        .into());
    }
    let wish = CreateWebhook {
        name,
        url,
        description: args.text("description")?.unwrap_or_default(),
        events: events(&args)?,
        secret: args.filled("secret")?,
        active: active(&args)?,
    };
    ok(json!({"webhook": view(&super::create(&app, &courier, &auth, wish).await?)}))
}

async fn list(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let auth = manage(&who)?;
    let size = args.int("max_results")?.filter(|size| *size != 0).unwrap_or(USUAL);
    if !(1..=MOST).contains(&size) {
        return Err(Error::invalid("max_results must be between 1 and 1000.").into());
    }
    let offset = search::page_offset(args.text("page_token")?.as_deref())?;
    let (found, more) = super::list(&app, &auth, (offset, size)).await?;
    let mut answer = json!({});
    if !found.is_empty() {
        answer["webhooks"] = found.iter().map(view).collect();
    }
    if more {
        answer["next_page_token"] = json!(search::page_token(offset + size));
    }
    ok(answer)
}

async fn get(app: web::Data<App>, who: Who, id: web::Path<String>) -> Answer {
    ok(json!({"webhook": view(&super::get(&app, &manage(&who)?, &id).await?)}))
}

async fn update(
    app: web::Data<App>,
    courier: web::Data<Courier>,
    who: Who,
    id: web::Path<String>,
    args: Args,
) -> Answer {
    let auth = manage(&who)?;
    let events = events(&args)?;
    let wish = UpdateWebhook {
        name: args.filled("name")?,
        url: args.filled("url")?,
        description: args.text("description")?,
        events: (!events.is_empty()).then_some(events),
        secret: args.text("secret")?,
        active: active(&args)?,
    };
    ok(json!({"webhook": view(&super::update(&app, &courier, &auth, &id, wish).await?)}))
}

async fn delete(app: web::Data<App>, who: Who, id: web::Path<String>) -> Answer {
    super::delete(&app, &manage(&who)?, &id).await?;
    ok(json!({}))
}

async fn test(app: web::Data<App>, courier: web::Data<Courier>, who: Who, id: web::Path<String>, args: Args) -> Answer {
    let auth = manage(&who)?;
    let wanted = args.raw("event").filter(|value| value.is_object()).map(event).transpose()?;
    let (_, outcome) = super::test(&app, &courier, &auth, &id, wanted).await?;
    let mut result = json!({"success": outcome.error.is_none()});
    match outcome.status {
        Some(status) => {
            result["response_status"] = json!(status);
            result["response_body"] = json!(outcome.answer.unwrap_or_default());
        }
        None => {
            result["error_message"] = json!(format!("Failed to test webhook: {}", outcome.error.unwrap_or_default()))
        }
    }
    ok(json!({"result": result}))
}
