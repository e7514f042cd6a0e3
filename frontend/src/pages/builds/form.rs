//! The contents of the build form, and the wish that they make.

use crate::{
    pages::{
        jobs::{join_words, split_words},
        parts::Uploads,
    },
    recipe,
};
use drydock_wire::{
    builds::{BuildFile, BuildForm, SubmitBuild},
    validate,
};
use leptos::prelude::*;
use std::collections::BTreeMap;

/// Files that come with the form: uploads of this time, and those of the build that this one changes.
#[derive(Clone, Copy)]
pub struct Files {
    pub uploads: Uploads,
    pub kept: RwSignal<Vec<BuildFile>>,
}

/// The fields' contents.
#[derive(Clone, Copy)]
pub struct Form {
    pub repository: RwSignal<String>,
    pub tag: RwSignal<String>,
    // from a Dockerfile
    pub dockerfile: RwSignal<String>,
    pub dockerfile_path: RwSignal<String>,
    pub args: RwSignal<String>,
    pub context: Files,
    /// A single archive is unpacked.
    pub unpacks: RwSignal<bool>,
    /// The archive of the build that this one changes.
    pub archive: RwSignal<Option<String>>,
    // from a base image
    pub base: RwSignal<String>,
    pub requirements: RwSignal<String>,
    pub environment: RwSignal<String>,
    pub command: RwSignal<String>,
    pub debs: Files,
    pub code: Files,
    /// The name of a folder that was dropped is left out of the paths.
    pub strips: RwSignal<bool>,
}

/// What most begin with. The runtime image runs as nobody in particular; installing is done as root.
const DOCKERFILE: &str = "FROM drydock/runtime:1\nUSER root\nWORKDIR /app\nCOPY requirements.txt .\nRUN pip install -r requirements.txt\n\
    COPY . .\nUSER 10001:10001\n";

impl Files {
    fn new(form: &str, kept: Vec<BuildFile>) -> Self {
        Self { uploads: Uploads::of(form.to_owned()).of_this_page(), kept: RwSignal::new(kept) }
    }

    /// What was dropped as one folder, if it was.
    pub fn folder(&self) -> Option<String> {
        let paths = self.uploads.paths();
        recipe::common_folder(paths.iter().map(String::as_str)).map(str::to_owned)
    }

    pub fn is_empty(&self) -> bool {
        self.uploads.is_empty() && self.kept.with(Vec::is_empty)
    }

    /// Kept ones, and over them the new.
    fn all(&self, strips: bool) -> Vec<BuildFile> {
        let folder = untrack(|| self.folder()).filter(|_| strips).unwrap_or_default();
        let files = self.uploads.files().into_iter();
        let new: Vec<BuildFile> = files
            .map(|f| BuildFile { path: f.path.strip_prefix(&folder).unwrap_or(&f.path).to_owned(), digest: f.digest })
            .collect();
        let kept = self.kept.get_untracked().into_iter().filter(|k| !new.iter().any(|n| n.path == k.path));
        kept.chain(new.clone()).collect()
    }
}

impl Form {
    pub fn new(start: Option<SubmitBuild>) -> Self {
        let fresh = start.is_none();
        let start = start.unwrap_or_else(nothing);
        let form = start.form.clone().unwrap_or_default();
        let text = |value: Option<String>| RwSignal::new(value.unwrap_or_default());
        Self {
            repository: RwSignal::new(start.repository),
            tag: text(start.tag),
            dockerfile: RwSignal::new(match start.dockerfile {
                None if fresh => DOCKERFILE.to_owned(),
                text => text.unwrap_or_default(),
            }),
            dockerfile_path: text(start.dockerfile_path),
            args: RwSignal::new(recipe::pair_lines(&start.args)),
            context: Files::new("build/context", start.files),
            unpacks: RwSignal::new(true),
            archive: RwSignal::new(start.context),
            base: text(form.base),
            requirements: RwSignal::new(form.requirements.iter().map(|line| format!("{line}\n")).collect()),
            environment: RwSignal::new(recipe::pair_lines(&form.environment)),
            command: RwSignal::new(join_words(&form.command)),
            debs: Files::new("build/debs", form.debs),
            code: Files::new("build/code", form.code),
            strips: RwSignal::new(true),
        }
    }

