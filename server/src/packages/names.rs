//! Names of packages and of wheel files (PEP 503, PEP 427), and which wheels fit a Python.

use std::str::FromStr;

use pep440_rs::Version;

use crate::error::{Error, Result};

const LONGEST: usize = 255;

/// `My.Package__x` as `my-package-x` (PEP 503).
pub fn normalized(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        if matches!(c, '-' | '_' | '.') {
            if !out.ends_with('-') {
                out.push('-');
            }
        } else {
            out.extend(c.to_lowercase());
        }
    }
    out
}

/// Whether it can be the name of a package: letters and digits of ASCII, with `-`, `_` and `.` in between.
pub fn is_name(name: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    (1..=LONGEST).contains(&name.len())
        && name.chars().all(good)
        && edge(name.chars().next())
        && edge(name.chars().next_back())
}

/// The name that a requirement begins with, normalized; `None` when it begins with something else.
pub fn name_of_requirement(text: &str) -> Option<String> {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).unwrap_or(text.len());
    is_name(&text[..end]).then(|| normalized(&text[..end]))
}

/// What a wheel's file name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WheelName {
    /// Normalized.
    pub name: String,
    pub version: Version,
    /// `python-abi-platform`.
    pub tags: String,
}

/// # Errors
/// `refused` for what is no wheel, `invalid` for one whose name does not say what it is.
pub fn parse_wheel(filename: &str) -> Result<WheelName> {
    let Some(stem) = filename.strip_suffix(".whl") else { return Err(no_wheel(filename)) };
    let bad = |why: &str| {
        Error::invalid(format!(
            "{filename:?} is no name of a wheel: {why}. It is made of name-version-python-abi-platform.whl; keep the name that \
             the build tool gave it."
        ))
    };
    if filename.len() > LONGEST || !stem.chars().all(|c| c.is_ascii_alphanumeric() || "-_.+!".contains(c)) {
        return Err(bad("letters, digits, '-', '_', '.', '+' and '!' only, 255 at most"));
    }
    let parts: Vec<&str> = stem.split('-').collect();
    let (name, version, tags) = match parts.as_slice() {
        [name, version, tags @ ..] if tags.len() == 3 => (name, version, tags),
        [name, version, build, tags @ ..] if tags.len() == 3 && build.starts_with(|c: char| c.is_ascii_digit()) => {
            (name, version, tags)
        }
        _ => return Err(bad("it needs five parts, or six of which the third, the build, begins with a digit")),
    };
    if !is_name(name) {
        return Err(bad("the first part is no package's name"));
    }
    let version = Version::from_str(&version.replace('_', "-")).map_err(|_| bad("the second part is no version"))?;
    if tags.iter().any(|tag| tag.split('.').any(str::is_empty)) {
        return Err(bad("a tag is empty"));
    }
    Ok(WheelName { name: normalized(name), version, tags: tags.join("-") })
}

fn no_wheel(filename: &str) -> Error {
    let is_source = [".tar.gz", ".zip", ".tar.bz2", ".egg"].iter().any(|end| filename.ends_with(end));
    Error::refused(if is_source {
        format!(
            "{filename} is no wheel: building it would run its code with whatever it then wants from the internet. On the connected \
             side: python3 -m pip wheel --no-deps {filename}, and bring the .whl."
        )
    } else {
        format!("{filename:?} is no wheel: the index takes files that end in .whl.")
    })
}

/// Where a wheel shall run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Of Python 3.
    pub minor: u32,
    pub arch: String,
    /// The newest glibc 2.x that may be asked for.
    pub glibc: u32,
}

/// The runtime image's: Debian 12.
pub const PYTHON: &str = "3.11";

/// glibc of the runtime image, on the box's processor.
pub fn platform() -> String {
    format!("manylinux_2_36_{}", std::env::consts::ARCH)
}

impl Target {
    /// `3.11` and `manylinux_2_36_x86_64`; what is absent is as the runtime image has it.
    ///
    /// # Errors
    /// `invalid`, with an example.
    pub fn parse(python: Option<&str>, wanted: Option<&str>) -> Result<Self> {
        let own = platform();
        let (python, platform) = (python.unwrap_or(PYTHON), wanted.unwrap_or(&own));
        let minor = python.strip_prefix("3.").and_then(|minor| minor.parse().ok()).filter(|minor| *minor < 100);
        let minor = minor.ok_or_else(|| Error::invalid(format!("python: {python:?} is no version such as 3.11.")))?;
        let place = platform.strip_prefix("manylinux_2_").and_then(|rest| rest.split_once('_'));
        let (glibc, arch) = place
            .and_then(|(glibc, arch)| Some((glibc.parse().ok().filter(|it| *it < 1000)?, arch)))
            .filter(|(_, arch)| {
                !arch.is_empty() && arch.len() < 20 && arch.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            })
            .ok_or_else(|| Error::invalid(format!("platform: {platform:?} is none such as {own}.")))?;
        Ok(Self { minor, arch: arch.to_owned(), glibc })
    }

