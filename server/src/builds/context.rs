//! What a build is made of, as one tar for Docker: the uploaded archive, single uploads over it, and texts of ours.
//!
//! Nothing is unpacked here: the archive passes through twice, once to find the Dockerfile, once to Docker. Paths lead nowhere
//! else, there are no devices, and the whole has a limit, so that a small upload cannot become a large disk.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead, BufReader, Error as IoError, Read, Result as IoResult, Write},
    path::{Component, Path},
};

use bytes::Bytes;
use drydock_wire::builds::{BuildFile, SubmitBuild};
use futures_util::{Stream, StreamExt, stream, stream::BoxStream};
use tar::{Archive, Builder, EntryType, Header};
use tokio::{runtime::Handle, sync::mpsc};

use super::rules::{
    dockerignore::{IGNORE, Ignored},
    form,
};
use crate::{
    app::App,
    error::{Error, Result},
    objects::Objects,
};

/// The Dockerfile that Docker is given; in no image, since it says itself to be left out.
pub const DOCKERFILE: &str = ".drydock.Dockerfile";
const MOST_ENTRIES: usize = 200_000;
/// Texts of the context that are looked into: the Dockerfile, lists of requirements.
const MOST_TEXT_BYTES: u64 = 1 << 20;
const CHUNK_BYTES: usize = 256 << 10;

/// Where everything is.
#[derive(Clone)]
pub struct Context {
    objects: Objects,
    archive: Option<String>,
    files: Vec<BuildFile>,
    texts: BTreeMap<String, String>,
    limit_bytes: u64,
    ignored: Ignored,
}

impl Context {
    pub fn of(app: &App, wish: &SubmitBuild) -> Self {
        let mut files = wish.files.clone();
        let mut texts = BTreeMap::new();
        if let Some(form) = &wish.form {
            let below = |folder: &str, file: &BuildFile| BuildFile {
                path: format!("{folder}/{}", file.path),
                digest: file.digest.clone(),
            };
            files.extend(form.debs.iter().map(|file| below(form::DEBS, file)));
            files.extend(form.code.iter().map(|file| below(form::CODE, file)));
            texts.insert(form::REQUIREMENTS.to_owned(), form.requirements.join("\n") + "\n");
        }
        let limit_bytes = app.config.limits.build_context_bytes;
        let ignored = Ignored::default();
        Self { objects: app.objects.clone(), archive: wish.context.clone(), files, texts, limit_bytes, ignored }
    }

    /// Leaves out of what Docker is sent what the context's `.dockerignore` says; of a Dockerfile that has one of its own
    /// (`Dockerfile.dockerignore`) that one counts instead. The Dockerfile is read before, and so may be left out, too.
    ///
    /// # Errors
    /// `invalid` with the line, for a pattern that is none.
    pub fn leaving_out(mut self, texts: &BTreeMap<String, String>, dockerfile: &str) -> Result<Self> {
        if let Some(text) = texts.get(&of_its_own(dockerfile)).or_else(|| texts.get(IGNORE)) {
            self.ignored = Ignored::parse(text)?;
        }
        Ok(self)
    }

    /// Whether it stays behind; what Drydock itself puts in never does.
    fn leaves_out(&self, path: &str) -> bool {
        !path.starts_with(form::FOLDER) && self.ignored.leaves_out(path)
    }

    /// The texts of the context by path, as far as they are wanted or look like requirements.
    ///
    /// # Errors
    /// `invalid` for an archive that is none, or has what may not be in it.
    pub async fn texts(&self, wanted: &str) -> Result<BTreeMap<String, String>> {
        let (context, wanted, runtime) = (self.clone(), wanted.to_owned(), Handle::current());
        let read = move || {
            let mut texts = BTreeMap::new();
            let own = of_its_own(&wanted);
            let is_text = |path: &str| path == wanted || path == IGNORE || path == own || looks_like_requirements(path);
            context.each(&runtime, |path, entry| {
                if is_text(path) && entry.header().entry_type() == EntryType::Regular {
                    let mut bytes = vec![];
                    entry.take(MOST_TEXT_BYTES).read_to_end(&mut bytes)?;
                    texts.insert(path.to_owned(), String::from_utf8_lossy(&bytes).into_owned());
                }
                Ok(())
            })?;
            for file in &context.files {
                if is_text(&file.path) {
                    let mut bytes = vec![];
                    context.open(&runtime, &file.digest)?.1.take(MOST_TEXT_BYTES).read_to_end(&mut bytes)?;
                    texts.insert(file.path.clone(), String::from_utf8_lossy(&bytes).into_owned());
                }
            }
            texts.extend(context.texts.clone());
            Ok(texts)
        };
        tokio::task::spawn_blocking(read).await.map_err(Error::internal)?.map_err(unreadable)
    }

