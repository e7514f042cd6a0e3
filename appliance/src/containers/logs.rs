//! A container's output, line by line.
//!
//! Docker cuts lines into pieces of 16 KiB, each with its own timestamp; here they become lines again before they become text.
//! Bytes that are no UTF-8 become U+FFFD. (Docker's json-file keeps text itself, so a character that lies across one of its
//! cuts has become U+FFFD before we see it.) A line beyond `LONGEST_LINE_BYTES` is given out in several chunks, so that memory
//! stays bounded.

use std::mem;

use bollard::{Docker, container::LogOutput, errors::Error as DockerError, query_parameters::LogsOptionsBuilder};
use futures_util::{Stream, StreamExt, stream};

use super::{
    EngineError, Result, SeenPhase,
    engine::{Engine, QUICK},
    error::classify,
    instant::parse_ns,
    seen,
};

const LONGEST_LINE_BYTES: usize = 256 * 1024;

/// One line of output, without its line end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogChunk {
    /// When Docker received its first byte, in nanoseconds since 1970. Within a container's log this is as good as a number: it is
    /// kept with the line, so that a second reading shows the same.
    pub at_ns: i64,
    pub stream: LogStream,
    pub text: String,
    /// The stream ended before the line did: while the container runs, more of it may follow.
    pub open: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogStream {
    Stdout,
    Stderr,
}

impl Engine {
    /// What the container wrote so far, oldest first; with `follow` also what it writes from now on, until it ends.
    ///
    /// Ends after an error: `NotFound` when there is no such container, `Unavailable` when Docker went away.
    pub fn logs(&self, id: &str, follow: bool) -> impl Stream<Item = Result<LogChunk>> + Send + Unpin + 'static {
        self.logs_since(id, follow, 0)
    }

    /// As `logs`, of what Docker received at or after `since_s`, in seconds since 1970.
    pub fn logs_since(
        &self,
        id: &str,
        follow: bool,
        since_s: i32,
    ) -> impl Stream<Item = Result<LogChunk>> + Send + Unpin + 'static {
        let engine = self.clone();
        let id = id.to_owned();
        stream::once(async move {
            let address = engine.address().to_owned();
            match engine.docker().await {
                Ok(docker) => lines(raw(&docker, &id, follow, since_s), id, address).boxed(),
                Err(error) => stream::once(async { Err(error) }).boxed(),
            }
        })
        .flatten()
        .boxed()
    }

    /// How far the container is: whether its log can still grow.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub async fn phase(&self, id: &str) -> Result<SeenPhase> {
        let found = self.call(QUICK, id, |docker| async move { docker.inspect_container(id, None).await }).await;
        Ok(seen::phase(&found.map_err(not_a_log)?.state.unwrap_or_default()))
    }
}

fn raw(
    docker: &Docker,
    id: &str,
    follow: bool,
    since_s: i32,
) -> impl Stream<Item = std::result::Result<LogOutput, DockerError>> + Send + use<> {
    let options = LogsOptionsBuilder::default().follow(follow).stdout(true).stderr(true).timestamps(true);
    let options = options.since(since_s).build();
    docker.logs(id, Some(options))
}

/// Puts lines together; ends after the first error.
fn lines(
    frames: impl Stream<Item = std::result::Result<LogOutput, DockerError>> + Send + 'static,
    id: String,
    address: String,
) -> impl Stream<Item = Result<LogChunk>> + Send {
    let ended = stream::once(async { None });
    frames
        .map(Some)
        .chain(ended)
        .scan((Assembler::default(), false), move |(assembler, done), frame| {
            let chunks: Vec<Result<LogChunk>> = match frame {
                _ if *done => return std::future::ready(None),
                Some(Ok(frame)) => assembler.push(&frame).into_iter().map(Ok).collect(),
                Some(Err(error)) => {
                    *done = true;
                    let rest = assembler.finish().into_iter().map(Ok);
                    rest.chain([Err(not_a_log(classify(&error, &id, &address)))]).collect()
                }
                None => assembler.finish().into_iter().map(Ok).collect(),
            };
            std::future::ready(Some(stream::iter(chunks)))
        })
        .flatten()
}

/// Reading a log never needs an image.
fn not_a_log(error: EngineError) -> EngineError {
    match error {
        EngineError::NoSuchImage(id) => EngineError::NotFound(format!("There is no container {id}.")),
        other => other,
    }
}

/// A line that has begun on each of the two streams.
#[derive(Default)]
struct Assembler {
    stdout: Partial,
    stderr: Partial,
}

#[derive(Default)]
struct Partial {
    at_ns: Option<i64>,
    bytes: Vec<u8>,
}

