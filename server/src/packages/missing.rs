//! What an installation would lack: the closure over `Requires-Dist` with markers and tags, one version each.
//!
//! As an installer chooses, without backtracking: the newest version that fits everything asked of it, until the choice is
//! stable. pip stops at the first name it lacks; here every name is said, which is what somebody needs who has to fetch
//! them from a connected machine.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    str::FromStr,
};

use drydock_wire::packages::{FoundPackage, MissingPackage, MissingPackages};
use pep440_rs::{Version, VersionSpecifiers};
use pep508_rs::{ExtraName, MarkerEnvironment, MarkerEnvironmentBuilder, Requirement, VerbatimUrl, VersionOrUrl};

use super::names::{self, Target};
use crate::error::{Error, Result};

/// Its parser goes down a level for each bracket.
const MOST_BRACKETS: usize = 30;
const LONGEST_REQUIREMENT: usize = 4096;
const MOST_ROUNDS: usize = 20;

/// A wheel that may be chosen.
#[derive(Debug, Clone)]
pub struct Candidate {
    pub version: Version,
    pub filename: String,
    pub tags: String,
    pub requires_python: Option<String>,
    pub requires: Vec<String>,
    pub yanked: bool,
}

/// What is asked of one package.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Asked {
    specifiers: BTreeSet<String>,
    extras: BTreeSet<String>,
    by: BTreeSet<String>,
}

/// Who asks at the top.
pub const ROOT: &str = "requirements";

/// A requirement that says a name and perhaps versions; `None` for one that names an address, or is none.
pub fn requirement(text: &str) -> Option<Requirement<VerbatimUrl>> {
    if text.len() > LONGEST_REQUIREMENT || text.matches('(').count() > MOST_BRACKETS {
        return None;
    }
    let parsed = Requirement::<VerbatimUrl>::from_str(text).ok()?;
    (!matches!(parsed.version_or_url, Some(VersionOrUrl::Url(_)))).then_some(parsed)
}

/// The requirements in a file of them, and the lines that are none.
pub fn read_file(text: &str) -> (Vec<String>, Vec<String>) {
    let (mut wanted, mut skipped) = (vec![], vec![]);
    for line in text.replace("\\\r\n", " ").replace("\\\n", " ").lines() {
        let line = line.split(" #").next().unwrap_or_default().trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        // `name==1 --hash=sha256:…`
        let bare = line.split(" --").next().unwrap_or_default().trim();
        match requirement(bare) {
            Some(_) => wanted.push(bare.to_owned()),
            None => skipped.push(line.to_owned()),
        }
    }
    (wanted, skipped)
}

/// The packages of one target.
pub struct Search<'a, F> {
    pub target: &'a Target,
    /// Installed already, as the runtime image has them.
    pub installed: &'a BTreeMap<String, Version>,
    /// The wheels of a package, by its normalized name.
    pub wheels: F,
}

enum Choice {
    Wheel(Candidate),
    Installed(Version),
    Nothing(String),
}

