//! Which registered versions need what: the one answer for all who take something away (`trash`, the deletion of artifacts).
//!
//! Always holds: a version needs the run and the logged model that it was made from, and the files that its place names.

use std::collections::{BTreeSet, HashMap};

use super::store::holders as store;
use crate::{
    db::Conn,
    error::Result,
    tracking::{self, ArtifactRoot, rules as paths},
};

/// A registered model's name and the version's number.
pub type VersionName = (String, i64);

/// All of the registry's versions, by what they need.
#[derive(Debug, Default)]
pub struct Holders {
    by_run: HashMap<String, Vec<VersionName>>,
    by_model: HashMap<String, Vec<VersionName>>,
    /// By the key of their place.
    by_place: Vec<(String, VersionName)>,
    /// Those whose place is a path within a run, or the name of a model that it logged.
    in_runs: Vec<(String, String, VersionName)>,
}

impl Holders {
    pub fn load(conn: &mut Conn) -> Result<Self> {
        let mut holders = Self::default();
        for row in store::versions(conn)? {
            let version = (row.model, row.version);
            let within = row.storage_location.strip_prefix("runs:").and_then(|it| it.trim_matches('/').split_once('/'));
            if let Some((run, path)) = within {
                holders.in_runs.push((run.to_owned(), path.to_owned(), version.clone()));
            }
            if let Some(key) = paths::artifact_key(&row.storage_location) {
                holders.by_place.push((key, version.clone()));
            }
            if let Some(run) = row.run_id {
                holders.by_run.entry(run).or_default().push(version.clone());
            }
            if let Some(model) = row.model_id {
                holders.by_model.entry(model).or_default().push(version);
            }
        }
        Ok(holders)
    }

    /// Made from the run.
    pub fn of_run(&self, run_id: &str) -> &[VersionName] {
        self.by_run.get(run_id).map(Vec::as_slice).unwrap_or_default()
    }

    /// Made from the logged model.
    pub fn of_model(&self, model_id: &str) -> &[VersionName] {
        self.by_model.get(model_id).map(Vec::as_slice).unwrap_or_default()
    }

    /// With their place at or below the key.
    pub fn below(&self, key: &str) -> impl Iterator<Item = &VersionName> {
        self.by_place.iter().filter(move |(place, _)| is_within(place, key)).map(|(_, version)| version)
    }

    /// Those that would lose a file if what lies at and below the key went.
    pub fn of_files(&self, conn: &mut Conn, key: &str) -> Result<BTreeSet<VersionName>> {
        let touches = |place: &str| is_within(place, key) || is_within(key, place);
        let mut found: BTreeSet<VersionName> =
            self.by_place.iter().filter(|(place, _)| touches(place)).map(|(_, version)| version.clone()).collect();
        let mut roots: HashMap<String, Vec<ArtifactRoot>> = HashMap::new();
        let runs: BTreeSet<String> = self.in_runs.iter().map(|(run, ..)| run.clone()).collect();
        for root in tracking::artifact_roots(conn, &runs.into_iter().collect::<Vec<_>>())? {
            roots.entry(root.run_id.clone()).or_default().push(root);
        }
        for (run, path, version) in &self.in_runs {
            let mut places = roots.get(run).into_iter().flatten().filter_map(|root| place_in(root, path));
            if places.any(|place| touches(&place)) {
                found.insert(version.clone());
            }
        }
        Ok(found)
    }
}

/// Where `runs:/…/path` may have its files under this root: in the run's own folder, or as the model of that name.
fn place_in(root: &ArtifactRoot, path: &str) -> Option<String> {
    let key = paths::artifact_key(&root.uri)?;
    match &root.model {
        None => Some(format!("{key}/{path}")),
        Some(name) => (name == path).then_some(key),
    }
}

fn is_within(place: &str, folder: &str) -> bool {
    place.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// For `tracking`, to which boot hands it down: the versions that would lose a file with this key.
pub fn holders_of_files(conn: &mut Conn, key: &str) -> Result<Vec<VersionName>> {
    Ok(Holders::load(conn)?.of_files(conn, key)?.into_iter().collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_versions_files_are_held_from_above_from_below_and_through_its_run() {
        let mut conn = crate::db::testing::connection();
        tracking::testing::run(&mut conn, "r1");
        diesel::connection::SimpleConnection::batch_execute(
            &mut conn,
            "INSERT INTO registered_models (id, name, created_at, updated_at) VALUES (1, 'wine', 0, 0);
             INSERT INTO logged_models (model_id, experiment_id, name, model_type, source_run_id, status, created_at, updated_at)
             VALUES ('m-1', 0, 'net', '', 'r1', 2, 0, 0);
             INSERT INTO model_versions (model, version, created_at, updated_at, user_name, source, storage_location, run_id)
             VALUES (1, 1, 0, 0, 'ann', '', 'mlflow-artifacts:/0/r2/artifacts/model', 'r2'),
                    (1, 2, 0, 0, 'ann', '', 'runs:/r1/tree', 'r1'), (1, 3, 0, 0, 'ann', '', 'runs:/r1/net', 'r1'),
                    (1, 4, 0, 0, 'ann', '', 's3://elsewhere/model', NULL)",
        )
        .unwrap();
        let mut held = |key: &str| -> Vec<i64> {
            holders_of_files(&mut conn, key).unwrap().into_iter().map(|(_, number)| number).collect()
        };
        assert_eq!(held("0/r2/artifacts/model"), [1]);
        assert_eq!(held("0/r2/artifacts/model/MLmodel"), [1]);
        assert_eq!(held("0/r2"), [1]);
        assert_eq!(held("0/r2/artifacts/model2"), [0; 0]);
        assert_eq!(held("0/r2/artifacts/plots/loss.png"), [0; 0]);
        assert_eq!(held("0/r1/artifacts/tree/model.pkl"), [2]);
        assert_eq!(held("0/models/m-1/artifacts/model.pkl"), [3]);
        assert_eq!(held("0/r1/artifacts/plots"), [0; 0]);
        assert_eq!(held("0"), [1, 2, 3]);
    }
}
