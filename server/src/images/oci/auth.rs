//! Who a client is: Basic with a password or token, a token of Drydock as Bearer, or a short-lived one of `/v2/token`.
//!
//! `docker`, `podman` and `skopeo` answer the challenge by asking `/v2/token` once with Basic, and send what they get as Bearer. A
//! Drydock token stands for itself there, so that revoking it counts at once. For a password it is a sealed note of who it was,
//! good for a few minutes and only as long as the account and its password are the same.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use drydock_wire::accounts::Role;
use ring::hmac;
use serde::{Deserialize, Serialize};
use serde_json::json;
use subtle::ConstantTimeEq;

use super::refusal::{Refusal, Result};
use crate::{
    accounts::{Accounts, Principal, Reach, Via, identify, secrets},
    clock,
    error::Error,
    images::Images,
};

const PREFIX: &str = "ddr_";
const LASTS_S: i64 = 300;
/// Who the box's own engine is when it fetches an image.
pub const ENGINE: &str = "drydock-engine";

/// Seals and opens the tokens of `/v2/token`; a restart makes the old ones void.
#[derive(Clone)]
pub struct Tokens {
    key: Arc<hmac::Key>,
    /// The password with which the box's engine pulls.
    pub engine_password: Arc<str>,
}

#[derive(Serialize, Deserialize)]
struct Note {
    name: String,
    /// Of the stored password hash at the time.
    mark: String,
    ends_at: i64,
}

impl Tokens {
    pub fn new() -> crate::error::Result<Self> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secrets::random_bytes::<32>()?);
        Ok(Self { key: Arc::new(key), engine_password: secrets::new_secret("")?.into() })
    }

    fn seal(&self, note: &Note) -> crate::error::Result<String> {
        let text = serde_json::to_vec(note).map_err(Error::internal)?;
        let tag = hmac::sign(&self.key, &text);
        Ok(format!("{PREFIX}{}.{}", URL_SAFE_NO_PAD.encode(&text), URL_SAFE_NO_PAD.encode(tag.as_ref())))
    }

    fn open(&self, token: &str) -> Option<Note> {
        let (text, tag) = token.strip_prefix(PREFIX)?.split_once('.')?;
        let (text, tag) = (URL_SAFE_NO_PAD.decode(text).ok()?, URL_SAFE_NO_PAD.decode(tag).ok()?);
        hmac::verify(&self.key, &text, &tag).ok()?;
        let note: Note = serde_json::from_slice(&text).ok()?;
        (note.ends_at > clock::now_ms()).then_some(note)
    }
}

/// Who makes this request.
///
/// # Errors
/// UNAUTHORIZED.
pub async fn who(accounts: &Accounts, images: &Images, request: &HttpRequest) -> Result<Principal> {
    let header = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some(header) = header else {
        // never a session: a page of the dashboard has no business here
        return Err(Error::unauthenticated("Log in with docker login, or send a token.").into());
    };
    let (scheme, value) = header.split_once(' ').unwrap_or((header, ""));
    if scheme.eq_ignore_ascii_case("bearer") && value.starts_with(PREFIX) {
        let expired = || Refusal::from(Error::unauthenticated("This token has expired; ask for another one."));
        let note = images.tokens.open(value.trim()).ok_or_else(expired)?;
        if note.name == ENGINE {
            return Ok(engine_itself(request));
        }
        let address = request.peer_addr().map(|peer| peer.ip());
        return Ok(accounts.by_name_and_mark(&note.name, &note.mark, address).await?);
    }
    if scheme.eq_ignore_ascii_case("basic")
        && let Some((name, password)) = basic(value)
        && name == ENGINE
    {
        return engine(images, &password, request);
    }
    Ok(identify(accounts, request).await?)
}

fn basic(value: &str) -> Option<(String, String)> {
    let text = String::from_utf8(STANDARD.decode(value.trim()).ok()?).ok()?;
    text.split_once(':').map(|(name, password)| (name.to_owned(), password.to_owned()))
}

/// The box's own engine: reads, nothing else.
fn engine(images: &Images, password: &str, request: &HttpRequest) -> Result<Principal> {
    let good: bool = password.as_bytes().ct_eq(images.tokens.engine_password.as_bytes()).into();
    if good { Ok(engine_itself(request)) } else { Err(Error::unauthenticated("Wrong username or password.").into()) }
}

fn engine_itself(request: &HttpRequest) -> Principal {
    let address = request.peer_addr().map(|peer| peer.ip().to_string()).unwrap_or_default();
    // every project's images, and no more than to read them
    let reach = Reach::of_role(Role::Admin).narrowed(None, Some(Role::Viewer));
    Principal { reach, role: Role::Viewer, via: Via::Basic, address, ..Principal::of_role(ENGINE, Role::Viewer) }
}

