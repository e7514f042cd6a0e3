//! Buckets: the list, one with its folders and objects, its settings and how programs reach it; uploads to it.

mod browse;
mod bucket;
mod connect;
mod create;
mod discard;
mod list;
mod object;
mod pick;
mod preview;
mod rules;
mod settings;
mod share;
mod versions;

pub use bucket::BucketPage;
pub use list::BucketsPage;

use crate::api::seg;

/// A path of the native API within a bucket.
fn path(bucket: &str, rest: &str) -> String {
    format!("/buckets/{}{rest}", seg(bucket))
}

/// The same for one object, or one version of it.
fn object_path(bucket: &str, call: &str, key: &str, version: &str) -> String {
    let version = if version.is_empty() { String::new() } else { format!("&version={}", seg(version)) };
    path(bucket, &format!("/{call}?key={}{version}", seg(key)))
}

/// Where a browser fetches the bytes.
fn content_url(bucket: &str, key: &str, version: &str) -> String {
    format!("/api/v1{}", object_path(bucket, "object/content", key, version))
}

/// The last part of a key or folder, as a person names it.
fn last(key: &str) -> &str {
    let name = key.trim_end_matches('/');
    name.rsplit('/').next().unwrap_or(name)
}

/// The folder that a key lies in, with its `/` at the end; empty at the top.
fn folder_of(key: &str) -> &str {
    key.rfind('/').and_then(|at| key.get(..=at)).unwrap_or_default()
}
