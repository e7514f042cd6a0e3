//! Files of runs, logged models and traces: those that are not on the box, from wherever they are.

use drydock_wire::import::{ForeignFile, ImportFiles, ImportOutcome};
use futures_util::{StreamExt, stream};
use reqwest::{Body, Method};
use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt;
use tokio_util::io::ReaderStream;

use super::{
    super::{
        api::Api,
        report::Kind,
        source::{File, Place, Source},
    },
    Import, is_lost,
};
use crate::error::{Error, Result};

/// Artifacts under way at once.
const UPLOADS: usize = 8;
const READ_BYTES: usize = 256 * 1024;

impl Import<'_> {
    /// Brings the files that are not on the box: how the thing they are of ended, then, and whether all of it is there now.
    pub(super) async fn files(
        &mut self,
        of: &str,
        root: &str,
        files: Vec<File>,
        mut outcome: ImportOutcome,
    ) -> Result<(ImportOutcome, bool)> {
        if outcome == ImportOutcome::Already {
            for file in &files {
                self.report.file(outcome, file.size_bytes);
            }
            return Ok((outcome, true));
        }
        let there = self.files_there(root, &files).await?;
        let mut all = true;
        let (absent, present): (Vec<File>, Vec<File>) =
            files.into_iter().partition(|file| !there.contains(&format!("{root}/{}", file.path)));
        for file in present {
            self.report.file(ImportOutcome::Already, file.size_bytes);
        }
        let (source, inbox) = (self.source, self.inbox.clone());
        let uploads = absent.into_iter().map(|file| {
            let (inbox, key) = (inbox.clone(), format!("{root}/{}", file.path));
            async move { (upload(source, &inbox, &key, &file).await, file) }
        });
        let mut uploads = stream::iter(uploads).buffer_unordered(UPLOADS);
        while let Some((sent, file)) = uploads.next().await {
            match sent {
                Ok(()) => {
                    self.report.file(ImportOutcome::Imported, file.size_bytes);
                    if outcome == ImportOutcome::Same {
                        outcome = ImportOutcome::Updated;
                    }
                }
                Err(error) if is_lost(&error) => return Err(error),
                Err(error) => {
                    all = false;
                    self.report.refuse(Kind::Artifacts, &format!("{of}, artifact {}", file.path), &error.message);
                }
            }
        }
        Ok((outcome, all))
    }

    /// Keys of those that are on the box with the same bytes. Files of a server would have to be fetched to know.
    async fn files_there(&self, root: &str, files: &[File]) -> Result<Vec<String>> {
        let mut asked = Vec::new();
        for file in files {
            if let Place::Disk(path) = &file.at
                && let Ok(digest) = sha256(path).await
            {
                asked.push(ForeignFile { key: format!("{root}/{}", file.path), digest });
            }
        }
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        self.inbox.post("api/v1/import/mlflow/files", &ImportFiles { files: asked }).await
    }
}

async fn sha256(path: &std::path::Path) -> std::io::Result<String> {
    let mut file = tokio::fs::File::open(path).await?;
    let mut hash = Sha256::new();
    let mut piece = vec![0; READ_BYTES];
    loop {
        match file.read(&mut piece).await? {
            0 => return Ok(hex::encode(hash.finalize())),
            read => hash.update(&piece[..read]),
        }
    }
}

/// One file, from wherever it is, to the box.
async fn upload(source: &Source, inbox: &Api, key: &str, file: &File) -> Result<()> {
    let request = inbox.request(Method::PUT, &["api/2.0/mlflow-artifacts/artifacts", key], &[])?;
    let request = match &file.at {
        Place::Disk(path) => {
            let opened = tokio::fs::File::open(path).await;
            let opened = opened.map_err(|error| Error::invalid(format!("it cannot be read: {error}")))?;
            request.body(Body::wrap_stream(ReaderStream::with_capacity(opened, READ_BYTES)))
        }
        Place::Server(path, query) => {
            let api = source.api().ok_or_else(|| Error::invalid("it is on a server, but the source is none"))?;
            let query: Vec<(&str, &str)> = query.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
            let answer = api.send(api.request(Method::GET, &[path], &query)?).await?;
            request.body(Body::wrap_stream(answer.bytes_stream()))
        }
    };
    inbox.send(request).await.map(drop)
}