    /// The tar with this Dockerfile in it. A fault of the archive ends the stream with an error.
    pub fn stream(
        &self,
        dockerfile: String,
        ignore: Option<&String>,
    ) -> impl Stream<Item = IoResult<Bytes>> + Send + 'static {
        let (sender, receiver) = mpsc::channel(4);
        let (mut context, runtime) = (self.clone(), Handle::current());
        context.texts.insert(DOCKERFILE.to_owned(), dockerfile);
        // the daemon leaves out the two that only concern the build, and nothing else: that is for the sender to do
        let ignore = match ignore {
            Some(theirs) if !self.ignored.leaves_out(IGNORE) => format!("{theirs}\n{DOCKERFILE}\n"),
            _ => format!("{DOCKERFILE}\n{IGNORE}\n"),
        };
        context.texts.insert(IGNORE.to_owned(), ignore);
        tokio::task::spawn_blocking(move || {
            let mut out = Builder::new(Sender { sender: sender.clone(), buffer: Vec::with_capacity(CHUNK_BYTES) });
            let written = context.write(&runtime, &mut out).and_then(|()| out.into_inner()?.flush());
            if let Err(error) = written {
                let _ = sender.blocking_send(Err(error));
            }
        });
        stream::unfold(receiver, |mut receiver| async { Some((receiver.recv().await?, receiver)) })
    }

    fn write<W: Write>(&self, runtime: &Handle, out: &mut Builder<W>) -> IoResult<()> {
        let own: BTreeSet<&str> =
            self.texts.keys().map(String::as_str).chain(self.files.iter().map(|file| file.path.as_str())).collect();
        self.each(runtime, |path, entry| {
            if own.contains(path) || self.leaves_out(path) {
                return Ok(());
            }
            let mut header = entry.header().clone();
            match entry.link_name()? {
                Some(target) if header.entry_type().is_symlink() || header.entry_type().is_hard_link() => {
                    if header.entry_type().is_hard_link() && self.leaves_out(&relative(&target)?) {
                        let target = target.display();
                        return Err(bad(format!(
                            "{path} is another name of {target}, which {IGNORE} leaves out; pack it with tar --hard-dereference"
                        )));
                    }
                    out.append_link(&mut header, path, target)
                }
                _ => out.append_data(&mut header, path, entry),
            }
        })?;
        for file in self.files.iter().filter(|file| !self.leaves_out(&file.path)) {
            let (size, reader) = self.open(runtime, &file.digest)?;
            out.append_data(&mut plain(size), &file.path, reader)?;
        }
        for (path, text) in &self.texts {
            out.append_data(&mut plain(text.len() as u64), path, text.as_bytes())?;
        }
        out.finish()
    }

    /// Each entry of the archive with its path as it is to be named.
    fn each(
        &self,
        runtime: &Handle,
        mut visit: impl FnMut(&str, &mut tar::Entry<'_, Box<dyn Read>>) -> IoResult<()>,
    ) -> IoResult<()> {
        let Some(digest) = &self.archive else { return Ok(()) };
        let (_, reader) = self.open(runtime, digest)?;
        let plain = Limited { inner: unpacked(reader)?, left: self.limit_bytes };
        let mut archive = Archive::new(Box::new(plain) as Box<dyn Read>);
        for (number, entry) in archive.entries()?.enumerate() {
            let mut entry = entry?;
            if number >= MOST_ENTRIES {
                return Err(bad(format!("it has more than {MOST_ENTRIES} entries")));
            }
            let path = relative(&entry.path()?)?;
            let kind = entry.header().entry_type();
            if matches!(kind, EntryType::XGlobalHeader) || path.is_empty() {
                continue;
            }
            if !(kind.is_file() || kind.is_dir() || kind.is_symlink() || kind.is_hard_link()) {
                return Err(bad(format!("{path} is neither a file, a folder nor a link")));
            }
            if kind.is_hard_link() {
                relative(&entry.link_name()?.unwrap_or_default())?;
            }
            visit(&path, &mut entry)?;
        }
        Ok(())
    }

    fn open(&self, runtime: &Handle, digest: &str) -> IoResult<(u64, StoredReader)> {
        let (size, body) = runtime.block_on(self.objects.stream(digest, None)).map_err(IoError::other)?;
        Ok((size, StoredReader { runtime: runtime.clone(), body: body.boxed(), chunk: Bytes::new() }))
    }
}

