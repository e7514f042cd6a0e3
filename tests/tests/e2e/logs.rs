//! One search over what jobs, deployments, builds and Drydock itself wrote.

use std::time::Duration;

use anyhow::{Context, Result};
use drydock_tests::{Api, LogStream, until};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::{builds::World, cli::Laptop};

const LIMIT: Duration = Duration::from_secs(180);

/// Plain lines and lines that are JSON; then numbers, until there are 3,000.
const TALKATIVE: &str = r#"
import json, sys, time
print("starting the marzipan run", flush=True)
print(json.dumps({"level": "warning", "message": "slow marzipan step", "step": 7, "gpu": {"id": 3}}), flush=True)
time.sleep(0.2)
print("ERROR no marzipan left", file=sys.stderr, flush=True)
time.sleep(0.2)
print("\x1b[31mbinary\x00 garbage\x1b[0m of marzipan", flush=True)
for n in range(3000):
    print(f"counted {n}", flush=True)
    if n % 5 == 0: time.sleep(0.05)
"#;

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Lines that match, newest first.
async fn search(api: &Api, q: &str, more: &str) -> Result<Vec<Value>> {
    let answer = api.get(&format!("/api/v1/logs?q={}{more}", encoded(q))).await?;
    Ok(answer["lines"].as_array().context("no lines")?.clone())
}

async fn found(api: &Api, q: &str, count: usize) -> Result<Vec<Value>> {
    until(&format!("{count} lines for {q}"), LIMIT, || async {
        let lines = search(api, q, "").await?;
        Ok((lines.len() >= count).then_some(lines))
    })
    .await
}

async fn text(api: &Api, path: &str) -> Result<String> {
    let answer = api.request(Method::GET, path).send().await?;
    anyhow::ensure!(answer.status().is_success(), "{path} answered {}", answer.status());
    Ok(answer.text().await?)
}

fn messages(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["message"].as_str().unwrap_or_default()).collect()
}

#[tokio::test]
async fn everything_that_was_written_is_found_once_by_those_who_may_see_it() -> Result<()> {
    let mut world = World::start("[logs]\nmax_age_days = 7\nmax_bytes = 100000000\n").await?;
    let (admin, ann) = (world.admin.clone(), world.ann.clone());
    let job = ann.submit("talker", &["python3", "-u", "-c", TALKATIVE]).await?;
    searched(&ann, &job).await?;
    tailed(&ann, &job).await?;
    at_a_terminal(&Laptop::with(&world.server, ann.token())?, &job).await?;
    refused(&world, &admin, &ann).await?;

    // killed amid the lines, twice
    for _ in 0..2 {
        let before = count(&ann, &job).await?;
        world.server.kill9().await?;
        tokio::time::sleep(Duration::from_millis(300)).await;
        world.server.launch().await?;
        assert!(count(&ann, &job).await? >= before, "what was found before a kill is found after it");
    }
    let end = ann.finished(&job, LIMIT).await?;
    assert_eq!(end["summary"]["state"], "succeeded", "{end}");
    until("all lines are found", LIMIT, || async { Ok((count(&ann, &job).await? >= 3_004).then_some(())) }).await?;
    let file = text(&ann, &format!("/api/v1/logs/download?format=jsonl&owner={job}")).await?;
    let lines: Vec<Value> = file.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let counted: Vec<&str> = messages(&lines).into_iter().filter_map(|line| line.strip_prefix("counted ")).collect();
    assert_eq!(counted, (0..3000).map(|n| n.to_string()).collect::<Vec<_>>(), "each once, in order");
    // looked at once more when the log has been kept in the store: nothing comes twice
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert_eq!(count(&ann, &job).await?, 3_004);
    let plain = text(&ann, &format!("/api/v1/logs/download?owner={job}&level=error")).await?;
    assert!(
        plain.lines().count() == 1 && plain.contains(" ERROR job talker (attempt 1): ERROR no marzipan"),
        "{plain}"
    );

    // a build, and a deployment
    let dockerfile = format!("FROM {}\nRUN echo marzipan of a build\n", world.base);
    let wish = json!({ "repository": "sweet", "dockerfile": dockerfile });
    let build = world.submit(wish).await?;
    world.good(&build).await?;
    let lines = found(&ann, "kind:build \"marzipan of a build\"", 1).await?;
    assert_eq!(lines[0]["owner"], json!(build), "{lines:#?}");
    world.server.demo(&admin).await?;
    let lines = found(&ann, "deployment:breast-cancer", 1).await?;
    assert!(lines[0]["part"].as_str().is_some_and(|part| part.starts_with("revision 1")), "{}", lines[0]);
    let state = ann.get("/api/v1/logs/state").await?;
    assert_eq!((&state["max_bytes"], &state["max_age_days"]), (&json!(100_000_000), &json!(7)), "{state}");
    Ok(())
}

