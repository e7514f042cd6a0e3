//! Traces, from the clients that send them to the page that shows them.

use std::time::Duration;

use anyhow::Result;
use drydock_tests::{Api, Browser, Server, clients, server::PASSWORD};
use reqwest::Method;
use serde_json::{Value, json};
use thirtyfour::prelude::*;

const TRACE: &str = "5b8efff798038103d269b633813fc60c";

#[tokio::test]
async fn what_tracing_clients_log_is_what_they_read() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let engineer = server.person(&admin, "erin", "engineer").await?;
    let said = clients::mlflow(&engineer, "traces.py", &[]).await?;
    assert!(said.contains("traces passed with mlflow"), "{said}");
    // Every deletion is in the audit trail, with who did it.
    let audit = admin.list("/api/v1/audit?limit=200").await?;
    let by = |action: &str| audit.iter().filter(|row| row["action"] == action && row["actor"] == "erin").count();
    assert!(by("trace.delete") >= 3, "{audit:?}");
    assert_eq!(by("assessment.delete"), 1);
    Ok(())
}

#[tokio::test]
async fn the_older_clients_traces_are_kept_as_well() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let said = clients::mlflow_of(clients::Version::Older, &admin, "traces_2.py", &[], &[]).await?;
    assert!(said.contains("traces passed with mlflow 2.22"), "{said}");
    Ok(())
}

fn attribute(key: &str, value: Value) -> Value {
    json!({"key": key, "value": value})
}

/// A trace as an agent's OpenTelemetry instrumentation sends it: five spans, one of which failed.
fn export(at_ns: i64) -> Value {
    let span = |id: u64, parent: u64, name: &str, from_ms: i64, to_ms: i64, attributes: Vec<Value>| {
        json!({
            "traceId": TRACE,
            "spanId": format!("{id:016x}"),
            "parentSpanId": if parent == 0 { String::new() } else { format!("{parent:016x}") },
            "name": name,
            "startTimeUnixNano": (at_ns + from_ms * 1_000_000).to_string(),
            "endTimeUnixNano": (at_ns + to_ms * 1_000_000).to_string(),
            "attributes": attributes,
        })
    };
    let kind = |kind: &str| attribute("mlflow.spanType", json!({"stringValue": kind}));
    let text = |key: &str, value: &str| attribute(key, json!({"stringValue": value}));
    let usage = attribute("gen_ai.usage.input_tokens", json!({"intValue": "1210"}));
    let said = attribute("gen_ai.usage.output_tokens", json!({"intValue": "87"}));
    let mut failed = span(
        4,
        1,
        "charge card",
        900,
        1240,
        vec![kind("TOOL"), text("mlflow.spanInputs", "{\"amount\": 12.5, \"card\": {\"id\": 7}}")],
    );
    failed["status"] = json!({"code": 2, "message": "The card was declined."});
    failed["events"] = json!([{"name": "exception", "timeUnixNano": (at_ns + 1_239_000_000).to_string(),
        "attributes": [text("exception.type", "CardDeclined"), text("exception.stacktrace", "Traceback (most recent call last):\n  line 1")]}]);
    let spans = [
        span(
            1,
            0,
            "support agent",
            0,
            2400,
            vec![
                kind("AGENT"),
                text(
                    "mlflow.spanInputs",
                    "{\"question\": \"Where is my order 4711, and can I still pay by card?\", \"customer\": {\"id\": 12, \"tags\": [\"new\", \"eu\"]}}",
                ),
                text(
                    "mlflow.spanOutputs",
                    "{\"answer\": \"Your order is on its way. The card was declined, please try another one.\"}",
                ),
                text("mlflow.traceTag.mlflow.traceName", "support"),
                text("session.id", "session-1"),
            ],
        ),
        span(2, 1, "search orders", 20, 480, vec![kind("RETRIEVER")]),
        span(3, 2, "embed question", 30, 120, vec![kind("EMBEDDING")]),
        failed,
        span(
            5,
            1,
            "write answer",
            1300,
            2380,
            vec![kind("CHAT_MODEL"), usage, said, text("gen_ai.request.model", "llama-3.1-8b")],
        ),
    ];
    json!({"resourceSpans": [{
        "resource": {"attributes": [text("service.name", "support-bot")]},
        "scopeSpans": [{"spans": spans}],
    }]})
}

