//! The writer of one log.

use std::{
    collections::VecDeque,
    io,
    path::{Path, PathBuf},
};

use tokio::{fs::File, io::AsyncWriteExt, sync::watch};

use super::{Kind, Line, Progress, Registered, SOURCE, Source, line, segment, segments};

/// How large a log may become.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Beyond this, the middle goes.
    pub whole_bytes: u64,
    /// Of that, the newest lines.
    pub tail_bytes: u64,
    pub segment_bytes: u64,
}

impl Bounds {
    /// The usual shape of a log of so many bytes: its newest 64 MiB stay (a half, if it is smaller), in segments of 8 MiB.
    pub fn of(whole_bytes: u64) -> Self {
        let tail_bytes = (64 << 20).min(whole_bytes / 2);
        Self { whole_bytes, tail_bytes, segment_bytes: (8 << 20).min(tail_bytes / 4).max(1) }
    }

    fn head_bytes(&self) -> u64 {
        self.whole_bytes.saturating_sub(self.tail_bytes)
    }
}

/// By what the last line that came from a container is known again, and how many lines before it look the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Last {
    pub at_ns: i64,
    pub is_error: bool,
    pub same: u64,
}

struct Segment {
    first: u64,
    bytes: u64,
}

/// Takes lines. They can be read once `flush` returned.
pub struct Spool {
    folder: PathBuf,
    bounds: Bounds,
    source: Source,
    /// The last one is being written.
    segments: VecDeque<Segment>,
    file: Option<File>,
    buffer: Vec<u8>,
    /// Lines in the buffer.
    waiting: u64,
    /// Lines in the files.
    lines: u64,
    /// All that was ever written to it, as far as this process knows.
    taken_bytes: u64,
    last: Option<Last>,
    progress: watch::Sender<Progress>,
    _registered: Registered,
}

impl Spool {
    pub(super) async fn open(
        folder: PathBuf,
        bounds: Bounds,
        progress: watch::Sender<Progress>,
        registered: Registered,
    ) -> io::Result<Self> {
        let at = folder.clone();
        let recovered = tokio::task::spawn_blocking(move || recover(&at)).await.map_err(io::Error::other)??;
        let (segments, lines, last, source) = recovered;
        progress.send_replace(Progress { lines, complete: source.complete });
        let taken_bytes = segments.iter().map(|segment| segment.bytes).sum();
        Ok(Self {
            folder,
            bounds,
            source,
            segments,
            file: None,
            buffer: Vec::new(),
            waiting: 0,
            lines,
            taken_bytes,
            last,
            progress,
            _registered: registered,
        })
    }

    /// Where its newest lines come from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The last line of the present source.
    pub fn last(&self) -> Option<Last> {
        self.last.filter(|_| self.lines + self.waiting > self.source.first)
    }

    /// The lines that follow come from this container. Nothing changes when they did before.
    pub async fn begin(&mut self, container: &str) -> io::Result<()> {
        if self.source.container == container && !self.source.complete && self.folder.join(SOURCE).exists() {
            return Ok(());
        }
        if self.source.container != container {
            self.source = Source { container: container.to_owned(), first: self.lines + self.waiting, complete: false };
            self.last = None;
        }
        self.source.complete = false;
        self.save_source().await
    }

    /// Everything of the present source is written.
    pub async fn complete(&mut self) -> io::Result<()> {
        self.flush().await?;
        self.source.complete = true;
        self.save_source().await?;
        self.tell();
        Ok(())
    }

    pub fn push(&mut self, line: &Line) {
        line.encode(&mut self.buffer);
        self.waiting += 1;
        let is_error = match line.kind {
            Kind::Note { .. } => return,
            Kind::Out => false,
            Kind::Error => true,
        };
        self.last = Some(match self.last {
            Some(last) if last.at_ns == line.at_ns && last.is_error == is_error => Last { same: last.same + 1, ..last },
            _ => Last { at_ns: line.at_ns, is_error, same: 0 },
        });
    }

    /// Bytes that wait for `flush`.
    pub fn waiting_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// All that was written to it, also what went since.
    pub fn taken_bytes(&self) -> u64 {
        self.taken_bytes
    }

