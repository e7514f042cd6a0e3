//! The import's course: experiments, then the runs of each in batches, then logged models, traces, then the registry.

mod course;
mod files;
mod logged_models;
mod registry;
mod runs;
mod traces;

use std::collections::HashMap;

use drydock_wire::import::{ImportExperiment, ImportOutcome, ImportedExperiment};

use super::{
    api::Api,
    report::{Kind, Report},
    source::Source,
};
use crate::error::{Error, Result};

/// Things that are read and sent together.
const BATCH: usize = 50;

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
        self.report.absent(Kind::Experiments, "experiment", &wanted, experiments.iter().map(|it| it.name.as_str()));
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
            self.traces_of(&id, &name, &placed).await?;
        }
        self.models().await
    }

    /// Every MLflow has a "Default" that may never have been used.
    async fn is_empty_default(&self, id: &str, name: &str, runs: &[String]) -> Result<bool> {
        if id != "0" || name != "Default" || !runs.is_empty() {
            return Ok(false);
        }
        let models = self.source.logged_models(id).await?;
        Ok(models.things.is_empty() && models.unread.is_empty() && self.source.trace_ids(id).await?.is_empty())
    }
}

/// Whether going on makes no sense: the server is away, or does not know the token.
pub fn is_lost(error: &Error) -> bool {
    use drydock_wire::ErrorCode::{Forbidden, InsufficientStorage, Unauthenticated, Unavailable};
    matches!(error.code, Unavailable | Unauthenticated | Forbidden | InsufficientStorage)
}