async fn send(api: &Api, at_ns: i64) -> Result<()> {
    let request = api.request(Method::POST, "/v1/traces").header("x-mlflow-experiment-id", "0");
    let answer = request.json(&export(at_ns)).send().await?;
    assert_eq!(answer.status(), 200, "{}", answer.text().await?);
    let judgement = json!({"assessment": {"assessment_name": "correctness", "feedback": {"value": "no"}, "rationale": "The order number is missing.",
        "source": {"source_type": "HUMAN", "source_id": "ann"}}});
    api.post(&format!("/api/3.0/mlflow/traces/tr-{TRACE}/assessments"), judgement).await?;
    Ok(())
}

fn now_ns() -> i64 {
    drydock::clock::now_ms() * 1_000_000
}

#[tokio::test]
async fn a_trace_is_found_and_read_in_the_dashboard() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let browser = Browser::open(&server.url()).await?;
    browser.visit("/login").await?;
    browser.fill("Username", "admin").await?;
    browser.fill("Password", PASSWORD).await?;
    browser.click("Log in").await?;
    browser.sees("Overview").await?;

    // Empty: what to do. Then one comes, without a reload.
    browser.visit("/traces").await?;
    browser.sees("No traces yet").await?;
    browser.sees("@mlflow.trace").await?;
    browser.shoot("traces-empty-light-1280").await?;
    send(&admin, now_ns()).await?;
    browser.sees("support").await?;

    // The filter language, a mistake in it, and an example from the help.
    browser.fill("Search traces", "span.status = 'ERROR' AND feedback.correctness = 'no'").await?;
    browser.sees("1 trace").await?;
    browser.visit("/traces?search=span.type%20%3D%20%27GUARDRAIL%27").await?;
    browser.sees("No trace matches").await?;
    browser.visit("/traces?search=span.nope%20%3D%201").await?;
    browser.sees("Invalid span attribute").await?;
    browser.visit("/traces").await?;
    browser.click("What can be filtered").await?;
    browser.shoot("traces-help-light-1280").await?;
    browser.press("//button[contains(., 'That used a tool')]", "an example").await?;
    browser.sees("1 trace").await?;

    // The page of the trace: spans in time, keys, what one span did; all of it in the address.
    browser.press("//main//a[contains(@href, '/traces/')]", "the trace").await?;
    browser.sees("charge card").await?;
    browser.sees("Where is my order 4711").await?;
    let tree = browser.driver.query(By::Css("[role=treeitem][tabindex='0']")).first().await?;
    tree.send_keys(Key::Down + "").await?;
    browser.sees("Neither input nor output").await?;
    let tree = browser.driver.query(By::Css("[role=treeitem][tabindex='0']")).first().await?;
    tree.send_keys(Key::Left + "").await?;
    drydock_tests::until("the span is folded", Duration::from_secs(30), || async {
        Ok((!browser.text().await?.contains("embed question")).then_some(()))
    })
    .await?;
    let address = browser.driver.current_url().await?;
    let asked = address.query().unwrap_or_default();
    assert!(asked.contains("span=0000000000000002") && asked.contains("folded=0000000000000002"), "{address}");
    browser.visit(&format!("/traces/tr-{TRACE}?span=0000000000000004&part=events")).await?;
    browser.sees("The card was declined.").await?;
    browser.sees("CardDeclined").await?;
    browser.sees("The order number is missing.").await?;

    let mut barriers = vec![];
    for theme in ["light", "dark"] {
        for width in [1280, 390] {
            browser.look(width, theme).await?;
            let pages = [
                ("traces", "/traces".to_owned()),
                ("trace", format!("/traces/tr-{TRACE}")),
                ("trace-failed", format!("/traces/tr-{TRACE}?span=0000000000000004")),
                ("trace-attributes", format!("/traces/tr-{TRACE}?span=0000000000000005&part=attributes")),
            ];
            for (name, path) in pages {
                browser.visit(&path).await?;
                browser.sees("support").await?;
                tokio::time::sleep(Duration::from_millis(700)).await;
                browser.shoot(&format!("{name}-{theme}-{width}")).await?;
                barriers.extend(
                    browser.barriers().await?.into_iter().map(|text| format!("{path} {theme} {width}: {text}")),
                );
                let wide = "return document.documentElement.scrollWidth > document.documentElement.clientWidth + 1";
                if browser.driver.execute(wide, vec![]).await?.convert::<bool>()? {
                    barriers.push(format!("{path} {theme} {width}: the page scrolls sideways"));
                }
            }
        }
    }
    assert!(barriers.is_empty(), "{} findings:\n{}", barriers.len(), barriers.join("\n"));

    // Ctrl-K knows it by its name; deleting it wants that name.
    browser.look(1280, "light").await?;
    browser.visit("/").await?;
    browser.sees("Overview").await?;
    browser.driver.find(By::Tag("body")).await?.send_keys(Key::Control + "k").await?;
    let field = browser.driver.query(By::Css("dialog[open] input")).first().await?;
    field.send_keys("support").await?;
    browser.press("//dialog[@open]//li[contains(., 'support')]", "the trace in the palette").await?;
    browser.sees("charge card").await?;
    browser.click("Delete").await?;
    browser.sees("5 spans, 1 judgement").await?;
    browser.fill("Type support to confirm", "support").await?;
    browser.click("Delete the trace").await?;
    browser.sees("No traces yet").await?;
    assert_eq!(admin.list("/api/v1/traces").await?.len(), 0);
    browser.close().await
}

