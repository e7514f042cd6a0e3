//! What goes into an image's build, and what `.dockerignore` leaves behind: on real Docker, over the API and from a colleague's laptop.

use std::path::Path;

use anyhow::{Context, Result};
use drydock_tests::{docker, wheels::Wheel};
use reqwest::Method;
use serde_json::json;

use crate::{
    builds::{World, packed},
    cli::Laptop,
    registry::run,
};

/// A project with more than its image needs.
const PROJECT: &[(&str, &str)] = &[
    ("src/app.py", "print('app')\n"),
    ("src/deep/x.log", "log"),
    ("src/deep/kept.log", "kept"),
    ("data/big.bin", "big"),
    ("data/keep/k.txt", "k"),
    ("notes.md", "notes"),
    ("README.md", "read me"),
    (".env", "PASSWORD=hunter2"),
];
const IGNORE: &str = "# what the image does not need\n.env\ndata\n!data/keep\n**/*.log\n!src/deep/kept.log\n*.md\n!README.md\nDockerfile\n.dockerignore\n";
const LEFT: &str = "/all/README.md\n/all/data/keep/k.txt\n/all/src/app.py\n/all/src/deep/kept.log\n";

fn dockerfile(base: &str) -> String {
    format!("FROM {base}\nCOPY . /all\nRUN find /all -type f | sort\n")
}

/// What `find` printed of the image.
fn found(log: &str) -> String {
    log.lines().filter(|line| line.starts_with("/all/")).map(|line| format!("{line}\n")).collect()
}

#[tokio::test]
async fn dockerignore_is_obeyed_by_a_build_and_may_name_the_dockerfile_itself() -> Result<()> {
    let world = World::start("").await?;
    let folder = tempfile::tempdir()?;
    let text = dockerfile(&world.base);
    for (path, text) in PROJECT.iter().chain(&[(".dockerignore", IGNORE), ("Dockerfile", text.as_str())]) {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().context("a parent")?)?;
        std::fs::write(path, text)?;
    }
    let digest = world.ann.upload(packed(folder.path()).await?).await?;
    let id = world.submit(json!({ "repository": "ignoring", "context": digest })).await?;
    let (_, log) = world.good(&id).await?;
    assert_eq!(found(&log), LEFT, "{log}");

    // what Docker itself makes of the same folder
    let path = folder.path().display().to_string();
    let classic = [("DOCKER_BUILDKIT", Path::new("0"))];
    let told = run("docker", &["build", "--no-cache", "--network", "none", &path], &classic).await?;
    assert_eq!(found(&told), LEFT, "{told}");
    if let Some(image) = told.lines().rev().find_map(|line| line.strip_prefix("Successfully built ")) {
        docker::run(&["rmi", "--force", image])?;
    }

    // a line that is none ends the build with its number
    std::fs::write(folder.path().join(".dockerignore"), "data\nb[\n")?;
    let digest = world.ann.upload(packed(folder.path()).await?).await?;
    let id = world.submit(json!({ "repository": "ignoring", "context": digest })).await?;
    let detail = world.ended(&id).await?;
    let reason = detail["summary"]["reason"].as_str().unwrap_or_default();
    assert!(reason.contains(".dockerignore, line 2"), "{detail}");
    world.end().await
}

