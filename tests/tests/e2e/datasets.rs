//! Datasets over the API: versions from changes, lines, buckets and jobs; tags, differences, rules, deletion; and that a job
//! which has one mounted cannot change a byte of it.

use std::time::Duration;

use anyhow::Result;
use drydock_tests::{Api, Server, until};
use reqwest::Method;
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(120);
const WINE: &str = "/api/v1/datasets/wine";

async fn file(api: &Api, path: &str, text: &str) -> Result<Value> {
    let digest = api.upload(text.to_owned()).await?;
    Ok(json!({ "path": path, "digest": digest, "size_bytes": text.len() }))
}

async fn wine(api: &Api) -> Result<()> {
    api.post("/api/v1/datasets", json!({ "name": "wine" })).await?;
    let files = [
        file(api, "red.csv", "id,acid\n1,3.5\n2,3.1\n3,3.3\n").await?,
        file(api, "more/white.jsonl", "{\"id\": 1, \"acid\": 2.5}\n{\"id\": 2}\n").await?,
        file(api, "notes.txt", "as delivered").await?,
    ];
    api.post(&format!("{WINE}/versions"), json!({ "files": files, "message": "first" })).await?;
    Ok(())
}

#[tokio::test]
async fn versions_are_made_by_change_tagged_compared_and_deleted() -> Result<()> {
    let server = Server::start().await?;
    let api = server.admin().await?;
    wine(&api).await?;
    let first = api.get(&format!("{WINE}/versions/1")).await?;
    let kinds: Vec<&Value> = first["profiles"].as_array().unwrap().iter().map(|p| &p["columns"][1]["kind"]).collect();
    assert_eq!(kinds, ["float", "float"], "{first}");

    let red = file(&api, "red.csv", "id,acid\n1,3.5\n2,9.9\n3,3.3\n4,3.2\n").await?;
    let change = json!({ "base_version": "latest", "files": [red], "remove": ["notes.txt"], "message": "fourth row" });
    let made = api.post(&format!("{WINE}/versions"), change).await?;
    assert_eq!((&made["version"]["version"], &made["version"]["file_count"]), (&json!(2), &json!(2)), "{made}");
    let diff = api.get(&format!("{WINE}/diff")).await?;
    assert_eq!((&diff["changed_count"], &diff["removed_count"], &diff["from"]), (&json!(1), &json!(1), &json!(1)));
    assert_eq!((&diff["tables"][0]["rows_added"], &diff["tables"][0]["rows_removed"]), (&json!(2), &json!(1)));

    // the same again as lines
    let lines = "{\"remove\": \"more/\"}\n";
    let answer = api.request(Method::POST, &format!("{WINE}/versions/lines?base_version=2")).body(lines).send().await?;
    assert_eq!(answer.status(), 201);
    let page = api.get(&format!("{WINE}/versions/3/files")).await?;
    assert_eq!((page["files"].as_array().unwrap().len(), page["folders"].as_array().unwrap().len()), (1, 0));

    api.put(&format!("{WINE}/tags/prod"), json!({ "version": 2 })).await?;
    assert_eq!(api.get(&format!("{WINE}/versions/prod")).await?["summary"]["version"], 2);
    let (status, refused) = api.send(Method::DELETE, &format!("{WINE}/versions/2"), None).await?;
    assert!(status == 409 && refused["message"].as_str().unwrap().contains("tag prod"), "{refused}");
    api.delete(&format!("{WINE}/tags/prod")).await?;
    let preview = api.get(&format!("{WINE}/versions/2/deletion")).await?;
    assert_eq!((&preview["versions"], &preview["used_by"]), (&json!([2]), &json!([])), "{preview}");
    api.delete(&format!("{WINE}/versions/2")).await?;
    assert_eq!(api.status(Method::GET, &format!("{WINE}/versions/2"), None).await?, 404);
    let latest = api.get(WINE).await?;
    assert_eq!((&latest["summary"]["latest"]["version"], &latest["summary"]["version_count"]), (&json!(3), &json!(2)));
    let shown = api.get(&format!("{WINE}/versions/1/preview?path=more%2Fwhite.jsonl")).await?;
    assert_eq!((&shown["kind"], &shown["total_rows"]), (&json!("table"), &json!(2)), "{shown}");
    Ok(())
}

