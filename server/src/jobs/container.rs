//! From a job to the container it runs in.

use std::collections::BTreeMap;

use super::{files, rules::Capacity, store::Job};
use crate::{
    error::{Error, Result},
    workloads::{Kind, NewWorkload, SpecMount, WorkloadSpec},
};

/// The writable working directory and home.
pub const SCRATCH: &str = "/scratch";
/// Where the code is.
pub const WORKSPACE: &str = "/workspace";

/// The workload of attempt `number`; `token` lets it log as the job's owner.
pub fn workload(job: &Job, number: i64, gpu_uuids: Vec<String>, token: String) -> NewWorkload {
    let spec = &job.spec;
    let folder = files::relative(&job.id, number);
    let code = SpecMount { source: format!("{folder}/code"), target: WORKSPACE.into() };
    let data = spec.datasets.iter().map(|dataset| SpecMount {
        source: format!("{folder}/data/{}", dataset.name),
        target: format!("/data/{}", dataset.name),
    });
    NewWorkload {
        id: job.id.clone(),
        kind: Kind::Job,
        owner: job.id.clone(),
        generation: number,
        spec: WorkloadSpec {
            image: spec.image.clone().unwrap_or_else(|| drydock_appliance::RUNTIME_IMAGE.to_owned()),
            command: spec.command.clone(),
            env: environment(job),
            mounts: std::iter::once(code).chain(data).collect(),
            working_dir: SCRATCH.into(),
            cpus: spec.resources.cpus,
            memory_bytes: spec.resources.memory_bytes,
            gpu_uuids,
            reach_drydock: true,
        },
        secrets: BTreeMap::from([("MLFLOW_TRACKING_TOKEN".to_owned(), token)]),
    }
}

fn environment(job: &Job) -> BTreeMap<String, String> {
    let mut env = job.spec.env.clone();
    // Lines show up as they are written.
    env.entry("PYTHONUNBUFFERED".into()).or_insert_with(|| "1".into());
    let python_path = env.get("PYTHONPATH").map(|more| format!("{WORKSPACE}:{more}"));
    let fixed = [
        ("PYTHONPATH", python_path.unwrap_or_else(|| WORKSPACE.into())),
        ("HOME", SCRATCH.into()),
        ("DRYDOCK_JOB_ID", job.id.clone()),
        ("MLFLOW_DISABLE_TELEMETRY", "true".into()),
        ("DO_NOT_TRACK", "true".into()),
    ];
    env.extend(fixed.map(|(name, value)| (name.to_owned(), value)));
    if let Some(experiment) = &job.spec.experiment {
        env.insert("MLFLOW_EXPERIMENT_NAME".into(), experiment.clone());
    }
    env
}

/// What this machine has for jobs.
pub async fn capacity() -> Result<Capacity> {
    tokio::task::spawn_blocking(|| {
        let cpus = std::thread::available_parallelism().map_err(Error::internal)?.get();
        Ok(Capacity { cpus: cpus as f64, memory_bytes: memory_total()?, gpu_uuids: Vec::new() })
    })
    .await
    .map_err(Error::internal)?
}

fn memory_total() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").map_err(Error::internal)?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib: Option<u64> = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    kib.map(|kib| kib * 1024).ok_or_else(|| Error::internal(anyhow::anyhow!("/proc/meminfo has no MemTotal")))
}
