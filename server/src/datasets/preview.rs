//! The first rows of a table, or what else a file of a version is, as the dashboard shows it.

use drydock_wire::tracking::{Preview, PreviewColumn, PreviewKind};
use futures_util::StreamExt;

use super::table::{self, Source, Stop};
use super::versions;
use crate::accounts::{Authorized, action};
use crate::app::App;
use crate::error::{Error, Result};
use crate::objects::Object;
use crate::tracking;

const HEAD_BYTES: u64 = 1 << 20;
const ROWS: usize = 100;
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
    let is_lines = ["jsonl", "ndjson"].iter().any(|end| path.to_ascii_lowercase().ends_with(&format!(".{end}")));
    if !is_lines {
        let size_bytes = i64::try_from(file.size_bytes).unwrap_or(i64::MAX);
        // tracking previews by name and content, whatever bucket they are in
        let object = Object { bucket: String::new(), key: file.path, digest: file.digest, size_bytes, created_at: 0 };
        return tracking::preview_of(app, auth, &object).await;
    }
    let (_, mut body) = app.objects.stream(&file.digest, Some((0, file.size_bytes.min(HEAD_BYTES)))).await?;
    let mut head = vec![];
    while let Some(chunk) = body.next().await {
        head.extend_from_slice(&chunk.map_err(Error::internal)?);
    }
    let is_cut = file.size_bytes > head.len() as u64;
    if is_cut && let Some(end) = head.iter().rposition(|byte| *byte == b'\n') {
        head.truncate(end + 1);
    }
    let work = move || lines(&head, file.size_bytes, is_cut);
    tokio::task::spawn_blocking(work).await.map_err(Error::internal)
}

fn lines(head: &[u8], size_bytes: u64, is_cut: bool) -> Preview {
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
    let read = |preview: &mut Preview| -> std::result::Result<u64, Stop> {
        let mut rows = table::open("head.jsonl", Source::from(head))?;
        let mut total = 0;
        while let Some(row) = rows.next_row()? {
            total += 1;
            if preview.rows.len() < ROWS {
                let cells = (0..row.len().min(COLUMNS)).map(|place| row.cell(place).text);
                preview.rows.push(cells.map(|text| (!text.is_empty()).then(|| table::excerpt(text))).collect());
            }
        }
        let names = rows.columns().iter().take(COLUMNS);
        preview.columns = names.map(|name| PreviewColumn { name: name.clone(), kind: String::new() }).collect();
        Ok(total)
    };
    match read(&mut preview) {
        Ok(total) => {
            preview.total_rows = (!is_cut).then_some(total);
            preview.truncated |= total > preview.rows.len() as u64;
        }
        Err(Stop::Malformed(words)) => preview.note = Some(words),
        Err(Stop::Io(error)) => preview.note = Some(error.to_string()),
    }
    let width = preview.columns.len();
    preview.rows.iter_mut().for_each(|row| row.resize(width, None));
    preview
}
