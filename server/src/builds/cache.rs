//! What Docker keeps of builds, so that the next one is quick: intermediate images, within a limit. Only those that our own builds
//! made are ever removed, the least recently used first, and never one that something stands on.

use std::collections::{BTreeMap, BTreeSet};

use drydock_appliance::containers::Layer;
use drydock_wire::builds::BuildCache;

use super::{
    bases::from_engine,
    store::{self, LayerRow},
};
use crate::{app::App, clock, error::Result};

/// What the results of builds are called on the box alone: without a name Docker would take the last layer away with the one that it
/// was pushed under.
pub const REPOSITORY: &str = "drydock/build-cache";

pub fn tag_of(image_id: &str) -> &str {
    image_id.strip_prefix("sha256:").unwrap_or(image_id)
}

/// The images that a build made and took from before, by short ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Touched {
    pub made: Vec<String>,
    pub used: Vec<String>,
}

/// Notes what a build left, and makes room.
pub async fn settle(app: &App, touched: Touched) -> Result<()> {
    let layers = app.engine.layers().await.map_err(from_engine)?;
    let now = clock::now_ms();
    let rows = rows(&touched.made, &layers, now);
    let used = full(&touched.used, &layers);
    app.db
        .write(move |conn| {
            rows.iter().try_for_each(|row| store::note_layer(conn, row))?;
            used.iter().try_for_each(|id| store::touch_layer(conn, id, now))
        })
        .await?;
    trim(app, app.config.limits.build_cache_bytes).await.map(drop)
}

fn full(short: &[String], layers: &[Layer]) -> Vec<String> {
    let find = |short: &String| layers.iter().find(|layer| is_meant(&layer.id, short)).map(|layer| layer.id.clone());
    short.iter().filter_map(find).collect()
}

fn is_meant(id: &str, short: &str) -> bool {
    tag_of(id).starts_with(short)
}

/// With what each adds to the one below it.
fn rows(made: &[String], layers: &[Layer], now: i64) -> Vec<LayerRow> {
    let sizes: BTreeMap<&str, u64> = layers.iter().map(|layer| (layer.id.as_str(), layer.size_bytes)).collect();
    let row = |(position, short): (usize, &String)| {
        // the first one on `scratch` has nothing below it; what a FROM names is never among them
        let layer = layers.iter().find(|layer| is_meant(&layer.id, short))?;
        let below = layer.parent.as_deref().and_then(|parent| sizes.get(parent)).copied().unwrap_or(0);
        Some(LayerRow {
            image_id: layer.id.clone(),
            size_bytes: i64::try_from(layer.size_bytes.saturating_sub(below)).unwrap_or(i64::MAX),
            position: now.saturating_add(i64::try_from(position).unwrap_or(0)),
            used_at: now,
        })
    };
    made.iter().enumerate().filter_map(row).collect()
}

/// Removes layers until they fit; the bytes that went.
pub async fn trim(app: &App, limit_bytes: u64) -> Result<u64> {
    let there: BTreeSet<String> =
        app.engine.layers().await.map_err(from_engine)?.into_iter().map(|layer| layer.id).collect();
    let all = app.db.read(store::layers).await?;
    let (mut rows, gone): (Vec<_>, Vec<_>) = all.into_iter().partition(|row| there.contains(&row.image_id));
    let mut forget: Vec<String> = gone.into_iter().map(|row| row.image_id).collect();
    let bytes = |row: &LayerRow| u64::try_from(row.size_bytes).unwrap_or(0);
    let (mut sum, mut freed) = (rows.iter().map(bytes).sum::<u64>(), 0);
    // a layer that adds nothing goes with the rest when all is to go
    let over = |sum: u64| sum > limit_bytes || limit_bytes == 0;
    // what something stood on may go in the next round
    loop {
        let before = rows.len();
        let mut kept = vec![];
        for row in rows {
            if over(sum) && remove(app, &row.image_id).await? {
                sum -= bytes(&row);
                freed += bytes(&row);
                forget.push(row.image_id);
            } else {
                kept.push(row);
            }
        }
        rows = kept;
        if !over(sum) || rows.len() == before {
            break;
        }
    }
    if !forget.is_empty() {
        app.db.write(move |conn| store::forget_layers(conn, &forget)).await?;
    }
    if freed > 0 {
        tracing::info!(builds.freed_bytes = freed, "removed {freed} bytes of the build cache");
    }
    Ok(freed)
}

/// Its name of ours first, if it has one. Whether it is gone: not while something stands on it.
async fn remove(app: &App, image_id: &str) -> Result<bool> {
    let name = format!("{REPOSITORY}:{}", tag_of(image_id));
    app.engine.remove_image(&name).await.map_err(from_engine)?;
    app.engine.remove_image(image_id).await.map_err(from_engine)
}

/// How much is kept.
pub async fn state(app: &App) -> Result<BuildCache> {
    let rows = app.db.read(store::layers).await?;
    Ok(BuildCache {
        layer_count: rows.len() as u64,
        size_bytes: rows.iter().map(|row| u64::try_from(row.size_bytes).unwrap_or(0)).sum(),
        limit_bytes: app.config.limits.build_cache_bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_counts_for_what_it_adds_and_a_base_for_nothing() {
        let layer = |id: &str, parent: Option<&str>, size_bytes| Layer {
            id: format!("sha256:{id}"),
            parent: parent.map(|id| format!("sha256:{id}")),
            size_bytes,
        };
        let layers = [layer("aaaa", None, 100), layer("bbbb", Some("aaaa"), 130), layer("cccc", Some("bbbb"), 130)];
        let rows = rows(&["bbbb".into(), "cccc".into(), "dddd".into()], &layers, 1000);
        let told: Vec<_> = rows.iter().map(|row| (row.image_id.as_str(), row.size_bytes, row.position)).collect();
        assert_eq!(told, [("sha256:bbbb", 30, 1000), ("sha256:cccc", 0, 1001)]);
        assert_eq!(full(&["cc".into(), "x".into()], &layers), ["sha256:cccc"]);
    }
}
