//! The command line from a colleague's laptop: another folder, another user's environment, an address, a token and a certificate.

use std::{path::Path, process::Stdio, time::Duration};

use anyhow::{Context, Result, ensure};
use drydock_tests::{Server, Setup, netns::Cable, server::binary, until};
use serde_json::{Value, json};
use tokio::process::Command;

const LIMIT: Duration = Duration::from_secs(120);

/// What a command printed and how it ended.
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub told: String,
}

/// A laptop: a folder, and what its shell has in its environment.
pub struct Laptop {
    folder: tempfile::TempDir,
    environment: Vec<(&'static str, String)>,
}

impl Laptop {
    pub async fn of(server: &Server, username: &str) -> Result<Self> {
        let admin = server.admin().await?;
        let person = server.person(&admin, username, "engineer").await?;
        Self::with(server, person.token())
    }

    pub fn with(server: &Server, token: &str) -> Result<Self> {
        let mut environment = vec![("DRYDOCK_URL", server.url()), ("DRYDOCK_TOKEN", token.to_owned())];
        let folder = tempfile::tempdir()?;
        if let Some(authority) = server.authority() {
            std::fs::copy(authority, folder.path().join("ca.pem"))?;
            environment.push(("DRYDOCK_CA", folder.path().join("ca.pem").display().to_string()));
        }
        std::fs::create_dir(folder.path().join("work"))?;
        Ok(Self { folder, environment })
    }

    pub fn work(&self) -> std::path::PathBuf {
        self.folder.path().join("work")
    }

    pub fn put(&self, name: &str, text: &str) -> Result<()> {
        let path = self.work().join(name);
        std::fs::create_dir_all(path.parent().context("no parent")?)?;
        Ok(std::fs::write(path, text)?)
    }

    pub async fn run(&self, args: &[&str]) -> Result<Ran> {
        let output = self.command(args).output().await?;
        Ok(Ran {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout)?,
            told: String::from_utf8(output.stderr)?,
        })
    }

    /// Its output; an error when it ended otherwise than well.
    pub async fn ask(&self, args: &[&str]) -> Result<String> {
        let ran = self.run(args).await?;
        ensure!(ran.code == 0, "drydock {}: {}\n{}{}", args.join(" "), ran.code, ran.out, ran.told);
        Ok(ran.out.trim().to_owned())
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(args).current_dir(self.work()).env_clear().stdin(Stdio::null()).kill_on_drop(true);
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}

fn git(folder: &Path, args: &[&str]) -> Result<()> {
    let known = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org"];
    let done = std::process::Command::new("git").arg("-C").arg(folder).args(known).args(args).output()?;
    ensure!(done.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&done.stderr));
    Ok(())
}

#[tokio::test]
async fn a_followed_job_prints_its_log_and_ends_as_the_job_did() -> Result<()> {
    let server = Server::start().await?;
    let ann = Laptop::of(&server, "ann").await?;
    let program = "import sys; print('to out'); print('to error', file=sys.stderr); sys.exit(7)";
    let ran =
        ann.run(&["job", "run", "--follow", "--no-code", "--name", "seven", "--", "python3", "-c", program]).await?;
    assert_eq!((ran.code, ran.out.as_str()), (7, "to out\n"), "{}", ran.told);
    assert!(ran.told.contains("to error") && ran.told.contains("failed: exit code 7"), "{}", ran.told);
    let ran = ann.run(&["job", "logs", "-f", "seven"]).await?;
    assert_eq!((ran.code, ran.out.as_str()), (7, "to out\n"));

    let listed = ann.ask(&["job", "list", "--state", "failed"]).await?;
    assert!(listed.contains("seven") && listed.contains("ann") && listed.contains("exit code 7"), "{listed}");
    let shown = ann.ask(&["job", "show", "seven"]).await?;
    assert!(shown.contains("memory: 1GiB") && shown.contains("exit code 7"), "{shown}");
    let ran = ann.run(&["job", "show", "no-such-job"]).await?;
    assert!(ran.code == 1 && ran.told.contains("no-such-job"), "{}", ran.told);
    Ok(())
}

