//! Plain and quoted scalars, as YAML 1.2's core schema has them.

use super::Wrong;
use serde_json::{Number, Value};

/// What a plain scalar means.
pub fn plain(text: &str, line: usize) -> Result<Value, Wrong> {
    let first = text.chars().next().unwrap_or('~');
    let refused = match first {
        '&' | '*' => "anchors and aliases are not read here; write the value out.",
        '!' => "tags are not read here.",
        '%' | '@' | '`' => "a text that begins so needs quotes.",
        _ if text.contains(": ") || text.ends_with(':') => "put a text with ': ' in it into quotes.",
        _ => return meaning(text).ok_or_else(|| Wrong::at(line, "infinity and NaN are no values here.")),
    };
    Err(Wrong::at(line, refused))
}

/// Absent: a number that JSON does not have.
fn meaning(text: &str) -> Option<Value> {
    let value = match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => return number(text).unwrap_or_else(|| Some(Value::String(text.to_owned()))),
    };
    Some(value)
}

/// Absent: no number; absent inside: one that is not finite.
fn number(text: &str) -> Option<Option<Value>> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.eq_ignore_ascii_case(".inf") || text.eq_ignore_ascii_case(".nan") {
        return Some(None);
    }
    for (prefix, base) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(n) = digits.strip_prefix(prefix).and_then(|d| i64::from_str_radix(d, base).ok()) {
            return Some(Some(Value::from(sign * n)));
        }
    }
    let is_number = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && digits.contains(|c: char| c.is_ascii_digit())
        && digits.chars().all(|c| c.is_ascii_digit() || ".eE+-".contains(c));
    // 007 is somebody's number plate, and a date is none either
    let plate = digits.len() > 1 && digits.starts_with('0') && digits.chars().all(|c| c.is_ascii_digit());
    if !is_number || plate {
        return None;
    }
    let bare = text.strip_prefix('+').unwrap_or(text);
    if let Ok(whole) = bare.parse::<i64>() {
        return Some(Some(Value::from(whole)));
    }
    if let Ok(whole) = bare.parse::<u64>() {
        return Some(Some(Value::from(whole)));
    }
    bare.parse::<f64>().ok().map(|float| Number::from_f64(float).map(Value::Number))
}

/// Whether a plain scalar of this text would be read as this text.
pub fn is_text(text: &str) -> bool {
    matches!(meaning(text), Some(Value::String(_)))
}

/// A quoted scalar at the start of `text`; its value and how many bytes it took.
pub fn quoted(text: &str, line: usize) -> Result<(String, usize), Wrong> {
    let mut chars = text.char_indices();
    let quote = chars.next().map_or('"', |(_, c)| c);
    let mut out = String::new();
    while let Some((at, c)) = chars.next() {
        match c {
            '\'' if quote == '\'' && text[at + 1..].starts_with('\'') => {
                chars.next();
                out.push('\'');
            }
            c if c == quote => return Ok((out, at + 1)),
            '\\' if quote == '"' => out.push(escape(&mut chars, line)?),
            c => out.push(c),
        }
    }
    Err(Wrong::at(line, "a quote is opened and not closed on its line."))
}

fn escape(chars: &mut std::str::CharIndices<'_>, line: usize) -> Result<char, Wrong> {
    let wrong = || Wrong::at(line, "this backslash stands for nothing; in '…' it is only itself.");
    let code = chars.next().ok_or_else(wrong)?.1;
    let digits = match code {
        'n' => return Ok('\n'),
        't' => return Ok('\t'),
        'r' => return Ok('\r'),
        '0' => return Ok('\0'),
        'e' => return Ok('\u{1b}'),
        '"' | '\\' | '/' | ' ' => return Ok(code),
        'x' => 2,
        'u' => 4,
        'U' => 8,
        _ => return Err(wrong()),
    };
    let hex: String = chars.take(digits).map(|(_, c)| c).collect();
    u32::from_str_radix(&hex, 16).ok().filter(|_| hex.len() == digits).and_then(char::from_u32).ok_or_else(wrong)
}

/// The line without its comment and the space at its end.
pub fn without_comment(text: &str) -> &str {
    let (mut quote, mut before) = (None::<char>, ' ');
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match (quote, c) {
            (Some('"'), '\\') => drop(chars.next()),
            (Some(q), c) if c == q => quote = None,
            (Some(_), _) => {}
            (None, '#') if before.is_whitespace() => return text[..at].trim_end(),
            // a quote opens a text only where a value begins
            (None, '"' | '\'') if text[..at].trim_end().is_empty() || ends_open(&text[..at]) => quote = Some(c),
            _ => {}
        }
        before = c;
    }
    text.trim_end()
}

fn ends_open(before: &str) -> bool {
    let trimmed = before.trim_end();
    let spaced = trimmed.len() < before.len();
    trimmed.ends_with(['[', '{', ',']) || (spaced && trimmed.ends_with([':', '-']))
}
