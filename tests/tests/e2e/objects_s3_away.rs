//! The cluster below is away, in the two ways in which clusters are: nobody listens, or packets vanish. On every face writes of large
//! content are refused in bounded time with 503 and Retry-After, and all else goes on.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use drydock_tests::{
    Ceph, Dice, Relay, Server,
    fault::allowed,
    ledger::{BUCKET, Faces, location},
    s3::sha256,
    until,
};
use futures_util::future::try_join_all;
use reqwest::{Method, Response, header::RETRY_AFTER};
use serde_json::json;

use crate::objects_s3::{empty_cache, environment};

const MIB: usize = 1 << 20;
/// The cluster has 5 s for a request, and what was begun there is to be given up.
const REFUSED_WITHIN: Duration = Duration::from_secs(13);
/// What needs no cluster is as quick as ever.
const PROMPT: Duration = Duration::from_secs(3);

/// Content of its own for each write: what is there already would need no cluster.
fn fresh(size: usize) -> Vec<u8> {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    Dice::new(NEXT.fetch_add(1, Ordering::SeqCst) << 40).bytes(size)
}

/// A write of that many bytes on one of the faces; what it was answered.
async fn write(faces: &Faces, face: &str, name: &str, size: usize) -> Result<Response> {
    let (bytes, path) = (fresh(size), format!("/{BUCKET}/{name}"));
    match face {
        "artifact" => Ok(faces.web.request(Method::PUT, &faces.artifact(name)).body(bytes).send().await?),
        "upload" => Ok(faces.web.request(Method::PUT, "/api/v1/uploads").body(bytes).send().await?),
        "page" => {
            let place = format!("/api/v1/buckets/{BUCKET}/object?key={name}");
            Ok(faces.web.request(Method::PUT, &place).body(bytes).send().await?)
        }
        "object" => faces.s3.send(Method::PUT, &path, &[], bytes).await,
        "part" => {
            let upload = faces.s3.begin(&path).await?;
            faces.s3.send(Method::PUT, &path, &[("partNumber", "1"), ("uploadId", &upload)], bytes).await
        }
        _ => {
            let digest = format!("sha256:{}", sha256(&bytes));
            let begun = faces.registry.request(Method::POST, "/v2/away/blobs/uploads/").send().await?;
            let place = location(&faces.registry, &begun)?;
            let mark = if place.contains('?') { '&' } else { '?' };
            Ok(faces.registry.request(Method::PUT, &format!("{place}{mark}digest={digest}")).body(bytes).send().await?)
        }
    }
}

const FACES: [&str; 6] = ["artifact", "upload", "page", "object", "part", "image"];

async fn is_refused(faces: &Faces, face: &str, name: &str, size: usize) -> Result<Duration> {
    let began = Instant::now();
    let answer = write(faces, face, name, size).await.with_context(|| format!("{face}, {size} bytes"))?;
    let (status, after) = (answer.status(), answer.headers().get(RETRY_AFTER).cloned());
    let text = answer.text().await?;
    ensure!(status == 503, "{face}, {size} bytes: {status} {text}");
    let seconds = after.as_ref().and_then(|value| value.to_str().ok()).and_then(|text| text.parse::<u64>().ok());
    ensure!(seconds.is_some_and(|seconds| (1..=60).contains(&seconds)), "{face}: Retry-After is {after:?}");
    ensure!(began.elapsed() < allowed(REFUSED_WITHIN), "{face}, {size} bytes: refused after {:?}", began.elapsed());
    Ok(began.elapsed())
}

/// All faces at once, small and large parts of the cluster's protocol.
async fn all_refuse(faces: &Faces, round: &str) -> Result<Duration> {
    let writes = FACES.into_iter().flat_map(|face| [(face, MIB), (face, 9 * MIB)]);
    let refusals = writes
        .map(|(face, size)| async move { is_refused(faces, face, &format!("{round}-{face}-{size}"), size).await });
    Ok(try_join_all(refusals).await?.into_iter().max().unwrap_or_default())
}

/// What needs no cluster, again and again until `stop`; the slowest of it.
async fn all_else_goes_on(faces: &Faces, cached: &[u8], stop: impl Future<Output = Result<Duration>>) -> Result<()> {
    let going_on = async {
        let mut slowest = (Duration::ZERO, "");
        for number in 0.. {
            for what in ["me", "runs", "metric", "listing", "small", "cached", "image"] {
                let began = Instant::now();
                needs_no_cluster(faces, what, number, cached).await.with_context(|| what.to_owned())?;
                slowest = slowest.max((began.elapsed(), what));
            }
            ensure!(slowest.0 < allowed(PROMPT), "{} took {:?} meanwhile", slowest.1, slowest.0);
        }
        anyhow::Ok(())
    };
    tokio::select! {
        gone_wrong = going_on => gone_wrong.context("what needs no cluster"),
        refused = stop => { println!("refused after {:?} at most", refused?); Ok(()) }
    }
}

