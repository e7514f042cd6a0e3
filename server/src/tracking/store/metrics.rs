//! Metric series and their points. A series is one (run, key); its row carries the latest point, by step, time, value.

use diesel::prelude::*;

use crate::{
    db::{
        Conn,
        schema::tracking::{metric_points as points, metrics, runs},
    },
    error::{Error, Result},
    tracking::{Metric, Point},
};

/// A point as it is kept: NaN has no place in a key, so it is a flag.
fn kept(value: f64) -> (f64, bool) {
    if value.is_nan() { (0.0, true) } else { (value, false) }
}

fn point(step: i64, at: i64, value: f64, is_nan: bool) -> Point {
    Point { step, at, value: if is_nan { f64::NAN } else { value } }
}

/// Appends points to the run's series. Equal points are kept once; each series' latest point moves on at most.
pub fn append(conn: &mut Conn, run: i64, all: &[Metric]) -> Result<()> {
    let mut by_key: Vec<(&str, Vec<&Metric>)> = Vec::new();
    let mut place = std::collections::HashMap::new();
    for metric in all {
        let at = *place.entry(metric.key.as_str()).or_insert_with(|| {
            by_key.push((metric.key.as_str(), Vec::new()));
            by_key.len() - 1
        });
        by_key[at].1.push(metric);
    }
    for (key, metrics) in by_key {
        append_series(conn, run, key, &metrics)?;
    }
    Ok(())
}

type Latest = (i64, i64, f64, bool);

fn order(latest: Latest) -> impl PartialOrd {
    (latest.0, latest.1, latest.2)
}

fn append_series(conn: &mut Conn, run: i64, key: &str, new: &[&Metric]) -> Result<()> {
    let mut latest: Option<Latest> = None;
    for metric in new {
        let (value, is_nan) = kept(metric.value);
        let candidate = (metric.step, metric.at, value, is_nan);
        if latest.is_none_or(|latest| order(candidate) > order(latest)) {
            latest = Some(candidate);
        }
    }
    let Some(latest) = latest else { return Ok(()) };
    let series = advance(conn, run, key, latest)?;
    for metric in new {
        let (value, is_nan) = kept(metric.value);
        diesel::insert_or_ignore_into(points::table)
            .values((
                points::series.eq(series),
                points::step.eq(metric.step),
                points::at.eq(metric.at),
                points::value.eq(value),
                points::is_nan.eq(is_nan),
            ))
            .execute(conn)
            .map_err(Error::internal)?;
    }
    Ok(())
}

/// The series' id, after its latest point moved on to `new` if that is later.
fn advance(conn: &mut Conn, run: i64, key: &str, new: Latest) -> Result<i64> {
    let known: Option<(i64, i64, i64, f64, bool)> = metrics::table
        .filter(metrics::run.eq(run))
        .filter(metrics::key.eq(key))
        .select((metrics::id, metrics::step, metrics::at, metrics::value, metrics::is_nan))
        .first(conn)
        .optional()
        .map_err(Error::internal)?;
    let (step, at, value, is_nan) = new;
    let latest = (metrics::step.eq(step), metrics::at.eq(at), metrics::value.eq(value), metrics::is_nan.eq(is_nan));
    match known {
        None => {
            let experiment = runs::table.find(run).select(runs::experiment_id).first::<i64>(conn);
            let experiment = metrics::experiment_id.eq(experiment.map_err(Error::internal)?);
            diesel::insert_into(metrics::table)
                .values((metrics::run.eq(run), metrics::key.eq(key), latest, experiment))
                .returning(metrics::id)
                .get_result(conn)
                .map_err(Error::internal)
        }
        Some((id, step, at, value, is_nan)) => {
            if order(new) > order((step, at, value, is_nan)) {
                diesel::update(metrics::table.find(id)).set(latest).execute(conn).map_err(Error::internal)?;
            }
            Ok(id)
        }
    }
}

/// Keys of the run's series with their ids, in the order they first appeared.
pub fn series_of(conn: &mut Conn, run: i64, key: Option<&str>) -> Result<Vec<(i64, String)>> {
    let mut query = metrics::table.filter(metrics::run.eq(run)).into_boxed();
    if let Some(key) = key {
        query = query.filter(metrics::key.eq(key));
    }
    query.order(metrics::key).select((metrics::id, metrics::key)).load(conn).map_err(Error::internal)
}

