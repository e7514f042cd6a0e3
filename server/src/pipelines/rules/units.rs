//! Durations and sizes as people write them in YAML (`drydock_wire::units`), where a bare number is seconds or bytes.

use drydock_wire::units::{parse_bytes, parse_seconds};
use serde_json::Value;

const LONGEST_S: u64 = 366 * 86_400;

/// Seconds of a duration.
pub fn seconds(value: &Value) -> Result<u64, String> {
    let found = match value {
        Value::Number(number) => {
            number.as_u64().ok_or_else(|| format!("{value} is no time; write 90s, 30m, 2h or 3d."))?
        }
        Value::String(text) => parse_seconds(text)?,
        _ => return Err(format!("{value} is no time; write 90s, 30m, 2h or 3d.")),
    };
    if found > LONGEST_S { Err(format!("{value} is longer than a year.")) } else { Ok(found) }
}

/// Bytes of a size.
pub fn bytes(value: &Value) -> Result<u64, String> {
    match value {
        Value::String(text) => parse_bytes(text),
        _ => value.as_u64().ok_or_else(|| format!("{value} is no size; write 512MiB, 2GiB or a number of bytes.")),
    }
}

/// Seconds as a person says them: `90 s`, `30 min`, `2 h`, `3 days`.
pub fn say(seconds: u64) -> String {
    match seconds {
        1..86_400 if seconds.is_multiple_of(3_600) => format!("{} h", seconds / 3_600),
        1..3_600 if seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        86_400 => "1 day".into(),
        172_800.. if seconds.is_multiple_of(86_400) => format!("{} days", seconds / 86_400),
        _ => format!("{seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_and_words_are_times_and_sizes() {
        assert_eq!((seconds(&json!(15)), seconds(&json!("1h 30m"))), (Ok(15), Ok(5_400)));
        assert_eq!((bytes(&json!(15)), bytes(&json!("1GiB"))), (Ok(15), Ok(1 << 30)));
        for bad in [json!("soon"), json!(""), json!(-1), json!(null), json!("9999d"), json!(true), json!([1])] {
            assert!(seconds(&bad).is_err() && bytes(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn said_in_words() {
        assert_eq!(
            [90, 1_800, 7_200, 86_400, 259_200, 0].map(say),
            ["90 s", "30 min", "2 h", "1 day", "3 days", "0 s"]
        );
    }
}
