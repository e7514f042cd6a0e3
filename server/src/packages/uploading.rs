//! A wheel on its way into the index: its bytes are kept, looked into, and then named; or they go with a later sweep.

use bytes::Bytes;
use drydock_wire::{events::Topic, packages::PackageFile};
use futures_util::Stream;
use serde_json::json;

use super::{
    names::{self, WheelName},
    reader::BlobReader,
    store::{self, File},
    views,
    wheel::{self, Wheel},
};
use crate::{
    accounts::{
        self, Authorized, Principal, action,
        projects::{self, Kind},
    },
    app::App,
    clock,
    db::Conn,
    error::{Error, Result},
    objects::BlobInfo,
};

/// What became of an upload.
#[derive(Debug, Clone, PartialEq)]
pub struct Added {
    pub file: PackageFile,
    /// The same bytes were there already under that name.
    pub known: bool,
}

/// Takes a wheel in. `expected`: the SHA-256 that the sender says it has.
///
/// # Errors
/// `conflict` when the name stands for other bytes; `invalid` for a wheel that is none; `refused` for another kind of file.
pub async fn add<S, E>(
    app: &App,
    auth: &Authorized<action::Push>,
    filename: &str,
    body: S,
    expected: Option<&str>,
) -> Result<Added>
where
    S: Stream<Item = std::result::Result<Bytes, E>> + Unpin,
    E: std::fmt::Display,
{
    let name = names::parse_wheel(filename)?;
    let received = app.objects.receive(body, Some(app.config.limits.upload_bytes), ()).await?;
    if expected.is_some_and(|expected| !expected.eq_ignore_ascii_case(received.digest())) {
        return Err(Error::invalid(format!("{filename} arrived with other bytes than were sent; upload it again.")));
    }
    let (wanted, digest) = (filename.to_owned(), received.digest().to_owned());
    if let Some(known) = app.db.read(move |conn| same_or_conflict(conn, &wanted, &digest)).await? {
        return Ok(Added { file: views::file(known), known: true });
    }
    let kept = app.objects.keep(received, |_, _| Ok(())).await?.0;
    let wheel = look_into(app, name, filename, &kept).await?;
    let metadata = app.objects.put_bytes(wheel.metadata.clone().into()).await?;
    let (who, filename) = (auth.principal().clone(), filename.to_owned());
    let added = app.db.write(move |conn| insert(conn, &who, filename, wheel, &kept, &metadata.digest)).await?;
    if !added.known {
        app.events.publish(Topic::Packages, Some(&names::parse_wheel(&added.file.filename)?.name));
    }
    Ok(added)
}

async fn look_into(app: &App, name: WheelName, filename: &str, kept: &BlobInfo) -> Result<Wheel> {
    let reader = BlobReader::new(&app.objects, &kept.digest, kept.size_bytes);
    let (filename, size) = (filename.to_owned(), kept.size_bytes);
    tokio::task::spawn_blocking(move || wheel::check(name, &filename, reader, size)).await.map_err(Error::internal)?
}

fn same_or_conflict(conn: &mut Conn, filename: &str, digest: &str) -> Result<Option<File>> {
    match store::file(conn, filename)? {
        Some(known) if known.digest != digest => Err(Error::conflict(format!(
            "{filename} is in the index with other bytes, and a file there never changes: raise the version, or give it a build \
             number. (There: sha256 {}, uploaded by {}.)",
            known.digest, known.uploaded_by
        ))),
        known => Ok(known),
    }
}

fn insert(
    conn: &mut Conn,
    who: &Principal,
    filename: String,
    wheel: Wheel,
    kept: &BlobInfo,
    metadata: &str,
) -> Result<Added> {
    // somebody may have been quicker
    if let Some(known) = same_or_conflict(conn, &filename, &kept.digest)? {
        return Ok(Added { file: views::file(known), known: true });
    }
    let name = &wheel.name.name;
    projects::may(conn, who, action::Push, Kind::Package, name)?;
    let newest = match store::find(conn, name)? {
        Some(package) => {
            let known = store::files(conn, package.id)?;
            known.iter().filter_map(File::parsed_version).all(|version| version <= wheel.name.version)
        }
        None => true,
    };
    let package = if newest {
        store::ensure(conn, &who.project, name, &wheel.parsed.name, wheel.parsed.summary.as_deref())?
    } else {
        store::require(conn, name)?
    };
    let file = File {
        package: package.id,
        version: wheel.name.version.to_string(),
        tags: wheel.name.tags,
        digest: kept.digest.clone(),
        size_bytes: i64::try_from(kept.size_bytes).map_err(Error::internal)?,
        requires_python: wheel.parsed.requires_python,
        requires: serde_json::to_string(&wheel.parsed.requires).map_err(Error::internal)?,
        metadata: metadata.to_owned(),
        yanked: None,
        uploaded_at: clock::now_ms(),
        uploaded_by: who.username.clone(),
        filename,
    };
    store::insert(conn, &file)?;
    let told = json!({ "filename": file.filename, "digest": file.digest });
    accounts::audit(conn, who, "package.add", &super::subject(&package.name), told)?;
    Ok(Added { file: views::file(file), known: false })
}
