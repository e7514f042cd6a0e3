//! The tracked run of an attempt: made when it starts, ended when it ends.

use drydock_wire::jobs::JobState;

use super::store::{self, AttemptRecord, Job};
use crate::{
    accounts::{Principal, Via},
    db::Conn,
    error::{Error, Result},
    tracking::{self, NewJobRun, RunStatus},
};

/// As MLflow shows it.
const MOST_COMMAND_CHARS: usize = 500;
const MOST_TAG_CHARS: usize = 5000;

/// The run of attempt `number`: the one that a stopped attempt of a resumable job had, else a new one; none for a job that is not
/// tracked, or whose experiment takes none any more.
pub fn of_attempt(conn: &mut Conn, job: &Job, number: i64) -> Result<Option<String>> {
    if job.spec.tracked == Some(false) {
        return Ok(None);
    }
    if job.spec.resume.is_some()
        && let Some(known) = store::attempts(conn, &job.id)?.into_iter().rev().find_map(|attempt| attempt.run_id)
        && tracking::reopen_job_run(conn, &known)?
    {
        return Ok(Some(known));
    }
    match tracking::make_job_run(conn, &owner(job), &new_run(job, number)) {
        Ok(run_id) => Ok(Some(run_id)),
        // its experiment was deleted meanwhile: no reason not to run
        Err(error) if error.source.is_none() => {
            tracing::warn!(job.id = job.id, "no run is made for job {}: {error}", job.id);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Ends what the program left open.
pub fn end(conn: &mut Conn, attempt: &AttemptRecord) -> Result<()> {
    let status = match attempt.state {
        JobState::Succeeded => RunStatus::Finished,
        JobState::Cancelled => RunStatus::Killed,
        _ => RunStatus::Failed,
    };
    let at = attempt.ended_at.ok_or_else(|| Error::internal(anyhow::anyhow!("an ended attempt has no end")))?;
    tracking::end_job_runs(conn, &attempt.job_id, status, at)
}

/// As whom the run is made: the owner, by way of the job.
fn owner(job: &Job) -> Principal {
    Principal {
        person_id: job.person_id.clone(),
        project: job.project_id.clone(),
        via: Via::Job,
        job_id: Some(job.id.clone()),
        ..Principal::of_role(&job.submitted_by, drydock_wire::accounts::Role::Engineer)
    }
}

fn new_run(job: &Job, number: i64) -> NewJobRun {
    let spec = &job.spec;
    let command: String = spec.command.join(" ").chars().take(MOST_COMMAND_CHARS).collect();
    let mut tags = vec![("mlflow.source.type", "JOB".to_owned()), ("mlflow.source.name", command)];
    tags.push(("mlflow.user", job.submitted_by.clone()));
    tags.push(("drydock.attempt", number.to_string()));
    tags.extend(spec.seed.map(|seed| ("drydock.seed", seed.to_string())));
    tags.extend(job.sweep_id.clone().map(|sweep| ("drydock.sweep_id", sweep)));
    if let Some(git) = spec.snapshot.as_ref().and_then(|snapshot| snapshot.git.clone()) {
        tags.push(("mlflow.source.git.commit", git.commit));
        tags.extend(git.branch.map(|branch| ("mlflow.source.git.branch", branch)));
        tags.extend(git.remote.map(|remote| ("mlflow.source.git.repoURL", remote)));
        tags.push(("drydock.git.dirty", git.dirty.to_string()));
    }
    let short = |(key, text): (&str, String)| (key.to_owned(), text.chars().take(MOST_TAG_CHARS).collect());
    NewJobRun {
        job_id: job.id.clone(),
        name: job.name.clone(),
        experiment: spec.experiment.clone(),
        params: spec.params.clone().into_iter().collect(),
        tags: tags.into_iter().filter(|(_, text)| !text.is_empty()).map(short).collect(),
    }
}