    /// Makes what was pushed readable. After an error all of it still waits: call it again.
    pub async fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        if self.segments.back().is_none_or(|last| last.bytes >= self.bounds.segment_bytes) {
            self.segments.push_back(Segment { first: self.lines, bytes: 0 });
            self.file = None;
            self.cut();
        }
        let Some(last) = self.segments.back_mut() else { return Ok(()) };
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let path = segment(&self.folder, last.first);
                self.file.insert(tokio::fs::OpenOptions::new().create(true).append(true).open(path).await?)
            }
        };
        let written = async {
            file.write_all(&self.buffer).await?;
            file.flush().await
        };
        if let Err(error) = written.await {
            // a part of it may be there: away with that, or it would be there twice
            file.set_len(last.bytes).await?;
            return Err(error);
        }
        let bytes = self.buffer.len() as u64;
        (last.bytes, self.taken_bytes) = (last.bytes + bytes, self.taken_bytes + bytes);
        self.lines += std::mem::take(&mut self.waiting);
        self.buffer.clear();
        self.tell();
        Ok(())
    }

    /// Lets the oldest segments behind the beginning go until the log is small enough.
    fn cut(&mut self) {
        let mut total: u64 = self.segments.iter().map(|segment| segment.bytes).sum();
        while total > self.bounds.whole_bytes {
            let mut before = 0;
            let head = self.bounds.head_bytes();
            let oldest = self.segments.iter().position(|segment| {
                let begins_at = before;
                before += segment.bytes;
                begins_at >= head
            });
            let Some(gone) = oldest.filter(|at| at + 1 < self.segments.len()).and_then(|at| self.segments.remove(at))
            else {
                return;
            };
            total -= gone.bytes;
            if let Err(error) = std::fs::remove_file(segment(&self.folder, gone.first)) {
                tracing::warn!("a part of the log {} stays: {error}", self.folder.display());
            }
        }
    }

    fn tell(&self) {
        self.progress.send_replace(Progress { lines: self.lines, complete: self.source.complete });
    }

    async fn save_source(&self) -> io::Result<()> {
        tokio::fs::create_dir_all(&self.folder).await?;
        let text = serde_json::to_vec(&self.source)?;
        let fresh = self.folder.join("source.new");
        tokio::fs::write(&fresh, text).await?;
        tokio::fs::rename(fresh, self.folder.join(SOURCE)).await
    }
}

type Recovered = (VecDeque<Segment>, u64, Option<Last>, Source);

/// What a writer left: whole lines only; half a line at the end is cut off.
fn recover(folder: &Path) -> io::Result<Recovered> {
    std::fs::create_dir_all(folder)?;
    let source = match std::fs::read(folder.join(SOURCE)) {
        Ok(text) => serde_json::from_slice(&text).unwrap_or_default(),
        Err(_) => Source::default(),
    };
    let mut found: VecDeque<Segment> =
        segments(folder)?.into_iter().map(|(first, bytes)| Segment { first, bytes }).collect();
    let Some(newest) = found.back_mut() else { return Ok((found, 0, None, source)) };
    let path = segment(folder, newest.first);
    let bytes = std::fs::read(&path)?;
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    if whole < bytes.len() {
        std::fs::OpenOptions::new().write(true).open(&path)?.set_len(whole as u64)?;
    }
    newest.bytes = whole as u64;
    let lines = newest.first + count_lines(&bytes[..whole]);
    let mut last = last_of(&bytes[..whole]);
    if last.is_none() && found.len() > 1 {
        last = last_of(&std::fs::read(segment(folder, found[found.len() - 2].first))?);
    }
    Ok((found, lines, last, source))
}

fn count_lines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

fn last_of(bytes: &[u8]) -> Option<Last> {
    let lines = bytes.split(|byte| *byte == b'\n').rev().filter_map(line::parts);
    let mut known = lines.filter_map(|(at_ns, kind, _)| match kind {
        Kind::Out => Some((at_ns, false)),
        Kind::Error => Some((at_ns, true)),
        Kind::Note { .. } => None,
    });
    let (at_ns, is_error) = known.next()?;
    let same = known.take_while(|other| *other == (at_ns, is_error)).count() as u64;
    Some(Last { at_ns, is_error, same })
}

/// Lines of a log that nobody writes.
pub(super) async fn count(folder: &Path) -> io::Result<u64> {
    let folder = folder.to_owned();
    let count = move || {
        let Some((first, _)) = segments(&folder)?.pop() else { return Ok(0) };
        Ok(first + count_lines(&std::fs::read(segment(&folder, first))?))
    };
    tokio::task::spawn_blocking(count).await.map_err(io::Error::other)?
}
