//! What a release measured of its two variants, and how sure one can be of a difference.
//!
//! Intervals hold with 95 %; a difference is the candidate's value less the live one's. Requests are counted one by one: where a
//! few callers make most of them, intervals are too narrow.

use super::Release;

wire! {
    /// `GET /api/v1/deployments/{name}/experiment`: the A/B test, shadow or canary that goes on, else the last one; with
    /// `?release={id}` that one.
    pub struct ExperimentPage {
        pub experiment: Option<Experiment>,
        /// All that were measured, newest first.
        pub all: Vec<ExperimentName>,
    }

    pub struct ExperimentName {
        /// Of the release.
        pub id: String,
        /// `ab`, `shadow` or `canary`.
        pub strategy: String,
        pub revision: i64,
        pub began_at: i64,
        pub ended_at: Option<i64>,
    }

    pub struct Experiment {
        pub release: Release,
        pub live: Variant,
        pub candidate: Variant,
        /// Of the success rates, in points of percent; a two-proportion z-test. Absent without requests to both.
        pub success: Option<Difference>,
        pub metrics: Vec<MetricComparison>,
        /// Of an A/B test: whether the callers were shared out as planned.
        pub split: Option<Split>,
        /// Of a shadow: how the answers compare.
        pub agreement: Option<Agreement>,
    }

    pub struct Variant {
        pub revision: i64,
        pub model: String,
        pub version: i64,
        /// Percent of the requests that it is to get; of a shadow's candidate, of the copies.
        pub weight: u32,
        pub requests: u64,
        /// Answers of 500 and above, and none.
        pub failed: u64,
        /// Answers of 400 to 499.
        pub refused: u64,
        /// Percent of the requests that did not fail, with Wilson's interval.
        pub success_rate: Option<Interval>,
        /// Quantiles with the interval between order statistics.
        pub p50_ms: Option<Interval>,
        pub p95_ms: Option<Interval>,
        pub p99_ms: Option<Interval>,
    }

    #[derive(Copy)]
    pub struct Interval {
        pub value: f64,
        pub low: f64,
        pub high: f64,
    }

    #[derive(Copy)]
    pub struct Difference {
        pub value: f64,
        pub low: f64,
        pub high: f64,
        /// How often chance alone gives at least that much; two-sided. Absent where neither side varies.
        pub p_value: Option<f64>,
    }

    /// A metric that callers report.
    pub struct MetricComparison {
        pub metric: String,
        pub live: MetricMean,
        pub candidate: MetricMean,
        /// Of the means, by Welch's t-test; absent with fewer than two reports of either.
        pub difference: Option<Difference>,
    }

    pub struct MetricMean {
        pub reports: u64,
        /// With Student's interval; absent with fewer than two reports.
        pub mean: Option<Interval>,
        pub standard_deviation: Option<f64>,
    }

    /// A sample ratio mismatch means that something else than chance decides who gets what: do not trust the rest.
    pub struct Split {
        /// What is counted: `callers`, `header values`, `cookies` or `requests`.
        pub of: String,
        pub live: u64,
        pub candidate: u64,
        /// Percent that the candidate is to get.
        pub expected: f64,
        /// Of the chi-squared test; absent while nothing was counted.
        pub p_value: Option<f64>,
        /// The p-value is under 0.001.
        pub mismatch: bool,
        /// More were not told apart: the counts are of the first ones.
        pub capped: bool,
    }

    pub struct Agreement {
        /// Pairs of answers that were compared: the sum of the next four.
        pub compared: u64,
        pub equal: u64,
        /// Numbers differ, within the tolerance.
        pub near: u64,
        pub different: u64,
        /// The candidate did not answer, or with 500 and above.
        pub failed: u64,
        /// Copies that were not sent, because too many were under way.
        pub dropped: u64,
        /// Requests that cannot be compared: too large, streamed, or failed by the live revision itself.
        pub skipped: u64,
        /// Percent of the compared that are equal or near.
        pub rate: Option<Interval>,
        /// The largest difference of two numbers that was seen.
        pub largest_difference: Option<f64>,
        /// The newest answers that are different or failed.
        pub examples: Vec<Disagreement>,
    }

    pub struct Disagreement {
        pub at: i64,
        pub request_id: String,
        /// What was asked for, as `/invocations`.
        pub path: String,
        /// `different` or `failed`.
        pub how: String,
        pub live_status: u16,
        pub candidate_status: Option<u16>,
        /// The first places where the answers differ.
        pub places: Vec<DifferentPlace>,
    }

    pub struct DifferentPlace {
        /// JSON pointer, as `/predictions/0`; empty: the whole answer.
        pub at: String,
        pub live: String,
        pub candidate: String,
    }

    /// `POST /serve/{deployment}/metric`: what came of an answer. Exactly one of `request_id`, `key` and `revision` says whose it
    /// was.
    #[serde(deny_unknown_fields)]
    pub struct ReportMetric {
        /// A name as `conversion`.
        pub metric: String,
        /// 0 or 1 for what happens or not, else any number.
        pub value: f64,
        /// From the answer's header `X-Request-Id`; the newest requests are known.
        #[serde(default)]
        pub request_id: Option<String>,
        /// What the A/B test assigns by: the caller's name, the header's value or the cookie's.
        #[serde(default)]
        pub key: Option<String>,
        /// From the answer's header `X-Drydock-Revision`.
        #[serde(default)]
        pub revision: Option<i64>,
    }

    /// The answer to `ReportMetric`.
    pub struct MetricReported {
        /// Number of the revision that it counts for.
        pub revision: i64,
        /// The metric's reports of that revision so far.
        pub reports: u64,
    }
}
