//! The export's course: from a server to a folder as MLflow's FileStore has it.
//!
//! Always holds: a run is written beside its place and moved there when all of it is on the disk, so an export that was killed,
//! or could not fetch a file, goes on where it was, and no reader takes a part for a run; what a folder cannot have (a file below
//! another file, say) is listed in the run's own folder and named again by each export; nothing that is there is changed; no name
//! from the server becomes a path outside the folder.

mod files;
mod traces;

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
};

use drydock_wire::import::{ForeignExperiment, ForeignModel, ForeignVersion, ImportOutcome};

use super::{
    report::{Kind, Report},
    source::{Source, Unread},
    written::{self, Written},
};
use crate::error::{Error, Result};
use files::Fetched;

const BATCH: usize = 50;

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
    /// Runs and logged models that are not whole yet: a version of theirs waits for them.
    waiting: HashSet<String>,
}

fn disk(error: std::io::Error) -> Error {
    Error::unavailable(format!("The folder cannot be written: {error}."))
}

/// Whether an export may go on there: it was the first thing that this one did, or nothing was done.
fn is_experiment(dir: &Path) -> bool {
    dir.join("meta.yaml").is_file() || std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none())
}

impl<'a> Export<'a> {
    /// # Errors
    /// `conflict` when the folder has something else in it.
    pub fn new(source: &'a Source, folder: &Path, wish: Wish) -> Result<Self> {
        std::fs::create_dir_all(folder).map_err(disk)?;
        let folder = folder.canonicalize().map_err(disk)?;
        let foreign = std::fs::read_dir(&folder).map_err(disk)?.flatten().find(|entry| {
            let name = entry.file_name();
            !(is_experiment(&entry.path()) || name == "models" || name == ".trash")
        });
        if let Some(entry) = foreign {
            let name = entry.file_name().to_string_lossy().into_owned();
            return Err(Error::conflict(format!("{} has {name} in it; name an empty folder.", folder.display())));
        }
        Ok(Self { source, folder, wish, report: Report::default(), roots: HashMap::new(), waiting: HashSet::new() })
    }

    pub async fn run(&mut self) -> Result<()> {
        let (experiments, unread) = self.source.experiments().await?;
        self.report.unread(Kind::Experiments, unread);
        let wanted = self.wish.experiments.clone();
        self.report.absent(Kind::Experiments, "experiment", &wanted, experiments.iter().map(|it| it.name.as_str()));
        for experiment in experiments.into_iter().filter(|it| wanted.is_empty() || wanted.contains(&it.name)) {
            self.experiment(&experiment).await?;
        }
        let (models, unread) = self.source.models().await?;
        self.report.unread(Kind::Models, unread);
        let wanted = self.wish.models.clone();
        self.report.absent(Kind::Models, "model", &wanted, models.iter().map(|it| it.name.as_str()));
        let all = wanted.is_empty() && self.wish.experiments.is_empty();
        for model in models.into_iter().filter(|it| all || wanted.contains(&it.name)) {
            self.model(model)?;
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
        let refused = written::experiment(&dir, experiment).map_err(disk)?;
        self.report.unread(Kind::Tags, refused);
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
            self.there(Kind::Runs, &dir.join(id))?;
        }
        self.waiting.extend(absent.iter().cloned());
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
            let of = format!("run {id}");
            let mut fetched = self.files(&of, &place.join("artifacts"), run.files).await?;
            fetched.missed |= !run.unread.is_empty();
            self.report.unread(Kind::Artifacts, run.unread);
            if !self.finish((Kind::Runs, &of), (dir, &id), (Kind::Params, refused), fetched)? {
                continue;
            }
            for (kind, count) in [(Kind::Runs, 1), (Kind::Params, params), (Kind::Tags, tags), (Kind::Points, points)] {
                self.report.count(kind, ImportOutcome::Imported, count);
            }
            self.waiting.remove(&id);
            self.roots.insert(id, final_artifacts);
        }
        Ok(())
    }

    /// A thing that an earlier export brought, with what that one had to leave out.
    fn there(&mut self, kind: Kind, dir: &Path) -> Result<()> {
        self.report.count(kind, ImportOutcome::Already, 1);
        written::left_out(dir).map_err(disk)?.into_iter().for_each(|text| self.report.remind(text));
        Ok(())
    }

    /// Gives the thing its place and name if all of it came that can: whether it has them now.
    fn finish(
        &mut self,
        (kind, of): (Kind, &str),
        (dir, id): (&Path, &str),
        (parts, refused): (Kind, Vec<Unread>),
        fetched: Fetched,
    ) -> Result<bool> {
        if fetched.missed {
            self.report.refuse(kind, of, "not all of it came; the next export tries again");
            return Ok(false);
        }
        let never: Vec<Unread> = refused.iter().chain(&fetched.never).cloned().collect();
        written::finish(dir, id, &never).map_err(disk)?;
        self.report.unread(parts, refused);
        self.report.unread(Kind::Artifacts, fetched.never);
        Ok(true)
    }

    async fn logged_models(&mut self, experiment: &str, dir: &Path) -> Result<()> {
        let batch = self.source.logged_models(experiment).await?;
        self.report.unread(Kind::LoggedModels, batch.unread);
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
                self.there(Kind::LoggedModels, &dir.join(&id))?;
                continue;
            }
            let place = written::begin(&dir, &id).map_err(disk)?;
            let refused = written::logged_model(&place, experiment, &model.thing, &artifacts).map_err(disk)?;
            let of = format!("logged model {id}");
            let mut fetched = self.files(&of, &place.join("artifacts"), model.files).await?;
            fetched.missed |= !model.unread.is_empty();
            self.report.unread(Kind::Artifacts, model.unread);
            if self.finish((Kind::LoggedModels, &of), (&dir, &id), (Kind::Params, refused), fetched)? {
                self.report.count(Kind::LoggedModels, ImportOutcome::Imported, 1);
            } else {
                self.waiting.insert(id);
            }
        }
        Ok(())
    }

    fn model(&mut self, mut model: ForeignModel) -> Result<()> {
        let of = format!("model {}", model.name);
        if !written::is_plain(&model.name) {
            self.report.refuse(Kind::Models, &of, "its name is no name of a folder");
            return Ok(());
        }
        let dir = self.folder.join("models").join(&model.name);
        let (versions, aliases, tags) = (model.versions.len(), model.aliases.len(), model.tags.len());
        let outcome = if dir.join("meta.yaml").is_file() {
            written::left_out(&dir).map_err(disk)?.into_iter().for_each(|text| self.report.remind(text));
            ImportOutcome::Already
        } else if let Some(version) = model.versions.iter().find(|version| self.waits(version)) {
            let why = format!("the files of its version {} did not come; the next export tries again", version.version);
            self.report.refuse(Kind::Models, &of, &why);
            return Ok(());
        } else {
            model.versions.iter_mut().for_each(|version| self.place(version));
            let refused = written::model(&dir, &model).map_err(disk)?;
            self.report.unread(Kind::Tags, refused);
            ImportOutcome::Imported
        };
        for (kind, count) in
            [(Kind::Models, 1), (Kind::Versions, versions), (Kind::Aliases, aliases), (Kind::Tags, tags)]
        {
            self.report.count(kind, outcome, count);
        }
        Ok(())
    }

    /// Whether the version is of a run or logged model that is not whole yet.
    fn waits(&self, version: &ForeignVersion) -> bool {
        let named = [&version.run_id, &version.model_id].into_iter().flatten();
        named.map(String::as_str).chain(version.storage_location.split('/')).any(|part| self.waiting.contains(part))
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
}
