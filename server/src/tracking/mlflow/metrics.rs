//! `metrics/…`: histories, whole, paged, of many runs, sampled.

use actix_web::web;
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    Answer, Args, Who,
    args::{SEE_DOCS, missing},
    ok,
    view::{self, MetricView},
};
use crate::{
    accounts::{Authorized, action},
    app::App,
    error::{Error, Result},
    tracking::{self, Point, search},
};

type View = Authorized<action::View>;

const MAX_BULK_POINTS: i64 = 25_000;
const MAX_BULK_RUNS: usize = 100;
const MAX_POINTS_PER_RUN: i64 = 2500;

pub fn configure(cfg: &mut web::ServiceConfig, base: &str) {
    let path = |name: &str| format!("{base}/metrics/{name}");
    cfg.service(web::resource(path("get-history")).route(web::get().to(history)));
    cfg.service(web::resource(path("get-history-bulk")).route(web::get().to(bulk)));
    cfg.service(web::resource(path("get-history-bulk-interval")).route(web::get().to(interval)));
}

#[derive(Serialize)]
struct History<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    metrics: Vec<MetricView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

async fn history(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let (auth, run_id, key) = (who.view()?, args.run_id()?, args.required("metric_key")?);
    let limit = args.int("max_results")?;
    if let Some(limit) = limit.filter(|limit| *limit <= 0) {
        let text =
            format!("Invalid value {limit} for parameter 'max_results' supplied. It must be a positive integer.");
        return Err(Error::invalid(text).into());
    }
    let offset = search::page_offset(args.text("page_token")?.as_deref())?;
    let (points, next) = known(tracking::history(&app, &auth, run_id, key.clone(), offset, limit).await)?;
    let metrics = points.iter().map(|point| view::point(&key, point, None)).collect();
    ok(History { metrics, next_page_token: next.map(search::page_token) })
}

/// MLflow's histories of a run that is not there are empty.
fn known<T: Default>(found: Result<T>) -> Result<T> {
    match found {
        Err(error) if error.code == drydock_wire::ErrorCode::NotFound => Ok(T::default()),
        found => found,
    }
}

async fn bulk(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let auth = who.view()?;
    let mut run_ids = args.texts("run_id")?;
    if run_ids.is_empty() {
        return Err(Error::invalid("GetMetricHistoryBulk request must specify at least one run_id.").into());
    }
    if run_ids.len() > MAX_BULK_RUNS {
        return Err(Error::invalid(format!(
            "GetMetricHistoryBulk request cannot specify more than {MAX_BULK_RUNS} run_ids. Received {} run_ids.",
            run_ids.len()
        ))
        .into());
    }
    let key = args
        .text("metric_key")?
        .ok_or_else(|| Error::invalid("GetMetricHistoryBulk request must specify a metric_key."))?;
    run_ids.sort();
    let most = args.int("max_results")?.unwrap_or(MAX_BULK_POINTS).clamp(0, MAX_BULK_POINTS);
    let mut all = Vec::new();
    for run_id in run_ids {
        let left = most - all.len() as i64;
        if left <= 0 {
            break;
        }
        let (points, _) = known(tracking::history(&app, &auth, run_id.clone(), key.clone(), 0, Some(left)).await)?;
        all.extend(points.iter().map(|point| json!(view::point(&key, point, Some(&run_id)))));
    }
    ok(json!({"metrics": all}))
}

async fn interval(app: web::Data<App>, who: Who, args: Args) -> Answer {
    ok(interval_of(&app, &who.view()?, &args).await?)
}

/// What `get-history-bulk-interval` answers.
pub async fn interval_of(app: &App, auth: &View, args: &Args) -> Result<Value> {
    let (key, found) = sampled(app, auth, args).await?;
    let metrics = found
        .iter()
        .flat_map(|(run_id, points)| points.iter().map(|point| view::point(&key, point, Some(run_id))))
        .collect();
    serde_json::to_value(History { metrics, next_page_token: None }).map_err(Error::internal)
}

/// The points of the asked metric by run, as `get-history-bulk-interval` picks them.
async fn sampled(app: &App, auth: &View, args: &Args) -> Result<(String, Vec<(String, Vec<Point>)>)> {
    let run_ids = args.texts("run_ids")?;
    if run_ids.is_empty() {
        return Err(missing("run_ids"));
    }
    if run_ids.len() > MAX_BULK_RUNS {
        return Err(Error::invalid(format!(
            "GetMetricHistoryBulkInterval request must specify at most {MAX_BULK_RUNS} run_ids. Received {} \
             run_ids.{SEE_DOCS}",
            run_ids.len()
        )));
    }
    let key = args.required("metric_key")?;
    let most = args.int("max_results")?.unwrap_or(MAX_POINTS_PER_RUN);
    if !(1..=MAX_POINTS_PER_RUN).contains(&most) {
        let text = format!("max_results must be between 1 and {MAX_POINTS_PER_RUN}.{SEE_DOCS}");
        return Err(Error::invalid(text));
    }
    let (steps, most) = (steps(args)?, usize::try_from(most).unwrap_or(1));
    let mut found = Vec::with_capacity(run_ids.len());
    for run_id in run_ids {
        found.extend(known(tracking::sampled_history(app, auth, vec![run_id], key.clone(), steps, most).await)?);
    }
    Ok((key, found))
}

fn steps(args: &Args) -> Result<Option<(i64, i64)>> {
    match (args.int("start_step")?, args.int("end_step")?) {
        (Some(from), Some(to)) if from > to => Err(Error::invalid(format!(
            "end_step must be greater than start_step. Found start_step={from} and end_step={to}."
        ))),
        (Some(from), Some(to)) => Ok(Some((from, to))),
        (None, None) => Ok(None),
        _ => Err(Error::invalid("If either start step or end step are specified, both must be specified.")),
    }
}
