//! Follows a job: its log line by line as it is written, and its state until that is final.

use std::{collections::VecDeque, marker::PhantomData, time::Duration};

use drydock_wire::{
    jobs::{JobDetail, LogLine},
    logs::LogEntry,
};
use futures_util::StreamExt;
use tokio::time::{Instant, sleep, timeout};

use super::{Body, Client};
use crate::error::{Error, Result};

const POLL: Duration = Duration::from_millis(400);
/// The rest of the log after the job's end.
const LAST_LINES: Duration = Duration::from_secs(3);

/// Waits for the job's end and hands out each line of its log, and each new reason to wait, meanwhile.
pub async fn follow(client: &Client, id: &str, limit: Duration, line: &(impl Fn(&str) + Sync)) -> Result<JobDetail> {
    let mut log = std::pin::pin!(follow_log(client, id, line));
    let mut end = std::pin::pin!(wait_for_end(client, id, limit, line));
    let mut log_ended = false;
    let job = loop {
        tokio::select! {
            job = &mut end => break job?,
            () = &mut log, if !log_ended => log_ended = true,
        }
    };
    if !log_ended {
        let _ = timeout(LAST_LINES, log).await;
    }
    Ok(job)
}

async fn wait_for_end(client: &Client, id: &str, limit: Duration, line: &(impl Fn(&str) + Sync)) -> Result<JobDetail> {
    let deadline = Instant::now() + limit;
    let mut told = None;
    loop {
        let job: JobDetail = client.get(&format!("/jobs/{id}")).await?;
        if job.summary.state.is_final() {
            return Ok(job);
        }
        if job.summary.reason != told {
            told = job.summary.reason.clone();
            if let Some(reason) = &told {
                line(reason);
            }
        }
        if Instant::now() > deadline {
            let state = job.summary.state.as_str();
            let reason = told.map(|reason| format!(" ({reason})")).unwrap_or_default();
            return Err(Error::unavailable(format!("The job is still {state}{reason} after {} s.", limit.as_secs())));
        }
        sleep(POLL).await;
    }
}

/// Ends with the log. A connection that breaks, or a log that is not there yet, is tried again.
async fn follow_log(client: &Client, id: &str, line: &(impl Fn(&str) + Sync)) {
    let mut tail = LogTail::new(client, &format!("/jobs/{id}/log/stream"));
    while let Some(entry) = tail.next().await {
        line(&entry.text);
    }
}

/// A line of a stream; those that come later have larger numbers.
pub trait Entry: serde::de::DeserializeOwned {
    fn number(&self) -> u64;
}

impl Entry for LogLine {
    fn number(&self) -> u64 {
        self.seq
    }
}

impl Entry for LogEntry {
    fn number(&self) -> u64 {
        self.id
    }
}

/// The lines of one stream in their order, each once, over as many connections as it takes.
pub struct LogTail<T = LogLine> {
    client: Client,
    path: String,
    last: Option<u64>,
    body: Option<Body>,
    events: Events,
    ready: VecDeque<ServerEvent>,
    lines: PhantomData<T>,
}

impl LogTail {
    /// The log of one thing; `path` is that of the stream, under `/api/v1`.
    pub fn new(client: &Client, path: &str) -> Self {
        Self::at(client, path)
    }
}

impl<T: Entry> LogTail<T> {
    /// Lines of any stream.
    pub fn at(client: &Client, path: &str) -> Self {
        let (events, ready) = (Events::default(), VecDeque::new());
        let (client, path, lines) = (client.clone(), path.to_owned(), PhantomData);
        Self { client, path, last: None, body: None, events, ready, lines }
    }

    /// The next line; nothing once the server said that no more will come.
    pub async fn next(&mut self) -> Option<T> {
        loop {
            while let Some(event) = self.ready.pop_front() {
                if event.name == "end" {
                    return None;
                }
                if let Ok(entry) = serde_json::from_str::<T>(&event.data)
                    && self.last.is_none_or(|last| entry.number() > last)
                {
                    self.last = Some(entry.number());
                    return Some(entry);
                }
            }
            self.read().await;
        }
    }

    async fn read(&mut self) {
        let Some(body) = &mut self.body else {
            match self.client.events(&self.path, self.last).await {
                Ok(body) => (self.body, self.events) = (Some(body), Events::default()),
                Err(_) => sleep(POLL).await,
            }
            return;
        };
        match body.next().await {
            Some(Ok(chunk)) => self.ready.extend(self.events.feed(&chunk)),
            _ => {
                self.body = None;
                sleep(POLL).await;
            }
        }
    }
}

#[derive(Debug, Default, PartialEq)]
struct ServerEvent {
    name: String,
    data: String,
}

/// Takes server-sent events out of a stream that is cut anywhere.
#[derive(Default)]
struct Events {
    rest: Vec<u8>,
    open: ServerEvent,
}

impl Events {
    fn feed(&mut self, chunk: &[u8]) -> Vec<ServerEvent> {
        self.rest.extend_from_slice(chunk);
        let mut complete = vec![];
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\r', '\n']);
            if line.is_empty() {
                let event = std::mem::take(&mut self.open);
                if event != ServerEvent::default() {
                    complete.push(event);
                }
            } else if let Some(name) = line.strip_prefix("event:") {
                self.open.name = name.trim().to_owned();
            } else if let Some(data) = line.strip_prefix("data:") {
                self.open.data.push_str(data.strip_prefix(' ').unwrap_or(data));
            }
        }
        complete
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_survive_any_cut() {
        let text = "retry: 1\n\nid: 1\nevent: line\ndata: {\"a\":\"é\"}\n\n: ping\n\nevent: end\ndata: \n\n".as_bytes();
        for size in 1..text.len() {
            let mut events = Events::default();
            let found: Vec<ServerEvent> = text.chunks(size).flat_map(|chunk| events.feed(chunk)).collect();
            let names: Vec<&str> = found.iter().map(|event| event.name.as_str()).collect();
            assert_eq!(names, ["line", "end"], "cut every {size}");
            assert_eq!(found[0].data, "{\"a\":\"é\"}");
        }
    }
}
