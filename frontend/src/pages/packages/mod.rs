//! The Python package index: all packages, one with its files, and what an installation would lack.

mod detail;
mod list;
mod missing;
mod upload;
mod yank;

pub use detail::PackagePage;
pub use list::PackagesPage;
pub use missing::MissingTable;

use crate::api::seg;

/// Where the page of a package is.
fn href(name: &str) -> String {
    format!("/packages/{}", seg(name))
}
