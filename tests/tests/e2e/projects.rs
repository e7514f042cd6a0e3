//! Projects: what belongs to a private one is not there for anybody else, whichever face and route they come by; members work in
//! it with their role. The routes come from the OpenAPI document: a new one that names nothing this test knows fails here.

use anyhow::{Context, Result, ensure};
use drydock_tests::{Api, Server};
use reqwest::Method;
use serde_json::{Value, json};

use crate::roles::{ask, operations};

/// In every name of what is in the private project, so that a leak is seen wherever it is.
const MARK: &str = "vaultling";

/// The first parts of routes that name something of a project, and what the test has there.
const NAMED: &[(&str, &str)] = &[
    ("/api/v1/buckets/", MARK),
    ("/api/v1/builds/", "vaultling-build"),
    ("/api/v1/datasets/", MARK),
    ("/api/v1/deployments/", MARK),
    ("/api/v1/jobs/", "vaultling-job"),
    ("/api/v1/models/", MARK),
    ("/api/v1/packages/", MARK),
    ("/api/v1/pipeline-runs/", "vaultling-run"),
    ("/api/v1/pipelines/", MARK),
    ("/api/v1/projects/", "vault"),
    ("/api/v1/runs/", "RUN"),
    ("/api/v1/sweeps/", "vaultling-sweep"),
    ("/api/v1/traces/", "tr-vaultling"),
    ("/api/v1/views/", "vaultling-view"),
    ("/api/v1/webhooks/", "vaultling-hook"),
];

/// Routes with a hole that name what belongs to the box, or to the asker alone.
const OF_THE_BOX: &[&str] = &[
    "/api/v1/devices/",
    "/api/v1/hooks/",
    "/api/v1/lineage/",
    "/api/v1/people/",
    "/api/v1/queues/",
    "/api/v1/s3-keys/",
    "/api/v1/secrets/",
    "/api/v1/sessions/",
    "/api/v1/tokens/",
    "/api/v1/uploads/",
];

struct World {
    server: Server,
    admin: Api,
    /// Viewer of the box, engineer of the private project.
    mia: Api,
    /// Engineer of the box, member of nothing.
    eve: Api,
    run: String,
    experiment: String,
}

async fn world() -> Result<World> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let (mia, eve) = (server.person(&admin, "mia", "viewer").await?, server.person(&admin, "eve", "engineer").await?);
    admin.post("/api/v1/projects", json!({ "id": "vault", "name": "The vault", "private": true })).await?;
    admin.put("/api/v1/projects/vault/members/mia", json!({ "role": "engineer" })).await?;
    let (experiment, run) = fill(&server, &mia).await?;
    Ok(World { server, admin, mia, eve, run, experiment })
}

