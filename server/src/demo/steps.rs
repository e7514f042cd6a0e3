//! The eight steps. Each asks the public API for one thing and says in a line what came of it.

use std::time::Duration;

use drydock_wire::ErrorCode;
use drydock_wire::datasets::{
    CreateDataset, CreateVersion, CreatedVersion, DatasetDetail, DatasetFile, SetRules, Upload, ValidationReport,
    VersionDetail,
};
use drydock_wire::jobs::{CodeFile, DatasetRef, JobDetail, JobState, SubmitJob};
use drydock_wire::overview::Overview;
use drydock_wire::registry::{ModelVersion, RegisterVersion, SetAlias};
use drydock_wire::serving::{DeploymentDetail, DeploymentState, PutDeployment};
use drydock_wire::tracking::RunDetail;
use serde::Deserialize;
use tokio::time::{Instant, sleep};

use super::play::Outcome;
use super::probe::{self, Probe, Seen};
use super::sample;
use crate::client::{self, Client};
use crate::error::{Error, Result};

const LOWEST_ACCURACY: f64 = 0.95;
const LOWEST_RECALL: f64 = 0.90;
const TRAINING_LIMIT: Duration = Duration::from_secs(600);
const DEPLOY_LIMIT: Duration = Duration::from_secs(300);
/// The probe goes on for this long after a roll, while the older revision drains.
const AFTER_ROLL: Duration = Duration::from_millis(1500);
const OBSERVED: usize = 50;

/// Makes a version of the data, unless the latest has it already. The version's number.
pub async fn upload(client: &Client) -> Result<Outcome<i64>> {
    let place = format!("/datasets/{}", sample::DATASET);
    if client.find::<DatasetDetail>(&place).await?.is_none() {
        let description = "Breast cancer Wisconsin (diagnostic): 30 measurements per tumour and its diagnosis.".into();
        let wish = CreateDataset { name: sample::DATASET.into(), description };
        client.post::<_, DatasetDetail>("/datasets", &wish).await?;
    }
    let kept: Upload = client.put_bytes("/uploads", sample::CSV).await?;
    let file = DatasetFile { path: sample::CSV_NAME.into(), digest: kept.digest, size_bytes: kept.size_bytes };
    let wish = CreateVersion {
        files: vec![file],
        message: "The sample's data, as scikit-learn ships it".into(),
        ..Default::default()
    };
    let made: CreatedVersion = client.post(&format!("{place}/versions"), &wish).await?;
    let number = made.version.version;
    let detail: VersionDetail = client.get(&format!("{place}/versions/{number}")).await?;
    let rows: u64 = detail.profiles.iter().map(|profile| profile.row_count).sum();
    let news = if made.created { "new" } else { "unchanged" };
    Ok(Outcome { value: number, text: format!("version {number} ({news}), {rows} rows"), link: place })
}

/// Declares the rules and holds the version against them.
pub async fn check(client: &Client, version: i64) -> Result<Outcome<()>> {
    let place = format!("/datasets/{}", sample::DATASET);
    client.put::<_, DatasetDetail>(&format!("{place}/rules"), &SetRules { rules: sample::rules() }).await?;
    let report: ValidationReport = client.post(&format!("{place}/versions/{version}/validate"), &()).await?;
    match report.results.iter().find(|result| !result.passed) {
        None => Ok(Outcome { value: (), text: format!("all {} rules hold", report.results.len()), link: place }),
        Some(broken) => Err(Error::conflict(format!("{}: {}", broken.file, broken.message))),
    }
}

