//! How often a fault is made, with which seed, and what came of it: the table that `make faults` prints.
//!
//! `DRYDOCK_FAULTS=full` asks for the full counts and for answers as quick as they are promised, `DRYDOCK_FAULT_SEED` for a seed (a number,
//! or `random`; the same one at each run without it), `DRYDOCK_FAULTS_REPORT` names the file that gets a line per fault.

use std::{
    io::Write,
    time::{Duration, Instant},
};

use crate::{Dice, dice::fault_seed};

/// How much longer than promised something may take where tests run beside each other on a machine that also compiles.
const SLACK: u32 = 10;

/// One kind of fault in one run of the suite. Dropped before `held`, it is reported as failed.
pub struct Fault {
    name: &'static str,
    /// How often to make it.
    pub count: usize,
    pub seed: u64,
    pub dice: Dice,
    began: Instant,
    outcome: Option<String>,
}

impl Fault {
    /// `short` times in `make test`, `full` times in `make faults`.
    pub fn new(name: &'static str, short: usize, full: usize) -> Self {
        let seed = fault_seed();
        let count = if is_full() { full } else { short };
        report(&format!("{name}: {count} times, seed {seed}"));
        Self { name, count, seed, dice: Dice::new(seed), began: Instant::now(), outcome: None }
    }

    /// It was made `count` times and the promise held; `outcome` says it in numbers.
    pub fn held(mut self, outcome: String) {
        self.outcome = Some(outcome);
    }
}

impl Drop for Fault {
    fn drop(&mut self) {
        let outcome = self.outcome.as_deref().unwrap_or("FAILED: the test says how");
        let seconds = self.began.elapsed().as_secs();
        report(&format!("{}: {outcome}", self.name));
        let Some(path) = std::env::var_os("DRYDOCK_FAULTS_REPORT") else { return };
        if let Ok(mut file) = std::fs::OpenOptions::new().create(true).append(true).open(path) {
            let _ = writeln!(file, "{}\t{}\t{}\t{seconds} s\t{outcome}", self.name, self.count, self.seed);
        }
    }
}

/// Whether the full counts are asked for.
pub fn is_full() -> bool {
    std::env::var("DRYDOCK_FAULTS").is_ok_and(|asked| asked == "full")
}

/// How long what is promised within `promised` may take: so long in `make faults`, which has the machine to itself and where promises are
/// measured; ten times as long in `make test`, whose machine may be busy with anything. The test prints what it was.
pub fn allowed(promised: Duration) -> Duration {
    if is_full() { promised } else { promised * SLACK }
}

/// A line for whoever watches; shown where the test fails.
#[allow(clippy::print_stdout, reason = "what a test prints is kept by its runner")]
pub fn report(line: &str) {
    println!("{line}");
}
