//! Image builds on real Docker: from a Dockerfile and from a form, without internet, into the registry and into a job.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use drydock_tests::{Api, Server, Setup, docker, until, wheels::Wheel};
use reqwest::Method;
use serde_json::{Value, json};

use crate::registry::run;

const LIMIT: Duration = Duration::from_secs(180);

pub struct World {
    pub server: Server,
    pub admin: Api,
    pub ann: Api,
    /// A small image that is on the box alone.
    pub base: String,
}

impl World {
    pub async fn start(settings: &str) -> Result<Self> {
        let server = Server::start_as(Setup { settings, ..Setup::default() }).await?;
        let admin = server.admin().await?;
        let ann = server.person(&admin, "ann", "engineer").await?;
        let base = format!("drydock-test-{}:1", server.instance()?);
        let folder = tempfile::tempdir()?;
        std::fs::create_dir_all(folder.path().join("bin"))?;
        std::fs::copy("/usr/bin/busybox", folder.path().join("bin/busybox"))?;
        for name in ["sh", "echo", "sleep", "dd", "cat", "ls", "find", "sort"] {
            std::os::unix::fs::symlink("busybox", folder.path().join("bin").join(name))?;
        }
        let shell =
            format!("tar -C {} -c . | docker import --change 'ENV PATH=/bin' - {base}", folder.path().display());
        run("sh", &["-c", &shell], &[]).await?;
        Ok(Self { server, admin, ann, base })
    }

    pub async fn submit(&self, wish: Value) -> Result<String> {
        let build = self.ann.post("/api/v1/builds", wish).await?;
        Ok(build["summary"]["id"].as_str().context("no id")?.to_owned())
    }

    async fn get(&self, id: &str) -> Result<Value> {
        self.ann.get(&format!("/api/v1/builds/{id}")).await
    }

    pub async fn ended(&self, id: &str) -> Result<Value> {
        until(&format!("build {id} did not end"), LIMIT, || async {
            let detail = self.get(id).await?;
            let state = detail["summary"]["state"].as_str().unwrap_or_default().to_owned();
            Ok(["succeeded", "failed", "cancelled"].contains(&state.as_str()).then_some(detail))
        })
        .await
    }

    async fn log(&self, id: &str) -> Result<String> {
        let (_, text) = self.ann.send(Method::GET, &format!("/api/v1/builds/{id}/log"), None).await?;
        Ok(text.as_str().map_or_else(|| text.to_string(), str::to_owned))
    }

    /// Its end has to be a success; the detail and the log.
    pub async fn good(&self, id: &str) -> Result<(Value, String)> {
        let (detail, log) = (self.ended(id).await?, self.log(id).await?);
        ensure!(detail["summary"]["state"] == "succeeded", "{detail:#}\n{log}");
        Ok((detail, log))
    }

    /// What a job of that image prints.
    pub async fn prints(&self, image: &str, command: &[&str]) -> Result<String> {
        let job = self.ann.submit_with(json!({ "name": "built", "image": image, "command": command })).await?;
        let end = self.ann.finished(&job, LIMIT).await?;
        let log = self.ann.send(Method::GET, &format!("/api/v1/jobs/{job}/log"), None).await?.1;
        let log = log.as_str().unwrap_or_default().to_owned();
        ensure!(end["summary"]["state"] == "succeeded", "{end:#}\n{log}");
        ensure!(end["spec"]["image"].as_str().is_some_and(|image| image.contains("@sha256:")), "not pinned: {end:#}");
        // as the engine has it: by digest alone
        let (named, digest) = image.split_once('@').context("no digest")?;
        let name = named.rsplit_once(':').map_or(named, |(name, _)| name);
        let _ = run("docker", &["rmi", "--force", &format!("{name}@{digest}")], &[]).await;
        Ok(log)
    }

    /// Leaves nothing on the machine's Docker.
    pub async fn end(self) -> Result<()> {
        self.admin.delete("/api/v1/build-cache").await?;
        let _ = run("docker", &["rmi", "--force", &self.base], &[]).await;
        Ok(())
    }
}

/// A folder as an upload: a tar, packed with zstd.
async fn context(api: &Api, files: &[(&str, &str)]) -> Result<String> {
    let folder = tempfile::tempdir()?;
    for (path, text) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().context("a parent")?)?;
        std::fs::write(path, text)?;
    }
    api.upload(packed(folder.path()).await?).await
}

