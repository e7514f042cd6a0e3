//! The registry as its clients use it: docker, skopeo and podman unmodified, the specification request by request, and kills in
//! the middle of pushes.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use drydock_tests::{Api, Server, server::PASSWORD, until};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::process::Command;

/// Runs a program; what it printed.
pub async fn run(program: &str, args: &[&str], environment: &[(&str, &Path)]) -> Result<String> {
    let mut command = Command::new(program);
    command.args(args).envs(environment.iter().copied()).kill_on_drop(true);
    let output = tokio::time::timeout(Duration::from_secs(240), command.output()).await?.context(program.to_owned())?;
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{program} {}: {}\n{out}{error}", args.join(" "), output.status);
    Ok(format!("{out}{error}"))
}

/// A registry, an engineer of it, and docker logged in as her with settings of its own.
pub struct World {
    pub server: Server,
    pub admin: Api,
    pub ann: Api,
    home: tempfile::TempDir,
    /// `127.0.0.1:port`
    pub host: String,
}

impl World {
    pub async fn start() -> Result<Self> {
        let world = Self::around(Server::start().await?).await?;
        world.log_in("ann", PASSWORD).await?;
        Ok(world)
    }

    /// Nobody is logged in yet.
    pub async fn around(server: Server) -> Result<Self> {
        let admin = server.admin().await?;
        let ann = server.person(&admin, "ann", "engineer").await?;
        let home = tempfile::tempdir()?;
        let host = server.registry_url().split("//").nth(1).context("an address")?.to_owned();
        Ok(Self { server, admin, ann, home, host })
    }

    pub async fn log_in(&self, name: &str, password: &str) -> Result<String> {
        let shell = format!("printf %s '{password}' | docker login -u {name} --password-stdin {}", self.host);
        run("sh", &["-c", &shell], &[("DOCKER_CONFIG", self.home.path())]).await
    }

    pub async fn docker(&self, args: &[&str]) -> Result<String> {
        run("docker", args, &[("DOCKER_CONFIG", self.home.path())]).await
    }

    /// Imports an image of one small file that is unlike any other, and of a program that says hello, if asked for.
    pub async fn make(&self, name: &str, content: &str, with_program: bool) -> Result<String> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("content"), content)?;
        if with_program {
            let source = folder.path().join("hello.c");
            std::fs::write(
                &source,
                "#include <stdio.h>\nint main(void) { puts(\"hello from the registry\"); return 0; }\n",
            )?;
            let (to, from) = (folder.path().join("hello"), source.display().to_string());
            run("cc", &["-static", "-o", &to.display().to_string(), &from], &[]).await?;
        }
        let reference = format!("{}/{name}", self.host);
        let shell = format!("tar -C {} -c . | docker import - {reference}", folder.path().display());
        run("sh", &["-c", &shell], &[]).await?;
        Ok(reference)
    }

    pub async fn forget(&self, references: &[&str]) {
        for reference in references {
            let _ = self.docker(&["rmi", "--force", reference]).await;
        }
    }
}

pub async fn repository(api: &Api, name: &str) -> Result<Value> {
    api.get(&format!("/api/v1/repository?name={name}")).await
}

#[tokio::test]
async fn docker_pushes_and_pulls() -> Result<()> {
    let world = World::start().await?;
    let one = world.make("team/app:1", &world.host, false).await?;
    let id = world.docker(&["image", "inspect", "--format", "{{.Id}}", &one]).await?;
    let pushed = world.docker(&["push", &one]).await?;
    assert!(pushed.contains("Pushed") && pushed.contains("digest: sha256:"), "{pushed}");
    let again = world.docker(&["push", &one]).await?;
    assert!(again.contains("Layer already exists"), "{again}");
    let other = format!("{}/team/other:1", world.host);
    world.docker(&["tag", &one, &other]).await?;
    let mounted = world.docker(&["push", &other]).await?;
    assert!(mounted.contains("Mounted from team/app"), "{mounted}");

    world.forget(&[&one, &other]).await;
    world.docker(&["pull", &one]).await?;
    assert_eq!(world.docker(&["image", "inspect", "--format", "{{.Id}}", &one]).await?, id);

    let seen = repository(&world.ann, "team/app").await?;
    assert_eq!(seen["tags"][0]["tag"], "1", "{seen}");
    assert_eq!(seen["tags"][0]["manifest"]["platforms"], json!(["linux/amd64"]), "{seen}");
    assert_eq!(seen["summary"]["pushed_by"], "ann");
    assert!(seen["summary"]["own_bytes"].as_u64() < seen["summary"]["size_bytes"].as_u64(), "{seen}");
    let digest = seen["tags"][0]["manifest"]["digest"].as_str().context("digest")?;
    let detail = world.ann.get(&format!("/api/v1/repository/manifest?name=team/app&digest={digest}")).await?;
    assert_eq!(detail["layers"][0]["shared_with"], json!(["team/other"]), "{detail}");
    assert_eq!(detail["config"]["os"], "linux", "{detail}");

    // a viewer pulls and does not push; a token is as good as a password; nobody gets nothing
    let vera = world.server.person(&world.admin, "vera", "viewer").await?;
    world.log_in("vera", vera.token()).await?;
    world.docker(&["pull", &other]).await?;
    let refused = world.docker(&["push", &one]).await.unwrap_err().to_string();
    assert!(refused.contains("needs the role engineer") || refused.contains("denied"), "{refused}");
    world.docker(&["logout", &world.host]).await?;
    assert!(world.docker(&["pull", &other]).await.is_err());
    assert!(world.log_in("ann", "a wrong password indeed").await.is_err());
    world.forget(&[&one, &other]).await;
    Ok(())
}

