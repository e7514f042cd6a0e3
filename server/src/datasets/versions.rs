//! Making versions and looking into them. A new one is another one with changes, or a whole list; either way what the caller
//! refers to must be theirs, and the rows that keep its content come no later than the version itself.

use std::sync::OnceLock;

use drydock_wire::ErrorCode;
use drydock_wire::datasets::{
    CreateDataset, CreateVersion, CreatedVersion, DatasetFile, FilePage, VersionDetail, VersionLine, VersionSource,
};
use drydock_wire::events::Topic;
use futures_util::{Stream, StreamExt};
use serde_json::json;
use tokio::sync::RwLock;

use super::manifest::{self, Change, Changes, Entry, Made, Manifest};
use super::store::{self, DatasetRow, VersionRow};
use super::{rules, subject, tasks};
use crate::accounts::{self, Authorized, Principal, action};
use crate::app::App;
use crate::clock;
use crate::db::Conn;
use crate::error::{Error, Result};

/// Held shared while a version is made, exclusively while leftovers are looked for: content that a version is about to have
/// is never taken for a leftover.
pub static MAKING: RwLock<()> = RwLock::const_new(());

/// Is told of a new version in the transaction that makes it: the dataset's name and the number.
pub type TellOfNew = fn(&mut Conn, &str, i64) -> Result<()>;

static TELL_OF_NEW: OnceLock<TellOfNew> = OnceLock::new();

/// Pipelines stand above datasets: boot hands their ear down, once.
pub fn tell_of_new(ear: TellOfNew) {
    // A second call is a second server in one process (tests), with the same function.
    let _ = TELL_OF_NEW.set(ear);
}

/// References that are checked in one go.
const CHECKED_AT_ONCE: usize = 2_000;
/// Of a line of JSON.
const LINE_BYTES: usize = 16 << 10;
/// Files in a version's detail, and in a page of them.
const SHOWN_FILES: usize = 1_000;

/// What a version is made from.
pub struct Making {
    /// The version that the changes are about; absent: they are the whole version.
    pub base: Option<String>,
    pub changes: Changes,
    pub message: String,
    pub source: VersionSource,
    /// The content was found in a place that the caller may read, so that it need not be their upload.
    pub is_found: bool,
    /// Makes the dataset if there is none of that name, in the transaction that adds its first version.
    pub create: bool,
}

/// What a version is added to.
struct Line {
    dataset: DatasetRow,
    /// There is no row of the dataset yet.
    is_new: bool,
    base: Option<VersionRow>,
    latest: Option<VersionRow>,
}

/// Adds a version of these files, unless the latest has the very same content.
pub async fn create(
    app: &App,
    auth: &Authorized<action::Develop>,
    name: &str,
    wish: CreateVersion,
) -> Result<CreatedVersion> {
    rules::check_text("message", &wish.message)?;
    let changes = rules::changes(wish.files, wish.remove, wish.base_version.is_some())?;
    let source = VersionSource::Upload;
    let making =
        Making { base: wish.base_version, changes, message: wish.message, source, is_found: false, create: false };
    make(app, auth.principal(), name, making).await
}

/// As `create`, the files as lines of JSON.
pub async fn create_from_lines<S, E>(
    app: &App,
    auth: &Authorized<action::Develop>,
    name: &str,
    base: Option<String>,
    message: String,
    mut body: S,
) -> Result<CreatedVersion>
where
    S: Stream<Item = std::result::Result<bytes::Bytes, E>> + Unpin,
    E: std::fmt::Display,
{
    rules::check_text("message", &message)?;
    let mut wishes = rules::Collected::new(base.is_some());
    let (mut rest, mut line) = (Vec::new(), 0_u64);
    let mut take = |text: &[u8]| {
        line += 1;
        if text.trim_ascii().is_empty() {
            return Ok(());
        }
        let parsed: VersionLine = serde_json::from_slice(text)
            .map_err(|_| Error::invalid(format!("Line {line} is neither a file nor a path to remove.")))?;
        let added = match parsed {
            VersionLine::Put(file) => wishes.put(file),
            VersionLine::Remove { remove } => wishes.remove(remove),
        };
        added.map_err(|error| Error::new(error.code, format!("Line {line}: {}", error.message)))
    };
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|cause| Error::invalid(format!("The list broke off: {cause}")))?;
        let mut pieces = chunk.split(|byte| *byte == b'\n').peekable();
        while let Some(piece) = pieces.next() {
            rest.extend_from_slice(piece);
            if rest.len() > LINE_BYTES {
                return Err(Error::invalid(format!("A line is longer than {LINE_BYTES} bytes.")));
            }
            if pieces.peek().is_some() {
                take(&rest)?;
                rest.clear();
            }
        }
    }
    take(&rest)?;
    let changes = wishes.finish()?;
    let source = VersionSource::Upload;
    let making = Making { base, changes, message, source, is_found: false, create: false };
    make(app, auth.principal(), name, making).await
}

