//! The gateway beside nginx: the same trivial model server behind both, driven by wrk.
//!
//! Everything runs on this machine at once, the load included, so what counts is the proportion. Needs wrk and nginx.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use drydock_tests::{Api, Server, clients, until};
use serde_json::{Value, json};

use crate::figure;

/// A trivial model server, which starts in a moment.
pub const IMAGE: &str = "drydock-bench/upstream:1";
const DEPLOYMENT: &str = "/api/v1/deployments/trivial";
/// A location for each thing that the load asks for; small, as most predictions are.
const ANSWER: &str = r#"{"predictions":[0.5]}"#;

/// nginx as a program or in a container; it ends with this.
struct Nginx(Child);

impl Drop for Nginx {
    fn drop(&mut self) {
        // nginx takes TERM and ends its worker; a killed master would leave it
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

/// Prints throughput and latencies of both, and what the gateway adds.
pub async fn measure() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    make_image(scratch.path())?;
    let server = Server::start().await?;
    let api = server.admin().await?;
    clients::mlflow(&api, "release_models.py", &["good"]).await.context("a model for the deployment")?;
    let upstream = deploy(&api).await?;
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let _proxy = proxy(scratch.path(), port, &upstream)?;
    let token = api.token().to_owned();
    let urls = [
        ("direct", format!("http://{upstream}/invocations")),
        ("nginx", format!("http://127.0.0.1:{port}/invocations")),
        ("drydock", format!("{}/serve/trivial/invocations", server.url())),
    ];
    until("nginx does not answer", Duration::from_secs(10), || async {
        Ok(reqwest::get(&urls[1].1).await.is_ok_and(|answer| answer.status().is_success()).then_some(()))
    })
    .await?;
    let measured = tokio::task::spawn_blocking(move || load(&urls, &token)).await??;
    tell(&measured)
}

/// An image with nginx of this machine and the libraries that it needs; nothing is fetched.
pub fn make_image(scratch: &Path) -> Result<()> {
    let nginx = which("nginx")?;
    let listed = Command::new("ldd").arg(&nginx).output().context("ldd")?;
    let libraries = String::from_utf8(listed.stdout)?;
    let mut files: Vec<PathBuf> =
        libraries.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect();
    files.push(nginx);
    let root = scratch.join("root");
    for file in &files {
        let to = root.join(file.strip_prefix("/")?);
        std::fs::create_dir_all(to.parent().context("a file without a folder")?)?;
        std::fs::copy(file, to)?;
    }
    for folder in ["etc", "tmp", "var/log/nginx", "var/lib/nginx"] {
        std::fs::create_dir_all(root.join(folder))?;
    }
    // what a container has there instead takes its mode on
    std::fs::set_permissions(root.join("tmp"), std::fs::Permissions::from_mode(0o1777))?;
    std::fs::write(root.join("etc/passwd"), "root:x:0:0::/:\nnobody:x:65534:65534::/:\nwww-data:x:33:33::/:\n")?;
    std::fs::write(root.join("etc/group"), "root:x:0:\nnogroup:x:65534:\nwww-data:x:33:\n")?;
    let locations = format!("location / {{ default_type application/json; return 200 '{ANSWER}'; }}");
    std::fs::write(root.join("etc/upstream.conf"), config("/tmp", "8080", &locations, ""))?;
    let archive = scratch.join("image.tar");
    run(Command::new("tar").arg("-C").arg(&root).arg("-cf").arg(&archive).arg("."))?;
    run(Command::new("docker").args(["import"]).arg(&archive).arg(IMAGE))
}

/// One worker, no log, connections kept open, in the foreground. `folder` is its own: what it writes lies there.
fn config(folder: &str, listen: &str, locations: &str, upstream: &str) -> String {
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {folder}/{kind};"))
        .join(" ");
    format!(
        "user root; daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr error;\n\
         events {{ worker_connections 1024; }}\n\
         http {{ access_log off; keepalive_timeout 75; keepalive_requests 100000000; tcp_nodelay on; {temporary}\n\
         {upstream} server {{ listen {listen}; {locations} }} }}\n"
    )
}

fn proxy(scratch: &Path, port: u16, upstream: &str) -> Result<Nginx> {
    let listen = format!("127.0.0.1:{port}");
    let model = format!("upstream model {{ server {upstream}; keepalive 128; keepalive_requests 100000000; }}");
    let locations =
        "location / { proxy_pass http://model; proxy_http_version 1.1; proxy_set_header Connection \"\"; }".to_owned();
    let file = scratch.join("proxy.conf");
    std::fs::write(&file, config(&scratch.display().to_string(), &listen, &locations, &model))?;
    let child = Command::new(which("nginx")?).arg("-c").arg(&file).stdout(Stdio::null()).spawn().context("nginx")?;
    Ok(Nginx(child))
}

/// What the image is started with.
pub fn command() -> Result<[String; 3]> {
    Ok([which("nginx")?.display().to_string(), "-c".to_owned(), "/etc/upstream.conf".to_owned()])
}

/// The image as what answers in a deployment.
pub fn runtime() -> Result<Value> {
    Ok(json!({ "kind": "image", "image": IMAGE, "port": 8080, "protocol": "plain", "command": command()? }))
}

/// Deploys the image with limits on, and says where its container answers.
async fn deploy(api: &Api) -> Result<String> {
    let wish = json!({
        "model": "taster", "version": "1",
        "resources": { "cpus": 1.0, "memory_bytes": 256 << 20 },
        "served_by": { "runtime": runtime()? },
        "settings": { "limits": {
            "concurrency": 64, "queue": 1000, "timeout_s": 10, "body_bytes": 1 << 20,
            "rate": { "per_second": 1e9, "burst": 1_000_000_000 },
        } },
    });
    api.put(DEPLOYMENT, wish).await?;
    until("the deployment does not become live", Duration::from_secs(120), || async {
        let state = api.get(DEPLOYMENT).await?;
        let is_live = state["revisions"].as_array().is_some_and(|all| all.iter().any(|it| it["state"] == "live"));
        Ok(is_live.then_some(()))
    })
    .await?;
    let shown = Command::new("docker")
        .args(["ps", "--filter", &format!("ancestor={IMAGE}"), "--format", "{{.ID}}"])
        .output()?;
    let id = String::from_utf8(shown.stdout)?.lines().next().context("no container of the image runs")?.to_owned();
    let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}";
    let inspected = Command::new("docker").args(["inspect", "--format", format, &id]).output()?;
    let address = String::from_utf8(inspected.stdout)?;
    let address = address.split_whitespace().next().context("the container has no address")?;
    Ok(format!("{address}:8080"))
}

