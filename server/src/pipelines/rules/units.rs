//! Durations and sizes as people write them: `90s`, `30m`, `2h`, `3d`, `512MiB`, `1.5 GB`; a bare number is seconds or bytes.

use serde_json::Value;

const LONGEST_S: u64 = 366 * 86_400;

/// Seconds of a duration.
pub fn seconds(value: &Value) -> Result<u64, String> {
    let found = match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => seconds_of_text(text),
        _ => None,
    };
    found
        .filter(|seconds| *seconds <= LONGEST_S)
        .ok_or_else(|| format!("{value} is no duration; write 90s, 30m, 2h or 3d."))
}

fn seconds_of_text(text: &str) -> Option<u64> {
    let (mut total, mut rest) = (0_u64, text.trim());
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number: u64 = rest[..digits].parse().ok()?;
        let after = rest[digits..].trim_start();
        let unit_end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let factor = match &after[..unit_end] {
            "s" | "" => 1,
            "m" | "min" => 60,
            "h" => 3_600,
            "d" => 86_400,
            _ => return None,
        };
        total = total.checked_add(number.checked_mul(factor)?)?;
        rest = after[unit_end..].trim_start();
    }
    Some(total)
}

/// Bytes of a size.
pub fn bytes(value: &Value) -> Result<u64, String> {
    let found = match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => bytes_of_text(text),
        _ => None,
    };
    found.ok_or_else(|| format!("{value} is no size; write 512MiB, 2GiB or a number of bytes."))
}

fn bytes_of_text(text: &str) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..end].parse().ok()?;
    let factor = match text[end..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "ki" | "kib" => 1024.0,
        "m" | "mi" | "mib" => 1024.0 * 1024.0,
        "g" | "gi" | "gib" => 1024.0 * 1024.0 * 1024.0,
        "t" | "ti" | "tib" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        "tb" => 1e12,
        _ => return None,
    };
    let bytes = number * factor;
    (bytes.is_finite() && (0.0..9e18).contains(&bytes)).then_some(bytes.round() as u64)
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
    fn durations_as_people_write_them() {
        for (text, wanted) in
            [("90s", 90), ("30m", 1_800), ("2h", 7_200), ("3d", 259_200), ("1h 30m", 5_400), ("45", 45)]
        {
            assert_eq!(seconds(&json!(text)), Ok(wanted), "{text}");
        }
        assert_eq!(seconds(&json!(15)), Ok(15));
        for bad in
            [json!("soon"), json!("5w"), json!(""), json!(-1), json!(null), json!("99999d"), json!("9".repeat(30))]
        {
            assert!(seconds(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_as_people_write_them() {
        for (text, wanted) in
            [("1GiB", 1 << 30), ("512Mi", 512 << 20), ("1.5 g", 1_610_612_736), ("2GB", 2_000_000_000), ("7", 7)]
        {
            assert_eq!(bytes(&json!(text)), Ok(wanted), "{text}");
        }
        for bad in [json!("much"), json!("1 PiB"), json!(""), json!(true), json!("-1k")] {
            assert!(bytes(&bad).is_err(), "{bad}");
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
