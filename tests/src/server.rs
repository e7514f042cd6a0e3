//! A real server on free ports with a data folder of its own.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader},
    process::{Child, Command},
};

use crate::{Api, docker, s3::S3, until};

/// The password of every account that a test makes.
pub const PASSWORD: &str = "correct horse battery staple";

/// How a server is to be started, where that is not as usual.
#[derive(Default)]
pub struct Setup<'a> {
    pub environment: &'a [(&'a str, &'a str)],
    /// The data folder; a fresh one that goes at the end when absent.
    pub data: Option<PathBuf>,
    /// Its settings file's content.
    pub settings: &'a str,
    /// A command that the program is given to.
    pub wrapper: &'a [&'a str],
    /// Address to listen on; loopback when absent. Elsewhere it speaks TLS, unless the environment says that it shall not.
    pub host: Option<&'a str>,
}

/// A `drydock serve` process and what belongs to it. Dropping it kills the process and removes its containers.
pub struct Server {
    child: Option<Child>,
    data: PathBuf,
    /// Removes the folder at the end, where it is the server's own.
    _own: Option<TempDir>,
    /// What the program is started through: a network namespace, say.
    wrapper: Vec<String>,
    scheme: &'static str,
    http: String,
    s3: String,
    registry: String,
    environment: Vec<(String, String)>,
    printed: Arc<Mutex<Vec<String>>>,
    /// From exec to the `ready` line of the last start.
    pub ready_after: Duration,
}

impl Server {
    /// A server that just got ready, without any account.
    pub async fn start() -> Result<Self> {
        Self::start_with(&[]).await
    }

    /// The same, with these variables in its environment.
    pub async fn start_with(environment: &[(&str, &str)]) -> Result<Self> {
        Self::start_as(Setup { environment, ..Setup::default() }).await
    }

    /// The same, set up otherwise.
    pub async fn start_as(setup: Setup<'_>) -> Result<Self> {
        let mut server = Self::prepare(setup)?;
        server.launch().await?;
        Ok(server)
    }

    /// A server that is set up and not started yet.
    pub fn prepare(setup: Setup<'_>) -> Result<Self> {
        let own = if setup.data.is_none() { Some(tempfile::tempdir()?) } else { None };
        let data = setup.data.or_else(|| own.as_ref().map(|own| own.path().to_owned())).context("a data folder")?;
        if !setup.settings.is_empty() {
            std::fs::create_dir_all(&data)?;
            std::fs::write(data.join("drydock.toml"), setup.settings)?;
        }
        let [http, s3, registry] = match setup.host {
            None => free_addresses()?,
            Some(host) => [8080, 9000, 5000].map(|port| format!("{host}:{port}")),
        };
        let is_plain =
            setup.host.is_none() || setup.environment.iter().any(|(name, _)| *name == "DRYDOCK_INSECURE_HTTP");
        Ok(Self {
            child: None,
            scheme: if is_plain { "http" } else { "https" },
            data,
            _own: own,
            wrapper: setup.wrapper.iter().map(|word| (*word).to_owned()).collect(),
            http,
            s3,
            registry,
            environment: setup.environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            printed: Arc::default(),
            ready_after: Duration::ZERO,
        })
    }

    /// Replaces what `start_with` put into the environment; counts from the next launch on.
    pub fn set_environment(&mut self, environment: &[(&str, &str)]) {
        self.environment = environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    }

