//! Malformed JSON, queries and paths answer like every other error: a code, a text that says what to do, the request id.

use actix_web::{
    error::{JsonPayloadError, PathError, QueryPayloadError},
    web,
};
use drydock_wire::ErrorCode;

use crate::error::Error;

/// JSON bodies of the native API, up to `limit` bytes.
pub fn json(limit: usize) -> web::JsonConfig {
    web::JsonConfig::default().limit(limit).error_handler(|cause, request| json_error(cause, request.path()).into())
}

/// Query strings.
pub fn query() -> web::QueryConfig {
    web::QueryConfig::default().error_handler(|cause, _| query_error(&cause).into())
}

/// Parts of the path.
pub fn path() -> web::PathConfig {
    web::PathConfig::default().error_handler(|cause, _| path_error(&cause).into())
}

fn json_error(cause: JsonPayloadError, path: &str) -> Error {
    match &cause {
        JsonPayloadError::OverflowKnownLength { limit, .. } | JsonPayloadError::Overflow { limit } => {
            Error::too_large(format!("The JSON body is larger than {limit} bytes."))
        }
        JsonPayloadError::ContentType => {
            Error::new(ErrorCode::UnsupportedMediaType, "Send the body as JSON, with 'Content-Type: application/json'.")
        }
        // An unknown or impossible field of a well-formed body: refused by rule, not by syntax.
        JsonPayloadError::Deserialize(inner) if inner.is_data() => Error::refused(format!("{path}: {inner}.")),
        other => Error::invalid(format!("The body is not the JSON that this endpoint reads: {other}.")),
    }
}

fn query_error(cause: &QueryPayloadError) -> Error {
    Error::invalid(format!("The query string is not what this endpoint reads: {cause}."))
}

fn path_error(cause: &PathError) -> Error {
    Error::not_found(format!("There is nothing at this path: {cause}."))
}
