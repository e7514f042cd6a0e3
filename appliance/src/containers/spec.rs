//! What one container should be, and what may be asked for at all.
//!
//! A spec has no field for privileges, capabilities, devices or host namespaces: they cannot be expressed. Writable are folders
//! below the engine's own roots for that alone. What can be expressed is checked here before Docker sees it.

use std::{
    collections::BTreeMap,
    path::{Component, Path, PathBuf},
};

use super::{EngineError, Result, network::network_name};

/// Docker's own lower bound.
const LEAST_MEMORY_BYTES: u64 = 6 * 1024 * 1024;

/// Places in a container that neither a mount nor the scratch may cover.
const RESERVED: [&str; 5] = ["/proc", "/sys", "/dev", "/tmp", "/etc"];

/// Environment variables that only the sandbox sets.
const RESERVED_ENV: [&str; 2] = ["NVIDIA_VISIBLE_DEVICES", "LD_PRELOAD"];

/// One container to be. The sandbox is not part of it: it always applies.
#[derive(Clone, Debug, PartialEq)]
pub struct ContainerSpec {
    /// Id of this installation.
    pub instance: String,
    pub workload: String,
    /// Never goes backwards for a workload.
    pub generation: i64,
    /// Hash of what the caller wants; a container with the same name and another hash is not adopted.
    pub spec_hash: String,
    /// `job` or `revision`.
    pub kind: String,
    pub image: String,
    /// Replaces the image's entry point and command; empty means the image's own.
    pub command: Vec<String>,
    pub env: BTreeMap<String, String>,
    pub mounts: Vec<Mount>,
    /// Folders that it may write to; sources must lie under a folder given to `Engine::allow_writes_under`.
    pub writable: Vec<Mount>,
    /// Absolute. Becomes the writable scratch, in memory unless it is among `writable`; otherwise nothing can be mounted exactly there
    /// (below it, it can).
    pub working_dir: String,
    /// The process starts in the image's own working directory instead, which stays as the image has it.
    pub image_working_dir: bool,
    /// In cores, such as 0.5.
    pub cpus: f64,
    /// Memory including swap, scratch and `/tmp`.
    pub memory_bytes: u64,
    /// Processes and threads.
    pub pids: i64,
    /// Size of the working directory's file system and, separately, of `/tmp`.
    pub scratch_bytes: u64,
    /// The GPUs leased to this container; with none it sees none.
    pub gpu_uuids: Vec<String>,
    /// The instance's network, by the name that `ensure_network` gave.
    pub network: String,
}

/// A file or folder of the box, visible read-only in the container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Must lie under a folder given to `Engine::allow_mounts_under`, symbolic links resolved.
    pub source: PathBuf,
    /// Absolute.
    pub target: String,
}

impl ContainerSpec {
    /// `drydock-{instance}-{workload}-{generation}`: one container per generation can exist.
    pub fn name(&self) -> String {
        format!("drydock-{}-{}-{}", self.instance, self.workload, self.generation)
    }

    /// Checks everything but the mounts' sources (see [`resolve_source`]): pure.
    pub(super) fn check(&self) -> Result<()> {
        plain_name("instance", &self.instance)?;
        plain_name("workload", &self.workload)?;
        if self.generation < 0 {
            return refuse(format!("The generation {} is negative.", self.generation));
        }
        if self.image.is_empty()
            || self.image.starts_with('-')
            || self.image.chars().any(|c| c.is_whitespace() || c.is_control())
        {
            return refuse(format!("{:?} is no image.", self.image));
        }
        if self.network != network_name(&self.instance) {
            return refuse(format!("The network {:?} is not this installation's own.", self.network));
        }
        self.check_limits()?;
        self.check_env()?;
        self.check_places()?;
        self.gpu_uuids.iter().try_for_each(|uuid| gpu_uuid(uuid))
    }

    fn check_limits(&self) -> Result<()> {
        if !self.cpus.is_finite() || self.cpus < 0.01 || self.cpus > 4096.0 {
            return refuse(format!("{} CPUs cannot be had: at least 0.01.", self.cpus));
        }
        if self.memory_bytes < LEAST_MEMORY_BYTES || i64::try_from(self.memory_bytes).is_err() {
            return refuse(format!(
                "{} bytes of memory are too few: at least {LEAST_MEMORY_BYTES}.",
                self.memory_bytes
            ));
        }
        if self.pids < 1 {
            return refuse(format!("A limit of {} processes leaves none.", self.pids));
        }
        if self.scratch_bytes == 0 || i64::try_from(self.scratch_bytes).is_err() {
            return refuse(format!("Scratch of {} bytes cannot be made.", self.scratch_bytes));
        }
        Ok(())
    }

