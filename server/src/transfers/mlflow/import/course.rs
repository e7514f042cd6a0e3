//! The course that runs, logged models and traces share: ask which the box knows, send the others in portions, files after
//! rows, then say which are wholly there.
//!
//! Always holds: a thing of which any part was refused is not called whole, so the next import tries it again; a request that is
//! refused as a whole takes its things with it and nothing else.

use std::collections::hash_map::Entry;

use drydock_wire::import::{ForeignState, ImportAnswer, ImportOutcome, ImportStates};
use serde::Serialize;

use super::{
    super::{digest, report::Kind, source::Whole},
    Import, Outcomes, is_lost,
};
use crate::error::Result;

/// A thing that is sent with others of its kind.
pub(super) trait Foreign: Clone + Serialize {
    const KIND: Kind;
    /// As people call it.
    const WORD: &'static str;
    /// As the box's note of it calls it.
    const STATE: &'static str;
    /// Where it is sent to.
    const PATH: &'static str;
    /// What its unreadable parts are counted as.
    const PARTS: Kind;
    type Ask: Serialize;

    fn id(&self) -> &str;
    fn made_at(&self) -> i64;
    /// Requests that the box takes; a large thing may be in several, a part in each.
    fn portions(all: Vec<Self>) -> Vec<Vec<Self>>;
    fn ask(source: String, some: Vec<Self>) -> Self::Ask;
    /// How many of what it is.
    fn counts(&self) -> Vec<(Kind, usize)>;
}

impl Import<'_> {
    /// Takes the things over. `root`: where a thing's files go on the box.
    pub(super) async fn take<T: Foreign>(
        &mut self,
        mut things: Vec<Whole<T>>,
        root: impl Fn(&str) -> String,
    ) -> Result<()> {
        let state = |it: &Whole<T>| digest::state(T::STATE, it.thing.id(), it.thing.made_at(), it);
        let states: Vec<ForeignState> = things.iter().map(state).collect();
        let known = self.known(&states).await?;
        let is_known = |thing: &T| known.iter().any(|id| id == thing.id());
        let fresh: Vec<T> = things.iter().filter(|it| !is_known(&it.thing)).map(|it| it.thing.clone()).collect();
        let outcomes = self.send(fresh).await?;
        let mut whole = Vec::new();
        for (it, state) in things.iter_mut().zip(states) {
            let outcome = match outcomes.get(it.thing.id()) {
                _ if is_known(&it.thing) => ImportOutcome::Already,
                Some(outcome) => *outcome,
                None => continue,
            };
            let (of, files) = (format!("{} {}", T::WORD, it.thing.id()), std::mem::take(&mut it.files));
            let (outcome, all) = self.files(&of, &root(it.thing.id()), files, outcome).await?;
            for (kind, count) in it.thing.counts() {
                self.report.count(kind, outcome, count);
            }
            self.report.unread(T::PARTS, std::mem::take(&mut it.unread));
            if all && outcome != ImportOutcome::Already {
                whole.push(state);
            }
        }
        self.done(whole).await
    }

    /// How each ended, of those of which no part was refused.
    async fn send<T: Foreign>(&mut self, things: Vec<T>) -> Result<Outcomes> {
        let (mut outcomes, mut broken) = (Outcomes::new(), Vec::new());
        if things.is_empty() {
            return Ok(outcomes);
        }
        for some in T::portions(things) {
            let ids: Vec<String> = some.iter().map(|thing| thing.id().to_owned()).collect();
            let sent: Result<Vec<ImportAnswer>> =
                self.inbox.post(T::PATH, &T::ask(self.wish.source.clone(), some)).await;
            let answers = match sent {
                Ok(answers) => answers,
                Err(error) if is_lost(&error) => return Err(error),
                Err(error) => {
                    let refused = |id| ImportAnswer {
                        id,
                        outcome: None,
                        refused: Some(error.message.clone()),
                        tags_left_alone: 0,
                    };
                    ids.into_iter().map(refused).collect()
                }
            };
            for answer in answers {
                self.note_answer::<T>(answer, &mut outcomes, &mut broken);
            }
        }
        outcomes.retain(|id, _| !broken.contains(id));
        Ok(outcomes)
    }

    fn note_answer<T: Foreign>(&mut self, answer: ImportAnswer, outcomes: &mut Outcomes, broken: &mut Vec<String>) {
        let Some(outcome) = answer.outcome else {
            let why = answer.refused.unwrap_or_default();
            self.report.refuse(T::KIND, &format!("{} {}", T::WORD, answer.id), &why);
            return broken.push(answer.id);
        };
        // Of a large thing's parts the first one tells.
        if let Entry::Vacant(first) = outcomes.entry(answer.id) {
            first.insert(outcome);
            self.report.left_alone(answer.tags_left_alone);
        }
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
}
