//! Turns versions of earlier releases, a row and an object per file, into manifests. Once, at the start, before anybody asks;
//! each version in one transaction, so that a crash in between loses nothing and the next start goes on.

use super::manifest::{Made, Manifest, Writer};
use super::store;
use crate::app::App;
use crate::error::Result;

pub async fn turn_old_versions(app: &App) -> Result<()> {
    let old = app.db.read(store::old_versions).await?;
    if old.is_empty() {
        return Ok(());
    }
    tracing::info!(datasets.versions = old.len(), "turning {} versions of datasets into manifests", old.len());
    let mut before: Option<(String, Manifest)> = None;
    for (dataset_id, version) in old {
        // chunks that the version before has are there
        let known = match before.take() {
            Some((id, manifest)) if id == dataset_id => manifest,
            _ => Manifest::empty(&app.objects),
        };
        let root = turn_one(app, &dataset_id, version, &known).await?;
        before = Some((dataset_id, Manifest::open(&app.objects, &root).await?));
    }
    Ok(())
}

async fn turn_one(app: &App, dataset_id: &str, version: i64, known: &Manifest) -> Result<String> {
    let id = dataset_id.to_owned();
    let files = app.db.read(move |conn| store::old_files(conn, &id, version)).await?;
    let mut writer = Writer::new(&app.objects, dataset_id, known);
    for file in files {
        writer.push(file, true).await?;
    }
    let Made { root, .. } = writer.finish().await?;
    let id = dataset_id.to_owned();
    let (info, ()) = app.objects.keep(root, move |conn, root| store::turn(conn, &id, version, root)).await?;
    Ok(info.digest)
}