/// Makes the version, profiles it when it is small, and says how it looks.
pub async fn make(app: &App, who: &Principal, name: &str, making: Making) -> Result<CreatedVersion> {
    // From before the base is looked up: content of a version that is deleted meanwhile is not let go under the new one.
    let guard = MAKING.read().await;
    let (wanted, base, create) = (name.to_owned(), making.base.clone(), making.create);
    let line = app.db.read(move |conn| line(conn, &wanted, base, create)).await?;
    let Line { dataset, is_new, base, latest } = line;
    if !making.is_found {
        check_references(app, who, &dataset.id, &making.changes).await?;
    }
    let (note, id) = (uuid::Uuid::now_v7().to_string(), dataset.id.clone());
    let noted = note.clone();
    app.db.write(move |conn| store::note_leftover(conn, &noted, &id)).await?;
    let made = write(app, &dataset, base.as_ref(), latest.as_ref(), making.changes).await?;
    let parent = base.or(latest).map(|row| row.version);
    let (who, message, source) = (who.clone(), making.message, store::source_text(&making.source)?);
    let Made { root, file_count, size_bytes, digest } = made;
    let keep = move |conn: &mut Conn, root: &str| {
        if is_new {
            super::insert(conn, &who, &dataset)?;
        }
        let dataset = store::dataset_by_id(conn, &dataset.id)?;
        let row = VersionRow {
            dataset_id: dataset.id.clone(),
            version: dataset.versions_made + 1,
            created_at: clock::now_ms(),
            author: who.username.clone(),
            message,
            file_count: store::signed(file_count),
            size_bytes: store::signed(size_bytes),
            digest,
            report_passed: None,
            report_revision: None,
            manifest: Some(root.to_owned()),
            parent,
            source: Some(source),
        };
        store::forget_leftovers(conn, std::slice::from_ref(&note))?;
        let created = insert(conn, &who, &dataset, row)?;
        Ok((dataset.id, created))
    };
    let (_, (id, mut answer)) = app.objects.keep(root, keep).await?;
    drop(guard);
    if answer.created {
        app.events.publish(Topic::Datasets, Some(name));
        answer.version = tasks::analyze_now(app, name, &id, answer.version).await;
    }
    Ok(answer)
}

/// The line of versions of that name; with `create` perhaps one that is still to be made.
fn line(conn: &mut Conn, name: &str, base: Option<String>, create: bool) -> Result<Line> {
    let dataset = match store::dataset(conn, name) {
        Err(error) if error.code == ErrorCode::NotFound && create => return new_line(name, base),
        found => found?,
    };
    let base = base.map(|text| resolve(conn, &dataset, &text)).transpose()?;
    let latest = match dataset.last_version {
        0 => None,
        last => Some(store::version(conn, &dataset, last)?),
    };
    Ok(Line { dataset, is_new: false, base, latest })
}

fn new_line(name: &str, base: Option<String>) -> Result<Line> {
    if let Some(base) = base {
        return Err(Error::not_found(format!(
            "There is no dataset called {name} yet, and so no version {base:?} to add to; leave base_version out."
        )));
    }
    let dataset = super::new_dataset(CreateDataset { name: name.to_owned(), description: String::new() })?;
    Ok(Line { dataset, is_new: true, base: None, latest: None })
}

async fn write(
    app: &App,
    dataset: &DatasetRow,
    base: Option<&VersionRow>,
    latest: Option<&VersionRow>,
    changes: Changes,
) -> Result<Made> {
    let content = match base {
        Some(row) => open_row(app, row).await?,
        None => Manifest::empty(&app.objects),
    };
    let known = match (base, latest) {
        (None, Some(row)) => open_row(app, row).await?,
        _ => content.clone(),
    };
    manifest::write_version(&app.objects, &dataset.id, &content, &known, changes).await
}

fn insert(conn: &mut Conn, who: &Principal, dataset: &DatasetRow, row: VersionRow) -> Result<CreatedVersion> {
    if dataset.last_version > 0 {
        let latest = store::version(conn, dataset, dataset.last_version)?;
        if latest.digest == row.digest {
            return Ok(CreatedVersion { version: latest.view(dataset), created: false });
        }
    }
    store::insert_version(conn, &row)?;
    if let Some(tell) = TELL_OF_NEW.get() {
        tell(conn, &dataset.name, row.version)?;
    }
    let detail = json!({ "version": row.version, "digest": row.digest, "files": row.file_count, "bytes": row.size_bytes, "from": row.source });
    accounts::audit(conn, who, "dataset.version", &subject(&dataset.name), detail)?;
    Ok(CreatedVersion { version: row.view(dataset), created: true })
}

