//! `traces/metrics` and `traces/calculate-filter-correlation`: figures for charts.

use actix_web::web;
use serde_json::{Value as Json, json};

use crate::{
    app::App,
    error::{Error, Result},
    traces::{
        self, names,
        store::metrics::{Aggregate, Only, Point, Question, View, answer},
    },
    tracking::{
        mlflow::{Answer, Args, Who, missing, mistyped, ok},
        search::{self, Entity, Grammar, Op, Operand},
    },
};

const MAX_POINTS: i64 = 1000;

pub fn configure(cfg: &mut web::ServiceConfig, base: &str) {
    cfg.route(&format!("{base}/traces/metrics"), web::post().to(metrics));
    cfg.route(&format!("{base}/traces/calculate-filter-correlation"), web::post().to(correlation));
}

async fn correlation(app: web::Data<App>, who: Who, args: Args) -> Answer {
    let auth = who.view()?;
    let experiments = experiments(&args)?;
    let (first, second) = (args.required("filter_string1")?, args.required("filter_string2")?);
    let base = args.filled("base_filter")?;
    let found = traces::correlation(&app, &auth, experiments, (&first, &second), base.as_deref()).await?;
    let mut view = json!({
        "filter1_count": found.first,
        "filter2_count": found.second,
        "joint_count": found.both,
        "total_count": found.total,
    });
    for (key, figure) in [("npmi", found.npmi), ("npmi_smoothed", found.smoothed)] {
        if !figure.is_nan() {
            view[key] = json!(figure);
        }
    }
    ok(view)
}

fn experiments(args: &Args) -> Result<Vec<i64>> {
    let experiments = args.experiment_ids("experiment_ids")?;
    if experiments.is_empty() { Err(missing("experiment_ids")) } else { Ok(experiments) }
}

async fn metrics(app: web::Data<App>, who: Who, args: Args) -> Answer {
    who.view()?;
    let question = question(&args)?;
    let labels: Vec<String> = question.aggregates.iter().map(label).collect();
    let (metric, dimensions) = (question.metric.clone(), question.dimensions.clone());
    // Of no traces there are none, which is a figure, too, where nothing is asked about each of something.
    let none = (question.dimensions.is_empty() && question.interval_ms.is_none())
        .then(|| question.aggregates.iter().map(|one| matches!(one, Aggregate::Count).then_some(0.0)).collect());
    let mut points = app.db.read(move |conn| answer(conn, &question)).await?;
    if let Some(figures) = none.filter(|all: &Vec<Option<f64>>| points.is_empty() && all.iter().any(Option::is_some)) {
        points.push(Point { bucket_ms: None, dimensions: Vec::new(), figures });
    }
    let views: Vec<Json> = points.iter().map(|point| view(point, &metric, &dimensions, &labels)).collect();
    ok(super::view::page("data_points", views, None))
}

fn view(point: &Point, metric: &str, dimensions: &[String], labels: &[String]) -> Json {
    let mut view = json!({"metric_name": metric, "values": {}});
    for (label, figure) in labels.iter().zip(&point.figures) {
        if let Some(figure) = figure {
            view["values"][label] = json!(figure);
        }
    }
    if let Some(ms) = point.bucket_ms {
        let at = jiff::Timestamp::from_millisecond(ms).unwrap_or_default();
        view["dimensions"]["time_bucket"] = json!(at.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string());
    }
    for (name, value) in dimensions.iter().zip(&point.dimensions) {
        view["dimensions"][name] = json!(value);
    }
    view
}

/// As MLflow names a figure: `AVG`, `P95.0`.
fn label(aggregate: &Aggregate) -> String {
    match aggregate {
        Aggregate::Percentile(percent) => format!("P{percent:?}"),
        other => word(other).to_owned(),
    }
}

fn word(aggregate: &Aggregate) -> &'static str {
    match aggregate {
        Aggregate::Count => "COUNT",
        Aggregate::Sum => "SUM",
        Aggregate::Average => "AVG",
        Aggregate::Percentile(_) => "PERCENTILE",
        Aggregate::Min => "MIN",
        Aggregate::Max => "MAX",
    }
}

