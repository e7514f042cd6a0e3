//! What starts runs: schedules with pause, edit and catch-up; new dataset versions, finished pipelines, alerts, drift, webhooks.

use std::time::Duration;

use anyhow::Result;
use drydock_tests::{
    Api, Server,
    pipelines::{apply, ended, reaches},
    until,
};
use reqwest::Method;
use ring::hmac;
use serde_json::{Value, json};

use crate::pipelines::{version, wine};

const LIMIT: Duration = Duration::from_secs(60);
/// Some passes of the runner, in which nothing must happen.
const QUIET: Duration = Duration::from_secs(6);

async fn runs(api: &Api, name: &str) -> Result<Vec<Value>> {
    api.list(&format!("/api/v1/pipelines/{name}/runs")).await
}

/// Waits for the n-th run of the pipeline and answers it.
async fn nth(api: &Api, name: &str, n: usize) -> Result<Value> {
    until(&format!("run {n} of {name}"), LIMIT, || async {
        let all = runs(api, name).await?;
        Ok((all.len() >= n).then(|| all[all.len() - n].clone()))
    })
    .await
}

#[tokio::test]
async fn a_schedule_runs_when_due_catches_up_as_it_says_and_a_pause_is_not_made_up_for() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let yaml = |catch_up: &str| {
        format!(
            "name: nightly\nparameters: {{ day: none }}\ntasks:\n  a: {{ approval: {{ text: \"for ${{run.due_date}}\" }} }}\nconcurrency: {{ most: 50 }}\nschedules:\n  - {{ name: night, cron: \"0 3 * * *\", zone: Europe/Berlin, catch_up: {catch_up}, parameters: {{ day: it }} }}\n"
        )
    };
    let three_days = "UPDATE pipeline_schedules SET done_until = done_until - 3 * 86400000";
    let applied = apply(&admin, &yaml("none")).await?;
    let schedule = &applied["pipeline"]["schedules"][0];
    assert_eq!(schedule["next"].as_array().unwrap().len(), 5);
    assert_eq!(schedule["by"], "admin");
    // The box was off for three nights: none of them is made up for.
    server.alter(three_days)?;
    tokio::time::sleep(QUIET).await;
    assert!(runs(&admin, "nightly").await?.is_empty());
    // With catch_up: last, one is. An edit of the schedule alone.
    let id = schedule["id"].as_str().unwrap();
    let path = format!("/api/v1/pipelines/nightly/schedules/{id}");
    admin.patch(&path, json!({ "catch_up": "last" })).await?;
    let run = nth(&admin, "nightly", 1).await?;
    assert_eq!((&run["cause"]["by"], &run["cause"]["schedule"]), (&json!("schedule"), &json!("night")), "{run}");
    let detail = reaches(&admin, run["id"].as_str().unwrap(), "a", "waits_for_person", LIMIT).await?;
    assert_eq!(detail["parameters"]["day"], "it");
    let asked = detail["tasks"][0]["approval"]["text"].as_str().unwrap();
    assert!(asked.starts_with("for 20") && asked.len() == "for 2026-11-26".len(), "{asked}");
    // All: three more, the same instant never twice.
    admin.patch(&path, json!({ "catch_up": "all" })).await?;
    server.alter(three_days)?;
    nth(&admin, "nightly", 3).await?;
    tokio::time::sleep(QUIET).await;
    assert_eq!(runs(&admin, "nightly").await?.len(), 3, "the newest of the three ran before");

    // A pause, of the schedule or of the pipeline, is not replayed.
    for (pause, resume) in
        [(&path, json!({ "paused": false })), (&"/api/v1/pipelines/nightly".to_owned(), json!({ "paused": false }))]
    {
        admin.patch(pause, json!({ "paused": true })).await?;
        server.alter(three_days)?;
        tokio::time::sleep(QUIET).await;
        admin.patch(pause, resume).await?;
        tokio::time::sleep(QUIET).await;
        assert_eq!(runs(&admin, "nightly").await?.len(), 3);
    }
    // Other times begin now; wrong ones are refused; an edit outlives an apply that says nothing new about schedules.
    let edited = admin.patch(&path, json!({ "cron": "*/5 * * * *", "zone": "Asia/Tokyo" })).await?;
    assert_eq!(edited["schedules"][0]["zone"], "Asia/Tokyo");
    assert_eq!(admin.status(Method::PATCH, &path, Some(json!({ "cron": "every day" }))).await?, 400);
    assert_eq!(admin.status(Method::PATCH, &path, Some(json!({ "zone": "Mars/Base" }))).await?, 400);
    let applied = apply(&admin, &yaml("none").replace("most: 50", "most: 51")).await?;
    assert_eq!(applied["pipeline"]["schedules"][0]["zone"], "Asia/Tokyo");
    let applied = apply(&admin, &yaml("last")).await?;
    assert_eq!(applied["pipeline"]["schedules"][0]["zone"], "Europe/Berlin");
    Ok(())
}

