//! A Python package index on the box: wheels that people uploaded, as `pip` and `uv` ask for them.
//!
//! Always holds: a file name stands for the same bytes as long as it is there (other bytes are a conflict), and its name, its
//! METADATA and its folder say the same package and version; nothing is unpacked. Containers of the box read the index without
//! credentials: the wall is the instance's network, and a token in an address would end up in an image's history. Never here:
//! building from sources, or a proxy to another index.

mod index;
mod metadata;
mod missing;
mod multipart;
mod names;
mod reader;
mod routes;
mod simple;
mod store;
mod uploading;
mod views;
mod wheel;

use std::collections::BTreeMap;

use drydock_wire::{
    Page,
    events::Topic,
    packages::{AskMissing, MissingPackages, PackageDetail, PackageFile, PackageIndex, PackageSummary},
};
use serde_json::json;

pub use index::{Readers, configure_index};
pub use names::is_name;
pub use routes::configure;
pub use uploading::{Added, add};

use crate::{
    accounts::{
        self, Authorized, Principal, Scope, action,
        projects::{self, Kind},
    },
    app::App,
    db::Conn,
    error::{Error, Result},
};
use missing::{Candidate, Search};
use names::Target;

/// Where `pip --index-url` is pointed, below an address of the box.
pub const SIMPLE_PATH: &str = "/pypi/simple/";
/// What the runtime image has installed, as its recipe says.
const RUNTIME: &str = include_str!("../../../appliance/images/runtime/requirements.txt");
const LONGEST_REASON: usize = 500;

/// Starts the background parts.
pub async fn start(_app: &App) -> Result<()> {
    Ok(())
}

/// One page of packages, by name.
pub async fn list(
    app: &App,
    auth: &Authorized<action::View>,
    search: Option<String>,
    offset: i64,
    limit: i64,
) -> Result<Page<PackageSummary>> {
    let scope = auth.scope();
    app.db.read(move |conn| views::page(conn, &scope, search.as_deref(), offset, limit)).await
}

/// A package with its files.
pub async fn get(app: &App, auth: &Authorized<action::View>, name: &str) -> Result<PackageDetail> {
    let (name, scope) = (names::normalized(name), auth.scope());
    app.db.read(move |conn| views::detail(conn, &scope, &name)).await
}

/// The whole, and what its own packages ask for in vain.
pub async fn index(app: &App, auth: &Authorized<action::View>, target: Target) -> Result<PackageIndex> {
    let scope = auth.scope();
    app.db
        .read(move |conn| {
            let (packages, files, bytes) = store::totals(conn)?;
            let whole = |count: i64| u64::try_from(count).unwrap_or(0);
            Ok(PackageIndex {
                package_count: whole(packages),
                file_count: whole(files),
                size_bytes: whole(bytes),
                path: SIMPLE_PATH.to_owned(),
                missing: missing_of_all(conn, &scope, &target)?,
            })
        })
        .await
}

/// What an installation of these would lack.
///
/// # Errors
/// `invalid` for a Python or a platform that is none.
pub async fn what_is_missing(app: &App, auth: &Authorized<action::View>, wish: AskMissing) -> Result<MissingPackages> {
    let target = Target::parse(wish.python.as_deref(), wish.platform.as_deref())?;
    let counts = wish.runtime.unwrap_or(target.python() == names::PYTHON);
    let who = auth.principal().clone();
    app.db.read(move |conn| missing_on(conn, Some(&who), &wish.requirements, &target, counts)).await
}

/// For `builds`: the same for a requirements file's text, for the Python of the runtime image.
pub fn missing_for_runtime(conn: &mut Conn, requirements: &str, is_runtime: bool) -> Result<MissingPackages> {
    missing_on(conn, None, requirements, &Target::parse(None, None)?, is_runtime)
}

/// `who`: whose packages count; absent: all that there are.
fn missing_on(
    conn: &mut Conn,
    who: Option<&Principal>,
    text: &str,
    target: &Target,
    with_runtime: bool,
) -> Result<MissingPackages> {
    let (wanted, skipped) = missing::read_file(text);
    let wanted: Vec<_> = wanted.into_iter().map(|text| (missing::ROOT.to_owned(), text)).collect();
    let installed = if with_runtime { runtime() } else { BTreeMap::new() };
    let wheels = |name: &str| match who {
        Some(who) if !projects::sees(conn, who, Kind::Package, name)? => Ok(vec![]),
        _ => candidates(conn, name),
    };
    let mut told = Search { target, installed: &installed, wheels }.run(&wanted)?;
    told.skipped.extend(skipped);
    Ok(told)
}

