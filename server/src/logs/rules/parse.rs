//! What a line says: its words, its level, and of a line that is JSON its fields. Whatever is in it becomes text that harms nobody.

use drydock_wire::{KeyValue, logs::LogLevel};
use serde_json::Value;

use super::level;

/// A message is cut there, with a mark.
const LONGEST_MESSAGE: usize = 32 << 10;
/// Of a line that is JSON.
const MOST_LABELS: usize = 64;
const LONGEST_KEY: usize = 128;
const LONGEST_VALUE: usize = 2 << 10;

/// Fields that loggers name the message, the level.
const MESSAGES: [&str; 4] = ["message", "msg", "event", "text"];
const LEVELS: [&str; 6] = ["level", "levelname", "severity", "lvl", "log_level", "loglevel"];

/// A line as it is kept.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Parsed {
    pub message: String,
    pub level: Option<LogLevel>,
    pub labels: Vec<KeyValue>,
}

/// Reads a line of any program.
pub fn line(text: &str) -> Parsed {
    let text = harmless(text);
    match fields(&text) {
        Some(fields) => of_fields(fields, &text),
        None => Parsed { level: level::of_text(&text), message: cut(text, LONGEST_MESSAGE), labels: vec![] },
    }
}

fn fields(text: &str) -> Option<serde_json::Map<String, Value>> {
    let text = text.trim();
    if !(text.starts_with('{') && text.ends_with('}')) {
        return None;
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(fields)) if !fields.is_empty() => Some(fields),
        _ => None,
    }
}

fn of_fields(mut fields: serde_json::Map<String, Value>, text: &str) -> Parsed {
    let level = LEVELS.iter().find_map(|key| level_of(fields.get(*key)?).map(|level| (*key, level)));
    if let Some((key, _)) = level {
        fields.shift_remove(key);
    }
    let key = MESSAGES.iter().find(|key| fields.get(**key).is_some_and(Value::is_string));
    let message = match key.and_then(|key| fields.shift_remove(*key)) {
        Some(Value::String(message)) => harmless(&message),
        _ => text.to_owned(),
    };
    let mut labels = vec![];
    flatten("", Value::Object(fields), &mut labels);
    Parsed { message: cut(message, LONGEST_MESSAGE), level: level.map(|(_, level)| level), labels }
}

/// A word, or a number as Python's logging has them.
fn level_of(value: &Value) -> Option<LogLevel> {
    match value {
        Value::String(word) => LogLevel::parse(word),
        Value::Number(number) => Some(match number.as_u64()? {
            10 => LogLevel::Debug,
            20 => LogLevel::Info,
            30 => LogLevel::Warn,
            40 => LogLevel::Error,
            50 | 60 => LogLevel::Fatal,
            _ => return None,
        }),
        _ => None,
    }
}

fn flatten(path: &str, value: Value, labels: &mut Vec<KeyValue>) {
    if labels.len() >= MOST_LABELS {
        return;
    }
    let value = match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let path = if path.is_empty() { key } else { format!("{path}.{key}") };
                flatten(&path, value, labels);
            }
            return;
        }
        Value::Null => return,
        Value::String(text) => harmless(&text),
        other => other.to_string(),
    };
    let key: String = path.chars().filter(|c| !c.is_control()).collect();
    labels.push(KeyValue { key: cut(key, LONGEST_KEY), value: cut(value, LONGEST_VALUE) });
}

/// Without a terminal's marks and other signs that cannot be seen; of a progress bar its last state.
pub fn harmless(text: &str) -> String {
    let last = text.trim_end_matches('\r').rsplit('\r').next().unwrap_or_default();
    if !last.contains(|c: char| c.is_control() && c != '\t') {
        return last.to_owned();
    }
    let (mut out, mut rest) = (String::with_capacity(last.len()), last);
    while let Some(at) = rest.find("\u{1b}[") {
        out.push_str(&rest[..at]);
        let mark = &rest[at + 2..];
        let end = mark.find(|c: char| ('@'..='~').contains(&c)).map_or(mark.len(), |end| end + 1);
        rest = &mark[end..];
    }
    out.push_str(rest);
    out.chars().map(|c| if c.is_control() && c != '\t' { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// With a mark that says how much is gone.
fn cut(mut text: String, longest: usize) -> String {
    if text.len() <= longest {
        return text;
    }
    let end = (0..=longest).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let gone = text.len() - end;
    text.truncate(end);
    text.push_str(&format!(" [cut here: {gone} bytes more]"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label<'a>(parsed: &'a Parsed, key: &str) -> Option<&'a str> {
        parsed.labels.iter().find(|label| label.key == key).map(|label| label.value.as_str())
    }

    #[test]
    fn of_json_the_message_the_level_and_the_rest_are_known() {
        let parsed = line(
            r#"{"time":"x","levelname":"WARNING","msg":"slow step","step":7,"gpu":{"id":0,"t":61.5},"tags":["a"],"no":null}"#,
        );
        assert_eq!((parsed.message.as_str(), parsed.level), ("slow step", Some(LogLevel::Warn)));
        assert_eq!(
            (label(&parsed, "step"), label(&parsed, "gpu.t"), label(&parsed, "tags")),
            (Some("7"), Some("61.5"), Some("[\"a\"]"))
        );
        assert_eq!(label(&parsed, "no"), None);
        let nameless = line(r#"{"a":1}"#);
        assert_eq!((nameless.message.as_str(), nameless.level), (r#"{"a":1}"#, None));
        assert_eq!(line(r#"{"level":40,"message":"x"}"#).level, Some(LogLevel::Error));
        assert_eq!(line(r#"{"level":20,"message":"x"}"#).level, Some(LogLevel::Info));
        assert_eq!(line(r#"{"broken": "#).message, r#"{"broken": "#);
    }

    #[test]
    fn long_lines_are_cut_and_garbage_is_made_harmless() {
        let long = line(&"é".repeat(LONGEST_MESSAGE));
        assert!(
            long.message.len() < LONGEST_MESSAGE + 40
                && long.message.ends_with(&format!("[cut here: {LONGEST_MESSAGE} bytes more]"))
        );
        assert_eq!(line("a\r 10%\r\u{1b}[32m100%\u{1b}[0m\r").message, "100%");
        assert_eq!(line("x\u{0}\u{7}y\tz").message, "x\u{fffd}\u{fffd}y\tz");
        let many: serde_json::Map<String, Value> = (0..500).map(|n| (format!("k{n}"), Value::from(n))).collect();
        assert_eq!(line(&Value::Object(many).to_string()).labels.len(), MOST_LABELS);
    }
}
