//! Series over HTTP: parse, authorize, call, wrap.

use std::collections::{BTreeMap, BTreeSet};

use actix_web::{get, web};
use drydock_wire::metrics::{
    MetricFunction, MetricJoin, MetricKind, MetricLine, MetricName, MetricRange, MetricSeries,
};
use serde::Deserialize;
use utoipa_actix_web::service_config::ServiceConfig;

use super::query::{Asked, Function, Grouping};
use super::windows::Join;
use super::{Metrics, Selector};
use crate::accounts::{self, Principal, action};
use crate::app::App;
use crate::clock;
use crate::error::{Error, Result};

/// Values of a line when no step is asked for.
const USUAL_POINTS: i64 = 300;
/// The window of a rate when none is asked for and the step is smaller.
const USUAL_RATE_WINDOW_S: i64 = 60;
const MOST_LISTED: usize = 1_000;
const MOST_SECONDS: i64 = 3 * 366 * 86_400;

/// Mounts the routes under `/api/v1`.
pub fn configure(config: &mut ServiceConfig<'_>) {
    config.service(names).service(series).service(range);
}

/// The figures name jobs and deployments of every project, so they are for who sees them all.
fn may_look(who: &Principal) -> Result<()> {
    accounts::authorize(who, action::View, &who.project)?;
    match who.reach.sees_all() {
        true => Ok(()),
        false => Err(Error::forbidden("These figures name what is in every project, and you do not see all of them.")),
    }
}

/// All metrics by name, with their kind, what they mean and the labels that they have.
#[utoipa::path(tag = "metrics", responses((status = 200, body = Vec<MetricName>)))]
#[get("/metrics/names")]
async fn names(app: web::Data<App>, who: Principal) -> Result<web::Json<Vec<MetricName>>> {
    may_look(&who)?;
    Ok(web::Json(super::of(&app).names()))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct SeriesAsked {
    /// Which: `name{label="value",other=~"expression"}`.
    #[serde(rename = "match")]
    of: String,
}

/// The series that match, each with its newest sample; at most 1,000.
#[utoipa::path(tag = "metrics", params(SeriesAsked), responses((status = 200, body = Vec<MetricSeries>)))]
#[get("/metrics/series")]
async fn series(
    app: web::Data<App>,
    who: Principal,
    asked: web::Query<SeriesAsked>,
) -> Result<web::Json<Vec<MetricSeries>>> {
    may_look(&who)?;
    let of = Selector::parse(&asked.of)?;
    Ok(web::Json(super::of(&app).list(&of, MOST_LISTED)))
}

#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RangeAsked {
    /// Which: `name{label="value",other=~"expression"}`.
    #[serde(rename = "match")]
    of: String,
    /// `avg` if not said.
    function: Option<MetricFunction>,
    /// For the function `quantile`, 0 to 1; 0.95 if not said.
    quantile: Option<f64>,
    /// Labels to join by, with commas between; `by=` joins all to one. Not said: each series by itself.
    by: Option<String>,
    /// How series are joined; if not said, `sum` for rates and counts, else `avg`.
    join: Option<MetricJoin>,
    /// In milliseconds since 1970; an hour before `until` if not said.
    from: Option<i64>,
    /// In the place of `from`: so many seconds before `until`.
    last_s: Option<i64>,
    /// Now, if not said.
    until: Option<i64>,
    /// Seconds between two values, at least 5; such that there are about 300 if not said.
    step_s: Option<i64>,
    /// Seconds that each value looks back; the step if not said, for rates at least a minute.
    window_s: Option<i64>,
}

/// Values over time of the series that match.
#[utoipa::path(tag = "metrics", params(RangeAsked), responses((status = 200, body = MetricRange)))]
#[get("/metrics/range")]
async fn range(app: web::Data<App>, who: Principal, asked: web::Query<RangeAsked>) -> Result<web::Json<MetricRange>> {
    may_look(&who)?;
    let now = clock::now_ms();
    let asked = question(&asked, now)?;
    let metrics = super::of(&app);
    let window_ms = asked.window_ms;
    let work = move || super::query::range(&metrics, &asked, now);
    let answer = tokio::task::spawn_blocking(work).await.map_err(Error::internal)??;
    let line = |line: super::query::Line| MetricLine { labels: line.labels, values: line.values };
    Ok(web::Json(MetricRange {
        first_at: answer.first_at,
        step_ms: answer.step_ms,
        window_ms,
        resolution_ms: answer.resolution.width_ms(),
        series: answer.lines.into_iter().map(line).collect(),
    }))
}

fn question(asked: &RangeAsked, now: i64) -> Result<Asked> {
    let until = asked.until.unwrap_or(now);
    let seconds = |name: &str, value: i64| {
        if (5..=MOST_SECONDS).contains(&value) {
            Ok(value)
        } else {
            Err(Error::invalid(format!("{name} is a number of seconds from 5 to {MOST_SECONDS}.")))
        }
    };
    let last_s = asked.last_s.map_or(Ok(3_600), |last| seconds("last_s", last))?;
    let from = asked.from.unwrap_or(until.saturating_sub(last_s * 1000));
    if from < -MOST_SECONDS * 1000 || until > now.saturating_add(MOST_SECONDS * 10_000) || until < from {
        return Err(Error::invalid("from and until are milliseconds since 1970, from the earlier one first."));
    }
    let step_s = asked.step_s.map_or_else(|| Ok(usual_step_s(until - from)), |step| seconds("step_s", step))?;
    let function = function(asked.function.unwrap_or_default());
    let is_rate = matches!(function, Function::Rate | Function::Quantile);
    let usual_window = if is_rate { step_s.max(USUAL_RATE_WINDOW_S) } else { step_s };
    let window_s = asked.window_s.map_or(Ok(usual_window), |window| seconds("window_s", window))?;
    Ok(Asked {
        of: Selector::parse(&asked.of)?,
        function,
        quantile: asked.quantile.unwrap_or(0.95),
        grouping: grouping(asked, function),
        from,
        until,
        step_ms: step_s * 1000,
        window_ms: window_s * 1000,
    })
}

