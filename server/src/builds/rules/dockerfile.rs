//! A Dockerfile read as far as Drydock has to: which images it is built from, and what would be fetched from elsewhere. And the
//! one that Docker is given: the images by what the box has, and after each `FROM` the arguments by which pip and uv find the index.
//!
//! Docker itself would fetch an image that is not there, or the address of an `ADD`, from the internet, past every wall of the
//! build's containers: so these are decided here. Everything else is left as it is written.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, Result};

/// Arguments that each stage gets; their values come with the build. They are in no image's environment.
pub const ARGUMENTS: [&str; 7] = [
    "PIP_INDEX_URL",
    "PIP_TRUSTED_HOST",
    "PIP_DISABLE_PIP_VERSION_CHECK",
    "PIP_NO_CACHE_DIR",
    "PIP_BREAK_SYSTEM_PACKAGES",
    "PIP_ROOT_USER_ACTION",
    "UV_DEFAULT_INDEX",
];
const LONGEST: usize = 1 << 20;

/// An instruction with the lines that it is written on.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Instruction {
    /// In capitals.
    word: String,
    /// On one line, without what continues it.
    rest: String,
    /// Numbers of its first line and of the one after its last.
    lines: (usize, usize),
}

/// What a Dockerfile says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dockerfile {
    lines: Vec<String>,
    instructions: Vec<Instruction>,
    /// Images that have to be there, as they are named, with the instruction.
    named: Vec<(usize, String)>,
}

impl Dockerfile {
    /// `args`: values that are given for its `ARG`s, of which a `FROM` may be made.
    ///
    /// # Errors
    /// `invalid` for a text that is no Dockerfile; `refused` for what would be fetched from the internet, or needs BuildKit.
    pub fn parse(text: &str, args: &BTreeMap<String, String>) -> Result<Self> {
        if text.len() > LONGEST || text.contains('\0') {
            return Err(Error::invalid(format!("The Dockerfile is no text of at most {LONGEST} bytes.")));
        }
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let instructions = instructions(&lines);
        let mut read = Self { lines, instructions, named: vec![] };
        read.look(args)?;
        Ok(read)
    }

    fn look(&mut self, args: &BTreeMap<String, String>) -> Result<()> {
        let (mut known, mut stages, mut named) = (BTreeMap::new(), BTreeSet::new(), vec![]);
        let mut froms = 0;
        for (number, one) in self.instructions.iter().enumerate() {
            let at = |why: &str| Error::refused(format!("Line {} of the Dockerfile: {why}", one.lines.0 + 1));
            match one.word.as_str() {
                "ARG" if froms == 0 => known.extend(arguments(&one.rest, args, &known)),
                "FROM" => {
                    froms += 1;
                    let (image, stage) = from(&one.rest).ok_or_else(|| at("FROM needs the name of an image."))?;
                    let image = substituted(image, &known);
                    if image.is_empty() {
                        return Err(at("the ARG that FROM names has no value; give it one."));
                    }
                    if image != "scratch" && !stages.contains(&image.to_lowercase()) {
                        named.push((number, image));
                    }
                    stages.extend(stage.map(str::to_lowercase));
                }
                _ if froms == 0 => return Err(at("FROM comes first, only ARG may be before it.")),
                _ => {
                    check(one).map_err(|why| at(&why))?;
                    if let Some(image) = copied_from(one)
                        && !stages.contains(&image.to_lowercase())
                        && image.parse::<usize>().is_err()
                    {
                        named.push((number, image));
                    }
                }
            }
        }
        if froms == 0 {
            return Err(Error::invalid("The Dockerfile has no FROM."));
        }
        self.named = named;
        Ok(())
    }

    /// The images that have to be on the box, each once, in the order in which they are named.
    pub fn images(&self) -> Vec<String> {
        let mut all: Vec<String> = vec![];
        for (_, image) in &self.named {
            if !all.contains(image) {
                all.push(image.clone());
            }
        }
        all
    }

