//! A history of the real mlflow, moved to the box: folder, SQLite file, running server; damaged, twice.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, Result};
use drydock_tests::{
    Api, Server,
    clients::{self, MlflowServer, Version},
    server,
};
use serde_json::{Value, json};
use tokio::process::Command;

const HISTORY: &str = "make_mlflow_history.py";

/// What a store has, as the real client reads it.
pub async fn describe(api: &Api, uri: &str) -> Result<Value> {
    script(api, &[uri, "--only-describe"]).await
}

/// Makes a history, or describes one.
pub async fn script(api: &Api, args: &[&str]) -> Result<Value> {
    script_of(Version::Newest, api, args).await
}

/// The same with that version's client.
pub async fn script_of(version: Version, api: &Api, args: &[&str]) -> Result<Value> {
    let dir = tempfile::tempdir()?;
    let out = dir.path().join("told.json");
    let mut args = args.to_vec();
    args.extend(["--out", out.to_str().context("a path")?]);
    clients::mlflow_of(version, api, HISTORY, &args, &[]).await?;
    Ok(serde_json::from_str(&std::fs::read_to_string(out)?)?)
}

pub fn command(api: &Api, args: &[&str]) -> Command {
    let mut command = Command::new(server::binary());
    command.args(args).env("DRYDOCK_URL", api.url()).env("DRYDOCK_TOKEN", api.token()).kill_on_drop(true);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Exit code and what it printed.
pub async fn drydock(api: &Api, args: &[&str]) -> Result<(i32, String)> {
    let output = command(api, args).output().await?;
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Ok((output.status.code().unwrap_or(-1), text))
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Every difference between two descriptions, by the path to it.
fn differences(at: &str, a: &Value, b: &Value, found: &mut Vec<String>) {
    match (a, b) {
        (Value::Object(x), Value::Object(y)) => {
            let keys: std::collections::BTreeSet<&String> = x.keys().chain(y.keys()).collect();
            for key in keys {
                let none = Value::Null;
                differences(&format!("{at}/{key}"), x.get(key).unwrap_or(&none), y.get(key).unwrap_or(&none), found);
            }
        }
        _ if a == b => {}
        _ => found.push(format!("{at}: {a} became {b}")),
    }
}

/// The unused "Default" that each MLflow has does not come over; all else has to be equal.
pub fn assert_same(mut a: Value, mut b: Value) {
    for told in [&mut a, &mut b] {
        told["experiments"].as_object_mut().unwrap().remove("Default");
    }
    let mut found = vec![];
    differences("", &a, &b, &mut found);
    assert!(found.is_empty(), "{} differences:\n{}", found.len(), found.join("\n"));
}

#[tokio::test]
async fn a_folder_comes_over_whole_and_a_second_import_changes_nothing() -> Result<()> {
    let (server, dir) = (Server::start().await?, tempfile::tempdir()?);
    let admin = server.admin().await?;
    let folder = dir.path().join("mlruns");
    let made = script(&admin, &[text(&folder)]).await?;
    let (code, said) = drydock(&admin, &["import", "mlflow", text(&folder)]).await?;
    assert_eq!(code, 0, "{said}");
    // Two traces, three spans, five judgements, as the script made them.
    for (kind, count) in [("traces", 2), ("spans", 3), ("assessments", 5)] {
        assert!(said.contains(&format!("{kind:<18}{count:>10}{count:>12}")), "{kind}: {said}");
    }
    let here = describe(&admin, admin.url()).await?;
    assert_eq!(here["traces"].as_object().map(serde_json::Map::len), Some(2));
    assert_same(made, here.clone());
    let (code, said) = drydock(&admin, &["import", "mlflow", text(&folder)]).await?;
    assert!(code == 0 && said.contains("Nothing was left to do"), "{said}");
    assert_same(here, describe(&admin, admin.url()).await?);
    let listed = admin.get("/api/v1/experiments").await?;
    let wine = listed["items"].as_array().unwrap().iter().find(|it| it["name"] == "wine").unwrap();
    assert_eq!(wine["imported_from"], text(&folder.canonicalize()?));
    Ok(())
}

#[tokio::test]
async fn a_database_comes_over_from_where_its_artifacts_moved_to() -> Result<()> {
    let (server, dir) = (Server::start().await?, tempfile::tempdir()?);
    let admin = server.admin().await?;
    let (file, artifacts) = (dir.path().join("a/mlflow.db"), dir.path().join("b/artifacts"));
    std::fs::create_dir_all(dir.path().join("a"))?;
    let uri = format!("sqlite:///{}", text(&file));
    let made = script(&admin, &[&uri, "--artifacts", text(&artifacts)]).await?;
    // Outside the database's own folder nothing is read that was not named.
    let (code, said) = drydock(&admin, &["import", "mlflow", &uri]).await?;
    assert!(code == 3 && said.contains("--artifacts"), "{said}");
    let moved = dir.path().join("elsewhere");
    std::fs::rename(dir.path().join("b"), &moved)?;
    let (code, said) = drydock(&admin, &["import", "mlflow", text(&file), "--artifacts", text(&moved)]).await?;
    assert_eq!(code, 0, "{said}");
    assert_same(made, describe(&admin, admin.url()).await?);
    Ok(())
}

#[tokio::test]
async fn a_running_server_comes_over() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let mlflow = MlflowServer::start().await?;
    let made = script(&admin, &[&mlflow.url]).await?;
    let (code, said) = drydock(&admin, &["import", "mlflow", &mlflow.url]).await?;
    assert_eq!(code, 0, "{said}");
    assert_same(made, describe(&admin, admin.url()).await?);
    let (code, said) = drydock(&admin, &["import", "mlflow", &mlflow.url]).await?;
    assert!(code == 0 && said.contains("Nothing was left to do"), "{said}");
    Ok(())
}

/// The folder of the run that has artifacts.
fn rich_run(folder: &Path) -> Result<PathBuf> {
    for experiment in std::fs::read_dir(folder)?.flatten().filter(|entry| entry.path().is_dir()) {
        for run in std::fs::read_dir(experiment.path())?.flatten() {
            if run.path().join("artifacts/config.json").is_file() {
                return Ok(run.path());
            }
        }
    }
    anyhow::bail!("no run has artifacts")
}

#[tokio::test]
async fn damaged_parts_are_named_and_nothing_outside_the_folder_is_read() -> Result<()> {
    let (server, dir) = (Server::start().await?, tempfile::tempdir()?);
    let admin = server.admin().await?;
    let folder = dir.path().join("mlruns");
    script(&admin, &[text(&folder)]).await?;
    let secret = dir.path().join("secret.txt");
    std::fs::write(&secret, "not for the box")?;
    let rich = rich_run(&folder)?;
    std::os::unix::fs::symlink(&secret, rich.join("artifacts/link.txt"))?;
    std::fs::write(rich.join("metrics/loss"), "1700000000000 1.0 0\nno point at all\n")?;
    let broken = rich.parent().unwrap().join("0123456789abcdef0123456789abcdef");
    std::fs::create_dir_all(&broken)?;
    std::fs::write(broken.join("meta.yaml"), "run_id: [")?;
    let (code, said) = drydock(&admin, &["import", "mlflow", text(&folder)]).await?;
    assert_eq!(code, 3, "{said}");
    for named in ["link.txt", "metric loss, line 2", "run 0123456789abcdef0123456789abcdef", "Partial: 3 left out"] {
        assert!(said.contains(named), "{named}: {said}");
    }
    let run = rich.file_name().unwrap().to_str().unwrap();
    let files = admin.get(&format!("/api/v1/runs/{run}/artifacts")).await?;
    assert!(!files.to_string().contains("link.txt") && files.to_string().contains("config.json"), "{files}");
    Ok(())
}

#[tokio::test]
async fn names_that_are_taken_are_changed_and_never_merged() -> Result<()> {
    let (server, dir) = (Server::start().await?, tempfile::tempdir()?);
    let admin = server.admin().await?;
    admin.post("/api/2.0/mlflow/experiments/create", json!({"name": "wine"})).await?;
    admin.post("/api/2.0/mlflow/registered-models/create", json!({"name": "grapes"})).await?;
    let folder = dir.path().join("mlruns");
    script(&admin, &[text(&folder)]).await?;
    let (code, said) = drydock(&admin, &["import", "mlflow", text(&folder), "--suffix", " (old)"]).await?;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("the experiment wine is wine (old) here"), "{said}");
    assert!(said.contains("the model grapes is grapes (old) here"), "{said}");
    let listed = admin.get("/api/v1/experiments").await?;
    let count = |name: &str| {
        listed["items"].as_array().unwrap().iter().find(|it| it["name"] == name).unwrap()["run_count"].clone()
    };
    assert_eq!(
        (count("wine"), count("wine (old)")),
        (json!(0), json!(if said.contains("logged models") { 9 } else { 7 }))
    );
    Ok(())
}