fn unreadable(cause: IoError) -> Error {
    Error::invalid(format!("The context cannot be read: {cause}."))
}

fn bad(why: String) -> IoError {
    IoError::new(std::io::ErrorKind::InvalidData, why)
}

/// What a Dockerfile has instead of the context's, as BuildKit knows it.
fn of_its_own(dockerfile: &str) -> String {
    format!("{dockerfile}{IGNORE}")
}

fn looks_like_requirements(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    name.ends_with(".txt") && (name.contains("req") || name.contains("constraint") || name.contains("dep"))
}

/// # Errors
/// For a path that leads out of the context.
fn relative(path: &Path) -> IoResult<String> {
    let mut parts = vec![];
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::Normal(name) => match name.to_str().filter(|name| !name.contains(['\\', '\n', '\r'])) {
                Some(name) => parts.push(name),
                None => return Err(bad(format!("the name {name:?} cannot be in a context"))),
            },
            _ => return Err(bad(format!("the path {path:?} in it leads elsewhere"))),
        }
    }
    Ok(parts.join("/"))
}

fn plain(size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_size(size);
    header.set_mode(0o644);
    header.set_entry_type(EntryType::Regular);
    header
}

/// By its first bytes: zstd, gzip, or a tar as it is.
fn unpacked(reader: StoredReader) -> IoResult<Box<dyn Read>> {
    let mut reader = BufReader::with_capacity(CHUNK_BYTES, reader);
    let head = reader.fill_buf()?;
    if head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        return Ok(Box::new(zstd::stream::read::Decoder::with_buffer(reader)?));
    }
    if head.starts_with(&[0x1f, 0x8b]) {
        return Ok(Box::new(flate2::bufread::MultiGzDecoder::new(reader)));
    }
    Ok(Box::new(reader))
}

/// An error once more than the limit was read.
struct Limited {
    inner: Box<dyn Read>,
    left: u64,
}

impl Read for Limited {
    fn read(&mut self, into: &mut [u8]) -> IoResult<usize> {
        let count = self.inner.read(into)?;
        self.left = self
            .left
            .checked_sub(count as u64)
            .ok_or_else(|| bad("it is larger than build_context_bytes allows".into()))?;
        Ok(count)
    }
}

/// Stored content, read on a blocking thread.
struct StoredReader {
    runtime: Handle,
    body: BoxStream<'static, IoResult<Bytes>>,
    chunk: Bytes,
}

impl Read for StoredReader {
    fn read(&mut self, into: &mut [u8]) -> IoResult<usize> {
        while self.chunk.is_empty() {
            match self.runtime.block_on(self.body.next()) {
                Some(chunk) => self.chunk = chunk?,
                None => return Ok(0),
            }
        }
        let count = self.chunk.len().min(into.len());
        into[..count].copy_from_slice(&self.chunk.split_to(count));
        Ok(count)
    }
}

/// Hands what is written to the other side, in larger pieces.
struct Sender {
    sender: mpsc::Sender<IoResult<Bytes>>,
    buffer: Vec<u8>,
}

impl Write for Sender {
    fn write(&mut self, bytes: &[u8]) -> IoResult<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= CHUNK_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> IoResult<()> {
        let full = std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK_BYTES));
        if full.is_empty() {
            return Ok(());
        }
        let gone = |_| IoError::new(std::io::ErrorKind::BrokenPipe, "nobody reads the context any more");
        self.sender.blocking_send(Ok(full.into())).map_err(gone)
    }
}

#[cfg(test)]
#[path = "context_tests.rs"]
mod tests;
