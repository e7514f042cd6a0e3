//! Browsing what was kept.

use std::collections::BTreeMap;

use bytes::Bytes;
use drydock_wire::{
    jobs::{JobOutputs, OutputEntry},
    validate,
};
use futures_util::{Stream, StreamExt, TryStreamExt, stream};

use super::place;
use crate::{
    accounts::{Authorized, action},
    app::App,
    db::Conn,
    error::{Error, Result},
    jobs::{
        store::{self, AttemptRecord},
        tarball,
    },
    objects::{self, Object},
};

type View = Authorized<action::View>;

/// An attempt's outputs, each with its path below `/outputs`.
pub struct Outputs {
    pub attempt: AttemptRecord,
    pub files: Vec<(String, Object)>,
}

/// A folder of an attempt's outputs; the last attempt's where none is named.
pub async fn list(
    app: &App,
    _auth: &View,
    id: &str,
    attempt: Option<i64>,
    folder: &str,
    deep: bool,
) -> Result<JobOutputs> {
    let found = load(app, id, attempt).await?;
    let size = |object: &Object| u64::try_from(object.size_bytes).unwrap_or(0);
    let size_bytes = found.files.iter().map(|(_, object)| size(object)).sum();
    let files = found.files.iter().map(|(path, object)| (path.as_str(), size(object)));
    Ok(JobOutputs {
        attempt: found.attempt.number,
        run_id: found.attempt.run_id.clone(),
        entries: entries(files, folder, deep),
        file_count: found.files.len() as u64,
        size_bytes,
    })
}

/// One file.
///
/// # Errors
/// `not_found`.
pub async fn file(app: &App, _auth: &View, id: &str, attempt: Option<i64>, path: &str) -> Result<Object> {
    validate::relative_path(path).map_err(|advice| Error::invalid(format!("path: {advice}")))?;
    let (id, wanted) = (id.to_owned(), path.to_owned());
    let find = move |conn: &mut Conn| {
        let attempt = the_attempt(conn, &id, attempt)?;
        let (bucket, prefix) = place(conn, &attempt)?;
        objects::store::get(conn, bucket, &format!("{prefix}{wanted}"))
    };
    let found = app.db.read(find).await?;
    found.ok_or_else(|| Error::not_found(format!("There is no {path} among the job's outputs.")))
}

/// All files as a tar archive.
pub async fn archive(
    app: &App,
    _auth: &View,
    id: &str,
    attempt: Option<i64>,
) -> Result<impl Stream<Item = Result<Bytes>> + use<>> {
    let found = load(app, id, attempt).await?;
    let objects = app.objects.clone();
    let parts = stream::iter(found.files).then(move |(path, object)| {
        let objects = objects.clone();
        async move {
            let (size, body) = objects.stream(&object.digest, None).await?;
            let digest = object.digest;
            let body = body.map_err(move |cause| objects::stream_error(&digest, cause));
            let head = stream::iter([tarball::header(&path, size)]);
            Ok::<_, Error>(head.chain(body).chain(stream::iter([Ok(tarball::padding(size))])))
        }
    });
    Ok(parts.try_flatten().chain(stream::iter([Ok(tarball::trailer())])))
}

/// All of an attempt; of the last one where none is named.
///
/// # Errors
/// `not_found` for a job or an attempt that is not there.
pub async fn load(app: &App, id: &str, attempt: Option<i64>) -> Result<Outputs> {
    let id = id.to_owned();
    app.db
        .read(move |conn| {
            let attempt = the_attempt(conn, &id, attempt)?;
            let (bucket, prefix) = place(conn, &attempt)?;
            let found = objects::store::list_prefix(conn, bucket, &prefix)?;
            let files = found.into_iter().map(|object| (object.key[prefix.len()..].to_owned(), object)).collect();
            Ok(Outputs { attempt, files })
        })
        .await
}

fn the_attempt(conn: &mut Conn, id: &str, number: Option<i64>) -> Result<AttemptRecord> {
    store::require(conn, id)?;
    let mut attempts = store::attempts(conn, id)?;
    let found = match number {
        Some(number) => attempts.into_iter().find(|attempt| attempt.number == number),
        None => attempts.pop(),
    };
    found.ok_or_else(|| match number {
        Some(number) => Error::not_found(format!("The job {id} has no attempt {number}.")),
        None => Error::not_found(format!("The job {id} has not started yet, so it has no outputs.")),
    })
}

fn entries<'a>(files: impl Iterator<Item = (&'a str, u64)>, folder: &str, deep: bool) -> Vec<OutputEntry> {
    let prefix = match folder.trim_matches('/') {
        "" => String::new(),
        folder => format!("{folder}/"),
    };
    // folders before files, each by name
    let mut found: BTreeMap<(bool, String), u64> = BTreeMap::new();
    for (path, size) in files {
        let Some(rest) = path.strip_prefix(prefix.as_str()) else { continue };
        match rest.split_once('/') {
            Some((folder, _)) if !deep => *found.entry((false, format!("{prefix}{folder}"))).or_default() += size,
            _ => *found.entry((true, path.to_owned())).or_default() += size,
        }
    }
    let entry =
        |((is_file, path), size_bytes): ((bool, String), u64)| OutputEntry { path, is_folder: !is_file, size_bytes };
    found.into_iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_shows_its_own_and_sums_up_what_is_below() {
        let files = [("a.txt", 1), ("b/c.txt", 2), ("b/d/e.txt", 4), ("bc.txt", 8)];
        let shown = |folder: &str, deep| {
            let entry =
                |it: OutputEntry| format!("{}{}={}", it.path, if it.is_folder { "/" } else { "" }, it.size_bytes);
            entries(files.into_iter(), folder, deep).into_iter().map(entry).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(shown("", false), "b/=6 a.txt=1 bc.txt=8");
        assert_eq!(shown("b", false), "b/d/=4 b/c.txt=2");
        assert_eq!(shown("b/", true), "b/c.txt=2 b/d/e.txt=4");
        assert_eq!(shown("x", false), "");
    }
}
