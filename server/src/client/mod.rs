//! A client of the native API: what the command line and the sample lifecycle are made of.
//!
//! Knows addresses, tokens, errors and how to read on when a connection breaks; knows nothing of the server's insides.

mod follow;
mod http;

use std::path::Path;

pub use follow::{LogTail, follow};
pub use http::{Body, Client};

use crate::error::{Error, Result};

/// The certificate of the authority that signed the box's own, from a copy of its `tls/ca.pem`.
///
/// # Errors
/// `invalid` when the file cannot be read.
pub fn authority(path: Option<&Path>) -> Result<Option<Vec<u8>>> {
    let Some(path) = path else { return Ok(None) };
    let read = std::fs::read(path);
    read.map(Some).map_err(|cause| {
        Error::invalid(format!("The certificate of the authority, {}, cannot be read: {cause}.", path.display()))
    })
}
