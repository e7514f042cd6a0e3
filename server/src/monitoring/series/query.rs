//! Range queries: series that match, at the resolution that suits the step, one value for each step, joined by labels.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::point::{Resolution, merged, rolled_up};
use super::selector::Selector;
use super::windows::{Join, Steps, joined, over, quantile};
use super::{Identity, Labels, Metrics, Store, lock};
use crate::error::{Error, Result};

/// Values of one series in an answer.
const MOST_POINTS: i64 = 11_000;
/// Series in an answer.
const MOST_SERIES: usize = 500;
/// Series that are read for one.
const MOST_READ: usize = 5_000;
/// Points that are read for one, of all series.
const MOST_READ_POINTS: i64 = 30_000_000;

/// What becomes of the points in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    Avg,
    Min,
    Max,
    Sum,
    Count,
    Last,
    Rate,
    Increase,
    /// Of a histogram.
    Quantile,
}

/// What series become one, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Grouping {
    pub by: Vec<String>,
    pub join: Join,
}

/// A question.
#[derive(Debug, Clone)]
pub struct Asked {
    pub of: Selector,
    pub function: Function,
    /// For `Function::Quantile`, 0 to 1.
    pub quantile: f64,
    /// Absent: each series by itself.
    pub grouping: Option<Grouping>,
    pub from: i64,
    pub until: i64,
    pub step_ms: i64,
    pub window_ms: i64,
}

/// One line of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    pub labels: Labels,
    pub values: Vec<Option<f64>>,
}

/// An answer: values at `first_at`, then every `step_ms`.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub first_at: i64,
    pub step_ms: i64,
    pub resolution: Resolution,
    pub lines: Vec<Line>,
}

/// Answers a question. Blocks on the file.
///
/// # Errors
/// `invalid` for a question that makes no sense or asks for too much, with what would be enough.
pub fn range(metrics: &Metrics, asked: &Asked, now: i64) -> Result<Answer> {
    let store = metrics.store()?;
    let resolution = resolution(asked, now);
    let mut steps = steps(asked)?;
    // nothing is told apart within a point
    steps.window_ms = steps.window_ms.max(resolution.width_ms());
    let of = if asked.function == Function::Quantile {
        let name = asked.of.name.trim_end_matches("_bucket");
        asked.of.renamed(format!("{name}_bucket"))
    } else {
        asked.of.clone()
    };
    let series = lock(&store.live).matching(&of);
    refuse_too_many(&series, &steps, asked, resolution)?;
    let mut lines = vec![];
    for (id, identity) in series {
        let values = read(store, id, asked.function, &steps, resolution)?;
        if values.iter().any(Option::is_some) {
            lines.push(Line { labels: identity.labels.clone(), values });
        }
    }
    let lines = match (asked.function, &asked.grouping) {
        (Function::Quantile, grouping) => quantiles(lines, asked.quantile, grouping.as_ref()),
        (_, Some(grouping)) => grouped(lines, grouping),
        (_, None) => lines,
    };
    if lines.len() > MOST_SERIES {
        return Err(Error::invalid(format!(
            "{} series answer; at most {MOST_SERIES}. Ask for fewer by labels, or join them with by=.",
            lines.len()
        )));
    }
    Ok(Answer { first_at: steps.first, step_ms: steps.step_ms, resolution, lines })
}

fn steps(asked: &Asked) -> Result<Steps> {
    let grid = Resolution::Full.width_ms();
    if asked.step_ms < grid || asked.window_ms < grid {
        return Err(Error::invalid("step and window are at least 5 seconds: more finely nothing is sampled."));
    }
    if asked.until < asked.from {
        return Err(Error::invalid("until lies before from."));
    }
    if !(0.0..=1.0).contains(&asked.quantile) {
        return Err(Error::invalid("quantile is between 0 and 1; 0.95 is usual."));
    }
    let first = asked.from.div_euclid(asked.step_ms) * asked.step_ms;
    let first = if first < asked.from { first + asked.step_ms } else { first };
    let count = (asked.until - first).div_euclid(asked.step_ms) + 1;
    if count > MOST_POINTS {
        let enough = (asked.until - asked.from).div_euclid(MOST_POINTS * 1000) + 1;
        return Err(Error::invalid(format!(
            "That is {count} values of each series, and {MOST_POINTS} are the most: ask for a step of {enough} seconds or more, \
             or for less time."
        )));
    }
    Ok(Steps {
        first,
        step_ms: asked.step_ms,
        count: usize::try_from(count.max(0)).unwrap_or(0),
        window_ms: asked.window_ms,
    })
}

