//! Models and versions in MLflow's JSON. Version numbers are texts; empty lists are left out.

use serde_json::{Value, json};

use crate::{
    registry::{Model, Version},
    tracking::Pair,
};

fn with_tags(view: &mut Value, tags: &[Pair]) {
    if !tags.is_empty() {
        view["tags"] = tags.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
    }
}

pub fn model(model: &Model) -> Value {
    let mut view = json!({
        "name": model.name,
        "creation_timestamp": model.created_at,
        "last_updated_timestamp": model.updated_at,
    });
    if !model.description.is_empty() {
        view["description"] = json!(model.description);
    }
    if !model.latest.is_empty() {
        view["latest_versions"] = model.latest.iter().map(version).collect();
    }
    if !model.aliases.is_empty() {
        let alias = |(alias, version): &(String, i64)| json!({"alias": alias, "version": version.to_string()});
        view["aliases"] = model.aliases.iter().map(alias).collect();
    }
    with_tags(&mut view, &model.tags);
    view
}

pub fn version(version: &Version) -> Value {
    let mut view = json!({
        "name": version.model,
        "version": version.version.to_string(),
        "creation_timestamp": version.created_at,
        "last_updated_timestamp": version.updated_at,
        "user_id": version.user,
        "current_stage": version.stage,
        "description": version.description,
        "source": version.source,
        "status": version.status,
        "run_link": version.run_link,
    });
    // Clients expect the field, empty when there is no run.
    view["run_id"] = json!(version.run_id.as_deref().unwrap_or(""));
    if let Some(model_id) = &version.model_id {
        view["model_id"] = json!(model_id);
    }
    if !version.aliases.is_empty() {
        view["aliases"] = json!(version.aliases);
    }
    with_tags(&mut view, &version.tags);
    view
}

/// `{list_key: items, "next_page_token": …}`, each left out when empty.
pub fn page(list_key: &str, items: Vec<Value>, next: Option<i64>) -> Value {
    let mut view = json!({});
    if !items.is_empty() {
        view[list_key] = items.into();
    }
    if let Some(offset) = next {
        view["next_page_token"] = json!(crate::tracking::search::page_token(offset));
    }
    view
}