    /// The text for Docker; `has` says what the engine knows each image by.
    pub fn rewritten(&self, has: &BTreeMap<String, String>) -> String {
        let mut out = String::new();
        let mut next = 0;
        for (number, one) in self.instructions.iter().enumerate() {
            let image = self.named.iter().find(|(at, _)| *at == number).and_then(|(_, image)| has.get(image));
            let replaced = match (one.word.as_str(), image) {
                ("FROM", Some(image)) => Some(from_line(&one.rest, image)),
                ("COPY", Some(image)) => Some(format!("COPY {}", copy_line(&one.rest, image))),
                _ => None,
            };
            let (start, end) = one.lines;
            push(&mut out, &self.lines[next..start]);
            match replaced {
                Some(line) => push(&mut out, &[line]),
                None => push(&mut out, &self.lines[start..end]),
            }
            if one.word == "FROM" {
                push(&mut out, &[format!("ARG {}", ARGUMENTS.join(" "))]);
            }
            next = end;
        }
        push(&mut out, &self.lines[next..]);
        out
    }

    /// What its `RUN`s say, each on one line.
    pub fn runs(&self) -> impl Iterator<Item = &str> {
        self.instructions.iter().filter(|one| one.word == "RUN").map(|one| one.rest.as_str())
    }
}

/// Why an instruction that a base image has run in what is built from it may not run.
pub fn refuses_trigger(text: &str) -> Option<String> {
    let (word, rest) = text.trim().split_once(char::is_whitespace).unwrap_or((text, ""));
    check(&Instruction { word: word.to_uppercase(), rest: rest.trim().to_owned(), lines: (0, 0) }).err()
}

fn push(out: &mut String, lines: &[String]) {
    for line in lines {
        out.push_str(line);
        out.push('\n');
    }
}

/// Lines put together as Docker does: a mark at the end goes on, comments and empty lines in between are passed over.
fn instructions(lines: &[String]) -> Vec<Instruction> {
    let mark = escape(lines);
    let mut all = vec![];
    let mut at = 0;
    while at < lines.len() {
        let first = lines[at].trim_start();
        if first.is_empty() || first.starts_with('#') {
            at += 1;
            continue;
        }
        let (start, mut text) = (at, String::new());
        loop {
            let line = lines[at].trim_end();
            at += 1;
            let is_comment = line.trim_start().starts_with('#');
            if (is_comment || line.trim().is_empty()) && at - 1 > start {
                if at == lines.len() {
                    break;
                }
                continue;
            }
            match line.strip_suffix(mark) {
                Some(more) if at < lines.len() => text.push_str(more),
                Some(more) => {
                    text.push_str(more);
                    break;
                }
                None => {
                    text.push_str(line);
                    break;
                }
            }
        }
        let text = text.trim();
        let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        all.push(Instruction { word: word.to_uppercase(), rest: rest.trim().to_owned(), lines: (start, at) });
    }
    all
}

/// A directive at the very top may say another mark: `# escape=` and a backtick.
fn escape(lines: &[String]) -> char {
    for line in lines {
        let Some(comment) = line.trim().strip_prefix('#') else { break };
        let Some((name, value)) = comment.split_once('=') else { break };
        if name.trim().eq_ignore_ascii_case("escape") && value.trim() == "`" {
            return '`';
        }
    }
    '\\'
}

/// The image and the name of the stage.
fn from(rest: &str) -> Option<(&str, Option<&str>)> {
    let mut words = rest.split_whitespace().filter(|word| !word.starts_with("--"));
    let image = words.next()?;
    let stage = match (words.next(), words.next()) {
        (Some(as_), Some(name)) if as_.eq_ignore_ascii_case("as") => Some(name),
        _ => None,
    };
    Some((image, stage))
}

fn from_line(rest: &str, image: &str) -> String {
    let stage = from(rest).and_then(|(_, stage)| stage).map(|stage| format!(" AS {stage}")).unwrap_or_default();
    format!("FROM {image}{stage}")
}