/// A metric, the aggregates it has, and what it can be grouped by.
type Metric = (&'static str, &'static [&'static str], &'static [&'static str]);

const COUNT: &[&str] = &["COUNT"];
const RANGE: &[&str] = &["AVG", "MAX", "MIN", "PERCENTILE"];
const AMOUNT: &[&str] = &["AVG", "MAX", "MIN", "PERCENTILE", "SUM"];
const TRACES: &[Metric] = &[
    ("trace_count", COUNT, &["trace_name", "trace_status"]),
    ("session_count", COUNT, &[]),
    ("latency", RANGE, &["trace_name"]),
    ("input_tokens", AMOUNT, &["trace_name"]),
    ("output_tokens", AMOUNT, &["trace_name"]),
    ("total_tokens", AMOUNT, &["trace_name"]),
    ("cache_read_input_tokens", AMOUNT, &["trace_name"]),
    ("cache_creation_input_tokens", AMOUNT, &["trace_name"]),
];
const SPANS: &[Metric] = &[
    ("span_count", COUNT, &["span_model_name", "span_model_provider", "span_name", "span_status", "span_type"]),
    ("latency", RANGE, &["span_name", "span_status"]),
    ("input_cost", AMOUNT, &["span_model_name", "span_model_provider"]),
    ("output_cost", AMOUNT, &["span_model_name", "span_model_provider"]),
    ("total_cost", AMOUNT, &["span_model_name", "span_model_provider"]),
];
const ASSESSMENTS: &[Metric] = &[
    ("assessment_count", COUNT, &["assessment_name", "assessment_value"]),
    ("assessment_value", RANGE, &["assessment_name"]),
];

fn question(args: &Args) -> Result<Question> {
    let experiments = experiments(args)?;
    let view = match args.raw("view_type").filter(|value| !value.is_null()) {
        None => return Err(missing("view_type")),
        Some(value) => match value.as_str().map_or_else(|| value.to_string(), str::to_owned).as_str() {
            "TRACES" | "1" => View::Traces,
            "SPANS" | "2" => View::Spans,
            "ASSESSMENTS" | "3" => View::Assessments,
            _ => return Err(mistyped("view_type", value)),
        },
    };
    let metric = args.required("metric_name")?;
    let asked = args.list("aggregations")?;
    if asked.is_empty() {
        return Err(missing("aggregations"));
    }
    let aggregates = asked.iter().map(aggregate).collect::<Result<Vec<_>>>()?;
    let dimensions = args.texts("dimensions")?;
    allowed(view, &metric, &aggregates, &dimensions)?;
    let interval_ms = args.int("time_interval_seconds")?.filter(|seconds| *seconds > 0).map(|s| s.saturating_mul(1000));
    let (from_ms, to_ms) = (args.int("start_time_ms")?, args.int("end_time_ms")?);
    if interval_ms.is_some() && (from_ms.is_none() || to_ms.is_none()) {
        return Err(Error::invalid("start_time_ms and end_time_ms are required if time_interval_seconds is set"));
    }
    let only = args.texts("filters")?.iter().map(|filter| only(filter, view)).collect::<Result<Vec<_>>>()?;
    let most = args.int("max_results")?.unwrap_or(MAX_POINTS).clamp(1, MAX_POINTS);
    Ok(Question { view, metric, aggregates, dimensions, only, experiments, interval_ms, from_ms, to_ms, most })
}

fn aggregate(asked: &Json) -> Result<Aggregate> {
    let kind = asked.get("aggregation_type").unwrap_or(&Json::Null);
    Ok(match kind.as_str().map_or_else(|| kind.to_string(), str::to_owned).as_str() {
        "COUNT" | "1" => Aggregate::Count,
        "SUM" | "2" => Aggregate::Sum,
        "AVG" | "3" => Aggregate::Average,
        "PERCENTILE" | "4" => {
            let percent = asked.get("percentile_value").and_then(Json::as_f64);
            let percent = percent.filter(|percent| (0.0..=100.0).contains(percent));
            Aggregate::Percentile(percent.ok_or_else(|| {
                Error::invalid("Percentile value must be between 0 and 100 for PERCENTILE aggregation")
            })?)
        }
        "MIN" | "5" => Aggregate::Min,
        "MAX" | "6" => Aggregate::Max,
        _ => return Err(mistyped("aggregations.aggregation_type", kind)),
    })
}

fn allowed(view: View, metric: &str, aggregates: &[Aggregate], dimensions: &[String]) -> Result<()> {
    let metrics = match view {
        View::Traces => TRACES,
        View::Spans => SPANS,
        View::Assessments => ASSESSMENTS,
    };
    let Some((_, kinds, groups)) = metrics.iter().find(|(name, ..)| *name == metric) else {
        let names: Vec<&str> = metrics.iter().map(|(name, ..)| *name).collect();
        return Err(Error::invalid(format!("metric_name must be one of {}, got '{metric}'", listed(&names))));
    };
    let wrong: Vec<&str> = aggregates.iter().map(word).filter(|word| !kinds.contains(word)).collect();
    if !wrong.is_empty() {
        return Err(Error::invalid(format!(
            "Found invalid aggregation_type(s): {}. Supported aggregation types: {}",
            listed(&wrong),
            listed(kinds)
        )));
    }
    let wrong: Vec<&str> = dimensions.iter().map(String::as_str).filter(|name| !groups.contains(name)).collect();
    if !wrong.is_empty() {
        return Err(Error::invalid(format!(
            "Found invalid dimension(s): {}. Supported dimensions: {}",
            listed(&wrong),
            listed(groups)
        )));
    }
    Ok(())
}

fn listed(names: &[&str]) -> String {
    format!("[{}]", names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", "))
}

/// `trace.status = 'OK'`, `trace.tag.x = 'y'`, `span.name = 'z'`: the language of searches with three prefixes, whose keys
/// are all free here and read below.
const FILTERS: Grammar = Grammar {
    entities: &[],
    text_attributes: &[],
    numeric_attributes: &[],
    list_attributes: &[],
    order_attributes: &[],
    nullable: &[],
    prefixes: &[("trace", Entity::Tag), ("span", Entity::Metadata), ("assessment", Entity::Param)],
    regexes: false,
};

fn only(filter: &str, view: View) -> Result<Only> {
    let conditions = search::parse(filter, &FILTERS)?;
    let [condition] = conditions.as_slice() else {
        return Err(Error::invalid(format!("Invalid filter: '{filter}'. Expected one filter clause.")));
    };
    let (Op::Eq, Operand::Text(value)) = (condition.op, &condition.value) else {
        return Err(Error::invalid(format!("Invalid comparator in filter: '{filter}'. Only '=' is supported.")));
    };
    let (value, key) = (value.clone(), condition.key.as_str());
    let (what, inner) = key.split_once('.').unwrap_or((key, ""));
    let unknown = || Error::invalid(format!("Invalid entity '{key}' in filter: '{filter}'"));
    match (condition.entity, what) {
        (Entity::Tag, "status") => Ok(Only::Status(value)),
        (Entity::Tag, "tag") if inner == names::NAME_TAG => Ok(Only::Name(value)),
        (Entity::Tag, "tag") if !inner.is_empty() => Ok(Only::Tag(inner.to_owned(), value)),
        (Entity::Tag, "metadata") if inner == names::RUN => Ok(Only::Run(value)),
        (Entity::Tag, "metadata") if !inner.is_empty() => Ok(Only::Metadata(inner.to_owned(), value)),
        (Entity::Metadata, _) if view != View::Spans => {
            Err(Error::invalid("Filtering by span is only supported for SPANS view type"))
        }
        (Entity::Metadata, "name") => Ok(Only::SpanName(value)),
        (Entity::Metadata, "status") => Ok(Only::SpanStatus(value)),
        (Entity::Metadata, "type") => Ok(Only::SpanKind(value)),
        (Entity::Param, _) if view != View::Assessments => {
            Err(Error::invalid("Filtering by assessment is only supported for ASSESSMENTS view type"))
        }
        (Entity::Param, "name") => Ok(Only::AssessmentName(value)),
        (Entity::Param, "type") => Ok(Only::AssessmentKind(value)),
        _ => Err(unknown()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn filters_of_figures_are_read() {
        assert_eq!(only("trace.status = \"OK\"", View::Spans).unwrap(), Only::Status("OK".into()));
        let tag = Only::Tag("a.b".into(), "c".into());
        assert_eq!(only("trace.tag.a.b = 'c'", View::Traces).unwrap(), tag);
        assert!(only("span.name = 'x'", View::Traces).is_err() && only("trace.status != 'x'", View::Traces).is_err());
        assert!(only("trace.status = 'a' AND trace.status = 'b'", View::Traces).is_err());
    }

    #[test]
    fn metrics_have_their_own_aggregates() {
        assert_eq!(label(&Aggregate::Percentile(95.0)), "P95.0");
        assert!(allowed(View::Traces, "latency", &[Aggregate::Sum], &[]).is_err());
        assert!(allowed(View::Traces, "latency", &[Aggregate::Min], &["trace_name".into()]).is_ok());
        let error = allowed(View::Assessments, "nope", &[], &[]).unwrap_err().message;
        assert_eq!(error, "metric_name must be one of ['assessment_count', 'assessment_value'], got 'nope'");
    }
}
