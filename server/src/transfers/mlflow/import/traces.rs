//! Traces: read in batches, sent in portions of so many bytes of spans, files after rows.

use std::collections::HashMap;

use drydock_wire::import::{ForeignTrace, ImportTraces, ImportedExperiment};

use super::{
    super::{report::Kind, source::Whole},
    BATCH, Import,
    course::Foreign,
    is_lost,
};
use crate::error::Result;

/// Spans in one request. A box takes requests of 16 MiB unless its configuration says otherwise.
const SPAN_BYTES: usize = 4 << 20;

/// Runs by trace.
type Linked = HashMap<String, Vec<String>>;

impl Foreign for ForeignTrace {
    const KIND: Kind = Kind::Traces;
    const WORD: &'static str = "trace";
    const STATE: &'static str = "trace";
    const PATH: &'static str = "api/v1/import/mlflow/traces";
    const PARTS: Kind = Kind::Traces;
    type Ask = ImportTraces;

    fn id(&self) -> &str {
        &self.id
    }

    fn made_at(&self) -> i64 {
        self.started_at
    }

    fn portions(all: Vec<Self>) -> Vec<Vec<Self>> {
        portions(all)
    }

    fn ask(source: String, traces: Vec<Self>) -> ImportTraces {
        ImportTraces { source, traces }
    }

    fn counts(&self) -> Vec<(Kind, usize)> {
        vec![(Kind::Traces, 1), (Kind::Spans, self.spans.len()), (Kind::Assessments, self.assessments.len())]
    }
}

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
        self.take(traces, |id| format!("{}/traces/{id}/artifacts", placed.artifact_root)).await
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