#[tokio::test]
async fn from_a_laptop_over_tls_with_a_token_and_the_boxs_certificate() -> Result<()> {
    let cable = Cable::new()?;
    let server = Server::start_as(Setup { host: Some(&cable.here), ..Setup::default() }).await?;
    assert!(server.url().starts_with("https://"));
    let mut ann = Laptop::of(&server, "ann").await?;
    let id = ann.ask(&["job", "run", "--no-code", "--", "echo", "over tls"]).await?;
    let ran = ann.run(&["job", "logs", "--follow", &id]).await?;
    assert_eq!((ran.code, ran.out.as_str()), (0, "over tls\n"), "{}", ran.told);

    let without_ca: Vec<_> = ann.environment.iter().filter(|(name, _)| *name != "DRYDOCK_CA").cloned().collect();
    let whole = std::mem::replace(&mut ann.environment, without_ca);
    let ran = ann.run(&["job", "list"]).await?;
    assert!(ran.code == 1 && ran.told.contains("does not answer"), "{}", ran.told);
    ann.environment = whole.into_iter().filter(|(name, _)| *name != "DRYDOCK_TOKEN").collect();
    let ran = ann.run(&["job", "list"]).await?;
    assert!(ran.code == 1 && ran.told.contains("DRYDOCK_TOKEN"), "{}", ran.told);
    ann.environment.push(("DRYDOCK_TOKEN", "wrong".into()));
    let ran = ann.run(&["job", "list"]).await?;
    assert!(ran.code == 1 && ran.told.contains("token"), "{}", ran.told);
    Ok(())
}

#[tokio::test]
async fn a_job_is_cancelled_searched_and_its_log_fetched() -> Result<()> {
    let server = Server::start().await?;
    let ann = Laptop::of(&server, "ann").await?;
    let program = "import time\nfor n in range(1000): print('line', n)\nprint('Ready', flush=True); time.sleep(600)";
    let id =
        ann.ask(&["job", "run", "--no-code", "--name", "long", "--time", "2h", "--", "python3", "-c", program]).await?;
    until("it has written", LIMIT, || async {
        Ok(ann.ask(&["job", "logs", &id, "--tail", "1"]).await?.contains("Ready").then_some(()))
    })
    .await?;
    assert_eq!(ann.ask(&["job", "logs", "long", "--search", "READY"]).await?, "1001: Ready");
    assert_eq!(
        ann.ask(&["job", "logs", "long", "--search", "^line 99[89]$", "--regex"]).await?,
        "999: line 998\n1000: line 999"
    );
    ann.ask(&["job", "logs", "long", "--output", "log.txt"]).await?;
    assert_eq!(std::fs::read_to_string(ann.work().join("log.txt"))?.lines().count(), 1001);
    ann.ask(&["job", "cancel", "long"]).await?;
    let ran = ann.run(&["job", "logs", "-f", "long"]).await?;
    assert!(ran.code != 0 && ran.told.contains("cancelled by ann"), "{} {}", ran.code, ran.told);
    let spec: Value = server.token_of("ann").await?.get(&format!("/api/v1/jobs/{id}")).await?["spec"].clone();
    assert_eq!(spec["timeout_s"], 7200);
    Ok(())
}

#[tokio::test]
async fn a_file_of_yaml_is_a_job_and_flags_count_instead_of_it() -> Result<()> {
    let server = Server::start().await?;
    let ann = Laptop::of(&server, "ann").await?;
    ann.put(
        "job.yaml",
        "name: from-file\ncommand: [sh, -c, 'echo $GREETING']\nresources: {cpus: 0.5, memory: 96MiB}\ntime: 10m\nenv: {GREETING: 1}\n",
    )?;
    let ran = ann.run(&["job", "run", "--no-code", "--file", "job.yaml", "--env", "GREETING=hello", "-f"]).await?;
    assert_eq!((ran.code, ran.out.as_str()), (0, "hello\n"), "{}", ran.told);
    let shown = ann.ask(&["job", "run", "--file", "job.yaml", "--memory", "1GiB", "--dry-run"]).await?;
    assert!(shown.contains("memory: 1GiB") && shown.contains("time: 10m"), "{shown}");
    ann.put("wrong.yaml", "name: a\ncommand: ['true']\nresources: {memory: much}\n")?;
    let ran = ann.run(&["job", "run", "--no-code", "--file", "wrong.yaml"]).await?;
    assert!(ran.code == 1 && ran.told.contains("memory_bytes: 'much' is no size"), "{}", ran.told);
    ann.put("unknown.yaml", "name: a\ncommand: ['true']\nprivileged: true\n")?;
    let ran = ann.run(&["job", "run", "--no-code", "--file", "unknown.yaml"]).await?;
    assert!(ran.code == 1 && ran.told.contains("privileged"), "{}", ran.told);
    Ok(())
}

