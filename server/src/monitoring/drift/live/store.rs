//! Rows of windows.

use diesel::prelude::*;
use drydock_wire::drift::DatasetDrift;
use drydock_wire::serving::{DriftOutcome, DriftWindow};

use crate::db::Conn;
use crate::db::schema::monitoring::drift_windows as windows;
use crate::error::{Error, Result};

/// Of a deployment; older ones are forgotten.
const KEPT: i64 = 200;
const LEVEL: i32 = 3;
/// Of an unpacked report: far above any that is made here.
const LARGEST: u64 = 256 << 20;

/// A window, without its report.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = windows)]
pub struct WindowRow {
    pub id: i64,
    pub from_at: i64,
    pub until_at: i64,
    pub row_count: i64,
    outcome: String,
    drifted_count: Option<i64>,
    compared_count: Option<i64>,
    reference: String,
    pipelines: String,
}

#[derive(Debug, Clone)]
pub struct NewWindow {
    pub deployment_id: String,
    pub span: (i64, i64),
    pub rows: u64,
    /// With what, or why not.
    pub reference: String,
    /// Absent: it was not judged.
    pub drift: Option<DatasetDrift>,
}

impl NewWindow {
    pub fn outcome(&self) -> DriftOutcome {
        match &self.drift {
            None => DriftOutcome::NotJudged,
            Some(drift) if drift.drifted => DriftOutcome::Drifted,
            Some(_) => DriftOutcome::Steady,
        }
    }
}

fn word(outcome: DriftOutcome) -> &'static str {
    match outcome {
        DriftOutcome::Steady => "steady",
        DriftOutcome::Drifted => "drifted",
        DriftOutcome::NotJudged => "not_judged",
    }
}

impl WindowRow {
    pub fn view(&self) -> DriftWindow {
        let unsigned = |count: i64| u64::try_from(count).unwrap_or_default();
        let outcome = match self.outcome.as_str() {
            "steady" => DriftOutcome::Steady,
            "drifted" => DriftOutcome::Drifted,
            _ => DriftOutcome::NotJudged,
        };
        DriftWindow {
            id: self.id,
            from_at: self.from_at,
            until_at: self.until_at,
            rows: unsigned(self.row_count),
            outcome,
            drifted_count: self.drifted_count.map(unsigned),
            compared_count: self.compared_count.map(unsigned),
            reference: self.reference.clone(),
            pipelines: serde_json::from_str(&self.pipelines).unwrap_or_default(),
        }
    }
}

/// Adds a window and forgets the oldest; its id.
pub fn insert(conn: &mut Conn, new: &NewWindow, pipelines: &[String]) -> Result<i64> {
    let report = new.drift.as_ref().map(|drift| {
        let text = serde_json::to_vec(drift).map_err(Error::internal)?;
        zstd::encode_all(text.as_slice(), LEVEL).map_err(Error::internal)
    });
    let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let id = diesel::insert_into(windows::table)
        .values((
            windows::deployment_id.eq(&new.deployment_id),
            windows::from_at.eq(new.span.0),
            windows::until_at.eq(new.span.1),
            windows::row_count.eq(signed(new.rows)),
            windows::outcome.eq(word(new.outcome())),
            windows::drifted_count.eq(new.drift.as_ref().map(|drift| signed(drift.drifted_count))),
            windows::compared_count.eq(new.drift.as_ref().map(|drift| signed(drift.compared_count))),
            windows::reference.eq(&new.reference),
            windows::pipelines.eq(serde_json::json!(pipelines).to_string()),
            windows::report.eq(report.transpose()?),
        ))
        .returning(windows::id)
        .get_result(conn)
        .map_err(Error::internal)?;
    let of_it = windows::table.filter(windows::deployment_id.eq(&new.deployment_id));
    let oldest: Option<i64> = of_it
        .order(windows::id.desc())
        .offset(KEPT)
        .select(windows::id)
        .first(conn)
        .optional()
        .map_err(Error::internal)?;
    if let Some(oldest) = oldest {
        let old = windows::table.filter(windows::deployment_id.eq(&new.deployment_id)).filter(windows::id.le(oldest));
        diesel::delete(old).execute(conn).map_err(Error::internal)?;
    }
    Ok(id)
}

/// Newest first.
pub fn list(conn: &mut Conn, deployment_id: &str) -> Result<Vec<WindowRow>> {
    windows::table
        .filter(windows::deployment_id.eq(deployment_id))
        .order((windows::until_at.desc(), windows::id.desc()))
        .limit(KEPT)
        .select(WindowRow::as_select())
        .load(conn)
        .map_err(Error::internal)
}

/// End of the last window.
pub fn last_until(conn: &mut Conn, deployment_id: &str) -> Result<Option<i64>> {
    let of_it = windows::table.filter(windows::deployment_id.eq(deployment_id));
    of_it.select(diesel::dsl::max(windows::until_at)).first(conn).map_err(Error::internal)
}

/// The last window that had so many rows and was over by then.
pub fn before(conn: &mut Conn, deployment_id: &str, at: i64, rows: i64) -> Result<Option<WindowRow>> {
    windows::table
        .filter(windows::deployment_id.eq(deployment_id))
        .filter(windows::until_at.le(at))
        .filter(windows::row_count.ge(rows))
        .order(windows::until_at.desc())
        .select(WindowRow::as_select())
        .first(conn)
        .optional()
        .map_err(Error::internal)
}

/// The report of a window, or of the newest that was judged.
pub fn report(conn: &mut Conn, deployment_id: &str, id: Option<i64>) -> Result<Option<(i64, Option<DatasetDrift>)>> {
    let of_it = windows::table.filter(windows::deployment_id.eq(deployment_id.to_owned())).into_boxed();
    let wanted = match id {
        Some(id) => of_it.filter(windows::id.eq(id)),
        None => of_it.filter(windows::report.is_not_null()),
    };
    let found: Option<(i64, Option<Vec<u8>>)> = wanted
        .order((windows::until_at.desc(), windows::id.desc()))
        .select((windows::id, windows::report))
        .first(conn)
        .optional()
        .map_err(Error::internal)?;
    let Some((id, packed)) = found else { return Ok(None) };
    let unpacked = packed.map(|packed| {
        let mut text = vec![];
        let decoder = zstd::stream::Decoder::new(packed.as_slice()).map_err(Error::internal)?;
        std::io::Read::read_to_end(&mut std::io::Read::take(decoder, LARGEST), &mut text).map_err(Error::internal)?;
        serde_json::from_slice(&text).map_err(Error::internal)
    });
    Ok(Some((id, unpacked.transpose()?)))
}
