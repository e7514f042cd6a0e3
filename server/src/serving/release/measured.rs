//! Rows of what a release measured.

use std::collections::BTreeMap;

use diesel::prelude::*;

use super::assign::{Side, Unit};
use super::book::{Agreements, Kept};
use super::statistics::Moments;
use crate::db::Conn;
use crate::db::schema::serving::{
    experiment_agreements as agreements, experiment_metrics as metrics, experiment_units as units,
    experiment_variants as variants, releases,
};
use crate::error::{Error, Result};
use crate::serving::gateway::histogram::Histogram;
use crate::serving::gateway::tally::Counts;

/// How a shadow's answers compared, as a row.
#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = agreements, treat_none_as_null = true)]
struct AgreementRow {
    release_id: String,
    equal: i64,
    near: i64,
    different: i64,
    failed: i64,
    dropped: i64,
    skipped: i64,
    largest: Option<f64>,
    examples: String,
}

/// All that was written of a release.
pub fn read(conn: &mut Conn, release_id: &str) -> Result<Kept> {
    let mut kept = Kept {
        metrics: metrics_of(conn, release_id)?,
        agreements: agreements_of(conn, release_id)?,
        ..Kept::default()
    };
    let rows: Vec<(bool, i64, i64, i64, Vec<u8>)> = variants::table
        .filter(variants::release_id.eq(release_id))
        .select((variants::candidate, variants::requests, variants::refused, variants::failed, variants::histogram))
        .load(conn)
        .map_err(Error::internal)?;
    for (is_candidate, requests, refused, failed, histogram) in rows {
        let counts = Counts {
            requests: unsigned(requests),
            refused: unsigned(refused),
            failed: unsigned(failed),
            latency: Histogram::decode(&histogram).unwrap_or_default(),
        };
        match Side::of(is_candidate) {
            Side::Live => kept.live = counts,
            Side::Candidate => kept.candidate = counts,
        }
    }
    let known: Vec<i64> = units::table
        .filter(units::release_id.eq(release_id))
        .select(units::unit)
        .load(conn)
        .map_err(Error::internal)?;
    kept.units = known.into_iter().map(|unit| Unit(unit.cast_unsigned())).collect();
    Ok(kept)
}

/// Writes whole counts, and the units that are new; the same again changes nothing. A release that is gone is left alone.
pub fn write(conn: &mut Conn, release_id: &str, kept: &Kept) -> Result<()> {
    let is_there: i64 =
        releases::table.filter(releases::id.eq(release_id)).count().get_result(conn).map_err(Error::internal)?;
    if is_there == 0 {
        return Ok(());
    }
    for (side, counts) in [(Side::Live, &kept.live), (Side::Candidate, &kept.candidate)] {
        let values = (
            variants::release_id.eq(release_id),
            variants::candidate.eq(side.is_candidate()),
            variants::requests.eq(signed(counts.requests)),
            variants::refused.eq(signed(counts.refused)),
            variants::failed.eq(signed(counts.failed)),
            variants::histogram.eq(counts.latency.encode()),
        );
        diesel::replace_into(variants::table).values(values).execute(conn).map_err(Error::internal)?;
    }
    for (metric, sides) in &kept.metrics {
        for side in Side::BOTH {
            let of_side = &sides[side as usize];
            let values = (
                metrics::release_id.eq(release_id),
                metrics::metric.eq(metric),
                metrics::candidate.eq(side.is_candidate()),
                metrics::count.eq(signed(of_side.count)),
                metrics::sum.eq(of_side.sum),
                metrics::squares.eq(of_side.squares),
            );
            diesel::replace_into(metrics::table).values(values).execute(conn).map_err(Error::internal)?;
        }
    }
    let fresh: Vec<_> = kept
        .units
        .iter()
        .map(|unit| (units::release_id.eq(release_id), units::unit.eq(unit.0.cast_signed())))
        .collect();
    for some in fresh.chunks(500) {
        diesel::insert_or_ignore_into(units::table).values(some).execute(conn).map_err(Error::internal)?;
    }
    write_agreements(conn, release_id, &kept.agreements)
}

fn write_agreements(conn: &mut Conn, release_id: &str, all: &Agreements) -> Result<()> {
    let row = AgreementRow {
        release_id: release_id.to_owned(),
        equal: signed(all.equal),
        near: signed(all.near),
        different: signed(all.different),
        failed: signed(all.failed),
        dropped: signed(all.dropped),
        skipped: signed(all.skipped),
        largest: all.largest,
        examples: serde_json::json!(all.examples).to_string(),
    };
    diesel::replace_into(agreements::table).values(row).execute(conn).map(drop).map_err(Error::internal)
}

fn metrics_of(conn: &mut Conn, release_id: &str) -> Result<BTreeMap<String, [Moments; 2]>> {
    let rows: Vec<(String, bool, i64, f64, f64)> = metrics::table
        .filter(metrics::release_id.eq(release_id))
        .select((metrics::metric, metrics::candidate, metrics::count, metrics::sum, metrics::squares))
        .load(conn)
        .map_err(Error::internal)?;
    let mut all: BTreeMap<String, [Moments; 2]> = BTreeMap::new();
    for (metric, is_candidate, count, sum, squares) in rows {
        let moments = Moments { count: unsigned(count), sum, squares };
        all.entry(metric).or_default()[Side::of(is_candidate) as usize] = moments;
    }
    Ok(all)
}

fn agreements_of(conn: &mut Conn, release_id: &str) -> Result<Agreements> {
    let query = agreements::table.find(release_id).select(AgreementRow::as_select());
    let row: Option<AgreementRow> = query.first(conn).optional().map_err(Error::internal)?;
    let Some(row) = row else { return Ok(Agreements::default()) };
    Ok(Agreements {
        equal: unsigned(row.equal),
        near: unsigned(row.near),
        different: unsigned(row.different),
        failed: unsigned(row.failed),
        dropped: unsigned(row.dropped),
        skipped: unsigned(row.skipped),
        largest: row.largest,
        examples: serde_json::from_str(&row.examples).map_err(Error::internal)?,
    })
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn unsigned(count: i64) -> u64 {
    u64::try_from(count).unwrap_or_default()
}
