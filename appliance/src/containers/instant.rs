//! Docker's timestamps (RFC 3339, UTC or with an offset) as milliseconds or nanoseconds since 1970.

/// `None` for what is no timestamp, and for year 1, which is how Docker writes "never".
pub(super) fn parse_ms(text: &str) -> Option<i64> {
    Some(parse_ns(text)?.div_euclid(1_000_000))
}

/// As `parse_ms`, to the last digit that Docker writes. `None` also beyond the year 2262.
pub(super) fn parse_ns(text: &str) -> Option<i64> {
    let (date, time) = text.split_once('T')?;
    let mut date = date.splitn(3, '-').map(|part| part.parse::<i64>());
    let (year, month, day) = (date.next()?.ok()?, date.next()?.ok()?, date.next()?.ok()?);
    let (clock, offset_minutes) = split_offset(time)?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut clock = clock.splitn(3, ':').map(|part| part.parse::<i64>());
    let (hour, minute, second) = (clock.next()?.ok()?, clock.next()?.ok()?, clock.next()?.ok()?);
    let plausible = (1970..10_000).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..=60).contains(&second);
    if !plausible {
        return None;
    }
    let seconds = days_since_1970(year, month, day) * 86_400 + (hour * 60 + minute - offset_minutes) * 60 + second;
    seconds.checked_mul(1_000_000_000)?.checked_add(nanos(fraction)?)
}

fn nanos(fraction: &str) -> Option<i64> {
    let digits = fraction.get(..fraction.len().min(9))?;
    let scale = 10_i64.pow(u32::try_from(9 - digits.len()).ok()?);
    if digits.is_empty() { Some(0) } else { digits.parse::<i64>().ok().map(|digits| digits * scale) }
}

fn split_offset(time: &str) -> Option<(&str, i64)> {
    if let Some(clock) = time.strip_suffix('Z') {
        return Some((clock, 0));
    }
    let at = time.rfind(['+', '-'])?;
    let (hours, minutes) = time[at + 1..].split_once(':')?;
    let size = hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?;
    Some((&time[..at], if time[at..].starts_with('-') { -size } else { size }))
}

/// Proleptic Gregorian calendar; years are counted from March, so that the leap day is the last of its year.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_instants() {
        assert_eq!(parse_ms("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(parse_ms("2000-02-29T12:00:00.5Z"), Some(951_825_600_500));
        assert_eq!(parse_ms("2026-11-23T13:24:05.123456789Z"), Some(1_795_440_245_123));
        assert_eq!(parse_ms("2026-11-23T14:24:05.123+01:00"), Some(1_795_440_245_123));
        assert_eq!(parse_ms("2026-11-23T08:54:05.1-04:30"), Some(1_795_440_245_100));
        assert_eq!(parse_ns("2026-11-23T13:24:05.123456789Z"), Some(1_795_440_245_123_456_789));
        assert_eq!(parse_ns("2026-11-23T13:24:05.5Z"), Some(1_795_440_245_500_000_000));
    }

    #[test]
    fn never_and_nonsense_are_none() {
        for text in [
            "0001-01-01T00:00:00Z",
            "",
            "yesterday",
            "2026-13-01T00:00:00Z",
            "2026-01-01 00:00:00Z",
            "2026-01-01T00:00:00",
        ] {
            assert_eq!(parse_ms(text), None, "{text}");
        }
    }
}