#[tokio::test]
async fn what_a_job_uses_is_drawn_from_samples() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let program = "b = bytearray(200 << 20)\nb[::4096] = b'x' * len(b[::4096])\nimport time\nend = time.time() + 12\n\
                   while time.time() < end: sum(range(100000))";
    let wish = json!({ "name": "busy", "command": ["python3", "-c", program],
        "resources": { "cpus": 1.0, "memory_bytes": 512 << 20, "gpus": 0 } });
    let job = admin.submit_with(wish).await?;
    let path = format!("/api/v1/jobs/{job}/samples");
    // live, while it runs
    let live = until("samples come", LIMIT, || async {
        let now = admin.get(&path).await?;
        Ok((now["at"].as_array().map_or(0, Vec::len) >= 2).then_some(now))
    })
    .await?;
    assert_eq!(live["memory_limit_bytes"], 512 << 20, "{live}");
    admin.finished(&job, LIMIT).await?;
    // and kept, with the peak
    let kept = until("the peak is recorded", LIMIT, || async {
        let now = admin.get(&path).await?;
        Ok(now["peak_memory_bytes"].as_u64().map(|_| now))
    })
    .await?;
    let numbers =
        |name: &str| -> Vec<f64> { kept[name].as_array().into_iter().flatten().filter_map(Value::as_f64).collect() };
    assert!(numbers("cpus").iter().any(|cpus| (0.2..1.5).contains(cpus)), "{kept}");
    assert!(numbers("memory_bytes").iter().all(|bytes| (2e8..5.4e8).contains(bytes)), "{kept}");
    assert!(numbers("at").is_sorted() && kept["net_in_bytes_s"].as_array().map(Vec::len) == Some(numbers("at").len()));
    let peak = kept["peak_memory_bytes"].as_f64().unwrap_or(0.0);
    assert!((2e8..5.4e8).contains(&peak), "{peak}");
    let detail = admin.get(&format!("/api/v1/jobs/{job}")).await?;
    assert_eq!(detail["attempts"][0]["peak_memory_bytes"], kept["peak_memory_bytes"]);
    Ok(())
}

#[tokio::test]
async fn what_a_job_left_is_made_a_dataset_of_from_here() -> Result<()> {
    let server = Server::start().await?;
    let ann = Laptop::of(&server, "ann").await?;
    let program = "mkdir /outputs/clean && echo 1 > /outputs/clean/a.csv && echo 2 > /outputs/b.csv";
    ann.ask(&["job", "run", "--no-code", "--name", "leaver", "-f", "--", "sh", "-c", program]).await?;
    let made = ["job", "outputs", "leaver", "--dataset", "clean", "--path", "clean"];
    let ran = ann.run(&made).await?;
    assert!(ran.code == 1 && ran.told.contains("no dataset called clean"), "{}", ran.told);
    let create = [&made[..], &["--create", "-m", "from here"]].concat();
    assert_eq!(ann.ask(&create).await?, "clean@1");
    let ran = ann.run(&create).await?;
    assert!(ran.out.trim() == "clean@1" && ran.told.contains("very same content"), "{}{}", ran.out, ran.told);
    // all of it, and a job that has it mounted
    assert_eq!(ann.ask(&["job", "outputs", "leaver", "--dataset", "clean"]).await?, "clean@2");
    let ran = ann
        .run(&[
            "job",
            "run",
            "--no-code",
            "--data",
            "clean:2",
            "-f",
            "--",
            "sh",
            "-c",
            "cd /data/clean && cat b.csv clean/a.csv",
        ])
        .await?;
    assert_eq!((ran.code, ran.out.as_str()), (0, "2\n1\n"), "{}", ran.told);
    Ok(())
}

#[tokio::test]
async fn the_code_of_a_checkout_goes_along() -> Result<()> {
    let server = Server::start().await?;
    let ann = Laptop::of(&server, "ann").await?;
    git(&ann.work(), &["init", "-q", "-b", "main"])?;
    ann.put("lib/words.py", "WORD = 'committed'\n")?;
    ann.put(".gitignore", "*.tmp\n")?;
    git(&ann.work(), &["add", "."])?;
    git(&ann.work(), &["commit", "-q", "-m", "one"])?;
    ann.put("train.py", "import os\nfrom lib.words import WORD\nprint(WORD, sorted(os.listdir('/workspace')))\n")?;
    ann.put("lib/words.py", "WORD = 'changed'\n")?;
    ann.put("left.tmp", "not code")?;
    let ran = ann.run(&["job", "run", "-f", "--", "python3", "/workspace/train.py"]).await?;
    assert_eq!((ran.code, ran.out.as_str()), (0, "changed ['.gitignore', 'lib', 'train.py']\n"), "{}", ran.told);
    let shown = ann.ask(&["job", "show", "train"]).await?;
    assert!(shown.contains("branch: main") && shown.contains("dirty: true"), "{shown}");
    Ok(())
}
