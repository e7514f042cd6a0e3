//! Requests to the cluster. The crate rust-s3 names and signs them; they travel through an HTTP client of ours, since its own
//! takes no certificate authority, no limit on connecting, and tells a broken connection from an answer only in words.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use reqwest::{
    Response,
    header::{HeaderMap, HeaderValue},
};
use s3::{
    Bucket, BucketConfiguration, Region,
    command::{Command, HttpMethod, Multipart},
    creds::Credentials,
    request::{Request, tokio_backend::ReqwestRequest},
    serde_types::{CompleteMultipartUploadData, InitiateMultipartUploadResponse, ListBucketResult, Part},
};
use tokio::runtime::Handle;

use super::{
    ClusterSettings,
    problem::{Problem, ProblemKind},
};

type Result<T> = std::result::Result<T, Problem>;

/// What goes in one request, unless a blob would have too many parts then.
pub(super) const PART_BYTES: usize = 8 << 20;
const OCTETS: &str = "application/octet-stream";
/// Beyond this a body is hashed off the async threads.
const LONG_HASH_BYTES: usize = 128 * 1024;
const RETRIES: [Duration; 2] = [Duration::from_millis(250), Duration::from_millis(1000)];

/// One bucket of the cluster. Cheap to clone.
#[derive(Clone)]
pub(super) struct Client {
    bucket: Arc<Bucket>,
    /// For what is answered with a long body, which has to go on all the time.
    reading: reqwest::Client,
    /// For everything else, which has to be answered within a time.
    asking: reqwest::Client,
    timeout: Duration,
}

/// What is known of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub size_bytes: u64,
    pub etag: String,
    /// Then the ETag is no MD5.
    pub is_encrypted: bool,
}

/// What was sent: its MD5, and the ETag that the cluster gave it.
pub(super) struct Sent {
    pub md5: [u8; 16],
    pub etag: String,
}

/// A request that is named and signed.
struct Signed {
    method: reqwest::Method,
    url: String,
    headers: HeaderMap,
}

impl Client {
    pub fn new(settings: &ClusterSettings) -> Result<Client> {
        let region = Region::Custom { region: settings.region.clone(), endpoint: settings.endpoint.clone() };
        let (key, secret) = (settings.access_key.as_str(), settings.secret_key.as_str());
        let credentials = Credentials::new(Some(key), Some(secret), None, None, None)
            .map_err(|cause| Problem::new(ProblemKind::Other, format!("The keys cannot be used: {cause}.")))?;
        let bucket = Bucket::new(&settings.bucket, region, credentials)?.with_path_style();
        let unusable =
            |cause: reqwest::Error| Problem::new(ProblemKind::Certificate, format!("[objects] ca: {cause}."));
        let reading = http_client(settings)?.read_timeout(settings.timeout).build().map_err(unusable)?;
        let asking = http_client(settings)?.build().map_err(unusable)?;
        Ok(Client { bucket: Arc::new(*bucket), reading, asking, timeout: settings.timeout })
    }

    /// Whether the bucket is there; made when it is not and the key may.
    pub async fn ensure_bucket(&self) -> Result<()> {
        match self.list(String::new(), None, 1).await {
            Err(problem) if problem.kind == ProblemKind::NoBucket => {}
            other => return other.map(drop),
        }
        // Without a place: a cluster of one's own has one, and rust-s3 would write the endpoint's address there.
        let config = BucketConfiguration::new(None, false, None, None, None, None, None, None);
        match self.answer("", Command::CreateBucket { config }, Bytes::new(), "make the bucket").await {
            Err(problem) if problem.kind == ProblemKind::Precondition => Ok(()),
            Err(problem) if problem.is_outage() && problem.kind != ProblemKind::Unreachable => Err(Problem::new(
                ProblemKind::NoBucket,
                format!(
                    "The bucket {} is not there, and this key may not make it. Make it. {problem}",
                    self.bucket.name
                ),
            )),
            other => other.map(drop),
        }
    }

    pub async fn head(&self, key: &str) -> Result<Option<Found>> {
        let answer = self.retrying(|| self.answer(key, Command::HeadObject, Bytes::new(), "look at an object")).await;
        match answer {
            Ok(answer) => Ok(Some(found(&answer))),
            Err(problem) if problem.kind == ProblemKind::Missing => Ok(None),
            Err(problem) => Err(problem),
        }
    }

    /// A small object, whole.
    pub async fn get_small(&self, key: &str) -> Result<Option<Bytes>> {
        match self.answer(key, Command::GetObject, Bytes::new(), "read").await {
            Ok(answer) => Ok(Some(answer.bytes().await.map_err(|error| Problem::of_transport(&error))?)),
            Err(problem) if problem.kind == ProblemKind::Missing => Ok(None),
            Err(problem) => Err(problem),
        }
    }

    /// An object from `start` up to but not including `end`, as it comes.
    pub async fn get(&self, key: &str, start: u64, end: Option<u64>) -> Result<Response> {
        let last = end.map(|end| end.saturating_sub(1));
        self.retrying(|| self.answer(key, Command::GetObjectRange { start, end: last }, Bytes::new(), "read")).await
    }

