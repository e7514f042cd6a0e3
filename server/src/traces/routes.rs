//! Traces for the dashboard.

use actix_web::{HttpResponse, delete, get, web};
use drydock_wire::{
    Page,
    traces::{SpanDetail, TraceDetail, TraceRun, TraceSummary},
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    Doomed, State, Trace, names,
    span::{Span, span_hex},
    store::{
        search::{self as found, Search},
        traces as store,
    },
    views,
};
use crate::{
    accounts::{self, Principal, action},
    app::App,
    db::Conn,
    error::{Error, Result},
    tracking::{
        self, rules,
        search::{self, TRACES, parse_traces},
    },
};

/// Mounts the native routes.
pub fn configure(cfg: &mut ServiceConfig<'_>) {
    cfg.service(list_traces).service(get_trace).service(get_span).service(delete_trace);
}

const DEFAULT_PAGE: i64 = 50;
const MAX_PAGE: i64 = 200;

/// Which traces, in which order.
#[derive(Debug, Deserialize, IntoParams)]
struct TracesQuery {
    /// Id of an experiment.
    experiment: Option<String>,
    /// Id of a run.
    run: Option<String>,
    /// MLflow's filter language, or words in name, id, request or response.
    search: Option<String>,
    /// `ok`, `error` or `in_progress`.
    status: Option<String>,
    /// `started_at`, `duration`, `name` or `status`; with `-` before it descending.
    sort: Option<String>,
    page: Option<String>,
    limit: Option<i64>,
}

#[utoipa::path(tag = "traces", params(TracesQuery), responses((status = 200, body = Page<TraceSummary>)))]
#[get("/traces")]
async fn list_traces(
    app: web::Data<App>,
    who: Principal,
    query: web::Query<TracesQuery>,
) -> Result<web::Json<Page<TraceSummary>>> {
    let scope = accounts::authorize(&who, action::View, &who.project)?.scope();
    let limit = query.limit.unwrap_or(DEFAULT_PAGE).clamp(1, MAX_PAGE);
    let offset = search::page_offset(query.page.as_deref())?;
    let wish = wish(&query)?;
    let page = app
        .db
        .read(move |conn| {
            let experiments = tracking::shown_experiments(conn, &scope, wish.experiments.clone())?;
            let wish = Search { experiments, ..wish };
            let total = found::count(conn, &wish)?;
            let mut rows = found::page(conn, &wish, offset, limit + 1)?;
            let next = (rows.len() as i64 > limit).then(|| search::page_token(offset + limit));
            rows.truncate(usize::try_from(limit).unwrap_or(0));
            let all = store::load(conn, &rows)?;
            Ok(Page { items: summaries(conn, &all)?, total: u64::try_from(total).unwrap_or(0), next })
        })
        .await?;
    Ok(web::Json(page))
}

fn wish(query: &TracesQuery) -> Result<Search> {
    let filled = |field: &Option<String>| field.clone().filter(|text| !text.trim().is_empty());
    let mut wish = Search::default();
    if let Some(id) = filled(&query.experiment) {
        wish.experiments = Some(vec![rules::experiment_id(&id)?]);
    }
    if let Some(text) = filled(&query.search) {
        match parse_traces(&text) {
            Ok(conditions) => wish.conditions = conditions,
            // Without an operator these are words; with one it is a filter with a mistake.
            Err(error) if looks_like_a_filter(&text) => return Err(error),
            Err(_) => wish.words = Some(text.trim().to_owned()),
        }
    }
    if let Some(status) = filled(&query.status) {
        let state = State::parse(&status.to_uppercase())
            .ok_or_else(|| Error::invalid("A status is ok, error or in_progress."))?;
        wish.conditions.extend(parse_traces(&format!("status = '{}'", state.as_str()))?);
    }
    if let Some(run) = filled(&query.run) {
        rules::run_id(&run)?;
        wish.conditions.extend(parse_traces(&format!("run_id = '{run}'"))?);
    }
    if let Some(sort) = filled(&query.sort) {
        let (key, direction) = sort.strip_prefix('-').map_or((sort.as_str(), "ASC"), |key| (key, "DESC"));
        let key = match key {
            "started_at" => "timestamp",
            "duration" => "execution_time",
            "name" | "status" => key,
            _ => return Err(Error::invalid("Traces are sorted by started_at, duration, name or status.")),
        };
        wish.order = search::parse_order_by(&[format!("{key} {direction}")], &TRACES)?;
    }
    Ok(wish)
}

fn looks_like_a_filter(text: &str) -> bool {
    let upper = text.to_uppercase();
    text.contains(['=', '<', '>']) || [" LIKE ", " ILIKE ", " RLIKE "].iter().any(|word| upper.contains(word))
}

