//! Events, names, addresses as text, signatures and when to try again. Pure.

use base64::{Engine, engine::general_purpose::STANDARD};
use drydock_wire::webhooks::EVENTS;
use reqwest::Url;
use serde_json::{Value, json};

use crate::error::{Error, Result};

/// Waits between attempts: one more attempt than waits, about seven hours in all.
const WAITS_MS: [i64; 7] = [1_000, 5_000, 30_000, 120_000, 600_000, 3_600_000, 21_600_000];
/// A receiver may ask for a later attempt, but not for one after this.
const LONGEST_WAIT_MS: i64 = 3_600_000;
const MAX_URL_CHARS: usize = 2000;

/// The event of these two words.
///
/// # Errors
/// `invalid` with MLflow's text for an action that the entity does not have, and with the entities there are for another word.
pub fn event(entity: &str, action: &str) -> Result<&'static str> {
    let (entity, action) = (entity.to_ascii_lowercase(), action.to_ascii_lowercase());
    if let Some(found) = EVENTS.into_iter().find(|event| event.split_once('.') == Some((&entity, &action))) {
        return Ok(found);
    }
    let mut actions: Vec<&str> =
        EVENTS.iter().filter_map(|event| event.split_once('.')).filter(|(e, _)| *e == entity).map(|(_, a)| a).collect();
    if actions.is_empty() {
        return Err(Error::invalid(format!(
            "Unknown webhook event '{entity}.{action}'. Events are: {}.",
            EVENTS.join(", ")
        )));
    }
    actions.sort_unstable();
    let valid: Vec<String> = actions.iter().map(|action| format!("'{action}'")).collect();
    Err(Error::invalid(format!(
        "Invalid action '{action}' for entity '{entity}'. Valid actions are: [{}]",
        valid.join(", ")
    )))
}

/// The events of texts like `model_version.created`, each once.
pub fn events(texts: &[String]) -> Result<Vec<&'static str>> {
    let mut found: Vec<&'static str> = Vec::new();
    for text in texts {
        let (entity, action) = text.split_once('.').ok_or_else(|| {
            Error::invalid(format!(
                "Invalid event string format: {text}. Expected format: 'entity.action' (e.g., 'registered_model.created')"
            ))
        })?;
        let event = event(entity, action)?;
        if !found.contains(&event) {
            found.push(event);
        }
    }
    if found.is_empty() {
        return Err(Error::invalid("Webhook events must be a non-empty list of WebhookEvent objects: []."));
    }
    Ok(found)
}

/// A webhook's name.
pub fn name(text: &str) -> Result<()> {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let inner = text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if inner && text.len() <= 63 && edge(text.chars().next()) && edge(text.chars().next_back()) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "Webhook name {} is invalid. It must start and end with a letter or digit, be less than 63 characters long, and contain \
         only letters, digits, dots (.), underscores (_), and hyphens (-).",
        quoted(text)
    )))
}

/// A text as MLflow's messages have it.
pub fn quoted(text: &str) -> String {
    match (text.contains('\''), text.contains('"')) {
        (true, false) => format!("\"{text}\""),
        _ => format!("'{}'", text.replace('\'', "\\'")),
    }
}

/// Reads an address; whether its host may be reached is for `address` to say.
pub fn url(text: &str) -> Result<Url> {
    if text.trim().is_empty() {
        return Err(Error::invalid(format!("Webhook URL cannot be empty or just whitespace: {}", quoted(text))));
    }
    if text.len() > MAX_URL_CHARS {
        return Err(Error::invalid(format!("A webhook's URL has at most {MAX_URL_CHARS} characters.")));
    }
    let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme).to_ascii_lowercase();
    if !["http", "https"].contains(&scheme.as_str()) {
        return Err(wrong_scheme(&scheme));
    }
    // The URL standard would read `http:///x` as the host x.
    let host = text[scheme.len() + 1..].strip_prefix("//").unwrap_or("");
    if host.is_empty() || host.starts_with(['/', '?', '#', '\\']) {
        return Err(Error::invalid(format!("Webhook URL must include a hostname: {}", quoted(text))));
    }
    Url::parse(text).map_err(|cause| Error::invalid(format!("Invalid webhook URL {}: {cause}", quoted(text))))
}

