//! Content that is moved between the disk and an S3 cluster, killed on the way, backed up from there, and damaged there.

use std::{
    collections::BTreeMap,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use drydock_tests::{Ceph, Dice, Server, ceph, dice::fault_seed, server::binary, until};

use super::objects_s3::{Files, empty_cache, environment, folder_bytes, in_bucket};

const MIB: usize = 1 << 20;
const BUCKET: &str = "moved";

type Kept = BTreeMap<String, Vec<u8>>;

#[tokio::test]
async fn content_moves_into_the_cluster_and_back_over_kills() -> Result<()> {
    let cluster = Ceph::start().await?;
    let url = cluster.url();
    let both = environment(&url, BUCKET, &[]);
    let on_disk = environment(&url, BUCKET, &[("DRYDOCK_OBJECTS_ENGINE", "disk")]);
    let mut server = Server::start_with(&on_disk).await?;
    let files = Files::of(&server.admin().await?).await?;
    let mut dice = Dice::new(fault_seed());
    let mut kept = Kept::new();
    add(&files, &mut kept, &mut dice, 24).await?;
    files.keeps("small", b"small").await?;

    // copied while the server runs, then taken over: what was added in between goes along
    let told = server.run(&["objects", "move", "--to", "s3"], None).await?;
    ensure!(told.contains("24 copied") && told.contains("Stop it"), "{told}");
    add(&files, &mut kept, &mut dice, 3).await?;
    server.stop().await?;
    let told = server.run(&["objects", "move", "--to", "s3"], None).await?;
    ensure!(told.contains("3 copied, 24 there already, 0 damaged") && told.contains("engine = \"s3\""), "{told}");
    ensure!(server.launch().await.is_err(), "it starts over an empty disk");
    server.set_environment(&both);
    server.launch().await?;
    check(&server, &files, &kept).await?;
    ensure!(folder_bytes(&server.data_dir().join("blobs"))? == 0, "the disk was not cleared");

    backed_up(&server, &files, &kept).await?;
    wrong_bytes_stay(&cluster, &mut server, &files, &kept).await?;
    server.stop().await?;

    // to and fro, killed at any point: whatever happened, the same command goes on, and everything is there
    let mut kills = 0;
    for (round, to) in ["disk", "s3", "disk"].into_iter().enumerate() {
        for attempt in 0.. {
            // longer and longer, so that a slow machine gets on, too
            let wait = Duration::from_millis(20 + dice.roll() % (200 + attempt * 400));
            if killed(&server, &both, to, wait).await? {
                kills += 1;
            } else {
                println!("round {round}: to {to} with {attempt} kills before");
                break;
            }
            ensure!(attempt < 40, "the move does not get on");
        }
        let set = [("DRYDOCK_OBJECTS_ENGINE", to)];
        server.set_environment(&environment(&url, BUCKET, &set));
        server.launch().await?;
        check(&server, &files, &kept).await?;
        server.stop().await?;
    }
    ensure!(kills > 0, "no kill met a move");
    ensure!(in_bucket(&cluster, BUCKET).await?.is_empty(), "the bucket was not cleared");
    println!("{} contents outlived {kills} kills of moves", kept.len());
    Ok(())
}

async fn add(files: &Files, kept: &mut Kept, dice: &mut Dice, count: usize) -> Result<()> {
    for number in 0..count {
        let size = [MIB / 8, MIB, 3 * MIB, 12 * MIB][number % 4] + number;
        let (name, bytes) = (format!("{}-{number}", kept.len()), dice.bytes(size));
        files.keeps(&name, &bytes).await?;
        kept.insert(name, bytes);
    }
    Ok(())
}

async fn check(server: &Server, files: &Files, kept: &Kept) -> Result<()> {
    for (name, bytes) in kept {
        files.gives(name, bytes).await?;
    }
    files.gives("small", b"small").await?;
    let doctor = server.run(&["doctor"], None).await?;
    ensure!(!doctor.contains("BAD"), "{doctor}");
    Ok(())
}

/// Whether the move was killed before it ended by itself, which it may only do well.
async fn killed(server: &Server, set: &[(&str, &str)], to: &str, after: Duration) -> Result<bool> {
    let mut moving = Command::new(binary())
        .args(["objects", "move", "--to", to, "--data-dir"])
        .arg(server.data_dir())
        .envs(set.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    tokio::time::sleep(after).await;
    if moving.try_wait()?.is_none() {
        moving.kill()?;
        moving.wait()?;
        return Ok(true);
    }
    let output = moving.wait_with_output()?;
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success() || error.contains("already"), "{to}: {out}{error}");
    Ok(false)
}

/// A backup is whole without the cluster.
async fn backed_up(server: &Server, files: &Files, kept: &Kept) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("backup").display().to_string();
    server.run(&["backup", &file], None).await?;
    let restored = folder.path().join("restored");
    let output = Command::new(binary()).args(["restore", &file, "--data-dir"]).arg(&restored).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let output = Command::new(binary()).args(["doctor", "--data-dir"]).arg(&restored).output()?;
    let doctor = String::from_utf8_lossy(&output.stdout);
    let bytes: usize = kept.values().map(Vec::len).sum::<usize>() + "small".len();
    ensure!(output.status.success() && doctor.contains(&format!("{bytes} bytes")), "{doctor}");
    files.gives("small", b"small").await
}

/// Other bytes, fewer bytes, and none: never an answer that looks whole; the same bytes again heal it.
async fn wrong_bytes_stay(cluster: &Ceph, server: &mut Server, files: &Files, kept: &Kept) -> Result<()> {
    let bucket = cluster.bucket(BUCKET)?;
    let sizes = in_bucket(cluster, BUCKET).await?;
    let (name, bytes) = kept.iter().find(|(_, bytes)| bytes.len() > 12 * MIB).context("a large one")?;
    let digest = sizes.iter().find(|(_, size)| **size == bytes.len() as u64).context("its digest")?.0;
    let key = format!("boxes/one/blobs/{}/{}", &digest[..2], &digest[2..]);
    let mut other = bytes.clone();
    other[5 * MIB] ^= 1;
    for (what, spoiled) in [("a flipped bit", Some(&other[..])), ("cut short", Some(&bytes[..MIB])), ("gone", None)] {
        match spoiled {
            Some(spoiled) => drop(bucket.put_object(&key, spoiled).await?),
            None => drop(bucket.delete_object(&key).await?),
        }
        empty_cache(server)?;
        for _ in 0..2 {
            let answer = files.ask(name).await?;
            let status = answer.status();
            let whole = answer.bytes().await;
            ensure!(
                status != 200 || whole.is_err(),
                "{what}: {status} with {:?} bytes",
                whole.map(|whole| whole.len())
            );
        }
        until("the damage is noted", Duration::from_secs(60), || async {
            let told = files.api.get("/api/v1/store").await?;
            Ok(told["damaged"].as_array().is_some_and(|all| !all.is_empty()).then_some(()))
        })
        .await
        .with_context(|| what.to_owned())?;
        files.keeps(name, bytes).await?;
        files.gives(name, bytes).await?;
        empty_cache(server)?;
        files.gives(name, bytes).await.with_context(|| format!("{what}: healed"))?;
        let told = files.api.get("/api/v1/store").await?;
        ensure!(told["damaged"].as_array().is_some_and(Vec::is_empty), "{what}: {told}");
    }
    ensure!(!server.printed().contains(ceph::SECRET_KEY), "the secret key was shown");
    Ok(())
}
