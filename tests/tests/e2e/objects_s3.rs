//! Large content in an S3 cluster that is not ours (Ceph's gateway): everything works as with the disk, the cluster may go
//! away, servers and gateways are killed, and nothing that was acknowledged is lost.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use drydock_tests::{Api, Ceph, Dice, Server, ceph, dice::fault_seed, fault::allowed, until};
use reqwest::{Method, header::RETRY_AFTER};
use serde_json::json;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
const ROUNDS: u64 = 6;
/// Files that have to be acknowledged for the kills to say something.
const ENOUGH: usize = 12;
/// From a request to the refusal, where the cluster is away.
const REFUSED_WITHIN: Duration = Duration::from_secs(10);

/// The variables of a server whose content is in this bucket.
pub fn environment<'a>(url: &'a str, bucket: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut all = vec![
        ("DRYDOCK_OBJECTS_ENGINE", "s3"),
        ("DRYDOCK_OBJECTS_ENDPOINT", url),
        ("DRYDOCK_OBJECTS_BUCKET", bucket),
        ("DRYDOCK_OBJECTS_PREFIX", "boxes/one"),
        ("DRYDOCK_OBJECTS_ACCESS_KEY", ceph::ACCESS_KEY),
        ("DRYDOCK_OBJECTS_SECRET_KEY", ceph::SECRET_KEY),
        ("DRYDOCK_OBJECTS_TIMEOUT_S", "5"),
    ];
    all.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
    all.extend_from_slice(more);
    all
}

/// A run whose files are put and read.
pub struct Files {
    pub api: Api,
    run: String,
}

impl Files {
    pub async fn of(api: &Api) -> Result<Files> {
        let made = api.post("/api/2.0/mlflow/runs/create", json!({"experiment_id": "0"})).await?;
        Ok(Files { api: api.clone(), run: made["run"]["info"]["run_id"].as_str().context("an id")?.to_owned() })
    }

    fn address(&self, name: &str) -> String {
        format!("/api/2.0/mlflow-artifacts/artifacts/0/{}/artifacts/{name}", self.run)
    }

    pub async fn put(&self, name: &str, bytes: &[u8]) -> Result<reqwest::Response> {
        Ok(self.api.request(Method::PUT, &self.address(name)).body(bytes.to_vec()).send().await?)
    }

    pub async fn ask(&self, name: &str) -> Result<reqwest::Response> {
        Ok(self.api.request(Method::GET, &self.address(name)).send().await?)
    }

    pub async fn keeps(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let answer = self.put(name, bytes).await?;
        ensure!(answer.status().is_success(), "{name}: {} {}", answer.status(), answer.text().await?);
        Ok(())
    }

    pub async fn gives(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let answer = self.ask(name).await?;
        ensure!(answer.status() == 200, "{name}: {} {}", answer.status(), answer.text().await?);
        ensure!(answer.bytes().await? == bytes, "{name} came back different");
        Ok(())
    }
}