    pub fn python(&self) -> String {
        format!("3.{}", self.minor)
    }

    pub fn platform(&self) -> String {
        format!("manylinux_2_{}_{}", self.glibc, self.arch)
    }

    /// Whether a wheel of these tags runs there (PEP 425, PEP 600).
    pub fn fits(&self, tags: &str) -> bool {
        let parts: Vec<&str> = tags.split('-').collect();
        let [python, abi, platform] = parts.as_slice() else { return false };
        platform.split('.').any(|it| self.fits_platform(it))
            && python.split('.').any(|python| abi.split('.').any(|abi| self.fits_python(python, abi)))
    }

    fn fits_python(&self, python: &str, abi: &str) -> bool {
        let minor = |prefix: &str| python.strip_prefix(prefix).and_then(|minor| minor.parse::<u32>().ok());
        match abi {
            "none" => {
                python == "py3"
                    || minor("py3").is_some_and(|minor| minor <= self.minor)
                    || minor("cp3") == Some(self.minor)
            }
            "abi3" => minor("cp3").is_some_and(|minor| minor <= self.minor),
            _ => minor("cp3") == Some(self.minor) && abi == python,
        }
    }

    fn fits_platform(&self, platform: &str) -> bool {
        if platform == "any" {
            return true;
        }
        let Some(rest) = platform.strip_suffix(&self.arch).and_then(|rest| rest.strip_suffix('_')) else {
            return false;
        };
        match rest {
            "linux" | "manylinux1" | "manylinux2010" | "manylinux2014" => true,
            other => other
                .strip_prefix("manylinux_2_")
                .and_then(|it| it.parse::<u32>().ok())
                .is_some_and(|it| it <= self.glibc),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_are_normalized_as_pep_503_says() {
        for (name, expected) in
            [("Django", "django"), ("zope.interface", "zope-interface"), ("a__b-._c", "a-b-c"), ("A", "a")]
        {
            assert_eq!(normalized(name), expected);
        }
        for bad in ["", "-a", "a-", "a/b", "a b", "ä", "..", &"a".repeat(256)] {
            assert!(!is_name(bad), "{bad}");
        }
        assert_eq!(name_of_requirement("Zope.Interface[test]>=5; x").unwrap(), "zope-interface");
        assert_eq!(name_of_requirement("(a)"), None);
    }

    #[test]
    fn a_wheel_s_name_says_name_version_and_tags() {
        let plain =
            parse_wheel("My_Pkg-1.0.post1+cu12-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl").unwrap();
        assert_eq!(plain.name, "my-pkg");
        assert_eq!(plain.version.to_string(), "1.0.post1+cu12");
        assert_eq!(plain.tags, "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64");
        assert_eq!(parse_wheel("a-1-2b-py3-none-any.whl").unwrap().tags, "py3-none-any");
        for bad in [
            "a-1-py3-none.whl",
            "a-1-b-py3-none-any.whl",
            "a-x-py3-none-any.whl",
            "-1-py3-none-any.whl",
            "a-1-py3-none-.whl",
            "../a-1-py3-none-any.whl",
            "a-1-py3-none-any.whl\n",
            "a-1-py3..py2-none-any.whl",
        ] {
            assert!(parse_wheel(bad).is_err(), "{bad}");
        }
        let refused = parse_wheel("a-1.0.tar.gz").unwrap_err();
        assert!(refused.message.contains("pip wheel"), "{refused}");
    }

    #[test]
    fn a_wheel_fits_where_pip_would_take_it() {
        let target = Target::parse(Some("3.11"), Some("manylinux_2_36_x86_64")).unwrap();
        for good in [
            "py3-none-any",
            "py2.py3-none-any",
            "py38-none-any",
            "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64",
            "cp38-abi3-manylinux_2_28_x86_64",
            "cp311-none-linux_x86_64",
            "py3-none-manylinux1_x86_64",
        ] {
            assert!(target.fits(good), "{good}");
        }
        for bad in [
            "cp312-cp312-manylinux_2_17_x86_64",
            "cp312-abi3-manylinux_2_17_x86_64",
            "cp310-cp310-manylinux_2_17_x86_64",
            "py2-none-any",
            "py312-none-any",
            "cp311-cp311-win_amd64",
            "cp311-cp311-musllinux_1_2_x86_64",
            "cp311-cp311-manylinux_2_39_x86_64",
            "cp311-cp311-manylinux_2_17_aarch64",
            "cp311-cp311t-manylinux_2_17_x86_64",
            "nonsense",
        ] {
            assert!(!target.fits(bad), "{bad}");
        }
        for (python, platform) in
            [("2.7", None), ("3.x", None), ("3.11", Some("win_amd64")), ("3.11", Some("manylinux_2_36_"))]
        {
            assert!(Target::parse(Some(python), platform).is_err(), "{python} {platform:?}");
        }
    }
}
