//! What a build is asked for, read from what people type and drop: names, pairs, the folder that all files lie in. Pure, so that the host
//! tests it.

use std::collections::BTreeMap;

/// Whether the registry of the box takes the name: lower-case parts between slashes.
pub fn check_repository(text: &str) -> Result<(), &'static str> {
    let part = |part: &str| {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let ends = |c: Option<char>| c.is_some_and(plain);
        ends(part.chars().next()) && ends(part.chars().last()) && part.chars().all(|c| plain(c) || "._-".contains(c))
    };
    match text.trim() {
        "" => Err("Give the image a name, such as team/app."),
        name if name.contains([':', '@']) => Err("The name only; a tag has its own field."),
        name if name.len() <= 200 && name.split('/').all(part) => Ok(()),
        _ => Err("Lower-case letters, digits and . _ - in parts between slashes, such as team/app."),
    }
}

/// Whether it can be a tag; empty stands for `latest`.
pub fn check_tag(text: &str) -> Result<(), &'static str> {
    let text = text.trim();
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    let good = text.len() <= 128 && text.chars().all(plain) && !text.starts_with(['.', '-']);
    good.then_some(()).ok_or("Letters, digits and _ . -, 128 at most; not . or - at the start.")
}

/// `NAME=value` lines as a map; empty lines and those that begin with `#` are left out.
pub fn pairs(text: &str) -> Result<BTreeMap<String, String>, &'static str> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let one = |line: &str| {
        let (name, value) = line.split_once('=').ok_or("One NAME=value a line.")?;
        let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
        let name = name.trim();
        let good = name.starts_with(letter) && name.chars().all(|c| letter(c) || c.is_ascii_digit());
        if !good {
            return Err("A name has letters, digits and underscores, and no digit at the start.");
        }
        Ok((name.to_owned(), value.to_owned()))
    };
    lines.map(one).collect()
}

/// The other way.
pub fn pair_lines(pairs: &BTreeMap<String, String>) -> String {
    pairs.iter().map(|(name, value)| format!("{name}={value}\n")).collect()
}

/// The lines of a requirements file that say something.
pub fn requirement_lines(text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(str::to_owned).collect()
}

/// The folder that all of them lie in, with its slash: what was dropped as one folder.
pub fn common_folder<'a>(mut paths: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let first = paths.next()?;
    let (folder, _) = first.split_at(first.find('/')? + 1);
    paths.all(|path| path.starts_with(folder)).then_some(folder)
}

/// Whether the name is that of an archive that a build unpacks.
pub fn is_archive(name: &str) -> bool {
    let name = name.to_lowercase();
    [".tar", ".tar.gz", ".tgz", ".tar.zst"].iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_are_lines_that_say_something() {
        assert_eq!(requirement_lines("# models\n\n numpy==2.1 \nscipy\n"), ["numpy==2.1", "scipy"]);
    }

    #[test]
    fn names_of_repositories_are_those_of_the_registry() {
        for good in ["app", "team/app", "team/app-2", "a.b/c_d/e"] {
            assert_eq!(check_repository(good), Ok(()), "{good}");
        }
        for bad in ["", "Team/app", "team//app", "/app", "app/", "app:1", "-app", "app.", "a b"] {
            assert!(check_repository(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_tag_may_be_left_out() {
        assert!(check_tag("").is_ok() && check_tag("v1.2_rc-3").is_ok());
        assert!(check_tag(".x").is_err() && check_tag("a/b").is_err() && check_tag(&"x".repeat(129)).is_err());
    }

    #[test]
    fn pairs_are_lines() {
        let read = pairs("A=1\n\n# no\n B_2 = x=y ").unwrap_or_default();
        assert_eq!(pair_lines(&read), "A=1\nB_2= x=y\n");
        assert!(pairs("A").is_err() && pairs("1A=x").is_err());
    }

    #[test]
    fn one_dropped_folder_is_told_from_loose_files() {
        let of = |paths: &[&'static str]| common_folder(paths.iter().copied());
        assert_eq!(of(&["app/Dockerfile", "app/src/main.py"]), Some("app/"));
        assert_eq!(of(&["app/Dockerfile", "apple/x"]), None);
        assert_eq!(of(&["Dockerfile"]), None);
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn archives_are_told_by_their_ending() {
        assert!(is_archive("x.TGZ") && is_archive("x.tar.zst") && !is_archive("x.zip") && !is_archive("tar"));
    }
}
