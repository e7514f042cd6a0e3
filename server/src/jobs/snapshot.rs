//! Code as it was in a folder of the client: one `tar.zst`, checked at submission, laid out read-only once per content.
//!
//! Always holds: an archive is walked by one function, which takes plain files and folders below the root alone, counts them and their
//! bytes as they come, and is the same for the check and for the layout. So what was let in can be laid out, and nothing lies beside
//! its folder. Laid out at `run/code/{digest}`; all jobs with that content share the folder, the two hundred of a sweep too.

use std::{
    collections::BTreeSet,
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use drydock_wire::validate;

use super::tarball::{self, Pieces};
use crate::{
    app::App,
    error::{Error, Result},
    objects::laid::{self, LaidOut},
};

const FOLDER: &str = "run/code";
/// As it is uploaded.
const MOST_PACKED_BYTES: u64 = 512 << 20;
const MOST_BYTES: u64 = 4 << 30;
const MOST_ENTRIES: usize = 50_000;
/// Folders that no job uses stay for the next one, up to so much together.
const MOST_KEPT_BYTES: u64 = 4 << 30;
/// What an archive may make its reader remember: zstd's own bound without `--long`.
const WINDOW_LOG: u32 = 27;

/// What an archive has in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Contents {
    pub files: u64,
    pub bytes: u64,
    /// What its files take when they are laid out.
    cost: u64,
}

fn shelf(app: &App) -> LaidOut {
    LaidOut::new(app.data_dir.join(FOLDER))
}

/// Reads the archive through.
///
/// # Errors
/// `refused` for anything but plain files and folders below the root, or for more than a job may bring; `not_found` when it is not
/// on the box.
pub async fn check(app: &App, digest: &str) -> Result<Contents> {
    walk(app, digest, None).await
}

/// Lays the archive out unless it is there; the folder, relative to the data directory.
pub async fn lay_out(app: &App, digest: &str) -> Result<String> {
    let (shelf, ready) = (shelf(app), format!("{FOLDER}/{digest}"));
    if shelf.is_there(digest).await? {
        return Ok(ready);
    }
    let unfinished = shelf.begin().await?;
    match walk(app, digest, Some(unfinished.clone())).await {
        Ok(contents) => shelf.place(unfinished, digest, contents.cost).await.map(|()| ready),
        Err(error) => {
            laid::discard(unfinished);
            Err(error)
        }
    }
}

/// Removes what an earlier start left unfinished.
pub fn clear_unfinished(app: &App) {
    shelf(app).clear_unfinished();
}

/// Removes folders that no job uses, the longest unused first, above the limit.
pub async fn evict(app: &App, in_use: &BTreeSet<String>) -> Result<()> {
    let shelf = shelf(app);
    let unused = laid::unused(shelf.whole().await?, FOLDER, in_use);
    shelf.shrink(unused, MOST_KEPT_BYTES);
    Ok(())
}

async fn walk(app: &App, digest: &str, into: Option<PathBuf>) -> Result<Contents> {
    let (size, body) = app.objects.stream(digest, None).await?;
    if size > MOST_PACKED_BYTES {
        return Err(refused(&format!("it is larger than {} MiB; put data into a dataset", MOST_PACKED_BYTES >> 20)));
    }
    tarball::read_on_thread(body, move |reader| walk_packed(reader, into.as_deref())).await?
}

fn walk_packed(reader: Pieces, into: Option<&Path>) -> Result<Contents> {
    let mut decoder = zstd::Decoder::new(reader).map_err(unreadable)?;
    decoder.window_log_max(WINDOW_LOG).map_err(unreadable)?;
    walk_tar(decoder, into)
}

