//! Queues with real containers: who starts next, what the others wait for, and who is stopped for whom.

use std::time::Duration;

use anyhow::{Result, ensure};
use drydock_tests::{Api, Server, Setup, until};
use reqwest::Method;
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(120);

/// A job that sleeps for so many seconds.
fn sleeps(name: &str, seconds: u32, more: Value) -> Value {
    let mut wish = json!({
        "name": name, "command": ["sleep", seconds.to_string()], "tracked": false,
        "resources": { "cpus": 0.1, "memory_bytes": 64 << 20, "gpus": 0 },
    });
    let more = more.as_object().cloned().unwrap_or_default();
    wish.as_object_mut().unwrap().extend(more);
    wish
}

async fn is_in(api: &Api, job: &str, state: &str) -> Result<()> {
    let path = format!("/api/v1/jobs/{job}");
    until(&format!("job {job} is {state}"), LIMIT, || async {
        let detail = api.get(&path).await?;
        Ok((detail["summary"]["state"] == state).then_some(()))
    })
    .await
}

/// The reason that the job is shown with, once it has these words.
async fn waits_with(api: &Api, job: &str, words: &str) -> Result<String> {
    let path = format!("/api/v1/jobs/{job}");
    let seen = std::sync::Mutex::new(String::new());
    let found = until(&format!("job {job} waits: {words}"), LIMIT, || async {
        let detail = api.get(&path).await?;
        let reason = detail["summary"]["reason"].as_str().unwrap_or_default().to_owned();
        *seen.lock().unwrap() = detail["summary"].to_string();
        Ok(reason.contains(words).then_some(reason))
    })
    .await;
    found.map_err(|error| error.context(seen.lock().unwrap().clone()))
}

async fn order(api: &Api) -> Result<Vec<String>> {
    let order = api.get("/api/v1/queue").await?;
    let names = order["jobs"]["items"].as_array().into_iter().flatten();
    Ok(names.filter_map(|job| job["name"].as_str().map(str::to_owned)).collect())
}

#[tokio::test]
async fn queues_are_set_by_admins_and_say_what_they_use() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let erin = server.person(&admin, "erin", "engineer").await?;
    let night = json!({ "weight": 3, "caps": { "jobs": 2 }, "person_caps": { "cpus": 1.5 }, "preempts": true });
    assert_eq!(erin.status(Method::PUT, "/api/v1/queues/night", Some(night.clone())).await?, 403);
    let made = admin.put("/api/v1/queues/night", night).await?;
    assert_eq!((&made["settings"]["weight"], &made["settings"]["caps"]["jobs"]), (&json!(3), &json!(2)), "{made}");
    for bad in [json!({ "weight": 0 }), json!({ "patience_s": 1 }), json!({ "caps": { "cpus": -1.0 } })] {
        assert_eq!(admin.status(Method::PUT, "/api/v1/queues/bad", Some(bad)).await?, 400);
    }
    assert_eq!(admin.status(Method::PUT, "/api/v1/queues/bad", Some(json!({ "privileged": true }))).await?, 422);

    let job = erin.submit_with(sleeps("long", 300, json!({ "queue": "night" }))).await?;
    is_in(&erin, &job, "running").await?;
    let seen = erin.get("/api/v1/queues/night").await?;
    assert_eq!((&seen["running"], &seen["using"]["jobs"], &seen["using"]["cpus"]), (&json!(1), &json!(1), &json!(0.1)));
    assert_eq!(seen["people"][0]["username"], "erin", "{seen}");
    assert!(seen["share"].as_f64().unwrap() > 0.0 && seen["people"][0]["turn_at"].is_i64(), "{seen}");
    let all = erin.list("/api/v1/queues").await?;
    assert_eq!(all.iter().map(|one| one["name"].as_str().unwrap()).collect::<Vec<_>>(), ["default", "night"]);

    assert_eq!(admin.status(Method::DELETE, "/api/v1/queues/night", None).await?, 409, "a job is in it");
    assert_eq!(admin.status(Method::DELETE, "/api/v1/queues/default", None).await?, 409);
    erin.post(&format!("/api/v1/jobs/{job}/cancel"), Value::Null).await?;
    erin.finished(&job, LIMIT).await?;
    admin.delete("/api/v1/queues/night").await?;
    assert_eq!(erin.get(&format!("/api/v1/jobs/{job}")).await?["summary"]["queue"], "default");
    assert_eq!(
        erin.status(Method::POST, "/api/v1/jobs", Some(sleeps("a", 1, json!({ "queue": "night" })))).await?,
        400
    );
    let audit = admin.get("/api/v1/audit").await?.to_string();
    for action in ["queue.set", "queue.delete"] {
        assert!(audit.contains(action), "{action} is not in the audit: {audit}");
    }
    Ok(())
}

