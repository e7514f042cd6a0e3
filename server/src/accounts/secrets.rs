//! Secrets: how they are made, hashed, compared and sealed. Pure but for the random source.

use std::path::Path;

use argon2::{
    Argon2,
    password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString},
};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::{TryRngCore, rngs::OsRng};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use crate::error::{Error, Result};

/// At most two password hashes at a time: each takes 19 MiB and a core.
static HASHING: Semaphore = Semaphore::const_new(2);

/// `count` random bytes from the operating system.
pub fn random_bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0u8; N];
    OsRng.try_fill_bytes(&mut bytes).map_err(|source| Error::internal(anyhow::anyhow!("random source: {source}")))?;
    Ok(bytes)
}

/// A new 256-bit secret as text, with a prefix that tells what it is (`dd_` and 43 characters).
pub fn new_secret(prefix: &str) -> Result<String> {
    Ok(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(random_bytes::<32>()?)))
}

/// What is stored of a 256-bit secret. It has enough entropy for a plain hash.
pub fn hash_secret(secret: &str) -> String {
    hex::encode(digest(secret))
}

/// What that hash is written from.
pub fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// Hashes a password with argon2id (19 MiB, 2 passes: OWASP's recommendation and the crate's default).
pub async fn hash_password(password: String) -> Result<String> {
    let _turn = HASHING.acquire().await.map_err(Error::internal)?;
    tokio::task::spawn_blocking(move || hash_password_now(&password)).await.map_err(Error::internal)?
}

/// The same on this thread, for the command line.
pub fn hash_password_now(password: &str) -> Result<String> {
    let salt = SaltString::encode_b64(&random_bytes::<16>()?)
        .map_err(|source| Error::internal(anyhow::anyhow!("salt: {source}")))?;
    Argon2::default()
        .hash_password(password.as_bytes(), &salt)
        .map(|hash| hash.to_string())
        .map_err(|source| Error::internal(anyhow::anyhow!("argon2: {source}")))
}

/// Whether the password is right. `stored` absent (no such person) takes as long as a wrong password.
pub async fn verify_password(password: String, stored: Option<String>) -> Result<bool> {
    let _turn = HASHING.acquire().await.map_err(Error::internal)?;
    let check = move || {
        let known = stored.is_some();
        let hash = stored.unwrap_or_else(|| NOBODY.to_owned());
        let parsed = PasswordHash::new(&hash).map_err(|source| Error::internal(anyhow::anyhow!("hash: {source}")))?;
        Ok(Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok() && known)
    };
    tokio::task::spawn_blocking(check).await.map_err(Error::internal)?
}

/// A hash with the same parameters as real ones, of nothing anyone knows.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$6lpV1Gx9NAJzRXXtHHyHyKnxXc4KJJQbHC0ZFbDEYGA";

/// The box key: seals secrets that signatures need in the clear. Kept beside the database, never in it.
#[derive(Clone)]
pub struct BoxKey([u8; 32]);

impl BoxKey {
    /// Reads the key file, or makes it (mode 0600).
    pub fn load_or_create(path: &Path) -> Result<Self> {
        use std::{io::Write, os::unix::fs::OpenOptionsExt};
        match std::fs::read(path) {
            Ok(bytes) => bytes
                .try_into()
                .map(Self)
                .map_err(|_| Error::internal(anyhow::anyhow!("{} is not a box key of 32 bytes", path.display()))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let key = random_bytes::<32>()?;
                let mut file = std::fs::OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .mode(0o600)
                    .open(path)
                    .map_err(Error::internal)?;
                file.write_all(&key).and_then(|()| file.sync_all()).map_err(Error::internal)?;
                Ok(Self(key))
            }
            Err(error) => Err(Error::internal(error)),
        }
    }

    /// A key of known bytes.
    #[cfg(test)]
    pub fn testing() -> Self {
        Self([7; 32])
    }

    /// An HMAC-SHA-256 over `text` that only this box can make. `purpose` keeps one use's marks from being good for another.
    pub fn mark(&self, purpose: &str, text: &str) -> [u8; 32] {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &self.0);
        let own = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, ring::hmac::sign(&key, purpose.as_bytes()).as_ref());
        let mut mark = [0; 32];
        mark.copy_from_slice(ring::hmac::sign(&own, text.as_bytes()).as_ref());
        mark
    }

    /// Encrypts and authenticates (AES-256-GCM): base64 of nonce, ciphertext, tag.
    pub fn seal(&self, plain: &str) -> Result<String> {
        let nonce = random_bytes::<12>()?;
        let mut sealed = plain.as_bytes().to_vec();
        self.cipher()?
            .seal_in_place_append_tag(
                ring::aead::Nonce::assume_unique_for_key(nonce),
                ring::aead::Aad::empty(),
                &mut sealed,
            )
            .map_err(|_| Error::internal(anyhow::anyhow!("sealing failed")))?;
        Ok(STANDARD_NO_PAD.encode([nonce.as_slice(), &sealed].concat()))
    }

    /// The plain text again.
    ///
    /// # Errors
    /// When it was sealed by another box key, or altered.
    pub fn open(&self, sealed: &str) -> Result<String> {
        let broken = || Error::internal(anyhow::anyhow!("a sealed secret does not open with this box key"));
        let bytes = STANDARD_NO_PAD.decode(sealed).map_err(|_| broken())?;
        let (nonce, rest) = bytes.split_first_chunk::<12>().ok_or_else(broken)?;
        let mut rest = rest.to_vec();
        let plain = self
            .cipher()?
            .open_in_place(ring::aead::Nonce::assume_unique_for_key(*nonce), ring::aead::Aad::empty(), &mut rest)
            .map_err(|_| broken())?;
        String::from_utf8(plain.to_vec()).map_err(|_| broken())
    }

    fn cipher(&self) -> Result<ring::aead::LessSafeKey> {
        let key = ring::aead::UnboundKey::new(&ring::aead::AES_256_GCM, &self.0)
            .map_err(|_| Error::internal(anyhow::anyhow!("box key")))?;
        Ok(ring::aead::LessSafeKey::new(key))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn sealed_secrets_open_with_their_key_alone() {
        let (a, b) = (BoxKey([1; 32]), BoxKey([2; 32]));
        let sealed = a.seal("hush").unwrap();
        assert_eq!(a.open(&sealed).unwrap(), "hush");
        assert!(b.open(&sealed).is_err());
    }

    #[tokio::test]
    async fn only_the_right_password_of_a_known_person_passes() {
        let stored = hash_password("correct horse".into()).await.unwrap();
        assert!(verify_password("correct horse".into(), Some(stored.clone())).await.unwrap());
        assert!(!verify_password("wrong horse".into(), Some(stored)).await.unwrap());
        assert!(!verify_password("correct horse".into(), None).await.unwrap());
    }
}
