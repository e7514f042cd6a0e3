//! A box on the LAN speaks TLS with an authority of its own: S3's clients and the registry's, unmodified, once they believe it, and
//! not before. The registry's are told by the one command that the dashboard shows.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use drydock_tests::{
    Dockerd, PASSWORD, Server, Setup, clients, clients::S3Key, disk::as_root, dockerd::BUSYBOX, netns::Cable, until,
};
use reqwest::Method;
use serde_json::json;

use crate::registry::{World, repository, run, write_layout};

/// Not loopback, to which docker speaks without looking at a certificate.
async fn box_on(cable: &Cable) -> Result<Server> {
    let server = Server::start_as(Setup { host: Some(&cable.here), ..Setup::default() }).await?;
    ensure!(server.url().starts_with("https://"), "{}", server.url());
    Ok(server)
}

#[tokio::test]
async fn s3s_clients_speak_tls_with_the_box() -> Result<()> {
    let cable = Cable::new()?;
    let server = box_on(&cable).await?;
    let admin = server.admin().await?;
    server.person(&admin, "erin", "engineer").await?;
    let key = S3Key::of(&server, "erin").await?;

    let stranger = tempfile::NamedTempFile::new()?;
    let other = S3Key { authority: Some(other_authority(stranger.path()).await?), ..key.clone() };
    let refused = clients::s3(&other, "s3", "s3_boto3.py", &["buckets_live_and_die"]).await.unwrap_err().to_string();
    ensure!(refused.contains("CERTIFICATE_VERIFY_FAILED"), "a foreign authority was believed: {refused}");

    let said = clients::s3(&key, "s3", "s3_boto3.py", &[]).await?;
    ensure!(said.matches("ok ").count() >= 23, "{said}");
    let said = clients::s3(&key, "s3", "s3_programs.sh", &[]).await?;
    ensure!(said.contains("aws-cli: its whole life") && said.contains("rclone: its whole life"), "{said}");
    ensure!(clients::s3(&key, "s3", "s3_minio.py", &[]).await?.contains("its whole life"));
    ensure!(clients::s3(&key, "dvc", "s3_data.py", &[]).await?.contains("their whole life"));
    ensure!(clients::s3(&key, "dvc", "s3_dvc.sh", &[]).await?.contains("dvc: push, pull, fetch, status -c, gc"));
    Ok(())
}

/// An authority that has nothing to do with the box.
async fn other_authority(path: &Path) -> Result<PathBuf> {
    let at = path.display().to_string();
    let args = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=another", "-keyout"];
    run("openssl", &[&args[..], &["/dev/null", "-out", &at]].concat(), &[]).await?;
    Ok(path.to_owned())
}

/// What the commands put on this machine; it goes with this.
struct Trust(Vec<PathBuf>);

impl Drop for Trust {
    fn drop(&mut self) {
        for folder in &self.0 {
            let _ = as_root("rm", &["-r".as_ref(), folder.as_ref()]);
        }
    }
}

#[tokio::test]
async fn the_registrys_clients_trust_the_box_after_the_one_command() -> Result<()> {
    let cable = Cable::new()?;
    let world = World::around(box_on(&cable).await?).await?;
    let folders = ["/etc/docker/certs.d", "/etc/containers/certs.d"].map(|all| Path::new(all).join(&world.host));
    let _trust = Trust(folders.to_vec());
    let untrusted = world.log_in("ann", PASSWORD).await.unwrap_err().to_string();
    ensure!(untrusted.contains("x509") || untrusted.contains("certificate"), "{untrusted}");

    // As the page says it. The authority is fetched without a login, and held against the fingerprint that the page shows.
    let shown = world.ann.get("/api/v1/registry").await?;
    ensure!(shown["is_tls"] == true && shown["host"] == world.host.as_str(), "{shown}");
    let is_root = run("id", &["-u"], &[]).await?.trim() == "0";
    for command in ["docker_command", "podman_command"] {
        let command = shown[command].as_str().unwrap_or_default();
        let forged = command.replacen("echo '", "echo '0", 1);
        ensure!(run("sh", &["-c", &forged], &[]).await.is_err(), "a wrong fingerprint is taken: {forged}");
        // root has no need of sudo, and may lack it
        let command = if is_root { command.replace("sudo ", "") } else { command.to_owned() };
        run("sh", &["-c", &command], &[]).await?;
    }
    let (status, pem) = world.server.anonymous()?.send(Method::GET, "/ca.pem", None).await?;
    let kept = std::fs::read_to_string(world.server.data_dir().join("tls/ca.pem"))?;
    ensure!(status == 200 && pem.as_str() == Some(kept.as_str()), "/ca.pem: {status} {pem}");

    world.log_in("ann", PASSWORD).await?;
    let image = world.make("tls/app:1", &world.host, false).await?;
    let pushed = world.docker(&["push", &image]).await?;
    ensure!(pushed.contains("digest: sha256:"), "{pushed}");
    world.forget(&[&image]).await;
    world.docker(&["pull", &image]).await?;
    world.forget(&[&image]).await;
    skopeo_and_podman(&world, &image).await?;

    let authority = world.server.authority();
    let said = clients::oras(&world.host, "ann", PASSWORD, authority.as_deref()).await?;
    ensure!(said.contains("oras, token: its whole life") && said.contains("oras, basic: its whole life"), "{said}");
    Ok(())
}

