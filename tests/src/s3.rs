//! A client of the S3 port that signs by hand, so that it can sign wrongly, too, and send keys that no library lets through.
//!
//! Unmodified clients are in `tests/clients`; this one is for faults.

use anyhow::{Context, Result, ensure};
use reqwest::{Client, Method, Response};
use ring::{digest, hmac};

/// SHA-256 in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(digest::digest(&digest::SHA256, bytes))
}

const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const REGION: &str = "us-east-1";

/// A person's key at one server.
#[derive(Clone, Debug)]
pub struct S3 {
    http: Client,
    url: String,
    host: String,
    access_key: String,
    secret_key: String,
}

/// What is signed, and with it what is sent.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    pub method: &'a str,
    /// As it stands on the wire, percent-encoded.
    pub path: &'a str,
    /// Not encoded yet.
    pub query: &'a [(&'a str, &'a str)],
    pub headers: &'a [(&'a str, &'a str)],
    /// `x-amz-content-sha256`.
    pub payload: &'a str,
}

/// The headers of a signed request, and what chunk signatures go on from.
pub struct Signed {
    pub headers: Vec<(String, String)>,
    pub signature: String,
    pub when: String,
}

impl S3 {
    pub fn new(url: &str, access_key: &str, secret_key: &str) -> Result<Self> {
        let host = url.split("//").nth(1).context("an address")?.to_owned();
        let http = Client::builder().timeout(std::time::Duration::from_secs(120)).build()?;
        Ok(Self { http, url: url.to_owned(), host, access_key: access_key.into(), secret_key: secret_key.into() })
    }

    /// The same key with a secret that is not its own.
    pub fn forged(&self) -> Self {
        Self { secret_key: "x".repeat(40), ..self.clone() }
    }

    /// `address:port`.
    pub fn host(&self) -> &str {
        &self.host
    }

    pub fn access_key(&self) -> &str {
        &self.access_key
    }

