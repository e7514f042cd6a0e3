//! The one place that turns a [`ContainerSpec`] into what Docker is told. The sandbox is applied here, always and whole.
//!
//! Everything that would open the sandbox is written out with its closed value rather than left to a default, so that the
//! snapshot beside this file shows it.

use std::{collections::HashMap, path::PathBuf};

use bollard::models::{
    ContainerCreateBody, DeviceRequest, HealthConfig, HostConfig, HostConfigLogConfig, Mount as DockerMount,
    MountBindOptions, MountType, ResourcesUlimits, RestartPolicy, RestartPolicyNameEnum,
};

use super::spec::ContainerSpec;

/// The user `drydock` of the runtime image; other images need no such entry, the number is enough.
pub(super) const USER: u32 = 10_001;

pub(super) const LABEL_INSTANCE: &str = "io.drydock.instance";
pub(super) const LABEL_WORKLOAD: &str = "io.drydock.workload";
pub(super) const LABEL_GENERATION: &str = "io.drydock.generation";
pub(super) const LABEL_SPEC_HASH: &str = "io.drydock.spec-hash";
pub(super) const LABEL_KIND: &str = "io.drydock.kind";

/// Logs that Docker keeps per container: the server follows them and keeps its own copy, so this bounds only the time
/// that a flood may run ahead of it.
const LOG_FILE_SIZE: &str = "32m";
const LOG_FILES: &str = "3";

/// Resolved sources of a spec, in the order of its mounts and writable places.
#[derive(Default)]
pub(super) struct Sources {
    pub mounts: Vec<PathBuf>,
    pub writable: Vec<PathBuf>,
}

/// What Docker is told to create. `image_volumes` are the paths at which the image would put anonymous volumes on the box's disk.
pub(super) fn body(spec: &ContainerSpec, sources: &Sources, image_volumes: &[String]) -> ContainerCreateBody {
    let own_command = !spec.command.is_empty();
    ContainerCreateBody {
        image: Some(spec.image.clone()),
        // all words as entry point: then the image's own entry point and command are both out of the way
        entrypoint: own_command.then(|| spec.command.clone()),
        cmd: own_command.then(Vec::new),
        user: Some(format!("{USER}:{USER}")),
        working_dir: (!spec.image_working_dir).then(|| spec.working_dir.clone()),
        env: Some(environment(spec)),
        labels: Some(labels(spec)),
        tty: Some(false),
        open_stdin: Some(false),
        stop_signal: Some("SIGTERM".to_owned()),
        // the image's own probe would run inside, unseen: ours come from outside
        healthcheck: Some(HealthConfig { test: Some(vec!["NONE".to_owned()]), ..Default::default() }),
        host_config: Some(host_config(spec, sources, image_volumes)),
        ..Default::default()
    }
}

fn host_config(spec: &ContainerSpec, sources: &Sources, image_volumes: &[String]) -> HostConfig {
    let memory = i64::try_from(spec.memory_bytes).unwrap_or(i64::MAX);
    HostConfig {
        privileged: Some(false),
        cap_add: Some(vec![]),
        cap_drop: Some(vec!["ALL".to_owned()]),
        // Docker's default seccomp profile applies as long as no other is named here
        security_opt: Some(vec!["no-new-privileges:true".to_owned()]),
        readonly_rootfs: Some(true),
        tmpfs: Some(tmpfs(spec, image_volumes)),
        mounts: Some(mounts(spec, sources)),
        binds: Some(vec![]),
        devices: Some(vec![]),
        device_requests: Some(gpus(spec)),
        pids_limit: Some(spec.pids),
        memory: Some(memory),
        // equal to memory: no swap on top
        memory_swap: Some(memory),
        // shared memory of data loaders; pages count as the container's memory
        shm_size: Some(memory / 2),
        nano_cpus: Some((spec.cpus * 1e9).round() as i64),
        ulimits: Some(vec![ResourcesUlimits { name: Some("core".to_owned()), soft: Some(0), hard: Some(0) }]),
        log_config: Some(HostConfigLogConfig {
            typ: Some("json-file".to_owned()),
            config: Some(HashMap::from([
                ("max-size".to_owned(), LOG_FILE_SIZE.to_owned()),
                ("max-file".to_owned(), LOG_FILES.to_owned()),
            ])),
        }),
        init: Some(true),
        restart_policy: Some(RestartPolicy { name: Some(RestartPolicyNameEnum::NO), maximum_retry_count: None }),
        auto_remove: Some(false),
        network_mode: Some(spec.network.clone()),
        publish_all_ports: Some(false),
        // Docker before 25 forwards look-ups from internal networks to the box's resolvers, a way out; with a resolver named
        // here they are sent from inside the container, where nothing answers
        dns: Some(vec!["127.0.0.1".to_owned()]),
        // then a name that is not there is known not to be after one second, not ten
        dns_options: Some(vec!["timeout:1".to_owned(), "attempts:1".to_owned()]),
        ipc_mode: Some("private".to_owned()),
        ..Default::default()
    }
}

