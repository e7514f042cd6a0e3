//! Which series: `name{label="value",other=~"expression"}`, as Prometheus writes it. Pure.

use regex::{Regex, RegexBuilder};

use super::Labels;
use crate::error::{Error, Result};

/// No expression may become larger than this when compiled.
const REGEX_BYTES: usize = 1 << 20;
const MOST_MATCHERS: usize = 30;
const LONGEST: usize = 4_000;

/// A name and conditions on labels. A label that a series does not have counts as empty.
#[derive(Debug, Clone, Default)]
pub struct Selector {
    pub name: String,
    matchers: Vec<Matcher>,
}

#[derive(Debug, Clone)]
struct Matcher {
    label: String,
    test: Test,
}

#[derive(Debug, Clone)]
enum Test {
    Is(String),
    IsNot(String),
    Fits(Regex),
    FitsNot(Regex),
}

impl Selector {
    /// Every series of that name.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), matchers: vec![] }
    }

    /// Series of that name whose label has that value, too.
    #[must_use]
    pub fn with(mut self, label: &str, value: &str) -> Self {
        self.matchers.push(Matcher { label: label.to_owned(), test: Test::Is(value.to_owned()) });
        self
    }

    /// Reads a selector.
    ///
    /// # Errors
    /// `invalid`, with the place and what is expected there.
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() > LONGEST {
            return Err(Error::invalid(format!("A selector is at most {LONGEST} characters long.")));
        }
        let mut reader = Reader { all: text, rest: text.trim() };
        let name = reader.word();
        let mut found = Self { name, matchers: vec![] };
        if reader.take("{") {
            while !reader.take("}") {
                found.matchers.push(reader.matcher()?);
                if found.matchers.len() > MOST_MATCHERS {
                    return Err(Error::invalid(format!("At most {MOST_MATCHERS} conditions on labels.")));
                }
                if !reader.take(",") && !reader.rest.trim_start().starts_with('}') {
                    return Err(reader.expected("',' or '}'"));
                }
            }
        }
        if !reader.rest.trim().is_empty() {
            return Err(reader.expected("the end"));
        }
        if found.name.is_empty() {
            return Err(Error::invalid(format!(
                "'{text}' names no metric; write it as name{{label=\"value\"}}. GET /api/v1/metrics/names lists them."
            )));
        }
        Ok(found)
    }

    /// The same conditions on another name.
    pub fn renamed(&self, name: String) -> Self {
        Self { name, matchers: self.matchers.clone() }
    }

    pub fn matches(&self, name: &str, labels: &Labels) -> bool {
        name == self.name
            && self.matchers.iter().all(|matcher| {
                let value = labels.get(&matcher.label).map_or("", String::as_str);
                match &matcher.test {
                    Test::Is(wanted) => value == wanted,
                    Test::IsNot(other) => value != other,
                    Test::Fits(regex) => regex.is_match(value),
                    Test::FitsNot(regex) => !regex.is_match(value),
                }
            })
    }
}

struct Reader<'a> {
    all: &'a str,
    rest: &'a str,
}

impl Reader<'_> {
    /// Letters of a name of a metric or label.
    fn word(&mut self) -> String {
        self.rest = self.rest.trim_start();
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
        let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word.to_owned()
    }

    fn take(&mut self, what: &str) -> bool {
        let rest = self.rest.trim_start();
        let found = rest.strip_prefix(what);
        self.rest = found.unwrap_or(rest);
        found.is_some()
    }

    fn matcher(&mut self) -> Result<Matcher> {
        let label = self.word();
        if label.is_empty() {
            return Err(self.expected("the name of a label"));
        }
        let signs = ["=~", "!~", "!=", "="];
        let Some(sign) = signs.into_iter().find(|sign| self.take(sign)) else {
            return Err(self.expected("=, !=, =~ or !~"));
        };
        let value = self.quoted()?;
        let test = match sign {
            "=" => Test::Is(value),
            "!=" => Test::IsNot(value),
            "=~" => Test::Fits(whole(&value)?),
            _ => Test::FitsNot(whole(&value)?),
        };
        Ok(Matcher { label, test })
    }

    fn quoted(&mut self) -> Result<String> {
        if !self.take("\"") {
            return Err(self.expected("a value in double quotes"));
        }
        let mut value = String::new();
        let mut chars = self.rest.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.rest = &self.rest[at + 1..];
                    return Ok(value);
                }
                '\\' => match chars.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, other)) => value.push(other),
                    None => break,
                },
                other => value.push(other),
            }
        }
        self.rest = "";
        Err(self.expected("the closing quote"))
    }

    fn expected(&self, what: &str) -> Error {
        let at = self.all.chars().count() - self.rest.chars().count() + 1;
        Error::invalid(format!("'{}', character {at}: {what} is expected here.", self.all))
    }
}

/// As Prometheus does, an expression has to fit the whole value.
fn whole(expression: &str) -> Result<Regex> {
    RegexBuilder::new(&format!("^(?:{expression})$"))
        .size_limit(REGEX_BYTES)
        .build()
        .map_err(|cause| Error::invalid(format!("'{expression}' is no regular expression: {cause}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn conditions_hold_together_and_expressions_fit_whole_values() {
        let of =
            Selector::parse(r#"asked_total { deployment = "wine", answer=~"2..|3..", who!="\"me\"", x!~"a.*" , }"#)
                .unwrap();
        let wine = labels(&[("deployment", "wine"), ("answer", "200")]);
        assert!(of.matches("asked_total", &wine));
        assert!(!of.matches("asked", &wine));
        assert!(!of.matches("asked_total", &labels(&[("deployment", "wine"), ("answer", "1200")])));
        assert!(!of.matches("asked_total", &labels(&[("deployment", "wine"), ("answer", "200"), ("who", "\"me\"")])));
        assert!(!of.matches("asked_total", &labels(&[("deployment", "wine"), ("answer", "200"), ("x", "abc")])));
        assert!(Selector::parse("up").unwrap().matches("up", &wine));
        assert!(Selector::named("up").with("a", "").matches("up", &wine));
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_place() {
        let told = |text: &str| Selector::parse(text).unwrap_err().message;
        assert_eq!(told(r#"up{a="1"#), r#"'up{a="1', character 8: the closing quote is expected here."#);
        assert!(told("up{a}").contains("character 5: =, !=, =~ or !~"), "{}", told("up{a}"));
        assert!(told(r#"up{a="1" b="2"}"#).contains("',' or '}'"));
        assert!(told(r#"up{a=~"("}"#).contains("no regular expression"));
        assert!(told(r#"{a="1"}"#).contains("names no metric"));
        assert!(told("up or down").contains("the end"));
        assert!(told(&format!("up{{{}}}", r#"a="1","#.repeat(31))).contains("30"));
        assert!(told(r#"up{a=~"((a{1000}){1000}){1000}"}"#).contains("no regular expression"));
    }
}
