//! `METADATA` of a wheel: headers as in mail, up to the first empty line.

use crate::error::{Error, Result};

/// What the index needs of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    pub name: String,
    pub version: String,
    pub summary: Option<String>,
    pub requires_python: Option<String>,
    pub requires: Vec<String>,
}

/// # Errors
/// `invalid` when it is no text, or has no name or version.
pub fn parse(bytes: &[u8]) -> Result<Metadata> {
    let text = std::str::from_utf8(bytes).map_err(|_| Error::invalid("METADATA is not UTF-8."))?;
    let mut found = Metadata::default();
    for (field, value) in headers(text) {
        let value = value.trim();
        if value.is_empty() || value == "UNKNOWN" {
            continue;
        }
        match field.to_ascii_lowercase().as_str() {
            "name" => found.name = value.to_owned(),
            "version" => found.version = value.to_owned(),
            "summary" => found.summary = Some(value.chars().take(512).collect()),
            "requires-python" => found.requires_python = Some(value.to_owned()),
            "requires-dist" => found.requires.push(value.to_owned()),
            _ => {}
        }
    }
    if found.name.is_empty() || found.version.is_empty() {
        return Err(Error::invalid("METADATA has no Name or no Version."));
    }
    Ok(found)
}

/// Fields with their values; a line that begins with a space goes on with the one before.
fn headers(text: &str) -> Vec<(&str, String)> {
    let mut all: Vec<(&str, String)> = vec![];
    for line in text.lines() {
        if line.trim().is_empty() {
            break;
        }
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = all.last_mut() {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((field, value)) = line.split_once(':') {
            all.push((field.trim(), value.trim().to_owned()));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn headers_are_read_up_to_the_description() {
        let text = "Metadata-Version: 2.4\r\nName: Demo\r\nVersion: 1.0\r\nSummary: a thing\r\n  of two lines\r\nRequires-Python: >=3.9\r\n\
                    Requires-Dist: numpy>=2\r\nrequires-dist: torch; extra == 'gpu'\r\n\r\nName: of the description\r\n";
        let found = parse(text.as_bytes()).unwrap();
        assert_eq!((found.name.as_str(), found.version.as_str()), ("Demo", "1.0"));
        assert_eq!(found.summary.as_deref(), Some("a thing of two lines"));
        assert_eq!(found.requires_python.as_deref(), Some(">=3.9"));
        assert_eq!(found.requires, ["numpy>=2", "torch; extra == 'gpu'"]);
    }

    #[test]
    fn what_names_nothing_is_refused() {
        for bad in ["", "Name: a\n", "Version: 1\n", "\nName: a\nVersion: 1\n"] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert!(parse(b"Name: \xff\nVersion: 1\n").is_err());
    }
}