async fn searched(ann: &Api, job: &str) -> Result<()> {
    let lines = found(ann, "marzipan", 4).await?;
    let told = [
        "binary\u{fffd} garbage of marzipan",
        "ERROR no marzipan left",
        "slow marzipan step",
        "starting the marzipan run",
    ];
    assert_eq!(messages(&lines), told);
    assert!(lines.iter().all(|line| line["owner"] == *job && line["kind"] == "job" && line["name"] == "talker"));
    assert_eq!((&lines[1]["level"], &lines[1]["stream"]), (&json!("error"), &json!("stderr")));
    for (q, more, want) in [
        ("level:>=warn marzipan", "", vec![1, 2]),
        ("marzipan", "&level=warn", vec![2]),
        ("step:7", "", vec![2]),
        ("gpu.id:3 -other", "", vec![2]),
        ("\"marzipan run\" OR \"no marzipan\"", "", vec![1, 3]),
        ("job:talker marzip* -slow", "&kind=job,build", vec![0, 1, 3]),
        ("marzipan", "&kind=build", vec![]),
        ("marzipan", "&to=1000", vec![]),
    ] {
        let got = search(ann, q, more).await?;
        assert_eq!(messages(&got), want.into_iter().map(|at: usize| told[at]).collect::<Vec<_>>(), "{q} {more}");
    }
    // a page at a time
    let first = ann.get("/api/v1/logs?q=marzipan&limit=3").await?;
    let next = first["next"].as_str().context("a next page")?;
    let second = ann.get(&format!("/api/v1/logs?q=marzipan&limit=3&before={next}")).await?;
    assert_eq!(
        (messages(second["lines"].as_array().context("lines")?), &second["next"]),
        (vec![told[3]], &Value::Null)
    );
    let id = &lines[2]["id"];
    let around = ann.get(&format!("/api/v1/logs/context?id={id}&before=5&after=1")).await?;
    assert_eq!(messages(around["lines"].as_array().context("lines")?), [told[3], told[2], told[1]]);
    assert_eq!((&around["more_before"], &around["more_after"]), (&json!(false), &json!(true)));
    let over_time = ann.get("/api/v1/logs/histogram?q=marzipan&buckets=30").await?;
    let sum = |of: &str| -> u64 {
        over_time["buckets"].as_array().into_iter().flatten().filter_map(|bucket| bucket[of].as_u64()).sum()
    };
    assert_eq!((sum("total"), sum("warnings"), sum("errors")), (4, 1, 1), "{over_time}");
    Ok(())
}

/// Lines come as they are written, and after a break from where it was.
async fn tailed(ann: &Api, job: &str) -> Result<()> {
    let path = format!("/api/v1/logs/tail?owner={job}&q=counted");
    let mut stream = LogStream::open(ann, &path, Some(0)).await?;
    let line = stream.next().await?.context("a line")?;
    let more = stream.next().await?.context("another")?;
    drop(stream);
    let mut again = LogStream::open(ann, &path, line["id"].as_u64()).await?;
    assert_eq!(again.next().await?.context("the same")?["id"], more["id"]);
    Ok(())
}

async fn at_a_terminal(laptop: &Laptop, job: &str) -> Result<()> {
    let shown = laptop.ask(&["logs", "marzipan", "--level", ">=warn"]).await?;
    let lines: Vec<&str> = shown.lines().collect();
    assert!(
        lines.len() == 2 && lines[0].ends_with("WARN job talker (attempt 1): slow marzipan step step=7 gpu.id=3"),
        "{shown}"
    );
    let json = laptop.ask(&["logs", "marzipan run", "-n", "1", "--json"]).await?;
    assert_eq!(serde_json::from_str::<Value>(&json)?["owner"], *job);
    let wrong = laptop.run(&["logs", "level:loud"]).await?;
    assert!(wrong.code == 1 && wrong.told.contains("character 7"), "{}", wrong.told);
    // the newest that is there, then what comes; killed here, it has no end
    let mut following = laptop.command(&["logs", &format!("job:{job}"), "counted", "-n", "1", "--follow"]);
    let mut child = following.stdout(std::process::Stdio::piped()).spawn()?;
    let mut out = BufReader::new(child.stdout.take().context("an output")?).lines();
    let next = tokio::time::timeout(LIMIT, out.next_line()).await??;
    assert!(next.as_deref().is_some_and(|line| line.contains(": counted ")), "{next:?}");
    Ok(child.kill().await?)
}

/// Bad questions are told where they are bad; Drydock's own lines are for admins; strangers see nothing.
async fn refused(world: &World, admin: &Api, ann: &Api) -> Result<()> {
    for (query, why) in [
        ("q=(a", "character 1"),
        ("q=level:loud", "character 7"),
        ("level=loud", "no level"),
        ("kind=pod", "drydock"),
        ("from=5&to=5", "before to"),
        ("before=x", "another page"),
    ] {
        let (status, answer) = ann.send(Method::GET, &format!("/api/v1/logs?{query}"), None).await?;
        assert!(status == 400 && answer.to_string().contains(why), "{query}: {status} {answer}");
    }
    assert_eq!(ann.status(Method::GET, "/api/v1/logs/context?id=999999999", None).await?, 404);
    let own = found(admin, "kind:drydock ready", 1).await?;
    assert!(own[0]["level"] == "info" && own[0]["labels"].to_string().contains("boot.ms"), "{}", own[0]);
    assert!(search(ann, "kind:drydock", "").await?.is_empty(), "an engineer does not see Drydock's own lines");
    assert_eq!(ann.status(Method::GET, &format!("/api/v1/logs/context?id={}", own[0]["id"]), None).await?, 404);
    assert!(!text(ann, "/api/v1/logs/download?q=ready").await?.contains("drydock Drydock"));
    let stranger = Api::anonymous(&world.server.url())?;
    for path in ["", "/histogram", "/context?id=1", "/tail", "/download", "/state"] {
        assert_eq!(stranger.status(Method::GET, &format!("/api/v1/logs{path}"), None).await?, 401, "{path}");
    }
    Ok(())
}

async fn count(api: &Api, job: &str) -> Result<u64> {
    let answer = api.get(&format!("/api/v1/logs/histogram?owner={job}&buckets=1")).await?;
    answer["total"].as_u64().context("no total")
}
