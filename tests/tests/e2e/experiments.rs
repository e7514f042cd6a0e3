//! A/B tests and shadows with real model servers: callers stay where they are over a kill, and meet nothing of a shadow.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, ensure};
use drydock_tests::{
    Api, Server, echo,
    pipelines::{apply, start, succeeded},
    until,
};
use reqwest::Method;
use serde_json::{Value, json};

use super::releases::{
    DEPLOYMENT, INVOCATIONS, Load, PATIENCE, RELEASE, first_is_live, put, release_ends, revision_is,
};

const EXPERIMENT: &str = "/api/v1/deployments/tasting/experiment";
const METRIC: &str = "/serve/tasting/metric";
const CUSTOMERS: usize = 40;

/// Which revision answers each customer.
pub async fn revisions(api: &Api) -> Result<BTreeMap<usize, i64>> {
    let mut all = BTreeMap::new();
    for customer in 0..CUSTOMERS {
        let request = api.request(Method::POST, INVOCATIONS).json(&json!({ "inputs": [1.0] }));
        let answer = request.header("X-Customer", customer.to_string()).send().await?;
        ensure!(answer.status() == 200, "{}", answer.text().await?);
        all.insert(customer, number_of(&answer)?);
    }
    Ok(all)
}

fn number_of(answer: &reqwest::Response) -> Result<i64> {
    Ok(answer.headers().get("x-drydock-revision").context("no revision")?.to_str()?.parse()?)
}

async fn experiment(api: &Api) -> Result<Value> {
    Ok(api.get(EXPERIMENT).await?["experiment"].clone())
}

#[tokio::test]
async fn an_a_b_test_keeps_customers_where_they_are_over_a_kill_and_counts_on() -> Result<()> {
    let (mut server, admin) = first_is_live(&["good", "better"]).await?;
    let assign = json!({ "by": "header", "name": "X-Customer" });
    let plan = json!({ "strategy": "ab", "weight": 40, "assign": assign, "analysis": { "min_requests": 5, "min_success_rate": 50 } });
    put(&admin, 2, plan).await?;
    revision_is(&admin, 2, "candidate").await?;
    let first = revisions(&admin).await?;
    let candidates = first.values().filter(|number| **number == 2).count();
    ensure!((5..30).contains(&candidates), "{candidates} of {CUSTOMERS} got the candidate");
    for (customer, number) in &first {
        let converted = if *number == 2 { customer % 10 != 0 } else { customer % 10 == 0 };
        let report =
            json!({ "metric": "conversion", "value": f64::from(u8::from(converted)), "key": customer.to_string() });
        let counted = admin.post(METRIC, report).await?;
        ensure!(counted["revision"] == *number, "{counted}");
    }
    let wrong = json!({ "metric": "conversion", "value": 1, "revision": 9 });
    ensure!(admin.status(Method::POST, METRIC, Some(wrong)).await? == 400);

    // The counts are written every few seconds; then everything is killed.
    tokio::time::sleep(Duration::from_secs(5)).await;
    server.restart().await?;
    ensure!(revisions(&admin).await? == first, "customers moved");
    let seen = experiment(&admin).await?;
    let requests = |side: &str| seen[side]["requests"].as_u64().unwrap_or_default();
    ensure!(requests("live") + requests("candidate") == 2 * CUSTOMERS as u64, "{seen:#}");
    ensure!(requests("candidate") == 2 * candidates as u64, "{seen:#}");
    ensure!(seen["split"]["candidate"] == candidates && seen["split"]["mismatch"] == false, "{seen:#}");
    // what is judged by, too, goes on where it was
    until("the analysis counts from the start of the server", PATIENCE, || async {
        let looks = admin.get(RELEASE).await?["current"]["looks"].clone();
        let last = looks.as_array().and_then(|looks| looks.last()).context("no look")?;
        Ok((last["requests"] == 2 * candidates && last["failed"] == 0).then_some(()))
    })
    .await?;
    let metric = &seen["metrics"][0];
    ensure!(metric["candidate"]["reports"] == candidates, "{metric:#}");
    ensure!(metric["difference"]["low"].as_f64().is_some_and(|low| low > 0.0), "{metric:#}");
    ensure!(metric["difference"]["p_value"].as_f64().is_some_and(|p| p < 0.01), "{metric:#}");

    // It never promotes by itself; the order does, and the figures stay.
    ensure!(admin.get(RELEASE).await?["current"]["state"] == "waiting");
    admin.post(&format!("{RELEASE}/promote"), json!({})).await?;
    ensure!(revisions(&admin).await?.values().all(|number| *number == 2));
    ensure!(experiment(&admin).await?["candidate"]["requests"] == 2 * candidates, "what came after does not count");
    ensure!(
        admin.status(Method::POST, METRIC, Some(json!({ "metric": "a", "value": 1, "revision": 2 }))).await? == 409
    );

    // A canary whose reported metric is too low goes back.
    let limit = json!({ "metric": "rating", "min": 3, "min_reports": 5 });
    let analysis = json!({ "min_requests": 5, "min_success_rate": null, "metrics": [limit] });
    let steps = json!([{ "weight": 50, "hold_s": 1 }]);
    put(&admin, 1, json!({ "strategy": "canary", "steps": steps, "analysis": analysis })).await?;
    revision_is(&admin, 3, "candidate").await?;
    for rating in [1, 2, 1, 2, 1] {
        let answer = admin.request(Method::POST, INVOCATIONS).json(&json!({ "inputs": [1.0] }));
        let answer = answer.header("X-Drydock-Revision", 3).send().await?;
        ensure!(number_of(&answer)? == 3);
        admin.post(METRIC, json!({ "metric": "rating", "value": rating, "revision": 3 })).await?;
    }
    let end = release_ends(&admin).await?;
    ensure!(end["state"] == "rolled_back", "{end:#}");
    let reason = end["reason"].as_str().unwrap_or_default();
    ensure!(reason.contains("mean 'rating' of 1.4000 under 3 in 5 reports"), "{end:#}");
    Ok(())
}

