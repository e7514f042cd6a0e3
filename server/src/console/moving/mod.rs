//! `drydock objects move --to s3|disk`: carries the large content of a box to the other engine and back.
//!
//! Always holds: content leaves its old place only after all of it was compared in the new one and the database says so,
//! durably, in one transaction; killed at any point, the same command goes on where it was. While the server runs, content is
//! copied beforehand; the last step needs the server stopped, and takes over only what is new by then.

mod progress;
mod to_disk;
mod to_s3;

use std::{fs::File, path::Path};

use clap::{Args, ValueEnum};
use diesel::prelude::*;
use drydock_appliance::blobs::{Owner, ProblemKind, S3Blobs, Tenure};

use super::{DataDir, change, look, print};
use crate::{
    accounts, boot,
    config::{
        Config,
        objects::{Engine, Objects as Settings},
    },
    db::{
        Conn,
        schema::{accounts::settings, objects::blobs},
    },
    error::{Error, Result},
    objects::engine,
};

#[derive(Debug, Clone, Args)]
pub struct MoveFlags {
    #[command(flatten)]
    at: DataDir,
    /// Where the content goes. The cluster is the one of `[objects]` in the settings.
    #[arg(long)]
    to: Place,
    /// Leave the copies in the old place when everything is in the new one.
    #[arg(long)]
    keep_source: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Place {
    S3,
    Disk,
}

impl Place {
    fn engine(self) -> Engine {
        match self {
            Self::S3 => Engine::S3,
            Self::Disk => Engine::Disk,
        }
    }
}

/// A content that is no row of the database alone.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Content {
    digest: String,
    size_bytes: u64,
}

/// What a copying found.
#[derive(Debug, Default)]
struct Copied {
    copied: u64,
    already_there: u64,
    /// Not what the name says, or gone: with what is wrong.
    damaged: Vec<String>,
}

/// Whether all content went along.
pub async fn run(flags: MoveFlags) -> Result<bool> {
    let (data_dir, to) = (flags.at.data_dir.as_path(), flags.to.engine());
    let settings = Config::objects_of(data_dir)?;
    // Held to the end: a server that starts meanwhile waits for the outcome.
    let alone = lock(data_dir)?;
    let mut conn = look(data_dir)?;
    let is_there = engine::noted(&mut conn)?.unwrap_or(Engine::Disk) == to;
    if is_there && alone.is_none() {
        return Err(Error::conflict(
            "The content is there already, and the server runs on it. There is nothing to move.",
        ));
    }
    let contents = contents(&mut conn)?;
    let s3 = cluster(data_dir, &settings, &mut conn, to, is_there).await?;
    drop(conn);
    let mut copied = Copied::default();
    if !is_there {
        copied = match flags.to {
            Place::S3 => to_s3::copy(data_dir, &s3, &contents).await?,
            Place::Disk => to_disk::copy(data_dir, &s3, &contents).await?,
        };
        tell(&copied)?;
        if alone.is_none() {
            print(
                "The server runs and still writes to the old place. Stop it and run this command again: it takes only what is \
                   new, and then the server goes on with the new place.",
            )?;
            return Ok(copied.damaged.is_empty());
        }
        switch(data_dir, to, &copied)?;
    }
    if flags.keep_source {
        print("The copies in the old place stay.")?;
    } else {
        match flags.to {
            Place::S3 => to_s3::clear(data_dir, &s3, &contents).await?,
            Place::Disk => to_disk::clear(data_dir, &s3, &contents).await?,
        }
    }
    print(&what_to_set(settings.engine, to))?;
    Ok(copied.damaged.is_empty())
}

/// `None` while a server has the data directory.
fn lock(data_dir: &Path) -> Result<Option<File>> {
    match boot::lock(data_dir) {
        Ok(lock) => Ok(Some(lock)),
        Err(error) if error.code == drydock_wire::ErrorCode::Conflict => Ok(None),
        Err(error) => Err(error),
    }
}

fn contents(conn: &mut Conn) -> Result<Vec<Content>> {
    let rows: Vec<(String, i64)> = blobs::table
        .filter(blobs::data.is_null())
        .order(blobs::digest)
        .select((blobs::digest, blobs::size_bytes))
        .load(conn)
        .map_err(Error::internal)?;
    let content = |(digest, size)| Content { digest, size_bytes: u64::try_from(size).unwrap_or(0) };
    Ok(rows.into_iter().map(content).collect())
}

/// The bucket: taken over where content goes there, looked at where it comes from there.
async fn cluster(data_dir: &Path, settings: &Settings, conn: &mut Conn, to: Engine, is_there: bool) -> Result<S3Blobs> {
    let tenure = if to == Engine::S3 { Tenure::Holds } else { Tenure::Looks };
    let owner = Owner { instance: instance(conn)?, tenure, was_here: is_there || to == Engine::Disk };
    let (s3, problem) = engine::open_s3(data_dir, settings, owner, 0).await?;
    match problem {
        Some(problem) if is_there && to == Engine::Disk && problem.kind == ProblemKind::Foreign => {
            Err(Error::conflict("The content is on this box's disk already, and nothing of it is left in the bucket."))
        }
        Some(problem) => Err(Error::unavailable(problem.words)),
        None => Ok(s3),
    }
}

/// This box's id, which its mark in the bucket says.
pub(super) fn instance(conn: &mut Conn) -> Result<String> {
    let found = settings::table.find("instance").select(settings::value).first(conn).optional();
    found
        .map_err(Error::internal)?
        .ok_or_else(|| Error::not_found("The server was never started on this data directory."))
}

fn switch(data_dir: &Path, to: Engine, copied: &Copied) -> Result<()> {
    change(data_dir, |conn| {
        engine::note(conn, to)?;
        let moved = serde_json::json!({
            "to": to.name(), "copied": copied.copied, "already_there": copied.already_there, "damaged": copied.damaged.len(),
        });
        accounts::audit(conn, &accounts::Principal::console(), "objects.move", to.name(), moved)
    })?;
    print("All content is in the new place now, and the database says so.")
}

fn tell(copied: &Copied) -> Result<()> {
    print(&format!(
        "{} copied, {} there already, {} damaged",
        copied.copied,
        copied.already_there,
        copied.damaged.len()
    ))?;
    for damaged in &copied.damaged {
        print(&format!("  damaged: {damaged}"))?;
    }
    if !copied.damaged.is_empty() {
        print("Damaged content is not moved, and nothing of it is deleted. The page \"Store\" says what needs it.")?;
    }
    Ok(())
}

fn what_to_set(set: Engine, to: Engine) -> String {
    if set == to {
        return "The settings say so already: start the server.".into();
    }
    format!(
        "Now set this in drydock.toml (or DRYDOCK_OBJECTS_ENGINE={0}), then start the server:\n\n[objects]\nengine = \"{0}\"\n",
        to.name()
    )
}
