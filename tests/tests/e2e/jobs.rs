//! Jobs in real containers: how they end, what is said about it, what they cannot do.

use std::time::Duration;

use anyhow::Result;
use drydock_tests::{Api, Server, docker, until};
use reqwest::Method;
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(90);

async fn log_of(api: &Api, job: &str) -> Result<String> {
    let (_, text) = api.send(Method::GET, &format!("/api/v1/jobs/{job}/log"), None).await?;
    Ok(text.as_str().map_or_else(|| text.to_string(), str::to_owned))
}

fn python(program: &str) -> [&str; 3] {
    ["python3", "-c", program]
}

#[tokio::test]
async fn a_job_runs_and_its_log_is_kept() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let job = admin
        .submit("hello", &python("import sys; print('hello from inside'); print('and aside', file=sys.stderr)"))
        .await?;
    let end = admin.finished(&job, LIMIT).await?;
    assert_eq!(end["summary"]["state"], "succeeded", "{end}");
    assert_eq!(end["summary"]["exit_code"], 0);
    let log = log_of(&admin, &job).await?;
    assert!(log.contains("hello from inside") && log.contains("and aside"), "{log}");
    until("the container is removed", LIMIT, || async { Ok(server.containers()?.is_empty().then_some(())) }).await
}

#[tokio::test]
async fn a_failure_says_its_cause() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let three = admin.submit("three", &python("raise SystemExit(3)")).await?;
    let wish = json!({
        "name": "hungry", "command": python("b = bytearray(1 << 30); b[::4096] = b'x' * len(b[::4096])"),
        "resources": { "cpus": 1.0, "memory_bytes": 128 << 20, "gpus": 0 },
    });
    let hungry = admin.submit_with(wish).await?;
    let late = admin.submit_with(json!({ "name": "late", "command": ["sleep", "600"], "timeout_s": 2 })).await?;

    let end = admin.finished(&three, LIMIT).await?;
    assert_eq!((&end["summary"]["state"], &end["summary"]["exit_code"]), (&json!("failed"), &json!(3)), "{end}");
    let end = admin.finished(&hungry, LIMIT).await?;
    assert_eq!(end["summary"]["state"], "failed", "{end}");
    assert!(end["summary"]["reason"].as_str().unwrap().contains("memory"), "{end}");
    assert_eq!(end["attempts"][0]["out_of_memory"], true, "{end}");
    let end = admin.finished(&late, LIMIT).await?;
    assert_eq!(end["summary"]["state"], "failed", "{end}");
    assert!(end["summary"]["reason"].as_str().unwrap().contains("2"), "{end}");
    Ok(())
}

#[tokio::test]
async fn a_running_job_can_be_cancelled() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let job = admin.submit("endless", &["sleep", "600"]).await?;
    running(&admin, &job).await?;
    admin.post(&format!("/api/v1/jobs/{job}/cancel"), Value::Null).await?;
    let end = admin.finished(&job, LIMIT).await?;
    assert_eq!(end["summary"]["state"], "cancelled", "{end}");
    until("the container is removed", LIMIT, || async { Ok(server.containers()?.is_empty().then_some(())) }).await
}

async fn running(api: &Api, job: &str) -> Result<()> {
    let path = format!("/api/v1/jobs/{job}");
    until("the job runs", LIMIT, || async {
        Ok((api.get(&path).await?["summary"]["state"] == "running").then_some(()))
    })
    .await
}

