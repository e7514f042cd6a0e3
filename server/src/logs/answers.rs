//! What is asked of the index, answered: pages, counts, surroundings, files.

use std::time::Instant;

use bytes::Bytes;
use drydock_wire::logs::{LogAnswer, LogBucket, LogContext, LogEntry, LogHistogram};
use futures_util::{StreamExt, stream};

use super::{
    Logs,
    index::{self, Question, Sight, Window},
};
use crate::{
    clock,
    error::{Error, Result},
    workloads::logs::Body,
};

const MOST_LINES: usize = 1_000;
const MOST_BUCKETS: usize = 500;
const MOST_AROUND: usize = 500;
/// A file has no more lines; it says so at its end.
const MOST_DOWNLOADED: usize = 1_000_000;
const PAGE: usize = 5_000;

/// The newest lines, before the place where another page ended.
pub async fn search(logs: &Logs, question: Question, before: Option<u64>, limit: usize) -> Result<LogAnswer> {
    let began = Instant::now();
    let limit = limit.clamp(1, MOST_LINES);
    let mut window = Window::of(&question);
    window.to = before.unwrap_or(window.to).min(window.to);
    let (lines, next) = logs.look(move |index| index.newest(&question, window, limit)).await?;
    Ok(LogAnswer { lines, next: next.map(|next| next.to_string()), took_ms: ms_since(began) })
}

/// How many lines match, over the time that is asked for, or all of it.
pub async fn histogram(logs: &Logs, question: Question, buckets: usize) -> Result<LogHistogram> {
    let began = Instant::now();
    let buckets = buckets.clamp(1, MOST_BUCKETS);
    let (shape, counts) = logs
        .look(move |index| {
            let now = clock::now_ms();
            let (oldest, newest) = index.bounds().unwrap_or((now, now));
            let from = question.from.unwrap_or(oldest).max(0);
            let to = question.to.unwrap_or(newest.max(now) + 1).max(from + 1);
            let count = i64::try_from(buckets).unwrap_or(1);
            let step_ms = ((to - from) / count + i64::from((to - from) % count != 0)).max(1);
            let shape = index::Histogram { from, step_ms, buckets };
            Ok(((from, to, step_ms), index.histogram(&question, shape)?))
        })
        .await?;
    let (from, to, step_ms) = shape;
    let bucket =
        |(n, [total, warnings, errors]): (i64, [u64; 3])| LogBucket { at: from + n * step_ms, total, warnings, errors };
    let buckets: Vec<LogBucket> = (0..).zip(counts).map(bucket).collect();
    let total = buckets.iter().map(|bucket| bucket.total).sum();
    Ok(LogHistogram { from, to, step_ms, buckets, total, took_ms: ms_since(began) })
}

/// What stands before and after a line in its own log.
///
/// # Errors
/// `not_found` where there is no such line, or none for these eyes.
pub async fn around(logs: &Logs, sight: Sight, id: u64, before: usize, after: usize) -> Result<LogContext> {
    let (before, after) = (before.min(MOST_AROUND), after.min(MOST_AROUND));
    logs.look(move |index| {
        let missing = || Error::not_found(format!("There is no line {id}; it may have been too old to be kept."));
        let found = index.line(&sight, id)?.ok_or_else(missing)?;
        let seq = found.entry.seq;
        let mut lines = index.around(&sight, &found.source, seq, true, before + 1)?;
        let more_before = lines.len() > before;
        lines.drain(..lines.len().saturating_sub(before));
        let mut following = index.around(&sight, &found.source, seq.saturating_add(1), false, after + 1)?;
        let more_after = following.len() > after;
        following.truncate(after);
        lines.push(found.entry);
        lines.extend(following);
        Ok(LogContext { lines, more_before, more_after })
    })
    .await
}

/// How lines are written into a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Text,
    Json,
}

struct Download {
    logs: Logs,
    question: Question,
    form: Form,
    window: Option<Window>,
    left: usize,
}

/// All lines that match, oldest first.
pub fn download(logs: &Logs, question: Question, form: Form) -> Body {
    let window = Some(Window::of(&question));
    let start = Download { logs: logs.clone(), question, form, window, left: MOST_DOWNLOADED };
    stream::try_unfold(start, |mut it| async move {
        let page = it.page().await.map_err(std::io::Error::other)?;
        Ok(page.map(|page| (Bytes::from(page), it)))
    })
    .boxed()
}

impl Download {
    async fn page(&mut self) -> Result<Option<String>> {
        let Some(mut window) = self.window.take() else { return Ok(None) };
        let (question, limit) = (self.question.clone(), PAGE.min(self.left));
        let (lines, next) = self.logs.look(move |index| index.oldest(&question, window, limit)).await?;
        self.left -= lines.len();
        let mut text = String::new();
        for line in &lines {
            write(line, self.form, &mut text)?;
        }
        match next {
            Some(_) if self.left == 0 => text += &end(self.form),
            Some(next) => {
                window.from = next;
                self.window = Some(window);
            }
            None => {}
        }
        Ok(Some(text))
    }
}

fn end(form: Form) -> String {
    let why =
        format!("There are more lines: a file has {MOST_DOWNLOADED} at most. Ask for less time, or for fewer lines.");
    match form {
        Form::Text => format!("[{why}]\n"),
        Form::Json => format!("{}\n", serde_json::json!({ "message": why })),
    }
}

fn write(line: &LogEntry, form: Form, to: &mut String) -> Result<()> {
    match form {
        Form::Json => *to += &serde_json::to_string(line).map_err(Error::internal)?,
        Form::Text => *to += &plain(line),
    }
    to.push('\n');
    Ok(())
}

/// `2026-01-02T03:04:05.678Z ERROR job train (attempt 1): the message key=value`.
pub fn plain(line: &LogEntry) -> String {
    let at = jiff::Timestamp::from_millisecond(line.at).map_or_else(|_| line.at.to_string(), |at| format!("{at:.3}"));
    let level = line.level.map_or("-", drydock_wire::logs::LogLevel::as_str).to_uppercase();
    let part = if line.part.is_empty() { String::new() } else { format!(" ({})", line.part) };
    let labels: String = line.labels.iter().map(|label| format!(" {}={}", label.key, label.value)).collect();
    format!("{at} {level} {} {}{part}: {}{labels}", line.kind.as_str(), line.name, line.message)
}

fn ms_since(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}
