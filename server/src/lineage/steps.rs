//! One step back from a thing and one step forward, through the features that know; and what a person reads about it.

use drydock_wire::{
    jobs::JobDetail,
    lineage::{Node, NodeKind},
};

use super::graph::{Key, Link};
use crate::{
    datasets,
    db::Conn,
    error::Result,
    jobs,
    registry::{self, MadeFrom},
    serving,
    tracking::{self, DatasetInput, Run, RunsOf},
};

pub const COMMIT_TAG: &str = "mlflow.source.git.commit";
const REPOSITORY_TAG: &str = "mlflow.source.git.repoURL";
const BRANCH_TAG: &str = "mlflow.source.git.branch";
pub const SOURCE_TAG: &str = "mlflow.source.name";
/// What a job's output is to a dataset's version.
const MADE: &str = "made";

/// `name:3` in two; a model's and a dataset's name have no colon.
pub fn numbered(id: &str) -> Option<(&str, i64)> {
    let (name, number) = id.rsplit_once(':')?;
    Some((name, number.parse().ok()?))
}

fn version_key(model: &str, version: i64) -> Key {
    Key::new(NodeKind::Version, format!("{model}:{version}"))
}

fn input_key(input: &DatasetInput) -> Key {
    Key::new(NodeKind::Input, format!("{}@{}", input.name, input.digest))
}

fn tag<'a>(run: &'a Run, key: &str) -> Option<&'a str> {
    run.tags.iter().find(|(k, value)| k == key && !value.is_empty()).map(|(_, value)| value.as_str())
}

/// Links from the things that this one was made of.
pub fn back(conn: &mut Conn, key: &Key) -> Result<Vec<Link>> {
    match key.kind {
        NodeKind::Deployment => Ok(serving::served_by(conn, &key.id)?
            .into_iter()
            .map(|one| Link {
                past: !one.current,
                ..Link::new(version_key(&one.model, one.version), "served by", key.clone())
            })
            .collect()),
        NodeKind::Version => back_of_version(conn, key),
        NodeKind::LoggedModel => {
            let model = tracking::logged_model_on_conn(conn, &key.id)?;
            let run = model.and_then(|model| model.source_run_id);
            Ok(run.map(|run| Link::new(Key::new(NodeKind::Run, run), "logged", key.clone())).into_iter().collect())
        }
        NodeKind::Run => back_of_run(conn, key),
        NodeKind::Job => {
            let job = jobs::on_conn(conn, &key.id)?;
            Ok(job
                .as_ref()
                .map(mounted)
                .unwrap_or_default()
                .into_iter()
                .map(|d| Link::new(d, "mounted in", key.clone()))
                .collect())
        }
        NodeKind::Dataset => {
            let Some((name, number)) = numbered(&key.id) else { return Ok(Vec::new()) };
            let Some((job, runs)) = datasets::makers(conn, name, number)? else { return Ok(Vec::new()) };
            let runs = runs.into_iter().map(|run| Key::new(NodeKind::Run, run));
            let makers = std::iter::once(Key::new(NodeKind::Job, job)).chain(runs);
            Ok(makers.map(|maker| Link::new(maker, MADE, key.clone())).collect())
        }
        NodeKind::Input | NodeKind::Commit | NodeKind::Source => Ok(Vec::new()),
    }
}

fn back_of_version(conn: &mut Conn, key: &Key) -> Result<Vec<Link>> {
    let Some((name, number)) = numbered(&key.id) else { return Ok(Vec::new()) };
    let Some(version) = registry::version_on_conn(conn, name, number)? else { return Ok(Vec::new()) };
    let copied = version.source.strip_prefix("models:/").and_then(|rest| rest.split_once('/'));
    if let Some((from, number)) = copied
        && let Ok(number) = number.parse()
    {
        return Ok(vec![Link::new(version_key(from, number), "copied to", key.clone())]);
    }
    let from = match (version.model_id, version.run_id) {
        (Some(model), _) => Key::new(NodeKind::LoggedModel, model),
        (None, Some(run)) => Key::new(NodeKind::Run, run),
        (None, None) => return Ok(Vec::new()),
    };
    Ok(vec![Link::new(from, "registered as", key.clone())])
}

