//! `[webhooks]`: which addresses that are not public webhooks may reach, and whose certificates are believed besides the
//! system's. On an air-gapped LAN every receiver is private, so without an entry here no webhook can be sent.

use std::{net::IpAddr, path::PathBuf};

use serde::Deserialize;

use super::ServeFlags;
use crate::error::{Error, Result};

#[derive(Debug, Clone, Default)]
pub struct Webhooks {
    pub allow: Vec<Allowed>,
    /// PEM file of certificate authorities.
    pub ca_file: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Section {
    allow: Vec<String>,
    ca_file: Option<PathBuf>,
}

impl Webhooks {
    pub(super) fn resolve(file: Section, flags: &ServeFlags) -> Result<Self> {
        let entries = if flags.webhooks_allow.is_empty() { &file.allow } else { &flags.webhooks_allow };
        let allow = entries.iter().map(|text| Allowed::parse(text)).collect::<Result<_>>()?;
        Ok(Self { allow, ca_file: file.ca_file })
    }

    /// Whether the list has this receiver: by its name, or by the address that it has.
    pub fn allows(&self, host: &str, address: IpAddr, port: u16) -> bool {
        self.allow.iter().any(|entry| entry.has_name(host, port) || entry.has_address(address, port))
    }

    /// Whether the list names this host, whatever address it has.
    pub fn names(&self, host: &str, port: u16) -> bool {
        self.allow.iter().any(|entry| entry.has_name(host, port))
    }
}

/// An entry of the allow-list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allowed {
    /// `10.0.0.0/8`, `10.1.2.3`, `10.1.2.3:8443`.
    Network { address: IpAddr, bits: u32, port: Option<u16> },
    /// `hooks.example`, `hooks.example:8443`: whatever address the name has.
    Host { name: String, port: Option<u16> },
}

impl Allowed {
    fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        Self::read(text).ok_or_else(|| {
            Error::invalid(format!(
                "webhooks.allow: '{text}' is neither a network (10.0.0.0/8), an address (10.1.2.3 or 10.1.2.3:8443) nor a host \
                 (hooks.example or hooks.example:8443)."
            ))
        })
    }

    fn read(text: &str) -> Option<Self> {
        if let Some((address, bits)) = text.split_once('/') {
            let (address, bits): (IpAddr, u32) = (address.parse().ok()?, bits.parse().ok()?);
            return (bits <= width(address)).then_some(Self::Network { address, bits, port: None });
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Some(Self::Network { address, bits: width(address), port: None });
        }
        if let Ok(socket) = text.parse::<std::net::SocketAddr>() {
            let address = socket.ip();
            return Some(Self::Network { address, bits: width(address), port: Some(socket.port()) });
        }
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) => (name, Some(port.parse().ok()?)),
            None => (text, None),
        };
        let good = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        good.then(|| Self::Host { name: name.to_ascii_lowercase(), port })
    }

    fn has_name(&self, host: &str, at: u16) -> bool {
        matches!(self, Self::Host { name, port } if name.eq_ignore_ascii_case(host) && port.is_none_or(|port| port == at))
    }

    fn has_address(&self, found: IpAddr, at: u16) -> bool {
        match self {
            Self::Network { address, bits, port } => {
                port.is_none_or(|port| port == at) && is_within(found.to_canonical(), *address, *bits)
            }
            Self::Host { .. } => false,
        }
    }
}

fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// Whether the first `bits` bits agree; families do not mix.
pub fn is_within(found: IpAddr, network: IpAddr, bits: u32) -> bool {
    match (found, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => bits == 0 || (a.to_bits() ^ b.to_bits()) >> (32 - bits.min(32)) == 0,
        (IpAddr::V6(a), IpAddr::V6(b)) => bits == 0 || (a.to_bits() ^ b.to_bits()) >> (128 - bits.min(128)) == 0,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn list(entries: &[&str]) -> Webhooks {
        Webhooks { allow: entries.iter().map(|text| Allowed::parse(text).unwrap()).collect(), ca_file: None }
    }

    #[test]
    fn an_entry_opens_what_it_says_and_nothing_else() {
        let allowed = list(&["10.0.0.0/8", "192.168.1.5:8443", "Hooks.example:9000", "fd00::/8"]);
        let has = |host: &str, address: &str, port| allowed.allows(host, address.parse().unwrap(), port);
        assert!(has("x", "10.255.0.1", 80) && has("x", "::ffff:10.1.1.1", 80) && has("x", "fd12::1", 443));
        assert!(has("x", "192.168.1.5", 8443) && !has("x", "192.168.1.5", 443) && !has("x", "192.168.1.6", 8443));
        assert!(has("hooks.EXAMPLE", "127.0.0.1", 9000) && !has("hooks.example", "127.0.0.1", 80));
        assert!(!has("evil-hooks.example", "127.0.0.1", 9000) && !has("x", "11.0.0.1", 80) && !has("x", "fe80::1", 1));
    }

    #[test]
    fn what_cannot_be_read_is_refused_by_name() {
        for bad in ["", "10.0.0.0/33", "10.0.0/8", "host:port", "http://x", "a b", "::/129"] {
            let error = Allowed::parse(bad).unwrap_err().message;
            assert!(error.starts_with("webhooks.allow: '"), "{bad}: {error}");
        }
        assert!(Allowed::parse("0.0.0.0/0").is_ok());
    }
}
