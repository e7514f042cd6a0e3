//! Names that want out of where they belong, on every face: refused, and nothing on the disk is touched.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, Result, ensure};
use drydock_tests::{Fault, Server, Setup, ledger::Faces, raw};
use reqwest::Method;
use serde_json::json;

/// As they stand on the wire.
pub const HOSTILE: [&str; 16] = [
    "../canary",
    "../../../../../../etc/passwd",
    "a/../../canary",
    "%2e%2e/canary",
    "%2e%2e%2fcanary",
    "..%2f..%2fcanary",
    "a/%2e%2e/%2e%2e/canary",
    "%252e%252e/canary",
    "%252e%252e%252fcanary",
    "a;/../canary",
    "..%5ccanary",
    "a%5c..%5c..%5ccanary",
    "a%00b",
    "%00",
    "file:///etc/passwd",
    "/etc/passwd",
];

/// Every file around the data folder and in its blobs, with its size, but for what the server itself writes all the time:
/// its databases, its own log and what runs.
pub fn tree(root: &Path) -> BTreeMap<String, u64> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().flatten() {
            let name = entry.path().display().to_string();
            let moves = ["/data/drydock.db", "/data/metrics.db", "/data/logs/", "/data/run/"];
            let moves = moves.iter().any(|own| name.contains(own));
            match entry.metadata() {
                Ok(data) if data.is_dir() => folders.push(entry.path()),
                Ok(data) if !moves => drop(found.insert(name, data.len())),
                _ => {}
            }
        }
    }
    found
}

#[tokio::test]
async fn hostile_artifact_paths_are_refused_and_the_disk_is_as_before() -> Result<()> {
    let fault = Fault::new("hostile paths: artifacts, datasets", HOSTILE.len(), HOSTILE.len());
    let around = tempfile::tempdir()?;
    std::fs::write(around.path().join("canary"), "sings")?;
    let data = around.path().join("data");
    let server = Server::start_as(Setup { data: Some(data), ..Setup::default() }).await?;
    let faces = Faces::of(&server).await?;
    let proof = ("authorization".to_owned(), format!("Bearer {}", faces.web.token()));
    let address = server.url().replace("http://", "");
    let before = tree(around.path());
    let mut count = 0;
    for path in HOSTILE {
        let lines = [
            format!("PUT {}", faces.artifact(path)),
            format!("GET {}", faces.artifact(path)),
            format!("DELETE {}", faces.artifact(path)),
            format!("GET /api/2.0/mlflow-artifacts/artifacts?path={path}"),
            format!("GET /api/2.0/mlflow/artifacts/list?run_id={}&path={path}", faces.run),
            format!("GET /get-artifact?run_uuid={}&path={path}", faces.run),
        ];
        for line in lines {
            let answer = raw::exchange(&address, &line, std::slice::from_ref(&proof), b"bytes").await?;
            ensure!(answer.status == 400, "{line}: {} {}", answer.status, answer.text());
            count += 1;
        }
    }
    count += datasets(&faces).await?;
    ensure!(tree(around.path()) == before, "files came or went");
    ensure!(std::fs::read_to_string(around.path().join("canary"))? == "sings", "the canary");
    fault.held(format!("{count} requests, all refused with 4xx, the disk as before"));
    Ok(())
}

/// A dataset's paths travel in JSON, so that they come as they are.
async fn datasets(faces: &Faces) -> Result<usize> {
    faces.web.post("/api/v1/datasets", json!({"name": "paths"})).await?;
    let digest = faces.web.upload("a,b\n1,2\n").await?;
    let hostile =
        ["../x", "/etc/passwd", "a/../x", "a\\..\\x", "a\0b", "", ".", "a//b", "a/", "..", "./x", "\u{202e}x\n"];
    for path in hostile {
        let files = json!({"files": [{"path": path, "digest": digest, "size_bytes": 8}]});
        let (status, answer) = faces.web.send(Method::POST, "/api/v1/datasets/paths/versions", Some(files)).await?;
        ensure!([400, 422].contains(&status.as_u16()), "{path:?} as a dataset's path answers {status}: {answer}");
    }
    for digest in ["sha256:../../x", "../../x", "", &"g".repeat(64)] {
        let files = json!({"files": [{"path": "x", "digest": digest, "size_bytes": 8}]});
        let (status, answer) = faces.web.send(Method::POST, "/api/v1/datasets/paths/versions", Some(files)).await?;
        ensure!([400, 404, 422].contains(&status.as_u16()), "{digest:?} as a digest answers {status}: {answer}");
    }
    let detail = faces.web.get("/api/v1/datasets/paths").await?;
    ensure!(detail["versions"].as_array().context("versions")?.is_empty(), "a version was made: {detail}");
    Ok(hostile.len() + 4)
}

/// Page sizes beyond reason are cut down or refused, at once.
#[tokio::test]
async fn page_sizes_beyond_reason_cost_nothing() -> Result<()> {
    let fault = Fault::new("pages of 2^31 and 2^63", 1, 1);
    let server = Server::start().await?;
    let faces = Faces::of(&server).await?;
    let mut count = 0;
    for size in ["2147483648", "9223372036854775808", "18446744073709551616", "-1", "0", "x"] {
        for path in [
            format!("/api/2.0/mlflow/metrics/get-history?run_id={}&metric_key=m&max_results={size}", faces.run),
            format!("/api/2.0/mlflow/experiments/search?max_results={size}"),
            format!("/api/v1/jobs?limit={size}"),
            format!("/api/v1/audit?limit={size}"),
        ] {
            let (status, answer) = faces.web.send(Method::GET, &path, None).await?;
            ensure!(status.as_u16() < 500, "{path} answers {status}: {answer}");
            count += 1;
        }
    }
    fault.held(format!("{count} requests, none failed in the server"));
    Ok(())
}