/// Takes an archive apart, into a folder if there is one.
fn walk_tar(reader: impl Read, into: Option<&Path>) -> Result<Contents> {
    let mut archive = tar::Archive::new(reader);
    let (mut contents, mut names) = (Contents::default(), Names::default());
    for (number, entry) in archive.entries().map_err(unreadable)?.enumerate() {
        if number >= MOST_ENTRIES {
            return Err(refused(&format!("it has more than {MOST_ENTRIES} files; leave out what is not code")));
        }
        let mut entry = entry.map_err(unreadable)?;
        let Some((path, is_folder)) = named(&entry)? else { continue };
        names.add(&path, is_folder)?;
        let target = into.map(|root| root.join(&path));
        if is_folder {
            target.map_or(Ok(()), std::fs::create_dir_all).map_err(Error::internal)?;
            continue;
        }
        let is_program = entry.header().mode().is_ok_and(|mode| mode & 0o111 != 0);
        let size = take_file(&mut entry, target.as_deref(), is_program, MOST_BYTES - contents.bytes)?;
        contents.files += 1;
        contents.bytes += size;
        contents.cost += laid::cost_of_copy(size);
    }
    Ok(contents)
}

/// Path of an entry, and whether it is a folder; nothing of one that only tells about the archive.
fn named(entry: &tar::Entry<'_, impl Read>) -> Result<Option<(String, bool)>> {
    let kind = entry.header().entry_type();
    if kind == tar::EntryType::XGlobalHeader {
        // what `git archive` writes its commit into
        return Ok(None);
    }
    let is_folder = kind == tar::EntryType::Directory;
    let text = String::from_utf8(entry.path_bytes().into_owned());
    let text = text.map_err(|_| refused("it has a name that is not UTF-8"))?;
    let text = text.strip_prefix("./").unwrap_or(&text);
    let path = if is_folder { text.trim_end_matches('/') } else { text };
    if is_folder && (path.is_empty() || path == ".") {
        return Ok(None);
    }
    validate::relative_path(path).map_err(|advice| refused(&format!("{path:?}: {advice}")))?;
    if !is_folder && !matches!(kind, tar::EntryType::Regular | tar::EntryType::Continuous) {
        return Err(refused(&format!("{path} is neither a file nor a folder; links and devices stay out")));
    }
    Ok(Some((path.to_owned(), is_folder)))
}

/// What came so far, so that nothing comes twice.
#[derive(Default)]
struct Names {
    files: BTreeSet<String>,
    folders: BTreeSet<String>,
}

impl Names {
    fn add(&mut self, path: &str, is_folder: bool) -> Result<()> {
        let parents = || path.char_indices().filter(|(_, c)| *c == '/').map(|(at, _)| &path[..at]);
        let covers = self.files.contains(path) || parents().any(|parent| self.files.contains(parent));
        if covers || (!is_folder && self.folders.contains(path)) {
            return Err(refused(&format!("{path} is there twice")));
        }
        self.folders.extend(parents().map(str::to_owned));
        let of_kind = if is_folder { &mut self.folders } else { &mut self.files };
        of_kind.insert(path.to_owned());
        Ok(())
    }
}

/// Reads a file to its end, onto the disk if there is a place for it; its size.
fn take_file(entry: &mut impl Read, target: Option<&Path>, is_program: bool, most_bytes: u64) -> Result<u64> {
    let mut limited = entry.take(most_bytes.saturating_add(1));
    let copied = match target {
        Some(target) => {
            target.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(Error::internal)?;
            let mode = if is_program { 0o555 } else { 0o444 };
            let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(target);
            let mut file = file.map_err(Error::internal)?;
            let copied = io::copy(&mut limited, &mut file);
            // whatever the server's umask took away
            let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
            file.set_permissions(mode).map_err(Error::internal)?;
            copied
        }
        None => io::copy(&mut limited, &mut io::sink()),
    };
    match copied.map_err(unreadable)? {
        size if size > most_bytes => {
            Err(refused(&format!("its files are larger than {} GiB together", MOST_BYTES >> 30)))
        }
        size => Ok(size),
    }
}

fn refused(why: &str) -> Error {
    Error::refused(format!("snapshot: {why}."))
}

