//! What was asked of the store, what it acknowledged, and whether it has it: compared after every fault.
//!
//! Content is told by SHA-256. What was acknowledged has to be there and be equal; what was not may be there, but then whole.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use anyhow::{Context, Result, bail, ensure};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    Api, Dice, Server,
    s3::{S3, sha256},
};

/// Small ones live in the database, others in a file; beyond 8 MiB past the page cache.
pub const SIZES: [usize; 6] = [100, 10_000, 70_000, 300_000, 3 << 20, 9 << 20];
/// The smallest part that is not the last.
const PART_BYTES: usize = 5 << 20;
/// The bucket that the writers write to.
pub const BUCKET: &str = "ledger";

/// The faces of one server, as one person.
#[derive(Clone)]
pub struct Faces {
    pub web: Api,
    pub registry: Api,
    pub s3: S3,
    pub run: String,
}

impl Faces {
    /// The administrator's, with a run to write to.
    pub async fn of(server: &Server) -> Result<Self> {
        Self::with(server, server.admin().await?).await
    }

    /// As `of`, where there is an administrator already.
    pub async fn with(server: &Server, web: Api) -> Result<Self> {
        let made = web.post("/api/2.0/mlflow/runs/create", json!({"experiment_id": "0"})).await?;
        let run = made["run"]["info"]["run_id"].as_str().context("an id")?.to_owned();
        let s3 = server.s3_of("admin").await?;
        let registry = Api::anonymous(&server.registry_url())?.with_token(web.token());
        Ok(Self { web, registry, s3, run })
    }

    /// Makes the bucket that the writers write to.
    pub async fn with_bucket(self) -> Result<Self> {
        self.s3.good(Method::PUT, &format!("/{BUCKET}"), &[], vec![]).await?;
        Ok(self)
    }

    /// Where an artifact of the run is.
    pub fn artifact(&self, name: &str) -> String {
        format!("/api/2.0/mlflow-artifacts/artifacts/0/{}/artifacts/{name}", self.run)
    }
}

/// Where content can be read again.
#[derive(Clone, Debug)]
pub enum At {
    Web(String),
    Registry(String),
    Object(String),
}

/// One piece of content that was sent.
#[derive(Clone, Debug)]
pub struct Deed {
    pub at: At,
    pub sha256: String,
    pub size: usize,
    pub acknowledged: bool,
}

impl Deed {
    pub fn new(at: At, bytes: &[u8]) -> Self {
        Self { at, sha256: sha256(bytes), size: bytes.len(), acknowledged: false }
    }

    /// Asks for the content, or a part of it (`from`, length).
    pub async fn ask(&self, faces: &Faces, part: Option<(usize, usize)>) -> Result<reqwest::Response> {
        let range = part.map(|(from, length)| format!("bytes={from}-{}", from + length - 1));
        let api = match &self.at {
            At::Web(path) => faces.web.request(Method::GET, path),
            At::Registry(path) => faces.registry.request(Method::GET, path),
            At::Object(path) => {
                let headers: Vec<(&str, &str)> = range.iter().map(|range| ("range", range.as_str())).collect();
                return faces.s3.send_with(Method::GET, path, &[], &headers, vec![]).await;
            }
        };
        let api = if let Some(range) = range { api.header("range", range) } else { api };
        Ok(api.send().await?)
    }

    /// Whether it is there.
    ///
    /// # Errors
    /// When it was acknowledged and is gone, or when it is not what was sent.
    pub async fn check(&self, faces: &Faces) -> Result<bool> {
        let answer = self.ask(faces, None).await?;
        match answer.status().as_u16() {
            200 => {
                let bytes = answer.bytes().await.with_context(|| format!("{:?}", self.at))?;
                ensure!(
                    sha256(&bytes) == self.sha256,
                    "{:?} came back different: {} bytes of {}",
                    self.at,
                    bytes.len(),
                    self.size
                );
                Ok(true)
            }
            404 if !self.acknowledged => Ok(false),
            status => bail!("{:?} was acknowledged: {}, and answers {status}", self.at, self.acknowledged),
        }
    }
}

/// What one writer did until it was stopped or the server went away.
pub type Deeds = Vec<Deed>;

/// A writer's way to end.
pub type Stop = Arc<AtomicBool>;

