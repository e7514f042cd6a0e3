//! The language in which lines are asked for:
//!
//! `words` all of them, in any order · `"a phrase"` · `wor*` a word's beginning · `a OR b` · `-not` or `NOT this` · `(…)` ·
//! `level:error`, `level:>=warn` · `job:`, `deployment:`, `build:` a name or an id · `kind:`, `stream:`, `project:` ·
//! any other `field:value` a field of lines that were JSON; `field:*` lines that have it, `field:val*` its beginning.

use drydock_wire::logs::{LogKind, LogLevel};

use super::words;

/// Longer questions are not read.
const LONGEST: usize = 4_000;
const DEEPEST: usize = 32;
const MOST_PARTS: usize = 200;

/// What is asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Query {
    All,
    /// These words one after the other; one is a word alone.
    Phrase(Vec<String>),
    /// A word that begins so.
    Beginning(String),
    Levels(Vec<LogLevel>),
    Kind(LogKind),
    /// Of a job, a deployment, a build by its name or its id.
    Owner(LogKind, String),
    Stream(String),
    Project(String),
    Label {
        key: String,
        value: Text,
    },
    Not(Box<Query>),
    And(Vec<Query>),
    Or(Vec<Query>),
}

/// What a field's value is to be.
#[derive(Debug, Clone, PartialEq)]
pub enum Text {
    Is(String),
    Begins(String),
}

/// Where a question cannot be read, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// Number of the character, from 1.
    pub at: usize,
    pub why: String,
}

/// Reads a question; an empty one asks for everything.
///
/// # Errors
/// The place that cannot be read, and why.
pub fn parse(text: &str) -> Result<Query, Problem> {
    if text.len() > LONGEST {
        return Err(Problem { at: LONGEST, why: format!("a question has at most {LONGEST} bytes") });
    }
    let mut reader = Reader { text: text.chars().collect(), at: 0, depth: 0, parts: 0 };
    let query = reader.any()?;
    match reader.peek() {
        None => Ok(query),
        Some(_) => Err(reader.problem("there is no '(' that this closes")),
    }
}

struct Reader {
    text: Vec<char>,
    at: usize,
    depth: usize,
    parts: usize,
}

impl Reader {
    fn problem(&self, why: impl Into<String>) -> Problem {
        Problem { at: self.at + 1, why: why.into() }
    }

