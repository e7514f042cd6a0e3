//! A folder of code as one file: a tar archive packed with zstd, the same bytes for the same content.
//!
//! Of a git checkout, what git has or would take (`git ls-files -co --exclude-standard`), changed or not; of another folder everything
//! but `.git` and what `.drydockignore` names. A link to a file within the folder is sent as that file.

use std::{
    ffi::OsStr,
    fs::File,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::{Path, PathBuf},
    process::Command,
};

use drydock_wire::{jobs::GitState, validate};
use regex::Regex;

use super::packing;
use crate::error::{Error, Result};

const MOST_FILES: usize = 50_000;
const MOST_BYTES: u64 = 512 << 20;
const IGNORE_FILE: &str = ".drydockignore";

/// The archive, which goes when this is dropped.
#[derive(Debug)]
pub struct Packed {
    pub archive: tempfile::NamedTempFile,
    pub files: usize,
    pub bytes: u64,
    pub git: Option<GitState>,
}

/// Whether the folder lies in a git checkout.
pub fn is_checkout(folder: &Path) -> bool {
    git(folder, &["rev-parse", "--is-inside-work-tree"]).is_some_and(|answer| answer == "true")
}

/// Packs the folder.
///
/// # Errors
/// `invalid` when it cannot be read, or is larger than a job's code may be.
pub fn pack(folder: &Path) -> Result<Packed> {
    let root = folder.canonicalize().map_err(|cause| unreadable(folder, &cause))?;
    if !root.is_dir() {
        return Err(Error::invalid(format!("{} is no folder.", folder.display())));
    }
    let is_checkout = is_checkout(&root);
    let ignored = Ignored::read(&root)?;
    let mut names = if is_checkout { known_to_git(&root)? } else { walk(&root, &ignored)? };
    names.retain(|name| !ignored.covers(name, false));
    names.sort();
    names.dedup();
    if names.len() > MOST_FILES {
        return Err(Error::invalid(format!(
            "{} has {} files; a job's code may have {MOST_FILES}. Name what it does not need in {IGNORE_FILE}.",
            folder.display(),
            names.len()
        )));
    }
    let archive = tempfile::NamedTempFile::new().map_err(Error::internal)?;
    let files = write(&root, &names, archive.as_file())?;
    let bytes = archive.as_file().metadata().map_err(Error::internal)?.len();
    if bytes > MOST_BYTES {
        return Err(Error::invalid(format!(
            "The code takes {} MiB when packed; a job's may take {}. Name what it does not need in {IGNORE_FILE}; data belongs into a \
             dataset.",
            bytes >> 20,
            MOST_BYTES >> 20
        )));
    }
    Ok(Packed { archive, files, bytes, git: if is_checkout { state(&root) } else { None } })
}

fn write(root: &Path, names: &[String], to: &File) -> Result<usize> {
    let (mut packing, mut files) = (packing::begin(to)?, 0);
    for name in names {
        let path = root.join(name);
        // what is gone since it was listed, links out of the folder, sockets: not code
        let Ok(real) = path.canonicalize() else { continue };
        let about = std::fs::metadata(&real).map_err(|cause| unreadable(&path, &cause))?;
        if !about.is_file() || !real.starts_with(root) {
            continue;
        }
        if let Err(words) = validate::relative_path(name) {
            return Err(Error::invalid(format!("{name:?} cannot be sent: {words}")));
        }
        let file = File::open(&real).map_err(|cause| unreadable(&path, &cause))?;
        let mut header = packing::header();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_size(about.len());
        header.set_mode(if about.permissions().mode() & 0o111 == 0 { 0o644 } else { 0o755 });
        // exactly as many bytes as its header says, though it may grow just now
        let body = std::io::Read::take(file, about.len());
        packing.append_data(&mut header, name, body).map_err(|cause| unreadable(&path, &cause))?;
        files += 1;
    }
    packing::end(packing)?;
    Ok(files)
}

fn unreadable(path: &Path, cause: &std::io::Error) -> Error {
    Error::invalid(format!("{} cannot be read: {cause}.", path.display()))
}