    fn key_of(&self, day: &str) -> hmac::Key {
        let mut key = hmac::Key::new(hmac::HMAC_SHA256, format!("AWS4{}", self.secret_key).as_bytes());
        for part in [day, REGION, "s3", "aws4_request"] {
            key = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref());
        }
        key
    }

    /// A signature of this text, made at this instant.
    pub fn signature(&self, when: &str, text: &str) -> String {
        hex::encode(hmac::sign(&self.key_of(&when[..8]), text.as_bytes()))
    }

    /// Signs into the `authorization` header.
    pub fn sign(&self, request: &Request<'_>) -> Signed {
        let when = now();
        let scope = scope(&when);
        let mut headers: Vec<(String, String)> =
            request.headers.iter().map(|(name, value)| (name.to_lowercase(), (*value).to_owned())).collect();
        headers.push(("host".into(), self.host.clone()));
        headers.push(("x-amz-content-sha256".into(), request.payload.into()));
        headers.push(("x-amz-date".into(), when.clone()));
        headers.sort();
        let names = headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(";");
        let listed: String = headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
        let (method, path) = (request.method, request.path);
        let canonical =
            format!("{method}\n{path}\n{}\n{listed}\n{names}\n{}", query_string(request.query), request.payload);
        let text = format!("AWS4-HMAC-SHA256\n{when}\n{scope}\n{}", sha256(canonical.as_bytes()));
        let signature = self.signature(&when, &text);
        let credential = format!("{}/{scope}", self.access_key);
        headers.push((
            "authorization".into(),
            format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}"),
        ));
        Signed { headers, signature, when }
    }

    /// Path and query of a presigned request, good for ten minutes.
    pub fn presign(&self, method: &str, path: &str, query: &[(&str, &str)]) -> String {
        let when = now();
        let scope = scope(&when);
        let credential = format!("{}/{scope}", self.access_key);
        let mut all = query.to_vec();
        all.extend([
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
            ("X-Amz-Credential", credential.as_str()),
            ("X-Amz-Date", when.as_str()),
            ("X-Amz-Expires", "600"),
            ("X-Amz-SignedHeaders", "host"),
        ]);
        let query = query_string(&all);
        let canonical = format!("{method}\n{path}\n{query}\nhost:{}\n\nhost\nUNSIGNED-PAYLOAD", self.host);
        let text = format!("AWS4-HMAC-SHA256\n{when}\n{scope}\n{}", sha256(canonical.as_bytes()));
        format!("{path}?{query}&X-Amz-Signature={}", self.signature(&when, &text))
    }

    /// Sends with the body's digest signed.
    pub async fn send(&self, method: Method, path: &str, query: &[(&str, &str)], body: Vec<u8>) -> Result<Response> {
        self.send_with(method, path, query, &[], body).await
    }

    /// As `send`, with headers of one's own, which are signed, too.
    pub async fn send_with(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Result<Response> {
        let payload = if body.is_empty() { EMPTY.to_owned() } else { sha256(&body) };
        let request = Request { method: method.as_str(), path, query, headers, payload: &payload };
        let signed = self.sign(&request);
        let query = query_string(query);
        let mark = if query.is_empty() { "" } else { "?" };
        let mut sent = self.http.request(method.clone(), format!("{}{path}{mark}{query}", self.url));
        for (name, value) in signed.headers.iter().filter(|(name, _)| name != "host") {
            sent = sent.header(name, value);
        }
        sent.body(body).send().await.with_context(|| format!("{method} {path} on the S3 port"))
    }

    /// # Errors
    /// Any answer that is not a success, with its body.
    pub async fn good(&self, method: Method, path: &str, query: &[(&str, &str)], body: Vec<u8>) -> Result<Response> {
        let answer = self.send(method.clone(), path, query, body).await?;
        let status = answer.status();
        if !status.is_success() {
            anyhow::bail!("{method} {path} {query:?} answered {status}: {}", answer.text().await?);
        }
        Ok(answer)
    }

    pub async fn status(&self, method: Method, path: &str, query: &[(&str, &str)], body: Vec<u8>) -> Result<u16> {
        Ok(self.send(method, path, query, body).await?.status().as_u16())
    }

    /// Begins an upload in parts: its id.
    pub async fn begin(&self, path: &str) -> Result<String> {
        let answer = self.good(Method::POST, path, &[("uploads", "")], vec![]).await?.text().await?;
        Ok(between(&answer, "<UploadId>", "</UploadId>").context("an upload without an id")?.to_owned())
    }

    /// Uploads one part: its ETag.
    pub async fn part(&self, path: &str, upload: &str, number: usize, body: Vec<u8>) -> Result<String> {
        let number = number.to_string();
        let query = [("partNumber", number.as_str()), ("uploadId", upload)];
        let answer = self.good(Method::PUT, path, &query, body).await?;
        let etag = answer.headers().get("etag").context("a part without an ETag")?;
        Ok(etag.to_str()?.to_owned())
    }

    /// Ends an upload in parts; the answer may be an error in a 200, as S3 has it.
    pub async fn complete(&self, path: &str, upload: &str, etags: &[String]) -> Result<()> {
        let parts: String = (1..)
            .zip(etags)
            .map(|(number, etag)| format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"))
            .collect();
        let body = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
        let answer = self.good(Method::POST, path, &[("uploadId", upload)], body.into_bytes()).await?.text().await?;
        ensure!(answer.contains("<CompleteMultipartUploadResult"), "{path} was not completed: {answer}");
        Ok(())
    }
}

/// The text between two others.
pub fn between<'a>(text: &'a str, begin: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(begin)?;
    Some(rest.split_once(end)?.0)
}

fn now() -> String {
    let now = jiff::Timestamp::from_millisecond(drydock::clock::now_ms()).unwrap_or_default();
    now.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// Day, region and service that a signature of this instant is good for.
pub fn scope(when: &str) -> String {
    format!("{}/{REGION}/s3/aws4_request", &when[..8])
}

/// Percent-encoded as SigV4 has it; slashes stay where they part a path.
pub fn encoded(text: &str, slashes_stay: bool) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || (slashes_stay && byte == b'/');
        if plain { out.push(char::from(byte)) } else { out.push_str(&format!("%{byte:02X}")) }
    }
    out
}

fn query_string(query: &[(&str, &str)]) -> String {
    let mut pairs: Vec<String> =
        query.iter().map(|(name, value)| format!("{}={}", encoded(name, false), encoded(value, false))).collect();
    pairs.sort();
    pairs.join("&")
}
