//! Connections that say nothing, or very slowly: they are sent away, and nobody else waits for them.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use drydock_tests::{
    Api, Fault, Server,
    fault::{self, allowed},
    ledger::{BUCKET, Faces},
    until,
};
use reqwest::Method;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

/// A head has to be there after so long.
const REAPED_AFTER: Duration = Duration::from_secs(15);
/// For the closing.
const MOMENT: Duration = Duration::from_secs(2);
/// What noise may add to the time of an answer.
const NOISE: Duration = Duration::from_millis(25);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Slowness {
    Silent,
    Head,
    /// Of somebody unknown: refused at its head, and no more of it is waited for.
    Body,
    /// Of somebody who may: half a body, and then nothing.
    Stall,
}

const ALL: [Slowness; 4] = [Slowness::Silent, Slowness::Head, Slowness::Body, Slowness::Stall];
const BODY_BYTES: usize = 100_000;

/// What a connection of each kind says at first, by face.
struct Words {
    bodies: [Vec<u8>; 3],
    stalls: [Vec<u8>; 3],
}

impl Words {
    fn of(faces: &Faces) -> Self {
        let line = |target: &str| {
            format!("{target} HTTP/1.1\r\nhost: {}\r\ncontent-length: {BODY_BYTES}\r\n", faces.s3.host())
        };
        let digest = "a".repeat(64);
        let image = format!("POST /v2/slow/blobs/uploads/?digest=sha256:{digest}");
        let bearer = format!("authorization: Bearer {}\r\n", faces.web.token());
        let page = "PUT /api/v1/uploads";
        let object = format!("PUT {}", faces.s3.presign("PUT", &format!("/{BUCKET}/slow"), &[]));
        let head = |target: &str, proof: &str| format!("{}{proof}\r\n", line(target)).into_bytes();
        let half = |mut head: Vec<u8>| {
            head.extend(std::iter::repeat_n(b'x', BODY_BYTES / 2));
            head
        };
        Self {
            bodies: [head(page, ""), head(&format!("PUT /{BUCKET}/slow"), ""), head(&image, "")],
            stalls: [head(page, &bearer), head(&object, ""), head(&image, &bearer)].map(half),
        }
    }

    fn first(&self, slowness: Slowness, face: usize) -> &[u8] {
        match slowness {
            Slowness::Silent => b"",
            Slowness::Head => b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n",
            Slowness::Body => &self.bodies[face],
            Slowness::Stall => &self.stalls[face],
        }
    }
}

/// When a connection of any kind has to be gone.
fn gone_after() -> Duration {
    REAPED_AFTER + allowed(MOMENT)
}

/// How long the server let it stay, and what it said.
async fn hold(address: String, slowness: Slowness, say: Vec<u8>) -> Result<(Slowness, String, Duration, String)> {
    let mut socket = TcpStream::connect(&address).await?;
    let began = Instant::now();
    if !say.is_empty() {
        socket.write_all(&say).await?;
    }
    let (mut reader, mut writer) = socket.into_split();
    let drip = tokio::spawn(async move {
        if [Slowness::Head, Slowness::Body].contains(&slowness) {
            while writer.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        } else {
            // Held, so that the connection is not half closed.
            tokio::time::sleep(gone_after() * 3).await;
        }
    });
    let (mut said, mut some) = (vec![], [0; 1024]);
    let closed = async {
        while let Ok(count @ 1..) = reader.read(&mut some).await {
            said.extend_from_slice(&some[..count]);
        }
    };
    let _ = tokio::time::timeout(gone_after() + Duration::from_secs(3), closed).await;
    drip.abort();
    let line = String::from_utf8_lossy(&said).lines().next().unwrap_or_default().to_owned();
    Ok((slowness, address, began.elapsed(), line))
}

/// The slowest hundredth of requests from four callers, the best of some windows: what else the machine does is no matter.
async fn p99(calls: &[(Api, &'static str)]) -> Result<Duration> {
    let mut windows = vec![];
    for _ in 0..5 {
        let mut callers = JoinSet::new();
        for (api, path) in calls.iter().cloned() {
            callers.spawn(async move {
                let mut times = vec![];
                for _ in 0..150 {
                    let began = Instant::now();
                    let status = api.status(Method::GET, path, None).await?;
                    ensure!(status == 200, "{path} answers {status}");
                    times.push(began.elapsed());
                }
                Ok(times)
            });
        }
        let mut times = vec![];
        while let Some(one) = callers.join_next().await {
            times.extend(one??);
        }
        times.sort();
        windows.push(times[times.len() * 99 / 100]);
    }
    windows.sort();
    Ok(windows[1])
}

/// Of bodies that did not come whole.
async fn nothing_is_left(server: &Server, faces: &Faces) -> Result<()> {
    let incoming = server.data_dir().join("blobs/incoming");
    until("half bodies stay on the disk", Duration::from_secs(60), || async {
        let left = std::fs::read_dir(&incoming).map_or(0, Iterator::count);
        ensure!(left == 0, "{left} files");
        Ok(Some(()))
    })
    .await?;
    let listed = faces.s3.good(Method::GET, &format!("/{BUCKET}"), &[("list-type", "2")], vec![]).await?.text().await?;
    ensure!(!listed.contains("<Key>"), "half an object is shown: {listed}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_connections_are_sent_away_and_hold_nobody_up() -> Result<()> {
    let fault = Fault::new("slow sockets: silent, slow heads, slow bodies, bodies that stop", 96, 2000);
    let server = Server::start().await?;
    let faces = Faces::of(&server).await?.with_bucket().await?;
    let calls = [
        (faces.web.clone(), "/api/v1/datasets"),
        (faces.web.clone(), "/healthz"),
        (faces.registry.clone(), "/v2/"),
        (Api::anonymous(&server.s3_url())?, "/healthz"),
    ];
    let before = p99(&calls).await?;

    let addresses = [server.url(), server.s3_url(), server.registry_url()].map(|url| url.replace("http://", ""));
    let (words, mut held) = (Words::of(&faces), JoinSet::new());
    for number in 0..fault.count {
        let (face, slowness) = (number % 3, ALL[number / 3 % ALL.len()]);
        held.spawn(hold(addresses[face].clone(), slowness, words.first(slowness, face).to_vec()));
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let during = p99(&calls).await?;
    let mut slowest = Duration::ZERO;
    let mut late = vec![];
    while let Some(one) = held.join_next().await {
        let (slowness, address, stayed, said) = one??;
        slowest = slowest.max(stayed);
        if stayed > gone_after() {
            late.push(format!("{slowness:?} on {address}: {said:?}"));
        }
        let is_success = said.starts_with("HTTP/1.1 2");
        ensure!(!is_success, "{slowness:?} on {address} was answered {said:?}");
        let is_refused = said.contains(" 401 ") || said.contains(" 403 ");
        ensure!(slowness != Slowness::Body || is_refused, "a stranger's body on {address}: {said:?}");
    }
    late.sort();
    late.dedup();
    ensure!(late.is_empty(), "still there after {:?}: {late:?} (web, S3, registry: {addresses:?})", gone_after());
    nothing_is_left(&server, &faces).await?;
    fault::report(&format!("p99 {before:?} before, {during:?} during"));
    ensure!(during < allowed(before * 2 + NOISE), "others waited: p99 {before:?} before, {during:?} during");
    fault
        .held(format!("all gone after {slowest:.1?} at most; others' p99 {before:.1?} before, {during:.1?} meanwhile"));
    Ok(())
}
