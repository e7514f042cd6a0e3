//! Model servers that users bring, in real containers, asked by real clients: MLServer with a registered model, FastAPI with OpenAI's API.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use drydock_tests::{Api, Server, clients, images, until};
use serde_json::{Value, json};

use crate::cli::Laptop;

const PATIENCE: Duration = Duration::from_secs(240);

/// Deploys it, and waits until it answers.
async fn deploy(api: &Api, name: &str, wish: Value) -> Result<()> {
    let path = format!("/api/v1/deployments/{name}");
    api.put(&path, wish).await?;
    let state = until(&format!("{name} answers"), PATIENCE, || async {
        let detail = api.get(&path).await?;
        let state = detail["summary"]["state"].as_str().context("no state")?;
        Ok(matches!(state, "ready" | "failed").then(|| detail.clone()))
    })
    .await?;
    if state["summary"]["state"] == "failed" {
        let log = api.send(reqwest::Method::GET, &format!("{path}/log?revision=1"), None).await?;
        bail!("{name}: {}\n{}", state["summary"]["reason"], log.1);
    }
    Ok(())
}

/// A shadow of a server that speaks only V2 gets copies of what is asked by `/invocations`, too, and its answers are compared.
async fn shadowed(api: &Api, name: &str, mut wish: Value) -> Result<()> {
    wish["served_by"]["env"]["SHADOW"] = json!("1");
    wish["release"] = json!({ "strategy": "shadow" });
    let path = format!("/api/v1/deployments/{name}");
    api.put(&path, wish).await?;
    until("the shadow answers", PATIENCE, || async {
        Ok((api.get(&path).await?["revisions"][0]["state"] == "candidate").then_some(()))
    })
    .await?;
    let columns = ["sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"];
    let body =
        json!({ "dataframe_split": { "columns": columns, "data": [[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]] } });
    for _ in 0..5 {
        let answer =
            api.request(reqwest::Method::POST, &format!("/serve/{name}/invocations")).json(&body).send().await?;
        let number = answer.headers().get("x-drydock-revision").context("no revision")?.to_str()?.to_owned();
        let status = answer.status();
        let text = answer.text().await?;
        assert!(status == 200 && number == "1" && text.contains("predictions"), "{status} {number} {text}");
    }
    until("the answers are compared", PATIENCE, || async {
        let page = api.get(&format!("{path}/experiment")).await?;
        let agreement = &page["experiment"]["agreement"];
        if agreement["equal"] == 5 { Ok(Some(())) } else { bail!("{agreement:#}") }
    })
    .await?;
    api.post(&format!("{path}/release/abort"), json!({})).await.map(drop)
}

fn resources() -> Value {
    json!({ "cpus": 1.0, "memory_bytes": 1_u64 << 30 })
}

/// What Prometheus would read of a deployment's tokens.
async fn tokens_in_metrics(api: &Api, deployment: &str) -> Result<Vec<String>> {
    let text = api.request(reqwest::Method::GET, "/metrics").send().await?.text().await?;
    let of = format!("drydock_gateway_tokens_total{{deployment=\"{deployment}\"");
    Ok(text.lines().filter(|line| line.starts_with(&of)).map(str::to_owned).collect())
}

#[tokio::test]
async fn mlserver_and_an_openai_server_run_as_they_are_and_their_clients_work() -> Result<()> {
    let (mlserver, parrot) = (images::mlserver()?, images::openai()?);
    let mut server = Server::start().await?;
    let admin = server.admin().await?;
    clients::mlflow(&admin, "runtime_iris.py", &["register"]).await?;

    let runtime = json!({ "kind": "image", "image": mlserver, "port": 8080, "protocol": "open_inference" });
    let env = json!({ "MLSERVER_MODEL_NAME": "flowers", "MLSERVER_MODEL_URI": "/model/model.pkl",
        "MLSERVER_MODEL_IMPLEMENTATION": "mlserver_sklearn.SKLearnModel" });
    let wish = json!({ "model": "iris", "version": "1", "served_by": { "runtime": runtime, "env": env }, "resources": resources() });
    deploy(&admin, "flowers-v2", wish.clone()).await?;
    clients::mlflow(&admin, "runtime_iris.py", &["ask", "flowers-v2"]).await?;
    shadowed(&admin, "flowers-v2", wish).await?;

    // the other one from a laptop
    let laptop = Laptop::with(&server, admin.token())?;
    let runtime = format!("{{ kind: image, image: {parrot}, port: 8000, protocol: openai }}");
    laptop.put(
        "parrot.yaml",
        &format!("served_by: {{ runtime: {runtime} }}\nresources: {{ cpus: 1, memory: 1GiB }}\n"),
    )?;
    assert_eq!(laptop.ask(&["deploy", "put", "parrot", "--file", "parrot.yaml"]).await?, "1");
    let list = laptop.ask(&["deploy", "list"]).await?;
    assert!(list.contains("flowers-v2  iris:1  ready") && list.contains("parrot"), "{list}");
    laptop.put("wrong.yaml", "served_by: { runtime: { kind: image, image: x, port: 1, protocol: grpc } }\n")?;
    let ran = laptop.run(&["deploy", "put", "parrot", "--file", "wrong.yaml"]).await?;
    assert!(ran.code == 1 && ran.told.contains("grpc"), "{}", ran.told);
    clients::openai(&admin, "openai_chat.py", &["parrot", "flowers-v2"]).await?;

    // counted: 10 + 10 words twice, an embedding of 4, and a stream whose parts were counted here
    let tokens = admin.get("/api/v1/deployments/parrot").await?["tokens"].clone();
    let total = json!({ "answers": 4, "prompt": 24, "completion": 20, "estimated": 10 });
    assert_eq!((&tokens["total"], &tokens["callers"][0]["tokens"]), (&total, &total), "{tokens}");
    assert!(tokens["first_token_p50_ms"].as_f64().context("no first token")? > 0.0, "{tokens}");
    let metrics = tokens_in_metrics(&admin, "parrot").await?;
    for line in ["kind=\"prompt\"} 24", "kind=\"completion\"} 20", "kind=\"completion_estimated\"} 10"] {
        assert!(metrics.iter().any(|it| it.ends_with(line)), "{line}: {metrics:?}");
    }
    let shown = laptop.ask(&["deploy", "show", "parrot"]).await?;
    assert!(shown.contains("tokens: 24 prompt, 20 completion, about 10 more"), "{shown}");
    // and kept
    server.stop().await?;
    server.launch().await?;
    let again = admin.get("/api/v1/deployments/parrot").await?["tokens"].clone();
    assert_eq!(again["callers"], tokens["callers"]);
    Ok(())
}
