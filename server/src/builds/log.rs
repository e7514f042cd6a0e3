//! The log of a build: a file while it is built, content of the store afterwards; lines have the same numbers in both.

use std::{
    fs::File,
    io::Write,
    path::PathBuf,
    time::{Duration, Instant},
};

use bytes::Bytes;
use drydock_wire::jobs::LogLine;
use futures_util::StreamExt;
use tokio::{
    io::{AsyncReadExt, AsyncSeekExt},
    sync::mpsc,
};
use tokio_stream::wrappers::ReceiverStream;

use super::store;
use crate::{
    app::App,
    clock,
    db::Conn,
    error::{Error, Result},
    objects,
    workloads::logs::{BUCKET, Body},
};

const MOST_BYTES: u64 = 32 << 20;
const LONGEST_LINE: usize = 64 << 10;
const LOOK: Duration = Duration::from_millis(200);
/// Something is sent at least this often, so that a proxy keeps the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

fn key(build: &str) -> String {
    format!("build-{build}/1")
}

fn path(app: &App, build: &str) -> PathBuf {
    app.run_dir("builds", build).with_extension("log")
}

/// Builds whose log is being written.
pub async fn being_written(app: &App) -> Vec<String> {
    let Some(folder) = path(app, "x").parent().map(PathBuf::from) else { return vec![] };
    let list = move || {
        let entries = std::fs::read_dir(folder).into_iter().flatten();
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names.filter_map(|name| name.strip_suffix(".log").map(str::to_owned)).collect()
    };
    tokio::task::spawn_blocking(list).await.unwrap_or_default()
}

/// What such a log has after so many bytes: whole lines of it, in the form of the spool. Nothing where there is no more now.
pub async fn written(app: &App, build: &str, at: u64) -> Vec<u8> {
    let Ok(mut file) = tokio::fs::File::open(path(app, build)).await else { return vec![] };
    let mut bytes = vec![];
    let read = async {
        file.seek(std::io::SeekFrom::Start(at)).await?;
        file.take(1 << 20).read_to_end(&mut bytes).await
    };
    if read.await.is_err() {
        return vec![];
    }
    bytes.truncate(bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1));
    bytes
}

/// The log that is being written.
pub struct Log {
    file: File,
    bytes: u64,
    /// What came since the last line end.
    open: String,
}

impl Log {
    /// Goes on with what an earlier try left.
    pub fn open(app: &App, build: &str) -> Result<Self> {
        let path = path(app, build);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(Error::internal)?;
        }
        let file = File::options().create(true).append(true).open(&path).map_err(Error::internal)?;
        let bytes = file.metadata().map_err(Error::internal)?.len();
        Ok(Self { file, bytes, open: String::new() })
    }

    /// Takes in what Docker says, and gives the lines that were completed by it.
    pub fn push(&mut self, text: &str) -> Result<Vec<String>> {
        self.open.push_str(text);
        let mut done = vec![];
        while let Some(end) = self.open.find('\n').or((self.open.len() > LONGEST_LINE).then(|| whole(&self.open))) {
            let rest = self.open.split_off(end);
            let line = std::mem::replace(&mut self.open, rest.strip_prefix('\n').unwrap_or(&rest).to_owned());
            let (plain, is_error) = plain(&line);
            self.line(&plain, is_error)?;
            done.push(plain);
        }
        Ok(done)
    }

    /// Writes one line.
    pub fn line(&mut self, text: &str, is_error: bool) -> Result<()> {
        if self.bytes > MOST_BYTES {
            return Ok(());
        }
        let line = format!("{} {} {}\n", clock::now_ms(), if is_error { 'e' } else { 'o' }, text.replace('\n', " "));
        self.bytes += line.len() as u64;
        let cut = (self.bytes > MOST_BYTES)
            .then(|| format!("{} e [the log is cut here: {MOST_BYTES} bytes are the limit]\n", clock::now_ms()));
        self.file.write_all((line + cut.as_deref().unwrap_or_default()).as_bytes()).map_err(Error::internal)
    }
}

