//! Where a history may come from and go to: what the client of 2.22 made, servers with passwords, tokens and certificates of their
//! own, another box; parts of a history alone; and the real MLflow on what was exported.

use std::{collections::BTreeSet, path::Path, process::Stdio};

use anyhow::{Context, Result};
use drydock_tests::{
    Api, Server,
    clients::{self, How, MlflowServer, Version},
};
use serde_json::Value;
use tokio::{io::AsyncWriteExt, process::Command};

use crate::moving::{assert_same, command, describe, drydock, script, script_of, text};

/// Imported whole, and the older client reads the same from the box; a second import has nothing to do.
async fn comes_over(made: Value, args: &[&str], server: &Server, admin: &Api) -> Result<()> {
    let (code, said) = drydock(admin, args).await?;
    assert_eq!(code, 0, "{said}");
    for (kind, count) in [("traces", 2), ("spans", 3)] {
        assert!(said.contains(&format!("{kind:<18}{count:>10}{count:>12}")), "{kind}: {said}");
    }
    assert_same(made, script_of(Version::Older, admin, &[&server.url(), "--only-describe"]).await?);
    let (code, said) = drydock(admin, args).await?;
    assert!(code == 0 && said.contains("Nothing was left to do"), "{said}");
    Ok(())
}

#[tokio::test]
async fn a_folder_of_the_older_client_comes_over() -> Result<()> {
    let (server, dir) = (Server::start().await?, tempfile::tempdir()?);
    let admin = server.admin().await?;
    let folder = dir.path().join("mlruns");
    let made = script_of(Version::Older, &admin, &[text(&folder)]).await?;
    comes_over(made, &["import", "mlflow", text(&folder)], &server, &admin).await
}

#[tokio::test]
async fn a_database_of_the_older_client_comes_over() -> Result<()> {
    let (server, dir) = (Server::start().await?, tempfile::tempdir()?);
    let admin = server.admin().await?;
    let (uri, artifacts) = (format!("sqlite:///{}/mlflow.db", text(dir.path())), dir.path().join("artifacts"));
    let made = script_of(Version::Older, &admin, &[&uri, "--artifacts", text(&artifacts)]).await?;
    comes_over(made, &["import", "mlflow", &uri], &server, &admin).await
}

#[tokio::test]
async fn a_running_server_of_the_older_version_comes_over() -> Result<()> {
    let (server, dir) = (Server::start().await?, tempfile::tempdir()?);
    let admin = server.admin().await?;
    let mlflow = MlflowServer::start_at(dir.path(), How { version: Version::Older, ..How::default() }).await?;
    let made = script_of(Version::Older, &admin, &[&mlflow.url]).await?;
    comes_over(made, &["import", "mlflow", &mlflow.url], &server, &admin).await
}

/// As `drydock`, with a line on standard input.
async fn with_line(mut command: Command, line: &str) -> Result<(i32, String)> {
    let mut child = command.stdin(Stdio::piped()).spawn()?;
    child.stdin.take().context("no input")?.write_all(format!("{line}\n").as_bytes()).await?;
    let output = child.wait_with_output().await?;
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Ok((output.status.code().unwrap_or(-1), text))
}

#[tokio::test]
async fn a_server_with_passwords_and_a_certificate_of_its_own_comes_over() -> Result<()> {
    let (server, dir) = (Server::start().await?, tempfile::tempdir()?);
    let admin = server.admin().await?;
    let open = MlflowServer::start_at(dir.path(), How::default()).await?;
    let made = script(&admin, &[&open.url, "--runs", "2"]).await?;
    drop(open);
    // The same store again, behind TLS and a password.
    let tls = dir.path().join("tls");
    drydock::boot::tls::server_config(&tls, &BTreeSet::from(["127.0.0.1".to_owned()]))?;
    let password = "correct horse battery 1";
    let how = How { password: Some(password), tls: Some(&tls), ..How::default() };
    let mlflow = MlflowServer::start_at(dir.path(), how).await?;
    let ca = tls.join("ca.pem");
    let known = ["import", "mlflow", &mlflow.url, "--source-ca", text(&ca), "--source-user", "admin"];
    let (code, said) = drydock(&admin, &["import", "mlflow", &mlflow.url]).await?;
    assert!(code == 1 && said.contains("certificate"), "{said}");
    let (code, said) = with_line(command(&admin, &known), "wrong").await?;
    assert!(code == 1 && said.contains("401") && !said.contains("Nothing"), "{said}");
    let (code, said) = with_line(command(&admin, &known), password).await?;
    assert_eq!(code, 0, "{said}");
    assert_same(made, describe(&admin, admin.url()).await?);
    let mut by_variable = command(&admin, &known);
    by_variable.env("DRYDOCK_SOURCE_PASSWORD", password);
    let output = by_variable.output().await?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.contains("Nothing was left to do"), "{said}");
    // The password is not kept with where it came from.
    let listed = admin.get("/api/v1/experiments").await?.to_string();
    assert!(listed.contains(&mlflow.url) && !listed.contains(password), "{listed}");
    Ok(())
}

#[tokio::test]
async fn another_box_comes_over_by_its_token() -> Result<()> {
    let (from, to, dir) = (Server::start().await?, Server::start().await?, tempfile::tempdir()?);
    let (there, admin) = (from.admin().await?, to.admin().await?);
    let folder = dir.path().join("mlruns");
    let made = script(&there, &[text(&folder)]).await?;
    let (code, said) = drydock(&there, &["import", "mlflow", text(&folder)]).await?;
    assert_eq!(code, 0, "{said}");
    let url = from.url();
    let (code, said) = drydock(&admin, &["import", "mlflow", &url]).await?;
    assert!(code == 1 && said.contains("401"), "{said}");
    let (code, said) =
        with_line(command(&admin, &["import", "mlflow", &url, "--source-token-stdin"]), there.token()).await?;
    assert_eq!(code, 0, "{said}");
    assert_same(made, describe(&admin, admin.url()).await?);
    Ok(())
}

