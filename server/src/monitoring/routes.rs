//! What people and jobs do with metrics over HTTP beside asking for series: push some of their own, see what happened meanwhile.

use actix_web::{HttpMessage, HttpResponse, get, post, web};
use drydock_wire::metrics::{MetricKind, MetricMark, MetricMarks, PushMetrics, PushedMetric};
use serde::Deserialize;
use utoipa_actix_web::service_config::ServiceConfig;

use super::exposition::{Family, Kind, Part, Sample, parse};
use super::push::{Owner, Pushed};
use crate::accounts::{self, Principal, action, projects};
use crate::app::App;
use crate::clock;
use crate::error::{Error, Result};
use crate::overview;
use crate::serving;
use crate::workloads::Kind as Workload;

/// Mounts the routes under `/api/v1`.
pub fn configure(config: &mut ServiceConfig<'_>) {
    config.service(push).service(marks);
}

/// Tells metrics of a job, or of a program of one's own: as JSON, or in Prometheus' text format or OpenMetrics (`text/plain`,
/// `application/openmetrics-text`). They are sampled every five seconds until they were not told for five minutes.
#[utoipa::path(tag = "metrics", request_body = PushMetrics, responses((status = 204), (status = 400, body = drydock_wire::ErrorBody)))]
#[post("/metrics")]
async fn push(
    app: web::Data<App>,
    who: Principal,
    request: actix_web::HttpRequest,
    body: web::Bytes,
) -> Result<HttpResponse> {
    accounts::authorize(&who, action::Develop, &who.project)?;
    let families = read(&request, &body)?;
    let owner = owner(&app, &who).await?;
    app.memory.of::<Pushed>().take(&owner, families)?;
    Ok(HttpResponse::NoContent().finish())
}

fn read(request: &actix_web::HttpRequest, body: &[u8]) -> Result<Vec<Family>> {
    let text = |body: &[u8]| -> Result<String> {
        String::from_utf8(body.to_vec()).map_err(|_| Error::invalid("The text is not in UTF-8."))
    };
    match request.content_type() {
        "text/plain" | "application/openmetrics-text" => parse(&text(body)?),
        "application/json" => {
            let pushed: PushMetrics = serde_json::from_slice(body)
                .map_err(|cause| Error::invalid(format!("The body cannot be read: {cause}.")))?;
            pushed.metrics.into_iter().map(family).collect()
        }
        other => Err(Error::invalid(format!(
            "Metrics are pushed as application/json or as text/plain (Prometheus' format), not as '{other}'."
        ))),
    }
}

fn family(of: PushedMetric) -> Result<Family> {
    let kind = match of.kind {
        MetricKind::Counter => Kind::Counter,
        MetricKind::Gauge => Kind::Gauge,
        MetricKind::Histogram => Kind::Histogram,
    };
    let labels: Vec<(String, String)> = of.labels.into_iter().collect();
    let sample = |part: Part, value: f64| Sample { part, labels: labels.clone(), value };
    let name = of.name;
    let samples = match (kind, of.value, of.buckets) {
        (Kind::Histogram, None, Some(buckets)) => {
            let with_bound = |bound: String, count: u64| {
                let mut sample = sample(Part::Bucket, count as f64);
                sample.labels.push(("le".to_owned(), bound));
                sample
            };
            let count = of.count.or_else(|| buckets.last().map(|last| last.count)).unwrap_or(0);
            let mut samples: Vec<Sample> = buckets.iter().map(|it| with_bound(it.le.to_string(), it.count)).collect();
            samples.push(with_bound("+Inf".to_owned(), count));
            samples.extend([sample(Part::Sum, of.sum.unwrap_or(0.0)), sample(Part::Count, count as f64)]);
            samples
        }
        (Kind::Counter | Kind::Gauge, Some(value), None) => vec![sample(Part::Value, value)],
        (Kind::Histogram, ..) => {
            return Err(Error::invalid(format!(
                "{name}: a histogram has buckets ([{{\"le\": 0.5, \"count\": 3}}]), sum and count, and no value."
            )));
        }
        _ => return Err(Error::invalid(format!("{name}: a gauge or counter has a value, and no buckets."))),
    };
    Ok(Family { name, kind, help: of.help, is_detail: false, samples })
}

/// A job's token speaks for its job, a person for themselves.
async fn owner(app: &App, who: &Principal) -> Result<Owner> {
    let Some(workload) = who.job_id.clone() else {
        return Ok(Owner(vec![("pushed_by".to_owned(), who.username.clone())]));
    };
    let id = workload.clone();
    let name = app.db.read(move |conn| overview::name_of_owner(conn, Workload::Job, &id)).await?;
    let name = name.unwrap_or_else(|| workload.clone());
    Ok(Owner(vec![("job".to_owned(), name), ("owner".to_owned(), workload)]))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct MarksAsked {
    /// In milliseconds since 1970; an hour before `until` if not said.
    from: Option<i64>,
    /// In the place of `from`: so many seconds before `until`.
    last_s: Option<i64>,
    /// Now, if not said.
    until: Option<i64>,
}

/// What happened to deployments in a time: revisions that came in, releases that began or ended.
#[utoipa::path(tag = "metrics", params(MarksAsked), responses((status = 200, body = MetricMarks)))]
#[get("/metrics/marks")]
async fn marks(app: web::Data<App>, who: Principal, asked: web::Query<MarksAsked>) -> Result<web::Json<MetricMarks>> {
    accounts::authorize(&who, action::View, &who.project)?;
    let until = asked.until.unwrap_or_else(clock::now_ms);
    let last_ms = asked.last_s.unwrap_or(3_600).saturating_mul(1000);
    let from = asked.from.unwrap_or_else(|| until.saturating_sub(last_ms));
    let found = app.db.read(move |conn| {
        let mut found = vec![];
        for mark in serving::marks(conn, from, until)? {
            if projects::sees(conn, &who, projects::Kind::Deployment, &mark.deployment)? {
                found.push(mark);
            }
        }
        Ok(found)
    });
    let found = found.await?;
    let mark = |it: serving::Mark| MetricMark { at: it.at, deployment: it.deployment, text: it.text };
    Ok(web::Json(MetricMarks { marks: found.into_iter().map(mark).collect() }))
}
