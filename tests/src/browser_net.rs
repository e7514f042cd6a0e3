//! A network of its own for a browser, in which nothing but the browser changes anything.
//!
//! Chromium breaks off what it is fetching when an interface of its machine comes or goes (ERR_NETWORK_CHANGED), and other tests make
//! networks with Docker all the time. So it runs in a network namespace; connections go in and out through two sockets in a folder, which
//! belong to no network.

use std::{path::Path, process::Stdio, time::Duration};

use anyhow::{Context, Result};
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncWrite, copy_bidirectional},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    process::{Child, Command},
    task::JoinHandle,
};

use crate::disk;

/// Where the driver listens, in there.
const DRIVER_PORT: &str = "9515";

/// The pair of interfaces lets Chromium believe that there is a network at all; it is never given an address later, as IPv6 would have it.
const SCRIPT: &str = r#"
set -e
ip link set lo up
ip link add up0 type veth peer name up1
for end in up0 up1; do ip link set $end addrgenmode none; ip link set $end up; done
ip addr add 192.0.2.1/30 dev up0
ip route add default dev up0
socat "TCP-LISTEN:$2,bind=127.0.0.1,fork,reuseaddr" "UNIX-CONNECT:$1/server" &
socat "UNIX-LISTEN:$1/driver,fork" "TCP:127.0.0.1:$3" &
exec chromedriver "--port=$3"
"#;

/// A chromedriver in a network of its own, from which one server here can be reached, at the same address as here. It ends with all its
/// browsers when this is dropped.
pub struct BrowserNet {
    inside: Child,
    ways: [JoinHandle<()>; 2],
    /// Where the driver is reached from here, `http://127.0.0.1:port`.
    pub driver: String,
    folder: TempDir,
}

impl BrowserNet {
    /// For the server at `base`, `http://127.0.0.1:port`.
    pub async fn open(base: &str) -> Result<Self> {
        let server = base.rsplit("//").next().unwrap_or(base).to_owned();
        let port = server.rsplit(':').next().context("a port")?;
        let folder = tempfile::tempdir()?;
        let inside = UnixListener::bind(folder.path().join("server"))?;
        let outside = TcpListener::bind("127.0.0.1:0").await?;
        let driver = format!("http://{}", outside.local_addr()?);
        let door = folder.path().join("driver");
        let child = Self::start(folder.path(), port)?;
        let to_server = tokio::spawn(async move {
            while let Ok((from, _)) = inside.accept().await {
                let server = server.clone();
                tokio::spawn(async move { pass(from, TcpStream::connect(server).await).await });
            }
        });
        let to_driver = tokio::spawn(async move {
            while let Ok((from, _)) = outside.accept().await {
                let door = door.clone();
                tokio::spawn(async move { pass(from, UnixStream::connect(door).await).await });
            }
        });
        Ok(Self { inside: child, ways: [to_server, to_driver], driver, folder })
    }

    fn start(folder: &Path, port: &str) -> Result<Child> {
        // ends with the test, however that ends
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "unshare"]);
        // whoever is not root becomes it in there, and may make interfaces
        if !disk::is_root()? {
            command.args(["--user", "--map-root-user"]);
        }
        command.args(["--net", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", SCRIPT, "browser"]);
        command.arg(folder).args([port, DRIVER_PORT]);
        let log = std::fs::File::create(folder.join("log"))?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true);
        command.spawn().context("unshare, ip, socat and chromedriver are needed: run 'installer/setup.sh test'")
    }

    /// What was complained of in there.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

/// Bytes go both ways until one side has ended.
async fn pass<A, B>(mut from: A, to: std::io::Result<B>)
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    if let Ok(mut to) = to {
        // an end in between is an end for the other side, too
        let _ = copy_bidirectional(&mut from, &mut to).await;
    }
}

impl Drop for BrowserNet {
    /// The first process of the namespace ends, and the kernel ends all others with it; `unshare` ends when they are gone.
    fn drop(&mut self) {
        let Some(pid) = self.inside.id() else { return };
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        for child in children.split_whitespace() {
            let _ = std::process::Command::new("kill").args(["-KILL", child]).status();
        }
        for _ in 0..100 {
            if !matches!(self.inside.try_wait(), Ok(None)) {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.ways.iter().for_each(JoinHandle::abort);
    }
}
