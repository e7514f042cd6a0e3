//! Drift of 100 columns of 100,000 rows, beside Evidently on the very same numbers.
//!
//! `DRYDOCK_BENCH_EVIDENTLY` names a Python that has evidently (tests/fixtures/drift/make.py says which); without it only the
//! figures of Drydock are told. Where both run, their values are compared, too.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use drydock::monitoring::drift::{ReferenceColumn, ReferenceProfile, Settings, Values, WindowColumn, compare};
use serde_json::Value;

use crate::figure;

const COLUMNS: usize = 100;
const ROWS: usize = 100_000;
const REPEATS: usize = 5;

pub fn measure(scratch: &Path) -> Result<()> {
    let reference: Vec<Vec<f64>> = (0..COLUMNS).map(|n| bell(n as u64, 0.0)).collect();
    // every fourth column moves
    let moved = |n: usize| if n.is_multiple_of(4) { 0.1 } else { 0.0 };
    let window: Vec<WindowColumn> = (0..COLUMNS)
        .map(|n| WindowColumn { name: format!("c{n}"), values: Values::Numbers(bell(1_000 + n as u64, moved(n))) })
        .collect();

    let began = Instant::now();
    let build =
        |(n, cells): (usize, &Vec<f64>)| ReferenceColumn::build(&format!("c{n}"), &Values::Numbers(cells.clone()));
    let profile = ReferenceProfile::new(reference.iter().enumerate().map(build).collect());
    let prepared = began.elapsed();
    let bytes = profile.encode()?;
    let began = Instant::now();
    let profile = ReferenceProfile::decode(&bytes)?;
    let read = began.elapsed();
    let mut best = Duration::MAX;
    let mut found = compare(&profile, &window, &Settings::default());
    for _ in 0..REPEATS {
        let began = Instant::now();
        found = compare(&profile, &window, &Settings::default());
        best = best.min(began.elapsed());
    }
    ensure!(found.drifted_count as usize == COLUMNS / 4, "{} columns are told as drifted", found.drifted_count);
    figure(&format!("drift of {COLUMNS} columns of {ROWS} rows"), &milliseconds(best));
    figure("  the reference prepared, once", &milliseconds(prepared));
    let megabytes = bytes.len() as f64 / 1e6;
    figure("  kept, and read again", &format!("{megabytes:.0} MB, {}", milliseconds(read)));

    let Some(python) = std::env::var_os("DRYDOCK_BENCH_EVIDENTLY") else {
        figure("  Evidently", "not measured: DRYDOCK_BENCH_EVIDENTLY names no Python");
        return Ok(());
    };
    let numbers = |column: &WindowColumn| match &column.values {
        Values::Numbers(cells) => cells.clone(),
        _ => vec![],
    };
    write(&scratch.join("reference.f64"), &reference)?;
    write(&scratch.join("current.f64"), &window.iter().map(numbers).collect::<Vec<_>>())?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench/load/drift_evidently.py");
    let output =
        Command::new(python).arg(script).arg(scratch).args([COLUMNS.to_string(), ROWS.to_string()]).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout)?;
    for column in &found.columns {
        let own = column.result.and_then(|result| result.statistic).context("a column has no distance")?;
        let other = told["scores"][&column.name].as_f64().context("Evidently left a column out")?;
        ensure!((own - other).abs() < 1e-9, "{}: {own} is not Evidently's {other}", column.name);
    }
    for (what, name) in [("  Evidently's tests alone", "tests_s"), ("  Evidently's report", "report_s")] {
        let seconds = told[name].as_f64().context("Evidently took no time")?;
        figure(what, &format!("{:.0} ms, {:.0} times as long", seconds * 1e3, seconds / best.as_secs_f64()));
    }
    Ok(())
}

fn milliseconds(took: Duration) -> String {
    format!("{:.0} ms", took.as_secs_f64() * 1e3)
}

/// The sum of four even draws (splitmix64).
fn bell(seed: u64, shift: f64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x2545_f491_4f6c_dd1d);
    let mut even = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 * 2_f64.powi(-53)
    };
    (0..ROWS).map(|_| even() + even() + even() + even() - 2.0 + shift).collect()
}

fn write(path: &Path, columns: &[Vec<f64>]) -> Result<()> {
    let bytes: Vec<u8> = columns.iter().flatten().flat_map(|value| value.to_le_bytes()).collect();
    Ok(std::fs::write(path, bytes)?)
}