/// Trains in a container and waits for its end. The id of the run that it logged.
pub async fn train(client: &Client, version: i64, line: &(impl Fn(&str) + Sync)) -> Result<Outcome<String>> {
    check_box(client).await?;
    let program: Upload = client.put_bytes("/uploads", sample::TRAIN).await?;
    let wish = SubmitJob {
        name: "breast-cancer-train".into(),
        command: vec!["python3".into(), "/workspace/train.py".into()],
        code: vec![CodeFile { path: "train.py".into(), digest: program.digest }],
        datasets: vec![DatasetRef { name: sample::DATASET.into(), version: Some(version) }],
        timeout_s: Some(TRAINING_LIMIT.as_secs()),
        experiment: Some(sample::EXPERIMENT.into()),
        ..SubmitJob::default()
    };
    let submitted: JobDetail = client.post("/jobs", &wish).await?;
    let id = submitted.summary.id;
    let job = client::follow(client, &id, TRAINING_LIMIT + Duration::from_secs(300), line).await?;
    let link = format!("/jobs/{id}");
    if job.summary.state != JobState::Succeeded {
        let reason = job.summary.reason.unwrap_or_else(|| job.summary.state.as_str().to_owned());
        return Err(Error::conflict(format!("The training ended without success: {reason}. Its log is at {link}.")));
    }
    let run_id = job.run_ids.last().cloned();
    let value = run_id.ok_or_else(|| Error::conflict(format!("The training logged no run; its log is at {link}.")))?;
    Ok(Outcome { value, text: "a container with 1 CPU and 1 GiB, 60 epochs".into(), link })
}

/// Says what is missing before a job would wait for it.
async fn check_box(client: &Client) -> Result<()> {
    let docker = client.get::<Overview>("/overview").await?.docker;
    if !docker.available {
        let cause = docker.message.unwrap_or_else(|| "Docker does not answer; start it.".into());
        return Err(Error::unavailable(format!("{cause} Then run the sample again.")));
    }
    if !docker.runtime_image {
        return Err(Error::unavailable("The runtime image is not on the box; `make image` builds it. Then try again."));
    }
    Ok(())
}

/// Lets the run pass only if it is good on the rows that were held out. Its accuracy there.
pub async fn gate(client: &Client, run_id: &str) -> Result<Outcome<f64>> {
    let link = format!("/runs/{run_id}");
    let run: RunDetail = client.get(&link).await?;
    let metric = |key: &str| {
        let found = run.summary.metrics.iter().find(|metric| metric.key == key).and_then(|metric| metric.value);
        found.ok_or_else(|| Error::conflict(format!("The run {run_id} has no metric {key}.")))
    };
    let (accuracy, recall) = (metric("holdout_accuracy")?, metric("holdout_recall")?);
    if accuracy < LOWEST_ACCURACY || recall < LOWEST_RECALL {
        return Err(Error::conflict(format!(
            "Not good enough: accuracy {accuracy:.3} (at least {LOWEST_ACCURACY}), recall {recall:.3} (at least {LOWEST_RECALL})."
        )));
    }
    let text = format!("accuracy {accuracy:.3} ≥ {LOWEST_ACCURACY}, recall {recall:.3} ≥ {LOWEST_RECALL}");
    Ok(Outcome { value: accuracy, text, link })
}

/// Registers the run's model and moves the alias to it. The version's number.
pub async fn register(client: &Client, run_id: &str) -> Result<Outcome<i64>> {
    let link = format!("/models/{}", sample::MODEL);
    let wish = RegisterVersion {
        run_id: run_id.to_owned(),
        path: "model".into(),
        description: "Linear classifier of the sample lifecycle".into(),
    };
    let made: ModelVersion = client.post(&format!("{link}/versions"), &wish).await?;
    let version = made.version;
    client.put_quietly(&format!("{link}/aliases/{}", sample::ALIAS), &SetAlias { version }).await?;
    Ok(Outcome { value: version, text: format!("version {version} is {}", sample::ALIAS), link })
}

/// Puts the version behind the gateway and waits until it answers; predictions go on meanwhile where one answers already.
pub async fn deploy(client: &Client, version: i64) -> Result<Outcome<()>> {
    let link = format!("/deployments/{}", sample::DEPLOYMENT);
    let before: Option<DeploymentDetail> = client.find(&link).await?;
    let answers = before.is_some_and(|detail| detail.revisions.iter().any(|revision| revision.state == "live"));
    let probe = answers.then(|| Probe::start(client));
    let wish = PutDeployment {
        model: sample::MODEL.into(),
        version: format!("@{}", sample::ALIAS),
        ..PutDeployment::default()
    };
    let rolled = match client.put_quietly(&link, &wish).await {
        Ok(()) => wait_until_live(client, &link, version).await,
        Err(error) => Err(error),
    };
    let Some(probe) = probe else {
        rolled?;
        return Ok(Outcome { value: (), text: format!("version {version} answers"), link });
    };
    if rolled.is_ok() {
        sleep(AFTER_ROLL).await;
    }
    let seen = probe.finish().await?;
    rolled?;
    let text = format!("version {version} answers; {}", rolled_without_failure(seen)?);
    Ok(Outcome { value: (), text, link })
}

