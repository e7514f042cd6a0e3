//! Instants and durations in protobuf's JSON: `2026-11-25T15:54:32.274Z`, `0.070s`.

use serde_json::Value;

use crate::{error::Result, tracking::mlflow::mistyped};

/// An instant; a fraction has three digits or is left out.
pub fn instant(ms: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(ms).unwrap_or_default();
    let whole = at.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    match ms.rem_euclid(1000) {
        0 => format!("{whole}Z"),
        fraction => format!("{whole}.{fraction:03}Z"),
    }
}

/// A duration.
pub fn duration(ms: i64) -> String {
    let sign = if ms < 0 { "-" } else { "" };
    let (whole, fraction) = (ms.unsigned_abs() / 1000, ms.unsigned_abs() % 1000);
    if fraction == 0 { format!("{sign}{whole}s") } else { format!("{sign}{whole}.{fraction:03}s") }
}

/// Milliseconds of an instant.
pub fn read_instant(value: Option<&Value>, path: &str) -> Result<Option<i64>> {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(None) };
    let read = value.as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok()).map(|at| at.as_millisecond());
    read.map(Some).ok_or_else(|| mistyped(path, value))
}

/// Milliseconds of a duration.
pub fn read_duration(value: Option<&Value>, path: &str) -> Result<Option<i64>> {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(None) };
    let read = || -> Option<i64> {
        let text = value.as_str()?.strip_suffix('s')?;
        let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let three: String = fraction.chars().chain("000".chars()).take(3).collect();
        let ms = whole.parse::<i64>().ok()?.checked_mul(1000)?.checked_add(three.parse().ok()?)?;
        Some(sign * ms)
    };
    read().map(Some).ok_or_else(|| mistyped(path, value))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn times_have_protobufs_form_both_ways() {
        for (ms, text) in [(1_795_622_072_274, "2026-11-25T15:54:32.274Z"), (1_544_712_660_000, "2018-12-13T14:51:00Z")]
        {
            assert_eq!(instant(ms), text);
            assert_eq!(read_instant(Some(&json!(text)), "t").unwrap(), Some(ms));
        }
        for (ms, text) in [(70, "0.070s"), (1000, "1s"), (1500, "1.500s"), (-1, "-0.001s")] {
            assert_eq!(duration(ms), text);
            assert_eq!(read_duration(Some(&json!(text)), "d").unwrap(), Some(ms));
        }
        assert_eq!(read_duration(Some(&json!("1.5s")), "d").unwrap(), Some(1500));
        assert!(read_duration(Some(&json!("1h")), "d").is_err() && read_instant(Some(&json!(5)), "t").is_err());
    }
}
