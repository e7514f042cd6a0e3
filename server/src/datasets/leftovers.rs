//! Lets go of content that no version of a dataset has any more, and says beforehand how much that would be.
//!
//! Always holds: no version is being made while leftovers are looked for (`MAKING`), so what a version will have is never let
//! go; memory is bounded whatever the number of files, since digests are looked at in shares of all there are.

use std::collections::{HashMap, HashSet};

use super::manifest::{ChunkRef, Manifest};
use super::store;
use super::versions::MAKING;
use crate::app::App;
use crate::error::Result;

/// Digests in memory at a time.
const AT_ONCE: u64 = 500_000;
/// Rows in one transaction.
const BATCH: usize = 1_000;

/// Looks at every dataset that may hold too much, once, however many notes there are of it. What versions are being made meanwhile waits.
pub async fn clean(app: &App) -> Result<()> {
    if app.db.read(store::leftovers).await?.is_empty() {
        return Ok(());
    }
    let _alone = MAKING.write().await;
    for (dataset_id, notes) in app.db.read(store::leftovers).await? {
        let id = dataset_id.clone();
        let roots = app.db.read(move |conn| store::roots(conn, &id)).await?;
        let live = chunks_of(app, &roots).await?;
        let total = live.iter().map(|(chunk, _)| chunk.file_count + 1).sum::<u64>();
        let shares = total.div_ceil(AT_ONCE).max(1);
        for share in 0..shares {
            let mut wanted = HashSet::new();
            for (chunk, manifest) in &live {
                wanted.extend(Some(chunk.digest).filter(|digest| share_of(digest, shares) == share));
                let entries = manifest.read_chunk(chunk).await?;
                wanted.extend(entries.iter().map(|e| e.digest).filter(|digest| share_of(digest, shares) == share));
            }
            let_go(app, &dataset_id, &wanted, |digest| share_of(digest, shares) == share).await?;
        }
        app.db.write(move |conn| store::forget_leftovers(conn, &notes)).await?;
    }
    Ok(())
}

async fn let_go(
    app: &App,
    dataset_id: &str,
    wanted: &HashSet<[u8; 32]>,
    is_of_share: impl Fn(&[u8; 32]) -> bool,
) -> Result<()> {
    let mut after = String::new();
    loop {
        let (id, from) = (dataset_id.to_owned(), after.clone());
        let held = app.db.read(move |conn| store::holdings(conn, &id, &from, BATCH as i64)).await?;
        let Some(last) = held.last() else { return Ok(()) };
        after.clone_from(last);
        let is_left = |text: &String| {
            let mut digest = [0; 32];
            hex::decode_to_slice(text, &mut digest).is_ok() && is_of_share(&digest) && !wanted.contains(&digest)
        };
        let gone: Vec<String> = held.into_iter().filter(is_left).collect();
        if !gone.is_empty() {
            let id = dataset_id.to_owned();
            app.db.write(move |conn| store::release(conn, &id, &gone)).await?;
        }
    }
}

/// Each chunk of the manifests once.
async fn chunks_of(app: &App, roots: &[String]) -> Result<Vec<(ChunkRef, Manifest)>> {
    let (mut seen, mut found) = (HashSet::new(), vec![]);
    for root in roots {
        let manifest = Manifest::open(&app.objects, root).await?;
        for chunk in manifest.chunks() {
            if seen.insert(chunk.digest) {
                found.push((chunk.clone(), manifest.clone()));
            }
        }
    }
    Ok(found)
}

fn share_of(digest: &[u8; 32], shares: u64) -> u64 {
    let head: [u8; 8] = digest.first_chunk().copied().unwrap_or_default();
    u64::from_be_bytes(head) % shares
}

/// Bytes of content that the versions with the roots `gone` have and none with the roots `kept`.
pub async fn freed_bytes(app: &App, gone: &[String], kept: &[String]) -> Result<u64> {
    let kept = chunks_of(app, kept).await?;
    let shared: HashSet<[u8; 32]> = kept.iter().map(|(chunk, _)| chunk.digest).collect();
    let mut gone = chunks_of(app, gone).await?;
    gone.retain(|(chunk, _)| !shared.contains(&chunk.digest));
    let total = gone.iter().map(|(chunk, _)| chunk.file_count).sum::<u64>();
    let shares = total.div_ceil(AT_ONCE).max(1);
    let mut freed = 0_u64;
    for share in 0..shares {
        let mut candidates: HashMap<[u8; 32], u64> = HashMap::new();
        for (chunk, manifest) in &gone {
            let entries = manifest.read_chunk(chunk).await?;
            let of_share = entries.into_iter().filter(|entry| share_of(&entry.digest, shares) == share);
            candidates.extend(of_share.map(|entry| (entry.digest, entry.size_bytes)));
        }
        for (chunk, manifest) in &kept {
            if candidates.is_empty() {
                break;
            }
            for entry in manifest.read_chunk(chunk).await? {
                candidates.remove(&entry.digest);
            }
        }
        freed = candidates.values().fold(freed, |sum, size| sum.saturating_add(*size));
    }
    Ok(freed)
}