#[tokio::test]
async fn a_job_runs_on_while_the_server_is_away() -> Result<()> {
    let mut server = Server::start().await?;
    let admin = server.admin().await?;
    let program = "import time\nfor n in range(12): print('tick', n, flush=True); time.sleep(1)";
    let job = admin.submit("ticking", &python(program)).await?;
    running(&admin, &job).await?;
    let before = server.containers()?;
    server.kill9().await?;
    tokio::time::sleep(Duration::from_secs(4)).await;
    server.launch().await?;
    let after = server.containers()?;
    assert_eq!(
        before.iter().map(|one| &one.id).collect::<Vec<_>>(),
        after.iter().map(|one| &one.id).collect::<Vec<_>>()
    );
    let end = admin.finished(&job, LIMIT).await?;
    assert_eq!(end["summary"]["state"], "succeeded", "{end}");
    assert_eq!(end["attempts"].as_array().unwrap().len(), 1, "{end}");
    let log = log_of(&admin, &job).await?;
    for n in 0..12 {
        assert_eq!(
            log.matches(&format!("tick {n}\n")).count() + usize::from(log.ends_with(&format!("tick {n}"))),
            1,
            "tick {n} in:\n{log}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_container_that_vanished_makes_the_job_lost() -> Result<()> {
    let mut server = Server::start().await?;
    let admin = server.admin().await?;
    let job = admin.submit("doomed", &["sleep", "600"]).await?;
    running(&admin, &job).await?;
    // While the server is away, or it would see the container's end before its removal.
    server.kill9().await?;
    docker::remove(&server.containers()?[0].id)?;
    server.launch().await?;
    let end = admin.finished(&job, LIMIT).await?;
    assert_eq!(end["summary"]["state"], "lost", "{end}");
    Ok(())
}

#[tokio::test]
async fn a_container_has_no_more_than_it_needs() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let program = r#"
import os, socket, urllib.request
print('uid', os.getuid())
print('caps', [l.split()[1] for l in open('/proc/self/status') if l.startswith(('CapEff', 'CapBnd'))])
print('nnp', [l.split()[1] for l in open('/proc/self/status') if l.startswith('NoNewPrivs')])
for path in ['/x', '/usr/x', '/workspace/x', '/tmp/x']:
    try: open(path, 'w').write('x'); print('wrote', path)
    except OSError as e: print('refused', path)
print('socket', os.path.exists('/var/run/docker.sock'))
for host, port in [('192.0.2.1', 80), ('deb.debian.org', 80)]:
    try: socket.create_connection((host, port), 3); print('reached', host)
    except OSError: print('cut off from', host)
print('drydock', urllib.request.urlopen(os.environ['MLFLOW_TRACKING_URI'] + '/healthz', timeout=5).status)
"#;
    let job = admin.submit("curious", &python(program)).await?;
    let end = admin.finished(&job, LIMIT).await?;
    let log = log_of(&admin, &job).await?;
    assert_eq!(end["summary"]["state"], "succeeded", "{log}");
    for line in [
        "uid 10001",
        "caps ['0000000000000000', '0000000000000000']",
        "nnp ['1']",
        "refused /x",
        "refused /usr/x",
        "refused /workspace/x",
        "wrote /tmp/x",
        "socket False",
        "cut off from 192.0.2.1",
        "cut off from deb.debian.org",
        "drydock 200",
    ] {
        assert!(log.contains(line), "{line:?} is not in:\n{log}");
    }
    Ok(())
}

#[tokio::test]
async fn a_job_logs_and_takes_nothing_away() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    // With its own token, through the interface that the mlflow client uses.
    let program = r#"
import json, os, urllib.error, urllib.request
def ask(method, path, body=None, data=None):
    data = json.dumps(body).encode() if body is not None else data
    request = urllib.request.Request(os.environ['MLFLOW_TRACKING_URI'] + path, data, method=method)
    request.add_header('Authorization', 'Bearer ' + os.environ['MLFLOW_TRACKING_TOKEN'])
    request.add_header('Content-Type', 'application/json')
    try:
        with urllib.request.urlopen(request, timeout=10) as answer: return answer.status, answer.read()
    except urllib.error.HTTPError as e: return e.code, e.read()
status, said = ask('POST', '/api/2.0/mlflow/runs/create', {'experiment_id': '0'})
file = '/api/2.0/mlflow-artifacts/artifacts/0/' + json.loads(said)['run']['info']['run_id'] + '/artifacts/x.txt'
print('logged', status, ask('PUT', file, data=b'x')[0], ask('GET', file)[0])
print('took a file', ask('DELETE', file)[0])
for version in ['2.0', '3.0']:
    path = '/api/' + version + '/mlflow/traces/delete-traces'
    print('took traces', version, ask('POST', path, {'experiment_id': '0', 'max_timestamp_millis': 2**60})[0])
print('took a trace', ask('DELETE', '/api/v1/traces/tr-1')[0])
print('still there', ask('GET', file)[0])
"#;
    let job = admin.submit("eager", &python(program)).await?;
    let end = admin.finished(&job, LIMIT).await?;
    let log = log_of(&admin, &job).await?;
    assert_eq!(end["summary"]["state"], "succeeded", "{log}");
    for line in [
        "logged 200 200 200",
        "took a file 403",
        "took traces 2.0 403",
        "took traces 3.0 403",
        "took a trace 403",
        "still there 200",
    ] {
        assert!(log.contains(line), "{line:?} is not in:\n{log}");
    }
    Ok(())
}

#[tokio::test]
async fn a_wish_for_privileges_is_refused_and_audited() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let wishes = [
        json!({ "privileged": true }),
        json!({ "cap_add": ["SYS_ADMIN"] }),
        json!({ "network": "host" }),
        json!({ "mounts": [{ "source": "/", "target": "/host" }] }),
        json!({ "devices": ["/dev/kmsg"] }),
        json!({ "env": { "LD_PRELOAD": "/tmp/x.so" } }),
        json!({ "env": { "NVIDIA_VISIBLE_DEVICES": "all" } }),
        json!({ "code": [{ "path": "../../etc/passwd", "digest": "0".repeat(64) }] }),
        json!({ "resources": { "cpus": 100_000.0, "memory_bytes": 1 << 30, "gpus": 0 } }),
    ];
    for wish in wishes {
        let mut body = json!({ "name": "greedy", "command": ["true"] });
        body.as_object_mut().unwrap().extend(wish.as_object().unwrap().clone());
        let (status, answer) = admin.send(Method::POST, "/api/v1/jobs", Some(body)).await?;
        assert!([400, 422].contains(&status.as_u16()), "{wish} was answered {status}: {answer}");
    }
    let trail = admin.list("/api/v1/audit?limit=100").await?;
    assert!(trail.iter().any(|entry| entry.to_string().contains("refuse")), "{trail:?}");
    assert!(server.containers()?.is_empty());
    Ok(())
}

#[tokio::test]
async fn the_live_log_streams_while_the_job_runs() -> Result<()> {
    use futures_util::StreamExt;
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let program = "import time\nfor n in range(5): print('tick', n, flush=True); time.sleep(1)";
    let job = admin.submit("ticking", &python(program)).await?;
    let answer = admin.request(Method::GET, &format!("/api/v1/jobs/{job}/log/stream")).send().await?;
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let (mut text, mut parts, mut stream) = (String::new(), 0, answer.bytes_stream());
    while let Some(chunk) = stream.next().await {
        text.push_str(&String::from_utf8_lossy(&chunk?));
        parts += 1;
        if text.contains("event: end") {
            break;
        }
    }
    for n in 0..5 {
        assert_eq!(text.matches(&format!("tick {n}\"")).count(), 1, "{text}");
    }
    assert!(parts >= 3, "the log came in {parts} parts: it was not live");
    Ok(())
}
