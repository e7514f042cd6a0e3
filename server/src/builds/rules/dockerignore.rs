//! What `.dockerignore` leaves out of a context, by Docker's rules.
//!
//! They are not git's: a pattern is anchored at the top (`*.md` is about the top folder alone, `**/*.md` about all), the last line that
//! is about a path decides, and an exception (`!`) counts below a folder that is left out. So the `ignore` crate (git's rules) and plain
//! globs decide otherwise, and the registry has no crate that does no more than this and is looked after (2026-11: `use-dockerignore` sorts lines
//! without deciding, others are parts of whole engines). Source: docs.docker.com, "Dockerignore files"; held against the cases of Docker's
//! own matcher.

use regex::Regex;

use crate::error::{Error, Result};

/// Its name in a context.
pub const IGNORE: &str = ".dockerignore";

/// The lines of one file.
#[derive(Debug, Clone, Default)]
pub struct Ignored(Vec<Pattern>);

#[derive(Debug, Clone)]
struct Pattern {
    /// `!`: what it names is in, whatever came before.
    exception: bool,
    /// About the path or a folder that it lies in.
    regex: Regex,
}

/// The piece of a pattern.
enum Piece {
    Char(char),
    /// `?`
    One,
    /// `*`
    Some,
    /// `**` with the `/` after it, if there is one: any number of folders.
    Folders {
        slash: bool,
    },
    /// `[a-z]`, or `[^a-z]` with `true`.
    Class(bool, Vec<(char, char)>),
}

impl Ignored {
    /// # Errors
    /// `invalid` with the line, for one that Docker refuses, too.
    pub fn parse(text: &str) -> Result<Self> {
        let mut patterns = vec![];
        for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            if line.starts_with('#') {
                continue;
            }
            let line = line.trim();
            let (exception, body) = match line.strip_prefix('!') {
                Some(body) => (true, body.trim()),
                None => (false, line),
            };
            let wrong = |why: &str| Error::invalid(format!("{IGNORE}, line {}: {line:?}: {why}.", number + 1));
            if body.is_empty() {
                if exception {
                    return Err(wrong("there is nothing after the !"));
                }
                continue;
            }
            let pieces = pieces(&cleaned(body)).map_err(wrong)?;
            let regex = Regex::new(&regex(&pieces)).map_err(|_| wrong("it is too long"))?;
            patterns.push(Pattern { exception, regex });
        }
        Ok(Self(patterns))
    }

    /// Whether the file or folder of this path (with `/`, from the top) stays behind.
    pub fn leaves_out(&self, path: &str) -> bool {
        let about = self.0.iter().rev().find(|pattern| pattern.regex.is_match(path));
        about.is_some_and(|pattern| !pattern.exception)
    }

    /// Whether something below a folder that is left out may be in all the same.
    pub fn has_exceptions(&self) -> bool {
        self.0.iter().any(|pattern| pattern.exception)
    }
}

/// Without `.`, `..` and doubled or outer slashes: `/a/./b/`, `a//b` and `a/c/../b` are `a/b`.
fn cleaned(body: &str) -> String {
    let mut parts: Vec<&str> = vec![];
    for part in body.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            // nothing is above the top
            ".." if body.starts_with('/') => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn pieces(pattern: &str) -> std::result::Result<Vec<Piece>, &'static str> {
    let mut found = vec![];
    let mut rest = pattern.chars().peekable();
    while let Some(c) = rest.next() {
        found.push(match c {
            '*' if rest.next_if_eq(&'*').is_some() => Piece::Folders { slash: rest.next_if_eq(&'/').is_some() },
            '*' => Piece::Some,
            '?' => Piece::One,
            '\\' => Piece::Char(rest.next().ok_or("a \\ stands before the sign that it takes the meaning from")?),
            '[' => class(&mut rest)?,
            c => Piece::Char(c),
        });
    }
    Ok(found)
}

/// Behind its `[`.
fn class(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> std::result::Result<Piece, &'static str> {
    const OPEN: &str = "the [ has no end";
    let negated = rest.next_if_eq(&'^').is_some();
    let mut ranges = vec![];
    let one = |rest: &mut std::iter::Peekable<std::str::Chars<'_>>| match rest.next() {
        Some('\\') => rest.next().ok_or(OPEN),
        Some('-' | ']') => Err("in [ ] write \\- and \\] for the signs themselves"),
        Some(c) => Ok(c),
        None => Err(OPEN),
    };
    while ranges.is_empty() || rest.next_if_eq(&']').is_none() {
        let from = one(rest)?;
        let to = if rest.next_if_eq(&'-').is_some() { one(rest)? } else { from };
        if to < from {
            return Err("a range in [ ] begins with its smaller end");
        }
        ranges.push((from, to));
    }
    Ok(Piece::Class(negated, ranges))
}

