//! Which of a pipeline's waiting runs start: as many at once as it says, the oldest first.

use drydock_wire::pipelines::{Concurrency, RunState, WhenBusy};

/// A run that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub id: String,
    pub number: i64,
    pub state: RunState,
    /// It ran before and was cleared.
    pub again: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    Start { id: String },
    Skip { id: String, reason: String },
    Cancel { id: String, reason: String },
    Hold { id: String, reason: String },
}

/// What becomes of them, for runs in the order of their numbers.
pub fn admit(rule: Concurrency, runs: &[Standing]) -> Vec<Turn> {
    let most = usize::try_from(rule.most).unwrap_or(usize::MAX).max(1);
    let (waiting, mut running): (Vec<&Standing>, Vec<&Standing>) =
        runs.iter().partition(|run| run.state == RunState::Waiting);
    if rule.when_busy == WhenBusy::CancelOlder {
        return newest(most, runs);
    }
    let mut turns = vec![];
    for run in waiting {
        let id = run.id.clone();
        if running.len() < most {
            running.push(run);
            turns.push(Turn::Start { id });
            continue;
        }
        let busy = running.iter().map(|run| run.number.to_string()).collect::<Vec<_>>().join(", ");
        turns.push(match rule.when_busy {
            WhenBusy::Skip if !run.again => Turn::Skip {
                id,
                reason: format!("run {busy} was going when it came, and the pipeline skips such runs"),
            },
            _ => Turn::Hold { id, reason: format!("waits for run {busy}; at most {most} at once") },
        });
    }
    turns
}

/// The newest stay, whether they run or wait.
fn newest(most: usize, runs: &[Standing]) -> Vec<Turn> {
    let older = runs.len().saturating_sub(most);
    let last = runs.last().map_or(0, |run| run.number);
    let turn = |(place, run): (usize, &Standing)| match (place < older, run.state) {
        (true, _) => Some(Turn::Cancel { id: run.id.clone(), reason: format!("run {last} is newer") }),
        (false, RunState::Waiting) => Some(Turn::Start { id: run.id.clone() }),
        (false, _) => None,
    };
    runs.iter().enumerate().filter_map(turn).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(states: &[RunState]) -> Vec<Standing> {
        states
            .iter()
            .zip(1..)
            .map(|(state, number)| Standing { id: format!("r{number}"), number, state: *state, again: false })
            .collect()
    }

    fn said(most: u32, when_busy: WhenBusy, states: &[RunState]) -> Vec<String> {
        let turns = admit(Concurrency { most, when_busy }, &runs(states));
        turns
            .into_iter()
            .map(|turn| match turn {
                Turn::Start { id } => format!("start {id}"),
                Turn::Skip { id, .. } => format!("skip {id}"),
                Turn::Cancel { id, .. } => format!("cancel {id}"),
                Turn::Hold { id, reason } => format!("hold {id}: {reason}"),
            })
            .collect()
    }

    use RunState::{Running, Waiting};

    #[test]
    fn the_oldest_goes_and_the_others_wait_in_words() {
        assert_eq!(
            said(1, WhenBusy::Wait, &[Waiting, Waiting]),
            ["start r1", "hold r2: waits for run 1; at most 1 at once"]
        );
        assert_eq!(said(2, WhenBusy::Wait, &[Running, Waiting, Waiting])[0], "start r2");
        assert!(said(1, WhenBusy::Wait, &[Running]).is_empty());
    }

    #[test]
    fn a_busy_pipeline_skips_if_it_says_so() {
        assert_eq!(said(1, WhenBusy::Skip, &[Running, Waiting]), ["skip r2"]);
        assert_eq!(said(1, WhenBusy::Skip, &[Waiting, Waiting]), ["start r1", "skip r2"]);
    }

    #[test]
    fn the_newest_takes_the_place_of_older_ones() {
        assert_eq!(
            said(1, WhenBusy::CancelOlder, &[Running, Waiting, Waiting]),
            ["cancel r1", "cancel r2", "start r3"]
        );
        assert_eq!(said(2, WhenBusy::CancelOlder, &[Running, Waiting]), ["start r2"]);
    }
}
