//! `gate`: a run's metrics against numbers and against the present champion's. Read and judged at once.

use serde_json::{Value, json};

use super::{
    super::rules::gate::{Bar, Gate, Otherwise, Reached, judge},
    Outcome, read,
};
use crate::{
    accounts::{
        Principal,
        projects::{self, Kind},
    },
    db::Conn,
    error::{Error, Result},
    registry, tracking,
};

pub fn start(conn: &mut Conn, who: &Principal, body: &Value) -> Result<Outcome> {
    let gate: Gate = read(body)?;
    projects::see(conn, who, Kind::Run, &gate.run)?;
    for rival in gate.all.iter().chain(&gate.any).filter_map(|bar| bar.better_than.as_ref()) {
        projects::see(conn, who, Kind::Model, &rival.model)?;
    }
    let run = tracking::run_on_conn(conn, &gate.run)?
        .ok_or_else(|| Error::not_found(format!("There is no run {}.", gate.run)))?;
    let mut verdicts = |bars: &[Bar]| -> Result<Vec<std::result::Result<String, String>>> {
        bars.iter().map(|bar| Ok(judge(bar, metric(&run, &bar.metric), rival(conn, bar)?))).collect()
    };
    let (all, any) = (verdicts(&gate.all)?, verdicts(&gate.any)?);
    let any_holds = any.is_empty() || any.iter().any(std::result::Result::is_ok);
    let held: Vec<&String> = all.iter().chain(&any).filter_map(|one| one.as_ref().ok()).collect();
    let mut missed: Vec<&String> = all.iter().filter_map(|one| one.as_ref().err()).collect();
    if !any_holds {
        missed.extend(any.iter().filter_map(|one| one.as_ref().err()));
    }
    if missed.is_empty() {
        let words = held.into_iter().cloned().collect::<Vec<_>>().join("; ");
        return Ok(Outcome::Done {
            outputs: json!({ "passed": true, "words": words }),
            subject: Some(format!("run/{}", gate.run)),
        });
    }
    let words = missed.into_iter().cloned().collect::<Vec<_>>().join("; ");
    Ok(match gate.otherwise {
        Otherwise::Fail => Outcome::Failed(words),
        Otherwise::Skip => Outcome::Skipped(words),
    })
}

/// The latest value.
fn metric(run: &tracking::Run, name: &str) -> Option<f64> {
    run.metrics.iter().find(|metric| metric.key == name).map(|metric| metric.value)
}

fn rival(conn: &mut Conn, bar: &Bar) -> Result<Option<Reached>> {
    let Some(rival) = &bar.better_than else { return Ok(None) };
    let Some(version) = registry::alias_on(conn, &rival.model, &rival.alias)? else { return Ok(Some(Reached::Nobody)) };
    let run = match &version.run_id {
        Some(id) => tracking::run_on_conn(conn, id)?,
        None => None,
    };
    Ok(Some(Reached::Version(version.version, run.and_then(|run| metric(&run, &bar.metric)))))
}