    /// The next sign that is no space.
    fn peek(&mut self) -> Option<char> {
        while self.text.get(self.at).is_some_and(|c| c.is_whitespace()) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    /// Takes `word` if it stands next, whole.
    fn takes(&mut self, word: &str) -> bool {
        self.peek();
        let end = self.at + word.len();
        let is_next = self.text.get(self.at..end).is_some_and(|next| next.iter().copied().eq(word.chars()));
        let is_whole = self.text.get(end).is_none_or(|c| c.is_whitespace() || *c == '(');
        if is_next && is_whole {
            self.at = end;
        }
        is_next && is_whole
    }

    fn any(&mut self) -> Result<Query, Problem> {
        let mut parts = vec![self.all()?];
        while self.takes("OR") {
            match self.peek() {
                None | Some(')') => return Err(self.problem("something is missing after OR")),
                Some(_) => parts.push(self.all()?),
            }
        }
        Ok(one_of(parts, Query::Or))
    }

    fn all(&mut self) -> Result<Query, Problem> {
        let mut parts = vec![];
        loop {
            match self.peek() {
                None | Some(')') => break,
                Some(_) if self.is_or() => {
                    if parts.is_empty() {
                        return Err(self.problem("something is missing before OR"));
                    }
                    break;
                }
                Some(_) => {}
            }
            if self.takes("AND") {
                if parts.is_empty() || self.peek().is_none() {
                    return Err(self.problem("AND stands between two parts"));
                }
                continue;
            }
            parts.push(self.one()?);
        }
        Ok(if parts.is_empty() { Query::All } else { one_of(parts, Query::And) })
    }

    fn is_or(&mut self) -> bool {
        let before = self.at;
        let is_or = self.takes("OR");
        self.at = before;
        is_or
    }

    fn one(&mut self) -> Result<Query, Problem> {
        self.parts += 1;
        if self.parts > MOST_PARTS {
            return Err(self.problem(format!("a question has at most {MOST_PARTS} parts")));
        }
        let negated = self.takes("NOT") || self.minus();
        if negated {
            self.depth += 1;
            let inner = if self.depth > DEEPEST { Err(self.problem("too deep")) } else { self.inner() };
            self.depth -= 1;
            return Ok(Query::Not(Box::new(inner?)));
        }
        self.inner()
    }

    fn minus(&mut self) -> bool {
        let is_minus = self.peek() == Some('-') && self.text.get(self.at + 1).is_some_and(|c| !c.is_whitespace());
        self.at += usize::from(is_minus);
        is_minus
    }

    fn inner(&mut self) -> Result<Query, Problem> {
        match self.peek() {
            None => Err(self.problem("something is missing here")),
            Some('(') => self.group(),
            Some(')') => Err(self.problem("something is missing before ')'")),
            Some('"') => {
                let start = self.at;
                let text = self.quoted()?;
                self.phrase(&text, start)
            }
            Some(_) => self.word(),
        }
    }

    fn group(&mut self) -> Result<Query, Problem> {
        let opened = self.at;
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.problem(format!("brackets are at most {DEEPEST} deep")));
        }
        self.at += 1;
        let inner = self.any()?;
        if self.peek() != Some(')') {
            return Err(Problem { at: opened + 1, why: "this '(' is not closed".into() });
        }
        self.at += 1;
        self.depth -= 1;
        Ok(inner)
    }

    /// What stands between quotation marks; `\"` is one inside.
    fn quoted(&mut self) -> Result<String, Problem> {
        let opened = self.at;
        self.at += 1;
        let mut text = String::new();
        while let Some(c) = self.text.get(self.at).copied() {
            self.at += 1;
            match c {
                '"' => return Ok(text),
                '\\' if matches!(self.text.get(self.at), Some('"' | '\\')) => {
                    text.push(self.text[self.at]);
                    self.at += 1;
                }
                c => text.push(c),
            }
        }
        Err(Problem { at: opened + 1, why: "this quotation mark is not closed".into() })
    }

    fn bare(&mut self, ends: impl Fn(char) -> bool) -> String {
        let start = self.at;
        while self.text.get(self.at).is_some_and(|c| !c.is_whitespace() && !ends(*c)) {
            self.at += 1;
        }
        self.text[start..self.at].iter().collect()
    }

    fn word(&mut self) -> Result<Query, Problem> {
        let start = self.at;
        let name = self.bare(|c| "()\":".contains(c));
        let is_field = self.text.get(self.at) == Some(&':')
            && name.starts_with(|c: char| c.is_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_alphanumeric() || "_.-@/".contains(c))
            // an address is no field
            && !self.text[self.at..].starts_with(&[':', '/', '/']);
        if is_field {
            self.at += 1;
            return self.field(&name);
        }
        self.at = start;
        let word = self.bare(|c| "()\"".contains(c));
        match word.strip_suffix('*') {
            Some(_) if word.trim_end_matches('*').contains('*') => Err(self.star(start)),
            Some(beginning) => {
                let mut parts = words::plain(beginning);
                match (parts.pop(), parts.is_empty()) {
                    (Some(last), true) => Ok(Query::Beginning(last)),
                    (Some(last), false) => Ok(Query::And(vec![Query::Phrase(parts), Query::Beginning(last)])),
                    (None, _) => Ok(Query::All),
                }
            }
            None if word.contains('*') => Err(self.star(start)),
            None => self.phrase(&word, start),
        }
    }

    fn star(&self, start: usize) -> Problem {
        Problem {
            at: start + 1,
            why: "'*' may stand at the end of a word alone; put a text with a star in quotation marks".into(),
        }
    }

    fn phrase(&self, text: &str, start: usize) -> Result<Query, Problem> {
        let words = words::plain(text);
        if words.is_empty() {
            return Err(Problem { at: start + 1, why: format!("'{text}' has neither letters nor digits to look for") });
        }
        Ok(Query::Phrase(words))
    }

    fn field(&mut self, name: &str) -> Result<Query, Problem> {
        let start = self.at;
        let is_quoted = self.text.get(self.at) == Some(&'"');
        let value = if is_quoted { self.quoted()? } else { self.bare(|c| "()".contains(c)) };
        if value.is_empty() {
            return Err(Problem { at: start + 1, why: format!("a value is missing after '{name}:'") });
        }
        let wrong = |why: String| Problem { at: start + 1, why };
        Ok(match name {
            "level" => Query::Levels(levels(&value).ok_or_else(|| wrong(level_help(&value)))?),
            "kind" => Query::Kind(LogKind::parse(&value).ok_or_else(|| wrong(kind_help(&value)))?),
            "job" => Query::Owner(LogKind::Job, value),
            "deployment" => Query::Owner(LogKind::Deployment, value),
            "build" => Query::Owner(LogKind::Build, value),
            "stream" => Query::Stream(value),
            "project" => Query::Project(value),
            label => {
                let key = label.strip_prefix("label.").unwrap_or(label).to_owned();
                let value = match value.strip_suffix('*') {
                    Some(beginning) if !is_quoted => Text::Begins(beginning.to_owned()),
                    _ => Text::Is(value),
                };
                Query::Label { key, value }
            }
        })
    }
}

