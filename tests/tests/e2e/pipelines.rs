//! Pipelines on real Docker: every kind of task, outputs from one to the next, fan-out, conditions, approvals, messages; what the YAML's
//! faults are told as.

use std::time::Duration;

use anyhow::Result;
use drydock_tests::{
    Api, Receiver, Server, Setup,
    pipelines::{apply, ended, reaches, run, start, states, succeeded, task, tries},
    until,
};
use reqwest::Method;
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(180);

/// A dataset `wine` with a rule, and versions of these contents.
pub async fn wine(api: &Api, versions: &[&str]) -> Result<()> {
    api.post("/api/v1/datasets", json!({ "name": "wine" })).await?;
    let rules = json!({ "rules": [{ "check": "range", "column": "acid", "min": 0.0, "max": 5.0 }] });
    api.put("/api/v1/datasets/wine/rules", rules).await?;
    for text in versions {
        version(api, text).await?;
    }
    Ok(())
}

/// One more version of `wine`.
pub async fn version(api: &Api, text: &str) -> Result<()> {
    let file = json!({ "path": "red.csv", "digest": api.upload(text.to_owned()).await?, "size_bytes": text.len() });
    api.post("/api/v1/datasets/wine/versions", json!({ "files": [file] })).await.map(drop)
}

const EVERYTHING: &str = r#"
name: everything
parameters: { dataset: wine, least: 0.8, ask: "yes" }
timeout: 10m
tasks:
  check: { validate: { dataset: "${params.dataset}" } }
  train:
    needs: [check]
    job:
      command: [python3, /workspace/train.py, "${tasks.check.version}"]
      files:
        train.py: |
          import json, os, sys, mlflow
          rows = open('/data/wine/red.csv').read().splitlines()
          with mlflow.start_run():
              mlflow.log_metric('acc', 0.9)
              mlflow.log_param('version', sys.argv[1])
              mlflow.set_tag('parts', json.dumps(['a', 'b', 'c']))
              mlflow.log_text('x' * len(rows), 'model/weights.txt')
          print('trained on', len(rows), 'rows of version', sys.argv[1])
      data: ["${params.dataset}:${tasks.check.version}"]
    timeout: 2m
  good:
    needs: [train]
    gate:
      run: "${tasks.train.run}"
      all:
        - { metric: acc, at_least: "${params.least}" }
        - { metric: acc, better_than: { model: wine, alias: champion }, first: pass }
  each:
    needs: [train]
    for_each: "${tasks.train.tags.parts}"
    as: part
    most_at_once: 2
    job: { command: [sh, -c, "echo part ${part} of $${HOME} ${tasks.train.metrics.acc}"], tracked: false }
  rarely: { needs: [train], when: "${tasks.train.metrics.acc} > 0.95", job: { command: ["true"] } }
  after: { needs: [rarely], start_when: none_failed, job: { command: ["true"], tracked: false } }
  register: { needs: [good], register: { run: "${tasks.train.run}", path: model, model: wine } }
  approve: { needs: [register], when: "${params.ask} == 'yes'", approval: { role: admin, text: "Is version ${tasks.register.version} good?" }, timeout: 1h }
  promote: { needs: [approve], promote: { model: wine, version: "${tasks.register.version}", alias: champion } }
  tell: { needs: [promote], start_when: none_failed, notify: { webhook: ops, text: "run ${run.number} of ${params.dataset} is through", data: { version: "${tasks.promote.version}" } } }
  alarm: { needs: [promote], start_when: any_failed, notify: { webhook: ops, text: "failed" } }
"#;

