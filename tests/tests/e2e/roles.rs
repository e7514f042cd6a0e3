//! Who may do what, for every route that the program says it has. The matrix is made from the OpenAPI document, so that a
//! new route is covered on the day it appears, and one that lets too many in fails here.

use anyhow::{Context, Result};
use drydock_tests::{Api, Server};
use reqwest::Method;
use serde_json::{Map, Value, json};

/// Answer without credentials.
/// (The last one has a proof of its own: `pipelines.rs` tries it without.)
const OPEN: &[&str] = &[
    "GET /api/v1/setup",
    "POST /api/v1/setup",
    "POST /api/v1/login",
    "POST /api/v1/hooks/{id}",
    "POST /api/v1/password-link",
];

/// A viewer's own account and saved views: the only things that a viewer changes.
const OWN: &[&str] = &[
    "POST /api/v1/logout",
    "POST /api/v1/me/password",
    "DELETE /api/v1/sessions/{id}",
    "POST /api/v1/tokens",
    "DELETE /api/v1/tokens/{id}",
    "POST /api/v1/s3-keys",
    "DELETE /api/v1/s3-keys/{access_key}",
    "POST /api/v1/views",
    "DELETE /api/v1/views/{id}",
];

/// For admins alone.
const ADMIN: &[&str] = &[
    "GET /api/v1/people",
    "POST /api/v1/people",
    "GET /api/v1/people/{username}",
    "PATCH /api/v1/people/{username}",
    "POST /api/v1/people/{username}/password-link",
    "DELETE /api/v1/people/{username}/sessions",
    "DELETE /api/v1/people/{username}/tokens/{id}",
    "GET /api/v1/audit",
    "DELETE /api/v1/build-cache",
    "POST /api/v1/trash/purge",
    "POST /api/v1/store/scrub",
    "PUT /api/v1/queues/{name}",
    "DELETE /api/v1/queues/{name}",
    "POST /api/v1/queues/{name}/pause",
    "POST /api/v1/devices/{uuid}/quarantine",
    "POST /api/v1/devices/{uuid}/free",
    "PATCH /api/v1/devices/{uuid}",
    "POST /api/v1/projects",
    "PATCH /api/v1/projects/{id}",
    "DELETE /api/v1/projects/{id}",
    "PUT /api/v1/projects/{id}/members/{username}",
    "DELETE /api/v1/projects/{id}/members/{username}",
];

/// Reading them needs an engineer: a webhook's address often is its key.
const ENGINEER: &[&str] = &[
    "GET /api/v1/secrets",
    "GET /api/v1/webhooks",
    "GET /api/v1/webhooks/{id}",
    "GET /api/v1/webhooks/{id}/deliveries",
    "GET /api/v1/webhooks/{id}/deliveries/{delivery}",
];

