//! One level of a version's folders, a page at a time. What lies whole inside a folder is counted from the root, unread.

use drydock_wire::datasets::{DatasetFile, FilePage, Folder};

use super::{Manifest, end_of};
use crate::error::Result;

/// Folders and files right below the prefix, those after `after`, at most `limit` of both.
pub async fn list(manifest: &Manifest, prefix: &str, after: Option<&str>, limit: usize) -> Result<FilePage> {
    let mut page = FilePage { folders: vec![], files: vec![], next: None };
    let start = match after {
        // past all that is in a folder that was on the page before
        Some(after) if after.ends_with('/') => end_of(after).unwrap_or_else(|| after.to_owned()),
        Some(after) => format!("{after}\0"),
        None => prefix.to_owned(),
    };
    let start = start.max(prefix.to_owned());
    let chunks = manifest.chunks();
    let mut place = chunks.partition_point(|chunk| chunk.last < start);
    let mut last = None;
    while let Some(chunk) = chunks.get(place) {
        if chunk.first.as_str() > prefix && !chunk.first.starts_with(prefix) {
            break;
        }
        place += 1;
        let inside = folder_of(&chunk.first, prefix).filter(|folder| chunk.last.starts_with(folder));
        if let Some(folder) = inside.filter(|_| chunk.first >= start) {
            if !page.count(folder, chunk.file_count, chunk.size_bytes, limit) {
                page.next = last;
                return Ok(page);
            }
            last = Some(folder.to_owned());
            continue;
        }
        for entry in manifest.read_chunk(chunk).await? {
            if entry.path < start || !entry.path.starts_with(prefix) {
                continue;
            }
            let name = folder_of(&entry.path, prefix).map(str::to_owned);
            let added = match &name {
                Some(folder) => page.count(folder, 1, entry.size_bytes, limit),
                None if page.len() < limit => {
                    page.files.push(entry.clone().into_file());
                    true
                }
                None => false,
            };
            if !added {
                page.next = last;
                return Ok(page);
            }
            last = Some(name.unwrap_or(entry.path));
        }
    }
    Ok(page)
}

/// All files below the prefix after `after`, without folders.
pub async fn page(manifest: &Manifest, prefix: &str, after: Option<&str>, limit: usize) -> Result<FilePage> {
    let start = after.map_or_else(|| prefix.to_owned(), |after| format!("{after}\0").max(prefix.to_owned()));
    let mut files = manifest.files_from(&start);
    let mut found: Vec<DatasetFile> = vec![];
    while let Some(entry) = files.next().await? {
        if !entry.path.starts_with(prefix) {
            break;
        }
        if found.len() == limit {
            let next = found.last().map(|file| file.path.clone());
            return Ok(FilePage { folders: vec![], files: found, next });
        }
        found.push(entry.into_file());
    }
    Ok(FilePage { folders: vec![], files: found, next: None })
}

/// The folder right below the prefix that the path lies in.
fn folder_of<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(prefix)?;
    rest.find('/').map(|at| &path[..prefix.len() + at + 1])
}

trait Counting {
    fn len(&self) -> usize;
    fn count(&mut self, folder: &str, files: u64, bytes: u64, limit: usize) -> bool;
}

impl Counting for FilePage {
    fn len(&self) -> usize {
        self.folders.len() + self.files.len()
    }

    /// Whether there was room for it.
    fn count(&mut self, folder: &str, files: u64, bytes: u64, limit: usize) -> bool {
        let has_room = self.len() < limit;
        match self.folders.last_mut().filter(|last| last.path == folder) {
            Some(last) => {
                last.file_count += files;
                last.size_bytes += bytes;
                true
            }
            None if has_room => {
                self.folders.push(Folder { path: folder.to_owned(), file_count: files, size_bytes: bytes });
                true
            }
            None => false,
        }
    }
}
