//! What is chosen and what it weighs: runs, logged models and experiments by id or by lying in the trash, the artifacts under
//! their roots, and the registered versions that need them. `purge` beside it removes.

pub mod list;
pub mod purge;

use std::collections::{BTreeSet, HashMap, HashSet};

use diesel::{QueryableByName, RunQueryDsl, sql_query, sql_types::*};
use drydock_wire::trash::{TrashHolder, TrashKind};

use crate::{
    db::Conn,
    error::{Error, Result},
    objects::{Object, referrers::Referrers, store::list_prefix},
    registry::{Holders, VersionName},
    tracking::{ARTIFACT_BUCKET, rules},
};

/// Runs, experiments and logged models, by their public ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chosen {
    pub runs: Vec<String>,
    pub experiments: Vec<i64>,
    pub logged_models: Vec<String>,
    /// Models that the runs logged go along.
    pub with_models: bool,
}

impl Chosen {
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.experiments.is_empty() && self.logged_models.is_empty()
    }
}

/// A run, logged model or experiment, and where its artifacts are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thing {
    pub kind: TrashKind,
    /// Surrogate key.
    pub row: i64,
    pub id: String,
    pub name: String,
    pub experiment: i64,
    pub deleted_at: Option<i64>,
    /// Of runs.
    pub running: bool,
    /// Of logged models.
    pub source_run: Option<String>,
    /// Key of its artifact root; of an experiment that of its traces, which others may share. `None` where the artifacts are on
    /// somebody else's storage.
    pub root: Option<String>,
}

impl Thing {
    /// As the audit trail names it.
    pub fn subject(&self) -> String {
        match self.kind {
            TrashKind::Experiment => format!("experiment/{}", self.id),
            TrashKind::Run => format!("run/{}", self.id),
            TrashKind::LoggedModel => format!("logged_model/{}", self.id),
        }
    }
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = BigInt)]
    surrogate: i64,
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = BigInt)]
    experiment: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    deleted_at: Option<i64>,
    #[diesel(sql_type = Bool)]
    running: bool,
    #[diesel(sql_type = Nullable<Text>)]
    source_run: Option<String>,
    #[diesel(sql_type = Text)]
    root: String,
}

impl Row {
    fn thing(self, kind: TrashKind) -> Thing {
        let root = rules::artifact_key(&self.root);
        // Runs and models have their own roots; what is left of an experiment's files is its traces'.
        let root = if kind == TrashKind::Experiment { root.map(|root| format!("{root}/traces")) } else { root };
        let Row { surrogate: row, id, name, experiment, deleted_at, running, source_run, .. } = self;
        Thing { kind, row, id, name, experiment, deleted_at, running, source_run, root }
    }
}

const RUNS: &str = "SELECT r.id AS surrogate, r.run_id AS id, r.name, r.experiment_id AS experiment, r.deleted_at,
    r.status IN ('RUNNING', 'SCHEDULED') AS running, NULL AS source_run,
    rtrim(e.artifact_location, '/') || '/' || r.run_id AS root
    FROM runs r JOIN experiments e ON e.id = r.experiment_id";
const MODELS: &str = "SELECT m.id AS surrogate, m.model_id AS id, m.name, m.experiment_id AS experiment, m.deleted_at,
    0 AS running, m.source_run_id AS source_run,
    rtrim(e.artifact_location, '/') || '/models/' || m.model_id AS root
    FROM logged_models m JOIN experiments e ON e.id = m.experiment_id";
const EXPERIMENTS: &str =
    "SELECT e.id AS surrogate, CAST(e.id AS TEXT) AS id, e.name, e.id AS experiment, e.deleted_at,
    0 AS running, NULL AS source_run, e.artifact_location AS root FROM experiments e";

