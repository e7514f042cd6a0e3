//! A one-node Ceph with its S3 gateway, from Debian's packages: a real S3 server that is not ours, to keep content in.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use s3::{Bucket, Region, creds::Credentials};
use tempfile::TempDir;

use crate::until;

pub const ACCESS_KEY: &str = "drydockaccess";
pub const SECRET_KEY: &str = "a-secret-that-no-log-shows";

/// In the order in which they end.
const PROCESSES: [&str; 4] = ["rgw", "osd.0", "mgr", "mon.a"];

/// A cluster with one gateway. Dropped, it ends, and everything that was kept there is gone.
pub struct Ceph {
    folder: TempDir,
    port: u16,
    tls_port: u16,
}

impl Ceph {
    /// Takes about twenty seconds.
    pub async fn start() -> Result<Ceph> {
        let [monitor, port, tls_port] = free_ports()?;
        let ceph = Ceph { folder: tempfile::tempdir()?, port, tls_port };
        for folder in ["run", "log", "osd0", "mgr"] {
            std::fs::create_dir(ceph.at(folder))?;
        }
        ceph.make_certificate()?;
        let id = std::fs::read_to_string("/proc/sys/kernel/random/uuid")?.trim().to_owned();
        let folder = ceph.folder.path().display().to_string();
        std::fs::write(ceph.conf(), settings(&folder, &id, [monitor, port, tls_port]))?;
        ceph.make(&id, monitor).await.with_context(|| ceph.logged())?;
        Ok(ceph)
    }

    /// An authority of its own, and a certificate by it for this machine.
    fn make_certificate(&self) -> Result<()> {
        let make = |args: &[&str]| -> Result<()> {
            let output = Command::new("openssl").args(args).current_dir(self.folder.path()).output()?;
            ensure!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
            Ok(())
        };
        let common = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"];
        make(&[&common[..], &["-subj", "/CN=test authority", "-keyout", "ca.key", "-out", "ca.pem"]].concat())?;
        let signed =
            ["-CA", "ca.pem", "-CAkey", "ca.key", "-subj", "/CN=localhost", "-keyout", "tls.key", "-out", "tls.pem"];
        let names =
            ["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"];
        make(&[&common[..], &signed[..], &names[..]].concat())
    }

    async fn make(&self, id: &str, monitor: u16) -> Result<()> {
        let (map, address) = (self.at("monmap"), format!("[v1:127.0.0.1:{monitor}]"));
        self.run("monmaptool", &["--create", "--fsid", id, "--addv", "a", &address, "--clobber", text(&map)?])?;
        self.run("ceph-mon", &["--mkfs", "-i", "a", "--monmap", text(&map)?])?;
        self.run("ceph-mon", &["-i", "a"])?;
        until("Ceph's monitor does not answer", Duration::from_secs(60), || async {
            Ok(self.run("ceph", &["--connect-timeout", "5", "-s"]).ok())
        })
        .await?;
        let disk = std::fs::read_to_string("/proc/sys/kernel/random/uuid")?.trim().to_owned();
        self.ask("ceph", &["osd", "new", &disk]).await?;
        self.run("ceph-osd", &["-i", "0", "--mkfs", "--osd-uuid", &disk])?;
        self.ask("ceph-osd", &["-i", "0"]).await?;
        self.run("ceph-mgr", &["-i", "x"])?;
        until("Ceph's disk does not come up", Duration::from_secs(60), || async {
            Ok(self.run("ceph", &["--connect-timeout", "5", "osd", "stat"])?.contains("1 up").then_some(()))
        })
        .await?;
        let keys = [&format!("--access-key={ACCESS_KEY}"), &format!("--secret-key={SECRET_KEY}")];
        self.ask("radosgw-admin", &["user", "create", "--uid=drydock", "--display-name=drydock", keys[0], keys[1]])
            .await?;
        self.open().await
    }

    /// Starts the gateway, which answers when this returns.
    pub async fn open(&self) -> Result<()> {
        self.run("radosgw", &["-n", "client.rgw"])?;
        until("Ceph's gateway does not answer", Duration::from_secs(120), || async {
            Ok(std::net::TcpStream::connect(("127.0.0.1", self.port)).ok().map(drop))
        })
        .await
    }

