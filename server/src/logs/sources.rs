//! The logs that there are, and their lines from a number on, wherever they lie: in the spool, in a build's file, in the store.

use std::collections::BTreeSet;

use super::own;
use crate::{
    app::App,
    builds,
    error::{Error, Result},
    spool::{Numbered, Reader, Splitter},
    workloads::logs::Lines,
};

/// What a log is called: `{workload}-{generation}`, of builds `build-{id}-1`.
pub fn parts_of(source: &str) -> Option<(&str, i64)> {
    let (workload, generation) = source.rsplit_once('-')?;
    Some((workload, generation.parse().ok()?))
}

/// Names of the logs that are being written, or were not long ago.
pub async fn written(app: &App) -> Result<BTreeSet<String>> {
    let mut names: BTreeSet<String> = app.spools.names().await?.into_iter().map(|(name, _)| name).collect();
    names.retain(|name| name == own::LOG || parts_of(name).is_some());
    names.extend(builds::being_written(app).await.into_iter().map(|build| format!("build-{build}-1")));
    Ok(names)
}

/// Gives out lines in their order.
pub enum Reading {
    Lines(Box<Lines>),
    Own(Reader),
    Build { build: String, at: u64, lines: Splitter, from: u64 },
    Nothing,
}

impl Reading {
    /// From number `from` on. A log that is whole is read where it is kept.
    pub async fn open(app: &App, source: &str, from: u64, is_kept: bool) -> Result<Self> {
        if source == own::LOG {
            return Ok(app.spools.read(source, from).await.map_or(Self::Nothing, Self::Own));
        }
        let Some((workload, generation)) = parts_of(source) else { return Ok(Self::Nothing) };
        match workload.strip_prefix("build-").filter(|_| !is_kept) {
            Some(build) => Ok(Self::Build { build: build.to_owned(), at: 0, lines: Splitter::at(0), from }),
            None => Lines::open(app, workload, generation, from).await.map(|lines| Self::Lines(Box::new(lines))),
        }
    }

    /// The next lines; empty when there are no more now.
    pub async fn batch(&mut self, app: &App) -> Result<Vec<Numbered>> {
        match self {
            Self::Lines(lines) => lines.batch().await,
            Self::Own(reader) => reader.batch().await.map_err(Error::internal),
            Self::Build { build, at, lines, from } => {
                let mut found = vec![];
                loop {
                    let bytes = builds::written_log(app, build, *at).await;
                    if bytes.is_empty() {
                        return Ok(found);
                    }
                    *at += bytes.len() as u64;
                    lines.feed(&bytes, *from, &mut found);
                    if !found.is_empty() {
                        return Ok(found);
                    }
                }
            }
            Self::Nothing => Ok(vec![]),
        }
    }
}