fn load(conn: &mut Conn, kind: TrashKind, what: &str, condition: &str, bound: String) -> Result<Vec<Thing>> {
    let rows: Vec<Row> =
        sql_query(format!("{what} WHERE {condition}")).bind::<Text, _>(bound).load(conn).map_err(Error::internal)?;
    Ok(rows.into_iter().map(|row| row.thing(kind)).collect())
}

fn texts(all: &[String]) -> String {
    serde_json::Value::from(all.to_vec()).to_string()
}

/// The chosen things and what goes along with them: an experiment's runs and logged models, and, if wished, the models
/// that chosen runs logged (of a run in the trash those that went there with it).
pub fn expand(conn: &mut Conn, chosen: &Chosen) -> Result<Vec<Thing>> {
    let ids = serde_json::Value::from(chosen.experiments.clone()).to_string();
    let mut all =
        load(conn, TrashKind::Experiment, EXPERIMENTS, "e.id IN (SELECT value FROM json_each(?))", ids.clone())?;
    let picked = texts(&chosen.runs);
    all.extend(load(conn, TrashKind::Run, RUNS, "r.run_id IN (SELECT value FROM json_each(?))", picked.clone())?);
    let picked_models = texts(&chosen.logged_models);
    let of_models = "m.model_id IN (SELECT value FROM json_each(?))";
    all.extend(load(conn, TrashKind::LoggedModel, MODELS, of_models, picked_models)?);
    if !chosen.experiments.is_empty() {
        let of_experiments = "e.id IN (SELECT value FROM json_each(?))";
        all.extend(load(conn, TrashKind::Run, RUNS, of_experiments, ids.clone())?);
        all.extend(load(conn, TrashKind::LoggedModel, MODELS, of_experiments, ids)?);
    }
    if chosen.with_models {
        let of_runs = "m.source_run_id IN (SELECT value FROM json_each(?)) AND (m.deleted_at IS NULL OR m.deleted_at =
            (SELECT r.deleted_at FROM runs r WHERE r.run_id = m.source_run_id))";
        all.extend(load(conn, TrashKind::LoggedModel, MODELS, of_runs, picked)?);
    }
    let mut seen = HashSet::new();
    all.retain(|thing| seen.insert((thing.kind, thing.row)));
    Ok(all)
}

/// Ids of all that lies in the trash, of what was put there before `before` if it is given.
pub fn everything(conn: &mut Conn, before: Option<i64>) -> Result<Chosen> {
    let before = before.unwrap_or(i64::MAX).to_string();
    let ids = |things: Vec<Thing>| things.into_iter().map(|thing| thing.id).collect();
    let older = |column: &str| format!("{column}.deleted_at < CAST(? AS INTEGER)");
    let experiments = load(conn, TrashKind::Experiment, EXPERIMENTS, &older("e"), before.clone())?;
    Ok(Chosen {
        runs: ids(load(conn, TrashKind::Run, RUNS, &older("r"), before.clone())?),
        experiments: experiments.into_iter().map(|thing| thing.row).collect(),
        logged_models: ids(load(conn, TrashKind::LoggedModel, MODELS, &older("m"), before)?),
        with_models: false,
    })
}

/// Files, the sum of their sizes, and how much of it nothing else on the box refers to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Weight {
    pub files: u64,
    pub bytes: u64,
    pub freed_bytes: u64,
}

#[derive(QueryableByName)]
struct TraceId {
    #[diesel(sql_type = Text)]
    trace_id: String,
}

/// The artifacts that go with the thing. Experiments may share a place: of its files under `traces` one has its own traces' alone.
pub fn files(conn: &mut Conn, thing: &Thing) -> Result<Vec<Object>> {
    let Some(root) = &thing.root else { return Ok(Vec::new()) };
    let prefix = format!("{root}/");
    let mut files = list_prefix(conn, ARTIFACT_BUCKET, &prefix)?;
    if thing.kind == TrashKind::Experiment && !files.is_empty() {
        let own: Vec<TraceId> = sql_query("SELECT trace_id FROM traces WHERE experiment_id = ?")
            .bind::<BigInt, _>(thing.row)
            .load(conn)
            .map_err(Error::internal)?;
        let own: HashSet<String> = own.into_iter().map(|row| row.trace_id).collect();
        files.retain(|file| file.key[prefix.len()..].split_once('/').is_some_and(|(trace, _)| own.contains(trace)));
    }
    Ok(files)
}