fn known_to_git(root: &Path) -> Result<Vec<String>> {
    let listed = run(root, &["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .ok_or_else(|| Error::invalid(format!("git cannot list the files of {}.", root.display())))?;
    listed
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
        .map(|name| as_text(OsStr::from_bytes(name)))
        .collect()
}

fn walk(root: &Path, ignored: &Ignored) -> Result<Vec<String>> {
    let mut found = vec![];
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let at = root.join(&folder);
        for entry in std::fs::read_dir(&at).map_err(|cause| unreadable(&at, &cause))? {
            let entry = entry.map_err(|cause| unreadable(&at, &cause))?;
            let path = folder.join(entry.file_name());
            let name = as_text(path.as_os_str())?;
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if entry.file_name() == ".git" || ignored.covers(&name, is_folder) {
                continue;
            }
            if is_folder {
                folders.push(path);
            } else {
                found.push(name);
            }
            if found.len() > 10 * MOST_FILES {
                return Err(Error::invalid(format!(
                    "{} has more than {} files; name what the job does not need in {IGNORE_FILE}.",
                    root.display(),
                    10 * MOST_FILES
                )));
            }
        }
    }
    Ok(found)
}

fn as_text(name: &OsStr) -> Result<String> {
    let text = name.to_str().map(str::to_owned);
    text.ok_or_else(|| Error::invalid(format!("The name {name:?} is no text (UTF-8) and cannot be sent.")))
}

/// The patterns of `.drydockignore`, a line each, as in `.gitignore`: `*.csv` anywhere, `/data` at the top, `runs/` folders alone, `**`
/// over folders; `#` begins a comment. Later exceptions (`!`) are refused rather than read otherwise.
#[derive(Debug, Default)]
struct Ignored(Vec<(Regex, bool)>);

impl Ignored {
    fn read(root: &Path) -> Result<Self> {
        let path = root.join(IGNORE_FILE);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(cause) => return Err(unreadable(&path, &cause)),
        };
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.map(pattern).collect::<Result<Vec<_>>>().map(Self)
    }

    /// Whether the path, or a folder that it lies in, is named.
    fn covers(&self, name: &str, is_folder: bool) -> bool {
        let ends = name.match_indices('/').map(|(at, _)| (&name[..at], true)).chain([(name, is_folder)]);
        let parts: Vec<(&str, bool)> = ends.collect();
        self.0.iter().any(|(pattern, folders_only)| {
            parts.iter().any(|(part, is_folder)| (*is_folder || !folders_only) && pattern.is_match(part))
        })
    }
}

fn pattern(line: &str) -> Result<(Regex, bool)> {
    if line.starts_with('!') {
        return Err(Error::invalid(format!("{IGNORE_FILE}: exceptions such as '{line}' are not known here.")));
    }
    let folders_only = line.ends_with('/');
    let body = line.trim_end_matches('/');
    let anchored = body.trim_start_matches('/').contains('/') || body.starts_with('/');
    let glob = body.trim_start_matches('/');
    let mut regex = String::from(if anchored { "^" } else { "(?:^|/)" });
    let mut rest = glob;
    while let Some(c) = rest.chars().next() {
        let (taken, written) = match c {
            _ if rest.starts_with("**/") => (3, "(?:.*/)?".to_owned()),
            _ if rest.starts_with("**") => (2, ".*".to_owned()),
            '*' => (1, "[^/]*".to_owned()),
            '?' => (1, "[^/]".to_owned()),
            c => (c.len_utf8(), regex::escape(&c.to_string())),
        };
        regex += &written;
        rest = &rest[taken..];
    }
    let regex = Regex::new(&format!("{regex}$")).map_err(Error::internal)?;
    Ok((regex, folders_only))
}

