//! Commands against a running box, from anywhere: a colleague's laptop has its address, a token and, for TLS, a copy of its
//! `tls/ca.pem`.
//!
//! Always holds: what a program reads goes to standard output, what people are told beside it to standard error; nothing is asked back.

mod context;
mod deploy;
mod image;
mod job;
mod logs;
mod outputs;
mod package;
mod packing;
mod pipeline;
mod queue;
mod run;
mod secret;
mod show;
mod snapshot;
mod sweep;

use std::{io::Write, path::PathBuf};

use clap::Args;

use crate::{
    client::{self, Client},
    error::{Error, Result},
};

pub use deploy::{DeployCommand, deploy};
pub use image::{ImageCommand, image};
pub use job::{JobCommand, job};
pub use logs::{LogsFlags, logs};
pub use package::{PackageCommand, package};
pub use pipeline::{PipelineCommand, pipeline};
pub use queue::{QueueCommand, queue};
pub use secret::{SecretCommand, secret};

/// Where the box is and who asks.
#[derive(Debug, Clone, Args)]
pub struct At {
    /// Address of the box, such as https://box:8080.
    #[arg(long, env = "DRYDOCK_URL", default_value = "http://127.0.0.1:8080")]
    url: String,
    /// A token; made in the dashboard under your name.
    #[arg(long, env = "DRYDOCK_TOKEN", hide_env_values = true, default_value = "")]
    token: String,
    /// For https: a copy of the box's tls/ca.pem.
    #[arg(long, env = "DRYDOCK_CA")]
    ca: Option<PathBuf>,
}

impl At {
    /// # Errors
    /// `invalid` without a token, for a wrong address, or for a certificate that is none.
    pub fn connect(&self) -> Result<Client> {
        if self.token.trim().is_empty() {
            return Err(Error::invalid(
                "There is no token: set DRYDOCK_TOKEN (or --token) to one that you made in the dashboard under your name.",
            ));
        }
        Client::new(&self.url, &self.token, client::authority(self.ca.as_deref())?.as_deref())
    }
}

/// For a program: to standard output. Whoever does not read on ends the command.
fn say(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let closed = |cause| Error::unavailable("Nobody reads the output any more.").with_source(cause);
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(closed)
}

/// For a person, beside the output.
#[allow(clippy::print_stderr, reason = "the console is the interface here")]
fn tell(text: &str) {
    eprintln!("{text}");
}

/// Rows under their heads, each column as wide as it has to be.
fn table(heads: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = heads.iter().map(|head| head.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: Vec<&str>| {
        let padded: Vec<String> = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    let head = line(heads.to_vec());
    let rows = rows.iter().map(|row| line(row.iter().map(String::as_str).collect()));
    std::iter::once(head).chain(rows).collect::<Vec<_>>().join("\n")
}

/// A part of a path.
fn segment(text: &str) -> String {
    crate::percent::encoded(text, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_have_to_be() {
        let rows = [vec!["a".to_owned(), "größer".to_owned(), "x".to_owned()], vec!["bb".to_owned(), String::new()]];
        assert_eq!(table(&["ID", "NAME", ""], &rows), "ID  NAME\na   größer  x\nbb");
    }
}