fn environment(spec: &ContainerSpec) -> Vec<String> {
    let mut env = spec.env.clone();
    // the image's home is read-only like the rest of it
    env.entry("HOME".to_owned()).or_insert_with(|| spec.working_dir.clone());
    let devices = if spec.gpu_uuids.is_empty() { "void".to_owned() } else { spec.gpu_uuids.join(",") };
    env.insert("NVIDIA_VISIBLE_DEVICES".to_owned(), devices);
    // an image may bring this one; ours is empty and wins
    env.insert("LD_PRELOAD".to_owned(), String::new());
    env.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
}

fn labels(spec: &ContainerSpec) -> HashMap<String, String> {
    HashMap::from([
        (LABEL_INSTANCE.to_owned(), spec.instance.clone()),
        (LABEL_WORKLOAD.to_owned(), spec.workload.clone()),
        (LABEL_GENERATION.to_owned(), spec.generation.to_string()),
        (LABEL_SPEC_HASH.to_owned(), spec.spec_hash.clone()),
        (LABEL_KIND.to_owned(), spec.kind.clone()),
    ])
}

/// The writable places in memory, bounded: `/tmp`, the working directory unless it is on disk, and whatever the image declares as a
/// volume.
fn tmpfs(spec: &ContainerSpec, image_volumes: &[String]) -> HashMap<String, String> {
    let own = format!("rw,exec,nosuid,nodev,size={},mode=0755,uid={USER},gid={USER}", spec.scratch_bytes);
    let mounted = |path: &String| spec.mounts.iter().chain(&spec.writable).any(|mount| &mount.target == path);
    image_volumes
        .iter()
        .chain([&spec.working_dir])
        .filter(|path| *path != "/tmp" && !mounted(path))
        .map(|path| (path.clone(), own.clone()))
        .chain([("/tmp".to_owned(), format!("rw,exec,nosuid,nodev,size={},mode=1777", spec.scratch_bytes))])
        .collect()
}

fn mounts(spec: &ContainerSpec, sources: &Sources) -> Vec<DockerMount> {
    let bind = |mount: &super::Mount, source: &PathBuf, read_only: bool| DockerMount {
        typ: Some(MountType::BIND),
        source: Some(source.to_string_lossy().into_owned()),
        target: Some(mount.target.clone()),
        read_only: Some(read_only),
        // file systems mounted below the source stay out: they would not be read-only
        bind_options: Some(MountBindOptions { non_recursive: Some(true), ..Default::default() }),
        ..Default::default()
    };
    let writable = spec.writable.iter().zip(&sources.writable).map(|(mount, source)| bind(mount, source, false));
    let read_only = spec.mounts.iter().zip(&sources.mounts).map(|(mount, source)| bind(mount, source, true));
    writable.chain(read_only).collect()
}

fn gpus(spec: &ContainerSpec) -> Vec<DeviceRequest> {
    if spec.gpu_uuids.is_empty() {
        return vec![];
    }
    vec![DeviceRequest {
        driver: Some("nvidia".to_owned()),
        count: None,
        device_ids: Some(spec.gpu_uuids.clone()),
        capabilities: Some(vec![vec!["gpu".to_owned(), "utility".to_owned(), "compute".to_owned()]]),
        options: None,
    }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::containers::{Mount, spec::tests::plain};

    /// Sorted, so that the snapshot does not depend on hashing.
    fn assert_shown(name: &str, body: &ContainerCreateBody) {
        insta::with_settings!({ sort_maps => true }, { insta::assert_json_snapshot!(name, body) });
    }

    #[test]
    fn a_job_that_asks_for_nothing_gets_the_whole_sandbox() {
        assert_shown("plain", &body(&plain(), &Sources::default(), &[]));
    }

    #[test]
    fn a_job_with_everything_is_still_inside() {
        let mut spec = plain();
        spec.env.insert("MLFLOW_TRACKING_URI".into(), "http://10.0.0.1:8079".into());
        spec.env.insert("HOME".into(), "/workspace/home".into());
        spec.mounts = vec![Mount { source: "/data/mounts/code".into(), target: "/workspace/code".into() }];
        spec.gpu_uuids = vec!["GPU-aaaa-1".into(), "GPU-bbbb-2".into()];
        spec.kind = "revision".into();
        let volumes = ["/data".to_owned(), "/tmp".to_owned(), "/workspace/code".to_owned()];
        let sources = Sources { mounts: vec!["/srv/real/code".into()], ..Sources::default() };
        assert_shown("everything", &body(&spec, &sources, &volumes));
    }

    #[test]
    fn what_it_may_write_to_on_disk_is_not_in_memory_too() {
        let mut spec = plain();
        spec.writable = vec![
            Mount { source: "/data/run/jobs/j-1/outputs".into(), target: "/outputs".into() },
            Mount { source: "/data/run/jobs/j-1/scratch".into(), target: spec.working_dir.clone() },
        ];
        let writable = vec!["/real/outputs".into(), "/real/scratch".into()];
        let sources = Sources { writable, ..Sources::default() };
        assert_shown("writable", &body(&spec, &sources, &["/outputs".to_owned()]));
    }

    #[test]
    fn an_empty_command_means_the_images_own() {
        let mut spec = plain();
        spec.command.clear();
        let body = body(&spec, &Sources::default(), &[]);
        assert_eq!((body.entrypoint, body.cmd), (None, None));
    }
}
