//! What the feature promises, over a real database and real blobs.
#![allow(clippy::unwrap_used, clippy::expect_used)]