fn one_of(mut parts: Vec<Query>, many: fn(Vec<Query>) -> Query) -> Query {
    match parts.len() {
        1 => parts.remove(0),
        _ => many(parts),
    }
}

/// `error`, `>=warn`, `<info`.
pub fn levels(text: &str) -> Option<Vec<LogLevel>> {
    let (test, word): (fn(LogLevel, LogLevel) -> bool, &str) = match text {
        text if text.starts_with(">=") => (|a, b| a >= b, &text[2..]),
        text if text.starts_with("<=") => (|a, b| a <= b, &text[2..]),
        text if text.starts_with('>') => (|a, b| a > b, &text[1..]),
        text if text.starts_with('<') => (|a, b| a < b, &text[1..]),
        text => (|a, b| a == b, text),
    };
    let bound = LogLevel::parse(word)?;
    Some(LogLevel::ALL.into_iter().filter(|level| test(*level, bound)).collect())
}

pub fn level_help(value: &str) -> String {
    format!("'{value}' is no level: trace, debug, info, warn, error or fatal, with >= before it for those above, too")
}

fn kind_help(value: &str) -> String {
    format!("'{value}' is no kind: job, deployment, build or drydock")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn phrase(words: &[&str]) -> Query {
        Query::Phrase(words.iter().map(|word| (*word).to_owned()).collect())
    }

    #[test]
    fn words_phrases_fields_and_what_joins_them() {
        assert_eq!(parse("  ").unwrap(), Query::All);
        assert_eq!(parse("Loss val_loss").unwrap(), Query::And(vec![phrase(&["loss"]), phrase(&["val", "loss"])]));
        assert_eq!(parse("\"out of \\\"memory\"").unwrap(), phrase(&["out", "of", "memory"]));
        assert_eq!(parse("conn*").unwrap(), Query::Beginning("conn".into()));
        assert_eq!(parse("http://a.b/c").unwrap(), phrase(&["http", "a", "b", "c"]));
        assert_eq!(parse("12:30:01").unwrap(), phrase(&["12", "30", "01"]));
        let either =
            Query::Or(vec![phrase(&["a"]), Query::And(vec![phrase(&["b"]), Query::Not(Box::new(phrase(&["c"])))])]);
        assert_eq!(parse("a OR (b AND -c)").unwrap(), either);
        assert_eq!(parse("a OR b NOT c").unwrap(), either);
        assert_eq!(parse("level:>=error").unwrap(), Query::Levels(vec![LogLevel::Error, LogLevel::Fatal]));
        assert_eq!(parse("job:\"my job\"").unwrap(), Query::Owner(LogKind::Job, "my job".into()));
        assert_eq!(parse("epoch:1*").unwrap(), Query::Label { key: "epoch".into(), value: Text::Begins("1".into()) });
        assert_eq!(parse("label.level:x").unwrap(), Query::Label { key: "level".into(), value: Text::Is("x".into()) });
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_place() {
        for (text, at, why) in [
            ("a (b", 3, "not closed"),
            ("a b)", 4, "no '('"),
            ("say \"x", 5, "not closed"),
            ("level:loud", 7, "no level"),
            ("kind:pod", 6, "no kind"),
            ("job:", 5, "missing"),
            ("a OR", 5, "after OR"),
            ("OR a", 1, "before OR"),
            ("wo*rd", 1, "'*'"),
            ("a --", 4, "neither"),
            ("NOT", 4, "missing"),
        ] {
            let problem = parse(text).unwrap_err();
            assert!(problem.at == at && problem.why.contains(why), "{text}: {problem:?}");
        }
        assert!(parse(&"(".repeat(5_000)).is_err() && parse(&"(".repeat(3_000)).is_err());
        assert!(parse(&"-".repeat(3_000)).is_err());
        assert!(parse(&"a ".repeat(1_000)).is_err());
    }
}
