//! The search over logs: lines taken in a second, and questions to ten million of them.
//!
//! `DRYDOCK_BENCH_LOG_LINES` says how many; the lines are made from a seed: a third is JSON, one in fifty a warning, one in five
//! hundred an error, one in a hundred thousand has the rare word.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use drydock::logs::{
    index::{Histogram, Incoming, Index, Question, Sight, Window},
    rules::{parse, query},
};
use drydock_wire::logs::{LogEntry, LogKind};

use crate::figure;

const LINES: u64 = 10_000_000;
/// What the server commits at once when lines come at the promised rate.
const COMMIT: u64 = 10_000;
const REPEATS: usize = 5;
/// The instant of the first line; one comes each 100 µs, as at 10,000 a second.
const BEGAN_AT: i64 = 1_795_000_000_000;
const WORDS: [&str; 16] = [
    "connection",
    "worker",
    "epoch",
    "tensor",
    "cache",
    "request",
    "batch",
    "gradient",
    "timeout",
    "loader",
    "shard",
    "replica",
    "token",
    "queue",
    "kernel",
    "checkpoint",
];

pub fn measure(scratch: &Path) -> Result<()> {
    let lines = std::env::var("DRYDOCK_BENCH_LOG_LINES").ok().and_then(|text| text.parse().ok()).unwrap_or(LINES);
    let folder = scratch.join("logs");
    let (index, _) = Index::open(&folder)?;
    let began = Instant::now();
    for from in (0..lines).step_by(usize::try_from(COMMIT)?) {
        index.append((from..(from + COMMIT).min(lines)).map(line).collect())?;
        index.commit("[]", u64::MAX)?;
    }
    let took = began.elapsed();
    let rate = lines as f64 / took.as_secs_f64();
    let (kept, bytes, _) = index.extent();
    ensure!(kept == lines, "{kept} of {lines} lines are there");
    figure(&format!("logs: {lines} lines taken in"), &format!("{rate:.0} lines/s, a commit for each {COMMIT}"));
    figure("  on disk", &format!("{:.2} GB, {:.0} bytes a line", bytes as f64 / 1e9, bytes as f64 / lines as f64));
    for (name, text) in [
        ("the newest lines", ""),
        ("a word of each sixth line", "gradient"),
        ("two words", "gradient timeout"),
        ("a phrase", "\"worker 7\""),
        ("a rare word", "marzipan"),
        ("a beginning", "check*"),
        ("errors", "level:>=error"),
        ("a field of JSON lines", "step:1234"),
        ("a word that is nowhere", "nowhere"),
        ("words without others", "gradient -timeout level:warn"),
    ] {
        let question = ask(text)?;
        let page = best(|| index.newest(&question, Window::of(&question), 100).map(|(lines, _)| lines.len()))?;
        let from = BEGAN_AT;
        let step_ms = i64::try_from(lines)? / 10 / 60 + 1;
        let counted = best(|| {
            let counts = index.histogram(&question, Histogram { from, step_ms, buckets: 60 })?;
            Ok(usize::try_from(counts.iter().map(|count| count[0]).sum::<u64>()).unwrap_or(usize::MAX))
        })?;
        figure(
            &format!("  search: {name}"),
            &format!("{} a page, {} counted over time ({} lines)", ms(page.0), ms(counted.0), counted.1),
        );
    }
    Ok(())
}

fn ask(text: &str) -> Result<Question> {
    let query = query::parse(text).map_err(|problem| anyhow::anyhow!("{text}: {}", problem.why))?;
    let sight = Sight { own: true, projects: None };
    Ok(Question { sight, query, kinds: vec![], levels: vec![], owner: None, from: None, to: None })
}

/// The shortest of some tries, and what was found.
fn best(mut find: impl FnMut() -> drydock::error::Result<usize>) -> Result<(Duration, usize)> {
    let mut best = (Duration::MAX, 0);
    for _ in 0..REPEATS {
        let began = Instant::now();
        let found = find()?;
        best = (best.0.min(began.elapsed()), found);
    }
    Ok(best)
}

fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

fn line(n: u64) -> Incoming {
    // splitmix64: the same lines each time
    let mut state = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut next = |bound: u64| {
        state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9).wrapping_add(0x94D0_49BB_1331_11EB);
        (state ^ (state >> 31)) % bound
    };
    let (a, b, c) = (word(next(16)), word(next(16)), word(next(16)));
    let (worker, value) = (next(64), next(1_000_000));
    let level = match next(500) {
        0 => "ERROR",
        1..=10 => "WARNING",
        _ => "INFO",
    };
    let rare = if n % 100_000 == 77 { " marzipan" } else { "" };
    let text = match next(3) {
        0 => format!(
            r#"{{"time":"2026-11-27T05:00:00","level":"{level}","message":"{a} {b} of worker {worker}{rare}","step":{},"loss":0.{value}}}"#,
            value % 10_000
        ),
        _ => format!("2026-11-27 05:00:00,123 {level} {a}.{b}: {c} of worker {worker} took {value} us{rare}"),
    };
    let parse::Parsed { message, level, labels } = parse::line(&text);
    let source: Arc<str> = format!("job-{}-1", n % 20).into();
    let entry = LogEntry {
        id: 0,
        at: BEGAN_AT + i64::try_from(n / 10).unwrap_or(0),
        kind: LogKind::Job,
        owner: format!("job-{}", n % 20),
        name: format!("training {}", n % 20),
        part: "attempt 1".into(),
        project: "default".into(),
        seq: n / 20,
        level,
        stream: "stdout".into(),
        message,
        labels,
    };
    Incoming { source, entry }
}

fn word(n: u64) -> &'static str {
    usize::try_from(n).ok().and_then(|n| WORDS.get(n)).copied().unwrap_or("word")
}
