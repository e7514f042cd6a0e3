//! Links that open one object without a login, until they expire.
//!
//! Always holds: a link is marked with the box key, so that nobody makes one; it opens what its maker may read at that moment, and
//! nothing once the object, the bucket or that right is gone. Nothing of a link is stored; that it was made is in the audit trail.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use drydock_wire::storage::{ShareObject, SharedLink};
use serde::{Deserialize, Serialize};
use serde_json::json;
use subtle::ConstantTimeEq;

use super::{
    access::{Caller, Right, enter},
    reading::{self, Found},
    rules::VersionId,
};
use crate::{
    accounts::{self, secrets::BoxKey},
    app::App,
    clock,
    db::Conn,
    error::{Error, Result},
};

/// As S3 has it for presigned addresses.
const LONGEST_S: u32 = 7 * 86_400;
const PURPOSE: &str = "share link";

/// What a link says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Shared {
    /// The bucket's name, and when it was made: another bucket of that name is another one.
    b: String,
    i: i64,
    k: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    v: Option<String>,
    /// The person who made it.
    p: String,
    /// When it ends.
    e: i64,
}

/// Why a link opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// Not one of ours, or not whole.
    Unknown,
    Expired,
    /// What it led to is gone, or whoever made it may not read it any more.
    Gone,
}

/// Makes a link to what the caller may read.
pub async fn create(app: &App, caller: &Caller, bucket: &str, wish: ShareObject) -> Result<SharedLink> {
    if !(1..=LONGEST_S).contains(&wish.expires_in_s) {
        return Err(Error::invalid(format!("expires_in_s: a link lasts 1 to {LONGEST_S} seconds, a week.")));
    }
    let version = wish.version_id.as_deref().map(VersionId::parse).transpose()?;
    let found = reading::look(app, caller, bucket, &wish.key, version, false).await?.object()?;
    let expires_at = clock::now_ms() + i64::from(wish.expires_in_s) * 1000;
    let who = caller.principal.clone();
    let shared = Shared {
        b: bucket.to_owned(),
        i: found.bucket.created_at,
        k: wish.key,
        v: wish.version_id,
        p: who.person_id.clone(),
        e: expires_at,
    };
    let token = seal(&app.box_key, &shared)?;
    let detail = json!({ "key": shared.k, "version": shared.v, "expires_at": expires_at });
    let subject = format!("bucket/{bucket}");
    app.db.write(move |conn| accounts::audit(conn, &who, "object.share", &subject, detail)).await?;
    Ok(SharedLink { path: format!("/share/{token}"), expires_at })
}

/// What the link opens now.
pub async fn open(app: &App, token: &str) -> Result<std::result::Result<Found, Closed>> {
    let shared = match unseal(&app.box_key, token, clock::now_ms()) {
        Ok(shared) => shared,
        Err(closed) => return Ok(Err(closed)),
    };
    app.db.read(move |conn| found(conn, &shared)).await
}

fn found(conn: &mut Conn, shared: &Shared) -> Result<std::result::Result<Found, Closed>> {
    let Some(maker) = accounts::principal_of(conn, &shared.p)? else { return Ok(Err(Closed::Gone)) };
    let version = shared.v.as_deref().map(VersionId::parse).transpose()?;
    let looked = enter(conn, &Caller::person(maker), &shared.b, Right::Read, &shared.k)
        .and_then(|bucket| {
            if bucket.created_at == shared.i {
                Ok(bucket)
            } else {
                Err(Error::not_found("another bucket of that name"))
            }
        })
        .and_then(|bucket| reading::look_in(conn, bucket, &shared.k, version, true))
        .and_then(reading::Looked::object);
    match looked {
        Ok(found) => Ok(Ok(found)),
        Err(error) if error.code.http_status() < 500 => Ok(Err(Closed::Gone)),
        Err(error) => Err(error),
    }
}

fn seal(key: &BoxKey, shared: &Shared) -> Result<String> {
    let text = URL_SAFE_NO_PAD.encode(serde_json::to_vec(shared).map_err(Error::internal)?);
    let mark = URL_SAFE_NO_PAD.encode(key.mark(PURPOSE, &text));
    Ok(format!("{text}.{mark}"))
}

fn unseal(key: &BoxKey, token: &str, now: i64) -> std::result::Result<Shared, Closed> {
    let (text, mark) = token.split_once('.').ok_or(Closed::Unknown)?;
    let mark = URL_SAFE_NO_PAD.decode(mark).map_err(|_| Closed::Unknown)?;
    if !bool::from(key.mark(PURPOSE, text).as_slice().ct_eq(&mark)) {
        return Err(Closed::Unknown);
    }
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| Closed::Unknown)?;
    let shared: Shared = serde_json::from_slice(&bytes).map_err(|_| Closed::Unknown)?;
    if shared.e <= now { Err(Closed::Expired) } else { Ok(shared) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn shared() -> Shared {
        Shared { b: "data".into(), i: 1, k: "a/b.csv".into(), v: None, p: "p1".into(), e: 1000 }
    }

    #[test]
    fn a_link_opens_what_it_says_until_it_ends() {
        let key = BoxKey::testing();
        let token = seal(&key, &shared()).unwrap();
        assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)), "{token}");
        assert_eq!(unseal(&key, &token, 999), Ok(shared()));
        assert_eq!(unseal(&key, &token, 1000), Err(Closed::Expired));
    }

    #[test]
    fn a_changed_link_is_none() {
        let key = BoxKey::testing();
        let token = seal(&key, &shared()).unwrap();
        let other = Shared { k: "secret".into(), ..shared() };
        let (_, mark) = token.split_once('.').unwrap();
        let forged = format!("{}.{mark}", URL_SAFE_NO_PAD.encode(serde_json::to_vec(&other).unwrap()));
        for bad in [forged.as_str(), "", ".", "a.b", &token[1..], &token[..token.len() - 1]] {
            assert_eq!(unseal(&key, bad, 0), Err(Closed::Unknown), "{bad}");
        }
    }
}
