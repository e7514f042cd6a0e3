//! Content that rots on the disk: a bit flips, a file gets shorter or goes. No answer ever has wrong bytes in it, the scrub finds
//! and sets aside all of it, and the same bytes sent again heal it.

use std::{
    collections::BTreeSet,
    fs::{self, OpenOptions, Permissions},
    os::unix::fs::{FileExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use diesel::{
    RunQueryDsl,
    sql_types::{Binary, Text},
};
use drydock_tests::{
    Dice, Fault, Server, Setup,
    ledger::{self, At, Deed, Faces},
    s3::sha256,
    until,
};
use reqwest::Method;
use serde_json::json;

/// The scrub is not what is measured here.
const SETTINGS: &str = "[disk]\nscrub_bytes_per_s = 2000000000\n";
const BATCH: usize = 50;

#[derive(Clone, Copy, Debug)]
enum Harm {
    Flipped,
    Shorter,
    Gone,
}

const ALL: [Harm; 3] = [Harm::Flipped, Harm::Shorter, Harm::Gone];

/// One content, with its bytes, so that it can be sent again.
struct Victim {
    deed: Deed,
    bytes: Vec<u8>,
    harm: Harm,
}

impl Victim {
    async fn send(&self, faces: &Faces) -> Result<()> {
        match &self.deed.at {
            At::Web(path) if path.starts_with("/api/v1/datasets") => drop(faces.web.upload(self.bytes.clone()).await?),
            At::Web(path) => {
                let answer = faces.web.request(Method::PUT, path).body(self.bytes.clone()).send().await?;
                ensure!(answer.status() == 200, "{path}: {}", answer.status());
            }
            At::Registry(_) => drop(ledger::push_blob(&faces.registry, "rot", &self.bytes).await?),
            At::Object(path) => drop(faces.s3.good(Method::PUT, path, &[], self.bytes.clone()).await?),
        }
        Ok(())
    }

    fn file(&self, data: &Path) -> PathBuf {
        data.join("blobs").join(&self.deed.sha256[..2]).join(&self.deed.sha256[2..])
    }

    /// Small content lies in the database, other in a file of its own.
    fn damage(&self, data: &Path, dice: &mut Dice) -> Result<()> {
        let file = self.file(data);
        if !file.exists() {
            return self.damage_row(data, dice);
        }
        if matches!(self.harm, Harm::Gone) {
            return Ok(fs::remove_file(file)?);
        }
        fs::set_permissions(&file, Permissions::from_mode(0o644))?;
        let open = OpenOptions::new().read(true).write(true).open(&file)?;
        let at = dice.index(self.bytes.len()) as u64;
        if matches!(self.harm, Harm::Shorter) {
            open.set_len(at)?;
        } else {
            let mut byte = [0];
            open.read_exact_at(&mut byte, at)?;
            open.write_all_at(&[byte[0] ^ (1 << dice.below(8))], at)?;
        }
        Ok(fs::set_permissions(&file, Permissions::from_mode(0o444))?)
    }

    fn damage_row(&self, data: &Path, dice: &mut Dice) -> Result<()> {
        let mut bytes = self.bytes.clone();
        let at = dice.index(bytes.len());
        match self.harm {
            Harm::Flipped => bytes[at] ^= 1 << dice.below(8),
            Harm::Shorter => bytes.truncate(at),
            Harm::Gone => bytes.clear(),
        }
        let mut conn = drydock::db::connect(&data.join("drydock.db"), false)?;
        let changed = diesel::sql_query("UPDATE blobs SET data = ? WHERE digest = ? AND data IS NOT NULL")
            .bind::<Binary, _>(bytes)
            .bind::<Text, _>(&self.deed.sha256)
            .execute(&mut conn)?;
        ensure!(changed == 1, "{:?} is neither a file nor in the database", self.deed.at);
        Ok(())
    }

    /// Whether a read of it ended in an error, as it has to; wrong bytes that look whole are what must never be.
    async fn read(&self, faces: &Faces, part: Option<(usize, usize)>) -> Result<bool> {
        // A connection that ends without an answer is an error, too.
        let Ok(answer) = self.deed.ask(faces, part).await else { return Ok(true) };
        if !answer.status().is_success() {
            return Ok(true);
        }
        // A body that breaks off is an error to every client.
        let Ok(bytes) = answer.bytes().await else { return Ok(true) };
        let (from, length) = part.unwrap_or((0, self.bytes.len()));
        if bytes == self.bytes[from..from + length] && part.is_some() {
            return Ok(false);
        }
        bail!("{:?}, {:?}: a read of {part:?} ended well with {} bytes", self.deed.at, self.harm, bytes.len())
    }
}

async fn victims(faces: &Faces, batch: usize, count: usize, dice: &mut Dice) -> Result<Vec<Victim>> {
    let mut victims = vec![];
    for number in 0..count {
        let size = ledger::SIZES[if number % 25 == 0 { 5 } else { number % 5 }];
        let size = size - dice.index(size / 10);
        let bytes = dice.bytes(size);
        let at = match number % 4 {
            0 => At::Object(format!("/{}/rot/{batch}/{number}", ledger::BUCKET)),
            1 => At::Registry(format!("/v2/rot/blobs/sha256:{}", sha256(&bytes))),
            2 => At::Web(format!("/api/v1/datasets/rot-{batch}-{number}/versions/1/file?path=x.bin")),
            _ => At::Web(faces.artifact(&format!("rot-{batch}-{number}"))),
        };
        let deed = Deed { acknowledged: true, ..Deed::new(at, &bytes) };
        let victim = Victim { deed, bytes, harm: ALL[dice.index(3)] };
        victim.send(faces).await?;
        if number % 4 == 2 {
            let name = format!("rot-{batch}-{number}");
            faces.web.post("/api/v1/datasets", json!({"name": name})).await?;
            let file = json!({"path": "x.bin", "digest": victim.deed.sha256, "size_bytes": size});
            faces.web.post(&format!("/api/v1/datasets/{name}/versions"), json!({"files": [file]})).await?;
        }
        ensure!(victim.deed.check(faces).await?, "{:?}", victim.deed.at);
        victims.push(victim);
    }
    Ok(victims)
}

async fn damaged(faces: &Faces) -> Result<BTreeSet<String>> {
    let state = faces.web.get("/api/v1/store").await?;
    let all = state["damaged"].as_array().context("damaged")?;
    Ok(all.iter().filter_map(|one| Some(one["digest"].as_str()?.trim_start_matches("sha256:").to_owned())).collect())
}

async fn scrub(faces: &Faces) -> Result<()> {
    faces.web.post("/api/v1/store/scrub", json!({})).await?;
    until("the scrub ends", Duration::from_secs(120), || async {
        let state = faces.web.get("/api/v1/store").await?;
        Ok((state["scrub"]["is_running"] == false && state["scrub"]["finished_at"].is_i64()).then_some(()))
    })
    .await
}

#[tokio::test]
async fn rotten_content_is_never_served_always_found_and_healed_by_the_same_bytes() -> Result<()> {
    let mut fault = Fault::new("a flipped bit, a cut, a loss of content", 16, 1000);
    let server = Server::start_as(Setup { settings: SETTINGS, ..Setup::default() }).await?;
    let faces = Faces::of(&server).await?.with_bucket().await?;
    let (mut reads, mut sound_parts, mut healed, mut left) = (0, 0, 0, fault.count);
    for batch in 0.. {
        let victims = victims(&faces, batch, left.min(BATCH), &mut fault.dice).await?;
        for victim in &victims {
            victim.damage(server.data_dir(), &mut fault.dice)?;
        }
        // Only every other one is read: the rest is the scrub's to find.
        for victim in victims.iter().step_by(2) {
            let from = fault.dice.index(victim.bytes.len());
            let length = 1 + fault.dice.index(victim.bytes.len() - from);
            sound_parts += usize::from(!victim.read(&faces, Some((from, length))).await?);
            victim.read(&faces, None).await?;
            reads += 2;
        }
        // Some are sent again before anybody has found them.
        let (unnoticed, victims): (Vec<_>, Vec<_>) =
            victims.into_iter().enumerate().partition(|(number, _)| number % 10 == 7);
        for (_, victim) in &unnoticed {
            victim.send(&faces).await?;
            ensure!(victim.deed.check(&faces).await?, "{:?} was acknowledged and is not sound", victim.deed.at);
        }
        scrub(&faces).await?;
        let found = damaged(&faces).await?;
        for (_, victim) in &victims {
            ensure!(found.contains(&victim.deed.sha256), "{:?} {:?} was not found", victim.harm, victim.deed.at);
            ensure!(!victim.file(server.data_dir()).exists(), "{:?} is still where it is read from", victim.deed.at);
            victim.read(&faces, None).await?;
            victim.send(&faces).await?;
            ensure!(victim.deed.check(&faces).await?, "{:?} is not healed", victim.deed.at);
            reads += 1;
        }
        until("nothing that is healed is called damaged", Duration::from_secs(60), || async {
            Ok(damaged(&faces).await?.is_empty().then_some(()))
        })
        .await?;
        (left, healed) = (left - victims.len() - unnoticed.len(), healed + unnoticed.len());
        if left == 0 {
            break;
        }
    }
    let found = fault.count - healed;
    fault.held(format!(
        "{reads} reads of damaged content, 0 of them silent ({sound_parts} ranges were of sound blocks); the scrub found and set \
         aside {found}, the same bytes healed those and {healed} that nobody had found yet"
    ));
    Ok(())
}
