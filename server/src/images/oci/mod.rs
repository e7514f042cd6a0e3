//! `/v2/` of the OCI distribution specification v1.1, for docker, podman, skopeo and oras as they are. One handler reads the path,
//! asks who it is and what they may do, and hands on; bodies are never parsed as forms.

#![allow(clippy::result_large_err, reason = "a refusal is made once per refused request, and answered at once")]

mod auth;
mod blobs;
mod lists;
mod manifests;
mod refusal;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header},
    web,
};
use serde_json::json;

pub use auth::{ENGINE, Tokens};
use refusal::{Refusal, Result};

use super::{
    Images,
    reference::{Resource, parse_path},
};
use crate::{
    accounts::{Accounts, Action, Authorized, DEFAULT_PROJECT, Principal, action, authorize, projects},
    app::App,
};

const API_VERSION: (&str, &str) = ("docker-distribution-api-version", "registry/2.0");
const CONTENT_DIGEST: &str = "docker-content-digest";

/// Mounts `/v2/…` and `/healthz`.
pub fn configure(config: &mut web::ServiceConfig) {
    config
        .route("/healthz", web::get().to(HttpResponse::Ok))
        .route("/v2", web::to(handle))
        .route("/v2/{tail:.*}", web::to(handle));
}

/// What a request has to do with.
struct Call<'a> {
    app: &'a App,
    images: &'a Images,
    request: &'a HttpRequest,
    who: Principal,
}

impl Call<'_> {
    fn may<A: Action>(&self, wish: A) -> Result<Authorized<A>> {
        Ok(authorize(&self.who, wish, &self.who.project)?)
    }

    fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.request.headers().get(name).and_then(|value| value.to_str().ok())
    }

    /// A parameter of the query, decoded.
    fn query(&self, name: &str) -> Option<String> {
        if self.request.query_string().is_empty() {
            return None;
        }
        let all = web::Query::<Vec<(String, String)>>::from_query(self.request.query_string()).ok()?;
        all.into_inner().into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }
}

async fn handle(
    app: web::Data<App>,
    accounts: web::Data<Accounts>,
    images: web::Data<Images>,
    request: HttpRequest,
    payload: web::Payload,
) -> HttpResponse {
    match route(&app, &accounts, &images, &request, payload).await {
        Ok(answer) => answer,
        Err(refusal) => refusal.answer(&request),
    }
}

async fn route(
    app: &App,
    accounts: &Accounts,
    images: &Images,
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse> {
    let tail = request.uri().path().strip_prefix("/v2/").unwrap_or_default();
    let parsed = parse_path(tail);
    if parsed == Ok(Resource::Token) {
        return auth::token(accounts, images, request, payload).await;
    }
    // who comes first, so that nobody without a name learns what there is
    let who = auth::who(accounts, images, request).await?;
    let who = match parsed.as_ref().ok().and_then(Resource::name) {
        Some(name) if accounts.has_projects() => in_project(app, who, name).await?,
        _ => who,
    };
    let call = Call { app, images, request, who };
    call.may(action::View)?;
    let method = request.method().clone();
    let reads = matches!(method, Method::GET | Method::HEAD);
    match parsed? {
        Resource::Base if reads => Ok(HttpResponse::Ok().insert_header(API_VERSION).json(json!({}))),
        Resource::Catalog if reads => lists::catalog(&call).await,
        Resource::Tags { name } if reads => lists::tags(&call, name).await,
        Resource::Referrers { name, digest } if reads => lists::referrers(&call, name, digest).await,
        Resource::Manifest { name, target } => match method {
            Method::GET | Method::HEAD => manifests::get(&call, name, target).await,
            Method::PUT => manifests::put(&call, name, target, payload).await,
            Method::DELETE => manifests::delete(&call, name, target).await,
            _ => Err(not_so(&method)),
        },
        Resource::Blob { name, digest } => match method {
            Method::HEAD => blobs::head(&call, name, digest).await,
            Method::GET => blobs::get(&call, name, digest).await,
            Method::DELETE => blobs::delete(&call, name, digest).await,
            _ => Err(not_so(&method)),
        },
        Resource::Uploads { name } if method == Method::POST => blobs::open(&call, name, payload).await,
        Resource::Upload { name, id } => match method {
            Method::GET => blobs::status(&call, &name, &id).await,
            Method::PATCH => blobs::patch(&call, &name, &id, payload).await,
            Method::PUT => blobs::finish(&call, name, &id, payload).await,
            Method::DELETE => blobs::cancel(&call, &name, &id).await,
            _ => Err(not_so(&method)),
        },
        _ => Err(not_so(&method)),
    }
}

/// The caller in the project of the repository: the one that it is in, or, of a new one, the one that its name begins with.
async fn in_project(app: &App, who: Principal, name: &str) -> Result<Principal> {
    let (name, shown) = (name.to_owned(), name.to_owned());
    let found = app.db.glance(move |conn| {
        let repository = projects::Subject::new(projects::Kind::Repository, name.as_str());
        if let Some(project) = projects::subjects::project_of(conn, &repository)? {
            return Ok(Some(project));
        }
        let first = name.split_once('/').map_or("", |(first, _)| first);
        projects::subjects::project_of(conn, &projects::Subject::new(projects::Kind::Project, first))
    });
    let project = found.await?.unwrap_or_else(|| DEFAULT_PROJECT.to_owned());
    who.within(&project).ok_or_else(|| Refusal::name_unknown(&shown))
}

fn not_so(method: &Method) -> Refusal {
    Refusal::unsupported(format!("{method} is not for this path."))
}
