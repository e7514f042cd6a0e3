//! Who asks, and how an error looks to MLflow's clients.

use std::fmt;

use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse, ResponseError, dev::Payload, http::StatusCode};
use drydock_wire::ErrorCode;
use futures_util::future::LocalBoxFuture;
use serde::Serialize;

use crate::{
    accounts::{self, Authorized, Principal, action},
    error::{Error, request_id},
};

/// What every handler of this face returns.
pub type Answer = Result<HttpResponse, Failure>;

/// 200 with the value as JSON.
pub fn ok(value: impl Serialize) -> Answer {
    Ok(HttpResponse::Ok().json(value))
}

/// An error in MLflow's form: `{"error_code": …, "message": …}`.
#[derive(Debug)]
pub struct Failure {
    error: Error,
    /// Conflicts keep their 409.
    plain: bool,
}

impl Failure {
    /// For calls whose clients look at the status alone.
    pub fn plain(error: Error) -> Self {
        Self { error, plain: true }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, plain: false }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl ResponseError for Failure {
    fn status_code(&self) -> StatusCode {
        let status = match self.error.code {
            code if self.plain => code.http_status(),
            // MLflow's clients know 400 for all of these; register_model tolerates an existing model by its code.
            ErrorCode::AlreadyExists | ErrorCode::Conflict | ErrorCode::Refused | ErrorCode::UnsupportedMediaType => {
                400
            }
            code => code.http_status(),
        };
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        self.error.log(&request_id::current());
        let mut response = HttpResponse::build(self.status_code());
        if self.error.code == ErrorCode::Unauthenticated {
            response.insert_header(("www-authenticate", "Basic realm=\"mlflow\""));
        }
        if self.error.code == ErrorCode::Unavailable {
            response.insert_header(("retry-after", "2"));
        }
        response.json(serde_json::json!({"error_code": self.error.mlflow_code(), "message": self.error.message}))
    }
}

/// The principal, with errors in MLflow's form, and the request, whose fields say what it is about.
pub struct Who(pub Principal, HttpRequest);

/// The principal in the project of what the request's fields name; left by `Args`.
pub(super) struct Placed(pub Principal);

impl Who {
    /// In the project that the request is about, as far as its fields were read.
    fn placed(&self) -> Principal {
        self.1.extensions().get::<Placed>().map_or_else(|| self.0.clone(), |placed| placed.0.clone())
    }

    /// Permission to do it.
    pub fn may<A: accounts::Action>(&self, action: A) -> Result<Authorized<A>, Failure> {
        let who = self.placed();
        Ok(accounts::authorize(&who, action, &who.project)?)
    }

    /// Permission to read.
    pub fn view(&self) -> Result<Authorized<action::View>, Failure> {
        self.may(action::View)
    }

    /// Permission to write.
    pub fn develop(&self) -> Result<Authorized<action::Develop>, Failure> {
        self.may(action::Develop)
    }

    /// Permission to take files and traces away for good.
    pub fn erase(&self) -> Result<Authorized<action::Erase>, Failure> {
        self.may(action::Erase)
    }
}

impl FromRequest for Who {
    type Error = Failure;
    type Future = LocalBoxFuture<'static, Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (identified, request) = (Principal::from_request(request, payload), request.clone());
        Box::pin(async move { Ok(Who(identified.await?, request)) })
    }
}