async fn needs_no_cluster(faces: &Faces, what: &str, number: usize, cached: &[u8]) -> Result<()> {
    let list = format!("/{BUCKET}");
    match what {
        "me" => drop(faces.web.get("/api/v1/me").await?),
        "runs" => {
            let asked = json!({ "experiment_ids": ["0"], "max_results": 10 });
            faces.web.post("/api/2.0/mlflow/runs/search", asked).await?;
        }
        "metric" => {
            let point = json!({ "run_id": faces.run, "key": "m", "value": 1.0, "timestamp": 1, "step": number });
            faces.web.post("/api/2.0/mlflow/runs/log-metric", point).await?;
        }
        "listing" => drop(faces.s3.good(Method::GET, &list, &[("list-type", "2")], vec![]).await?),
        "small" => {
            let path = format!("/{BUCKET}/small/{number}");
            faces.s3.good(Method::PUT, &path, &[], b"small".to_vec()).await?;
            ensure!(faces.s3.good(Method::GET, &path, &[], vec![]).await?.bytes().await? == b"small"[..], "small");
        }
        "cached" => {
            let got = faces.s3.good(Method::GET, &format!("/{BUCKET}/cached"), &[], vec![]).await?.bytes().await?;
            ensure!(got == cached, "what is cached came back different");
        }
        _ => ensure!(faces.registry.status(Method::GET, "/v2/_catalog", None).await? == 200, "the catalog"),
    }
    Ok(())
}

/// What is not cached is refused as writes are.
async fn uncached_is_refused(faces: &Faces) -> Result<()> {
    let began = Instant::now();
    let answer = faces.s3.send(Method::GET, &format!("/{BUCKET}/uncached"), &[], vec![]).await?;
    ensure!(answer.status() == 503 && answer.headers().contains_key(RETRY_AFTER), "{answer:?}");
    ensure!(began.elapsed() < allowed(REFUSED_WITHIN), "a read was refused after {:?}", began.elapsed());
    let began = Instant::now();
    let (status, told) = faces.web.send(Method::GET, "/readyz", None).await?;
    ensure!(status == 503 && told.to_string().contains("S3 cluster"), "{status} {told}");
    ensure!(began.elapsed() < allowed(REFUSED_WITHIN), "/readyz took {:?}", began.elapsed());
    Ok(())
}

async fn back_again(faces: &Faces, uncached: &[u8]) -> Result<()> {
    let back = Instant::now();
    until("work goes on when the cluster is back", Duration::from_secs(60), || async {
        Ok(write(faces, "object", "back", 9 * MIB).await?.status().is_success().then_some(()))
    })
    .await?;
    println!("worked again {:?} after the cluster was back", back.elapsed());
    let got = faces.s3.good(Method::GET, &format!("/{BUCKET}/uncached"), &[], vec![]).await?.bytes().await?;
    ensure!(got == uncached, "what was not cached came back different");
    for face in FACES {
        let answer = write(faces, face, &format!("again-{face}"), MIB).await?;
        ensure!(answer.status().is_success(), "{face}: {}", answer.status());
    }
    // nothing that was refused is there
    let listed = faces.s3.good(Method::GET, &format!("/{BUCKET}"), &[("list-type", "2")], vec![]).await?.text().await?;
    ensure!(!listed.contains("<Key>hole-") && !listed.contains("<Key>closed-"), "{listed}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_is_away_or_swallows_everything_is_no_reason_to_wait() -> Result<()> {
    let cluster = Ceph::start().await?;
    let relay = Relay::to(cluster.url().trim_start_matches("http://"))?;
    let url = format!("http://{}", relay.address);
    let mut server = Server::start_with(&environment(&url, "black-hole", &[])).await?;
    let faces = Faces::of(&server).await?.with_bucket().await?;
    let (cached, uncached) = (fresh(3 * MIB), fresh(2 * MIB));
    faces.s3.good(Method::PUT, &format!("/{BUCKET}/uncached"), &[], uncached.clone()).await?;
    empty_cache(&server)?;
    faces.s3.good(Method::PUT, &format!("/{BUCKET}/cached"), &[], cached.clone()).await?;

    relay.swallow();
    for round in 0..3 {
        let name = format!("hole-{round}");
        let refused = all_refuse(&faces, &name);
        all_else_goes_on(&faces, &cached, refused).await.with_context(|| format!("black hole, round {round}"))?;
        uncached_is_refused(&faces).await.with_context(|| format!("black hole, round {round}"))?;
    }
    // It starts over a black hole, too.
    server.restart().await.context("a start over a black hole")?;
    needs_no_cluster(&faces, "cached", 0, &cached).await?;
    needs_no_cluster(&faces, "small", 0, &cached).await?;
    relay.open();
    back_again(&faces, &uncached).await?;

    cluster.close().await?;
    empty_cache(&server)?;
    let path = format!("/{BUCKET}/cached");
    faces.s3.good(Method::PUT, &path, &[], b"small enough".to_vec()).await?;
    all_else_goes_on(&faces, b"small enough", all_refuse(&faces, "closed")).await.context("a closed port")?;
    uncached_is_refused(&faces).await?;
    cluster.open().await?;
    back_again(&faces, &uncached).await
}