    fn check_env(&self) -> Result<()> {
        for (name, value) in &self.env {
            if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
                return refuse(format!("{name:?} cannot be an environment variable."));
            }
            if RESERVED_ENV.contains(&name.as_str()) {
                return refuse(format!("The environment variable {name} is set by Drydock alone."));
            }
        }
        if self.command.iter().any(|word| word.contains('\0')) {
            return refuse("The command contains a NUL byte.".to_owned());
        }
        Ok(())
    }

    fn check_places(&self) -> Result<()> {
        let scratch = inside_path(&self.working_dir)?;
        let on_disk = self.writable.iter().any(|place| place.target == self.working_dir);
        let mut taken = if on_disk { vec![] } else { vec![scratch] };
        for mount in self.writable.iter().chain(&self.mounts) {
            let target = inside_path(&mount.target)?;
            if taken.contains(&target) {
                return refuse(format!("{} is used twice (the working directory counts).", mount.target));
            }
            taken.push(target);
        }
        Ok(())
    }
}

fn refuse<T>(text: String) -> Result<T> {
    Err(EngineError::Refused(text))
}

fn plain_name(what: &str, name: &str) -> Result<()> {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
    if !plain || name.is_empty() || name.len() > 100 || !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return refuse(format!("{name:?} cannot be the name of a container's {what}."));
    }
    Ok(())
}

/// A clean absolute path in the container, off the reserved places.
fn inside_path(path: &str) -> Result<&Path> {
    let normal = Path::new(path);
    let clean = normal.is_absolute()
        && !path.contains(['\0', ','])
        && !path.contains("//")
        && !path.ends_with('/')
        && normal.components().skip(1).all(|part| matches!(part, Component::Normal(_)))
        && normal.components().count() > 1
        && !path.contains("/./")
        && !path.ends_with("/.");
    if !clean {
        return refuse(format!("{path:?} is not a clean absolute path below the root."));
    }
    if RESERVED.iter().any(|reserved| normal.starts_with(reserved)) {
        return refuse(format!("{path} cannot be covered in a container."));
    }
    Ok(normal)
}

fn gpu_uuid(uuid: &str) -> Result<()> {
    let tail = uuid.strip_prefix("GPU-").or_else(|| uuid.strip_prefix("MIG-"));
    match tail {
        Some(tail) if !tail.is_empty() && tail.chars().all(|c| c.is_ascii_hexdigit() || c == '-') => Ok(()),
        _ => refuse(format!("{uuid:?} is not the UUID of a GPU.")),
    }
}

/// Of several mounts, in their order.
pub(super) fn resolve_sources(mounts: &[Mount], roots: &[PathBuf]) -> Result<Vec<PathBuf>> {
    mounts.iter().map(|mount| resolve_source(&mount.source, roots)).collect()
}

