//! Numbers, sizes and times as people read them. Pure, so that the host tests it.

/// `1234567` as `1,234,567`.
pub fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// Bytes in binary units: `512 B`, `1.5 KiB`, `12 GiB`.
pub fn bytes(n: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if n < 1024 {
        return format!("{n} B");
    }
    let mut value = n as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let text = if value < 99.95 { format!("{value:.1}") } else { format!("{value:.0}") };
    format!("{} {}", text.strip_suffix(".0").unwrap_or(&text), UNITS[unit])
}

/// A GPU in a few words: `GPU 0 · NVIDIA RTX A6000 · 5f2ab81c`, `GPU 1 instance · MIG 1g.5gb · 77aa0b12`. Without a number: one that the
/// box does not know any more.
pub fn gpu(number: Option<u32>, name: &str, uuid: &str, is_instance: bool) -> String {
    let first = match (number, is_instance) {
        (Some(number), false) => format!("GPU {number}"),
        (Some(number), true) => format!("GPU {number} instance"),
        (None, _) => "Former GPU".to_owned(),
    };
    [first.as_str(), name, short_uuid(uuid)]
        .iter()
        .filter(|part| !part.is_empty())
        .copied()
        .collect::<Vec<_>>()
        .join(" · ")
}

/// The first block of a GPU's id, which tells those of one box apart.
pub fn short_uuid(uuid: &str) -> &str {
    let rest = uuid.strip_prefix("GPU-").or_else(|| uuid.strip_prefix("MIG-")).unwrap_or(uuid);
    rest.split('-').find(|block| block.len() >= 8 || !rest.contains('-')).unwrap_or(rest)
}

/// A duration in milliseconds: `84 ms`, `3.2 s`, `4m 05s`, `6h 10m`, `3d 4h`.
pub fn duration(ms: u64) -> String {
    let s = ms / 1000;
    match s {
        0 => format!("{ms} ms"),
        1..=9 => format!("{:.1} s", ms as f64 / 1000.0),
        10..=59 => format!("{s} s"),
        60..=3_599 => format!("{}m {:02}s", s / 60, s % 60),
        3_600..=86_399 => format!("{}h {:02}m", s / 3600, s / 60 % 60),
        _ => format!("{}d {}h", s / 86_400, s / 3600 % 24),
    }
}

/// How long ago, or how far ahead: `just now`, `5 min ago`, `in 3 days`. Both in milliseconds since the epoch.
pub fn ago(at: i64, now: i64) -> String {
    let s = (now - at).unsigned_abs() / 1000;
    let text = match s {
        0..=44 => return if at > now + 5_000 { "in a moment".into() } else { "just now".into() },
        45..=3_599 => format!("{} min", ((s + 30) / 60).max(1)),
        3_600..=86_399 => format!("{} h", s / 3600),
        86_400..=172_799 => "1 day".into(),
        172_800..=2_591_999 => format!("{} days", s / 86_400),
        2_592_000..=31_535_999 => plural(s / 2_592_000, "month"),
        _ => plural(s / 31_536_000, "year"),
    };
    if at > now { format!("in {text}") } else { format!("{text} ago") }
}

/// `1 run`, `2 runs`, with separators.
pub fn plural(n: u64, noun: &str) -> String {
    // "entry" changes its ending, "day" does not.
    match noun.strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'o', 'u'])) {
        _ if n == 1 => format!("1 {noun}"),
        Some(stem) => format!("{} {stem}ies", number(n)),
        None => format!("{} {noun}s", number(n)),
    }
}

/// A metric's value in at most about six significant digits.
pub fn value(v: f64) -> String {
    if v == 0.0 {
        return "0".into();
    }
    if !v.is_finite() {
        return v.to_string();
    }
    let magnitude = v.abs();
    if !(1e-4..1e9).contains(&magnitude) {
        return format!("{v:.3e}");
    }
    if v.fract() == 0.0 {
        let text = number(magnitude as u64);
        return if v < 0.0 { format!("−{text}") } else { text };
    }
    let decimals = match magnitude {
        m if m >= 10_000.0 => 1,
        m if m >= 100.0 => 2,
        m if m >= 10.0 => 3,
        m if m >= 0.01 => 4,
        _ => 6,
    };
    let text = format!("{v:.decimals$}");
    text.trim_end_matches('0').trim_end_matches('.').replace('-', "−")
}

/// `93.4 %` from a share between 0 and 1.
pub fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_separators() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(number), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn sizes_are_binary_and_never_show_1024_of_a_unit() {
        assert_eq!(bytes(512), "512 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes((1 << 20) - 1), "1 MiB");
        assert_eq!(bytes(12 << 30), "12 GiB");
    }

    #[test]
    fn gpus_are_told_by_number_model_and_id() {
        let uuid = "GPU-5f2ab81c-3d5e-0f5a-9c1b-2f0c7a1e9d33";
        assert_eq!(gpu(Some(0), "NVIDIA RTX A6000", uuid, false), "GPU 0 · NVIDIA RTX A6000 · 5f2ab81c");
        assert_eq!(gpu(Some(1), "MIG 1g.5gb", "MIG-77aa0b12-1", true), "GPU 1 instance · MIG 1g.5gb · 77aa0b12");
        assert_eq!(gpu(None, "", uuid, false), "Former GPU · 5f2ab81c");
        assert_eq!(short_uuid("odd"), "odd");
    }

    #[test]
    fn durations_keep_two_units() {
        assert_eq!(
            [84, 3_200, 42_000, 245_000, 22_200_000, 273_600_000].map(duration),
            ["84 ms", "3.2 s", "42 s", "4m 05s", "6h 10m", "3d 4h"]
        );
    }

    #[test]
    fn times_are_relative_both_ways() {
        let now = 1_800_000_000_000;
        assert_eq!(ago(now - 3_000, now), "just now");
        assert_eq!(ago(now - 300_000, now), "5 min ago");
        assert_eq!(ago(now + 3 * 86_400_000, now), "in 3 days");
        assert_eq!(ago(now - 40 * 86_400_000, now), "1 month ago");
    }

    #[test]
    fn shares_are_percent_with_one_decimal() {
        assert_eq!([0.934, 1.0].map(percent), ["93.4 %", "100.0 %"]);
    }

    #[test]
    fn values_stay_short() {
        assert_eq!(value(0.123_456_7), "0.1235");
        assert_eq!(value(-2.5), "−2.5");
        assert_eq!(value(1_234_567.0), "1,234,567");
        assert_eq!(value(0.000_012), "1.200e-5");
    }
}
