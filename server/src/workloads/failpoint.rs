//! A test's way to kill the server at an exact place: `DRYDOCK_FAILPOINT=kill-after-action=N` makes it SIGKILL itself
//! right after the N-th action that the reconciler executed since the start, before anything of it is recorded.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

static KILL_AFTER: LazyLock<Option<u64>> =
    LazyLock::new(|| std::env::var("DRYDOCK_FAILPOINT").ok().and_then(|text| parse(&text)));
static EXECUTED: AtomicU64 = AtomicU64::new(0);

/// Says in the log that this server is set to kill itself.
pub fn warn_at_boot() {
    if let Some(action) = *KILL_AFTER {
        tracing::warn!(
            failpoint.action = action,
            "DRYDOCK_FAILPOINT is set: this server kills itself after action {action}"
        );
    }
}

/// Called right after each executed action.
pub fn after_action() {
    let executed = EXECUTED.fetch_add(1, Ordering::SeqCst) + 1;
    if *KILL_AFTER == Some(executed) {
        kill_self();
    }
}

fn parse(text: &str) -> Option<u64> {
    text.strip_prefix("kill-after-action=")?.parse().ok()
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
    fn only_its_own_form_is_understood() {
        assert_eq!(parse("kill-after-action=3"), Some(3));
        assert_eq!(parse("kill-after-action=x"), None);
        assert_eq!(parse("3"), None);
    }
}
