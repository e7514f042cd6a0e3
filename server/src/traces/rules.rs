//! What may be logged as a trace: ids, lengths, sizes of batches, with the texts MLflow's clients know. Pure.

use crate::{
    error::{Error, Result},
    tracking::rules::{at_most, key_name, truncated},
};

/// Spans of one export.
pub const MAX_SPANS_PER_REQUEST: usize = 20_000;
/// Spans of one trace; more would make a page that no browser shows.
const MAX_SPANS_PER_TRACE: i64 = 100_000;
/// All that an export's spans may have in attributes, events and values within values: each takes more memory than bytes.
pub const MAX_VALUES_PER_REQUEST: usize = 1_000_000;
/// An export as it travels, and what it may unpack to.
pub const MAX_EXPORT_BYTES: usize = 32 << 20;
pub const MAX_UNPACKED_BYTES: usize = 64 << 20;
/// The spans of a trace, and of all traces that one answer has, as JSON.
const MAX_TRACE_BYTES: i64 = 64 << 20;
pub const MAX_ANSWER_BYTES: i64 = 256 << 20;
/// Traces that one call may link to a run.
pub const MAX_LINKS: usize = 100;

const MAX_TAG_KEY_CHARS: usize = 250;
const MAX_ARRIVING_KEY_CHARS: usize = 4096;
const MAX_TAG_CHARS: usize = 8000;
const MAX_METADATA_CHARS: usize = 20_000;
const MAX_NAME_CHARS: usize = 4096;
const MAX_PREVIEW_CHARS: usize = 10_000;

/// The number of a trace's spans, if it may have as many.
pub fn span_count(count: i64) -> Result<i64> {
    if count <= MAX_SPANS_PER_TRACE {
        return Ok(count);
    }
    Err(Error::too_large(format!("One trace would have {count} spans; at most {MAX_SPANS_PER_TRACE} are kept.")))
}

/// Whether a trace may have spans of this many bytes.
pub fn trace_bytes(bytes: i64) -> Result<()> {
    if bytes <= MAX_TRACE_BYTES {
        return Ok(());
    }
    Err(Error::too_large(format!(
        "The spans of one trace would take {} MiB; at most {} MiB are kept. Log large inputs and outputs as artifacts.",
        bytes >> 20,
        MAX_TRACE_BYTES >> 20
    )))
}

/// A trace's tag as it is kept.
pub fn tag(key: String, value: String) -> Result<(String, String)> {
    key_name(&key, "key")?;
    at_most("key", MAX_TAG_KEY_CHARS, &key)?;
    Ok((key, truncated(value, MAX_TAG_CHARS)))
}

/// A tag that came with its trace. Its key is taken as it is: clients send traces in the background and only log a refusal, so
/// the trace would be lost for it.
pub fn arriving_tag(key: String, value: String) -> (String, String) {
    (truncated(key, MAX_ARRIVING_KEY_CHARS), truncated(value, MAX_TAG_CHARS))
}

/// A trace's metadata as it is kept; its key as that of an arriving tag.
pub fn metadata(key: String, value: String) -> (String, String) {
    (truncated(key, MAX_ARRIVING_KEY_CHARS), truncated(value, MAX_METADATA_CHARS))
}

/// A trace's name.
pub fn name(name: &str) -> Result<()> {
    at_most("Trace name", MAX_NAME_CHARS, name)
}

/// A preview that the client made itself.
pub fn client_preview(text: String) -> String {
    truncated(text, MAX_PREVIEW_CHARS)
}

/// A tag that only the server sets.
pub fn may_change_tag(key: &str, verb: &str) -> Result<()> {
    let immutable = || Error::invalid(format!("Tag '{key}' is immutable and cannot be {verb} on a trace."));
    match key {
        super::names::SPANS_LOCATION_TAG | "mlflow.trace.archiveLocation" => Err(immutable()),
        // That the archive failed may be forgotten, not claimed.
        "mlflow.trace.archivalFailure" if verb == "set" => Err(immutable()),
        _ => Ok(()),
    }
}

/// A trace's id that a client chose; it becomes a part of an artifact's path.
pub fn trace_id(text: &str) -> Result<()> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !text.is_empty() && text.len() <= 100 && !text.starts_with('.') && text.chars().all(good) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "Invalid value {text:?} for parameter 'trace_id' supplied: a trace's id has at most 100 letters, digits, '-', '_' or '.'."
    )))
}

