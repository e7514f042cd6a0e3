//! Whether an attempt that ended is followed by another.
//!
//! As Kubernetes' `backoffLimit`: each failure counts, the pause before the next try doubles. What is not the job's fault does not count
//! for a job that can go on from a checkpoint. What another try would not change is final.

use super::{Cause, End};

/// The longest pause before a retry.
const LONGEST_PAUSE_S: u64 = 360;

/// What the job asked for, and how often it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    pub limit: u32,
    pub backoff_s: u32,
    /// Failures that counted so far.
    pub failures: u32,
    pub resumable: bool,
}

/// What follows an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing: the job has ended with it.
    Final,
    Retry {
        pause_ms: i64,
        /// Against the limit.
        counts: bool,
    },
}

/// What follows an attempt that ended like this.
pub fn after(end: &End, policy: &Policy) -> Next {
    let Some(cause) = end.cause else { return Next::Final };
    match cause {
        Cause::Cancelled | Cause::Time | Cause::Image | Cause::Log => Next::Final,
        Cause::Preempted => Next::Retry { pause_ms: 0, counts: false },
        Cause::Reboot if policy.resumable => Next::Retry { pause_ms: 0, counts: false },
        Cause::Exit | Cause::Memory | Cause::Disk | Cause::Gpu | Cause::Reboot | Cause::Vanished | Cause::Docker => {
            match policy.failures < policy.limit {
                true => Next::Retry { pause_ms: pause_ms(policy), counts: true },
                false => Next::Final,
            }
        }
    }
}

fn pause_ms(policy: &Policy) -> i64 {
    let doubled = u64::from(policy.backoff_s).saturating_mul(1 << policy.failures.min(20));
    i64::try_from(doubled.min(LONGEST_PAUSE_S) * 1000).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use drydock_wire::jobs::JobState;

    use super::*;

    fn policy(limit: u32, failures: u32) -> Policy {
        Policy { limit, backoff_s: 10, failures, resumable: false }
    }

    fn ended(cause: Option<Cause>) -> End {
        End { state: JobState::Failed, reason: None, cause, out_of_memory: false }
    }

    fn pauses(cause: Cause, limit: u32) -> Vec<i64> {
        let next = |failures| after(&ended(Some(cause)), &policy(limit, failures));
        let tries = (0..).map(next).take_while(|next| *next != Next::Final);
        tries.map(|next| if let Next::Retry { pause_ms, counts: true } = next { pause_ms / 1000 } else { -1 }).collect()
    }

    #[test]
    fn the_pause_doubles_up_to_six_minutes_and_the_limit_ends_it() {
        assert_eq!(pauses(Cause::Exit, 8), [10, 20, 40, 80, 160, 320, 360, 360]);
        assert_eq!(pauses(Cause::Memory, 1), [10]);
        assert_eq!(pauses(Cause::Exit, 0), [0i64; 0]);
    }

    #[test]
    fn what_another_try_would_not_change_is_final() {
        for cause in [Cause::Cancelled, Cause::Time, Cause::Image, Cause::Log] {
            assert_eq!(pauses(cause, 5), [0i64; 0], "{cause:?}");
        }
        assert_eq!(after(&ended(None), &policy(5, 0)), Next::Final, "it succeeded");
    }

    #[test]
    fn what_is_not_its_fault_does_not_count() {
        let goes_on = Next::Retry { pause_ms: 0, counts: false };
        assert_eq!(after(&ended(Some(Cause::Preempted)), &policy(0, 0)), goes_on);
        let resumable = Policy { resumable: true, ..policy(0, 0) };
        assert_eq!(after(&ended(Some(Cause::Reboot)), &resumable), goes_on);
        assert_eq!(after(&ended(Some(Cause::Reboot)), &policy(0, 0)), Next::Final);
        assert_eq!(after(&ended(Some(Cause::Vanished)), &policy(1, 0)), Next::Retry { pause_ms: 10_000, counts: true });
    }
}