#[tokio::test]
async fn a_shadow_with_wrong_answers_is_reported_and_callers_see_nothing_of_it() -> Result<()> {
    let (_server, admin) = first_is_live(&["one", "almost", "two"]).await?;
    put(&admin, 2, json!({ "strategy": "shadow" })).await?;
    revision_is(&admin, 2, "candidate").await?;
    for _ in 0..20 {
        let answer = admin.request(Method::POST, INVOCATIONS).json(&json!({ "inputs": [1.0] })).send().await?;
        ensure!(number_of(&answer)? == 1 && answer.text().await?.contains("1.0"));
    }
    let near = until("all answers are compared", PATIENCE, || async {
        let agreement = experiment(&admin).await?["agreement"].clone();
        Ok((agreement["compared"].as_u64() >= Some(10) && agreement["near"] == agreement["compared"])
            .then_some(agreement))
    })
    .await?;
    ensure!(near["different"] == 0 && near["failed"] == 0, "{near:#}");
    admin.post(&format!("{RELEASE}/abort"), json!({})).await?;

    // One that answers slowly and wrongly, under load, with room for one copy; it ends by itself.
    let end = json!({ "after_requests": 5, "then": "take_back" });
    put(&admin, 3, json!({ "strategy": "shadow", "at_once": 1, "end": end })).await?;
    revision_is(&admin, 3, "candidate").await?;
    let load = Load::start(&admin);
    let over = release_ends(&admin).await?;
    let seen = load.stop().await?;
    ensure!(seen.failed.is_empty(), "{:?}", seen.failed.first());
    ensure!(seen.by_revision.keys().eq(["1"]), "{:?}", seen.by_revision);
    let reason = over["reason"].as_str().unwrap_or_default();
    ensure!(over["state"] == "rolled_back" && reason.starts_with("The experiment ended after"), "{over:#}");
    let id = over["id"].as_str().context("no id")?;
    let page = admin.get(&format!("{EXPERIMENT}?release={id}")).await?;
    let agreement = &page["experiment"]["agreement"];
    ensure!(agreement["different"].as_u64() >= Some(5) && agreement["dropped"].as_u64() > Some(0), "{agreement:#}");
    let place = &agreement["examples"][0]["places"][0];
    ensure!(place["live"] == "1" && place["candidate"] == "2", "{agreement:#}");
    ensure!(page["experiment"]["candidate"]["p50_ms"]["value"].as_f64() >= Some(500.0), "{page:#}");
    ensure!(page["all"].as_array().is_some_and(|all| all.len() == 2), "{page:#}");
    ensure!(admin.get(DEPLOYMENT).await?["revisions"][0]["state"] != "failed", "taken back is no failure");
    Ok(())
}

