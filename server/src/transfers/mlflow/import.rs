//! The import's course: experiments, then the runs of each in batches, then logged models, then the registry.

use std::collections::HashMap;

use drydock_wire::import::{
    ForeignFile, ForeignLoggedModel, ForeignModel, ForeignRun, ForeignSeries, ForeignState, ForeignVersion,
    ImportAnswer, ImportExperiment, ImportFiles, ImportLoggedModels, ImportModel, ImportOutcome, ImportRuns,
    ImportStates, ImportedExperiment, ImportedModel,
};
use futures_util::{StreamExt, stream};
use reqwest::{Body, Method};
use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt;
use tokio_util::io::ReaderStream;

use super::{
    api::Api,
    digest,
    report::{Kind, Report},
    source::{File, Place, Source, Whole},
};
use crate::error::{Error, Result};

/// Runs that are read and sent together.
const BATCH: usize = 50;
/// Points in one request: about 3 MiB of JSON.
const POINTS: usize = 50_000;
/// Artifacts under way at once.
const UPLOADS: usize = 8;
const READ_BYTES: usize = 256 * 1024;

/// What is to be imported, and how.
pub struct Wish {
    /// As the person named the source.
    pub source: String,
    pub suffix: String,
    pub into: Option<String>,
    /// Names; all when empty.
    pub experiments: Vec<String>,
}

/// One import under way.
pub struct Import<'a> {
    source: &'a Source,
    inbox: Api,
    wish: Wish,
    pub report: Report,
    /// Artifact folder of each run and logged model, for versions that name a place.
    roots: HashMap<String, String>,
}

/// Outcome by id, of those that were taken in or were here.
type Outcomes = HashMap<String, ImportOutcome>;

impl<'a> Import<'a> {
    pub fn new(source: &'a Source, inbox: Api, wish: Wish) -> Self {
        Self { source, inbox, wish, report: Report::default(), roots: HashMap::new() }
    }

    /// # Errors
    /// When the box or the source went away; what is here stays, and the next import goes on.
    pub async fn run(&mut self) -> Result<()> {
        let (experiments, unread) = self.source.experiments().await?;
        self.report.unread(Kind::Experiments, unread);
        let wanted = self.wish.experiments.clone();
        for experiment in experiments.into_iter().filter(|it| wanted.is_empty() || wanted.contains(&it.name)) {
            let (id, name, tags) = (experiment.id.clone(), experiment.name.clone(), experiment.tags.len());
            let ids = self.source.run_ids(&id).await?;
            if self.is_empty_default(&id, &name, &ids).await? {
                self.report.count(Kind::Experiments, ImportOutcome::Already, 1);
                continue;
            }
            let ask = ImportExperiment {
                source: self.wish.source.clone(),
                experiment,
                suffix: self.wish.suffix.clone(),
                into: self.wish.into.clone(),
            };
            let placed: ImportedExperiment = match self.inbox.post("api/v1/import/mlflow/experiment", &ask).await {
                Ok(placed) => placed,
                Err(error) if is_lost(&error) => return Err(error),
                Err(error) => {
                    self.report.refuse(Kind::Experiments, &format!("experiment {name}"), &error.message);
                    continue;
                }
            };
            self.report.count(Kind::Experiments, placed.outcome, 1);
            self.report.count(Kind::Tags, placed.outcome, tags);
            if placed.name != name && placed.outcome == ImportOutcome::Imported {
                self.report.note(format!("the experiment {name} is {} here: another one had its name", placed.name));
            }
            self.runs_of(&id, &name, &placed, ids).await?;
            self.logged_models_of(&id, &placed).await?;
        }
        self.models().await
    }

    /// Every MLflow has a "Default" that may never have been used.
    async fn is_empty_default(&self, id: &str, name: &str, runs: &[String]) -> Result<bool> {
        if id != "0" || name != "Default" || !runs.is_empty() {
            return Ok(false);
        }
        let models = self.source.logged_models(id).await?;
        Ok(models.things.is_empty() && models.unread.is_empty())
    }