/// One of everything in the private project; ids of its experiment and its run.
async fn fill(server: &Server, mia: &Api) -> Result<(String, String)> {
    mia.post("/api/v1/datasets?project=vault", json!({ "name": MARK })).await?;
    mia.post("/api/v1/buckets?project=vault", json!({ "name": MARK })).await?;
    mia.put("/api/v1/secrets/vaultling?project=vault", json!({ "value": "s" })).await?;
    let yaml = format!("name: {MARK}\ntasks:\n  one:\n    job:\n      command: [\"true\"]\n");
    mia.post("/api/v1/pipelines?project=vault", json!({ "yaml": yaml })).await?;
    // as the mlflow client does it: by a token that is good in the project alone
    let wish = json!({ "name": "mlflow", "project": "vault" });
    let made = mia.post("/api/v1/tokens", wish).await?;
    let mlflow = mia.with_token(made["secret"].as_str().context("no secret")?);
    let call = |path: &str, body: Value| {
        let (mlflow, path) = (mlflow.clone(), format!("/api/2.0/mlflow/{path}"));
        async move { mlflow.post(&path, body).await }
    };
    let experiment = call("experiments/create", json!({ "name": MARK })).await?;
    let experiment = experiment["experiment_id"].as_str().context("no experiment")?.to_owned();
    let run = call("runs/create", json!({ "experiment_id": experiment, "run_name": MARK })).await?;
    let run = run["run"]["info"]["run_id"].as_str().context("no run")?.to_owned();
    call("registered-models/create", json!({ "name": MARK })).await?;
    server.alter(&format!(
        "INSERT INTO builds (id, project_id, repository, tag, spec, state, person_id, submitted_at)
           SELECT 'vaultling-build', 'vault', 'vault/app', '1', '{{}}', 'failed', id, 1 FROM people WHERE username = 'mia';
         INSERT INTO deployments (id, project_id, name, goal, created_at, created_by, updated_at)
           VALUES ('vd', 'vault', '{MARK}', 1, 1, 'mia', 1);
         INSERT INTO revisions (id, deployment_id, number, model, version, resources, state, created_at, created_by)
           VALUES ('vr', 'vd', 1, '{MARK}', 1, '{{\"cpus\":1.0,\"memory_bytes\":1,\"gpus\":0}}', 'failed', 1, 'mia');
         INSERT INTO jobs (id, project_id, name, state, spec, person_id, submitted_by, submitted_at)
           SELECT 'vaultling-job', 'vault', '{MARK}', 'succeeded', '{{\"name\":\"{MARK}\",\"command\":[\"true\"],\"resources\":{{\"cpus\":1.0,\"memory_bytes\":1,\"gpus\":0}}}}', id, 'mia', 1 FROM people WHERE username = 'mia';
         INSERT INTO packages (id, project_id, name, shown, created_at) VALUES (77, 'vault', '{MARK}', '{MARK}', 1);
         INSERT INTO pipeline_runs (id, pipeline_id, version, number, parameters, state, cause, person_id, created_at)
           SELECT 'vaultling-run', p.id, 1, 1, '{{}}', 'failed', '{{\"by\":\"person\"}}', m.id, 1 FROM pipelines p, people m WHERE m.username = 'mia';
         INSERT INTO sweeps (id, project_id, name, spec, most_at_once, person_id, created_at)
           SELECT 'vaultling-sweep', 'vault', '{MARK}', '{{\"name\":\"{MARK}\",\"job\":{{\"name\":\"{MARK}\",\"command\":[\"true\"]}}}}', 1, id, 1 FROM people WHERE username = 'mia';
         INSERT INTO traces (trace_id, experiment_id, started_at, state) VALUES ('tr-vaultling', {experiment}, 1, 'OK');
         INSERT INTO saved_views (id, project_id, owner, kind, name, query, created_at, updated_at)
           SELECT 'vaultling-view', 'vault', id, 'runs', '{MARK}', 'x', 1, 1 FROM people WHERE username = 'mia';
         INSERT INTO webhooks (id, project_id, name, url, description, status, created_at, created_by, updated_at)
           VALUES ('vaultling-hook', 'vault', '{MARK}', 'https://example.test', '', 'DISABLED', 1, 'mia', 1);
         INSERT INTO repositories (project_id, name, created_at, created_by) VALUES ('vault', 'vault/{MARK}', 1, 'mia')"
    ))?;
    Ok((experiment, run))
}

/// The route with what the private project has in its first hole.
fn named(path: &str, run: &str) -> Result<Option<String>> {
    if let Some((start, name)) = NAMED.iter().find(|(start, _)| path.starts_with(start)) {
        let name = if *name == "RUN" { run } else { name };
        let rest = path[start.len()..].split_once('/').map_or(String::new(), |(_, rest)| format!("/{rest}"));
        return Ok(Some(format!("{start}{name}{rest}")));
    }
    ensure!(
        OF_THE_BOX.iter().any(|start| path.starts_with(start)) || !path.trim_start_matches("/api/v1/").contains("/1"),
        "{path} names something: say here what, and in accounts/projects/subjects.rs"
    );
    Ok(None)
}

