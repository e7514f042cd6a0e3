//! When a schedule is due. Zones come from the tz database that is built in, so that a minimal box needs none.
//!
//! A cron with one minute and one hour runs once a day that it names: a local time that a clock change skips counts as the first
//! instant after it, one that comes twice counts once. A cron with several hours or a `*` there counts real time: it runs at each
//! instant whose local time it names, both times where that comes twice, and not where it is skipped.

use croner::{
    Cron, Direction,
    parser::{CronParser, Seconds, Year},
};
use drydock_wire::pipelines::CatchUp;
use jiff::{Timestamp, Zoned, tz::TimeZone};

/// An instant that is later than this was missed: the box was off, or the schedule did not exist yet.
pub const LATE_MS: i64 = 60_000;
/// At most so many runs are made up for; the newest of them.
pub const MOST_CAUGHT_UP: usize = 100;
/// A `done_until` further ahead than this means that the clock was wrong when it was written.
const AHEAD_MS: i64 = 25 * 3_600_000;
/// A zone that crosses the date line skips a day.
const GAP_DAYS: i64 = 2;
/// The fields of a cron, and what a number of each may be.
const FIELDS: [(&str, &str); 5] = [
    ("minute", "0 to 59"),
    ("hour", "0 to 23"),
    ("day", "1 to 31, or L for the last of a month"),
    ("month", "1 to 12, or JAN to DEC"),
    ("weekday", "0 to 7, where 0 and 7 are Sunday, or SUN to SAT"),
];

/// A cron in its zone.
#[derive(Debug, Clone)]
pub struct Clock {
    cron: Cron,
    zone: TimeZone,
}

/// What is due, and until when nothing more is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// Oldest first.
    pub instants: Vec<i64>,
    /// More were missed than are made up for.
    pub dropped: bool,
    pub done_until: i64,
}

impl Clock {
    /// # Errors
    /// In words: what is wrong with cron or zone.
    pub fn new(cron: &str, zone: &str) -> Result<Self, String> {
        let parsed = cron_of(cron).map_err(|words| format!("cron {cron:?}: {words}"))?;
        Ok(Self { cron: parsed, zone: zone_of(zone)? })
    }

    /// As `new`, for one that somebody writes now.
    ///
    /// # Errors
    /// Also for a cron that names no day that there is.
    pub fn checked(cron: &str, zone: &str) -> Result<Self, String> {
        let clock = Self::new(cron, zone)?;
        match clock.next(0) {
            Some(_) => Ok(clock),
            None => Err(format!("cron {cron:?}: {NEVER}")),
        }
    }

    /// In words.
    pub fn words(&self) -> String {
        self.cron.describe()
    }

    fn local(&self, at: i64) -> Option<Zoned> {
        Timestamp::from_millisecond(at).ok().map(|at| at.to_zoned(self.zone.clone()))
    }

    /// The first instant after `at`.
    pub fn next(&self, at: i64) -> Option<i64> {
        self.search(at, Direction::Forward, false).filter(|found| *found > at)
    }

    /// A gap of more than two hours in local time (a zone that crossed the date line) ends croner's search: it goes on behind it.
    fn search(&self, at: i64, direction: Direction, inclusive: bool) -> Option<i64> {
        (0..=GAP_DAYS).find_map(|day| {
            let away = day * 86_400_000;
            let from = if direction == Direction::Forward { at.saturating_add(away) } else { at.saturating_sub(away) };
            let (from, inclusive) = (self.local(from)?, inclusive || day > 0);
            let found = match direction {
                Direction::Forward => self.cron.find_next_occurrence(&from, inclusive),
                Direction::Backward => self.cron.find_previous_occurrence(&from, inclusive),
            };
            found.ok().map(|found| found.timestamp().as_millisecond())
        })
    }

    /// The first instants after `at`.
    pub fn upcoming(&self, at: i64, count: usize) -> Vec<i64> {
        std::iter::successors(self.next(at), |at| self.next(*at)).take(count).collect()
    }

    /// The last instant at or before `at`.
    fn latest(&self, at: i64) -> Option<i64> {
        self.search(at, Direction::Backward, true).filter(|found| *found <= at)
    }

    /// What is due after `done_until`, up to and with `now`.
    pub fn due(&self, done_until: i64, now: i64, catch_up: CatchUp) -> Due {
        let nothing = |done_until| Due { instants: vec![], dropped: false, done_until };
        if done_until > now.saturating_add(AHEAD_MS) {
            return nothing(now);
        }
        // A clock that was set back a little: what ran does not run again.
        if done_until >= now {
            return nothing(done_until);
        }
        let most = match catch_up {
            CatchUp::None | CatchUp::Last => 1,
            CatchUp::All => MOST_CAUGHT_UP + 1,
        };
        let mut found = vec![];
        let mut at = now;
        while found.len() < most
            && let Some(instant) = self.latest(at).filter(|instant| *instant > done_until)
        {
            found.push(instant);
            at = instant - 1;
        }
        let dropped = found.len() > MOST_CAUGHT_UP;
        found.truncate(MOST_CAUGHT_UP);
        if catch_up == CatchUp::None {
            found.retain(|instant| now - instant <= LATE_MS);
        }
        found.reverse();
        Due { instants: found, dropped, done_until: now }
    }
}

