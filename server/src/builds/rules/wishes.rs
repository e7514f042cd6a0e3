//! What a build may be asked for. Malformed is `invalid`; well-formed but not granted is `refused`.

use std::collections::BTreeSet;

use drydock_wire::{
    builds::{BuildFile, BuildForm, SubmitBuild},
    validate,
};

use super::dockerfile::ARGUMENTS;
use crate::{
    error::{Error, Result},
    images,
};

const MOST_FILES: usize = 2000;
const MOST_LINES: usize = 1000;
const LONGEST_TEXT: usize = 64 << 10;

/// Whether this can be built at all.
pub fn check(wish: &SubmitBuild) -> Result<()> {
    if !images::is_name(&wish.repository) {
        return Err(Error::invalid(
            "repository: use lower-case letters, digits, '.', '_', '-' and '/', such as team/app; the box is meant anyway.",
        ));
    }
    if wish.tag.as_ref().is_some_and(|tag| !images::is_tag(tag)) {
        return Err(Error::invalid("tag: use letters, digits, '.', '_', '-', such as 1.0; 128 at most."));
    }
    for (name, value) in &wish.args {
        check_name("args", name, value)?;
        if ARGUMENTS.contains(&name.as_str()) {
            return Err(Error::refused(format!("args: {name} is set by Drydock alone; leave it out.")));
        }
    }
    match &wish.form {
        Some(form) => {
            if wish.dockerfile.is_some() || wish.dockerfile_path.is_some() {
                return Err(Error::invalid("form: send a form or a Dockerfile, not both."));
            }
            check_form(form, wish.context.is_some())?;
        }
        None if wish.dockerfile.is_none() && wish.context.is_none() && !brings_dockerfile(wish) => {
            return Err(Error::invalid("dockerfile: send its text, a context or files that have it, or a form."));
        }
        None => {}
    }
    if let Some(digest) = &wish.context {
        validate::digest(digest).map_err(|text| Error::invalid(format!("context: {text}")))?;
    }
    if let Some(path) = &wish.dockerfile_path {
        validate::relative_path(path).map_err(|text| Error::invalid(format!("dockerfile_path: {text}")))?;
    }
    check_files("files", &wish.files)
}

/// Whether it is among the single files.
fn brings_dockerfile(wish: &SubmitBuild) -> bool {
    let path = wish.dockerfile_path.as_deref().unwrap_or("Dockerfile");
    wish.files.iter().any(|file| file.path == path)
}

fn check_form(form: &BuildForm, has_context: bool) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/:@[]".contains(c);
    if form.base.as_ref().is_some_and(|base| base.is_empty() || base.len() > 300 || !base.chars().all(plain)) {
        return Err(Error::invalid("form.base: use the name of an image, such as drydock/runtime:1."));
    }
    if form.requirements.len() > MOST_LINES
        || form.requirements.iter().any(|line| line.len() > 4096 || line.contains(['\n', '\r', '\0']))
    {
        return Err(Error::invalid(format!("form.requirements: at most {MOST_LINES} lines, one requirement each.")));
    }
    let is_deb = |file: &BuildFile| file.path.ends_with(".deb") && !file.path.contains('/');
    if let Some(other) = form.debs.iter().find(|file| !is_deb(file)) {
        return Err(Error::invalid(format!("form.debs: {} is no name of a .deb.", other.path)));
    }
    check_files("form.debs", &form.debs)?;
    check_files("form.code", &form.code)?;
    if let Some(folder) = &form.code_folder {
        let good = folder == "." || validate::relative_path(folder).is_ok();
        if !good || folder.contains(char::is_whitespace) || folder.starts_with('-') || folder.contains('$') {
            return Err(Error::invalid(
                "form.code_folder: use a folder of the context without spaces, or '.' for all.",
            ));
        }
        if !has_context {
            return Err(Error::invalid("form.code_folder: there is no context that it could be in."));
        }
    }
    form.environment.iter().try_for_each(|(name, value)| check_name("form.environment", name, value))?;
    let words: usize = form.command.iter().map(String::len).sum();
    if words > LONGEST_TEXT || form.command.iter().any(|word| word.contains('\0')) {
        return Err(Error::invalid("form.command: too long, or not text."));
    }
    Ok(())
}

