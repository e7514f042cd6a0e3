//! The server-sent events of one log: its lines as they are written, then `end`, once.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout},
};
use tokio_stream::wrappers::ReceiverStream;

use super::{
    Body, Finished,
    lines::{self, Lines},
    name_of,
};
use crate::{app::App, spool::Numbered};

/// Something is sent at least this often, so that a client notices a dead connection and a proxy keeps a living one.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How often the rows are looked at while nothing is written.
const LOOK: Duration = Duration::from_millis(300);
/// The same when all is written and the end is about to be known.
const LOOK_AT_END: Duration = Duration::from_millis(50);

/// The reader went away: there is nobody left to tell.
struct Over;

struct Tail {
    app: App,
    workload: String,
    generation: i64,
    finished: Option<Finished>,
    /// `seq` of the next line to send.
    next: u64,
    sent_at: Instant,
    out: mpsc::Sender<std::io::Result<Bytes>>,
}

pub fn start(app: &App, workload: &str, generation: i64, after: Option<u64>, finished: Option<Finished>) -> Body {
    let (out, body) = mpsc::channel(16);
    let tail = Tail {
        app: app.clone(),
        workload: workload.to_owned(),
        generation,
        finished,
        next: after.map_or(0, |seq| seq.saturating_add(1)),
        sent_at: Instant::now(),
        out,
    };
    tokio::spawn(async move {
        let stop = tail.app.background.clone();
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
        loop {
            // Asked before reading: what was written by then is read below. A look that failed is tried again.
            let over = lines::has_ended(&self.app, &self.workload, self.generation, self.finished.clone()).await;
            self.send_all().await?;
            if over.unwrap_or(false) {
                // what was in the spool a moment ago may be in the store by now
                self.send_all().await?;
                return self.send("event: end\ndata: {}\n\n".into()).await;
            }
            self.wait().await;
            self.keep_alive().await?;
        }
    }

    /// Sends what is there, and what comes without a pause.
    async fn send_all(&mut self) -> Result<(), Over> {
        let Ok(mut lines) = Lines::open(&self.app, &self.workload, self.generation, self.next).await else {
            return Ok(());
        };
        loop {
            let Ok(batch) = lines.batch().await else {
                // tried again, with whatever is there then
                sleep(LOOK).await;
                return Ok(());
            };
            if !batch.is_empty() {
                self.send_lines(batch).await?;
            } else if !self.more_is_written().await || !matches!(lines, Lines::Written(_)) {
                return Ok(());
            }
        }
    }

    async fn send_lines(&mut self, batch: Vec<Numbered>) -> Result<(), Over> {
        let mut text = String::new();
        for it in batch {
            self.next = it.seq + 1;
            text += &event(it)?;
        }
        self.send(text).await
    }

    /// Waits for more as long as a writer is at it; no when none came for a while.
    async fn more_is_written(&self) -> bool {
        let Some(mut progress) = self.app.spools.progress(&name_of(&self.workload, self.generation)) else {
            return false;
        };
        let ready = timeout(LOOK, progress.wait_for(|now| now.lines > self.next || now.complete)).await;
        matches!(ready, Ok(Ok(now)) if now.lines > self.next)
    }

    /// Until there is something to look at.
    async fn wait(&self) {
        let name = name_of(&self.workload, self.generation);
        let begun = self.app.spools.begun();
        match self.app.spools.progress(&name) {
            // `more_is_written` has waited already
            Some(progress) if !progress.borrow().complete => {}
            Some(_) => sleep(LOOK_AT_END).await,
            None => {
                let pause = if self.next > 0 { LOOK_AT_END } else { LOOK };
                let _ = timeout(pause, begun).await;
            }
        }
    }

    async fn keep_alive(&mut self) -> Result<(), Over> {
        if self.out.is_closed() {
            return Err(Over);
        }
        if self.sent_at.elapsed() >= KEEP_ALIVE { self.send(": keep-alive\n\n".into()).await } else { Ok(()) }
    }

    async fn send(&mut self, text: String) -> Result<(), Over> {
        self.sent_at = Instant::now();
        self.out.send(Ok(Bytes::from(text))).await.map_err(|_| Over)
    }
}

fn event(it: Numbered) -> Result<String, Over> {
    let seq = it.seq;
    let data = serde_json::to_string(&it.line.into_wire(seq)).map_err(|_| Over)?;
    Ok(format!("id: {seq}\nevent: line\ndata: {data}\n\n"))
}