/// What the artifacts of these things weigh together.
pub fn weigh<'a>(conn: &mut Conn, things: impl Iterator<Item = &'a Thing>) -> Result<Weight> {
    let mut weight = Weight::default();
    let mut referred: HashMap<String, (i64, i64)> = HashMap::new();
    for thing in things {
        for object in files(conn, thing)? {
            weight.files += 1;
            weight.bytes += u64::try_from(object.size_bytes).unwrap_or(0);
            referred.entry(object.digest).or_insert((object.size_bytes, 0)).1 += 1;
        }
    }
    let referrers = Referrers::load(conn)?;
    for (digest, (size, within)) in referred {
        if referrers.count(conn, &digest)? == within {
            weight.freed_bytes += u64::try_from(size).unwrap_or(0);
        }
    }
    Ok(weight)
}

/// Versions that need the thing: made from it, or with their files under its root. `runs:/…` of a run may mean a model
/// that the run logged, so such a model is needed as its run is.
pub fn needed_by(holders: &Holders, thing: &Thing) -> BTreeSet<VersionName> {
    let mut found = BTreeSet::new();
    match thing.kind {
        TrashKind::Run => found.extend(holders.of_run(&thing.id).iter().cloned()),
        TrashKind::LoggedModel => {
            found.extend(holders.of_model(&thing.id).iter().cloned());
            found.extend(thing.source_run.iter().flat_map(|run| holders.of_run(run)).cloned());
        }
        TrashKind::Experiment => {}
    }
    found.extend(thing.root.iter().flat_map(|root| holders.below(root)).cloned());
    found
}

/// The versions with the deployments that serve them.
pub fn holders(conn: &mut Conn, versions: BTreeSet<VersionName>) -> Result<Vec<TrashHolder>> {
    versions
        .into_iter()
        .map(|(model, version)| {
            let deployments = crate::serving::deployments_of_version(conn, &model, version)?;
            Ok(TrashHolder { model, version, deployments })
        })
        .collect()
}

/// Traces of the experiments among these: those of a deleted run stay.
pub fn traces(conn: &mut Conn, things: &[Thing]) -> Result<u64> {
    let experiments = things.iter().filter(|thing| thing.kind == TrashKind::Experiment).map(|thing| thing.row);
    crate::traces::count_in(conn, &experiments.collect::<Vec<_>>())
}

/// # Errors
/// `conflict` when one of the runs or models is in an experiment that lies in the trash and is not itself among them.
pub fn refuse_inside_deleted(conn: &mut Conn, things: &[Thing]) -> Result<()> {
    #[derive(QueryableByName)]
    struct Named {
        #[diesel(sql_type = Text)]
        name: String,
    }
    let own: BTreeSet<i64> =
        things.iter().filter(|thing| thing.kind == TrashKind::Experiment).map(|thing| thing.row).collect();
    let others: BTreeSet<i64> = things.iter().map(|thing| thing.experiment).filter(|id| !own.contains(id)).collect();
    let others = serde_json::Value::from(others.into_iter().collect::<Vec<_>>()).to_string();
    let deleted: Vec<Named> = sql_query(
        "SELECT name FROM experiments WHERE deleted_at IS NOT NULL AND id IN (SELECT value FROM json_each(?)) LIMIT 1",
    )
    .bind::<Text, _>(others)
    .load(conn)
    .map_err(Error::internal)?;
    match deleted.first() {
        None => Ok(()),
        Some(Named { name }) => Err(Error::conflict(format!(
            "The experiment {name} lies in the trash; restore that, its runs come with it."
        ))),
    }
}
