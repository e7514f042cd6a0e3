//! How grave a line of plain text is, where it tells.

use drydock_wire::logs::LogLevel;

/// A level stands at a line's beginning, after an instant and a name at most.
const LOOKED_AT: usize = 80;

/// As loggers write it: `ERROR …`, `[warn] …`, `2026-01-02 03:04:05,678 - name - INFO - …`, `E0102 03:04:05.678 …`, `ValueError: …`.
pub fn of_text(text: &str) -> Option<LogLevel> {
    let end = (0..=LOOKED_AT.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let head = text[..end].trim_start();
    of_glog(head).or_else(|| of_exception(head)).or_else(|| of_word(head))
}

/// A letter and the day: `W0131 12:…`.
fn of_glog(head: &str) -> Option<LogLevel> {
    let mut bytes = head.bytes();
    let letter = bytes.next()?;
    let day = head.get(1..6)?.as_bytes();
    if !day[..4].iter().all(u8::is_ascii_digit) || day[4] != b' ' {
        return None;
    }
    match letter {
        b'I' => Some(LogLevel::Info),
        b'W' => Some(LogLevel::Warn),
        b'E' => Some(LogLevel::Error),
        b'F' => Some(LogLevel::Fatal),
        _ => None,
    }
}

/// What Python says last, and first.
fn of_exception(head: &str) -> Option<LogLevel> {
    if head.starts_with("Traceback (most recent call last)") {
        return Some(LogLevel::Error);
    }
    let (name, _) = head.split_once(':')?;
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.".contains(&byte));
    (is_name && (name.ends_with("Error") || name.ends_with("Exception"))).then_some(LogLevel::Error)
}

/// A word in capitals, or one that is set apart: `[info]`, `warning: `, `level=debug`. An `error` amid a sentence says nothing.
fn of_word(head: &str) -> Option<LogLevel> {
    let is_letter = |c: char| c.is_ascii_alphabetic();
    let mut from = 0;
    while let Some(start) = head[from..].find(is_letter).map(|at| from + at) {
        let end = head[start..].find(|c| !is_letter(c)).map_or(head.len(), |at| start + at);
        let word = &head[start..end];
        let (before, after) = (&head[..start], &head[end..]);
        let whole = !before.ends_with(|c: char| c.is_alphanumeric() || c == '_')
            && !after.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        let capitals = word.len() > 2 && word.bytes().all(|byte| byte.is_ascii_uppercase());
        let bracketed = before.ends_with(['[', '<', '|']) && after.starts_with([']', '>', '|']);
        let named =
            before.to_ascii_lowercase().ends_with("level=") || before.to_ascii_lowercase().ends_with("level=\"");
        let leads = start == 0 && after.starts_with(": ");
        if whole
            && (capitals || bracketed || named || leads)
            && let Some(level) = LogLevel::parse(word)
        {
            return Some(level);
        }
        from = end;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_found_where_loggers_put_them_and_not_in_sentences() {
        let told = [
            ("ERROR something", LogLevel::Error),
            ("2026-01-02 03:04:05,678 - root - WARNING - low", LogLevel::Warn),
            ("[info] started", LogLevel::Info),
            ("INFO:     Uvicorn running", LogLevel::Info),
            ("time=\"x\" level=debug msg=hi", LogLevel::Debug),
            ("W1127 12:00:00.123 file.cc:1] x", LogLevel::Warn),
            ("ValueError: no", LogLevel::Error),
            ("json.decoder.JSONDecodeError: no", LogLevel::Error),
            ("Traceback (most recent call last):", LogLevel::Error),
            ("warning: unused", LogLevel::Warn),
            ("CRITICAL out of memory", LogLevel::Fatal),
        ];
        for (line, level) in told {
            assert_eq!(of_text(line), Some(level), "{line}");
        }
        for line in
            ["", "no error here", "the info desk", "errors: 0", "E12 x", "ERRORS 4", "ü".repeat(90).as_str(), "W123"]
        {
            assert_eq!(of_text(line), None, "{line}");
        }
    }
}
