//! The S3 protocol through `s3s`: it checks signatures with our keys and answers in S3's XML.

use s3s::{
    S3, S3Result,
    auth::{S3Auth, SecretKey},
    s3_error,
    service::{S3Service, S3ServiceBuilder},
};

use crate::accounts::Accounts;

/// A service whose requests are all authenticated.
pub fn service(accounts: Accounts) -> S3Service {
    let mut builder = S3ServiceBuilder::new(Buckets);
    builder.set_auth(Keys(accounts));
    builder.build()
}

/// Each operation's default answer is NotImplemented.
struct Buckets;

#[async_trait::async_trait]
impl S3 for Buckets {}

struct Keys(Accounts);

#[async_trait::async_trait]
impl S3Auth for Keys {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        let found = self.0.s3_caller(access_key).await.map_err(|error| {
            tracing::error!("S3 key look-up: {error}");
            s3_error!(InternalError)
        })?;
        found
            .map(|caller| SecretKey::from(caller.secret.clone()))
            .ok_or_else(|| s3_error!(InvalidAccessKeyId, "There is no such access key."))
    }
}
