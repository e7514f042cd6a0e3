//! Prometheus' text format, version 0.0.4.

use std::fmt::{Display, Write};

/// What a family measures.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// A text in the making.
#[derive(Debug, Default)]
pub struct Exposition {
    text: String,
}

/// A histogram by upper bounds in seconds: how many were at or below each.
pub struct Cumulative<'a> {
    pub buckets: &'a [(f64, u64)],
    pub count: u64,
    pub sum: f64,
}

impl Exposition {
    /// Begins a family; its samples follow.
    pub fn family(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.line(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}"));
    }

    /// One value.
    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels = written(labels, None);
        self.line(format_args!("{name}{labels} {value}"));
    }

    /// A family of one value without labels.
    pub fn single(&mut self, name: &str, kind: Kind, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    /// The samples of one histogram.
    pub fn histogram(&mut self, name: &str, labels: &[(&str, &str)], of: &Cumulative<'_>) {
        for (bound, count) in of.buckets {
            let labels = written(labels, Some(&bound.to_string()));
            self.line(format_args!("{name}_bucket{labels} {count}"));
        }
        let (endless, plain) = (written(labels, Some("+Inf")), written(labels, None));
        self.line(format_args!("{name}_bucket{endless} {}", of.count));
        self.line(format_args!("{name}_sum{plain} {}", of.sum));
        self.line(format_args!("{name}_count{plain} {}", of.count));
    }

    /// The text.
    pub fn finish(self) -> String {
        self.text
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // writing to a String cannot fail
        let _ = writeln!(self.text, "{line}");
    }
}

fn written(labels: &[(&str, &str)], bound: Option<&str>) -> String {
    let le = bound.map(|bound| ("le", bound));
    let pairs: Vec<String> =
        labels.iter().copied().chain(le).map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
    if pairs.is_empty() { String::new() } else { format!("{{{}}}", pairs.join(",")) }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_what_prometheus_reads() {
        let mut text = Exposition::default();
        text.single("up", Kind::Gauge, "Whether.", 1);
        text.family("took_seconds", Kind::Histogram, "How long.");
        let of = Cumulative { buckets: &[(0.005, 1), (1.0, 3)], count: 4, sum: 2.5 };
        text.histogram("took_seconds", &[("route", "/a\"b\\c\n")], &of);
        let expected = "\
# HELP up Whether.
# TYPE up gauge
up 1
# HELP took_seconds How long.
# TYPE took_seconds histogram
took_seconds_bucket{route=\"/a\\\"b\\\\c\\n\",le=\"0.005\"} 1
took_seconds_bucket{route=\"/a\\\"b\\\\c\\n\",le=\"1\"} 3
took_seconds_bucket{route=\"/a\\\"b\\\\c\\n\",le=\"+Inf\"} 4
took_seconds_sum{route=\"/a\\\"b\\\\c\\n\"} 2.5
took_seconds_count{route=\"/a\\\"b\\\\c\\n\"} 4
";
        assert_eq!(text.finish(), expected);
    }
}
