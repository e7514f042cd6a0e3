//! Logged models.

use drydock_wire::import::{
    ForeignLoggedModel, ForeignState, ImportAnswer, ImportLoggedModels, ImportOutcome, ImportedExperiment,
};

use super::{
    super::{digest, report::Kind, source::Whole},
    BATCH, Import, Outcomes,
};
use crate::error::Result;

impl Import<'_> {
    pub(super) async fn logged_models_of(&mut self, id: &str, placed: &ImportedExperiment) -> Result<()> {
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
            let root = self.roots.get(&model.thing.id).cloned().unwrap_or_default();
            let files = std::mem::take(&mut model.files);
            let of = format!("logged model {}", model.thing.id);
            let (outcome, all) = self.files(&of, &root, files, outcome).await?;
            self.report.count(Kind::LoggedModels, outcome, 1);
            self.report.unread(Kind::Artifacts, std::mem::take(&mut model.unread));
            if all && outcome != ImportOutcome::Already {
                whole.push(state);
            }
        }
        self.done(whole).await
    }
}
