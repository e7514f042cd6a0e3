//! `[listeners]`: addresses, names, and whether plain HTTP is allowed beyond loopback.

use std::net::{SocketAddr, ToSocketAddrs};

use serde::Deserialize;

use super::ServeFlags;
use crate::error::{Error, Result};

#[derive(Debug, Clone)]
pub struct Listeners {
    pub http: SocketAddr,
    pub s3: SocketAddr,
    pub registry: SocketAddr,
    /// Names the box is reached by, beside its addresses and host name: the Host header may say these.
    pub hosts: Vec<String>,
    pub insecure_http: bool,
    /// Port on the instance's container network; containers reach Drydock there.
    pub container_port: u16,
    /// The same for the S3 face.
    pub container_s3_port: u16,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Section {
    http: Option<String>,
    s3: Option<String>,
    registry: Option<String>,
    hosts: Vec<String>,
    insecure_http: bool,
    container_port: Option<u16>,
    container_s3_port: Option<u16>,
}

impl Listeners {
    pub(super) fn resolve(file: Section, flags: &ServeFlags) -> Result<Self> {
        let pick = |flag: &Option<String>, file: Option<String>, otherwise: &str| {
            flag.clone().or(file).unwrap_or_else(|| otherwise.to_owned())
        };
        Ok(Self {
            http: address("http", &pick(&flags.http, file.http, "127.0.0.1:8080"))?,
            s3: address("s3", &pick(&flags.s3, file.s3, "127.0.0.1:9000"))?,
            registry: address("registry", &pick(&flags.registry, file.registry, "127.0.0.1:5000"))?,
            hosts: file.hosts,
            insecure_http: flags.insecure_http || file.insecure_http,
            container_port: file.container_port.unwrap_or(8079),
            container_s3_port: file.container_s3_port.unwrap_or(8078),
        })
    }

    /// Whether this address speaks TLS: every one but loopback, unless plain HTTP was asked for.
    pub fn is_tls(&self, address: SocketAddr) -> bool {
        !address.ip().is_loopback() && !self.insecure_http
    }
}

fn address(name: &str, text: &str) -> Result<SocketAddr> {
    let found = text.to_socket_addrs().ok().and_then(|mut all| all.next());
    found.ok_or_else(|| Error::invalid(format!("--{name} {text}: use ADDRESS:PORT, for example 127.0.0.1:8080.")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn addresses_of_the_lan_speak_tls_and_loopback_does_not() {
        let mut listeners = Listeners {
            http: address("http", "127.0.0.1:8080").unwrap(),
            s3: address("s3", "10.0.0.1:9000").unwrap(),
            registry: address("registry", "0.0.0.0:5000").unwrap(),
            hosts: vec![],
            insecure_http: false,
            container_port: 8079,
            container_s3_port: 8078,
        };
        assert!(!listeners.is_tls(listeners.http));
        assert!(listeners.is_tls(listeners.s3) && listeners.is_tls(listeners.registry));
        listeners.insecure_http = true;
        assert!(!listeners.is_tls(listeners.s3));
        assert!(address("http", "nonsense").is_err());
    }
}