fn on(stop: &Stop) -> bool {
    !stop.load(Ordering::SeqCst)
}

/// Which content a writer sends next: all sizes in turn.
fn next_bytes(dice: &mut Dice) -> Vec<u8> {
    let size = SIZES[dice.index(SIZES.len())];
    let size = size - dice.index(size / 10);
    dice.bytes(size)
}

/// Run artifacts, one after the other.
pub async fn artifacts(faces: Faces, label: String, mut dice: Dice, stop: Stop) -> Deeds {
    let mut deeds = Deeds::new();
    while on(&stop) {
        let (path, bytes) = (faces.artifact(&format!("{label}-{}.bin", deeds.len())), next_bytes(&mut dice));
        let mut deed = Deed::new(At::Web(path.clone()), &bytes);
        let answer = faces.web.request(Method::PUT, &path).body(bytes).send().await;
        deed.acknowledged = answer.is_ok_and(|answer| answer.status().is_success());
        let goes_on = deed.acknowledged;
        deeds.push(deed);
        if !goes_on {
            break;
        }
    }
    deeds
}

/// S3 objects, one after the other.
pub async fn objects(faces: Faces, label: String, mut dice: Dice, stop: Stop) -> Deeds {
    let mut deeds = Deeds::new();
    while on(&stop) {
        let (path, bytes) = (format!("/{BUCKET}/{label}/{}", deeds.len()), next_bytes(&mut dice));
        let mut deed = Deed::new(At::Object(path.clone()), &bytes);
        let status = faces.s3.status(Method::PUT, &path, &[], bytes).await;
        deed.acknowledged = status.is_ok_and(|status| status == 200);
        let goes_on = deed.acknowledged;
        deeds.push(deed);
        if !goes_on {
            break;
        }
    }
    deeds
}

/// S3 uploads in two parts, one after the other.
pub async fn parts(faces: Faces, label: String, mut dice: Dice, stop: Stop) -> Deeds {
    let mut deeds = Deeds::new();
    while on(&stop) {
        let path = format!("/{BUCKET}/{label}/{}", deeds.len());
        let size = PART_BYTES + 1 + dice.index(300_000);
        let bytes = dice.bytes(size);
        let mut deed = Deed::new(At::Object(path.clone()), &bytes);
        let sent = async {
            let upload = faces.s3.begin(&path).await?;
            let first = faces.s3.part(&path, &upload, 1, bytes[..PART_BYTES].to_vec()).await?;
            let second = faces.s3.part(&path, &upload, 2, bytes[PART_BYTES..].to_vec()).await?;
            faces.s3.complete(&path, &upload, &[first, second]).await
        };
        deed.acknowledged = sent.await.is_ok();
        let goes_on = deed.acknowledged;
        deeds.push(deed);
        if !goes_on {
            break;
        }
    }
    deeds
}

/// Uploads a blob of an image, streamed in one piece as docker does.
///
/// # Errors
/// When any step is not a success.
pub async fn push_blob(registry: &Api, repository: &str, bytes: &[u8]) -> Result<String> {
    let digest = format!("sha256:{}", sha256(bytes));
    let begun = registry.request(Method::POST, &format!("/v2/{repository}/blobs/uploads/")).send().await?;
    ensure!(begun.status() == 202, "begin: {}", begun.status());
    let place = location(registry, &begun)?;
    let sent = registry.request(Method::PATCH, &place).body(bytes.to_vec()).send().await?;
    ensure!(sent.status() == 202, "patch: {}", sent.status());
    let place = location(registry, &sent)?;
    let mark = if place.contains('?') { '&' } else { '?' };
    let ended = registry.request(Method::PUT, &format!("{place}{mark}digest={digest}")).send().await?;
    ensure!(ended.status() == 201, "put: {}", ended.status());
    Ok(digest)
}

/// Path and query that a registry sends a client on to.
pub fn location(registry: &Api, answer: &reqwest::Response) -> Result<String> {
    let place = answer.headers().get("location").context("no location")?.to_str()?;
    Ok(place.strip_prefix(registry.url()).unwrap_or(place).to_owned())
}