/// A trace as the client of MLflow 3 starts one, with this metadata and a judgement of that id.
fn started(id: &str, metadata: Value, judgement: &str, says: &str) -> Value {
    let at = "2026-01-02T03:04:05Z";
    json!({ "trace": { "trace_info": {
        "trace_id": id,
        "trace_location": { "type": "MLFLOW_EXPERIMENT", "mlflow_experiment": { "experiment_id": "0" } },
        "request_time": at, "execution_duration": "0.5s", "state": "OK", "trace_metadata": metadata,
        "assessments": [{
            "assessment_id": judgement, "assessment_name": "correct", "trace_id": id,
            "source": { "source_type": "HUMAN", "source_id": "ann" }, "feedback": { "value": says },
            "create_time": at, "last_update_time": at,
        }],
    } } })
}

#[tokio::test]
async fn a_trace_changes_its_own_judgements_and_no_others() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let says = |trace: &'static str| {
        let admin = admin.clone();
        async move {
            let info = admin.get(&format!("/api/3.0/mlflow/traces/{trace}")).await?;
            Ok::<_, anyhow::Error>(info["trace"]["trace_info"]["assessments"][0]["feedback"]["value"].clone())
        }
    };
    admin.post("/api/3.0/mlflow/traces", started("tr-1", json!({}), "a-1", "good")).await?;
    let foreign = started("tr-2", json!({}), "a-1", "forged");
    let (status, said) = admin.send(Method::POST, "/api/3.0/mlflow/traces", Some(foreign)).await?;
    assert!(status == 404 && said["message"].as_str().unwrap().contains("no assessment with the ID 'a-1'"), "{said}");
    assert_eq!(says("tr-1").await?, "good");
    assert_eq!(admin.status(Method::GET, "/api/3.0/mlflow/traces/tr-2", None).await?, 404, "nothing of it is kept");
    // Its own it may say anew, as a client does that sends the same trace again.
    admin.post("/api/3.0/mlflow/traces", started("tr-1", json!({}), "a-1", "better")).await?;
    assert_eq!(says("tr-1").await?, "better");
    Ok(())
}

#[tokio::test]
async fn sums_beyond_an_int64_are_figures_and_no_errors() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let most = i64::MAX;
    for number in 0..3 {
        let usage = format!(r#"{{"input_tokens": {most}, "output_tokens": {most}, "total_tokens": {most}}}"#);
        let metadata = json!({ "mlflow.trace.tokenUsage": usage });
        let trace = started(&format!("tr-{number}"), metadata, &format!("a-{number}"), "x");
        admin.post("/api/3.0/mlflow/traces", trace).await?;
    }
    for metric in ["input_tokens", "output_tokens", "total_tokens"] {
        let question = json!({
            "experiment_ids": ["0"], "view_type": "TRACES", "metric_name": metric,
            "aggregations": [{ "aggregation_type": "SUM" }, { "aggregation_type": "AVG" }, { "aggregation_type": "MAX" }],
        });
        let answer = admin.post("/api/3.0/mlflow/traces/metrics", question).await?;
        let values = &answer["data_points"][0]["values"];
        let close = |figure: &Value, expected: f64| (figure.as_f64().unwrap_or(0.0) / expected - 1.0).abs() < 1e-9;
        assert!(close(&values["SUM"], 3.0 * most as f64), "{metric}: {answer}");
        assert!(close(&values["AVG"], most as f64) && close(&values["MAX"], most as f64), "{metric}: {answer}");
    }
    // The pages that add up go on, too.
    admin.get("/api/v1/traces").await?;
    Ok(())
}
