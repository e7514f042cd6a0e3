//! Logs beyond their stream: by line, and searched on the server. The same questions work for jobs (`/jobs/{id}/log…`) and for
//! whatever else keeps a log.

use crate::jobs::LogLine;

/// `LogLine::stream` of a line that Drydock itself wrote: where lines are left out, and why.
pub const NOTE: &str = "drydock";

wire! {
    /// `GET …/log/lines?attempt=&from=&limit=`: lines in their order from line `from` on; at most 5,000, 1,000 if not said.
    pub struct LogPage {
        pub lines: Vec<LogLine>,
        /// The `from` of the page after this one; absent when there are no more lines now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub next: Option<u64>,
        /// How many lines were written so far.
        pub total: u64,
        /// No line will be added any more.
        pub complete: bool,
    }

    /// `GET …/log/search?attempt=&q=&regex=&case=&from=&to=&limit=`: lines that contain `q` (or match it, with `regex=true`), large
    /// and small letters alike unless `case=true`, among the lines `from` to `to` (not included); at most 1,000, 200 if not said.
    pub struct LogHits {
        pub hits: Vec<LogLine>,
        /// Where to go on: there may be more from this line on. Absent when all was searched.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub next: Option<u64>,
        /// How many lines were written so far.
        pub total: u64,
    }
}
