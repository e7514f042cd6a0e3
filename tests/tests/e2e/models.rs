//! The registry beyond MLflow's: what an alias pointed at, model cards, lineage.

use anyhow::{Context, Result};
use drydock_tests::{Api, Server};
use reqwest::Method;
use serde_json::{Value, json};

async fn wine(api: &Api, versions: u32) -> Result<()> {
    api.post("/api/2.0/mlflow/registered-models/create", json!({ "name": "wine" })).await?;
    for _ in 0..versions {
        let wish = json!({ "name": "wine", "source": "s3://elsewhere/model" });
        api.post("/api/2.0/mlflow/model-versions/create", wish).await?;
    }
    Ok(())
}

async fn point(api: &Api, model: &str, version: u32) -> Result<i64> {
    api.put(&format!("/api/v1/models/{model}/aliases/champion"), json!({ "version": version })).await?;
    let moves = api.list(&format!("/api/v1/models/{model}/aliases/champion/history")).await?;
    // The next move is to have another instant.
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    moves[0]["at"].as_i64().context("no instant")
}

async fn at(api: &Api, model: &str, time: i64) -> Result<Value> {
    Ok(api.get(&format!("/api/v1/models/{model}/aliases/champion/at?time={time}")).await?["version"].clone())
}

#[tokio::test]
async fn the_champion_of_every_day_is_known_through_deletion_and_renaming() -> Result<()> {
    let mut server = Server::start().await?;
    let admin = server.admin().await?;
    let engineer = server.person(&admin, "erin", "engineer").await?;
    wine(&admin, 3).await?;
    let first = point(&admin, "wine", 1).await?;
    let second = point(&engineer, "wine", 2).await?;
    let rename = json!({ "name": "wine", "new_name": "red" });
    admin.post("/api/2.0/mlflow/registered-models/rename", rename).await?;
    let third = point(&admin, "red", 3).await?;
    admin.delete("/api/v1/models/red/versions/3").await?;
    server.restart().await?;
    for name in ["red", "wine"] {
        assert_eq!(at(&admin, name, first - 1).await?, Value::Null, "{name}");
        assert_eq!((at(&admin, name, first).await?, at(&admin, name, second).await?), (json!(1), json!(2)), "{name}");
        assert_eq!((at(&admin, name, third).await?, at(&admin, name, i64::MAX).await?), (json!(3), Value::Null));
    }
    let moves = admin.list("/api/v1/models/red/history").await?;
    let causes: Vec<&str> = moves.iter().filter_map(|one| one["cause"].as_str()).collect();
    assert_eq!(causes, ["version_deleted", "set", "renamed", "set", "set"]);
    assert_eq!(
        (&moves[3]["by"], &moves[3]["from_version"], &moves[3]["to_version"]),
        (&json!("erin"), &json!(1), &json!(2))
    );
    // The model goes, its history stays, and a new model of that name starts with none.
    admin.delete("/api/v1/models/red").await?;
    assert_eq!(at(&admin, "red", second).await?, json!(2));
    wine(&admin, 1).await?;
    assert!(admin.list("/api/v1/models/wine/history").await?.is_empty());
    let day = admin.status(Method::GET, "/api/v1/models/wine/aliases/champion/at?time=2026-01-01", None).await?;
    let bad = admin.status(Method::GET, "/api/v1/models/wine/aliases/champion/at?time=yesterday", None).await?;
    assert_eq!((day, bad), (200, 400));
    Ok(())
}

#[tokio::test]
async fn a_card_is_kept_in_revisions_with_its_version() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let viewer = server.person(&admin, "vera", "viewer").await?;
    wine(&admin, 2).await?;
    let path = "/api/v1/models/wine/versions/1/card";
    let card =
        |base: i64, purpose: &str, bias: &str| json!({ "base": base, "content": { "purpose": purpose, "bias": bias } });
    assert_eq!(admin.get(path).await?["revision"], 0);
    admin.put(path, card(0, "to taste", "")).await?;
    let saved = admin.put(path, card(1, "to price", "none known")).await?;
    assert_eq!((&saved["state"]["filled"], &saved["state"]["sections"]), (&json!(2), &json!(5)));
    let old = viewer.get(&format!("{path}?revision=1")).await?;
    assert_eq!((&old["content"]["purpose"], &old["author"]), (&json!("to taste"), &json!("admin")));
    // Somebody else's text is never overwritten unseen, and a viewer writes nothing.
    assert_eq!(admin.status(Method::PUT, path, Some(card(1, "mine", ""))).await?, 409);
    assert_eq!(viewer.status(Method::PUT, path, Some(card(2, "mine", ""))).await?, 403);
    let second = admin.get("/api/v1/models/wine/versions/2/card").await?;
    assert_eq!((&second["revision"], &second["earlier"]), (&json!(0), &json!(1)));
    let listed = admin.get("/api/v1/models/wine").await?;
    assert_eq!(listed["versions"][1]["card"], json!({ "revision": 2, "filled": 2, "sections": 5 }));
    assert!(admin.get("/api/v1/audit").await?.to_string().contains("model_card.save"));
    Ok(())
}

/// Kinds of the nodes, in the graph's order, each once.
fn kinds(lineage: &Value) -> Vec<&str> {
    let mut kinds: Vec<&str> = lineage["nodes"].as_array().unwrap().iter().filter_map(|n| n["kind"].as_str()).collect();
    kinds.dedup();
    kinds
}