/// Of a cron that can be read.
pub const NEVER: &str =
    "there is no such day, and so it would never run; day 31 with month 2 is the thirty-first of February.";

/// # Errors
/// In words, without the cron itself.
pub fn cron_of(text: &str) -> Result<Cron, String> {
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    let fields: Vec<&str> = text.split_whitespace().collect();
    if fields.len() != FIELDS.len() && !text.trim_start().starts_with('@') {
        return Err("write five fields: minute, hour, day, month, weekday; 0 3 * * 1 is Mondays at three.".to_owned());
    }
    parser.parse(text).map_err(|cause| wrong_field(parser, &fields).unwrap_or_else(|| format!("{cause}")))
}

/// # Errors
/// In words.
pub fn zone_of(text: &str) -> Result<TimeZone, String> {
    TimeZone::get(text).map_err(|_| format!("There is no time zone {text:?}; write for example Europe/Berlin or UTC."))
}

/// The first field that the parser does not take either when it stands alone among stars.
fn wrong_field(parser: CronParser, fields: &[&str]) -> Option<String> {
    let (at, field) = fields.iter().enumerate().take(FIELDS.len()).find(|(at, field)| {
        let mut alone = ["*"; FIELDS.len()];
        alone[*at] = **field;
        parser.parse(&alone.join(" ")).is_err()
    })?;
    let (name, range) = FIELDS[at];
    Some(format!(
        "{field:?} is no {name}; write {range}, * for each, 1,3 for some, 1-5 for a range, */2 for every second."
    ))
}

