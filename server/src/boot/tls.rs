//! The box's own certificate authority. Made once, kept in `tls/` of the data directory; the leaf is issued anew when the
//! names or addresses it has to cover change. Clients trust `tls/ca.pem`.

use std::{collections::BTreeSet, io::Write, os::unix::fs::OpenOptionsExt, path::Path};

use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use crate::error::{Error, Result};

/// A TLS configuration whose certificate covers `names` (host names and addresses).
pub fn server_config(dir: &Path, names: &BTreeSet<String>) -> Result<ServerConfig> {
    std::fs::create_dir_all(dir).map_err(Error::internal)?;
    let names: Vec<String> = names.iter().cloned().collect();
    let covered = std::fs::read_to_string(dir.join("names.txt")).unwrap_or_default();
    if covered != names.join("\n") || !dir.join("leaf.pem").exists() {
        issue(dir, &names).map_err(|source| Error::internal(source.context("issue certificate")))?;
    }
    load(dir).map_err(|source| Error::internal(source.context("load certificate")))
}

fn load(dir: &Path) -> anyhow::Result<ServerConfig> {
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_file_iter(dir.join("leaf.pem"))?.collect::<std::result::Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_file(dir.join("leaf.key"))?;
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn issue(dir: &Path, names: &[String]) -> anyhow::Result<()> {
    let (ca_pem, ca_key) = authority(dir)?;
    let issuer = Issuer::new(ca_params(), ca_key);
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(names.to_vec())?;
    params.distinguished_name = named("Drydock");
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2045, 1, 1);
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let leaf = params.signed_by(&key, &issuer)?;
    write(&dir.join("leaf.key"), &key.serialize_pem(), 0o600)?;
    write(&dir.join("leaf.pem"), &format!("{}{ca_pem}", leaf.pem()), 0o644)?;
    write(&dir.join("names.txt"), &names.join("\n"), 0o644)
}

/// The authority's certificate and key; made on first use.
fn authority(dir: &Path) -> anyhow::Result<(String, KeyPair)> {
    let (pem_path, key_path) = (dir.join("ca.pem"), dir.join("ca.key"));
    if pem_path.exists() && key_path.exists() {
        let key = KeyPair::from_pem(&std::fs::read_to_string(key_path)?)?;
        return Ok((std::fs::read_to_string(pem_path)?, key));
    }
    let key = KeyPair::generate()?;
    let certificate = ca_params().self_signed(&key)?;
    write(&key_path, &key.serialize_pem(), 0o600)?;
    write(&pem_path, &certificate.pem(), 0o644)?;
    Ok((certificate.pem(), key))
}

fn ca_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named("Drydock box authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2045, 1, 1);
    params
}

fn named(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

fn write(path: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    let temporary = path.with_extension("new");
    let _ = std::fs::remove_file(&temporary);
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_authority_stays_and_the_leaf_follows_the_names() {
        let dir = tempfile::tempdir().unwrap();
        let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        server_config(dir.path(), &names(&["box", "10.0.0.1"])).unwrap();
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        let (ca, leaf) = (read("ca.pem"), read("leaf.pem"));
        server_config(dir.path(), &names(&["box", "10.0.0.1"])).unwrap();
        assert_eq!(leaf, read("leaf.pem"));
        server_config(dir.path(), &names(&["box", "10.0.0.2"])).unwrap();
        assert_ne!(leaf, read("leaf.pem"));
        assert_eq!(ca, read("ca.pem"));
    }
}