    /// Ends the gateway at once, as a network cut has it; what was acknowledged stays.
    pub async fn close(&self) -> Result<()> {
        let id = self.process("rgw").context("the gateway does not run")?;
        ensure!(Command::new("kill").args(["-9", &id]).status()?.success(), "kill {id}");
        until("the gateway does not end", Duration::from_secs(20), || async {
            Ok((!Path::new(&format!("/proc/{id}")).exists()).then_some(()))
        })
        .await
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn tls_url(&self) -> String {
        format!("https://127.0.0.1:{}", self.tls_port)
    }

    /// The authority of its certificate, which nobody believes by himself.
    pub fn authority(&self) -> PathBuf {
        self.at("ca.pem")
    }

    /// A bucket, seen as another client sees it.
    pub fn bucket(&self, name: &str) -> Result<Box<Bucket>> {
        let region = Region::Custom { region: "us-east-1".into(), endpoint: self.url() };
        let keys = Credentials::new(Some(ACCESS_KEY), Some(SECRET_KEY), None, None, None)?;
        Ok(Bucket::new(name, region, keys)?.with_path_style())
    }

    /// Again until it works: a client that asks before it was told whose cluster this is gets EPERM.
    async fn ask(&self, program: &str, args: &[&str]) -> Result<()> {
        until(&format!("{program} {}", args.join(" ")), Duration::from_secs(60), || async {
            self.run(program, args).map(|_| Some(()))
        })
        .await
    }

    fn run(&self, program: &str, args: &[&str]) -> Result<String> {
        // Without the setting, clients ask the monitor for settings first, and forget whose cluster it is.
        let mut command = Command::new(program);
        if program != "monmaptool" {
            command.arg("-c").arg(self.conf()).env("CEPH_ARGS", "--no-mon-config");
        }
        let output = command.args(args).output().with_context(|| {
            format!("{program} is missing: apt-get install ceph-mon ceph-osd ceph-mgr radosgw ('installer/setup.sh test' does it)")
        })?;
        if !output.status.success() {
            bail!("{program} {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn conf(&self) -> PathBuf {
        self.at("ceph.conf")
    }

    fn process(&self, name: &str) -> Option<String> {
        let id = std::fs::read_to_string(self.at("run").join(format!("{name}.pid"))).ok()?.trim().to_owned();
        let command = std::fs::read_to_string(format!("/proc/{id}/cmdline")).ok()?;
        command.contains(&self.folder.path().display().to_string()).then_some(id)
    }

    /// Ids of its processes, for whoever watches what they use.
    pub fn processes(&self) -> Vec<String> {
        PROCESSES.iter().filter_map(|name| self.process(name)).collect()
    }

    fn logged(&self) -> String {
        let logs = ["mon.a.log", "osd.0.log", "rgw.log"].map(|name| std::fs::read_to_string(self.at("log").join(name)));
        let ends = logs.iter().flatten().map(|log| log.lines().rev().take(5).collect::<Vec<_>>().join("\n"));
        format!("Ceph does not start; its logs end in:\n{}", ends.collect::<Vec<_>>().join("\n"))
    }
}

impl Drop for Ceph {
    fn drop(&mut self) {
        for id in self.processes() {
            let _ = Command::new("kill").args(["-9", &id]).status();
        }
    }
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is no text")
}

fn free_ports() -> Result<[u16; 3]> {
    let mut held = vec![];
    for _ in 0..3 {
        held.push(TcpListener::bind("127.0.0.1:0")?);
    }
    let port = |number: usize| -> Result<u16> { Ok(held[number].local_addr()?.port()) };
    Ok([port(0)?, port(1)?, port(2)?])
}

fn settings(folder: &str, id: &str, [monitor, port, tls_port]: [u16; 3]) -> String {
    format!(
        "[global]
fsid = {id}
mon_host = [v1:127.0.0.1:{monitor}]
monmap = {folder}/monmap
ms_bind_msgr2 = false
public_network = 127.0.0.0/8
cluster_network = 127.0.0.0/8
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
run_dir = {folder}/run
pid_file = {folder}/run/$name.pid
admin_socket = {folder}/run/$cluster-$name.asok
log_file = {folder}/log/$name.log
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 8
mon_max_pg_per_osd = 1000
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_warn_on_pool_no_redundancy = false
mon_data_avail_crit = 1
mon_data_avail_warn = 2
[mon.a]
mon_data = {folder}/mon
pid_file = {folder}/run/mon.a.pid
[mgr.x]
mgr_data = {folder}/mgr
pid_file = {folder}/run/mgr.pid
[osd.0]
osd_data = {folder}/osd0
osd_objectstore = bluestore
bluestore_block_size = 8589934592
osd_memory_target = 939524096
[client.rgw]
pid_file = {folder}/run/rgw.pid
log_file = {folder}/log/rgw.log
rgw_frontends = beast endpoint=127.0.0.1:{port} ssl_endpoint=127.0.0.1:{tls_port} \
ssl_certificate={folder}/tls.pem ssl_private_key={folder}/tls.key
rgw_crypt_require_ssl = false
rgw_enable_apis = s3
"
    )
}
