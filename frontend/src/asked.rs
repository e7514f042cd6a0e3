//! Priorities that were asked for and that the list does not show yet. Pure, so that the host tests it.
//!
//! A person presses `+` faster than the server answers: each press counts from the one before, and one request at a time is under way
//! for a job, so that the last word is the one that holds.

use std::collections::HashMap;

/// By the job's id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Asked(HashMap<String, One>);

#[derive(Clone, Debug, PartialEq)]
struct One {
    priority: i32,
    /// What the request that is under way asks for.
    sent: Option<i32>,
    /// What undoing asks for, if that is offered.
    back: Option<i32>,
}

impl Asked {
    /// What the job's priority is going to be, where the list shows `shown`.
    pub fn of(&self, id: &str, shown: i32) -> i32 {
        self.0.get(id).map_or(shown, |one| one.priority)
    }

    /// Asks for a priority. Whether it is to be sent now; while another is under way it follows that one.
    pub fn ask(&mut self, id: &str, priority: i32, back: Option<i32>) -> bool {
        let one = self.0.entry(id.to_owned()).or_insert(One { priority, sent: None, back });
        (one.priority, one.back) = (priority, back);
        let is_free = one.sent.is_none();
        one.sent.get_or_insert(priority);
        is_free
    }

    /// The request came through; what is to be sent next, if something else was asked meanwhile.
    pub fn answered(&mut self, id: &str) -> Option<i32> {
        let one = self.0.get_mut(id)?;
        one.sent = Some(one.priority).filter(|priority| one.sent != Some(*priority));
        one.sent
    }

    /// What undoing the last of it asks for.
    pub fn way_back(&self, id: &str) -> Option<i32> {
        self.0.get(id).and_then(|one| one.back)
    }

    /// The request was refused, or the list had its time to follow: what it shows is true.
    pub fn forget(&mut self, id: &str) {
        self.0.remove(id);
    }

    /// Whether something was asked for the job and has come through, but is not in the list.
    pub fn is_settled(&self, id: &str) -> bool {
        self.0.get(id).is_some_and(|one| one.sent.is_none())
    }

    /// Whether the list, which shows these jobs, has caught up with something.
    pub fn is_behind(&self, shown: &[(String, i32)]) -> bool {
        self.0.iter().any(|(id, one)| caught_up(id, one, shown))
    }

    /// Forgets what the list has caught up with.
    pub fn see(&mut self, shown: &[(String, i32)]) {
        self.0.retain(|id, one| !caught_up(id, one, shown));
    }
}

fn caught_up(id: &str, one: &One, shown: &[(String, i32)]) -> bool {
    let listed = shown.iter().find(|(other, _)| other == id);
    one.sent.is_none() && listed.is_none_or(|(_, priority)| *priority == one.priority)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(priority: i32) -> Vec<(String, i32)> {
        vec![("a".to_owned(), priority)]
    }

    #[test]
    fn each_press_counts_from_the_one_before_and_one_request_is_under_way() {
        let mut asked = Asked::default();
        assert_eq!(asked.of("a", 0), 0);
        assert!(asked.ask("a", 1, None), "the first is sent");
        assert_eq!(asked.of("a", 0), 1, "the list still shows 0");
        assert!(!asked.ask("a", 2, None) && !asked.ask("a", 3, None), "these wait for its answer");
        assert!(asked.ask("b", 5, None), "another job's do not");
        assert_eq!(asked.answered("a"), Some(3), "what was asked in between is left out");
        assert_eq!(asked.answered("a"), None);
        assert!(asked.is_settled("a") && !asked.is_settled("b"));
        assert!(asked.ask("a", 4, None), "the next is sent at once again");
    }

    #[test]
    fn it_holds_until_the_list_shows_it() {
        let mut asked = Asked::default();
        asked.ask("a", 2, None);
        assert!(!asked.is_behind(&shown(2)), "not before the answer");
        asked.answered("a");
        asked.see(&shown(0));
        assert_eq!(asked.of("a", 0), 2, "a list from before the answer");
        assert!(asked.is_behind(&shown(2)));
        asked.see(&shown(2));
        assert_eq!(asked.of("a", 7), 7, "from then on the list is right");
        asked.ask("a", 8, None);
        asked.answered("a");
        asked.see(&[]);
        assert_eq!(asked, Asked::default(), "the job has started");
    }

    #[test]
    fn back_to_what_was_sent_first_is_one_more_request_only_if_it_has_to_be() {
        let mut asked = Asked::default();
        asked.ask("a", 1, None);
        asked.ask("a", 2, None);
        asked.ask("a", 1, None);
        assert_eq!(asked.answered("a"), None, "1 is what was sent");
        asked.ask("a", 2, Some(1));
        assert_eq!(asked.way_back("a"), Some(1));
        asked.forget("a");
        assert_eq!(asked.of("a", 1), 1, "refused: what the list shows is true");
        assert_eq!(asked.answered("a"), None);
    }
}