/// A step that people count in.
fn usual_step_s(range_ms: i64) -> i64 {
    let wanted = range_ms / 1000 / USUAL_POINTS;
    let known = [5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 21_600, 43_200];
    known.into_iter().find(|step| *step >= wanted).unwrap_or(86_400)
}

fn function(of: MetricFunction) -> Function {
    match of {
        MetricFunction::Avg => Function::Avg,
        MetricFunction::Min => Function::Min,
        MetricFunction::Max => Function::Max,
        MetricFunction::Sum => Function::Sum,
        MetricFunction::Count => Function::Count,
        MetricFunction::Last => Function::Last,
        MetricFunction::Rate => Function::Rate,
        MetricFunction::Increase => Function::Increase,
        MetricFunction::Quantile => Function::Quantile,
    }
}

fn grouping(asked: &RangeAsked, function: Function) -> Option<Grouping> {
    let by = asked.by.as_ref()?;
    let by = by.split(',').map(str::trim).filter(|label| !label.is_empty()).map(str::to_owned).collect();
    let usual = match function {
        Function::Rate | Function::Increase | Function::Sum | Function::Count => MetricJoin::Sum,
        _ => MetricJoin::Avg,
    };
    let join = match asked.join.unwrap_or(usual) {
        MetricJoin::Sum => Join::Sum,
        MetricJoin::Avg => Join::Avg,
        MetricJoin::Min => Join::Min,
        MetricJoin::Max => Join::Max,
    };
    Some(Grouping { by, join })
}

impl Metrics {
    fn names(&self) -> Vec<MetricName> {
        let Ok(store) = self.store() else { return vec![] };
        let live = super::lock(&store.live);
        let mut found: BTreeMap<&str, (u64, BTreeSet<&str>)> = BTreeMap::new();
        for one in live.series.values() {
            let name = one.identity.name.as_str();
            let bare = ["_bucket", "_sum", "_count"].iter().find_map(|ending| name.strip_suffix(ending));
            let family = bare.filter(|bare| live.families.contains_key(*bare)).unwrap_or(name);
            let of = found.entry(family).or_default();
            of.0 += 1;
            of.1.extend(one.identity.labels.keys().map(String::as_str).filter(|label| *label != "le"));
        }
        let name = |(name, (count, labels)): (&str, (u64, BTreeSet<&str>))| {
            let (kind, help, _) = live.families.get(name)?;
            let kind = match kind.as_str() {
                "counter" => MetricKind::Counter,
                "histogram" => MetricKind::Histogram,
                _ => MetricKind::Gauge,
            };
            let labels = labels.into_iter().map(str::to_owned).collect();
            Some(MetricName { name: name.to_owned(), kind, help: help.clone(), series: count, labels })
        };
        found.into_iter().filter_map(name).collect()
    }

    fn list(&self, of: &Selector, most: usize) -> Vec<MetricSeries> {
        let Ok(store) = self.store() else { return vec![] };
        let live = super::lock(&store.live);
        let told = |(id, identity): (i64, std::sync::Arc<super::Identity>)| {
            let last = live.last(id);
            let (name, labels) = (identity.name.clone(), identity.labels.clone());
            MetricSeries { name, labels, at: last.map(|(at, _)| at), value: last.map(|(_, value)| value) }
        };
        live.matching(of).into_iter().take(most).map(told).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn asked(of: &str) -> RangeAsked {
        RangeAsked { of: of.into(), ..RangeAsked::default() }
    }

    #[test]
    fn what_is_not_said_is_an_hour_in_about_three_hundred_values() {
        let found = question(&asked("up"), 7_200_000).unwrap();
        assert_eq!((found.from, found.until, found.step_ms, found.window_ms), (3_600_000, 7_200_000, 15_000, 15_000));
        let rate = RangeAsked { function: Some(MetricFunction::Rate), by: Some("a, b".into()), ..asked("up") };
        let found = question(&rate, 7_200_000).unwrap();
        assert_eq!(found.window_ms, 60_000);
        assert_eq!(found.grouping.unwrap(), Grouping { by: vec!["a".into(), "b".into()], join: Join::Sum });
    }

    #[test]
    fn odd_questions_are_refused_before_anything_is_read() {
        let refused = |asked: RangeAsked| question(&asked, 1_800_000_000_000).unwrap_err().message;
        for step in [0, -5, i64::MAX, i64::MIN] {
            assert!(refused(RangeAsked { step_s: Some(step), ..asked("up") }).contains("step_s"));
            assert!(refused(RangeAsked { window_s: Some(step), ..asked("up") }).contains("window_s"));
        }
        for (from, until) in [(i64::MIN, 0), (0, i64::MAX), (5, 4)] {
            let wish = RangeAsked { from: Some(from), until: Some(until), ..asked("up") };
            assert!(refused(wish).contains("milliseconds"), "{from} {until}");
        }
    }
}