    async fn runs_of(&mut self, id: &str, name: &str, placed: &ImportedExperiment, ids: Vec<String>) -> Result<()> {
        let total = ids.len();
        for (number, some) in ids.chunks(BATCH).enumerate() {
            let batch = self.source.runs(id, some.to_vec()).await?;
            self.report.unread(Kind::Runs, batch.unread);
            let mut runs = batch.things;
            for run in &mut runs {
                run.thing.experiment_id.clone_from(&placed.id);
                self.roots.insert(run.thing.id.clone(), format!("{}/{}/artifacts", placed.artifact_root, run.thing.id));
            }
            self.take_runs(runs).await?;
            let done = (number * BATCH + some.len()).min(total);
            self.report.progress(&format!("{name}: {done} of {total} runs"));
        }
        Ok(())
    }

    async fn take_runs(&mut self, mut runs: Vec<Whole<ForeignRun>>) -> Result<()> {
        let states: Vec<ForeignState> =
            runs.iter().map(|run| digest::state("run", &run.thing.id, run.thing.started_at, run)).collect();
        let known = self.known(&states).await?;
        let fresh: Vec<ForeignRun> =
            runs.iter().filter(|run| !known.contains(&run.thing.id)).map(|run| run.thing.clone()).collect();
        let outcomes = self.send_runs(fresh).await?;
        let mut whole = Vec::new();
        for (run, state) in runs.iter_mut().zip(states) {
            let outcome = if known.contains(&run.thing.id) {
                ImportOutcome::Already
            } else {
                let Some(outcome) = outcomes.get(&run.thing.id) else { continue };
                *outcome
            };
            let thing = &run.thing;
            let points = thing.metrics.iter().map(|series| series.steps.len()).sum();
            self.report.count(Kind::Runs, outcome, 1);
            self.report.count(Kind::Params, outcome, thing.params.len());
            self.report.count(Kind::Tags, outcome, thing.tags.len());
            self.report.count(Kind::Points, outcome, points);
            let root = self.roots.get(&thing.id).cloned().unwrap_or_default();
            let files = std::mem::take(&mut run.files);
            let all = self.files(&format!("run {}", thing.id), &root, files, outcome).await?;
            self.report.unread(Kind::Artifacts, std::mem::take(&mut run.unread));
            if all && outcome != ImportOutcome::Already {
                whole.push(state);
            }
        }
        self.done(whole).await
    }

    async fn known(&self, states: &[ForeignState]) -> Result<Vec<String>> {
        let ask = ImportStates { source: self.wish.source.clone(), states: states.to_vec() };
        self.inbox.post("api/v1/import/mlflow/known", &ask).await
    }

    async fn done(&self, states: Vec<ForeignState>) -> Result<()> {
        if states.is_empty() {
            return Ok(());
        }
        self.inbox.tell("api/v1/import/mlflow/done", &ImportStates { source: self.wish.source.clone(), states }).await
    }

    async fn send_runs(&mut self, runs: Vec<ForeignRun>) -> Result<Outcomes> {
        let mut outcomes = Outcomes::new();
        for runs in portions(runs) {
            let ask = ImportRuns { source: self.wish.source.clone(), runs };
            let answers: Vec<ImportAnswer> = self.inbox.post("api/v1/import/mlflow/runs", &ask).await?;
            self.note_answers(Kind::Runs, "run", answers, &mut outcomes);
        }
        Ok(outcomes)
    }

    fn note_answers(&mut self, kind: Kind, word: &str, answers: Vec<ImportAnswer>, outcomes: &mut Outcomes) {
        for answer in answers {
            match (answer.outcome, answer.refused) {
                // Of a long run's parts the first one tells.
                (Some(outcome), _) => drop(outcomes.entry(answer.id).or_insert(outcome)),
                (None, why) => self.report.refuse(kind, &format!("{word} {}", answer.id), &why.unwrap_or_default()),
            }
        }
    }

    async fn logged_models_of(&mut self, id: &str, placed: &ImportedExperiment) -> Result<()> {
        let batch = self.source.logged_models(id).await?;
        self.report.unread(Kind::LoggedModels, batch.unread);
        let mut models = batch.things;
        for model in &mut models {
            let thing = &mut model.thing;
            thing.experiment_id.clone_from(&placed.id);
            self.roots.insert(thing.id.clone(), format!("{}/models/{}/artifacts", placed.artifact_root, thing.id));
        }
        while !models.is_empty() {
            let rest = models.split_off(models.len().min(BATCH));
            self.take_logged_models(models).await?;
            models = rest;
        }
        Ok(())
    }

