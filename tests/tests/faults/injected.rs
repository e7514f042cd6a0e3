//! The n-th write, fsync or rename fails, through `strace`: nothing is acknowledged that is not safe. After a failed fsync the process
//! stops in words, since what is on the disk is not known any more, and a new start has all that was acknowledged.

use std::{
    path::{Path, PathBuf},
    process::{Child, Stdio},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use drydock_tests::{
    Fault, Server,
    disk::root_command,
    fault::allowed,
    ledger::{self, Deeds, Faces, Stop},
    until,
};

/// Calls that fail together, and how far n is counted: it counts per thread, and only the database's one writes that often.
const CALLS: [(&str, usize); 4] =
    [("pwrite64", 300), ("fsync,fdatasync", 300), ("write", 40), ("rename,renameat,renameat2", 12)];
const ERRORS: [&str; 2] = ["EIO", "ENOSPC"];

struct Strace {
    child: Child,
    log: PathBuf,
}

impl Strace {
    /// Attaches to all threads of the server; from then on the n-th call of each fails.
    async fn attach(pid: u32, calls: &str, error: &str, n: usize, log: &Path) -> Result<Self> {
        let _ = std::fs::remove_file(log);
        let mut command = root_command("strace")?;
        command.args(["-f", "-y", "-qq", "-e", &format!("trace={calls}"), "-o"]).arg(log);
        command.args(["-e", &format!("inject={calls}:error={error}:when={n}"), "-p", &pid.to_string()]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().context("strace is needed")?;
        until("strace attaches", Duration::from_secs(60), || async {
            ensure!(!exited(pid), "the server ended");
            Ok(is_traced(pid)?.then_some(()))
        })
        .await?;
        ensure!(child.try_wait()?.is_none(), "strace ended at once: may this user trace?");
        Ok(Self { child, log: log.to_owned() })
    }

    /// The calls that were made to fail, with their files.
    fn hits(&self) -> Vec<String> {
        let log = std::fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        log.lines().filter(|line| line.ends_with("(INJECTED)")).map(str::to_owned).collect()
    }

    fn detach(mut self) -> Result<Vec<String>> {
        // SIGTERM lets go of the threads; they run on.
        let _ = root_command("kill")?.arg(self.child.id().to_string()).status()?;
        self.child.wait()?;
        Ok(self.hits())
    }
}

fn exited(pid: u32) -> bool {
    !Path::new(&format!("/proc/{pid}")).exists()
}

fn is_traced(pid: u32) -> Result<bool> {
    for thread in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let status = std::fs::read_to_string(thread?.path().join("status"))?;
        if status.contains("TracerPid:\t0\n") {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether a call that failed was on what an acknowledgement stands on.
fn is_vital(hit: &str) -> bool {
    hit.contains("sync(") && (hit.contains("drydock.db-wal>") || hit.contains("/blobs/"))
}

#[derive(Default)]
struct Tally {
    on_database: usize,
    on_blobs: usize,
    elsewhere: usize,
    stopped: usize,
    contents: usize,
    points: usize,
}

#[tokio::test]
async fn a_call_that_fails_acknowledges_nothing() -> Result<()> {
    let mut fault = Fault::new("EIO and ENOSPC on the n-th write, fsync, rename", 4, 300);
    let mut server = Server::start().await?;
    let faces = Faces::of(&server).await?;
    let mut tally = Tally::default();
    let log = tempfile::tempdir()?;
    for n in 1..=fault.count {
        let (calls, most) = CALLS[n % CALLS.len()];
        // In a short run, n is spread over what there is.
        let n = if fault.count < 100 { n * 2 } else { n };
        let error = ERRORS[(n / CALLS.len()) % 2];
        let at = 1 + (n - 1) % most;
        let what = format!("{error} on {calls} number {at}");
        let before = server.printed().len();
        let strace = Strace::attach(server.pid().context("a pid")?, calls, error, at, &log.path().join("log")).await?;
        let (deeds, key, acknowledged) = write_until_hit(&mut fault, &faces, &mut server, n, &strace).await?;
        let hits = strace.detach()?;
        judge(&mut server, &hits, before, &what, &mut tally).await?;
        // Whatever it has in memory is not to help.
        server.restart().await?;
        for deed in &deeds {
            deed.check(&faces).await.with_context(|| format!("{what}: {hits:?}"))?;
        }
        let found = ledger::points_there(&faces, &key).await.with_context(|| what.clone())?;
        ensure!(
            (acknowledged..=acknowledged + 1).contains(&found),
            "{what}: {acknowledged} acknowledged, {found} there"
        );
        tally.contents += deeds.iter().filter(|deed| deed.acknowledged).count();
        tally.points += acknowledged;
    }
    ensure!(tally.on_database > 0 && tally.on_blobs > 0, "the faults missed: {} {}", tally.on_database, tally.on_blobs);
    server.stop().await?;
    let Tally { on_database, on_blobs, elsewhere, stopped, contents, points } = tally;
    fault.held(format!(
        "hit the database {on_database} times, blobs {on_blobs}, else {elsewhere}; stopped in words {stopped} times; \
         {contents} contents and {points} points acknowledged, 0 of them false"
    ));
    Ok(())
}

/// Writes until the fault has struck and a little longer: what was written, the points' key, and how many of them were acknowledged.
async fn write_until_hit(
    fault: &mut Fault,
    faces: &Faces,
    server: &mut Server,
    n: usize,
    strace: &Strace,
) -> Result<(Deeds, String, usize)> {
    let (stop, key) = (Stop::default(), format!("i{n}"));
    let files = tokio::spawn(ledger::artifacts(faces.clone(), format!("i{n}"), fault.dice.fork(), Arc::clone(&stop)));
    let logged = tokio::spawn(ledger::points(faces.clone(), key.clone(), Arc::clone(&stop)));
    let end = Instant::now() + allowed(Duration::from_secs(8));
    while Instant::now() < end && strace.hits().is_empty() && !server.has_ended()? {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    stop.store(true, Ordering::SeqCst);
    let end = allowed(Duration::from_secs(15));
    let files = tokio::time::timeout(end, files).await.context("an upload hangs after the fault")??;
    let points = tokio::time::timeout(end, logged).await.context("logging hangs after the fault")??;
    Ok((files, key, points))
}

/// A process that ended has said why, and one fsync that an acknowledgement stands on was enough for it to end.
async fn judge(server: &mut Server, hits: &[String], before: usize, what: &str, tally: &mut Tally) -> Result<()> {
    for hit in hits {
        if hit.contains("drydock.db") {
            tally.on_database += 1;
        } else if hit.contains("/blobs/") {
            tally.on_blobs += 1;
        } else {
            tally.elsewhere += 1;
        }
    }
    if hits.iter().any(|hit| is_vital(hit)) {
        until(&format!("{what}: it goes on after {hits:?}"), allowed(Duration::from_secs(5)), || {
            let ended = server.has_ended();
            async { Ok(ended?.then_some(())) }
        })
        .await?;
    }
    // No disk makes a wake-up within the process fail: what becomes of that is no matter, beyond what the ledger says.
    let is_wake_up = hits.iter().any(|hit| hit.contains("[eventfd]"));
    if server.has_ended()? && !is_wake_up {
        let printed = server.printed();
        let said = printed.get(before..).unwrap_or(&printed);
        ensure!(said.contains("so that nothing is falsely acknowledged"), "{what}: it ended without a word:\n{said}");
        tally.stopped += 1;
    }
    Ok(())
}
