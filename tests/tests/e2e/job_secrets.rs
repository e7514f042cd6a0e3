//! Secrets: a job has them as files, and nobody reads them anywhere else.

use std::time::Duration;

use anyhow::{Context, Result};
use drydock_tests::{Server, docker, until};
use reqwest::Method;
use serde_json::{Value, json};

use super::job_parts::{log_of, python, succeeded};

const LIMIT: Duration = Duration::from_secs(90);
const WORD: &str = "correct-horse-battery-staple";

/// Whether any file below the folder has the text.
fn has_text(folder: &std::path::Path, text: &str) -> Result<Option<std::path::PathBuf>> {
    for entry in std::fs::read_dir(folder)?.flatten() {
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() {
            if let Some(found) = has_text(&path, text)? {
                return Ok(Some(found));
            }
        } else if kind.is_file()
            && std::fs::read(&path).is_ok_and(|bytes| bytes.windows(text.len()).any(|it| it == text.as_bytes()))
        {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

#[tokio::test]
async fn a_secret_is_a_file_of_the_job_and_nowhere_in_clear() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let made = admin.put("/api/v1/secrets/API_KEY", json!({ "value": WORD })).await?;
    assert!(!made.to_string().contains(WORD), "{made}");
    admin.put("/api/v1/secrets/tls.key", json!({ "value": "-----BEGIN KEY-----\nsecond-line-of-it\n" })).await?;
    let program = r"
import os, time
print('value', open('/run/secrets/API_KEY').read(), 'end')
print('key', open('/run/secrets/server.key').read())
print('env', [k for k, v in os.environ.items() if 'horse' in v], os.listdir('/run/secrets'))
try: open('/run/secrets/x', 'w')
except OSError as e: print('refused', e.strerror)
time.sleep(600)
";
    let secrets = json!([{ "name": "API_KEY" }, { "name": "tls.key", "file": "server.key" }]);
    let job = admin.submit_with(json!({ "name": "holder", "command": python(program), "secrets": secrets })).await?;
    let log = until("it has read its secrets", LIMIT, || async {
        Ok(Some(log_of(&admin, &job).await.unwrap_or_default()).filter(|log| log.contains("refused")))
    })
    .await?;
    assert!(!log.contains(WORD) && !log.contains("second-line-of-it"), "{log}");
    assert!(
        log.contains("value *** end") && log.contains("env []") && log.contains("refused Read-only file system"),
        "{log}"
    );

    let container = server.containers()?.pop().context("no container")?;
    let inspected = docker::inspect(&container.id)?;
    assert!(!inspected.to_string().contains(WORD), "{inspected}");
    let folder = inspected["Mounts"].as_array().unwrap().iter().find(|it| it["Destination"] == "/run/secrets").unwrap();
    assert_eq!(
        (&folder["RW"], folder["Source"].as_str().unwrap().starts_with("/dev/shm/")),
        (&json!(false), true),
        "{folder}"
    );

    let used = admin.list("/api/v1/secrets").await?;
    assert_eq!(used[0]["job_ids"], json!([job]), "{used:?}");
    assert_eq!(admin.status(Method::DELETE, "/api/v1/secrets/API_KEY", None).await?, 409);
    admin.post(&format!("/api/v1/jobs/{job}/cancel"), Value::Null).await?;
    admin.finished(&job, LIMIT).await?;
    assert!(!log_of(&admin, &job).await?.contains(WORD), "the kept log");
    let source = std::path::PathBuf::from(folder["Source"].as_str().unwrap());
    until("its files are gone", LIMIT, || async { Ok((!source.exists()).then_some(())) }).await?;
    let audit = admin.get("/api/v1/audit").await?;
    assert!(audit.to_string().contains("secret.create") && !audit.to_string().contains(WORD));
    assert_eq!(has_text(server.data_dir(), WORD)?, None, "in clear on the disk");
    admin.delete("/api/v1/secrets/API_KEY").await?;
    assert_eq!(admin.list("/api/v1/secrets").await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn secrets_need_an_engineer_and_are_there_before_the_job_is() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let (eve, vic) = (server.person(&admin, "eve", "engineer").await?, server.person(&admin, "vic", "viewer").await?);
    assert_eq!(vic.status(Method::GET, "/api/v1/secrets", None).await?, 403);
    assert_eq!(vic.status(Method::PUT, "/api/v1/secrets/a", Some(json!({ "value": "x" }))).await?, 403);
    eve.put("/api/v1/secrets/a", json!({ "value": "x" })).await?;
    for (name, value) in [("..", "x"), ("a%2Fb", "x"), ("b", "")] {
        assert_eq!(
            eve.status(Method::PUT, &format!("/api/v1/secrets/{name}"), Some(json!({ "value": value }))).await? / 100,
            4,
            "{name}"
        );
    }
    let wish = json!({ "name": "a", "command": ["true"], "secrets": [{ "name": "absent" }] });
    let (status, answer) = eve.send(Method::POST, "/api/v1/jobs", Some(wish)).await?;
    assert_eq!(status, 422, "{answer}");
    assert!(answer["message"].as_str().is_some_and(|text| text.contains("absent")), "{answer}");
    // a job's own token neither lists nor sets them
    let program = r"
import json, os, urllib.request, urllib.error
for method in ['GET', 'PUT']:
    path = '/api/v1/secrets' + ('/a' if method == 'PUT' else '')
    ask = urllib.request.Request(os.environ['DRYDOCK_URL'] + path, method=method, data=json.dumps({'value': 'x'}).encode() if method == 'PUT' else None,
        headers={'authorization': 'Bearer ' + os.environ['MLFLOW_TRACKING_TOKEN'], 'content-type': 'application/json'})
    try: print(method, urllib.request.urlopen(ask).status)
    except urllib.error.HTTPError as e: print(method, e.code)
";
    let job = eve.submit("prober", &python(program)).await?;
    succeeded(&eve, &job).await?;
    let log = log_of(&eve, &job).await?;
    assert!(!log.contains("20") && log.contains("GET 40") && log.contains("PUT 40"), "{log}");
    Ok(())
}

#[tokio::test]
async fn a_job_that_waits_over_a_restart_has_the_value_of_its_start() -> Result<()> {
    let mut server = Server::start().await?;
    let admin = server.admin().await?;
    admin.put("/api/v1/secrets/word", json!({ "value": "first-value" })).await?;
    let program = "import hashlib, time\nprint(hashlib.sha256(open('/run/secrets/word', 'rb').read()).hexdigest(), flush=True)\ntime.sleep(600)";
    let job =
        admin.submit_with(json!({ "name": "a", "command": python(program), "secrets": [{ "name": "word" }] })).await?;
    until("it runs", LIMIT, || async {
        Ok((admin.get(&format!("/api/v1/jobs/{job}")).await?["summary"]["state"] == "running").then_some(()))
    })
    .await?;
    let folder = std::path::PathBuf::from(format!("/dev/shm/drydock-{}/{job}-1", server.instance()?));
    assert!(folder.join("word").is_file());
    // as after a restart of the machine
    server.kill9().await?;
    std::fs::remove_dir_all(folder.parent().unwrap())?;
    server.launch().await?;
    assert!(folder.join("word").is_file(), "the files of an attempt that goes on are made anew");
    Ok(())
}

/// Of the value: as it is, and as a careless program or format would turn it.
fn forms(value: &str) -> Vec<String> {
    use base64::Engine;
    let hex: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
    let base64 = base64::engine::general_purpose::STANDARD_NO_PAD.encode(value);
    vec![value.to_owned(), hex, base64]
}

/// Fails with the file that has the value in any form.
fn clean(folder: &std::path::Path, values: &[&str]) -> Result<()> {
    for form in values.iter().flat_map(|value| forms(value)) {
        let found = has_text(folder, &form)?;
        anyhow::ensure!(found.is_none(), "{form} is in clear in {}", found.unwrap_or_default().display());
    }
    Ok(())
}

#[tokio::test]
async fn nothing_that_leaves_the_box_has_a_secret_in_clear() -> Result<()> {
    // no text of a test's own sources or of a system
    let values = ["zq-Leaving-4711-first-value", "zq-Leaving-4712-second-value"];
    let mut server = Server::start().await?;
    let admin = server.admin().await?;
    for value in values {
        admin.put("/api/v1/secrets/LEAVING", json!({ "value": value })).await?;
    }
    let program = r"
import sys, time
word = open('/run/secrets/LEAVING').read()
print('it is', word, flush=True); print(word, file=sys.stderr, flush=True)
time.sleep(600)
";
    let wish = json!({ "name": "control-mark", "command": python(program), "secrets": [{ "name": "LEAVING" }] });
    let job = admin.submit_with(wish).await?;
    until("it has printed its secret", LIMIT, || async {
        Ok(Some(log_of(&admin, &job).await.unwrap_or_default()).filter(|log| log.matches("***").count() >= 2))
    })
    .await?;
    // while all is open: the database, its write-ahead log, logs that are being written
    let data = server.data_dir().to_owned();
    let wal = std::fs::metadata(data.join("drydock.db-wal")).context("there is no write-ahead log")?.len();
    anyhow::ensure!(wal > 0, "the write-ahead log is empty: nothing is looked at");
    assert!(has_text(&data, "control-mark")?.is_some(), "what is in the database is found by this search");
    clean(&data, &values)?;
    let container = server.containers()?.pop().context("no container")?;
    let inspected = docker::inspect(&container.id)?.to_string();
    let mut answers = vec![("docker inspect", inspected)];
    for path in [
        format!("/api/v1/jobs/{job}"),
        format!("/api/v1/jobs/{job}/log"),
        format!("/api/v1/jobs/{job}/log/lines"),
        format!("/api/v1/jobs/{job}/log/search?q=it+is"),
        "/api/v1/secrets".to_owned(),
        "/api/v1/audit?limit=200".to_owned(),
        "/api/v1/queue".to_owned(),
        "/metrics".to_owned(),
    ] {
        answers.push(("an answer", admin.request(Method::GET, &path).send().await?.text().await?));
    }
    // a search for the value itself finds no line of the log
    let search = format!("/api/v1/jobs/{job}/log/search?q={}", values[1]);
    let hits = admin.get(&search).await?;
    assert_eq!(hits["hits"], json!([]), "{hits}");
    answers.push(("the server's own log", server.printed()));
    for (what, text) in &answers {
        for form in values.iter().flat_map(|value| forms(value)) {
            assert!(!text.contains(&form), "{what}: {text}");
        }
    }
    assert!(answers.iter().any(|(_, text)| text.contains("secret.update") || text.contains("secret.create")));

    // a backup while it runs and one at rest, unpacked; what is given out for MLflow; what doctor says
    admin.post(&format!("/api/v1/jobs/{job}/cancel"), Value::Null).await?;
    let leaving = tempfile::tempdir()?;
    let at = |name: &str| leaving.path().join(name).display().to_string();
    server.run(&["backup", &at("running.backup")], None).await?;
    admin.finished(&job, LIMIT).await?;
    let export = ["export", "mlflow", "--url", &server.url(), "--token", admin.token(), &at("mlruns")];
    let said = server.run(&export, None).await?;
    std::fs::write(leaving.path().join("export.txt"), said)?;
    server.stop().await?;
    server.run(&["backup", &at("rest.backup")], None).await?;
    std::fs::write(leaving.path().join("doctor.txt"), server.run(&["doctor"], None).await?)?;
    for name in ["running", "rest"] {
        std::fs::create_dir(leaving.path().join(name))?;
        let shell = format!("zstd -dc {}.backup | tar -x -C {}", at(name), at(name));
        let done = std::process::Command::new("sh").args(["-c", &shell]).status()?;
        anyhow::ensure!(done.success(), "{shell}: {done}");
        assert!(has_text(&leaving.path().join(name), "control-mark")?.is_some(), "the backup has the job's row");
    }
    clean(leaving.path(), &values)?;
    clean(&data, &values)
}
