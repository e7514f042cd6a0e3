//! The newest window of each deployment, for `/metrics`.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use drydock_wire::drift::{DatasetDrift, DriftTest};

use super::judging::share;
use crate::app::App;
use crate::monitoring::exposition::{Exposition, Kind};
use crate::serving::capture;

/// Columns that are told of each deployment, strongest first.
const COLUMNS: usize = 50;

/// One per server: `app.memory.of::<Latest>()`.
#[derive(Debug, Default)]
pub struct Latest {
    found: Mutex<BTreeMap<String, Found>>,
    problems: Mutex<BTreeMap<String, String>>,
}

#[derive(Debug, Clone)]
struct Found {
    name: String,
    until_at: i64,
    share: f64,
    drifted: bool,
    /// Name, test and statistic.
    columns: Vec<(String, &'static str, f64)>,
}

impl Latest {
    pub fn set(&self, deployment_id: &str, name: &str, until_at: i64, drift: &DatasetDrift) {
        let column = |column: &drydock_wire::drift::ColumnDrift| {
            let result = column.result?;
            Some((column.name.clone(), word(result.test), result.statistic.unwrap_or(f64::INFINITY)))
        };
        let columns = drift.columns.iter().filter_map(column).take(COLUMNS).collect();
        let found = Found { name: name.to_owned(), until_at, share: share(drift), drifted: drift.drifted, columns };
        self.found.lock().unwrap_or_else(PoisonError::into_inner).insert(deployment_id.to_owned(), found);
    }

    /// Whether a window of that deployment is known.
    pub fn knows(&self, deployment_id: &str) -> bool {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).contains_key(deployment_id)
    }

    /// Forgets deployments that are not among these.
    pub fn keep(&self, ids: &[&str]) {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).retain(|id, _| ids.contains(&id.as_str()));
        self.problems.lock().unwrap_or_else(PoisonError::into_inner).retain(|id, _| ids.contains(&id.as_str()));
    }

    pub fn set_problem(&self, deployment_id: &str, problem: Option<String>) {
        let mut problems = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
        match problem {
            Some(words) => problems.insert(deployment_id.to_owned(), words),
            None => problems.remove(deployment_id),
        };
    }

    pub fn problem(&self, deployment_id: &str) -> Option<String> {
        self.problems.lock().unwrap_or_else(PoisonError::into_inner).get(deployment_id).cloned()
    }
}

fn word(test: DriftTest) -> &'static str {
    match test {
        DriftTest::KolmogorovSmirnov => "kolmogorov_smirnov",
        DriftTest::ChiSquared => "chi_squared",
        DriftTest::ProportionsZ => "proportions_z",
        DriftTest::Wasserstein => "wasserstein",
        DriftTest::JensenShannon => "jensen_shannon",
        DriftTest::PopulationStability => "population_stability",
    }
}

/// What capture and drift measured.
pub fn expose(text: &mut Exposition, app: &App) {
    let (captured, dropped) = capture::collector(app).totals();
    text.single("drydock_capture_requests_total", Kind::Counter, "Requests that were captured.", captured);
    let help = "Requests that were not captured, since too many came at once.";
    text.single("drydock_capture_dropped_total", Kind::Counter, help, dropped);
    let latest = app.memory.of::<Latest>();
    let all: Vec<Found> = latest.found.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
    let mut gauge = |name: &str, help: &str, value: fn(&Found) -> f64| {
        text.family(name, Kind::Gauge, help);
        all.iter().for_each(|found| text.sample(name, &[("deployment", &found.name)], value(found)));
    };
    gauge(
        "drydock_deployment_drift_share",
        "Of the columns of the newest window, those that drifted, 0 to 1.",
        |found| found.share,
    );
    gauge("drydock_deployment_drifted", "Whether the newest window drifted.", |found| {
        f64::from(u8::from(found.drifted))
    });
    gauge("drydock_deployment_drift_window_timestamp_seconds", "End of the newest window.", |found| {
        found.until_at as f64 / 1000.0
    });
    text.family("drydock_deployment_drift_statistic", Kind::Gauge, "What the test of a column found in that window.");
    for found in &all {
        for (column, test, statistic) in &found.columns {
            let labels = [("deployment", found.name.as_str()), ("column", column), ("test", test)];
            text.sample("drydock_deployment_drift_statistic", &labels, *statistic);
        }
    }
}