/// MLflow's face, which has no OpenAPI document: what the client calls most, and whether it changes something.
const MLFLOW: &[(&str, &str, bool)] = &[
    ("POST", "/api/2.0/mlflow/experiments/create", true),
    ("GET", "/api/2.0/mlflow/experiments/get-by-name?experiment_name=Default", false),
    ("POST", "/api/2.0/mlflow/experiments/search", false),
    ("POST", "/api/2.0/mlflow/experiments/delete", true),
    ("POST", "/api/2.0/mlflow/runs/create", true),
    ("POST", "/api/2.0/mlflow/runs/update", true),
    ("POST", "/api/2.0/mlflow/runs/delete", true),
    ("POST", "/api/2.0/mlflow/runs/log-metric", true),
    ("POST", "/api/2.0/mlflow/runs/log-parameter", true),
    ("POST", "/api/2.0/mlflow/runs/log-batch", true),
    ("POST", "/api/2.0/mlflow/runs/set-tag", true),
    ("POST", "/api/2.0/mlflow/runs/search", false),
    ("GET", "/api/2.0/mlflow/runs/get?run_id=x", false),
    ("GET", "/api/2.0/mlflow/artifacts/list?run_id=x", false),
    ("GET", "/api/2.0/mlflow-artifacts/artifacts?path=x", false),
    ("PUT", "/api/2.0/mlflow-artifacts/artifacts/0/x/artifacts/y.txt", true),
    ("DELETE", "/api/2.0/mlflow-artifacts/artifacts/0/x/artifacts/y.txt", true),
    ("POST", "/api/2.0/mlflow-artifacts/mpu/create/0/x/artifacts", true),
    ("PUT", "/api/2.0/mlflow-artifacts/mpu/part/x/1", true),
    ("POST", "/api/2.0/mlflow-artifacts/mpu/complete/0/x/artifacts", true),
    ("POST", "/api/2.0/mlflow-artifacts/mpu/abort/0/x/artifacts", true),
    ("GET", "/api/2.0/mlflow-artifacts/presigned/0/x/artifacts/y.txt", false),
    ("POST", "/ajax-api/2.0/mlflow/upload-artifact?run_uuid=x&path=y", true),
    ("POST", "/ajax-api/2.0/mlflow/experiments/search-datasets", false),
    ("POST", "/graphql", false),
    ("GET", "/api/2.0/mlflow/users/current", false),
    ("GET", "/ajax-api/2.0/mlflow/gateway-proxy", false),
    ("POST", "/api/2.0/mlflow/registered-models/create", true),
    ("GET", "/api/2.0/mlflow/registered-models/search", false),
    ("POST", "/api/2.0/mlflow/registered-models/alias", true),
    ("DELETE", "/api/2.0/mlflow/registered-models/delete", true),
    ("POST", "/api/2.0/mlflow/model-versions/create", true),
    ("GET", "/api/2.0/mlflow/model-versions/search", false),
    ("POST", "/api/2.0/mlflow/traces", true),
    ("PATCH", "/api/2.0/mlflow/traces/x", true),
    ("GET", "/api/2.0/mlflow/traces/x/info", false),
    ("GET", "/api/2.0/mlflow/traces?experiment_ids=0", false),
    ("PATCH", "/api/2.0/mlflow/traces/x/tags", true),
    ("DELETE", "/api/2.0/mlflow/traces/x/tags", true),
    ("POST", "/api/2.0/mlflow/traces/delete-traces", true),
    ("POST", "/api/2.0/mlflow/traces/link-to-run", true),
    ("POST", "/api/2.0/mlflow/traces/link-prompts", true),
    ("POST", "/api/3.0/mlflow/traces", true),
    ("POST", "/api/3.0/mlflow/traces/search", false),
    ("GET", "/api/3.0/mlflow/traces/x", false),
    ("GET", "/api/3.0/mlflow/traces/batchGet?trace_ids=x", false),
    ("POST", "/api/3.0/mlflow/traces/metrics", false),
    ("PATCH", "/api/3.0/mlflow/traces/x/tags", true),
    ("POST", "/api/3.0/mlflow/traces/x/assessments", true),
    ("GET", "/api/3.0/mlflow/traces/x/assessments/y", false),
    ("PATCH", "/api/3.0/mlflow/traces/x/assessments/y", true),
    ("DELETE", "/api/3.0/mlflow/traces/x/assessments/y", true),
    ("GET", "/ajax-api/2.0/mlflow/get-trace-artifact?request_id=x", false),
    ("POST", "/v1/traces", true),
    ("POST", "/api/2.0/mlflow/webhooks", true),
    ("GET", "/api/2.0/mlflow/webhooks", true),
    ("PATCH", "/api/2.0/mlflow/webhooks/x", true),
    ("DELETE", "/api/2.0/mlflow/webhooks/x", true),
    ("POST", "/api/2.0/mlflow/webhooks/x/test", true),
];

/// The registry's face, on its own port: what its clients call, and whether it changes something.
const REGISTRY: &[(&str, &str, bool)] = &[
    ("GET", "/v2/", false),
    ("GET", "/v2/_catalog", false),
    ("GET", "/v2/a/tags/list", false),
    ("GET", "/v2/a/manifests/x", false),
    ("HEAD", "/v2/a/manifests/x", false),
    ("PUT", "/v2/a/manifests/x", true),
    ("DELETE", "/v2/a/manifests/x", true),
    ("GET", "/v2/a/blobs/sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", false),
    ("DELETE", "/v2/a/blobs/sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", true),
    ("GET", "/v2/a/referrers/sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", false),
    ("POST", "/v2/a/blobs/uploads/", true),
    ("GET", "/v2/a/blobs/uploads/x", false),
    ("PATCH", "/v2/a/blobs/uploads/x", true),
    ("PUT", "/v2/a/blobs/uploads/x", true),
    ("DELETE", "/v2/a/blobs/uploads/x", true),
    ("GET", "/v2/no/such/path", false),
];

/// The Python package index on the web port: what pip and twine call, and whether it changes something.
const PYPI: &[(&str, &str, bool)] = &[
    ("GET", "/pypi/simple/", false),
    ("GET", "/pypi/simple/x/", false),
    ("GET", "/pypi/files/x/x-1-py3-none-any.whl", false),
    ("HEAD", "/pypi/files/x/x-1-py3-none-any.whl", false),
    ("POST", "/pypi/legacy/", true),
];

