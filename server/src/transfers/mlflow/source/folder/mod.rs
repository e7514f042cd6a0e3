//! An `mlruns` folder: MLflow's FileStore and its registry below `models/`, as clients from 1.x to 3.x write it.

mod traces;

use std::{
    fs,
    path::{Path, PathBuf},
};

use drydock_wire::{
    KeyValue,
    import::{
        ForeignAlias, ForeignDataset, ForeignExperiment, ForeignLoggedModel, ForeignModel, ForeignModelMetric,
        ForeignModelUse, ForeignRun, ForeignSeries, ForeignVersion,
    },
};

use super::{Batch, File, Unread, Whole, places::Places, yaml::Meta};
use crate::error::{Error, Result};

/// Folders beside the runs of an experiment.
const NO_RUNS: [&str; 4] = ["tags", "datasets", "models", "traces"];
/// MLflow's numbers of states, 1 to 5.
const STATUSES: [&str; 5] = ["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"];

/// The folder.
#[derive(Debug, Clone)]
pub struct Folder {
    root: PathBuf,
    places: Places,
}

type Read<T> = std::result::Result<T, String>;

impl Folder {
    pub fn open(root: &Path, artifacts: &[PathBuf]) -> Result<Self> {
        let looks_right = subfolders(root).iter().any(|dir| dir.join("meta.yaml").is_file())
            || root.join("models").is_dir()
            || root.join(".trash").is_dir();
        if !looks_right {
            return Err(Error::invalid(format!(
                "{} has no experiments: name the mlruns folder itself, which has a folder with a meta.yaml per experiment.",
                root.display()
            )));
        }
        let places = Places::new(root, artifacts).map_err(|error| Error::invalid(error.to_string()))?;
        Ok(Self { root: root.to_owned(), places })
    }

    pub fn experiments(&self) -> Result<(Vec<ForeignExperiment>, Vec<Unread>)> {
        let (mut found, mut unread) = (Vec::new(), Vec::new());
        let mut dirs = subfolders(&self.root);
        dirs.extend(subfolders(&self.root.join(".trash")));
        for dir in dirs.iter().filter(|dir| !["models", ".trash"].contains(&name_of(dir))) {
            match self.experiment(dir) {
                Ok(experiment) => found.push(experiment),
                Err(why) => unread.push(Unread::new(format!("experiment {}", name_of(dir)), why)),
            }
        }
        Ok((found, unread))
    }

    fn experiment(&self, dir: &Path) -> Read<ForeignExperiment> {
        let meta = Meta::read(&dir.join("meta.yaml"))?;
        let in_trash = dir.parent().is_some_and(|parent| parent.ends_with(".trash"));
        let made = meta.integer("creation_time").or_else(|| meta.integer("last_update_time")).unwrap_or(0);
        Ok(ForeignExperiment {
            id: name_of(dir).to_owned(),
            name: meta.needed("name")?,
            created_at: made,
            updated_at: meta.integer("last_update_time").unwrap_or(made),
            deleted: meta.is_deleted() || in_trash,
            tags: self.pairs(&dir.join("tags"))?,
        })
    }

    fn dir_of(&self, experiment: &str) -> PathBuf {
        let alive = self.root.join(experiment);
        if alive.is_dir() { alive } else { self.root.join(".trash").join(experiment) }
    }

    pub fn run_ids(&self, experiment: &str) -> Result<Vec<String>> {
        let dirs = subfolders(&self.dir_of(experiment));
        Ok(dirs.iter().map(|dir| name_of(dir)).filter(|name| !NO_RUNS.contains(name)).map(str::to_owned).collect())
    }

    pub fn runs(&self, experiment: &str, ids: &[String]) -> Batch<ForeignRun> {
        let mut batch = Batch::default();
        for id in ids {
            match self.run(&self.dir_of(experiment), id) {
                Ok(run) => batch.things.push(run),
                Err(why) => batch.unread.push(Unread::new(format!("run {id}"), why)),
            }
        }
        batch
    }

