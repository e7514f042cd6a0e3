//! `job`: a training job like any other, made in the transaction of the task's row under an id that follows from the try.
//!
//! Its outputs name the job and the run that it logged, with metrics, parameters and tags as values, and `content`: what the cache knows
//! the result by, a digest over the artifacts' digests and what the run logged.

use drydock_wire::jobs::{JobDetail, JobState, SubmitJob};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{
    super::{
        rules::{cache, plan::Seen},
        schema::bodies,
    },
    Outcome,
};
use crate::{
    accounts::Principal,
    datasets,
    db::Conn,
    error::{Error, Result},
    jobs,
    objects::store as objects,
    tracking,
};

/// Values of a run that are passed on; a run with more of them passes the first.
const MOST_VALUES: usize = 1_000;
/// A tag or parameter that is longer is text for people, not a value to pass on.
const MOST_CHARS: usize = 100_000;

/// The id of the job of a try: the same for the same try, so that no two jobs can come of it.
pub fn id_of(run: &str, task: &str, item: i64, number: i64) -> String {
    hex::encode(&Sha256::digest(format!("{run}\n{task}\n{item}\n{number}"))[..16])
}

/// The job that a body asks for.
pub fn wish(pipeline: &str, task: &str, body: &Value) -> Result<SubmitJob> {
    let name = format!("{pipeline}-{}", task.replace('_', "-").to_ascii_lowercase());
    let name: String = name.chars().take(63).collect();
    bodies::job(body, name.trim_end_matches('-')).map_err(Error::invalid)
}

pub fn start(conn: &mut Conn, who: &Principal, id: &str, checked: jobs::Checked) -> Result<Outcome> {
    jobs::submit_on(conn, who, id, checked)?;
    Ok(Outcome::Runs { subject: format!("job/{id}") })
}

pub fn look(conn: &mut Conn, id: &str) -> Result<Seen> {
    let Some(job) = jobs::on_conn(conn, id)? else { return Ok(Seen::Failed(format!("its job {id} is gone"))) };
    let why = |word: &str| job.summary.reason.clone().unwrap_or_else(|| word.to_owned());
    Ok(match job.summary.state {
        JobState::Succeeded => Seen::Done(outputs(conn, &job)?),
        JobState::Failed => Seen::Failed(why("its job failed")),
        JobState::Lost => Seen::Failed(why("its job was lost")),
        JobState::Cancelled => Seen::Cancelled(why("its job was cancelled")),
        JobState::Queued => Seen::Going(Some(format!("its job waits: {}", why("for its turn")))),
        _ => Seen::Going(Some("its job runs".into())),
    })
}

pub fn stop(conn: &mut Conn, who: &Principal, id: &str) -> Result<()> {
    match jobs::on_conn(conn, id)? {
        Some(job) if !job.summary.state.is_final() => jobs::cancel_on(conn, who, id).map(drop),
        _ => Ok(()),
    }
}

/// What a job's result is the result of, besides its body: the content of its data, and its image.
pub fn inputs(conn: &mut Conn, granted: &jobs::Checked) -> Result<Value> {
    let mut data = Map::new();
    for dataset in &granted.wish().datasets {
        let (name, version) = datasets::resolve(conn, &dataset.name, dataset.version)?;
        let (digest, _) = datasets::fingerprint(conn, &name, version)?;
        data.insert(name, Value::String(digest));
    }
    Ok(json!({ "data": data, "image": granted.image(conn)? }))
}