fn unreadable(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::StorageFull => Error::internal(error),
        _ => refused(&format!("it is no tar archive packed with zstd ({error})")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use drydock_wire::ErrorCode;

    use super::*;

    fn archive(fill: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> Vec<u8> {
        let mut builder = tar::Builder::new(vec![]);
        fill(&mut builder);
        builder.into_inner().unwrap()
    }

    /// One entry whose name nobody checked.
    fn raw(name: &[u8], kind: tar::EntryType, link: &str, content: &[u8]) -> Vec<u8> {
        archive(|builder| {
            let mut header = tar::Header::new_gnu();
            header.as_mut_bytes()[..name.len()].copy_from_slice(name);
            header.set_entry_type(kind);
            header.set_size(content.len() as u64);
            header.set_mode(0o755);
            if !link.is_empty() {
                header.set_link_name(link).unwrap();
            }
            header.set_cksum();
            builder.append(&header, content).unwrap();
        })
    }

    fn refusal(bytes: &[u8]) -> String {
        let dir = tempfile::tempdir().unwrap();
        let inside = dir.path().join("in");
        std::fs::create_dir(&inside).unwrap();
        let checked = walk_tar(bytes, None).unwrap_err();
        let laid = walk_tar(bytes, Some(&inside)).unwrap_err();
        assert_eq!((checked.code, &checked.message), (ErrorCode::Refused, &laid.message));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing beside the folder");
        checked.message
    }

    #[test]
    fn plain_files_and_folders_are_laid_out_read_only() {
        let bytes = archive(|builder| {
            for (path, mode, text) in [("./a.py", 0o644, "print()"), ("b/run.sh", 0o755, "#!"), ("c", 0o600, "")] {
                let mut header = tar::Header::new_gnu();
                header.set_size(text.len() as u64);
                header.set_mode(mode);
                builder.append_data(&mut header, path, text.as_bytes()).unwrap();
            }
        });
        let dir = tempfile::tempdir().unwrap();
        let contents = walk_tar(bytes.as_slice(), Some(dir.path())).unwrap();
        assert_eq!((contents.files, contents.bytes), (3, 9));
        assert_eq!(contents, walk_tar(bytes.as_slice(), None).unwrap());
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &str| std::fs::metadata(dir.path().join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("a.py"), mode("b/run.sh"), mode("c")), (0o444, 0o555, 0o444));
    }

    #[test]
    fn whatever_could_leave_the_folder_is_refused() {
        use tar::EntryType as Kind;
        for name in ["../up", "/etc/cron.d/x", "a/../../up", "a//b", "a\\b", "a\nb"] {
            assert!(refusal(&raw(name.as_bytes(), Kind::Regular, "", b"x")).contains("relative path"), "{name}");
        }
        for kind in [Kind::Symlink, Kind::Link, Kind::Char, Kind::Block, Kind::Fifo, Kind::GNUSparse] {
            let link = if kind == Kind::Symlink || kind == Kind::Link { "/etc" } else { "" };
            refusal(&raw(b"a", kind, link, b""));
        }
        refusal(&raw(b"a\xff", Kind::Regular, "", b"x"));
        let twice = [&raw(b"a", Kind::Regular, "", b"x")[..512 * 2], &raw(b"a/b", Kind::Regular, "", b"x")].concat();
        assert!(refusal(&twice).contains("twice"));
    }

    #[test]
    fn bombs_and_rubbish_are_refused() {
        assert!(take_file(&mut io::repeat(0).take(11), None, false, 10).unwrap_err().message.contains("larger than"));
        assert_eq!(take_file(&mut io::repeat(0).take(10), None, false, 10).unwrap(), 10);
        assert!(refusal(&[7; 2048]).contains("no tar archive"));
        let many = archive(|builder| {
            for number in 0..=MOST_ENTRIES {
                let mut header = tar::Header::new_gnu();
                header.set_size(0);
                builder.append_data(&mut header, format!("{number}"), io::empty()).unwrap();
            }
        });
        assert!(walk_tar(many.as_slice(), None).unwrap_err().message.contains("more than 50000"));
    }
}