/// Up to here the text is whole letters.
fn whole(text: &str) -> usize {
    (0..=LONGEST_LINE).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// Without the marks of a terminal; Docker has what came by standard error in red.
fn plain(line: &str) -> (String, bool) {
    let is_error = line.contains("\u{1b}[91m");
    let (mut out, mut rest) = (String::with_capacity(line.len()), line);
    while let Some(at) = rest.find("\u{1b}[") {
        out.push_str(&rest[..at]);
        let mark = &rest[at + 2..];
        let end = mark.find(|c: char| c.is_ascii_alphabetic()).map_or(mark.len(), |end| end + 1);
        rest = &mark[end..];
    }
    out.push_str(rest);
    // of a progress bar its last state
    let last = out.trim_end_matches('\r').rsplit('\r').next().unwrap_or_default().to_owned();
    (last, is_error)
}

/// Puts the log into the store; link it with `link` in the transaction that ends the build.
pub async fn keep(app: &App, build: &str) -> Result<String> {
    let bytes = tokio::fs::read(path(app, build)).await.unwrap_or_default();
    let body = futures_util::stream::iter([Ok::<_, std::convert::Infallible>(Bytes::from(bytes))]);
    Ok(app.objects.put_reserved(body).await?.digest)
}

pub fn link(conn: &mut Conn, build: &str, digest: &str) -> Result<()> {
    objects::store::link(conn, BUCKET, &key(build), digest, clock::now_ms())
}

/// After the end is known.
pub async fn remove_file(app: &App, build: &str) {
    let _ = tokio::fs::remove_file(path(app, build)).await;
}

struct Now {
    is_over: bool,
    kept: Option<String>,
}

async fn look(app: &App, build: &str) -> Result<Now> {
    let id = build.to_owned();
    app.db
        .glance(move |conn| {
            let is_over = match store::find(conn, &id)? {
                Some(build) => build.state()?.is_final(),
                None => true,
            };
            let kept = objects::store::get(conn, BUCKET, &key(&id))?.map(|object| object.digest);
            Ok(Now { is_over, kept })
        })
        .await
}

/// Everything that was written, as text.
pub async fn text(app: &App, build: &str) -> Result<Body> {
    let now = look(app, build).await?;
    let bytes = match now.kept.filter(|_| now.is_over) {
        Some(digest) => app.objects.read(&digest).await?,
        None => tokio::fs::read(path(app, build)).await.unwrap_or_default().into(),
    };
    let text: String =
        String::from_utf8_lossy(&bytes).lines().map(|line| format!("{}\n", decoded(0, line).text)).collect();
    Ok(futures_util::stream::iter([Ok(Bytes::from(text))]).boxed())
}

fn decoded(seq: u64, line: &str) -> LogLine {
    let mut parts = line.splitn(3, ' ');
    let at = parts.next().and_then(|at| at.parse().ok()).unwrap_or(0);
    let stream = if parts.next() == Some("e") { "stderr" } else { "stdout" };
    LogLine { seq, at, stream: stream.to_owned(), text: parts.next().unwrap_or_default().to_owned() }
}

/// Server-sent events as a job's log has them: lines from the one after `after` on, then `end`.
pub fn stream(app: &App, build: &str, after: Option<u64>) -> Body {
    let (out, body) = mpsc::channel(16);
    let tail =
        Tail { app: app.clone(), build: build.to_owned(), from: after.map_or(0, |seq| seq + 1), read: 0, at: 0, out };
    tokio::spawn(async move {
        let stop = tail.app.background.clone();
        tokio::select! {
            () = stop.stopped() => {}
            _ = tail.run() => {}
        }
    });
    ReceiverStream::new(body).boxed()
}

/// Nobody reads any more, or it cannot be read.
struct Over;

struct Tail {
    app: App,
    build: String,
    /// `seq` of the first line that is wanted.
    from: u64,
    /// Lines that were read.
    read: u64,
    /// Bytes of the file that were read.
    at: u64,
    out: mpsc::Sender<std::io::Result<Bytes>>,
}

impl Tail {
    async fn run(mut self) -> std::result::Result<(), Over> {
        self.send(": log\n\n".into()).await?;
        let mut sent_at = Instant::now();
        loop {
            let now = look(&self.app, &self.build).await.map_err(|_| Over)?;
            let text = match now.kept.filter(|_| now.is_over) {
                Some(digest) => {
                    let whole = self.app.objects.read(&digest).await.map_err(|_| Over)?;
                    let new = whole.get(usize::try_from(self.at).unwrap_or(usize::MAX)..).unwrap_or_default();
                    String::from_utf8_lossy(new).into_owned()
                }
                None => self.more().await,
            };
            if self.lines(&text).await? {
                sent_at = Instant::now();
            }
            if now.is_over {
                return self.send("event: end\ndata: {}\n\n".into()).await;
            }
            if sent_at.elapsed() >= KEEP_ALIVE {
                self.send(": keep-alive\n\n".into()).await?;
                sent_at = Instant::now();
            }
            if self.out.is_closed() {
                return Err(Over);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Whole lines that the file has gained. One that is not there is being moved: the next look finds the other.
    async fn more(&mut self) -> String {
        let bytes = written(&self.app, &self.build, self.at).await;
        self.at += bytes.len() as u64;
        String::from_utf8_lossy(&bytes).into_owned()
    }

    async fn lines(&mut self, text: &str) -> std::result::Result<bool, Over> {
        let mut events = String::new();
        for line in text.lines() {
            let seq = self.read;
            self.read += 1;
            if seq >= self.from {
                let data = serde_json::to_string(&decoded(seq, line)).map_err(|_| Over)?;
                events += &format!("id: {seq}\nevent: line\ndata: {data}\n\n");
            }
        }
        let any = !events.is_empty();
        if any {
            self.send(events).await?;
        }
        Ok(any)
    }

    async fn send(&self, text: String) -> std::result::Result<(), Over> {
        self.out.send(Ok(Bytes::from(text))).await.map_err(|_| Over)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{app::testing::app_in, config::Limits};

    #[test]
    fn lines_are_put_together_and_without_a_terminal_s_marks() {
        assert_eq!(plain("\u{1b}[91mWARNING: x\u{1b}[0m"), ("WARNING: x".into(), true));
        assert_eq!(plain("a\r 50%\r100%\r"), ("100%".into(), false));
        let dir = tempfile::tempdir().unwrap();
        let app = app_in(dir.path(), Limits::default());
        let mut log = Log::open(&app, "b").unwrap();
        assert_eq!(log.push("one\ntw").unwrap(), ["one"]);
        assert_eq!(log.push("o\n\nthree").unwrap(), ["two", ""]);
        assert_eq!(log.push(&"é".repeat(LONGEST_LINE)).unwrap().len(), 2);
        let written = std::fs::read_to_string(path(&app, "b")).unwrap();
        assert!(written.lines().next().unwrap().ends_with(" o one"), "{written}");
    }
}
