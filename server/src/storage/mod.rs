//! The S3 face. It stands with health and authentication (Signature Version 4 against the keys of `drydock s3-key create`);
//! every operation still answers NotImplemented. Buckets and objects come with their own issue.

#[allow(dead_code, reason = "the S3 face and the native API ask it, which come next")]
pub mod rights;
mod s3;

pub use s3::service;
