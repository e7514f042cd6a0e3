//! The lines of a log wherever they are now: being written, or kept.

use bytes::Bytes;
use futures_util::{StreamExt, stream};

use super::{
    Body, Finished, follow, is_over,
    kept::{self, KeptReader},
    name_of, store, unreadable,
};
use crate::{
    app::App,
    error::Result,
    spool::{Numbered, Reader},
    workloads::Phase,
};

/// Lines `from` up to but not including `to`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    pub from: u64,
    /// Absent: all that follow.
    pub to: Option<u64>,
}

impl Span {
    pub fn all() -> Self {
        Self::default()
    }
}

/// Gives out lines in their order.
pub enum Lines {
    Written(Reader),
    Kept(KeptReader),
    Nothing,
}

impl Lines {
    /// From number `from` on.
    pub async fn open(app: &App, workload: &str, generation: i64, from: u64) -> Result<Self> {
        if let Some(reader) = app.spools.read(&name_of(workload, generation), from).await {
            return Ok(Self::Written(reader));
        }
        match kept_digest(app, workload, generation).await? {
            Some(digest) => KeptReader::open(app, workload, generation, &digest, from).await.map(Self::Kept),
            None => Ok(Self::Nothing),
        }
    }

    /// The next lines; empty when there are no more now.
    pub async fn batch(&mut self) -> Result<Vec<Numbered>> {
        match self {
            Self::Written(reader) => reader.batch().await.map_err(unreadable),
            Self::Kept(reader) => reader.batch().await.map_err(unreadable),
            Self::Nothing => Ok(vec![]),
        }
    }
}

async fn kept_digest(app: &App, workload: &str, generation: i64) -> Result<Option<String>> {
    let id = workload.to_owned();
    app.db.read(move |conn| kept::digest(conn, &id, generation)).await
}

/// What was written so far, as plain text, one line each.
pub async fn text(app: &App, workload: &str, generation: i64, span: Span) -> Result<Body> {
    wait_for_the_end(app, workload, generation).await?;
    let lines = Lines::open(app, workload, generation, span.from).await?;
    let more = stream::try_unfold(lines, move |mut lines| async move {
        let batch = lines.batch().await.map_err(std::io::Error::other)?;
        let inside = |it: &&Numbered| span.to.is_none_or(|to| it.seq < to);
        let text: String = batch.iter().filter(inside).map(|it| format!("{}\n", it.line.text)).collect();
        let over = batch.is_empty() || (text.is_empty() && span.to.is_some());
        std::io::Result::Ok((!over).then(|| (Bytes::from(text), lines)))
    });
    Ok(more.boxed())
}

/// The last so many lines, as plain text.
pub async fn last_text(app: &App, workload: &str, generation: i64, lines: u64) -> Result<Body> {
    wait_for_the_end(app, workload, generation).await?;
    let (total, _) = extent(app, workload, generation).await?;
    text(app, workload, generation, Span { from: total.saturating_sub(lines), to: None }).await
}

/// Whoever asks for the log of a container that has just ended wants its last words, too.
async fn wait_for_the_end(app: &App, workload: &str, generation: i64) -> Result<()> {
    let id = workload.to_owned();
    let observed = app.db.read(move |conn| store::observed(conn, &id)).await?;
    let ended = observed.filter(|it| it.generation == generation && it.phase == Phase::Exited);
    let Some(container) = ended.and_then(|it| it.container_id) else { return Ok(()) };
    if kept_digest(app, workload, generation).await?.is_none() {
        // what is there is shown all the same
        let _ = follow::wait_until_complete(app, workload, generation, &container).await;
    }
    Ok(())
}

/// How many lines there are, and whether none will be added.
pub async fn extent(app: &App, workload: &str, generation: i64) -> Result<(u64, bool)> {
    let digest = kept_digest(app, workload, generation).await?;
    let name = name_of(workload, generation);
    let complete = digest.is_some();
    if app.spools.source(&name).await.is_some() {
        return Ok((app.spools.lines(&name).await?, complete));
    }
    match digest {
        Some(digest) => Ok((kept::count(app, workload, generation, &digest).await?, true)),
        None => Ok((0, false)),
    }
}

/// Whether nothing more will be written.
pub async fn has_ended(app: &App, workload: &str, generation: i64, finished: Option<Finished>) -> Result<bool> {
    let id = workload.to_owned();
    app.db
        .read(move |conn| {
            if let Some(finished) = finished {
                return finished(conn);
            }
            let workload = store::find(conn, &id)?.filter(|workload| workload.generation == generation);
            let observed = store::observed(conn, &id)?.filter(|observed| observed.generation == generation);
            Ok(match workload.zip(observed) {
                Some((workload, observed)) => is_over(workload.kind, workload.desired, observed.phase),
                None => true,
            })
        })
        .await
}