#[tokio::test]
async fn rules_as_yaml_name_the_line_and_failed_ones_the_rows() -> Result<()> {
    let server = Server::start().await?;
    let api = server.admin().await?;
    wine(&api).await?;
    let path = format!("{WINE}/rules.yaml");
    let put = async |text: &'static str| {
        let answer = api.request(Method::PUT, &path).body(text).send().await?;
        Ok::<_, anyhow::Error>((answer.status().as_u16(), answer.text().await?))
    };
    let (status, body) = put("rules:\n- check: not_null\n  column: id\n- check: rang\n  column: acid\n").await?;
    assert!(status == 400 && body.contains("Line 4"), "{body}");
    let text =
        "rules:\n- check: range\n  column: acid\n  file: red.csv\n  max: 3.4\n- check: not_null\n  column: acid\n";
    assert_eq!(put(text).await?.0, 200);
    let kept = api.request(Method::GET, &path).send().await?.text().await?;
    assert_eq!(kept, text);
    let report = api.post(&format!("{WINE}/versions/1/validate"), json!({})).await?;
    let results = report["results"].as_array().unwrap();
    assert_eq!(results[0]["samples"], json!([{ "line": 2, "value": "3.5" }]), "{report}");
    let white = results.iter().find(|one| one["file"] == "more/white.jsonl").unwrap();
    assert_eq!((&white["passed"], &white["failed_rows"]), (&json!(false), &json!(1)), "{report}");
    Ok(())
}

#[tokio::test]
async fn hostile_manifests_and_tables_are_answered_and_harm_nothing() -> Result<()> {
    let server = Server::start().await?;
    let api = server.admin().await?;
    wine(&api).await?;
    let person = server.person(&api, "mallory", "engineer").await?;
    let versions = format!("{WINE}/versions");
    let mine = file(&person, "x", "mine").await?;
    for path in ["../../etc/passwd", "/etc/passwd", "a/../b", "a\\b", "a\u{0}b", "", "a//b", "."] {
        let mut bad = mine.clone();
        bad["path"] = path.into();
        assert_eq!(person.status(Method::POST, &versions, Some(json!({ "files": [bad] }))).await?, 400, "{path:?}");
    }
    // a digest alone is no proof of having the bytes
    api.post("/api/v1/datasets", json!({ "name": "other" })).await?;
    let secret = file(&api, "secret", "the admin's own").await?;
    let stolen = json!({ "files": [secret] });
    assert_eq!(person.status(Method::POST, "/api/v1/datasets/other/versions", Some(stolen)).await?, 400);
    // a line of 20 MiB, and a Parquet that is none
    let mut bomb = b"{\"a\": 1}\n{\"a\": \"".to_vec();
    bomb.resize(20 << 20, b'x');
    let digest = api.upload(bomb.clone()).await?;
    let bad = file(&api, "bad.parquet", "PAR1nonsense\u{1}\u{1}\u{1}\u{1}PAR1").await?;
    let lines = json!({ "path": "bomb.jsonl", "digest": digest, "size_bytes": bomb.len() });
    api.post(&versions, json!({ "base_version": "1", "files": [lines, bad] })).await?;
    let detail = until("the profiles are there", LIMIT, || async {
        let detail = api.get(&format!("{WINE}/versions/2")).await?;
        Ok((detail["profiling"] == false).then_some(detail))
    })
    .await?;
    let problem = |path: &str| {
        let profiles = detail["profiles"].as_array().unwrap();
        profiles.iter().find(|one| one["path"] == path).unwrap()["problem"].as_str().unwrap().to_owned()
    };
    assert_eq!(problem("bomb.jsonl"), "Line 2 is longer than 4 MiB.");
    assert!(problem("bad.parquet").contains("footer"), "{}", problem("bad.parquet"));
    server.ready().await
}

/// Reads its data, tries every way to change it, and keeps what it made.
const JOB: &str = r#"
import os, mlflow
path = "/data/wine/red.csv"
text = open(path).read()
def tried(what, act):
    try:
        act()
        print("CHANGED by", what)
    except OSError as error:
        print("refused", what, error.errno)
tried("write", lambda: open(path, "w").write("x"))
tried("append", lambda: open(path, "a").write("x"))
tried("chmod", lambda: os.chmod(path, 0o666))
tried("unlink", lambda: os.unlink(path))
tried("create", lambda: open("/data/wine/new", "w").write("x"))
tried("rename", lambda: os.rename(path, "/data/wine/moved"))
tried("link", lambda: os.link(path, "/scratch/linked"))
with mlflow.start_run():
    mlflow.log_text(text.upper(), "clean/red.csv")
print("rows", text.count("\n"))
"#;

