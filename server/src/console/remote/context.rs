//! A folder as the context of an image's build: a tar packed with zstd, as Docker's own client would send it.
//!
//! All of the folder is in it but what `.dockerignore` leaves out; links stay links, empty folders stay. The Dockerfile and the lists of
//! what to leave out always go along: the box reads them, and leaves them out itself where the list says so. Times and owners are not
//! sent, so that the same content has the same bytes.

use std::{
    fs::{DirEntry, File, Metadata},
    io::{ErrorKind, Read},
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::Path,
};

use drydock_wire::validate;

use super::packing::{self, Packing};
use crate::{
    builds::dockerignore::{IGNORE, Ignored},
    error::{Error, Result},
};

/// As the box takes them.
const MOST_ENTRIES: usize = 200_000;

/// The archive, which goes when this is dropped.
#[derive(Debug)]
pub struct Packed {
    pub archive: tempfile::NamedTempFile,
    pub files: usize,
    /// Packed.
    pub bytes: u64,
}

/// Packs the folder; `dockerfile` is the path in it.
///
/// # Errors
/// `invalid` when it cannot be read, has too much or what cannot be sent, or a line of its list is none.
pub fn pack(root: &Path, dockerfile: &str) -> Result<Packed> {
    if !root.is_dir() {
        return Err(Error::invalid(format!("{} is no folder.", root.display())));
    }
    let own = format!("{dockerfile}{IGNORE}");
    let ignored = match text(&root.join(&own))? {
        Some(text) => Ignored::parse(&text)?,
        None => text(&root.join(IGNORE))?.map_or_else(|| Ok(Ignored::default()), |text| Ignored::parse(&text))?,
    };
    let archive = tempfile::NamedTempFile::new().map_err(Error::internal)?;
    let files = write(root, ignored, [dockerfile.to_owned(), own, IGNORE.to_owned()], archive.as_file())?;
    let bytes = archive.as_file().metadata().map_err(Error::internal)?.len();
    Ok(Packed { archive, files, bytes })
}

/// The number of files.
fn write(root: &Path, ignored: Ignored, always: [String; 3], file: &File) -> Result<usize> {
    let mut context = Context { root, ignored, always, to: packing::begin(file)?, entries: 0, files: 0 };
    context.folder("")?;
    packing::end(context.to)?;
    Ok(context.files)
}

fn text(path: &Path) -> Result<Option<String>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(unreadable(path, &cause)),
    }
}

fn unreadable(path: &Path, cause: &std::io::Error) -> Error {
    Error::invalid(format!("{} cannot be read: {cause}. Name it in {IGNORE} if it need not go along.", path.display()))
}

struct Context<'a> {
    root: &'a Path,
    ignored: Ignored,
    /// Sent whatever the list says.
    always: [String; 3],
    to: Packing<'a>,
    entries: usize,
    files: usize,
}