/// One operation of the document, with a request that its schema accepts.
pub struct Operation {
    pub name: String,
    pub method: Method,
    pub path: String,
    pub body: Option<Value>,
}

/// Where an OpenAPI document keeps its schemas.
struct Document(Value);

impl Document {
    fn operations(&self) -> Result<Vec<Operation>> {
        let mut found = vec![];
        for (path, item) in self.0["paths"].as_object().context("no paths")? {
            for (verb, operation) in item.as_object().context("no operations")? {
                let Ok(method) = Method::from_bytes(verb.to_uppercase().as_bytes()) else { continue };
                if !["GET", "POST", "PUT", "PATCH", "DELETE"].contains(&method.as_str()) {
                    continue;
                }
                let body = &operation["requestBody"]["content"]["application/json"]["schema"];
                found.push(Operation {
                    name: format!("{method} {path}"),
                    path: self.fill(path, operation, item),
                    body: (!body.is_null()).then(|| self.example(body, 0)),
                    method,
                });
            }
        }
        Ok(found)
    }

    /// The path with a plausible value in each hole, and its required query parameters.
    fn fill(&self, path: &str, operation: &Value, item: &Value) -> String {
        let (mut filled, mut query) = (path.to_owned(), vec![]);
        let lists = [&operation["parameters"], &item["parameters"]];
        for parameter in lists.into_iter().filter_map(Value::as_array).flatten() {
            let name = parameter["name"].as_str().unwrap_or_default();
            let value = match self.example(&parameter["schema"], 0) {
                Value::String(text) => text,
                other => other.to_string(),
            };
            if parameter["in"] == "path" {
                filled = filled.replace(&format!("{{{name}}}"), &value);
            } else if parameter["in"] == "query" && parameter["required"] == true {
                query.push(format!("{name}={value}"));
            }
        }
        while let (Some(from), Some(to)) = (filled.find('{'), filled.find('}')) {
            // Undeclared holes: numbers stand for names, too.
            filled.replace_range(from..=to, "1");
        }
        if query.is_empty() { filled } else { format!("{filled}?{}", query.join("&")) }
    }

    /// The smallest value that a schema accepts.
    fn example(&self, schema: &Value, depth: u32) -> Value {
        if depth > 8 {
            return Value::Null;
        }
        if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
            return self.example(&self.0["components"]["schemas"][name], depth + 1);
        }
        if let Some(first) = schema["enum"].as_array().and_then(|all| all.first()) {
            return first.clone();
        }
        for key in ["oneOf", "anyOf"] {
            if let Some(first) = schema[key].as_array().and_then(|all| all.iter().find(|one| one["type"] != "null")) {
                return self.example(first, depth + 1);
            }
        }
        if let Some(parts) = schema["allOf"].as_array() {
            let mut whole = Map::new();
            for part in parts {
                whole.extend(self.example(part, depth + 1).as_object().cloned().unwrap_or_default());
            }
            return Value::Object(whole);
        }
        let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str());
        match kind {
            Some("string") => json!("1"),
            Some("integer" | "number") => json!(1),
            Some("boolean") => json!(false),
            Some("array") => json!([]),
            _ => {
                let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
                required.map(|name| (name.to_owned(), self.example(&schema["properties"][name], depth + 1))).collect()
            }
        }
    }
}

pub async fn ask(api: &Api, operation: &Operation) -> Result<u16> {
    let mut request = api.request(operation.method.clone(), &operation.path);
    request = match &operation.body {
        Some(body) => request.json(body),
        None => request,
    };
    // Streams never end: the head is enough.
    Ok(request.send().await.with_context(|| operation.name.clone())?.status().as_u16())
}

pub async fn operations(server: &Server) -> Result<Vec<Operation>> {
    let found = Document(server.anonymous()?.get("/api/v1/openapi.json").await?).operations()?;
    assert!(found.len() > 40, "the document has only {} operations", found.len());
    let names: Vec<&str> = found.iter().map(|operation| operation.name.as_str()).collect();
    for listed in OPEN.iter().chain(OWN).chain(ADMIN).chain(ENGINEER) {
        assert!(names.contains(listed), "{listed} is in this test and not in the program");
    }
    Ok(found)
}

