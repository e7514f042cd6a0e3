//! Which tags of a thing that comes again are written: what a person edited here since stays. Pure.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use crate::tracking::Pair;

/// Of the tags that came last: by key a mark of the value. Kept as JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TagMarks(BTreeMap<String, String>);

fn mark(value: &str) -> String {
    hex::encode(&Sha256::digest(value.as_bytes())[..6])
}

/// What becomes of the tags of one thing.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan<'a> {
    pub set: Vec<&'a Pair>,
    /// Tags that say something else there, or nothing here, and stay as they were edited.
    pub left_alone: u64,
    pub marks: TagMarks,
}

/// `here` is overwritten where it says what came last; a tag that was taken away here does not come back.
pub fn plan<'a>(here: &[Pair], there: &'a [Pair], last: &TagMarks) -> Plan<'a> {
    let here: BTreeMap<&str, &str> = here.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let mut plan = Plan { marks: last.clone(), ..Plan::default() };
    // Of a key that comes twice the last counts.
    let mut seen = BTreeSet::new();
    for pair in there.iter().rev().filter(|(key, _)| seen.insert(key.as_str())) {
        let (key, value) = pair;
        let came = last.0.get(key);
        match here.get(key.as_str()) {
            Some(known) if *known == value => {}
            None if came.is_none() => plan.set.push(pair),
            Some(known) if came.is_some_and(|came| *came == mark(known)) => plan.set.push(pair),
            _ => {
                plan.left_alone += 1;
                continue;
            }
        }
        plan.marks.0.insert(key.clone(), mark(value));
    }
    plan
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(key: &str, value: &str) -> Pair {
        (key.into(), value.into())
    }

    #[test]
    fn what_was_edited_here_stays_and_what_was_not_follows() {
        let first = [pair("same", "1"), pair("edited", "1"), pair("gone", "1"), pair("moves", "1")];
        let Plan { set, left_alone, marks } = plan(&[], &first, &TagMarks::default());
        assert_eq!((set.len(), left_alone), (4, 0));
        let here = [pair("same", "1"), pair("edited", "mine"), pair("moves", "1"), pair("own", "mine")];
        let there = [
            pair("same", "1"),
            pair("edited", "2"),
            pair("gone", "1"),
            pair("moves", "2"),
            pair("new", "1"),
            pair("own", "x"),
        ];
        let second = plan(&here, &there, &marks);
        assert_eq!(second.set, [&pair("new", "1"), &pair("moves", "2")]);
        assert_eq!(second.left_alone, 3, "edited, gone, own");
        // The edit is known as one the next time, too, and is over once both say the same.
        let here = [pair("edited", "2"), pair("moves", "mine")];
        let there = [pair("edited", "2"), pair("moves", "2")];
        let third = plan(&here, &there, &second.marks);
        assert_eq!((third.set.len(), third.left_alone), (0, 1));
        assert_eq!(plan(&here, &[pair("edited", "3")], &third.marks).set, [&pair("edited", "3")]);
    }

    #[test]
    fn of_a_key_that_comes_twice_the_last_counts() {
        let twice = [pair("k", "1"), pair("k", "2")];
        assert_eq!(plan(&[], &twice, &TagMarks::default()).set, [&twice[1]]);
    }
}
