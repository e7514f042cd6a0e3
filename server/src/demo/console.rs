//! `drydock demo`: the same run, told on a terminal line by line and then as a table.

use std::io::Write;
use std::sync::{Mutex, PoisonError};

use drydock_wire::demo::{DemoStep, StepState};

use super::play::{self, Reporter};
use crate::client::Client;
use crate::error::Result;

/// Runs the sample lifecycle against the server at `url` and tells `out` about it. `ca`: the box's `tls/ca.pem`, for TLS.
///
/// # Errors
/// That of the first step that failed; `out` has the table all the same.
pub async fn run(url: &str, token: &str, ca: Option<&[u8]>, out: impl Write + Send) -> Result<()> {
    let client = Client::new(url, token, ca)?;
    let teller = Teller { out: Mutex::new(out), told: Mutex::new(play::plan()) };
    let done = play::run(client.clone(), &teller).await;
    teller.say(&table(&teller.lock_told(), client.base()));
    done.map(drop)
}

/// Makes the sample a pipeline of the box and says where it is.
pub async fn apply_pipeline(url: &str, token: &str, ca: Option<&[u8]>, mut out: impl Write + Send) -> Result<()> {
    let client = Client::new(url, token, ca)?;
    let applied = super::pipeline::apply(&client).await?;
    let (name, version) = (&applied.pipeline.summary.name, applied.pipeline.version);
    let news = if applied.created { "applied" } else { "unchanged" };
    // A terminal that is gone changes nothing about it.
    let _ = writeln!(out, "pipeline {name}, version {version} ({news}): {}/pipelines/{name}", client.base());
    Ok(())
}

struct Teller<W> {
    out: Mutex<W>,
    told: Mutex<Vec<DemoStep>>,
}

impl<W: Write + Send> Teller<W> {
    /// A terminal that is gone must not stop the run.
    fn say(&self, text: &str) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = writeln!(out, "{text}").and_then(|()| out.flush());
    }

    fn lock_told(&self) -> std::sync::MutexGuard<'_, Vec<DemoStep>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: Write + Send> Reporter for Teller<W> {
    fn steps(&self, steps: &[DemoStep]) {
        let mut told = self.lock_told();
        for (number, (step, before)) in steps.iter().zip(told.iter()).enumerate() {
            if step.state != before.state && step.state == StepState::Running {
                self.say(&format!("[{}/{}] {} …", number + 1, steps.len(), step.title));
            } else if step.state != before.state {
                self.say(&format!("      {} in {}", step.outcome.as_deref().unwrap_or_default(), seconds(step)));
            }
        }
        *told = steps.to_vec();
    }

    fn line(&self, text: &str) {
        self.say(&format!("      | {text}"));
    }
}

/// All steps with state, time and outcome.
fn table(steps: &[DemoStep], base: &str) -> String {
    let wide = steps.iter().map(|step| step.title.chars().count()).max().unwrap_or(0);
    let mut text = String::from("\n");
    for step in steps {
        let state = match step.state {
            StepState::Waiting => "not run",
            StepState::Running => "running",
            StepState::Done => "done",
            StepState::Failed => "FAILED",
        };
        let outcome = step.outcome.as_deref().unwrap_or_default();
        let line = format!("  {:<wide$}  {state:<7}  {:>8}  {outcome}", step.title, seconds(step));
        text.push_str(line.trim_end());
        text.push('\n');
    }
    let total: u64 = steps.iter().filter_map(|step| step.duration_ms).sum();
    text.push_str(&format!("  {:<wide$}  {:<7}  {:>8}  {base}\n", "Together", "", format_ms(total)));
    text
}

fn seconds(step: &DemoStep) -> String {
    step.duration_ms.map(format_ms).unwrap_or_default()
}

fn format_ms(ms: u64) -> String {
    format!("{:.1} s", ms as f64 / 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_shows_what_failed_and_what_was_not_run() {
        let mut steps = play::plan();
        steps[0].state = StepState::Done;
        steps[0].duration_ms = Some(1250);
        steps[0].outcome = Some("version 1 (new), 569 rows".into());
        steps[1].state = StepState::Failed;
        steps[1].duration_ms = Some(50);
        steps[1].outcome = Some("a.csv: 3 of 9 rows have no `x`.".into());
        let text = table(&steps[..3], "http://127.0.0.1:8080");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines,
            [
                "",
                "  Upload the data as a dataset version  done        1.2 s  version 1 (new), 569 rows",
                "  Validate it against declared rules    FAILED      0.1 s  a.csv: 3 of 9 rows have no `x`.",
                "  Train in a container                  not run",
                "  Together                                          1.3 s  http://127.0.0.1:8080",
            ]
        );
    }
}