pub async fn packed(folder: &Path) -> Result<Vec<u8>> {
    let to = tempfile::NamedTempFile::new()?;
    let shell = format!("tar -C {} -c . | zstd -q -f -o {}", folder.display(), to.path().display());
    run("sh", &["-c", &shell], &[]).await?;
    Ok(std::fs::read(to.path())?)
}

/// Lines of a log's stream until it ends.
async fn followed(api: &Api, id: &str) -> Result<Vec<Value>> {
    let answer = api.request(Method::GET, &format!("/api/v1/builds/{id}/log/stream")).send().await?;
    let text = answer.text().await?;
    ensure!(text.contains("event: end"), "{text}");
    let lines = text.split("\n\n").filter(|event| event.contains("event: line"));
    lines.map(|event| Ok(serde_json::from_str(event.split("data: ").nth(1).context("no data")?)?)).collect()
}

#[tokio::test]
async fn a_dockerfile_becomes_an_image_that_a_job_runs_by_digest() -> Result<()> {
    let world = World::start("").await?;
    Wheel::new("greet", "1.0").requires("words").code("import words\n").add(&world.ann).await?;
    Wheel::new("words", "3.0").add(&world.ann).await?;
    let dockerfile = "FROM drydock/runtime:1 AS one\nCOPY requirements.txt /tmp/requirements.txt\n\
                      # a plain pip, as anywhere else\nRUN pip install \\\n    -r /tmp/requirements.txt\n\
                      FROM one\nARG WHO=nobody\nCOPY src /app\nRUN echo \"built for $WHO\" > /tmp/../app/who && ls -a / /app\n";
    let files =
        [("Dockerfile", dockerfile), ("requirements.txt", "greet==1.0\n"), ("src/hello.py", "print('hello')\n")];
    // the runtime image's user installs and copies as root does not
    let dockerfile = dockerfile.replace("ARG WHO", "USER root\nARG WHO");
    let files = [("Dockerfile", dockerfile.as_str()), files[1], files[2]];
    let wish = json!({
        "repository": "team/app", "tag": "1", "context": context(&world.ann, &files).await?, "args": { "WHO": "ann" },
    });
    let id = world.submit(wish.clone()).await?;
    let lines = followed(&world.ann, &id).await?;
    let (detail, log) = world.good(&id).await?;
    assert!(log.contains("Successfully installed greet-1.0 words-3.0"), "{log}");
    assert!(!log.contains(".drydock"), "nothing of ours is in the image: {log}");
    let seen: Vec<&str> = lines.iter().map(|line| line["text"].as_str().unwrap()).collect();
    assert_eq!(seen.join("\n").trim(), log.trim(), "live and kept are the same");
    assert!(lines.iter().enumerate().all(|(number, line)| line["seq"] == number));
    assert_eq!(detail["dockerfile"], dockerfile);
    assert!(detail["bases"][0].as_str().unwrap().starts_with("drydock/runtime:1 (sha256:"), "{detail}");

    let digest = detail["summary"]["digest"].as_str().context("no digest")?;
    let repository = world.ann.get("/api/v1/repository?name=team/app").await?;
    assert_eq!(repository["tags"][0]["manifest"]["digest"], digest);
    assert_eq!(repository["tags"][0]["manifest"]["pushed_by"], "ann", "in the name of who asked");
    let config = world.ann.get(&format!("/api/v1/repository/manifest?name=team/app&digest={digest}")).await?;
    let environment = config["config"]["environment"].to_string();
    assert!(environment.contains("PATH=") && !environment.contains("PIP_"), "{environment}");
    assert_eq!(world.ann.list("/api/v1/tokens").await?.len(), 1, "the token of the push is gone");

    let image = detail["summary"]["image"].as_str().context("no image")?;
    let said = world
        .prints(
            image,
            &[
                "sh",
                "-c",
                "python3 /app/hello.py && cat /app/who && python3 -c 'import greet; print(greet.words.VERSION)'",
            ],
        )
        .await?;
    assert_eq!(said.trim(), "hello\nbuilt for ann\n3.0");

    // the same again: from what was kept, to the same digest
    let id = world.submit(wish).await?;
    let (again, log) = world.good(&id).await?;
    assert!(log.contains("Using cache") && !log.contains("Collecting greet"), "{log}");
    assert_eq!(again["summary"]["digest"], digest);
    world.end().await
}

