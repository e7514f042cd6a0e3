//! The export's course: from a server to a folder as MLflow's FileStore has it.
//!
//! Always holds: a run is written beside its place and moved there when all of it is on the disk, so a killed export goes on
//! where it was; nothing that is there is changed; no name from the server becomes a path outside the folder.

mod traces;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use drydock_wire::import::{ForeignExperiment, ForeignModel, ForeignVersion, ImportOutcome};
use futures_util::{StreamExt, stream};
use reqwest::Method;
use tokio::io::AsyncWriteExt;

use super::{
    import::is_lost,
    report::{Kind, Report},
    source::{File, Place, Source},
    written::{self, Written},
};
use crate::error::{Error, Result};

const BATCH: usize = 50;
const DOWNLOADS: usize = 8;

/// What is to be exported.
pub struct Wish {
    /// Names; all when empty.
    pub experiments: Vec<String>,
    pub models: Vec<String>,
}

/// One export under way.
pub struct Export<'a> {
    source: &'a Source,
    folder: PathBuf,
    wish: Wish,
    pub report: Report,
    /// Artifact folder of each run and logged model, for versions that name a place.
    roots: HashMap<String, PathBuf>,
}

fn disk(error: std::io::Error) -> Error {
    Error::unavailable(format!("The folder cannot be written: {error}."))
}

impl<'a> Export<'a> {
    /// # Errors
    /// `conflict` when the folder has something else in it.
    pub fn new(source: &'a Source, folder: &Path, wish: Wish) -> Result<Self> {
        std::fs::create_dir_all(folder).map_err(disk)?;
        let folder = folder.canonicalize().map_err(disk)?;
        let foreign = std::fs::read_dir(&folder).map_err(disk)?.flatten().find(|entry| {
            let name = entry.file_name();
            !(entry.path().join("meta.yaml").is_file() || name == "models" || name == ".trash")
        });
        if let Some(entry) = foreign {
            let name = entry.file_name().to_string_lossy().into_owned();
            return Err(Error::conflict(format!("{} has {name} in it; name an empty folder.", folder.display())));
        }
        Ok(Self { source, folder, wish, report: Report::default(), roots: HashMap::new() })
    }

    pub async fn run(&mut self) -> Result<()> {
        let (experiments, _) = self.source.experiments().await?;
        let wanted = self.wish.experiments.clone();
        self.report.absent(Kind::Experiments, "experiment", &wanted, experiments.iter().map(|it| it.name.as_str()));
        for experiment in experiments.into_iter().filter(|it| wanted.is_empty() || wanted.contains(&it.name)) {
            self.experiment(&experiment).await?;
        }
        let (models, _) = self.source.models().await?;
        let wanted = self.wish.models.clone();
        self.report.absent(Kind::Models, "model", &wanted, models.iter().map(|it| it.name.as_str()));
        let all = wanted.is_empty() && self.wish.experiments.is_empty();
        for model in models.into_iter().filter(|it| all || wanted.contains(&it.name)) {
            self.model(model);
        }
        Ok(())
    }

    async fn experiment(&mut self, experiment: &ForeignExperiment) -> Result<()> {
        if !written::is_plain(&experiment.id) {
            self.report.refuse(Kind::Experiments, &experiment.name, "its id is no name of a folder");
            return Ok(());
        }
        let parent = if experiment.deleted { self.folder.join(".trash") } else { self.folder.clone() };
        let dir = parent.join(&experiment.id);
        let outcome = if dir.is_dir() { ImportOutcome::Already } else { ImportOutcome::Imported };
        written::experiment(&dir, experiment).map_err(disk)?;
        self.report.count(Kind::Experiments, outcome, 1);
        self.report.count(Kind::Tags, outcome, experiment.tags.len());
        let ids = self.source.run_ids(&experiment.id).await?;
        let total = ids.len();
        for (number, some) in ids.chunks(BATCH).enumerate() {
            self.runs(&experiment.id, &dir, some).await?;
            let done = (number * BATCH + some.len()).min(total);
            self.report.progress(&format!("{}: {done} of {total} runs", experiment.name));
        }
        self.logged_models(&experiment.id, &dir).await?;
        self.traces(&experiment.id, &dir).await
    }

    async fn runs(&mut self, experiment: &str, dir: &Path, ids: &[String]) -> Result<()> {
        let (there, absent): (Vec<String>, Vec<String>) =
            ids.iter().cloned().partition(|id| written::is_plain(id) && dir.join(id).is_dir());
        for id in &there {
            self.roots.insert(id.clone(), dir.join(id).join("artifacts"));
        }
        self.report.count(Kind::Runs, ImportOutcome::Already, there.len());
        let batch = self.source.runs(experiment, absent).await?;
        self.report.unread(Kind::Runs, batch.unread);
        for run in batch.things {
            let id = run.thing.id.clone();
            if !written::is_plain(&id) {
                self.report.refuse(Kind::Runs, &format!("run {id}"), "its id is no name of a folder");
                continue;
            }
            let place = written::begin(dir, &id).map_err(disk)?;
            let final_artifacts = dir.join(&id).join("artifacts");
            let Written { params, tags, points, refused } =
                written::run(&place, experiment, dir, &run.thing, &final_artifacts).map_err(disk)?;
            for (kind, count) in [(Kind::Runs, 1), (Kind::Params, params), (Kind::Tags, tags), (Kind::Points, points)] {
                self.report.count(kind, ImportOutcome::Imported, count);
            }
            self.report.unread(Kind::Params, refused);
            self.report.unread(Kind::Artifacts, run.unread);
            self.files(&format!("run {id}"), &place.join("artifacts"), run.files).await?;
            written::finish(dir, &id).map_err(disk)?;
            self.roots.insert(id, final_artifacts);
        }
        Ok(())
    }