const COOKIE: &str = "taste";

/// Asks as a browser does that has this cookie; the revision that answered, and the cookie from now on.
async fn ask_with(api: &Api, cookie: Option<&str>) -> Result<(i64, Option<String>)> {
    let mut request = api.request(Method::POST, "/serve/echo/predict").json(&json!({}));
    if let Some(value) = cookie {
        request = request.header("Cookie", format!("other=1; {COOKIE}={value}"));
    }
    let answer = request.send().await?;
    ensure!(answer.status() == 200, "{}", answer.status());
    let set = answer.headers().get("set-cookie").map(|value| value.to_str().map(str::to_owned)).transpose()?;
    let named = format!("{COOKIE}=");
    let value = set.as_deref().and_then(|text| text.split(';').next()?.strip_prefix(&named)).map(str::to_owned);
    Ok((number_of(&answer)?, value))
}

#[tokio::test]
async fn callers_stay_by_the_cookie_that_they_were_given_and_a_pipeline_pins_its_image() -> Result<()> {
    let mut server = Server::start().await?;
    let admin = server.admin().await?;
    let mut wish = echo::serve("hello", json!({}));
    wish["deployment"] = json!("echo");
    wish["resources"] = json!({ "cpus": 0.5, "memory": "128MiB" });
    apply(&admin, &json!({ "name": "echo", "tasks": { "deploy": { "deploy": wish } } }).to_string()).await?;
    let run = start(&admin, "echo", json!({})).await?;
    succeeded(&admin, &run, PATIENCE).await?;
    let detail = admin.get("/api/v1/deployments/echo").await?;
    let runtime = &detail["revisions"][0]["served_by"]["runtime"];
    ensure!(runtime["image_id"].as_str().is_some_and(|id| id.starts_with("sha256:")), "{detail:#}");

    let mut beside = echo::serve("hi", json!({}));
    beside["release"] = json!({ "strategy": "ab", "weight": 50, "assign": { "by": "cookie", "name": COOKIE } });
    admin.put("/api/v1/deployments/echo", beside).await?;
    until("revision 2 is tried", PATIENCE, || async {
        let detail = admin.get("/api/v1/deployments/echo").await?;
        Ok((detail["revisions"][0]["state"] == "candidate").then_some(()))
    })
    .await?;
    let mut callers = BTreeMap::new();
    for _ in 0..20 {
        let (number, cookie) = ask_with(&admin, None).await?;
        callers.insert(cookie.context("a caller without a cookie is given none")?, number);
    }
    ensure!(callers.len() == 20, "callers share cookies: {callers:?}");
    ensure!([1, 2].iter().all(|wanted| callers.values().any(|number| number == wanted)), "{callers:?}");
    for is_restarted in [false, true] {
        if is_restarted {
            server.restart().await?;
        }
        for (cookie, number) in &callers {
            let (again, fresh) = ask_with(&admin, Some(cookie)).await?;
            ensure!(again == *number && fresh.is_none(), "{cookie} moved from {number} to {again}, or got {fresh:?}");
        }
    }
    Ok(())
}