#[tokio::test]
async fn what_is_in_a_private_project_is_not_there_for_others_on_any_route() -> Result<()> {
    let world = world().await?;
    let (eve, mia) = (&world.eve, &world.mia);
    let mut wrong = vec![];
    for mut operation in operations(&world.server).await? {
        let bare = operation.path.split('?').next().unwrap_or_default().to_owned();
        if ["/api/v1/missing", "/api/v1/packages/missing", "/api/v1/pipelines/check"].contains(&bare.as_str()) {
            continue;
        }
        match named(&bare, &world.run)? {
            Some(path) => {
                let query = operation.path.split_once('?').map_or(String::new(), |(_, query)| format!("?{query}"));
                operation.path = format!("{path}{query}");
                let status = ask(eve, &operation).await?;
                if status != 404 {
                    wrong.push(format!("{}: {} answered {status} to a stranger", operation.name, operation.path));
                }
            }
            None if operation.method == Method::GET
                && !["/events", "/hooks/", "/tail"].iter().any(|part| bare.contains(part)) =>
            {
                let text = eve.request(Method::GET, &operation.path).send().await?.text().await?;
                if text.contains(MARK) {
                    wrong.push(format!("{} tells a stranger of it: {text}", operation.name));
                }
            }
            None => {}
        }
    }
    let lists = "buckets builds datasets deployments experiments jobs models packages pipelines pipeline-runs repositories runs \
                 secrets sweeps traces webhooks";
    for list in lists.split_whitespace() {
        for query in ["?project=vault", "?project=default"] {
            let text = mia.request(Method::GET, &format!("/api/v1/{list}{query}")).send().await?.text().await?;
            if text.contains(MARK) != (query == "?project=vault") {
                wrong.push(format!("{list}{query} shows a member {text}"));
            }
        }
    }
    for path in ["/api/v1/repository?name=vault/vaultling", "/api/v1/lineage/run/RUN", "/api/v1/datasets?project=vault"]
    {
        let path = path.replace("RUN", &world.run);
        let (theirs, own) = (eve.status(Method::GET, &path, None).await?, mia.status(Method::GET, &path, None).await?);
        if (theirs, own) != (404, 200) {
            wrong.push(format!("{path} answered {theirs} to a stranger, {own} to a member"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[tokio::test]
async fn the_other_faces_keep_a_private_project_apart_and_members_work_in_it() -> Result<()> {
    let world = world().await?;
    let World { server, admin, mia, eve, run, experiment } = &world;
    let mut wrong = vec![];
    let calls = [
        (Method::GET, format!("/api/2.0/mlflow/runs/get?run_id={run}"), None),
        (Method::GET, format!("/api/2.0/mlflow/experiments/get?experiment_id={experiment}"), None),
        (Method::GET, format!("/api/2.0/mlflow/experiments/get-by-name?experiment_name={MARK}"), None),
        (Method::POST, "/api/2.0/mlflow/runs/search".into(), Some(json!({ "experiment_ids": [experiment] }))),
        (Method::POST, "/api/2.0/mlflow/runs/create".into(), Some(json!({ "experiment_id": experiment }))),
        (Method::POST, "/api/2.0/mlflow/runs/set-tag".into(), Some(json!({ "run_id": run, "key": "a", "value": "b" }))),
        (Method::POST, "/api/2.0/mlflow/runs/delete".into(), Some(json!({ "run_id": run }))),
        (Method::GET, format!("/api/2.0/mlflow/artifacts/list?run_id={run}"), None),
        (Method::PUT, format!("/api/2.0/mlflow-artifacts/artifacts/{experiment}/{run}/artifacts/a.txt"), None),
        (Method::GET, format!("/api/2.0/mlflow/registered-models/get?name={MARK}"), None),
        (Method::GET, "/api/3.0/mlflow/traces/tr-vaultling".into(), None),
        (Method::POST, format!("/serve/{MARK}/invocations"), Some(json!({}))),
        (Method::GET, format!("/pypi/simple/{MARK}/"), None),
    ];
    for (method, path, body) in calls {
        let status = eve.status(method.clone(), &path, body).await?;
        if status != 404 {
            wrong.push(format!("{method} {path} answered {status} to a stranger"));
        }
    }
    let query = format!("{{ mlflowGetRun(input: {{runId: \"{run}\"}}) {{ run {{ info {{ runName }} }} }} }}");
    for (path, body) in [
        ("/graphql", json!({ "query": query })),
        ("/api/2.0/mlflow/experiments/search", json!({ "max_results": 100 })),
        ("/api/2.0/mlflow/registered-models/search", json!({})),
    ] {
        let method = if path.ends_with("models/search") { Method::GET } else { Method::POST };
        let text = eve.request(method, path).json(&body).send().await?.text().await?;
        if text.contains(MARK) {
            wrong.push(format!("{path} tells a stranger of it: {text}"));
        }
    }
    let registry = Api::anonymous(&server.registry_url())?;
    let (theirs, own) = (registry.with_token(eve.token()), registry.with_token(mia.token()));
    for path in [format!("/v2/vault/{MARK}/tags/list"), "/v2/vault/new/manifests/1".to_owned()] {
        let status = theirs.status(Method::GET, &path, None).await?;
        if status != 404 {
            wrong.push(format!("{path} of the registry answered {status} to a stranger"));
        }
    }
    let pushed = own.request(Method::POST, "/v2/vault/new/blobs/uploads/").send().await?.status();
    let refused = theirs.request(Method::POST, "/v2/vault/new/blobs/uploads/").send().await?.status();
    let elsewhere = own.request(Method::POST, "/v2/open/blobs/uploads/").send().await?.status();
    if (pushed.as_u16(), refused.as_u16(), elsewhere.as_u16()) != (202, 404, 403) {
        wrong.push(format!("pushes: {pushed} of a member, {refused} of a stranger, {elsewhere} outside the project"));
    }
    if theirs.request(Method::GET, "/v2/_catalog").send().await?.text().await?.contains(MARK) {
        wrong.push("the catalog tells a stranger of it".into());
    }
    let (of_eve, of_mia) = (server.s3_of("eve").await?, server.s3_of("mia").await?);
    let path = format!("/{MARK}/a.txt");
    let own = of_mia.status(Method::PUT, &path, &[], b"a".to_vec()).await?;
    let read = of_eve.status(Method::GET, &path, &[], vec![]).await?;
    let listed = of_eve.good(Method::GET, "/", &[], vec![]).await?.text().await?.contains(MARK);
    if (own, read, listed) != (200, 404, false) {
        wrong.push(format!("S3: a member's PUT {own}, a stranger's GET {read}, listed to them: {listed}"));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    // a member is what the project says, and a box's viewer elsewhere; a role taken away counts at once
    assert_eq!(mia.status(Method::POST, "/api/v1/datasets", Some(json!({ "name": "elsewhere" }))).await?, 403);
    admin.put("/api/v1/projects/vault/members/mia", json!({ "role": "viewer" })).await?;
    assert_eq!(mia.status(Method::DELETE, "/api/v1/datasets/vaultling", None).await?, 403);
    assert_eq!(mia.status(Method::GET, "/api/v1/datasets/vaultling", None).await?, 200);
    admin.delete("/api/v1/projects/vault/members/mia").await?;
    assert_eq!(mia.status(Method::GET, "/api/v1/datasets/vaultling", None).await?, 404);
    // not gone while something is in it, and it says what
    let (status, said) = admin.send(Method::DELETE, "/api/v1/projects/vault", None).await?;
    assert_eq!(status, 409);
    assert!(said["message"].as_str().is_some_and(|text| text.contains("1 datasets")), "{said}");
    // open, it is there for everybody with their role on the box
    admin.patch("/api/v1/projects/vault", json!({ "private": false })).await?;
    assert_eq!(eve.status(Method::GET, "/api/v1/datasets/vaultling", None).await?, 200);
    assert_eq!(admin.status(Method::DELETE, "/api/v1/projects/default", None).await?, 422);
    Ok(())
}

/// A registered model as an import brings it, with one version of these fields.
fn foreign_model(name: &str, fields: Value) -> Value {
    let mut version = json!({
        "version": 1, "created_at": 1, "updated_at": 1, "user": "eve", "description": "", "source": "s3://elsewhere/model",
        "storage_location": "s3://elsewhere/model", "run_id": null, "run_link": "", "model_id": null, "stage": "None",
        "status": "READY", "tags": [],
    });
    for (key, value) in fields.as_object().into_iter().flatten() {
        version[key] = value.clone();
    }
    let model = json!({
        "name": name, "description": "", "created_at": 1, "updated_at": 1, "tags": [], "last_version": 1, "versions": [version],
        "aliases": [],
    });
    json!({ "source": "elsewhere", "suffix": "-2", "model": model })
}

#[tokio::test]
async fn nothing_made_elsewhere_leads_to_what_is_in_a_private_project() -> Result<()> {
    let world = world().await?;
    let World { server, admin, mia, eve, run, experiment } = &world;
    let mut wrong = vec![];
    // versions that an import brings
    let folder = format!("mlflow-artifacts:/{experiment}/{run}/artifacts/model");
    for (number, fields) in [
        json!({ "source": format!("runs:/{run}/model") }),
        json!({ "source": format!("models:/{MARK}/1") }),
        json!({ "storage_location": folder }),
        json!({ "storage_location": format!("runs:/{run}/model") }),
        json!({ "run_id": run }),
    ]
    .into_iter()
    .enumerate()
    {
        let body = foreign_model(&format!("taken-{number}"), fields);
        let (status, said) = eve.send(Method::POST, "/api/v1/import/mlflow/model", Some(body.clone())).await?;
        if status != 404 {
            wrong.push(format!("an import of {body} answered {status}: {said}"));
        }
    }
    let status =
        eve.status(Method::POST, "/api/v1/import/mlflow/model", Some(foreign_model("open", json!({})))).await?;
    assert_eq!(status, 200, "a version of nothing that is here comes in");
    // images of its repositories, in a deployment and as the base of a build
    let registry = server.registry_url();
    let image = format!("{}/vault/{MARK}:1", registry.split_once("://").context("no host")?.1);
    let runtime = json!({ "kind": "image", "image": image, "port": 8080 });
    let dockerfile = format!("FROM {image}\n");
    for (method, path, body) in [
        (Method::PUT, "/api/v1/deployments/taken", json!({ "served_by": { "runtime": runtime } })),
        (Method::POST, "/api/v1/builds/preview", json!({ "repository": "taken", "dockerfile": dockerfile })),
        (Method::POST, "/api/v1/builds", json!({ "repository": "taken", "dockerfile": dockerfile })),
    ] {
        let (status, said) = eve.send(method.clone(), path, Some(body)).await?;
        if status != 404 {
            wrong.push(format!("{method} {path} with an image of the project answered {status}: {said}"));
        }
    }
    // its logged model, asked for by way of a run of one's own
    let made = mia.post("/api/2.0/mlflow/logged-models", json!({ "experiment_id": experiment, "name": MARK })).await?;
    let logged = made["model"]["info"]["model_id"].as_str().context("a model without an id")?.to_owned();
    let own = eve.post("/api/2.0/mlflow/runs/create", json!({ "experiment_id": "0" })).await?;
    let own = own["run"]["info"]["run_id"].as_str().context("no run")?;
    for path in ["artifacts?", "artifacts/file?path=MLmodel&", "preview?path=MLmodel&"] {
        let path = format!("/api/v1/runs/{own}/{path}model={logged}");
        let (status, said) = eve.send(Method::GET, &path, None).await?;
        if status != 404 || !said["message"].as_str().is_some_and(|text| text.starts_with("There is no logged model")) {
            wrong.push(format!("{path} answered {status}: {said}"));
        }
    }
    // an event starts the pipelines that whoever tells of it may start
    let waits = "name: vaultling-alarm\ntasks:\n  one: { approval: {} }\ntriggers:\n  - { alert: too-slow }\n";
    mia.post("/api/v1/pipelines?project=vault", json!({ "yaml": waits })).await?;
    let event = json!({ "kind": "alert", "subject": "too-slow" });
    let told = eve.post("/api/v1/pipeline-events", event.clone()).await?;
    assert_eq!((&told["pipelines"], server.count("SELECT count(*) FROM pipeline_events")?), (&json!([]), 0));
    let told = mia.post("/api/v1/pipeline-events?project=vault", event).await?;
    assert_eq!(told["pipelines"], json!(["vaultling-alarm"]));
    // what a finding of drift would start, or compare with
    for (drift, what) in
        [(json!({ "pipeline": MARK }), "pipeline"), (json!({ "reference": { "dataset": MARK } }), "dataset")]
    {
        let wish = json!({ "model": "none", "version": "1", "settings": { "capture": { "drift": drift } } });
        let (status, said) = eve.send(Method::PUT, "/api/v1/deployments/taken", Some(wish)).await?;
        if status != 404 || said["message"] != format!("There is no {what} {MARK}.") {
            wrong.push(format!("a watch with the project's {what} answered {status}: {said}"));
        }
    }
    // a parameter that names one's own run first, and the project's last
    let doubled = format!("/api/2.0/mlflow/upload-artifact?run_uuid={own}&path=a.txt&run_uuid={run}");
    let status = eve.status(Method::POST, &doubled, Some(json!({}))).await?;
    if status != 400 {
        wrong.push(format!("{doubled} answered {status}"));
    }
    // things of everybody do not name what the project makes of them
    let version = json!({ "name": MARK, "source": format!("runs:/{own}/model"), "run_id": own });
    admin.post("/api/2.0/mlflow/model-versions/create", version).await?;
    server.alter("UPDATE revisions SET model = 'open', version = 1, state = 'live' WHERE id = 'vr'")?;
    for (method, path) in [
        (Method::GET, format!("/api/v1/runs/{own}")),
        (Method::GET, "/api/v1/models/open".to_owned()),
        (Method::DELETE, "/api/v1/models/open".to_owned()),
    ] {
        let text = eve.request(method.clone(), &path).send().await?.text().await?;
        if text.contains(MARK) {
            wrong.push(format!("{method} {path} tells a stranger of it: {text}"));
        }
    }
    let shown = admin.get(&format!("/api/v1/runs/{own}")).await?;
    assert_eq!(shown["model_versions"][0]["model"], MARK, "who sees it is told");
    // artifacts by their path: the root names what one sees, and a place with a name is of its experiment's project
    let proxy = "/api/2.0/mlflow-artifacts/artifacts";
    let put = mia.request(Method::PUT, &format!("{proxy}/{experiment}/{run}/artifacts/a.txt")).body("a").send().await?;
    assert_eq!(put.status(), 200);
    let names = |listed: &Value| {
        let files = listed["files"].as_array().cloned().unwrap_or_default();
        files.iter().filter_map(|file| file["path"].as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    let (theirs, all) = (eve.get(&format!("{proxy}?path=")).await?, admin.get(&format!("{proxy}?path=")).await?);
    if names(&theirs).contains(experiment) || !names(&all).contains(experiment) {
        wrong.push(format!("the root of artifacts shows a stranger {theirs}, an admin {all}"));
    }
    let place = json!({ "name": "beside", "artifact_location": "mlflow-artifacts:/beside" });
    admin.post("/api/2.0/mlflow/experiments/create", place).await?;
    let put = mia.request(Method::PUT, &format!("{proxy}/beside/a.txt")).header("x-drydock-project", "vault");
    let status = put.body("a").send().await?.status();
    if status != 403 {
        wrong.push(format!("who only looks outside the project put a file there: {status}"));
    }
    // a stream that is open since before the project was closed
    admin.patch("/api/v1/projects/vault", json!({ "private": false })).await?;
    let mut stream = eve.request(Method::GET, "/api/v1/events").send().await?;
    let mut told = String::new();
    while !told.contains(": hello") {
        told += &String::from_utf8_lossy(&stream.chunk().await?.context("the stream ended")?);
    }
    admin.patch("/api/v1/projects/vault", json!({ "private": true })).await?;
    mia.post("/api/v1/datasets?project=vault", json!({ "name": "vaultling-later" })).await?;
    while !told.contains("\"datasets\"") {
        told += &String::from_utf8_lossy(&stream.chunk().await?.context("the stream ended")?);
    }
    if told.contains("vaultling-later") {
        wrong.push(format!("the events of a stranger name what is new in the project: {told}"));
    }
    // what a token of one project starts goes on with no more than the token
    let token = admin.post("/api/v1/tokens", json!({ "name": "bound", "project": "default" })).await?;
    let bound = admin.with_token(token["secret"].as_str().context("no secret")?);
    let yaml = "name: bounded\ntasks:\n  one: { approval: {} }\nschedules:\n  - { name: night, cron: \"0 3 29 2 *\", zone: UTC, catch_up: none }\n";
    bound.post("/api/v1/pipelines", json!({ "yaml": yaml })).await?;
    bound.post("/api/v1/pipelines/bounded/runs", json!({})).await?;
    let kept = server
        .count("SELECT count(*) FROM limits WHERE project = 'default' AND kind IN ('pipeline_run', 'schedule')")?;
    assert_eq!(kept, 2);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}
