//! Keys for S3 clients: what their limits open and what not, when they end, and the key that a job gets.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use drydock_tests::{Api, Server, until};
use reqwest::Method;
use serde_json::{Value, json};

use crate::buckets::{bucket, read, write};

const LIMIT: Duration = Duration::from_secs(90);

/// What signed requests of this key are answered: the body, or S3's code where it is an error.
async fn signed(server: &Server, key: &Value, requests: &[(&str, &str, &str)]) -> Result<Vec<String>> {
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/s3_ask.py");
    let output = tokio::process::Command::new("python3")
        .arg(script)
        .arg(serde_json::to_string(requests)?)
        .env("AWS_ENDPOINT_URL", server.s3_url())
        .env("AWS_ACCESS_KEY_ID", key["access_key"].as_str().unwrap_or_default())
        .env("AWS_SECRET_ACCESS_KEY", key["secret_key"].as_str().unwrap_or_default())
        .output()
        .await?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    told(&String::from_utf8(output.stdout)?)
}

fn told(text: &str) -> Result<Vec<String>> {
    let line = text.lines().find_map(|line| line.split_once("TOLD ")).with_context(|| text.to_owned())?.1;
    let answers: Vec<(Value, String)> = serde_json::from_str(line)?;
    let word = |(status, body): (Value, String)| match body.split_once("<Code>") {
        Some((_, rest)) => rest.split('<').next().unwrap_or_default().to_owned(),
        None if status.is_string() => format!("{} {body}", status.as_str().unwrap_or_default()),
        None => body,
    };
    Ok(answers.into_iter().map(word).collect())
}

/// The keys of a listing.
fn listed(body: &str) -> Vec<&str> {
    body.split("<Key>").skip(1).filter_map(|rest| rest.split('<').next()).collect()
}

#[tokio::test]
async fn a_key_opens_its_scopes_until_it_ends() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let (erin, otto) =
        (server.person(&admin, "erin", "engineer").await?, server.person(&admin, "otto", "engineer").await?);
    for name in ["data", "other"] {
        bucket(&erin, name, "project", false).await?;
        write(&erin, name, "raw/a.txt", "raw").await?;
        write(&erin, name, "out/a.txt", "out").await?;
    }
    let scopes =
        json!([{ "bucket": "data", "prefix": "raw/" }, { "bucket": "data", "prefix": "out/", "may_write": true }]);
    let made = erin.post("/api/v1/s3-keys", json!({ "name": "narrow", "scopes": scopes })).await?;
    let key = json!({ "access_key": made["key"]["access_key"], "secret_key": made["secret_key"] });
    let tries = [
        ("GET", "/data/raw/a.txt", ""),
        ("PUT", "/data/raw/a.txt", "no"),
        ("PUT", "/data/out/b.txt", "by a key"),
        ("GET", "/other/raw/a.txt", ""),
        ("PUT", "/data/top.txt", "no"),
        ("PUT", "/new-bucket", ""),
        ("DELETE", "/data", ""),
    ];
    let denied = "AccessDenied";
    assert_eq!(signed(&server, &key, &tries).await?, ["raw", denied, "", denied, denied, denied, denied]);
    let lists = [("GET", "/data?list-type=2&prefix=raw%2F", ""), ("GET", "/data?list-type=2", ""), ("GET", "/", "")];
    let shown = signed(&server, &key, &lists).await?;
    assert_eq!(listed(&shown[0]), ["raw/a.txt"], "{shown:?}");
    assert_eq!(listed(&shown[1]), ["out/a.txt", "out/b.txt", "raw/a.txt"], "{shown:?}");
    assert!(shown[2].contains("<Name>data</Name>") && !shown[2].contains("<Name>other</Name>"), "{}", shown[2]);

    // Shown once, used lately, and nobody else's to see or to end.
    let list = erin.list("/api/v1/s3-keys").await?;
    assert_eq!((list.len(), list[0]["scopes"].as_array().map(Vec::len)), (1, Some(2)));
    assert!(!list[0].to_string().contains(made["secret_key"].as_str().context("a secret")?));
    let used = until("last use is not written", LIMIT, || async {
        Ok(erin.list("/api/v1/s3-keys").await?[0]["last_used_at"].as_i64())
    });
    used.await?;
    let access = made["key"]["access_key"].as_str().context("an access key")?;
    assert!(otto.list("/api/v1/s3-keys").await?.is_empty());
    assert_eq!(otto.status(Method::GET, "/api/v1/s3-keys?all=true", None).await?, 403);
    assert_eq!(otto.status(Method::DELETE, &format!("/api/v1/s3-keys/{access}"), None).await?, 404);
    assert_eq!(admin.list("/api/v1/s3-keys?all=true").await?.len(), 1);

    // A role that is taken away counts for the key, too, at once; then its end.
    admin.patch("/api/v1/people/erin", json!({ "role": "viewer" })).await?;
    assert_eq!(signed(&server, &key, &tries[..3]).await?, ["raw", denied, denied]);
    admin.delete(&format!("/api/v1/s3-keys/{access}")).await?;
    assert_eq!(signed(&server, &key, &tries[..1]).await?, ["InvalidAccessKeyId"]);

    // One that has expired looks like one that never was.
    let flags =
        ["s3-key", "create", "--user", "erin", "--name", "short", "--expires-in-days", "1", "--bucket", "data/raw/"];
    let short: Value = serde_json::from_str(&server.run(&flags, None).await?)?;
    assert_eq!(
        short.as_object().map(|object| object.keys().cloned().collect::<Vec<_>>()),
        Some(vec!["access_key".into(), "secret_key".into()])
    );
    assert_eq!(signed(&server, &short, &tries[..2]).await?, ["raw", denied]);
    let access = short["access_key"].as_str().context("a key")?;
    server.alter(&format!("update s3_keys set expires_at = 1 where access_key = '{access}'"))?;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(signed(&server, &short, &tries[..1]).await?, ["InvalidAccessKeyId"]);
    let unknown = json!({ "access_key": "DD000000000000000000", "secret_key": "x" });
    assert_eq!(signed(&server, &unknown, &tries[..1]).await?, ["InvalidAccessKeyId"]);
    Ok(())
}

