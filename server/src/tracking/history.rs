//! How a run's metrics are read: point by point, or so many of them that a chart has its shape.

use super::{
    Point,
    runs::{absent, cut},
    store::{metrics, search::Window},
};
use crate::{
    accounts::{Authorized, action},
    app::App,
    error::Result,
};

type View = Authorized<action::View>;

/// A metric's points by time, a page of them, and the offset of the next page. Empty when the run has no such metric.
pub async fn history(
    app: &App,
    _auth: &View,
    run_id: String,
    key: String,
    offset: i64,
    limit: Option<i64>,
) -> Result<(Vec<Point>, Option<i64>)> {
    app.db
        .read(move |conn| {
            let series = metrics::series_by_run_id(conn, &run_id, &key)?.ok_or_else(|| absent(&run_id))?;
            let Some(series) = series else { return Ok((Vec::new(), None)) };
            let Some(limit) = limit else {
                return Ok((metrics::points_by_time(conn, series, offset, -1)?, None));
            };
            let window = Window { offset, limit: limit + 1 };
            let mut points = metrics::points_by_time(conn, series, offset, window.limit)?;
            let next = cut(&mut points, window);
            Ok((points, next))
        })
        .await
}

/// Per run, at most `most` points of the metric in step order, evenly picked, first and last always among them.
pub async fn sampled_history(
    app: &App,
    _auth: &View,
    run_ids: Vec<String>,
    key: String,
    steps: Option<(i64, i64)>,
    most: usize,
) -> Result<Vec<(String, Vec<Point>)>> {
    app.db
        .read(move |conn| {
            let mut all = Vec::with_capacity(run_ids.len());
            for run_id in run_ids {
                let series = metrics::series_by_run_id(conn, &run_id, &key)?.ok_or_else(|| absent(&run_id))?;
                let points = match series {
                    Some(series) => metrics::points(conn, series, steps)?,
                    None => Vec::new(),
                };
                all.push((run_id, evenly(&points, most)));
            }
            Ok(all)
        })
        .await
}

/// The first of each of `most` equal shares, the last point in place of the last one: MLflow's own choice.
fn evenly(points: &[Point], most: usize) -> Vec<Point> {
    if points.len() <= most {
        return points.to_vec();
    }
    let (share, longer) = (points.len() / most.max(1), points.len() % most.max(1));
    let mut few: Vec<Point> = (0..most).map(|index| points[index * share + index.min(longer)]).collect();
    if let (Some(end), Some(last)) = (few.last_mut(), points.last()) {
        *end = *last;
    }
    few
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_keep_both_ends() {
        let points: Vec<Point> = (0..1000).map(|i| Point { step: i, at: i, value: 0.0 }).collect();
        let few = evenly(&points, 7);
        assert_eq!((few.len(), few[0].step, few[6].step), (7, 0, 999));
        assert_eq!(evenly(&points, 1)[0].step, 999);
        assert_eq!(evenly(&points, 5000).len(), 1000);
    }
}
