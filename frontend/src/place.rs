//! Where a waiting job is put among others, as the priority that brings it there. Pure, so that the host tests it.
//!
//! A person drags a job to a place; what the server keeps is a priority. In a queue the higher priority comes first, and among equals
//! who has used less of the box, then the older job. So a job is put before others by a priority above all of theirs, and behind
//! them by one below: whatever else counts, it then stands there.

use drydock_wire::queues::QueuedJob;

/// What putting a job to a place means.
#[derive(Clone, Debug, PartialEq)]
pub enum Put {
    /// It is there already.
    Same,
    /// This priority brings it there.
    To {
        priority: i32,
        /// The row before which it will stand; as many as there are rows: behind the last.
        line: usize,
        /// `before NAME`.
        words: String,
    },
    /// No priority does, and why.
    Not(String),
}

/// Puts the job of row `from` before the row `slot` (as many as there are rows: behind the last). `lowest` and `highest` are what its
/// queue allows.
pub fn put(jobs: &[QueuedJob], from: usize, slot: usize, lowest: i32, highest: i32) -> Put {
    let Some(job) = jobs.get(from) else { return Put::Same };
    let slot = slot.min(jobs.len());
    let up = slot < from;
    let span = if up { slot..from } else { from + 1..slot.max(from + 1) };
    if span.is_empty() {
        return Put::Same;
    }
    let passed: Vec<&QueuedJob> = jobs[span].iter().filter(|other| other.queue == job.queue).collect();
    let (Some(first), Some(last)) = (passed.first(), passed.last()) else {
        return Put::Not(
            "Jobs of other queues stand there; the order between queues comes from their weights".to_owned(),
        );
    };
    let priorities = passed.iter().map(|other| other.priority);
    let wanted = match up {
        true => priorities.max().unwrap_or(0).saturating_add(1),
        false => priorities.min().unwrap_or(0).saturating_sub(1),
    };
    let priority = wanted.clamp(lowest.min(job.priority), highest.max(job.priority));
    if (up && priority <= job.priority) || (!up && priority >= job.priority) {
        return Put::Not(match (wanted == priority, up) {
            (true, true) => format!("{} is ahead because of its long wait; no priority passes it", first.name),
            (true, false) => format!("{} is behind whatever the priorities", last.name),
            (false, true) => format!("{} is the highest priority of its queue", shown(priority)),
            (false, false) => format!("{} is the lowest priority", shown(priority)),
        });
    }
    let words = match (wanted == priority, up) {
        (true, true) => format!("before {}", first.name),
        (true, false) => format!("behind {}", last.name),
        (false, _) => "among its equals: there who has used less of the box goes first".to_owned(),
    };
    Put::To { priority, line: line(jobs, from, slot, priority), words }
}

/// Where it will be drawn: at the first place that its priority brings it to, which is above or below equals it was not dropped on.
fn line(jobs: &[QueuedJob], from: usize, slot: usize, priority: i32) -> usize {
    let of_queue = || jobs.iter().enumerate().filter(|(at, other)| *at != from && other.queue == jobs[from].queue);
    if slot < from {
        of_queue().find(|(_, other)| other.priority < priority).map_or(slot, |(at, _)| at.min(slot))
    } else {
        of_queue().rfind(|(_, other)| other.priority > priority).map_or(slot, |(at, _)| (at + 1).max(slot))
    }
}

/// The place that an arrow key goes to. The two places around the job itself are one.
pub fn step(from: usize, slot: usize, up: bool, rows: usize) -> usize {
    let to = if up { slot.saturating_sub(1) } else { (slot + 1).min(rows) };
    match to == from + 1 {
        true if up => from,
        true if from + 2 > rows => from,
        true => from + 2,
        false => to,
    }
}

/// A priority as people write it.
pub fn shown(priority: i32) -> String {
    priority.to_string().replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;
    use drydock_wire::jobs::Resources;

    fn job(name: &str, queue: &str, priority: i32) -> QueuedJob {
        QueuedJob {
            position: 0,
            id: name.to_owned(),
            name: name.to_owned(),
            queue: queue.to_owned(),
            priority,
            submitted_by: "erin".to_owned(),
            since: 0,
            resources: Resources::default(),
            reason: String::new(),
            starts_by: None,
            attempts: 0,
        }
    }

    fn to(priority: i32, line: usize, words: &str) -> Put {
        Put::To { priority, line, words: words.to_owned() }
    }

    #[test]
    fn a_job_goes_before_or_behind_others_by_one_more_or_less() {
        let jobs = [job("a", "q", 5), job("b", "q", 0), job("c", "q", 0), job("d", "q", -3)];
        assert_eq!(put(&jobs, 3, 2, -10, 10), to(1, 1, "before c"), "also before b, its equal");
        assert_eq!(put(&jobs, 3, 0, -10, 10), to(6, 0, "before a"));
        assert_eq!(put(&jobs, 0, 2, -10, 10), to(-1, 3, "behind b"), "also behind c, its equal");
        assert_eq!(put(&jobs, 0, 4, -10, 10), to(-4, 4, "behind d"));
        assert_eq!(put(&jobs, 1, 1, -10, 10), Put::Same);
        assert_eq!(put(&jobs, 1, 2, -10, 10), Put::Same);
        assert_eq!(put(&jobs, 9, 0, -10, 10), Put::Same, "it has started meanwhile");
    }

    #[test]
    fn other_queues_are_passed_over_and_bounds_are_kept() {
        let jobs = [job("x", "other", 9), job("a", "q", 10), job("b", "q", 9), job("y", "other", 0)];
        assert!(matches!(put(&jobs, 1, 0, -10, 10), Put::Not(why) if why.contains("other queues")));
        assert_eq!(
            put(&jobs, 2, 0, -10, 10),
            to(10, 0, "among its equals: there who has used less of the box goes first")
        );
        let full = [job("a", "q", 10), job("b", "q", 10)];
        assert!(matches!(put(&full, 1, 0, -10, 10), Put::Not(why) if why.contains("highest")));
        let low = [job("a", "q", -10), job("b", "q", -10)];
        assert!(matches!(put(&low, 0, 2, -10, 10), Put::Not(why) if why.contains("lowest")));
        let overdue = [job("old", "q", 0), job("b", "q", 4)];
        assert!(matches!(put(&overdue, 1, 0, -10, 10), Put::Not(why) if why.starts_with("old is ahead")));
    }

    #[test]
    fn arrows_pass_the_jobs_own_place_once() {
        assert_eq!(step(2, 2, true, 5), 1);
        assert_eq!(step(2, 2, false, 5), 4, "before the row after next");
        assert_eq!(step(2, 4, true, 5), 2);
        assert_eq!(step(2, 0, true, 5), 0);
        assert_eq!(step(2, 5, false, 5), 5);
        assert_eq!(step(4, 4, false, 5), 4, "the last stays the last");
    }
}
