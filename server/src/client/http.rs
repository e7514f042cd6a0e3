//! A small typed client of the native API and the gateway, with errors that say what to do.

use std::{path::Path, pin::Pin, time::Duration};

use bytes::Bytes;
use drydock_wire::{ErrorBody, ErrorCode};
use futures_util::{Stream, StreamExt};
use reqwest::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// The bound of transfers that end by themselves.
const LONG: Duration = Duration::from_secs(24 * 3600);

/// A server's address and a token. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: String,
}

pub type Body = Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>;

impl Client {
    /// `ca` is the certificate, as PEM, that an `https://` server's own was signed by.
    ///
    /// # Errors
    /// `invalid` when `url` is no address, or `ca` no certificate.
    pub fn new(url: &str, token: &str, ca: Option<&[u8]>) -> Result<Self> {
        let base = url.trim_end_matches('/').to_owned();
        if reqwest::Url::parse(&base).is_err() || !base.starts_with("http") {
            return Err(Error::invalid(format!("{url:?} is no address; use one such as http://127.0.0.1:8080.")));
        }
        let mut http = reqwest::Client::builder().connect_timeout(Duration::from_secs(5)).no_proxy();
        if let Some(pem) = ca {
            let ca = reqwest::Certificate::from_pem(pem);
            http = http
                .add_root_certificate(ca.map_err(|error| Error::invalid(format!("The CA's certificate: {error}.")))?);
        }
        let http = http.build().map_err(Error::internal)?;
        Ok(Self { http, base, token: token.trim().to_owned() })
    }

    pub fn base(&self) -> &str {
        &self.base
    }

    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.json(self.request(Method::GET, &api(path))).await
    }

    /// Nothing where the server answers that there is no such thing.
    pub async fn find<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>> {
        match self.get(path).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.code == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub async fn post<B: Serialize, T: DeserializeOwned>(&self, path: &str, body: &B) -> Result<T> {
        self.json(self.request(Method::POST, &api(path)).json(body)).await
    }

    pub async fn put<B: Serialize, T: DeserializeOwned>(&self, path: &str, body: &B) -> Result<T> {
        self.json(self.request(Method::PUT, &api(path)).json(body)).await
    }

    pub async fn patch<B: Serialize, T: DeserializeOwned>(&self, path: &str, body: &B) -> Result<T> {
        self.json(self.request(Method::PATCH, &api(path)).json(body)).await
    }

    /// `PUT` whose answer does not matter.
    pub async fn put_quietly<B: Serialize>(&self, path: &str, body: &B) -> Result<()> {
        self.send(self.request(Method::PUT, &api(path)).json(body)).await.map(drop)
    }

    pub async fn put_bytes<T: DeserializeOwned>(&self, path: &str, bytes: &'static [u8]) -> Result<T> {
        let request = self.request(Method::PUT, &api(path)).header("content-type", "application/octet-stream");
        self.json(request.body(bytes)).await
    }

    /// `PUT` of a file's bytes, however long that takes.
    pub async fn put_file<T: DeserializeOwned>(&self, path: &str, file: &Path) -> Result<T> {
        let unreadable = |cause| Error::invalid(format!("{} cannot be read: {cause}.", file.display()));
        let opened = tokio::fs::File::open(file).await.map_err(unreadable)?;
        let size = opened.metadata().await.map_err(unreadable)?.len();
        let body = reqwest::Body::wrap_stream(tokio_util::io::ReaderStream::with_capacity(opened, 1 << 20));
        let request = self.request(Method::PUT, &api(path)).timeout(LONG).header("content-length", size);
        self.json(request.header("content-type", "application/octet-stream").body(body)).await
    }

    pub async fn delete(&self, path: &str) -> Result<()> {
        self.send(self.request(Method::DELETE, &api(path))).await.map(drop)
    }

    /// The bytes of a `GET`, however long they come.
    pub async fn bytes(&self, path: &str) -> Result<Body> {
        let answer = self.send(self.request(Method::GET, &api(path)).timeout(LONG)).await?;
        Ok(answer.bytes_stream().boxed())
    }

    /// A stream of server-sent events, from after `last` where given.
    pub async fn events(&self, path: &str, last: Option<u64>) -> Result<Body> {
        let mut request = self.http.get(format!("{}{}", self.base, api(path))).bearer_auth(&self.token);
        if let Some(last) = last {
            request = request.header("last-event-id", last.to_string());
        }
        let answer = self.send(request.header("accept", "text/event-stream")).await?;
        Ok(answer.bytes_stream().boxed())
    }

    /// A prediction through the gateway, in MLflow's scoring protocol.
    pub async fn predict<T: DeserializeOwned>(&self, deployment: &str, body: &impl Serialize) -> Result<T> {
        self.json(self.request(Method::POST, &format!("/serve/{deployment}/invocations")).json(body)).await
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", self.base);
        self.http.request(method, url).bearer_auth(&self.token).timeout(Duration::from_secs(60))
    }

    async fn json<T: DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> Result<T> {
        let answer = self.send(request).await?;
        let url = answer.url().clone();
        let bytes = answer.bytes().await.map_err(|error| self.unreachable(&error))?;
        serde_json::from_slice(&bytes).map_err(|error| {
            Error::new(ErrorCode::BadGateway, format!("The answer of {} is not as expected: {error}.", url.path()))
        })
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<reqwest::Response> {
        let answer = request.send().await.map_err(|error| self.unreachable(&error))?;
        if answer.status().is_success() { Ok(answer) } else { Err(refusal(answer).await) }
    }

    fn unreachable(&self, error: &reqwest::Error) -> Error {
        let mut cause: &dyn std::error::Error = error;
        while let Some(next) = cause.source() {
            cause = next;
        }
        Error::unavailable(format!("{} does not answer ({cause}); check that the server runs.", self.base))
    }
}

fn api(path: &str) -> String {
    format!("/api/v1{path}")
}

async fn refusal(answer: reqwest::Response) -> Error {
    let (status, place) = (answer.status(), answer.url().path().to_owned());
    let text = answer.text().await.unwrap_or_default();
    match serde_json::from_str::<ErrorBody>(&text) {
        Ok(body) if body.code == ErrorCode::Unauthenticated => Error::new(
            body.code,
            "The token is not (or no longer) good; make one in the dashboard under your name, or on the box with `drydock token create`.",
        ),
        Ok(body) if status.is_server_error() => {
            Error::new(body.code, format!("{} (request {})", body.message, body.request_id))
        }
        Ok(body) => Error::new(body.code, body.message),
        Err(_) => {
            let code = if status.as_u16() == 404 { ErrorCode::NotFound } else { ErrorCode::BadGateway };
            let excerpt: String = text.chars().take(300).collect();
            Error::new(code, format!("{place} answered {status}: {excerpt}"))
        }
    }
}