#[derive(Deserialize, Default)]
struct Form {
    username: Option<String>,
    password: Option<String>,
    grant_type: Option<String>,
}

/// `/v2/token`: GET with Basic, or POST with the OAuth2 form that containerd sends.
pub async fn token(
    accounts: &Accounts,
    images: &Images,
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse> {
    let header = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let header = match header {
        Some(header) => header,
        None if request.method() == actix_web::http::Method::POST => by_form(payload).await?,
        None => {
            return Err(Error::unauthenticated(
                "Ask for a token with your username and password, or with a Drydock token as password.",
            )
            .into());
        }
    };
    let value =
        header.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic")).and_then(|(_, it)| basic(it));
    let Some((name, password)) = value else {
        return Err(Error::unauthenticated("Ask for a token with Basic authorization.").into());
    };
    let token = if name == ENGINE {
        engine(images, &password, request)?;
        // it may be asked for again and again: an engine's pull takes as long as it takes
        images.tokens.seal(&Note { name, mark: ENGINE.into(), ends_at: clock::now_ms() + LASTS_S * 1000 })?
    } else {
        let address = request.peer_addr().map_or_else(|| "unknown".to_owned(), |peer| peer.ip().to_string());
        let person = accounts.by_header(&header, address).await?;
        if password.starts_with("dd_") {
            password
        } else {
            let mark = accounts.password_mark(&person.username).await?;
            images.tokens.seal(&Note { name: person.username, mark, ends_at: clock::now_ms() + LASTS_S * 1000 })?
        }
    };
    let issued = jiff::Timestamp::from_millisecond(clock::now_ms()).map_err(Error::internal)?.to_string();
    let body = json!({"token": token, "access_token": token, "expires_in": LASTS_S, "issued_at": issued});
    Ok(HttpResponse::Ok().insert_header(super::API_VERSION).json(body))
}

async fn by_form(payload: web::Payload) -> Result<String> {
    let body = payload.to_bytes_limited(16 * 1024).await;
    let body = body
        .map_err(|_| Refusal::upload_invalid("The form is too large."))?
        .map_err(|cause| Refusal::upload_invalid(cause.to_string()))?;
    let text = String::from_utf8_lossy(&body);
    let form = web::Query::<Form>::from_query(&text).map(web::Query::into_inner).unwrap_or_default();
    match (form.grant_type.as_deref(), form.username, form.password) {
        (Some("password"), Some(name), Some(password)) => {
            Ok(format!("Basic {}", STANDARD.encode(format!("{name}:{password}"))))
        }
        // clients then ask with GET
        _ => Err(Refusal::unsupported("Only grant_type=password is known; or ask with GET and Basic authorization.")),
    }
}

/// Where a client gets a token for what it asked.
pub fn challenge(request: &HttpRequest) -> String {
    let info = request.connection_info();
    let scheme = if request.app_config().secure() { "https" } else { info.scheme() };
    let scope = scope(request).map(|scope| format!(",scope=\"{scope}\"")).unwrap_or_default();
    format!("Bearer realm=\"{scheme}://{}/v2/token\",service=\"drydock\"{scope}", info.host())
}

fn scope(request: &HttpRequest) -> Option<String> {
    use crate::images::reference::{Resource, parse_path};
    let reads = matches!(*request.method(), actix_web::http::Method::GET | actix_web::http::Method::HEAD);
    let verbs = match *request.method() {
        actix_web::http::Method::DELETE => "delete",
        _ if reads => "pull",
        _ => "pull,push",
    };
    match parse_path(request.uri().path().strip_prefix("/v2/")?).ok()? {
        Resource::Base | Resource::Token => None,
        Resource::Catalog => Some("registry:catalog:*".into()),
        Resource::Tags { name }
        | Resource::Manifest { name, .. }
        | Resource::Blob { name, .. }
        | Resource::Uploads { name }
        | Resource::Upload { name, .. }
        | Resource::Referrers { name, .. } => Some(format!("repository:{name}:{verbs}")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_token_opens_only_whole_in_time_and_where_it_was_sealed() {
        let tokens = Tokens::new().unwrap();
        let note = |ends_at| Note { name: "ann".into(), mark: "m".into(), ends_at };
        let token = tokens.seal(&note(clock::now_ms() + 1000)).unwrap();
        assert_eq!(tokens.open(&token).unwrap().name, "ann");
        assert!(tokens.open(&tokens.seal(&note(clock::now_ms() - 1)).unwrap()).is_none());
        assert!(Tokens::new().unwrap().open(&token).is_none());
        for at in PREFIX.len()..token.len() {
            let mut bent = token.clone().into_bytes();
            bent[at] = if bent[at] == b'A' { b'B' } else { b'A' };
            let bent = String::from_utf8(bent).unwrap();
            assert!(bent == token || tokens.open(&bent).is_none() || at + 1 == token.len(), "{at}");
        }
    }
}