fn outputs(conn: &mut Conn, job: &JobDetail) -> Result<Value> {
    let run_id = job.run_ids.last().cloned();
    let run = match &run_id {
        Some(id) => tracking::run_on_conn(conn, id)?,
        None => None,
    };
    let metrics = run.iter().flat_map(|run| &run.metrics).take(MOST_VALUES).map(|metric| {
        let value = serde_json::Number::from_f64(metric.value).map(Value::Number);
        (metric.key.clone(), value.unwrap_or_else(|| json!(metric.value.to_string())))
    });
    let texts = |pairs: Option<&Vec<(String, String)>>| {
        let pairs = pairs.into_iter().flatten().take(MOST_VALUES);
        let plain = pairs.filter(|(key, value)| !key.starts_with("mlflow.") && value.len() <= MOST_CHARS);
        plain.map(|(key, value)| (key.clone(), json!(value))).collect::<Map<_, _>>()
    };
    let left = content(conn, job)?;
    let (digest, outputs) = left.map_or_else(Default::default, |content| (content.digest, content.outputs));
    Ok(json!({
        "job": job.summary.id,
        "run": run_id,
        "exit_code": job.summary.exit_code,
        "metrics": metrics.collect::<Map<_, _>>(),
        "params": texts(run.as_ref().map(|run| &run.params)),
        "tags": texts(run.as_ref().map(|run| &run.tags)),
        "outputs": outputs,
        "content": digest,
    }))
}

/// What a job left on the box.
struct Content {
    digest: String,
    /// Of its files.
    blobs: Vec<String>,
    /// Paths of what was in `/outputs`, at most as many as values are passed on.
    outputs: Vec<String>,
}

/// Where a run's artifacts have what was in `/outputs`.
const OUTPUTS: &str = "outputs/";

/// Nothing when something of it was deleted, be it to the trash.
fn content(conn: &mut Conn, job: &JobDetail) -> Result<Option<Content>> {
    let mut said = vec![];
    let mut blobs = vec![];
    for id in &job.run_ids {
        let Some(run) = tracking::run_on_conn(conn, id)?.filter(|run| !run.info.deleted) else { return Ok(None) };
        let metrics: Vec<_> = run.metrics.iter().map(|one| (&one.key, one.step, one.value.to_string())).collect();
        said.push(json!({ "metrics": metrics, "params": run.params }));
    }
    let mut outputs = vec![];
    // Without a run they are in a bucket of their own.
    let mut places = vec![(None, jobs::OUTPUTS_BUCKET, format!("{}/", job.summary.id))];
    for root in tracking::artifact_roots(conn, &job.run_ids)? {
        if let Some(folder) = tracking::rules::artifact_key(&root.uri) {
            places.push((Some(root.model), tracking::ARTIFACT_BUCKET, format!("{folder}/")));
        }
    }
    for (of_run, bucket, prefix) in places {
        for object in objects::list_prefix(conn, bucket, &prefix)? {
            let path = &object.key[prefix.len()..];
            // In the bucket the attempt's number comes first.
            let output = match &of_run {
                None => path.split_once('/').map(|(_, path)| path),
                Some(None) => path.strip_prefix(OUTPUTS),
                Some(Some(_)) => None,
            };
            outputs.extend(output.filter(|_| outputs.len() < MOST_VALUES).map(str::to_owned));
            said.push(json!([of_run, path, object.digest]));
            blobs.push(object.digest);
        }
    }
    Ok(Some(Content { digest: cache::digest(&Value::Array(said)), blobs, outputs }))
}

/// Whether what the outputs name is still there as it was: nothing deleted, nothing damaged.
pub fn still_there(conn: &mut Conn, outputs: &Value) -> Result<bool> {
    let Some(job) = outputs["job"].as_str() else { return Ok(false) };
    let Some(job) = jobs::on_conn(conn, job)? else { return Ok(false) };
    let Some(found) = content(conn, &job)? else { return Ok(false) };
    Ok(outputs["content"] == json!(found.digest) && !objects::any_damaged(conn, &found.blobs)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_id_follows_from_the_try_alone() {
        let id = id_of("r", "train", -1, 1);
        assert_eq!((id.len(), &id), (32, &id_of("r", "train", -1, 1)));
        for other in
            [id_of("s", "train", -1, 1), id_of("r", "t", -1, 1), id_of("r", "train", 0, 1), id_of("r", "train", -1, 2)]
        {
            assert_ne!(id, other);
        }
    }

    #[test]
    fn names_of_jobs_are_good_names() {
        let made = wish(&"p".repeat(60), "Train_it", &json!({"command": ["a"]})).unwrap();
        assert!(drydock_wire::validate::slug(&made.name).is_ok(), "{}", made.name);
    }
}