#[tokio::test]
async fn every_kind_of_task_runs_and_passes_on_what_it_made() -> Result<()> {
    let receiver = Receiver::start().await?;
    let server =
        Server::start_as(Setup { settings: "[webhooks]\nallow = [\"127.0.0.0/8\"]\n", ..Setup::default() }).await?;
    let admin = server.admin().await?;
    let erin = server.person(&admin, "erin", "engineer").await?;
    let vera = server.person(&admin, "vera", "viewer").await?;
    let hook = json!({ "name": "ops", "url": receiver.url(), "events": ["registered_model.created"] });
    admin.post("/api/v1/webhooks", hook).await?;
    wine(&admin, &["id,acid\n1,3.1\n", "id,acid\n1,3.1\n2,3.2\n"]).await?;
    let applied = apply(&erin, EVERYTHING).await?;
    assert_eq!((&applied["created"], &applied["pipeline"]["version"]), (&json!(true), &json!(1)), "{applied:#}");
    let again = apply(&erin, EVERYTHING).await?;
    assert_eq!((&again["created"], &again["pipeline"]["version"]), (&json!(false), &json!(1)));

    let id = start(&erin, "everything", json!({})).await?;
    let waiting = reaches(&erin, &id, "approve", "waits_for_person", LIMIT).await?;
    assert_eq!(waiting["run"]["waits_for_person"], true);
    assert_eq!(task(&waiting, "promote")["reason"], "waits for approve");
    assert_eq!(task(&waiting, "approve")["approval"]["text"], "Is version 1 good?");
    // The right person alone.
    let yes = json!({ "task": "approve", "approve": true, "comment": "looks fine" });
    let answers = format!("/api/v1/pipeline-runs/{id}/approvals");
    assert_eq!(task(&waiting, "approve")["approval"]["may_answer"], false, "erin is no admin");
    assert_eq!(erin.status(Method::POST, &answers, Some(yes.clone())).await?, 403);
    assert_eq!(vera.status(Method::POST, &answers, Some(yes.clone())).await?, 403);
    assert_eq!(task(&run(&admin, &id).await?, "approve")["approval"]["may_answer"], true);
    admin.post(&answers, yes.clone()).await?;
    assert_eq!(admin.status(Method::POST, &answers, Some(yes)).await?, 409, "once is enough");

    let end = succeeded(&erin, &id, LIMIT).await?;
    let names =
        ["check", "train", "good", "each", "rarely", "after", "register", "approve", "promote", "tell", "alarm"];
    let wanted = [
        "succeeded",
        "succeeded",
        "succeeded",
        "succeeded",
        "skipped",
        "succeeded",
        "succeeded",
        "succeeded",
        "succeeded",
        "succeeded",
        "skipped",
    ];
    assert_eq!(states(&end, &names), wanted, "{end:#}");
    outputs_are_passed_on(&erin, &end).await?;
    let moved = admin.get("/api/v1/models/wine").await?;
    assert_eq!(moved["summary"]["aliases"], json!([{ "alias": "champion", "version": 1 }]));
    let heard = until("the message", LIMIT, || async {
        let told = receiver.heard().into_iter().find(|one| one.body.contains("is through"));
        Ok(told)
    })
    .await?;
    assert_eq!((&heard.json()["entity"], &heard.json()["data"]["data"]["version"]), (&json!("pipeline"), &json!(1)));
    assert_eq!(heard.json()["data"]["text"], "run 1 of wine is through");
    // A second run is gated by the champion of the first: as good is good enough.
    let second = start(&admin, "everything", json!({ "ask": "no" })).await?;
    let second = succeeded(&admin, &second, LIMIT).await?;
    assert_eq!(
        states(&second, &["good", "approve", "promote", "tell"]),
        ["succeeded", "skipped", "skipped", "succeeded"]
    );
    grid_and_lists(&vera).await
}

async fn outputs_are_passed_on(api: &Api, end: &Value) -> Result<()> {
    let train = task(end, "train");
    assert_eq!(
        (&train["outputs"]["metrics"]["acc"], &train["outputs"]["params"]["version"]),
        (&json!(0.9), &json!("2"))
    );
    let job = train["job_id"].as_str().unwrap();
    let (_, log) = api.send(Method::GET, &format!("/api/v1/jobs/{job}/log"), None).await?;
    assert!(log.as_str().unwrap().contains("trained on 3 rows of version 2"), "{log}");
    let items: Vec<_> = tries(end, "each").into_iter().filter(|one| !one["item"].is_null()).collect();
    let values: Vec<&Value> = items.iter().map(|one| &one["value"]).collect();
    assert_eq!(values, [&json!("a"), &json!("b"), &json!("c")]);
    let job = items[1]["job_id"].as_str().unwrap();
    let (_, log) = api.send(Method::GET, &format!("/api/v1/jobs/{job}/log"), None).await?;
    assert!(log.as_str().unwrap().contains("part b of /scratch 0.9"), "{log}");
    assert_eq!(task(end, "each")["outputs"]["exit_code"], json!([0, 0, 0]));
    assert_eq!(task(end, "rarely")["reason"], "its condition is not met: ${tasks.train.metrics.acc} > 0.95");
    assert_eq!(task(end, "approve")["outputs"]["by"], "admin");
    assert_eq!(task(end, "approve")["reason"], "admin said yes: looks fine");
    Ok(())
}