#[tokio::test]
async fn what_happens_starts_what_waits_for_it() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let vera = server.person(&admin, "vera", "viewer").await?;
    wine(&admin, &["id,acid\n1,3.1\n"]).await?;
    let job = "job: { command: [\"true\"], tracked: false }";
    let first = format!(
        "name: first\nparameters: {{ version: 0 }}\ntasks:\n  a: {{ {job} }}\ntriggers:\n  - {{ dataset_version: wine, parameters: {{ version: \"${{event.version}}\" }} }}\n  - {{ alert: too-slow }}\n  - {{ drift: wine }}\n"
    );
    apply(&admin, &first).await?;
    let second = format!(
        "name: second\nparameters: {{ of: none }}\ntasks:\n  a: {{ {job} }}\ntriggers:\n  - {{ pipeline: first, state: succeeded, parameters: {{ of: \"run ${{event.number}}\" }} }}\n"
    );
    apply(&admin, &second).await?;
    // A version that is there already starts nothing; a new one does, with its number.
    version(&admin, "id,acid\n1,3.1\n2,3.2\n").await?;
    let run = nth(&admin, "first", 1).await?;
    assert_eq!(run["cause"]["kind"], "dataset_version", "{run}");
    let end = ended(&admin, run["id"].as_str().unwrap(), LIMIT).await?;
    assert_eq!((&end["run"]["state"], &end["parameters"]["version"]), (&json!("succeeded"), &json!(2)));
    // Its end starts the other.
    let follows = nth(&admin, "second", 1).await?;
    let follows = ended(&admin, follows["id"].as_str().unwrap(), LIMIT).await?;
    assert_eq!((&follows["parameters"]["of"], &follows["run"]["cause"]["subject"]), (&json!("run 1"), &json!("first")));
    // Alerts and drift, told from outside for now.
    for (kind, subject, n) in [("alert", "too-slow", 2), ("drift", "wine", 3)] {
        let told = admin.post("/api/v1/pipeline-events", json!({ "kind": kind, "subject": subject })).await?;
        assert_eq!(told["pipelines"], json!(["first"]));
        assert_eq!(nth(&admin, "first", n).await?["cause"]["kind"], kind);
    }
    let event = |kind: &str| json!({ "kind": kind, "subject": "nobody-waits" });
    assert_eq!(admin.post("/api/v1/pipeline-events", event("alert")).await?["pipelines"], json!([]));
    assert_eq!(admin.status(Method::POST, "/api/v1/pipeline-events", Some(event("webhook"))).await?, 400);
    assert_eq!(vera.status(Method::POST, "/api/v1/pipeline-events", Some(event("drift"))).await?, 403);
    // While it is paused, nothing; afterwards, nothing either.
    admin.patch("/api/v1/pipelines/first", json!({ "paused": true })).await?;
    version(&admin, "id,acid\n1,3.3\n").await?;
    tokio::time::sleep(QUIET).await;
    admin.patch("/api/v1/pipelines/first", json!({ "paused": false })).await?;
    tokio::time::sleep(QUIET).await;
    assert_eq!(runs(&admin, "first").await?.len(), 3);
    Ok(())
}