    fn run(&self, experiment: &Path, id: &str) -> Read<Whole<ForeignRun>> {
        let dir = experiment.join(id);
        let meta = Meta::read(&dir.join("meta.yaml"))?;
        let named = meta.text("run_id").or_else(|| meta.text("run_uuid")).unwrap_or_default();
        if named != id {
            return Err(format!("its meta.yaml names another run, {named}"));
        }
        let status =
            meta.integer("status").and_then(|n| STATUSES.get(usize::try_from(n - 1).ok()?)).unwrap_or(&"RUNNING");
        let tags = self.pairs(&dir.join("tags"))?;
        let tagged = tags.iter().find(|tag| tag.key == "mlflow.runName").map(|tag| tag.value.clone());
        let mut unread = Vec::new();
        let run = ForeignRun {
            id: id.to_owned(),
            experiment_id: String::new(),
            name: meta.text("run_name").filter(|name| !name.is_empty()).or(tagged).unwrap_or_default(),
            user: meta.text("user_id").unwrap_or_default(),
            status: (*status).to_owned(),
            started_at: meta.integer("start_time").unwrap_or(0),
            ended_at: meta.integer("end_time"),
            deleted: meta.is_deleted(),
            params: self.pairs(&dir.join("params"))?,
            tags,
            metrics: self.metrics(&dir.join("metrics"), id, &mut unread)?,
            datasets: self.datasets(experiment, &dir.join("inputs"), id, &mut unread),
            models_in: self.model_uses(&dir.join("inputs"), "MODEL_INPUT"),
            models_out: self.model_uses(&dir.join("outputs"), "MODEL_OUTPUT"),
        };
        let uri = meta.text("artifact_uri").unwrap_or_default();
        let (files, missed) = self.artifacts(&dir.join("artifacts"), &uri, id, &format!("run {id}"));
        unread.extend(missed);
        Ok(Whole { thing: run, files, unread })
    }

    /// Files beside the metadata, or where that says they are.
    fn artifacts(&self, beside: &Path, uri: &str, id: &str, of: &str) -> (Vec<File>, Vec<Unread>) {
        if beside.is_dir() && fs::read_dir(beside).is_ok_and(|mut entries| entries.next().is_some()) {
            return match self.places.allowed(beside) {
                Ok(root) => self.places.files(&root, of),
                Err(why) => (Vec::new(), vec![Unread::new(format!("{of}, artifacts"), why)]),
            };
        }
        if beside.is_dir() && Path::new(uri.strip_prefix("file://").unwrap_or(uri)) == beside {
            return Default::default();
        }
        match self.places.root(uri, id, &self.root) {
            Ok(Some(root)) => self.places.files(&root, of),
            // Moved with the folder, or never had any.
            Ok(None) => Default::default(),
            Err(why) => (Vec::new(), vec![Unread::new(format!("{of}, artifacts"), why)]),
        }
    }

    /// A folder of files, each a value; keys with slashes are folders.
    fn pairs(&self, dir: &Path) -> Read<Vec<KeyValue>> {
        let mut found = Vec::new();
        for (key, path) in self.leaves(dir)? {
            let value = fs::read_to_string(&path).map_err(|error| format!("{key}: {error}"))?;
            found.push(KeyValue { key, value });
        }
        Ok(found)
    }

    fn leaves(&self, dir: &Path) -> Read<Vec<(String, PathBuf)>> {
        if !dir.is_dir() {
            return Ok(Vec::new());
        }
        let (files, unread) = self.places.files(&self.places.allowed(dir)?, "");
        if let Some(Unread { what, why }) = unread.into_iter().next() {
            return Err(format!("{what}: {why}"));
        }
        Ok(files
            .into_iter()
            .filter_map(|file| match file.at {
                super::Place::Disk(path) => Some((file.path, path)),
                super::Place::Server(..) => None,
            })
            .collect())
    }

