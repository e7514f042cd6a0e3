//! A network of its own whose cable can be pulled: a namespace, and a pair of virtual interfaces between it and here.

use std::process::{Child, Stdio};

use anyhow::{Context, Result};

use crate::disk::{as_root, root_command};

pub struct Cable {
    name: String,
    /// The address on this side.
    pub here: String,
}

impl Cable {
    pub fn new() -> Result<Self> {
        let pid = std::process::id();
        let (name, net) = (format!("dd{pid}"), format!("10.{}.{}", 64 + pid / 256 % 64, pid % 256));
        let cable = Self { here: format!("{net}.1"), name };
        let (outer, inner) = (cable.outer(), format!("{}i", cable.name));
        cable.ip(&["netns", "add", &cable.name])?;
        cable.ip(&["link", "add", &outer, "type", "veth", "peer", "name", &inner, "netns", &cable.name])?;
        cable.ip(&["addr", "add", &format!("{net}.1/30"), "dev", &outer])?;
        cable.ip(&["-n", &cable.name, "addr", "add", &format!("{net}.2/30"), "dev", &inner])?;
        cable.ip(&["-n", &cable.name, "link", "set", &inner, "up"])?;
        cable.plug()?;
        Ok(cable)
    }

    fn outer(&self) -> String {
        format!("{}o", self.name)
    }

    fn ip(&self, args: &[&str]) -> Result<()> {
        let args: Vec<_> = args.iter().map(std::convert::AsRef::as_ref).collect();
        as_root("ip", &args).map(drop)
    }

    pub fn pull(&self) -> Result<()> {
        self.ip(&["link", "set", &self.outer(), "down"])
    }

    pub fn plug(&self) -> Result<()> {
        self.ip(&["link", "set", &self.outer(), "up"])
    }

    /// Starts a program on the far side.
    pub fn far(&self, program: &str, args: &[&str]) -> Result<Child> {
        let mut command = root_command("ip")?;
        command.args(["netns", "exec", &self.name, program]).args(args);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().context("ip is needed")
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        let _ = self.ip(&["link", "del", &self.outer()]);
        let _ = self.ip(&["netns", "del", &self.name]);
    }
}
