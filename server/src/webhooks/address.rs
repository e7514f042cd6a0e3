//! Which receivers may be reached. Always holds: the connection goes to an address that was checked, since the name is
//! resolved here, once, and the client gets the addresses and not the name; so a name that answers differently the second
//! time (DNS rebinding) changes nothing. What is not public is refused unless drydock.toml allows it.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use reqwest::Url;

use super::rules::{quoted, wrong_scheme};
use crate::{
    config::{Webhooks, webhooks::is_within},
    error::{Error, Result},
};

const RESOLVE_PATIENCE: Duration = Duration::from_secs(5);

/// Networks that are not the public internet (the IANA special-purpose registries).
const NOT_PUBLIC_V4: [(Ipv4Addr, u32); 15] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// The public part of IPv6 is 2000::/3 without these.
const NOT_PUBLIC_V6: [(Ipv6Addr, u32); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
    (Ipv6Addr::new(0x3ffe, 0, 0, 0, 0, 0, 0, 0), 16),
];

/// Where a webhook may connect to.
#[derive(Debug)]
pub struct Target {
    /// As the URL has it, without brackets.
    pub host: String,
    pub addresses: Vec<SocketAddr>,
}

/// Resolves the URL's host and checks every address of it.
///
/// # Errors
/// `invalid` with MLflow's text and how to allow it.
pub async fn resolve(allowed: &Webhooks, url: &Url) -> Result<Target> {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = url.port_or_known_default().unwrap_or(443);
    let addresses = match host.parse::<IpAddr>() {
        Ok(literal) => vec![SocketAddr::new(literal, port)],
        Err(_) => look_up(&host, port).await?,
    };
    for address in &addresses {
        check(allowed, &host, address.ip(), port)?;
    }
    let listed = |address: &SocketAddr| allowed.allows(&host, address.ip(), port);
    if url.scheme() == "http" && !addresses.iter().all(listed) {
        return Err(wrong_scheme("http"));
    }
    Ok(Target { host, addresses })
}

async fn look_up(host: &str, port: u16) -> Result<Vec<SocketAddr>> {
    let unresolved = |why: &str| Error::invalid(format!("Cannot resolve Webhook URL hostname {}: {why}", quoted(host)));
    let found = tokio::time::timeout(RESOLVE_PATIENCE, tokio::net::lookup_host((host, port))).await;
    let found: Vec<SocketAddr> = match found {
        Err(_) => return Err(unresolved(&format!("no answer within {} s", RESOLVE_PATIENCE.as_secs()))),
        Ok(Err(cause)) => return Err(unresolved(&cause.to_string())),
        Ok(Ok(found)) => found.collect(),
    };
    if found.is_empty() { Err(unresolved("it has no address")) } else { Ok(found) }
}

fn check(allowed: &Webhooks, host: &str, address: IpAddr, port: u16) -> Result<()> {
    if is_public(address) || allowed.allows(host, address, port) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "Webhook URL must not resolve to a non-public IP address. {} resolves to {address}. If this receiver is meant, an admin \
         of the box allows it in drydock.toml, [webhooks] allow = [\"{}\"], and restarts Drydock; a network such as \
         \"10.0.0.0/8\" or a host name works as well.",
        quoted(host),
        SocketAddr::new(address, port)
    )))
}

/// Whether the address belongs to the public internet. An IPv4 address within an IPv6 one counts as itself.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !NOT_PUBLIC_V4.iter().any(|(net, bits)| is_within(v4.into(), (*net).into(), *bits)),
        IpAddr::V6(v6) => match embedded_v4(v6) {
            Some(v4) => is_public(v4.into()),
            None => {
                let global = is_within(v6.into(), Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0).into(), 3);
                global && !NOT_PUBLIC_V6.iter().any(|(net, bits)| is_within(v6.into(), (*net).into(), *bits))
            }
        },
    }
}

/// Mapped, compatible, NAT64 and 6to4 addresses lead to the IPv4 address within.
fn embedded_v4(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let parts = v6.segments();
    let of = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match parts {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(of(high, low)),
        [0, 0, 0, 0, 0, 0, high, low] => Some(of(high, low)),
        [0x2002, high, low, ..] => Some(of(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::webhooks::Allowed;

    #[test]
    fn private_addresses_are_told_in_every_disguise() {
        let private = [
            "127.0.0.1",
            "10.1.2.3",
            "172.31.0.1",
            "192.168.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd12:3456::1",
            "ff02::1",
            "2001:db8::1",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "2002:7f00:1::1",
            "fec0::1",
        ];
        for text in private {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
        for text in ["8.8.8.8", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "2002:808:808::1"] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }

    async fn refusal(allowed: &Webhooks, url: &str) -> Option<String> {
        resolve(allowed, &Url::parse(url).unwrap()).await.err().map(|error| error.message)
    }

    #[tokio::test]
    async fn what_is_not_public_needs_an_entry_and_the_error_says_which() {
        let nothing = Webhooks::default();
        for url in
            ["https://127.0.0.1/x", "https://127.1/x", "https://0x7f000001/", "https://[::1]/", "https://localhost/"]
        {
            let text = refusal(&nothing, url).await.unwrap();
            assert!(text.starts_with("Webhook URL must not resolve to a non-public IP address."), "{text}");
            assert!(text.contains("[webhooks] allow = [\""), "{text}");
        }
        let local = Allowed::Network { address: "127.0.0.0".parse().unwrap(), bits: 8, port: None };
        let allowed = Webhooks { allow: vec![local], ca_file: None };
        assert_eq!(refusal(&allowed, "http://127.0.0.1:9/x").await, None);
        assert!(refusal(&allowed, "https://[::1]/").await.is_some());
        assert!(refusal(&allowed, "https://169.254.169.254/latest").await.is_some());
    }

    #[tokio::test]
    async fn plain_http_is_for_listed_receivers_alone() {
        let text = refusal(&Webhooks::default(), "http://8.8.8.8/x").await.unwrap();
        assert!(text.starts_with("Invalid webhook URL scheme: 'http'. Allowed schemes are: https."), "{text}");
    }
}
