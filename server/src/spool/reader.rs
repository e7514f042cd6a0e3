//! A reader of one log: goes on where it is when more is written.

use std::{io, path::PathBuf};

use tokio::{fs::File, io::AsyncReadExt};

use super::{Kind, Line, Numbered, Splitter, segment, segments};

const READ_BYTES: usize = 64 * 1024;

/// Reads lines in their order, from a number on. Where lines are gone, it says how many in their place.
pub struct Reader {
    folder: PathBuf,
    /// Number of the first line that is still to be given out.
    from: u64,
    last_at_ns: i64,
    at: Option<Open>,
    block: Vec<u8>,
}

struct Open {
    first: u64,
    file: File,
    lines: Splitter,
}

impl Reader {
    pub(super) fn new(folder: PathBuf, from: u64) -> Self {
        Self { folder, from, last_at_ns: 0, at: None, block: vec![0; READ_BYTES] }
    }

    /// The next lines, some hundred at most; empty when there are no more now.
    pub async fn batch(&mut self) -> io::Result<Vec<Numbered>> {
        let mut found = vec![];
        loop {
            let Some(open) = &mut self.at else {
                match self.first_segment().await? {
                    Some(first) => self.enter(first, None, &mut found).await?,
                    None => return Ok(found),
                }
                continue;
            };
            let mut read = open.file.read(&mut self.block).await?;
            if read == 0 {
                let next = following(self.folder.clone(), open.first).await?;
                // once more: it may have grown just before the next one began
                read = open.file.read(&mut self.block).await?;
                if read == 0 {
                    let ended_at = open.lines.seq;
                    match next {
                        Some(next) => self.enter(next, Some(ended_at), &mut found).await?,
                        None => return Ok(found),
                    }
                    continue;
                }
            }
            open.lines.feed(&self.block[..read], self.from, &mut found);
            if let Some(last) = found.last() {
                (self.from, self.last_at_ns) = (last.seq + 1, last.line.at_ns);
                return Ok(found);
            }
        }
    }

    /// Number of the line that the next batch begins with.
    pub fn next(&self) -> u64 {
        self.from
    }

    async fn first_segment(&self) -> io::Result<Option<u64>> {
        let all = listed(self.folder.clone()).await?;
        let before = all.iter().rev().find(|first| **first <= self.from);
        Ok(before.or(all.first()).copied())
    }

    /// Opens a segment; says what is missing between it and the end of the one before.
    async fn enter(&mut self, first: u64, ended_at: Option<u64>, found: &mut Vec<Numbered>) -> io::Result<()> {
        let file = match File::open(segment(&self.folder, first)).await {
            Ok(file) => file,
            // It went meanwhile: the one after it is looked for.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                match following(self.folder.clone(), first).await? {
                    Some(next) => return Box::pin(self.enter(next, ended_at, found)).await,
                    None => return Ok(()),
                }
            }
            Err(error) => return Err(error),
        };
        let expected = ended_at.unwrap_or(self.from.min(first));
        if first > expected && first > self.from {
            found.push(Numbered { seq: first - 1, line: missing(first - expected, self.last_at_ns) });
            self.from = first;
        }
        self.at = Some(Open { first, file, lines: Splitter::at(first) });
        Ok(())
    }
}

fn missing(lines: u64, at_ns: i64) -> Line {
    let text = format!(
        "[{lines} lines are left out here: the log became too large. Its beginning and its newest lines are kept.]"
    );
    Line { at_ns, kind: Kind::Note { lines }, text }
}

async fn listed(folder: PathBuf) -> io::Result<Vec<u64>> {
    let list = move || match segments(&folder) {
        Ok(found) => Ok(found.into_iter().map(|(first, _)| first).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(vec![]),
        Err(error) => Err(error),
    };
    tokio::task::spawn_blocking(list).await.map_err(io::Error::other)?
}

async fn following(folder: PathBuf, first: u64) -> io::Result<Option<u64>> {
    Ok(listed(folder).await?.into_iter().find(|other| *other > first))
}
