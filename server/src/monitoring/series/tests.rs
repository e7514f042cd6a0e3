//! The store against a real file: restarts, hours, clocks that jump, age.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use super::point::Resolution;
use super::query::{Asked, Function, range};
use super::{Metrics, Selector, file, keeping, lock};
use crate::monitoring::exposition::{Exposition, Kind};

/// Some instant, at the start of an hour.
const START: i64 = 1_800_000_000_000;
const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

fn opened(dir: &Path) -> Metrics {
    let metrics = Metrics::default();
    metrics.open(dir, 1 << 30).unwrap();
    metrics
}

fn take(metrics: &Metrics, at: i64, value: f64) {
    let mut text = Exposition::default();
    text.single("heat", Kind::Gauge, "How hot.", value);
    text.family("asked_total", Kind::Counter, "How often.");
    text.sample("asked_total", &[("who", "ann")], value * 10.0);
    metrics.take(at, &text.finish());
}

/// Samples whose value is their number, and keeping after each.
fn run(metrics: &Metrics, from: i64, count: i64) {
    for n in 0..count {
        take(metrics, from + n * 5_000, n as f64);
        metrics.keep(from + n * 5_000).unwrap();
    }
}

fn asked(function: Function, of: &str, from: i64, until: i64, step_ms: i64) -> Asked {
    let of = Selector::parse(of).unwrap();
    Asked { of, function, quantile: 0.5, grouping: None, from, until, step_ms, window_ms: step_ms }
}

fn values(metrics: &Metrics, asked: &Asked, now: i64) -> Vec<Option<f64>> {
    let mut lines = range(metrics, asked, now).unwrap().lines;
    assert!(lines.len() <= 1, "{lines:?}");
    lines.pop().map(|line| line.values).unwrap_or_default()
}

#[test]
fn a_server_that_is_killed_loses_a_minute_at_most() {
    let dir = tempfile::tempdir().unwrap();
    run(&opened(dir.path()), START, 100);
    let again = opened(dir.path());
    let all = asked(Function::Last, "heat", START, START + 99 * 5_000, 5_000);
    let found: Vec<f64> = values(&again, &all, START + 500_000).into_iter().flatten().collect();
    assert!(found.len() >= 100 - 12, "{} of 100 samples", found.len());
    assert!(found.iter().enumerate().all(|(n, value)| *value == n as f64), "{found:?}");
    // what goes on is the same series, and the other one that it was
    take(&again, START + 600_000, 5.0);
    assert_eq!(lock(&again.store().unwrap().live).count(), 2);
}

#[test]
fn an_hour_that_is_over_is_in_chunks_and_answers_as_before() {
    let dir = tempfile::tempdir().unwrap();
    let metrics = opened(dir.path());
    run(&metrics, START, 3 * 720 + 100);
    let now = START + (3 * 720 + 99) * 5_000;
    let full = asked(Function::Last, "heat", START, now, 5_000);
    let found: Vec<f64> = values(&metrics, &full, now).into_iter().flatten().collect();
    assert_eq!(found, (0..3 * 720 + 100).map(f64::from).collect::<Vec<_>>());
    let rate = asked(Function::Rate, "asked_total{who=\"ann\"}", START + HOUR, now, HOUR);
    assert_eq!(values(&metrics, &rate, now), [Some(2.0); 3]);
    let mut conn = file::open(&dir.path().join(super::FILE), 0).unwrap();
    let of = |resolution: Resolution| {
        file::chunks(&mut file::open(&dir.path().join(super::FILE), 0).unwrap(), 1, resolution, START, now)
            .unwrap()
            .len()
    };
    assert_eq!(Resolution::ALL.map(of), [3 * 720, 3 * 60, 3]);
    assert!(file::known(&mut conn).unwrap().entries.len() <= 2 * 100, "the journal keeps what is in chunks");
    let memory = lock(&metrics.store().unwrap().live).recent(1, START, now).len();
    assert_eq!(memory, 100);
}