impl Assembler {
    /// A frame is one piece of a line with a timestamp before it; only the last piece of a line ends in a line feed.
    fn push(&mut self, frame: &LogOutput) -> Option<LogChunk> {
        let (stream, partial) = match frame {
            LogOutput::StdErr { .. } => (LogStream::Stderr, &mut self.stderr),
            _ => (LogStream::Stdout, &mut self.stdout),
        };
        let (at_ns, piece) = split_timestamp(frame.as_ref());
        partial.at_ns = partial.at_ns.or(at_ns);
        match piece.strip_suffix(b"\n") {
            Some(last) => {
                partial.bytes.extend_from_slice(last);
                Some(partial.take(stream))
            }
            None => {
                partial.bytes.extend_from_slice(piece);
                (partial.bytes.len() >= LONGEST_LINE_BYTES).then(|| partial.take(stream))
            }
        }
    }

    /// What was written without a line end before the stream ended.
    fn finish(&mut self) -> Vec<LogChunk> {
        let open = [(LogStream::Stdout, &mut self.stdout), (LogStream::Stderr, &mut self.stderr)];
        open.into_iter()
            .filter(|(_, partial)| partial.at_ns.is_some())
            .map(|(stream, partial)| LogChunk { open: true, ..partial.take(stream) })
            .collect()
    }
}

impl Partial {
    fn take(&mut self, stream: LogStream) -> LogChunk {
        let bytes = mem::take(&mut self.bytes);
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(&bytes);
        let text = String::from_utf8_lossy(bytes).into_owned();
        LogChunk { at_ns: self.at_ns.take().unwrap_or(0), stream, text, open: false }
    }
}

fn split_timestamp(frame: &[u8]) -> (Option<i64>, &[u8]) {
    let end = frame.iter().take(40).position(|byte| *byte == b' ');
    let parsed = end.and_then(|end| Some((parse_ns(std::str::from_utf8(&frame[..end]).ok()?)?, &frame[end + 1..])));
    match parsed {
        Some((at_ns, rest)) => (Some(at_ns), rest),
        None => (None, frame),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn out(bytes: &[u8]) -> LogOutput {
        LogOutput::StdOut { message: [b"1970-01-01T00:00:01.5Z ", bytes].concat().into() }
    }

    fn err(bytes: &[u8]) -> LogOutput {
        LogOutput::StdErr { message: [b"1970-01-01T00:00:02Z ", bytes].concat().into() }
    }

    fn texts(frames: &[LogOutput]) -> Vec<(LogStream, String)> {
        let mut assembler = Assembler::default();
        let mut chunks: Vec<LogChunk> = frames.iter().filter_map(|frame| assembler.push(frame)).collect();
        chunks.extend(assembler.finish());
        chunks.into_iter().map(|chunk| (chunk.stream, chunk.text)).collect()
    }

    #[test]
    fn a_character_across_a_cut_survives() {
        let euro = "€".as_bytes();
        assert_eq!(texts(&[out(&euro[..1]), out(&[&euro[1..], b"\n"].concat())]), [(LogStream::Stdout, "€".into())]);
    }

    #[test]
    fn the_two_streams_do_not_mix() {
        let seen = texts(&[out(b"a"), err(b"oops\n"), out(b"b\n")]);
        assert_eq!(seen, [(LogStream::Stderr, "oops".into()), (LogStream::Stdout, "ab".into())]);
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        assert_eq!(texts(&[out(b"x\xff\xfey\n")]), [(LogStream::Stdout, "x\u{fffd}\u{fffd}y".into())]);
    }

    #[test]
    fn an_unended_last_line_and_empty_lines_are_kept() {
        let seen = texts(&[out(b"\n"), out(b"end\r\n"), out(b"no end")]);
        let texts: Vec<_> = seen.into_iter().map(|(_, text)| text).collect();
        assert_eq!(texts, ["", "end", "no end"]);
    }

    #[test]
    fn an_endless_line_is_given_out_in_parts() {
        let piece = vec![b'x'; 16 * 1024];
        let frames: Vec<LogOutput> = (0..40).map(|_| out(&piece)).collect();
        let lengths: Vec<usize> = texts(&frames).iter().map(|(_, text)| text.len()).collect();
        assert_eq!(lengths, [LONGEST_LINE_BYTES, LONGEST_LINE_BYTES, 128 * 1024]);
    }

    #[test]
    fn the_time_is_that_of_the_first_piece() {
        let mut assembler = Assembler::default();
        assert_eq!(assembler.push(&out(b"a")), None);
        assert_eq!(assembler.push(&out(b"b\n")).map(|chunk| chunk.at_ns), Some(1_500_000_000));
    }
}