    /// Writes a small object. `if_absent`: only where there is none.
    pub async fn put_small(&self, key: &str, content: Bytes, if_absent: bool) -> Result<()> {
        let mut conditions = HeaderMap::new();
        if if_absent {
            conditions.insert("if-none-match", HeaderValue::from_static("*"));
        }
        let command = Command::PutObject {
            content: &content,
            content_type: OCTETS,
            custom_headers: Some(conditions),
            multipart: None,
        };
        self.answer(key, command, content.clone(), "write").await.map(drop)
    }

    /// Writes a whole object, or one part of an upload; tried again when the cluster cannot now.
    pub async fn put(&self, key: &str, content: &Bytes, part: Option<(u32, &str)>) -> Result<Sent> {
        self.retrying(|| self.put_once(key, content.clone(), part)).await
    }

    async fn put_once(&self, key: &str, content: Bytes, part: Option<(u32, &str)>) -> Result<Sent> {
        let (bucket, path, to_sign) = (Arc::clone(&self.bucket), key.to_owned(), content.clone());
        let part = part.map(|(number, id)| (number, id.to_owned()));
        let sign = async move {
            let multipart = part.as_ref().map(|(number, id)| Multipart::new(*number, id));
            let command =
                Command::PutObject { content: &to_sign, content_type: OCTETS, custom_headers: None, multipart };
            sign(&bucket, &path, command).await
        };
        let signed = if content.len() > LONG_HASH_BYTES {
            let threads = Handle::current();
            let signing = tokio::task::spawn_blocking(move || threads.block_on(sign));
            signing.await.map_err(|stopped| Problem::new(ProblemKind::Other, stopped.to_string()))??
        } else {
            sign.await?
        };
        let md5 = sent_md5(&signed.headers)?;
        // A part larger than usual may take longer.
        let times = u32::try_from(content.len() / PART_BYTES).unwrap_or(1).max(1);
        let answer = self.execute(signed, content, Some(self.timeout * times), "write").await?;
        let Found { etag, is_encrypted, .. } = found(&answer);
        if !is_encrypted && is_md5(&etag) && etag != hex::encode(md5) {
            return Err(Problem::new(ProblemKind::Damaged, "The S3 cluster got other bytes than were sent to it."));
        }
        Ok(Sent { md5, etag })
    }

    pub async fn begin_upload(&self, key: &str) -> Result<String> {
        let command = || Command::InitiateMultipartUpload { content_type: OCTETS };
        let answer = self.retrying(|| self.answer(key, command(), Bytes::new(), "begin an upload")).await?;
        let begun: InitiateMultipartUploadResponse = parsed(&text(answer).await?)?;
        Ok(begun.upload_id)
    }

    pub async fn complete_upload(&self, key: &str, upload_id: &str, parts: Vec<Part>) -> Result<()> {
        let command = Command::CompleteMultipartUpload { upload_id, data: CompleteMultipartUploadData { parts } };
        let request = ReqwestRequest::new(&self.bucket, key, command).await?;
        let body = Bytes::from(request.request_body()?);
        let signed = signed(&request).await?;
        // Clusters put large objects together before they answer.
        let answer = self.execute(signed, body, Some(self.timeout * 4), "put the parts together").await?;
        let body = text(answer).await?;
        if body.contains("<Error>") {
            // 200 and an error in the body: the protocol allows it here.
            return Err(Problem::of_answer(500, &body, "put the parts together"));
        }
        Ok(())
    }

    pub async fn abort_upload(&self, key: &str, upload_id: &str) -> Result<()> {
        self.answer(key, Command::AbortMultipartUpload { upload_id }, Bytes::new(), "end an upload").await.map(drop)
    }

    /// Whether it was there, as far as the cluster says.
    pub async fn delete(&self, key: &str) -> Result<()> {
        let deleted = self.retrying(|| self.answer(key, Command::DeleteObject, Bytes::new(), "delete")).await;
        match deleted {
            Err(problem) if problem.kind == ProblemKind::Missing => Ok(()),
            other => other.map(drop),
        }
    }

    /// Copies an object of up to 5 GiB within the bucket.
    pub async fn copy(&self, from: &str, to: &str) -> Result<()> {
        let source = format!("/{}/{from}", self.bucket.name);
        let answer = self.answer(to, Command::CopyObject { from: &source }, Bytes::new(), "copy an object").await?;
        let body = text(answer).await?;
        if body.contains("<Error>") { Err(Problem::of_answer(500, &body, "copy an object")) } else { Ok(()) }
    }

    /// A page of keys under the prefix, and where the next begins.
    pub async fn list(&self, prefix: String, token: Option<String>, limit: usize) -> Result<ListBucketResult> {
        let command = || Command::ListObjectsV2 {
            prefix: prefix.clone(),
            delimiter: None,
            continuation_token: token.clone(),
            start_after: None,
            max_keys: Some(limit),
        };
        let answer = self.retrying(|| self.answer("/", command(), Bytes::new(), "list")).await?;
        parsed(&text(answer).await?)
    }