impl<F: FnMut(&str) -> Result<Vec<Candidate>>> Search<'_, F> {
    /// What `wanted` needs: pairs of who asks and a requirement.
    pub fn run(mut self, wanted: &[(String, String)]) -> Result<MissingPackages> {
        let environment = environment(self.target)?;
        let mut known: BTreeMap<String, Vec<Candidate>> = BTreeMap::new();
        let mut asked: BTreeMap<String, Asked> = BTreeMap::new();
        let mut skipped = BTreeSet::new();
        for _ in 0..MOST_ROUNDS {
            let before = std::mem::take(&mut asked);
            skipped.clear();
            let mut open: VecDeque<(String, String, Vec<ExtraName>)> =
                wanted.iter().map(|(by, text)| (by.clone(), text.clone(), vec![])).collect();
            let mut seen = BTreeSet::new();
            while let Some((by, text, extras)) = open.pop_front() {
                let Some(parsed) = requirement(&text) else {
                    skipped.insert(text);
                    continue;
                };
                if !parsed.evaluate_markers(&environment, &extras) {
                    continue;
                }
                let name = names::normalized(parsed.name.as_ref());
                note(&mut asked, &name, &parsed, by);
                if !seen.insert((name.clone(), parsed.extras.clone())) {
                    continue;
                }
                if !known.contains_key(&name) {
                    known.insert(name.clone(), (self.wheels)(&name)?);
                }
                let so_far = before.get(&name).or_else(|| asked.get(&name)).cloned().unwrap_or_default();
                if let Choice::Wheel(wheel) = self.choose(&name, &so_far, &known) {
                    let by = format!("{name} {}", wheel.version);
                    open.extend(wheel.requires.into_iter().map(|text| (by.clone(), text, parsed.extras.clone())));
                }
            }
            if asked == before {
                break;
            }
        }
        Ok(self.told(&asked, &known, skipped))
    }

    fn choose(&self, name: &str, asked: &Asked, known: &BTreeMap<String, Vec<Candidate>>) -> Choice {
        let all = known.get(name).map_or(&[][..], Vec::as_slice);
        let specifiers = specifiers(asked);
        if let Some(version) = self.installed.get(name).filter(|version| specifiers.contains(version)) {
            return Choice::Installed(version.clone());
        }
        let fits = |wheel: &&Candidate| specifiers.contains(&wheel.version);
        let runs = |wheel: &&Candidate| self.target.fits(&wheel.tags) && self.takes_python(wheel);
        let mut good: Vec<&Candidate> = all.iter().filter(fits).filter(runs).collect();
        if good.iter().any(|wheel| !wheel.yanked) {
            good.retain(|wheel| !wheel.yanked);
        } else if !specifiers.iter().any(|one| one.operator().to_string().starts_with("==")) {
            good.clear();
        }
        let wants_pre = specifiers.iter().any(|one| one.any_prerelease());
        if !wants_pre && good.iter().any(|wheel| !wheel.version.any_prerelease()) {
            good.retain(|wheel| !wheel.version.any_prerelease());
        }
        match good.into_iter().max_by(|a, b| a.version.cmp(&b.version)) {
            Some(wheel) => Choice::Wheel(wheel.clone()),
            None => Choice::Nothing(self.why(name, all, &specifiers)),
        }
    }

    /// What cannot be read is no limit, as for pip.
    fn takes_python(&self, wheel: &Candidate) -> bool {
        let limit = wheel.requires_python.as_deref().and_then(|text| VersionSpecifiers::from_str(text).ok());
        limit.is_none_or(|limit| limit.contains(&Version::new([3, u64::from(self.target.minor), 0])))
    }

    fn why(&self, name: &str, all: &[Candidate], specifiers: &VersionSpecifiers) -> String {
        let versions = |some: &[&Candidate]| {
            let all: BTreeSet<&Version> = some.iter().map(|wheel| &wheel.version).collect();
            let mut words: Vec<String> = all.into_iter().rev().take(5).map(Version::to_string).collect();
            words.reverse();
            words.join(", ")
        };
        let here = self.installed.get(name).map(|version| format!("; the runtime image has {version}"));
        let here = here.unwrap_or_default();
        if all.is_empty() {
            return format!("not on the box{here}");
        }
        let fitting: Vec<&Candidate> = all.iter().filter(|wheel| specifiers.contains(&wheel.version)).collect();
        if fitting.is_empty() {
            return format!("the box has {}, none of them fits{here}", versions(&all.iter().collect::<Vec<_>>()));
        }
        let taken: Vec<&Candidate> = fitting.iter().copied().filter(|wheel| self.takes_python(wheel)).collect();
        if taken.is_empty() {
            return format!("{} is for other Pythons than {}", versions(&fitting), self.target.python());
        }
        if taken.iter().all(|wheel| !self.target.fits(&wheel.tags)) {
            let tags: BTreeSet<&str> = taken.iter().map(|wheel| wheel.tags.as_str()).take(3).collect();
            let tags: Vec<&str> = tags.into_iter().collect();
            return format!("{} is there for {} only", versions(&taken), tags.join(" and "));
        }
        format!("{} is yanked", versions(&taken))
    }

    fn told(
        &self,
        asked: &BTreeMap<String, Asked>,
        known: &BTreeMap<String, Vec<Candidate>>,
        skipped: BTreeSet<String>,
    ) -> MissingPackages {
        let (mut found, mut missing) = (vec![], vec![]);
        for (name, what) in asked {
            match self.choose(name, what, known) {
                Choice::Wheel(wheel) => found.push(FoundPackage {
                    name: name.clone(),
                    version: wheel.version.to_string(),
                    filename: Some(wheel.filename),
                }),
                Choice::Installed(version) => {
                    found.push(FoundPackage { name: name.clone(), version: version.to_string(), filename: None });
                }
                Choice::Nothing(why) => missing.push(MissingPackage {
                    name: name.clone(),
                    requirement: written(name, what),
                    asked_by: what.by.iter().cloned().collect(),
                    why,
                }),
            }
        }
        let list = if missing.is_empty() { String::new() } else { list(self.target, &missing) };
        MissingPackages {
            python: self.target.python(),
            platform: self.target.platform(),
            found,
            missing,
            skipped: skipped.into_iter().collect(),
            list,
        }
    }
}