impl Context<'_> {
    /// What is in it, by name; the top has an empty one.
    fn folder(&mut self, name: &str) -> Result<()> {
        let at = self.root.join(name);
        let entries = std::fs::read_dir(&at).map_err(|cause| unreadable(&at, &cause))?;
        let mut entries: Vec<DirEntry> =
            entries.collect::<std::io::Result<_>>().map_err(|cause| unreadable(&at, &cause))?;
        entries.sort_by_key(DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            let own = entry.file_name().into_string().map_err(|name| {
                Error::invalid(format!("The name {name:?} in {} is no text (UTF-8) and cannot be sent.", at.display()))
            })?;
            let name = if name.is_empty() { own } else { format!("{name}/{own}") };
            let about = entry.metadata().map_err(|cause| unreadable(&path, &cause))?;
            self.entry(&name, &path, &about)?;
        }
        Ok(())
    }

    fn entry(&mut self, name: &str, path: &Path, about: &Metadata) -> Result<()> {
        let left_out = self.ignored.leaves_out(name) && !self.always.iter().any(|always| always == name);
        if about.is_dir() {
            let leads_on = self.ignored.has_exceptions() || self.always.iter().any(|always| is_below(always, name));
            if !left_out {
                self.add(name, path, about)?;
            }
            return if left_out && !leads_on { Ok(()) } else { self.folder(name) };
        }
        // a socket is of whoever listens to it, as Docker sees it
        if left_out || about.file_type().is_socket() {
            return Ok(());
        }
        self.add(name, path, about)
    }

    fn add(&mut self, name: &str, path: &Path, about: &Metadata) -> Result<()> {
        self.entries += 1;
        if self.entries > MOST_ENTRIES {
            return Err(Error::invalid(format!(
                "{} has more than {MOST_ENTRIES} files; name what the image does not need in {IGNORE}.",
                self.root.display()
            )));
        }
        if let Err(words) = validate::relative_path(name) {
            return Err(Error::invalid(format!("{name:?} cannot be sent: {words} Name it in {IGNORE}.")));
        }
        let mut header = packing::header();
        header.set_mode(about.permissions().mode() & 0o7777);
        header.set_size(0);
        let added = if about.is_dir() {
            header.set_entry_type(tar::EntryType::Directory);
            self.to.append_data(&mut header, format!("{name}/"), std::io::empty())
        } else if about.is_symlink() {
            header.set_entry_type(tar::EntryType::Symlink);
            std::fs::read_link(path).and_then(|target| self.to.append_link(&mut header, name, target))
        } else if about.is_file() {
            header.set_entry_type(tar::EntryType::Regular);
            header.set_size(about.len());
            self.files += 1;
            // exactly as many bytes as its header says, though it may grow just now
            File::open(path).and_then(|file| self.to.append_data(&mut header, name, file.take(about.len())))
        } else {
            return Err(Error::invalid(format!(
                "{} is neither a file, a folder nor a link; name it in {IGNORE}.",
                path.display()
            )));
        };
        added.map_err(|cause| unreadable(path, &cause))
    }
}

fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn put(root: &Path, name: &str, text: &str) {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn names(packed: &Packed) -> Vec<String> {
        let bytes = zstd::decode_all(File::open(packed.archive.path()).unwrap()).unwrap();
        let mut archive = tar::Archive::new(&bytes[..]);
        archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect()
    }

    #[test]
    fn the_folder_goes_without_what_is_left_out_and_the_same_again_has_the_same_bytes() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["docker/Dockerfile", "docker/x", "src/a.py", "src/a.log", "data/big", "data/keep/k", ".git/HEAD"] {
            put(dir.path(), name, name);
        }
        put(dir.path(), IGNORE, "# left out\n.git\ndata\n!data/keep\n**/*.log\ndocker\n.dockerignore\n");
        std::fs::create_dir(dir.path().join("empty")).unwrap();
        std::os::unix::fs::symlink("src/a.py", dir.path().join("link")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();
        let packed = pack(dir.path(), "docker/Dockerfile").unwrap();
        let expected = [IGNORE, "data/keep/", "data/keep/k", "docker/Dockerfile", "empty/", "link", "src/", "src/a.py"];
        assert_eq!(names(&packed), expected);
        assert_eq!(packed.files, 4);
        let again = pack(dir.path(), "docker/Dockerfile").unwrap();
        assert_eq!(std::fs::read(packed.archive.path()).unwrap(), std::fs::read(again.archive.path()).unwrap());
    }

    #[test]
    fn what_cannot_go_is_named_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), "Dockerfile", "FROM x");
        put(dir.path(), IGNORE, "a\nb[\n");
        let error = pack(dir.path(), "Dockerfile").unwrap_err();
        assert!(error.message.contains("line 2"), "{error}");
        put(dir.path(), "Dockerfile.dockerignore", "src\n");
        assert_eq!(names(&pack(dir.path(), "Dockerfile").unwrap()).len(), 3, "a Dockerfile's own list counts instead");
        let error = pack(&dir.path().join("none"), "Dockerfile").unwrap_err();
        assert!(error.message.contains("is no folder"), "{error}");
    }
}