#[tokio::test]
async fn a_job_reads_the_tagged_version_cannot_change_it_and_its_output_becomes_a_version() -> Result<()> {
    let server = Server::start().await?;
    let api = server.admin().await?;
    wine(&api).await?;
    api.put(&format!("{WINE}/tags/prod"), json!({ "version": 1 })).await?;
    let wish = |name: &str| {
        json!({ "name": name, "command": ["python3", "-c", JOB], "datasets": [{ "name": "wine@prod" }],
            "resources": { "cpus": 1.0, "memory_bytes": 1u64 << 30, "gpus": 0 } })
    };
    let job = api.submit_with(wish("first")).await?;
    let end = api.finished(&job, LIMIT * 2).await?;
    let (_, log) = api.send(Method::GET, &format!("/api/v1/jobs/{job}/log"), None).await?;
    let log = log.as_str().unwrap_or_default().to_owned();
    assert_eq!(end["summary"]["state"], "succeeded", "{end}\n{log}");
    assert_eq!(end["spec"]["datasets"], json!([{ "name": "wine", "version": 1 }]));
    assert!(!log.contains("CHANGED") && log.matches("refused").count() == 7 && log.contains("rows 4"), "{log}");
    let kept = api.request(Method::GET, &format!("{WINE}/versions/1/file?path=red.csv")).send().await?.text().await?;
    assert_eq!(kept, "id,acid\n1,3.5\n2,3.1\n3,3.3\n");

    let made = api.post(&format!("{WINE}/versions/from-job"), json!({ "job_id": job, "path": "clean" })).await?;
    assert_eq!(
        (&made["version"]["source"]["from"], &made["version"]["file_count"]),
        (&json!("job"), &json!(1)),
        "{made}"
    );
    let upper =
        api.request(Method::GET, &format!("{WINE}/versions/latest/file?path=red.csv")).send().await?.text().await?;
    assert!(upper.starts_with("ID,ACID"), "{upper}");

    // from the dataset back to the job and the version that it read, and from the job forward to what its output became
    let edges = async |of: String| {
        let graph = api.get(&format!("/api/v1/lineage/{of}")).await?;
        let pairs = graph["edges"].as_array().unwrap().iter();
        let text = |edge: &Value| {
            format!(
                "{} {} {}",
                edge["from"].as_str().unwrap(),
                edge["label"].as_str().unwrap(),
                edge["to"].as_str().unwrap()
            )
        };
        Ok::<Vec<String>, anyhow::Error>(pairs.map(text).collect())
    };
    let (read, became) = (format!("dataset/wine:1 mounted in job/{job}"), format!("job/{job} made dataset/wine:2"));
    for of in ["dataset/wine:2".to_owned(), format!("job/{job}"), "dataset/wine:1".to_owned()] {
        let found = edges(of.clone()).await?;
        assert!(found.contains(&read) && found.contains(&became), "{of}: {found:?}");
    }

    // the job and its run are named before the version they came from goes
    let preview = api.get(&format!("{WINE}/versions/1/deletion")).await?;
    let kinds: Vec<&Value> = preview["used_by"].as_array().unwrap().iter().map(|one| &one["kind"]).collect();
    assert!(kinds.contains(&&json!("job")) && kinds.contains(&&json!("run")), "{preview}");
    let (status, refused) = api.send(Method::DELETE, WINE, None).await?;
    assert!(status == 409 && refused["message"].as_str().unwrap().contains("job first"), "{refused}");
    api.delete(&format!("{WINE}?even_if_used=true")).await?;
    Ok(())
}

/// Leaves a folder and a file, and goes on.
const LEAVER: &str = r#"
import os, time
os.makedirs("/outputs/clean/deep")
open("/outputs/clean/red.csv", "w").write("id,acid\n1,3.5\n2,3.1\n")
open("/outputs/clean/deep/large.bin", "wb").write(b"7" * 300001)
open("/outputs/notes.txt", "w").write("as made")
print("left", flush=True)
time.sleep(600)
"#;

/// Files of the data folder that have so many bytes.
fn files_of_size(folder: &std::path::Path, bytes: u64) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(about) if about.is_dir() => files_of_size(&entry.path(), bytes),
            Ok(about) => usize::from(about.is_file() && about.len() == bytes),
            Err(_) => 0,
        })
        .sum()
}

