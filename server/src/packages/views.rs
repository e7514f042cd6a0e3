//! Rows as the wire tells them.

use std::collections::BTreeSet;

use drydock_wire::{
    Page,
    packages::{PackageDetail, PackageFile, PackageNeed, PackageSummary},
};

use super::{
    names,
    store::{self, File, Package},
};
use crate::{accounts::Scope, db::Conn, error::Result};

const MOST_NEEDS: usize = 200;

pub fn page(
    conn: &mut Conn,
    scope: &Scope,
    search: Option<&str>,
    offset: i64,
    limit: i64,
) -> Result<Page<PackageSummary>> {
    let (packages, total) = store::page(conn, scope, search, offset, limit)?;
    let shown = offset + i64::try_from(packages.len()).unwrap_or(0);
    let mut items = vec![];
    for package in packages {
        let files = store::files(conn, package.id)?;
        items.push(summary(package, &files));
    }
    let next = (shown < total).then(|| shown.to_string());
    Ok(Page { items, total: u64::try_from(total).unwrap_or(0), next })
}

pub fn detail(conn: &mut Conn, scope: &Scope, name: &str) -> Result<PackageDetail> {
    let package = store::require(conn, name)?;
    let files = store::files(conn, package.id)?;
    let mut needed_by = vec![];
    for (other, file) in store::everything(conn, scope)? {
        for requirement in file.requirements() {
            if names::name_of_requirement(&requirement).as_deref() == Some(name) {
                let need = PackageNeed { name: other.name.clone(), version: file.version.clone(), requirement };
                if !needed_by.contains(&need) {
                    needed_by.push(need);
                }
            }
        }
        if needed_by.len() >= MOST_NEEDS {
            break;
        }
    }
    Ok(PackageDetail {
        summary: summary(package, &files),
        files: files.into_iter().map(self::file).collect(),
        needed_by,
    })
}

/// `files`: newest first.
fn summary(package: Package, files: &[File]) -> PackageSummary {
    let versions: BTreeSet<&str> = files.iter().map(|file| file.version.as_str()).collect();
    let good = || files.iter().filter(|file| file.yanked.is_none());
    let is_final = |file: &&File| file.parsed_version().is_some_and(|version| !version.any_prerelease());
    let latest = good().find(is_final).or_else(|| good().next());
    let last = files.iter().max_by_key(|file| file.uploaded_at);
    PackageSummary {
        latest: latest.map(|file| file.version.clone()),
        version_count: versions.len() as u64,
        file_count: files.len() as u64,
        size_bytes: files.iter().map(|file| u64::try_from(file.size_bytes).unwrap_or(0)).sum(),
        uploaded_at: last.map_or(0, |file| file.uploaded_at),
        uploaded_by: last.map(|file| file.uploaded_by.clone()).unwrap_or_default(),
        name: package.name,
        shown: package.shown,
        summary: package.summary,
    }
}

pub fn file(file: File) -> PackageFile {
    PackageFile {
        url: format!("/pypi/files/{}/{}", file.digest, crate::percent::encoded(&file.filename, "")),
        requires: file.requirements(),
        filename: file.filename,
        version: file.version,
        size_bytes: u64::try_from(file.size_bytes).unwrap_or(0),
        sha256: file.digest,
        requires_python: file.requires_python,
        tags: file.tags,
        yanked: file.yanked,
        uploaded_at: file.uploaded_at,
        uploaded_by: file.uploaded_by,
    }
}