    async fn take_logged_models(&mut self, mut models: Vec<Whole<ForeignLoggedModel>>) -> Result<()> {
        let states: Vec<ForeignState> = models
            .iter()
            .map(|model| digest::state("logged_model", &model.thing.id, model.thing.created_at, model))
            .collect();
        let known = self.known(&states).await?;
        let fresh: Vec<ForeignLoggedModel> =
            models.iter().filter(|it| !known.contains(&it.thing.id)).map(|it| it.thing.clone()).collect();
        let mut outcomes = Outcomes::new();
        if !fresh.is_empty() {
            let ask = ImportLoggedModels { source: self.wish.source.clone(), models: fresh };
            let answers: Vec<ImportAnswer> = self.inbox.post("api/v1/import/mlflow/logged-models", &ask).await?;
            self.note_answers(Kind::LoggedModels, "logged model", answers, &mut outcomes);
        }
        let mut whole = Vec::new();
        for (model, state) in models.iter_mut().zip(states) {
            let outcome = if known.contains(&model.thing.id) {
                ImportOutcome::Already
            } else {
                let Some(outcome) = outcomes.get(&model.thing.id) else { continue };
                *outcome
            };
            self.report.count(Kind::LoggedModels, outcome, 1);
            let root = self.roots.get(&model.thing.id).cloned().unwrap_or_default();
            let files = std::mem::take(&mut model.files);
            let all = self.files(&format!("logged model {}", model.thing.id), &root, files, outcome).await?;
            self.report.unread(Kind::Artifacts, std::mem::take(&mut model.unread));
            if all && outcome != ImportOutcome::Already {
                whole.push(state);
            }
        }
        self.done(whole).await
    }

    /// Brings the files that are not on the box. Whether all of them are there now.
    async fn files(&mut self, of: &str, root: &str, files: Vec<File>, outcome: ImportOutcome) -> Result<bool> {
        if outcome == ImportOutcome::Already {
            for file in &files {
                self.report.file(outcome, file.size_bytes);
            }
            return Ok(true);
        }
        let there = self.files_there(root, &files).await?;
        let mut all = true;
        let (absent, present): (Vec<File>, Vec<File>) =
            files.into_iter().partition(|file| !there.contains(&format!("{root}/{}", file.path)));
        for file in present {
            self.report.file(ImportOutcome::Already, file.size_bytes);
        }
        let (source, inbox) = (self.source, self.inbox.clone());
        let uploads = absent.into_iter().map(|file| {
            let (inbox, key) = (inbox.clone(), format!("{root}/{}", file.path));
            async move { (upload(source, &inbox, &key, &file).await, file) }
        });
        let mut uploads = stream::iter(uploads).buffer_unordered(UPLOADS);
        while let Some((sent, file)) = uploads.next().await {
            match sent {
                Ok(()) => self.report.file(ImportOutcome::Imported, file.size_bytes),
                Err(error) if is_lost(&error) => return Err(error),
                Err(error) => {
                    all = false;
                    self.report.refuse(Kind::Artifacts, &format!("{of}, artifact {}", file.path), &error.message);
                }
            }
        }
        Ok(all)
    }

    /// Keys of those that are on the box with the same bytes. Files of a server would have to be fetched to know.
    async fn files_there(&self, root: &str, files: &[File]) -> Result<Vec<String>> {
        let mut asked = Vec::new();
        for file in files {
            if let Place::Disk(path) = &file.at
                && let Ok(digest) = sha256(path).await
            {
                asked.push(ForeignFile { key: format!("{root}/{}", file.path), digest });
            }
        }
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        self.inbox.post("api/v1/import/mlflow/files", &ImportFiles { files: asked }).await
    }