/// An OCI layout of an index with two platforms, each with a layer of its own and one that they share.
pub fn write_layout(folder: &Path) -> Result<()> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/oci_layout.py");
    let made = std::process::Command::new("python3").arg(script).arg(folder).status()?;
    ensure!(made.success(), "the layout");
    Ok(())
}

#[tokio::test]
async fn skopeo_copies_an_index_there_and_back_and_deletes_it() -> Result<()> {
    let world = World::start().await?;
    let folder = tempfile::tempdir()?;
    let (from, back) = (folder.path().join("from"), folder.path().join("back"));
    write_layout(&from)?;
    let there = format!("docker://{}/multi/app:1", world.host);
    let creds = format!("ann:{PASSWORD}");
    let layout = |path: &Path| format!("oci:{}:multi", path.display());
    let policy = "--insecure-policy";
    run(
        "skopeo",
        &[
            policy,
            "copy",
            "--all",
            "--preserve-digests",
            "--dest-tls-verify=false",
            "--dest-creds",
            &creds,
            &layout(&from),
            &there,
        ],
        &[],
    )
    .await?;
    run(
        "skopeo",
        &[
            policy,
            "copy",
            "--all",
            "--preserve-digests",
            "--src-tls-verify=false",
            "--src-creds",
            &creds,
            &there,
            &layout(&back),
        ],
        &[],
    )
    .await?;
    let count = |path: &Path| std::fs::read_dir(path.join("blobs/sha256")).map(Iterator::count);
    assert_eq!((count(&from)?, count(&back)?), (8, 8));
    for file in std::fs::read_dir(from.join("blobs/sha256"))? {
        let file = file?;
        let same = std::fs::read(back.join("blobs/sha256").join(file.file_name()))?;
        assert!(same == std::fs::read(file.path())?, "{:?} came back changed", file.file_name());
    }
    let tls = "--tls-verify=false";
    let inspected = run("skopeo", &["inspect", "--raw", tls, "--creds", &creds, &there], &[]).await?;
    assert!(inspected.contains("arm64"), "{inspected}");
    let listed =
        run("skopeo", &["list-tags", tls, "--creds", &creds, &format!("docker://{}/multi/app", world.host)], &[])
            .await?;
    assert!(listed.contains("\"1\""), "{listed}");
    let seen = repository(&world.ann, "multi/app").await?;
    assert_eq!(seen["tags"][0]["manifest"]["platforms"], json!(["linux/amd64", "linux/arm64"]), "{seen}");
    assert_eq!(seen["untagged"], json!([]), "parts of an index are not untagged: {seen}");
    run("skopeo", &["delete", tls, "--creds", &creds, &there], &[]).await?;
    let seen = repository(&world.ann, "multi/app").await?;
    assert_eq!(seen["tags"], json!([]), "{seen}");
    Ok(())
}

#[tokio::test]
async fn podman_pushes_and_pulls() -> Result<()> {
    let world = World::start().await?;
    let folder = tempfile::tempdir()?;
    let (root, state) = (folder.path().join("root"), folder.path().join("run"));
    let (root, state) = (root.display().to_string(), state.display().to_string());
    let place = ["--storage-driver=vfs", "--cgroup-manager=cgroupfs", "--root", &root, "--runroot", &state];
    let podman = |args: &[&str]| {
        let all: Vec<String> = place.iter().chain(args).map(|it| (*it).to_owned()).collect();
        async move { run("podman", &all.iter().map(String::as_str).collect::<Vec<_>>(), &[]).await }
    };
    let tar = folder.path().join("content.tar").display().to_string();
    std::fs::write(folder.path().join("content"), &world.host)?;
    run("tar", &["-C", &folder.path().display().to_string(), "-cf", &tar, "content"], &[]).await?;
    let image = format!("{}/podman/app:1", world.host);
    let creds = format!("ann:{PASSWORD}");
    podman(&["import", &tar, &image]).await?;
    podman(&["push", "--tls-verify=false", "--creds", &creds, &image]).await?;
    podman(&["rmi", "--force", &image]).await?;
    podman(&["pull", "--tls-verify=false", "--creds", &creds, &image]).await?;
    let seen = repository(&world.ann, "podman/app").await?;
    assert_eq!(seen["tags"][0]["tag"], "1", "{seen}");
    Ok(())
}

