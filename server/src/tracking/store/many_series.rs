//! One metric of many runs, in two queries whatever their number: sampled while it is read, so that five hundred histories of
//! a hundred thousand points cost what five hundred short ones do.

use std::collections::HashMap;

use diesel::{RunQueryDsl, sql_types::*};

use super::json_ids;
use crate::{
    db::Conn,
    error::{Error, Result},
    tracking::{Point, search::sql::Fragment},
};

#[derive(diesel::QueryableByName)]
struct SeriesRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = BigInt)]
    run: i64,
    #[diesel(sql_type = BigInt)]
    first: i64,
    #[diesel(sql_type = BigInt)]
    last: i64,
}

#[derive(diesel::QueryableByName)]
struct PointRow {
    #[diesel(sql_type = BigInt)]
    series: i64,
    #[diesel(sql_type = BigInt)]
    step: i64,
    #[diesel(sql_type = BigInt)]
    at: i64,
    #[diesel(sql_type = Double)]
    value: f64,
    #[diesel(sql_type = Bool)]
    is_nan: bool,
}

/// Points of the metric by run's surrogate id, in step order. A series whose steps span more than `most` gives one point of
/// each stride, and always its last.
pub fn sampled(conn: &mut Conn, runs: &[i64], key: &str, most: i64) -> Result<HashMap<i64, Vec<Point>>> {
    let series = series_of(conn, runs, key)?;
    let targets: Vec<serde_json::Value> = series
        .iter()
        .map(|row| {
            serde_json::json!([row.id, (row.last.saturating_sub(row.first) / most.max(1)).max(1), row.first, row.last])
        })
        .collect();
    // Each step found leads to the next by one descent of the key; nothing between them is read.
    let mut query = Fragment::new(
        "WITH RECURSIVE walk (series, stride, step, last) AS (
           SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?)
           UNION ALL
           SELECT series, stride, coalesce((SELECT min(p.step) FROM metric_points p
                                   WHERE p.series = walk.series AND p.step >= walk.step + walk.stride), last), last
           FROM walk WHERE step < last
         )
         SELECT p.series, p.step, p.at, p.value, p.is_nan
         FROM walk CROSS JOIN metric_points p ON p.series = walk.series AND p.step = walk.step",
    );
    query.text(serde_json::Value::from(targets).to_string());
    let rows: Vec<PointRow> = query.query().load(conn).map_err(Error::internal)?;
    let run_of: HashMap<i64, i64> = series.iter().map(|row| (row.id, row.run)).collect();
    let mut found: HashMap<i64, Vec<Point>> = HashMap::new();
    for row in rows {
        let Some(run) = run_of.get(&row.series) else { continue };
        let value = if row.is_nan { f64::NAN } else { row.value };
        found.entry(*run).or_default().push(Point { step: row.step, at: row.at, value });
    }
    for points in found.values_mut() {
        points.sort_by_key(|point| (point.step, point.at));
    }
    Ok(found)
}

fn series_of(conn: &mut Conn, runs: &[i64], key: &str) -> Result<Vec<SeriesRow>> {
    let mut query = Fragment::new(
        "SELECT m.id, m.run, (SELECT min(p.step) FROM metric_points p WHERE p.series = m.id) AS first, m.step AS last
         FROM json_each(?) wanted CROSS JOIN metrics m ON m.run = wanted.value AND m.key = ?
         WHERE EXISTS (SELECT 1 FROM metric_points p WHERE p.series = m.id)",
    );
    query.text(json_ids(runs)).text(key);
    query.query().load(conn).map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::tracking::{Metric, store::metrics, testing};

    fn logged(conn: &mut Conn, name: &str, steps: impl Iterator<Item = i64>) -> i64 {
        let run = testing::run(conn, name);
        let all: Vec<Metric> =
            steps.map(|step| Metric { key: "loss".into(), step, at: step, value: step as f64 }).collect();
        metrics::append(conn, run, &all).unwrap();
        run
    }

    #[test]
    fn short_series_come_whole_and_long_ones_sampled_with_both_ends() {
        let mut conn = crate::db::testing::connection();
        let short = logged(&mut conn, "short", 0..10);
        let long = logged(&mut conn, "long", 0..5000);
        let sparse = logged(&mut conn, "sparse", [0, 7, 100_000].into_iter());
        let none = testing::run(&mut conn, "none");
        let found = sampled(&mut conn, &[short, long, sparse, none], "loss", 100).unwrap();
        assert_eq!(found[&short].len(), 10);
        let steps: Vec<i64> = found[&long].iter().map(|p| p.step).collect();
        assert!((90..=110).contains(&steps.len()), "{}", steps.len());
        assert_eq!((steps[0], steps[steps.len() - 1]), (0, 4999));
        assert!(steps.windows(2).all(|pair| pair[0] < pair[1]));
        let sparse: Vec<i64> = found[&sparse].iter().map(|p| p.step).collect();
        assert_eq!((sparse[0], sparse[sparse.len() - 1]), (0, 100_000));
        assert!(!found.contains_key(&none));
    }
}
