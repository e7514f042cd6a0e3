//! One attempt to deliver a message: a signed POST to an address that was checked, without redirects, proxies or cookies,
//! within a time. Answers what happened; decides nothing about the next attempt but whether one may help.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use reqwest::{Client, Response, header::RETRY_AFTER, redirect::Policy};
use rustls::pki_types::CertificateDer;

use super::{address, rules};
use crate::{
    clock,
    config::Webhooks,
    error::{Error, Result},
};

const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// MLflow's.
const PATIENCE: Duration = Duration::from_secs(30);
/// This much of an answer is kept.
const ANSWER_BYTES: usize = 4096;
/// Where Linux keeps the certificate authorities that the machine believes.
const SYSTEM_CAS: [&str; 2] = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];

/// A message on its way.
#[derive(Debug, Clone)]
pub struct Message {
    pub id: String,
    pub url: String,
    pub body: String,
    /// In the clear.
    pub secret: Option<String>,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub status: Option<u16>,
    pub answer: Option<String>,
    /// What went wrong, in words; absent: delivered.
    pub error: Option<String>,
    pub may_recover: bool,
    /// Seconds that the receiver asked to wait.
    pub retry_after_s: Option<u64>,
    pub took_ms: i64,
}

/// Sends messages. Cheap to clone.
#[derive(Clone)]
pub struct Courier {
    allowed: Arc<Webhooks>,
    tls: rustls::ClientConfig,
}

impl Courier {
    /// Reads the certificate authorities.
    ///
    /// # Errors
    /// `invalid` when the file of the settings cannot be used.
    pub fn new(allowed: Webhooks) -> Result<Self> {
        let mut roots = rustls::RootCertStore::empty();
        for bytes in SYSTEM_CAS.iter().filter_map(|path| std::fs::read(path).ok()) {
            roots.add_parsable_certificates(certificates(&bytes));
        }
        if let Some(path) = &allowed.ca_file {
            let unusable = |why: String| Error::invalid(format!("webhooks.ca_file: {}: {why}", path.display()));
            let bytes = std::fs::read(path).map_err(|cause| unusable(cause.to_string()))?;
            let (added, _) = roots.add_parsable_certificates(certificates(&bytes));
            if added == 0 {
                return Err(unusable("no certificate in PEM form is in it".into()));
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(Error::internal)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { allowed: Arc::new(allowed), tls })
    }

    /// Whether the receiver may be reached at all.
    pub async fn check(&self, url: &str) -> Result<()> {
        address::resolve(&self.allowed, &rules::url(url)?).await.map(drop)
    }

    /// One attempt.
    pub async fn send(&self, message: &Message) -> Outcome {
        let began = Instant::now();
        let mut outcome = match self.connect(message).await {
            Ok(response) => heard(response).await,
            Err(Failed { error, may_recover }) => {
                Outcome { status: None, answer: None, error: Some(error), may_recover, retry_after_s: None, took_ms: 0 }
            }
        };
        outcome.took_ms = i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX);
        outcome
    }

    async fn connect(&self, message: &Message) -> std::result::Result<Response, Failed> {
        let refused =
            |error: Error| Failed { may_recover: error.message.starts_with("Cannot resolve"), error: error.message };
        let url = rules::url(&message.url).map_err(refused)?;
        let target = address::resolve(&self.allowed, &url).await.map_err(refused)?;
        let client = Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .resolve_to_addrs(&target.host, &target.addresses)
            .use_preconfigured_tls(self.tls.clone())
            .connect_timeout(CONNECT_PATIENCE)
            .timeout(PATIENCE)
            .pool_max_idle_per_host(0)
            .user_agent(concat!("Drydock/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|cause| Failed { error: cause.to_string(), may_recover: true })?;
        let at_s = clock::now_ms() / 1000;
        let mut request = client
            .post(url)
            .header("content-type", "application/json")
            .header("x-mlflow-delivery-id", &message.id)
            .header("x-mlflow-timestamp", at_s.to_string());
        if let Some(secret) = &message.secret {
            let signature = rules::signature(secret, &message.id, at_s, &message.body);
            request = request.header("x-mlflow-signature", signature);
        }
        let sent = request.body(message.body.clone()).send().await;
        sent.map_err(|cause| Failed { error: in_words(cause), may_recover: true })
    }
}

struct Failed {
    error: String,
    may_recover: bool,
}

fn certificates(pem: &[u8]) -> impl Iterator<Item = CertificateDer<'static>> + '_ {
    rustls_pemfile::certs(&mut std::io::Cursor::new(pem.to_vec()))
        .filter_map(std::result::Result::ok)
        .collect::<Vec<_>>()
        .into_iter()
}

/// Why no answer came. Never the URL, which may hold a secret.
fn in_words(cause: reqwest::Error) -> String {
    if cause.is_timeout() {
        let limit = if cause.is_connect() { CONNECT_PATIENCE } else { PATIENCE };
        return format!("The receiver did not answer within {} s.", limit.as_secs());
    }
    let connecting = cause.is_connect();
    let cause = cause.without_url();
    let mut deepest: &dyn std::error::Error = &cause;
    while let Some(next) = deepest.source() {
        deepest = next;
    }
    if connecting {
        format!("No connection to the receiver: {deepest}.")
    } else {
        format!("The receiver broke off: {deepest}.")
    }
}

async fn heard(mut response: Response) -> Outcome {
    let status = response.status();
    let retry_after_s = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let mut bytes = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        bytes.extend_from_slice(&chunk);
        if bytes.len() >= ANSWER_BYTES {
            bytes.truncate(ANSWER_BYTES);
            break;
        }
    }
    let code = status.as_u16();
    let error = match code {
        200..=299 => None,
        300..=399 => Some(format!(
            "The receiver answered {code}, another address; webhooks follow no redirects. Enter that address instead."
        )),
        _ => Some(format!(
            "The receiver answered {code}{}.",
            status.canonical_reason().map(|reason| format!(" ({reason})")).unwrap_or_default()
        )),
    };
    Outcome {
        status: Some(code),
        answer: Some(String::from_utf8_lossy(&bytes).into_owned()),
        may_recover: error.is_some() && rules::may_recover(code),
        error,
        retry_after_s,
        took_ms: 0,
    }
}