/// What the newest version of each package asks for in vain.
fn missing_of_all(conn: &mut Conn, scope: &Scope, target: &Target) -> Result<MissingPackages> {
    const EVERYBODY: &str = "the index";
    let mut all: BTreeMap<String, Vec<Candidate>> = BTreeMap::new();
    for (package, file) in store::everything(conn, scope)? {
        all.entry(package.name).or_default().extend(candidate(file));
    }
    let wanted: Vec<_> = all.keys().map(|name| (EVERYBODY.to_owned(), name.clone())).collect();
    let wheels = |name: &str| Ok(all.get(name).cloned().unwrap_or_default());
    let mut told = Search { target, installed: &runtime(), wheels }.run(&wanted)?;
    // a package that is there for other Pythons alone lacks nothing
    told.missing.retain(|one| one.asked_by.iter().any(|by| by != EVERYBODY));
    told.missing.iter_mut().for_each(|one| one.asked_by.retain(|by| by != EVERYBODY));
    told.found.clear();
    told.list = missing::list(target, &told.missing);
    Ok(told)
}

fn candidates(conn: &mut Conn, name: &str) -> Result<Vec<Candidate>> {
    let Some(package) = store::find(conn, name)? else { return Ok(vec![]) };
    Ok(store::files(conn, package.id)?.into_iter().filter_map(candidate).collect())
}

fn candidate(file: store::File) -> Option<Candidate> {
    Some(Candidate {
        version: file.parsed_version()?,
        requires: file.requirements(),
        filename: file.filename,
        tags: file.tags,
        requires_python: file.requires_python,
        yanked: file.yanked.is_some(),
    })
}

fn runtime() -> BTreeMap<String, pep440_rs::Version> {
    let lines = RUNTIME.lines().filter_map(|line| line.split_whitespace().next()?.split_once("=="));
    lines.filter_map(|(name, version)| Some((names::normalized(name), version.parse().ok()?))).collect()
}

/// Says that nobody should install the file any more, or takes that back.
pub async fn set_yanked(
    app: &App,
    auth: &Authorized<action::Push>,
    package: &str,
    filename: &str,
    reason: Option<String>,
) -> Result<PackageFile> {
    if reason.as_ref().is_some_and(|text| text.len() > LONGEST_REASON || text.contains(['\n', '\0'])) {
        return Err(Error::invalid(format!("reason: one line of at most {LONGEST_REASON} bytes.")));
    }
    let (who, package, filename) = (auth.principal().clone(), names::normalized(package), filename.to_owned());
    let name = package.clone();
    let file = app
        .db
        .write(move |conn| {
            store::require_file(conn, &package, &filename)?;
            store::set_yanked(conn, &filename, reason.as_deref())?;
            let action = if reason.is_some() { "package.yank" } else { "package.unyank" };
            accounts::audit(conn, &who, action, &subject(&package), json!({ "filename": filename, "reason": reason }))?;
            Ok(views::file(store::require_file(conn, &package, &filename)?))
        })
        .await?;
    app.events.publish(Topic::Packages, Some(&name));
    Ok(file)
}

/// Removes one file, or the package with all of them. Its bytes go with a later sweep.
pub async fn delete(app: &App, auth: &Authorized<action::Push>, package: &str, filename: Option<&str>) -> Result<()> {
    let (who, package, filename) = (auth.principal().clone(), names::normalized(package), filename.map(str::to_owned));
    let name = package.clone();
    app.db
        .write(move |conn| match filename {
            Some(filename) => {
                let file = store::require_file(conn, &package, &filename)?;
                store::delete_file(conn, &file)?;
                let told = json!({ "filename": filename, "digest": file.digest });
                accounts::audit(conn, &who, "package.file.delete", &subject(&package), told)
            }
            None => {
                let found = store::require(conn, &package)?;
                let files: Vec<_> = store::files(conn, found.id)?.into_iter().map(|file| file.filename).collect();
                store::delete(conn, found.id)?;
                accounts::audit(conn, &who, "package.delete", &subject(&package), json!({ "files": files }))
            }
        })
        .await?;
    app.events.publish(Topic::Packages, Some(&name));
    Ok(())
}

fn subject(package: &str) -> String {
    format!("package/{package}")
}
