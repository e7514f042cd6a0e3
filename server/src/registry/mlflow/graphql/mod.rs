//! `/graphql`: the queries that MLflow's own web page sends, over the same answers as the REST calls.
//!
//! Always holds: one request reads, however it is spelt ("mutations" of this schema are searches too); what a query may cost is
//! bounded before anything is read (depth, fields, aliases, as MLflow bounds it); answers and errors have MLflow's form, 200
//! with `{"data", "errors"}`. Never here: introspection, subscriptions.

mod document;
mod resolve;
mod schema;
mod variables;

use actix_web::web;
use serde_json::{Map, Value, json};

use crate::{
    app::App,
    tracking::mlflow::{Answer, Args, Who, ok},
};

pub fn configure(cfg: &mut web::ServiceConfig) {
    for path in ["/graphql", "/ajax-api/graphql"] {
        cfg.service(web::resource(path).route(web::post().to(post)).route(web::get().to(post)));
    }
}

async fn post(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let auth = who.view()?;
    let variables = match args.raw("variables") {
        Some(Value::Object(variables)) => variables.clone(),
        // A query string has them as text.
        Some(Value::String(text)) => serde_json::from_str(text).unwrap_or_default(),
        _ => Map::new(),
    };
    let operation = args.filled("operation_name")?;
    let fields = match document::read(&args.text("query")?.unwrap_or_default(), operation.as_deref(), &variables) {
        Ok(fields) => fields,
        Err(problems) => return ok(json!({"data": null, "errors": problems})),
    };
    let (mut data, mut problems) = (Map::new(), Vec::new());
    for field in &fields {
        match resolve::root(&app, &auth, field).await {
            Ok(value) => drop(data.insert(field.key.clone(), value)),
            Err(error) => {
                error.log(&crate::error::request_id::current());
                problems.push(error.message);
                data.insert(field.key.clone(), Value::Null);
            }
        }
    }
    ok(json!({"data": data, "errors": if problems.is_empty() { Value::Null } else { json!(problems) }}))
}

/// For the fuzzer: reads a document as a request would, and asks nothing.
pub fn read_document(query: &str) -> Result<usize, Vec<String>> {
    document::read(query, None, &Map::new()).map(|fields| fields.len())
}
