//! Files of a thing, fetched into its folder while that has no name yet.

use std::path::Path;

use drydock_wire::{ErrorCode, import::ImportOutcome};
use futures_util::{StreamExt, stream};
use reqwest::Method;
use tokio::io::AsyncWriteExt;

use super::{
    super::{
        import::is_lost,
        report::Kind,
        source::{File, Place, Source, Unread},
        written,
    },
    Export, disk,
};
use crate::error::{Error, Result};

const DOWNLOADS: usize = 8;

/// What became of a file.
enum Got {
    All,
    /// No folder can have it under that name, now and next time.
    Never(String),
}

/// What became of a thing's files.
#[derive(Default)]
pub(super) struct Fetched {
    /// Not all of them came; the next time they may.
    pub missed: bool,
    /// Those that no folder can have.
    pub never: Vec<Unread>,
}

impl Export<'_> {
    /// Fetches the files; each that did not come is named in the report.
    pub(super) async fn files(&mut self, of: &str, root: &Path, files: Vec<File>) -> Result<Fetched> {
        std::fs::create_dir_all(root).map_err(disk)?;
        let source = self.source;
        let downloads = files.into_iter().map(|file| {
            let root = root.to_owned();
            async move { (download(source, &root, &file).await, file) }
        });
        let mut fetched = Fetched::default();
        let mut downloads = stream::iter(downloads).buffer_unordered(DOWNLOADS);
        while let Some((wrote, file)) = downloads.next().await {
            let named = format!("{of}, artifact {}", file.path);
            match wrote {
                Ok(Got::All) => self.report.file(ImportOutcome::Imported, file.size_bytes),
                Ok(Got::Never(why)) => fetched.never.push(Unread::new(named, why)),
                Err(error) if is_lost(&error) => return Err(error),
                Err(error) => {
                    fetched.missed = true;
                    self.report.refuse(Kind::Artifacts, &named, &error.message);
                }
            }
        }
        Ok(fetched)
    }
}

async fn download(source: &Source, root: &Path, file: &File) -> Result<Got> {
    if let Err(why) = drydock_wire::validate::relative_path(&file.path) {
        return Ok(Got::Never(why.to_owned()));
    }
    let (Place::Server(path, query), Some(api)) = (&file.at, source.api()) else {
        return Err(Error::invalid("it is not on a server"));
    };
    let query: Vec<(&str, &str)> = query.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let answer = api.send(api.request(Method::GET, &[path], &query)?).await?;
    let to = root.join(&file.path);
    let mut out = match create(&to).await {
        Ok(out) => out,
        Err(error) if written::is_no_name(&error) => return Ok(Got::Never(error.to_string())),
        Err(error) => return Err(disk(error)),
    };
    let mut body = answer.bytes_stream();
    while let Some(piece) = body.next().await {
        // Of this file alone: a server that went away does not answer for the next one either.
        let broke_off = |error| Error::new(ErrorCode::BadGateway, format!("it broke off: {error}"));
        out.write_all(&piece.map_err(broke_off)?).await.map_err(disk)?;
    }
    out.sync_all().await.map_err(disk)?;
    Ok(Got::All)
}

async fn create(to: &Path) -> std::io::Result<tokio::fs::File> {
    if let Some(parent) = to.parent() {
        tokio::fs::create_dir_all(parent).await?;
    }
    tokio::fs::File::create(to).await
}
