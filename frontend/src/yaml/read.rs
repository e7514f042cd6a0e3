//! From text to a value: blocks by their indentation.

use super::{Wrong, flow, scalar};
use serde_json::{Map, Value};

const DEEPEST: usize = 60;

/// Reads one document.
pub fn read(text: &str) -> Result<Value, Wrong> {
    let raw: Vec<&str> = text.lines().collect();
    let line = |line: &&str| {
        let content = scalar::without_comment(line);
        let indent = content.len() - content.trim_start_matches(' ').len();
        Line { indent, text: content[indent..].to_owned() }
    };
    let lines = raw.iter().map(line).collect();
    let mut it = Reader { raw, lines, at: 0 };
    if it.peek().is_some_and(|line| line.text == "---") {
        it.at += 1;
    }
    let Some(first) = it.peek().map(|line| line.indent) else { return Ok(Value::Null) };
    let value = it.block(first, 0)?;
    match it.peek() {
        None => Ok(value),
        Some(line) if line.text == "---" || line.text == "..." => it.wrong("one document is read, not several."),
        Some(_) => it.wrong("this line does not fit what stands above it; look at the indentation."),
    }
}

#[derive(Clone)]
struct Line {
    /// Spaces before the text.
    indent: usize,
    /// Without comment and space at the end; empty: nothing to read.
    text: String,
}

struct Reader<'a> {
    raw: Vec<&'a str>,
    lines: Vec<Line>,
    at: usize,
}

/// The key at the start of a line, and what comes after its colon.
fn key_of(text: &str, line: usize) -> Result<Option<(String, &str)>, Wrong> {
    if text.starts_with(['"', '\'']) {
        let (key, length) = scalar::quoted(text, line)?;
        let rest = text[length..].trim_start();
        return Ok(rest
            .strip_prefix(':')
            .filter(|r| r.is_empty() || r.starts_with(' '))
            .map(|r| (key, r.trim_start())));
    }
    if text.starts_with(['[', '{', '#', '&', '*', '!', '|', '>', '%', '@', '`']) {
        return Ok(None);
    }
    let end = text
        .match_indices(':')
        .map(|(at, _)| at)
        .find(|at| text[at + 1..].is_empty() || text[at + 1..].starts_with(' '));
    Ok(end.map(|at| (text[..at].trim_end().to_owned(), text[at + 1..].trim_start())))
}