fn copied_from(one: &Instruction) -> Option<String> {
    if one.word != "COPY" {
        return None;
    }
    let flags = one.rest.split_whitespace().take_while(|word| word.starts_with("--"));
    flags.filter_map(|flag| flag.strip_prefix("--from=")).next().map(str::to_owned)
}

fn copy_line(rest: &str, image: &str) -> String {
    let mut words: Vec<String> = rest.split_whitespace().map(str::to_owned).collect();
    for word in words.iter_mut().take_while(|word| word.starts_with("--")) {
        if word.starts_with("--from=") {
            *word = format!("--from={image}");
        }
    }
    words.join(" ")
}

/// What the engine would do past the walls of the build, or cannot do at all.
fn check(one: &Instruction) -> std::result::Result<(), String> {
    if one.word == "ONBUILD" {
        let (word, rest) = one.rest.split_once(char::is_whitespace).unwrap_or((&one.rest, ""));
        let inner = Instruction { word: word.to_uppercase(), rest: rest.trim().to_owned(), lines: one.lines };
        return check(&inner);
    }
    if one.word == "ADD" && is_remote(&one.rest) {
        return Err(
            "ADD of an address would have Docker fetch it from the internet; send the file along and COPY it.".into()
        );
    }
    if matches!(one.word.as_str(), "RUN" | "COPY" | "ADD") && one.rest.split_whitespace().any(is_heredoc) {
        return Err("texts after << need BuildKit; put them into a file of the context and COPY it.".into());
    }
    let flags = one.rest.split_whitespace().take_while(|word| word.starts_with("--"));
    for flag in flags {
        if ["--mount=", "--network=", "--security=", "--link"].iter().any(|known| flag.starts_with(known)) {
            return Err(format!("{flag} needs BuildKit, which this box does not use; leave it out."));
        }
    }
    Ok(())
}

fn is_remote(rest: &str) -> bool {
    let lower = rest.to_ascii_lowercase();
    // a variable may become an address only when the engine has it
    lower.contains("://") || lower.contains("git@") || rest.split_whitespace().any(|word| word.contains('$'))
}

fn is_heredoc(word: &str) -> bool {
    let Some(rest) = word.strip_prefix("<<") else { return false };
    rest.trim_start_matches('-').trim_matches(['"', '\'']).starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

/// `A B=2`: the arguments before the first `FROM`, with what is given for them.
fn arguments(
    rest: &str,
    args: &BTreeMap<String, String>,
    known: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let one = |word: &str| {
        let (name, default) = word.split_once('=').unwrap_or((word, ""));
        let default = substituted(default.trim_matches(['"', '\'']), known);
        (name.to_owned(), args.get(name).cloned().unwrap_or(default))
    };
    rest.split_whitespace().map(one).collect()
}

/// `$NAME`, `${NAME}`, `${NAME:-instead}` and `${NAME:+then}`.
fn substituted(text: &str, known: &BTreeMap<String, String>) -> String {
    let value = |name: &str| known.get(name).map(String::as_str).unwrap_or_default();
    let (mut out, mut rest) = (String::new(), text);
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(inner) = rest.strip_prefix('{')
            && let Some(end) = inner.find('}')
        {
            let (expression, after) = (&inner[..end], &inner[end + 1..]);
            match (expression.split_once(":-"), expression.split_once(":+")) {
                (Some((name, instead)), _) if value(name).is_empty() => out.push_str(instead),
                (Some((name, _)), _) => out.push_str(value(name)),
                (_, Some((name, then))) => out.push_str(if value(name).is_empty() { "" } else { then }),
                _ => out.push_str(value(expression)),
            }
            rest = after;
        } else {
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
            out.push_str(value(&rest[..end]));
            rest = &rest[end..];
        }
    }
    out + rest
}

#[cfg(test)]
#[path = "dockerfile_tests.rs"]
mod tests;
