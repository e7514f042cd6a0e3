//! Pipelines for tests: apply, start, wait, and look at a task.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::{Api, until};

/// Applies the YAML and answers what it became.
pub async fn apply(api: &Api, yaml: &str) -> Result<Value> {
    api.post("/api/v1/pipelines", json!({ "yaml": yaml })).await
}

/// Starts a run and answers its id.
pub async fn start(api: &Api, name: &str, parameters: Value) -> Result<String> {
    let run = api.post(&format!("/api/v1/pipelines/{name}/runs"), json!({ "parameters": parameters })).await?;
    Ok(run["run"]["id"].as_str().with_context(|| format!("a run without an id: {run}"))?.to_owned())
}

/// The run as it is now.
pub async fn run(api: &Api, id: &str) -> Result<Value> {
    api.get(&format!("/api/v1/pipeline-runs/{id}")).await
}

/// The run, once it ended.
pub async fn ended(api: &Api, id: &str, limit: Duration) -> Result<Value> {
    let found = until(&format!("run {id} did not end"), limit, || async {
        let run = run(api, id).await?;
        let state = run["run"]["state"].as_str().unwrap_or_default();
        Ok(["succeeded", "failed", "cancelled", "skipped"].contains(&state).then_some(run))
    })
    .await;
    match found {
        Ok(run) => Ok(run),
        Err(error) => Err(error.context(format!("{:#}", run(api, id).await.unwrap_or_default()))),
    }
}

/// The run, once it succeeded.
///
/// # Errors
/// When it ends otherwise: the run.
pub async fn succeeded(api: &Api, id: &str, limit: Duration) -> Result<Value> {
    let run = ended(api, id, limit).await?;
    ensure!(run["run"]["state"] == "succeeded", "{run:#}");
    Ok(run)
}

/// The run, once one of its tasks is in that state.
pub async fn reaches(api: &Api, id: &str, name: &str, state: &str, limit: Duration) -> Result<Value> {
    let found = until(&format!("{name} is not {state}"), limit, || async {
        let run = run(api, id).await?;
        Ok((task(&run, name)["state"] == state).then_some(run))
    })
    .await;
    match found {
        Ok(run) => Ok(run),
        Err(error) => Err(error.context(format!("{:#}", run(api, id).await.unwrap_or_default()))),
    }
}

/// The latest try of a task as a whole.
pub fn task<'a>(run: &'a Value, name: &str) -> &'a Value {
    let all = run["tasks"].as_array().map(Vec::as_slice).unwrap_or_default();
    let latest = |one: &&Value| one["task"] == name && one["item"].is_null() && one["is_past"] == false;
    all.iter().find(latest).unwrap_or(&Value::Null)
}

/// Every try of a task and its items, as the run has them.
pub fn tries<'a>(run: &'a Value, name: &str) -> Vec<&'a Value> {
    run["tasks"].as_array().into_iter().flatten().filter(|one| one["task"] == name).collect()
}

/// The task's state, for an assertion over several.
pub fn states(run: &Value, names: &[&str]) -> Vec<String> {
    names.iter().map(|name| task(run, name)["state"].as_str().unwrap_or("none").to_owned()).collect()
}
