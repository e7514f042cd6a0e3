//! `drydock secret`.

use std::io::Read;

use clap::Subcommand;
use drydock_wire::secrets::{PutSecret, Secret};

use super::{At, say, segment, table};
use crate::error::{Error, Result};

#[derive(Debug, Subcommand)]
pub enum SecretCommand {
    /// Make a secret, or give it another value. The value comes on standard input, never as an argument.
    Set {
        #[command(flatten)]
        at: At,
        name: String,
        /// Read the value from standard input; one line end at its end is not part of it.
        #[arg(long, required = true)]
        stdin: bool,
    },
    /// Names, without values.
    List {
        #[command(flatten)]
        at: At,
    },
    /// Remove a secret that no job waits for.
    Delete {
        #[command(flatten)]
        at: At,
        name: String,
    },
}

/// Runs one of them.
pub async fn secret(command: SecretCommand) -> Result<()> {
    match command {
        SecretCommand::Set { at, name, stdin: _ } => {
            let client = at.connect()?;
            let mut value = String::new();
            std::io::stdin().lock().read_to_string(&mut value).map_err(|cause| {
                Error::invalid(format!("The value cannot be read from standard input as text: {cause}."))
            })?;
            let value = value.strip_suffix('\n').map(|text| text.strip_suffix('\r').unwrap_or(text)).unwrap_or(&value);
            let wish = PutSecret { value: value.to_owned() };
            client.put_quietly(&format!("/secrets/{}", segment(&name)), &wish).await
        }
        SecretCommand::List { at } => {
            let all: Vec<Secret> = at.connect()?.get("/secrets").await?;
            let row = |secret: &Secret| {
                vec![
                    secret.name.clone(),
                    secret.size_bytes.to_string(),
                    secret.updated_by.clone(),
                    secret.job_ids.len().to_string(),
                ]
            };
            let rows: Vec<Vec<String>> = all.iter().map(row).collect();
            say(&table(&["NAME", "BYTES", "SET BY", "JOBS"], &rows))
        }
        SecretCommand::Delete { at, name } => at.connect()?.delete(&format!("/secrets/{}", segment(&name))).await,
    }
}
