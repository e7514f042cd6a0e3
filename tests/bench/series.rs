//! A year of samples of 500 series in the store of metrics: its size, and range queries over a month. And what full rate takes a sample.
//!
//! Every sample of the year is made and rolled up as the server does. `DRYDOCK_BENCH_DAYS` asks for fewer days; the size of a year is
//! then told from these.

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use drydock::monitoring::{
    Asked, Function, Grouping, Identity, Join, Metrics, Point, Resolution, Selector, range_of, rolled_up,
};

use crate::figure;

const SERIES: usize = 500;
const DAY_MS: i64 = 86_400_000;
const SAMPLES: i64 = DAY_MS / 5_000;
/// The first of the days, at the start of a chunk of hours.
const START: i64 = 683 * 30 * DAY_MS;
const REPEATS: usize = 5;

/// A source of samples of one of the kinds that a box has.
struct Source {
    kind: usize,
    seed: u64,
    value: f64,
}

impl Source {
    /// Between 0 and 1, the same at each run.
    fn noise(&mut self) -> f64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 11) as f64 / (1u64 << 53) as f64
    }

    fn next(&mut self, at: i64) -> f64 {
        let hours = at as f64 / 3_600_000.0;
        let noise = self.noise();
        match self.kind {
            // a ratio to a hundredth of a percent, such as the processor's use
            0 => ((0.3 + 0.2 * (hours / 3.8).sin() + 0.1 * noise) * 10_000.0).round() / 10_000.0,
            // memory in pages
            1 => {
                self.value += ((noise - 0.5) * 200.0).round() * 4096.0;
                self.value
            }
            // whole degrees, watts, milliseconds
            2 => (61.0 + 8.0 * (hours / 3.8).sin() + 3.0 * noise).round(),
            // bytes over a network
            3 => {
                self.value += (noise * 90_000.0).round();
                self.value
            }
            // requests
            4 => {
                self.value += (noise * 40.0).round();
                self.value
            }
            // seldom: a size, a count of things, an error
            _ => {
                self.value += f64::from(u8::from(noise > 0.999));
                self.value
            }
        }
    }

    fn is_counter(&self) -> bool {
        matches!(self.kind, 3 | 4)
    }
}

pub fn measure(scratch: &Path) -> Result<()> {
    let days: i64 = std::env::var("DRYDOCK_BENCH_DAYS").ok().and_then(|days| days.parse().ok()).unwrap_or(365);
    let folder = scratch.join("series");
    std::fs::create_dir_all(&folder)?;
    let metrics = Metrics::default();
    metrics.open(&folder, u64::MAX)?;
    let source = |n: usize| Source { kind: n % 8, seed: n as u64 + 1, value: 1e9 };
    let mut sources: Vec<Source> = (0..SERIES).map(source).collect();
    let began = Instant::now();
    let mut full_bytes = (0, 0);
    for day in 0..days {
        let from = START + day * DAY_MS;
        let mut all = vec![];
        for (n, source) in sources.iter_mut().enumerate() {
            let samples: Vec<Point> =
                (0..SAMPLES).map(|place| from + place * 5_000).map(|at| Point::sample(at, source.next(at))).collect();
            let mut parts = vec![
                (Resolution::Minute, rolled_up(&samples, Resolution::Minute)),
                (Resolution::Hour, rolled_up(&samples, Resolution::Hour)),
            ];
            // full rate is kept for two days
            if day >= days - 2 {
                parts.extend(samples.chunks(720).map(|hour| (Resolution::Full, hour.to_vec())));
                full_bytes.1 += samples.len();
            }
            all.push((identity(n, source), parts));
        }
        let before = metrics.used_bytes()?;
        metrics.import(all)?;
        if day == days - 1 {
            full_bytes.0 = metrics.used_bytes()? - before;
        }
    }
    let bytes = metrics.used_bytes()?;
    let per_year = bytes as f64 * 365.0 / days as f64 / 1e9;
    figure(
        &format!("{days} days of {SERIES} series"),
        &format!("{:.2} GB; a year {per_year:.2} GB", bytes as f64 / 1e9),
    );
    let a_day = full_bytes.1 as f64 / 2.0;
    figure(
        "  the last of them with full rate",
        &format!("{:.2} bytes a sample with its minutes and hours", full_bytes.0 as f64 / a_day),
    );
    figure("  made and written in", &format!("{:.0} s", began.elapsed().as_secs_f64()));
    ensure!(per_year < 5.0, "a year takes {per_year:.2} GB");
    queries(&metrics, START + days * DAY_MS)
}

fn identity(n: usize, source: &Source) -> Identity {
    let labels = BTreeMap::from([("n".to_owned(), n.to_string()), ("kind".to_owned(), source.kind.to_string())]);
    let name = if source.is_counter() { "bench_total" } else { "bench" };
    Identity { name: name.to_owned(), labels, is_counter: source.is_counter() }
}

fn queries(metrics: &Metrics, now: i64) -> Result<()> {
    let month = |of: Selector, function: Function, grouping: Option<Grouping>, step_ms: i64| Asked {
        of,
        function,
        quantile: 0.5,
        grouping,
        from: now - 30 * DAY_MS,
        until: now,
        step_ms,
        window_ms: step_ms,
    };
    let one = || Selector::named("bench").with("n", "8");
    let by = || Some(Grouping { by: vec!["kind".to_owned()], join: Join::Avg });
    let (hour, finer) = (2 * 3_600_000, 600_000);
    let all = [
        ("a month of one series, by two hours", month(one(), Function::Avg, None, hour)),
        ("  by ten minutes", month(one(), Function::Max, None, finer)),
        (
            "a month of 125 counters' rates, by two hours, joined",
            month(Selector::named("bench_total"), Function::Rate, by(), hour),
        ),
        (
            "a month of 375 series, by two hours, joined by kind",
            month(Selector::named("bench"), Function::Avg, by(), hour),
        ),
    ];
    for (words, asked) in all {
        let mut best = Duration::MAX;
        for _ in 0..REPEATS {
            let began = Instant::now();
            let answer = range_of(metrics, &asked, now)?;
            best = best.min(began.elapsed());
            answer.lines.first().context("no answer")?;
        }
        figure(words, &format!("{:.1} ms", best.as_secs_f64() * 1000.0));
    }
    Ok(())
}