/// `2026-11-26T03:00:00+01:00[Europe/Berlin]` of an instant, for `${run.due_at}`; UTC for a zone that is unknown.
pub fn written(at: i64, zone: &str) -> String {
    let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
    Timestamp::from_millisecond(at)
        .map_or_else(|_| at.to_string(), |at| at.to_zoned(zone).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const HOUR: i64 = 3_600_000;
    const DAY: i64 = 24 * HOUR;

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    fn said(instants: &[i64]) -> Vec<String> {
        instants.iter().map(|at| Timestamp::from_millisecond(*at).unwrap().to_string()).collect()
    }

    fn clock(cron: &str, zone: &str) -> Clock {
        Clock::new(cron, zone).unwrap()
    }

    #[test]
    fn a_skipped_local_time_runs_at_the_first_that_is_there() {
        // Berlin, 29 March 2026: 02:00 becomes 03:00.
        let clock = clock("30 2 * * *", "Europe/Berlin");
        let found = clock.upcoming(at("2026-03-27T12:00:00Z"), 3);
        assert_eq!(said(&found), ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]);
    }

    #[test]
    fn a_local_time_that_comes_twice_runs_once() {
        // Berlin, 25 October 2026: 03:00 becomes 02:00.
        let clock = clock("30 2 * * *", "Europe/Berlin");
        let found = clock.upcoming(at("2026-10-24T12:00:00Z"), 2);
        assert_eq!(said(&found), ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
        let between = clock.due(at("2026-10-25T00:30:00Z"), at("2026-10-25T12:00:00Z"), CatchUp::All);
        assert!(between.instants.is_empty(), "{between:?}");
    }

    #[test]
    fn half_an_hour_of_summer_time_on_lord_howe() {
        // 4 October 2026: 02:00 becomes 02:30. 5 April 2026: 02:00 becomes 01:30 again.
        let clock = clock("15 2 * * *", "Australia/Lord_Howe");
        let found = clock.upcoming(at("2026-10-03T00:00:00Z"), 2);
        assert_eq!(said(&found), ["2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"]);
        let twice = self::clock("45 1 * * *", "Australia/Lord_Howe").upcoming(at("2026-04-04T00:00:00Z"), 2);
        assert_eq!(said(&twice), ["2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"]);
    }

    #[test]
    fn every_half_hour_is_every_real_half_hour() {
        let found = clock("*/30 * * * *", "Europe/Berlin").upcoming(at("2026-10-24T23:45:00Z"), 8);
        assert!(found.windows(2).all(|pair| pair[1] - pair[0] == HOUR / 2), "{:?}", said(&found));
        let found = clock("*/30 * * * *", "Europe/Berlin").upcoming(at("2026-03-28T23:45:00Z"), 8);
        assert!(found.windows(2).all(|pair| pair[1] - pair[0] == HOUR / 2), "{:?}", said(&found));
    }

    #[test]
    fn a_zone_that_changed_its_rules_is_followed() {
        // Samoa had no 30 December 2011; Turkey stayed on summer time from 2016 on.
        let found = clock("0 8 * * *", "Pacific/Apia").upcoming(at("2011-12-28T20:00:00Z"), 2);
        assert_eq!(said(&found), ["2011-12-29T18:00:00Z", "2011-12-30T18:00:00Z"]);
        let before = clock("0 3 * * *", "Europe/Istanbul").upcoming(at("2015-12-01T00:00:00Z"), 1);
        let after = clock("0 3 * * *", "Europe/Istanbul").upcoming(at("2016-12-01T00:00:00Z"), 1);
        assert_eq!(
            (said(&before), said(&after)),
            (vec!["2015-12-01T01:00:00Z".to_owned()], vec!["2016-12-02T00:00:00Z".to_owned()])
        );
    }

    #[test]
    fn what_was_missed_is_made_up_for_as_stated() {
        let clock = clock("0 3 * * *", "UTC");
        let (until, now) = (at("2026-11-20T03:00:00Z"), at("2026-11-26T09:00:00Z"));
        assert_eq!(clock.due(until, now, CatchUp::None).instants, Vec::<i64>::new());
        assert_eq!(said(&clock.due(until, now, CatchUp::Last).instants), ["2026-11-26T03:00:00Z"]);
        let all = clock.due(until, now, CatchUp::All);
        assert_eq!((all.instants.len(), all.dropped, all.done_until), (6, false, now));
        assert_eq!(said(&all.instants[..1]), ["2026-11-21T03:00:00Z"]);
        for catch_up in [CatchUp::None, CatchUp::Last, CatchUp::All] {
            assert_eq!(clock.due(now, now + HOUR, catch_up).instants, Vec::<i64>::new());
        }
    }

    #[test]
    fn in_time_is_in_time_whatever_is_made_up_for() {
        let clock = clock("0 3 * * *", "UTC");
        let due = at("2026-11-26T03:00:00Z");
        for catch_up in [CatchUp::None, CatchUp::Last, CatchUp::All] {
            assert_eq!(clock.due(due - 2_000, due + 1_000, catch_up).instants, [due], "{catch_up:?}");
            assert_eq!(clock.due(due - 2_000, due, catch_up).instants, [due], "{catch_up:?}");
        }
        assert!(clock.due(due - 2_000, due + LATE_MS + 1, CatchUp::None).instants.is_empty());
    }

    #[test]
    fn more_than_a_hundred_are_not_made_up_for_and_it_is_said() {
        let clock = clock("* * * * *", "UTC");
        let now = at("2026-11-26T09:00:00Z");
        let due = clock.due(now - 10 * DAY, now, CatchUp::All);
        assert_eq!((due.instants.len(), due.dropped), (MOST_CAUGHT_UP, true));
        assert_eq!(due.instants.last(), Some(&now));
        assert!(due.instants.is_sorted());
        // A jump of years: as quick, and one run where one is wished.
        assert_eq!(clock.due(now - 4000 * DAY, now, CatchUp::Last).instants, [now]);
    }

    #[test]
    fn a_clock_that_goes_back_repeats_nothing_and_one_that_was_far_ahead_does_not_stop_the_schedule() {
        let clock = clock("0 * * * *", "UTC");
        let now = at("2026-11-26T09:00:00Z");
        let back = clock.due(now, now - HOUR, CatchUp::All);
        assert_eq!((back.instants, back.done_until), (vec![], now));
        let years = clock.due(now + 3000 * DAY, now, CatchUp::All);
        assert_eq!((years.instants, years.done_until), (vec![], now));
    }

    #[test]
    fn faults_are_said() {
        for (cron, zone) in [
            ("0 3 * *", "UTC"),
            ("0 0 3 * * *", "UTC"),
            ("61 3 * * *", "UTC"),
            ("0 3 * * *", "Europe/Bärlin"),
            ("", "UTC"),
            ("x y z a b", "UTC"),
        ] {
            assert!(Clock::new(cron, zone).is_err(), "{cron} {zone}");
        }
        for (cron, words) in [
            ("0 25 * * *", "\"25\" is no hour; write 0 to 23"),
            ("61 3 * * *", "\"61\" is no minute"),
            ("0 3 32 * *", "\"32\" is no day;"),
            ("0 3 * 13 *", "\"13\" is no month"),
            ("0 3 * * 8", "\"8\" is no weekday"),
            ("0 3 * * 5-1-2", "is no weekday"),
            ("0 3 * *", "five fields"),
            ("@whenever", "cron"),
        ] {
            let said = Clock::new(cron, "UTC").unwrap_err();
            assert!(said.contains(words), "{cron}: {said}");
        }
        assert!(clock("0 3 * * MON", "Europe/Berlin").words().contains("Monday"));
        assert_eq!(clock("0 0 30 2 *", "UTC").next(0), None);
        assert_eq!(written(at("2026-11-26T02:00:00Z"), "Europe/Berlin"), "2026-11-26T03:00:00+01:00");
    }
}
