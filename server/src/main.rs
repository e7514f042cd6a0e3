//! The command line: parses, sets up logging, runs. The dashboard's files are compiled in here.

use std::process::ExitCode;

use clap::Parser;
use drydock::{boot, config::Config, console, error::Result, web::assets::Dashboard};
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "../frontend/dist"]
#[allow_missing = true]
struct Files;

fn main() -> ExitCode {
    let cli = console::Cli::parse();
    match run(cli) {
        Ok(ended) => ExitCode::from(ended.exit_code()),
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(cli: console::Cli) -> Result<console::Ended> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(drydock::error::Error::internal)?;
    match cli.command {
        console::Command::Serve(flags) => {
            let config = Config::load(flags)?;
            log_to_stderr(config.log_json);
            runtime.block_on(boot::serve(config, Dashboard(Files::get))).map(|()| console::Ended::Well)
        }
        command => runtime.block_on(console::run(command)),
    }
}

/// `DRYDOCK_LOG` filters as `RUST_LOG` does elsewhere.
fn log_to_stderr(json: bool) {
    let filter = tracing_subscriber::EnvFilter::try_from_env("DRYDOCK_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info,s3s=off,actix_server=warn"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if json { builder.json().flatten_event(true).init() } else { builder.init() }
}

#[allow(clippy::print_stderr, reason = "the console is the interface here")]
fn complain(error: &drydock::error::Error) {
    eprintln!("drydock: {error}");
    if let Some(source) = &error.source {
        eprintln!("  because: {source:#}");
    }
}
