//! What S3 has a word of its own for: errors that say their meaning to people and carry S3's code for its clients.

use std::fmt;

use drydock_wire::ErrorCode;

use crate::error::Error;

/// The S3 code of an error, where the meaning alone does not decide it. Rides along as the error's source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct S3Word(pub &'static str);

impl fmt::Display for S3Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for S3Word {}

fn worded(code: ErrorCode, word: &'static str, message: impl Into<String>) -> Error {
    Error::new(code, message).with_source(S3Word(word))
}

pub fn no_such_bucket(name: &str) -> Error {
    worded(ErrorCode::NotFound, "NoSuchBucket", format!("There is no bucket {name}."))
}

pub fn no_such_key(key: &str) -> Error {
    worded(ErrorCode::NotFound, "NoSuchKey", format!("There is no object {key}."))
}

pub fn no_such_version(version: &str) -> Error {
    worded(ErrorCode::NotFound, "NoSuchVersion", format!("There is no version {version} of this object."))
}

pub fn no_such_upload() -> Error {
    let text = "There is no such upload: it was never begun, or it was completed or aborted. Begin another.";
    worded(ErrorCode::NotFound, "NoSuchUpload", text)
}

/// A condition of the request (If-Match and its like) does not hold.
pub fn condition_failed() -> Error {
    let text = "The object is not as the request's condition wants it; look at it again and decide anew.";
    worded(ErrorCode::Conflict, "PreconditionFailed", text)
}

pub fn marker_not_readable() -> Error {
    worded(ErrorCode::InvalidRequest, "MethodNotAllowed", "This version is a delete marker; it has no content.")
}

pub fn bucket_not_empty(name: &str) -> Error {
    let text = format!("The bucket {name} is not empty: older versions, delete markers and open uploads count, too.");
    worded(ErrorCode::Conflict, "BucketNotEmpty", text)
}

pub fn bucket_exists(name: &str, is_own: bool) -> Error {
    let word = if is_own { "BucketAlreadyOwnedByYou" } else { "BucketAlreadyExists" };
    worded(ErrorCode::AlreadyExists, word, format!("There is a bucket {name} already."))
}

pub fn over_quota(name: &str, quota_bytes: i64) -> Error {
    let text = format!(
        "The bucket {name} may hold {quota_bytes} bytes and this would be more: delete something, older versions count, too, or \
         have its quota raised."
    );
    worded(ErrorCode::Forbidden, "QuotaExceeded", text)
}

/// The bytes that came are not those that the client summed up.
pub fn bad_digest(name: &str) -> Error {
    let text = format!("The {name} that was sent does not match the bytes that arrived; send them again.");
    worded(ErrorCode::InvalidRequest, "BadDigest", text)
}

pub fn incomplete_body() -> Error {
    let text = "The upload broke off, or had another length or form than it announced; send it again.";
    worded(ErrorCode::InvalidRequest, "IncompleteBody", text)
}

pub fn invalid_digest(name: &str) -> Error {
    worded(ErrorCode::InvalidRequest, "InvalidDigest", format!("The {name} that was sent is none."))
}

pub fn invalid_part(number: i64) -> Error {
    let text = format!("Part {number} was not uploaded, or its ETag or checksum is another.");
    worded(ErrorCode::InvalidRequest, "InvalidPart", text)
}

pub fn parts_out_of_order() -> Error {
    worded(ErrorCode::InvalidRequest, "InvalidPartOrder", "Parts have to be named in ascending order, each once.")
}

pub fn part_too_small(number: i64) -> Error {
    let text = format!("Part {number} is smaller than 5 MiB, which only the last may be.");
    worded(ErrorCode::InvalidRequest, "EntityTooSmall", text)
}

pub fn too_large(what: &str, limit: &str) -> Error {
    worded(ErrorCode::TooLarge, "EntityTooLarge", format!("{what} may hold at most {limit}."))
}

/// What was signed is not what arrived.
pub fn other_payload() -> Error {
    let text = "The x-amz-content-sha256 that was sent does not match the bytes that arrived; send them again.";
    worded(ErrorCode::InvalidRequest, "XAmzContentSHA256Mismatch", text)
}

/// The parts of an object went with it, since another took its place between the look and the read.
pub fn replaced_meanwhile() -> Error {
    Error::unavailable("The object was replaced while it was being read; read it again.")
}

pub fn range_not_satisfiable(size_bytes: u64) -> Error {
    let text = format!("The range lies outside of the object's {size_bytes} bytes.");
    worded(ErrorCode::InvalidRequest, "InvalidRange", text)
}

pub fn invalid_argument(message: impl Into<String>) -> Error {
    worded(ErrorCode::InvalidRequest, "InvalidArgument", message)
}

pub fn invalid_bucket_name(message: impl Into<String>) -> Error {
    worded(ErrorCode::InvalidRequest, "InvalidBucketName", message)
}

pub fn invalid_key(message: impl Into<String>) -> Error {
    worded(ErrorCode::InvalidRequest, "InvalidArgument", message)
}

pub fn invalid_tag(message: impl Into<String>) -> Error {
    worded(ErrorCode::InvalidRequest, "InvalidTag", message)
}

pub fn not_set(word: &'static str, what: &str) -> Error {
    worded(ErrorCode::NotFound, word, format!("The bucket has no {what}."))
}