    async fn models(&mut self) -> Result<()> {
        if !self.wish.experiments.is_empty() {
            return Ok(());
        }
        let (models, unread) = self.source.models().await?;
        self.report.unread(Kind::Models, unread);
        for mut model in models {
            model.versions.iter_mut().for_each(|version| self.place(version));
            self.model(model).await?;
        }
        Ok(())
    }

    async fn model(&mut self, model: ForeignModel) -> Result<()> {
        let (name, tags) = (model.name.clone(), model.tags.len());
        let (versions, aliases) = (model.versions.len(), model.aliases.len());
        let ask = ImportModel { source: self.wish.source.clone(), model, suffix: self.wish.suffix.clone() };
        let taken: ImportedModel = match self.inbox.post("api/v1/import/mlflow/model", &ask).await {
            Ok(taken) => taken,
            Err(error) if is_lost(&error) => return Err(error),
            Err(error) => {
                self.report.refuse(Kind::Models, &format!("model {name}"), &error.message);
                return Ok(());
            }
        };
        self.report.count(Kind::Models, taken.outcome, 1);
        self.report.count(Kind::Tags, taken.outcome, tags);
        for (kind, all, new) in [(Kind::Versions, versions, taken.versions), (Kind::Aliases, aliases, taken.aliases)] {
            let new = usize::try_from(new).unwrap_or(0);
            self.report.count(kind, ImportOutcome::Imported, new);
            self.report.count(kind, ImportOutcome::Already, all.saturating_sub(new));
        }
        if taken.name != name && taken.outcome == ImportOutcome::Imported {
            self.report.note(format!("the model {name} is {} here: another one had its name", taken.name));
        }
        Ok(())
    }

    /// A version that names a place there gets the place of those files here.
    fn place(&self, version: &mut ForeignVersion) {
        let moved = moved_place(&version.storage_location, &self.roots);
        if let Some(place) = moved {
            version.storage_location = place;
        }
        if let Some(place) = moved_place(&version.source, &self.roots) {
            version.source = place;
        }
    }
}

/// Where a place below a run's or logged model's artifacts is on the box; `None` for what is no such place.
fn moved_place(place: &str, roots: &HashMap<String, String>) -> Option<String> {
    if place.starts_with("runs:") || place.starts_with("models:") {
        return None;
    }
    let parts: Vec<&str> = place.split('/').collect();
    let at = parts.iter().position(|part| roots.contains_key(*part))?;
    if parts.get(at + 1) != Some(&"artifacts") {
        return None;
    }
    let rest = parts[at + 2..].iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join("/");
    let root = roots.get(parts[at])?;
    Some(if rest.is_empty() { format!("mlflow-artifacts:/{root}") } else { format!("mlflow-artifacts:/{root}/{rest}") })
}

/// Requests of at most `POINTS` points and `BATCH` runs; a longer history becomes several parts of its run.
fn portions(runs: Vec<ForeignRun>) -> Vec<Vec<ForeignRun>> {
    let mut all: Vec<Vec<ForeignRun>> = Vec::new();
    let mut room = 0;
    for run in runs.into_iter().flat_map(parts) {
        let points = run.metrics.iter().map(|series| series.steps.len()).sum::<usize>().max(1);
        if all.last().is_none_or(|last| last.len() >= BATCH) || points > room {
            all.push(Vec::new());
            room = POINTS;
        }
        room = room.saturating_sub(points);
        if let Some(last) = all.last_mut() {
            last.push(run);
        }
    }
    all
}

fn parts(mut run: ForeignRun) -> Vec<ForeignRun> {
    let metrics = std::mem::take(&mut run.metrics);
    let mut parts = vec![ForeignRun { metrics: Vec::new(), ..run.clone() }];
    let mut room = POINTS;
    for series in metrics {
        let mut from = 0;
        loop {
            let to = (from + room).min(series.steps.len());
            if let Some(part) = parts.last_mut() {
                part.metrics.push(ForeignSeries {
                    key: series.key.clone(),
                    steps: series.steps[from..to].to_vec(),
                    at: series.at[from..to].to_vec(),
                    value_bits: series.value_bits[from..to].to_vec(),
                });
            }
            room -= to - from;
            from = to;
            if from == series.steps.len() {
                break;
            }
            parts.push(ForeignRun { metrics: Vec::new(), ..run.clone() });
            room = POINTS;
        }
        if room == 0 {
            parts.push(ForeignRun { metrics: Vec::new(), ..run.clone() });
            room = POINTS;
        }
    }
    if parts.len() > 1 && parts.last().is_some_and(|part| part.metrics.is_empty()) {
        parts.pop();
    }
    parts
}

