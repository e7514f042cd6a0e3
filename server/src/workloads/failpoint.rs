//! A test's way to kill the server at an exact place. `DRYDOCK_FAILPOINT=kill-after-action=N` makes it SIGKILL itself right after the N-th
//! action that the reconciler executed since the start, before anything of it is recorded; `kill-before-step=N` and
//! `kill-after-step=N` do so around the N-th transaction of the pipelines' runner, `kill-before-move=N` and `kill-after-move=N` around the N-th
//! that moves a revision, its replicas or its release.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Where to die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    AfterAction,
    BeforeStep,
    AfterStep,
    BeforeMove,
    AfterMove,
}

static KILL_AT: LazyLock<Option<(Place, u64)>> =
    LazyLock::new(|| std::env::var("DRYDOCK_FAILPOINT").ok().and_then(|text| parse(&text)));
static ACTIONS: AtomicU64 = AtomicU64::new(0);
static STEPS: AtomicU64 = AtomicU64::new(0);
static MOVES: AtomicU64 = AtomicU64::new(0);

/// Says in the log that this server is set to kill itself.
pub fn warn_at_boot() {
    if let Some((place, number)) = *KILL_AT {
        tracing::warn!(
            failpoint.number = number,
            "DRYDOCK_FAILPOINT is set: this server kills itself, {place:?} {number}"
        );
    }
}

/// Called right after each executed action.
pub fn after_action() {
    let executed = ACTIONS.fetch_add(1, Ordering::SeqCst) + 1;
    die_if(Place::AfterAction, executed);
}

/// Called right before a step's transaction; its number, for `after_step`.
pub fn before_step() -> u64 {
    let number = STEPS.fetch_add(1, Ordering::SeqCst) + 1;
    die_if(Place::BeforeStep, number);
    number
}

/// Called once a step's transaction is on disk.
pub fn after_step(number: u64) {
    die_if(Place::AfterStep, number);
}

/// Called right before a transaction that moves a deployment; its number, for `after_move`.
pub fn before_move() -> u64 {
    let number = MOVES.fetch_add(1, Ordering::SeqCst) + 1;
    die_if(Place::BeforeMove, number);
    number
}

/// Called once such a transaction is on disk.
pub fn after_move(number: u64) {
    die_if(Place::AfterMove, number);
}

fn die_if(place: Place, number: u64) {
    if *KILL_AT == Some((place, number)) {
        kill_self();
    }
}

fn parse(text: &str) -> Option<(Place, u64)> {
    let (place, number) = text.split_once('=')?;
    let place = match place {
        "kill-after-action" => Place::AfterAction,
        "kill-before-step" => Place::BeforeStep,
        "kill-after-step" => Place::AfterStep,
        "kill-before-move" => Place::BeforeMove,
        "kill-after-move" => Place::AfterMove,
        _ => return None,
    };
    Some((place, number.parse().ok()?))
}

/// SIGKILL, as a power cut has it: no destructor, no flush. Does not return.
fn kill_self() -> ! {
    let pid = std::process::id().to_string();
    let _ = std::process::Command::new("kill").args(["-KILL", &pid]).status();
    std::thread::sleep(Duration::from_secs(5));
    std::process::abort()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_forms_are_understood() {
        assert_eq!(parse("kill-after-action=3"), Some((Place::AfterAction, 3)));
        assert_eq!(parse("kill-before-step=1"), Some((Place::BeforeStep, 1)));
        assert_eq!(parse("kill-after-step=12"), Some((Place::AfterStep, 12)));
        assert_eq!(parse("kill-before-move=1"), Some((Place::BeforeMove, 1)));
        assert_eq!(parse("kill-after-move=2"), Some((Place::AfterMove, 2)));
        assert_eq!((parse("kill-after-action=x"), parse("3"), parse("kill-step=1")), (None, None, None));
    }
}
