//! Families as text: Prometheus' format 0.0.4 and OpenMetrics 1.0.0, and which of the two a reader asks for.

use std::fmt::Write;

use super::{Family, Kind, Sample};

/// A way to write families.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' text format, version 0.0.4.
    Text,
    OpenMetrics,
}

impl Format {
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// The one that an `Accept` header likes best; plain text where it says nothing of OpenMetrics.
    pub fn accepted(accept: &str) -> Self {
        let (mut open, mut plain) = (0.0_f64, 0.0_f64);
        for part in accept.split(',') {
            let mut pieces = part.split(';').map(str::trim);
            let media = pieces.next().unwrap_or_default().to_ascii_lowercase();
            let (mut quality, mut version) = (1.0_f64, "");
            for (name, value) in pieces.filter_map(|piece| piece.split_once('=')) {
                match name.trim() {
                    "q" => quality = value.trim().parse().unwrap_or(0.0),
                    "version" => version = value.trim(),
                    _ => {}
                }
            }
            match media.as_str() {
                "application/openmetrics-text" if matches!(version, "" | "1.0.0") => open = quality.max(open),
                "text/plain" | "text/*" => plain = quality.max(plain),
                _ => {}
            }
        }
        if open > 0.0 && open >= plain { Self::OpenMetrics } else { Self::Text }
    }
}

/// The families as a text.
pub fn render(families: &[Family], format: Format) -> String {
    let mut text = String::new();
    for family in families {
        head(&mut text, family, format);
        for sample in &family.samples {
            // writing to a String cannot fail
            let _ =
                writeln!(text, "{}{}{} {}", family.name, sample.part.suffix(), labels(sample), number(sample.value));
        }
    }
    if format == Format::OpenMetrics {
        text.push_str("# EOF\n");
    }
    text
}

/// In OpenMetrics a counter's family has not the `_total` that its samples have; a counter without one has no type there.
fn head(text: &mut String, family: &Family, format: Format) {
    let (mut name, mut kind) = (family.name.as_str(), family.kind.as_str());
    if format == Format::OpenMetrics && family.kind == Kind::Counter {
        match name.strip_suffix("_total") {
            Some(bare) => name = bare,
            None => kind = "unknown",
        }
    }
    let help = family.help.replace('\\', "\\\\").replace('\n', "\\n");
    let help = if format == Format::OpenMetrics { help.replace('"', "\\\"") } else { help };
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn labels(sample: &Sample) -> String {
    if sample.labels.is_empty() {
        return String::new();
    }
    let pairs: Vec<String> =
        sample.labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
    format!("{{{}}}", pairs.join(","))
}

/// As both formats write a number.
fn number(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() }
    } else {
        value.to_string()
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::super::{Cumulative, Exposition};
    use super::*;

    fn families() -> Vec<Family> {
        let mut text = Exposition::default();
        text.single("up", Kind::Gauge, "Whether.", 1);
        text.single("asked_total", Kind::Counter, "How often.", 7);
        text.family("took_seconds", Kind::Histogram, "How long.");
        let of = Cumulative { buckets: &[(0.005, 1), (1.0, 3)], count: 4, sum: 2.5 };
        text.histogram("took_seconds", &[("route", "/a\"b\\c\n")], &of);
        text.family("never", Kind::Gauge, "Has no samples, and so is not told.");
        text.finish()
    }

    #[test]
    fn the_text_is_what_prometheus_reads() {
        let expected = "\
# HELP up Whether.
# TYPE up gauge
up 1
# HELP asked_total How often.
# TYPE asked_total counter
asked_total 7
# HELP took_seconds How long.
# TYPE took_seconds histogram
took_seconds_bucket{route=\"/a\\\"b\\\\c\\n\",le=\"0.005\"} 1
took_seconds_bucket{route=\"/a\\\"b\\\\c\\n\",le=\"1\"} 3
took_seconds_bucket{route=\"/a\\\"b\\\\c\\n\",le=\"+Inf\"} 4
took_seconds_sum{route=\"/a\\\"b\\\\c\\n\"} 2.5
took_seconds_count{route=\"/a\\\"b\\\\c\\n\"} 4
";
        assert_eq!(render(&families(), Format::Text), expected);
    }

    #[test]
    fn in_openmetrics_a_counter_s_family_lacks_the_ending_and_the_text_has_an_end() {
        let text = render(&families(), Format::OpenMetrics);
        assert!(text.contains("# TYPE asked counter\nasked_total 7\n"), "{text}");
        assert!(text.ends_with("# EOF\n"), "{text}");
    }

    #[test]
    fn a_reader_gets_the_format_that_it_likes_best() {
        let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                          text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        assert_eq!(Format::accepted(prometheus), Format::OpenMetrics);
        for plain in ["", "*/*", "text/plain", "application/openmetrics-text; version=1.0.0; q=0.1, text/plain"] {
            assert_eq!(Format::accepted(plain), Format::Text, "{plain}");
        }
        assert_eq!(Format::accepted("application/openmetrics-text; version=9.0.0"), Format::Text);
        assert_eq!(
            (number(f64::INFINITY), number(f64::NAN), number(0.25)),
            ("+Inf".into(), "NaN".into(), "0.25".into())
        );
    }
}