#[tokio::test]
async fn a_cap_holds_jobs_back_says_so_and_is_never_passed() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    admin.put("/api/v1/queues/default", json!({ "caps": { "jobs": 2 } })).await?;
    let mut jobs = vec![];
    for number in 1..=6 {
        jobs.push(admin.submit_with(sleeps(&format!("job-{number}"), 2, json!({}))).await?);
    }
    let words = waits_with(&admin, &jobs[5], "may use 2 jobs at once").await?;
    assert!(words.contains("the queue default"), "{words}");
    let ends = async {
        for job in &jobs {
            admin.finished(job, LIMIT).await?;
        }
        Ok(())
    };
    let watch = async {
        loop {
            ensure!(server.containers()?.iter().filter(|one| one.state == "running").count() <= 2, "more than the cap");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::select! { ended = ends => ended, broken = watch => broken }
}

#[tokio::test]
async fn priority_decides_in_a_queue_and_its_owner_moves_a_job() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let (erin, fred) =
        (server.person(&admin, "erin", "engineer").await?, server.person(&admin, "fred", "engineer").await?);
    admin.put("/api/v1/queues/default", json!({ "caps": { "jobs": 1 } })).await?;
    let first = erin.submit_with(sleeps("first", 300, json!({}))).await?;
    is_in(&erin, &first, "running").await?;
    let low = erin.submit_with(sleeps("low", 300, json!({}))).await?;
    let high = erin.submit_with(sleeps("high", 300, json!({ "priority": 5 }))).await?;
    until("both wait, the urgent one first", LIMIT, || async {
        Ok((order(&erin).await? == ["high", "low"]).then_some(()))
    })
    .await?;

    let priority = |priority: i32| Some(json!({ "priority": priority }));
    assert_eq!(fred.status(Method::POST, &format!("/api/v1/jobs/{low}/priority"), priority(9)).await?, 403);
    assert_eq!(erin.status(Method::POST, &format!("/api/v1/jobs/{low}/priority"), priority(11)).await?, 400);
    erin.post(&format!("/api/v1/jobs/{low}/priority"), json!({ "priority": 9 })).await?;
    until("it passes the other", LIMIT, || async { Ok((order(&erin).await? == ["low", "high"]).then_some(())) })
        .await?;
    assert_eq!(erin.status(Method::POST, "/api/v1/jobs", Some(sleeps("a", 1, json!({ "priority": 11 })))).await?, 400);

    admin.put("/api/v1/queues/other", json!({})).await?;
    erin.post(&format!("/api/v1/jobs/{high}/queue"), json!({ "queue": "other" })).await?;
    is_in(&erin, &high, "running").await?;
    assert_eq!(
        erin.status(Method::POST, &format!("/api/v1/jobs/{high}/queue"), Some(json!({ "queue": "default" }))).await?,
        409
    );
    erin.post(&format!("/api/v1/jobs/{first}/cancel"), Value::Null).await?;
    is_in(&erin, &low, "running").await
}