fn back_of_run(conn: &mut Conn, key: &Key) -> Result<Vec<Link>> {
    let Some(run) = tracking::run_on_conn(conn, &key.id)? else { return Ok(Vec::new()) };
    let mut links = Vec::new();
    let job = match &run.info.job_id {
        Some(id) => jobs::on_conn(conn, id)?,
        None => None,
    };
    if let Some(job) = &job {
        links.push(Link::new(Key::new(NodeKind::Job, &job.summary.id), "ran", key.clone()));
    }
    for input in &run.datasets {
        links.push(Link::new(input_key(input), "input of", key.clone()));
        links.extend(job.iter().flat_map(|job| read_from_mounts(job, input)));
    }
    if let Some(commit) = tag(&run, COMMIT_TAG) {
        links.push(Link::new(Key::new(NodeKind::Commit, commit), "code of", key.clone()));
    }
    if let Some(source) = tag(&run, SOURCE_TAG) {
        links.push(Link::new(Key::new(NodeKind::Source, source), "ran as", key.clone()));
    }
    for model in &run.models_in {
        links.push(Link::new(Key::new(NodeKind::LoggedModel, model), "read by", key.clone()));
    }
    Ok(links)
}

/// The datasets of a job, with the versions it kept.
fn mounted(job: &JobDetail) -> Vec<Key> {
    job.spec.datasets.iter().filter_map(|d| Some(dataset_key(&d.name, d.version?))).collect()
}

fn dataset_key(name: &str, version: i64) -> Key {
    Key::new(NodeKind::Dataset, format!("{name}:{version}"))
}

/// An input that lies under `/data/{name}` came from the dataset that is mounted there.
fn read_from_mounts(job: &JobDetail, input: &DatasetInput) -> Vec<Link> {
    let is_under = |name: &str| {
        let folder = format!("/data/{name}");
        input.source.match_indices(&folder).any(|(at, _)| {
            input.source[at + folder.len()..].chars().next().is_none_or(|c| matches!(c, '/' | '"' | '\''))
        })
    };
    let from = |dataset: Key| Link::new(dataset, "read as", input_key(input));
    mounted(job).into_iter().filter(|key| numbered(&key.id).is_some_and(|(name, _)| is_under(name))).map(from).collect()
}

/// Links to the things that were made of this one.
pub fn forward(conn: &mut Conn, key: &Key) -> Result<Vec<Link>> {
    let runs = |ids: Vec<String>, label: &'static str| -> Vec<Link> {
        ids.into_iter().map(|id| Link::new(key.clone(), label, Key::new(NodeKind::Run, id))).collect()
    };
    match key.kind {
        NodeKind::Dataset => {
            let Some((name, number)) = numbered(&key.id) else { return Ok(Vec::new()) };
            let jobs = jobs::that_mounted(conn, name, number)?;
            Ok(jobs.into_iter().map(|id| Link::new(key.clone(), "mounted in", Key::new(NodeKind::Job, id))).collect())
        }
        NodeKind::Input => {
            let Some((name, digest)) = key.id.rsplit_once('@') else { return Ok(Vec::new()) };
            Ok(runs(tracking::runs_of(conn, RunsOf::Input(name, digest))?, "input of"))
        }
        NodeKind::Commit => Ok(runs(tracking::runs_of(conn, RunsOf::Tag(COMMIT_TAG, &key.id))?, "code of")),
        NodeKind::Source => Ok(runs(tracking::runs_of(conn, RunsOf::Tag(SOURCE_TAG, &key.id))?, "ran as")),
        NodeKind::Job => {
            let mut links = runs(tracking::runs_of_job(conn, &key.id)?, "ran");
            let made = datasets::made_by_job(conn, &key.id)?;
            links.extend(made.into_iter().map(|(name, v)| Link::new(key.clone(), MADE, dataset_key(&name, v))));
            Ok(links)
        }
        NodeKind::Run => forward_of_run(conn, key),
        NodeKind::LoggedModel => {
            let versions = registry::versions_made_from(conn, MadeFrom::LoggedModel(&key.id))?;
            let direct = versions.into_iter().filter(|version| !is_copy(&version.source));
            let mut links: Vec<Link> =
                direct.map(|v| Link::new(key.clone(), "registered as", version_key(&v.model, v.version))).collect();
            links.extend(runs(tracking::runs_of(conn, RunsOf::Model(&key.id))?, "read by"));
            Ok(links)
        }
        NodeKind::Version => forward_of_version(conn, key),
        NodeKind::Deployment => Ok(Vec::new()),
    }
}