/// The real path of a mount's source. Refused unless it is a file or folder strictly below one of `roots`, with all
/// symbolic links resolved: what Docker gets is the resolved path, so that a link cannot be swapped in between.
pub(super) fn resolve_source(source: &Path, roots: &[PathBuf]) -> Result<PathBuf> {
    let real = source
        .canonicalize()
        .map_err(|error| EngineError::Refused(format!("{} cannot be mounted: {error}.", source.display())))?;
    let allowed =
        roots.iter().filter_map(|root| root.canonicalize().ok()).any(|root| real != root && real.starts_with(root));
    if !allowed {
        return refuse(format!(
            "{} may not be mounted: it is outside the folders that containers may see.",
            source.display()
        ));
    }
    let kind =
        real.metadata().map_err(|error| EngineError::Refused(format!("{}: {error}.", source.display())))?.file_type();
    if !kind.is_file() && !kind.is_dir() {
        return refuse(format!("{} may not be mounted: it is neither a file nor a folder.", source.display()));
    }
    Ok(real)
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    /// A job that asks for nothing special.
    pub(in crate::containers) fn plain() -> ContainerSpec {
        ContainerSpec {
            instance: "box1".into(),
            workload: "job-7".into(),
            generation: 3,
            spec_hash: "abc".into(),
            kind: "job".into(),
            image: "drydock/runtime:1".into(),
            command: vec!["python3".into(), "train.py".into()],
            env: BTreeMap::new(),
            mounts: vec![],
            writable: vec![],
            working_dir: "/workspace".into(),
            image_working_dir: false,
            cpus: 1.5,
            memory_bytes: 512 << 20,
            pids: 256,
            scratch_bytes: 64 << 20,
            gpu_uuids: vec![],
            network: "drydock-box1".into(),
        }
    }

    fn refused(change: impl FnOnce(&mut ContainerSpec)) -> String {
        let mut spec = plain();
        change(&mut spec);
        match spec.check() {
            Err(EngineError::Refused(text)) => text,
            other => panic!("not refused: {other:?} for {spec:?}"),
        }
    }

    #[test]
    fn a_plain_spec_passes() {
        plain().check().unwrap();
        assert_eq!(plain().name(), "drydock-box1-job-7-3");
    }

    #[test]
    fn every_bad_field_is_refused() {
        refused(|s| s.instance = "a b".into());
        refused(|s| s.workload = "../x".into());
        refused(|s| s.workload = String::new());
        refused(|s| s.generation = -1);
        refused(|s| s.image = String::new());
        refused(|s| s.image = "a b".into());
        refused(|s| s.cpus = f64::NAN);
        refused(|s| s.cpus = 0.0);
        refused(|s| s.memory_bytes = 1024);
        refused(|s| s.memory_bytes = u64::MAX);
        refused(|s| s.pids = 0);
        refused(|s| s.pids = -1);
        refused(|s| s.scratch_bytes = 0);
        refused(|s| s.gpu_uuids = vec!["all".into()]);
        refused(|s| s.gpu_uuids = vec!["0".into()]);
        refused(|s| s.gpu_uuids = vec!["GPU-1,GPU-2".into()]);
    }

    #[test]
    fn only_the_own_network_can_be_joined() {
        for network in ["host", "bridge", "none", "container:x", "drydock-box2", ""] {
            refused(|s| s.network = network.into());
        }
    }

    #[test]
    fn what_the_sandbox_sets_cannot_be_set() {
        assert!(
            refused(|s| drop(s.env.insert("NVIDIA_VISIBLE_DEVICES".into(), "all".into())))
                .contains("NVIDIA_VISIBLE_DEVICES")
        );
        refused(|s| drop(s.env.insert("A=B".into(), "x".into())));
        refused(|s| drop(s.env.insert("A".into(), "x\0y".into())));
    }

    #[test]
    fn strange_places_are_refused() {
        for path in [
            "",
            "/",
            "work",
            "/proc/self/fd/8",
            "/dev/shm",
            "/tmp",
            "/etc/passwd",
            "/a/../etc",
            "/a/./b",
            "/a//b",
            "/a/",
            "/a,b",
        ] {
            refused(|s| s.working_dir = path.into());
            refused(|s| s.mounts = vec![Mount { source: "/x".into(), target: path.into() }]);
        }
        refused(|s| s.mounts = vec![Mount { source: "/x".into(), target: "/workspace".into() }]);
        let place = |target: &str| Mount { source: "/x".into(), target: target.into() };
        refused(|s| s.writable = vec![place("/etc/cron.d")]);
        refused(|s| (s.writable, s.mounts) = (vec![place("/outputs")], vec![place("/outputs")]));
        refused(|s| (s.writable, s.mounts) = (vec![place("/workspace")], vec![place("/workspace")]));
    }

    #[test]
    fn the_scratch_may_lie_on_disk() {
        let mut spec = plain();
        spec.writable = vec![Mount { source: "/x".into(), target: spec.working_dir.clone() }];
        spec.check().unwrap();
    }

    #[test]
    fn sources_stay_below_the_allowed_root() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("mounts");
        std::fs::create_dir_all(root.join("code")).unwrap();
        std::fs::write(dir.path().join("secret"), "x").unwrap();
        std::os::unix::fs::symlink(dir.path().join("secret"), root.join("link")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
        let roots = [root.clone()];
        assert_eq!(resolve_source(&root.join("code"), &roots).unwrap(), root.canonicalize().unwrap().join("code"));
        for bad in [
            root.clone(),
            root.join("link"),
            root.join("../secret"),
            root.join("absent"),
            root.join("socket"),
            "/".into(),
        ] {
            assert!(matches!(resolve_source(&bad, &roots), Err(EngineError::Refused(_))), "{}", bad.display());
        }
        assert!(resolve_source(&root.join("code"), &[]).is_err());
    }
}
