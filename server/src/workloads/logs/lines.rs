//! One line of a log and its form in a kept copy: `{at_ms} {o|e} {text}`, one per line, so that a copy can be read by eye.

use bytes::Bytes;
use drydock_appliance::containers::{LogChunk, LogStream};
use drydock_wire::jobs::LogLine;
use futures_util::{StreamExt, stream, stream::BoxStream};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio_util::io::StreamReader;

use crate::{app::App, error::Result};

pub type Lines = BoxStream<'static, std::io::Result<Line>>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub at: i64,
    pub is_error: bool,
    pub text: String,
}

impl Line {
    pub fn of(chunk: LogChunk) -> Self {
        // A carriage return inside is a progress bar's; a line feed cannot be.
        Self { at: chunk.at_ms, is_error: chunk.stream == LogStream::Stderr, text: chunk.text.replace('\n', " ") }
    }

    pub fn encode(&self) -> String {
        format!("{} {} {}\n", self.at, if self.is_error { 'e' } else { 'o' }, self.text)
    }

    /// A line that is not of this form is text of unknown time.
    pub fn decode(line: &str) -> Self {
        let mut parts = line.splitn(3, ' ');
        let at = parts.next().and_then(|at| at.parse().ok());
        match (at, parts.next(), parts.next()) {
            (Some(at), Some(stream @ ("o" | "e")), Some(text)) => {
                Self { at, is_error: stream == "e", text: text.to_owned() }
            }
            _ => Self { at: 0, is_error: false, text: line.to_owned() },
        }
    }

    pub fn into_wire(self, seq: u64) -> LogLine {
        let stream = if self.is_error { "stderr" } else { "stdout" };
        LogLine { seq, at: self.at, stream: stream.to_owned(), text: self.text }
    }
}

/// Lines of a container, from its first; with `follow` until it ends.
pub fn live(app: &App, container: &str, follow: bool) -> Lines {
    app.engine.logs(container, follow).map(|chunk| chunk.map(Line::of).map_err(std::io::Error::other)).boxed()
}

/// Lines of a kept copy.
pub async fn kept(app: &App, digest: &str) -> Result<Lines> {
    let (_, bytes) = app.objects.stream(digest, None).await?;
    let bytes: BoxStream<'static, std::io::Result<Bytes>> = bytes.boxed();
    let lines = BufReader::new(StreamReader::new(bytes)).lines();
    let next = |mut lines: tokio::io::Lines<_>| async move {
        let line: Option<String> = tokio::io::Lines::next_line(&mut lines).await?;
        Ok(line.map(|line| (Line::decode(&line), lines)))
    };
    Ok(stream::try_unfold(lines, next).boxed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_comes_back_as_it_was_kept() {
        for text in ["", "plain", " two  spaces ", "o e 1"] {
            let line = Line { at: 12, is_error: true, text: text.into() };
            assert_eq!(Line::decode(line.encode().trim_end_matches('\n')), line);
        }
    }

    #[test]
    fn what_is_no_line_of_ours_is_shown_as_text() {
        assert_eq!(Line::decode("hello"), Line { at: 0, is_error: false, text: "hello".into() });
    }
}