fn note(asked: &mut BTreeMap<String, Asked>, name: &str, parsed: &Requirement<VerbatimUrl>, by: String) {
    let all = asked.entry(name.to_owned()).or_default();
    if let Some(VersionOrUrl::VersionSpecifier(specifiers)) = &parsed.version_or_url {
        all.specifiers.extend(specifiers.iter().map(ToString::to_string));
    }
    all.extras.extend(parsed.extras.iter().map(ToString::to_string));
    all.by.insert(by);
}

fn specifiers(asked: &Asked) -> VersionSpecifiers {
    asked.specifiers.iter().filter_map(|text| pep440_rs::VersionSpecifier::from_str(text).ok()).collect()
}

fn written(name: &str, asked: &Asked) -> String {
    let extras: Vec<&str> = asked.extras.iter().map(String::as_str).collect();
    let extras = if extras.is_empty() { String::new() } else { format!("[{}]", extras.join(",")) };
    let specifiers: Vec<&str> = asked.specifiers.iter().map(String::as_str).collect();
    format!("{name}{extras}{}", specifiers.join(","))
}

/// What the connected side is given: a requirements file that says in comments what to do with it.
pub fn list(target: &Target, missing: &[MissingPackage]) -> String {
    // pip takes the platforms as they are said, so each older glibc that wheels are built for is said, too
    let platforms: String = [target.glibc, 34, 28, 27, 24, 17, 12, 5]
        .iter()
        .filter(|glibc| **glibc <= target.glibc)
        .collect::<BTreeSet<_>>()
        .iter()
        .rev()
        .map(|glibc| format!(" --platform manylinux_2_{glibc}_{}", target.arch))
        .chain([format!(" --platform manylinux2014_{}", target.arch)])
        .collect();
    let python = target.python();
    let mut text = format!(
        "# Python packages that Drydock lacks for Python {python} on {}.\n\
         # 1. On a machine with internet, with this file as missing.txt:\n\
         #    python3 -m pip download --only-binary=:all: --implementation cp --python-version {python}{platforms} --dest wheels -r missing.txt\n\
         # 2. Bring the folder to the box's network, and there:\n\
         #    drydock package add wheels/*.whl\n",
        target.platform()
    );
    for one in missing {
        text += &format!("{}  # {}; asked for by {}\n", one.requirement, one.why, one.asked_by.join(", "));
    }
    text
}

fn environment(target: &Target) -> Result<MarkerEnvironment> {
    let (python, full) = (target.python(), format!("{}.0", target.python()));
    MarkerEnvironmentBuilder {
        implementation_name: "cpython",
        implementation_version: &full,
        os_name: "posix",
        platform_machine: &target.arch,
        platform_python_implementation: "CPython",
        platform_release: "",
        platform_system: "Linux",
        platform_version: "",
        python_full_version: &full,
        python_version: &python,
        sys_platform: "linux",
    }
    .try_into()
    .map_err(Error::internal)
}

#[cfg(test)]
#[path = "missing_tests.rs"]
mod tests;