/// MLflow's text about a scheme, and ours about what else there is.
pub fn wrong_scheme(scheme: &str) -> Error {
    let hint = if scheme == "http" {
        " Plain http is for receivers on the allow-list of drydock.toml: [webhooks] allow = [\"10.0.0.0/8\"]."
    } else {
        ""
    };
    Error::invalid(format!("Invalid webhook URL scheme: '{scheme}'. Allowed schemes are: https.{hint}"))
}

/// `v1,` and the base64 of the HMAC-SHA256 over id, instant (in seconds) and body.
pub fn signature(secret: &str, id: &str, at_s: i64, body: &str) -> String {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
    let tag = ring::hmac::sign(&key, format!("{id}.{at_s}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(tag.as_ref()))
}

/// What is sent: the event in two words, when it happened, and what MLflow tells of it.
pub fn body(event: &str, data: &Value, at_ms: i64) -> Result<String> {
    let (entity, action) = event.split_once('.').unwrap_or((event, ""));
    let at = jiff::Timestamp::from_millisecond(at_ms).map_err(Error::internal)?;
    let timestamp = at.strftime("%Y-%m-%dT%H:%M:%S.%6f+00:00").to_string();
    Ok(json!({"entity": entity, "action": action, "timestamp": timestamp, "data": data}).to_string())
}

/// How long to wait after that many attempts; absent: give up.
pub fn wait_ms(attempts: i64, asked_s: Option<u64>) -> Option<i64> {
    let usual = *WAITS_MS.get(usize::try_from(attempts.saturating_sub(1)).ok()?)?;
    let asked = asked_s.and_then(|s| i64::try_from(s).ok()).map_or(0, |s| s.saturating_mul(1000));
    Some(usual.max(asked.min(LONGEST_WAIT_MS)))
}

/// Whether another attempt may help: the receiver is overloaded or broken, not of another opinion.
pub fn may_recover(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502 | 503 | 504)
}

/// What MLflow sends when a webhook is tried out.
pub fn example(event: &str) -> Value {
    let (model, prompt) = ("example_model", "example_prompt");
    let tags = json!({"example_key": "example_value"});
    match event {
        "registered_model.created" => {
            json!({"name": model, "tags": tags, "description": "An example registered model"})
        }
        "model_version.created" => json!({
            "name": model, "version": "1", "source": "models:/123", "run_id": "abcd1234abcd5678", "tags": tags,
            "description": "An example model version",
        }),
        "model_version_tag.set" => {
            json!({"name": model, "version": "1", "key": "example_key", "value": "example_value"})
        }
        "model_version_tag.deleted" => json!({"name": model, "version": "1", "key": "example_key"}),
        "model_version_alias.created" => json!({"name": model, "alias": "example_alias", "version": "1"}),
        "model_version_alias.deleted" => json!({"name": model, "alias": "example_alias"}),
        "prompt.created" => json!({"name": prompt, "tags": tags, "description": "An example prompt"}),
        "prompt_version.created" => json!({
            "name": prompt, "version": "1", "template": "Hello {{name}}!", "tags": tags,
            "description": "An example prompt version",
        }),
        "prompt_tag.set" => json!({"name": prompt, "key": "example_key", "value": "example_value"}),
        "prompt_tag.deleted" => json!({"name": prompt, "key": "example_key"}),
        "prompt_version_tag.set" => {
            json!({"name": prompt, "version": "1", "key": "example_key", "value": "example_value"})
        }
        "prompt_version_tag.deleted" => json!({"name": prompt, "version": "1", "key": "example_key"}),
        "prompt_alias.created" => json!({"name": prompt, "alias": "example_alias", "version": "1"}),
        "prompt_alias.deleted" => json!({"name": prompt, "alias": "example_alias"}),
        "deployment.drifted" => json!({
            "deployment": "example", "from_at": 1_704_067_200_000_i64, "until_at": 1_704_070_800_000_i64, "rows": 250,
            "reference": "example version 1, train.parquet", "drifted_count": 2, "compared_count": 3, "share": 0.667,
            "columns": ["input.age", "prediction.0"],
        }),
        _ => json!({
            "budget_policy_id": "bp-abc123", "budget_unit": "USD", "budget_amount": 100.0, "current_spend": 105.5,
            "duration_unit": "MONTHS", "duration_value": 1, "target_scope": "ENDPOINT", "workspace": "default",
            "target_value": "ep-abc123", "window_start": 1_704_067_200_000_i64,
        }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_action_that_an_entity_does_not_have_is_refused_in_mlflows_words() {
        assert_eq!(event("MODEL_VERSION", "CREATED").unwrap(), "model_version.created");
        let text = |entity: &str, action: &str| event(entity, action).unwrap_err().message;
        assert_eq!(
            text("REGISTERED_MODEL", "DELETED"),
            "Invalid action 'deleted' for entity 'registered_model'. Valid actions are: ['created']"
        );
        assert!(text("MODEL_VERSION_TAG", "CREATED").ends_with("['deleted', 'set']"));
        assert!(text("NOPE", "CREATED").contains("model_version_alias.created"));
    }

    #[test]
    fn events_are_kept_once_and_there_is_at_least_one() {
        let twice = ["prompt.created".to_owned(), "prompt.created".to_owned()];
        assert_eq!(events(&twice).unwrap(), ["prompt.created"]);
        assert!(events(&[]).unwrap_err().message.starts_with("Webhook events must be a non-empty list"));
        assert!(events(&["created".into()]).is_err());
    }

    #[test]
    fn names_start_and_end_with_a_letter_or_digit() {
        for good in ["a", "A1", "team.slack-2_x", &"x".repeat(63)] {
            assert!(name(good).is_ok(), "{good}");
        }
        for bad in ["", "_x", "x-", "a b", "é", &"x".repeat(64)] {
            assert!(name(bad).unwrap_err().message.starts_with("Webhook name '"), "{bad}");
        }
    }

    #[test]
    fn addresses_are_read_and_their_faults_named_as_mlflow_names_them() {
        let text = |url: &str| super::url(url).unwrap_err().message;
        assert_eq!(text("  "), "Webhook URL cannot be empty or just whitespace: '  '");
        assert_eq!(text("ftp://x/y"), "Invalid webhook URL scheme: 'ftp'. Allowed schemes are: https.");
        assert_eq!(text("nourl"), "Invalid webhook URL scheme: ''. Allowed schemes are: https.");
        assert_eq!(text("http:///x"), "Webhook URL must include a hostname: 'http:///x'");
        assert!(text("http://[::1/x").starts_with("Invalid webhook URL 'http://[::1/x':"));
        // Old spellings of an address are the address.
        assert_eq!(super::url("https://0177.1/x").unwrap().host_str(), Some("127.0.0.1"));
    }

    #[test]
    fn the_signature_is_mlflows() {
        // Computed with mlflow.webhooks.delivery._generate_hmac_signature of 3.17.2.
        let made = signature("s3cret", "id-1", 1_700_000_000, "{\"a\": 1}");
        assert_eq!(made, "v1,YW5PRvKTy+IERaaAfKQzg15qWC7EzIzNmMWjrKRbRvY=");
    }

    #[test]
    fn waits_grow_and_end() {
        let waits: Vec<_> = (1..10).map(|attempts| wait_ms(attempts, None)).collect();
        assert_eq!(waits[0], Some(1_000));
        assert_eq!((waits[6], waits[7]), (Some(21_600_000), None));
        assert_eq!(wait_ms(1, Some(20)), Some(20_000));
        assert_eq!(wait_ms(1, Some(u64::MAX)), Some(1_000));
        assert_eq!(wait_ms(1, Some(1_000_000)), Some(LONGEST_WAIT_MS));
    }

    #[test]
    fn every_event_has_its_example_and_a_body() {
        for event in EVENTS {
            assert!(example(event).is_object(), "{event}");
        }
        let body: Value =
            serde_json::from_str(&body("prompt.created", &json!({"name": "p"}), 1_700_000_000_123).unwrap()).unwrap();
        assert_eq!(body["timestamp"], "2023-11-14T22:13:20.123000+00:00");
        assert_eq!(
            (&body["entity"], &body["action"], &body["data"]["name"]),
            (&json!("prompt"), &json!("created"), &json!("p"))
        );
    }
}
