//! `drydock job sweep`.

use std::path::PathBuf;

use clap::Args;
use drydock_wire::sweeps::{SubmitSweep, SweepDetail};

use super::{
    At, run,
    run::{CodeFlags, read_wish},
    say, tell,
};
use crate::error::{Error, Result};

#[derive(Debug, Clone, Args)]
pub struct SweepFlags {
    #[command(flatten)]
    at: At,
    /// YAML: a `job`, and a `grid` of values for its parameters or a `random` search.
    #[arg(long, short)]
    file: PathBuf,
    #[command(flatten)]
    code: CodeFlags,
}

pub async fn submit(flags: SweepFlags) -> Result<()> {
    let client = flags.at.connect()?;
    let wish = read_wish(&flags.file)?;
    let mut wish: SubmitSweep =
        serde_json::from_value(wish).map_err(|cause| Error::invalid(format!("{}: {cause}.", flags.file.display())))?;
    if wish.job.name.is_empty() {
        wish.job.name = wish.name.clone();
    }
    run::add_code(&client, &flags.code, &mut wish.job).await?;
    let made: SweepDetail = client.post("/sweeps", &wish).await?;
    tell(&format!("{} jobs", made.trials.len()));
    say(&made.summary.id)
}
