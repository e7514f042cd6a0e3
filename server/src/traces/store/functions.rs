//! Two functions of ours that searches use in SQL: `rlike`, and a look into a chunk of compressed spans. They are taught to a
//! connection before a search that needs them; teaching one twice does no harm.

use std::{
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind},
};

use diesel::sql_types::{Binary, Text};
use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

use super::chunks;
use crate::{
    db::Conn,
    error::{Error, Result},
    traces::{
        span::Span,
        value::{Value, python_json},
    },
};

/// A compiled pattern may take this much memory; the engine's time is linear whatever the pattern.
const PATTERN_BYTES: usize = 1 << 20;

#[diesel::declare_sql_function]
extern "SQL" {
    /// Whether the pattern is found in the text.
    fn rlike(pattern: Text, text: Text) -> diesel::sql_types::Bool;
    /// Whether a span of the chunk fits all conditions, which are JSON of `Vec<Wanted>`.
    fn chunk_has(data: Binary, wanted: Text) -> diesel::sql_types::Bool;
}

/// What a comparison inside a span is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    Name,
    Kind,
    Status,
    /// All of the span as JSON.
    Content,
    Attribute(String),
}

/// How it is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Comparison {
    Equal,
    NotEqual,
    Like,
    Ilike,
    Rlike,
    In,
    NotIn,
}

/// One condition on a span.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    pub part: Part,
    pub comparison: Comparison,
    pub values: Vec<String>,
}

/// A pattern of RLIKE.
///
/// # Errors
/// `invalid` with what is wrong about it.
pub fn pattern(text: &str) -> Result<Regex> {
    RegexBuilder::new(text)
        .size_limit(PATTERN_BYTES)
        .dfa_size_limit(PATTERN_BYTES)
        .build()
        .map_err(|cause| Error::invalid(format!("Invalid regular expression '{text}' after RLIKE: {cause}")))
}

/// Teaches the functions to the connection.
pub fn teach(conn: &mut Conn) -> Result<()> {
    rlike_utils::register_impl(conn, |wanted: String, text: String| {
        thread_local! {
            static LAST: RefCell<Option<(String, Regex)>> = const { RefCell::new(None) };
        }
        LAST.with_borrow_mut(|last| {
            if last.as_ref().is_none_or(|(known, _)| *known != wanted) {
                *last = pattern(&wanted).ok().map(|regex| (wanted, regex));
            }
            last.as_ref().is_some_and(|(_, regex)| regex.is_match(&text))
        })
    })
    .map_err(Error::internal)?;
    chunk_has_utils::register_impl(conn, |data: Vec<u8>, wanted: String| {
        // A chunk that cannot be read fits nothing; a panic must not cross into SQLite.
        catch_unwind(AssertUnwindSafe(|| has(&data, &wanted))).unwrap_or(false)
    })
    .map_err(Error::internal)
}

fn has(data: &[u8], wanted: &str) -> bool {
    let (Ok(spans), Ok(wanted)) = (chunks::unpack(data), serde_json::from_str::<Vec<Wanted>>(wanted)) else {
        return false;
    };
    let tests: Option<Vec<Test>> = wanted.into_iter().map(Test::new).collect();
    tests.is_some_and(|tests| spans.iter().any(|span| tests.iter().all(|test| test.fits(span))))
}

/// A condition made ready for many spans.
struct Test {
    part: Part,
    not: bool,
    against: Against,
}

enum Against {
    Values(Vec<String>),
    Pattern(Regex),
}

