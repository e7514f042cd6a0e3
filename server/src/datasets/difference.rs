//! How two versions differ: files, by going through the chunks that only one of them has; tables, by their profiles and, where
//! they are not too large, by their rows.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use drydock_wire::datasets::{
    ColumnChange, DatasetFile, FileChange, FileChangeKind, FileProfile, TableChange, VersionDiff,
};

use super::manifest::{Entry, Manifest};
use super::spill::{Hashing, Mark, Spill};
use super::store;
use super::table::{self, Source, Stop};
use super::{compare, tasks, versions};
use crate::accounts::{Authorized, action};
use crate::app::App;
use crate::error::{Error, Result};

/// Changes that are told.
const SHOWN: usize = 1_000;
/// Files that are gone or new, among which renamed ones are looked for.
const RENAMES: usize = 100_000;
/// Tables whose rows are compared, and up to which size together.
const ROWS_TABLES: usize = 10;
const ROWS_BYTES: u64 = 128 << 20;

/// The difference from one version to another; without `from`, from the parent.
///
/// # Errors
/// `not_found` when one of them is not there.
pub async fn diff(
    app: &App,
    _auth: &Authorized<action::View>,
    name: &str,
    from: Option<&str>,
    to: &str,
) -> Result<VersionDiff> {
    let (dataset, after, new) = versions::open(app, name, to).await?;
    let parent = after.parent.map(|parent| parent.to_string());
    let from = from.map(str::to_owned).or(parent).ok_or_else(|| {
        Error::not_found(format!("Version {} is the first; say with from what to compare it with.", after.version))
    })?;
    let (_, before, old) = versions::open(app, name, &from).await?;
    let mut files = Files::default();
    files.go_through(&old, &new).await?;
    let (old_version, new_version) = (before.version, after.version);
    let (old, new) = app
        .db
        .read(move |conn| {
            let old = store::analysis(conn, &dataset, old_version)?.profiles;
            let new = store::analysis(conn, &dataset, new_version)?.profiles;
            Ok((old, new))
        })
        .await?;
    let profiling = old.is_none() || new.is_none();
    let tables = tables(app, &files, (old.unwrap_or_default(), new.unwrap_or_default())).await?;
    let diff = files.finish((before.version, after.version), store::unsigned(after.file_count), tables);
    Ok(VersionDiff { profiling, ..diff })
}

#[derive(Default)]
struct Files {
    added: Vec<Entry>,
    removed: Vec<Entry>,
    changed: Vec<(Entry, Entry)>,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    added: u64,
    removed: u64,
    changed: u64,
    added_bytes: u64,
    removed_bytes: u64,
}

impl Files {
    /// A chunk that both have is equal in both, so that only the others are read.
    async fn go_through(&mut self, old: &Manifest, new: &Manifest) -> Result<()> {
        let digests = |manifest: &Manifest| manifest.chunks().iter().map(|chunk| chunk.digest).collect::<HashSet<_>>();
        let (of_old, of_new) = (digests(old), digests(new));
        let (mut left, mut right) = (old.files_without(&of_new), new.files_without(&of_old));
        let (mut a, mut b) = (left.next().await?, right.next().await?);
        loop {
            match (a.take(), b.take()) {
                (None, None) => return Ok(()),
                (Some(gone), None) => {
                    self.remove(gone);
                    a = left.next().await?;
                }
                (None, Some(come)) => {
                    self.add(come);
                    b = right.next().await?;
                }
                (Some(one), Some(other)) => match one.path.cmp(&other.path) {
                    std::cmp::Ordering::Less => {
                        self.remove(one);
                        (a, b) = (left.next().await?, Some(other));
                    }
                    std::cmp::Ordering::Greater => {
                        self.add(other);
                        (a, b) = (Some(one), right.next().await?);
                    }
                    std::cmp::Ordering::Equal => {
                        self.change(one, other);
                        (a, b) = (left.next().await?, right.next().await?);
                    }
                },
            }
        }
    }

    fn add(&mut self, entry: Entry) {
        self.counts.added += 1;
        self.counts.added_bytes = self.counts.added_bytes.saturating_add(entry.size_bytes);
        if self.added.len() < RENAMES {
            self.added.push(entry);
        }
    }

