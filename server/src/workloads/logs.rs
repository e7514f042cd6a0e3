//! What containers wrote: live from Docker while the container exists, afterwards from the kept copy.
//!
//! Always holds: line n of a container is line n of its kept copy, so a reader may change from one to the other. A copy
//! is whole or not there. Key of a copy: bucket `logs`, `{workload}/{generation}`.

mod lines;
mod tail;

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use drydock_appliance::containers::EngineError;
use futures_util::{StreamExt, stream, stream::BoxStream};

use super::{Desired, Kind, Phase, store};
use crate::{
    app::App,
    db::Conn,
    error::{Error, Result},
    objects,
};
use lines::Line;

/// Bucket of the kept copies.
pub const BUCKET: &str = "logs";

/// Bytes for an answer's body.
pub type Body = BoxStream<'static, std::io::Result<Bytes>>;

/// Says whether nothing more will come, where the owner knows better than the workload's rows.
pub type Finished = Arc<dyn Fn(&mut Conn) -> Result<bool> + Send + Sync>;

/// Lines that are sent or kept together when they wait anyway.
const LINES_AT_ONCE: usize = 256;

/// What was written so far, as plain text, one line each.
pub async fn text(app: &App, workload_id: &str, generation: i64) -> Result<Body> {
    let now = Situation::read(app, workload_id, generation, None).await?;
    let lines = match (now.container, now.kept) {
        (Some(container), kept) if kept.is_none() || !now.over => written_so_far(app, &container).await?,
        (_, Some(digest)) => lines::kept(app, &digest).await?,
        _ => stream::empty().boxed(),
    };
    Ok(chunked(lines, |line| format!("{}\n", line.text)))
}

/// Docker's absence is found by the first line, before an answer has begun.
async fn written_so_far(app: &App, container: &str) -> Result<lines::Lines> {
    let mut lines = lines::live(app, container, false);
    match lines.next().await {
        Some(Err(cause)) => Err(Error::unavailable("The log cannot be read from Docker now.").with_source(cause)),
        first => Ok(stream::iter(first).chain(lines).boxed()),
    }
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

/// Stores all that the container wrote and gives the digest; `None` when there is no such container. Link it with
/// `link_kept`, in the transaction that makes the end known.
pub async fn keep(app: &App, container: &str) -> Result<Option<String>> {
    let mut chunks = Box::pin(app.engine.logs(container, false));
    let first = match chunks.next().await {
        Some(Err(EngineError::NotFound(_))) => return Ok(None),
        Some(Err(error)) => {
            return Err(Error::unavailable("The log cannot be read from Docker now.").with_source(error));
        }
        first => first,
    };
    let all = stream::iter(first).chain(chunks).ready_chunks(LINES_AT_ONCE);
    let encoded = all.map(|chunks| {
        let joined: std::result::Result<String, EngineError> =
            chunks.into_iter().map(|chunk| chunk.map(|chunk| Line::of(chunk).encode())).collect();
        joined.map(Bytes::from)
    });
    Ok(Some(app.objects.put_reserved(Box::pin(encoded)).await?.digest))
}

/// Makes a stored log the kept copy of that generation.
pub fn link_kept(conn: &mut Conn, workload_id: &str, generation: i64, digest: &str) -> Result<()> {
    objects::store::link(conn, BUCKET, &key(workload_id, generation), digest, crate::clock::now_ms())
}

/// The digest of the kept copy.
pub fn kept(conn: &mut Conn, workload_id: &str, generation: i64) -> Result<Option<String>> {
    Ok(objects::store::get(conn, BUCKET, &key(workload_id, generation))?.map(|object| object.digest))
}

fn key(workload_id: &str, generation: i64) -> String {
    format!("{workload_id}/{generation}")
}

fn chunked(lines: lines::Lines, write: impl Fn(&Line) -> String + Send + 'static) -> Body {
    let joined = lines.ready_chunks(LINES_AT_ONCE).map(move |lines| {
        let text: std::io::Result<String> = lines.into_iter().map(|line| line.map(|line| write(&line))).collect();
        text.map(Bytes::from)
    });
    joined.boxed()
}

/// Where the lines of a generation are now.
struct Situation {
    container: Option<String>,
    kept: Option<String>,
    /// Nothing more will be written.
    over: bool,
}

impl Situation {
    async fn read(app: &App, workload_id: &str, generation: i64, finished: Option<Finished>) -> Result<Self> {
        let id = workload_id.to_owned();
        app.db
            .read(move |conn| {
                let kept = kept(conn, &id, generation)?;
                let workload = store::find(conn, &id)?.filter(|workload| workload.generation == generation);
                let observed = store::observed(conn, &id)?.filter(|observed| observed.generation == generation);
                let rows = workload.zip(observed);
                let over = match (finished, &rows) {
                    (Some(finished), _) => finished(conn)?,
                    (None, None) => true,
                    (None, Some((workload, observed))) => is_over(workload.kind, workload.desired, observed.phase),
                };
                Ok(Self { container: rows.and_then(|(_, observed)| observed.container_id), kept, over })
            })
            .await
    }
}

fn is_over(kind: Kind, desired: Desired, phase: Phase) -> bool {
    let ended = matches!(phase, Phase::Exited | Phase::Vanished | Phase::Refused | Phase::Gone);
    match kind {
        Kind::Job => ended,
        Kind::Revision => desired != Desired::Running && (ended || phase == Phase::Pending),
    }
}
