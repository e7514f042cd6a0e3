//! A database that a power cut or a bad disk has torn: cut short, without its index of the log, with a byte changed. Either there is
//! what was committed, from the beginning up to some commit, or Drydock refuses in words.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use diesel::connection::SimpleConnection;
use drydock_tests::{
    Api, Dice, Fault, Server, Setup,
    ledger::{self, Faces, Stop},
};

const PAGE_BYTES: u64 = 4096;
const DATABASE: &str = "drydock.db";
const LOG: &str = "drydock.db-wal";
const LOG_INDEX: &str = "drydock.db-shm";
const KEY: &str = "torn";

/// A data folder as a kill left it, with so many points acknowledged one after the other.
struct Killed {
    folder: tempfile::TempDir,
    points: usize,
    run: String,
    token: String,
}

impl Killed {
    /// `in_log`: whether the points are still in the log when the kill comes, or in the database proper.
    async fn new(pages: u64, in_log: bool) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut server = Server::start_as(Setup { data: Some(folder.path().to_owned()), ..Setup::default() }).await?;
        let faces = Faces::of(&server).await?;
        server.stop().await?;
        // Accounts and the run are not to be cut away with the rest.
        checkpoint(folder.path())?;
        server.launch().await?;
        let stop = Stop::default();
        let logging = tokio::spawn(ledger::points(faces.clone(), KEY.into(), stop.clone()));
        while fs::metadata(folder.path().join(LOG)).map_or(0, |log| log.len()) < pages * PAGE_BYTES {
            ensure!(!logging.is_finished(), "logging stopped early:\n{}", server.printed());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stop.store(true, Ordering::SeqCst);
        let points = logging.await?;
        server.kill9().await?;
        if !in_log {
            checkpoint(folder.path())?;
        }
        Ok(Self { folder, points, run: faces.run, token: faces.web.token().to_owned() })
    }

    fn bytes(&self, name: &str) -> Result<Vec<u8>> {
        fs::read(self.folder.path().join(name)).with_context(|| name.to_owned())
    }
}

fn checkpoint(folder: &Path) -> Result<()> {
    let mut conn = drydock::db::connect(&folder.join(DATABASE), false)?;
    Ok(conn.batch_execute("PRAGMA wal_checkpoint(TRUNCATE)")?)
}

/// What became of one tear.
enum Outcome {
    /// So many of the points, from the first on.
    Prefix(usize),
    Refused,
    /// Points are there that nobody logged, and nobody noticed.
    Changed,
}

/// Starts on a copy of the folder in which `tear` has been at work.
async fn start_torn(killed: &Killed, tear: impl FnOnce(&Path) -> Result<()>) -> Result<Outcome> {
    let copy = tempfile::tempdir()?;
    let copied =
        std::process::Command::new("cp").arg("-a").arg(killed.folder.path().join(".")).arg(copy.path()).status()?;
    ensure!(copied.success(), "cp");
    tear(copy.path())?;
    let data: PathBuf = copy.path().to_owned();
    let mut server = Server::prepare(Setup { data: Some(data), ..Setup::default() })?;
    if server.launch().await.is_err() {
        ensure!(server.has_ended()?, "it neither starts nor ends:\n{}", server.printed());
        let words = server.printed();
        ensure!(words.contains("database") && words.contains("drydock: "), "refused without a word why:\n{words}");
        return Ok(Outcome::Refused);
    }
    let web = Api::anonymous(&server.url())?.with_token(&killed.token);
    let (registry, s3) = (web.clone(), drydock_tests::s3::S3::new(&server.s3_url(), "", "")?);
    let faces = Faces { web, registry, s3, run: killed.run.clone() };
    let path = format!("/api/2.0/mlflow/metrics/get-history?run_id={}&metric_key={KEY}", killed.run);
    let status = faces.web.status(reqwest::Method::GET, &path, None).await;
    let outcome = match (status, ledger::points_there(&faces, KEY).await) {
        (Ok(200 | 404), Ok(found)) => Outcome::Prefix(found),
        (Ok(200), Err(_)) => Outcome::Changed,
        _ => Outcome::Refused,
    };
    server.kill9().await?;
    Ok(outcome)
}

