//! Which time it is, for deciding what is too old. Pure.
//!
//! A box without NTP may jump: to 1970 after its battery is empty, by years when somebody mistypes. Samples are written at the time
//! that the clock shows, but nothing is deleted on the word of a clock that jumped: a leap ahead is believed little by little (a day for
//! each 144 minutes of running), and while the clock stands far behind what was believed, nothing is deleted at all.

/// A clock this near to what is believed is simply right.
const NEAR_MS: i64 = 24 * 3_600_000;
/// A clock further ahead is followed so much faster than time goes.
const CATCHES_UP: i64 = 10;

/// What is believed after `elapsed_ms` of running, and whether the clock agrees with it.
pub fn believed(before: Option<i64>, now: i64, elapsed_ms: i64) -> (i64, bool) {
    let Some(before) = before else { return (now, true) };
    if (now - before).abs() <= NEAR_MS + elapsed_ms {
        return (now, true);
    }
    if now < before { (before, false) } else { ((before + elapsed_ms * CATCHES_UP).min(now), false) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = NEAR_MS;

    #[test]
    fn a_leap_of_ten_years_is_not_believed_and_one_of_hours_is() {
        let now = 1_800_000_000_000;
        assert_eq!(believed(None, now, 0), (now, true));
        assert_eq!(believed(Some(now), now + 5 * 3_600_000, 5_000), (now + 5 * 3_600_000, true));
        let (after, agrees) = believed(Some(now), now + 3_650 * DAY, 3_600_000);
        assert_eq!((after, agrees), (now + 36_000_000, false));
        assert_eq!(believed(Some(now), 0, 3_600_000), (now, false));
    }

    #[test]
    fn a_box_that_was_off_for_a_month_is_right_again_within_days() {
        let (mut known, mut hours) = (0, 0);
        let mut agrees = false;
        while !agrees {
            hours += 1;
            (known, agrees) = believed(Some(known), 30 * DAY + hours * 3_600_000, 3_600_000);
        }
        assert!(hours <= 4 * 24, "{hours} hours");
    }
}
