//! What containers wrote, and whatever else keeps a log: written down by the server while it comes (`spool`), and when all is there
//! kept in the store.
//!
//! Always holds: a line has one number, in the spool and in the kept copy, so that a reader may change from one to the other. A copy is
//! whole or not there. A log larger than `limits.log_bytes` loses its middle, and says so in that place.

mod asked;
mod follow;
mod kept;
mod lines;
mod mask;
mod search;
mod sequence;
mod tail;
mod writing;

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use drydock_wire::logs::LogPage;
use futures_util::stream::BoxStream;

use super::{Desired, Kind, Phase, store};
use crate::{
    app::App,
    db::Conn,
    error::{Error, Result},
};
pub use asked::{AskedPage, AskedSearch, AskedSpan};
pub use follow::FOLLOWER;
pub use kept::{digest as kept, link as link_kept};
pub use lines::{Lines, Span, last_text, text};
pub use mask::ask_what_to_mask;
pub use search::{Query, search};
pub use writing::Writer;

/// Bucket of the kept copies.
pub const BUCKET: &str = "logs";

/// Bytes for an answer's body.
pub type Body = BoxStream<'static, std::io::Result<Bytes>>;

/// Says whether nothing more will come, where the owner knows better than the workload's rows.
pub type Finished = Arc<dyn Fn(&mut Conn) -> Result<bool> + Send + Sync>;

/// Most lines of one page.
const MOST_LINES: usize = 5_000;

/// Starts following containers.
pub(super) fn start(app: &App) {
    app.background.spawn(follow::LogFollower::new(app.clone()));
}

/// Server-sent events: lines from the first (or the one after `after`) on, as they are written; `end` when the workload is
/// not to run any more and everything was sent.
pub fn stream(app: &App, workload_id: &str, generation: i64, after: Option<u64>) -> Body {
    tail::start(app, workload_id, generation, after, None)
}

/// As `stream`; `end` comes once `finished` says so.
pub fn stream_until(app: &App, workload_id: &str, generation: i64, after: Option<u64>, finished: Finished) -> Body {
    tail::start(app, workload_id, generation, after, Some(finished))
}

/// Lines from number `from` on, at most `limit`.
pub async fn page(app: &App, workload_id: &str, generation: i64, from: u64, limit: usize) -> Result<LogPage> {
    let limit = limit.clamp(1, MOST_LINES);
    let mut found = vec![];
    let mut lines = Lines::open(app, workload_id, generation, from).await?;
    while found.len() <= limit {
        let batch = lines.batch().await?;
        if batch.is_empty() {
            break;
        }
        found.extend(batch);
    }
    let more = found.len() > limit;
    found.truncate(limit);
    let next = more.then(|| found.last().map(|last| last.seq + 1)).flatten();
    let (total, complete) = lines::extent(app, workload_id, generation).await?;
    Ok(LogPage { lines: found.into_iter().map(|it| it.line.into_wire(it.seq)).collect(), next, total, complete })
}

/// The answer that carries such a stream.
pub fn event_stream(body: Body) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header(("cache-control", "no-store"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(body)
}

/// The answer that carries a text.
pub fn plain_text(body: Body) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .insert_header(("cache-control", "no-store"))
        .insert_header(("x-content-type-options", "nosniff"))
        .streaming(body)
}

/// The `seq` that a client which reconnects has seen last.
pub fn last_event_id(request: &HttpRequest) -> Option<u64> {
    request.headers().get("last-event-id")?.to_str().ok()?.trim().parse().ok()
}

/// Waits until the log of a container that ended is whole, stores it and gives the digest; `None` when there is nothing. Without a
/// container it vanished: then it is what was written down before. Link it with `link_kept`, in the transaction that makes the end
/// known.
///
/// # Errors
/// `unavailable` while it cannot be read to its end; try again.
pub async fn keep(app: &App, workload_id: &str, generation: i64, container: Option<&str>) -> Result<Option<String>> {
    if let Some(container) = container {
        follow::wait_until_complete(app, workload_id, generation, container).await?;
    }
    let Some(reader) = app.spools.read(&name_of(workload_id, generation), 0).await else { return Ok(None) };
    kept::put(app, workload_id, generation, reader).await.map(Some)
}

/// As the first half of `keep`: for a container that goes while the log goes on with the next one.
pub(super) async fn complete(app: &App, workload_id: &str, generation: i64, container: &str) -> Result<()> {
    follow::wait_until_complete(app, workload_id, generation, container).await
}

/// Ends a workload that writes without end.
async fn stop_flood(app: &App, workload_id: &str, words: String) -> Result<()> {
    let id = workload_id.to_owned();
    app.db.write(move |conn| store::stop_because(conn, &id, "log", &words)).await?;
    super::wake(app);
    Ok(())
}

/// Name of a log in the spool.
fn name_of(workload_id: &str, generation: i64) -> String {
    format!("{workload_id}-{generation}")
}

fn parts_of(name: &str) -> Option<(&str, i64)> {
    let (workload, generation) = name.rsplit_once('-')?;
    Some((workload, generation.parse().ok()?))
}

/// Whether the rows of a workload say that nothing more will be written.
fn is_over(kind: Kind, desired: Desired, phase: Phase) -> bool {
    let ended = matches!(phase, Phase::Exited | Phase::Vanished | Phase::Refused | Phase::Gone);
    match kind {
        Kind::Job => ended,
        Kind::Revision => desired != Desired::Running && (ended || phase == Phase::Pending),
    }
}

fn unreadable(error: std::io::Error) -> Error {
    Error::internal(error)
}
