//! The order of listings, whatever they list: by key, seeking past whole common prefixes instead of reading what is under them.

use crate::{
    error::Result,
    storage::rules::{self, Hidden},
};

/// What is to be listed. `delimiter` empty: no folding. `after`: only keys, and common prefixes, that come after this text.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    pub prefix: String,
    pub delimiter: String,
    pub after: Option<String>,
    pub limit: usize,
    /// Sorted, none a prefix of another: only keys under one of these. Empty: all.
    pub only: Vec<String>,
}

/// Rows and common prefixes, each in order; `next` is the greatest of both when there is more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    pub objects: Vec<T>,
    pub prefixes: Vec<String>,
    pub next: Option<String>,
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Self { objects: vec![], prefixes: vec![], next: None }
    }
}

/// A row that is listed under its key.
pub trait Row {
    /// Tells rows of one key apart, where there can be several.
    type Place;

    fn key(&self) -> &String;

    /// Where reading goes on after this row.
    fn cursor(&self) -> Cursor<Self::Place>;
}

/// Where reading goes on.
#[derive(Debug, Clone)]
pub enum Cursor<P> {
    At(String),
    After(String),
    /// After that row of the key.
    Within(String, P),
}

/// Where a listing of rows that can share a key goes on: after that row of that key, or after the whole key.
#[derive(Debug, Clone)]
pub struct AfterRow<P> {
    pub key: String,
    pub place: Option<P>,
}

/// The listing, over anything that reads rows in order from a cursor on, up to an end, and not more than so many.
pub fn fold<T: Row>(
    wanted: &Wanted,
    after: Option<AfterRow<T::Place>>,
    mut read: impl FnMut(&Cursor<T::Place>, Option<&str>, usize) -> Result<Vec<T>>,
) -> Result<Page<T>> {
    let Wanted { prefix, delimiter, limit, only, .. } = wanted;
    let end = rules::prefix_end(prefix);
    let mut page = Page::default();
    if *limit == 0 {
        return Ok(page);
    }
    let Some(mut cursor) = start(prefix, delimiter, after) else { return Ok(page) };
    // folders come with few rows read, plain objects in large batches
    let mut batch = if delimiter.is_empty() { *limit + 1 } else { (*limit + 1).min(16) };
    'reading: loop {
        let rows = read(&cursor, end.as_deref(), batch)?;
        let is_over = rows.len() < batch;
        let mut skip_to: Option<String> = None;
        for row in rows {
            let key = row.key();
            if skip_to.as_ref().is_some_and(|bound| key < bound) {
                continue;
            }
            skip_to = None;
            match rules::hidden_until(key, only) {
                Hidden::No => {}
                Hidden::Until(bound) => {
                    skip_to = Some(bound.to_owned());
                    continue;
                }
                Hidden::ForGood => break 'reading,
            }
            if page.objects.len() + page.prefixes.len() == *limit {
                page.next = latest(&page);
                break 'reading;
            }
            match rules::common_prefix(key, prefix, delimiter) {
                Some(common) => {
                    let common = common.to_owned();
                    let Some(bound) = rules::prefix_end(&common) else { break 'reading };
                    page.prefixes.push(common);
                    skip_to = Some(bound);
                }
                None => page.objects.push(row),
            }
        }
        if is_over {
            break;
        }
        // of a folder only its first key is wanted; where there are none, many rows are
        batch = if skip_to.is_some() { (batch / 4).max(1) } else { (batch * 4).min(1001) };
        cursor = match (skip_to, page.objects.last()) {
            (Some(bound), _) => Cursor::At(bound),
            // no folder and nothing hidden came last, so this row did
            (None, Some(row)) => row.cursor(),
            (None, None) => break,
        };
    }
    Ok(page)
}

/// What was listed last: the greater of the last row's key and the last common prefix.
fn latest<T: Row>(page: &Page<T>) -> Option<String> {
    page.objects.last().map(Row::key).max(page.prefixes.last()).cloned()
}

/// Where a listing begins; `None` when nothing can come after.
fn start<P>(prefix: &str, delimiter: &str, after: Option<AfterRow<P>>) -> Option<Cursor<P>> {
    match after {
        Some(AfterRow { key, place }) if key.as_str() >= prefix => {
            match (rules::common_prefix(&key, prefix, delimiter), place) {
                // that folder was listed: on with what follows it
                (Some(common), _) => rules::prefix_end(common).map(Cursor::At),
                (None, Some(place)) => Some(Cursor::Within(key, place)),
                (None, None) => Some(Cursor::After(key)),
            }
        }
        _ => Some(Cursor::At(prefix.to_owned())),
    }
}
