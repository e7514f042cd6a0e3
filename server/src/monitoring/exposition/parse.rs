//! Reads Prometheus' text format and OpenMetrics, as programs push or answer it. Pure.

use std::collections::BTreeMap;

use super::{Family, Kind, Part, Sample};
use crate::error::{Error, Result};

const MOST_LINES: usize = 20_000;

/// What a line `# TYPE` said.
type Types = BTreeMap<String, String>;

/// The families of a text.
///
/// # Errors
/// `invalid`, with the line and what is wrong there.
pub fn parse(text: &str) -> Result<Vec<Family>> {
    let (mut types, mut helps) = (Types::new(), BTreeMap::new());
    let mut found: Vec<Family> = vec![];
    for (place, line) in text.lines().enumerate() {
        let at = place + 1;
        if at > MOST_LINES {
            return Err(Error::invalid(format!("More than {MOST_LINES} lines.")));
        }
        let line = line.trim();
        if let Some(comment) = line.strip_prefix('#') {
            about(comment, &mut types, &mut helps);
        } else if !line.is_empty() {
            let (name, labels, value) = sample(line).map_err(|what| Error::invalid(format!("Line {at}: {what}.")))?;
            add(&mut found, &types, &helps, &name, labels, value);
        }
    }
    Ok(found)
}

fn about(comment: &str, types: &mut Types, helps: &mut BTreeMap<String, String>) {
    let mut words = comment.trim_start().splitn(3, ' ');
    match (words.next(), words.next(), words.next()) {
        (Some("TYPE"), Some(name), Some(kind)) => drop(types.insert(name.to_owned(), kind.trim().to_owned())),
        (Some("HELP"), Some(name), Some(help)) => drop(helps.insert(name.to_owned(), unescaped(help))),
        _ => {}
    }
}

/// Puts a sample into its family. A summary's quantiles are gauges of their own; its sum and count are counters.
fn add(
    found: &mut Vec<Family>,
    types: &Types,
    helps: &BTreeMap<String, String>,
    name: &str,
    labels: Vec<(String, String)>,
    value: f64,
) {
    let of = |family: &str| types.get(family).map(String::as_str);
    let parts = [("_bucket", Part::Bucket), ("_sum", Part::Sum), ("_count", Part::Count)];
    let histogram = parts.iter().find_map(|(ending, part)| {
        let family = name.strip_suffix(ending)?;
        (of(family) == Some("histogram")).then_some((family, *part))
    });
    // OpenMetrics says the type of a counter without its ending
    let bare = name.strip_suffix("_total").unwrap_or(name);
    let is_counter = of(name) == Some("counter")
        || of(bare) == Some("counter")
        || parts[1..].iter().any(|(ending, _)| name.strip_suffix(ending).and_then(of) == Some("summary"));
    let (family, part, kind) = match histogram {
        Some((family, part)) => (family, part, Kind::Histogram),
        None if is_counter => (name, Part::Value, Kind::Counter),
        None => (name, Part::Value, Kind::Gauge),
    };
    let place = found.iter().position(|it| it.name == family).unwrap_or_else(|| {
        let help = helps.get(family).or_else(|| helps.get(bare)).cloned().unwrap_or_default();
        found.push(Family { name: family.to_owned(), kind, help, is_detail: false, samples: vec![] });
        found.len() - 1
    });
    found[place].samples.push(Sample { part, labels, value });
}

type Read = (String, Vec<(String, String)>, f64);

/// `name{label="value"} 1.5`, with an instant or an exemplar behind it that are not ours to keep.
fn sample(line: &str) -> std::result::Result<Read, String> {
    let end = line.find(|c: char| c == '{' || c.is_whitespace()).ok_or("a value is missing")?;
    let (name, mut rest) = line.split_at(end);
    if name.is_empty() {
        return Err("a name is missing".to_owned());
    }
    let mut labels = vec![];
    rest = rest.trim_start();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner.trim_start();
        while !rest.starts_with('}') {
            let (label, after) = rest.split_once('=').ok_or("a label is written as name=\"value\"")?;
            let after = after.trim_start().strip_prefix('"').ok_or("a label's value stands in double quotes")?;
            let (value, after) = quoted(after).ok_or("the closing quote of a label's value is missing")?;
            labels.push((label.trim().to_owned(), value));
            rest = after.trim_start();
            rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
            if rest.is_empty() {
                return Err("the closing brace is missing".to_owned());
            }
        }
        rest = &rest[1..];
    }
    let word = rest.split_whitespace().next().ok_or("a value is missing")?;
    let value: f64 = word.parse().map_err(|_| format!("'{word}' is no number"))?;
    Ok((name.to_owned(), labels, value))
}

/// A value up to its closing quote, and what follows that.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

fn unescaped(help: &str) -> String {
    help.replace("\\n", "\n").replace("\\\\", "\\")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{Cumulative, Exposition, Format, render};
    use super::*;

    #[test]
    fn what_we_write_is_read_as_it_was() {
        let mut text = Exposition::default();
        text.single("heat_celsius", Kind::Gauge, "How \\ hot.\nReally.", -1.5);
        text.family("asked_total", Kind::Counter, "How often.");
        text.sample("asked_total", &[("who", "a\"b\\c\nd"), ("x", "{},=")], 7);
        text.family("took_seconds", Kind::Histogram, "How long.");
        text.histogram("took_seconds", &[("a", "b")], &Cumulative { buckets: &[(0.5, 1)], count: 2, sum: 3.5 });
        let families = text.finish();
        for format in [Format::Text, Format::OpenMetrics] {
            assert_eq!(parse(&render(&families, format)).unwrap(), families, "{format:?}");
        }
    }

    #[test]
    fn a_line_that_cannot_be_read_is_named() {
        let told = |text: &str| parse(text).unwrap_err().message;
        assert_eq!(told("a 1\nb"), "Line 2: a value is missing.");
        assert_eq!(told("a x"), "Line 1: 'x' is no number.");
        assert_eq!(told("a{b=1} 1"), "Line 1: a label's value stands in double quotes.");
        assert_eq!(told("a{b=\"1} 1"), "Line 1: the closing quote of a label's value is missing.");
        assert_eq!(told("a{b=\"1\""), "Line 1: the closing brace is missing.");
        assert_eq!(told("a{b} 1"), "Line 1: a label is written as name=\"value\".");
        assert_eq!(parse("a 1 1700000000 # {x=\"y\"} 3\n\nb +Inf\n").unwrap().len(), 2);
    }
}