/// What wrk measured, a line for each run.
fn load(urls: &[(&str, String)], token: &str) -> Result<Vec<Value>> {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("bench/load/gateway_load.sh");
    let pairs = urls.iter().map(|(name, url)| format!("{name}={url}"));
    let output = Command::new("sh")
        .arg(script)
        .args(pairs)
        .env("HEADER", format!("Authorization: Bearer {token}"))
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(output.status.success(), "the load did not run");
    let text = String::from_utf8(output.stdout)?;
    Ok(text.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?)
}

/// The median of the rounds.
fn tell(measured: &[Value]) -> Result<()> {
    let of = |name: &str, connections: u64, what: &str| -> Result<f64> {
        let is = |it: &&Value| it["name"] == name && it["c"] == connections;
        let mut values: Vec<f64> = measured.iter().filter(is).filter_map(|it| it[what].as_f64()).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().with_context(|| format!("nothing measured of {name}"))
    };
    let bad: u64 = measured.iter().filter(|it| it["name"] == "drydock").filter_map(|it| it["bad"].as_u64()).sum();
    for connections in [1, 16, 64] {
        for name in ["direct", "nginx", "drydock"] {
            let value = format!(
                "{:>7.0}/s  p50 {:>6.0} µs  p99 {:>6.0} µs",
                of(name, connections, "rps")?,
                of(name, connections, "p50_us")?,
                of(name, connections, "p99_us")?
            );
            figure(&format!("gateway, {connections} connections: {name}"), &value);
        }
        let ratio = of("drydock", connections, "rps")? / of("nginx", connections, "rps")?;
        figure("  of nginx's throughput", &format!("{ratio:.2}"));
    }
    let added = of("drydock", 1, "p50_us")? - of("direct", 1, "p50_us")?;
    figure("gateway, added latency at 1 connection, median", &format!("{added:.0} µs"));
    figure("gateway, requests that failed", &bad.to_string());
    Ok(())
}

fn which(program: &str) -> Result<PathBuf> {
    let folders = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"];
    let found = folders.iter().map(|folder| Path::new(folder).join(program)).find(|path| path.exists());
    found.with_context(|| format!("{program} is not installed on this machine"))
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output()?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
