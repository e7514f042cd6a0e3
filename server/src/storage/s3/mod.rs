//! The S3 protocol through `s3s`: it checks signatures with our keys, reads S3's requests and writes its XML; what they mean is
//! decided in `storage`.
//!
//! Around it: the request's id, who calls, and what browsers ask before they do (CORS).

mod absent;
mod answers;
mod body;
mod browsers;
mod buckets;
mod listing;
mod multipart;
mod objects;
mod operations;
mod payload;
mod reading;

use std::{
    net::IpAddr,
    sync::{Arc, OnceLock},
};

use hyper::{Method, Request, Response, StatusCode, header::HeaderValue};
use s3s::{
    Body, HttpError, S3Result,
    auth::{Credentials, S3Auth, SecretKey},
    config::{S3Config, StaticConfigProvider},
    s3_error,
    service::{S3Service, S3ServiceBuilder},
};

use super::{access::Caller, rules};
use crate::{
    accounts::{Accounts, S3Caller},
    app::App,
    error::request_id,
};

/// Largest body in XML: a thousand keys to delete, ten thousand parts to complete.
const MOST_XML_BYTES: usize = 4 << 20;
/// A form's file is gathered in memory, so that it is no way for large ones.
const MOST_FORM_BYTES: u64 = 16 << 20;

tokio::task_local! {
    /// Whose key signed the request on this task: set when the key is looked up, good once the signature was found right.
    static SIGNED: Signed;
}

struct Signed {
    by: OnceLock<Arc<S3Caller>>,
    address: String,
}

/// The whole face, as the listener calls it; cheap to clone.
#[derive(Clone)]
pub struct Face {
    service: S3Service,
    app: App,
}

impl Face {
    pub fn new(app: App, accounts: Accounts) -> Self {
        let mut config = S3Config::default();
        config.xml_max_body_size = MOST_XML_BYTES;
        config.post_object_max_file_size = MOST_FORM_BYTES;
        let mut builder = S3ServiceBuilder::new(Buckets { app: app.clone(), accounts: accounts.clone() });
        builder.set_auth(Keys(accounts));
        builder.set_access(absent::WhatThereIs);
        builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
        Self { service: builder.build(), app }
    }

    /// Answers one request.
    pub async fn answer(&self, mut request: Request<Body>, peer: Option<IpAddr>) -> Result<Response<Body>, HttpError> {
        if request.uri().path().strip_prefix('/') == Some(rules::HEALTH) {
            return Ok(Response::new(Body::empty()));
        }
        let id = uuid::Uuid::now_v7().simple().to_string();
        let visitor = browsers::Visitor::of(&request);
        payload::reach(&mut request);
        let signed = Signed {
            by: OnceLock::new(),
            address: peer.map_or_else(|| "unknown".to_owned(), |address| address.to_string()),
        };
        let answering = async {
            match &visitor {
                Some(visitor) if request.method() == Method::OPTIONS => Ok(visitor.preflight(&self.app).await),
                _ if is_too_long(&request) => Ok(too_long()),
                _ => self.service.call(request).await,
            }
        };
        let mut answer = request_id::scope(id.clone(), SIGNED.scope(signed, answering)).await?;
        if let Some(visitor) = visitor {
            visitor.allow(&self.app, &mut answer).await;
        }
        let headers = answer.headers_mut();
        if let Ok(id) = HeaderValue::from_str(&id) {
            headers.insert("x-amz-request-id", id);
        }
        headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
        if answer.status() == StatusCode::NOT_MODIFIED {
            *answer.body_mut() = Body::empty();
            answer.headers_mut().remove(hyper::header::CONTENT_TYPE);
        }
        Ok(answer)
    }
}

/// Whether more XML comes than any operation takes: `s3s` would call that a failure of the server.
fn is_too_long(request: &Request<Body>) -> bool {
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let is_form = header(hyper::header::CONTENT_TYPE).is_some_and(|kind| kind.starts_with("multipart/"));
    let length = header(hyper::header::CONTENT_LENGTH).and_then(|length| length.parse().ok()).unwrap_or(0);
    request.method() == Method::POST && !is_form && length > MOST_XML_BYTES
}

fn too_long() -> Response<Body> {
    let text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>MaxMessageLengthExceeded</Code>\
        <Message>Your request was too big.</Message></Error>";
    let mut answer = Response::new(Body::from(bytes::Bytes::from_static(text.as_bytes())));
    *answer.status_mut() = StatusCode::BAD_REQUEST;
    answer.headers_mut().insert(hyper::header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    answer
}

/// The operations.
struct Buckets {
    app: App,
    accounts: Accounts,
}

impl Buckets {
    /// Who calls. `s3s` gives credentials only where a signature was right.
    fn caller(&self, credentials: &Option<Credentials>) -> S3Result<Caller> {
        let Some(credentials) = credentials else {
            return Err(s3_error!(AccessDenied, "Sign the request with an access key."));
        };
        let found = SIGNED.try_with(|signed| signed.by.get().map(|by| (by.clone(), signed.address.clone())));
        match found {
            Ok(Some((by, address))) if by.access_key == credentials.access_key => {
                self.accounts.s3_key_used(&by);
                Ok(Caller::with_key(&by, address))
            }
            _ => Err(s3_error!(InternalError, "The caller of this request is not known.")),
        }
    }
}

struct Keys(Accounts);

#[async_trait::async_trait]
impl S3Auth for Keys {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        let found = self.0.s3_caller(access_key).await.map_err(answers::refusal)?;
        let Some(caller) = found else {
            return Err(s3_error!(InvalidAccessKeyId, "There is no such access key."));
        };
        let secret = SecretKey::from(caller.secret.clone());
        let _ = SIGNED.try_with(|signed| signed.by.set(caller));
        Ok(secret)
    }
}
