//! Which lines of a container's log are new: pure.
//!
//! A log is read from its beginning each time that a follower begins or Docker came back, so what was written before has to be known
//! again; and Docker repeats some hundred lines whenever it changes to a new file under a reader that follows (20.10 does so with
//! every 32 MiB). Both are told by the instants that Docker gave to lines when it received them.

use std::{
    collections::{VecDeque, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
};

use crate::spool::Last;

/// Lines that a repetition may reach back.
const REMEMBERED: usize = 32 * 1024;
/// A line so much younger than the one that is looked for comes after it, whatever the wall clock did meanwhile.
const SURELY_LATER_NS: i64 = 10_000_000_000;

/// What to do with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Take {
    New,
    Known,
    /// New, and before it lines may be gone: what was written last is not in the log any more.
    NewAfterGap,
}

/// The lines of one container in the order in which Docker gives them out.
pub struct Sequence {
    /// The last line that is known from before, until it has been seen again.
    resume: Option<Last>,
    /// How many lines like it were seen.
    alike: u64,
    first: bool,
    /// Marks of the latest lines, oldest first.
    latest: VecDeque<u64>,
    /// The latest instant of each of the two streams.
    newest_ns: [i64; 2],
    /// In a repetition: the place in `latest` of the line that follows.
    repeats: Option<usize>,
}

impl Sequence {
    /// The whole log, of which everything up to `last` is known.
    pub fn after(last: Option<Last>) -> Self {
        let latest = VecDeque::new();
        Self { resume: last, alike: 0, first: true, latest, newest_ns: [i64::MIN; 2], repeats: None }
    }

    pub fn take(&mut self, at_ns: i64, is_error: bool, text: &str) -> Take {
        let mark = mark(at_ns, is_error, text);
        let first = std::mem::take(&mut self.first);
        let taken = match self.resume {
            Some(last) => self.look_for(last, first, at_ns, is_error),
            None => {
                if self.is_repeated(at_ns, is_error, mark) {
                    return Take::Known;
                }
                Take::New
            }
        };
        self.newest_ns[usize::from(is_error)] = at_ns;
        if self.latest.len() == REMEMBERED {
            self.latest.pop_front();
        }
        self.latest.push_back(mark);
        taken
    }

    fn look_for(&mut self, last: Last, first: bool, at_ns: i64, is_error: bool) -> Take {
        if (last.at_ns, last.is_error) == (at_ns, is_error) {
            self.alike += 1;
            if self.alike > last.same {
                self.resume = None;
            }
            return Take::Known;
        }
        if self.alike > 0 {
            self.resume = None;
            return Take::New;
        }
        let gone = (first && at_ns > last.at_ns) || at_ns > last.at_ns.saturating_add(SURELY_LATER_NS);
        if gone {
            self.resume = None;
            return Take::NewAfterGap;
        }
        Take::Known
    }

    fn is_repeated(&mut self, at_ns: i64, is_error: bool, mark: u64) -> bool {
        let expected = self.repeats.take().filter(|place| self.latest.get(*place) == Some(&mark));
        let place = match expected {
            Some(place) => Some(place),
            // the usual line, younger than all before it
            None if at_ns > self.newest_ns[usize::from(is_error)] => None,
            None => self.latest.iter().rposition(|other| *other == mark),
        };
        self.repeats = place.map(|place| place + 1).filter(|next| *next < self.latest.len());
        place.is_some()
    }
}

fn mark(at_ns: i64, is_error: bool, text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (at_ns, is_error, text).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Take::{Known, New, NewAfterGap};

    fn last(at_ns: i64, same: u64) -> Option<Last> {
        Some(Last { at_ns, is_error: false, same })
    }

    fn takes(sequence: &mut Sequence, instants: impl IntoIterator<Item = i64>) -> Vec<Take> {
        instants.into_iter().map(|at| sequence.take(at, false, "text")).collect()
    }

    #[test]
    fn a_second_reading_goes_on_behind_the_last_known_line() {
        let mut sequence = Sequence::after(last(3, 0));
        assert_eq!(takes(&mut sequence, [1, 2, 3, 4, 5]), [Known, Known, Known, New, New]);
    }

    #[test]
    fn lines_of_one_instant_are_counted() {
        let mut sequence = Sequence::after(last(3, 1));
        let texts = ["a", "b", "c", "d"].map(|text| sequence.take(3, false, text));
        assert_eq!(texts, [Known, Known, New, New]);
    }

    #[test]
    fn the_same_instant_on_the_other_stream_is_another_line() {
        let mut sequence = Sequence::after(last(3, 0));
        assert_eq!(sequence.take(3, true, "text"), Known);
        assert_eq!(sequence.take(3, false, "text"), Known);
        assert_eq!(sequence.take(3, true, "other"), New);
    }

    #[test]
    fn a_log_whose_known_part_is_gone_has_a_gap() {
        assert_eq!(takes(&mut Sequence::after(last(3, 0)), [9, 10]), [NewAfterGap, New]);
        let far = 3 + SURELY_LATER_NS + 1;
        assert_eq!(takes(&mut Sequence::after(last(3, 0)), [2, far, far + 1]), [Known, NewAfterGap, New]);
    }

    #[test]
    fn a_repetition_is_known_again_wherever_it_begins() {
        for back in 1..50_i64 {
            let mut sequence = Sequence::after(None);
            takes(&mut sequence, 1..=100);
            let again = takes(&mut sequence, (101 - back)..=102);
            let known = usize::try_from(back).unwrap_or(0);
            assert!(again[..known].iter().all(|take| *take == Known), "{back}: {again:?}");
            assert_eq!(again[known..], [New, New], "{back}");
        }
    }

    #[test]
    fn a_repetition_right_after_a_second_reading_is_known_again() {
        let mut sequence = Sequence::after(last(50, 0));
        takes(&mut sequence, 1..=60);
        assert_eq!(takes(&mut sequence, [40, 41, 60]), [Known, Known, Known]);
        assert_eq!(takes(&mut sequence, [61]), [New]);
    }

    #[test]
    fn a_clock_that_was_set_back_loses_no_line() {
        let mut sequence = Sequence::after(None);
        assert_eq!(takes(&mut sequence, [100, 101, 5, 6, 102]), [New; 5]);
    }

    #[test]
    fn equal_lines_of_a_coarse_clock_with_other_words_are_all_new() {
        let mut sequence = Sequence::after(None);
        assert_eq!(["a", "b", "c"].map(|text| sequence.take(7, false, text)), [New; 3]);
    }
}