pub fn folder_bytes(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() { folder_bytes(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(bytes)
}

/// Takes away what of the bucket lies on the box.
pub fn empty_cache(server: &Server) -> Result<()> {
    for entry in std::fs::read_dir(server.data_dir().join("cache"))? {
        let entry = entry?;
        if entry.file_name().len() == 2 {
            for file in std::fs::read_dir(entry.path())? {
                std::fs::remove_file(file?.path())?;
            }
        }
    }
    Ok(())
}

/// Sizes of the blobs in the bucket, by digest.
pub async fn in_bucket(cluster: &Ceph, bucket: &str) -> Result<BTreeMap<String, u64>> {
    let pages = cluster.bucket(bucket)?.list("boxes/one/blobs/".into(), None).await?;
    let objects = pages.into_iter().flat_map(|page| page.contents);
    Ok(objects.map(|object| (object.key["boxes/one/blobs/".len()..].replace('/', ""), object.size)).collect())
}

#[tokio::test]
async fn content_in_a_cluster_is_worked_with_as_ever() -> Result<()> {
    let cluster = Ceph::start().await?;
    let limit = (40 * MIB).to_string();
    let (url, authority) = (cluster.tls_url(), cluster.authority().display().to_string());
    // everything that has bytes goes to the cluster, over TLS with an authority of its own
    let more = [
        ("DRYDOCK_OBJECTS_CACHE_BYTES", limit.as_str()),
        ("DRYDOCK_OBJECTS_SMALL_BYTES", "0"),
        ("DRYDOCK_OBJECTS_CA", authority.as_str()),
    ];
    let mut server = Server::start_with(&environment(&url, "as-ever", &more)).await?;
    let admin = server.admin().await?;
    server.demo(&admin).await.context("the sample lifecycle")?;

    let (files, mut dice) = (Files::of(&admin).await?, Dice::new(11));
    let mut kept = BTreeMap::new();
    for (name, size) in [("a", 1), ("b", 100 * KIB), ("c", 5 * MIB), ("d", 20 * MIB), ("e", 70 * MIB)] {
        let bytes = dice.bytes(size);
        files.keeps(name, &bytes).await?;
        kept.insert(name, bytes);
    }
    for _ in 0..2 {
        for (name, bytes) in &kept {
            files.gives(name, bytes).await?;
        }
        let cached = folder_bytes(&server.data_dir().join("cache"))?;
        ensure!(cached <= 40 * MIB as u64, "the cache has {cached} bytes");
    }
    let sizes: Vec<u64> = in_bucket(&cluster, "as-ever").await?.into_values().collect();
    for bytes in kept.values() {
        ensure!(sizes.contains(&(bytes.len() as u64)), "{} bytes are not in the bucket: {sizes:?}", bytes.len());
    }
    ensure!(folder_bytes(&server.data_dir().join("blobs")).unwrap_or(0) == 0, "nothing is kept on the disk");
    equal_reads_come_once(&server, &files, &kept["d"]).await?;

    let doctor = server.run(&["doctor"], None).await?;
    ensure!(doctor.contains("as-ever, answers") && !doctor.contains("BAD"), "{doctor}");
    ensure!(!format!("{doctor}{}", server.printed()).contains(ceph::SECRET_KEY), "the secret key was shown");
    unneeded_content_goes(&mut server, &admin, &cluster).await?;
    refusals(&cluster, &mut server).await
}

/// Ten readers of what is not here: one download, ten right answers.
async fn equal_reads_come_once(server: &Server, files: &Files, bytes: &[u8]) -> Result<()> {
    empty_cache(server)?;
    let readers = (0..10).map(|_| files.gives("d", bytes));
    futures_util::future::try_join_all(readers).await?;
    ensure!(folder_bytes(&server.data_dir().join("cache/incoming"))? == 0, "a download is left over");
    Ok(())
}

async fn unneeded_content_goes(server: &mut Server, admin: &Api, cluster: &Ceph) -> Result<()> {
    let digest = admin.upload(Dice::new(5).bytes(300 * KIB)).await?;
    ensure!(in_bucket(cluster, "as-ever").await?.contains_key(&digest));
    std::fs::write(server.data_dir().join("drydock.toml"), "[limits]\nblob_grace_s = 0\n")?;
    server.restart().await?;
    until("content that nothing needs goes from the bucket", Duration::from_secs(60), || async {
        Ok((!in_bucket(cluster, "as-ever").await?.contains_key(&digest)).then_some(()))
    })
    .await
}

/// What only a person can mend is said at the start, and nothing is touched.
async fn refusals(cluster: &Ceph, server: &mut Server) -> Result<()> {
    let (url, tls) = (cluster.url(), cluster.tls_url());
    let refused = |variables: Vec<(&str, &str)>| {
        let variables: Vec<(String, String)> = variables.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect();
        async move {
            let given: Vec<(&str, &str)> = variables.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            match Server::start_with(&given).await {
                Ok(_) => anyhow::bail!("the server starts with {given:?}"),
                Err(error) => Ok(format!("{error:#}")),
            }
        }
    };
    let words = refused(environment(&url, "as-ever", &[("DRYDOCK_OBJECTS_SECRET_KEY", "wrong")])).await?;
    ensure!(words.contains("secret key is wrong"), "{words}");
    let words = refused(environment(&url, "as-ever", &[("DRYDOCK_OBJECTS_ACCESS_KEY", "nobody")])).await?;
    ensure!(words.contains("does not know the access key"), "{words}");
    let words = refused(environment(&tls, "as-ever", &[])).await?;
    ensure!(words.contains("[objects] ca"), "{words}");
    // another box on the same place
    let words = refused(environment(&url, "as-ever", &[])).await?;
    ensure!(words.contains("belongs to another Drydock"), "{words}");
    // the same box on an empty place, and on its disk
    server.kill9().await?;
    server.set_environment(&environment(&url, "as-ever", &[("DRYDOCK_OBJECTS_PREFIX", "boxes/two")]));
    let words = format!("{:#}", server.launch().await.err().context("it starts empty-handed")?);
    ensure!(words.contains("its mark boxes/two/drydock-store.json is not there"), "{words}");
    server.set_environment(&environment(&url, "elsewhere", &[]));
    let words = format!("{:#}", server.launch().await.err().context("it starts empty-handed")?);
    ensure!(words.contains("The bucket is not there"), "{words}");
    server.set_environment(&[]);
    let words = format!("{:#}", server.launch().await.err().context("it starts empty-handed")?);
    ensure!(words.contains("drydock objects move --to disk"), "{words}");
    Ok(())
}

#[tokio::test]
async fn the_cluster_may_go_away_and_servers_may_be_killed() -> Result<()> {
    let cluster = Ceph::start().await?;
    let url = cluster.url();
    let mut server = Server::start_with(&environment(&url, "away", &[])).await?;
    let admin = server.admin().await?;
    while_it_is_away(&cluster, &mut server, &admin).await?;
    over_kills(&cluster, &mut server, &admin).await?;
    server.stop().await
}

async fn while_it_is_away(cluster: &Ceph, server: &mut Server, admin: &Api) -> Result<()> {
    let (files, mut dice) = (Files::of(admin).await?, Dice::new(3));
    let (cached, uncached, large) = (dice.bytes(3 * MIB), dice.bytes(MIB), dice.bytes(9 * MIB));
    files.keeps("uncached", &uncached).await?;
    empty_cache(server)?;
    files.keeps("cached", &cached).await?;
    cluster.close().await?;

    for round in 0..3 {
        let began = Instant::now();
        let answer = files.put("large", &large).await?;
        ensure!(answer.status() == 503 && answer.headers().contains_key(RETRY_AFTER), "{answer:?}");
        println!("round {round}: refused after {:?}", began.elapsed());
        ensure!(began.elapsed() < allowed(REFUSED_WITHIN), "round {round}: refused after {:?}", began.elapsed());
        let answer = files.ask("uncached").await?;
        ensure!(answer.status() == 503 && answer.headers().contains_key(RETRY_AFTER), "{answer:?}");
        files.gives("cached", &cached).await?;
        let small = format!("small-{round}");
        files.keeps(&small, b"small").await?;
        files.gives(&small, b"small").await?;
    }
    let (status, told) = admin.send(Method::GET, "/readyz", None).await?;
    ensure!(status == 503 && told.to_string().contains("S3 cluster"), "{told}");
    let told = admin.get("/api/v1/store").await?;
    ensure!(told["engine"]["is_reachable"] == false, "{told}");

    // It starts without its cluster, too.
    server.restart().await?;
    files.gives("cached", &cached).await?;
    ensure!(files.ask("uncached").await?.status() == 503);
    cluster.open().await?;
    let back = Instant::now();
    until("work goes on when the cluster is back", Duration::from_secs(60), || async {
        Ok((files.put("large", &large).await?.status().is_success()).then_some(()))
    })
    .await?;
    println!("worked again {:?} after the cluster was back", back.elapsed());
    files.gives("large", &large).await?;
    files.gives("uncached", &uncached).await?;
    server.ready().await
}

/// What was acknowledged outlives kills of the server and of the gateway, in the middle of uploads in one and in many parts.
async fn over_kills(cluster: &Ceph, server: &mut Server, admin: &Api) -> Result<()> {
    let mut dice = Dice::new(fault_seed());
    let files = Arc::new(Files::of(admin).await?);
    let mut ledger = BTreeMap::new();
    let mut round = 0;
    // a machine that is busy has little done before a kill, and is given more of them
    while round < ROUNDS || (ledger.len() <= ENOUGH && round < 4 * ROUNDS) {
        let stop = Arc::new(AtomicBool::new(false));
        let clients: Vec<_> = (0..2)
            .map(|client| {
                let (files, stop, dice) = (Arc::clone(&files), Arc::clone(&stop), dice.fork());
                tokio::spawn(async move { upload(&files, &format!("{round}-{client}"), &stop, dice).await })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(300 + dice.roll() % 1500)).await;
        let kills_gateway = round % 3 == 2;
        if kills_gateway {
            cluster.close().await?;
        } else {
            server.kill9().await?;
        }
        stop.store(true, Ordering::SeqCst);
        for client in clients {
            ledger.extend(client.await?);
        }
        if kills_gateway {
            cluster.open().await?;
            server.ready().await?;
        } else {
            server.launch().await?;
        }
        empty_cache(server)?;
        for (name, bytes) in &ledger {
            files.gives(name, bytes).await.with_context(|| format!("round {round}"))?;
        }
        round += 1;
    }
    ensure!(ledger.len() > ENOUGH, "too little happened before the kills: {}", ledger.len());
    println!("{} files outlived {round} kills", ledger.len());
    Ok(())
}

async fn upload(files: &Files, prefix: &str, stop: &AtomicBool, mut dice: Dice) -> BTreeMap<String, Vec<u8>> {
    let mut acknowledged = BTreeMap::new();
    for number in 0.. {
        let bytes = dice.bytes([100 * KIB, 2 * MIB, 20 * MIB, 10_000][number % 4]);
        let name = format!("{prefix}-{number}");
        match files.put(&name, &bytes).await {
            Ok(answer) if answer.status().is_success() => drop(acknowledged.insert(name, bytes)),
            _ => break,
        }
        if stop.load(Ordering::SeqCst) {
            break;
        }
    }
    acknowledged
}

#[tokio::test]
async fn another_drydock_may_be_the_cluster() -> Result<()> {
    let mut below = Server::start().await?;
    below.admin().await?;
    let key: serde_json::Value =
        serde_json::from_str(&below.run(&["s3-key", "create", "--user", "admin"], None).await?)?;
    let (url, text) = (below.s3_url(), |name: &str| key[name].as_str().map(str::to_owned).context("a key"));
    let (access, secret) = (text("access_key")?, text("secret_key")?);
    let more = [("DRYDOCK_OBJECTS_ACCESS_KEY", access.as_str()), ("DRYDOCK_OBJECTS_SECRET_KEY", secret.as_str())];
    let mut above = Server::start_with(&environment(&url, "of-another", &more)).await?;
    let files = Files::of(&above.admin().await?).await?;
    let (mut dice, mut kept) = (Dice::new(17), BTreeMap::new());
    for (name, size) in [("a", 100 * KIB), ("b", 5 * MIB), ("c", 30 * MIB), ("d", 70 * MIB)] {
        let bytes = dice.bytes(size);
        files.keeps(name, &bytes).await?;
        kept.insert(name, bytes);
    }
    empty_cache(&above)?;
    below.kill9().await?;
    ensure!(files.ask("b").await?.status() == 503);
    below.launch().await?;
    above.ready().await?;
    for (name, bytes) in &kept {
        files.gives(name, bytes).await?;
    }
    let doctor = above.run(&["doctor"], None).await?;
    ensure!(!doctor.contains("BAD"), "{doctor}");
    above.stop().await?;
    above.run(&["objects", "move", "--to", "disk"], None).await?;
    above.set_environment(&[]);
    above.launch().await?;
    for (name, bytes) in &kept {
        files.gives(name, bytes).await?;
    }
    Ok(())
}
