//! Whether a task may start, by how the tasks that it needs ended.

use drydock_wire::pipelines::{StartWhen, TaskState};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// For what, in words.
    Wait(String),
    Go,
    Skip(String),
    Block(String),
}

/// `needs`: names and states of what it needs.
pub fn readiness(rule: StartWhen, needs: &[(&str, TaskState)]) -> Readiness {
    let bad = || needs.iter().find(|(_, state)| state.is_bad());
    let skipped = || needs.iter().find(|(_, state)| *state == TaskState::Skipped);
    let going: Vec<&str> = needs.iter().filter(|(_, state)| !state.is_final()).map(|(name, _)| *name).collect();
    let wait = || Readiness::Wait(format!("waits for {}", going.join(", ")));
    match rule {
        StartWhen::AllSucceeded | StartWhen::NoneFailed => {
            // At once: the rest of what it needs changes nothing any more.
            if let Some((name, state)) = bad() {
                return Readiness::Block(ended(name, *state));
            }
            if rule == StartWhen::AllSucceeded
                && let Some((name, state)) = skipped()
            {
                return Readiness::Skip(ended(name, *state));
            }
            if going.is_empty() { Readiness::Go } else { wait() }
        }
        StartWhen::AnyFailed if bad().is_some() => Readiness::Go,
        StartWhen::AnyFailed if going.is_empty() => Readiness::Skip("nothing that it needs failed".into()),
        StartWhen::AllEnded if going.is_empty() => Readiness::Go,
        StartWhen::AnyFailed | StartWhen::AllEnded => wait(),
    }
}

fn ended(name: &str, state: TaskState) -> String {
    let how = match state {
        TaskState::Failed => "failed",
        TaskState::Cancelled => "was cancelled",
        TaskState::Blocked => "could not start",
        _ => "was skipped",
    };
    format!("{name} {how}")
}

#[cfg(test)]
mod tests {
    use TaskState::{Blocked, Cached, Cancelled, Failed, Running, Skipped, Succeeded, Waiting};

    use super::*;

    fn of(rule: StartWhen, states: &[TaskState]) -> &'static str {
        let names = ["a", "b", "c"];
        let needs: Vec<_> = names.into_iter().zip(states.iter().copied()).collect();
        match readiness(rule, &needs) {
            Readiness::Wait(_) => "wait",
            Readiness::Go => "go",
            Readiness::Skip(_) => "skip",
            Readiness::Block(_) => "block",
        }
    }

    #[test]
    fn all_must_succeed_if_nothing_else_is_said() {
        let rule = StartWhen::AllSucceeded;
        assert_eq!(of(rule, &[]), "go");
        assert_eq!(of(rule, &[Succeeded, Cached]), "go");
        assert_eq!(of(rule, &[Succeeded, Running]), "wait");
        assert_eq!(of(rule, &[Failed, Running]), "block");
        assert_eq!(of(rule, &[Skipped, Waiting]), "skip");
        assert_eq!(
            (of(rule, &[Blocked]), of(rule, &[Cancelled]), of(rule, &[Skipped, Failed])),
            ("block", "block", "block")
        );
    }

    #[test]
    fn skipped_is_no_failure_where_that_is_said() {
        let rule = StartWhen::NoneFailed;
        assert_eq!(
            (of(rule, &[Skipped, Succeeded]), of(rule, &[Skipped, Waiting]), of(rule, &[Failed])),
            ("go", "wait", "block")
        );
    }

    #[test]
    fn a_failure_starts_what_waits_for_one() {
        let rule = StartWhen::AnyFailed;
        assert_eq!((of(rule, &[Failed, Running]), of(rule, &[Blocked])), ("go", "go"));
        assert_eq!((of(rule, &[Succeeded, Skipped]), of(rule, &[Succeeded, Running])), ("skip", "wait"));
    }

    #[test]
    fn any_end_is_an_end() {
        let rule = StartWhen::AllEnded;
        assert_eq!((of(rule, &[Failed, Skipped, Succeeded]), of(rule, &[Failed, Running])), ("go", "wait"));
    }
}
