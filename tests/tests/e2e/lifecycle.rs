//! The sample lifecycle, twice: what `make up` runs and what the dashboard's button starts.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Result;
use drydock_tests::{Api, Server};
use reqwest::Method;
use serde_json::{Value, json};

const DATASET: &str = "/api/v1/datasets/breast-cancer";
const MODEL: &str = "/api/v1/models/breast-cancer-classifier";
const DEPLOYMENT: &str = "/api/v1/deployments/breast-cancer";
const INVOCATIONS: &str = "/serve/breast-cancer/invocations";

/// A body with the first row of the dataset's file, as a client would make one.
async fn first_row(api: &Api) -> Result<Value> {
    let path = format!("{DATASET}/versions/1/file?path=breast_cancer.csv");
    let (_, file) = api.send(Method::GET, &path, None).await?;
    let mut lines = file.as_str().unwrap().lines();
    let columns: Vec<&str> = lines.next().unwrap().split(',').filter(|name| *name != "diagnosis").collect();
    let row: Vec<f64> = lines.next().unwrap().split(',').filter_map(|cell| cell.parse().ok()).collect();
    assert_eq!(columns.len(), row.len());
    Ok(json!({ "dataframe_split": { "columns": columns, "data": [row] } }))
}

/// Asks for predictions all the time; answers how many were asked for and which failed.
async fn ask_until(api: Api, body: Value, stop: Arc<AtomicBool>, asked: Arc<AtomicU64>) -> Vec<String> {
    let mut failed = vec![];
    while !stop.load(Ordering::Relaxed) {
        match api.send(Method::POST, INVOCATIONS, Some(body.clone())).await {
            Ok((status, _)) if status.is_success() => {}
            Ok((status, text)) => failed.push(format!("{status}: {text}")),
            Err(error) => failed.push(format!("{error:#}")),
        }
        asked.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    failed
}

#[tokio::test]
async fn the_sample_runs_twice_and_the_second_rolls_without_a_failed_request() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let table = server.demo(&admin).await?;
    eprintln!("{table}");
    assert_eq!(admin.get(DATASET).await?["versions"].as_array().unwrap().len(), 1);
    assert_eq!(admin.get(MODEL).await?["versions"].as_array().unwrap().len(), 1);

    let body = first_row(&admin).await?;
    let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let asking = tokio::spawn(ask_until(admin.clone(), body.clone(), stop.clone(), asked.clone()));
    let table = server.demo(&admin).await?;
    eprintln!("{table}");
    stop.store(true, Ordering::Relaxed);
    let failed = asking.await?;
    assert!(
        failed.is_empty(),
        "{} of {} requests failed, the first: {:?}",
        failed.len(),
        asked.load(Ordering::Relaxed),
        failed.first()
    );
    assert!(asked.load(Ordering::Relaxed) > 100);

    assert_eq!(admin.get(DATASET).await?["versions"].as_array().unwrap().len(), 1, "the data did not change");
    let model = admin.get(MODEL).await?;
    assert_eq!(model["versions"].as_array().unwrap().len(), 2);
    assert_eq!(model["summary"]["aliases"], json!([{ "alias": "champion", "version": 2 }]));
    let deployment = admin.get(DEPLOYMENT).await?;
    assert_eq!(
        (&deployment["summary"]["state"], &deployment["summary"]["version"]),
        (&json!("ready"), &json!(2)),
        "{deployment}"
    );
    assert_eq!(deployment["total_errors"], 0, "{deployment}");
    assert!(deployment["total_requests"].as_u64().unwrap() >= asked.load(Ordering::Relaxed), "{deployment}");

    // What it left running is the one live revision, and it answers after a restart of the server as before.
    a_restart_changes_nothing(server, admin, body).await
}

async fn a_restart_changes_nothing(mut server: Server, admin: Api, body: Value) -> Result<()> {
    let alive = || -> Result<Vec<String>> {
        Ok(server.containers()?.into_iter().filter(|one| one.state == "running").map(|one| one.id).collect())
    };
    let waited = drydock_tests::until("one container is left", Duration::from_secs(60), || async {
        Ok((server.containers()?.len() == 1).then_some(()))
    });
    waited.await?;
    let before = alive()?;
    let expected = admin.post(INVOCATIONS, body.clone()).await?;
    server.restart().await?;
    let answered = drydock_tests::until("the deployment answers again", Duration::from_secs(60), || async {
        let (status, value) = admin.send(Method::POST, INVOCATIONS, Some(body.clone())).await?;
        Ok(status.is_success().then_some(value))
    });
    assert_eq!(answered.await?, expected);
    let after: Vec<String> = server.containers()?.into_iter().map(|one| one.id).collect();
    assert_eq!(before, after, "the container was adopted, not replaced");
    Ok(())
}

#[tokio::test]
async fn the_button_runs_the_same_sample() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let engineer = server.person(&admin, "erin", "engineer").await?;
    engineer.post("/api/v1/demo", Value::Null).await?;
    assert_eq!(engineer.status(Method::POST, "/api/v1/demo", None).await?, 409, "one at a time");
    let end = drydock_tests::until("the sample ends", Duration::from_secs(240), || async {
        let state = engineer.get("/api/v1/demo").await?;
        Ok((state["running"] == false).then_some(state))
    })
    .await?;
    let states: Vec<&str> = end["steps"].as_array().unwrap().iter().filter_map(|step| step["state"].as_str()).collect();
    assert_eq!(states, ["done"; 8], "{end:#}");
    Ok(())
}
