//! Kept copies: one blob each, and for a large one an index, so that a line is found by its number without reading all before it.
//!
//! A copy lies in bucket `logs` under `{workload}/{generation}`, its index under `{workload}/{generation}/index`.

use bytes::Bytes;
use futures_util::{StreamExt, stream::BoxStream};
use serde::{Deserialize, Serialize};

use super::BUCKET;
use crate::{
    app::App,
    clock,
    db::Conn,
    error::{Error, Result},
    objects,
    spool::{Numbered, Reader, Splitter},
};

/// Of so many bytes each, the first line is in the index.
const STEP_BYTES: u64 = 1 << 20;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Index {
    /// Of the copy it was made for.
    digest: String,
    lines: u64,
    /// Number of a line and where it begins, in order.
    places: Vec<(u64, u64)>,
}

/// The digest of the kept copy.
pub fn digest(conn: &mut Conn, workload: &str, generation: i64) -> Result<Option<String>> {
    Ok(objects::store::get(conn, BUCKET, &key(workload, generation))?.map(|object| object.digest))
}

/// Makes a stored log the kept copy of that generation.
pub fn link(conn: &mut Conn, workload: &str, generation: i64, digest: &str) -> Result<()> {
    objects::store::link(conn, BUCKET, &key(workload, generation), digest, clock::now_ms())
}

fn key(workload: &str, generation: i64) -> String {
    format!("{workload}/{generation}")
}

fn index_key(workload: &str, generation: i64) -> String {
    format!("{workload}/{generation}/index")
}

/// Stores all that can be read; the digest. The copy is not linked yet.
pub async fn put(app: &App, workload: &str, generation: i64, reader: Reader) -> Result<String> {
    let mut index = Index { digest: String::new(), lines: 0, places: vec![] };
    let mut size = 0;
    let stored = {
        let noted = (&mut index, &mut size);
        let encoded = futures_util::stream::try_unfold((reader, noted), |(mut reader, (index, size))| async move {
            let batch = reader.batch().await?;
            if batch.is_empty() {
                return std::io::Result::Ok(None);
            }
            let mut bytes = Vec::with_capacity(64 << 10);
            for it in batch {
                if *size >= STEP_BYTES * (index.places.len() as u64 + 1) {
                    // a mark stands for the lines before it, too
                    index.places.push((index.lines, *size));
                }
                let before = bytes.len();
                it.line.encode_kept(&mut bytes);
                *size += (bytes.len() - before) as u64;
                index.lines = it.seq + 1;
            }
            Ok(Some((Bytes::from(bytes), (reader, (index, size)))))
        });
        app.objects.put_reserved(Box::pin(encoded)).await?
    };
    if !index.places.is_empty() {
        index.digest = stored.digest.clone();
        let text = serde_json::to_vec(&index).map_err(Error::internal)?;
        let at = app.objects.put_bytes(Bytes::from(text)).await?.digest;
        app.objects.link(BUCKET, &index_key(workload, generation), &at).await?;
    }
    Ok(stored.digest)
}

async fn index(app: &App, workload: &str, generation: i64, digest: &str) -> Result<Option<Index>> {
    let Some(object) = app.objects.get(BUCKET, &index_key(workload, generation)).await? else { return Ok(None) };
    let bytes = app.objects.read(&object.digest).await?;
    Ok(serde_json::from_slice::<Index>(&bytes).ok().filter(|index| index.digest == digest))
}

/// Lines of a kept copy from a number on.
pub struct KeptReader {
    bytes: BoxStream<'static, std::io::Result<Bytes>>,
    lines: Splitter,
    from: u64,
    ended: bool,
}

impl KeptReader {
    pub async fn open(app: &App, workload: &str, generation: i64, digest: &str, from: u64) -> Result<Self> {
        let index = if from == 0 { None } else { index(app, workload, generation, digest).await? };
        let places = index.map(|index| index.places).unwrap_or_default();
        let (seq, offset) = places.into_iter().rev().find(|(seq, _)| *seq <= from).unwrap_or((0, 0));
        let range = (offset > 0).then_some((offset, u64::MAX));
        let (_, bytes) = app.objects.stream(digest, range).await?;
        Ok(Self { bytes: bytes.boxed(), lines: Splitter::at(seq), from, ended: false })
    }

    /// The next lines; empty at the end.
    pub async fn batch(&mut self) -> std::io::Result<Vec<Numbered>> {
        let mut found = vec![];
        while found.is_empty() && !self.ended {
            match self.bytes.next().await {
                Some(bytes) => self.lines.feed(&bytes?, self.from, &mut found),
                None => {
                    self.lines.finish(self.from, &mut found);
                    self.ended = true;
                }
            }
        }
        Ok(found)
    }
}

/// How many lines a kept copy has.
pub async fn count(app: &App, workload: &str, generation: i64, digest: &str) -> Result<u64> {
    if let Some(index) = index(app, workload, generation, digest).await? {
        return Ok(index.lines);
    }
    let mut reader = KeptReader::open(app, workload, generation, digest, u64::MAX).await?;
    while !reader.batch().await.map_err(Error::internal)?.is_empty() {}
    Ok(reader.lines.seq)
}
