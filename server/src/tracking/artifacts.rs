//! Files of runs and logged models: objects of the bucket "mlflow".

use std::{collections::BTreeMap, sync::OnceLock};

use bytes::Bytes;
use drydock_wire::events::Topic;
use futures_util::Stream;
use serde_json::json;

use super::{ARTIFACT_BUCKET, rules};
use crate::{
    accounts::{
        Authorized, action, audit,
        projects::{self, subjects},
    },
    app::App,
    clock,
    db::Conn,
    error::{Error, Result},
    objects::{self, Object},
};

type Develop = Authorized<action::Develop>;
type View = Authorized<action::View>;

/// Answers which versions of registered models would lose a file with that key.
pub type WhoNeeds = fn(&mut Conn, &str) -> Result<Vec<(String, i64)>>;

static WHO_NEEDS: OnceLock<WhoNeeds> = OnceLock::new();

/// The registry imports tracking, so it cannot be imported here: boot hands its answer down, once.
pub fn ask_who_needs(answer: WhoNeeds) {
    // A second call is a second server in one process (tests), with the same function.
    let _ = WHO_NEEDS.set(answer);
}

/// Versions that a refusal names.
const NAMED: usize = 5;

/// One entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Name within the folder.
    pub name: String,
    pub is_dir: bool,
    /// Of files.
    pub size_bytes: Option<i64>,
}

/// A kept file.
pub type Artifact = Object;

/// Keeps the stream's bytes as the file at `key`; durable when it returns.
pub async fn put_artifact<S, E>(app: &App, _auth: &Develop, key: &str, body: S) -> Result<()>
where
    S: Stream<Item = std::result::Result<Bytes, E>> + Unpin,
    E: std::fmt::Display,
{
    rules::artifact_path(key)?;
    app.objects.put_object(ARTIFACT_BUCKET, key, body, Some(app.config.limits.upload_bytes)).await?;
    app.events.publish(Topic::Runs, run_of(key));
    Ok(())
}

/// The run that a key belongs to: `{experiment}/{run}/artifacts/…`.
pub(super) fn run_of(key: &str) -> Option<&str> {
    let mut parts = key.split('/');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(_), Some(run), Some("artifacts")) => Some(run),
        _ => None,
    }
}

/// The file at `key`.
///
/// # Errors
/// `not_found` when there is none; `invalid` when it is a folder.
pub async fn find_artifact(app: &App, _auth: &View, key: &str) -> Result<Artifact> {
    rules::artifact_path(key)?;
    if let Some(object) = app.objects.get(ARTIFACT_BUCKET, key).await? {
        return Ok(object);
    }
    if app.objects.list(ARTIFACT_BUCKET, &format!("{key}/")).await?.is_empty() {
        return Err(Error::not_found(format!("No such artifact: '{key}'")));
    }
    Err(Error::invalid(format!("Artifact path refers to a directory, not a file: '{key}'")))
}

/// The entries of the folder at `key` (the root when empty: those that are there for the asker), in name order; none when there is
/// no such folder.
pub async fn list_artifacts(app: &App, auth: &View, key: &str) -> Result<Vec<Entry>> {
    let key = key.trim_end_matches('/');
    let prefix = if key.is_empty() { String::new() } else { format!("{}/", rules::artifact_path(key)?) };
    let objects = app.objects.list(ARTIFACT_BUCKET, &prefix).await?;
    let entries = entries(&objects, prefix.len());
    if !prefix.is_empty() || auth.principal().reach.sees_all() {
        return Ok(entries);
    }
    let who = auth.principal().clone();
    app.db
        .read(move |conn| {
            let mut seen = vec![];
            for entry in entries {
                let mut is_there = true;
                for subject in subjects::of_artifact(&entry.name) {
                    is_there &= projects::sees(conn, &who, subject.kind, &subject.key)?;
                }
                if is_there {
                    seen.push(entry);
                }
            }
            Ok(seen)
        })
        .await
}

fn entries(objects: &[Object], prefix_len: usize) -> Vec<Entry> {
    let mut found: BTreeMap<&str, Option<i64>> = BTreeMap::new();
    for object in objects {
        match object.key[prefix_len..].split_once('/') {
            Some((folder, _)) => found.insert(folder, None),
            None => found.insert(&object.key[prefix_len..], Some(object.size_bytes)),
        };
    }
    found
        .into_iter()
        .map(|(name, size_bytes)| Entry { name: name.to_owned(), is_dir: size_bytes.is_none(), size_bytes })
        .collect()
}

/// # Errors
/// `conflict` when a registered version needs one of the files at or below the key.
fn refuse_needed(conn: &mut Conn, key: &str) -> Result<()> {
    let needed = WHO_NEEDS.get().map_or_else(|| Ok(Vec::new()), |answer| answer(conn, key))?;
    if needed.is_empty() {
        return Ok(());
    }
    let mut names: Vec<String> =
        needed.iter().take(NAMED).map(|(model, version)| format!("{model} version {version}")).collect();
    if needed.len() > NAMED {
        names.push(format!("{} more", needed.len() - NAMED));
    }
    Err(Error::conflict(format!("'{key}' has files of {}. Delete the version first.", names.join(", "))))
}

/// Forgets the file or folder at `key`; the bytes go with the next collection.
///
/// # Errors
/// As `refuse_needed`.
pub async fn delete_artifacts(app: &App, auth: &Authorized<action::Erase>, key: &str) -> Result<()> {
    let key = rules::artifact_path(key.trim_end_matches('/'))?.to_owned();
    let (who, path) = (auth.principal().clone(), key.clone());
    app.db
        .write(move |conn| {
            refuse_needed(conn, &path)?;
            let file = objects::store::delete(conn, ARTIFACT_BUCKET, &path)?;
            let below = objects::store::delete_prefix(conn, ARTIFACT_BUCKET, &format!("{path}/"))?;
            let count = below + usize::from(file);
            if count == 0 {
                return Ok(());
            }
            audit(
                conn,
                &who,
                "artifact.delete",
                &format!("artifact/{path}"),
                json!({"files": count, "at": clock::now_ms()}),
            )
        })
        .await?;
    app.events.publish(Topic::Runs, run_of(&key));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_shows_its_own_entries_only() {
        let object = |key: &str| Object {
            bucket: "mlflow".into(),
            key: key.into(),
            digest: String::new(),
            size_bytes: 3,
            created_at: 0,
        };
        let objects = [object("1/r/a/x"), object("1/r/a/y/z"), object("1/r/b"), object("1/r/a/y/w")];
        let names: Vec<(String, bool)> =
            entries(&objects, "1/r/".len()).into_iter().map(|e| (e.name, e.is_dir)).collect();
        assert_eq!(names, [("a".to_owned(), true), ("b".to_owned(), false)]);
        assert_eq!(run_of("1/r/artifacts/a"), Some("r"));
        assert_eq!(run_of("1/models/m-1/artifacts/a"), None);
    }
}
