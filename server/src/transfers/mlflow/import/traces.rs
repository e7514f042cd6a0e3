//! Traces: read in batches, sent in portions of so many bytes of spans, files after rows.

use std::collections::HashMap;

use drydock_wire::import::{ForeignState, ForeignTrace, ImportAnswer, ImportOutcome, ImportTraces, ImportedExperiment};

use super::{
    super::{digest, report::Kind, source::Whole},
    BATCH, Import, Outcomes, is_lost,
};
use crate::error::Result;

/// Spans in one request. A box takes requests of 16 MiB unless its configuration says otherwise.
const SPAN_BYTES: usize = 4 << 20;

/// Runs by trace.
type Linked = HashMap<String, Vec<String>>;

impl Import<'_> {
    pub(super) async fn traces_of(&mut self, id: &str, name: &str, placed: &ImportedExperiment) -> Result<()> {
        let ids = match self.source.trace_ids(id).await {
            Ok(ids) => ids,
            Err(error) if is_lost(&error) => return Err(error),
            Err(error) => {
                self.report.refuse(Kind::Traces, &format!("traces of the experiment {name}"), &error.message);
                return Ok(());
            }
        };
        if ids.is_empty() {
            return Ok(());
        }
        let linked = self.source.trace_runs(id).await?;
        let total = ids.len();
        for (number, some) in ids.chunks(BATCH).enumerate() {
            let batch = self.source.traces(id, some.to_vec()).await?;
            self.report.unread(Kind::Traces, batch.unread);
            self.take_traces(batch.things, &linked, placed).await?;
            let done = (number * BATCH + some.len()).min(total);
            self.report.progress(&format!("{name}: {done} of {total} traces"));
        }
        Ok(())
    }

    async fn take_traces(
        &mut self,
        mut traces: Vec<Whole<ForeignTrace>>,
        linked: &Linked,
        placed: &ImportedExperiment,
    ) -> Result<()> {
        for Whole { thing, .. } in &mut traces {
            thing.experiment_id.clone_from(&placed.id);
            let more = linked.get(&thing.id).into_iter().flatten().filter(|run| !thing.runs.contains(run));
            let more: Vec<String> = more.cloned().collect();
            thing.runs.extend(more);
        }
        let states: Vec<ForeignState> =
            traces.iter().map(|trace| digest::state("trace", &trace.thing.id, trace.thing.started_at, trace)).collect();
        let known = self.known(&states).await?;
        let fresh: Vec<ForeignTrace> =
            traces.iter().filter(|it| !known.contains(&it.thing.id)).map(|it| it.thing.clone()).collect();
        let outcomes = self.send_traces(fresh).await?;
        let mut whole = Vec::new();
        for (trace, state) in traces.iter_mut().zip(states) {
            let outcome = if known.contains(&trace.thing.id) {
                ImportOutcome::Already
            } else {
                let Some(outcome) = outcomes.get(&trace.thing.id) else { continue };
                *outcome
            };
            let root = format!("{}/traces/{}/artifacts", placed.artifact_root, trace.thing.id);
            let files = std::mem::take(&mut trace.files);
            let (outcome, all) = self.files(&format!("trace {}", trace.thing.id), &root, files, outcome).await?;
            self.report.count(Kind::Traces, outcome, 1);
            self.report.count(Kind::Spans, outcome, trace.thing.spans.len());
            self.report.count(Kind::Assessments, outcome, trace.thing.assessments.len());
            self.report.unread(Kind::Traces, std::mem::take(&mut trace.unread));
            if all && outcome != ImportOutcome::Already {
                whole.push(state);
            }
        }
        self.done(whole).await
    }

    /// A request that is refused as a whole, because a span is too large say, takes its traces with it and nothing else.
    async fn send_traces(&mut self, traces: Vec<ForeignTrace>) -> Result<Outcomes> {
        let mut outcomes = Outcomes::new();
        let mut broken = Vec::new();
        for traces in portions(traces) {
            let ids: Vec<String> = traces.iter().map(|trace| trace.id.clone()).collect();
            let ask = ImportTraces { source: self.wish.source.clone(), traces };
            let sent: Result<Vec<ImportAnswer>> = self.inbox.post("api/v1/import/mlflow/traces", &ask).await;
            let answers = match sent {
                Ok(answers) => answers,
                Err(error) if is_lost(&error) => return Err(error),
                Err(error) => {
                    let refused = Some(error.message);
                    ids.into_iter()
                        .map(|id| ImportAnswer { id, outcome: None, refused: refused.clone(), tags_left_alone: 0 })
                        .collect()
                }
            };
            broken.extend(answers.iter().filter(|answer| answer.outcome.is_none()).map(|answer| answer.id.clone()));
            self.note_answers(Kind::Traces, "trace", answers, &mut outcomes);
        }
        // One part of a trace that is missing is enough for it not to be whole.
        outcomes.retain(|id, _| !broken.contains(id));
        Ok(outcomes)
    }
}

/// Requests of at most so many bytes of spans, or of one span that is larger; a large trace becomes several parts.
fn portions(traces: Vec<ForeignTrace>) -> Vec<Vec<ForeignTrace>> {
    let mut all: Vec<Vec<ForeignTrace>> = Vec::new();
    let mut room = 0;
    for trace in traces.into_iter().flat_map(parts) {
        let bytes = trace.spans.iter().map(String::len).sum::<usize>().max(1);
        if all.is_empty() || bytes > room {
            all.push(Vec::new());
            room = SPAN_BYTES;
        }
        room = room.saturating_sub(bytes);
        if let Some(last) = all.last_mut() {
            last.push(trace);
        }
    }
    all
}

fn parts(mut trace: ForeignTrace) -> Vec<ForeignTrace> {
    let spans = std::mem::take(&mut trace.spans);
    let mut parts = vec![trace.clone()];
    let mut room = SPAN_BYTES;
    for span in spans {
        let is_empty = parts.last().is_some_and(|part| part.spans.is_empty());
        if span.len() > room && !is_empty {
            parts.push(trace.clone());
            room = SPAN_BYTES;
        }
        room = room.saturating_sub(span.len());
        if let Some(part) = parts.last_mut() {
            part.spans.push(span);
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(sizes: &[usize]) -> ForeignTrace {
        ForeignTrace {
            id: "t".into(),
            spans: sizes.iter().map(|size| "x".repeat(*size)).collect(),
            ..Default::default()
        }
    }

    #[test]
    fn requests_stay_small_and_no_span_is_lost() {
        let sizes = [&[][..], &[10, 10], &[SPAN_BYTES - 5, 10], &[SPAN_BYTES * 2, 1], &[1, SPAN_BYTES * 2, SPAN_BYTES]];
        let portions = portions(sizes.iter().map(|sizes| trace(sizes)).collect());
        let spans = |portion: &[ForeignTrace]| portion.iter().flat_map(|trace| trace.spans.clone()).collect::<Vec<_>>();
        let sent: usize = portions.iter().map(|portion| spans(portion).len()).sum();
        assert_eq!(sent, sizes.iter().map(|sizes| sizes.len()).sum::<usize>());
        for portion in &portions {
            let spans = spans(portion);
            assert!(spans.len() == 1 || spans.iter().map(String::len).sum::<usize>() <= SPAN_BYTES);
        }
        assert_eq!(portions.iter().flatten().filter(|trace| trace.spans.is_empty()).count(), 1);
    }
}
