//! What a bucket's lifecycle rules ask for: which rows go at a given instant. Pure; `tasks` carries it out.
//!
//! As S3 has it, an object's day is over at midnight UTC: what was written on a Monday with one day to live goes on Wednesday at
//! 00:00. A rule never touches an object that a later version replaced after the look.

use drydock_wire::storage::LifecycleRule;

use super::refusals;
use crate::error::Result;

const DAY_MS: i64 = 86_400_000;

/// # Errors
/// `invalid` with the rule that is wrong.
pub fn check(rules: &[LifecycleRule]) -> Result<()> {
    if rules.len() > 1000 {
        return Err(refusals::invalid_argument("At most 1,000 lifecycle rules fit."));
    }
    for (index, rule) in rules.iter().enumerate() {
        if rule.id.is_empty() || rule.id.len() > 255 {
            return Err(refusals::invalid_argument("A lifecycle rule's id has 1 to 255 characters."));
        }
        if rules.iter().take(index).any(|other| other.id == rule.id) {
            return Err(refusals::invalid_argument(format!(
                "Rule ID must be unique. Found same ID for more than one rule: {}.",
                rule.id
            )));
        }
        let days = [rule.expire_days, rule.noncurrent_days, rule.abort_uploads_days];
        if days.into_iter().flatten().any(|days| days == 0 || days > 36_500) {
            return Err(refusals::invalid_argument("Days in a lifecycle rule are 1 to 36,500."));
        }
        if days.iter().all(Option::is_none) && !rule.remove_lone_markers {
            return Err(refusals::invalid_argument(format!(
                "At least one action needs to be specified in the rule {}.",
                rule.id
            )));
        }
        if rule.keep_noncurrent.is_some() && rule.noncurrent_days.is_none() {
            let text = format!("The rule {} keeps some older versions but says of none when it goes.", rule.id);
            return Err(refusals::invalid_argument(text));
        }
    }
    Ok(())
}

/// What was written, replaced or begun before this instant is over its days at `now`.
pub fn over_before(now: i64, days: u32) -> i64 {
    // written at t, it goes at the first midnight after t + days
    now.div_euclid(DAY_MS) * DAY_MS - i64::from(days) * DAY_MS
}

/// What is left to do for one rule at one instant: bounds that rows are held against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    pub prefix: String,
    pub current_before: Option<i64>,
    pub noncurrent_before: Option<i64>,
    pub keep_noncurrent: usize,
    pub uploads_before: Option<i64>,
    pub lone_markers: bool,
}

pub fn due(rules: &[LifecycleRule], now: i64) -> Vec<Due> {
    let enabled = rules.iter().filter(|rule| rule.enabled);
    enabled
        .map(|rule| Due {
            prefix: rule.prefix.clone(),
            current_before: rule.expire_days.map(|days| over_before(now, days)),
            noncurrent_before: rule.noncurrent_days.map(|days| over_before(now, days)),
            keep_noncurrent: rule.keep_noncurrent.unwrap_or(0) as usize,
            uploads_before: rule.abort_uploads_days.map(|days| over_before(now, days)),
            lone_markers: rule.remove_lone_markers,
        })
        .collect()
}

/// One version of a key, as a plan needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Age {
    pub seq: i64,
    pub modified_at: i64,
    pub is_marker: bool,
}

/// Which of a key's versions, newest first, go for good. The newest never goes here but as a lone marker.
pub fn versions_to_erase(versions: &[Age], due: &Due) -> Vec<i64> {
    let mut gone = vec![];
    let mut older_seen = 0;
    for pair in versions.windows(2) {
        let [newer, older] = pair else { continue };
        older_seen += 1;
        // it became an older version when the next one was written
        let is_over = due.noncurrent_before.is_some_and(|before| newer.modified_at < before);
        if is_over && older_seen > due.keep_noncurrent {
            gone.push(older.seq);
        }
    }
    if due.lone_markers
        && let Some(first) = versions.first()
        && first.is_marker
        && gone.len() + 1 == versions.len()
    {
        gone.push(first.seq);
    }
    gone
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn rule() -> LifecycleRule {
        LifecycleRule {
            id: "r".into(),
            enabled: true,
            prefix: String::new(),
            expire_days: None,
            noncurrent_days: Some(2),
            keep_noncurrent: None,
            abort_uploads_days: None,
            remove_lone_markers: false,
        }
    }

    fn ages(modified: &[i64]) -> Vec<Age> {
        modified.iter().map(|day| Age { seq: *day, modified_at: day * DAY_MS, is_marker: false }).collect()
    }

    #[test]
    fn a_day_ends_at_midnight() {
        let monday_noon = 4 * DAY_MS + DAY_MS / 2;
        let goes_at = 6 * DAY_MS;
        assert!(monday_noon >= over_before(goes_at - 1, 1));
        assert!(monday_noon < over_before(goes_at, 1));
    }

    #[test]
    fn an_older_version_ages_from_when_it_was_replaced() {
        let now = 10 * DAY_MS;
        let due = due(&[rule()], now).remove(0);
        // written on days 1, 7, 9: the oldest was replaced on day 7 (over), the next on day 9 (not yet)
        assert_eq!(versions_to_erase(&ages(&[9, 7, 1]), &due), [1]);
        let keeping = Due { keep_noncurrent: 2, ..due.clone() };
        assert_eq!(versions_to_erase(&ages(&[9, 7, 1]), &keeping), Vec::<i64>::new());
        let keeping = Due { keep_noncurrent: 1, ..due };
        assert_eq!(versions_to_erase(&ages(&[7, 5, 3, 1]), &keeping), [3, 1]);
    }

    #[test]
    fn a_marker_with_nothing_below_goes_only_when_asked() {
        let marker = Age { seq: 5, modified_at: 5 * DAY_MS, is_marker: true };
        let due = due(&[LifecycleRule { remove_lone_markers: true, ..rule() }], 10 * DAY_MS).remove(0);
        assert_eq!(versions_to_erase(&[marker], &due), [5]);
        assert_eq!(versions_to_erase(&[marker], &Due { lone_markers: false, ..due.clone() }), Vec::<i64>::new());
        let below = ages(&[1]);
        assert_eq!(versions_to_erase(&[marker, below[0]], &due), [1, 5], "the last one below goes in the same pass");
        let young = Age { modified_at: 9 * DAY_MS, ..marker };
        assert_eq!(versions_to_erase(&[young, below[0]], &due), Vec::<i64>::new());
    }

    #[test]
    fn a_rule_without_an_action_or_with_no_days_is_refused() {
        assert!(check(&[rule()]).is_ok());
        assert!(check(&[rule(), rule()]).is_err());
        assert!(check(&[LifecycleRule { noncurrent_days: None, ..rule() }]).is_err());
        assert!(check(&[LifecycleRule { noncurrent_days: Some(0), ..rule() }]).is_err());
        assert!(
            check(&[LifecycleRule { noncurrent_days: None, expire_days: Some(1), keep_noncurrent: Some(1), ..rule() }])
                .is_err()
        );
    }
}
