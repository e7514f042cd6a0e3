//! What a thing is there now, in one value: a second import compares it and reads no further.

use drydock_wire::import::ForeignState;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::source::Whole;

/// Covers the thing, the names, sizes and times of its files, and what could not be read.
pub fn state<T: Serialize>(kind: &str, id: &str, made_at: i64, whole: &Whole<T>) -> ForeignState {
    let mut hash = Sha256::new();
    hash.update(serde_json::to_vec(&whole.thing).unwrap_or_default());
    for file in &whole.files {
        hash.update(format!("\0{}\0{}\0{}", file.path, file.size_bytes, file.changed_at));
    }
    for unread in &whole.unread {
        hash.update(format!("\0{}\0{}", unread.what, unread.why));
    }
    ForeignState { kind: kind.to_owned(), id: id.to_owned(), made_at, digest: hex::encode(hash.finalize()) }
}