#[tokio::test]
async fn every_answer_is_as_the_specification_says() -> Result<()> {
    let world = World::start().await?;
    world.server.person(&world.admin, "bob", "engineer").await?;
    world.server.person(&world.admin, "vera", "viewer").await?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/registry_conformance.py").display().to_string();
    let who = ["ann", "bob", "vera"].map(|name| format!("{name}:{PASSWORD}"));
    let printed = run("python3", &[&script, &world.server.registry_url(), &who[0], &who[1], &who[2]], &[]).await?;
    assert!(printed.contains("answers as they should be"), "{printed}");
    Ok(())
}

#[tokio::test]
async fn a_job_runs_an_image_that_was_pushed() -> Result<()> {
    let world = World::start().await?;
    let image = world.make("jobs/hello:1", &world.host, true).await?;
    world.docker(&["push", &image]).await?;
    world.forget(&[&image]).await;
    let port = world.host.rsplit(':').next().context("port")?;
    let wish = |image: String| json!({ "name": "hello", "command": ["/hello"], "image": image });
    let missing =
        world.ann.send(Method::POST, "/api/v1/jobs", Some(wish(format!("localhost:{port}/jobs/hello:2")))).await?;
    assert_eq!(missing.0, 422, "{}", missing.1);
    assert!(missing.1["message"].as_str().unwrap_or_default().contains("no jobs/hello:2"), "{}", missing.1);

    let job = world.ann.submit_with(wish(format!("localhost:{port}/jobs/hello:1"))).await?;
    let end = world.ann.finished(&job, Duration::from_secs(120)).await?;
    assert_eq!(end["summary"]["state"], "succeeded", "{end}");
    let pinned = end["spec"]["image"].as_str().context("image")?.to_owned();
    assert!(pinned.contains("/jobs/hello:1@sha256:"), "{pinned}");
    let (_, log) = world.ann.send(Method::GET, &format!("/api/v1/jobs/{job}/log"), None).await?;
    assert!(log.to_string().contains("hello from the registry"), "{log}");

    let seen = repository(&world.ann, "jobs/hello").await?;
    assert_eq!(seen["tags"][0]["manifest"]["used_by"][0]["id"], json!(job), "{seen}");
    let rules = json!({ "keep_last": 1, "keep_tags": [], "untagged_days": 1 });
    world.make("jobs/hello:2", "another", false).await?;
    world.docker(&["push", &format!("{}/jobs/hello:2", world.host)]).await?;
    let preview = world.ann.post("/api/v1/repository/retention/preview?name=jobs/hello", rules).await?;
    assert_eq!(preview["tags"], json!([]), "what a job refers to stays: {preview}");
    world
        .forget(&[
            &format!("{}/jobs/hello:2", world.host),
            &format!("{}/jobs/hello@{}", world.host, pinned.split('@').nth(1).unwrap_or_default()),
        ])
        .await;
    Ok(())
}

#[tokio::test]
async fn rules_carry_themselves_out_and_deleting_a_repository_takes_all_of_it() -> Result<()> {
    let world = World::start().await?;
    for tag in ["1", "2", "3"] {
        let image = world.make(&format!("old/app:{tag}"), &format!("{}{tag}", world.host), false).await?;
        world.docker(&["push", &image]).await?;
        world.forget(&[&image]).await;
    }
    let rules = json!({ "keep_last": 1, "keep_tags": ["1"], "untagged_days": null });
    let preview = world.ann.post("/api/v1/repository/retention/preview?name=old/app", rules.clone()).await?;
    assert_eq!(preview["tags"], json!(["2"]), "{preview}");
    assert!(preview["freed_bytes"].as_u64() > Some(0), "{preview}");
    world.ann.put("/api/v1/repository/retention?name=old/app", rules).await?;
    until("the rules are carried out", Duration::from_secs(60), || async {
        let seen = repository(&world.ann, "old/app").await?;
        Ok((seen["summary"]["tag_count"] == 2 && seen["summary"]["manifest_count"] == 2).then_some(()))
    })
    .await?;
    assert_eq!(world.ann.status(Method::DELETE, "/api/v1/repository?name=old/app", None).await?, 204);
    assert_eq!(world.ann.list("/api/v1/repositories").await?, Vec::<Value>::new());
    Ok(())
}