/// Images of a layer and a configuration, one after the other.
pub async fn images(faces: Faces, label: String, mut dice: Dice, stop: Stop) -> Deeds {
    let mut deeds = Deeds::new();
    for number in 0.. {
        if !on(&stop) || push_image(&faces.registry, &label, number, &mut dice, &mut deeds).await.is_err() {
            break;
        }
    }
    deeds
}

async fn push_image(registry: &Api, label: &str, number: usize, dice: &mut Dice, deeds: &mut Deeds) -> Result<()> {
    let repository = format!("ledger/{label}");
    let (config, layer) = (dice.bytes(500), next_bytes(dice));
    let mut entries = vec![];
    for bytes in [&config, &layer] {
        let digest = format!("sha256:{}", sha256(bytes));
        deeds.push(Deed::new(At::Registry(format!("/v2/{repository}/blobs/{digest}")), bytes));
        push_blob(registry, &repository, bytes).await?;
        if let Some(deed) = deeds.last_mut() {
            deed.acknowledged = true;
        }
        entries.push(json!({"mediaType": "application/octet-stream", "digest": digest, "size": bytes.len()}));
    }
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({"schemaVersion": 2, "mediaType": kind, "config": entries[0], "layers": [entries[1]]});
    let (manifest, path) = (manifest.to_string(), format!("/v2/{repository}/manifests/v{number}"));
    deeds.push(Deed::new(At::Registry(path.clone()), manifest.as_bytes()));
    let answer = registry.request(Method::PUT, &path).header("content-type", kind).body(manifest).send().await?;
    ensure!(answer.status() == 201, "manifest: {}", answer.status());
    if let Some(deed) = deeds.last_mut() {
        deed.acknowledged = true;
    }
    Ok(())
}

/// Versions of a dataset of its own, one after the other, each with one more file.
pub async fn versions(faces: Faces, label: String, mut dice: Dice, stop: Stop) -> Deeds {
    let mut deeds = Deeds::new();
    if faces.web.post("/api/v1/datasets", json!({"name": label})).await.is_err() {
        return deeds;
    }
    let mut files: Vec<Value> = vec![];
    while on(&stop) {
        let (path, bytes) = (format!("{}.bin", files.len()), next_bytes(&mut dice));
        let at = format!("/api/v1/datasets/{label}/versions/{}/file?path={path}", files.len() + 1);
        let mut deed = Deed::new(At::Web(at), &bytes);
        files.push(json!({"path": path, "digest": deed.sha256, "size_bytes": bytes.len()}));
        let sent = async {
            faces.web.upload(bytes).await?;
            faces.web.post(&format!("/api/v1/datasets/{label}/versions"), json!({"files": files})).await
        };
        deed.acknowledged = sent.await.is_ok();
        let goes_on = deed.acknowledged;
        deeds.push(deed);
        if !goes_on {
            break;
        }
    }
    deeds
}

/// Logs one step after the other; how many were acknowledged, in order.
pub async fn points(faces: Faces, key: String, stop: Stop) -> usize {
    for step in 0.. {
        let point = json!({"run_id": faces.run, "key": key, "value": value_of(step), "timestamp": 1, "step": step});
        let sent = faces.web.send(Method::POST, "/api/2.0/mlflow/runs/log-metric", Some(point)).await;
        if !sent.is_ok_and(|(status, _)| status == 200) {
            return step;
        }
        if !on(&stop) {
            return step + 1;
        }
    }
    0
}

/// The value that `points` logs at a step.
pub fn value_of(step: usize) -> f64 {
    0.5 + step as f64
}

/// How many points of a key are there.
///
/// # Errors
/// When they are not the first ones in their order, each with its value.
pub async fn points_there(faces: &Faces, key: &str) -> Result<usize> {
    let path = format!("/api/2.0/mlflow/metrics/get-history?run_id={}&metric_key={key}", faces.run);
    let (status, found) = faces.web.send(Method::GET, &path, None).await?;
    ensure!([200, 404].contains(&status.as_u16()), "{key}: {status} {found}");
    // No points are no list, as MLflow has it.
    let none = vec![];
    let found = found["metrics"].as_array().unwrap_or(&none);
    for (step, point) in found.iter().enumerate() {
        let whole = point["step"] == step && point["value"].as_f64() == Some(value_of(step));
        ensure!(whole, "point {step} of {key} is {point}");
    }
    Ok(found.len())
}
