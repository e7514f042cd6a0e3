//! A caller of the HTTP API: who it is, and requests that answer status and JSON.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use reqwest::{Certificate, Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

/// How a caller proves who it is.
#[derive(Clone, Debug)]
enum Proof {
    Nothing,
    Token(String),
    Password(String, String),
}

/// One caller at one server.
#[derive(Clone, Debug)]
pub struct Api {
    http: Client,
    url: String,
    proof: Proof,
}

impl Api {
    /// A caller without credentials.
    pub fn anonymous(url: &str) -> Result<Self> {
        Self::believing(url, None)
    }

    /// The same, over TLS with a certificate of that authority.
    pub fn believing(url: &str, authority: Option<&Path>) -> Result<Self> {
        let mut http = Client::builder().timeout(Duration::from_secs(120));
        if let Some(path) = authority {
            http = http.add_root_certificate(Certificate::from_pem(&std::fs::read(path)?)?);
        }
        Ok(Self { http: http.build()?, url: url.to_owned(), proof: Proof::Nothing })
    }

    /// The same server, with this token.
    pub fn with_token(&self, token: &str) -> Self {
        Self { proof: Proof::Token(token.to_owned()), ..self.clone() }
    }

    /// The same server, with name and password on each request.
    pub fn with_password(&self, username: &str, password: &str) -> Self {
        Self { proof: Proof::Password(username.to_owned(), password.to_owned()), ..self.clone() }
    }

    /// The secret of a caller made by `with_token`.
    pub fn token(&self) -> &str {
        match &self.proof {
            Proof::Token(token) => token,
            _ => "",
        }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// A request with this caller's proof; `path` starts with `/`.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        match &self.proof {
            Proof::Nothing => request,
            Proof::Token(token) => request.bearer_auth(token),
            Proof::Password(name, password) => request.basic_auth(name, Some(password)),
        }
    }

    /// Sends, and answers the status and the body as JSON (a string where it is none, null where it is empty).
    pub async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Result<(StatusCode, Value)> {
        let request = self.request(method.clone(), path);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let answer = request.send().await.with_context(|| format!("{method} {path}"))?;
        let status = answer.status();
        let text = answer.text().await?;
        let value =
            if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap_or(Value::String(text)) };
        Ok((status, value))
    }

    async fn good(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value> {
        let (status, value) = self.send(method.clone(), path, body).await?;
        ensure!(status.is_success(), "{method} {path} answered {status}: {value}");
        Ok(value)
    }

    /// # Errors
    /// Any answer that is not a success, with its body; so for the four below.
    pub async fn get(&self, path: &str) -> Result<Value> {
        self.good(Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Result<Value> {
        self.good(Method::POST, path, Some(body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Result<Value> {
        self.good(Method::PUT, path, Some(body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Result<Value> {
        self.good(Method::PATCH, path, Some(body)).await
    }

    pub async fn delete(&self, path: &str) -> Result<Value> {
        self.good(Method::DELETE, path, None).await
    }

    /// Only the status of a request.
    pub async fn status(&self, method: Method, path: &str, body: Option<Value>) -> Result<u16> {
        Ok(self.send(method, path, body).await?.0.as_u16())
    }

    /// Stores bytes and answers their digest.
    pub async fn upload(&self, bytes: impl Into<reqwest::Body>) -> Result<String> {
        let answer = self.request(Method::PUT, "/api/v1/uploads").body(bytes).send().await?;
        let status = answer.status();
        let value: Value = answer.json().await?;
        ensure!(status.is_success(), "the upload answered {status}: {value}");
        Ok(value["digest"].as_str().context("an upload without a digest")?.to_owned())
    }

    /// Submits a job of the runtime image and answers its id.
    pub async fn submit(&self, name: &str, command: &[&str]) -> Result<String> {
        self.submit_with(json!({ "name": name, "command": command })).await
    }

    /// Submits a job and answers its id.
    pub async fn submit_with(&self, wish: Value) -> Result<String> {
        let job = self.post("/api/v1/jobs", wish).await?;
        let id = job["id"].as_str().or_else(|| job["summary"]["id"].as_str());
        Ok(id.with_context(|| format!("a job without an id: {job}"))?.to_owned())
    }

    /// The job, once nothing about it changes any more.
    pub async fn finished(&self, job: &str, limit: Duration) -> Result<Value> {
        let path = format!("/api/v1/jobs/{job}");
        super::until(&format!("job {job} did not end"), limit, || async {
            let detail = self.get(&path).await?;
            let state = detail["summary"]["state"].as_str().unwrap_or_default();
            Ok(["succeeded", "failed", "cancelled", "lost"].contains(&state).then_some(detail.clone()))
        })
        .await
    }

    /// The items of a list, whether it is paged or not.
    pub async fn list(&self, path: &str) -> Result<Vec<Value>> {
        let value = self.get(path).await?;
        let items = value.as_array().or_else(|| value["items"].as_array());
        Ok(items.with_context(|| format!("{path} is no list: {value}"))?.clone())
    }
}