/// Names of experiments with how many runs each has.
async fn experiments(api: &Api) -> Result<Vec<(String, u64)>> {
    let listed = api.get("/api/v1/experiments").await?;
    let of = |it: &Value| Some((it["name"].as_str()?.to_owned(), it["run_count"].as_u64()?));
    Ok(listed["items"].as_array().context("no list")?.iter().filter_map(of).collect())
}

#[tokio::test]
async fn parts_of_a_history_move_alone() -> Result<()> {
    let (server, dir) = (Server::start().await?, tempfile::tempdir()?);
    let admin = server.admin().await?;
    let (folder, copy) = (dir.path().join("mlruns"), dir.path().join("copy"));
    let made = script(&admin, &[text(&folder)]).await?;
    let path = text(&folder);

    // One experiment, without the registry; a name that is not there is said.
    let (code, said) = drydock(&admin, &["import", "mlflow", path, "--experiment", "nobody"]).await?;
    assert!(code == 3 && said.contains("experiment nobody: there is none of this name"), "{said}");
    let (code, said) = drydock(&admin, &["import", "mlflow", path, "--experiment", "wine"]).await?;
    assert!(code == 0 && !said.contains("registered models"), "{said}");
    let here = describe(&admin, admin.url()).await?;
    assert_eq!(here["experiments"].as_object().map(|all| all.contains_key("gone")), Some(false));
    assert_eq!(here["models"], serde_json::json!({}));
    let of_wine =
        |told: &Value| told["runs"].as_object().unwrap().values().filter(|run| run["experiment"] == "wine").count();
    assert_eq!((of_wine(&here), here["traces"].clone()), (of_wine(&made), made["traces"].clone()));

    // All runs into one experiment of another box, and the rest later.
    let other = Server::start().await?;
    let there = other.admin().await?;
    let (code, said) = drydock(&there, &["import", "mlflow", path, "--into", "all of it"]).await?;
    assert_eq!(code, 0, "{said}");
    let listed = experiments(&there).await?;
    assert!(listed.iter().any(|(name, runs)| name == "all of it" && *runs == 9), "{listed:?}");
    assert!(!listed.iter().any(|(name, _)| name == "wine" || name == "gone"), "{listed:?}");
    assert_eq!(describe(&there, there.url()).await?["models"], made["models"]);

    // And out: a model by its name.
    let (code, said) = drydock(&there, &["export", "mlflow", text(&copy), "--model", "empty"]).await?;
    assert_eq!(code, 0, "{said}");
    let names: Vec<String> =
        describe(&admin, text(&copy)).await?["models"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(names, ["empty"]);
    let none = dir.path().join("none");
    let (code, said) = drydock(&there, &["export", "mlflow", text(&none), "--model", "nobody"]).await?;
    assert!(code == 3 && said.contains("model nobody: there is none of this name"), "{said}");
    Ok(())
}

#[tokio::test]
async fn the_real_mlflow_takes_what_was_exported() -> Result<()> {
    let (server, dir) = (Server::start().await?, tempfile::tempdir()?);
    let admin = server.admin().await?;
    let (folder, copy) = (dir.path().join("mlruns"), dir.path().join("copy"));
    let made = script(&admin, &[text(&folder)]).await?;
    for args in [["import", "mlflow", text(&folder)], ["export", "mlflow", text(&copy)]] {
        let (code, said) = drydock(&admin, &args).await?;
        assert_eq!(code, 0, "{said}");
    }
    // Its server over the folder.
    let at = dir.path().join("server");
    std::fs::create_dir_all(&at)?;
    let mlflow = MlflowServer::start_at(&at, How { store: Some(text(&copy)), ..How::default() }).await?;
    assert_same(made.clone(), describe(&admin, &mlflow.url).await?);
    // Its own migration into a database, and its server over that.
    let database = dir.path().join("moved.db");
    migrated(&copy, &database).await?;
    let uri = format!("sqlite:///{}", text(&database));
    let mlflow = MlflowServer::start_at(&at, How { store: Some(&uri), ..How::default() }).await?;
    let there = describe(&admin, &mlflow.url).await?;
    assert_same(without_times_of_judgements(made), without_times_of_judgements(there));
    Ok(())
}

/// MLflow's migration looks for these under a name that its own files do not have, and takes 1970.
fn without_times_of_judgements(mut told: Value) -> Value {
    let traces = told["traces"].as_object_mut().unwrap().values_mut();
    for judgement in traces.flat_map(|trace| trace["assessments"].as_array_mut().unwrap()) {
        for key in ["create_time", "last_update_time"] {
            judgement.as_object_mut().unwrap().remove(key);
        }
    }
    told
}

/// `mlflow migrate-filestore`.
async fn migrated(folder: &Path, database: &Path) -> Result<()> {
    let output = Command::new(clients::program("mlflow")?)
        .args(["migrate-filestore", "--source", text(folder), "--target", &format!("sqlite:///{}", text(database))])
        .env("MLFLOW_DISABLE_TELEMETRY", "true")
        .env("DO_NOT_TRACK", "true")
        .output()
        .await?;
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    anyhow::ensure!(output.status.success(), "{said}");
    Ok(())
}