    fn remove(&mut self, entry: Entry) {
        self.counts.removed += 1;
        self.counts.removed_bytes = self.counts.removed_bytes.saturating_add(entry.size_bytes);
        if self.removed.len() < RENAMES {
            self.removed.push(entry);
        }
    }

    fn change(&mut self, before: Entry, after: Entry) {
        if before.digest == after.digest {
            return;
        }
        self.counts.changed += 1;
        self.counts.added_bytes = self.counts.added_bytes.saturating_add(after.size_bytes);
        self.counts.removed_bytes = self.counts.removed_bytes.saturating_add(before.size_bytes);
        if self.changed.len() < SHOWN {
            self.changed.push((before, after));
        }
    }

    fn finish(self, (from, to): (i64, i64), files_after: u64, tables: Vec<TableChange>) -> VersionDiff {
        let Self { added, removed, changed, counts } = self;
        // among a part of them a partner may be missing, which would tell a rename as something else
        let is_whole = counts.added < RENAMES as u64 && counts.removed < RENAMES as u64;
        let (renamed, added, removed) = if is_whole { renames(added, removed) } else { (vec![], added, removed) };
        let moved = renamed.len() as u64;
        let moved_bytes: u64 = renamed.iter().map(|(_, after)| after.size_bytes).sum();
        let mut files: Vec<FileChange> = vec![];
        let told = |kind, path: &str, old_path, before: Option<Entry>, after: Option<Entry>| FileChange {
            kind,
            path: path.to_owned(),
            old_path,
            before: before.map(Entry::into_file),
            after: after.map(Entry::into_file),
        };
        use FileChangeKind::{Added, Changed, Removed, Renamed};
        files.extend(added.into_iter().take(SHOWN).map(|e| told(Added, &e.path.clone(), None, None, Some(e))));
        files.extend(removed.into_iter().take(SHOWN).map(|e| told(Removed, &e.path.clone(), None, Some(e), None)));
        files.extend(changed.into_iter().map(|(a, b)| told(Changed, &b.path.clone(), None, Some(a), Some(b))));
        files.extend(
            renamed
                .into_iter()
                .take(SHOWN)
                .map(|(a, b)| told(Renamed, &b.path.clone(), Some(a.path.clone()), Some(a), Some(b))),
        );
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files.truncate(SHOWN);
        VersionDiff {
            from,
            to,
            added_count: counts.added - moved,
            removed_count: counts.removed - moved,
            changed_count: counts.changed,
            renamed_count: moved,
            unchanged_count: files_after.saturating_sub(counts.added + counts.changed),
            added_bytes: counts.added_bytes.saturating_sub(moved_bytes),
            removed_bytes: counts.removed_bytes.saturating_sub(moved_bytes),
            files,
            tables,
            profiling: false,
        }
    }
}

/// Renamed files, and what of the new and the gone ones is left.
type Renames = (Vec<(Entry, Entry)>, Vec<Entry>, Vec<Entry>);

/// A new file with the content of one that is gone is that one, each once.
fn renames(added: Vec<Entry>, removed: Vec<Entry>) -> Renames {
    let mut gone: HashMap<[u8; 32], Vec<Entry>> = HashMap::new();
    for entry in removed.into_iter().rev() {
        gone.entry(entry.digest).or_default().push(entry);
    }
    let (mut renamed, mut left) = (vec![], vec![]);
    for entry in added {
        match gone.get_mut(&entry.digest).and_then(Vec::pop) {
            Some(old) => renamed.push((old, entry)),
            None => left.push(entry),
        }
    }
    let mut still_gone: Vec<Entry> = gone.into_values().flatten().collect();
    still_gone.sort_by(|a, b| a.path.cmp(&b.path));
    (renamed, left, still_gone)
}

