//! The way to Docker: where it listens, and which version of its API both sides speak.
//!
//! The client opens a connection per request, so that nothing has to be repaired after Docker restarted. What is
//! kept is only the agreed version, and that is forgotten whenever Docker goes away.

use bollard::{API_DEFAULT_VERSION, ClientVersion, Docker, errors::Error as DockerError};

use super::{EngineError, Result, error::classify};

const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

/// The client's own limit, which also covers the wait for the first byte of a quiet log: calls that end have shorter
/// limits of their own in `engine`.
const CLIENT_LIMIT_S: u64 = 10 * 365 * 24 * 3600;

/// Docker 20.10 to 28 speak 1.41; Docker 29 starts at 1.44; whatever follows may drop that too.
const VERSIONS: [ClientVersion; 3] = [
    ClientVersion { major_version: 1, minor_version: 41 },
    ClientVersion { major_version: 1, minor_version: 44 },
    ClientVersion {
        major_version: API_DEFAULT_VERSION.major_version,
        minor_version: API_DEFAULT_VERSION.minor_version,
    },
];

/// Where Docker listens.
#[derive(Clone, Debug)]
pub(super) struct Address {
    host: String,
}

impl Address {
    /// `DOCKER_HOST` where it is set, else the usual socket.
    pub(super) fn from_environment() -> Address {
        Address::new(std::env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty()))
    }

    pub(super) fn new(host: Option<String>) -> Address {
        Address { host: host.unwrap_or_else(|| format!("unix://{DEFAULT_SOCKET}")) }
    }

    /// For messages.
    pub(super) fn shown(&self) -> &str {
        self.host.strip_prefix("unix://").unwrap_or(&self.host)
    }

    /// Connects with the first version of the API that Docker accepts.
    pub(super) async fn negotiate(&self) -> Result<Docker> {
        let mut refusal =
            EngineError::Unavailable(format!("Docker at {} speaks no API version we know.", self.shown()));
        for version in &VERSIONS {
            let docker = self.client(version)?;
            match docker.version().await {
                Ok(_) => return Ok(docker),
                Err(DockerError::DockerResponseServerError { status_code: 400, message }) => {
                    refusal = EngineError::Unavailable(format!("Docker at {} refused us: {message}", self.shown()));
                }
                Err(error) => return Err(classify(&error, "Docker", self.shown())),
            }
        }
        Err(refusal)
    }

    fn client(&self, version: &ClientVersion) -> Result<Docker> {
        let connected = if self.host.starts_with("unix://") {
            Docker::connect_with_unix(&self.host, CLIENT_LIMIT_S, version)
        } else if self.host.starts_with("tcp://") || self.host.starts_with("http://") {
            Docker::connect_with_http(&self.host, CLIENT_LIMIT_S, version)
        } else {
            return Err(EngineError::Unavailable(format!(
                "DOCKER_HOST is {}: only unix:// and tcp:// addresses are understood.",
                self.host
            )));
        };
        connected.map_err(|error| classify(&error, "Docker", self.shown()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_socket_is_the_default() {
        assert_eq!(Address::new(None).shown(), DEFAULT_SOCKET);
        assert_eq!(Address::new(Some("tcp://10.0.0.1:2375".into())).shown(), "tcp://10.0.0.1:2375");
    }

    #[tokio::test]
    async fn a_strange_scheme_is_named() {
        let error = Address::new(Some("ssh://box".into())).negotiate().await.err();
        assert!(matches!(error, Some(EngineError::Unavailable(text)) if text.contains("ssh://box")));
    }
}
