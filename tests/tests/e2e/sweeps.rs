//! Sweeps in real containers: every combination runs with its values, the results are one comparison.

use std::time::Duration;

use anyhow::{Context, Result};
use drydock_tests::{Api, Server, until};
use reqwest::Method;
use serde_json::{Value, json};

use super::job_parts::{log_of, python};

const LIMIT: Duration = Duration::from_secs(180);

async fn ended(api: &Api, sweep: &str) -> Result<Value> {
    until("the sweep has ended", LIMIT, || async {
        let detail = api.get(&format!("/api/v1/sweeps/{sweep}")).await?;
        let over = |trial: &Value| {
            ["succeeded", "failed", "cancelled", "lost"].contains(&trial["state"].as_str().unwrap_or(""))
        };
        Ok(detail["trials"].as_array().unwrap().iter().all(over).then_some(detail.clone()))
    })
    .await
}

/// Posts one value to its run, without MLflow's client, which takes seconds to start.
const PROGRAM: &str = r"
import json, os, sys, urllib.request
lr, depth = float(sys.argv[1]), int(sys.argv[2])
body = {'run_id': os.environ['DRYDOCK_RUN_ID'], 'key': 'loss', 'value': abs(lr - 0.1) + depth, 'timestamp': 1, 'step': 0}
ask = urllib.request.Request(os.environ['MLFLOW_TRACKING_URI'] + '/api/2.0/mlflow/runs/log-metric', json.dumps(body).encode(),
    {'authorization': 'Bearer ' + os.environ['MLFLOW_TRACKING_TOKEN'], 'content-type': 'application/json'})
urllib.request.urlopen(ask)
print('fixed', os.environ['DRYDOCK_PARAM_FIXED'])
";

#[tokio::test]
async fn a_grid_runs_every_combination_and_names_the_best() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let sweep = admin
        .post(
            "/api/v1/sweeps",
            json!({
                "name": "grid", "metric": "loss", "goal": "minimize", "most_at_once": 2,
                "grid": { "lr": ["0.1", "0.3"], "depth": ["1", "2"] },
                "job": { "name": "", "command": ["python3", "-c", PROGRAM, "{lr}", "{depth}"], "params": { "fixed": "yes" },
                    "resources": { "cpus": 0.2, "memory_bytes": 128 << 20, "gpus": 0 } },
            }),
        )
        .await?;
    let id = sweep["summary"]["id"].as_str().context("no id")?;
    assert_eq!(sweep["trials"].as_array().unwrap().len(), 4, "{sweep}");
    let end = ended(&admin, id).await?;
    assert_eq!(end["summary"]["jobs"], json!({ "succeeded": 4 }), "{end}");
    let values: Vec<(String, f64)> = end["trials"]
        .as_array()
        .unwrap()
        .iter()
        .map(|trial| {
            (
                trial["params"]["lr"].as_str().unwrap().to_owned() + " " + trial["params"]["depth"].as_str().unwrap(),
                trial["value"].as_f64().unwrap_or(-1.0),
            )
        })
        .collect();
    let expected = [("0.1 1", 1.0), ("0.3 1", 1.2), ("0.1 2", 2.0), ("0.3 2", 2.2)];
    for ((name, value), (wanted, loss)) in values.iter().zip(expected) {
        assert!(name == wanted && (value - loss).abs() < 1e-9, "{values:?}");
    }
    let best = end["best"].as_str().context("no best")?;
    assert_eq!(best, end["trials"][0]["job_id"], "{end}");
    assert!(log_of(&admin, best).await?.contains("fixed yes"));
    let job = admin.get(&format!("/api/v1/jobs/{best}")).await?;
    assert_eq!((&job["summary"]["name"], &job["summary"]["sweep_id"]), (&json!("grid-1"), &json!(id)), "{job}");
    let run = end["trials"][0]["run_id"].as_str().context("no run")?;
    let run = admin.get(&format!("/api/2.0/mlflow/runs/get?run_id={run}")).await?;
    let params = run["run"]["data"]["params"].to_string();
    assert!(["lr", "depth", "fixed"].iter().all(|name| params.contains(name)), "{run}");
    assert_eq!(admin.list("/api/v1/sweeps").await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_search_repeats_with_its_seed_and_a_cancel_stops_the_rest() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let wish = |seed: Option<u64>| {
        json!({
            "name": "search", "most_at_once": 1,
            "random": { "count": 5, "seed": seed, "params": { "lr": { "log_uniform": [1e-5, 1e-1] }, "kind": { "choice": ["a", "b"] } } },
            "job": { "name": "", "command": python("import time; time.sleep(600)"), "resources": { "cpus": 0.2, "memory_bytes": 64 << 20, "gpus": 0 } },
        })
    };
    let params =
        |sweep: &Value| sweep["trials"].as_array().unwrap().iter().map(|it| it["params"].clone()).collect::<Vec<_>>();
    let first = admin.post("/api/v1/sweeps", wish(None)).await?;
    let seed = first["spec"]["random"]["seed"].as_u64().context("the drawn seed is kept")?;
    let id = first["summary"]["id"].as_str().unwrap();
    until("one runs", LIMIT, || async {
        Ok((admin.get(&format!("/api/v1/sweeps/{id}")).await?["summary"]["jobs"]["running"] == 1).then_some(()))
    })
    .await?;
    let second = admin.post("/api/v1/sweeps", wish(Some(seed))).await?;
    assert_eq!(params(&first), params(&second));
    for sweep in [&first, &second] {
        let id = sweep["summary"]["id"].as_str().unwrap();
        let cancelled = admin.post(&format!("/api/v1/sweeps/{id}/cancel"), Value::Null).await?;
        assert!(cancelled["summary"]["cancelled_at"].is_i64(), "{cancelled}");
        assert_eq!(ended(&admin, id).await?["summary"]["jobs"], json!({ "cancelled": 5 }));
    }
    Ok(())
}

#[tokio::test]
async fn a_sweep_is_checked_as_a_whole() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let job = json!({ "name": "", "command": ["true"] });
    for (status, wish) in [
        (400, json!({ "name": "s", "job": job })),
        (400, json!({ "name": "s", "job": job, "grid": { "a": [] } })),
        (
            422,
            json!({ "name": "s", "job": { "name": "", "command": ["true"], "privileged": true }, "grid": { "a": ["1"] } }),
        ),
        (
            422,
            json!({ "name": "s", "job": { "name": "", "command": ["true"], "resources": { "gpus": 64 } }, "grid": { "a": ["1"] } }),
        ),
    ] {
        assert_eq!(admin.status(Method::POST, "/api/v1/sweeps", Some(wish.clone())).await?, status, "{wish}");
    }
    assert!(admin.list("/api/v1/jobs").await?.is_empty());
    Ok(())
}
