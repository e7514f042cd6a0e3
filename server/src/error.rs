//! Errors by meaning: a code, a text for the person who asked, and a source for the log.
//!
//! Lowest floor. There is deliberately no `From<diesel::result::Error>`: a store names the case it means. The chain of
//! `source` is logged once, at the boundary, by `ResponseError::error_response`; a 5xx body never carries it.

use std::fmt;

use actix_web::{HttpResponse, ResponseError, http::StatusCode};
use drydock_wire::{ErrorBody, ErrorCode};

/// What every fallible function above the database returns.
pub type Result<T> = std::result::Result<T, Error>;

/// An error with its meaning.
#[derive(Debug)]
pub struct Error {
    pub code: ErrorCode,
    /// For the person who made the request.
    pub message: String,
    /// For the log only.
    pub source: Option<anyhow::Error>,
}

impl Error {
    /// An error of this meaning, with a text that says what to do.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), source: None }
    }

    /// Adds the cause, which only the log sees.
    pub fn with_source(mut self, source: impl Into<anyhow::Error>) -> Self {
        self.source = Some(source.into());
        self
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidRequest, message)
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::NotFound, message)
    }

    pub fn exists(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::AlreadyExists, message)
    }

    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Conflict, message)
    }

    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Refused, message)
    }

    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Forbidden, message)
    }

    pub fn unauthenticated(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Unauthenticated, message)
    }

    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Unavailable, message)
    }

    pub fn too_large(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::TooLarge, message)
    }

    /// Our fault. A full disk is told apart, since the person can do something about it.
    pub fn internal(source: impl Into<anyhow::Error>) -> Self {
        let source = source.into();
        if is_disk_full(&source) {
            return Self::new(
                ErrorCode::InsufficientStorage,
                "The disk of the box is full; free some space and try again.",
            )
            .with_source(source);
        }
        Self::new(
            ErrorCode::Internal,
            "Something went wrong inside Drydock; the log has the cause under this request id.",
        )
        .with_source(source)
    }

    /// MLflow's `error_code` of this meaning.
    pub fn mlflow_code(&self) -> &'static str {
        match self.code {
            ErrorCode::InvalidRequest | ErrorCode::UnsupportedMediaType | ErrorCode::Refused | ErrorCode::TooLarge => {
                "INVALID_PARAMETER_VALUE"
            }
            ErrorCode::Unauthenticated => "UNAUTHENTICATED",
            ErrorCode::Forbidden | ErrorCode::WrongHost => "PERMISSION_DENIED",
            ErrorCode::NotFound => "RESOURCE_DOES_NOT_EXIST",
            ErrorCode::AlreadyExists => "RESOURCE_ALREADY_EXISTS",
            ErrorCode::Conflict => "INVALID_STATE",
            ErrorCode::TooManyRequests => "REQUEST_LIMIT_EXCEEDED",
            ErrorCode::NotImplemented => "ENDPOINT_NOT_FOUND",
            ErrorCode::Unavailable | ErrorCode::BadGateway | ErrorCode::GatewayTimeout => "TEMPORARILY_UNAVAILABLE",
            ErrorCode::Internal | ErrorCode::InsufficientStorage => "INTERNAL_ERROR",
        }
    }

    /// S3's `Code` of this meaning, where nothing more exact is known.
    pub fn s3_code(&self) -> &'static str {
        match self.code {
            ErrorCode::InvalidRequest | ErrorCode::UnsupportedMediaType | ErrorCode::Refused => "InvalidRequest",
            ErrorCode::Unauthenticated | ErrorCode::Forbidden | ErrorCode::WrongHost => "AccessDenied",
            ErrorCode::NotFound => "NoSuchKey",
            ErrorCode::AlreadyExists => "BucketAlreadyExists",
            ErrorCode::Conflict => "OperationAborted",
            ErrorCode::TooLarge => "EntityTooLarge",
            ErrorCode::TooManyRequests => "SlowDown",
            ErrorCode::NotImplemented => "NotImplemented",
            ErrorCode::Unavailable | ErrorCode::BadGateway | ErrorCode::GatewayTimeout => "ServiceUnavailable",
            ErrorCode::InsufficientStorage => "InsufficientStorage",
            ErrorCode::Internal => "InternalError",
        }
    }

    /// Writes the cause to the log, once, when the fault is ours; called where an answer is made.
    pub fn log(&self, request_id: &str) {
        if self.code.http_status() >= 500 {
            let chain = self.source.as_ref().map(|source| format!("{source:#}")).unwrap_or_default();
            tracing::error!(request.id = request_id, error.code = %self.code, error.chain = chain, "{}", self.message);
        }
    }

    /// The native body: the message of a 5xx is generic already, its source stays here.
    pub fn body(&self, request_id: &str) -> ErrorBody {
        ErrorBody { code: self.code, message: self.message.clone(), request_id: request_id.to_owned() }
    }
}

fn is_disk_full(source: &anyhow::Error) -> bool {
    source.chain().any(|cause| {
        let io_full =
            cause.downcast_ref::<std::io::Error>().is_some_and(|io| io.kind() == std::io::ErrorKind::StorageFull);
        io_full || cause.to_string().contains("database or disk is full")
    })
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source.as_ref() as _)
    }
}

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let request_id = request_id::current();
        self.log(&request_id);
        let mut response = HttpResponse::build(self.status_code());
        if self.code == ErrorCode::Unauthenticated {
            // Not Basic, which is accepted as well: browsers would put a prompt of their own over the dashboard.
            response.insert_header(("www-authenticate", "Bearer realm=\"Drydock\""));
        }
        if matches!(self.code, ErrorCode::Unavailable | ErrorCode::TooManyRequests) {
            response.insert_header(("retry-after", "2"));
        }
        response.json(self.body(&request_id))
    }
}

/// The id of the request that runs on this task. The middleware sets it, error bodies and logs read it.
pub mod request_id {
    use std::future::Future;

    tokio::task_local! {
        static CURRENT: String;
    }

    /// Runs a request under its id.
    pub async fn scope<F: Future>(id: String, work: F) -> F::Output {
        CURRENT.scope(id, work).await
    }

    /// The id, or an empty text outside a request.
    pub fn current() -> String {
        CURRENT.try_with(Clone::clone).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_said_as_such_through_any_chain() {
        let io = std::io::Error::from(std::io::ErrorKind::StorageFull);
        let error = Error::internal(anyhow::Error::from(io).context("write blob"));
        assert_eq!(error.code, ErrorCode::InsufficientStorage);
    }

    #[test]
    fn the_source_never_reaches_the_body() {
        let error = Error::internal(anyhow::anyhow!("secret path"));
        assert!(!error.body("r").message.contains("secret"));
        assert!(!error.to_string().contains("secret"));
    }
}
