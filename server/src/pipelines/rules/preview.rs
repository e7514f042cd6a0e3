//! What a schedule that is being written would do: its next times by the very clock that will run it, or its faults in words, each at
//! its field.

use drydock_wire::pipelines::{PreviewSchedule, PreviewedTime, SchedulePreview};

use super::clock::{self, Clock, NEVER};

/// As many as a schedule that is there shows.
const NEXT: usize = 5;

/// The times after `now`.
pub fn preview_at(wish: &PreviewSchedule, now: i64) -> SchedulePreview {
    let (cron, zone) = (wish.cron.trim(), wish.zone.trim());
    let faults = SchedulePreview {
        cron_fault: clock::cron_of(cron).err().map(sentence),
        zone_fault: clock::zone_of(zone).err(),
        ..SchedulePreview::default()
    };
    // With one of the two wrong there is no clock.
    let Ok(clock) = Clock::new(cron, zone) else { return faults };
    let timed = |at| PreviewedTime { at, local: clock::written(at, zone) };
    let next: Vec<PreviewedTime> = clock.upcoming(now, NEXT).into_iter().map(timed).collect();
    let cron_fault = next.is_empty().then(|| sentence(NEVER.to_owned()));
    SchedulePreview { words: Some(clock.words()), next, cron_fault, zone_fault: None }
}

fn sentence(words: String) -> String {
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::{Duration, Instant};

    use jiff::Timestamp;

    use super::*;

    fn preview(cron: &str, zone: &str, now: &str) -> SchedulePreview {
        let now = now.parse::<Timestamp>().unwrap().as_millisecond();
        preview_at(&PreviewSchedule { cron: cron.into(), zone: zone.into() }, now)
    }

    fn locals(found: &SchedulePreview) -> Vec<&str> {
        assert_eq!((&found.cron_fault, &found.zone_fault), (&None, &None));
        found.next.iter().map(|time| time.local.as_str()).collect()
    }

    #[test]
    fn summer_time_comes_and_goes_in_sight() {
        // Berlin, 29 March 2026: 02:00 becomes 03:00; 25 October: 03:00 becomes 02:00.
        let spring = preview("30 2 * * *", "Europe/Berlin", "2026-03-27T12:00:00Z");
        let wanted = [
            "2026-03-28T02:30:00+01:00",
            "2026-03-29T03:00:00+02:00",
            "2026-03-30T02:30:00+02:00",
            "2026-03-31T02:30:00+02:00",
            "2026-04-01T02:30:00+02:00",
        ];
        assert_eq!(locals(&spring), wanted);
        let autumn = preview("0 */2 * * *", "Europe/Berlin", "2026-10-24T23:00:00Z");
        let wanted = ["2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+01:00", "2026-10-25T04:00:00+01:00"];
        assert_eq!(locals(&autumn)[..3], wanted, "an hour that comes twice is told apart by its distance from UTC");
    }

    #[test]
    fn the_same_cron_is_another_instant_in_another_zone() {
        let now = "2026-11-26T12:00:00Z";
        let (berlin, kolkata) = (preview("0 3 * * *", "Europe/Berlin", now), preview("0 3 * * *", "Asia/Kolkata", now));
        assert_eq!(locals(&berlin)[0], "2026-11-27T03:00:00+01:00");
        assert_eq!(locals(&kolkata)[0], "2026-11-27T03:00:00+05:30");
        assert_eq!(berlin.next[0].at - kolkata.next[0].at, 270 * 60_000);
        let trimmed = preview(" 0 3 * * * ", " UTC ", now);
        assert_eq!((locals(&trimmed)[0], trimmed.next.len()), ("2026-11-27T03:00:00+00:00", 5));
        assert!(trimmed.words.unwrap().contains("03:00"));
    }

    #[test]
    fn faults_stand_at_their_fields() {
        let now = "2026-11-26T12:00:00Z";
        let hour = preview("0 25 * * *", "UTC", now);
        assert!(hour.cron_fault.unwrap().starts_with("\"25\" is no hour; write 0 to 23"));
        assert_eq!((hour.words, hour.next, hour.zone_fault), (None, vec![], None));
        let both = preview("often", "Mars/Base", now);
        assert!(both.cron_fault.unwrap().starts_with("Write five fields"));
        assert!(both.zone_fault.unwrap().contains("Europe/Berlin"));
        let zone = preview("0 3 * * *", "", now);
        assert!(zone.cron_fault.is_none() && zone.next.is_empty() && zone.zone_fault.is_some());
    }

    #[test]
    fn a_day_that_never_comes_is_a_fault_and_a_rare_one_is_not() {
        let now = "2026-11-26T12:00:00Z";
        let begun = Instant::now();
        let never = preview("0 3 31 2 *", "Europe/Berlin", now);
        assert!(begun.elapsed() < Duration::from_secs(2), "it searched for {:?}", begun.elapsed());
        assert!(never.next.is_empty() && never.cron_fault.unwrap().contains("never run"), "{:?}", never.words);
        let leap = preview("0 3 29 2 *", "UTC", now);
        assert_eq!(locals(&leap)[..2], ["2028-02-29T03:00:00+00:00", "2032-02-29T03:00:00+00:00"]);
    }
}