#[tokio::test]
async fn a_jobs_key_opens_what_its_spec_says_and_ends_with_it() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let erin = server.person(&admin, "erin", "engineer").await?;
    bucket(&erin, "mine", "private", false).await?;
    bucket(&erin, "also-mine", "private", false).await?;
    write(&erin, "also-mine", "secret.txt", "secret").await?;
    let requests = json!([
        ["PUT", "/mine/out/result.txt", "from inside"],
        ["GET", "/mine/out/result.txt", ""],
        ["PUT", "/mine/elsewhere.txt", "no"],
        ["GET", "/also-mine/secret.txt", ""],
        ["PUT", "/also-mine/mine.txt", "no"],
        ["PUT", "/made-by-a-job", ""],
        ["DELETE", "/mine", ""],
    ]);
    let wish = |code: String| {
        json!({
            "name": "writes", "command": ["python3", "/workspace/s3_ask.py", "self", requests.to_string()],
            "code": [{ "path": "s3_ask.py", "digest": code }],
            "buckets": [{ "bucket": "mine", "prefix": "out/", "may_write": true }],
        })
    };
    let script = include_bytes!("../../clients/s3_ask.py");
    let wish = &wish;
    let run = |api: Api| async move {
        let job = api.submit_with(wish(api.upload(script.to_vec()).await?)).await?;
        let end = api.finished(&job, LIMIT).await?;
        let (_, log) = api.send(Method::GET, &format!("/api/v1/jobs/{job}/log"), None).await?;
        let log = log.as_str().unwrap_or_default().to_owned();
        ensure!(end["summary"]["state"] == "succeeded", "{log}");
        told(&log)
    };
    let denied = "AccessDenied";
    let inside = run(erin.clone()).await?;
    assert_eq!(inside[..7], ["", "from inside", denied, denied, denied, denied, denied], "{inside:?}");
    assert_eq!(read(&erin, "mine", "out/result.txt").await?, (200, "from inside".to_owned()));

    // With the attempt its key ended, and it never was among the person's own.
    let (access, secret) = inside[7].split_once(' ').context("the key")?;
    let key = json!({ "access_key": access, "secret_key": secret });
    assert_eq!(signed(&server, &key, &[("GET", "/mine/out/result.txt", "")]).await?, ["InvalidAccessKeyId"]);
    assert!(erin.list("/api/v1/s3-keys").await?.is_empty());
    // The spec never widens it: otto's job may no more than otto.
    let otto = server.person(&admin, "otto", "engineer").await?;
    assert_eq!(run(otto.clone()).await?[..7], [denied; 7]);
    for bad in [json!([{ "bucket": "UPPER" }]), json!([{ "bucket": "mine", "may_everything": true }])] {
        let wish = json!({ "name": "bad", "command": ["true"], "buckets": bad });
        assert!([400, 422].contains(&otto.status(Method::POST, "/api/v1/jobs", Some(wish)).await?));
    }
    Ok(())
}