#[tokio::test]
async fn a_webhook_needs_its_token_or_a_signature_and_gives_parameters_by_name() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let yaml = "name: hooked\nparameters: { branch: main }\ntasks:\n  a: { approval: {} }\nconcurrency: { most: 9 }\ntriggers:\n  - { webhook: true }\n";
    let applied = apply(&admin, yaml).await?;
    let trigger = &applied["pipeline"]["triggers"][0];
    let (path, token) = (trigger["hook"].as_str().unwrap().to_owned(), trigger["token"].as_str().unwrap().to_owned());
    assert!(admin.get("/api/v1/pipelines/hooked").await?["triggers"][0]["token"].is_null(), "told once");
    let anybody = server.anonymous()?;
    let call = |path: String, header: Option<(&'static str, String)>, body: &'static str| {
        let anybody = anybody.clone();
        async move {
            let mut request = anybody.request(Method::POST, &path).body(body);
            if let Some((name, value)) = header {
                request = request.header(name, value);
            }
            Ok::<_, anyhow::Error>(request.send().await?.status().as_u16())
        }
    };
    let good = || Some(("x-gitlab-token", token.clone()));
    let body = r#"{"parameters": {"branch": "next"}}"#;
    assert_eq!(call(path.clone(), None, body).await?, 404);
    assert_eq!(call(path.clone(), Some(("x-gitlab-token", "wrong".into())), body).await?, 404);
    assert_eq!(call("/api/v1/hooks/nothing".into(), good(), body).await?, 404);
    assert_eq!(call(path.clone(), good(), "[1]").await?, 400);
    assert_eq!(call(path.clone(), good(), r#"{"parameters": {"x": 1}}"#).await?, 400);
    assert_eq!(call(path.clone(), good(), body).await?, 202);
    let run = nth(&admin, "hooked", 1).await?;
    let detail = reaches(&admin, run["id"].as_str().unwrap(), "a", "waits_for_person", LIMIT).await?;
    assert_eq!((&detail["parameters"]["branch"], &detail["run"]["cause"]["kind"]), (&json!("next"), &json!("webhook")));
    // As GitHub and Gitea sign.
    let key = hmac::Key::new(hmac::HMAC_SHA256, token.as_bytes());
    let signature = format!("sha256={}", hex::encode(hmac::sign(&key, b"{\"ref\": \"x\"}")));
    assert_eq!(call(path.clone(), Some(("x-hub-signature-256", signature.clone())), "{\"ref\": \"x\"}").await?, 202);
    assert_eq!(call(path.clone(), Some(("x-hub-signature-256", signature)), "{\"ref\": \"y\"}").await?, 404);
    // A new token ends the old one.
    let id = trigger["id"].as_str().unwrap();
    let renewed = admin.post(&format!("/api/v1/pipelines/hooked/triggers/{id}/token"), json!({})).await?;
    assert_eq!(call(path.clone(), good(), "").await?, 404);
    let bearer = format!("Bearer {}", renewed["token"].as_str().unwrap());
    assert_eq!(call(path, Some(("authorization", bearer)), "").await?, 202);
    nth(&admin, "hooked", 3).await.map(drop)
}

#[tokio::test]
async fn a_schedule_is_added_edited_paused_and_removed_beside_the_yaml() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let (ann, vera) = (server.person(&admin, "ann", "engineer").await?, server.person(&admin, "vera", "viewer").await?);
    let yaml = |most: u32, night: &str| {
        format!(
            "name: beside\nparameters: {{ day: null }}\ntasks:\n  a: {{ approval: {{}} }}\nconcurrency: {{ most: {most} }}\nschedules:\n  - {{ name: {night}, cron: \"0 3 * * *\", zone: Europe/Berlin, catch_up: none, parameters: {{ day: it }} }}\n"
        )
    };
    apply(&admin, &yaml(50, "night")).await?;
    let all = "/api/v1/pipelines/beside/schedules";
    let noon = json!({ "name": "noon", "cron": "0 12 * * *", "zone": "Asia/Tokyo", "catch_up": "last", "parameters": { "day": "noon" } });
    let with = |key: &str, value: Value| {
        let mut wish = noon.clone();
        wish[key] = value;
        wish
    };
    // what cannot be is refused with what to do, and nothing is kept of it
    for (wish, status, words) in [
        (with("cron", json!("every day")), 400, "five fields"),
        (with("cron", json!("0 12 31 2 *")), 400, "never run"),
        (with("cron", json!("0 25 * * *")), 400, "is no hour"),
        (with("zone", json!("Mars/Base")), 400, "Europe/Berlin"),
        (with("parameters", json!({})), 400, "day has no default"),
        (with("parameters", json!({ "day": "x", "nigth": 1 })), 400, "no parameter nigth"),
        (with("name", json!("  ")), 400, "name"),
        (with("name", json!("night")), 409, "edit that one"),
    ] {
        let (found, answer) = ann.send(Method::POST, all, Some(wish.clone())).await?;
        assert!(found == status && answer.to_string().contains(words), "{wish}: {found} {answer}");
    }
    // what it would do is told before there is one, by who may make it
    let times = "/api/v1/pipeline-schedule-preview";
    let seen = ann.post(times, json!({ "cron": "0 12 * * *", "zone": "Asia/Tokyo" })).await?;
    let next = seen["next"].as_array().unwrap();
    assert!(next.len() == 5 && next[0]["local"].as_str().unwrap().ends_with("T12:00:00+09:00"), "{seen}");
    let wrong = ann.post(times, json!({ "cron": "0 12 31 2 *", "zone": "Mars/Base" })).await?;
    assert_eq!((&wrong["next"], &wrong["cron_fault"]), (&json!([]), &Value::Null), "no times without a zone: {wrong}");
    assert!(wrong["zone_fault"].as_str().unwrap().contains("Europe/Berlin"), "{wrong}");
    assert_eq!(vera.status(Method::POST, times, Some(json!({ "cron": "* * * * *", "zone": "UTC" }))).await?, 403);
    let mut unsaid = noon.clone();
    unsaid.as_object_mut().unwrap().remove("catch_up");
    assert_eq!(ann.status(Method::POST, all, Some(unsaid)).await? / 100, 4, "what becomes of missed runs is said");
    assert_eq!(vera.status(Method::POST, all, Some(noon.clone())).await?, 403);
    assert_eq!(server.count("SELECT count(*) FROM pipeline_schedules")?, 1);

    let detail = ann.post(all, noon).await?;
    assert_eq!(detail["schedules"][1]["next"][0], next[0]["at"], "the preview and the schedule are of one clock");
    let (night, noon) = (&detail["schedules"][0], &detail["schedules"][1]);
    assert_eq!(
        (&noon["name"], &noon["by_hand"], &noon["by"]),
        (&json!("noon"), &json!(true), &json!("ann")),
        "{detail}"
    );
    assert_eq!(night["by_hand"], false);
    let path = format!("{all}/{}", noon["id"].as_str().unwrap());
    tokio::time::sleep(QUIET).await;
    assert!(runs(&admin, "beside").await?.is_empty(), "it begins now: no instant before it is made up for");

    // two nights away: the last noon is made up for; two more in a pause: none
    let days = "UPDATE pipeline_schedules SET done_until = done_until - 2 * 86400000";
    server.alter(days)?;
    let run = nth(&admin, "beside", 1).await?;
    assert_eq!(run["cause"]["schedule"], "noon", "{run}");
    ann.patch(&path, json!({ "paused": true })).await?;
    server.alter(days)?;
    tokio::time::sleep(QUIET).await;
    let edited = ann.patch(&path, json!({ "paused": false, "parameters": { "day": "later" } })).await?;
    assert_eq!(edited["schedules"][1]["parameters"], json!({ "day": "later" }));
    tokio::time::sleep(QUIET).await;
    assert_eq!(runs(&admin, "beside").await?.len(), 1, "a pause is not replayed");
    assert_eq!(ann.status(Method::PATCH, &path, Some(json!({ "parameters": {} }))).await?, 400);

    // an apply leaves it there, in the name of who applied; one that it could start nothing of is refused
    let applied = apply(&admin, &yaml(51, "late")).await?;
    let names: Vec<&Value> =
        applied["pipeline"]["schedules"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["late", "noon"]);
    assert_eq!(applied["pipeline"]["schedules"][1]["by"], "admin");
    let other = yaml(51, "late").replace("day:", "days:");
    let (status, refused) = admin.send(Method::POST, "/api/v1/pipelines", Some(json!({ "yaml": other }))).await?;
    assert!(status == 400 && refused.to_string().contains("The schedule noon"), "{refused}");

    // one of the YAML goes until the YAML says something else; one beside it for good
    let late = applied["pipeline"]["schedules"][0]["id"].as_str().unwrap();
    assert_eq!(vera.status(Method::DELETE, &path, None).await?, 403);
    for path in [&path, &format!("{all}/{late}")] {
        assert_eq!(ann.status(Method::DELETE, path, None).await?, 204);
        assert_eq!(ann.status(Method::DELETE, path, None).await?, 404);
    }
    let applied = apply(&admin, &yaml(52, "late")).await?;
    assert_eq!(applied["pipeline"]["schedules"], json!([]));
    let applied = apply(&admin, &yaml(52, "later")).await?;
    assert_eq!(applied["pipeline"]["schedules"][0]["name"], "later");
    let audit = admin.get("/api/v1/audit?limit=200").await?.to_string();
    for verb in ["pipeline.schedule.create", "\"pipeline.schedule\"", "pipeline.schedule.delete"] {
        assert!(audit.contains(verb), "{verb}: {audit}");
    }
    assert_eq!(runs(&admin, "beside").await?.len(), 1, "what it started stays");
    Ok(())
}
