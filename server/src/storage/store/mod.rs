//! Rows of buckets, objects, uploads and their parts. Each function composes in the caller's transaction.

pub mod buckets;
pub mod fold;
pub mod list;
pub mod objects;
pub mod uploads;