async fn grid_and_lists(viewer: &Api) -> Result<()> {
    let grid = viewer.get("/api/v1/pipelines/everything/grid").await?;
    assert_eq!((grid["rows"].as_array().unwrap().len(), grid["tasks"].as_array().unwrap().len()), (2, 11));
    assert_eq!(grid["rows"][0]["run"]["number"], 2);
    let list = viewer.list("/api/v1/pipelines?search=every").await?;
    assert_eq!((list.len(), list[0]["last_runs"].as_array().unwrap().len()), (1, 2));
    let runs = viewer.list("/api/v1/pipeline-runs?state=succeeded&limit=1").await?;
    assert_eq!((runs.len(), &runs[0]["number"]), (1, &json!(2)));
    let (_, yaml) = viewer.send(Method::GET, "/api/v1/pipelines/everything/yaml", None).await?;
    assert_eq!(yaml, EVERYTHING);
    Ok(())
}

#[tokio::test]
async fn a_person_who_says_no_ends_it_and_four_eyes_are_two_people() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let erin = server.person(&admin, "erin", "engineer").await?;
    let yaml = "name: ask\ntasks:\n  a: { approval: { four_eyes: true } }\n  b: { needs: [a], approval: { people: [erin] } }\n  c: { needs: [b], job: { command: [\"true\"] } }\n";
    apply(&erin, yaml).await?;
    let id = start(&erin, "ask", json!({})).await?;
    reaches(&erin, &id, "a", "waits_for_person", LIMIT).await?;
    let answers = format!("/api/v1/pipeline-runs/{id}/approvals");
    let yes = |task: &str| json!({ "task": task, "approve": true });
    assert_eq!(erin.status(Method::POST, &answers, Some(yes("a"))).await?, 403, "her own run");
    admin.post(&answers, yes("a")).await?;
    reaches(&erin, &id, "b", "waits_for_person", LIMIT).await?;
    assert_eq!(admin.status(Method::POST, &answers, Some(yes("b"))).await?, 403, "erin is asked by name");
    erin.post(&answers, json!({ "task": "b", "approve": false, "comment": "not today" })).await?;
    let end = ended(&erin, &id, LIMIT).await?;
    assert_eq!(end["run"]["state"], "failed", "{end:#}");
    assert_eq!(end["run"]["reason"], "b: erin said no: not today");
    assert_eq!((states(&end, &["c"]), &task(&end, "c")["reason"]), (vec!["blocked".to_owned()], &json!("b failed")));
    // The trail has who did what.
    let audit = admin.list("/api/v1/audit").await?;
    for verb in ["pipeline.apply", "pipeline_run.start", "pipeline_run.answer"] {
        assert!(audit.iter().any(|row| row["action"] == verb), "{verb}");
    }
    Ok(())
}

#[tokio::test]
async fn a_fault_in_the_yaml_is_told_with_its_line() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let yaml = "name: x\ntasks:\n  a: { job: { command: [a] } }\n  b:\n    needs: [a, c]\n    job: { command: [a], prize: 1 }\n";
    let (status, told) = admin.send(Method::POST, "/api/v1/pipelines", Some(json!({ "yaml": yaml }))).await?;
    assert_eq!(status, 400);
    assert!(told["message"].as_str().unwrap().starts_with("Line 5: b: there is no task c"), "{told}");
    let check = admin.post("/api/v1/pipelines/check", json!({ "yaml": yaml })).await?;
    let lines: Vec<u64> = check["problems"].as_array().unwrap().iter().filter_map(|one| one["line"].as_u64()).collect();
    assert_eq!(lines, [5, 6], "{check:#}");
    assert_eq!(check["tasks"].as_array().unwrap().len(), 2, "the graph is drawn all the same");
    assert_eq!(admin.status(Method::GET, "/api/v1/pipelines/x", None).await?, 404);
    // Code that nobody uploaded is no code.
    let yaml = format!(
        "name: x\ntasks:\n  a: {{ job: {{ command: [a], code: [ {{ path: a.py, digest: {} }} ] }} }}\n",
        "a".repeat(64)
    );
    assert_eq!(admin.status(Method::POST, "/api/v1/pipelines", Some(json!({ "yaml": yaml }))).await?, 404);
    Ok(())
}

