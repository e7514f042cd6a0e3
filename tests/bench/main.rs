//! `make bench`: the figures that Drydock promises, measured on this machine with the release binary.
//!
//! Durable means durable here: each write counted was acknowledged after its fsync.

#![allow(clippy::print_stdout, reason = "the figures are the program's output")]

mod datasets;
mod footprint;
mod frames;
mod scale;
mod upload;
mod writes;

use anyhow::Result;

#[tokio::main]
async fn main() -> Result<()> {
    let scratch = match std::env::var_os("DRYDOCK_BENCH_DIR") {
        Some(dir) => tempfile::tempdir_in(dir)?,
        None => tempfile::tempdir()?,
    };
    // One part by name, or all.
    match std::env::args().nth(1).as_deref() {
        Some("scale") => return scale::compare().await,
        Some("frames") => return frames::measure().await,
        Some("datasets") => return datasets::measure().await,
        _ => {}
    }
    footprint::sizes()?;
    footprint::start_and_rest().await?;
    writes::direct(scratch.path()).await?;
    writes::over_http().await?;
    upload::compare(scratch.path()).await?;
    frames::measure().await?;
    datasets::measure().await?;
    scale::compare().await
}

/// One line of the table.
fn figure(name: &str, value: &str) {
    println!("{name:<58} {value}");
}
