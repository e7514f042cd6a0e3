//! How right a deployment was: figures over pairs of truth and prediction, by window, by revision and by class. Pure.

use std::collections::BTreeMap;

use drydock_wire::serving::{ClassCount, QualityFigures, QualityOfRevision, QualityTask, QualityWindow};
use serde_json::Value;

use crate::serving::gateway::histogram::Histogram;
use crate::serving::gateway::meter::Minute;

/// Whole numbers with more different truths are measured, not counted.
const CLASSES: usize = 20;
/// Pairs of classes that are told.
const TOLD: usize = 100;

/// A truth with its prediction; of several columns, a pair each.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    pub at: i64,
    pub revision: i64,
    pub model: String,
    pub version: i64,
    /// Absent: there is but a score.
    pub values: Option<(Value, Value)>,
    pub score: Option<f64>,
}

impl Pair {
    /// The pairs of one row of feedback.
    pub fn of(at: i64, of: (i64, &str, i64), truth: &Value, predicted: &Value, score: Option<f64>) -> Vec<Self> {
        let pair = |values: Option<(Value, Value)>, score| Self {
            at,
            revision: of.0,
            model: of.1.to_owned(),
            version: of.2,
            values,
            score,
        };
        match (truth, predicted) {
            (Value::Null, _) => vec![pair(None, score)],
            (Value::Object(truths), Value::Object(predictions)) => {
                let columns =
                    truths.iter().filter_map(|(name, truth)| Some((truth.clone(), predictions.get(name)?.clone())));
                columns.enumerate().map(|(place, both)| pair(Some(both), score.filter(|_| place == 0))).collect()
            }
            _ => vec![pair(Some((truth.clone(), predicted.clone())), score)],
        }
    }
}

/// What the pairs are about: numbers that can be near each other, or classes.
pub fn task(pairs: &[Pair]) -> Option<QualityTask> {
    let both: Vec<&(Value, Value)> = pairs.iter().filter_map(|pair| pair.values.as_ref()).collect();
    if both.is_empty() {
        return None;
    }
    let is_number = both.iter().all(|(truth, predicted)| truth.is_number() && predicted.is_number());
    let whole = |value: &Value| value.as_f64().is_some_and(|value| value.fract() == 0.0);
    if !is_number {
        return Some(QualityTask::Classification);
    }
    let mut different: Vec<String> = both.iter().map(|(truth, _)| word(truth)).collect();
    different.sort_unstable();
    different.dedup();
    let are_classes =
        both.iter().all(|(truth, predicted)| whole(truth) && whole(predicted)) && different.len() <= CLASSES;
    Some(if are_classes { QualityTask::Classification } else { QualityTask::Regression })
}

/// Over these pairs.
pub fn figures<'a>(task: Option<QualityTask>, pairs: impl Iterator<Item = &'a Pair>) -> QualityFigures {
    let (mut count, mut right, mut absolute, mut squared) = (0_u64, 0_u64, 0.0, 0.0);
    let (mut scores, mut score) = (0_u64, 0.0);
    for pair in pairs {
        if let Some(given) = pair.score {
            scores += 1;
            score += given;
        }
        let Some((truth, predicted)) = &pair.values else { continue };
        count += 1;
        right += u64::from(word(truth) == word(predicted));
        let off = truth.as_f64().unwrap_or(f64::NAN) - predicted.as_f64().unwrap_or(f64::NAN);
        absolute += off.abs();
        squared += off * off;
    }
    let of = |sum: f64, wanted| (count > 0 && task == Some(wanted)).then(|| sum / count as f64);
    QualityFigures {
        count,
        accuracy: of(right as f64, QualityTask::Classification),
        mae: of(absolute, QualityTask::Regression),
        rmse: of(squared, QualityTask::Regression).map(f64::sqrt),
        mean_score: (scores > 0).then(|| score / scores as f64),
        scores,
    }
}

/// `count` equally long windows up to `until`, with what the gateway counted in each.
pub fn windows(
    task: Option<QualityTask>,
    pairs: &[Pair],
    minutes: &BTreeMap<i64, Minute>,
    (from, until): (i64, i64),
    count: i64,
) -> Vec<QualityWindow> {
    let length = ((until - from) / count.max(1)).max(1);
    (0..count)
        .map(|place| {
            let (from_at, until_at) = (from + place * length, from + (place + 1) * length);
            let is_within = |at: i64| from_at <= at && at < until_at;
            let (mut latency, mut requests, mut errors) = (Histogram::default(), 0, 0);
            for (_, minute) in minutes.range(from_at..until_at) {
                latency.merge(&minute.latency);
                requests += minute.requests;
                errors += minute.errors;
            }
            QualityWindow {
                from_at,
                until_at,
                quality: figures(task, pairs.iter().filter(|pair| is_within(pair.at))),
                requests,
                errors,
                p50_ms: latency.quantile_ms(0.5),
                p95_ms: latency.quantile_ms(0.95),
            }
        })
        .collect()
}

