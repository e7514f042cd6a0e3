//! Jobs beside the bare thing: `docker run` of the same image, a shell loop of them, the log of one container, a page of ten thousand.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use drydock_tests::{Api, LogStream, Server, until};
use serde_json::json;
use tokio::process::Command;

use crate::{figure, footprint::memory};

const IMAGE: &str = "drydock/runtime:1";
const STARTS: usize = 15;
const SHORT_JOBS: usize = 200;
const SLOTS: usize = 8;
const LINES_A_SECOND: u64 = 20_000;
const SECONDS: u64 = 60;
const ROWS: usize = 10_000;
const ASKED: usize = 30;
const LIMIT: Duration = Duration::from_secs(600);

pub async fn measure() -> Result<()> {
    submit_to_first_line().await?;
    short_jobs().await?;
    lines().await?;
    page().await
}

/// The one in the middle.
pub fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// In milliseconds.
pub fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// What Docker is told for a job, as far as it costs time: the rest is the same for both.
const LIKE_A_JOB: [&str; 12] = [
    "--user",
    "10001:10001",
    "--read-only",
    "--cap-drop",
    "ALL",
    "--init",
    "--memory",
    "1g",
    "--cpus",
    "1",
    "--tmpfs",
    "/tmp:size=64m",
];

/// Runs Docker's client.
pub async fn docker(args: &[&str]) -> Result<std::process::Output> {
    let output = Command::new("docker").args(args).stdin(Stdio::null()).output().await.context("docker")?;
    ensure!(output.status.success(), "docker {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr));
    Ok(output)
}

async fn submit_to_first_line() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let program = ["python3", "-c", "print('here')"];
    let (mut bare, mut plain, mut ours) = (vec![], vec![], vec![]);
    for turn in 0..=STARTS {
        let began = Instant::now();
        docker(&[&["run", "--rm", IMAGE][..], &program].concat()).await?;
        let simple = began.elapsed();
        let began = Instant::now();
        docker(&[&["run", "--rm"][..], &LIKE_A_JOB, &[IMAGE], &program].concat()).await?;
        let alike = began.elapsed();
        let began = Instant::now();
        let job = admin.submit("first", &program).await?;
        let mut stream = LogStream::open(&admin, &format!("/api/v1/jobs/{job}/log/stream"), None).await?;
        let line = stream.next().await?.context("no line")?;
        let took = began.elapsed();
        ensure!(line["text"] == "here", "{line}");
        admin.finished(&job, LIMIT).await?;
        // the first turn warms all three up
        if turn > 0 {
            bare.push(simple);
            plain.push(alike);
            ours.push(took);
        }
    }
    let (bare, alike, ours) = (median(bare), median(plain), median(ours));
    let goal = bare.mul_f64(1.15) + Duration::from_millis(50);
    figure(
        "docker run --rm of the runtime image, one line",
        &format!("{:.0} ms (limits as a job's: {:.0} ms)", ms(bare), ms(alike)),
    );
    figure("  a job, submission to first line", &format!("{:.0} ms (goal: under {:.0} ms)", ms(ours), ms(goal)));
    Ok(())
}

/// Two hundred times `true` with `docker run`, eight at a time; how long they took.
async fn shell_loop(more: &[&str]) -> Result<Duration> {
    let words = [&LIKE_A_JOB, more].concat().join(" ");
    let line = format!("seq {SHORT_JOBS} | xargs -P{SLOTS} -I_ docker run --rm {words} {IMAGE} true");
    let began = Instant::now();
    let done = Command::new("sh").args(["-c", &line]).stdout(Stdio::null()).status().await?;
    ensure!(done.success(), "{line}");
    Ok(began.elapsed())
}

/// Two hundred times `true`, eight at a time: on Docker's usual network, which lets a container out, and on one of a kind that does not,
/// as jobs have; such a network costs Docker a resolver for each container.
pub async fn short_jobs() -> Result<()> {
    let bare = shell_loop(&[]).await?;
    let network = format!("drydock-bench-{}", std::process::id());
    docker(&["network", "create", "--internal", &network]).await?;
    let inside = shell_loop(&["--network", &network]).await;
    // the last container may be on its way out
    let removed = || async { Ok(docker(&["network", "rm", &network]).await.ok()) };
    until("the network is removed", LIMIT, removed).await?;
    let inside = inside?;

    let server = Server::start().await?;
    let admin = server.admin().await?;
    admin.put("/api/v1/queues/short", json!({ "caps": { "jobs": SLOTS } })).await?;
    let wish = |number: usize| {
        json!({ "name": format!("short-{number}"), "command": ["true"], "tracked": false, "queue": "short",
            "resources": { "cpus": 0.1, "memory_bytes": 64 << 20, "gpus": 0 } })
    };
    admin.finished(&admin.submit_with(wish(0)).await?, LIMIT).await?;
    let began = Instant::now();
    for number in 1..=SHORT_JOBS {
        admin.submit_with(wish(number)).await?;
    }
    until("all jobs ended", LIMIT, || async {
        Ok((admin.get("/api/v1/jobs?state=succeeded&limit=1").await?["total"] == SHORT_JOBS + 1).then_some(()))
    })
    .await?;
    let ours = began.elapsed();
    let rate = |time: Duration| SHORT_JOBS as f64 / time.as_secs_f64();
    figure("docker run of true, 8 at a time (xargs)", &format!("{:.2} a second", rate(bare)));
    figure("  on a network without a way out, as jobs have", &format!("{:.2} a second", rate(inside)));
    figure(
        "  as jobs through 8 slots",
        &format!(
            "{:.2} a second, {:.2} of the first (goal: 0.9), {:.2} of the second",
            rate(ours),
            rate(ours) / rate(bare),
            rate(ours) / rate(inside)
        ),
    );
    Ok(())
}

