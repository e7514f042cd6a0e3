//! Connections that say nothing, or very slowly: they are sent away, and nobody else waits for them.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use drydock_tests::{Api, Fault, Server, fault};
use reqwest::Method;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

/// A head has to be there after so long, and a moment for the closing.
const REAPED_AFTER: Duration = Duration::from_secs(17);
/// What noise on a machine that compiles beside may add.
const NOISE: Duration = Duration::from_millis(25);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Slowness {
    Silent,
    Head,
    Body,
}

const ALL: [Slowness; 3] = [Slowness::Silent, Slowness::Head, Slowness::Body];

/// How long the server let it stay; bodies are looked after only as long as heads may take.
async fn hold(address: String, slowness: Slowness) -> Result<(Slowness, String, Duration)> {
    let mut socket = TcpStream::connect(&address).await?;
    let began = Instant::now();
    let say: &[u8] = match slowness {
        Slowness::Silent => b"",
        Slowness::Head => b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n",
        Slowness::Body => b"PUT /api/v1/uploads HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 100000\r\n\r\n",
    };
    if !say.is_empty() {
        socket.write_all(say).await?;
    }
    let (mut reader, mut writer) = socket.into_split();
    let drip = tokio::spawn(async move {
        if slowness != Slowness::Silent {
            while writer.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        } else {
            // Held, so that the connection is not half closed.
            tokio::time::sleep(REAPED_AFTER * 3).await;
        }
    });
    let mut sink = [0; 1024];
    let closed = async { while reader.read(&mut sink).await.is_ok_and(|count| count > 0) {} };
    let _ = tokio::time::timeout(REAPED_AFTER + Duration::from_secs(3), closed).await;
    drip.abort();
    Ok((slowness, address, began.elapsed()))
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

#[tokio::test(flavor = "multi_thread")]
async fn slow_connections_are_sent_away_and_hold_nobody_up() -> Result<()> {
    let fault = Fault::new("slow sockets: silent, slow heads, slow bodies", 90, 2000);
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let registry = Api::anonymous(&server.registry_url())?.with_token(admin.token());
    let s3 = Api::anonymous(&server.s3_url())?;
    let calls = [(admin.clone(), "/api/v1/datasets"), (admin, "/healthz"), (registry, "/v2/"), (s3, "/healthz")];
    let before = p99(&calls).await?;

    let addresses = [server.url(), server.s3_url(), server.registry_url()].map(|url| url.replace("http://", ""));
    let mut held = JoinSet::new();
    for number in 0..fault.count {
        held.spawn(hold(addresses[number % 3].clone(), ALL[number / 3 % 3]));
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let during = p99(&calls).await?;
    let mut slowest = Duration::ZERO;
    let mut late = vec![];
    while let Some(one) = held.join_next().await {
        let (slowness, address, stayed) = one??;
        if slowness != Slowness::Body {
            slowest = slowest.max(stayed);
            if stayed > REAPED_AFTER {
                late.push(format!("{slowness:?} on {address}"));
            }
        }
    }
    late.sort();
    late.dedup();
    ensure!(late.is_empty(), "still there after {REAPED_AFTER:?}: {late:?} (web, S3, registry: {addresses:?})");
    fault::report(&format!("p99 {before:?} before, {during:?} during"));
    ensure!(during < before * 2 + NOISE, "others waited: p99 {before:?} before, {during:?} during");
    fault
        .held(format!("all gone after {slowest:.1?} at most; others' p99 {before:.1?} before, {during:.1?} meanwhile"));
    Ok(())
}