#[tokio::test]
async fn what_was_edited_here_stays_when_its_source_comes_again() -> Result<()> {
    let (server, dir) = (Server::start().await?, tempfile::tempdir()?);
    let admin = server.admin().await?;
    let folder = dir.path().join("mlruns");
    script(&admin, &[text(&folder)]).await?;
    let import = ["import", "mlflow", text(&folder)];
    let (code, said) = drydock(&admin, &import).await?;
    assert!(code == 0 && !said.contains("left alone"), "{said}");
    let run = rich_run(&folder)?;
    let id = run.file_name().unwrap().to_str().unwrap();
    admin.post("/api/2.0/mlflow/runs/set-tag", json!({"run_id": id, "key": "n", "value": "mine"})).await?;
    for key in ["n", "late"] {
        std::fs::write(run.join("tags").join(key), "theirs")?;
    }
    let (code, said) = drydock(&admin, &import).await?;
    assert!(code == 0 && said.contains("tags left alone, since they were edited here: 1"), "{said}");
    let there = admin.get(&format!("/api/2.0/mlflow/runs/get?run_id={id}")).await?;
    let tags = there["run"]["data"]["tags"].as_array().context("tags")?;
    let value = |key: &str| tags.iter().find(|tag| tag["key"] == key).map(|tag| tag["value"].clone());
    assert_eq!((value("n"), value("late")), (Some(json!("mine")), Some(json!("theirs"))));
    // Where nobody edited, what changes there comes over.
    std::fs::write(run.join("tags/late"), "theirs again")?;
    let (_, said) = drydock(&admin, &import).await?;
    let there = admin.get(&format!("/api/2.0/mlflow/runs/get?run_id={id}")).await?;
    assert!(there.to_string().contains("theirs again"), "{said}");
    Ok(())
}

