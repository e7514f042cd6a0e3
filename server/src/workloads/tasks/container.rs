//! What the engine is asked to make of a workload: its spec, with the addresses under which a container reaches the box.

use drydock_appliance::containers::{ContainerSpec, Mount, Network};

use super::{SpecMount, Workload};
use crate::app::App;

/// Where S3 clients look for the address: boto3 and aws-cli, s3fs, mlflow.
const S3_ENDPOINTS: [&str; 3] = ["AWS_ENDPOINT_URL", "FSSPEC_S3_ENDPOINT_URL", "MLFLOW_S3_ENDPOINT_URL"];

/// The container of a workload on that network.
pub(super) fn of(app: &App, workload: Workload, network: &Network) -> ContainerSpec {
    let spec = workload.spec;
    let mut env = spec.env;
    env.extend(workload.secrets);
    if spec.reach_drydock {
        let at = &app.config.listeners;
        let url = format!("http://{}:{}", network.gateway, at.container_port);
        let s3 = format!("http://{}:{}", network.gateway, at.container_s3_port);
        for name in S3_ENDPOINTS {
            env.insert(name.into(), s3.clone());
        }
        env.insert("DRYDOCK_URL".into(), url.clone());
        for (name, value) in installers(&url, network) {
            env.entry(name.into()).or_insert(value);
        }
        env.insert("MLFLOW_TRACKING_URI".into(), url);
    }
    let mount = |it: SpecMount| Mount { source: app.data_dir.join(it.source), target: it.target };
    ContainerSpec {
        instance: app.instance.to_string(),
        workload: workload.id,
        generation: workload.generation,
        spec_hash: workload.spec_hash,
        kind: workload.kind.as_str().into(),
        image: spec.image,
        command: spec.command,
        env,
        mounts: spec.mounts.into_iter().map(mount).collect(),
        writable: spec.writable.into_iter().map(mount).collect(),
        working_dir: spec.working_dir,
        image_working_dir: spec.image_working_dir,
        cpus: spec.cpus,
        memory_bytes: spec.memory_bytes,
        pids: app.config.limits.pids,
        // its pages count as the container's memory; half, so that a full disk is told apart from full memory
        scratch_bytes: app.config.limits.scratch_bytes.min(spec.memory_bytes / 2),
        gpu_uuids: spec.gpu_uuids,
        network: network.name.clone(),
    }
}

/// Makes a plain `pip install` or `uv pip install` take from the box's index; below the home, since the image is read-only. A workload
/// that names another index keeps it.
fn installers(url: &str, network: &Network) -> [(&'static str, String); 6] {
    let index = format!("{url}/pypi/simple/");
    [
        ("PIP_INDEX_URL", index.clone()),
        ("PIP_TRUSTED_HOST", network.gateway.to_string()),
        ("UV_DEFAULT_INDEX", index),
        ("PIP_DISABLE_PIP_VERSION_CHECK", "1".into()),
        ("PIP_NO_CACHE_DIR", "1".into()),
        // Debian's Python is marked as the system's own; what goes below the home of a container harms nobody
        ("PIP_BREAK_SYSTEM_PACKAGES", "1".into()),
    ]
}
