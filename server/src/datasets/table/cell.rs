//! What a cell says: nothing, a number, an instant, a word.

/// A cell of a row.
#[derive(Debug, Clone, Copy)]
pub struct Cell<'a> {
    pub text: &'a str,
    /// The format says that it is text, so that `"12"` in quotes is no number.
    pub is_text: bool,
}

/// Whether the cell holds no value.
pub fn is_empty(cell: &str) -> bool {
    cell.trim().is_empty()
}

/// The finite number in the cell.
pub fn number(cell: &str) -> Option<f64> {
    cell.trim().parse::<f64>().ok().filter(|value| value.is_finite())
}

/// The beginning of a text, short enough for a message.
pub fn excerpt(text: &str) -> String {
    const LIMIT: usize = 120;
    match text.char_indices().nth(LIMIT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The instant of a date (`2026-01-31`) or a date with a time (`2026-01-31T12:00:00.5+01:00`, also with a blank for the T and
/// without a zone, which is read as UTC), in milliseconds since the Unix epoch.
pub fn instant_ms(cell: &str) -> Option<f64> {
    let bytes = cell.trim().as_bytes();
    let days = days(bytes.get(..10)?)?;
    let day_ms = days as f64 * 86_400_000.0;
    match bytes.get(10) {
        None => Some(day_ms),
        Some(b'T' | b't' | b' ') => Some(day_ms + time_ms(&bytes[11..])?),
        Some(_) => None,
    }
}

fn days(date: &[u8]) -> Option<i64> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *date else { return None };
    let (year, month, day) = (digits(&[y1, y2, y3, y4])?, digits(&[m1, m2])?, digits(&[d1, d2])?);
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        _ => return None,
    };
    if !(1..=length).contains(&day) {
        return None;
    }
    // days of the civil calendar, years beginning in March
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

fn time_ms(time: &[u8]) -> Option<f64> {
    let [h1, h2, b':', m1, m2, rest @ ..] = time else { return None };
    let (hour, minute) = (digits(&[*h1, *h2])?, digits(&[*m1, *m2])?);
    let (seconds, rest) = match rest {
        [b':', s1, s2, rest @ ..] => {
            let fraction = rest.strip_prefix(b".").or_else(|| rest.strip_prefix(b","));
            let whole = digits(&[*s1, *s2])? as f64;
            match fraction {
                Some(tail) => {
                    let count = tail.iter().take_while(|byte| byte.is_ascii_digit()).count();
                    if count == 0 || count > 12 {
                        return None;
                    }
                    (whole + digits(&tail[..count])? as f64 / 10_f64.powi(count as i32), &tail[count..])
                }
                None => (whole, rest),
            }
        }
        rest => (0.0, rest),
    };
    let zone = match rest {
        [] | [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] | [sign @ (b'+' | b'-'), h1, h2, m1, m2] => {
            let minutes = digits(&[*h1, *h2])? * 60 + digits(&[*m1, *m2])?;
            if *sign == b'+' { minutes } else { -minutes }
        }
        _ => return None,
    };
    (hour < 24 && minute < 60 && seconds < 61.0)
        .then_some((hour * 60 + minute - zone) as f64 * 60_000.0 + seconds * 1_000.0)
}

fn digits(bytes: &[u8]) -> Option<i64> {
    bytes.iter().try_fold(0_i64, |value, byte| byte.is_ascii_digit().then(|| value * 10 + i64::from(byte - b'0')))
}
