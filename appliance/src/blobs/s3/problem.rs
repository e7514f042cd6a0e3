//! What can be wrong between this box and the cluster, in words for the person who runs both.

use std::{error::Error as _, fmt, io};

/// Why a cluster did not do what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub kind: ProblemKind,
    /// What is wrong and what to do about it.
    pub words: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// It does not answer, or answers that it cannot now. May pass by itself.
    Unreachable,
    /// The keys are wrong, or may not do it.
    Refused,
    /// This box's clock and the cluster's differ.
    Skewed,
    /// Its certificate is not one that is believed here.
    Certificate,
    /// The bucket is not there.
    NoBucket,
    /// The place in the bucket belongs to another box, or this box's mark is gone.
    Foreign,
    /// There is no such object.
    Missing,
    /// A condition of the request did not hold.
    Precondition,
    /// It has no room, or a quota is used up.
    Full,
    /// What came back is not what was sent.
    Damaged,
    /// Anything else it said.
    Other,
}

impl Problem {
    pub(super) fn new(kind: ProblemKind, words: impl Into<String>) -> Problem {
        Problem { kind, words: words.into() }
    }

    /// Whether the next request would fail, too, so that nothing more is asked until a probe has gone well.
    pub fn is_outage(&self) -> bool {
        use ProblemKind as Kind;
        matches!(
            self.kind,
            Kind::Unreachable | Kind::Refused | Kind::Skewed | Kind::Certificate | Kind::NoBucket | Kind::Foreign
        )
    }

    /// Whether only a person can mend it.
    pub fn is_lasting(&self) -> bool {
        self.is_outage() && self.kind != ProblemKind::Unreachable
    }

    /// By what the cluster answered.
    pub(super) fn of_answer(status: u16, body: &str, what: &str) -> Problem {
        let code = element(body, "Code").unwrap_or_default();
        let said =
            element(body, "Message").filter(|said| !said.is_empty()).map_or(String::new(), |m| format!(" ({m})"));
        let (kind, words) = match (status, code) {
            (_, "RequestTimeTooSkewed") => (
                ProblemKind::Skewed,
                "The clocks of this box and of the S3 cluster differ by more than 15 minutes. Set them right."
                    .to_owned(),
            ),
            (_, "InvalidAccessKeyId") => (
                ProblemKind::Refused,
                "The S3 cluster does not know the access key. Check [objects] access_key.".into(),
            ),
            (_, "SignatureDoesNotMatch") => (
                ProblemKind::Refused,
                "The S3 cluster says that the secret key is wrong. Check [objects] secret_key and region.".into(),
            ),
            (_, "NoSuchBucket") => (ProblemKind::NoBucket, "The bucket is not there. Check [objects] bucket.".into()),
            (_, "QuotaExceeded" | "XMinioStorageFull" | "EntityTooLarge") | (507, _) => {
                (ProblemKind::Full, format!("The S3 cluster has no room for it: {code}{said}."))
            }
            (301 | 307, _) | (400, "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException") => {
                (ProblemKind::Refused, format!("The S3 cluster wants another region. Check [objects] region{said}."))
            }
            (401 | 403, _) => (
                ProblemKind::Refused,
                format!(
                    "The S3 cluster does not let the access key {what}: {code}{said}. Give it read, write, list and delete."
                ),
            ),
            (404, _) => (ProblemKind::Missing, "The S3 cluster has no such object.".into()),
            (409 | 412, _) => {
                (ProblemKind::Precondition, format!("The S3 cluster found the place taken: {code}{said}."))
            }
            (408 | 429 | 500..=599, _) => (
                ProblemKind::Unreachable,
                format!("The S3 cluster could not {what}: it answered {status} {code}{said}."),
            ),
            _ => (ProblemKind::Other, format!("The S3 cluster did not {what}: it answered {status} {code}{said}.")),
        };
        Problem { kind, words }
    }

    /// By what happened on the way.
    pub(super) fn of_transport(error: &reqwest::Error) -> Problem {
        let mut chain = vec![];
        let mut cause = error.source();
        while let Some(one) = cause {
            chain.push(one.to_string());
            cause = one.source();
        }
        let last = chain.last().cloned().unwrap_or_else(|| error.to_string());
        let whole = chain.join(": ").to_lowercase();
        if whole.contains("certificate") || whole.contains("unknownissuer") {
            let words = format!(
                "The certificate of the S3 cluster is not believed here: {last}. Name its authority in [objects] ca, and \
                 the cluster by a name that its certificate has."
            );
            return Problem { kind: ProblemKind::Certificate, words };
        }
        let words = if error.is_timeout() {
            "The S3 cluster does not answer in time.".to_owned()
        } else {
            format!("The S3 cluster cannot be reached: {last}.")
        };
        Problem { kind: ProblemKind::Unreachable, words }
    }
}

impl From<s3::error::S3Error> for Problem {
    /// Only what rust-s3 says while it names and signs a request: nothing was sent yet.
    fn from(error: s3::error::S3Error) -> Problem {
        Problem::new(ProblemKind::Other, format!("The request to the S3 cluster cannot be made: {error}."))
    }
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Problem {
        Problem::new(ProblemKind::Other, format!("The disk of this box did not do it: {error}."))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl std::error::Error for Problem {}

/// The text of the first element of this name; enough for the flat error documents of S3.
pub(super) fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let start = xml.find(&format!("<{name}>"))? + name.len() + 2;
    let end = xml[start..].find(&format!("</{name}>"))? + start;
    Some(&xml[start..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, code: &str) -> ProblemKind {
        let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>m</Message></Error>");
        Problem::of_answer(status, &body, "write").kind
    }

    #[test]
    fn each_answer_is_told_apart_by_what_a_person_can_do() {
        assert_eq!(answered(403, "RequestTimeTooSkewed"), ProblemKind::Skewed);
        assert_eq!(answered(403, "SignatureDoesNotMatch"), ProblemKind::Refused);
        assert_eq!(answered(403, "AccessDenied"), ProblemKind::Refused);
        assert_eq!(answered(403, "QuotaExceeded"), ProblemKind::Full);
        assert_eq!(answered(404, "NoSuchBucket"), ProblemKind::NoBucket);
        assert_eq!(answered(404, "NoSuchKey"), ProblemKind::Missing);
        assert_eq!(answered(503, "SlowDown"), ProblemKind::Unreachable);
        assert_eq!(answered(412, "PreconditionFailed"), ProblemKind::Precondition);
        assert_eq!(Problem::of_answer(502, "not XML", "read").kind, ProblemKind::Unreachable);
    }
}