async fn skopeo_and_podman(world: &World, image: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (from, creds) = (folder.path().join("from"), format!("ann:{PASSWORD}"));
    write_layout(&from)?;
    let (from, there) = (format!("oci:{}:multi", from.display()), format!("docker://{}/tls/multi:1", world.host));
    run("skopeo", &["--insecure-policy", "copy", "--all", "--dest-creds", &creds, &from, &there], &[]).await?;
    let inspected = run("skopeo", &["inspect", "--raw", "--creds", &creds, &there], &[]).await?;
    ensure!(inspected.contains("arm64"), "{inspected}");
    let seen = repository(&world.ann, "tls/multi").await?;
    ensure!(seen["tags"][0]["tag"] == "1", "{seen}");

    let (root, state) = (folder.path().join("root"), folder.path().join("run"));
    let (root, state) = (root.display().to_string(), state.display().to_string());
    let place = ["--storage-driver=vfs", "--cgroup-manager=cgroupfs", "--root", &root, "--runroot", &state];
    run("podman", &[&place[..], &["pull", "--creds", &creds, image]].concat(), &[]).await?;
    let again = format!("{}/tls/podman:1", world.host);
    run("podman", &[&place[..], &["tag", image, &again]].concat(), &[]).await?;
    run("podman", &[&place[..], &["push", "--creds", &creds, &again]].concat(), &[]).await?;
    let seen = repository(&world.ann, "tls/podman").await?;
    ensure!(seen["tags"][0]["tag"] == "1", "{seen}");
    Ok(())
}

/// A model server that tells two things, the second half a second later.
const TELLER: &str = "mkdir -p /scratch/cgi-bin && cd /scratch && \
    printf '#!/bin/sh\nprintf \"Content-Type: text/event-stream\\r\\n\\r\\ndata: 1\\n\\n\"; sleep 0.5; printf \"data: 2\\n\\n\"\n' > cgi-bin/tell && \
    busybox chmod 755 cgi-bin/tell && exec busybox httpd -f -p 9000 -h /scratch";

/// curl negotiates HTTP/2 with the box and HTTP/1.1 where it is told to; events come through either.
#[tokio::test]
async fn a_deployment_streams_over_http2_and_http1() -> Result<()> {
    let (cable, dockerd) = (Cable::new()?, Dockerd::start().await?);
    let host = dockerd.host();
    let environment = [("DOCKER_HOST", host.as_str())];
    let server =
        Server::start_as(Setup { host: Some(&cable.here), environment: &environment, ..Setup::default() }).await?;
    let admin = server.admin().await?;
    let runtime = json!({ "kind": "image", "image": BUSYBOX, "command": ["sh", "-c", TELLER], "port": 9000 });
    let wish = json!({
        "resources": { "cpus": 0.2, "memory_bytes": 64 << 20 },
        "served_by": { "runtime": runtime },
    });
    admin.put("/api/v1/deployments/teller", wish).await?;
    let authority = server.authority().ok_or_else(|| anyhow::anyhow!("no authority"))?.display().to_string();
    let token = format!("authorization: Bearer {}", admin.token());
    let url = format!("{}/serve/teller/cgi-bin/tell", server.url());
    for (flag, version) in [("--http2", "2"), ("--http1.1", "1.1")] {
        let args = ["--silent", "--show-error", "--no-buffer", "--cacert", &authority, flag, "--data", "x"];
        let said = ["--header", &token, "--write-out", "%{http_version} %{http_code}", &url];
        until("it does not tell", std::time::Duration::from_secs(120), || async {
            let told = run("curl", &[&args[..], &said[..]].concat(), &[]).await?;
            ensure!(told == format!("data: 1\n\ndata: 2\n\n{version} 200"), "{told}");
            Ok(Some(()))
        })
        .await?;
    }
    Ok(())
}