#[tokio::test]
async fn a_paused_queue_starts_nothing_until_it_is_resumed() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    admin.post("/api/v1/queues/default/pause", json!({ "paused": true })).await?;
    let job = admin.submit_with(sleeps("patient", 1, json!({}))).await?;
    waits_with(&admin, &job, "the queue default is paused").await?;
    assert!(server.containers()?.is_empty());
    admin.post("/api/v1/queues/default/pause", json!({ "paused": false })).await?;
    assert_eq!(admin.finished(&job, LIMIT).await?["summary"]["state"], "succeeded");
    Ok(())
}

#[tokio::test]
async fn who_used_less_of_the_box_comes_before_who_floods_it() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let (erin, fred) =
        (server.person(&admin, "erin", "engineer").await?, server.person(&admin, "fred", "engineer").await?);
    admin.put("/api/v1/queues/default", json!({ "caps": { "jobs": 1 } })).await?;
    let first = erin.submit_with(sleeps("erin-1", 300, json!({}))).await?;
    is_in(&erin, &first, "running").await?;
    for number in 2..=5 {
        erin.submit_with(sleeps(&format!("erin-{number}"), 300, json!({}))).await?;
    }
    let late = fred.submit_with(sleeps("fred-1", 300, json!({}))).await?;
    until("fred is next", LIMIT, || async {
        Ok((order(&fred).await?.first().map(String::as_str) == Some("fred-1")).then_some(()))
    })
    .await?;
    erin.post(&format!("/api/v1/jobs/{first}/cancel"), Value::Null).await?;
    is_in(&fred, &late, "running").await
}

#[tokio::test]
async fn a_short_job_runs_while_a_large_one_waits_and_a_long_one_does_not_delay_it() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let cpus = admin.get("/api/v1/queue").await?["total"]["cpus"].as_f64().filter(|cpus| *cpus >= 1.0);
    let cpus = match cpus {
        Some(cpus) => cpus,
        None => {
            until("a first decision", LIMIT, || async {
                Ok(admin.get("/api/v1/queue").await?["total"]["cpus"].as_f64().filter(|cpus| *cpus >= 1.0))
            })
            .await?
        }
    };
    let of = |cpus: f64| json!({ "cpus": cpus, "memory_bytes": 64 << 20, "gpus": 0 });
    let first = sleeps("first", 300, json!({ "timeout_s": 600, "resources": of(cpus - 0.5) }));
    let first = admin.submit_with(first).await?;
    is_in(&admin, &first, "running").await?;
    let large = admin.submit_with(sleeps("large", 1, json!({ "timeout_s": 60, "resources": of(cpus) }))).await?;
    let words = waits_with(&admin, &large, "next in line").await?;
    assert!(words.contains("CPUs free") && words.contains("min"), "{words}");
    let long = admin.submit_with(sleeps("long", 300, json!({ "resources": of(0.2) }))).await?;
    let words = waits_with(&admin, &long, "would delay large").await?;
    assert!(words.contains("at the latest in"), "{words}");
    let short = admin.submit_with(sleeps("short", 1, json!({ "timeout_s": 60, "resources": of(0.2) }))).await?;
    assert_eq!(admin.finished(&short, LIMIT).await?["summary"]["state"], "succeeded");
    assert_eq!(admin.get(&format!("/api/v1/jobs/{large}")).await?["summary"]["state"], "queued");
    let never = admin.put("/api/v1/queues/small", json!({ "person_caps": { "cpus": 0.1 } })).await;
    never?;
    let never = admin.submit_with(sleeps("never", 1, json!({ "queue": "small", "resources": of(0.5) }))).await?;
    waits_with(&admin, &never, "cannot run as things are").await?;
    admin.post(&format!("/api/v1/jobs/{first}/cancel"), Value::Null).await?;
    assert_eq!(admin.finished(&large, LIMIT).await?["summary"]["state"], "succeeded");
    Ok(())
}

