//! Reads Rust source well enough to know which modules of its crate a file names.

use std::path::{Path, PathBuf};

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// All Rust files under a folder.
pub fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Source without comments and without the text of literals, so that only code can name a module.
pub fn code_only(text: &str) -> String {
    let (mut code, mut rest) = (String::new(), text);
    while let Some(c) = rest.chars().next() {
        if rest.starts_with("//") {
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
        } else if rest.starts_with("/*") {
            rest = rest.find("*/").map_or("", |end| &rest[end + 2..]);
        } else if let Some(after) = raw_literal(rest) {
            rest = after;
        } else if c == '"' {
            rest = after_literal(rest);
        } else if let Some(length) = char_literal(rest) {
            rest = &rest[length..];
        } else {
            code.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    code
}

fn raw_literal(rest: &str) -> Option<&str> {
    let hashes = rest.strip_prefix('r')?.bytes().take_while(|byte| *byte == b'#').count();
    let inner = rest[1 + hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    Some(inner.find(&end).map_or("", |at| &inner[at + end.len()..]))
}

fn after_literal(rest: &str) -> &str {
    let bytes = rest.as_bytes();
    let mut at = 1;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    rest.get(at + 1..).unwrap_or("")
}

/// Length of a character literal; lifetimes are none.
fn char_literal(rest: &str) -> Option<usize> {
    let inner = rest.strip_prefix('\'')?;
    let first = inner.chars().next()?;
    let length = if first == '\\' { inner[1..].find('\'').map(|at| at + 1)? } else { first.len_utf8() };
    inner[length..].starts_with('\'').then_some(length + 2)
}

/// Every path below the crate's root that the code names, as segments: `crate::a::{b, c::d}` gives `a b` and `a c d`.
pub fn crate_paths(code: &str) -> Vec<Vec<String>> {
    let mut paths = vec![];
    for (at, _) in code.match_indices("crate::") {
        let before = code[..at].chars().next_back();
        if !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
            read_tree(&code[at + "crate::".len()..], &mut vec![], &mut paths);
        }
    }
    paths
}

/// Reads one use tree, adds its paths, and answers what follows it.
fn read_tree<'a>(text: &'a str, prefix: &mut Vec<String>, paths: &mut Vec<Vec<String>>) -> &'a str {
    let text = text.trim_start();
    if let Some(mut inner) = text.strip_prefix('{') {
        loop {
            inner = read_tree(inner, prefix, paths).trim_start();
            match inner.chars().next() {
                Some(',') => inner = inner[1..].trim_start(),
                Some('}') => return &inner[1..],
                _ => return inner,
            }
            if let Some(rest) = inner.strip_prefix('}') {
                return rest;
            }
        }
    }
    let length = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    if length == 0 {
        paths.push(prefix.clone());
        return text.strip_prefix('*').unwrap_or(text);
    }
    let (name, rest) = text.split_at(length);
    prefix.push(name.to_owned());
    let rest = match rest.strip_prefix("::") {
        Some(rest) => read_tree(rest, prefix, paths),
        None => {
            paths.push(prefix.clone());
            let rest = rest.trim_start();
            rest.strip_prefix("as ")
                .map_or(rest, |alias| alias.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_' || c == ' '))
        }
    };
    prefix.pop();
    rest
}

#[test]
fn groups_aliases_comments_and_literals_are_understood() {
    let text = r##"
        //! crate::not_this
        use crate::{a, b::{c, d::e as f}, g::*}; /* crate::nor_this */
        fn x() { let _ = ("crate::nor_that \" crate::x", 'c', '"', r#"crate::y"#); crate::h::i(); other_crate::j(); }
    "##;
    let found: Vec<String> = crate_paths(&code_only(text)).into_iter().map(|path| path.join(" ")).collect();
    assert_eq!(found, ["a", "b c", "b d e", "g", "h i"]);
}