#[tokio::test]
async fn an_image_is_built_from_a_laptop_with_its_log_its_digest_and_its_exit_code() -> Result<()> {
    let world = World::start("").await?;
    let ann = Laptop::with(&world.server, world.ann.token())?;
    for (path, text) in PROJECT {
        ann.put(&format!("project/{path}"), text)?;
    }
    ann.put("project/.dockerignore", IGNORE)?;
    let ran = ann.run(&["image", "build", "--tag", "team/app:1", "project"]).await?;
    assert!(ran.code == 1 && ran.told.contains("no file called Dockerfile"), "{}", ran.told);
    ann.put(
        "project/Dockerfile",
        &format!("{}ARG WHO=nobody\nRUN echo built for $WHO > /all/who\n", dockerfile(&world.base)),
    )?;
    let ran = ann.run(&["image", "build", "--tag", "team/app:1", "--build-arg", "WHO=ann", "project"]).await?;
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.told);
    assert_eq!(found(&ran.told), LEFT, "the log, of what was sent: {}", ran.told);
    // alone on standard output, as a job is given it
    let image = ran.out.trim();
    let repository = world.ann.get("/api/v1/repository?name=team/app").await?;
    let digest = repository["tags"][0]["manifest"]["digest"].as_str().context("no digest")?;
    assert!(image.ends_with(&format!("/team/app:1@{digest}")) && image.lines().count() == 1, "{image}");
    assert_eq!(world.prints(image, &["cat", "/all/who"]).await?.trim(), "built for ann");
    // nothing of what is left out has left the laptop
    let build = world.ann.list("/api/v1/builds").await?[0].clone();
    let detail = world.ann.get(&format!("/api/v1/builds/{}", build["id"].as_str().context("no id")?)).await?;
    assert!(detail["spec"]["context"].is_string(), "{detail}");
    assert!(ran.told.contains("6 files"), "README, k.txt, app.py, kept.log, the list and the Dockerfile: {}", ran.told);

    // a Dockerfile from elsewhere; a step that fails
    ann.put("elsewhere", &format!("FROM {}\nRUN echo before && cat /nothing\n", world.base))?;
    let ran = ann.run(&["image", "build", "-t", "team/bad", "-f", "elsewhere", "project"]).await?;
    assert!(ran.code == 1 && ran.out.is_empty() && ran.told.contains("before"), "{}{}", ran.out, ran.told);
    assert!(ran.told.contains("failed: "), "{}", ran.told);
    // wheels that are missing: the list to take along is what is printed
    Wheel::new("app", "1.0").requires("deep==4").add(&world.ann).await?;
    ann.put("lacking/Dockerfile", "FROM drydock/runtime:1\nRUN pip install app\n")?;
    let ran = ann.run(&["image", "build", "-t", "lacking", "lacking"]).await?;
    assert!(ran.code == 1 && ran.out.contains("deep==4") && ran.told.contains("1 wheel"), "{}{}", ran.out, ran.told);

    // without waiting; looked at, ended and listed from here
    ann.put("slow/Dockerfile", &format!("FROM {}\nRUN echo begun && sleep 61235\n", world.base))?;
    let id = ann.ask(&["image", "build", "-t", "slow", "--detach", "slow"]).await?;
    assert!(["cancelled", "running", "queued"].contains(&ann.ask(&["image", "cancel", &id]).await?.as_str()));
    let ran = ann.run(&["image", "logs", "-f", &id]).await?;
    assert!(ran.code == 1 && ran.told.contains("cancelled by ann"), "{} {}", ran.code, ran.told);
    let listed = ann.ask(&["image", "list", "team"]).await?;
    assert!(listed.contains("team/app:1") && listed.contains(digest) && !listed.contains("slow"), "{listed}");
    let ran = ann.run(&["image", "logs", "-f", "none"]).await?;
    assert!(ran.code == 1 && !ran.told.is_empty(), "{}", ran.told);
    // a viewer's token builds nothing
    let vic = world.server.person(&world.admin, "vic", "viewer").await?;
    let vic = Laptop::with(&world.server, vic.token())?;
    vic.put("project/Dockerfile", "FROM scratch\n")?;
    let ran = vic.run(&["image", "build", "-t", "team/app", "project"]).await?;
    assert!(ran.code == 1 && ran.out.is_empty(), "{}{}", ran.out, ran.told);
    assert_eq!(world.ann.status(Method::GET, "/api/v1/repository?name=team/bad", None).await?, 404);
    world.end().await
}
