//! A file system of its own in a file, to be filled. It takes root or sudo, as all of `make test` does.

use std::{ffi::OsStr, fs::OpenOptions, io::Write, path::PathBuf, process::Command};

use anyhow::{Context, Result, ensure};

pub const MIB: usize = 1 << 20;

pub struct SmallDisk {
    folder: tempfile::TempDir,
}

impl SmallDisk {
    pub fn new(mebibytes: usize) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let image = folder.path().join("image");
        std::fs::File::create(&image)?.set_len((mebibytes * MIB) as u64)?;
        let disk = Self { folder };
        std::fs::create_dir(disk.at())?;
        let owner = format!("root_owner={}:{}", my("-u")?, my("-g")?);
        as_root("mkfs.ext4", &["-q".as_ref(), "-E".as_ref(), owner.as_ref(), image.as_ref()])?;
        as_root("mount", &["-o".as_ref(), "loop".as_ref(), image.as_ref(), disk.at().as_ref()])?;
        Ok(disk)
    }

    pub fn at(&self) -> PathBuf {
        self.folder.path().join("mount")
    }

    fn ballast(&self) -> PathBuf {
        self.at().join("ballast")
    }

    /// Takes all the room that is left, to the last byte.
    pub fn fill(&self) -> Result<()> {
        let mut file = OpenOptions::new().create(true).append(true).open(self.ballast())?;
        for size in [MIB, 4096, 1] {
            while file.write_all(&vec![7; size]).is_ok() {}
        }
        Ok(())
    }

    /// Takes so much of it.
    pub fn take(&self, mebibytes: usize) -> Result<()> {
        Ok(std::fs::write(self.ballast(), vec![7; mebibytes * MIB])?)
    }

    /// Gives it back.
    pub fn free(&self) -> Result<()> {
        Ok(std::fs::remove_file(self.ballast())?)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = as_root("umount", &["--lazy".as_ref(), self.at().as_ref()]);
    }
}

fn my(what: &str) -> Result<String> {
    Ok(String::from_utf8(Command::new("id").arg(what).output()?.stdout)?.trim().to_owned())
}

/// Runs a program that needs root, and answers what it printed.
pub fn as_root(program: &str, args: &[&OsStr]) -> Result<String> {
    let mut command = root_command(program)?;
    let output = command.args(args).output().with_context(|| format!("{program} is needed"))?;
    ensure!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether this runs as root.
pub fn is_root() -> Result<bool> {
    Ok(my("-u")? == "0")
}

/// A program that will run as root.
pub fn root_command(program: &str) -> Result<Command> {
    if is_root()? {
        return Ok(Command::new(program));
    }
    let mut command = Command::new("sudo");
    command.args(["--non-interactive", program]);
    Ok(command)
}
