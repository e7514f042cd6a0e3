//! The beginning of a file, read for a preview: what kind it is by its name, the blocks of a Markdown text. Pure, so that the host tests it. Nothing of it ever becomes markup.

use serde_json::Value;

/// How a file is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Image,
    /// Rows, which the server reads: it knows all separators, and Parquet.
    Table,
    Json,
    Markdown,
    Text,
    /// Text, unless its bytes say otherwise.
    Unknown,
    /// Known to be nothing that can be read here.
    Binary,
}

/// What the name's ending says.
pub fn kind_of(name: &str) -> Kind {
    let ending = name.rsplit('/').next().unwrap_or(name).rsplit_once('.').map(|(_, end)| end.to_lowercase());
    match ending.as_deref().unwrap_or_default() {
        "png" | "jpg" | "jpeg" | "gif" | "webp" | "bmp" | "svg" | "avif" | "ico" => Kind::Image,
        "csv" | "tsv" | "jsonl" | "ndjson" | "parquet" | "pq" => Kind::Table,
        "json" | "geojson" | "ipynb" => Kind::Json,
        "md" | "markdown" => Kind::Markdown,
        "txt" | "log" | "py" | "yaml" | "yml" | "toml" | "ini" | "cfg" | "conf" | "sh" | "sql" | "xml" | "html"
        | "css" | "js" | "ts" | "rs" | "r" | "java" | "c" | "h" | "cpp" | "dvc" | "gitignore" => Kind::Text,
        "zip" | "gz" | "tar" | "zst" | "bz2" | "xz" | "7z" | "pkl" | "pt" | "pth" | "onnx" | "h5" | "npy" | "npz"
        | "safetensors" | "bin" | "pdf" | "mp4" | "mp3" | "wav" | "exe" | "so" | "whl" => Kind::Binary,
        _ => Kind::Unknown,
    }
}

/// Whether a text that was decoded from bytes is one: what is not leaves NULs or a heap of replacement characters.
pub fn is_text(decoded: &str) -> bool {
    let odd = decoded.chars().filter(|c| *c == '\u{fffd}').count();
    !decoded.contains('\0') && odd * 50 <= decoded.chars().count().max(50)
}

/// JSON with a line for each value; the text itself where it is only the beginning of one.
pub fn pretty(text: &str) -> String {
    let value = serde_json::from_str::<Value>(text);
    value.and_then(|value| serde_json::to_string_pretty(&value)).unwrap_or_else(|_| text.to_owned())
}

/// A block of a Markdown text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    Heading(u8, Vec<Span>),
    Paragraph(Vec<Span>),
    Quote(Vec<Span>),
    /// Items, and whether they are numbered.
    List(bool, Vec<Vec<Span>>),
    Code(String),
    Rule,
}

/// A stretch of text within a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Span {
    Text(String),
    Strong(String),
    Emphasis(String),
    Code(String),
    /// Words, and an http(s) address.
    Link(String, String),
}

/// The blocks of a Markdown text: what people write most; the rest stays as it was written.
pub fn markdown(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = vec![];
    let mut open: Vec<&str> = vec![];
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let trimmed = line.trim();
        if let Some(fence) = ["```", "~~~"].into_iter().find(|fence| trimmed.starts_with(fence)) {
            close(&mut open, &mut blocks);
            let inside: Vec<&str> = lines.by_ref().take_while(|line| !line.trim().starts_with(fence)).collect();
            blocks.push(Block::Code(inside.join("\n")));
        } else if trimmed.is_empty() {
            close(&mut open, &mut blocks);
        } else if let Some((level, title)) = heading(trimmed) {
            close(&mut open, &mut blocks);
            blocks.push(Block::Heading(level, spans(title)));
        } else if trimmed.len() >= 3 && trimmed.chars().all(|c| c == '-' || c == '*' || c == '_') {
            close(&mut open, &mut blocks);
            blocks.push(Block::Rule);
        } else if let Some(quoted) = trimmed.strip_prefix('>') {
            close(&mut open, &mut blocks);
            blocks.push(Block::Quote(spans(quoted.trim())));
        } else if let Some((numbered, item)) = item(trimmed) {
            close(&mut open, &mut blocks);
            match blocks.last_mut() {
                Some(Block::List(before, items)) if *before == numbered => items.push(spans(item)),
                _ => blocks.push(Block::List(numbered, vec![spans(item)])),
            }
        } else {
            open.push(trimmed);
        }
    }
    close(&mut open, &mut blocks);
    blocks
}

fn close(open: &mut Vec<&str>, blocks: &mut Vec<Block>) {
    if !open.is_empty() {
        blocks.push(Block::Paragraph(spans(&open.join(" "))));
        open.clear();
    }
}