    /// Starts the process on the data folder as it is, and waits for its `ready` line.
    pub async fn launch(&mut self) -> Result<()> {
        self.lines().clear();
        let began = Instant::now();
        let mut child = self
            .command(&["serve", "--http", &self.http, "--s3", &self.s3, "--registry", &self.registry])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("the server does not start")?;
        self.collect(child.stdout.take());
        self.collect(child.stderr.take());
        self.child = Some(child);
        while !self.lines().iter().any(|line| line.starts_with("ready ")) {
            if self.has_ended()? || began.elapsed() > Duration::from_secs(60) {
                // Its last words are still on their way.
                tokio::time::sleep(Duration::from_millis(200)).await;
                bail!("the server did not get ready; it printed:\n{}", self.printed());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.ready_after = began.elapsed();
        Ok(())
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = match self.wrapper.split_first() {
            None => Command::new(binary()),
            Some((program, words)) => {
                let mut command = Command::new(program);
                command.args(words).arg(binary());
                command
            }
        };
        command.args(args).env("DRYDOCK_DATA_DIR", &self.data).stdin(Stdio::null());
        command.envs(self.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        command
    }

    fn collect(&self, stream: Option<impl AsyncRead + Unpin + Send + 'static>) {
        let Some(stream) = stream else { return };
        let printed = self.printed.clone();
        tokio::spawn(async move {
            let mut lines = BufReader::new(stream).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                printed.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
    }

    fn lines(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.printed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the process printed since its last launch.
    pub fn printed(&self) -> String {
        self.lines().join("\n")
    }

    /// Whether the process is gone.
    pub fn has_ended(&mut self) -> Result<bool> {
        match &mut self.child {
            Some(child) => Ok(child.try_wait()?.is_some()),
            None => Ok(true),
        }
    }

    /// Whether the process is gone, or goes within `limit`.
    pub async fn ends_within(&mut self, limit: Duration) -> Result<bool> {
        let began = Instant::now();
        while !self.has_ended()? {
            if began.elapsed() > limit {
                return Ok(false);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(true)
    }

    /// SIGKILL, as a power cut has it.
    pub async fn kill9(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill().await?;
        }
        Ok(())
    }

    /// SIGTERM, and the wait for a drained end.
    ///
    /// # Errors
    /// When it does not end within 40 seconds or ends with another code than 0.
    pub async fn stop(&mut self) -> Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        let pid = child.id().context("the server ended before it was stopped")?;
        let sent = std::process::Command::new("kill").arg(pid.to_string()).status()?;
        ensure!(sent.success(), "kill {pid}");
        let ended = tokio::time::timeout(Duration::from_secs(40), child.wait()).await;
        let status = ended.context("the server did not end within 40 s of SIGTERM")??;
        ensure!(status.success(), "the server ended with {status}:\n{}", self.printed());
        Ok(())
    }

    /// SIGKILL and a start on the same data and ports.
    pub async fn restart(&mut self) -> Result<()> {
        self.kill9().await?;
        self.launch().await
    }

    /// Process id, for reading its memory.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().and_then(Child::id)
    }

    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.http)
    }

    pub fn s3_url(&self) -> String {
        format!("{}://{}", self.scheme, self.s3)
    }

    pub fn registry_url(&self) -> String {
        format!("{}://{}", self.scheme, self.registry)
    }

    pub fn data_dir(&self) -> &Path {
        &self.data
    }

    /// The id that its containers carry as a label.
    pub fn instance(&self) -> Result<String> {
        // Read only, so that closing it does not move the log of a killed server into the database.
        self.sqlite(
            "print(sqlite3.connect('file:' + sys.argv[1] + '?mode=ro', uri=True, timeout=20)\
             .execute(\"select value from settings where key = 'instance'\").fetchone()[0])",
        )
    }

    /// The number that a query over its database answers.
    pub fn count(&self, query: &str) -> Result<u64> {
        let script = format!(
            "print(sqlite3.connect('file:' + sys.argv[1] + '?mode=ro', uri=True, timeout=20).execute({}).fetchone()[0])",
            serde_json::to_string(query)?
        );
        Ok(self.sqlite(&script)?.parse()?)
    }

    /// How many minutes of samples wait in the journal of `metrics.db`.
    pub fn metrics_rows(&self) -> Result<u64> {
        let script = "print(sqlite3.connect('file:' + sys.argv[1].replace('drydock.db', 'metrics.db') + '?mode=ro', uri=True, \
                      timeout=20).execute('select count(*) from metric_journal').fetchone()[0])";
        Ok(self.sqlite(script)?.parse()?)
    }

    /// Changes the database behind the server's back, as if time had passed: days that a test cannot wait for.
    pub fn alter(&self, statements: &str) -> Result<()> {
        let script = format!(
            "c = sqlite3.connect(sys.argv[1], timeout=20)\n\
             for s in {}: n = c.execute(s).rowcount; assert n > 0, s\nc.commit()",
            serde_json::to_string(&statements.split(';').map(str::trim).collect::<Vec<_>>())?
        );
        self.sqlite(&script).map(drop)
    }

    fn sqlite(&self, script: &str) -> Result<String> {
        let database = self.data.join("drydock.db");
        let script = format!("import sqlite3, sys\n{script}");
        let output = std::process::Command::new("python3").args(["-c", &script]).arg(&database).output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// Its containers, as Docker lists them.
    pub fn containers(&self) -> Result<Vec<docker::Container>> {
        docker::containers(&self.instance()?)
    }

    /// A caller without credentials.
    pub fn anonymous(&self) -> Result<Api> {
        Api::believing(&self.url(), self.authority().as_deref())
    }

    /// The box's own authority, where it speaks TLS.
    pub fn authority(&self) -> Option<PathBuf> {
        (self.scheme == "https").then(|| self.data.join("tls/ca.pem"))
    }

    /// Runs another command of the program on this data folder, with a line on its standard input.
    ///
    /// # Errors
    /// When it ends with another code than 0: what it printed.
    pub async fn run(&self, args: &[&str], input: Option<&str>) -> Result<String> {
        let mut child = self
            .command(args)
            .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        if let (Some(mut stdin), Some(input)) = (child.stdin.take(), input) {
            stdin.write_all(format!("{input}\n").as_bytes()).await?;
        }
        let output = child.wait_with_output().await?;
        let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success(), "drydock {}: {}\n{out}{error}", args.join(" "), output.status);
        Ok(out.trim().to_owned())
    }

    /// The administrator `admin`, made through the command line, with a token.
    pub async fn admin(&self) -> Result<Api> {
        self.run(&["admin", "create", "--username", "admin", "--password-stdin"], Some(PASSWORD)).await?;
        self.token_of("admin").await
    }

    /// A person made through the API, with a token of their own. Roles: `viewer`, `engineer`, `admin`.
    pub async fn person(&self, admin: &Api, username: &str, role: &str) -> Result<Api> {
        let wish = json!({ "username": username, "password": PASSWORD, "role": role });
        admin.post("/api/v1/people", wish).await?;
        self.token_of(username).await
    }

    /// A caller with a new token of this person.
    pub async fn token_of(&self, username: &str) -> Result<Api> {
        let token = self.run(&["token", "create", "--user", username, "--name", "test"], None).await?;
        Ok(self.anonymous()?.with_token(&token))
    }

    /// A new S3 key of this person.
    pub async fn s3_of(&self, username: &str) -> Result<S3> {
        let made: Value = serde_json::from_str(&self.run(&["s3-key", "create", "--user", username], None).await?)?;
        let part = |name: &str| made[name].as_str().with_context(|| format!("no {name}"));
        S3::new(&self.s3_url(), part("access_key")?, part("secret_key")?)
    }

    /// Runs the sample lifecycle as its command does, and answers what it printed.
    pub async fn demo(&self, api: &Api) -> Result<String> {
        self.run(&["demo", "--url", &self.url(), "--token", api.token()], None).await
    }

    /// The one-time secret that the console shows while there is no admin.
    pub async fn setup_secret(&self) -> Result<String> {
        until("the console shows no one-time secret", Duration::from_secs(30), || async {
            let printed = self.printed();
            let found = printed.lines().find_map(|line| line.split_once("one-time secret: "));
            Ok(found.map(|(_, secret)| secret.trim().to_owned()))
        })
        .await
    }

    /// Waits until `/readyz` answers 200.
    pub async fn ready(&self) -> Result<()> {
        let api = self.anonymous()?;
        until("/readyz is not 200", Duration::from_secs(60), || async {
            Ok((api.status(Method::GET, "/readyz", None).await? == 200).then_some(()))
        })
        .await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.start_kill();
        }
        if let Ok(instance) = self.instance() {
            docker::sweep(&instance);
        }
    }
}

/// The program under test: `DRYDOCK_TEST_BINARY`, else the release binary beside this test.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("DRYDOCK_TEST_BINARY") {
        return path.into();
    }
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"), PathBuf::from);
    target.join("release/drydock")
}

/// Addresses that were free a moment ago; the three are held together, so they differ.
fn free_addresses() -> Result<[String; 3]> {
    let held = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0"));
    let mut addresses = held.iter().map(|listener| match listener {
        Ok(listener) => Ok(listener.local_addr()?.to_string()),
        Err(error) => bail!("no free port: {error}"),
    });
    let mut next = || addresses.next().context("three listeners")?;
    Ok([next()?, next()?, next()?])
}
