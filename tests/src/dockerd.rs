//! A Docker daemon of a test's own, which can be killed and started again while the machine's goes on; with a stand-in for NVIDIA's hook in
//! its path, so that what a container with GPUs really gets is seen where NVIDIA's own hook would see it.
//!
//! Docker registers its `nvidia` driver at the start if `nvidia-container-runtime-hook` is in its path. For a device request it then adds
//! that program as a prestart hook of the container and puts `NVIDIA_VISIBLE_DEVICES` into its environment.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{
    bridge::Bridge,
    disk::{as_root, root_command},
    until,
};

/// The image that every daemon here has: busybox alone, whose environment asks for all GPUs and another library, as a hostile one would.
pub const BUSYBOX: &str = "drydock-test/busybox:1";

/// The daemon. Ends, with all its containers and data, when it is dropped, and its bridge after it.
pub struct Dockerd {
    folder: tempfile::TempDir,
    child: Option<Child>,
    name: String,
    bridge: Bridge,
    has_started: bool,
    /// Whether containers outlive the daemon, as `live-restore` has it; otherwise it ends at its start what it finds running.
    pub keeps_running: bool,
}

/// What the hook was given for one container.
#[derive(Clone, Debug)]
pub struct HookCall {
    /// The words after its name: `prestart`.
    pub args: String,
    /// runc's state, with the container's id.
    pub state: Value,
    /// The OCI configuration of the container: its process with its environment, its mounts, its devices.
    pub config: Value,
}

impl HookCall {
    /// The last value of a variable in the environment of the container's process: the one that counts.
    pub fn variable(&self, name: &str) -> Option<String> {
        let all = self.config["process"]["env"].as_array()?;
        let pairs = all.iter().filter_map(|pair| pair.as_str()?.split_once('='));
        pairs.filter(|(key, _)| *key == name).map(|(_, value)| value.to_owned()).next_back()
    }
}