/// Prints numbered lines at an even pace.
const PACED: &str = r#"
import sys, time
rate, seconds = int(sys.argv[1]), int(sys.argv[2])
began, n = time.monotonic(), 0
for tick in range(seconds * 20):
    sys.stdout.write("".join(f"{n + k + 1} the quick brown fox jumps over the lazy dog\n" for k in range(rate // 20)))
    sys.stdout.flush(); n += rate // 20
    time.sleep(max(0, began + (tick + 1) / 20 - time.monotonic()))
"#;

async fn lines() -> Result<()> {
    let (rate, seconds) = (LINES_A_SECOND.to_string(), SECONDS.to_string());
    let paced = ["python3", "-c", PACED, &rate, &seconds];
    let began = Instant::now();
    let output = docker(&[&["run", "--rm", "--log-driver", "json-file", IMAGE][..], &paced].concat()).await?;
    let counted = output.stdout.iter().filter(|byte| **byte == b'\n').count();
    figure(
        "docker run that prints 20,000 lines a second, to a pipe",
        &format!("{counted} lines in {:.1} s", began.elapsed().as_secs_f64()),
    );

    let server = Server::start().await?;
    let admin = server.admin().await?;
    let began = Instant::now();
    let job = admin.submit("paced", &paced).await?;
    let mut stream = LogStream::open(&admin, &format!("/api/v1/jobs/{job}/log/stream"), None).await?;
    let (mut got, mut wrong, mut resident) = (0_u64, 0_u64, vec![]);
    while let Some(line) = stream.next().await? {
        got += 1;
        let number = line["text"].as_str().and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
        wrong += u64::from(number != Some(got));
        if got % (LINES_A_SECOND * 2) == 0 {
            resident.push(memory(&server, "VmRSS:")?);
        }
    }
    let took = began.elapsed();
    let early = resident.get(2).copied().unwrap_or(0);
    let late = resident.iter().skip(2).copied().max().unwrap_or(0);
    figure(
        "  as a job, all of them through the server to one reader",
        &format!("{got} lines in {:.1} s, {wrong} out of their place", took.as_secs_f64()),
    );
    figure(
        "  memory of the server after 6 s, and at most afterwards",
        &format!("{:.1} MB, {:.1} MB", early as f64 / 1e6, late as f64 / 1e6),
    );
    Ok(())
}

/// Time that the server itself took, as its metrics have it, is below what a client on the same machine sees.
async fn page() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let first = admin.submit("row", &["true"]).await?;
    admin.finished(&first, LIMIT).await?;
    copy_rows(&server, ROWS).await?;
    for (what, path) in [
        ("the jobs page with 10,000 jobs, GET /jobs", "/api/v1/jobs?limit=50"),
        ("  searched by a part of the name", "/api/v1/jobs?limit=50&search=row-99"),
        ("  its last page", "/api/v1/jobs?limit=50&page=9950"),
        ("  what waits, GET /queue (where there is one)", "/api/v1/queue"),
    ] {
        let Some(times) = asked(&admin, path).await? else { continue };
        figure(what, &format!("{:.1} ms (goal: under 200 ms)", ms(median(times))));
    }
    Ok(())
}

async fn asked(admin: &Api, path: &str) -> Result<Option<Vec<Duration>>> {
    if admin.status(reqwest::Method::GET, path, None).await? == 404 {
        return Ok(None);
    }
    let mut times = vec![];
    for _ in 0..ASKED {
        let began = Instant::now();
        admin.get(path).await?;
        times.push(began.elapsed());
    }
    Ok(Some(times))
}

/// Makes copies of the one job that is there, in as many states as there are ends; every other column as it is, whatever migrations
/// added.
const COPIES: &str = r#"
import sqlite3, sys
c = sqlite3.connect(sys.argv[1], timeout=60)
changed = {
    "id": "printf('%032x', n)", "name": "'row-' || n", "submitted_at": "submitted_at - n * 1000",
    "state": "CASE n % 3 WHEN 0 THEN 'failed' WHEN 1 THEN 'succeeded' ELSE 'cancelled' END",
}
columns = [row[1] for row in c.execute("PRAGMA table_info(jobs)")]
taken = ", ".join(changed.get(column, column) for column in columns)
c.execute(f"""WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {sys.argv[2]})
    INSERT INTO jobs ({", ".join(columns)}) SELECT {taken} FROM (SELECT * FROM jobs LIMIT 1), numbers""")
c.commit()
"#;

async fn copy_rows(server: &Server, count: usize) -> Result<()> {
    let database = server.data_dir().join("drydock.db");
    let output = Command::new("python3").args(["-c", COPIES]).arg(database).arg(count.to_string()).output().await?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
