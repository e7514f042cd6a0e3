//! Rules about names and passwords that the dashboard shows while typing and the server enforces.
//! Each returns what to do about it, in words.

/// Usernames: 2 to 32 of `a-z 0-9 . _ -`, starting with a letter.
pub fn username(text: &str) -> Result<(), &'static str> {
    let good = (2..=32).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c));
    good.then_some(()).ok_or("Use 2 to 32 lower-case letters, digits, dots, dashes; start with a letter.")
}

/// Names of datasets, jobs and deployments: 1 to 63 of `a-z 0-9 -`, starting and ending with a letter or digit.
pub fn slug(text: &str) -> Result<(), &'static str> {
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let good = (1..=63).contains(&text.len())
        && text.starts_with(edge)
        && text.ends_with(edge)
        && text.chars().all(|c| edge(c) || c == '-');
    good.then_some(()).ok_or("Use 1 to 63 lower-case letters, digits and dashes; start and end with a letter or digit.")
}

/// Buckets, as S3 has it: 3 to 63 of `a-z 0-9 . -`, starting and ending with a letter or digit, and not an IP address.
pub fn bucket(text: &str) -> Result<(), &'static str> {
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let good = (3..=63).contains(&text.len())
        && text.starts_with(edge)
        && text.ends_with(edge)
        && text.chars().all(|c| edge(c) || c == '.' || c == '-')
        && !text.contains("..")
        && text.parse::<std::net::Ipv4Addr>().is_err();
    good.then_some(())
        .ok_or("Use 3 to 63 lower-case letters, digits, dots and dashes; start and end with a letter or digit.")
}

/// Free-form labels such as a token's name: 1 to 100 characters, no control characters.
pub fn label(text: &str) -> Result<(), &'static str> {
    let good = !text.trim().is_empty() && text.chars().count() <= 100 && !text.chars().any(char::is_control);
    good.then_some(()).ok_or("Use 1 to 100 characters.")
}

/// Passwords: 12 to 128 characters and not one that everybody tries first.
pub fn password(text: &str) -> Result<(), &'static str> {
    let length = text.chars().count();
    if length < 12 {
        return Err("Use at least 12 characters; a few words in a row are good.");
    }
    if length > 128 {
        return Err("Use at most 128 characters.");
    }
    let folded = text.to_lowercase();
    let distinct = {
        let mut seen: Vec<char> = folded.chars().collect();
        seen.sort_unstable();
        seen.dedup();
        seen.len()
    };
    if distinct < 4 || COMMON.iter().any(|common| folded == *common) {
        return Err("This password is among the first that are tried; choose another.");
    }
    Ok(())
}

/// Relative paths inside datasets, code and artifacts: no empty, `.` or `..` part, no backslash, no control character.
pub fn relative_path(text: &str) -> Result<(), &'static str> {
    let good = !text.is_empty()
        && text.len() <= 1024
        && !text.chars().any(|c| c.is_control() || c == '\\')
        && text.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
    good.then_some(()).ok_or("Use a relative path without '..', backslashes or empty parts.")
}

/// SHA-256 digests: 64 lower-case hex digits.
pub fn digest(text: &str) -> Result<(), &'static str> {
    let good = text.len() == 64 && text.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c));
    good.then_some(()).ok_or("Use the SHA-256 as 64 lower-case hex digits.")
}

/// The long ones of the usual lists; shorter ones fail on length alone.
const COMMON: [&str; 24] = [
    "password1234",
    "password12345",
    "password123456",
    "passwordpassword",
    "123456789012",
    "1234567890123",
    "12345678901234",
    "123456123456",
    "qwertyuiop12",
    "qwertyuiop123",
    "qwertyuiopas",
    "qwertyuiopasdf",
    "1q2w3e4r5t6y",
    "1qaz2wsx3edc",
    "adminadminadmin",
    "administrator",
    "administrator1",
    "letmeinletmein",
    "changemechangeme",
    "iloveyou1234",
    "welcome12345",
    "abcdefghijkl",
    "abcdefghijklm",
    "drydockdrydock",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_cannot_leave_their_folder() {
        for bad in ["", "/a", "a/", "a//b", "..", "a/../b", "./a", "a\\b", "a\0b", "a\nb"] {
            assert!(relative_path(bad).is_err(), "{bad:?}");
        }
        assert!(relative_path("a/b c/d.txt").is_ok());
    }

    #[test]
    fn passwords_that_everybody_tries_are_refused() {
        for bad in ["short", "aaaaaaaaaaaaaaa", "Password12345", "121212121212121"] {
            assert!(password(bad).is_err(), "{bad:?}");
        }
        assert!(password("correct horse battery").is_ok());
    }

    #[test]
    fn buckets_are_named_as_s3_has_it() {
        for bad in ["", "ab", "Data", "a_b", "-ab", "ab-", "a..b", "10.0.0.1", &"a".repeat(64)] {
            assert!(bucket(bad).is_err(), "{bad:?}");
        }
        assert!(bucket("abc").is_ok() && bucket("my.data-2").is_ok());
    }

    #[test]
    fn names_are_plain() {
        assert!(slug("wine-2").is_ok() && slug("-a").is_err() && slug("A").is_err() && slug("").is_err());
        assert!(username("ann.b").is_ok() && username("1ann").is_err() && username("a").is_err());
    }
}
