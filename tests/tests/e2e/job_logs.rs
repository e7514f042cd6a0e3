//! Logs of jobs: complete and in order whatever happens to the server and to the way to Docker, bounded, searched, without secrets.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use drydock_tests::{Api, LogStream, Server, Setup, docker::Gate, until};
use reqwest::Method;
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(180);

/// Prints numbered lines, so many a second, for so many seconds; every tenth goes to standard error when `both` is asked for.
const PACED: &str = r#"
import sys, time
rate, seconds, both = int(sys.argv[1]), int(sys.argv[2]), len(sys.argv) > 3
began, n = time.monotonic(), 0
for tick in range(seconds * 20):
    for n in range(n + 1, n + 1 + rate // 20):
        to = sys.stderr if both and n % 10 == 0 else sys.stdout
        to.write(f"{n} the quick brown fox jumps over the lazy dog and some more\n")
    sys.stdout.flush(); sys.stderr.flush()
    time.sleep(max(0, began + (tick + 1) / 20 - time.monotonic()))
"#;

async fn paced(api: &Api, name: &str, args: &[&str]) -> Result<String> {
    let command: Vec<&str> = ["python3", "-c", PACED].iter().chain(args).copied().collect();
    api.submit(name, &command).await
}

async fn text(api: &Api, path: &str) -> Result<String> {
    let answer = api.request(Method::GET, path).send().await?;
    ensure!(answer.status().is_success(), "{path} answered {}", answer.status());
    Ok(answer.text().await?)
}

fn number(line: &str) -> Result<u64> {
    line.split(' ').next().and_then(|word| word.parse().ok()).with_context(|| format!("no number in {line:?}"))
}

/// Each number once, in order.
fn assert_counts_to(numbers: &[u64], last: u64) {
    let wrong = numbers.iter().enumerate().find(|(place, number)| **number != *place as u64 + 1);
    assert_eq!(wrong, None, "of {} lines, this is the first that is out of its place", numbers.len());
    assert_eq!(numbers.len() as u64, last);
}

/// Memory of the server, in KiB.
fn resident(server: &Server) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid().context("no process")?))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

#[tokio::test]
async fn twenty_thousand_lines_a_second_arrive_complete_and_in_order_and_memory_stays_flat() -> Result<()> {
    const SECONDS: u64 = 20;
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let job = paced(&admin, "loud", &["20000", &SECONDS.to_string()]).await?;
    let mut stream = LogStream::open(&admin, &format!("/api/v1/jobs/{job}/log/stream"), None).await?;
    let (mut numbers, mut seqs, mut memory) = (vec![], vec![], vec![]);
    while let Some(line) = stream.next().await? {
        numbers.push(number(line["text"].as_str().unwrap_or_default())?);
        seqs.push(line["seq"].as_u64().context("seq")?);
        if numbers.len() % 20_000 == 0 {
            memory.push(resident(&server)?);
        }
    }
    assert_counts_to(&numbers, 20_000 * SECONDS);
    assert!(seqs.iter().enumerate().all(|(place, seq)| *seq == place as u64));
    let end = admin.finished(&job, LIMIT).await?;
    assert_eq!(end["summary"]["state"], "succeeded", "{end}");
    // Docker changed to a second file on the way: 32 MiB of its form are about 210,000 of these lines.
    let kept = text(&admin, &format!("/api/v1/jobs/{job}/log")).await?;
    assert_counts_to(&kept.lines().map(number).collect::<Result<Vec<_>>>()?, 20_000 * SECONDS);
    let (early, late) = (memory[2], *memory.iter().max().context("no memory")?);
    println!("server's memory after 3 s: {early} KiB, at most {late} KiB");
    assert!(late < early + 24 * 1024, "memory grows: {memory:?}");
    Ok(())
}

#[tokio::test]
async fn a_log_is_whole_though_the_server_is_killed_and_docker_goes_away() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let socket = folder.path().join("docker.sock");
    let gate = Gate::open(&socket)?;
    let mut server = Server::start_with(&[("DOCKER_HOST", &format!("unix://{}", socket.display()))]).await?;
    let admin = server.admin().await?;
    let job = paced(&admin, "steady", &["2000", "40", "both"]).await?;
    let lines = format!("/api/v1/jobs/{job}/log/lines?limit=1");
    let total = async |api: &Api| Ok::<_, anyhow::Error>(api.get(&lines).await?["total"].as_u64().unwrap_or(0));
    until("it writes", LIMIT, || async { Ok((total(&admin).await? > 2_000).then_some(())) }).await?;

    for _ in 0..3 {
        server.kill9().await?;
        tokio::time::sleep(Duration::from_millis(700)).await;
        server.launch().await?;
        let now = total(&admin).await?;
        until("it goes on", LIMIT, || async { Ok((total(&admin).await? > now + 500).then_some(())) }).await?;
    }
    drop(gate);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let now = total(&admin).await?;
    let _gate = Gate::open(&socket)?;
    until("it goes on", LIMIT, || async { Ok((total(&admin).await? > now + 500).then_some(())) }).await?;

    let end = admin.finished(&job, LIMIT).await?;
    assert_eq!(end["summary"]["state"], "succeeded", "{end}");
    let mut stream = LogStream::open(&admin, &format!("/api/v1/jobs/{job}/log/stream"), None).await?;
    let mut of = [vec![], vec![]];
    while let Some(line) = stream.next().await? {
        of[usize::from(line["stream"] == "stderr")].push(number(line["text"].as_str().unwrap_or_default())?);
    }
    // two streams are two pipes: each is in order, and nothing is missing or twice
    assert!(of.iter().all(|numbers| numbers.is_sorted()), "out of order");
    let [out, error] = of;
    assert!(error.len() == 8_000 && error.iter().all(|number| number % 10 == 0), "{}", error.len());
    let mut all = [out, error].concat();
    all.sort_unstable();
    assert_counts_to(&all, 80_000);
    Ok(())
}