fn forward_of_run(conn: &mut Conn, key: &Key) -> Result<Vec<Link>> {
    let models = tracking::logged_models_made_by(conn, &key.id)?;
    let mut links: Vec<Link> =
        models.into_iter().map(|id| Link::new(key.clone(), "logged", Key::new(NodeKind::LoggedModel, id))).collect();
    // What was registered from a logged model hangs on that one.
    let versions = registry::versions_made_from(conn, MadeFrom::Run(&key.id))?;
    let direct = versions.into_iter().filter(|version| version.model_id.is_none() && !is_copy(&version.source));
    links.extend(direct.map(|v| Link::new(key.clone(), "registered as", version_key(&v.model, v.version))));
    if let Some(job) = tracking::run_on_conn(conn, &key.id)?.and_then(|run| run.info.job_id) {
        let made = datasets::made_by_run(conn, &job, &key.id)?;
        links.extend(made.into_iter().map(|(name, v)| Link::new(key.clone(), MADE, dataset_key(&name, v))));
    }
    Ok(links)
}

/// `models:/name/3`, other than `models:/m-…`.
fn is_copy(source: &str) -> bool {
    source.strip_prefix("models:/").is_some_and(|rest| rest.contains('/'))
}

fn forward_of_version(conn: &mut Conn, key: &Key) -> Result<Vec<Link>> {
    let Some((name, number)) = numbered(&key.id) else { return Ok(Vec::new()) };
    let copies = registry::versions_made_from(conn, MadeFrom::Source(&format!("models:/{name}/{number}")))?;
    let mut links: Vec<Link> =
        copies.into_iter().map(|v| Link::new(key.clone(), "copied to", version_key(&v.model, v.version))).collect();
    for one in serving::that_served(conn, name, number)? {
        let deployment = Key::new(NodeKind::Deployment, one.deployment);
        links.push(Link { past: !one.current, ..Link::new(key.clone(), "served by", deployment) });
    }
    Ok(links)
}

/// Whether the thing is there, and what a person reads about it.
pub fn describe(conn: &mut Conn, key: &Key) -> Result<(bool, Node)> {
    let found = match key.kind {
        NodeKind::Deployment => of_deployment(conn, key)?,
        NodeKind::Version => of_version(conn, key)?,
        NodeKind::LoggedModel => tracking::logged_model_on_conn(conn, &key.id)?.map(|model| {
            let href = model.source_run_id.map(|run| format!("/runs/{run}"));
            (model.name, model.model_id, href)
        }),
        NodeKind::Run => tracking::run_on_conn(conn, &key.id)?.map(|run| {
            let detail = format!("{} · {}", run.info.status.as_str().to_lowercase(), run.info.user);
            (run.info.name, detail, Some(format!("/runs/{}", key.id)))
        }),
        NodeKind::Job => jobs::on_conn(conn, &key.id)?.map(|job| {
            let files = match job.spec.code.len() {
                0 => "no code files".to_owned(),
                1 => "1 code file".to_owned(),
                n => format!("{n} code files"),
            };
            (job.summary.name, format!("{files} · {}", job.summary.submitted_by), Some(format!("/jobs/{}", key.id)))
        }),
        NodeKind::Dataset => of_dataset(conn, key)?,
        NodeKind::Input => of_input(conn, key)?,
        NodeKind::Commit => of_commit(conn, key)?,
        NodeKind::Source => {
            let title = key.id.rsplit(['/', '\\']).next().unwrap_or(&key.id).to_owned();
            let known = !tracking::runs_of(conn, RunsOf::Tag(SOURCE_TAG, &key.id))?.is_empty();
            known.then(|| (title, key.id.clone(), None))
        }
    };
    let is_there = found.is_some();
    let (title, detail, href) = found.unwrap_or_else(|| (key.id.clone(), "deleted".into(), None));
    Ok((is_there, Node { key: key.text(), kind: key.kind, id: key.id.clone(), title, detail, href }))
}