#[tokio::test]
async fn a_version_leads_back_to_commit_and_data_and_forward_to_its_deployment() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let tags = json!([{ "key": "mlflow.source.git.commit", "value": "3f2b91c7d0aa" }]);
    let made = admin.post("/api/2.0/mlflow/runs/create", json!({ "experiment_id": "0", "tags": tags })).await?;
    let run = made["run"]["info"]["run_id"].as_str().context("no run")?.to_owned();
    let dataset = json!({ "name": "train", "digest": "abc", "source_type": "local", "source": "{}" });
    let inputs = json!({ "run_id": run, "datasets": [{ "dataset": dataset, "tags": [] }] });
    admin.post("/api/2.0/mlflow/runs/log-inputs", inputs).await?;
    admin.post("/api/2.0/mlflow/registered-models/create", json!({ "name": "wine" })).await?;
    let source = format!("{}/model", made["run"]["info"]["artifact_uri"].as_str().context("no place")?);
    let wish = json!({ "name": "wine", "source": source, "run_id": run });
    admin.post("/api/2.0/mlflow/model-versions/create", wish).await?;
    let copy = json!({ "name": "wine", "source": "models:/wine/1" });
    admin.post("/api/2.0/mlflow/model-versions/create", copy).await?;
    admin.put("/api/v1/deployments/cellar", json!({ "model": "wine", "version": "2" })).await?;
    let back = admin.get("/api/v1/lineage/deployment/cellar").await?;
    assert_eq!(kinds(&back), ["input", "commit", "run", "version", "deployment"], "{back}");
    let versions = back["nodes"].as_array().unwrap().iter().filter(|n| n["kind"] == "version").count();
    assert_eq!(versions, 2, "the copy leads to what it was copied from");
    let served =
        back["edges"].as_array().unwrap().iter().find(|e| e["to"] == "deployment/cellar").context("no edge")?;
    assert_eq!((&served["from"], &served["past"]), (&json!("version/wine:2"), &json!(false)));
    for start in ["commit/3f2b91c7d0aa".to_owned(), "input/train@abc".into(), format!("run/{run}")] {
        let forward = admin.get(&format!("/api/v1/lineage/{start}")).await?;
        assert!(kinds(&forward).contains(&"deployment"), "{start}: {forward}");
    }
    for (path, status) in [("run/none", 404), ("planet/mars", 400), ("version/none:1", 404), ("version/none", 404)] {
        assert_eq!(admin.status(Method::GET, &format!("/api/v1/lineage/{path}"), None).await?, status, "{path}");
    }
    Ok(())
}

#[tokio::test]
async fn a_deployment_leads_back_to_its_data_and_the_data_forward_to_it() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    server.demo(&admin).await?;
    let back = admin.get("/api/v1/lineage/deployment/breast-cancer").await?;
    let found = kinds(&back);
    for kind in ["dataset", "job", "run", "version", "deployment"] {
        assert!(found.contains(&kind), "{kind} is missing in {found:?}");
    }
    let forward = admin.get("/api/v1/lineage/dataset/breast-cancer:1").await?;
    assert!(kinds(&forward).contains(&"deployment"), "{forward}");
    let run = back["nodes"].as_array().unwrap().iter().find(|n| n["kind"] == "run").context("no run")?;
    let middle = admin.get(&format!("/api/v1/lineage/run/{}", run["id"].as_str().unwrap())).await?;
    assert!(kinds(&middle).contains(&"dataset") && kinds(&middle).contains(&"deployment"));
    // What is served is not deleted under the deployment, by either face.
    let model = "breast-cancer-classifier";
    let native = admin.status(Method::DELETE, &format!("/api/v1/models/{model}/versions/1"), None).await?;
    let whole = json!({ "name": model });
    let foreign = admin.status(Method::DELETE, "/api/2.0/mlflow/registered-models/delete", Some(whole)).await?;
    assert_eq!((native, foreign), (409, 400));
    Ok(())
}

#[tokio::test]
async fn the_files_of_a_version_are_not_deleted_by_their_path() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let engineer = server.person(&admin, "erin", "engineer").await?;
    let made = engineer.post("/api/2.0/mlflow/runs/create", json!({ "experiment_id": "0" })).await?;
    let id = made["run"]["info"]["run_id"].as_str().context("an id")?;
    let proxy = "/api/2.0/mlflow-artifacts/artifacts";
    for file in ["model/MLmodel", "model/model.pkl", "plots/loss.png"] {
        let path = format!("{proxy}/0/{id}/artifacts/{file}");
        engineer.request(Method::PUT, &path).body(file).send().await?.error_for_status()?;
    }
    engineer.post("/api/2.0/mlflow/registered-models/create", json!({ "name": "wine" })).await?;
    let source = format!("mlflow-artifacts:/0/{id}/artifacts/model");
    let wish = json!({ "name": "wine", "source": source, "run_id": id });
    engineer.post("/api/2.0/mlflow/model-versions/create", wish).await?;
    for held in ["artifacts/model", "artifacts/model/model.pkl", "artifacts", ""] {
        let path = format!("{proxy}/0/{id}/{held}");
        let (status, said) = engineer.send(Method::DELETE, &path, None).await?;
        assert!(
            status == 409 && said["message"].as_str().unwrap().contains("wine version 1"),
            "{held}: {status} {said}"
        );
    }
    // A run's own files go when its person says so, the version's once it is deleted.
    engineer.delete(&format!("{proxy}/0/{id}/artifacts/plots")).await?;
    let files = engineer.get(&format!("{proxy}?path=0/{id}/artifacts")).await?;
    assert_eq!(files["files"].as_array().unwrap().len(), 1, "{files}");
    engineer.delete("/api/v1/models/wine/versions/1").await?;
    engineer.delete(&format!("{proxy}/0/{id}/artifacts")).await?;
    Ok(())
}
