//! Profiles and reports: made before the answer where files are small, by the `Profiler` everywhere else.
//!
//! Both ways run the same two functions, which are idempotent: they write what follows from a version's bytes and the
//! rules. The tables are laid out under the data directory (hard links), read on a blocking thread, and removed.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use drydock_wire::datasets::{Check, DatasetFile, FileProfile, ValidationReport, VersionSummary};
use drydock_wire::events::Topic;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tempfile::TempDir;
use tokio::sync::Semaphore;

use super::manifest::Manifest;
use super::store::{self, DatasetRow, VersionRow};
use super::table::{Source, Stop};
use super::{images, leftovers, profile, sending, table, validate, versions};
use crate::app::App;
use crate::background::Task;
use crate::clock;
use crate::db::Conn;
use crate::error::{Error, Result};
use crate::objects;

pub const PROFILER: &str = "datasets.profiler";

/// Files of a version that are looked through before the answer.
const SMALL_FILES: u64 = 200;
/// Tables that are profiled.
const TABLES: usize = 1_000;
/// Tables of a version up to this size together, and so many, are analysed before the answer.
const SMALL_BYTES: u64 = 4 << 20;
const SMALL_COUNT: usize = 50;
/// Versions that are read at the same time: each takes a core. Small ones never wait behind large ones.
pub(super) static READING_SMALL: Semaphore = Semaphore::const_new(2);
pub(super) static READING_LARGE: Semaphore = Semaphore::const_new(1);
/// For differences, which somebody waits for.
static READING_SOON: Semaphore = Semaphore::const_new(1);
/// For columns that are compared, which takes longer and more memory.
static READING_COLUMNS: Semaphore = Semaphore::const_new(1);

/// Profiles new versions, holds latest ones against new rules, forgets old uploads.
pub struct Profiler {
    app: App,
}

impl Profiler {
    /// Also clears what an interrupted pass of an earlier process has left.
    pub fn new(app: App) -> Self {
        let _ = std::fs::remove_dir_all(scratch(&app));
        Self { app }
    }

    async fn pass(&self) -> Result<()> {
        // after the grace the bytes may be gone, so the upload is no more to be referred to either
        let grace_ms = i64::try_from(self.app.config.limits.blob_grace_s.saturating_mul(1000)).unwrap_or(i64::MAX);
        let before = clock::now_ms().saturating_sub(grace_ms);
        let forget = move |conn: &mut Conn| {
            store::forget_uploads(conn, before)?;
            sending::forget_stale(conn)
        };
        self.app.db.write(forget).await?;
        let mut outcome = Ok(());
        // one version that cannot be read must not keep the others waiting
        for (dataset, row) in self.app.db.read(store::without_profile).await? {
            let made = async {
                let found = Found::look(&self.app, &row).await?;
                make_profiles(&self.app, &dataset, &row, found).await
            };
            outcome = made.await.and(outcome);
        }
        for (dataset, row) in self.app.db.read(store::without_report).await? {
            outcome = make_report(&self.app, &dataset, &row).await.and(outcome);
        }
        leftovers::clean(&self.app).await.and(outcome)
    }
}

impl Task for Profiler {
    fn name(&self) -> &'static str {
        PROFILER
    }

    fn period(&self) -> Duration {
        Duration::from_secs(300)
    }

    fn run(&self) -> BoxFuture<'_, Result<()>> {
        self.pass().boxed()
    }
}

/// Whether these tables are analysed before the answer.
fn is_small(tables: &[DatasetFile]) -> bool {
    tables.len() <= SMALL_COUNT && tables.iter().map(|file| file.size_bytes).sum::<u64>() <= SMALL_BYTES
}

/// Analyses a small version that was just made and says how it now looks; large ones, and faults, are left to the
/// `Profiler`: the version stands.
pub async fn analyze_now(app: &App, name: &str, dataset_id: &str, made: VersionSummary) -> VersionSummary {
    let (id, version) = (dataset_id.to_owned(), made.version);
    let analysed = async {
        if made.file_count > SMALL_FILES {
            return Ok(None);
        }
        let (dataset, row) = app
            .db
            .read(move |conn| {
                let dataset = store::dataset_by_id(conn, &id)?;
                let row = store::version(conn, &dataset, version)?;
                Ok((dataset, row))
            })
            .await?;
        let found = Found::look(app, &row).await?;
        if !is_small(&found.tables) {
            return Ok(None);
        }
        make_profiles(app, &dataset, &row, found).await?;
        if !dataset.rules()?.is_empty() {
            make_report(app, &dataset, &row).await?;
        }
        let row =
            app.db.read(move |conn| store::version(conn, &dataset, version).map(|row| row.view(&dataset))).await?;
        Ok::<_, Error>(Some(row))
    };
    match analysed.await {
        Ok(Some(summary)) => return summary,
        Ok(None) => {}
        Err(error) => {
            tracing::warn!(dataset.version = version, "version {version} of {name} is profiled later: {error}")
        }
    }
    app.background.waker(PROFILER).wake();
    made
}