#[tokio::test]
async fn a_form_puts_wheels_debs_and_code_on_a_base() -> Result<()> {
    let world = World::start("").await?;
    Wheel::new("greet", "2.0").add(&world.ann).await?;
    let folder = tempfile::tempdir()?;
    std::fs::create_dir_all(folder.path().join("pkg/DEBIAN"))?;
    std::fs::create_dir_all(folder.path().join("pkg/opt"))?;
    std::fs::write(folder.path().join("pkg/opt/hello"), "from a deb\n")?;
    std::fs::write(
        folder.path().join("pkg/DEBIAN/control"),
        "Package: hello-drydock\nVersion: 1.0\nArchitecture: all\nMaintainer: a test <a@b.c>\nDescription: a test\n",
    )?;
    let (from, to) = (folder.path().join("pkg").display().to_string(), folder.path().join("h.deb"));
    run("dpkg-deb", &["--root-owner-group", "--build", &from, &to.display().to_string()], &[]).await?;
    let deb = world.ann.upload(std::fs::read(&to)?).await?;
    let code = world.ann.upload("import os, greet\nprint(greet.VERSION, os.environ['MOOD'], os.getcwd())\n").await?;
    let form = json!({
        "requirements": ["greet>=1"], "debs": [{ "path": "hello.deb", "digest": deb }],
        "code": [{ "path": "deep/train.py", "digest": code }], "environment": { "MOOD": "good \"$x\"" }, "command": ["python3", "deep/train.py"],
    });
    let wish = json!({ "repository": "form", "form": form });
    let preview = world.ann.post("/api/v1/builds/preview", wish.clone()).await?;
    let shown = preview["dockerfile"].as_str().unwrap();
    assert!(shown.contains("FROM drydock/runtime:1\n") && shown.contains("dpkg --install"), "{shown}");
    let id = world.submit(wish).await?;
    let (detail, log) = world.good(&id).await?;
    assert_eq!(detail["dockerfile"], shown);
    assert!(log.contains("Setting up hello-drydock"), "{log}");
    let image = detail["summary"]["image"].as_str().unwrap();
    let said = world.prints(image, &["sh", "-c", "python3 /app/deep/train.py && cat /opt/hello"]).await?;
    assert_eq!(said.trim(), "2.0 good \"$x\" /scratch\nfrom a deb");
    world.end().await
}

#[tokio::test]
async fn wheels_that_are_missing_are_all_named_with_the_list_to_take_along() -> Result<()> {
    let world = World::start("").await?;
    Wheel::new("app", "1.0").requires("deep==4").requires("numpy").add(&world.ann).await?;
    let files = [
        ("Dockerfile", "FROM drydock/runtime:1\nCOPY reqs.txt /tmp/\nRUN pip install -r /tmp/reqs.txt\n"),
        ("reqs.txt", "app\nnowhere>=1\nelsewhere\n"),
    ];
    let wish = json!({ "repository": "lacking", "context": context(&world.ann, &files).await? });
    let id = world.submit(wish).await?;
    let detail = world.ended(&id).await?;
    assert_eq!(detail["summary"]["state"], "failed", "{detail}");
    let names: Vec<&str> =
        detail["missing"]["missing"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["deep", "elsewhere", "nowhere"], "pip itself stops at the first: {detail:#}");
    assert_eq!(detail["summary"]["missing_count"], 3);
    let reason = detail["summary"]["reason"].as_str().unwrap();
    assert!(reason.starts_with("3 wheels are not on the box: deep, elsewhere, nowhere."), "{reason}");
    let list = world.ann.request(Method::GET, &format!("/api/v1/builds/{id}/missing.txt")).send().await?;
    assert!(list.headers()["content-disposition"].to_str()?.contains("missing.txt"));
    let list = list.text().await?;
    assert!(list.contains("pip download") && list.contains("\ndeep==4 "), "{list}");
    for wheel in [Wheel::new("deep", "4"), Wheel::new("elsewhere", "1"), Wheel::new("nowhere", "2")] {
        wheel.add(&world.ann).await?;
    }
    let again = world.ann.post(&format!("/api/v1/builds/{id}/again"), Value::Null).await?;
    let (detail, _) = world.good(again["summary"]["id"].as_str().unwrap()).await?;
    assert_eq!(detail["missing"], Value::Null);
    assert_eq!(
        world
            .ann
            .status(
                Method::GET,
                &format!("/api/v1/builds/{}/missing.txt", again["summary"]["id"].as_str().unwrap()),
                None
            )
            .await?,
        404
    );
    world.end().await
}