/// About a path, or about anything in a folder of that path.
fn regex(pieces: &[Piece]) -> String {
    let mut made = String::from("(?s)^(?:");
    let plain_after = |at: usize| pieces[at + 1..].iter().all(|piece| matches!(piece, Piece::Char(_)));
    for (at, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Char(c) => made += &regex::escape(&c.to_string()),
            Piece::One => made += "[^/]",
            Piece::Some => made += "[^/]*",
            Piece::Folders { .. } if at + 1 == pieces.len() => made += ".*",
            // `**name` is the end of any name; Docker takes it so where nothing but plain signs follows
            Piece::Folders { slash: false } if at == 0 && plain_after(at) => made += ".*",
            Piece::Folders { .. } => made += "(?:.*/)?",
            Piece::Class(negated, ranges) => {
                made += if *negated { "[^" } else { "[" };
                for (from, to) in ranges {
                    made += &format!("\\x{{{:x}}}-\\x{{{:x}}}", u32::from(*from), u32::from(*to));
                }
                made += "]";
            }
        }
    }
    made + ")(?:/.*)?$"
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn out(text: &str, path: &str) -> bool {
        Ignored::parse(text).unwrap().leaves_out(path)
    }

    #[test]
    fn patterns_mean_what_they_mean_to_docker() {
        for (pattern, path, left_out) in [
            // the table of the documentation
            ("*/temp*", "somedir/temporary.txt", true),
            ("*/temp*", "somedir/temp/x", true),
            ("*/temp*", "temporary.txt", false),
            ("*/*/temp*", "somedir/subdir/temporary.txt", true),
            ("*/*/temp*", "somedir/temporary.txt", false),
            ("temp?", "tempa", true),
            ("temp?", "temp", false),
            ("temp?", "a/tempa", false),
            ("**/*.go", "a/b/c.go", true),
            ("**/*.go", "c.go", true),
            ("/foo/bar", "foo/bar/x", true),
            ("foo/bar", "foo/bar", true),
            ("foo/bar", "a/foo/bar", false),
            ("/", "a", false),
            // cases of Docker's own matcher
            ("**", "dir/file", true),
            ("**/", "file", true),
            ("**/**", "dir/file", true),
            ("dir/**", "dir/dir2/file", true),
            ("abc/**", "abc", false),
            ("**/dir", "dir/file", true),
            ("**/dir2/*", "dir/dir2/file", true),
            ("**/dir2/**", "dir/dir2/dir3/file", true),
            ("**file", "dir/dir/file", true),
            ("**file", "profile", true),
            ("**/file*txt", "dir/dir/file.txt", true),
            ("**/**/*.txt2", "dir/dir/file.txt", false),
            ("a**/*.txt", "a/dir/dir/file.txt", true),
            ("a/*.txt", "a/dir/file.txt", false),
            ("a/*.txt**", "a/file.txt", true),
            ("a[b-d]e", "ace", true),
            ("a[b-d]e", "aae", false),
            ("a[^b-d]e", "aze", true),
            ("a[^b-d]e", "ace", false),
            ("[\\]a]", "]", true),
            ("[x\\-]", "-", true),
            ("[\\-x]", "a", false),
            ("[a-ζ]*", "α", true),
            ("a?b", "a☺b", true),
            ("a?b", "a/b", false),
            ("a*b", "a/b", false),
            (".*", ".foo", true),
            (".*", "foo", false),
            ("abc.def", "abcZdef", false),
            ("**/foo/bar", "dir/dir2/foo/bar", true),
            ("**/.foo", "bar.foo", false),
            ("a(b)c/def", "a(b)c/def", true),
            ("a.|)$(}+{bc", "a.|)$(}+{bc", true),
            ("dist/*.whl", "dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl", true),
            ("a\\*b", "a*b", true),
            ("a\\*b", "ab", false),
            ("\\#a", "#a", true),
        ] {
            assert_eq!(out(pattern, path), left_out, "{pattern} {path}");
        }
    }

    #[test]
    fn the_last_line_about_a_path_decides() {
        let readmes = "*.md\n!README*.md\nREADME-secret.md\n";
        assert!(out(readmes, "a.md") && !out(readmes, "README-x.md") && out(readmes, "README-secret.md"));
        let readmes = "*.md\nREADME-secret.md\n!README*.md\n";
        assert!(!out(readmes, "README-secret.md"));
        assert!(!out("docs\n!docs/README.md", "docs/README.md") && out("docs\n!docs/README.md", "docs/x"));
        assert!(!out("docs/*\n!docs/README.md", "docs/README.md"));
        assert!(!out("**\n!util/docker/web", "util/docker/web/foo"));
        assert!(out("**\n!util/docker/web\nutil/docker/web/foo", "util/docker/web/foo"));
        assert!(out("!a.go\n*.go", "a.go"), "an exception before is none");
        assert!(!out("data\n!**/*.py", "data/deep/x.py"), "exceptions with ** count below folders, too");
        assert!(Ignored::parse("*\n!src").unwrap().has_exceptions() && !Ignored::parse("*").unwrap().has_exceptions());
    }

    #[test]
    fn comments_blanks_and_spellings() {
        let text = "\u{feff}# *.md\n\n   \n  *.csv  \n./a/../b/\n! /b/keep\n #c\n";
        for (path, left_out) in
            [("x.md", false), ("x.csv", true), ("b/x", true), ("b/keep", false), ("#c", true), ("# *.md", false)]
        {
            assert_eq!(out(text, path), left_out, "{path}");
        }
        assert!(!out("", "a") && !out("../a", "a") && out("/../a", "a"));
        assert!(out("Dockerfile\n.dockerignore\n", IGNORE));
    }

    #[test]
    fn what_docker_refuses_is_refused_with_its_line() {
        for wrong in ["!", "! ", "[", "[]a]", "[-]", "[x-]", "[-x]", "[a-b-c]", "[^", "[^bc", "a[", "a\\", "[z-a]"] {
            let error = Ignored::parse(&format!("ok\n{wrong}\n")).unwrap_err();
            assert!(error.message.contains(".dockerignore, line 2"), "{wrong}: {error}");
        }
    }
}