    /// The wish, or that a field is wrong (the field says so itself).
    pub fn read(&self, from_dockerfile: bool) -> Option<SubmitBuild> {
        let filled = |s: RwSignal<String>| Some(s.get_untracked().trim().to_owned()).filter(|t| !t.is_empty());
        let repository = self.repository.get_untracked();
        recipe::check_repository(&repository).and(recipe::check_tag(&self.tag.get_untracked())).ok()?;
        let wish = SubmitBuild { repository: repository.trim().to_owned(), tag: filled(self.tag), ..nothing() };
        if from_dockerfile { self.read_dockerfile(wish) } else { self.read_fields(wish) }
    }

    fn read_dockerfile(&self, mut wish: SubmitBuild) -> Option<SubmitBuild> {
        wish.args = recipe::pairs(&self.args.get_untracked()).ok()?;
        wish.dockerfile = Some(self.dockerfile.get_untracked()).filter(|text| !text.trim().is_empty());
        if wish.dockerfile.is_none() {
            let path = self.dockerfile_path.get_untracked().trim().to_owned();
            wish.dockerfile_path = Some(path).filter(|path| !path.is_empty());
        }
        wish.files = checked(self.context.all(self.strips.get_untracked()))?;
        wish.context = self.archive.get_untracked();
        if untrack(|| self.single_archive()) && self.unpacks.get_untracked() {
            let digest = self.context.uploads.files().first().map(|file| file.digest.clone());
            wish.files.retain(|file| Some(&file.digest) != digest.as_ref());
            wish.context = digest;
        }
        Some(wish)
    }

    fn read_fields(&self, mut wish: SubmitBuild) -> Option<SubmitBuild> {
        let base = self.base.get_untracked().trim().to_owned();
        let mut debs = self.debs.all(false);
        // dpkg looks at the files only, whatever folder they were dropped in
        debs.iter_mut().for_each(|deb| deb.path = deb.path.rsplit('/').next().unwrap_or_default().to_owned());
        wish.form = Some(BuildForm {
            base: Some(base).filter(|base| !base.is_empty()),
            requirements: recipe::requirement_lines(&self.requirements.get_untracked()),
            debs: checked(debs)?,
            code: checked(self.code.all(self.strips.get_untracked()))?,
            code_folder: None,
            environment: recipe::pairs(&self.environment.get_untracked()).ok()?,
            command: split_words(&self.command.get_untracked()).ok()?,
        });
        Some(wish)
    }

    /// Whether the only file chosen is an archive.
    pub fn single_archive(&self) -> bool {
        let paths = self.context.uploads.paths();
        paths.len() == 1 && paths.first().is_some_and(|path| recipe::is_archive(path))
    }

    /// Why it cannot be sent off yet.
    pub fn why_not(&self, from_dockerfile: bool) -> Option<String> {
        if !from_dockerfile {
            return self.debs.uploads.why_not().or_else(|| self.code.uploads.why_not());
        }
        let has_text = self.dockerfile.with(|text| !text.trim().is_empty());
        if !has_text && self.context.is_empty() && self.archive.with(Option::is_none) {
            return Some("Write a Dockerfile, or drop files that have one.".to_owned());
        }
        self.context.uploads.why_not()
    }
}

/// A wish that says nothing yet.
fn nothing() -> SubmitBuild {
    SubmitBuild {
        repository: String::new(),
        tag: None,
        dockerfile: None,
        dockerfile_path: None,
        context: None,
        files: vec![],
        form: None,
        args: BTreeMap::new(),
    }
}

/// All of them, if each path is one.
fn checked(files: Vec<BuildFile>) -> Option<Vec<BuildFile>> {
    files.iter().all(|file| validate::relative_path(&file.path).is_ok()).then_some(files)
}