#[tokio::test]
async fn a_log_that_is_too_large_keeps_its_ends_and_is_searched_by_line() -> Result<()> {
    let settings = "[limits]\nlog_bytes = 4194304\n";
    let server = Server::start_as(Setup { settings, ..Setup::default() }).await?;
    let admin = server.admin().await?;
    let job = paced(&admin, "large", &["40000", "5"]).await?;
    admin.finished(&job, LIMIT).await?;
    let all = text(&admin, &format!("/api/v1/jobs/{job}/log")).await?;
    let (left_out, lines): (Vec<&str>, Vec<&str>) = all.lines().partition(|line| line.starts_with('['));
    assert_eq!(left_out.len(), 1, "{left_out:?}");
    let numbers: Vec<u64> = lines.iter().map(|line| number(line)).collect::<Result<_>>()?;
    assert_eq!((numbers.first(), numbers.last()), (Some(&1), Some(&200_000)));
    let missing = 200_000 - numbers.len();
    assert!(left_out[0].starts_with(&format!("[{missing} lines are left out here")), "{}", left_out[0]);
    assert!(all.len() < 5 << 20, "{} bytes", all.len());

    let search = |q: &str| format!("/api/v1/jobs/{job}/log/search?{q}");
    let found = admin.get(&search("q=QUICK&limit=3")).await?;
    assert_eq!((found["hits"].as_array().map(Vec::len), &found["total"]), (Some(3), &json!(200_000)));
    assert_eq!((&found["hits"][2]["seq"], &found["next"]), (&json!(2), &json!(3)));
    let found = admin.get(&search("q=QUICK&case=true")).await?;
    assert_eq!(found["hits"].as_array().map(Vec::len), Some(0));
    // from behind the gap on, a line's number is what it was when it was written
    let found = admin.get(&search("q=%5E19999%5B5-9%5D%20&regex=true&from=199000")).await?;
    let seqs: Vec<u64> = found["hits"].as_array().unwrap().iter().filter_map(|hit| hit["seq"].as_u64()).collect();
    assert_eq!(seqs, [199_994, 199_995, 199_996, 199_997, 199_998]);
    let found = admin.get(&search("q=19999&from=199995&to=199997")).await?;
    assert_eq!(found["hits"].as_array().map(Vec::len), Some(2), "{found}");
    assert_eq!(admin.status(Method::GET, &search("q=(&regex=true"), None).await?, 400);

    let page = admin.get(&format!("/api/v1/jobs/{job}/log/lines?from=199998&limit=10")).await?;
    assert_eq!((page["lines"].as_array().map(Vec::len), &page["complete"]), (Some(2), &Value::Bool(true)), "{page}");
    let part = text(&admin, &format!("/api/v1/jobs/{job}/log?from=10&to=12&attempt=1")).await?;
    assert_eq!(part.lines().map(number).collect::<Result<Vec<_>>>()?, [11, 12]);
    assert_eq!(admin.status(Method::GET, &format!("/api/v1/jobs/{job}/log?attempt=2"), None).await?, 404);
    Ok(())
}

#[tokio::test]
async fn a_container_that_writes_without_end_is_stopped_with_that_cause() -> Result<()> {
    let settings = "[limits]\nlog_bytes = 2097152\nlog_flood_bytes = 16777216\n";
    let server = Server::start_as(Setup { settings, ..Setup::default() }).await?;
    let admin = server.admin().await?;
    let job = admin.submit("flood", &["sh", "-c", "yes no end"]).await?;
    let end = admin.finished(&job, LIMIT).await?;
    assert_eq!(end["summary"]["state"], "failed", "{end}");
    let reason = end["summary"]["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("log") && reason.contains("16MiB"), "{end}");
    assert!(text(&admin, &format!("/api/v1/jobs/{job}/log")).await?.contains("[Stopped by Drydock: "));
    Ok(())
}

#[tokio::test]
async fn the_tokens_of_a_job_never_show_in_its_log() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let program = "import os; t = os.environ['MLFLOW_TRACKING_TOKEN']; print('token', t, len(t)); \
                   print(os.environ['AWS_SECRET_ACCESS_KEY'], 'unended', end='')";
    let job = admin.submit("chatty", &["python3", "-c", program]).await?;
    admin.finished(&job, LIMIT).await?;
    let log = text(&admin, &format!("/api/v1/jobs/{job}/log")).await?;
    assert!(log.starts_with("token *** ") && log.ends_with("*** unended\n"), "{log}");
    Ok(())
}
