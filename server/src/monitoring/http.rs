//! The middleware around every request: its id, its span, its count and its time.
//!
//! An id comes from the caller's `x-request-id` where that is sane, so that a chain of programs shares one; else it is
//! new. It is echoed, and error bodies and logs read it from the task.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use tracing::Instrument;

use super::exposition::{Cumulative, Exposition, Kind};
use crate::clock;
use crate::error::request_id;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const LONGEST_ID: usize = 128;
/// Upper bounds of the latency histogram, in seconds.
const BOUNDS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Requests that no route took, or that were refused before one could.
const NO_ROUTE: &str = "(none)";

static SEEN: LazyLock<Mutex<Seen>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct Seen {
    /// By route, then by method.
    routes: BTreeMap<String, BTreeMap<&'static str, Answered>>,
}

#[derive(Default)]
struct Answered {
    by_status: BTreeMap<u16, u64>,
    latency: Latency,
}

#[derive(Default)]
struct Latency {
    /// One more than there are bounds: the last counts what is above all.
    buckets: [u64; BOUNDS.len() + 1],
    sum_s: f64,
}

/// The middleware. Mount it outside of all others.
pub async fn observe(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let began = Instant::now();
    let id = id_of(&request);
    let method = name_of(request.method());
    let span = tracing::info_span!("request", http.method = method, http.path = request.path(), request.id = id);
    let answer = async {
        let answer = named(next.call(request).await, &id);
        let (route, status) = match &answer {
            Ok(response) => (response.request().match_pattern(), response.status()),
            Err(error) => (None, error.as_response_error().status_code()),
        };
        note(route, method, status, began.elapsed());
        answer
    };
    request_id::scope(id.clone(), answer).instrument(span).await
}

/// Counts since the start, as Prometheus reads them.
pub fn expose(text: &mut Exposition) {
    let seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    together(text, &seen);
    text.detail("drydock_http_requests_total", Kind::Counter, "Requests answered, by route, method and status.");
    for (route, method, answered) in seen.all() {
        for (status, count) in &answered.by_status {
            let labels = [("route", route), ("method", method), ("status", &status.to_string())];
            text.sample("drydock_http_requests_total", &labels, *count);
        }
    }
    text.detail(
        "drydock_http_request_duration_seconds",
        Kind::Histogram,
        "From a request's head to its answer's head.",
    );
    for (route, method, Answered { latency, .. }) in seen.all() {
        let labels = [("route", route), ("method", method)];
        latency.expose(text, "drydock_http_request_duration_seconds", &labels);
    }
}

/// All routes as one: what is kept as series, since there are hundreds of routes.
fn together(text: &mut Exposition, seen: &Seen) {
    let (mut by_class, mut all) = ([0; 6], Latency::default());
    for (_, _, answered) in seen.all() {
        for (status, count) in &answered.by_status {
            by_class[usize::from(status / 100).min(5)] += count;
        }
        all.sum_s += answered.latency.sum_s;
        for (sum, count) in all.buckets.iter_mut().zip(answered.latency.buckets) {
            *sum += count;
        }
    }
    let name = "drydock_api_requests_total";
    text.family(name, Kind::Counter, "Requests answered on all routes, by class of status.");
    for (class, count) in ["2xx", "3xx", "4xx", "5xx"].iter().zip(&by_class[2..]) {
        text.sample(name, &[("answer", class)], *count);
    }
    let name = "drydock_api_request_duration_seconds";
    text.family(name, Kind::Histogram, "From a request's head to its answer's head, on all routes.");
    all.expose(text, name, &[]);
}

impl Latency {
    fn expose(&self, text: &mut Exposition, name: &str, labels: &[(&str, &str)]) {
        let mut so_far = 0;
        let cumulative = |(bound, count): (&f64, u64)| {
            so_far += count;
            (*bound, so_far)
        };
        let buckets: Vec<(f64, u64)> = BOUNDS.iter().zip(self.buckets).map(cumulative).collect();
        text.histogram(
            name,
            labels,
            &Cumulative { buckets: &buckets, count: self.buckets.iter().sum(), sum: self.sum_s },
        );
    }
}

fn note(route: Option<String>, method: &'static str, status: StatusCode, took: Duration) {
    let took_ms = took.as_secs_f64() * 1000.0;
    if status.is_client_error() {
        tracing::info!(http.status = status.as_u16(), http.took_ms = took_ms, "answered {}", status.as_u16());
    } else {
        tracing::debug!(http.status = status.as_u16(), http.took_ms = took_ms, "answered {}", status.as_u16());
    }
    let route = route.unwrap_or_else(|| NO_ROUTE.to_owned());
    let bucket = BOUNDS.iter().position(|bound| took.as_secs_f64() <= *bound).unwrap_or(BOUNDS.len());
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    if !seen.routes.contains_key(&route) {
        seen.routes.insert(route.clone(), BTreeMap::new());
    }
    let Some(answered) = seen.routes.get_mut(&route).map(|methods| methods.entry(method).or_default()) else { return };
    answered.latency.buckets[bucket] += 1;
    answered.latency.sum_s += took.as_secs_f64();
    *answered.by_status.entry(status.as_u16()).or_default() += 1;
}

