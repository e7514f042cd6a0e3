//! What webhooks are told: MLflow's events of the registry with MLflow's payloads. A prompt is told as a prompt.

use serde_json::{Map, Value, json};

use super::{
    Model, Version,
    rules::{self, PROMPT_TAG},
    store::models as store,
};
use crate::{db::Conn, error::Result, tracking::Pair, webhooks::tell};

/// The tag that holds a prompt's text.
const PROMPT_TEXT_TAG: &str = "mlflow.prompt.text";
/// Tags that say that something is a prompt, which is known.
const PROMPT_TAGS: [&str; 2] = [PROMPT_TAG, "_mlflow_prompt_type"];

fn tags(pairs: &[Pair], without: &[&str]) -> Value {
    let kept = pairs.iter().filter(|(key, _)| !without.contains(&key.as_str()));
    Value::Object(kept.map(|(key, value)| (key.clone(), json!(value))).collect::<Map<_, _>>())
}

fn filled(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

pub fn model_created(conn: &mut Conn, model: &Model) -> Result<()> {
    let is_prompt = rules::is_prompt(&model.tags);
    let hidden: &[&str] = if is_prompt { &PROMPT_TAGS } else { &[] };
    let data = json!({"name": model.name, "tags": tags(&model.tags, hidden), "description": model.description});
    tell(conn, if is_prompt { "prompt.created" } else { "registered_model.created" }, &data)
}

pub fn version_created(conn: &mut Conn, version: &Version) -> Result<()> {
    let number = version.version.to_string();
    if rules::is_prompt(&version.tags) {
        let text = version.tags.iter().find(|(key, _)| key == PROMPT_TEXT_TAG).map(|(_, text)| text.as_str());
        let hidden = [PROMPT_TAGS[0], PROMPT_TAGS[1], PROMPT_TEXT_TAG];
        let data = json!({
            "name": version.model, "version": number, "template": text, "tags": tags(&version.tags, &hidden),
            "description": filled(&version.description),
        });
        return tell(conn, "prompt_version.created", &data);
    }
    let data = json!({
        "name": version.model, "version": number, "source": version.source, "run_id": version.run_id,
        "tags": tags(&version.tags, &[]), "description": filled(&version.description),
    });
    tell(conn, "model_version.created", &data)
}

/// The event's name, for a model or a prompt; the name of the thing.
fn of_model(conn: &mut Conn, row: i64, model: &'static str, prompt: &'static str) -> Result<(&'static str, String)> {
    let found = store::load(conn, row)?;
    Ok((if rules::is_prompt(&found.tags) { prompt } else { model }, found.name))
}

/// MLflow tells of tags on prompts, not of those on models.
pub fn model_tag_set(conn: &mut Conn, row: i64, key: &str, value: &str) -> Result<()> {
    let (event, name) = of_model(conn, row, "", "prompt_tag.set")?;
    tell(conn, event, &json!({"name": name, "key": key, "value": value}))
}

pub fn model_tag_deleted(conn: &mut Conn, row: i64, key: &str) -> Result<()> {
    let (event, name) = of_model(conn, row, "", "prompt_tag.deleted")?;
    tell(conn, event, &json!({"name": name, "key": key}))
}

pub fn version_tag_set(conn: &mut Conn, row: i64, version: &Version, tag: (&str, &str)) -> Result<()> {
    let (event, name) = of_model(conn, row, "model_version_tag.set", "prompt_version_tag.set")?;
    tell(conn, event, &json!({"name": name, "version": version.version.to_string(), "key": tag.0, "value": tag.1}))
}

pub fn version_tag_deleted(conn: &mut Conn, row: i64, version: &Version, key: &str) -> Result<()> {
    let (event, name) = of_model(conn, row, "model_version_tag.deleted", "prompt_version_tag.deleted")?;
    tell(conn, event, &json!({"name": name, "version": version.version.to_string(), "key": key}))
}

pub fn alias_set(conn: &mut Conn, row: i64, version: &Version, alias: &str) -> Result<()> {
    let (event, name) = of_model(conn, row, "model_version_alias.created", "prompt_alias.created")?;
    tell(conn, event, &json!({"name": name, "alias": alias, "version": version.version.to_string()}))
}

pub fn alias_deleted(conn: &mut Conn, row: i64, alias: &str) -> Result<()> {
    let (event, name) = of_model(conn, row, "model_version_alias.deleted", "prompt_alias.deleted")?;
    tell(conn, event, &json!({"name": name, "alias": alias}))
}