#[tokio::test]
async fn nobody_gets_in_without_a_good_token() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let revoked = server.person(&admin, "rex", "engineer").await?;
    let token = &revoked.list("/api/v1/tokens").await?[0];
    revoked.delete(&format!("/api/v1/tokens/{}", token["id"].as_str().unwrap())).await?;

    let mut let_in = vec![];
    for operation in operations(&server).await?.iter().filter(|one| !OPEN.contains(&one.name.as_str())) {
        for (who, api) in [("anonymous", server.anonymous()?), ("a revoked token", revoked.clone())] {
            let status = ask(&api, operation).await?;
            if status != 401 {
                let_in.push(format!("{who}: {} answered {status}", operation.name));
            }
        }
    }
    for (method, path, _) in MLFLOW.iter().chain(PYPI) {
        for (who, api) in [("anonymous", server.anonymous()?), ("a revoked token", revoked.clone())] {
            let status = api.status(Method::from_bytes(method.as_bytes())?, path, Some(json!({}))).await?;
            if status != 401 {
                let_in.push(format!("{who}: {method} {path} answered {status}"));
            }
        }
    }
    for (method, path, _) in REGISTRY {
        let anonymous = Api::anonymous(&server.registry_url())?;
        for (who, api) in [("anonymous", anonymous.clone()), ("a revoked token", anonymous.with_token(revoked.token()))]
        {
            let status = api.request(Method::from_bytes(method.as_bytes())?, path).send().await?.status();
            if status != 401 {
                let_in.push(format!("{who}: {method} {path} of the registry answered {status}"));
            }
        }
    }
    let served = ["invocations", "ping", "metric", "feedback", "v2/models/m/infer"];
    for path in served.map(|path| format!("/serve/any/{path}")) {
        let status = server.anonymous()?.status(Method::POST, &path, Some(json!({}))).await?;
        if status != 401 {
            let_in.push(format!("anonymous: POST {path} answered {status}"));
        }
    }
    assert!(let_in.is_empty(), "{}", let_in.join("\n"));
    Ok(())
}

#[tokio::test]
async fn a_viewer_looks_and_changes_nothing() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let viewer = server.person(&admin, "vera", "viewer").await?;
    let mut wrong = vec![];
    for operation in operations(&server).await? {
        let name = operation.name.as_str();
        if OPEN.contains(&name) || OWN.contains(&name) {
            continue;
        }
        let forbidden = ask(&viewer, &operation).await? == 403;
        let expected = operation.method != Method::GET || ADMIN.contains(&name) || ENGINEER.contains(&name);
        if forbidden != expected {
            wrong.push(format!("{name} with {:?}: forbidden {forbidden}, expected {expected}", operation.body));
        }
    }
    for (method, path, changes) in MLFLOW.iter().chain(PYPI) {
        let status = viewer.status(Method::from_bytes(method.as_bytes())?, path, Some(json!({}))).await?;
        if (status == 403) != *changes || status == 401 {
            wrong.push(format!("{method} {path} answered {status}, changes something: {changes}"));
        }
    }
    let registry = Api::anonymous(&server.registry_url())?.with_token(viewer.token());
    for (method, path, changes) in REGISTRY {
        let status = registry.request(Method::from_bytes(method.as_bytes())?, path).send().await?.status();
        if (status == 403) != *changes || status == 401 {
            wrong.push(format!("{method} {path} of the registry answered {status}, changes something: {changes}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[tokio::test]
async fn an_engineer_works_and_does_not_administer() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let engineer = server.person(&admin, "erin", "engineer").await?;
    let mut wrong = vec![];
    for operation in operations(&server).await? {
        let name = operation.name.as_str();
        if OPEN.contains(&name) || OWN.contains(&name) || name == "POST /api/v1/demo" {
            continue;
        }
        let status = ask(&engineer, &operation).await?;
        if (status == 403) != ADMIN.contains(&name) || status >= 500 && status != 503 {
            wrong.push(format!("{name} with {:?} answered {status}", operation.body));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[tokio::test]
async fn a_role_taken_away_counts_at_once() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let person = server.person(&admin, "erin", "engineer").await?;
    assert_eq!(person.status(Method::POST, "/api/v1/datasets", Some(json!({ "name": "one" }))).await?, 201);
    admin.patch("/api/v1/people/erin", json!({ "role": "viewer" })).await?;
    assert_eq!(person.status(Method::POST, "/api/v1/datasets", Some(json!({ "name": "two" }))).await?, 403);
    admin.patch("/api/v1/people/erin", json!({ "disabled": true })).await?;
    assert_eq!(person.status(Method::GET, "/api/v1/datasets", None).await?, 401);
    Ok(())
}