#[tokio::test]
async fn a_build_fetches_nothing_from_elsewhere() -> Result<()> {
    let world = World::start("[limits]\nbuild_context_bytes = 100000\n").await?;
    let refused = async |dockerfile: &str| -> Result<String> {
        let wish = json!({ "repository": "a", "dockerfile": dockerfile });
        let (status, answer) = world.ann.send(Method::POST, "/api/v1/builds", Some(wish)).await?;
        ensure!(status == 422, "{dockerfile}: {status} {answer}");
        Ok(answer["message"].as_str().unwrap_or_default().to_owned())
    };
    assert!(refused("FROM python:3.12\n").await?.contains("This box has no image python:3.12"));
    assert!(refused("FROM scratch\nCOPY --from=alpine:3 / /\n").await?.contains("alpine:3"));
    assert!(refused(&format!("FROM {}\nADD https://example.org/x /x\n", world.base)).await?.contains("COPY it"));
    assert!(refused(&format!("FROM {}:5000/none:1\n", "localhost")).await?.contains("no image"));
    assert!(
        refused(&format!("FROM {}\nRUN --mount=type=cache,target=/x ls\n", world.base)).await?.contains("BuildKit")
    );

    let program = "import socket\nfor host, port in [('192.0.2.1', 80), ('1.1.1.1', 443), ('deb.debian.org', 80)]:\n    \
         try: socket.create_connection((host, port), 3); print('reached', host)\n    except OSError: print('cut off from', host)\n";
    let files = [
        ("Dockerfile", "FROM drydock/runtime:1\nCOPY out.py /tmp/out.py\nRUN python3 /tmp/out.py\n"),
        ("out.py", program),
    ];
    let id = world.submit(json!({ "repository": "walled", "context": context(&world.ann, &files).await? })).await?;
    let (_, log) = world.good(&id).await?;
    assert!(log.matches("cut off from").count() >= 3 && !log.contains("reached"), "{log}");

    // contexts that are none, too large, or somebody else's
    let nonsense = world.ann.upload("this is no archive at all, whatever it says".repeat(50)).await?;
    let large = context(&world.ann, &[("Dockerfile", "FROM scratch\n"), ("zeros", &"0".repeat(200_000))]).await?;
    let without = context(&world.ann, &[("README", "nothing")]).await?;
    for (digest, words) in
        [(nonsense, "cannot be read"), (large, "build_context_bytes"), (without, "has no Dockerfile")]
    {
        let id = world.submit(json!({ "repository": "a", "context": digest })).await?;
        let detail = world.ended(&id).await?;
        assert_eq!(detail["summary"]["state"], "failed");
        assert!(detail["summary"]["reason"].as_str().unwrap().contains(words), "{detail}");
    }
    let bob = world.server.person(&world.admin, "bob", "engineer").await?;
    let hers = json!({ "repository": "a", "context": context(&world.ann, &files).await? });
    assert_eq!(bob.status(Method::POST, "/api/v1/builds", Some(hers)).await?, 404);
    world.end().await
}

