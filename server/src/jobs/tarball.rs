//! Tar archives on their way: a stream of bytes as something to read from on a thread of its own, and files as a stream of an archive.

use std::io::{self, Read};

use bytes::{Buf, Bytes};
use futures_util::{Stream, StreamExt};
use tokio::sync::mpsc;

use crate::error::{Error, Result};

/// Pieces that may wait to be read.
const PIECES: usize = 8;
const BLOCK_BYTES: u64 = 512;

/// The bytes of a stream, for a thread that may block. Reading ends with the stream's error.
pub struct Pieces {
    from: mpsc::Receiver<io::Result<Bytes>>,
    rest: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.from.blocking_recv() {
                Some(piece) => self.rest = piece?,
                None => return Ok(0),
            }
        }
        let count = into.len().min(self.rest.len());
        self.rest.copy_to_slice(&mut into[..count]);
        Ok(count)
    }
}

/// Runs `work` on a thread of its own over the stream's bytes.
pub async fn read_on_thread<S, E, T>(body: S, work: impl FnOnce(Pieces) -> T + Send + 'static) -> Result<T>
where
    S: Stream<Item = std::result::Result<Bytes, E>> + Send + Unpin,
    E: std::error::Error + Send + Sync + 'static,
    T: Send + 'static,
{
    let (to, from) = mpsc::channel(PIECES);
    let mut body = body.map(|piece| piece.map_err(io::Error::other));
    let pump = async {
        while let Some(piece) = body.next().await {
            if to.send(piece).await.is_err() {
                break;
            }
        }
        drop(to);
    };
    let reading = tokio::task::spawn_blocking(move || work(Pieces { from, rest: Bytes::new() }));
    let (_, done) = tokio::join!(pump, reading);
    done.map_err(Error::internal)
}

/// What stands before a file's content in an archive.
///
/// # Errors
/// When the name cannot stand in an archive.
pub fn header(path: &str, size_bytes: u64) -> Result<Bytes> {
    let mut header = tar::Header::new_gnu();
    header.set_size(size_bytes);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_entry_type(tar::EntryType::Regular);
    let mut archive = tar::Builder::new(vec![]);
    archive.append_data(&mut header, path, io::empty()).map_err(Error::internal)?;
    Ok(Bytes::from(archive.get_ref().clone()))
}

/// What stands after a file's content.
pub fn padding(size_bytes: u64) -> Bytes {
    let over = size_bytes % BLOCK_BYTES;
    Bytes::from(vec![0; usize::try_from((BLOCK_BYTES - over) % BLOCK_BYTES).unwrap_or(0)])
}

/// What stands at the end of an archive.
pub fn trailer() -> Bytes {
    Bytes::from_static(&[0; 1024])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn files_pass_through_an_archive_whatever_the_length_of_their_names() {
        let long = format!("{}/b.txt", "a".repeat(180));
        let mut pieces = vec![];
        for (path, text) in [(long.as_str(), "hello"), ("empty", "")] {
            pieces.extend([header(path, text.len() as u64).unwrap(), Bytes::from(text), padding(text.len() as u64)]);
        }
        pieces.push(trailer());
        let body = futures_util::stream::iter(pieces.into_iter().map(Ok::<_, io::Error>));
        let read = |reader: Pieces| {
            let mut archive = tar::Archive::new(reader);
            let entries = archive.entries().unwrap().map(|entry| {
                let mut entry = entry.unwrap();
                let mut text = String::new();
                entry.read_to_string(&mut text).unwrap();
                (entry.path().unwrap().display().to_string(), text)
            });
            entries.collect::<Vec<_>>()
        };
        let found = read_on_thread(body, read).await.unwrap();
        assert_eq!(found, [(long, "hello".to_owned()), ("empty".to_owned(), String::new())]);
    }

    #[tokio::test]
    async fn a_broken_stream_ends_the_reading_with_its_error() {
        let broken = [Ok(Bytes::from("ab")), Err(io::Error::other("gone"))];
        let read = |mut reader: Pieces| reader.read_to_end(&mut vec![]).unwrap_err().to_string();
        assert_eq!(read_on_thread(futures_util::stream::iter(broken), read).await.unwrap(), "gone");
    }
}
