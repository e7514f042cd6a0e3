//! The first rows of a table, or what else a file of a version is, as the dashboard shows it.

use std::sync::Arc;

use bytes::Bytes;
use drydock_wire::tracking::{Preview, PreviewColumn, PreviewKind};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::table::{self, Source, Stop};
use super::versions;
use crate::accounts::{Authorized, action};
use crate::app::App;
use crate::db::Db;
use crate::error::{Error, Result};
use crate::objects::Objects;
use crate::storage::{self, access::Caller, reading::Found, rules::VersionId};
use crate::tracking::{self, Kept, Ranges};

const HEAD_BYTES: u64 = 1 << 20;
const ROWS: usize = 500;
const COLUMNS: usize = 100;

/// Of one file of a version.
pub async fn preview(
    app: &App,
    auth: &Authorized<action::View>,
    name: &str,
    version: &str,
    path: &str,
) -> Result<Preview> {
    let file = versions::file(app, auth, name, version, path).await?;
    let kept = Kept { objects: app.objects.clone(), digest: file.digest };
    shown(Arc::new(kept), &file.path, file.size_bytes).await
}

/// Of an object in a bucket, or of a version of it.
pub async fn of_object(
    app: &App,
    caller: &Caller,
    bucket: &str,
    key: &str,
    version: Option<VersionId>,
) -> Result<Preview> {
    let found = storage::reading::look(app, caller, bucket, key, version, true).await?.object()?;
    let size_bytes = found.row.size();
    shown(Arc::new(InBucket { db: app.db.clone(), objects: app.objects.clone(), found }), key, size_bytes).await
}

/// An object's bytes, which may lie in parts.
struct InBucket {
    db: Db,
    objects: Objects,
    found: Found,
}

impl Ranges for InBucket {
    fn range(&self, from: u64, to: u64) -> BoxFuture<'_, Result<Bytes>> {
        let read = async move {
            let body = self.found.stream(&self.db, &self.objects, (from, to)).await?;
            tracking::gathered(self.found.row.digest.as_deref().unwrap_or("of a part"), body).await
        };
        read.boxed()
    }
}

/// Files whose rows are read here, as profiles read them: with any separator, and by their names in lines of JSON.
const TABLES: [&str; 4] = ["csv", "tsv", "jsonl", "ndjson"];

async fn shown(bytes: Arc<dyn Ranges>, path: &str, size_bytes: u64) -> Result<Preview> {
    let ending = path.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    if !TABLES.contains(&ending.as_str()) {
        return tracking::preview_of(bytes, path, size_bytes).await;
    }
    let mut head = bytes.range(0, size_bytes.min(HEAD_BYTES)).await?;
    let is_cut = size_bytes > head.len() as u64;
    if is_cut && let Some(end) = head.iter().rposition(|byte| *byte == b'\n') {
        head.truncate(end + 1);
    }
    let work = move || rows_of(&head, &ending, size_bytes, is_cut);
    let preview = tokio::task::spawn_blocking(work).await.map_err(Error::internal)?;
    match preview.rows.is_empty() && preview.note.is_some() {
        // no table of ours: as whatever it can be shown
        true => Ok(Preview { note: preview.note, ..tracking::preview_of(bytes, path, size_bytes).await? }),
        false => Ok(preview),
    }
}

fn rows_of(head: &[u8], ending: &str, size_bytes: u64, is_cut: bool) -> Preview {
    let mut preview = Preview {
        kind: PreviewKind::Table,
        size_bytes,
        truncated: is_cut,
        text: None,
        columns: vec![],
        rows: vec![],
        total_rows: None,
        note: None,
    };
    match read(&mut preview, head, ending) {
        Ok(total) => {
            preview.total_rows = (!is_cut).then_some(total);
            preview.truncated |= total > preview.rows.len() as u64;
        }
        // a row that was cut looks like a faulty one
        Err(Stop::Malformed(_)) if is_cut && !preview.rows.is_empty() => {}
        Err(Stop::Malformed(words)) => preview.note = Some(words),
        Err(Stop::Io(error)) => preview.note = Some(error.to_string()),
    }
    let width = preview.columns.len();
    preview.rows.iter_mut().for_each(|row| row.resize(width, None));
    preview
}

/// Puts the first rows into the preview; how many there are.
fn read(preview: &mut Preview, head: &[u8], ending: &str) -> std::result::Result<u64, Stop> {
    let mut rows = table::open(&format!("head.{ending}"), Source::from(head))?;
    // lines of JSON have no cell where there is nothing, text has an empty one
    let is_text = matches!(ending, "csv" | "tsv");
    let mut total = 0;
    let outcome = loop {
        match rows.next_row() {
            Ok(Some(row)) => {
                total += 1;
                if preview.rows.len() < ROWS {
                    let cells = (0..row.len().min(COLUMNS)).map(|place| row.cell(place).text);
                    let shown = |text: &str| (is_text || !text.is_empty()).then(|| table::excerpt(text));
                    preview.rows.push(cells.map(shown).collect());
                }
            }
            Ok(None) => break Ok(total),
            Err(stop) => break Err(stop),
        }
    };
    let names = rows.columns().iter().take(COLUMNS);
    preview.columns = names.map(|name| PreviewColumn { name: name.clone(), kind: String::new() }).collect();
    outcome
}
