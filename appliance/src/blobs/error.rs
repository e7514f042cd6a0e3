//! What can go wrong with a blob, by what follows from it.

use std::{fmt, io};

use super::{Problem, ProblemKind};

#[derive(Debug)]
pub enum BlobError {
    /// Not 64 lower-case hexadecimal digits.
    InvalidDigest(String),
    /// No such blob.
    NotFound(String),
    /// The range does not lie within a blob of this many bytes.
    OutOfRange { size_bytes: u64 },
    /// No room on the disk. Nothing was kept; reads and deletes go on.
    Full(io::Error),
    /// This call failed and nothing was acknowledged; others may work.
    Failed(io::Error),
    /// The S3 cluster that keeps the blobs cannot be used now, and says or shows why.
    Cluster(Problem),
    /// What the cluster gave is not what the name says.
    Damaged(String),
    /// An fsync failed: what is on the disk is not known any more. Nothing is taken from now on, and the process has to stop.
    Fatal(io::Error),
}

impl BlobError {
    /// Whether the process has to stop with a clear message.
    pub fn is_fatal(&self) -> bool {
        matches!(self, BlobError::Fatal(_))
    }

    pub(super) fn from_io(error: io::Error) -> BlobError {
        use io::ErrorKind as Kind;
        match error.kind() {
            Kind::StorageFull | Kind::QuotaExceeded => BlobError::Full(error),
            _ => BlobError::Failed(error),
        }
    }

    pub(super) fn from_problem(problem: Problem) -> BlobError {
        match problem.kind {
            ProblemKind::Full => BlobError::Full(io::Error::new(io::ErrorKind::StorageFull, problem)),
            ProblemKind::Other => BlobError::Failed(io::Error::other(problem)),
            _ => BlobError::Cluster(problem),
        }
    }
}

impl fmt::Display for BlobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BlobError::InvalidDigest(text) => write!(f, "{text:?} is no SHA-256 digest."),
            BlobError::NotFound(digest) => write!(f, "There is no blob {digest}."),
            BlobError::OutOfRange { size_bytes } => write!(f, "The range lies outside of the {size_bytes} bytes."),
            BlobError::Cluster(problem) => write!(f, "{problem}"),
            BlobError::Damaged(digest) => {
                write!(f, "The S3 cluster has other bytes under {digest} than the name says.")
            }
            BlobError::Full(_) => f.write_str("The disk is full."),
            BlobError::Failed(_) => f.write_str("The disk did not do it."),
            BlobError::Fatal(_) => {
                f.write_str("The disk failed while data was being made safe. Drydock takes no more data.")
            }
        }
    }
}

impl std::error::Error for BlobError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            BlobError::Full(error) | BlobError::Failed(error) | BlobError::Fatal(error) => Some(error),
            BlobError::Cluster(problem) => Some(problem),
            BlobError::InvalidDigest(_)
            | BlobError::NotFound(_)
            | BlobError::OutOfRange { .. }
            | BlobError::Damaged(_) => None,
        }
    }
}
