//! The YAML that people write for jobs, sweeps and pipelines: block and flow collections, quoted and plain scalars, block scalars,
//! comments. What nobody writes by hand (anchors, aliases, tags, several documents) is refused in words, with the line.
//!
//! A reader of our own, since what is wrong has to name its line and a whole YAML library would be a third of an area's size.
//! The tests hold it against the library that the server reads with. Pure, so that the host tests it.

mod flow;
mod read;
mod scalar;
mod write;

pub use read::read;
pub use write::write;

/// Why a text is not what was expected, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// 1 is the first line; 0 where no line is to blame.
    pub line: usize,
    pub message: String,
}

impl Wrong {
    fn at(line: usize, message: impl Into<String>) -> Self {
        Self { line, message: message.into() }
    }

    /// "Line 4: …".
    pub fn words(&self) -> String {
        if self.line == 0 { self.message.clone() } else { format!("Line {}: {}", self.line, self.message) }
    }
}

/// The first line with this key; 0 if there is none.
pub fn line_of(text: &str, key: &str) -> usize {
    let has = |line: &str| {
        let start = line.trim_start().trim_start_matches("- ").trim_start();
        start.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with(':'))
            || line.contains(&format!("{{{key}:"))
            || line.contains(&format!(" {key}:"))
    };
    text.lines().position(has).map_or(0, |at| at + 1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::{Value, json};

    fn same(text: &str) {
        let ours = read(text).unwrap_or_else(|wrong| panic!("{}\n{text}", wrong.words()));
        let theirs: Value = serde_yaml_ng::from_str(text).unwrap();
        assert_eq!(ours, theirs, "{text}");
    }

    #[test]
    fn what_people_write_is_read_as_the_server_reads_it() {
        same("name: train\ncommand: [python3, /workspace/train.py, \"--lr\", '{lr}']\n");
        same(
            "a: 1\nb: -2\nc: 1.5\nd: 1e-3\ne: true\nf: False\ng: null\nh: ~\ni:\nj: 0x1f\nk: 007\nl: +3\nm: .5\nn: 0o17\n",
        );
        same(
            "resources:\n  cpus: 2\n  memory: 4GiB # as much as that\n# a comment\nretries: {limit: 2, backoff: 30s}\n",
        );
        same("data:\n- wine:3\n- name: beer\n  version: 2\n-   deep:\n      - 1\n      - - 2\n        - 3\n");
        same("list:\n  - a\n  -\n    b: 1\n  - []\n  - {}\n  - ''\n");
        same(
            "text: |\n  first\n    indented # no comment\n\n  last\nfolded: >-\n  one\n  two\n\n  three\nkept: |+\n  x\n\nend: 1\n",
        );
        same("a: 'it''s'\nb: \"tab\\t, quote\\\", \\u00e9\\x41\"\nc: it's # plain\nd: a#b\ne: http://x:80/y\n");
        same("params: {\n  lr: [0.1, 0.01],   # two\n  depth: {min: 1, max: 8},\n}\nafter: yes\n");
        same("'quoted key': 1\n\"other: key\": 2\nplain key: 3\n? no\n".replace("? no\n", "").as_str());
        same("---\nname: x\n");
        same("grid:\n    lr:\n    - 0.1\n    - 0.01\n    depth: [4, 8]\nseed: 12345678901\n");
        same("[1, two, \"three\", {four: 5}]");
        same("just text");
        same(
            "env:\n  A: -c\n  B: '- x'\n  C: \"yes\"\n  D: 2026-01-01\n  E: 1_000\n  F: 12:30\n  G: .\n  H: -\u{20}\n"
                .replace("  H: - \n", "")
                .as_str(),
        );
    }

    #[test]
    fn what_is_wrong_names_its_line() {
        let wrong = |text: &str| {
            let wrong = read(text).unwrap_err();
            (wrong.line, wrong.message)
        };
        assert_eq!(wrong("a: 1\na: 2\n"), (2, "'a' is given twice, first in line 1.".to_owned()));
        assert_eq!(wrong("a:\n  b: 1\n   c: 2\n").0, 3);
        assert_eq!(wrong("a: [1, 2\nb: 3\n").0, 1);
        assert_eq!(wrong("a: \"x\nb: 3\n").0, 1);
        assert_eq!(wrong("a: 1\n\tb: 2\n").0, 2);
        assert_eq!(wrong("a: *x\n").0, 1);
        assert_eq!(wrong("a: 1\nword\n").0, 2);
        assert_eq!(wrong("a: b: c\n").0, 1);
        assert_eq!(wrong("a: 1\n---\nb: 2\n").0, 2);
        assert_eq!(wrong("- 1\nb: 2\n").0, 2);
        assert!(read("a: .inf").is_err());
        assert!(read(&"[".repeat(500)).is_err(), "nor does it fall over");
        assert!(read(&format!("a: {}", "{b: ".repeat(500))).is_err());
    }

    #[test]
    fn nothing_is_null() {
        assert_eq!(read(" \n# only a comment\n").unwrap(), Value::Null);
    }

    #[test]
    fn what_is_written_is_read_again_by_both() {
        let value = json!({
            "name": "train", "command": ["python3", "-c", "print('a: b')", "{lr}", "x, y", ""],
            "env": { "A": "true", "B": "12", "C": " padded ", "D": "two\nlines\n", "E": "#", "F": "a #b", "G": "null", "H": "- x", "I": "tail:" },
            "resources": { "cpus": 0.5, "memory": "4GiB", "gpus": 0 },
            "data": [{ "name": "wine", "version": 3 }, { "name": "beer" }],
            "empty": {}, "none": [], "nothing": null, "flag": true, "big": 12_345_678_901_u64, "small": 1e-9,
            "deep": [["a", "b"], [{ "x": [1] }]], "text": "one\n\n  two", "quote": "say \"hi\"", "odd": "\u{1}\t", "é": "ü",
        });
        let text = write(&value, &["name", "command"]);
        assert!(text.starts_with("name: train\ncommand: [python3, -c, "), "{text}");
        assert_eq!(read(&text).unwrap(), value, "{text}");
        assert_eq!(serde_yaml_ng::from_str::<Value>(&text).unwrap(), value, "{text}");
    }

    #[test]
    fn a_key_is_found_by_its_line() {
        let text = "name: x\nresources:\n  cpu: 1\nretries: {limit: 2, often: 3}\n";
        assert_eq!(["cpu", "often", "name", "gone"].map(|k| line_of(text, k)), [3, 4, 1, 0]);
    }
}