fn rolled_without_failure(seen: Seen) -> Result<String> {
    match seen.first_failure {
        None => Ok(format!("{} predictions during the update, 0 failed", seen.sent)),
        Some(cause) => Err(Error::new(
            ErrorCode::Unavailable,
            format!("{} of {} predictions failed during the update; the first: {cause}", seen.failed, seen.sent),
        )),
    }
}

async fn wait_until_live(client: &Client, link: &str, version: i64) -> Result<()> {
    let deadline = Instant::now() + DEPLOY_LIMIT;
    loop {
        let summary = client.get::<DeploymentDetail>(link).await?.summary;
        match summary.state {
            DeploymentState::Ready if summary.version == version => return Ok(()),
            DeploymentState::Failed => {
                let reason = summary.reason.unwrap_or_else(|| "the new revision did not start".into());
                return Err(Error::unavailable(format!("{reason} The revision's log is at {link}.")));
            }
            _ if Instant::now() > deadline => {
                let reason = summary.reason.map(|reason| format!(": {reason}")).unwrap_or_default();
                let waited = DEPLOY_LIMIT.as_secs();
                return Err(Error::unavailable(format!("Version {version} does not answer after {waited} s{reason}.")));
            }
            _ => sleep(Duration::from_millis(300)).await,
        }
    }
}

#[derive(Deserialize)]
struct Predictions {
    predictions: Vec<String>,
}

/// Predicts one held-out row, then all of them, and compares with the labels: the served model must be as good as the
/// trained one was.
pub async fn predict(client: &Client, trained_accuracy: f64) -> Result<Outcome<()>> {
    let rows = sample::held_out();
    let first = &rows[..1];
    let one: Predictions = client.predict(sample::DEPLOYMENT, &sample::scoring_body(first)).await?;
    let all: Predictions = client.predict(sample::DEPLOYMENT, &sample::scoring_body(&rows)).await?;
    let (Some(row), Some(predicted)) = (first.first(), one.predictions.first()) else {
        return Err(Error::conflict("The model server answered without a prediction."));
    };
    let right = rows.iter().zip(&all.predictions).filter(|(row, predicted)| row.label == **predicted).count();
    let accuracy = right as f64 / rows.len() as f64;
    if (accuracy - trained_accuracy).abs() > 1e-6 || all.predictions.len() != rows.len() {
        return Err(Error::conflict(format!(
            "The served model has an accuracy of {accuracy:.3} on the held-out rows, the trained one had {trained_accuracy:.3}."
        )));
    }
    let text = format!("row {}: {predicted}, labelled {}; {right} of {} rows right", row.row, row.label, rows.len());
    Ok(Outcome { value: (), text, link: format!("/deployments/{}", sample::DEPLOYMENT) })
}

/// Sends some more predictions, shows how long they took, and what the gateway counted.
pub async fn observe(client: &Client) -> Result<Outcome<()>> {
    let seen = probe::ask_times(client, OBSERVED).await;
    if let Some(cause) = seen.first_failure {
        return Err(Error::unavailable(format!(
            "{} of {} predictions failed; the first: {cause}",
            seen.failed, seen.sent
        )));
    }
    let link = format!("/deployments/{}", sample::DEPLOYMENT);
    let counted: DeploymentDetail = client.get(&link).await?;
    let ms = |share| probe::quantile(&seen.latencies_ms, share).unwrap_or_default();
    let text = format!(
        "p50 {:.1} ms, p95 {:.1} ms over {OBSERVED}; the gateway counts {} requests, {} errors",
        ms(0.5),
        ms(0.95),
        counted.total_requests,
        counted.total_errors
    );
    Ok(Outcome { value: (), text, link })
}