fn state(root: &Path) -> Option<GitState> {
    let commit = git(root, &["rev-parse", "HEAD"])?;
    let branch = git(root, &["rev-parse", "--abbrev-ref", "HEAD"]).filter(|name| name != "HEAD");
    let remote = git(root, &["remote", "get-url", "origin"]).map(|url| without_credentials(&url));
    let dirty = git(root, &["status", "--porcelain", "--", "."]).is_some_and(|changes| !changes.is_empty());
    Some(GitState { commit, branch, remote, dirty })
}

/// `https://name:password@host/…` without name and password.
fn without_credentials(url: &str) -> String {
    match url.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.split_once('@')?))) {
        Some((scheme, (before, host))) if !before.contains('/') => format!("{scheme}://{host}"),
        _ => url.to_owned(),
    }
}

fn git(folder: &Path, args: &[&str]) -> Option<String> {
    String::from_utf8(run(folder, args)?).ok().map(|text| text.trim().to_owned())
}

/// Its output, where git is there and content.
fn run(folder: &Path, args: &[&str]) -> Option<Vec<u8>> {
    let output = Command::new("git").arg("-C").arg(folder).args(args).output().ok()?;
    output.status.success().then_some(output.stdout)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn names(packed: &Packed) -> Vec<String> {
        let bytes = zstd::decode_all(std::fs::File::open(packed.archive.path()).unwrap()).unwrap();
        let mut archive = tar::Archive::new(&bytes[..]);
        archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect()
    }

    fn put(root: &Path, name: &str, text: &str) {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn a_folder_is_packed_without_what_is_named_and_the_same_again_has_the_same_bytes() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["train.py", "src/a.py", "data/big.bin", "src/data/x.py", "runs/1/log", "b.csv", ".git/HEAD"] {
            put(dir.path(), name, name);
        }
        put(dir.path(), IGNORE_FILE, "# not needed\n/data\nruns/\n*.csv\n");
        std::os::unix::fs::symlink("train.py", dir.path().join("link.py")).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", dir.path().join("out")).unwrap();
        let packed = pack(dir.path()).unwrap();
        assert_eq!(names(&packed), [IGNORE_FILE, "link.py", "src/a.py", "src/data/x.py", "train.py"]);
        assert!(packed.git.is_none());
        let again = pack(dir.path()).unwrap();
        assert_eq!(std::fs::read(packed.archive.path()).unwrap(), std::fs::read(again.archive.path()).unwrap());
    }

    #[test]
    fn of_a_checkout_what_git_would_take_is_packed() {
        let dir = tempfile::tempdir().unwrap();
        let git = |args: &[&str]| assert!(run(dir.path(), args).is_some(), "git {args:?}");
        git(&["init", "-q", "-b", "main"]);
        put(dir.path(), "a.py", "1");
        put(dir.path(), ".gitignore", "*.log\n");
        git(&["add", "."]);
        git(&["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "one"]);
        git(&["remote", "add", "origin", "https://me:pass@host/repo.git"]);
        put(dir.path(), "new.py", "2");
        put(dir.path(), "x.log", "3");
        let packed = pack(dir.path()).unwrap();
        assert_eq!(names(&packed), [".gitignore", "a.py", "new.py"]);
        let state = packed.git.unwrap();
        assert_eq!((state.commit.len(), state.branch.as_deref(), state.dirty), (40, Some("main"), true));
        assert_eq!(state.remote.as_deref(), Some("https://host/repo.git"));
    }

    #[test]
    fn patterns_mean_what_they_mean_to_git() {
        let covers = |line: &str, name: &str| Ignored(vec![pattern(line).unwrap()]).covers(name, false);
        assert!(covers("*.csv", "a/b.csv") && !covers("*.csv", "a.csv.py"));
        assert!(covers("/data", "data/x") && !covers("/data", "src/data/x"));
        assert!(covers("runs/", "a/runs/x") && !covers("runs/", "runs"));
        assert!(covers("a/**/z", "a/b/c/z") && covers("a/**/z", "a/z") && !covers("a/*/z", "a/b/c/z"));
        assert!(covers("d?ta", "data") && !covers("d?ta", "daata"));
        assert!(pattern("!x").is_err());
    }
}
