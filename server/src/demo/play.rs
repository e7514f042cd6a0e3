//! Plays the steps in order, times them, and tells a reporter after every change. The first that fails ends the play.

use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use drydock_wire::demo::{DemoStep, StepState};

use super::steps;
use crate::client::Client;
use crate::error::Result;

/// Is told how it goes.
pub trait Reporter: Send + Sync {
    /// All steps, after one of them changed.
    fn steps(&self, steps: &[DemoStep]);
    /// A line of the training's log, or why it waits.
    fn line(&self, text: &str);
}

/// What a step made.
pub struct Outcome<T> {
    pub value: T,
    /// In a line, for people.
    pub text: String,
    /// Where the dashboard shows it.
    pub link: String,
}

const PLAN: [(&str, &str); 8] = [
    ("upload", "Upload the data as a dataset version"),
    ("validate", "Validate it against declared rules"),
    ("train", "Train in a container"),
    ("gate", "Gate on the held-out rows"),
    ("register", "Register the model as champion"),
    ("deploy", "Deploy it behind the gateway"),
    ("predict", "Predict held-out rows"),
    ("observe", "Look at latency and counts"),
];

/// All steps before any has begun.
pub fn plan() -> Vec<DemoStep> {
    let waiting = |(id, title): (&str, &str)| DemoStep {
        id: id.to_owned(),
        title: title.to_owned(),
        state: StepState::Waiting,
        duration_ms: None,
        outcome: None,
        link: None,
    };
    PLAN.map(waiting).into()
}

/// The whole sample lifecycle.
///
/// # Errors
/// That of the first step that fails; the reporter has seen which, and why.
pub async fn run(client: Client, reporter: &impl Reporter) -> Result<Vec<DemoStep>> {
    let play = Play { reporter, steps: Mutex::new(plan()) };
    let line = |text: &str| reporter.line(text);
    let data = play.step("upload", steps::upload(&client)).await?;
    play.step("validate", steps::check(&client, data)).await?;
    let run_id = play.step("train", steps::train(&client, data, &line)).await?;
    let accuracy = play.step("gate", steps::gate(&client, &run_id)).await?;
    let model = play.step("register", steps::register(&client, &run_id)).await?;
    play.step("deploy", steps::deploy(&client, model)).await?;
    play.step("predict", steps::predict(&client, accuracy)).await?;
    play.step("observe", steps::observe(&client)).await?;
    Ok(play.steps.into_inner().unwrap_or_else(PoisonError::into_inner))
}

struct Play<'a, R> {
    reporter: &'a R,
    steps: Mutex<Vec<DemoStep>>,
}

impl<R: Reporter> Play<'_, R> {
    async fn step<T>(&self, id: &str, work: impl Future<Output = Result<Outcome<T>>>) -> Result<T> {
        self.change(id, |step| step.state = StepState::Running);
        let began = Instant::now();
        let done = work.await;
        let duration_ms = u64::try_from(began.elapsed().as_millis()).ok();
        self.change(id, |step| {
            step.duration_ms = duration_ms;
            match &done {
                Ok(outcome) => {
                    step.state = StepState::Done;
                    step.outcome = Some(outcome.text.clone());
                    step.link = Some(outcome.link.clone());
                }
                Err(error) => {
                    step.state = StepState::Failed;
                    step.outcome = Some(error.message.clone());
                }
            }
        });
        done.map(|outcome| outcome.value)
    }

    fn change(&self, id: &str, f: impl FnOnce(&mut DemoStep)) {
        let mut steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(step) = steps.iter_mut().find(|step| step.id == id) {
            f(step);
        }
        self.reporter.steps(&steps);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[derive(Default)]
    struct Notes(Mutex<Vec<Vec<DemoStep>>>);

    impl Reporter for Notes {
        fn steps(&self, steps: &[DemoStep]) {
            self.0.lock().unwrap().push(steps.to_vec());
        }
        fn line(&self, _text: &str) {}
    }

    #[tokio::test]
    async fn without_a_server_the_first_step_fails_with_what_to_do() {
        // a port that was free a moment ago
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let client = Client::new(&format!("http://127.0.0.1:{port}"), "t", None).unwrap();
        let notes = Notes::default();
        let error = run(client, &notes).await.unwrap_err();
        assert!(error.message.contains("check that the server runs"), "{}", error.message);
        let last = notes.0.lock().unwrap().pop().unwrap();
        assert_eq!((last[0].state, last[1].state), (StepState::Failed, StepState::Waiting));
        assert_eq!(last[0].outcome.as_deref(), Some(error.message.as_str()));
    }
}
