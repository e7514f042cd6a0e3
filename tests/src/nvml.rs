//! A library in the place of NVIDIA's, so that a box has the GPUs, the programs on them and the faults that a test says. It is loaded by the
//! real server through the real wrapper; `appliance/tests/nvml/fake_nvml.c` says what can be ordered.

use std::{path::PathBuf, process::Command};

use anyhow::{Context, Result, ensure};

/// The library and its orders. Each test has its own.
pub struct Nvml {
    dir: tempfile::TempDir,
}

impl Nvml {
    /// Compiled now, with these orders: one a line.
    pub fn new(orders: &str) -> Result<Self> {
        let nvml = Self { dir: tempfile::tempdir()? };
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../appliance/tests/nvml/fake_nvml.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-Wall", "-Werror", "-o"]).arg(nvml.library()).arg(source);
        let compiled = compiler.output().context("a C compiler is needed: apt-get install gcc")?;
        ensure!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
        nvml.tell(orders)?;
        Ok(nvml)
    }

    /// Where the server finds it: the value of `DRYDOCK_NVML_LIBRARY`.
    pub fn library(&self) -> PathBuf {
        self.dir.path().join("libfake-nvml.so")
    }

    /// The same as text.
    pub fn path(&self) -> String {
        self.library().display().to_string()
    }

    /// Replaces the orders; they hold from the next call of the library on.
    pub fn tell(&self, orders: &str) -> Result<()> {
        let next = self.dir.path().join("next");
        std::fs::write(&next, orders)?;
        std::fs::rename(next, self.dir.path().join("libfake-nvml.so.conf")).context("the orders")
    }

    /// What the GPU with this number is called by its id.
    pub fn uuid(number: u32) -> String {
        format!("GPU-00000000-0000-0000-0000-{number:012}")
    }

    /// The same of an instance of it.
    pub fn mig_uuid(number: u32, slot: u32) -> String {
        format!("MIG-00000000-0000-0000-{number:04}-{slot:012}")
    }
}
