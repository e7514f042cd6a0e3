//! A small HTTP client: of the box, and of a foreign MLflow server. Errors say what to do.

use std::time::Duration;

use drydock_wire::{ErrorBody, ErrorCode};
use reqwest::{Method, RequestBuilder, Response, Url};
use serde::{Serialize, de::DeserializeOwned};

use crate::error::{Error, Result};

/// How it proves who it is.
#[derive(Clone)]
pub enum Proof {
    Nothing,
    Token(String),
    Password(String, String),
}

/// A server's address and a proof. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    http: reqwest::Client,
    base: String,
    proof: Proof,
}

/// One answer takes no longer than this; bodies of artifacts may.
const ANSWER: Duration = Duration::from_secs(300);

impl Api {
    /// `ca`: the certificate, as PEM, that an `https://` server's own was signed by.
    pub fn new(url: &str, proof: Proof, ca: Option<&[u8]>) -> Result<Self> {
        let base = url.trim_end_matches('/').to_owned();
        if Url::parse(&base).is_err() || !base.starts_with("http") {
            return Err(Error::invalid(format!("{url:?} is no address; use one such as http://127.0.0.1:8080.")));
        }
        let mut http = reqwest::Client::builder().connect_timeout(Duration::from_secs(10)).no_proxy();
        if let Some(pem) = ca {
            let ca = reqwest::Certificate::from_pem(pem)
                .map_err(|error| Error::invalid(format!("The CA's certificate: {error}.")))?;
            http = http.add_root_certificate(ca);
        }
        Ok(Self { http: http.build().map_err(Error::internal)?, base, proof })
    }

    /// A request to a path below the address; its parts are given whole and are percent-encoded here.
    pub fn request(&self, method: Method, parts: &[&str], query: &[(&str, &str)]) -> Result<RequestBuilder> {
        let mut url = Url::parse(&self.base).map_err(Error::internal)?;
        url.path_segments_mut()
            .map_err(|()| Error::invalid(format!("{} is no address.", self.base)))?
            .pop_if_empty()
            .extend(parts.iter().flat_map(|part| part.split('/')));
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = self.http.request(method, url);
        Ok(match &self.proof {
            Proof::Nothing => request,
            Proof::Token(token) => request.bearer_auth(token),
            Proof::Password(name, password) => request.basic_auth(name, Some(password)),
        })
    }

    pub async fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, &str)]) -> Result<T> {
        self.json(self.request(Method::GET, &[path], query)?.timeout(ANSWER)).await
    }

    pub async fn post<B: Serialize, T: DeserializeOwned>(&self, path: &str, body: &B) -> Result<T> {
        self.json(self.request(Method::POST, &[path], &[])?.json(body).timeout(ANSWER)).await
    }

    /// `POST` whose answer does not matter.
    pub async fn tell<B: Serialize>(&self, path: &str, body: &B) -> Result<()> {
        self.send(self.request(Method::POST, &[path], &[])?.json(body).timeout(ANSWER)).await.map(drop)
    }

    async fn json<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T> {
        let answer = self.send(request).await?;
        let path = answer.url().path().to_owned();
        let bytes = answer.bytes().await.map_err(|error| self.unreachable(&error))?;
        serde_json::from_slice(&bytes).map_err(|error| {
            Error::new(ErrorCode::BadGateway, format!("The answer of {path} is not as expected: {error}."))
        })
    }

    /// The answer, if it is a good one.
    pub async fn send(&self, request: RequestBuilder) -> Result<Response> {
        let answer = request.send().await.map_err(|error| self.unreachable(&error))?;
        if answer.status().is_success() { Ok(answer) } else { Err(refusal(answer).await) }
    }

    pub fn unreachable(&self, error: &reqwest::Error) -> Error {
        let mut cause: &dyn std::error::Error = error;
        while let Some(next) = cause.source() {
            cause = next;
        }
        Error::unavailable(format!("{} does not answer ({cause}); check that the server runs.", self.base))
    }
}

async fn refusal(answer: Response) -> Error {
    let (status, place) = (answer.status(), answer.url().path().to_owned());
    let text = answer.text().await.unwrap_or_default();
    if let Ok(body) = serde_json::from_str::<ErrorBody>(&text) {
        return Error::new(body.code, body.message);
    }
    let said = serde_json::from_str::<serde_json::Value>(&text)
        .ok()
        .and_then(|body| body["message"].as_str().map(str::to_owned))
        .unwrap_or_default();
    let code = match status.as_u16() {
        401 => ErrorCode::Unauthenticated,
        403 => ErrorCode::Forbidden,
        404 => ErrorCode::NotFound,
        // Of what stands before the server, mostly: it is away.
        502..=504 => ErrorCode::Unavailable,
        500.. => ErrorCode::BadGateway,
        _ => ErrorCode::InvalidRequest,
    };
    Error::new(code, format!("{place} answered {status}. {said}").trim().to_owned())
}