/// Knowing a digest is not having the bytes: it must be the caller's upload, or content of this dataset.
async fn check_references(app: &App, who: &Principal, dataset_id: &str, changes: &Changes) -> Result<()> {
    let mut puts = changes.paths.iter().filter_map(|(path, change)| match change {
        Change::Put { digest, size_bytes } => {
            Some(Entry { path: path.clone(), digest: *digest, size_bytes: *size_bytes })
        }
        Change::Remove => None,
    });
    loop {
        let batch: Vec<Entry> = puts.by_ref().take(CHECKED_AT_ONCE).collect();
        if batch.is_empty() {
            return Ok(());
        }
        let (person, id) = (who.person_id.clone(), dataset_id.to_owned());
        let check = move |conn: &mut Conn| batch.iter().try_for_each(|file| check_reference(conn, &person, &id, file));
        app.db.read(check).await?;
    }
}

fn check_reference(conn: &mut Conn, person_id: &str, dataset_id: &str, file: &Entry) -> Result<()> {
    let digest = file.digest_hex();
    let size = match store::held_size(conn, dataset_id, &digest)? {
        Some(size) => Some(size),
        None => store::upload_size(conn, person_id, &digest)?,
    };
    match size {
        Some(size) if size == file.size_bytes => Ok(()),
        Some(size) => Err(Error::invalid(format!(
            "{:?} is said to have {} bytes; its digest is of {size}.",
            file.path, file.size_bytes
        ))),
        None => Err(Error::invalid(format!(
            "{:?}: there is no upload of yours with the digest {digest}; send the file to PUT /api/v1/uploads first.",
            file.path
        ))),
    }
}

/// The version that a number, a tag or `latest` means.
///
/// # Errors
/// `not_found` when there is none.
pub fn resolve(conn: &mut Conn, dataset: &DatasetRow, text: &str) -> Result<VersionRow> {
    let number = match text {
        "latest" => dataset.last_version,
        text => match text.strip_prefix('v').unwrap_or(text).parse() {
            Ok(number) => number,
            Err(_) => store::tag(conn, &dataset.id, text)?.ok_or_else(|| {
                Error::not_found(format!("The dataset {} has no version or tag {text:?}.", dataset.name))
            })?,
        },
    };
    store::version(conn, dataset, number)
}

/// The files of a version.
pub async fn open_row(app: &App, row: &VersionRow) -> Result<Manifest> {
    let root = row.manifest.as_deref().ok_or_else(|| {
        Error::unavailable("This version still has the form of an earlier release; restart the server to turn it.")
    })?;
    Manifest::open(&app.objects, root).await
}

/// A dataset, a version of it and the version's files.
pub async fn open(app: &App, name: &str, version: &str) -> Result<(DatasetRow, VersionRow, Manifest)> {
    let (name, version) = (name.to_owned(), version.to_owned());
    let (dataset, row) = app
        .db
        .read(move |conn| {
            let dataset = store::dataset(conn, &name)?;
            let row = resolve(conn, &dataset, &version)?;
            Ok((dataset, row))
        })
        .await?;
    let manifest = open_row(app, &row).await?;
    Ok((dataset, row, manifest))
}

/// A version with its first files, its profiles and its report.
pub async fn detail(app: &App, _auth: &Authorized<action::View>, name: &str, version: &str) -> Result<VersionDetail> {
    let (dataset, row, manifest) = open(app, name, version).await?;
    let files = manifest.files().take(SHOWN_FILES).await?.into_iter().map(Entry::into_file).collect();
    let number = row.version;
    let (dataset, found) = app
        .db
        .read(move |conn| {
            let found = store::analysis(conn, &dataset, number)?;
            Ok((dataset, found))
        })
        .await?;
    Ok(VersionDetail {
        summary: row.view(&dataset),
        files,
        profiling: found.profiles.is_none(),
        profiles: found.profiles.unwrap_or_default(),
        images: found.images,
        report: found.report,
    })
}

/// What a page of files is asked for.
#[derive(Debug, Default, Clone)]
pub struct Listing {
    pub prefix: String,
    pub after: Option<String>,
    pub limit: usize,
    /// All files below, without folders.
    pub flat: bool,
}

/// A page of a version's files.
pub async fn files(
    app: &App,
    _auth: &Authorized<action::View>,
    name: &str,
    version: &str,
    wanted: Listing,
) -> Result<FilePage> {
    let (_, _, manifest) = open(app, name, version).await?;
    let limit = wanted.limit.clamp(1, SHOWN_FILES);
    match wanted.flat {
        true => manifest::page(&manifest, &wanted.prefix, wanted.after.as_deref(), limit).await,
        false => manifest::list(&manifest, &wanted.prefix, wanted.after.as_deref(), limit).await,
    }
}

/// One file of a version.
pub async fn file(
    app: &App,
    _auth: &Authorized<action::View>,
    name: &str,
    version: &str,
    path: &str,
) -> Result<DatasetFile> {
    let (_, row, manifest) = open(app, name, version).await?;
    let missing = || Error::not_found(format!("Version {} of {name} has no file {path:?}.", row.version));
    Ok(manifest.find(path).await?.ok_or_else(missing)?.into_file())
}
