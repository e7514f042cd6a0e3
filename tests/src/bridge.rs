//! A network bridge of a test's own, for a Docker daemon of a test's own: one that is told `--bridge=none` deletes `docker0`, which is the
//! machine's.

use std::net::Ipv4Addr;

use anyhow::Result;

use crate::disk::as_root;

/// The bridge. Goes when it is dropped.
#[derive(Debug)]
pub struct Bridge {
    /// Not longer than Linux lets the name of an interface be, which is 15 characters.
    pub name: String,
}

impl Bridge {
    pub fn new() -> Result<Self> {
        let pid = std::process::id();
        let bridge = Self { name: format!("ddbr{pid}") };
        // of a process that had this number and was killed
        let _ = bridge.ip(&["link", "del", &bridge.name]);
        bridge.ip(&["link", "add", &bridge.name, "type", "bridge"])?;
        bridge.ip(&["addr", "add", &format!("{}/28", address(pid)), "dev", &bridge.name])?;
        bridge.ip(&["link", "set", &bridge.name, "up"])?;
        Ok(bridge)
    }

    fn ip(&self, args: &[&str]) -> Result<()> {
        let args: Vec<_> = args.iter().map(std::convert::AsRef::as_ref).collect();
        as_root("ip", &args).map(drop)
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        if let Err(error) = self.ip(&["link", "del", &self.name]) {
            crate::fault::report(&format!("the bridge {} is left: {error}", self.name));
        }
    }
}

/// The first address of sixteen in 10.240.0.0/12, which nobody else here gives away.
fn address(pid: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 240, 0, 0)) + pid % (1 << 16) * 16 + 1)
}

/// Whether the machine has a network interface of that name.
pub fn is_there(name: &str) -> bool {
    std::path::Path::new("/sys/class/net").join(name).exists()
}