/// The traces with the names of what they belong to.
fn summaries(conn: &mut Conn, all: &[Trace]) -> Result<Vec<TraceSummary>> {
    let rows: Vec<i64> = all.iter().map(|trace| trace.row).collect();
    let mut runs = store::runs_of(conn, &rows)?;
    let ids: Vec<String> = runs.values().flatten().cloned().collect();
    let run_names = tracking::run_names(conn, &ids)?;
    let experiments: Vec<i64> = all.iter().map(|trace| trace.experiment_id).collect();
    let experiment_names = tracking::experiment_names(conn, &experiments)?;
    let view = |trace: &Trace| {
        let of_runs = runs.remove(&trace.row).unwrap_or_default();
        let of_runs = of_runs.into_iter().map(|id| TraceRun { name: run_names.get(&id).cloned(), id }).collect();
        let experiment = experiment_names.get(&trace.experiment_id).cloned().unwrap_or_default();
        views::summary(trace, experiment, of_runs)
    };
    Ok(all.iter().map(view).collect())
}

#[utoipa::path(tag = "traces", responses((status = 200, body = TraceDetail)))]
#[get("/traces/{id}")]
async fn get_trace(app: web::Data<App>, who: Principal, id: web::Path<String>) -> Result<web::Json<TraceDetail>> {
    let auth = accounts::authorize(&who, action::View, &who.project)?;
    let trace = super::trace(&app, &auth, id.into_inner()).await?;
    let spans = super::spans_of(&app, &auth, &trace).await?;
    let detail = app
        .db
        .read(move |conn| {
            let summary =
                summaries(conn, std::slice::from_ref(&trace))?.pop().ok_or_else(|| super::absent(&trace.trace_id))?;
            let prompts = store::prompts_of(conn, &[trace.row])?.remove(&trace.row).unwrap_or_default();
            Ok(TraceDetail {
                summary: TraceSummary { span_count: spans.len() as u64, ..summary },
                spans: views::tree(&spans),
                assessments: trace.assessments.iter().map(views::assessment).collect(),
                tags: views::key_values(&trace.tags),
                metadata: views::key_values(&trace.metadata),
                client_request_id: trace.client_request_id.clone(),
                session: trace.metadata(names::SESSION).map(str::to_owned),
                user: trace.metadata(names::USER).map(str::to_owned),
                prompts,
            })
        })
        .await?;
    Ok(web::Json(detail))
}

#[utoipa::path(tag = "traces", responses((status = 200, body = SpanDetail)))]
#[get("/traces/{id}/spans/{span}")]
async fn get_span(
    app: web::Data<App>,
    who: Principal,
    path: web::Path<(String, String)>,
) -> Result<web::Json<SpanDetail>> {
    let auth = accounts::authorize(&who, action::View, &who.project)?;
    let (id, wanted) = path.into_inner();
    let trace = super::trace(&app, &auth, id.clone()).await?;
    let spans: Vec<Span> = super::spans_of(&app, &auth, &trace).await?;
    let span = spans.iter().find(|span| span_hex(span.id) == wanted);
    let span = span.ok_or_else(|| Error::not_found(format!("The trace {id} has no span {wanted}.")))?;
    Ok(web::Json(views::detail(span, views::origin_ns(&spans))))
}

#[utoipa::path(tag = "traces", responses((status = 204, description = "Gone, with its spans, judgements and files")))]
#[delete("/traces/{id}")]
async fn delete_trace(app: web::Data<App>, who: Principal, id: web::Path<String>) -> Result<HttpResponse> {
    let auth = accounts::authorize(&who, action::Erase, &who.project)?;
    let reader = accounts::authorize(&who, action::View, &who.project)?;
    let trace = super::trace(&app, &reader, id.into_inner()).await?;
    super::delete_traces(&app, &auth, trace.experiment_id, Doomed::Ids(vec![trace.trace_id])).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn query(search: &str, sort: &str) -> TracesQuery {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        TracesQuery {
            experiment: None,
            run: None,
            search: text(search),
            status: None,
            sort: text(sort),
            page: None,
            limit: None,
        }
    }

    #[test]
    fn the_search_box_takes_filters_and_words() {
        assert_eq!(wish(&query("span.name LIKE 'a%'", "")).unwrap().conditions.len(), 1);
        assert_eq!(wish(&query("quick fox", "")).unwrap().words.as_deref(), Some("quick fox"));
        assert!(wish(&query("name = ", "")).is_err() && wish(&query("nope LIKE 'x'", "")).is_err());
    }

    #[test]
    fn sorts_become_order_clauses() {
        for sort in ["-started_at", "duration", "name", "-status"] {
            assert_eq!(wish(&query("", sort)).unwrap().order.len(), 1, "{sort}");
        }
        assert!(wish(&query("", "nope")).is_err());
    }
}