#[test]
fn a_clock_that_jumps_neither_breaks_nor_doubles_a_series_and_deletes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let metrics = opened(dir.path());
    let prune = |now: i64| {
        lock(&metrics.store().unwrap().live).kept_at = None;
        keeping::keep(metrics.store().unwrap(), now).unwrap();
    };
    run(&metrics, START, 1440);
    prune(START + 2 * HOUR);
    for jump in [START + 3650 * DAY, 0, START + HOUR / 2, START - DAY] {
        run(&metrics, jump, 20);
        prune(jump + 100_000);
    }
    run(&metrics, START + 3 * HOUR, 20);
    prune(START + 4 * HOUR);
    assert_eq!(lock(&metrics.store().unwrap().live).count(), 2);
    let now = START + 4 * HOUR;
    let all = asked(Function::Last, "heat", START, START + 2 * HOUR - 5_000, 5_000);
    let found: Vec<f64> = values(&metrics, &all, now).into_iter().flatten().collect();
    assert_eq!(found.len(), 1440, "one value for each instant");
    // the clock stood half an hour in once more: what came later is what counts
    assert_eq!((found[359], found[360], found[379], found[380]), (359.0, 0.0, 19.0, 380.0));
    let tomorrow = asked(Function::Count, "heat", START + 3000 * DAY, START + 3660 * DAY, DAY);
    assert_eq!(
        values(&metrics, &tomorrow, now).into_iter().flatten().count(),
        0,
        "a future that was none is forgotten"
    );
}

#[test]
fn full_rate_goes_after_two_days_and_minutes_stay() {
    let dir = tempfile::tempdir().unwrap();
    let metrics = opened(dir.path());
    run(&metrics, START, 720);
    for hour in 1..=60 {
        take(&metrics, START + hour * HOUR, 1.0);
        lock(&metrics.store().unwrap().live).kept_at = None;
        metrics.keep(START + hour * HOUR + 60_000).unwrap();
    }
    let now = START + 60 * HOUR + 60_000;
    let finest = asked(Function::Max, "heat", START, START + HOUR, 5_000);
    let answer = range(&metrics, &finest, now).unwrap();
    assert_eq!(answer.resolution, Resolution::Minute);
    let hour = asked(Function::Max, "heat", START + HOUR - 5_000, START + HOUR - 5_000, 60_000);
    assert_eq!(
        values(&metrics, &Asked { from: START, until: START + HOUR, ..hour }, now).into_iter().flatten().last(),
        Some(719.0)
    );
    let conn = &mut file::open(&dir.path().join(super::FILE), 0).unwrap();
    assert!(file::chunks(conn, 1, Resolution::Full, START, START + HOUR - 1).unwrap().is_empty());
    assert_eq!(file::chunks(conn, 1, Resolution::Minute, START, START + HOUR - 1).unwrap().len(), 60);
}

#[test]
fn a_file_that_is_no_database_is_set_aside_and_said_so() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(super::FILE), "no database at all, but long enough to look like one".repeat(50))
        .unwrap();
    run(&opened(dir.path()), START, 2);
    let names: Vec<String> =
        std::fs::read_dir(dir.path()).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    assert!(names.iter().any(|name| name.starts_with("metrics.db.broken-")), "{names:?}");
}

#[test]
fn too_much_is_refused_with_what_would_be_enough() {
    let dir = tempfile::tempdir().unwrap();
    let metrics = opened(dir.path());
    run(&metrics, START, 20);
    let month = asked(Function::Avg, "heat", START - 30 * DAY, START, 5_000);
    let told = range(&metrics, &month, START).unwrap_err().message;
    assert!(told.contains("518401 values") && told.contains("step of 236 seconds"), "{told}");
    let quantile = asked(Function::Quantile, "heat", START, START + HOUR, 60_000);
    assert!(range(&metrics, &quantile, START).unwrap().lines.is_empty());
}
