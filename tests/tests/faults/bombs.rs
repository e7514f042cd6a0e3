//! Requests that are far too much: refused in words, with memory and disk bounded, and with the server well afterwards.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use drydock_tests::{Api, Fault, Server, Setup, disk::MIB, raw, until};
use reqwest::Method;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// What the settings allow of an upload.
const LIMIT: usize = 32 * MIB;
const SETTINGS: &str = "[limits]\nupload_bytes = 33554432\n";
/// What an endless body would come to.
const ENDLESS: u64 = 10 << 30;
/// What a bomb may cost in memory.
const MOST_MEMORY: u64 = 320 << 20;

/// A server with a limit on uploads, an administrator, and what it needed before any bomb.
pub struct Target {
    pub server: Server,
    pub admin: Api,
}

impl Target {
    pub async fn new() -> Result<Self> {
        let server = Server::start_as(Setup { settings: SETTINGS, ..Setup::default() }).await?;
        let admin = server.admin().await?;
        Ok(Self { server, admin })
    }

    fn address(&self) -> String {
        self.server.url().replace("http://", "")
    }

    pub fn proof(&self) -> (String, String) {
        ("authorization".into(), format!("Bearer {}", self.admin.token()))
    }

    /// The most memory it ever had, in bytes.
    fn peak(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.server.pid().context("a pid")?))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("VmHWM")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? << 10)
    }

    /// It answers, it did not eat the memory, and no bytes of what was refused are left.
    pub async fn is_well(&self) -> Result<u64> {
        self.admin.get("/api/v1/datasets").await?;
        let peak = self.peak()?;
        ensure!(peak < MOST_MEMORY, "it took {peak} bytes of memory");
        let incoming = self.server.data_dir().join("blobs/incoming");
        until("what was refused is cleared away", Duration::from_secs(60), || async {
            Ok((std::fs::read_dir(&incoming)?.count() == 0).then_some(()))
        })
        .await?;
        Ok(peak >> 20)
    }
}

/// No answer, but no connection either.
pub const CUT: u16 = 0;

