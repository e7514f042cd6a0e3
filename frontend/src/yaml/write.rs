//! From a value to text that a person would write.

use super::scalar;
use serde_json::{Map, Value};

/// Longest list on one line.
const LINE: usize = 96;

/// The value as YAML. Fields of the top come in this order, then the others by name.
pub fn write(value: &Value, order: &[&str]) -> String {
    let mut out = String::new();
    match value {
        Value::Object(fields) if !fields.is_empty() => map(&mut out, fields, 0, order),
        Value::Array(items) if !items.is_empty() && line_of(value).is_none() => list(&mut out, items, 0),
        plain => out = one_line(plain) + "\n",
    }
    out
}

fn map(out: &mut String, fields: &Map<String, Value>, indent: usize, order: &[&str]) {
    let place = |key: &str| order.iter().position(|known| *known == key).unwrap_or(order.len());
    let mut sorted: Vec<(&String, &Value)> = fields.iter().collect();
    sorted.sort_by_key(|(key, _)| place(key));
    for (i, (key, value)) in sorted.into_iter().enumerate() {
        // the first field of an item of a list stands behind its dash
        if i > 0 || !out.ends_with("- ") {
            out.push_str(&" ".repeat(indent));
        }
        out.push_str(&text(key));
        out.push(':');
        after_key(out, value, indent, order);
    }
}

fn after_key(out: &mut String, value: &Value, indent: usize, order: &[&str]) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            out.push('\n');
            map(out, fields, indent + 2, order);
        }
        Value::Array(items) if line_of(value).is_none() => {
            out.push('\n');
            list(out, items, indent + 2);
        }
        Value::String(text) if is_block(text) => block(out, text, indent + 2),
        plain => {
            out.push(' ');
            out.push_str(&one_line(plain));
            out.push('\n');
        }
    }
}

fn list(out: &mut String, items: &[Value], indent: usize) {
    for item in items {
        out.push_str(&" ".repeat(indent));
        out.push_str("- ");
        match item {
            Value::Object(fields) if !fields.is_empty() => map(out, fields, indent + 2, &["name"]),
            Value::Array(inner) if line_of(item).is_none() => {
                // each on lines of its own: a dash behind a dash is hard to read
                out.truncate(out.len() - 1);
                out.push('\n');
                list(out, inner, indent + 2);
            }
            plain => {
                out.push_str(&one_line(plain));
                out.push('\n');
            }
        }
    }
}

/// A list on one line, where it fits.
fn line_of(value: &Value) -> Option<String> {
    let Value::Array(items) = value else { return None };
    if items.iter().any(|item| matches!(item, Value::Object(fields) if !fields.is_empty())) {
        return None;
    }
    let parts: Option<Vec<String>> =
        items.iter().map(|item| if item.is_array() { line_of(item) } else { Some(one_line(item)) }).collect();
    let line = format!("[{}]", parts?.join(", "));
    (line.len() <= LINE).then_some(line)
}

fn one_line(value: &Value) -> String {
    match value {
        Value::String(words) => text(words),
        Value::Array(_) => line_of(value).unwrap_or_else(|| value.to_string()),
        other => other.to_string(),
    }
}

fn is_block(text: &str) -> bool {
    let plain = |line: &str| !line.starts_with(' ') && line.trim_end() == line && line.chars().all(|c| !c.is_control());
    // its own first line says how far a block is indented
    text.contains('\n')
        && !text.starts_with('\n')
        && !text.ends_with("\n\n")
        && text.lines().next().is_some_and(plain)
        && text.lines().all(|line| line.trim_end() == line && line.chars().all(|c| !c.is_control()))
}

fn block(out: &mut String, text: &str, indent: usize) {
    out.push_str(if text.ends_with('\n') { " |\n" } else { " |-\n" });
    for line in text.lines() {
        if !line.is_empty() {
            out.push_str(&" ".repeat(indent));
            out.push_str(line);
        }
        out.push('\n');
    }
}

/// A text, in quotes where it would be something else without.
fn text(text: &str) -> String {
    if text.chars().any(|c| c.is_control() || c == '\u{2028}' || c == '\u{2029}' || c == '\u{feff}') {
        // JSON's escapes are YAML's
        return Value::from(text).to_string();
    }
    let odd_start = text.starts_with(|c: char| "?:,[]{}#&*!|>'\"%@`".contains(c) || c.is_whitespace());
    let dash = text == "-" || text.starts_with("- ") || text.starts_with("---") || text == "...";
    let odd = text.contains([',', '[', ']', '{', '}'])
        || text.contains(": ")
        || text.contains(" #")
        || text.ends_with([':', ' ', '\t']);
    if scalar::is_text(text) && !odd_start && !dash && !odd {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}
