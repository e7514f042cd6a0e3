//! Runs: read in batches, sent in portions, files after rows.

use drydock_wire::import::{ForeignRun, ForeignSeries, ImportRuns, ImportedExperiment};

use super::{super::report::Kind, BATCH, Import, course::Foreign};
use crate::error::Result;

/// Points in one request: about 3 MiB of JSON.
const POINTS: usize = 50_000;

impl Foreign for ForeignRun {
    const KIND: Kind = Kind::Runs;
    const WORD: &'static str = "run";
    const STATE: &'static str = "run";
    const PATH: &'static str = "api/v1/import/mlflow/runs";
    const PARTS: Kind = Kind::Artifacts;
    type Ask = ImportRuns;

    fn id(&self) -> &str {
        &self.id
    }

    fn made_at(&self) -> i64 {
        self.started_at
    }

    fn portions(all: Vec<Self>) -> Vec<Vec<Self>> {
        portions(all)
    }

    fn ask(source: String, runs: Vec<Self>) -> ImportRuns {
        ImportRuns { source, runs }
    }

    fn counts(&self) -> Vec<(Kind, usize)> {
        let points = self.metrics.iter().map(|series| series.steps.len()).sum();
        vec![(Kind::Runs, 1), (Kind::Params, self.params.len()), (Kind::Tags, self.tags.len()), (Kind::Points, points)]
    }
}

impl Import<'_> {
    pub(super) async fn runs_of(
        &mut self,
        id: &str,
        name: &str,
        placed: &ImportedExperiment,
        ids: Vec<String>,
    ) -> Result<()> {
        let total = ids.len();
        for (number, some) in ids.chunks(BATCH).enumerate() {
            let batch = self.source.runs(id, some.to_vec()).await?;
            self.report.unread(Kind::Runs, batch.unread);
            let root = |id: &str| format!("{}/{id}/artifacts", placed.artifact_root);
            let mut runs = batch.things;
            for run in &mut runs {
                run.thing.experiment_id.clone_from(&placed.id);
                self.roots.insert(run.thing.id.clone(), root(&run.thing.id));
            }
            self.take(runs, root).await?;
            let done = (number * BATCH + some.len()).min(total);
            self.report.progress(&format!("{name}: {done} of {total} runs"));
        }
        Ok(())
    }
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
}
