//! Why an attempt ended: one word for rules, a sentence for people.

use crate::workloads::{Observed, ending};

/// What ended an attempt. The word is kept with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Its program ended with a code other than 0, or by a signal.
    Exit,
    Memory,
    Disk,
    Time,
    /// It wrote more log than may be.
    Log,
    /// The image is not there, or cannot be had.
    Image,
    Cancelled,
    /// Stopped for another job.
    Preempted,
    /// The box was restarted.
    Reboot,
    /// A GPU of it failed, or it used more of one than it asked for.
    Gpu,
    /// Its container was gone, and nothing is known of its end.
    Vanished,
    /// Docker would not make or start its container.
    Docker,
}

const WORDS: [(Cause, &str); 12] = [
    (Cause::Exit, "exit"),
    (Cause::Memory, "memory"),
    (Cause::Disk, "disk"),
    (Cause::Time, "time"),
    (Cause::Log, "log"),
    (Cause::Image, "image"),
    (Cause::Cancelled, "cancelled"),
    (Cause::Preempted, "preempted"),
    (Cause::Reboot, "reboot"),
    (Cause::Gpu, "gpu"),
    (Cause::Vanished, "vanished"),
    (Cause::Docker, "docker"),
];

impl Cause {
    /// The word kept in the database.
    pub fn as_str(self) -> &'static str {
        WORDS.iter().find(|(cause, _)| *cause == self).map_or("exit", |(_, word)| word)
    }

    /// What that word means; none for one that this version does not know.
    pub fn parse(word: &str) -> Option<Self> {
        WORDS.iter().find(|(_, known)| *known == word).map(|(cause, _)| *cause)
    }
}

/// How much it had, and the most that it used, where that was measured.
pub fn out_of_memory(limit_bytes: u64, peak_bytes: Option<u64>) -> String {
    // the last sample before a sudden end may be far below it
    let peak = peak_bytes.filter(|peak| *peak >= limit_bytes / 2).map(|peak| format!(" (at most {} seen)", size(peak)));
    format!("out of memory: it had {}{}", size(limit_bytes), peak.unwrap_or_default())
}

/// How its program ended.
pub fn of_exit(observed: &Observed) -> String {
    let plain = Observed { oom_killed: false, ..observed.clone() };
    match observed.exit_code {
        Some(143) => "ended by SIGTERM (exit code 143)".to_owned(),
        Some(137) => "killed by SIGKILL (exit code 137)".to_owned(),
        _ => ending(&plain, 0).unwrap_or_else(|| "ended without an exit code".to_owned()),
    }
}

pub const REBOOT: &str = "the box was restarted while it ran";
pub const VANISHED: &str = "its container is gone: somebody removed it behind Drydock's back (docker rm, or a prune), and nothing is known about its end";

fn size(bytes: u64) -> String {
    let mib = bytes >> 20;
    if mib >= 1024 {
        format!("{} GiB", (bytes as f64 / f64::from(1 << 30) * 10.0).round() / 10.0)
    } else {
        format!("{mib} MiB")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_understood_again() {
        assert!(WORDS.iter().all(|(cause, word)| Cause::parse(word) == Some(*cause) && cause.as_str() == *word));
        assert_eq!(Cause::parse("sunspots"), None);
    }

    #[test]
    fn want_of_memory_says_how_much_it_had() {
        assert_eq!(out_of_memory(512 << 20, None), "out of memory: it had 512 MiB");
        assert_eq!(out_of_memory(3 << 29, Some(3 << 29)), "out of memory: it had 1.5 GiB (at most 1.5 GiB seen)");
        assert_eq!(out_of_memory(3 << 29, Some(1 << 20)), "out of memory: it had 1.5 GiB");
    }
}