/// Sends chunks until the server has had enough; its answer, and how much it took.
pub async fn endless(address: &str, line: &str, headers: &[(String, String)]) -> Result<(raw::Answer, u64)> {
    let mut socket = TcpStream::connect(address).await?;
    let mut head = format!("{line} HTTP/1.1\r\nhost: {address}\r\ntransfer-encoding: chunked\r\n");
    for (name, value) in headers.iter().filter(|(name, _)| name != "host") {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    socket.write_all(format!("{head}\r\n").as_bytes()).await?;
    let mut chunk = b"10000\r\n".to_vec();
    chunk.extend(vec![7; 0x10000]);
    chunk.extend(b"\r\n");
    let (mut reader, mut writer) = socket.split();
    let mut sent = 0u64;
    let mut first = vec![0; 16 * 1024];
    let count = loop {
        tokio::select! {
            // An answer is looked for first: a client that reads does not go on.
            biased;
            count = reader.read(&mut first) => break count.unwrap_or(0),
            wrote = writer.write_all(&chunk) => {
                if wrote.is_err() {
                    break reader.read(&mut first).await.unwrap_or(0);
                }
                sent += chunk.len() as u64;
                ensure!(sent < ENDLESS, "all of an endless body was taken");
            }
        }
    };
    if count == 0 {
        // Cut, and the answer with it, as it is where a server closes while more arrives.
        return Ok((raw::Answer { status: CUT, head: String::new(), body: vec![] }, sent));
    }
    let head = String::from_utf8_lossy(&first[..count]).into_owned();
    let status =
        head.split(' ').nth(1).and_then(|code| code.parse().ok()).with_context(|| format!("no answer: {head}"))?;
    Ok((raw::Answer { status, head, body: vec![] }, sent))
}

#[tokio::test]
async fn an_endless_body_is_refused_at_the_limit() -> Result<()> {
    let fault = Fault::new("10 GB chunked bodies without a length", 4, 20);
    let target = Target::new().await?;
    let made = target.admin.post("/api/2.0/mlflow/runs/create", serde_json::json!({"experiment_id": "0"})).await?;
    let run = made["run"]["info"]["run_id"].as_str().context("an id")?;
    let artifact = format!("PUT /api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts/endless.bin");
    let mut most = 0;
    for number in 0..fault.count {
        let line = if number % 2 == 0 { &artifact } else { "PUT /api/v1/uploads" };
        let (answer, sent) = endless(&target.address(), line, &[target.proof()]).await?;
        ensure!(answer.status == 413, "{line}: {}", answer.head);
        most = most.max(sent);
    }
    ensure!(most < 2 * LIMIT as u64, "{most} bytes were taken before the refusal");
    let memory = target.is_well().await?;
    fault.held(format!("all 413 after {} MiB at most; at most {memory} MiB of memory", most >> 20));
    Ok(())
}

#[tokio::test]
async fn json_of_a_million_keys_is_refused() -> Result<()> {
    let fault = Fault::new("JSON with a million keys, or a million levels", 4, 20);
    let target = Target::new().await?;
    let keys: Vec<String> = (0..1_000_000).map(|n| format!("\"k{n}\":0")).collect();
    let flat = format!("{{{}}}", keys.join(","));
    let tags: Vec<String> = (0..1_000_000).map(|n| format!("{{\"key\":\"{n}\"}}")).collect();
    let tags = format!("{{\"experiment_id\":\"0\",\"tags\":[{}]}}", tags.join(","));
    let deep = format!("{{\"name\":{}", "[".repeat(1_000_000));
    let cases = [
        ("/api/v1/datasets", &flat),
        ("/api/2.0/mlflow/runs/log-batch", &flat),
        ("/api/2.0/mlflow/runs/create", &tags),
        ("/api/v1/jobs", &flat),
        ("/api/v1/datasets", &deep),
        ("/api/2.0/mlflow/runs/search", &deep),
        ("/api/v1/login", &flat),
        ("/ajax-api/2.0/mlflow/registered-models/create", &deep),
    ];
    for number in 0..fault.count {
        let (path, body) = cases[number % cases.len()];
        let sent =
            target.admin.request(Method::POST, path).header("content-type", "application/json").body(body.clone());
        let answer = sent.send().await?;
        let status = answer.status().as_u16();
        ensure!([400, 413, 422].contains(&status), "{path} answers {status}: {}", answer.text().await?);
    }
    let memory = target.is_well().await?;
    fault.held(format!("all refused; at most {memory} MiB of memory"));
    Ok(())
}

#[tokio::test]
async fn giant_heads_are_refused() -> Result<()> {
    let fault = Fault::new("giant request lines and headers, on each port", 6, 20);
    let target = Target::new().await?;
    let addresses = [target.server.url(), target.server.s3_url(), target.server.registry_url()];
    for number in 0..fault.count {
        let address = addresses[number % 3].replace("http://", "");
        let (line, headers) = match number / 3 % 3 {
            0 => ("GET /v2/".to_owned(), vec![("x-giant".to_owned(), "x".repeat(4 * MIB))]),
            1 => (format!("GET /{}", "x".repeat(4 * MIB)), vec![]),
            _ => ("GET /v2/".to_owned(), (0..100_000).map(|n| (format!("x-{n}"), "x".to_owned())).collect()),
        };
        // A connection that is simply closed is a refusal, too: not all of such a head is read.
        if let Ok(answer) = raw::exchange(&address, &line, &headers, b"").await {
            let refused = [400, 413, 414, 431].contains(&answer.status);
            ensure!(refused, "head {} on port {} answers {}", number / 3 % 3, number % 3, answer.head);
        }
    }
    let memory = target.is_well().await?;
    fault.held(format!("all refused or closed; at most {memory} MiB of memory"));
    Ok(())
}