/// Newest revision first.
pub fn revisions(task: Option<QualityTask>, pairs: &[Pair]) -> Vec<QualityOfRevision> {
    let mut by_number: BTreeMap<i64, Vec<&Pair>> = BTreeMap::new();
    pairs.iter().for_each(|pair| by_number.entry(pair.revision).or_default().push(pair));
    let told = by_number.into_iter().rev().filter_map(|(revision, pairs)| {
        let first = pairs.first()?;
        let (model, version) = (first.model.clone(), first.version);
        Some(QualityOfRevision { revision, model, version, quality: figures(task, pairs.iter().copied()) })
    });
    told.collect()
}

/// How often each truth was predicted as what; nothing where numbers are measured.
pub fn classes(task: Option<QualityTask>, pairs: &[Pair]) -> Vec<ClassCount> {
    if task != Some(QualityTask::Classification) {
        return vec![];
    }
    let mut counts: BTreeMap<(String, String), u64> = BTreeMap::new();
    for (truth, predicted) in pairs.iter().filter_map(|pair| pair.values.as_ref()) {
        *counts.entry((word(truth), word(predicted))).or_default() += 1;
    }
    let told = |((truth, predicted), count)| ClassCount { truth, predicted, count };
    let mut all: Vec<ClassCount> = counts.into_iter().map(told).collect();
    all.sort_by(|a, b| b.count.cmp(&a.count));
    all.truncate(TOLD);
    all
}

/// A class as it is compared and shown: 1 and 1.0 are one.
fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => match number.as_f64().filter(|value| value.fract() == 0.0 && value.abs() < 9e15) {
            Some(whole) => format!("{whole:.0}"),
            None => number.to_string(),
        },
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]
    use serde_json::json;

    use super::*;

    fn pairs(all: &[(i64, Value, Value)]) -> Vec<Pair> {
        all.iter().flat_map(|(at, truth, predicted)| Pair::of(*at, (1, "m", 1), truth, predicted, None)).collect()
    }

    #[test]
    fn classes_are_counted_and_numbers_measured() {
        let words = pairs(&[(0, json!("a"), json!("a")), (1, json!("a"), json!("b")), (2, json!("b"), json!("b"))]);
        let kind = task(&words);
        let found = figures(kind, words.iter());
        assert_eq!((kind, found.count, found.mae), (Some(QualityTask::Classification), 3, None));
        assert!((found.accuracy.unwrap() - 2.0 / 3.0).abs() < 1e-12);
        let counts: Vec<_> =
            classes(kind, &words).into_iter().map(|one| (one.truth, one.predicted, one.count)).collect();
        assert_eq!(counts.len(), 3);
        assert_eq!(
            task(&pairs(&[(0, json!(1), json!(1.0)), (1, json!(0), json!(1))])),
            Some(QualityTask::Classification)
        );

        let numbers = pairs(&[(0, json!(1.0), json!(2.0)), (1, json!(3.5), json!(0.5))]);
        let kind = task(&numbers);
        let found = figures(kind, numbers.iter());
        assert_eq!((kind, found.mae, found.accuracy), (Some(QualityTask::Regression), Some(2.0), None));
        assert!((found.rmse.unwrap() - 5.0_f64.sqrt()).abs() < 1e-12);
        assert_eq!(task(&[]), None);
    }

    #[test]
    fn several_columns_are_a_pair_each_and_a_score_counts_once() {
        let both = json!({ "y": 1, "z": "u" });
        let made = Pair::of(0, (1, "m", 1), &both, &json!({ "y": 1, "z": "v" }), Some(0.5));
        let found = figures(task(&made), made.iter());
        assert_eq!((found.count, found.accuracy, found.mean_score, found.scores), (2, Some(0.5), Some(0.5), 1));
        let alone = Pair::of(0, (1, "m", 1), &Value::Null, &both, Some(1.0));
        assert_eq!((task(&alone), figures(None, alone.iter()).mean_score), (None, Some(1.0)));
    }

    #[test]
    fn a_pair_is_in_the_window_of_its_prediction() {
        let made = pairs(&[(0, json!("a"), json!("a")), (9, json!("a"), json!("b")), (10, json!("a"), json!("a"))]);
        let latency = || {
            let mut latency = Histogram::default();
            latency.record(2_000);
            latency
        };
        let minutes = BTreeMap::from([(5, Minute { requests: 4, errors: 1, latency: latency() })]);
        let found = windows(task(&made), &made, &minutes, (0, 20), 2);
        assert_eq!((found[0].quality.accuracy, found[1].quality.accuracy), (Some(0.5), Some(1.0)));
        assert_eq!((found[0].requests, found[0].errors, found[1].requests), (4, 1, 0));
        assert!(found[0].p95_ms.unwrap() > 1.9 && found[1].p95_ms.is_none());
    }
}