#[tokio::test]
async fn the_list_comes_in_pages() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    for name in ["beta", "alpha", "gamma"] {
        let yaml = format!("name: {name}\ntasks:\n  a: {{ job: {{ command: [\"true\"] }} }}\n");
        admin.post("/api/v1/pipelines", json!({ "yaml": yaml })).await?;
    }
    let names =
        |page: &Value| page["items"].as_array().unwrap().iter().map(|one| one["name"].clone()).collect::<Vec<_>>();
    let first = admin.get("/api/v1/pipelines?limit=2").await?;
    assert_eq!((names(&first), &first["total"]), (vec![json!("alpha"), json!("beta")], &json!(3)), "{first}");
    let next = first["next"].as_str().unwrap();
    let second = admin.get(&format!("/api/v1/pipelines?limit=2&page={next}")).await?;
    assert_eq!((names(&second), &second["next"]), (vec![json!("gamma")], &Value::Null), "{second}");
    assert_eq!(names(&admin.get("/api/v1/pipelines?search=ALPH&limit=200").await?), [json!("alpha")]);
    assert_eq!(admin.status(Method::GET, "/api/v1/pipelines?page=x", None).await?, 400);
    Ok(())
}

#[tokio::test]
async fn rights_are_those_that_the_person_has_now() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let erin = server.person(&admin, "erin", "engineer").await?;
    let yaml = "name: late\ntasks:\n  a: { approval: { people: [admin] } }\n  b: { needs: [a], job: { command: [\"true\"] } }\n";
    apply(&erin, yaml).await?;
    let id = start(&erin, "late", json!({})).await?;
    reaches(&admin, &id, "a", "waits_for_person", LIMIT).await?;
    admin.patch("/api/v1/people/erin", json!({ "role": "viewer" })).await?;
    admin.post(&format!("/api/v1/pipeline-runs/{id}/approvals"), json!({ "task": "a", "approve": true })).await?;
    let end = ended(&admin, &id, LIMIT).await?;
    assert_eq!(end["run"]["state"], "failed");
    assert!(task(&end, "b")["reason"].as_str().unwrap().contains("needs the role engineer"), "{end:#}");
    assert!(admin.list("/api/v1/jobs").await?.is_empty());
    admin.patch("/api/v1/people/erin", json!({ "disabled": true })).await?;
    admin.post(&format!("/api/v1/pipeline-runs/{id}/rerun"), json!({})).await?;
    let end = ended(&admin, &id, LIMIT).await?;
    assert!(task(&end, "b")["reason"].as_str().unwrap().contains("disabled or gone"), "{end:#}");
    Ok(())
}

#[tokio::test]
async fn the_command_line_applies_runs_follows_and_clears() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let file = server.data_dir().join("two.yaml");
    let yaml = "name: two\nparameters: { code: 0 }\ntasks:\n  a: { job: { command: [sh, -c, \"exit ${params.code}\"], tracked: false } }\n  b: { needs: [a], job: { command: [\"true\"], tracked: false } }\n";
    std::fs::write(&file, yaml)?;
    let (url, token) = (server.url(), admin.token().to_owned());
    let ask = |args: Vec<String>| {
        let (server, at) = (&server, ["--url".to_owned(), url.clone(), "--token".to_owned(), token.clone()]);
        async move {
            let all: Vec<&str> = args.iter().chain(&at).map(String::as_str).collect();
            server.run(&all, None).await
        }
    };
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let applied = ask(vec!["pipeline".into(), "apply".into(), file.display().to_string()]).await?;
    assert_eq!(applied, "two version 1");
    let id = ask(words("pipeline run two --follow")).await?;
    let shown = ask(words(&format!("pipeline show {id}"))).await?;
    assert!(shown.starts_with("two run 1 (version 1) succeeded") && shown.contains("b     succeeded"), "{shown}");
    let failed = ask(words("pipeline run two -p code=3 --follow")).await.unwrap_err().to_string();
    assert!(failed.contains("The run failed: a:") && failed.contains("b blocked: a failed"), "{failed}");
    assert!(ask(words(&format!("pipeline clear {id} b"))).await?.starts_with(&id));
    succeeded(&admin, &id, LIMIT).await?;
    assert_eq!(ask(words("pipeline pause two")).await?, "two is paused");
    let listed = ask(words("pipeline list")).await?;
    assert!(listed.contains("2 failed") && listed.contains("paused"), "{listed}");
    assert_eq!(ask(words("pipeline resume two")).await?, "two goes on");
    assert_eq!(ask(words("pipeline runs two")).await?.lines().count(), 3);
    Ok(())
}
