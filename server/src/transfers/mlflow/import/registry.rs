//! The registry, with the places of files that versions name.

use std::collections::HashMap;

use drydock_wire::import::{ForeignModel, ForeignVersion, ImportModel, ImportOutcome, ImportedModel};

use super::{super::report::Kind, Import, is_lost};
use crate::error::Result;

impl Import<'_> {
    pub(super) async fn models(&mut self) -> Result<()> {
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

#[cfg(test)]
mod tests {
    use super::*;

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