/// Whether going on makes no sense: the server is away, or does not know the token.
pub fn is_lost(error: &Error) -> bool {
    use drydock_wire::ErrorCode::{Forbidden, InsufficientStorage, Unauthenticated, Unavailable};
    matches!(error.code, Unavailable | Unauthenticated | Forbidden | InsufficientStorage)
}

async fn sha256(path: &std::path::Path) -> std::io::Result<String> {
    let mut file = tokio::fs::File::open(path).await?;
    let mut hash = Sha256::new();
    let mut piece = vec![0; READ_BYTES];
    loop {
        match file.read(&mut piece).await? {
            0 => return Ok(hex::encode(hash.finalize())),
            read => hash.update(&piece[..read]),
        }
    }
}

/// One file, from wherever it is, to the box.
async fn upload(source: &Source, inbox: &Api, key: &str, file: &File) -> Result<()> {
    let request = inbox.request(Method::PUT, &["api/2.0/mlflow-artifacts/artifacts", key], &[])?;
    let request = match &file.at {
        Place::Disk(path) => {
            let opened = tokio::fs::File::open(path).await;
            let opened = opened.map_err(|error| Error::invalid(format!("it cannot be read: {error}")))?;
            request.body(Body::wrap_stream(ReaderStream::with_capacity(opened, READ_BYTES)))
        }
        Place::Server(path, query) => {
            let api = source.api().ok_or_else(|| Error::invalid("it is on a server, but the source is none"))?;
            let query: Vec<(&str, &str)> = query.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
            let answer = api.send(api.request(Method::GET, &[path], &query)?).await?;
            request.body(Body::wrap_stream(answer.bytes_stream()))
        }
    };
    inbox.send(request).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(points: &[usize]) -> ForeignRun {
        let series = |(number, count): (usize, &usize)| ForeignSeries {
            key: format!("m{number}"),
            steps: vec![1; *count],
            at: vec![1; *count],
            value_bits: vec![0; *count],
        };
        ForeignRun { id: "r".into(), metrics: points.iter().enumerate().map(series).collect(), ..ForeignRun::default() }
    }

    #[test]
    fn a_long_history_goes_in_parts_and_none_is_lost() {
        for points in [&[0][..], &[], &[POINTS], &[POINTS + 1, 3], &[10, POINTS * 2 + 5, 7]] {
            let parts = parts(run(points));
            let sent: usize = parts.iter().flat_map(|part| &part.metrics).map(|series| series.steps.len()).sum();
            assert_eq!(sent, points.iter().sum::<usize>());
            let largest = parts.iter().map(|part| part.metrics.iter().map(|s| s.steps.len()).sum::<usize>()).max();
            assert!(largest.unwrap_or(0) <= POINTS);
        }
    }

    #[test]
    fn requests_stay_small() {
        let portions = portions(vec![run(&[POINTS - 1]), run(&[5]), run(&[POINTS * 2])]);
        for portion in portions {
            let points: usize = portion.iter().flat_map(|run| &run.metrics).map(|series| series.steps.len()).sum();
            assert!(points <= POINTS && !portion.is_empty());
        }
    }

    #[test]
    fn places_of_artifacts_become_places_on_the_box() {
        let roots = HashMap::from([("r1".to_owned(), "7/r1/artifacts".to_owned())]);
        let at = |place: &str| moved_place(place, &roots);
        assert_eq!(
            at("/home/x/mlruns/1/r1/artifacts/model").as_deref(),
            Some("mlflow-artifacts:/7/r1/artifacts/model")
        );
        assert_eq!(at("mlflow-artifacts:/1/r1/artifacts").as_deref(), Some("mlflow-artifacts:/7/r1/artifacts"));
        assert_eq!(at("runs:/r1/model"), None);
        assert_eq!(at("s3://bucket/other"), None);
    }
}
