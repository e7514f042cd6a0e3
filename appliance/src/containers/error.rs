//! What can go wrong with a container, by what the caller can do about it. The texts are written for people.

use std::{error::Error as _, fmt, io};

use bollard::errors::Error as DockerError;

/// Why Docker did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineError {
    /// Docker does not answer. Worth trying again later; the text says what a person can do.
    Unavailable(String),
    /// The image named here is not on this box.
    NoSuchImage(String),
    /// The container or network is not there (any more).
    NotFound(String),
    /// The request cannot be carried out as it stands; trying again will not help.
    Refused(String),
}

impl EngineError {
    /// Whether the same call can succeed later without any change to it.
    pub fn retryable(&self) -> bool {
        match self {
            EngineError::Unavailable(_) => true,
            EngineError::NoSuchImage(_) | EngineError::NotFound(_) | EngineError::Refused(_) => false,
        }
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EngineError::Unavailable(text) | EngineError::NotFound(text) | EngineError::Refused(text) => {
                f.write_str(text)
            }
            EngineError::NoSuchImage(image) => write!(f, "The image {image} is not on this box."),
        }
    }
}

impl std::error::Error for EngineError {}

/// Sorts an error of the Docker client into ours. `subject` names what was asked for, `address` where Docker was sought.
pub(super) fn classify(error: &DockerError, subject: &str, address: &str) -> EngineError {
    match error {
        DockerError::DockerResponseServerError { status_code, message } => by_status(*status_code, message, subject),
        DockerError::SocketNotFoundError(_) => unreachable_docker(address, Some(io::ErrorKind::NotFound)),
        DockerError::RequestTimeoutError => timed_out(address),
        DockerError::JsonDataError { .. } | DockerError::JsonSerdeError { .. } => {
            EngineError::Refused(format!("Docker's answer about {subject} could not be read: {error}"))
        }
        other => unreachable_docker(address, io_kind(other)),
    }
}

fn by_status(status: u16, message: &str, subject: &str) -> EngineError {
    let said = message.trim();
    let lower = said.to_ascii_lowercase();
    match status {
        404 if lower.contains("no such image") => EngineError::NoSuchImage(subject.to_owned()),
        404 => {
            EngineError::NotFound(if said.is_empty() { format!("{subject} is not there.") } else { said.to_owned() })
        }
        502..=504 => EngineError::Unavailable(format!("Docker is not ready: {said}")),
        _ => EngineError::Refused(format!("Docker refused: {said}")),
    }
}

pub(super) fn timed_out(address: &str) -> EngineError {
    EngineError::Unavailable(format!(
        "Docker at {address} did not answer in time. If this stays so, look at `systemctl status docker` and restart it."
    ))
}

fn unreachable_docker(address: &str, kind: Option<io::ErrorKind>) -> EngineError {
    EngineError::Unavailable(match kind {
        Some(io::ErrorKind::NotFound) => {
            format!("There is no Docker at {address}. Install it, or start it with `systemctl start docker`.")
        }
        Some(io::ErrorKind::PermissionDenied) => {
            format!(
                "Docker at {address} may not be used by this user: add the user to the group `docker` and start again."
            )
        }
        Some(io::ErrorKind::ConnectionRefused) => {
            format!("Docker at {address} is not running. Start it with `systemctl start docker`.")
        }
        _ => format!("The connection to Docker at {address} broke. It is tried again by itself."),
    })
}

/// The kind of the innermost IO error: the client wraps it several times.
fn io_kind(error: &DockerError) -> Option<io::ErrorKind> {
    let mut next: Option<&(dyn std::error::Error + 'static)> = match error {
        DockerError::IOError { err } => return Some(err.kind()),
        DockerError::HyperLegacyError { err } => Some(err),
        other => other.source(),
    };
    while let Some(current) = next {
        if let Some(io) = current.downcast_ref::<io::Error>() {
            return Some(io.kind());
        }
        next = current.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status_code: u16, message: &str) -> EngineError {
        let error = DockerError::DockerResponseServerError { status_code, message: message.to_owned() };
        classify(&error, "the-subject", "/run/docker.sock")
    }

    #[test]
    fn a_missing_image_is_not_a_missing_container() {
        assert_eq!(answer(404, "No such image: a:1"), EngineError::NoSuchImage("the-subject".into()));
        assert!(matches!(answer(404, "No such container: x"), EngineError::NotFound(_)));
    }

    #[test]
    fn only_an_absent_docker_is_worth_another_try() {
        assert!(answer(503, "starting").retryable());
        assert!(!answer(400, "invalid mount").retryable());
        assert!(!answer(500, "no space left").retryable());
    }

    #[test]
    fn a_refused_connection_says_how_to_start_docker() {
        let error = DockerError::IOError { err: io::Error::from(io::ErrorKind::ConnectionRefused) };
        let EngineError::Unavailable(text) = classify(&error, "x", "/run/docker.sock") else {
            panic!("not unavailable")
        };
        assert!(text.contains("systemctl start docker"), "{text}");
    }
}