impl Seen {
    fn all(&self) -> impl Iterator<Item = (&str, &'static str, &Answered)> {
        self.routes.iter().flat_map(|(route, methods)| {
            methods.iter().map(move |(method, answered)| (route.as_str(), *method, answered))
        })
    }
}

/// Puts the id on the answer, also on one that a middleware refused with.
fn named<B>(
    answer: Result<ServiceResponse<B>, actix_web::Error>,
    id: &str,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    let value = HeaderValue::from_str(id).unwrap_or_else(|_| HeaderValue::from_static("invalid"));
    match answer {
        Ok(mut response) => {
            response.headers_mut().insert(REQUEST_ID, value);
            Ok(response)
        }
        Err(error) => {
            // made here, where the body still finds the request's id
            let mut response = error.error_response();
            response.headers_mut().insert(REQUEST_ID, value);
            Err(InternalError::from_response(error, response).into())
        }
    }
}

fn id_of(request: &ServiceRequest) -> String {
    let sent = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok()).filter(|id| is_sane(id));
    sent.map_or_else(new_id, str::to_owned)
}

/// A version 7 UUID whose random part needs no system call.
fn new_id() -> String {
    let now = u64::try_from(clock::now_ms()).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(now, &rand::random()).into_uuid().to_string()
}

fn is_sane(id: &str) -> bool {
    (1..=LONGEST_ID).contains(&id.len()) && id.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

/// A caller can make up methods; metrics know these.
fn name_of(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use actix_web::middleware::from_fn;
    use actix_web::test::{TestRequest, call_service, init_service, read_body_json, try_call_service};
    use actix_web::{App, HttpResponse, web};
    use drydock_wire::ErrorBody;

    use super::*;
    use crate::error::Error;

    async fn refuse(_: ServiceRequest, _: Next<impl MessageBody>) -> Result<ServiceResponse, actix_web::Error> {
        Err(Error::forbidden("no").into())
    }

    #[actix_web::test]
    async fn a_sane_id_is_echoed_and_any_other_replaced() {
        let app = App::new().wrap(from_fn(observe)).route("/a/{b}", web::get().to(HttpResponse::Ok));
        let app = init_service(app).await;
        let sane = TestRequest::get().uri("/a/1").insert_header(("x-request-id", "abc-1.2_3")).to_request();
        assert_eq!(call_service(&app, sane).await.headers().get("x-request-id").unwrap(), "abc-1.2_3");
        for odd in ["", "a b", "a\u{e9}", &"x".repeat(129)] {
            let request = TestRequest::get().uri("/a/1").insert_header(("x-request-id", odd)).to_request();
            let answer = call_service(&app, request).await;
            let id = answer.headers().get("x-request-id").unwrap().to_str().unwrap().to_owned();
            assert_eq!(uuid::Uuid::parse_str(&id).unwrap().get_version_num(), 7);
        }
    }

    #[actix_web::test]
    async fn an_error_s_body_has_the_id_of_its_header_even_from_a_middleware() {
        async fn missing() -> crate::error::Result<HttpResponse> {
            Err(Error::not_found("nothing"))
        }
        let app = App::new().wrap(from_fn(observe)).route("/m", web::get().to(missing));
        let answer = call_service(&init_service(app).await, TestRequest::get().uri("/m").to_request()).await;
        let id = answer.headers().get("x-request-id").unwrap().to_str().unwrap().to_owned();
        assert_eq!(read_body_json::<ErrorBody, _>(answer).await.request_id, id);

        let app = App::new().wrap(from_fn(refuse)).wrap(from_fn(observe)).route("/m", web::get().to(missing));
        let error = try_call_service(&init_service(app).await, TestRequest::get().uri("/m").to_request())
            .await
            .map(drop)
            .unwrap_err();
        let answer = error.error_response();
        let id = answer.headers().get("x-request-id").unwrap().to_str().unwrap().to_owned();
        let body = actix_web::body::to_bytes(answer.into_body()).await.unwrap();
        assert_eq!(serde_json::from_slice::<ErrorBody>(&body).unwrap().request_id, id);
    }

    #[actix_web::test]
    async fn routes_are_counted_by_pattern() {
        let app = App::new().wrap(from_fn(observe)).route("/counted/{id}", web::get().to(HttpResponse::Accepted));
        let app = init_service(app).await;
        for id in 0..5 {
            call_service(&app, TestRequest::get().uri(&format!("/counted/{id}")).to_request()).await;
        }
        let mut text = Exposition::default();
        expose(&mut text);
        let text = super::super::exposition::testing::text(text);
        let line = "drydock_http_requests_total{route=\"/counted/{id}\",method=\"GET\",status=\"202\"} 5";
        assert!(text.contains(line), "{text}");
        assert!(text.contains("drydock_http_request_duration_seconds_count{route=\"/counted/{id}\",method=\"GET\"} 5"));
    }
}