impl Test {
    fn new(wanted: Wanted) -> Option<Self> {
        let first = wanted.values.first().cloned().unwrap_or_default();
        let like = |ignore_case: bool| {
            let regex = RegexBuilder::new(&regex_of_like(&first))
                .case_insensitive(ignore_case)
                .dot_matches_new_line(true)
                .size_limit(PATTERN_BYTES)
                .build();
            regex.ok().map(Against::Pattern)
        };
        let against = match wanted.comparison {
            Comparison::Like => like(false)?,
            Comparison::Ilike => like(true)?,
            Comparison::Rlike => Against::Pattern(pattern(&first).ok()?),
            _ => Against::Values(wanted.values),
        };
        Some(Self {
            part: wanted.part,
            not: matches!(wanted.comparison, Comparison::NotEqual | Comparison::NotIn),
            against,
        })
    }

    fn fits(&self, span: &Span) -> bool {
        let text = match &self.part {
            Part::Name => span.name.clone(),
            Part::Kind => span.kind().to_owned(),
            Part::Status => span.status.word().to_owned(),
            Part::Content => content(span),
            // An absent attribute equals nothing and differs from nothing, as absent tags do.
            Part::Attribute(name) => match span.attribute(name) {
                Some(value) => value.plain(),
                None => return false,
            },
        };
        let found = match &self.against {
            Against::Values(values) => values.contains(&text),
            Against::Pattern(regex) => regex.is_match(&text),
        };
        found != self.not
    }
}

/// A span as the text that `span.content` and `trace.text` search: names, messages, attributes and events.
fn content(span: &Span) -> String {
    let pair = |key: &str, value: Value| (key.to_owned(), value);
    let events = span.events.iter().map(|event| {
        let attributes = Value::Map(event.attributes.clone());
        Value::Map(vec![pair("name", Value::Text(event.name.clone())), pair("attributes", attributes)])
    });
    python_json(&Value::Map(vec![
        pair("name", Value::Text(span.name.clone())),
        pair("status", Value::Text(format!("STATUS_CODE_{}", span.status.word()))),
        pair("message", Value::Text(span.message.clone())),
        pair("attributes", Value::Map(span.attributes.clone())),
        pair("events", Value::List(events.collect())),
    ]))
}

/// The regular expression that matches what the LIKE pattern matches.
fn regex_of_like(like: &str) -> String {
    let mut regex = String::from("^");
    for c in like.chars() {
        match c {
            '%' => regex.push_str(".*"),
            '_' => regex.push('.'),
            c => regex.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    regex.push('$');
    regex
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::traces::summary::tests::span;

    fn fits(part: Part, comparison: Comparison, value: &str) -> bool {
        let spans = [span(1, None, &[("q", r#""a.b\nc""#), ("n", "9"), ("m", r#"{"x": [1]}"#)])];
        let wanted = vec![Wanted { part, comparison, values: vec![value.to_owned()] }];
        has(&chunks::pack(&spans).unwrap()[0].data, &serde_json::to_string(&wanted).unwrap())
    }

    #[test]
    fn conditions_look_into_compressed_spans() {
        let q = || Part::Attribute("q".into());
        assert!(fits(q(), Comparison::Like, "a.b%c"));
        assert!(!fits(q(), Comparison::Like, "a_b"));
        assert!(!fits(q(), Comparison::Like, "axb%c"));
        assert!(fits(q(), Comparison::Ilike, "A.B%"));
        assert!(fits(q(), Comparison::Rlike, "^a.b$|b\\sc"));
        assert!(fits(Part::Attribute("n".into()), Comparison::Equal, "9"));
        assert!(fits(Part::Attribute("m".into()), Comparison::Equal, r#"{"x": [1]}"#));
        assert!(fits(Part::Content, Comparison::Like, r#"%"x": [1]%"#));
        assert!(!fits(Part::Attribute("none".into()), Comparison::NotEqual, "9"));
        assert!(fits(Part::Name, Comparison::NotEqual, "x") && fits(Part::Status, Comparison::In, "OK"));
    }

    #[test]
    fn patterns_that_would_eat_the_machine_are_refused() {
        assert!(pattern("((a{1000}){1000}){1000}").is_err());
        assert!(pattern("(").unwrap_err().message.contains("regular expression"));
    }
}