#[tokio::test]
async fn the_order_outlives_a_kill_and_nothing_starts_twice() -> Result<()> {
    let mut server = Server::start().await?;
    let admin = server.admin().await?;
    admin.put("/api/v1/queues/default", json!({ "caps": { "jobs": 1 } })).await?;
    let mut jobs = vec![];
    for number in 1..=4 {
        jobs.push(admin.submit_with(sleeps(&format!("job-{number}"), 1, json!({ "priority": number }))).await?);
    }
    server.kill9().await?;
    server.launch().await?;
    let mut ends = vec![];
    for job in &jobs {
        let end = admin.finished(job, LIMIT).await?;
        assert_eq!(
            (&end["summary"]["state"], end["attempts"].as_array().map(Vec::len)),
            (&json!("succeeded"), Some(1))
        );
        ends.push(end["summary"]["started_at"].as_i64().unwrap());
    }
    // the first may have been let in before the more urgent ones came
    assert!(ends[3] < ends[2] && ends[2] < ends[1], "{ends:?}");
    Ok(())
}

#[tokio::test]
async fn a_resumable_job_is_stopped_for_an_urgent_one_and_goes_on_afterwards() -> Result<()> {
    let settings = "[limits]\npreempt_after_s = 1\n";
    let server = Server::start_as(Setup { settings, ..Setup::default() }).await?;
    let admin = server.admin().await?;
    admin.put("/api/v1/queues/default", json!({ "preempts": true })).await?;
    let cpus = until("a first decision", LIMIT, || async {
        Ok(admin.get("/api/v1/queue").await?["total"]["cpus"].as_f64().filter(|cpus| *cpus >= 1.0))
    })
    .await?;
    let of = |cpus: f64| json!({ "cpus": cpus, "memory_bytes": 128 << 20, "gpus": 0 });
    // SIGTERM: it writes down how far it is, and ends well; that is no success, since it was not done. The first time it never is
    let program = "import signal, sys, time, os\n\
        at = '/checkpoints/at'\n\
        n = int(open(at).read()) if os.path.exists(at) else 0\n\
        def stop(*_):\n    open(at, 'w').write(str(n)); print('stopped at', n, flush=True); sys.exit(0)\n\
        signal.signal(signal.SIGTERM, stop)\n\
        print('began at', n, flush=True)\n\
        first = n == 0\n\
        while first or n < 20: time.sleep(0.5); n += 1; print('is at', n, flush=True)\n\
        print('done', flush=True)";
    let patient = json!({
        "name": "patient", "command": ["python3", "-c", program], "tracked": false, "resources": of(cpus), "resume": { "grace_s": 20 },
    });
    let patient = admin.submit_with(patient).await?;
    until("it does not get on", LIMIT, || async {
        let log = admin.send(Method::GET, &format!("/api/v1/jobs/{patient}/log"), None).await?.1;
        Ok(log.as_str().is_some_and(|log| log.contains("is at 4")).then_some(()))
    })
    .await?;
    let urgent = sleeps("urgent", 1, json!({ "priority": 5, "timeout_s": 60, "resources": of(1.0) }));
    let urgent = admin.submit_with(urgent).await?;
    assert_eq!(admin.finished(&urgent, LIMIT).await?["summary"]["state"], "succeeded");
    let end = admin.finished(&patient, LIMIT).await?;
    assert_eq!(end["summary"]["state"], "succeeded", "{end:#}");
    let attempts = end["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 2, "{end:#}");
    assert_eq!(
        (&attempts[0]["cause"], &attempts[0]["reason"]),
        (&json!("preempted"), &json!("stopped for job urgent"))
    );
    let log = |attempt: u32| {
        let path = format!("/api/v1/jobs/{patient}/log?attempt={attempt}");
        let admin = admin.clone();
        async move {
            Ok::<_, anyhow::Error>(
                admin.send(Method::GET, &path, None).await?.1.as_str().unwrap_or_default().to_owned(),
            )
        }
    };
    let (first, second) = (log(1).await?, log(2).await?);
    assert!(first.contains("began at 0") && first.contains("stopped at"), "{first}");
    assert!(second.contains("began at") && !second.contains("began at 0") && second.contains("done"), "{second}");
    Ok(())
}