/// The series of (run, key), by the run's public id; the outer `None` when there is no such run.
pub fn series_by_run_id(conn: &mut Conn, run_id: &str, key: &str) -> Result<Option<Option<i64>>> {
    let run: Option<i64> =
        runs::table.filter(runs::run_id.eq(run_id)).select(runs::id).first(conn).optional().map_err(Error::internal)?;
    let Some(run) = run else { return Ok(None) };
    Ok(Some(series_of(conn, run, Some(key))?.first().map(|(id, _)| *id)))
}

/// Points in step order, of the steps within the bounds if there are any.
pub fn points(conn: &mut Conn, series: i64, steps: Option<(i64, i64)>) -> Result<Vec<Point>> {
    let mut query = points::table.filter(points::series.eq(series)).into_boxed();
    if let Some((from, to)) = steps {
        query = query.filter(points::step.between(from, to));
    }
    let rows: Vec<(i64, i64, f64, bool)> = query
        .order((points::step, points::at, points::value, points::is_nan))
        .select((points::step, points::at, points::value, points::is_nan))
        .load(conn)
        .map_err(Error::internal)?;
    Ok(rows.into_iter().map(|(step, at, value, is_nan)| point(step, at, value, is_nan)).collect())
}

/// Points in the order they were measured (time, step, value), a page of them.
pub fn points_by_time(conn: &mut Conn, series: i64, offset: i64, limit: i64) -> Result<Vec<Point>> {
    let rows: Vec<(i64, i64, f64, bool)> = points::table
        .filter(points::series.eq(series))
        .order((points::at, points::step, points::value))
        .limit(limit)
        .offset(offset)
        .select((points::step, points::at, points::value, points::is_nan))
        .load(conn)
        .map_err(Error::internal)?;
    Ok(rows.into_iter().map(|(step, at, value, is_nan)| point(step, at, value, is_nan)).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::tracking::testing;

    fn metric(step: i64, at: i64, value: f64) -> Metric {
        Metric { key: "loss".into(), step, at, value }
    }

    fn latest(conn: &mut Conn, run: i64) -> (i64, f64, bool) {
        metrics::table
            .filter(metrics::run.eq(run))
            .select((metrics::step, metrics::value, metrics::is_nan))
            .first(conn)
            .unwrap()
    }

    #[test]
    fn equal_points_are_kept_once_and_nan_and_infinity_come_back() {
        let mut conn = crate::db::testing::connection();
        let run = testing::run(&mut conn, "r1");
        let all = [
            metric(1, 5, 0.5),
            metric(1, 5, 0.5),
            metric(2, 6, f64::NAN),
            metric(2, 6, f64::NAN),
            metric(3, 7, f64::INFINITY),
        ];
        append(&mut conn, run, &all).unwrap();
        append(&mut conn, run, &all[..2]).unwrap();
        let series = series_of(&mut conn, run, Some("loss")).unwrap()[0].0;
        let kept = points(&mut conn, series, None).unwrap();
        assert_eq!(kept.len(), 3);
        assert!(kept[1].value.is_nan());
        assert_eq!(kept[2].value, f64::INFINITY);
    }

    #[test]
    fn the_latest_point_is_by_step_then_time_then_value() {
        let mut conn = crate::db::testing::connection();
        let run = testing::run(&mut conn, "r1");
        append(&mut conn, run, &[metric(5, 1, 1.0), metric(3, 9, 9.0)]).unwrap();
        assert_eq!(latest(&mut conn, run), (5, 1.0, false));
        append(&mut conn, run, &[metric(4, 99, 2.0)]).unwrap();
        assert_eq!(latest(&mut conn, run), (5, 1.0, false));
        append(&mut conn, run, &[metric(5, 1, 1.5)]).unwrap();
        assert_eq!(latest(&mut conn, run), (5, 1.5, false));
        append(&mut conn, run, &[metric(6, 0, f64::NAN)]).unwrap();
        assert_eq!(latest(&mut conn, run), (6, 0.0, true));
    }

    #[test]
    fn history_pages_follow_time() {
        let mut conn = crate::db::testing::connection();
        let run = testing::run(&mut conn, "r1");
        append(&mut conn, run, &[metric(2, 10, 2.0), metric(1, 20, 1.0), metric(3, 5, 3.0)]).unwrap();
        let series = series_of(&mut conn, run, None).unwrap()[0].0;
        let steps: Vec<i64> = points_by_time(&mut conn, series, 1, 5).unwrap().iter().map(|p| p.step).collect();
        assert_eq!(steps, [2, 1]);
        assert_eq!(points(&mut conn, series, Some((2, 3))).unwrap().len(), 2);
    }
}