#[tokio::test]
async fn what_a_job_left_becomes_a_version_without_copying_and_its_run_leads_to_it() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let (api, vic) = (server.person(&admin, "ann", "engineer").await?, server.person(&admin, "vic", "viewer").await?);
    let job = api.submit("leaver", &["python3", "-c", LEAVER]).await?;
    let path = format!("/api/v1/jobs/{job}/outputs/dataset");
    let wish = |path: &str| json!({ "dataset": "clean", "path": path, "message": "from the job", "create": true });
    until("it left them", LIMIT, || async {
        let (_, log) = api.send(Method::GET, &format!("/api/v1/jobs/{job}/log"), None).await?;
        Ok(log.to_string().contains("left").then_some(()))
    })
    .await?;
    let (status, refused) = api.send(Method::POST, &path, Some(wish("clean"))).await?;
    assert!(status == 409 && refused["message"].as_str().unwrap().contains("has not ended"), "{refused}");
    api.post(&format!("/api/v1/jobs/{job}/cancel"), Value::Null).await?;
    api.finished(&job, LIMIT).await?;

    // neither a typing error nor a viewer makes a dataset
    let without = json!({ "dataset": "clean", "path": "clean" });
    let (status, refused) = api.send(Method::POST, &path, Some(without)).await?;
    assert!(status == 404 && refused["message"].as_str().unwrap().contains("(create)"), "{refused}");
    assert_eq!(vic.status(Method::POST, &path, Some(wish("clean"))).await?, 403);
    let (status, refused) = api.send(Method::POST, &path, Some(wish("none"))).await?;
    assert!(status == 404 && refused["message"].as_str().unwrap().contains("/outputs/none"), "{refused}");
    assert_eq!(api.status(Method::POST, &path, Some(wish("../x"))).await?, 400);
    let mut onto = wish("clean");
    onto["base_version"] = json!("latest");
    let (status, refused) = api.send(Method::POST, &path, Some(onto)).await?;
    assert!(status == 404 && refused["message"].as_str().unwrap().contains("leave base_version out"), "{refused}");
    assert_eq!(api.status(Method::GET, "/api/v1/datasets/clean", None).await?, 404, "nothing was made meanwhile");

    let before = files_of_size(server.data_dir(), 300_001);
    let made = api.post(&path, wish("clean")).await?;
    assert_eq!((&made["created"], &made["version"]["file_count"]), (&json!(true), &json!(2)), "{made}");
    assert_eq!(files_of_size(server.data_dir(), 300_001), before, "the large one is there once");
    let run = api.get(&format!("/api/v1/jobs/{job}/outputs")).await?["run_id"].as_str().unwrap().to_owned();
    let source = json!({ "from": "job", "job_id": job, "run_ids": [run], "path": "clean", "attempt": 1 });
    assert_eq!(made["version"]["source"], source);
    let text =
        api.request(Method::GET, "/api/v1/datasets/clean/versions/1/file?path=red.csv").send().await?.text().await?;
    assert_eq!(text, "id,acid\n1,3.5\n2,3.1\n");
    let again = api.post(&path, wish("clean")).await?;
    assert_eq!((&again["created"], &again["version"]["version"]), (&json!(false), &json!(1)), "the very same content");
    // one file, added to what is there
    let more = json!({ "dataset": "clean", "path": "notes.txt", "base_version": "latest", "into": "docs" });
    let made = api.post(&path, more).await?;
    assert_eq!((&made["version"]["version"], &made["version"]["file_count"]), (&json!(2), &json!(3)), "{made}");
    let text = api
        .request(Method::GET, "/api/v1/datasets/clean/versions/2/file?path=docs/notes.txt")
        .send()
        .await?
        .text()
        .await?;
    assert_eq!(text, "as made");

    // from the version back to job and run, and from each of them forward
    let (by_job, by_run) = (format!("job/{job}"), format!("run/{run}"));
    for (of, from, made) in [
        ("dataset/clean:1", by_job.as_str(), 1),
        ("dataset/clean:1", by_run.as_str(), 1),
        (by_run.as_str(), by_run.as_str(), 2),
        (by_job.as_str(), by_job.as_str(), 2),
    ] {
        let graph = admin.get(&format!("/api/v1/lineage/{of}")).await?;
        let to = format!("dataset/clean:{made}");
        let is_it = |edge: &Value| edge["from"] == from && edge["label"] == "made" && edge["to"] == to.as_str();
        assert!(graph["edges"].as_array().unwrap().iter().any(is_it), "{from} made {to}: {graph:#}");
    }
    let audit = admin.get("/api/v1/audit?limit=200").await?.to_string();
    assert!(audit.contains("dataset.create") && audit.contains("dataset.version") && audit.contains(&run), "{audit}");
    Ok(())
}