/// Tables that changed and have a profile on both sides.
async fn tables(
    app: &App,
    files: &Files,
    (before, after): (Vec<FileProfile>, Vec<FileProfile>),
) -> Result<Vec<TableChange>> {
    let mut found = vec![];
    for (old, new) in files.changed.iter().filter(|(_, new)| table::is_tabular(&new.path)) {
        let of = |profiles: &[FileProfile]| profiles.iter().find(|profile| profile.path == new.path).cloned();
        let (Some(old_profile), Some(new_profile)) = (of(&before), of(&after)) else { continue };
        if old_profile.problem.is_some() || new_profile.problem.is_some() {
            continue;
        }
        let same_columns = old_profile.columns.iter().map(|c| &c.name).eq(new_profile.columns.iter().map(|c| &c.name));
        let is_small = old.size_bytes.saturating_add(new.size_bytes) <= ROWS_BYTES;
        let rows = match same_columns && is_small && found.len() < ROWS_TABLES {
            true => rows(app, old.clone(), new.clone()).await?,
            false => None,
        };
        found.push(TableChange {
            path: new.path.clone(),
            rows_before: old_profile.row_count,
            rows_after: new_profile.row_count,
            rows_removed: rows.map(|(removed, _)| removed),
            rows_added: rows.map(|(_, added)| added),
            columns: columns(&old_profile, &new_profile),
        });
    }
    Ok(found)
}

/// In the order of the new table, what is gone at the end.
fn columns(before: &FileProfile, after: &FileProfile) -> Vec<ColumnChange> {
    let mut found: Vec<ColumnChange> = after
        .columns
        .iter()
        .map(|column| match before.columns.iter().find(|old| old.name == column.name) {
            Some(old) => compare::compare(old, column),
            None => compare::alone(None, Some(column)),
        })
        .collect();
    let gone = before.columns.iter().filter(|old| !after.columns.iter().any(|column| column.name == old.name));
    found.extend(gone.map(|column| compare::alone(Some(column), None)));
    found
}

/// Rows gone and come; nothing when one of the tables cannot be read.
type Rows = Option<(u64, u64)>;

/// What was counted lately: content never changes, and a page asks again whenever something happens to any dataset.
static COUNTED: Mutex<Vec<(String, Rows)>> = Mutex::new(vec![]);
const REMEMBERED: usize = 1_000;

/// Rows of the old table that the new one has not, and the other way round.
async fn rows(app: &App, old: Entry, new: Entry) -> Result<Rows> {
    // the endings say how the bytes are read
    let ending = new.path.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    let name = format!("{} {} {ending}", old.digest_hex(), new.digest_hex());
    let counted = || COUNTED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, rows)) = counted().iter().find(|(known, _)| *known == name) {
        return Ok(*rows);
    }
    let rows = count_rows(app, old, new).await?;
    // what could not be read may be readable again
    if rows.is_some() {
        let mut counted = counted();
        if counted.len() >= REMEMBERED {
            counted.remove(0);
        }
        counted.push((name, rows));
    }
    Ok(rows)
}

async fn count_rows(app: &App, old: Entry, new: Entry) -> Result<Rows> {
    let files: Vec<DatasetFile> = vec![old.into_file(), new.into_file()];
    let laid = tasks::lay_out(app, files).await?;
    let compared = tasks::read_soon(laid, |laid| {
        let (hashing, mut spill) = (Hashing::new(), Spill::new(laid.folder().to_owned()));
        for (side, file) in laid.files.iter().enumerate() {
            let added =
                laid.open(file).and_then(|source| add_rows(&mut spill, &hashing, side as u64, &file.path, source));
            match added {
                Ok(()) => {}
                Err(Stop::Io(error)) => return Err(error),
                Err(Stop::Malformed(_)) => return Ok(None),
            }
        }
        spill.unpaired().map(Some)
    });
    compared.await
}

fn add_rows(
    spill: &mut Spill,
    hashing: &Hashing,
    side: u64,
    path: &str,
    source: Source,
) -> std::result::Result<(), Stop> {
    let mut rows = table::open(path, source)?;
    while let Some(row) = rows.next_row()? {
        let cells = (0..row.len()).map(|place| row.cell(place).text);
        spill.add(Mark { hash: hashing.of(cells), number: side }).map_err(Stop::Io)?;
    }
    Ok(())
}
