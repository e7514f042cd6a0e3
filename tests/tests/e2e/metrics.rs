//! What is measured over time: the same for Prometheus, which scrapes the box, as for our own queries; before and after a kill.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, ensure};
use drydock_tests::{Api, Prometheus, Server, prometheus, until};
use reqwest::Method;
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(90);

/// These move between two looks, so that two who look at different moments see different values.
const RESTLESS: [&str; 12] = [
    "drydock_box_cpu_ratio",
    "drydock_box_load",
    "drydock_box_memory_used_bytes",
    "drydock_box_swap_used_bytes",
    "drydock_box_disk_free_bytes",
    "drydock_disk_free_bytes",
    "drydock_disk_read_bytes_per_second",
    "drydock_disk_written_bytes_per_second",
    "drydock_db_queued_writes",
    "drydock_container_memory_bytes",
    "drydock_task_last_duration_seconds",
    "drydock_task_ok",
];

async fn range(api: &Api, query: &str) -> Result<Vec<Value>> {
    let answer = api.get(&format!("/api/v1/metrics/range?{query}")).await?;
    Ok(answer["series"].as_array().context("no series")?.clone())
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Values that are not null, with their instants.
fn points(answer: &Value, line: &Value) -> Vec<(i64, f64)> {
    let (first, step) = (answer["first_at"].as_i64().unwrap_or(0), answer["step_ms"].as_i64().unwrap_or(1));
    let values = line["values"].as_array().map(Vec::as_slice).unwrap_or_default();
    let place = |n: usize| first + step * i64::try_from(n).unwrap_or(0);
    values.iter().enumerate().filter_map(|(n, value)| Some((place(n), value.as_f64()?))).collect()
}

/// A job that tells a metric of its own and then works on.
const BREATHING: &str = r#"
import os, time, urllib.request
told = b'# TYPE breaths_total counter\nbreaths_total{deep="yes"} 7\n'
headers = {'Authorization': 'Bearer ' + os.environ['MLFLOW_TRACKING_TOKEN'], 'Content-Type': 'text/plain'}
urllib.request.urlopen(urllib.request.Request(os.environ['MLFLOW_TRACKING_URI'] + '/api/v1/metrics', told, headers))
while True:
    sum(range(100000))
    time.sleep(0.05)
"#;

type Known = BTreeMap<String, Vec<(i64, f64)>>;

/// Our samples of a name, by labels.
async fn ours(api: &Api, name: &str) -> Result<Known> {
    let answer = api.get(&format!("/api/v1/metrics/range?match={name}&function=last&step_s=5")).await?;
    let lines = answer["series"].as_array().context("no series")?;
    Ok(lines.iter().map(|line| (line["labels"].to_string(), points(&answer, line))).collect())
}

/// Every sample that Prometheus took lies among ours of the same seconds.
async fn compare(api: &Api, prometheus: &Prometheus) -> Result<usize> {
    let theirs = prometheus.query(r#"{__name__=~"drydock_.*|process_.*",route=""}[40s]"#).await?;
    ensure!(theirs.len() > 50, "Prometheus has {} series", theirs.len());
    let (mut known, mut compared): (BTreeMap<String, Known>, usize) = Default::default();
    for series in &theirs {
        let mut labels = series["metric"].as_object().context("no labels")?.clone();
        let name = text_of(&labels["__name__"]).to_owned();
        ["__name__", "instance", "job"].into_iter().for_each(|label| drop(labels.remove(label)));
        if !known.contains_key(&name) {
            known.insert(name.clone(), ours(api, &name).await?);
        }
        let labels: BTreeMap<&String, &Value> = labels.iter().collect();
        let own = known[&name].get(&serde_json::to_string(&labels)?);
        let own = own.with_context(|| format!("we have no {name} {labels:?}"))?;
        if RESTLESS.contains(&name.as_str()) || name == "process_resident_memory_bytes" {
            continue;
        }
        for sample in series["values"].as_array().context("no values")? {
            let at = (sample[0].as_f64().unwrap_or(0.0) * 1000.0) as i64;
            let value: f64 = text_of(&sample[1]).parse()?;
            // ours are told at the start of their five seconds, and taken a little later: so the one before the last counts, too
            let Some(next) = own.iter().position(|(own_at, _)| *own_at >= at).filter(|next| *next >= 2) else {
                continue;
            };
            let around = own[next - 2..=next].iter().map(|(_, value)| *value);
            let (low, high) =
                around.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), it| (low.min(it), high.max(it)));
            ensure!(low <= value && value <= high, "{name} {labels:?} at {at}: {value} is not in {low}..{high}");
            compared += 1;
        }
    }
    Ok(compared)
}

