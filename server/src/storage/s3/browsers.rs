//! What a web page of another origin may do with a bucket (CORS): its browser asks first, and looks at the answer's headers.

use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    header::{HeaderName, HeaderValue, VARY},
};
use s3s::Body;

use crate::{
    app::App,
    storage::{cors, store},
};

/// The page that a request comes from.
pub struct Visitor {
    origin: String,
    /// Of the request, or the one that a preflight asks about.
    method: String,
    asked_headers: Vec<String>,
    bucket: String,
    is_preflight: bool,
}

impl Visitor {
    /// None where no page is at work.
    pub fn of<B>(request: &Request<B>) -> Option<Self> {
        let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
        let origin = header("origin")?.to_owned();
        let is_preflight = request.method() == Method::OPTIONS;
        let method = match header("access-control-request-method") {
            Some(asked) if is_preflight => asked.to_owned(),
            _ => request.method().as_str().to_owned(),
        };
        let asked = header("access-control-request-headers").unwrap_or_default();
        let asked_headers =
            asked.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let bucket = request.uri().path().trim_start_matches('/').split('/').next()?.to_owned();
        Some(Self { origin, method, asked_headers, bucket, is_preflight })
    }

    pub async fn preflight(&self, app: &App) -> Response<Body> {
        let mut answer = Response::new(Body::empty());
        match self.headers(app).await {
            Some(headers) => answer.headers_mut().extend(headers),
            None => {
                *answer.status_mut() = StatusCode::FORBIDDEN;
                *answer.body_mut() = Body::from(
                    "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>AccessForbidden</Code><Message>CORSResponse: this \
                     bucket's CORS rules do not allow this page that.</Message></Error>"
                        .to_owned(),
                );
            }
        }
        answer
    }

    /// Adds what lets the page see the answer.
    pub async fn allow(&self, app: &App, answer: &mut Response<Body>) {
        if self.is_preflight {
            return;
        }
        if let Some(headers) = self.headers(app).await {
            answer.headers_mut().extend(headers);
        }
    }

    async fn headers(&self, app: &App) -> Option<HeaderMap> {
        let name = self.bucket.clone();
        let bucket = app.db.glance(move |conn| store::buckets::by_name(conn, &name)).await.ok()??;
        let rules = bucket.cors();
        let asked: Vec<&str> = self.asked_headers.iter().map(String::as_str).collect();
        let rule = cors::allowing(&rules, &self.origin, &self.method, &asked)?;
        let mut headers = HeaderMap::new();
        let mut say = |name: &'static str, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        };
        let is_any = rule.allowed_origins.iter().any(|origin| origin == "*");
        say("access-control-allow-origin", if is_any { "*" } else { &self.origin });
        say("access-control-allow-methods", &rule.allowed_methods.join(", "));
        if !self.asked_headers.is_empty() {
            say("access-control-allow-headers", &self.asked_headers.join(", "));
        }
        if !rule.expose_headers.is_empty() {
            say("access-control-expose-headers", &rule.expose_headers.join(", "));
        }
        if let (Some(age), true) = (rule.max_age_s, self.is_preflight) {
            say("access-control-max-age", &age.to_string());
        }
        if !is_any {
            say("access-control-allow-credentials", "true");
        }
        headers.insert(
            VARY,
            HeaderValue::from_static("Origin, Access-Control-Request-Headers, Access-Control-Request-Method"),
        );
        Some(headers)
    }
}
