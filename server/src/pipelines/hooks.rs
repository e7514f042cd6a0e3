//! Webhooks that come in: `POST /api/v1/hooks/{id}` from another system, which proves itself with the trigger's token or with an HMAC made
//! with it over the body, as GitHub, GitLab and Gitea send it.
//!
//! Always holds: an id that is not there and a proof that is wrong look the same; the body's `parameters` are all that it decides.

use drydock_wire::pipelines::TriggerKind;
use ring::hmac;
use serde_json::{Value, json};
use subtle::ConstantTimeEq;

use super::{
    store::{
        self,
        starts::{self, word},
    },
    wake,
};
use crate::{
    app::App,
    clock,
    db::Conn,
    error::{Error, Result},
};

/// More than the largest webhook of a forge.
pub const MOST_BYTES: usize = 1 << 20;

/// What a request brings to prove itself.
pub enum Proof {
    Token(String),
    /// `sha256=` and the HMAC-SHA256 of the body in hexadecimal digits.
    Signature(String),
}

fn unknown() -> Error {
    Error::not_found("There is no such hook, or its token or signature is wrong.")
}

/// Takes the call; the pipeline that it starts, if that is not paused.
pub async fn take(app: &App, id: String, proof: Option<Proof>, body: &[u8]) -> Result<Vec<String>> {
    let wanted = id.clone();
    let trigger = app.db.read(move |conn| starts::trigger(conn, &wanted)).await?;
    let sealed = trigger.and_then(|trigger| trigger.sealed_token).ok_or_else(unknown)?;
    let token = app.box_key.open(&sealed)?;
    if !proof.is_some_and(|proof| holds(&proof, &token, body)) {
        return Err(unknown());
    }
    let detail = detail(body)?;
    let names = app.db.write(move |conn| note(conn, &id, &detail)).await?;
    wake(app);
    Ok(names)
}

fn holds(proof: &Proof, token: &str, body: &[u8]) -> bool {
    match proof {
        Proof::Token(given) => given.as_bytes().ct_eq(token.as_bytes()).into(),
        Proof::Signature(given) => {
            let key = hmac::Key::new(hmac::HMAC_SHA256, token.as_bytes());
            let given = given.strip_prefix("sha256=").and_then(|digits| hex::decode(digits).ok());
            given.is_some_and(|given| hmac::verify(&key, body, &given).is_ok())
        }
    }
}

/// The body as an event: an object's fields, or nothing.
fn detail(body: &[u8]) -> Result<Value> {
    if body.trim_ascii().is_empty() {
        return Ok(json!({}));
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(fields)) => Ok(Value::Object(fields)),
        _ => Err(Error::invalid("The body is no JSON object; { \"parameters\": { … } } gives parameters to the run.")),
    }
}

fn note(conn: &mut Conn, id: &str, detail: &Value) -> Result<Vec<String>> {
    let trigger = starts::trigger(conn, id)?.ok_or_else(unknown)?;
    let pipeline = store::by_id(conn, &trigger.pipeline_id)?;
    if pipeline.paused {
        return Ok(vec![]);
    }
    let spec = store::version(conn, &pipeline, pipeline.last_version)?.spec()?;
    let given = detail["parameters"].as_object().into_iter().flatten();
    if let Some((name, _)) = given.into_iter().find(|(name, _)| !spec.parameters.contains_key(*name)) {
        return Err(Error::invalid(format!("{} has no parameter {name}.", pipeline.name)));
    }
    let kind = word(TriggerKind::Webhook)?;
    starts::insert_event(conn, (&kind, ""), Some(id), &detail.to_string(), clock::now_ms())?;
    Ok(vec![pipeline.name])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_token_or_a_signature_proves_the_caller() {
        let body = br#"{"a": 1}"#;
        let signature = |token: &str, body: &[u8]| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, token.as_bytes());
            Proof::Signature(format!("sha256={}", hex::encode(hmac::sign(&key, body))))
        };
        assert!(holds(&Proof::Token("t".into()), "t", body) && holds(&signature("t", body), "t", body));
        for bad in [Proof::Token("T".into()), Proof::Token(String::new()), signature("x", body), signature("t", b"{}")]
        {
            assert!(!holds(&bad, "t", body));
        }
        for bad in ["", "sha256=", "sha256=zz", "sha1=00"] {
            assert!(!holds(&Proof::Signature(bad.into()), "t", body), "{bad}");
        }
    }

    #[test]
    fn a_body_is_an_object_or_nothing() {
        assert_eq!(detail(b" \n").unwrap(), json!({}));
        assert_eq!(detail(br#"{"parameters": {"x": 1}}"#).unwrap()["parameters"]["x"], 1);
        for bad in [&b"[1]"[..], b"x", b"\xff"] {
            assert!(detail(bad).is_err());
        }
    }
}