impl Reader<'_> {
    /// The next line with something on it.
    fn peek(&mut self) -> Option<&Line> {
        while self.lines.get(self.at).is_some_and(|line| line.text.is_empty()) {
            self.at += 1;
        }
        self.lines.get(self.at)
    }

    fn number(&self) -> usize {
        self.at + 1
    }

    fn wrong<T>(&self, message: &str) -> Result<T, Wrong> {
        Err(Wrong::at(self.number(), message))
    }

    /// What begins at this line, which is indented so far.
    fn block(&mut self, indent: usize, depth: usize) -> Result<Value, Wrong> {
        if depth > DEEPEST {
            return self.wrong("this goes too deep.");
        }
        let Some(line) = self.peek().cloned() else { return Ok(Value::Null) };
        if line.text.starts_with('\t') {
            return self.wrong("a tab indents here; YAML takes spaces only.");
        }
        if line.text == "-" || line.text.starts_with("- ") {
            return self.list(indent, depth);
        }
        if line.text.starts_with("? ") {
            return self.wrong("keys that begin with '?' are not read here.");
        }
        if key_of(&line.text, self.number())?.is_some() {
            return self.map(indent, depth);
        }
        self.at += 1;
        self.inline(line.text)
    }

    fn map(&mut self, indent: usize, depth: usize) -> Result<Value, Wrong> {
        let (mut fields, mut seen) = (Map::new(), Vec::<(String, usize)>::new());
        while let Some(line) = self.peek().cloned() {
            if line.indent < indent || line.text == "---" || line.text == "..." {
                break;
            }
            if line.text.starts_with('\t') {
                return self.wrong("a tab indents here; YAML takes spaces only.");
            }
            if line.indent > indent {
                return self.wrong("this line is indented further than the one above it.");
            }
            let number = self.number();
            let Some((key, rest)) = key_of(&line.text, number)? else {
                return self.wrong("here should stand a name with a colon, such as 'name: train'.");
            };
            if let Some((_, first)) = seen.iter().find(|(known, _)| *known == key) {
                return self.wrong(&format!("'{key}' is given twice, first in line {first}."));
            }
            self.at += 1;
            let value = self.after_key(rest, indent, depth)?;
            seen.push((key.clone(), number));
            fields.insert(key, value);
        }
        Ok(Value::Object(fields))
    }

    fn after_key(&mut self, rest: &str, indent: usize, depth: usize) -> Result<Value, Wrong> {
        if rest.starts_with(['|', '>']) {
            return self.text_block(rest, indent);
        }
        if !rest.is_empty() {
            return self.inline(rest.to_owned());
        }
        match self.peek().cloned() {
            Some(next) if next.indent > indent => self.block(next.indent, depth + 1),
            // a list may stand as far left as its name
            Some(next) if next.indent == indent && (next.text == "-" || next.text.starts_with("- ")) => {
                self.list(indent, depth + 1)
            }
            _ => Ok(Value::Null),
        }
    }

    fn list(&mut self, indent: usize, depth: usize) -> Result<Value, Wrong> {
        let mut items = vec![];
        while let Some(line) = self.peek().cloned() {
            if line.indent < indent || line.text == "---" {
                break;
            }
            if line.indent > indent {
                return self.wrong("this line is indented further than the one above it.");
            }
            let Some(rest) = line.text.strip_prefix('-').filter(|r| r.is_empty() || r.starts_with(' ')) else { break };
            let rest = rest.trim_start();
            items.push(self.item(&line, rest.to_owned(), depth)?);
        }
        Ok(Value::Array(items))
    }

    fn item(&mut self, line: &Line, rest: String, depth: usize) -> Result<Value, Wrong> {
        if rest.is_empty() {
            self.at += 1;
            return match self.peek().cloned() {
                Some(next) if next.indent > line.indent => self.block(next.indent, depth + 1),
                _ => Ok(Value::Null),
            };
        }
        if rest.starts_with(['|', '>']) {
            self.at += 1;
            return self.text_block(&rest, line.indent);
        }
        if rest.starts_with("- ") || rest == "-" || key_of(&rest, self.number())?.is_some() {
            // what stands behind the dash is a block of its own, indented as far as it begins
            let inner = line.indent + line.text.len() - rest.len();
            self.lines[self.at] = Line { indent: inner, text: rest };
            return self.block(inner, depth + 1);
        }
        self.at += 1;
        self.inline(rest)
    }

    /// A value on the line that was just passed; one in brackets may go on below.
    fn inline(&mut self, mut text: String) -> Result<Value, Wrong> {
        let number = self.at;
        if text.starts_with(['"', '\'']) {
            let (value, length) = scalar::quoted(&text, number)?;
            return match text[length..].trim() {
                "" => Ok(Value::String(value)),
                more => Err(Wrong::at(number, format!("'{more}' stands after the closing quote."))),
            };
        }
        if !text.starts_with(['[', '{']) {
            return scalar::plain(&text, number);
        }
        while !flow::is_closed(&text) {
            let Some(next) = self.lines.get(self.at) else {
                return Err(Wrong::at(number, "a bracket is opened and not closed."));
            };
            text.push(' ');
            text.push_str(&next.text);
            self.at += 1;
        }
        flow::read(&text, number)
    }

    /// `|` keeps lines, `>` joins them; `-` drops the end's line breaks, `+` keeps them all.
    fn text_block(&mut self, head: &str, indent: usize) -> Result<Value, Wrong> {
        let chomp = head[1..].trim();
        if !["", "-", "+"].contains(&chomp) {
            return Err(Wrong::at(self.at, "after | or > stands nothing, - or +."));
        }
        let mut lines: Vec<&str> = vec![];
        let mut inner = None::<usize>;
        while let Some(raw) = self.raw.get(self.at) {
            let own = raw.len() - raw.trim_start_matches(' ').len();
            if raw.trim().is_empty() {
                lines.push(inner.map_or("", |inner| raw.get(inner..).unwrap_or_default()));
            } else if own > indent && own >= *inner.get_or_insert(own) {
                lines.push(&raw[inner.unwrap_or(own)..]);
            } else {
                break;
            }
            self.at += 1;
        }
        let kept = lines.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1);
        let body = if head.starts_with('|') { lines[..kept].join("\n") } else { folded(&lines[..kept]) };
        let end = match chomp {
            "-" => String::new(),
            "+" => "\n".repeat(lines.len() - kept + usize::from(kept > 0)),
            _ => "\n".repeat(usize::from(kept > 0)),
        };
        Ok(Value::String(body + &end))
    }
}

/// Lines joined by spaces; an empty line is a line break, and lines indented further keep theirs.
fn folded(lines: &[&str]) -> String {
    let mut out = String::new();
    let (mut empty, mut before) = (0, None::<&str>);
    for line in lines.iter().copied() {
        if line.is_empty() {
            empty += 1;
            continue;
        }
        let deep = |line: &str| line.starts_with([' ', '\t']);
        match before {
            None => out.push_str(&"\n".repeat(empty)),
            Some(last) if deep(last) || deep(line) => out.push_str(&"\n".repeat(empty + 1)),
            Some(_) if empty > 0 => out.push_str(&"\n".repeat(empty)),
            Some(_) => out.push(' '),
        }
        out.push_str(line);
        (empty, before) = (0, Some(line));
    }
    out
}
