//! The server-sent events of one log: follows the container, changes over to the kept copy, says `end` once.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout},
};
use tokio_stream::wrappers::ReceiverStream;

use super::{Body, Finished, LINES_AT_ONCE, Situation, lines};
use crate::app::App;

/// Something is sent at least this often, so that a client notices a dead connection and a proxy keeps a living one.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How often the rows are looked at while there is nothing to follow.
const LOOK: Duration = Duration::from_millis(300);

/// The reader went away, or the log cannot be read: either way there is nobody left to tell.
struct Over;

struct Tail {
    app: App,
    workload_id: String,
    generation: i64,
    finished: Option<Finished>,
    /// `seq` of the next line to send.
    next: u64,
    /// `seq` of the first line of the container that is followed.
    base: u64,
    /// The container whose lines were all sent.
    drained: Option<String>,
    sent_at: Instant,
    out: mpsc::Sender<std::io::Result<Bytes>>,
}

pub fn start(app: &App, workload_id: &str, generation: i64, after: Option<u64>, finished: Option<Finished>) -> Body {
    let (out, body) = mpsc::channel(16);
    let tail = Tail {
        app: app.clone(),
        workload_id: workload_id.to_owned(),
        generation,
        finished,
        next: after.map_or(0, |seq| seq.saturating_add(1)),
        base: 0,
        drained: None,
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
            let now = Situation::read(&self.app, &self.workload_id, self.generation, self.finished.clone()).await;
            // A read that failed is tried again: the client could do no better.
            if let Ok(now) = now {
                if now.over {
                    self.send_rest(now).await?;
                    return self.send("event: end\ndata: {}\n\n".into()).await;
                }
                if let Some(container) = now.container.filter(|it| self.drained.as_ref() != Some(it)) {
                    self.follow(container).await?;
                }
            }
            sleep(LOOK).await;
            self.keep_alive().await?;
        }
    }

    async fn send_rest(&mut self, now: Situation) -> Result<(), Over> {
        let lines = match (now.kept, now.container) {
            (Some(digest), _) => lines::kept(&self.app, &digest).await.map_err(|_| Over)?,
            (None, Some(container)) => lines::live(&self.app, &container, false),
            (None, None) => return Ok(()),
        };
        self.send_lines(lines).await.map(drop)
    }

    async fn follow(&mut self, container: String) -> Result<(), Over> {
        // A revision's next container continues the numbers of the one before.
        if self.drained.is_some() {
            self.base = self.next;
        }
        let whole = self.send_lines(lines::live(&self.app, &container, true)).await?;
        if whole {
            self.drained = Some(container);
        }
        Ok(())
    }

    /// Sends what was not sent before; whether the lines ended without an error.
    async fn send_lines(&mut self, lines: lines::Lines) -> Result<bool, Over> {
        let mut batches = lines.ready_chunks(LINES_AT_ONCE);
        let mut seq = self.base;
        loop {
            match timeout(KEEP_ALIVE, batches.next()).await {
                Err(_) => self.keep_alive().await?,
                Ok(None) => return Ok(true),
                Ok(Some(batch)) => {
                    let mut text = String::new();
                    let mut whole = true;
                    for line in batch {
                        let Ok(line) = line else {
                            whole = false;
                            break;
                        };
                        if seq >= self.next {
                            text += &event(line, seq)?;
                            self.next = seq + 1;
                        }
                        seq += 1;
                    }
                    if !text.is_empty() {
                        self.send(text).await?;
                    }
                    if !whole {
                        return Ok(false);
                    }
                }
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

fn event(line: lines::Line, seq: u64) -> Result<String, Over> {
    let data = serde_json::to_string(&line.into_wire(seq)).map_err(|_| Over)?;
    Ok(format!("id: {seq}\nevent: line\ndata: {data}\n\n"))
}