#[tokio::test]
async fn a_build_is_cancelled_and_the_next_one_goes_on() -> Result<()> {
    let world = World::start("").await?;
    let slow = format!("FROM {}\nRUN echo begun && sleep 61234\n", world.base);
    let id = world.submit(json!({ "repository": "slow", "dockerfile": slow })).await?;
    let waits = world.submit(json!({ "repository": "waits", "dockerfile": slow })).await?;
    let quick = format!("FROM {}\nRUN echo quick\n", world.base);
    let next = world.submit(json!({ "repository": "next", "dockerfile": quick })).await?;
    until("the step is not shown", LIMIT, || async {
        let detail = world.get(&id).await?;
        let step = detail["summary"]["step"].as_str().unwrap_or_default().to_owned();
        Ok((step.contains("sleep 61234") && world.log(&id).await?.contains("begun")).then_some(()))
    })
    .await?;
    assert_eq!(world.get(&waits).await?["summary"]["state"], "queued", "one at a time");
    world.ann.post(&format!("/api/v1/builds/{waits}/cancel"), Value::Null).await?;
    assert_eq!(world.get(&waits).await?["summary"]["state"], "cancelled");
    world.ann.post(&format!("/api/v1/builds/{id}/cancel"), Value::Null).await?;
    let detail = world.ended(&id).await?;
    assert_eq!(detail["summary"]["state"], "cancelled");
    assert_eq!(detail["summary"]["reason"], "cancelled by ann");
    assert_eq!(world.ann.status(Method::POST, &format!("/api/v1/builds/{id}/cancel"), None).await?, 409);
    until("the container of the step goes on", LIMIT, || async {
        let all = run("docker", &["ps", "--no-trunc", "--format", "{{.Command}} {{.Image}}"], &[]).await?;
        Ok((!all.contains("sleep 61234")).then_some(()))
    })
    .await?;
    world.good(&next).await?;
    let known = world.ann.list("/api/v1/builds?state=cancelled").await?;
    assert_eq!(known.len(), 2);
    world.end().await
}

#[tokio::test]
async fn a_build_that_a_kill_cut_off_is_built_again() -> Result<()> {
    let mut world = World::start("").await?;
    let dockerfile = format!("FROM {}\nRUN echo first\nRUN echo begun && sleep 6 && echo done > /done\n", world.base);
    let id = world.submit(json!({ "repository": "kill", "dockerfile": dockerfile })).await?;
    until("it does not begin", LIMIT, || async { Ok(world.log(&id).await?.contains("\nbegun").then_some(())) }).await?;
    world.server.kill9().await?;
    world.server.launch().await?;
    let (detail, log) = world.good(&id).await?;
    assert_eq!(detail["tries"], 2, "{detail}");
    assert!(log.contains("it is built again") && log.contains("Using cache"), "{log}");
    let digest = detail["summary"]["digest"].as_str().unwrap();
    let repository = world.ann.get("/api/v1/repository?name=kill").await?;
    assert_eq!(repository["tags"][0]["manifest"]["digest"], digest);
    assert!(world.server.containers()?.is_empty());
    world.end().await
}

#[tokio::test]
async fn the_build_cache_keeps_to_its_limit() -> Result<()> {
    let world = World::start("[limits]\nbuild_cache_bytes = 5000000\n").await?;
    let build = async |number: u32| -> Result<Value> {
        let dockerfile = format!(
            "FROM {}\nRUN echo {number} && dd if=/dev/urandom of=/a bs=1000000 count=2\nRUN dd if=/dev/urandom of=/b bs=1000000 count=2\n",
            world.base
        );
        let id = world.submit(json!({ "repository": format!("layers-{number}"), "dockerfile": dockerfile })).await?;
        world.good(&id).await.map(|(detail, _)| detail)
    };
    let before = docker::inspect(&world.base)?["Id"].clone();
    for number in 0..3 {
        build(number).await?;
        let cache = world.ann.get("/api/v1/build-cache").await?;
        let size = cache["size_bytes"].as_u64().unwrap();
        assert!(size <= 5_000_000, "{cache}");
        // the newest is what stays
        assert!(size >= 4_000_000, "{cache}");
    }
    let images = run("docker", &["images", "--all", "--quiet", "--no-trunc"], &[]).await?;
    assert!(images.contains(before.as_str().unwrap()), "the base stays");
    assert_eq!(world.ann.status(Method::DELETE, "/api/v1/build-cache", None).await?, 403);
    let cache = world.admin.delete("/api/v1/build-cache").await?;
    assert_eq!((&cache["size_bytes"], &cache["layer_count"]), (&json!(0), &json!(0)));
    // what was built is in the registry all the same
    let detail = world.ann.list("/api/v1/builds?search=layers-0").await?[0].clone();
    let said = world.prints(detail["image"].as_str().unwrap(), &["sh", "-c", "ls /a /b"]).await?;
    assert_eq!(said.trim(), "/a\n/b");
    world.end().await
}