    async fn logged_models(&mut self, experiment: &str, dir: &Path) -> Result<()> {
        let batch = self.source.logged_models(experiment).await?;
        let dir = dir.join("models");
        for model in batch.things {
            let id = model.thing.id.clone();
            let artifacts = dir.join(&id).join("artifacts");
            if !written::is_plain(&id) {
                self.report.refuse(Kind::LoggedModels, &format!("logged model {id}"), "its id is no name of a folder");
                continue;
            }
            self.roots.insert(id.clone(), artifacts.clone());
            if dir.join(&id).is_dir() {
                self.report.count(Kind::LoggedModels, ImportOutcome::Already, 1);
                continue;
            }
            let place = written::begin(&dir, &id).map_err(disk)?;
            let refused = written::logged_model(&place, experiment, &model.thing, &artifacts).map_err(disk)?;
            self.report.unread(Kind::Params, refused);
            self.report.unread(Kind::Artifacts, model.unread);
            self.files(&format!("logged model {id}"), &place.join("artifacts"), model.files).await?;
            written::finish(&dir, &id).map_err(disk)?;
            self.report.count(Kind::LoggedModels, ImportOutcome::Imported, 1);
        }
        Ok(())
    }

    fn model(&mut self, mut model: ForeignModel) {
        if !written::is_plain(&model.name) {
            let why = "its name is no name of a folder";
            return self.report.refuse(Kind::Models, &format!("model {}", model.name), why);
        }
        let dir = self.folder.join("models").join(&model.name);
        let outcome = if dir.is_dir() { ImportOutcome::Already } else { ImportOutcome::Imported };
        model.versions.iter_mut().for_each(|version| self.place(version));
        let (versions, aliases, tags) = (model.versions.len(), model.aliases.len(), model.tags.len());
        let wrote = if outcome == ImportOutcome::Already { Ok(()) } else { written::model(&dir, &model) };
        if let Err(error) = wrote {
            return self.report.refuse(Kind::Models, &format!("model {}", model.name), &error.to_string());
        }
        for (kind, count) in
            [(Kind::Models, 1), (Kind::Versions, versions), (Kind::Aliases, aliases), (Kind::Tags, tags)]
        {
            self.report.count(kind, outcome, count);
        }
    }

    /// The files' place in the folder.
    fn place(&self, version: &mut ForeignVersion) {
        let named = version.source.strip_prefix("models:/").and_then(|id| self.roots.get(id));
        if let Some(root) = named {
            version.storage_location = root.display().to_string();
            return;
        }
        let parts: Vec<&str> = version.storage_location.split('/').collect();
        let at = parts.iter().position(|part| self.roots.contains_key(*part));
        if let Some(at) = at.filter(|at| parts.get(at + 1) == Some(&"artifacts"))
            && version.storage_location.starts_with("mlflow-artifacts:")
            && let Some(root) = self.roots.get(parts[at])
        {
            version.storage_location = root.join(parts[at + 2..].join("/")).display().to_string();
            version.source.clone_from(&version.storage_location);
        }
    }

    async fn files(&mut self, of: &str, root: &Path, files: Vec<File>) -> Result<()> {
        std::fs::create_dir_all(root).map_err(disk)?;
        let source = self.source;
        let downloads = files.into_iter().map(|file| {
            let root = root.to_owned();
            async move { (download(source, &root, &file).await, file) }
        });
        let mut downloads = stream::iter(downloads).buffer_unordered(DOWNLOADS);
        while let Some((wrote, file)) = downloads.next().await {
            match wrote {
                Ok(()) => self.report.file(ImportOutcome::Imported, file.size_bytes),
                Err(error) if is_lost(&error) => return Err(error),
                Err(error) => {
                    self.report.refuse(Kind::Artifacts, &format!("{of}, artifact {}", file.path), &error.message);
                }
            }
        }
        Ok(())
    }
}

async fn download(source: &Source, root: &Path, file: &File) -> Result<()> {
    drydock_wire::validate::relative_path(&file.path).map_err(Error::invalid)?;
    let (Place::Server(path, query), Some(api)) = (&file.at, source.api()) else {
        return Err(Error::invalid("it is not on a server"));
    };
    let query: Vec<(&str, &str)> = query.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let answer = api.send(api.request(Method::GET, &[path], &query)?).await?;
    let to = root.join(&file.path);
    if let Some(parent) = to.parent() {
        tokio::fs::create_dir_all(parent).await.map_err(disk)?;
    }
    let mut out = tokio::fs::File::create(&to).await.map_err(disk)?;
    let mut body = answer.bytes_stream();
    while let Some(piece) = body.next().await {
        out.write_all(&piece.map_err(|error| api.unreachable(&error))?).await.map_err(disk)?;
    }
    out.sync_all().await.map_err(disk)
}
