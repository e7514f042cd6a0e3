//! What pip was asked to install, as far as a Dockerfile and its log say: the roots of what may be missing.

use std::collections::{BTreeMap, BTreeSet};

/// What pip says of a name that it does not find.
const COMPLAINTS: [&str; 2] =
    ["No matching distribution found for ", "Could not find a version that satisfies the requirement "];
/// Options of `pip install` that are followed by a value.
const WITH_VALUE: [&str; 12] = [
    "-i",
    "--index-url",
    "--extra-index-url",
    "-f",
    "--find-links",
    "-t",
    "--target",
    "--prefix",
    "--root",
    "--trusted-host",
    "--python-version",
    "--platform",
];

/// Requirements and requirements files that the commands name.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Asked {
    pub requirements: BTreeSet<String>,
    pub files: BTreeSet<String>,
}

/// What the commands of `RUN` install; in shell form or as a JSON list.
pub fn of_commands<'a>(runs: impl Iterator<Item = &'a str>) -> Asked {
    let mut asked = Asked::default();
    for run in runs {
        let words: Vec<String> = match serde_json::from_str::<Vec<String>>(run) {
            Ok(words) if words.len() == 3 && words[1] == "-c" => split(&words[2]),
            Ok(words) => words,
            Err(_) => split(run),
        };
        let is_end = |word: &String| matches!(word.as_str(), "&&" | "||" | ";" | "|" | "&");
        for command in words.split(is_end) {
            let pip = command.iter().position(|word| word.ends_with("pip") || word.ends_with("pip3"));
            let pip = pip.filter(|at| command[..*at].iter().all(|word| leads_to_a_command(word)));
            let Some(at) = pip.filter(|at| command.get(at + 1).map(String::as_str) == Some("install")) else {
                continue;
            };
            of_install(&command[at + 2..], &mut asked);
        }
    }
    asked
}

/// What may stand before the program that a shell runs: `A=1 python3 -m pip`, `uv pip`; not `echo pip`.
fn leads_to_a_command(word: &str) -> bool {
    let program = word.rsplit('/').next().unwrap_or(word);
    word.contains('=')
        || word.starts_with('-')
        || program.starts_with("python")
        || ["uv", "sudo", "env", "exec", "time", "nice"].contains(&program)
}

fn of_install(words: &[String], asked: &mut Asked) {
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == "-r" || word == "--requirement" {
            asked.files.extend(words.next().cloned());
        } else if let Some(file) = word.strip_prefix("--requirement=").or_else(|| word.strip_prefix("-r")) {
            asked.files.insert(file.to_owned());
        } else if WITH_VALUE.contains(&word.as_str()) {
            words.next();
        } else if !word.starts_with('-') && !word.contains(['/', '$']) && !word.starts_with('.') {
            asked.requirements.insert(word.clone());
        }
    }
}

/// Words as a shell has them; quotes hold together, separators stand alone.
fn split(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut is_open) = (vec![], String::new(), None, false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (Some(_), c) => word.push(c),
            (None, '"' | '\'') => (quote, is_open) = (Some(c), true),
            (None, '\\') => word.extend(chars.next()),
            (None, c) if c.is_whitespace() || matches!(c, ';' | '&' | '|') => {
                if !word.is_empty() || is_open {
                    words.push(std::mem::take(&mut word));
                    is_open = false;
                }
                if !c.is_whitespace() {
                    let twice = chars.next_if_eq(&c).is_some();
                    words.push(if twice { format!("{c}{c}") } else { c.to_string() });
                }
            }
            (None, c) => word.push(c),
        }
    }
    if !word.is_empty() || is_open {
        words.push(word);
    }
    words
}

/// What pip did not find, from a line of the log.
pub fn of_line(line: &str) -> Option<String> {
    let rest = COMPLAINTS.iter().find_map(|words| line.split_once(words).map(|(_, rest)| rest))?;
    let end = rest.find(" (from").unwrap_or(rest.len());
    let text = rest[..end].trim();
    (!text.is_empty() && text.len() < 300).then(|| text.to_owned())
}

/// One requirements file of all: what is said in commands, in the files that they name, and what pip complained of. `files` are
/// those of the context by path; a command names them by where they were copied, so the last part of the path decides.
pub fn together(asked: &Asked, files: &BTreeMap<String, String>, complaints: &BTreeSet<String>) -> String {
    let last = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
    let wanted: BTreeSet<String> = asked.files.iter().map(|path| last(path)).collect();
    let mut lines: Vec<String> = asked.requirements.iter().cloned().collect();
    for (path, text) in files {
        if wanted.contains(&last(path)) {
            lines.extend(text.lines().map(str::to_owned));
        }
    }
    lines.extend(complaints.iter().cloned());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(run: &str) -> (Vec<String>, Vec<String>) {
        let asked = of_commands(std::iter::once(run));
        (asked.requirements.into_iter().collect(), asked.files.into_iter().collect())
    }

    #[test]
    fn commands_say_what_they_install() {
        let list = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        for (run, requirements, files) in [
            ("pip install foo bar==1", vec!["bar==1", "foo"], vec![]),
            (
                "apt-get update && python3 -m pip install --no-cache-dir 'a[x]>=1,<2' -r /tmp/r.txt; echo pip install no",
                vec!["a[x]>=1,<2"],
                vec!["/tmp/r.txt"],
            ),
            ("[\"pip3\", \"install\", \"-rreq.txt\", \"--target\", \"/x\", \"y\"]", vec!["y"], vec!["req.txt"]),
            ("[\"sh\", \"-c\", \"uv pip install z\"]", vec!["z"], vec![]),
            ("pip install . ./wheel.whl $MORE -e .", vec![], vec![]),
            ("pip list", vec![], vec![]),
        ] {
            assert_eq!(asked(run), (list(&requirements), list(&files)), "{run}");
        }
    }

    #[test]
    fn a_complaint_names_what_is_missing() {
        let line =
            "ERROR: Could not find a version that satisfies the requirement deep==4 (from lib) (from versions: none)";
        assert_eq!(of_line(line).as_deref(), Some("deep==4"));
        assert_eq!(of_line("ERROR: No matching distribution found for foo<2,>=1").as_deref(), Some("foo<2,>=1"));
        assert_eq!(of_line("No matching"), None);
    }

    #[test]
    fn files_are_found_by_the_last_part_of_their_path() {
        let asked = of_commands(["pip install -r /srv/req.txt one"].into_iter());
        let files =
            [("deep/req.txt".to_owned(), "two\n# three\n".to_owned()), ("other.txt".to_owned(), "no".to_owned())];
        let text = together(&asked, &files.into(), &["four".to_owned()].into());
        assert_eq!(text, "one\ntwo\n# three\nfour");
    }
}