fn check_name(field: &str, name: &str, value: &str) -> Result<()> {
    let good = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !good || name.len() > 256 || value.len() > LONGEST_TEXT || value.contains(['\0', '\n', '\r']) {
        return Err(Error::invalid(format!(
            "{field}: {name:?} needs letters, digits, underscores, and a value of one line."
        )));
    }
    Ok(())
}

fn check_files(field: &str, files: &[BuildFile]) -> Result<()> {
    if files.len() > MOST_FILES {
        return Err(Error::invalid(format!("{field}: use at most {MOST_FILES}; send a folder as a context instead.")));
    }
    let mut paths = BTreeSet::new();
    for file in files {
        validate::relative_path(&file.path)
            .map_err(|text| Error::invalid(format!("{field}: {}: {text}", file.path)))?;
        validate::digest(&file.digest).map_err(|text| Error::invalid(format!("{field}: {}: {text}", file.path)))?;
        if !paths.insert(&file.path) {
            return Err(Error::invalid(format!("{field}: {} is there twice.", file.path)));
        }
    }
    Ok(())
}

/// Every upload that a build is made of.
pub fn digests(wish: &SubmitBuild) -> BTreeSet<&str> {
    let form = wish.form.iter().flat_map(|form| form.debs.iter().chain(&form.code));
    let files = wish.files.iter().chain(form).map(|file| file.digest.as_str());
    files.chain(wish.context.as_deref()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish() -> SubmitBuild {
        SubmitBuild {
            repository: "team/app".into(),
            tag: None,
            dockerfile: Some("FROM a".into()),
            dockerfile_path: None,
            context: None,
            files: vec![],
            form: None,
            args: Default::default(),
        }
    }

    fn form(change: impl FnOnce(&mut BuildForm)) -> SubmitBuild {
        let mut form = BuildForm::default();
        change(&mut form);
        SubmitBuild { dockerfile: None, form: Some(form), ..wish() }
    }

    #[test]
    fn what_a_form_says_stays_on_its_line_of_the_dockerfile() {
        assert!(check(&wish()).is_ok());
        assert!(check(&form(|_| ())).is_ok());
        let among_files = vec![BuildFile { path: "Dockerfile".into(), digest: "a".repeat(64) }];
        assert!(check(&SubmitBuild { dockerfile: None, files: among_files, ..wish() }).is_ok());
        let bad = [
            SubmitBuild { repository: "Team".into(), ..wish() },
            SubmitBuild { tag: Some("a b".into()), ..wish() },
            SubmitBuild { dockerfile: None, ..wish() },
            SubmitBuild { args: [("PIP_INDEX_URL".to_owned(), "x".to_owned())].into(), ..wish() },
            SubmitBuild { dockerfile_path: Some("../x".into()), ..wish() },
            SubmitBuild { dockerfile: Some("FROM a".into()), ..form(|_| ()) },
            form(|it| it.base = Some("a\nRUN x".into())),
            form(|it| it.requirements = vec!["a\nRUN x".into()]),
            form(|it| it.environment = [("A".to_owned(), "1\nRUN x".to_owned())].into()),
            form(|it| it.environment = [("A B".to_owned(), "1".to_owned())].into()),
            form(|it| it.code_folder = Some(".".into())),
            form(|it| it.debs = vec![BuildFile { path: "a/b.deb".into(), digest: "a".repeat(64) }]),
            form(|it| it.code = vec![BuildFile { path: "../b".into(), digest: "a".repeat(64) }]),
        ];
        for wish in bad {
            assert!(check(&wish).is_err(), "{wish:?}");
        }
        let spaced = SubmitBuild { context: Some("a".repeat(64)), ..form(|it| it.code_folder = Some("a b".into())) };
        assert!(check(&spaced).is_err());
    }
}