#[tokio::test]
async fn a_run_of_which_a_part_is_refused_is_never_called_whole() -> Result<()> {
    let (server, dir) = (Server::start().await?, tempfile::tempdir()?);
    let admin = server.admin().await?;
    let folder = dir.path().join("mlruns");
    script(&admin, &[text(&folder)]).await?;
    let run = rich_run(&folder)?;
    let (id, long) = (run.file_name().unwrap().to_str().unwrap(), run.join("metrics/long"));
    // More than one request has room for; the box refuses the last point, which no client could have logged.
    let points: String = (0..60_000).map(|step| format!("{} 0.5 {step}\n", 1_700_000_000_000_i64 + step)).collect();
    std::fs::write(&long, format!("{points}-5 0.5 60000\n"))?;
    for _ in 0..2 {
        let (code, said) = drydock(&admin, &["import", "mlflow", text(&folder)]).await?;
        assert_eq!(code, 3, "{said}");
        assert!(said.contains(&format!("refused: run {id}: ")) && !said.contains("Nothing was left to do"), "{said}");
    }
    std::fs::write(&long, &points)?;
    let (code, said) = drydock(&admin, &["import", "mlflow", text(&folder)]).await?;
    assert_eq!(code, 0, "{said}");
    let history = format!("/api/2.0/mlflow/metrics/get-history?run_id={id}&metric_key=long&max_results=70000");
    let (mut seen, mut page) = (0, String::new());
    loop {
        let answer = admin.get(&format!("{history}&page_token={page}")).await?;
        seen += answer["metrics"].as_array().map_or(0, Vec::len);
        page = answer["next_page_token"].as_str().unwrap_or_default().to_owned();
        if page.is_empty() {
            break;
        }
    }
    assert_eq!(seen, 60_000);
    let (code, said) = drydock(&admin, &["import", "mlflow", text(&folder)]).await?;
    assert!(code == 0 && said.contains("Nothing was left to do"), "{said}");
    Ok(())
}