    /// Lines of time, value, step and, of later versions, more.
    fn metrics(&self, dir: &Path, id: &str, unread: &mut Vec<Unread>) -> Read<Vec<ForeignSeries>> {
        let mut all = Vec::new();
        for (key, path) in self.leaves(dir)? {
            let text = fs::read_to_string(&path).map_err(|error| format!("metric {key}: {error}"))?;
            let mut series = ForeignSeries { key, ..ForeignSeries::default() };
            for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
                match point(line) {
                    Some((at, value, step, _)) => series.push(step, at, value),
                    None => unread.push(Unread::new(
                        format!("run {id}, metric {}, line {}", series.key, number + 1),
                        format!("{line:?} is no point"),
                    )),
                }
            }
            all.push(series);
        }
        Ok(all)
    }

    fn datasets(&self, experiment: &Path, inputs: &Path, id: &str, unread: &mut Vec<Unread>) -> Vec<ForeignDataset> {
        let mut found = Vec::new();
        for dir in subfolders(inputs) {
            let read = Meta::read(&dir.join("meta.yaml")).and_then(|input| {
                if input.text("source_type").as_deref() != Some("DATASET") {
                    return Ok(None);
                }
                let dataset =
                    Meta::read(&experiment.join("datasets").join(input.needed("source_id")?).join("meta.yaml"))?;
                Ok(Some(ForeignDataset {
                    name: dataset.needed("name")?,
                    digest: dataset.needed("digest")?,
                    source_type: dataset.text("source_type").unwrap_or_default(),
                    source: dataset.text("source").unwrap_or_default(),
                    schema: dataset.text("schema"),
                    profile: dataset.text("profile"),
                    tags: key_values(input.tags()),
                }))
            });
            match read {
                Ok(dataset) => found.extend(dataset),
                Err(why) => unread.push(Unread::new(format!("run {id}, input {}", name_of(&dir)), why)),
            }
        }
        found
    }

    fn model_uses(&self, dir: &Path, kind: &str) -> Vec<ForeignModelUse> {
        let metas = subfolders(dir).into_iter().filter_map(|dir| Meta::read(&dir.join("meta.yaml")).ok());
        metas
            .filter(|meta| [meta.text("destination_type"), meta.text("source_type")].contains(&Some(kind.to_owned())))
            .filter_map(|meta| {
                let ids = [meta.text("destination_id"), meta.text("source_id")];
                let model_id = ids.into_iter().flatten().find(|id| id.starts_with("m-"))?;
                Some(ForeignModelUse { model_id, step: meta.integer("step").unwrap_or(0) })
            })
            .collect()
    }

    pub fn logged_models(&self, experiment: &str) -> Batch<ForeignLoggedModel> {
        let mut batch = Batch::default();
        for dir in subfolders(&self.dir_of(experiment).join("models")) {
            match self.logged_model(&dir) {
                Ok(model) => batch.things.push(model),
                Err(why) => batch.unread.push(Unread::new(format!("logged model {}", name_of(&dir)), why)),
            }
        }
        batch
    }

    fn logged_model(&self, dir: &Path) -> Read<Whole<ForeignLoggedModel>> {
        let meta = Meta::read(&dir.join("meta.yaml"))?;
        let id = name_of(dir).to_owned();
        let mut metrics = Vec::new();
        for (key, path) in self.leaves(&dir.join("metrics"))? {
            let text = fs::read_to_string(&path).map_err(|error| format!("metric {key}: {error}"))?;
            metrics.extend(text.lines().filter_map(|line| {
                let (at, value, step, rest) = point(line)?;
                let mut rest = rest.into_iter();
                let run_id = rest.next()?;
                let (dataset_name, dataset_digest) = (rest.next(), rest.next());
                Some(ForeignModelMetric {
                    key: key.clone(),
                    step,
                    at,
                    value_bits: value.to_bits(),
                    run_id,
                    dataset_name,
                    dataset_digest,
                })
            }));
        }
        let made = meta.integer("creation_timestamp").unwrap_or(0);
        let model = ForeignLoggedModel {
            name: meta.text("name").unwrap_or_default(),
            model_type: meta.text("model_type").unwrap_or_default(),
            source_run_id: meta.text("source_run_id"),
            status: meta.integer("status").unwrap_or(2),
            created_at: made,
            updated_at: meta.integer("last_updated_timestamp").unwrap_or(made),
            deleted: meta.is_deleted(),
            params: self.pairs(&dir.join("params"))?,
            tags: self.pairs(&dir.join("tags"))?,
            experiment_id: String::new(),
            metrics,
            id,
        };
        let uri = meta.text("artifact_location").unwrap_or_default();
        let of = format!("logged model {}", model.id);
        let (files, unread) = self.artifacts(&dir.join("artifacts"), &uri, &model.id, &of);
        Ok(Whole { thing: model, files, unread })
    }

    pub fn models(&self) -> (Vec<ForeignModel>, Vec<Unread>) {
        let (mut found, mut unread) = (Vec::new(), Vec::new());
        for dir in subfolders(&self.root.join("models")) {
            match self.model(&dir, &mut unread) {
                Ok(model) => found.push(model),
                Err(why) => unread.push(Unread::new(format!("model {}", name_of(&dir)), why)),
            }
        }
        (found, unread)
    }

    fn model(&self, dir: &Path, unread: &mut Vec<Unread>) -> Read<ForeignModel> {
        let meta = Meta::read(&dir.join("meta.yaml"))?;
        let name = meta.needed("name")?;
        let made = meta.integer("creation_timestamp").unwrap_or(0);
        let mut versions = Vec::new();
        let mut last_version = 0;
        for dir in subfolders(dir).iter().filter(|dir| name_of(dir).starts_with("version-")) {
            match self.version(dir) {
                Ok(version) => {
                    last_version = last_version.max(version.version);
                    versions.push(version);
                }
                Err(why) => unread.push(Unread::new(format!("model {name}, {}", name_of(dir)), why)),
            }
        }
        // A deleted version keeps its number.
        versions.retain(|version| version.stage != super::super::DELETED_STAGE);
        versions.sort_by_key(|version| version.version);
        let aliases = self.pairs(&dir.join("aliases"))?;
        Ok(ForeignModel {
            name,
            description: meta.text("description").unwrap_or_default(),
            created_at: made,
            updated_at: meta.integer("last_updated_timestamp").unwrap_or(made),
            tags: self.pairs(&dir.join("tags"))?,
            last_version,
            versions,
            aliases: aliases
                .into_iter()
                .filter_map(|alias| Some(ForeignAlias { version: alias.value.trim().parse().ok()?, alias: alias.key }))
                .collect(),
        })
    }

    fn version(&self, dir: &Path) -> Read<ForeignVersion> {
        let meta = Meta::read(&dir.join("meta.yaml"))?;
        let made = meta.integer("creation_timestamp").unwrap_or(0);
        let source = meta.text("source").unwrap_or_default();
        Ok(ForeignVersion {
            version: meta.integer("version").ok_or("its meta.yaml has no version")?,
            created_at: made,
            updated_at: meta.integer("last_updated_timestamp").unwrap_or(made),
            user: meta.text("user_id").unwrap_or_default(),
            description: meta.text("description").unwrap_or_default(),
            storage_location: meta.text("storage_location").unwrap_or_else(|| source.clone()),
            source,
            run_id: meta.text("run_id").filter(|id| !id.is_empty()),
            run_link: meta.text("run_link").unwrap_or_default(),
            model_id: meta.text("model_id"),
            stage: meta.text("current_stage").unwrap_or_else(|| "None".into()),
            status: meta.text("status").unwrap_or_else(|| "READY".into()),
            tags: self.pairs(&dir.join("tags"))?,
        })
    }
}

/// Time, value and step of a line, and what follows; lines of old versions have no step.
fn point(line: &str) -> Option<(i64, f64, i64, Vec<String>)> {
    let mut parts = line.split_whitespace();
    let at = parts.next()?.parse().ok()?;
    let value = parts.next()?.parse().ok()?;
    let step = parts.next().map_or(Some(0), |step| step.parse().ok())?;
    Some((at, value, step, parts.map(str::to_owned).collect()))
}

fn key_values(pairs: Vec<(String, String)>) -> Vec<KeyValue> {
    pairs.into_iter().map(|(key, value)| KeyValue { key, value }).collect()
}

fn name_of(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or("")
}

/// Folders in a folder, links not followed, in name order.
fn subfolders(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> =
        entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()).collect();
    found.sort();
    found
}
