//! How often a fault is made, with which seed, and what came of it: the table that `make faults` prints.
//!
//! `DRYDOCK_FAULTS=full` asks for the full counts, `DRYDOCK_FAULT_SEED` for a seed, `DRYDOCK_FAULTS_REPORT` names the file that gets a
//! line per fault.

use std::{io::Write, time::Instant};

use crate::Dice;

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
        let given = std::env::var("DRYDOCK_FAULT_SEED").ok().and_then(|text| text.parse().ok());
        let seed = given.unwrap_or_else(|| drydock::clock::now_ms().unsigned_abs()) | 1;
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

/// A line for whoever watches; shown where the test fails.
#[allow(clippy::print_stdout, reason = "what a test prints is kept by its runner")]
pub fn report(line: &str) {
    println!("{line}");
}
