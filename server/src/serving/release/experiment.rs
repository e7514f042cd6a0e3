//! What a release measured, as people see it: both variants with intervals, differences and whether the split can be trusted.

use drydock_wire::serving::{
    Agreement, Experiment, ExperimentName, ExperimentPage, MetricComparison, MetricMean, Release, ReleasePlan, Split,
    Variant,
};

use super::assign::{self, Side};
use super::book::{Agreements, Kept, MOST_UNITS};
use super::statistics::{self, Moments};
use super::store::ReleaseRow;
use crate::error::Result;
use crate::serving::gateway::tally::Counts;
use crate::serving::store::RevisionRow;

/// A split that chance gives less often than this is wrong.
const MISMATCH: f64 = 0.001;

/// The page of one release among those of its deployment.
pub fn page(all: Vec<ReleaseRow>, shown: Option<(Release, Kept)>, revisions: &[RevisionRow]) -> Result<ExperimentPage> {
    let mut names = Vec::new();
    for row in all {
        let strategy = row.plan()?.strategy().to_owned();
        let (id, revision, began_at, ended_at) = (row.id, row.revision, row.began_at, row.ended_at);
        names.push(ExperimentName { id, strategy, revision, began_at, ended_at });
    }
    let experiment = shown.map(|(release, kept)| experiment(release, &kept, revisions));
    Ok(ExperimentPage { experiment, all: names })
}

/// Whether what happens in such a release is measured for its page.
pub fn is_measured(plan: &ReleasePlan) -> bool {
    matches!(plan, ReleasePlan::Canary(_) | ReleasePlan::Ab(_) | ReleasePlan::Shadow(_))
}

fn experiment(release: Release, kept: &Kept, revisions: &[RevisionRow]) -> Experiment {
    let (of_live, of_candidate) = weights(&release);
    Experiment {
        live: variant(release.stable, of_live, &kept.live, revisions),
        candidate: variant(release.revision, of_candidate, &kept.candidate, revisions),
        success: success(&kept.live, &kept.candidate),
        metrics: kept.metrics.iter().map(|(metric, sides)| comparison(metric, sides)).collect(),
        split: split(&release.plan, kept),
        agreement: matches!(release.plan, ReleasePlan::Shadow(_)).then(|| agreement(&kept.agreements)),
        release,
    }
}

fn weights(release: &Release) -> (u32, u32) {
    match &release.plan {
        ReleasePlan::Shadow(plan) => (100, plan.percent),
        ReleasePlan::Ab(plan) => (100 - plan.weight, plan.weight),
        _ => (100 - release.weight, release.weight),
    }
}

fn variant(revision: i64, weight: u32, counts: &Counts, revisions: &[RevisionRow]) -> Variant {
    let row = revisions.iter().find(|row| row.number == revision);
    let percent = |it: drydock_wire::serving::Interval| scaled(it, 100.0);
    Variant {
        revision,
        model: row.map(|row| row.model.clone()).unwrap_or_default(),
        version: row.map_or(0, |row| row.version),
        weight,
        requests: counts.requests,
        failed: counts.failed,
        refused: counts.refused,
        success_rate: statistics::wilson(succeeded(counts), counts.requests).map(percent),
        p50_ms: statistics::quantile_ms(&counts.latency, 0.50),
        p95_ms: statistics::quantile_ms(&counts.latency, 0.95),
        p99_ms: statistics::quantile_ms(&counts.latency, 0.99),
    }
}

fn success(live: &Counts, candidate: &Counts) -> Option<drydock_wire::serving::Difference> {
    let of = |counts: &Counts| (succeeded(counts), counts.requests);
    let mut difference = statistics::proportions(of(live), of(candidate))?;
    difference.value *= 100.0;
    difference.low *= 100.0;
    difference.high *= 100.0;
    Some(difference)
}

fn succeeded(counts: &Counts) -> u64 {
    counts.requests.saturating_sub(counts.failed)
}

fn scaled(mut interval: drydock_wire::serving::Interval, by: f64) -> drydock_wire::serving::Interval {
    interval.value *= by;
    interval.low *= by;
    interval.high *= by;
    interval
}

fn comparison(metric: &str, sides: &[Moments; 2]) -> MetricComparison {
    let [live, candidate] = sides;
    MetricComparison {
        metric: metric.to_owned(),
        live: mean(live),
        candidate: mean(candidate),
        difference: statistics::welch(live, candidate),
    }
}

fn mean(moments: &Moments) -> MetricMean {
    MetricMean {
        reports: moments.count,
        mean: moments.interval(),
        standard_deviation: moments.variance().map(f64::sqrt),
    }
}

fn split(plan: &ReleasePlan, kept: &Kept) -> Option<Split> {
    let ReleasePlan::Ab(plan) = plan else { return None };
    let by_request = plan.assign == drydock_wire::serving::Assign::Request;
    let (live, candidate) = if by_request {
        (kept.live.requests, kept.candidate.requests)
    } else {
        let candidates = kept.units.iter().filter(|unit| unit.side(plan.weight) == Side::Candidate).count();
        ((kept.units.len() - candidates) as u64, candidates as u64)
    };
    let p_value = statistics::split_p_value(live, candidate, f64::from(plan.weight) / 100.0);
    Some(Split {
        of: assign::counted(&plan.assign).to_owned(),
        live,
        candidate,
        expected: f64::from(plan.weight),
        p_value,
        mismatch: p_value.is_some_and(|p| p < MISMATCH),
        capped: !by_request && kept.units.len() >= MOST_UNITS,
    })
}

fn agreement(all: &Agreements) -> Agreement {
    let rate = statistics::wilson(all.equal + all.near, all.compared()).map(|it| scaled(it, 100.0));
    Agreement {
        compared: all.compared(),
        equal: all.equal,
        near: all.near,
        different: all.different,
        failed: all.failed,
        dropped: all.dropped,
        skipped: all.skipped,
        rate,
        largest_difference: all.largest,
        examples: all.examples.clone(),
    }
}
