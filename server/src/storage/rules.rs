//! Pure decisions: names, versions, ranges, conditions. No IO.

use std::fmt;

use super::refusals;
use crate::error::{Error, Result};
pub use crate::objects::store::prefix_end;

/// S3's limits.
pub const MAX_KEY_BYTES: usize = 1024;
pub const MAX_PART_NUMBER: i64 = 10_000;
pub const MIN_PART_BYTES: i64 = 5 << 20;
pub const MAX_PUT_BYTES: u64 = 5 << 30;
pub const MAX_OBJECT_BYTES: u64 = 5 << 40;

/// `GET /healthz` asks whether the S3 port answers, so that no bucket can be there.
pub const HEALTH: &str = "healthz";

/// One version of a key: what `x-amz-version-id` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionId {
    /// The version that was written without versioning.
    Null,
    Seq(i64),
}

impl VersionId {
    /// # Errors
    /// `invalid` when no version of ours reads so.
    pub fn parse(text: &str) -> Result<Self> {
        if text == "null" {
            return Ok(Self::Null);
        }
        let is_ours = text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        match i64::from_str_radix(text, 16) {
            Ok(seq) if is_ours => Ok(Self::Seq(seq)),
            _ => Err(refusals::invalid_argument("Invalid version id specified.")),
        }
    }
}

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Seq(seq) => write!(f, "{seq:016x}"),
        }
    }
}

/// Whether a bucket can have this name.
pub fn check_bucket_name(name: &str) -> Result<()> {
    if name == HEALTH {
        return Err(refusals::invalid_bucket_name("The name healthz is taken by the check of the S3 port's health."));
    }
    if s3s::path::check_bucket_name(name) {
        return Ok(());
    }
    let text = format!(
        "{name:?} cannot be the name of a bucket: 3 to 63 of a-z, 0-9, dot and hyphen, a letter or digit first and last, no two \
         dots in a row, no IP address."
    );
    Err(refusals::invalid_bucket_name(text))
}

/// Whether an object can have this key. A key never becomes a path on the box, but clients make paths of keys: a segment that
/// would lead them out of their folder is refused, as MinIO does.
pub fn check_key(key: &str) -> Result<()> {
    let problem = if key.is_empty() {
        "it is empty"
    } else if key.len() > MAX_KEY_BYTES {
        return Err(Error::invalid(format!("A key has at most {MAX_KEY_BYTES} bytes."))
            .with_source(refusals::S3Word("KeyTooLongError")));
    } else if key.chars().any(|c| c == '\0') {
        "it contains a NUL"
    } else if key.split(['/', '\\']).any(|segment| segment == "." || segment == "..") {
        "it has a segment that is `.` or `..`"
    } else {
        return Ok(());
    };
    Err(refusals::invalid_key(format!("This cannot be the key of an object: {problem}.")))
}

/// The part of `key` up to and including the first delimiter after the prefix, if it has one there.
pub fn common_prefix<'a>(key: &'a str, prefix: &str, delimiter: &str) -> Option<&'a str> {
    if delimiter.is_empty() {
        return None;
    }
    let rest = key.strip_prefix(prefix)?;
    let at = rest.find(delimiter)?;
    key.get(..prefix.len() + at + delimiter.len())
}

/// Whether a key may be seen by somebody who may see only what is under some prefixes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hidden<'a> {
    No,
    /// Nothing before this may be seen.
    Until(&'a str),
    ForGood,
}

/// `only`: sorted prefixes, none the beginning of another; empty: everything may be seen.
pub fn hidden_until<'a>(key: &str, only: &'a [String]) -> Hidden<'a> {
    if only.is_empty() || only.iter().any(|prefix| key.starts_with(prefix)) {
        return Hidden::No;
    }
    only.iter().find(|prefix| prefix.as_str() > key).map_or(Hidden::ForGood, |prefix| Hidden::Until(prefix))
}

/// What of an object is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteRange {
    From(u64),
    /// Last byte included.
    Between(u64, u64),
    Last(u64),
}

impl ByteRange {
    /// First byte, and the one after the last.
    ///
    /// # Errors
    /// `invalid` (InvalidRange) when nothing of the object lies in it.
    pub fn within(self, size: u64) -> Result<(u64, u64)> {
        let (from, to) = match self {
            Self::From(from) => (from, size),
            Self::Between(from, last) => (from, last.saturating_add(1).min(size)),
            Self::Last(length) => (size.saturating_sub(length), size),
        };
        if from < to { Ok((from, to)) } else { Err(refusals::range_not_satisfiable(size)) }
    }
}

/// A condition on what a key holds (If-Match and its like), with ETags without quotes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conditions {
    pub if_match: Option<Match>,
    pub if_none_match: Option<Match>,
    /// Milliseconds; S3's dates are whole seconds.
    pub if_modified_since: Option<i64>,
    pub if_unmodified_since: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    Any,
    ETag(String),
}

impl Match {
    fn is(&self, etag: &str) -> bool {
        match self {
            Self::Any => true,
            Self::ETag(wanted) => wanted == etag,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    GoOn,
    /// 304.
    NotModified,
    /// 412.
    Failed,
}

impl Conditions {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// For a read of what is there. An ETag that was given decides alone, its date is not looked at.
    pub fn on_read(&self, etag: &str, modified_at: i64) -> Verdict {
        let modified_s = modified_at.div_euclid(1000);
        match (&self.if_match, self.if_unmodified_since) {
            (Some(wanted), _) if !wanted.is(etag) => return Verdict::Failed,
            (None, Some(since)) if modified_s > since.div_euclid(1000) => return Verdict::Failed,
            _ => {}
        }
        match (&self.if_none_match, self.if_modified_since) {
            (Some(unwanted), _) if unwanted.is(etag) => Verdict::NotModified,
            (None, Some(since)) if modified_s <= since.div_euclid(1000) => Verdict::NotModified,
            _ => Verdict::GoOn,
        }
    }

    /// For a copy's source: what would be 304 on a read fails.
    pub fn on_source(&self, etag: &str, modified_at: i64) -> Result<()> {
        if self.on_read(etag, modified_at) == Verdict::GoOn { Ok(()) } else { Err(refusals::condition_failed()) }
    }

    /// For a write or a removal, on the ETag of what is there now.
    ///
    /// # Errors
    /// `conflict` (PreconditionFailed); `not_found` when an ETag was asked for and nothing is there.
    pub fn on_write(&self, key: &str, etag: Option<&str>) -> Result<()> {
        match (&self.if_match, etag) {
            (Some(_), None) => return Err(refusals::no_such_key(key)),
            (Some(wanted), Some(etag)) if !wanted.is(etag) => return Err(refusals::condition_failed()),
            _ => {}
        }
        match (&self.if_none_match, etag) {
            (Some(unwanted), Some(etag)) if unwanted.is(etag) => Err(refusals::condition_failed()),
            _ => Ok(()),
        }
    }
}
