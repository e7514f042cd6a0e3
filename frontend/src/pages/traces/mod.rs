//! Traces of LLM applications: the list, one trace with its spans.

mod detail;
mod json;
mod judgements;
mod list;
mod span;
mod tree;

pub use detail::TracePage;
pub use list::TracesPage;

use crate::format;

/// A duration in microseconds: `420 µs`, `3.2 ms`, and longer ones as everywhere.
fn micros(us: u64) -> String {
    match us {
        0..=999 => format!("{us} µs"),
        1_000..=9_999 => format!("{:.1} ms", us as f64 / 1000.0),
        _ => format::duration(us / 1000),
    }
}

/// The words for a span's kind: `CHAT_MODEL` as `chat model`; nothing for one that has none.
fn kind_words(kind: &str) -> Option<String> {
    (kind != "UNKNOWN").then(|| kind.to_lowercase().replace('_', " "))
}
