//! Images made to get out: they name devices, preload a library, stand in another container's descriptors, bring links where mounts
//! go. Each is contained: the job runs in the sandbox like any other, or is refused.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use drydock_tests::{Api, Fault, Server, docker};
use reqwest::Method;
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(90);
/// What a job prints of its place in the world.
const LOOK: &str = r#"echo "gpus=$NVIDIA_VISIBLE_DEVICES preload=$LD_PRELOAD pwd=$(pwd)"; id -u; ls /dev | tr '\n' ' '; echo; ls -l /proc/self/fd | wc -l; cat /outputs/../etc/shadow /data/x 2>&1; echo x > /workspace/y; echo ended"#;

/// An image of the runtime with these changes to its configuration and, by a program that runs as root, to its files.
struct Image(String);

impl Image {
    fn new(server: &Server, name: &str, changes: &[&str], script: &str) -> Result<Self> {
        let tag = format!("drydock-test/{}-{name}:1", server.instance()?);
        let made = docker::run(&[
            "create",
            "--user",
            "0",
            "--network",
            "none",
            "--entrypoint",
            "sh",
            "drydock/runtime:1",
            "-c",
            script,
        ])?;
        let built = (|| {
            docker::run(&["start", "-a", &made])?;
            let mut words = vec!["commit"];
            for change in changes {
                words.extend(["--change", change]);
            }
            docker::run(&[words.as_slice(), &[made.as_str(), tag.as_str()]].concat())
        })();
        docker::run(&["rm", "-f", &made])?;
        built.map(|_| Self(tag))
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = docker::run(&["rmi", "-f", &self.0]);
    }
}

async fn outcome(api: &Api, image: &Image) -> Result<(Value, String)> {
    let job = api
        .submit_with(json!({ "name": "trick", "image": image.0, "command": ["/bin/sh", "-c", LOOK], "tracked": false }))
        .await?;
    let end = api.finished(&job, LIMIT).await?;
    let (_, log) = api.send(Method::GET, &format!("/api/v1/jobs/{job}/log"), None).await?;
    Ok((end, log.as_str().unwrap_or_default().to_owned()))
}

/// It ran as anybody does: no GPU, no library, no device of the box, nobody's files.
fn is_contained(end: &Value, log: &str) -> Result<()> {
    if end["summary"]["state"] == "failed" && !log.contains("ended") {
        // refused by Docker before anything ran, and it is said
        end["summary"]["reason"].as_str().context("failed without a reason")?;
        return Ok(());
    }
    ensure!(log.contains("gpus=void preload= pwd=/scratch"), "{end}\n{log}");
    ensure!(log.contains("\n10001\n"), "not its own user: {log}");
    let devices = log.lines().find(|line| line.contains("null")).context("no /dev")?;
    for device in ["sda", "vda", "nvme", "mem", "kmsg", "nvidia"] {
        ensure!(!devices.split(' ').any(|name| name.starts_with(device)), "{device} of {devices}");
    }
    ensure!(!log.contains("root:"), "somebody's passwords: {log}");
    ensure!(log.contains("Read-only file system") || log.contains("cannot create"), "wrote to its code: {log}");
    Ok(())
}

#[tokio::test]
async fn images_that_try_to_get_out_are_contained() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let fault = Fault::new("job: tricks of images", 1, 3);
    let tricks: [(&str, &[&str], &str); 5] = [
        (
            "environment",
            &["ENV NVIDIA_VISIBLE_DEVICES=all", "ENV LD_PRELOAD=/evil.so", "ENV NVIDIA_DRIVER_CAPABILITIES=all"],
            "true",
        ),
        // CVE-2024-21626: a working directory that is a descriptor of runc's
        ("descriptor", &["WORKDIR /proc/self/fd/8"], "true"),
        ("volumes", &["VOLUME /dev", "VOLUME /outputs", "VOLUME /proc/self/fd/7"], "true"),
        (
            "links",
            &["USER 0"],
            "rm -rf /workspace /outputs /data; ln -s /etc /outputs; ln -s /proc/1/root /workspace; ln -s /dev /data",
        ),
        (
            "entry",
            &["ENTRYPOINT [\"/evil\"]", "CMD [\"x\"]", "HEALTHCHECK CMD /evil"],
            "cp /bin/true /evil; chmod 4755 /evil",
        ),
    ];
    for _ in 0..fault.count {
        for (name, changes, script) in tricks {
            let image = Image::new(&server, name, changes, script)?;
            let (end, log) = outcome(&admin, &image).await?;
            is_contained(&end, &log).with_context(|| name.to_owned())?;
        }
    }
    ensure!(!Path::new("/etc/y").exists(), "a link led a mount onto the box");
    let count = fault.count * tricks.len();
    fault.held(format!("{count} images contained"));
    Ok(())
}
