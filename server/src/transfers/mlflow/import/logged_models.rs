//! Logged models.

use drydock_wire::import::{ForeignLoggedModel, ImportLoggedModels, ImportedExperiment};

use super::{super::report::Kind, BATCH, Import, course::Foreign};
use crate::error::Result;

impl Foreign for ForeignLoggedModel {
    const KIND: Kind = Kind::LoggedModels;
    const WORD: &'static str = "logged model";
    const STATE: &'static str = "logged_model";
    const PATH: &'static str = "api/v1/import/mlflow/logged-models";
    const PARTS: Kind = Kind::Artifacts;
    type Ask = ImportLoggedModels;

    fn id(&self) -> &str {
        &self.id
    }

    fn made_at(&self) -> i64 {
        self.created_at
    }

    fn portions(all: Vec<Self>) -> Vec<Vec<Self>> {
        vec![all]
    }

    fn ask(source: String, models: Vec<Self>) -> ImportLoggedModels {
        ImportLoggedModels { source, models }
    }

    fn counts(&self) -> Vec<(Kind, usize)> {
        vec![(Kind::LoggedModels, 1)]
    }
}

impl Import<'_> {
    pub(super) async fn logged_models_of(&mut self, id: &str, placed: &ImportedExperiment) -> Result<()> {
        let batch = self.source.logged_models(id).await?;
        self.report.unread(Kind::LoggedModels, batch.unread);
        let root = |id: &str| format!("{}/models/{id}/artifacts", placed.artifact_root);
        let mut models = batch.things;
        for model in &mut models {
            model.thing.experiment_id.clone_from(&placed.id);
            self.roots.insert(model.thing.id.clone(), root(&model.thing.id));
        }
        while !models.is_empty() {
            let rest = models.split_off(models.len().min(BATCH));
            self.take(models, root).await?;
            models = rest;
        }
        Ok(())
    }
}
