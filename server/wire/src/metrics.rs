//! Metrics over time: names, series, range queries.

use std::collections::BTreeMap;

wire! {
    #[derive(Copy, Eq)]
    #[serde(rename_all = "snake_case")]
    pub enum MetricKind {
        /// Only grows, but for a new start: ask for its rate or increase.
        Counter,
        Gauge,
        /// Counts by upper bounds: ask for quantiles, or for the rate of `NAME_count`.
        Histogram,
    }

    /// One metric of `GET /api/v1/metrics/names`.
    pub struct MetricName {
        pub name: String,
        pub kind: MetricKind,
        pub help: String,
        /// How many series it has; of a histogram each bound is one.
        pub series: u64,
        /// The labels that its series have.
        pub labels: Vec<String>,
    }

    /// One series of `GET /api/v1/metrics/series` with its newest sample; without one when none came since the server started.
    pub struct MetricSeries {
        pub name: String,
        pub labels: BTreeMap<String, String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub at: Option<i64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub value: Option<f64>,
    }

    /// What becomes of the samples within a window.
    #[derive(Copy, Eq, Default)]
    #[serde(rename_all = "snake_case")]
    pub enum MetricFunction {
        #[default]
        Avg,
        Min,
        Max,
        Sum,
        Count,
        Last,
        /// Growth of a counter per second.
        Rate,
        /// Growth of a counter.
        Increase,
        /// Of a histogram, with `quantile`.
        Quantile,
    }

    /// How the values of several series become one.
    #[derive(Copy, Eq)]
    #[serde(rename_all = "snake_case")]
    pub enum MetricJoin {
        Sum,
        Avg,
        Min,
        Max,
    }

    /// `GET /api/v1/metrics/range`: values at `first_at` and then every `step_ms`.
    pub struct MetricRange {
        pub first_at: i64,
        pub step_ms: i64,
        pub window_ms: i64,
        /// What the values were made of: 5,000 (every sample), 60,000 or 3,600,000.
        pub resolution_ms: i64,
        pub series: Vec<MetricLine>,
    }

    /// A line of a chart. Absent values: nothing was sampled in that window.
    pub struct MetricLine {
        pub labels: BTreeMap<String, String>,
        pub values: Vec<Option<f64>>,
    }

    /// `GET /api/v1/metrics/marks`: what happened to deployments in a time, oldest first; the newest 200.
    pub struct MetricMarks {
        pub marks: Vec<MetricMark>,
    }

    /// A revision that came in, or a release that began or ended.
    pub struct MetricMark {
        pub at: i64,
        pub deployment: String,
        pub text: String,
    }

    /// `POST /api/v1/metrics`.
    #[serde(deny_unknown_fields)]
    pub struct PushMetrics {
        pub metrics: Vec<PushedMetric>,
    }

    /// How many values were at or below a bound.
    #[derive(Copy)]
    #[serde(deny_unknown_fields)]
    pub struct MetricBucket {
        pub le: f64,
        pub count: u64,
    }

    /// One value, or one histogram.
    #[serde(deny_unknown_fields)]
    pub struct PushedMetric {
        /// Letters, digits, `_` and `:`. A counter's name ends in `_total`, a unit stands before that: `samples_seen_total`.
        pub name: String,
        pub kind: MetricKind,
        #[serde(default)]
        pub help: String,
        #[serde(default)]
        pub labels: BTreeMap<String, String>,
        /// Of a gauge or counter.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub value: Option<f64>,
        /// Of a histogram: without the one for everything, which `count` is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub buckets: Option<Vec<MetricBucket>>,
        /// Of a histogram: the sum of all values.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub sum: Option<f64>,
        /// Of a histogram: how many there were, those above all bounds too.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub count: Option<u64>,
    }
}
