//! The command line, with the dashboard's files compiled in. What runs is in the library, down to the last future, so that this links in
//! a moment.

use std::process::ExitCode;

use clap::Parser;
use drydock::{console, web::assets::Dashboard};
use mimalloc::MiMalloc;
use rust_embed::RustEmbed;

/// A prediction through the gateway is some fifty small allocations: with the C library's allocator they were a sixth of its cost.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[derive(RustEmbed)]
#[folder = "../frontend/dist"]
#[allow_missing = true]
struct Files;

fn main() -> ExitCode {
    let cli = console::Cli::parse();
    match console::main(cli, Dashboard(Files::get)) {
        Ok(ended) => ExitCode::from(ended.exit_code()),
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

#[allow(clippy::print_stderr, reason = "the console is the interface here")]
fn complain(error: &drydock::error::Error) {
    eprintln!("drydock: {error}");
    if let Some(source) = &error.source {
        eprintln!("  because: {source:#}");
    }
}
