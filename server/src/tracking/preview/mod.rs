//! The head of an artifact as the dashboard shows it: text, JSON in lines, tables of CSV, Parquet and `log_table`.
//!
//! Always holds: at most `HEAD_BYTES` of a text and a bounded part of a Parquet file are read, whatever the file's size; what comes
//! back is data, never markup. A file that is not what its name says is shown as what it is, with a note.

mod json;
mod parquet;
mod table;

use std::sync::Arc;

use bytes::Bytes;
use drydock_wire::tracking::{Preview, PreviewKind};
use futures_util::{FutureExt, Stream, StreamExt, future::BoxFuture};

use crate::{
    error::Result,
    objects::{Objects, stream_error},
};

/// Of texts.
const HEAD_BYTES: u64 = 512 << 10;
/// JSON makes sense only as a whole.
const JSON_BYTES: u64 = 4 << 20;
const MAX_ROWS: usize = 500;
const MAX_COLUMNS: usize = 100;
const MAX_CELL_CHARS: usize = 300;

/// What a file's name says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Named {
    Image,
    Json,
    Table(u8),
    Parquet,
    Other,
}

fn named(path: &str) -> Named {
    let name = path.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "png" | "jpg" | "jpeg" | "gif" | "webp" | "svg" | "bmp" | "avif" => Named::Image,
        "json" => Named::Json,
        "csv" => Named::Table(b','),
        "tsv" => Named::Table(b'\t'),
        "parquet" | "pq" => Named::Parquet,
        _ => Named::Other,
    }
}

/// Bytes that are read in ranges, wherever they lie.
pub trait Ranges: Send + Sync + 'static {
    /// From the one place up to but not including the other.
    fn range(&self, from: u64, to: u64) -> BoxFuture<'_, Result<Bytes>>;
}

/// The bytes of a kept content.
pub struct Kept {
    pub objects: Objects,
    pub digest: String,
}

impl Ranges for Kept {
    fn range(&self, from: u64, to: u64) -> BoxFuture<'_, Result<Bytes>> {
        let read = async move {
            let (_, body) = self.objects.stream(&self.digest, Some((from, to))).await?;
            gathered(&self.digest, body).await
        };
        read.boxed()
    }
}

/// All of a stream that is known to be short.
pub async fn gathered(digest: &str, mut body: impl Stream<Item = std::io::Result<Bytes>> + Unpin) -> Result<Bytes> {
    let mut all = vec![];
    while let Some(chunk) = body.next().await {
        all.extend_from_slice(&chunk.map_err(|cause| stream_error(digest, cause))?);
    }
    Ok(all.into())
}

/// The preview of a file of that name and size.
pub async fn of(file: Arc<dyn Ranges>, name: &str, size_bytes: u64) -> Result<Preview> {
    let named = named(name);
    match named {
        Named::Image => return Ok(empty(PreviewKind::Image, size_bytes)),
        Named::Parquet => return parquet::of(file, size_bytes).await,
        _ => {}
    }
    let most = if named == Named::Json { JSON_BYTES } else { HEAD_BYTES };
    let head = file.range(0, size_bytes.min(most)).await?;
    let truncated = size_bytes > head.len() as u64;
    let Some(text) = text_of(&head, truncated) else { return Ok(empty(PreviewKind::Binary, size_bytes)) };
    Ok(match named {
        Named::Json => json::of(text, size_bytes, truncated),
        Named::Table(separator) => table::of(text, separator, size_bytes, truncated),
        _ => plain(text, size_bytes, truncated),
    })
}

fn empty(kind: PreviewKind, size_bytes: u64) -> Preview {
    Preview {
        kind,
        size_bytes,
        truncated: false,
        text: None,
        columns: Vec::new(),
        rows: Vec::new(),
        total_rows: None,
        note: None,
    }
}

fn plain(text: &str, size_bytes: u64, truncated: bool) -> Preview {
    let head = match text.char_indices().nth(HEAD_BYTES as usize) {
        Some((end, _)) => &text[..end],
        None => text,
    };
    Preview {
        truncated: truncated || head.len() < text.len(),
        text: Some(head.to_owned()),
        ..empty(PreviewKind::Text, size_bytes)
    }
}

/// The bytes as text; a character cut off at the end is left out. `None` for what is no text.
fn text_of(bytes: &[u8], truncated: bool) -> Option<&str> {
    if bytes.contains(&0) {
        return None;
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) if truncated && error.error_len().is_none() => {
            std::str::from_utf8(&bytes[..error.valid_up_to()]).ok()
        }
        Err(_) => None,
    }
}

/// A cell as it is shown.
fn cell(text: &str) -> String {
    match text.char_indices().nth(MAX_CELL_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_say_what_a_file_is() {
        assert_eq!(named("a/b/PLOT.PNG"), Named::Image);
        assert_eq!(named("a.json/table.tsv"), Named::Table(b'\t'));
        assert_eq!(named("model/MLmodel"), Named::Other);
    }

    #[test]
    fn bytes_that_are_no_text_are_told_apart() {
        assert_eq!(text_of(b"a\0b", false), None);
        assert_eq!(text_of(&[0xff, 0xfe, 0x41], false), None);
        let cut = &"né".as_bytes()[..2];
        assert_eq!(text_of(cut, true), Some("n"));
        assert_eq!(text_of(cut, false), None);
    }

    #[test]
    fn long_cells_are_cut() {
        assert_eq!(cell(&"x".repeat(5000)).chars().count(), MAX_CELL_CHARS + 1);
        assert_eq!(cell("é"), "é");
    }
}