async fn make_profiles(app: &App, dataset: &DatasetRow, row: &VersionRow, found: Found) -> Result<()> {
    let images = images::profile(app, &found.manifest).await?;
    let mut profiles = known_profiles(app, dataset, row, &found.tables).await?;
    let is_known = |file: &DatasetFile| profiles.iter().any(|known| known.path == file.path);
    let fresh = found.tables.into_iter().filter(|file| !is_known(file)).collect();
    let made = read(lay_out(app, fresh).await?, |laid| {
        let profile = |file: &DatasetFile| profile::profile(&file.path, &file.digest, || laid.open(file));
        Ok(laid.files.iter().map(profile).collect::<Vec<FileProfile>>())
    })
    .await?;
    profiles.extend(made);
    profiles.sort_by(|a, b| a.path.cmp(&b.path));
    profiles.dedup_by(|a, b| a.path == b.path);
    let (id, version) = (dataset.id.clone(), row.version);
    app.db.write(move |conn| store::set_profiles(conn, &id, version, &profiles, images.as_ref())).await?;
    app.events.publish(Topic::Datasets, Some(&dataset.name));
    Ok(())
}

/// Profiles again what could not be read the last time: its content may be whole again by now.
pub async fn look_again(app: &App, dataset: &DatasetRow, row: &VersionRow) -> Result<()> {
    let known = profiles_of(app, dataset, &row.version.to_string()).await?.unwrap_or_default();
    if known.iter().all(|profile| profile.problem.is_none()) {
        return Ok(());
    }
    make_profiles(app, dataset, row, Found::look(app, row).await?).await
}

/// What the version's own profile of before and the parent's say of tables that are the same in this version: equal
/// bytes need no second look, unless they could not be read then.
async fn known_profiles(
    app: &App,
    dataset: &DatasetRow,
    row: &VersionRow,
    tables: &[DatasetFile],
) -> Result<Vec<FileProfile>> {
    let mut found = vec![];
    for version in [Some(row.version), row.parent].into_iter().flatten() {
        found.extend(profiles_of(app, dataset, &version.to_string()).await?.unwrap_or_default());
    }
    let same = |profile: &FileProfile| {
        let format = |path: &str| path.rsplit('.').next().map(str::to_ascii_lowercase);
        let table =
            tables.iter().find(|file| file.digest == profile.digest && format(&file.path) == format(&profile.path))?;
        Some(FileProfile { path: table.path.clone(), ..profile.clone() })
    };
    Ok(found.iter().filter(|profile| profile.problem.is_none()).filter_map(same).collect())
}

/// Profiles of another version of the dataset: a number or a tag. Nothing when it is not there or not profiled.
async fn profiles_of(app: &App, dataset: &DatasetRow, version: &str) -> Result<Option<Vec<FileProfile>>> {
    let (dataset, version) = (dataset.clone(), version.to_owned());
    app.db
        .read(move |conn| match versions::resolve(conn, &dataset, &version) {
            Ok(row) => Ok(store::analysis(conn, &dataset, row.version)?.profiles),
            Err(error) if error.code == drydock_wire::ErrorCode::NotFound => Ok(None),
            Err(error) => Err(error),
        })
        .await
}

async fn make_report(app: &App, dataset: &DatasetRow, row: &VersionRow) -> Result<()> {
    let report = report(app, dataset, row).await?;
    let (id, version, revision) = (dataset.id.clone(), row.version, dataset.rules_revision);
    app.db.write(move |conn| store::set_report(conn, &id, version, &report, revision)).await?;
    app.events.publish(Topic::Datasets, Some(&dataset.name));
    Ok(())
}

