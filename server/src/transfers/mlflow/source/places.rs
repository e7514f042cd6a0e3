//! Which files may be read: those below the folders that the person named, wherever a store says that its artifacts are.

use std::{
    fs,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use super::{File, Place, Unread};

/// Deeper folders are a circle of links, or no artifacts.
const DEEPEST: usize = 40;

/// Folders that may be read, by their real names.
#[derive(Debug, Clone)]
pub struct Places {
    allowed: Vec<PathBuf>,
    /// Folders that the artifacts moved to.
    moved: Vec<PathBuf>,
}

impl Places {
    pub fn new(own: &Path, artifacts: &[PathBuf]) -> std::io::Result<Self> {
        let moved = artifacts.iter().map(|dir| dir.canonicalize()).collect::<std::io::Result<Vec<_>>>()?;
        let mut allowed = vec![own.canonicalize()?];
        allowed.extend(moved.iter().cloned());
        Ok(Self { allowed, moved })
    }

    /// The real name, if it is below a folder that may be read.
    pub fn allowed(&self, path: &Path) -> Result<PathBuf, String> {
        let real = path.canonicalize().map_err(|error| format!("{}: {error}", path.display()))?;
        if self.allowed.iter().any(|root| real.starts_with(root)) {
            return Ok(real);
        }
        Err(format!("{} is outside the folders to be read; name it with --artifacts if it may be", path.display()))
    }

    /// The folder that an artifact root means, if it is there: where the store says, or, below a folder named with
    /// `--artifacts`, at the longest end of that path which has `id` in it.
    pub fn root(&self, uri: &str, id: &str, beside: &Path) -> Result<Option<PathBuf>, String> {
        let path = uri.strip_prefix("file://").unwrap_or(uri);
        let path = path.strip_prefix("mlflow-artifacts:").unwrap_or(path);
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        for moved in &self.moved {
            for start in 0..parts.len() {
                if !parts[start..].contains(&id) {
                    break;
                }
                let candidate = moved.join(parts[start..].join("/"));
                if candidate.is_dir() {
                    return self.allowed(&candidate).map(Some);
                }
            }
        }
        if uri.contains("://") && !uri.starts_with("file://") || uri.starts_with("mlflow-artifacts:") {
            return Err(format!("its artifacts are at {uri}; name a folder that has a copy of them with --artifacts"));
        }
        let path = if path.starts_with('/') { PathBuf::from(path) } else { beside.join(path) };
        if path.is_dir() { self.allowed(&path).map(Some) } else { Ok(None) }
    }

    /// All files below an artifact root; what leads out of the allowed folders, or cannot be read, is `unread`.
    pub fn files(&self, root: &Path, of: &str) -> (Vec<File>, Vec<Unread>) {
        let (mut files, mut unread) = (Vec::new(), Vec::new());
        self.walk(root, "", 0, &mut files, &mut unread);
        for one in &mut unread {
            one.what = format!("{of}, artifact {}", one.what);
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        (files, unread)
    }

    fn walk(&self, folder: &Path, prefix: &str, depth: usize, files: &mut Vec<File>, unread: &mut Vec<Unread>) {
        let entries = match fs::read_dir(folder) {
            Ok(entries) if depth < DEEPEST => entries,
            Ok(_) => return unread.push(Unread::new(prefix, "too deep a folder")),
            Err(error) => return unread.push(Unread::new(prefix, error)),
        };
        for entry in entries.flatten() {
            let Ok(name) = entry.file_name().into_string() else {
                unread.push(Unread::new(entry.file_name().to_string_lossy(), "its name is not UTF-8"));
                continue;
            };
            let path = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
            let real = match self.allowed(&entry.path()) {
                Ok(real) => real,
                Err(why) => {
                    unread.push(Unread::new(path, why));
                    continue;
                }
            };
            match fs::metadata(&real) {
                Ok(meta) if meta.is_dir() => self.walk(&real, &path, depth + 1, files, unread),
                Ok(meta) if meta.is_file() => {
                    let since = meta.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
                    let changed_at = since.and_then(|since| i64::try_from(since.as_millis()).ok()).unwrap_or(0);
                    files.push(File { path, size_bytes: meta.len(), changed_at, at: Place::Disk(real) });
                }
                Ok(_) => unread.push(Unread::new(path, "neither a file nor a folder")),
                Err(error) => unread.push(Unread::new(path, error)),
            }
        }
    }
}
