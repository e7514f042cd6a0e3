//! Error codes by meaning, and the one body every native error has.

use std::fmt;

wire! {
    /// What went wrong, in a form programs can match. The HTTP status follows from it.
    #[derive(Copy, Eq, Hash)]
    #[serde(rename_all = "snake_case")]
    pub enum ErrorCode {
        /// 400: the request is malformed or a value is out of its range.
        InvalidRequest,
        /// 401: no session or token, or one that is no longer good.
        Unauthenticated,
        /// 403: known, but the role does not allow it.
        Forbidden,
        /// 404: there is no such thing, or it is not visible to the caller.
        NotFound,
        /// 409: it exists already.
        AlreadyExists,
        /// 409: the thing is in a state that does not allow this.
        Conflict,
        /// 413: the body or an item of it is larger than the limit.
        TooLarge,
        /// 415: the content type is not one that this endpoint reads.
        UnsupportedMediaType,
        /// 421: the Host header names another machine.
        WrongHost,
        /// 422: well-formed, but refused by a rule (a job that asks for privileges, say).
        Refused,
        /// 429: too many attempts; `Retry-After` says when.
        TooManyRequests,
        /// 500: our fault; the log has the chain under the request id.
        Internal,
        /// 501: the protocol has it, Drydock does not.
        NotImplemented,
        /// 502: the model server behind the gateway broke the exchange.
        BadGateway,
        /// 503: not now (Docker away, no ready replica, shutting down); trying again helps.
        Unavailable,
        /// 504: the model server did not answer in time.
        GatewayTimeout,
        /// 507: the disk is full.
        InsufficientStorage,
    }

    /// Body of every error answer of `/api/v1`.
    pub struct ErrorBody {
        pub code: ErrorCode,
        /// For the person who made the request; says what to do where that is known.
        pub message: String,
        /// The request's id, as in the `x-request-id` header and in the log.
        pub request_id: String,
    }
}

impl ErrorCode {
    /// The HTTP status of this meaning.
    pub fn http_status(self) -> u16 {
        match self {
            Self::InvalidRequest => 400,
            Self::Unauthenticated => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::AlreadyExists | Self::Conflict => 409,
            Self::TooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::WrongHost => 421,
            Self::Refused => 422,
            Self::TooManyRequests => 429,
            Self::Internal => 500,
            Self::NotImplemented => 501,
            Self::BadGateway => 502,
            Self::Unavailable => 503,
            Self::GatewayTimeout => 504,
            Self::InsufficientStorage => 507,
        }
    }

    /// Whether the same request may succeed later without a change by the caller.
    pub fn retryable(self) -> bool {
        match self {
            Self::TooManyRequests
            | Self::BadGateway
            | Self::Unavailable
            | Self::GatewayTimeout
            | Self::InsufficientStorage => true,
            Self::InvalidRequest
            | Self::Unauthenticated
            | Self::Forbidden
            | Self::NotFound
            | Self::AlreadyExists
            | Self::Conflict
            | Self::TooLarge
            | Self::UnsupportedMediaType
            | Self::WrongHost
            | Self::Refused
            | Self::Internal
            | Self::NotImplemented => false,
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::InvalidRequest => "invalid_request",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::AlreadyExists => "already_exists",
            Self::Conflict => "conflict",
            Self::TooLarge => "too_large",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::WrongHost => "wrong_host",
            Self::Refused => "refused",
            Self::TooManyRequests => "too_many_requests",
            Self::Internal => "internal",
            Self::NotImplemented => "not_implemented",
            Self::BadGateway => "bad_gateway",
            Self::Unavailable => "unavailable",
            Self::GatewayTimeout => "gateway_timeout",
            Self::InsufficientStorage => "insufficient_storage",
        };
        f.write_str(text)
    }
}