fn heading(line: &str) -> Option<(u8, &str)> {
    let level = line.bytes().take_while(|byte| *byte == b'#').count();
    let title = line.get(level..)?.strip_prefix(' ')?;
    (1..=6).contains(&level).then(|| (level as u8, title.trim_end_matches('#').trim()))
}

fn item(line: &str) -> Option<(bool, &str)> {
    if let Some(rest) = ["- ", "* ", "+ "].into_iter().find_map(|mark| line.strip_prefix(mark)) {
        return Some((false, rest));
    }
    let (number, rest) = line.split_once(". ")?;
    (!number.is_empty() && number.len() <= 4 && number.bytes().all(|b| b.is_ascii_digit())).then_some((true, rest))
}

fn spans(text: &str) -> Vec<Span> {
    let mut found: Vec<Span> = vec![];
    let mut rest = text;
    let mut plain = String::new();
    while let Some(c) = rest.chars().next() {
        match marked(rest) {
            Some((span, length)) => {
                if !plain.is_empty() {
                    found.push(Span::Text(std::mem::take(&mut plain)));
                }
                found.push(span);
                rest = rest.get(length..).unwrap_or_default();
            }
            None => {
                plain.push(c);
                rest = rest.get(c.len_utf8()..).unwrap_or_default();
            }
        }
    }
    if !plain.is_empty() {
        found.push(Span::Text(plain));
    }
    found
}

/// A marked stretch at the beginning, and how long it is with its marks.
fn marked(rest: &str) -> Option<(Span, usize)> {
    let between = |mark: &str| {
        let inside = rest.strip_prefix(mark)?;
        let end = inside.find(mark)?;
        let text = inside.get(..end)?;
        (!text.trim().is_empty() && text.trim() == text).then(|| (text.to_owned(), mark.len() * 2 + end))
    };
    if let Some((text, length)) = between("`") {
        return Some((Span::Code(text), length));
    }
    if let Some((text, length)) = between("**").or_else(|| between("__")) {
        return Some((Span::Strong(text), length));
    }
    if let Some((text, length)) = between("*") {
        return Some((Span::Emphasis(text), length));
    }
    let (words, after) = rest.strip_prefix('[')?.split_once("](")?;
    let (address, _) = after.split_once(')')?;
    let is_web = address.starts_with("https://") || address.starts_with("http://");
    let good = is_web && !words.contains(['[', '\n']) && !address.contains(' ');
    good.then(|| (Span::Link(words.to_owned(), address.to_owned()), words.len() + address.len() + 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_kinds() {
        assert_eq!(kind_of("a/b.PNG"), Kind::Image);
        assert_eq!((kind_of("a.csv"), kind_of("a.Parquet")), (Kind::Table, Kind::Table));
        assert_eq!(kind_of("dir.d/README"), Kind::Unknown);
        assert_eq!(kind_of("model.pkl"), Kind::Binary);
    }

    #[test]
    fn bytes_are_not_taken_for_text() {
        assert!(is_text("plain é text") && is_text(""));
        assert!(!is_text("a\0b"));
        assert!(!is_text(&"\u{fffd}x".repeat(100)));
    }

    #[test]
    fn json_is_laid_out_where_it_is_whole() {
        assert_eq!(pretty("{\"b\":1}"), "{\n  \"b\": 1\n}");
        assert_eq!(pretty("{\"b\":"), "{\"b\":");
    }

    #[test]
    fn markdown_has_blocks_and_marks() {
        let text = "# Wine *set*\n\nTwo lines\nof **text** with `code`.\n\n- one\n- [two](https://a.b)\n1. three\n> said\n---\n```py\nx = 1\n```\n";
        let say = |text: &str| Span::Text(text.into());
        let expected = [
            Block::Heading(1, vec![say("Wine "), Span::Emphasis("set".into())]),
            Block::Paragraph(vec![
                say("Two lines of "),
                Span::Strong("text".into()),
                say(" with "),
                Span::Code("code".into()),
                say("."),
            ]),
            Block::List(false, vec![vec![say("one")], vec![Span::Link("two".into(), "https://a.b".into())]]),
            Block::List(true, vec![vec![say("three")]]),
            Block::Quote(vec![say("said")]),
            Block::Rule,
            Block::Code("x = 1".into()),
        ];
        assert_eq!(markdown(text), expected);
    }

    #[test]
    fn a_link_that_runs_something_stays_text() {
        let text = "[a](javascript:alert(1)) <b>x</b> * y";
        assert_eq!(markdown(text), [Block::Paragraph(vec![Span::Text(text.into())])]);
    }
}