/// Kills in the middle of pushes; how many.
const KILLS: usize = 6;

#[tokio::test]
async fn what_was_pushed_outlives_kills() -> Result<()> {
    let mut world = World::start().await?;
    let script = r#"
import base64, hashlib, http.client, json, os, sys, threading
host, creds, first = sys.argv[1], sys.argv[2], int(sys.argv[3])
auth = {"Authorization": "Basic " + base64.b64encode(creds.encode()).decode()}
kind = "application/vnd.oci.image.manifest.v1+json"
digest = lambda data: "sha256:" + hashlib.sha256(data).hexdigest()
def pusher(which):
    connection = http.client.HTTPConnection(host, timeout=30)
    def ask(method, path, body=None, headers={}):
        connection.request(method, path, body, {**auth, **headers})
        answer = connection.getresponse()
        answer.read()
        return answer
    number = 0
    try:
        while True:
            parts = [b"{}", os.urandom([1000, 100_000, 5_000_000][number % 3])]
            for part in parts:
                at = ask("POST", "/v2/kill/app/blobs/uploads/").getheader("location")
                at = ask("PATCH", at, part).getheader("location")
                assert ask("PUT", f"{at}?digest={digest(part)}").status == 201
            of = lambda part: {"mediaType": "x", "digest": digest(part), "size": len(part)}
            body = json.dumps({"schemaVersion": 2, "mediaType": kind, "config": of(parts[0]), "layers": [of(parts[1])]}).encode()
            tag = f"t{first}-{which}-{number}"
            if ask("PUT", f"/v2/kill/app/manifests/{tag}", body, {"Content-Type": kind}).status == 201:
                os.write(1, f"{tag} {digest(body)}\n".encode())  # in one piece
            number += 1
    except Exception:
        pass
threads = [threading.Thread(target=pusher, args=(which,)) for which in range(3)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"#;
    // a token: a password is slow to check by design, and each start has to check it anew
    let creds = format!("ann:{}", world.ann.token());
    let mut ledger: Vec<(String, String)> = vec![];
    for round in 0..KILLS {
        let number = round.to_string();
        let mut command = Command::new("python3");
        let said = tempfile::NamedTempFile::new()?;
        command.args(["-c", script, &world.host, &creds, &number]).stdout(said.reopen()?);
        let mut pushing = command.kill_on_drop(true).spawn()?;
        until("no two images are acknowledged", Duration::from_secs(60), || async {
            Ok((std::fs::read_to_string(said.path())?.lines().count() > 1).then_some(()))
        })
        .await?;
        tokio::time::sleep(Duration::from_millis(100 + 230 * round as u64)).await;
        world.server.kill9().await?;
        tokio::time::timeout(Duration::from_secs(60), pushing.wait()).await??;
        let printed = std::fs::read_to_string(said.path())?;
        ledger
            .extend(printed.lines().filter_map(|line| line.split_once(' ')).map(|(a, b)| (a.to_owned(), b.to_owned())));
        world.server.launch().await?;
    }
    ensure!(ledger.len() > KILLS, "only {} images were acknowledged over {KILLS} kills", ledger.len());
    let registry = Api::anonymous(&world.server.registry_url())?.with_token(world.ann.token());
    for (tag, digest) in &ledger {
        let found = registry.request(Method::GET, &format!("/v2/kill/app/manifests/{tag}")).send().await?;
        ensure!(found.status() == 200, "{tag} was acknowledged and is {}", found.status());
        ensure!(found.headers()["docker-content-digest"] == digest.as_str(), "{tag} is another");
        let manifest: Value = serde_json::from_str(&found.text().await?)?;
        for part in [&manifest["config"], &manifest["layers"][0]] {
            let path = format!("/v2/kill/app/blobs/{}", part["digest"].as_str().context("digest")?);
            let blob = registry.request(Method::GET, &path).send().await?;
            ensure!(blob.status() == 200, "{path} of {tag} is {}", blob.status());
            ensure!(Some(blob.bytes().await?.len() as u64) == part["size"].as_u64(), "{path} of {tag} is cut");
        }
    }
    // tags that were never acknowledged may be there, whole; none is half there
    let tags = world.ann.get("/api/v1/repository?name=kill/app").await?["tags"].as_array().map_or(0, Vec::len);
    ensure!(tags >= ledger.len(), "{tags} tags of {}", ledger.len());
    println!("{} images acknowledged over {KILLS} kills, none lost", ledger.len());
    Ok(())
}
