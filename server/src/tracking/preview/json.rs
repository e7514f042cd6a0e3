//! JSON in lines, keys and figures as the file has them; what `mlflow.log_table` wrote as a table. Pure.

use drydock_wire::tracking::{Preview, PreviewColumn, PreviewKind};
use serde::{Deserialize, de::IgnoredAny};

use super::{MAX_COLUMNS, MAX_ROWS, cell, empty, plain};

/// `{"columns": […], "data": [[…], …]}`.
#[derive(Deserialize)]
struct Split {
    columns: Vec<serde_json::Value>,
    data: Vec<Vec<serde_json::Value>>,
}

pub fn of(text: &str, size_bytes: u64, truncated: bool) -> Preview {
    if truncated {
        let note = "The file is too large to be laid out; this is its beginning.";
        return Preview { note: Some(note.to_owned()), ..plain(text, size_bytes, true) };
    }
    if let Some(table) = table(text, size_bytes) {
        return table;
    }
    match serde_json::from_str::<IgnoredAny>(text) {
        Ok(_) => Preview { kind: PreviewKind::Json, ..plain(&laid_out(text), size_bytes, false) },
        Err(error) => {
            let note = format!("This is no valid JSON: {error}");
            Preview { note: Some(note), ..plain(text, size_bytes, false) }
        }
    }
}

fn table(text: &str, size_bytes: u64) -> Option<Preview> {
    let split: Split = serde_json::from_str(text).ok()?;
    let width = split.columns.len();
    if width == 0 || split.data.iter().any(|row| row.len() != width) {
        return None;
    }
    let columns = split.columns.iter().take(MAX_COLUMNS);
    let total = split.data.len();
    let row = |row: &Vec<serde_json::Value>| row.iter().take(MAX_COLUMNS).map(word).collect();
    Some(Preview {
        truncated: total > MAX_ROWS || width > MAX_COLUMNS,
        columns: columns
            .map(|name| PreviewColumn { name: word(name).unwrap_or_default(), kind: String::new() })
            .collect(),
        rows: split.data.iter().take(MAX_ROWS).map(row).collect(),
        total_rows: Some(total as u64),
        ..empty(PreviewKind::Table, size_bytes)
    })
}

fn word(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::Null => None,
        serde_json::Value::String(text) => Some(cell(text)),
        other => Some(cell(&other.to_string())),
    }
}

/// Valid JSON with a line for each member. Works on the text, so that neither order nor figures change.
fn laid_out(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let mut depth = 0usize;
    let mut raw = text.chars().peekable();
    while let Some(c) = raw.next() {
        match c {
            '"' => string(&mut raw, &mut out),
            '{' | '[' => open(&mut raw, &mut out, &mut depth, c),
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(',');
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            c if c.is_whitespace() => {}
            c => out.push(c),
        }
    }
    out
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

fn string(raw: &mut Chars<'_>, out: &mut String) {
    out.push('"');
    while let Some(c) = raw.next() {
        out.push(c);
        match c {
            '\\' => out.extend(raw.next()),
            '"' => return,
            _ => {}
        }
    }
}

/// An empty object or list stays on its line.
fn open(raw: &mut Chars<'_>, out: &mut String, depth: &mut usize, c: char) {
    out.push(c);
    while raw.next_if(|c| c.is_whitespace()).is_some() {}
    if let Some(close) = raw.next_if(|c| matches!(c, '}' | ']')) {
        out.push(close);
        return;
    }
    *depth += 1;
    line(out, *depth);
}

fn line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth.min(64)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_figures_and_texts_stay_as_they_are() {
        let text = r#"{"z":1.50,"a":[1,{"b":"x, {\"y\"} : z"}],"e":{ },"l":[]}"#;
        let expected = "{\n  \"z\": 1.50,\n  \"a\": [\n    1,\n    {\n      \"b\": \"x, {\\\"y\\\"} : z\"\n    }\n  ],\n  \"e\": {},\n  \"l\": []\n}";
        assert_eq!(laid_out(text), expected);
    }

    #[test]
    fn what_log_table_wrote_is_a_table() {
        let preview = of(r#"{"columns":["q","n"],"data":[["why",1],["how",null]]}"#, 50, false);
        assert_eq!(preview.kind, PreviewKind::Table);
        assert_eq!(preview.rows, [[Some("why".to_owned()), Some("1".to_owned())], [Some("how".to_owned()), None]]);
        assert_eq!(preview.total_rows, Some(2));
    }

    #[test]
    fn what_is_no_json_is_text_with_a_note() {
        let preview = of("{broken", 7, false);
        assert_eq!(preview.kind, PreviewKind::Text);
        assert!(preview.note.is_some());
        assert_eq!(of("[1]", 3, false).kind, PreviewKind::Json);
    }
}