/// MLflow's id of an OpenTelemetry trace.
pub fn trace_id_of(otel_id: &[u8]) -> String {
    format!("tr-{}", hex::encode(otel_id))
}

/// Sixteen bytes behind a trace's id; for one that is no OpenTelemetry id they are taken from its characters.
pub fn otel_id(trace_id: &str) -> Vec<u8> {
    use sha2::Digest;
    let digits = trace_id.strip_prefix("tr-").unwrap_or(trace_id);
    match hex::decode(digits) {
        Ok(bytes) if bytes.len() == 16 => bytes,
        _ => sha2::Sha256::digest(trace_id.as_bytes())[..16].to_vec(),
    }
}

/// An id of OpenTelemetry, filled with zeros to its length.
///
/// # Errors
/// `invalid` when it is empty or longer.
pub fn padded<const N: usize>(bytes: &[u8], what: &str) -> Result<[u8; N]> {
    if bytes.is_empty() || bytes.len() > N {
        return Err(Error::invalid(format!("A span's {what} has {} bytes; it must have {N}.", bytes.len())));
    }
    let mut id = [0; N];
    id[N - bytes.len()..].copy_from_slice(bytes);
    Ok(id)
}

/// Correlation of two filters by normalised pointwise mutual information: from -1 (never together) to 1 (always).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Correlation {
    pub npmi: f64,
    pub smoothed: f64,
    pub first: i64,
    pub second: i64,
    pub both: i64,
    pub total: i64,
}

/// How much two filters go together, from how many traces fit each, both, and either way. NaN where nothing can be said.
pub fn correlation(first: i64, second: i64, both: i64, total: i64) -> Correlation {
    let cells = [both, first - both, second - both, total - first - second + both];
    let nothing = first == 0 || second == 0 || cells.iter().any(|cell| *cell < 0);
    let of = |prior: f64| if nothing { f64::NAN } else { npmi(cells.map(|cell| cell as f64), prior) };
    let npmi = if both == 0 && !nothing { -1.0 } else { of(0.0) };
    Correlation { npmi, smoothed: of(0.5), first, second, both, total }
}

fn npmi([both, first, second, neither]: [f64; 4], prior: f64) -> f64 {
    if first == 0.0 && second == 0.0 && neither == 0.0 {
        return 1.0;
    }
    let joint = both + prior;
    let (of_first, of_second) = (joint + first + prior, joint + second + prior);
    let all = of_first + second + neither + 2.0 * prior;
    let information = (joint * all / (of_first * of_second)).ln();
    (information / -(joint / all).ln()).clamp(-1.0, 1.0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn ids_that_would_leave_their_folder_are_refused() {
        for bad in ["", ".", "..", "../x", "a/b", "a b", "trace:/x", &"a".repeat(101)] {
            assert!(trace_id(bad).is_err(), "{bad}");
        }
        for good in ["tr-5b8efff798038103d269b633813fc60c", "059aebee95df457796df471bce30bbc6", "tr-x"] {
            assert!(trace_id(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn a_trace_has_its_limits() {
        assert!(trace_bytes(MAX_TRACE_BYTES).is_ok() && span_count(MAX_SPANS_PER_TRACE).is_ok());
        assert!(trace_bytes(MAX_TRACE_BYTES + 1).unwrap_err().message.contains("at most 64 MiB"));
        assert!(span_count(MAX_SPANS_PER_TRACE + 1).unwrap_err().message.contains("would have 100001 spans"));
    }

    #[test]
    fn otel_ids_and_trace_ids_lead_to_each_other() {
        let bytes = vec![0x5b; 16];
        assert_eq!(otel_id(&trace_id_of(&bytes)), bytes);
        assert_eq!(otel_id("tr-x").len(), 16);
        assert_eq!(padded::<8>(&[1], "span id").unwrap(), [0, 0, 0, 0, 0, 0, 0, 1]);
        assert!(padded::<8>(&[0; 9], "span id").is_err() && padded::<8>(&[], "span id").is_err());
    }

    #[test]
    fn correlations_are_mlflows() {
        // As MLflow 3.17.2 answered.
        let found = correlation(1, 1, 1, 2);
        assert_eq!(found.npmi, 1.0);
        assert!((found.smoothed - 0.413_390_105_222_847_47).abs() < 1e-12);
        assert!(correlation(0, 1, 0, 2).npmi.is_nan());
        assert_eq!(correlation(1, 1, 0, 2).npmi, -1.0);
        assert_eq!(correlation(2, 2, 2, 2).npmi, 1.0);
    }
}
