//! How a client on the LAN comes to trust the registry: one command, which checks the authority's fingerprint as the dashboard shows it.

use drydock_wire::images::RegistryAddress;
use sha2::{Digest, Sha256};

use crate::app::App;

/// `seen_as` is the Host of the request: what the person's browser calls the box.
pub async fn address(app: &App, seen_as: &str) -> RegistryAddress {
    let listeners = &app.config.listeners;
    let name = without_port(seen_as);
    let name = if listeners.registry.ip().is_loopback() { "localhost" } else { name };
    let host = format!("{name}:{}", listeners.registry.port());
    if !listeners.is_tls(listeners.registry) {
        return plain(host, listeners.registry.ip().is_loopback());
    }
    let pem = tokio::fs::read(app.data_dir.join("tls/ca.pem")).await.unwrap_or_default();
    let fingerprint = hex::encode(Sha256::digest(&pem));
    let command = |folder: &str| {
        format!(
            "curl -fsSk https://{host}/ca.pem -o /tmp/drydock-ca.pem && echo '{fingerprint}  /tmp/drydock-ca.pem' | sha256sum -c - \
             && sudo install -D -m 0644 /tmp/drydock-ca.pem {folder}/{host}/ca.crt"
        )
    };
    RegistryAddress {
        docker_command: command("/etc/docker/certs.d"),
        podman_command: command("/etc/containers/certs.d"),
        is_tls: true,
        host,
    }
}

/// Without TLS: on the box itself docker needs nothing; elsewhere both have to be told.
fn plain(host: String, is_loopback: bool) -> RegistryAddress {
    let podman_command = format!(
        "sudo mkdir -p /etc/containers/registries.conf.d && printf '[[registry]]\\nlocation = \"{host}\"\\ninsecure = true\\n' \
         | sudo tee /etc/containers/registries.conf.d/drydock.conf"
    );
    let docker_command = if is_loopback {
        format!("docker login {host}")
    } else {
        format!(
            "test ! -e /etc/docker/daemon.json && echo '{{\"insecure-registries\": [\"{host}\"]}}' \
             | sudo tee /etc/docker/daemon.json && sudo systemctl restart docker"
        )
    };
    RegistryAddress { host, is_tls: false, docker_command, podman_command }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}
