//! `drydock audit`: the trail is checked and given out on the box, whether or not the server runs; an exported one is
//! checked anywhere.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};

use super::{DataDir, look};
use crate::{
    accounts::{
        audit::{self, Checkpoint, LAST_CHECKPOINT, Verified},
        secrets::BoxKey,
    },
    error::{Error, Result},
};

#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Check that no row was altered, taken out, moved or cut off since the box signed it.
    Verify(VerifyFlags),
    /// Print the trail as JSON lines, with the box's signatures.
    Export(DataDir),
    /// Print the key with which the signatures are checked. Keep it away from the box.
    Key(DataDir),
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub struct VerifyFlags {
    /// Folder of the database and the keys.
    #[arg(long, env = "DRYDOCK_DATA_DIR", required_unless_present = "file")]
    data_dir: Option<PathBuf>,
    /// An exported trail instead; no box is needed.
    #[arg(long)]
    file: Option<PathBuf>,
    /// With a file: the key that `drydock audit key` printed on the box.
    #[arg(long, requires = "file")]
    key: Option<String>,
}

/// Carries a command out and says on `out` what came of it.
///
/// # Errors
/// `conflict` with what is wrong with the trail.
pub fn run(command: &AuditCommand, out: &mut dyn Write) -> Result<()> {
    match command {
        AuditCommand::Verify(flags) => {
            let whole = match (&flags.file, &flags.data_dir) {
                (Some(file), _) => audit::verify_export(&read(file)?, flags.key.as_deref())?,
                (None, Some(data_dir)) => verify(data_dir)?,
                (None, None) => return Err(Error::invalid("Give --data-dir or --file.")),
            };
            let Verified { rows, checkpoints, signed_to } = whole;
            writeln!(out, "whole: {rows} rows, {checkpoints} checkpoints, signed up to row {signed_to}")
                .map_err(Error::internal)
        }
        AuditCommand::Export(at) => {
            let key = key(&at.data_dir)?;
            let (rows, checkpoints) = audit::whole(&mut look(&at.data_dir)?)?;
            audit::export(rows, checkpoints, &key, out)
        }
        AuditCommand::Key(at) => writeln!(out, "{}", hex::encode(key(&at.data_dir)?)).map_err(Error::internal),
    }
}

/// Checks the trail of a data directory, with the checkpoint that lies beside the database.
pub fn verify(data_dir: &Path) -> Result<Verified> {
    let (rows, mut checkpoints) = audit::whole(&mut look(data_dir)?)?;
    let beside = data_dir.join(LAST_CHECKPOINT);
    if beside.exists() {
        let last: Checkpoint = serde_json::from_str(&read(&beside)?)
            .map_err(|cause| Error::conflict(format!("{} is no checkpoint: {cause}", beside.display())))?;
        if !checkpoints.contains(&last) {
            checkpoints.push(last);
        }
    }
    audit::verify(&rows, &checkpoints, &key(data_dir)?).map_err(Error::conflict)
}

fn key(data_dir: &Path) -> Result<Vec<u8>> {
    let file = data_dir.join("box.key");
    if !file.exists() {
        return Err(Error::not_found(format!("{} is not there: is this the data directory?", file.display())));
    }
    audit::public_key(&BoxKey::load_or_create(&file)?)
}

fn read(file: &Path) -> Result<String> {
    std::fs::read_to_string(file)
        .map_err(|cause| Error::invalid(format!("{} cannot be read: {cause}.", file.display())))
}
