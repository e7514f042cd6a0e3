//! `drydock package`: wheels for the box's package index.

use std::path::PathBuf;

use clap::Subcommand;
use drydock_wire::{
    Page,
    packages::{AskMissing, MissingPackages, PackageDetail, PackageFile, PackageSummary},
};

use super::{At, say, segment, table, tell};
use crate::{
    client::Client,
    console::Ended,
    error::{Error, Result},
};

#[derive(Debug, Subcommand)]
pub enum PackageCommand {
    /// Send wheels (files, or folders of them). What is there already is not sent again.
    Upload {
        #[command(flatten)]
        at: At,
        #[arg(required = true)]
        wheels: Vec<PathBuf>,
    },
    /// The packages of the box.
    List {
        #[command(flatten)]
        at: At,
        /// Part of their name or summary.
        search: Option<String>,
    },
    /// The files of one package.
    Show {
        #[command(flatten)]
        at: At,
        name: String,
    },
    /// What an installation would lack: a requirements file in, the list to take to a connected machine out. Exits with 3 when
    /// something is missing.
    Missing {
        #[command(flatten)]
        at: At,
        /// A requirements file; - is standard input.
        requirements: PathBuf,
        /// 3.11 if not said, as the runtime image has it.
        #[arg(long)]
        python: Option<String>,
    },
}

/// Runs one of them.
pub async fn package(command: PackageCommand) -> Result<Ended> {
    match command {
        PackageCommand::Upload { at, wheels } => upload(&at.connect()?, wheels).await?,
        PackageCommand::List { at, search } => list(&at.connect()?, search).await?,
        PackageCommand::Show { at, name } => show(&at.connect()?, &name).await?,
        PackageCommand::Missing { at, requirements, python } => {
            return missing(&at.connect()?, &requirements, python).await;
        }
    }
    Ok(Ended::Well)
}

async fn upload(client: &Client, given: Vec<PathBuf>) -> Result<()> {
    let mut wheels = vec![];
    for path in given {
        let unreadable = |cause| Error::invalid(format!("{} cannot be read: {cause}.", path.display()));
        if !std::fs::metadata(&path).map_err(unreadable)?.is_dir() {
            wheels.push(path);
            continue;
        }
        for entry in std::fs::read_dir(&path).map_err(unreadable)? {
            let inside = entry.map_err(unreadable)?.path();
            if inside.extension().is_some_and(|ending| ending == "whl") {
                wheels.push(inside);
            }
        }
    }
    wheels.sort();
    for wheel in wheels {
        let name = wheel.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let kept: PackageFile = client.put_file(&format!("/packages/{}", segment(name)), &wheel).await?;
        say(&kept.filename)?;
    }
    Ok(())
}

async fn list(client: &Client, search: Option<String>) -> Result<()> {
    let mut path = "/packages?limit=200".to_owned();
    if let Some(search) = search {
        path += &format!("&search={}", segment(&search));
    }
    let page: Page<PackageSummary> = client.get(&path).await?;
    let row = |it: &PackageSummary| {
        vec![
            it.name.clone(),
            it.latest.clone().unwrap_or_default(),
            it.file_count.to_string(),
            it.summary.clone().unwrap_or_default(),
        ]
    };
    say(&table(&["NAME", "LATEST", "FILES", "SUMMARY"], &page.items.iter().map(row).collect::<Vec<_>>()))?;
    let more = page.total.saturating_sub(page.items.len() as u64);
    if more > 0 {
        tell(&format!("and {more} more"));
    }
    Ok(())
}

async fn show(client: &Client, name: &str) -> Result<()> {
    let found: PackageDetail = client.get(&format!("/packages/{}", segment(name))).await?;
    let row = |it: &PackageFile| {
        vec![it.filename.clone(), it.version.clone(), it.uploaded_by.clone(), it.yanked.clone().unwrap_or_default()]
    };
    say(&table(&["FILE", "VERSION", "BY", "YANKED"], &found.files.iter().map(row).collect::<Vec<_>>()))
}

async fn missing(client: &Client, requirements: &std::path::Path, python: Option<String>) -> Result<Ended> {
    let text = match requirements.to_str() {
        Some("-") => std::io::read_to_string(std::io::stdin()),
        _ => std::fs::read_to_string(requirements),
    };
    let text = text.map_err(|cause| Error::invalid(format!("{} cannot be read: {cause}.", requirements.display())))?;
    let ask = AskMissing { requirements: text, python, platform: None, runtime: None };
    let found: MissingPackages = client.post("/packages/missing", &ask).await?;
    if found.missing.is_empty() {
        tell(&format!("Nothing is missing: all {} packages are here.", found.found.len()));
        return Ok(Ended::Well);
    }
    for one in &found.missing {
        tell(&format!("{}: {} (asked by {})", one.requirement, one.why, one.asked_by.join(", ")));
    }
    say(found.list.trim_end())?;
    Ok(Ended::Partly)
}