impl Dockerd {
    /// A daemon that answers, with [`BUSYBOX`].
    pub async fn start() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("dockerd-").tempdir()?;
        let name = format!("drydock-test-{}", std::process::id());
        let mut dockerd =
            Self { folder, child: None, name, bridge: Bridge::new()?, has_started: false, keeps_running: false };
        dockerd.write_hook()?;
        dockerd.launch().await?;
        dockerd.import_busybox()?;
        Ok(dockerd)
    }

    /// Starts the daemon on its data as they are, and waits until it answers.
    pub async fn launch(&mut self) -> Result<()> {
        self.spawn()?;
        until("the private dockerd does not answer", Duration::from_secs(60), || async {
            Ok(self.docker(&["version"]).is_ok().then_some(()))
        })
        .await
        .with_context(|| self.log())?;
        // for a server that is not root
        let socket = self.folder.path().join("docker.sock");
        ensure!(root_command("chmod")?.arg("666").arg(socket).status()?.success(), "chmod");
        Ok(())
    }

    fn spawn(&mut self) -> Result<()> {
        let path = self.folder.path();
        let log = std::fs::OpenOptions::new().create(true).append(true).open(path.join("log"))?;
        let search = format!("{}:{}", path.join("bin").display(), std::env::var("PATH").unwrap_or_default());
        let flag = |name: &str, file: &str| format!("--{name}={}", path.join(file).display());
        // a network of its own pool: the machine's daemon gives away the usual ones at the same time
        let pool = format!("--default-address-pool=base=10.{}.0.0/16,size=26", 192 + std::process::id() % 48);
        // and none where it is started again: with a pool and without live-restore a daemon then deletes `docker0`, whatever its own bridge is;
        // the networks that it has keep their addresses
        let has_pool = !self.has_started || self.keeps_running;
        self.has_started = true;
        let child = root_command("env")?
            .arg(format!("PATH={search}"))
            .arg("dockerd")
            .args([flag("data-root", "data"), flag("exec-root", "exec"), flag("pidfile", "pid")])
            .args(["--host".to_owned(), self.host()])
            .args(["--bridge", &self.bridge.name, "--iptables=false", "--ip6tables=false"])
            .args(has_pool.then_some(&pool))
            // where the machine has a containerd of its own, the two daemons share it and must not share names
            .args(self.keeps_running.then_some("--live-restore"))
            .arg(format!("--containerd-namespace={}", self.name))
            .arg(format!("--containerd-plugins-namespace={}p", self.name))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("dockerd is needed: apt-get install docker.io")?;
        self.child = Some(child);
        Ok(())
    }

    /// SIGKILL, as a crash has it: containers go on under their shims.
    pub fn kill9(&mut self) -> Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        // its own process: the child may be the sudo in front of it
        let pid = std::fs::read_to_string(self.folder.path().join("pid")).context("its pid")?;
        ensure!(root_command("kill")?.args(["-9", pid.trim()]).status()?.success(), "kill {pid}");
        child.wait()?;
        self.end_containerd()?;
        // a start refuses while the file names a process that may be another's by now
        root_command("rm")?.arg("-f").arg(self.folder.path().join("pid")).status()?;
        Ok(())
    }

    /// SIGTERM, and the wait for its end, as an upgrade of Docker has it. With `keeps_running` containers go on meanwhile.
    pub fn stop(&mut self) -> Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        let pid = std::fs::read_to_string(self.folder.path().join("pid")).context("its pid")?;
        ensure!(root_command("kill")?.arg(pid.trim()).status()?.success(), "kill {pid}");
        child.wait()?;
        self.end_containerd()
    }

    /// Where the machine has no containerd, the daemon keeps one, which dies with it and leaves its pid file. A daemon that starts while a
    /// process has that number, be it a zombie that nobody has waited for yet, takes it for its containerd and gives up after 15 s.
    fn end_containerd(&self) -> Result<()> {
        let file = self.folder.path().join("exec/containerd/containerd.pid");
        let Ok(pid) = as_root("cat", &[file.as_os_str()]) else { return Ok(()) };
        let pid = pid.trim();
        for _ in 0..100 {
            if !is_alive(pid) {
                break;
            }
            // it may have died since
            let _ = root_command("kill")?.args(["-9", pid]).stderr(Stdio::null()).status()?;
            std::thread::sleep(Duration::from_millis(50));
        }
        ensure!(!is_alive(pid), "containerd {pid} of the private dockerd does not die");
        ensure!(root_command("rm")?.arg("-f").arg(&file).status()?.success(), "rm {}", file.display());
        Ok(())
    }

    /// The value of `DOCKER_HOST`.
    pub fn host(&self) -> String {
        format!("unix://{}", self.folder.path().join("docker.sock").display())
    }

    /// Runs the client on this daemon.
    pub fn docker(&self, args: &[&str]) -> Result<String> {
        let output = root_command("docker")?.args(["--host", &self.host()]).args(args).output().context("docker")?;
        let error = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "docker {}: {error}", args.join(" "));
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// What Docker knows about a container.
    pub fn inspect(&self, id: &str) -> Result<Value> {
        let all: Value = serde_json::from_str(&self.docker(&["inspect", id])?)?;
        Ok(all[0].clone())
    }

    /// Ids of the containers of a workload, running or not.
    pub fn containers_of(&self, workload: &str) -> Result<Vec<String>> {
        let filter = format!("label=io.drydock.workload={workload}");
        let ids = self.docker(&["ps", "--all", "--quiet", "--no-trunc", "--filter", &filter])?;
        Ok(ids.lines().map(str::to_owned).collect())
    }

    /// All calls of the hook so far.
    pub fn hook_calls(&self) -> Result<Vec<HookCall>> {
        let mut found = vec![];
        for entry in std::fs::read_dir(self.folder.path().join("calls"))? {
            let call = entry?.path();
            // written last: the call is whole
            let Ok(args) = std::fs::read_to_string(call.join("args")) else { continue };
            let read = |name: &str| -> Result<Value> { Ok(serde_json::from_slice(&std::fs::read(call.join(name))?)?) };
            found.push(HookCall {
                args: args.trim().to_owned(),
                state: read("state.json")?,
                config: read("config.json")?,
            });
        }
        Ok(found)
    }

    /// The last lines that it printed.
    pub fn log(&self) -> String {
        let text = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// Keeps what it is given: the state on its standard input, and the configuration that it names.
    fn write_hook(&self) -> Result<()> {
        let (bin, calls) = (self.folder.path().join("bin"), self.folder.path().join("calls"));
        std::fs::create_dir_all(&bin)?;
        std::fs::create_dir_all(&calls)?;
        let hook = bin.join("nvidia-container-runtime-hook");
        let script = format!(
            "#!/bin/sh\nset -e\ncall={}/$$\nmkdir -p $call\ncat > $call/state.json\n\
             bundle=$(sed -n 's/.*\"bundle\":\"\\([^\"]*\\)\".*/\\1/p' $call/state.json)\n\
             cp \"$bundle/config.json\" $call/config.json\nchmod -R a+rX $call\necho \"$@\" > $call/args\n",
            calls.display()
        );
        std::fs::write(&hook, script)?;
        std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).context("the hook")
    }

    fn import_busybox(&self) -> Result<()> {
        let root = self.folder.path().join("busybox");
        std::fs::create_dir_all(root.join("bin"))?;
        let busybox = find("busybox").context("busybox is needed: apt-get install busybox-static")?;
        std::fs::copy(busybox, root.join("bin/busybox"))?;
        for name in ["sh", "env", "cat", "sleep", "true", "echo", "seq", "sort", "ls", "tr"] {
            std::os::unix::fs::symlink("busybox", root.join("bin").join(name))?;
        }
        let tar = self.folder.path().join("busybox.tar");
        ensure!(Command::new("tar").arg("-C").arg(&root).arg("-cf").arg(&tar).arg(".").status()?.success(), "tar");
        let change = ["--change", "ENV PATH=/bin", "--change", "ENV NVIDIA_VISIBLE_DEVICES=all LD_PRELOAD=/evil.so"];
        let tar = tar.display().to_string();
        let mut args = vec!["import"];
        args.extend(change);
        args.extend([tar.as_str(), BUSYBOX]);
        self.docker(&args).map(drop)
    }

    /// Everything of it goes: containers first, since their shims outlive the daemon.
    fn end(&mut self) -> Result<()> {
        if self.child.is_none() {
            // killed, and its containers are still there: only a daemon ends them
            self.spawn()?;
        }
        for _ in 0..100 {
            if self.docker(&["version"]).is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let all = self.docker(&["ps", "--all", "--quiet"]).unwrap_or_default();
        for id in all.lines() {
            let _ = self.docker(&["rm", "--force", "--volumes", id]);
        }
        let networks = self.docker(&["network", "ls", "--quiet", "--filter", "type=custom"]).unwrap_or_default();
        for id in networks.lines() {
            let _ = self.docker(&["network", "rm", id]);
        }
        let pid = std::fs::read_to_string(self.folder.path().join("pid"))?;
        root_command("kill")?.arg(pid.trim()).status()?;
        if let Some(mut child) = self.child.take() {
            child.wait()?;
        }
        // one that kept containers mounts its data upon themselves, and forgets that when it was killed
        let data = self.folder.path().join("data");
        let _ = root_command("umount")?.args(["--lazy", "--recursive"]).arg(data).stderr(Stdio::null()).status()?;
        root_command("rm")?.arg("-rf").args(["data", "exec"].map(|name| self.folder.path().join(name))).status()?;
        Ok(())
    }
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            crate::fault::report(&format!("a private dockerd is left in {}: {error}", self.folder.path().display()));
        }
    }
}

/// Whether a process with this number runs; one that only waits to be waited for does not.
fn is_alive(pid: &str) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    // the state comes behind the name in brackets
    stat.rsplit(") ").next().is_some_and(|rest| !rest.starts_with(['Z', 'X']))
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':')
        .chain(["/bin", "/usr/bin"])
        .map(|folder| Path::new(folder).join(program))
        .find(|file| file.is_file())
}
