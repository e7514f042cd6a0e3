//! What a deployment was asked and answered: captured as Parquet, joined with the truth, watched for drift, over a kill.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use drydock_tests::{Api, Server, clients, pipelines::apply, until};
use reqwest::Method;
use serde_json::{Value, json};

const DEPLOYMENT: &str = "/api/v1/deployments/grading";
const PATIENCE: Duration = Duration::from_secs(240);

/// Numbers from 0 to 1 that look like chance, the same each time.
pub fn even(row: usize) -> f64 {
    let mixed = (row as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

fn kind(row: usize) -> &'static str {
    if even(row + 7_777) < 0.5 { "a" } else { "b" }
}

/// The data that the model was trained on: even from 0 to 100.
pub async fn training_data(api: &Api) -> Result<()> {
    let mut text = String::from("x,kind,grade\n");
    for row in 0..600 {
        let x = 100.0 * even(row);
        text.push_str(&format!("{x:.3},{},{}\n", kind(row), if x > 50.0 { "high" } else { "low" }));
    }
    let size = text.len();
    let file = json!({ "path": "train.csv", "digest": api.upload(text).await?, "size_bytes": size });
    api.post("/api/v1/datasets", json!({ "name": "grades" })).await?;
    api.post("/api/v1/datasets/grades/versions", json!({ "files": [file] })).await?;
    Ok(())
}

/// Asks for 30 rows in one request; the request's id.
pub async fn ask(api: &Api, from: usize, shift: f64) -> Result<String> {
    let row = |row: usize| json!([100.0 * even(row) + shift, kind(row), "hidden"]);
    let data: Vec<Value> = (from..from + 30).map(row).collect();
    let body = json!({ "dataframe_split": { "columns": ["x", "kind", "secret"], "data": data } });
    let answer = api.request(Method::POST, "/serve/grading/invocations").json(&body).send().await?;
    let id = answer.headers().get("x-request-id").context("no id")?.to_str()?.to_owned();
    let status = answer.status();
    ensure!(status == 200, "{status} {}", answer.text().await?);
    Ok(id)
}

async fn captured(api: &Api, query: &str) -> Result<Value> {
    api.get(&format!("{DEPLOYMENT}/captured?{query}")).await
}

#[tokio::test]
async fn what_is_captured_is_joined_with_the_truth_watched_for_drift_and_survives() -> Result<()> {
    let mut server = Server::start().await?;
    let admin = server.admin().await?;
    clients::mlflow(&admin, "graded_model.py", &[]).await?;
    training_data(&admin).await?;
    apply(&admin, "name: retrain\ntasks:\n  look: { approval: { text: drifted } }\n").await?;
    let watch =
        json!({ "reference": { "dataset": "grades" }, "window_minutes": 60, "min_rows": 100, "pipeline": "retrain" });
    let wish = |capture: Value| {
        json!({ "model": "grader", "version": "1", "settings": { "capture": capture },
            "resources": { "cpus": 1.0, "memory_bytes": 1u64 << 30 } })
    };
    let (status, said) = admin.send(Method::PUT, DEPLOYMENT, Some(wish(json!({ "sample_percent": 0 })))).await?;
    ensure!(status == 400, "{status} {said}");
    admin.put(DEPLOYMENT, wish(json!({ "mask": ["secret"], "drift": watch }))).await?;
    until("it answers", PATIENCE, || async {
        let detail = admin.get(DEPLOYMENT).await?;
        ensure!(detail["summary"]["state"] != "failed", "{detail:#}");
        Ok((detail["summary"]["state"] == "ready").then_some(()))
    })
    .await?;

    // as the training data: steady
    let mut ids = vec![];
    for n in 0..10 {
        ids.push(ask(&admin, 1_000 + n * 30, 0.0).await?);
    }
    let steady = admin.post(&format!("{DEPLOYMENT}/drift"), json!({})).await?;
    let window = &steady["windows"][0];
    ensure!(window["outcome"] == "steady" && window["rows"] == 300, "{steady:#}");
    let columns = steady["report"]["drift"]["columns"].as_array().context("no columns")?;
    let names: Vec<&str> = columns.iter().filter_map(|one| one["name"].as_str()).collect();
    ensure!(["input.x", "input.kind", "prediction.0"].iter().all(|name| names.contains(name)), "{names:?}");

    // the truth: of the first request all is right, of the second nothing
    let page = captured(&admin, "limit=500").await?;
    let rows = page["rows"].as_array().context("no rows")?;
    let mut first: Vec<&Value> = rows.iter().filter(|row| row["request_id"] == ids[0].as_str()).collect();
    first.sort_by_key(|row| row["row"].as_u64());
    let truth: Vec<&Value> = first.iter().map(|row| &row["predictions"]["0"]).collect();
    let sent = json!([
        { "request_id": ids[0], "truth": truth },
        { "request_id": ids[1], "row": 0, "truth": "neither" },
        { "request_id": "unheard-of", "truth": "low" },
    ]);
    let taken = admin.post("/serve/grading/feedback", sent).await?;
    ensure!(taken["joined"] == 31 && taken["waiting"] == 1, "{taken}");
    let (status, said) = admin
        .send(Method::POST, "/serve/grading/feedback", Some(json!({ "request_id": ids[0], "truth": "low" })))
        .await?;
    ensure!(status == 400 && said["message"].as_str().unwrap_or_default().contains("30 rows"), "{status} {said}");
    let quality = admin.get(&format!("{DEPLOYMENT}/quality?hours=1")).await?;
    let accuracy = quality["all"]["accuracy"].as_f64().context("no accuracy")?;
    ensure!(quality["task"] == "classification" && (accuracy - 30.0 / 31.0).abs() < 1e-9, "{quality:#}");

    // others drift, and the pipeline starts
    for n in 0..10 {
        ask(&admin, 2_000 + n * 30, 40.0).await?;
    }
    let drifted = admin.post(&format!("{DEPLOYMENT}/drift"), json!({})).await?;
    ensure!(drifted["windows"][0]["outcome"] == "drifted", "{drifted:#}");
    ensure!(drifted["windows"][0]["pipelines"] == json!(["retrain"]), "{drifted:#}");
    let strongest = &drifted["report"]["drift"]["columns"][0];
    ensure!(strongest["drifted"] == true && strongest["reference"]["shares"].is_array(), "{strongest:#}");
    let runs = admin.list("/api/v1/pipelines/retrain/runs").await?;
    ensure!(
        runs.len() == 1 && runs[0]["cause"]["kind"] == "drift" && runs[0]["cause"]["subject"] == "grading",
        "{runs:#?}"
    );
    let metrics = admin.request(Method::GET, "/metrics").send().await?.text().await?;
    ensure!(metrics.contains("drydock_deployment_drifted{deployment=\"grading\"} 1"), "{metrics}");
    ensure!(
        metrics.contains("drydock_deployment_drift_statistic{deployment=\"grading\",column=\"input.x\""),
        "{metrics}"
    );

    // V2 and a bad request are captured as well; a graceful end writes all
    let tensor = |name: &str, datatype: &str, data: Value| json!({ "name": name, "shape": [1], "datatype": datatype, "data": data });
    let infer = json!({ "inputs": [tensor("x", "FP64", json!([77.5])), tensor("kind", "BYTES", json!(["a"])), tensor("secret", "BYTES", json!(["hidden"]))] });
    admin.post("/serve/grading/v2/models/grader/infer", infer).await?;
    ensure!(
        admin.status(Method::POST, "/serve/grading/invocations", Some(json!({ "inputs": { "y": [1] } }))).await? == 400
    );
    let newest = captured(&admin, "limit=2").await?;
    ensure!(
        newest["rows"][0]["status"] == 400 && newest["rows"][1]["inputs"] == json!({ "x": 77.5, "kind": "a" }),
        "{newest:#}"
    );
    let failed = captured(&admin, "status=error").await?;
    ensure!(failed["rows"].as_array().is_some_and(|rows| rows.len() == 1), "{failed:#}");
    server.stop().await?;
    server.launch().await?;
    let read = clients::mlflow(&admin, "captured_files.py", &["grading"]).await?;
    ensure!(read.contains("rows 602 good 601"), "{read}");

    // a kill loses what was in no file, and nothing else
    until("it answers again", PATIENCE, || async { Ok(ask(&admin, 3_000, 0.0).await.ok()) }).await?;
    server.kill9().await?;
    server.launch().await?;
    let read = clients::mlflow(&admin, "captured_files.py", &["grading"]).await?;
    ensure!(read.contains("rows 602 good 601") || read.contains("rows 632 good 631"), "{read}");
    let drift = admin.get(&format!("{DEPLOYMENT}/drift")).await?;
    ensure!(
        drift["windows"].as_array().is_some_and(|all| all.len() == 2)
            && drift["report"]["window"] == drift["windows"][0]["id"]
    );
    Ok(())
}