    /// Uploads in parts that were begun and not ended: key, id, and when (RFC 3339).
    pub async fn open_uploads(&self, prefix: &str) -> Result<Vec<(String, String, String)>> {
        let command = || Command::ListMultipartUploads {
            prefix: Some(prefix),
            delimiter: None,
            key_marker: None,
            upload_id_marker: None,
            max_uploads: Some(1000),
        };
        let answer = self.answer("/", command(), Bytes::new(), "list uploads").await?;
        let body = text(answer).await?;
        let uploads = body.split("<Upload>").skip(1).filter_map(|upload| {
            let of = |name| super::problem::element(upload, name).map(str::to_owned);
            Some((of("Key")?, of("UploadId")?, of("Initiated")?))
        });
        Ok(uploads.collect())
    }

    /// Asks again when the cluster cannot now: a moment's hiccup fails nobody's upload. A cluster that lets a whole time limit pass is
    /// not asked again: whoever waits for the answer is told within that time, and not within three times as much.
    async fn retrying<T, F: Future<Output = Result<T>>>(&self, ask: impl Fn() -> F) -> Result<T> {
        let began = Instant::now();
        for pause in RETRIES {
            match ask().await {
                Err(problem) if problem.kind == ProblemKind::Unreachable && began.elapsed() < self.timeout => {
                    tokio::time::sleep(pause).await;
                }
                other => return other,
            }
        }
        ask().await
    }

    async fn answer(&self, key: &str, command: Command<'_>, body: Bytes, what: &str) -> Result<Response> {
        let is_long = matches!(command, Command::GetObject | Command::GetObjectRange { .. });
        let request = sign(&self.bucket, key, command).await?;
        self.execute(request, body, (!is_long).then_some(self.timeout), what).await
    }

    /// `timeout`: for the whole; without it, for each step.
    async fn execute(&self, signed: Signed, body: Bytes, timeout: Option<Duration>, what: &str) -> Result<Response> {
        let http = if timeout.is_some() { &self.asking } else { &self.reading };
        let mut request = http.request(signed.method, signed.url).headers(signed.headers).body(body);
        if let Some(timeout) = timeout {
            request = request.timeout(timeout);
        }
        let answer = request.send().await.map_err(|error| Problem::of_transport(&error))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status().as_u16();
        Err(Problem::of_answer(status, &answer.text().await.unwrap_or_default(), what))
    }
}

fn http_client(settings: &ClusterSettings) -> Result<reqwest::ClientBuilder> {
    let unusable = |cause: reqwest::Error| Problem::new(ProblemKind::Certificate, format!("[objects] ca: {cause}."));
    let mut builder = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(settings.timeout.min(Duration::from_secs(5)))
        .user_agent(concat!("Drydock/", env!("CARGO_PKG_VERSION")));
    for pem in &settings.authorities {
        for certificate in reqwest::Certificate::from_pem_bundle(pem).map_err(unusable)? {
            builder = builder.add_root_certificate(certificate);
        }
    }
    Ok(builder)
}

async fn sign(bucket: &Bucket, key: &str, command: Command<'_>) -> Result<Signed> {
    signed(&ReqwestRequest::new(bucket, key, command).await?).await
}

async fn signed(request: &ReqwestRequest<'_>) -> Result<Signed> {
    let method = match request.command.http_verb() {
        HttpMethod::Delete => reqwest::Method::DELETE,
        HttpMethod::Get => reqwest::Method::GET,
        HttpMethod::Post => reqwest::Method::POST,
        HttpMethod::Put => reqwest::Method::PUT,
        HttpMethod::Head => reqwest::Method::HEAD,
    };
    Ok(Signed { method, url: request.url()?.to_string(), headers: request.headers().await? })
}

/// rust-s3 sends the MD5 of every body along, so that the cluster refuses what was damaged on the way.
fn sent_md5(headers: &HeaderMap) -> Result<[u8; 16]> {
    let unknown = || Problem::new(ProblemKind::Other, "The request says no MD5 of its body.");
    let text = headers.get("content-md5").and_then(|value| value.to_str().ok()).ok_or_else(unknown)?;
    base64::Engine::decode(&base64::engine::general_purpose::STANDARD, text)
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(unknown)
}

fn found(answer: &Response) -> Found {
    let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
    Found {
        size_bytes: header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0),
        etag: header("etag").unwrap_or_default().trim_matches('"').to_owned(),
        is_encrypted: header("x-amz-server-side-encryption").is_some(),
    }
}

/// Whether an ETag looks like the MD5 of a whole object or of one part.
pub(super) fn is_md5(etag: &str) -> bool {
    etag.len() == 32 && etag.bytes().all(|byte| byte.is_ascii_hexdigit())
}

async fn text(answer: Response) -> Result<String> {
    answer.text().await.map_err(|error| Problem::of_transport(&error))
}

fn parsed<T: serde::de::DeserializeOwned>(xml: &str) -> Result<T> {
    quick_xml::de::from_str(xml)
        .map_err(|cause| Problem::new(ProblemKind::Other, format!("The S3 cluster's answer cannot be read: {cause}.")))
}
