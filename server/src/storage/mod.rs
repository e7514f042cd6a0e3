//! Buckets of objects: the S3 face, and what the dashboard's bucket browser stands on.
//!
//! Always holds: whoever gets at an object has passed `access::enter`; an object's row and its content are committed together;
//! what came as an upload in parts stays in those parts, each kept once, until somebody needs it as one blob (`reading::whole_blob`);
//! sizes and counts of a bucket change in the transaction that changes its objects. A key never becomes a path on the box.
//! Never here: what an object's bytes mean.
//!
//! The verbs: `buckets` (create, get, list, change, delete), `listing` (objects, search, versions, uploads), `objects` (put, remove,
//! remove_many, change_about), `reading` (look, stream, whole_blob), `uploads` (begin, parts, abort), `parts` (put_part, copy_part),
//! `completing`, `copy`.

pub mod about;
pub mod access;
mod browser;
pub mod buckets;
mod completing;
pub mod copy;
mod cors;
mod download;
mod lifecycle;
pub mod listing;
pub mod objects;
mod parts;
pub mod reading;
mod refusals;
pub mod rights;
mod routes;
pub mod rules;
mod s3;
mod sending;
mod shares;
mod store;
pub mod sums;
mod tasks;
#[cfg(test)]
mod tests;
pub mod uploads;

pub use routes::{configure, configure_links};
pub use s3::Face as S3Face;
pub use store::{
    buckets::BucketRow,
    fold::{Page, Wanted},
    list::{Listed, ListedVersion},
    objects::{ObjectRow, Removed},
    uploads::{PartRow, UploadRow},
};

use crate::app::App;

/// Starts what runs in the background.
pub fn start(app: &App) {
    app.background.spawn(tasks::Expirer::new(app.clone()));
}
