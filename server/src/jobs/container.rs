//! From a job to the container it runs in.

use std::collections::BTreeMap;

use super::{files, rules::Capacity, store::Job};
use crate::{
    app::App,
    workloads::{Kind, NewWorkload, SpecMount, WorkloadSpec},
};

/// The writable working directory and home.
pub const SCRATCH: &str = "/scratch";
/// Where the code is.
pub const WORKSPACE: &str = "/workspace";

/// What an attempt proves itself with: it speaks for the job's owner, no longer than it runs.
pub struct Credentials {
    /// Good for MLflow and the native API.
    pub token: String,
    /// Access key and secret key of the S3 face.
    pub s3: (String, String),
}

/// The workload of attempt `number`; `data` are the folders of its datasets.
pub fn workload(
    job: &Job,
    number: i64,
    gpu_uuids: Vec<String>,
    data: &[String],
    credentials: Credentials,
) -> NewWorkload {
    let spec = &job.spec;
    let folder = files::relative(&job.id, number);
    let code = SpecMount { source: format!("{folder}/code"), target: WORKSPACE.into() };
    let data = spec
        .datasets
        .iter()
        .zip(data)
        .map(|(dataset, folder)| SpecMount { source: folder.clone(), target: format!("/data/{}", dataset.name) });
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
            grace_s: spec.resume.map(|resume| resume.grace_s),
        },
        secrets: BTreeMap::from([
            ("MLFLOW_TRACKING_TOKEN".to_owned(), credentials.token),
            ("AWS_ACCESS_KEY_ID".to_owned(), credentials.s3.0),
            ("AWS_SECRET_ACCESS_KEY".to_owned(), credentials.s3.1),
        ]),
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
        // What the mlflow client (through Python's getpass) writes down as the run's user.
        ("LOGNAME", job.submitted_by.clone()),
        ("DRYDOCK_JOB_ID", job.id.clone()),
        ("MLFLOW_DISABLE_TELEMETRY", "true".into()),
        ("DO_NOT_TRACK", "true".into()),
        // S3 clients ask for a region, and without this one look for keys on a network that is not there.
        ("AWS_DEFAULT_REGION", "us-east-1".into()),
        ("AWS_EC2_METADATA_DISABLED", "true".into()),
    ];
    env.extend(fixed.map(|(name, value)| (name.to_owned(), value)));
    if let Some(experiment) = &job.spec.experiment {
        env.insert("MLFLOW_EXPERIMENT_NAME".into(), experiment.clone());
    }
    env
}

/// What this machine has for jobs; GPUs as the driver names them.
pub async fn capacity(app: &App) -> Capacity {
    let reading = reading(app).await;
    Capacity {
        cpus: f64::from(reading.cpu_count),
        memory_bytes: reading.memory_total_bytes,
        gpu_uuids: reading.gpus.into_iter().map(|gpu| gpu.uuid).collect(),
    }
}

/// What was last read of the machine.
pub async fn reading(app: &App) -> drydock_appliance::devices::BoxReading {
    let mut reading = drydock_appliance::devices::read(&app.data_dir).await;
    // Right after the start nothing has been read yet; a box without memory would refuse every job.
    for _ in 0..20 {
        if reading.memory_total_bytes > 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        reading = drydock_appliance::devices::read(&app.data_dir).await;
    }
    reading
}
