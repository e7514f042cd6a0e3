//! The wall clock. The only place that reads `SystemTime`; durations and leases use `Instant`.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch; 0 if the box believes it is before 1970.
#[allow(clippy::disallowed_methods, reason = "this is the clock")]
pub fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