/// The coarsest that shows all that is asked for; where it is kept no longer, the next.
fn resolution(asked: &Asked, now: i64) -> Resolution {
    let finest = asked.step_ms.min(asked.window_ms);
    if finest >= 2 * Resolution::Hour.width_ms() {
        Resolution::Hour
    } else if asked.from < now - Resolution::Full.kept_ms()
        || (finest >= 2 * Resolution::Minute.width_ms() && asked.until - asked.from > 6 * Resolution::Full.chunk_ms())
    {
        if finest >= Resolution::Hour.width_ms() { Resolution::Hour } else { Resolution::Minute }
    } else {
        Resolution::Full
    }
}

fn refuse_too_many(
    series: &[(i64, Arc<Identity>)],
    steps: &Steps,
    asked: &Asked,
    resolution: Resolution,
) -> Result<()> {
    if series.len() > MOST_READ {
        let text = format!("{} series match; at most {MOST_READ}. Name more labels.", series.len());
        return Err(Error::invalid(text));
    }
    let each = (asked.until - steps.since()) / resolution.width_ms() + 1;
    let all = each * i64::try_from(series.len()).unwrap_or(i64::MAX);
    if all > MOST_READ_POINTS {
        let text = format!(
            "{} series over that time are too much to read; name more labels or ask for less time.",
            series.len()
        );
        return Err(Error::invalid(text));
    }
    if asked.function == Function::Quantile && series.iter().any(|(_, it)| !it.labels.contains_key("le")) {
        return Err(Error::invalid("quantile is of histograms; this metric is none."));
    }
    Ok(())
}

fn read(store: &Store, id: i64, function: Function, steps: &Steps, resolution: Resolution) -> Result<Vec<Option<f64>>> {
    let until = steps.at().last().unwrap_or(steps.first);
    let from = resolution.slot(steps.since());
    // memory first: what is written meanwhile is then in both, rather than in neither
    let recent = lock(&store.live).recent(id, from, until);
    let written = store.read(|conn| super::file::chunks(conn, id, resolution, from, until))?;
    let recent = if resolution == Resolution::Full { recent } else { rolled_up(&recent, resolution) };
    let points = merged(written, recent);
    Ok(over(&points, steps, function, resolution.width_ms()))
}

fn grouped(lines: Vec<Line>, grouping: &Grouping) -> Vec<Line> {
    let mut groups: BTreeMap<Labels, Vec<Vec<Option<f64>>>> = BTreeMap::new();
    for line in lines {
        groups.entry(of_group(&line.labels, &grouping.by)).or_default().push(line.values);
    }
    groups.into_iter().map(|(labels, all)| Line { labels, values: joined(&all, grouping.join) }).collect()
}

fn of_group(labels: &Labels, by: &[String]) -> Labels {
    labels.iter().filter(|(name, _)| by.contains(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// A line's values, step by step.
type Values = Vec<Option<f64>>;
/// The lines of a group, by the bound of their bucket.
type ByBound = BTreeMap<String, Vec<Values>>;

/// Buckets of one group, added up by their bounds.
fn quantiles(lines: Vec<Line>, of: f64, grouping: Option<&Grouping>) -> Vec<Line> {
    let mut groups: BTreeMap<Labels, ByBound> = BTreeMap::new();
    for mut line in lines {
        let bound = line.labels.remove("le").unwrap_or_default();
        let labels = grouping.map_or_else(|| line.labels.clone(), |grouping| of_group(&line.labels, &grouping.by));
        groups.entry(labels).or_default().entry(bound).or_default().push(line.values);
    }
    let line = |(labels, bounds): (Labels, ByBound)| {
        let columns: Vec<(f64, Values)> =
            bounds.iter().filter_map(|(bound, all)| Some((bound.parse().ok()?, joined(all, Join::Sum)))).collect();
        let count = columns.first().map_or(0, |(_, values)| values.len());
        let at = |step: usize| {
            let buckets: Vec<(f64, f64)> =
                columns.iter().filter_map(|(bound, values)| Some((*bound, values[step]?))).collect();
            quantile(of, &buckets)
        };
        Line { labels, values: (0..count).map(at).collect() }
    };
    groups.into_iter().map(line).collect()
}
