//! The S3 face. It stands with health and authentication (Signature Version 4 against the keys of `drydock s3-key create`);
//! every operation still answers NotImplemented. Buckets and objects come with their own issue.

mod s3;

pub use s3::service;
