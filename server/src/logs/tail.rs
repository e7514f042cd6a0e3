//! Lines that match, as they are taken in: server-sent events.

use std::time::Duration;

use bytes::Bytes;
use drydock_wire::logs::LogEntry;
use futures_util::StreamExt;
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;

use super::{Logs, index::Question, sight};
use crate::{
    accounts::{Principal, projects},
    app::App,
    db::Db,
    workloads::logs::Body,
};

/// Something is sent at least this often, so that a proxy keeps the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Lines of one event's batch.
const BATCH: usize = 500;

/// Nobody reads any more, or it cannot be read.
struct Over;

struct Tail {
    db: Db,
    logs: Logs,
    who: Principal,
    question: Question,
    /// Number of the first line that was not looked at.
    next: u64,
    out: mpsc::Sender<std::io::Result<Bytes>>,
}

/// `line` events with the line's id, from the one after `after` on, or from now on; of what is there for `who` when it is sent.
pub fn start(app: &App, logs: &Logs, who: &Principal, question: Question, after: Option<u64>) -> Body {
    let (out, body) = mpsc::channel(4);
    let now = *logs.index.committed().borrow();
    let next = after.map_or(now, |after| after.saturating_add(1));
    let tail = Tail { db: app.db.clone(), logs: logs.clone(), who: who.clone(), question, next, out };
    let stop = app.background.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = stop.stopped() => {}
            _ = tail.run() => {}
        }
    });
    ReceiverStream::new(body).boxed()
}

impl Tail {
    async fn run(mut self) -> Result<(), Over> {
        self.send(": log\n\n".into()).await?;
        let mut committed = self.logs.index.committed();
        loop {
            let end = *committed.borrow_and_update();
            while self.next < end {
                self.batch(end).await?;
            }
            tokio::select! {
                () = self.out.closed() => return Err(Over),
                changed = timeout(KEEP_ALIVE, committed.changed()) => match changed {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return Err(Over),
                    Err(_) => self.send(": keep-alive\n\n".into()).await?,
                },
            }
        }
    }

    async fn batch(&mut self, end: u64) -> Result<(), Over> {
        let who = self.who.clone();
        let who = self.db.glance(move |conn| projects::renewed(conn, &who)).await.ok().flatten().ok_or(Over)?;
        self.question.sight = sight(&who).map_err(|_| Over)?;
        let (question, from) = (self.question.clone(), self.next);
        let lines = self.logs.look(move |index| index.since(&question, from, BATCH)).await.map_err(|_| Over)?;
        self.next = match lines.last() {
            Some(last) if lines.len() == BATCH => last.id + 1,
            Some(last) => end.max(last.id + 1),
            None => end,
        };
        let mut events = String::new();
        for line in &lines {
            events += &event(line)?;
        }
        if events.is_empty() { Ok(()) } else { self.send(events).await }
    }

    async fn send(&self, text: String) -> Result<(), Over> {
        self.out.send(Ok(Bytes::from(text))).await.map_err(|_| Over)
    }
}

fn event(line: &LogEntry) -> Result<String, Over> {
    let data = serde_json::to_string(line).map_err(|_| Over)?;
    Ok(format!("id: {}\nevent: line\ndata: {data}\n\n", line.id))
}
