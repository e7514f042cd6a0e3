//! Collections within brackets: `[a, {b: c}]`, over several lines, too.

use super::{Wrong, scalar};
use serde_json::{Map, Value};

const DEEPEST: usize = 60;

/// Whether every bracket of the text is closed.
pub fn is_closed(text: &str) -> bool {
    let (mut depth, mut quote, mut escaped) = (0usize, None::<char>, false);
    let mut open = true;
    for c in text.chars() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (Some('"'), '\\') => escaped = true,
            (Some(q), c) if c == q => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') if open => quote = Some(c),
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') => depth = depth.saturating_sub(1),
            _ => {}
        }
        if !c.is_whitespace() {
            open = matches!(c, '[' | '{' | ',' | ':');
        }
    }
    depth == 0 && quote.is_none()
}

/// The collection, which is all of the text.
pub fn read(text: &str, line: usize) -> Result<Value, Wrong> {
    let mut it = Flow { rest: text, line };
    let value = it.value(0)?;
    match it.rest.trim_start() {
        "" => Ok(value),
        more => Err(Wrong::at(line, format!("'{more}' stands after the closing bracket."))),
    }
}

struct Flow<'a> {
    rest: &'a str,
    line: usize,
}

impl Flow<'_> {
    fn wrong<T>(&self, message: &str) -> Result<T, Wrong> {
        Err(Wrong::at(self.line, message))
    }

    fn take(&mut self, c: char) -> bool {
        self.rest = self.rest.trim_start();
        self.rest.strip_prefix(c).map(|rest| self.rest = rest).is_some()
    }

    fn value(&mut self, depth: usize) -> Result<Value, Wrong> {
        if depth > DEEPEST {
            return self.wrong("the brackets go too deep.");
        }
        if self.take('[') {
            return self.list(depth);
        }
        if self.take('{') {
            return self.map(depth).map(Value::Object);
        }
        self.scalar().map(|(value, _)| value)
    }

    fn list(&mut self, depth: usize) -> Result<Value, Wrong> {
        let mut items = vec![];
        while !self.take(']') {
            if self.rest.is_empty() {
                return self.wrong("a [ is opened and not closed.");
            }
            items.push(self.value(depth + 1)?);
            if !self.take(',') && !self.rest.trim_start().starts_with(']') {
                return self.wrong("between two values of a list stands a comma.");
            }
        }
        Ok(Value::Array(items))
    }

    fn map(&mut self, depth: usize) -> Result<Map<String, Value>, Wrong> {
        let mut fields = Map::new();
        while !self.take('}') {
            if self.rest.is_empty() {
                return self.wrong("a { is opened and not closed.");
            }
            let (_, key) = self.scalar()?;
            let value = if self.take(':') { self.after_colon(depth)? } else { Value::Null };
            if fields.contains_key(&key) {
                return self.wrong(&format!("'{key}' is given twice."));
            }
            fields.insert(key, value);
            if !self.take(',') && !self.rest.trim_start().starts_with('}') {
                return self.wrong("between two fields in { } stands a comma.");
            }
        }
        Ok(fields)
    }

    fn after_colon(&mut self, depth: usize) -> Result<Value, Wrong> {
        match self.rest.trim_start().starts_with([',', '}']) {
            true => Ok(Value::Null),
            false => self.value(depth + 1),
        }
    }

    /// A scalar: its value, and its text, for a key.
    fn scalar(&mut self) -> Result<(Value, String), Wrong> {
        self.rest = self.rest.trim_start();
        if self.rest.starts_with(['"', '\'']) {
            let (text, length) = scalar::quoted(self.rest, self.line)?;
            self.rest = &self.rest[length..];
            return Ok((Value::String(text.clone()), text));
        }
        let ends = |(at, c): (usize, char)| {
            let next = self.rest[at + c.len_utf8()..].chars().next();
            let colon = c == ':' && next.is_none_or(|n| n.is_whitespace() || ",]}".contains(n));
            (colon || ",[]{}".contains(c)).then_some(at)
        };
        let end = self.rest.char_indices().find_map(ends).unwrap_or(self.rest.len());
        let text = self.rest[..end].trim_end().to_owned();
        self.rest = &self.rest[end..];
        if text.is_empty() {
            return self.wrong("a value is missing here.");
        }
        Ok((scalar::plain(&text, self.line)?, text))
    }
}
