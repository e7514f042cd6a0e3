//! Images of model servers that users bring, out of `tests/images/NAME/Dockerfile` on the runtime image. Wheels are fetched by this machine's pip
//! and kept in the cache folder; Docker keeps the layers, so the second time takes a moment. The build has no network.

use std::{path::Path, path::PathBuf, process::Command};

use anyhow::{Context, Result, ensure};

use crate::docker;

/// FastAPI with OpenAI's routes, on port 8000.
pub fn openai() -> Result<String> {
    build("openai")
}

/// MLServer with its scikit-learn runtime, on port 8080.
pub fn mlserver() -> Result<String> {
    build("mlserver")
}

fn build(name: &str) -> Result<String> {
    let recipe = Path::new(env!("CARGO_MANIFEST_DIR")).join("images").join(name);
    let context = tempfile::tempdir()?;
    for entry in std::fs::read_dir(&recipe)? {
        let entry = entry?;
        std::fs::copy(entry.path(), context.path().join(entry.file_name()))?;
    }
    let list = recipe.join("requirements.txt");
    if list.exists() {
        let wheels = wheels(name, &list)?;
        std::fs::create_dir(context.path().join("wheels"))?;
        for entry in std::fs::read_dir(&wheels)? {
            let entry = entry?;
            std::fs::copy(entry.path(), context.path().join("wheels").join(entry.file_name()))?;
        }
    }
    let tag = format!("drydock-test/{name}:1");
    let output = Command::new("docker")
        .args(["build", "--quiet", "--network", "none", "--tag", &tag, "."])
        .current_dir(context.path())
        .env("DOCKER_BUILDKIT", "0")
        .output()
        .context("docker build")?;
    ensure!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    docker::run(&["image", "inspect", "--format", "{{.Id}}", &tag])?;
    Ok(tag)
}

/// The wheels of a list, from the cache or from the index that this machine's pip uses.
fn wheels(name: &str, list: &Path) -> Result<PathBuf> {
    let pins = std::fs::read(list)?;
    let digest = hex::encode(ring::digest::digest(&ring::digest::SHA256, &pins));
    let folder = cache()?.join(format!("wheels-{name}-{}", &digest[..16]));
    if folder.exists() {
        return Ok(folder);
    }
    let part = folder.with_extension(format!("part-{}", std::process::id()));
    let mut command = Command::new("/usr/bin/python3");
    command.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"]);
    command.args(["--only-binary=:all:", "--python-version", "3.11", "--implementation", "cp"]);
    ["cp311", "abi3", "none"].iter().for_each(|abi| drop(command.args(["--abi", abi])));
    for platform in ["_2_34", "_2_28", "_2_27", "_2_24", "_2_17", "2014"] {
        command.args(["--platform", &format!("manylinux{platform}_x86_64")]);
    }
    command.args(["--platform", "any", "--dest"]).arg(&part).arg("-r").arg(list);
    let output = command.output().context("pip")?;
    ensure!(output.status.success(), "pip download for {name}: {}", String::from_utf8_lossy(&output.stderr));
    match std::fs::rename(&part, &folder) {
        // another test was quicker
        Err(_) if folder.exists() => std::fs::remove_dir_all(&part)?,
        renamed => renamed?,
    }
    Ok(folder)
}

fn cache() -> Result<PathBuf> {
    let home = std::env::var_os("HOME").context("no HOME")?;
    let cache = std::env::var_os("XDG_CACHE_HOME").map_or_else(|| Path::new(&home).join(".cache"), PathBuf::from);
    let folder = cache.join("drydock/images");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}
