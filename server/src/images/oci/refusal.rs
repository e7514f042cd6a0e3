//! Errors in the registry's own form: `{"errors": [{"code", "message", "detail"}]}` with the codes of the specification.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
};
use drydock_wire::ErrorCode;
use serde_json::{Value, json};

use super::auth;
use crate::{
    error::{Error, request_id},
    images::reference::BadPath,
};

#[derive(Debug)]
pub struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
    detail: Value,
    headers: Vec<(header::HeaderName, String)>,
}

pub type Result<T> = std::result::Result<T, Refusal>;

impl Refusal {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), detail: Value::Null, headers: vec![] }
    }

    pub fn with_header(mut self, name: header::HeaderName, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    pub fn blob_unknown(digest: &str) -> Self {
        let text = "This repository has no such blob.";
        Self { detail: json!({"digest": digest}), ..Self::new(StatusCode::NOT_FOUND, "BLOB_UNKNOWN", text) }
    }

    pub fn manifest_unknown(reference: &str) -> Self {
        let text = "This repository has no such manifest.";
        Self { detail: json!({"reference": reference}), ..Self::new(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN", text) }
    }

    pub fn name_unknown(name: &str) -> Self {
        let text = "There is no such repository.";
        Self { detail: json!({"name": name}), ..Self::new(StatusCode::NOT_FOUND, "NAME_UNKNOWN", text) }
    }

    pub fn upload_unknown() -> Self {
        let text = "There is no such upload; it ended, expired or went with a restart. Begin another one.";
        Self::new(StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN", text)
    }

    pub fn upload_invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BLOB_UPLOAD_INVALID", message)
    }

    pub fn digest_invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "DIGEST_INVALID", message)
    }

    pub fn size_invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "SIZE_INVALID", message)
    }

    pub fn page_invalid() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "PAGINATION_NUMBER_INVALID", "n is a whole number, 0 or more.")
    }

    pub fn not_satisfiable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::RANGE_NOT_SATISFIABLE, "RANGE_INVALID", message)
    }

    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", message)
    }

    /// What `put` of a manifest said.
    pub fn of_manifest(error: Error) -> Self {
        match error.code {
            ErrorCode::NotFound => Self::new(StatusCode::BAD_REQUEST, "MANIFEST_BLOB_UNKNOWN", error.message),
            ErrorCode::InvalidRequest => Self::new(StatusCode::BAD_REQUEST, "MANIFEST_INVALID", error.message),
            ErrorCode::TooLarge => Self::new(StatusCode::PAYLOAD_TOO_LARGE, "MANIFEST_INVALID", error.message),
            _ => error.into(),
        }
    }

    pub fn answer(self, request: &HttpRequest) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        response.insert_header(super::API_VERSION);
        for (name, value) in self.headers {
            response.insert_header((name, value));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.insert_header((header::WWW_AUTHENTICATE, auth::challenge(request)));
        }
        if matches!(
            self.status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE | StatusCode::INSUFFICIENT_STORAGE
        ) {
            response.insert_header((header::RETRY_AFTER, "5"));
        }
        response.json(json!({"errors": [{"code": self.code, "message": self.message, "detail": self.detail}]}))
    }
}

impl From<BadPath> for Refusal {
    fn from(bad: BadPath) -> Self {
        let bad_request = StatusCode::BAD_REQUEST;
        match bad {
            BadPath::Name => Self::new(
                bad_request,
                "NAME_INVALID",
                "A repository's name is of lower-case letters, digits, '.', '_' and '-', with '/' between parts.",
            ),
            BadPath::Digest => {
                Self::digest_invalid("This is no digest: use sha256: or sha512: and its hexadecimal digits.")
            }
            BadPath::Tag => Self::new(
                bad_request,
                "TAG_INVALID",
                "A tag is of letters, digits, '.', '_' and '-', up to 128 of them.",
            ),
            BadPath::Unknown => {
                Self::new(StatusCode::NOT_FOUND, "UNSUPPORTED", "The registry has nothing at this path.")
            }
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let id = request_id::current();
        error.log(&id);
        let status = StatusCode::from_u16(error.code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let code = match error.code {
            ErrorCode::Unauthenticated => "UNAUTHORIZED",
            ErrorCode::Forbidden | ErrorCode::WrongHost => "DENIED",
            ErrorCode::TooManyRequests => "TOOMANYREQUESTS",
            ErrorCode::NotFound => "NAME_UNKNOWN",
            ErrorCode::TooLarge => "BLOB_UPLOAD_INVALID",
            ErrorCode::NotImplemented | ErrorCode::UnsupportedMediaType => "UNSUPPORTED",
            ErrorCode::InvalidRequest | ErrorCode::Refused | ErrorCode::Conflict | ErrorCode::AlreadyExists => "DENIED",
            ErrorCode::Internal
            | ErrorCode::BadGateway
            | ErrorCode::Unavailable
            | ErrorCode::GatewayTimeout
            | ErrorCode::InsufficientStorage => "UNKNOWN",
        };
        let detail = if status.is_server_error() { json!({"request_id": id}) } else { Value::Null };
        Self { detail, ..Self::new(status, code, error.message) }
    }
}