type Description = (String, String, Option<String>);

fn of_deployment(conn: &mut Conn, key: &Key) -> Result<Option<Description>> {
    let served = serving::served_by(conn, &key.id)?;
    let Some(shown) = served.iter().find(|one| one.live).or(served.first()) else { return Ok(None) };
    let word = if shown.live { "serves" } else { "is to serve" };
    let detail = format!("{word} {} version {}", shown.model, shown.version);
    Ok(Some((key.id.clone(), detail, Some(format!("/deployments/{}", key.id)))))
}

fn of_version(conn: &mut Conn, key: &Key) -> Result<Option<Description>> {
    let Some((name, number)) = numbered(&key.id) else { return Ok(None) };
    let version = registry::version_on_conn(conn, name, number)?;
    Ok(version.map(|version| {
        let aliases: Vec<String> = version.aliases.iter().map(|alias| format!("@{alias}")).collect();
        let detail = if aliases.is_empty() { format!("by {}", version.user) } else { aliases.join(" ") };
        (format!("{name} version {number}"), detail, Some(format!("/models/{}?version={number}", encoded(name))))
    }))
}

fn of_dataset(conn: &mut Conn, key: &Key) -> Result<Option<Description>> {
    let Some((name, number)) = numbered(&key.id) else { return Ok(None) };
    let Some(version) = datasets::version_on_conn(conn, name, number)? else { return Ok(None) };
    let detail = if version.file_count == 1 { "1 file".to_owned() } else { format!("{} files", version.file_count) };
    Ok(Some((
        format!("{name} version {number}"),
        detail,
        Some(format!("/datasets/{}?version={number}", encoded(name))),
    )))
}

fn of_input(conn: &mut Conn, key: &Key) -> Result<Option<Description>> {
    let Some((name, digest)) = key.id.rsplit_once('@') else { return Ok(None) };
    let runs = tracking::runs_of(conn, RunsOf::Input(name, digest))?;
    let Some(first) = runs.first() else { return Ok(None) };
    let run = tracking::run_on_conn(conn, first)?;
    let input = run.and_then(|run| run.datasets.into_iter().find(|one| one.name == name && one.digest == digest));
    Ok(input.map(|input| (input.name, format!("{} · digest {}", input.source_type, input.digest), None)))
}

fn of_commit(conn: &mut Conn, key: &Key) -> Result<Option<Description>> {
    let runs = tracking::runs_of(conn, RunsOf::Tag(COMMIT_TAG, &key.id))?;
    let Some(first) = runs.first() else { return Ok(None) };
    let run = tracking::run_on_conn(conn, first)?;
    let place = run.as_ref().and_then(|run| tag(run, REPOSITORY_TAG).or_else(|| tag(run, BRANCH_TAG)));
    let short: String = key.id.chars().take(10).collect();
    Ok(Some((short, place.unwrap_or("git").to_owned(), None)))
}

/// A name in an address.
fn encoded(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_with_numbers_are_read_from_the_right() {
        assert_eq!(numbered("wine:3"), Some(("wine", 3)));
        assert_eq!((numbered("wine"), numbered("wine:x")), (None, None));
    }

    #[test]
    fn copies_are_told_from_logged_models() {
        assert!(is_copy("models:/wine/3") && !is_copy("models:/m-0123") && !is_copy("runs:/r/model"));
    }

    #[test]
    fn names_are_encoded_for_addresses() {
        assert_eq!(encoded("Wine & co"), "Wine%20%26%20co");
    }
}