/// The version against the dataset's rules; not kept anywhere.
///
/// # Errors
/// `conflict` when there are no rules, `unavailable` while the profile that some of them need is still to come.
pub async fn report(app: &App, dataset: &DatasetRow, row: &VersionRow) -> Result<ValidationReport> {
    let rules = dataset.rules()?;
    if rules.is_empty() {
        return Err(Error::conflict(format!("The dataset {} has no rules yet; declare some first.", dataset.name)));
    }
    let found = Found::look(app, row).await?;
    let (wanted, number) = (dataset.clone(), row.version);
    let known = app.db.read(move |conn| store::analysis(conn, &wanted, number)).await?;
    if known.profiles.is_none() {
        return Err(Error::unavailable("The version is still being profiled; its checks follow by themselves."));
    }
    let mut others = HashMap::new();
    for rule in &rules {
        if let Check::Drift { against, .. } = &rule.check
            && let Some(profiles) = profiles_of(app, dataset, against).await?
        {
            others.insert(against.clone(), profiles);
        }
    }
    let laid = lay_out(app, found.tables).await?;
    read(laid, move |laid| {
        let subject = validate::Subject {
            tables: &laid.files,
            profiles: known.profiles.as_deref().unwrap_or_default(),
            images: known.images.as_ref(),
            others: &others,
            scratch: laid.folder(),
            checked_at: clock::now_ms(),
        };
        validate::validate(&rules, &subject, |file| laid.open(file))
    })
    .await
}

/// What a version has for us to look at.
struct Found {
    manifest: Manifest,
    /// At most `TABLES` of them, in path order.
    tables: Vec<DatasetFile>,
}

impl Found {
    async fn look(app: &App, row: &VersionRow) -> Result<Self> {
        let manifest = versions::open_row(app, row).await?;
        let (mut files, mut tables) = (manifest.files(), vec![]);
        while let Some(entry) = files.next().await? {
            if table::is_tabular(&entry.path) && tables.len() < TABLES {
                tables.push(entry.into_file());
            }
        }
        Ok(Self { manifest, tables })
    }
}

/// Tables on disk, for as long as the value lives.
pub struct LaidOut {
    dir: TempDir,
    pub files: Vec<DatasetFile>,
    /// Digests of those that are damaged, with words for a person.
    damaged: HashMap<String, String>,
}

impl LaidOut {
    /// Where work may lie, too.
    pub fn folder(&self) -> &Path {
        self.dir.path()
    }

    /// # Errors
    /// `Malformed` when the content is damaged: that is about the one file, and the others can be read.
    pub fn open(&self, file: &DatasetFile) -> std::result::Result<Source, Stop> {
        match self.damaged.get(&file.digest) {
            Some(words) => Err(Stop::Malformed(words.clone())),
            None => File::open(place(self.dir.path(), file)).map(Source::File).map_err(Stop::Io),
        }
    }
}

fn place(dir: &Path, file: &DatasetFile) -> PathBuf {
    dir.join(&file.digest)
}

pub async fn lay_out(app: &App, files: Vec<DatasetFile>) -> Result<LaidOut> {
    let scratch = scratch(app);
    tokio::fs::create_dir_all(&scratch).await.map_err(Error::internal)?;
    let dir = tempfile::tempdir_in(scratch).map_err(Error::internal)?;
    let mut damaged = HashMap::new();
    for file in &files {
        let to = place(dir.path(), file);
        if to.exists() || damaged.contains_key(&file.digest) {
            continue;
        }
        match app.objects.materialize(&file.digest, &to).await {
            Ok(()) => {}
            Err(error) if objects::is_damage(&error) => drop(damaged.insert(file.digest.clone(), error.message)),
            Err(error) => return Err(error),
        }
    }
    Ok(LaidOut { dir, files, damaged })
}

/// Runs the work on a blocking thread; the files are gone when it is done.
pub async fn read<T, F>(laid: LaidOut, work: F) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce(&LaidOut) -> std::io::Result<T> + Send + 'static,
{
    let turns = if is_small(&laid.files) { &READING_SMALL } else { &READING_LARGE };
    read_in_turn(turns, laid, work).await
}

/// As `read`, for somebody who waits: not behind a profile of what may be many gigabytes, so only for work that is bounded.
pub async fn read_soon<T, F>(laid: LaidOut, work: F) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce(&LaidOut) -> std::io::Result<T> + Send + 'static,
{
    read_in_turn(&READING_SOON, laid, work).await
}

/// As `read_soon`, for columns of a whole table.
pub async fn read_for_comparison<T, F>(laid: LaidOut, work: F) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce(&LaidOut) -> std::io::Result<T> + Send + 'static,
{
    read_in_turn(&READING_COLUMNS, laid, work).await
}

async fn read_in_turn<T, F>(turns: &Semaphore, laid: LaidOut, work: F) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce(&LaidOut) -> std::io::Result<T> + Send + 'static,
{
    let _turn = turns.acquire().await.map_err(Error::internal)?;
    tokio::task::spawn_blocking(move || work(&laid)).await.map_err(Error::internal)?.map_err(Error::internal)
}

/// On the file system of the blobs, so that hard links work.
fn scratch(app: &App) -> PathBuf {
    app.data_dir.join("scratch").join("datasets")
}
