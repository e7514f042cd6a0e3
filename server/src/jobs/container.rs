//! From a job to the container it runs in.

use std::collections::BTreeMap;

use drydock_wire::jobs::SubmitJob;

use super::{
    files::{self, Laid},
    rules::{self, Capacity},
    store::Job,
};
use crate::{
    accounts::DEFAULT_PROJECT,
    app::App,
    devices,
    error::Result,
    tracking,
    workloads::{Kind, NewWorkload, SpecMount, WorkloadSpec},
};

/// The writable working directory and home.
pub const SCRATCH: &str = "/scratch";
/// Where the code is.
pub const WORKSPACE: &str = "/workspace";

/// Where the files of its secrets are.
const SECRETS: &str = "/run/secrets";

/// What an attempt proves itself with: it speaks for the job's owner, no longer than it runs.
pub struct Credentials {
    /// Good for MLflow and the native API.
    pub token: String,
    /// Access key and secret key of the S3 face.
    pub s3: (String, String),
}

/// The workload of attempt `number`, with what is laid out for it and the run that was made for it.
pub fn workload(
    job: &Job,
    number: i64,
    gpu_uuids: Vec<String>,
    laid: &Laid,
    run_id: Option<&str>,
    credentials: Credentials,
) -> NewWorkload {
    let spec = &job.spec;
    let code = SpecMount { source: laid.code.clone(), target: WORKSPACE.into() };
    let secrets = laid.secrets.iter();
    // an absolute source stays itself when it is joined to the data directory
    let secrets = secrets.map(|folder| SpecMount { source: folder.display().to_string(), target: SECRETS.into() });
    let data = spec
        .datasets
        .iter()
        .zip(&laid.data)
        .map(|(dataset, folder)| SpecMount { source: folder.clone(), target: format!("/data/{}", dataset.name) });
    NewWorkload {
        id: job.id.clone(),
        kind: Kind::Job,
        owner: job.id.clone(),
        generation: number,
        spec: WorkloadSpec {
            image: image(spec),
            command: spec.command.iter().map(|word| rules::filled(word, &spec.params)).collect(),
            env: environment(job, number, run_id),
            mounts: std::iter::once(code).chain(data).chain(secrets).collect(),
            writable: files::places(job, number),
            working_dir: SCRATCH.into(),
            image_working_dir: false,
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

/// The image itself where it was noted, so that its name may pass on to another.
fn image(spec: &SubmitJob) -> String {
    let named = spec.image_id.as_ref().or(spec.image.as_ref());
    named.cloned().unwrap_or_else(|| drydock_appliance::RUNTIME_IMAGE.to_owned())
}

fn environment(job: &Job, number: i64, run_id: Option<&str>) -> BTreeMap<String, String> {
    let mut env = job.spec.env.clone();
    env.extend(job.spec.params.iter().map(|(name, value)| (rules::param_variable(name), value.clone())));
    if let Some(seed) = job.spec.seed {
        env.insert("DRYDOCK_SEED".into(), seed.to_string());
        env.entry("PYTHONHASHSEED".into()).or_insert_with(|| seed.to_string());
    }
    if let Some(run_id) = run_id {
        env.insert("DRYDOCK_RUN_ID".into(), run_id.to_owned());
        // With this set, MLflow's client refuses a program that names another experiment than the run's. Without it the first run
        // that the program starts is this one all the same.
        if job.spec.experiment.is_some() || job.spec.tracked == Some(true) {
            env.entry("MLFLOW_RUN_ID".into()).or_insert_with(|| run_id.to_owned());
        }
    }
    // Lines show up as they are written.
    env.entry("PYTHONUNBUFFERED".into()).or_insert_with(|| "1".into());
    let python_path = env.get("PYTHONPATH").map(|more| format!("{WORKSPACE}:{more}"));
    let fixed = [
        ("PYTHONPATH", python_path.unwrap_or_else(|| WORKSPACE.into())),
        ("HOME", SCRATCH.into()),
        // What the mlflow client (through Python's getpass) writes down as the run's user.
        ("LOGNAME", job.submitted_by.clone()),
        ("DRYDOCK_JOB_ID", job.id.clone()),
        ("DRYDOCK_ATTEMPT", number.to_string()),
        ("DRYDOCK_OUTPUTS", files::OUTPUTS.into()),
        ("MLFLOW_DISABLE_TELEMETRY", "true".into()),
        ("DO_NOT_TRACK", "true".into()),
        // S3 clients ask for a region, and without this one look for keys on a network that is not there.
        ("AWS_DEFAULT_REGION", "us-east-1".into()),
        ("AWS_EC2_METADATA_DISABLED", "true".into()),
    ];
    env.extend(fixed.map(|(name, value)| (name.to_owned(), value)));
    // the experiment that every box has is the default project's
    let own = (job.project_id != DEFAULT_PROJECT).then(|| tracking::DEFAULT_EXPERIMENT_NAME.to_owned());
    if let Some(experiment) = job.spec.experiment.clone().or(own) {
        env.insert("MLFLOW_EXPERIMENT_NAME".into(), experiment);
    }
    env
}

/// What this machine has for jobs. A GPU that failed counts: whoever wants it waits until it is mended, and is told.
pub async fn capacity(app: &App) -> Result<Capacity> {
    let reading = reading(app).await;
    let gpus = app.db.read(devices::room).await?;
    Ok(Capacity {
        cpus: f64::from(reading.cpu_count),
        memory_bytes: reading.memory_total_bytes,
        gpu_uuids: gpus.into_iter().map(|gpu| gpu.uuid).collect(),
    })
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