#[tokio::test]
async fn a_log_that_is_cut_gives_what_was_committed_before_the_cut() -> Result<()> {
    let fault = Fault::new("the database's log cut at each 4 KiB, its index deleted", 4, 120);
    let killed = Killed::new(if fault.count > 50 { 130 } else { 40 }, true).await?;
    let pages = fs::metadata(killed.folder.path().join(LOG))?.len() / PAGE_BYTES;
    let (mut before, mut prefixes) = (0, std::collections::BTreeSet::new());
    for at in 0..fault.count as u64 {
        // Each page where there are as many cuts, else spread over all of them.
        let page = if fault.count as u64 >= pages { at.min(pages) } else { at * pages / fault.count as u64 };
        let outcome = start_torn(&killed, |folder| {
            let log = fs::OpenOptions::new().write(true).open(folder.join(LOG))?;
            log.set_len(page * PAGE_BYTES)?;
            if at % 2 == 0 { Ok(fs::remove_file(folder.join(LOG_INDEX))?) } else { Ok(()) }
        });
        let Outcome::Prefix(found) = outcome.await? else { anyhow::bail!("cut at page {page}: no committed prefix") };
        ensure!((before..=killed.points + 1).contains(&found), "cut at page {page}: {found} points, {before} before");
        before = found;
        prefixes.insert(found);
    }
    let Outcome::Prefix(found) = start_torn(&killed, |folder| Ok(fs::remove_file(folder.join(LOG_INDEX))?)).await?
    else {
        anyhow::bail!("without the log's index: no committed prefix");
    };
    ensure!(found >= killed.points, "without the log's index: {found} of {}", killed.points);
    ensure!(prefixes.len() > 2, "the cuts hit nothing: {prefixes:?}");
    let points = killed.points;
    fault.held(format!(
        "always the first points in their order, none missing before the cut; whole: {found} of {points}"
    ));
    Ok(())
}

#[tokio::test]
async fn a_changed_byte_in_the_log_ends_what_is_read_from_it() -> Result<()> {
    let mut fault = Fault::new("a byte changed in the database's log", 2, 40);
    let killed = Killed::new(60, true).await?;
    let whole = killed.bytes(LOG)?;
    let (mut refused, mut shorter) = (0, 0);
    for _ in 0..fault.count {
        let at = fault.dice.index(whole.len());
        match start_torn(&killed, |folder| flip(&folder.join(LOG), at, &mut fault.dice)).await? {
            Outcome::Prefix(found) => {
                ensure!(found <= killed.points + 1, "byte {at}: {found} points of {}", killed.points);
                shorter += usize::from(found < killed.points);
            }
            Outcome::Refused => refused += 1,
            Outcome::Changed => anyhow::bail!("byte {at}: other points than were logged"),
        }
    }
    fault.held(format!("0 wrong points; {shorter} times fewer of them, {refused} times refused"));
    Ok(())
}

#[tokio::test]
async fn a_changed_byte_in_the_database_does_not_go_unsaid_by_what_is_built_on_it() -> Result<()> {
    let mut fault = Fault::new("a byte changed in the database", 2, 40);
    let killed = Killed::new(200, false).await?;
    let size = killed.bytes(DATABASE)?.len();
    let (mut refused, mut whole, mut changed) = (0, 0, 0);
    for _ in 0..fault.count {
        let at = fault.dice.index(size);
        match start_torn(&killed, |folder| flip(&folder.join(DATABASE), at, &mut fault.dice)).await? {
            Outcome::Prefix(found) if found >= killed.points => whole += 1,
            Outcome::Prefix(_) | Outcome::Changed => changed += 1,
            Outcome::Refused => refused += 1,
        }
    }
    ensure!(changed == 0, "{changed} of {} times points were gone or others, and nobody was told", fault.count);
    fault.held(format!("{whole} times all points were right, {refused} times it was refused, 0 silent"));
    Ok(())
}

fn flip(path: &Path, at: usize, dice: &mut Dice) -> Result<()> {
    let mut bytes = fs::read(path)?;
    let byte = bytes.get_mut(at).context("beyond the end")?;
    *byte ^= 1 + dice.below(255) as u8;
    Ok(fs::write(path, bytes)?)
}