/// What the job told is there as the job's; what nobody may tell is refused.
async fn pushed(server: &Server, admin: &Api, job: &str) -> Result<()> {
    let told = || async {
        let found = admin.get("/api/v1/metrics/series?match=breaths_total%7Bjob%3D%22breathing%22%7D").await?;
        Ok(found.as_array().and_then(|all| all.first().cloned()).filter(|one| one["value"] == 7.0))
    };
    let told = until("the job's own metric", PATIENCE, told).await?;
    ensure!(told["labels"]["owner"] == job && told["labels"]["deep"] == "yes", "{told}");
    let gauge = |name: &str, labels: Value| json!({ "metrics": [{ "name": name, "kind": "gauge", "labels": labels, "value": 1.5 }] });
    admin.post("/api/v1/metrics", gauge("mood", json!({}))).await?;
    let (_, text) = admin.send(Method::GET, "/metrics", None).await?;
    ensure!(text_of(&text).contains("mood{pushed_by=\"admin\"} 1.5"), "{text}");
    for (body, words) in [
        (gauge("drydock_jobs", json!({})), "box's own"),
        (gauge("mood", json!({ "pushed_by": "ann" })), "cannot be called"),
        (json!({ "metrics": [{ "name": "mood", "kind": "counter", "value": 1 }] }), "is a gauge here already"),
    ] {
        let (status, said) = admin.send(Method::POST, "/api/v1/metrics", Some(body)).await?;
        ensure!(status == 400 && text_of(&said["message"]).contains(words), "{status} {said}");
    }
    let viewer = server.person(admin, "vera", "viewer").await?;
    ensure!(viewer.status(Method::POST, "/api/v1/metrics", Some(gauge("mood", json!({})))).await? == 403);
    ensure!(viewer.status(Method::GET, "/api/v1/metrics/names", None).await? == 200);
    Ok(())
}

#[tokio::test]
async fn prometheus_sees_what_our_queries_say_and_a_kill_loses_a_minute_at_most() -> Result<()> {
    let mut server = Server::start().await?;
    let admin = server.admin().await?;
    let job = admin.submit("breathing", &["python3", "-c", BREATHING]).await?;
    let address = server.url().trim_start_matches("http://").to_owned();
    let settings = format!(
        "global: {{ scrape_interval: 5s }}\nscrape_configs:\n  - job_name: box\n    static_configs: [{{ targets: ['{address}'] }}]\n"
    );
    let prometheus = Prometheus::start(&settings, &[]).await?;

    let (_, text) = admin.send(Method::GET, "/metrics", None).await?;
    let wrong = prometheus::check_metrics(text_of(&text)).await?;
    ensure!(wrong.is_empty(), "promtool: {wrong}");
    let wrong = prometheus::check_metrics("Total 1\n").await?;
    ensure!(!wrong.is_empty(), "promtool takes anything");
    let open = admin.request(Method::GET, "/metrics").header("accept", "application/openmetrics-text;version=1.0.0");
    let open = open.send().await?;
    ensure!(open.headers()["content-type"].to_str()?.starts_with("application/openmetrics-text; version=1.0.0"));
    ensure!(open.text().await?.ends_with("# EOF\n"));

    let works = || async {
        let of = "match=drydock_container_cpu_seconds_total%7Bkind%3D%22job%22,name%3D%22breathing%22%7D&function=rate&window_s=15&step_s=5";
        let lines = range(&admin, of).await?;
        let values = lines.first().and_then(|line| line["values"].as_array().cloned()).unwrap_or_default();
        Ok(values.iter().filter_map(Value::as_f64).any(|cores| cores > 0.02).then_some(()))
    };
    until("the job's container is seen to work", PATIENCE, works).await?;
    let scraped = || async {
        let found = prometheus.query("count_over_time(drydock_box_cpus[1m])").await?;
        let count = found.first().map_or("0", |it| text_of(&it["value"][1])).parse::<u64>()?;
        Ok((count >= 4).then_some(()))
    };
    until("Prometheus has scraped some times", PATIENCE, scraped).await?;
    let compared = || async { Ok(Some(compare(&admin, &prometheus).await?).filter(|count| *count > 200)) };
    let compared = until("both have samples of the same seconds", PATIENCE, compared).await?;
    println!("{compared} samples of Prometheus lie among ours");
    let up = prometheus.query("up").await?;
    ensure!(up[0]["value"][1] == "1", "{up:?}\n{}", prometheus.log());
    pushed(&server, &admin, &job).await?;
    admin.post(&format!("/api/v1/jobs/{job}/cancel"), json!({})).await?;
    // a row of the journal is written each minute, the first at once
    let kept = || async { Ok((server.metrics_rows()? >= 2).then_some(())) };
    until("a minute is written", Duration::from_secs(240), kept).await?;
    server.kill9().await?;
    server.launch().await?;
    let names = admin.get("/api/v1/metrics/names").await?;
    let cpus =
        names.as_array().context("no list")?.iter().find(|it| it["name"] == "drydock_box_cpus").context("no cpus")?;
    ensure!(cpus["series"] == 1 && cpus["kind"] == "gauge", "{cpus}");
    let before = range(&admin, "match=drydock_box_cpus&function=last&step_s=5").await?;
    let before = before.first().and_then(|line| line["values"].as_array().cloned()).unwrap_or_default();
    ensure!(before.iter().filter(|it| !it.is_null()).count() >= 8, "{before:?}");

    let (status, said) = admin.send(Method::GET, "/api/v1/metrics/range?match=up%7B", None).await?;
    ensure!(status == 400 && said["message"].as_str().is_some_and(|it| it.contains("character")), "{status} {said}");
    let (status, said) = admin.send(Method::GET, "/api/v1/metrics/range?match=up&step_s=5&from=0", None).await?;
    ensure!(status == 400 && said["message"].as_str().is_some_and(|it| it.contains("step of")), "{status} {said}");
    ensure!(server.anonymous()?.status(Method::GET, "/api/v1/metrics/names", None).await? == 401);
    Ok(())
}
