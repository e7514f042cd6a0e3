//! Rows of desired and observed workloads. Every function takes the connection, so that an owner's change and its
//! desired row are one transaction.

use std::collections::BTreeMap;

use diesel::prelude::*;

use super::spec::{Desired, DesiredWorkload, Kind, NewWorkload, Observed, Phase, Workload};
use crate::{
    clock,
    db::{
        Conn,
        schema::workloads::{workload_observations as observations, workloads},
    },
    error::{Error, Result},
};

#[derive(Queryable, Selectable)]
#[diesel(table_name = workloads)]
struct WorkloadRow {
    id: String,
    kind: String,
    owner: String,
    generation: i64,
    desired: String,
    spec: String,
    secrets: String,
    spec_hash: String,
    created_at: i64,
}

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = observations, treat_none_as_null = true)]
struct ObservedRow {
    generation: i64,
    phase: String,
    container_id: Option<String>,
    exit_code: Option<i64>,
    oom_killed: bool,
    started_at: Option<i64>,
    finished_at: Option<i64>,
    address: Option<String>,
    message: Option<String>,
    restarts: i64,
    not_before: Option<i64>,
}

impl WorkloadRow {
    fn into_workload(self) -> Result<Workload> {
        Ok(Workload {
            kind: Kind::parse(&self.kind)?,
            desired: Desired::parse(&self.desired)?,
            spec: serde_json::from_str(&self.spec).map_err(Error::internal)?,
            secrets: serde_json::from_str(&self.secrets).map_err(Error::internal)?,
            id: self.id,
            owner: self.owner,
            generation: self.generation,
            spec_hash: self.spec_hash,
            created_at: self.created_at,
        })
    }
}

impl ObservedRow {
    fn of(seen: &Observed) -> Self {
        Self {
            generation: seen.generation,
            phase: seen.phase.as_str().to_owned(),
            container_id: seen.container_id.clone(),
            exit_code: seen.exit_code,
            oom_killed: seen.oom_killed,
            started_at: seen.started_at,
            finished_at: seen.finished_at,
            address: seen.address.map(|address| address.to_string()),
            message: seen.message.clone(),
            restarts: seen.restarts,
            not_before: seen.not_before,
        }
    }

    fn into_observed(self) -> Result<Observed> {
        Ok(Observed {
            phase: Phase::parse(&self.phase)?,
            generation: self.generation,
            container_id: self.container_id,
            exit_code: self.exit_code,
            oom_killed: self.oom_killed,
            started_at: self.started_at,
            finished_at: self.finished_at,
            address: self.address.and_then(|text| text.parse().ok()),
            message: self.message,
            restarts: self.restarts,
            not_before: self.not_before,
        })
    }
}

/// Wishes this workload running. Idempotent for an equal generation and spec; a higher generation starts afresh.
///
/// # Errors
/// `Conflict` when the generation goes backwards, or stays while the spec changed.
pub fn put_desired(conn: &mut Conn, new: NewWorkload) -> Result<()> {
    let spec_hash = new.spec.hash()?;
    let spec = new.spec.to_json()?;
    let secrets = serde_json::to_string(&new.secrets).map_err(Error::internal)?;
    let now = clock::now_ms();
    let before = find(conn, &new.id)?;
    let same = before.as_ref().is_some_and(|before| before.generation == new.generation);
    if let Some(before) = before.filter(|it| new.generation < it.generation || (same && spec_hash != it.spec_hash)) {
        return Err(Error::conflict(format!("Workload {} is already at generation {}.", new.id, before.generation)));
    }
    let values = (
        workloads::generation.eq(new.generation),
        workloads::desired.eq(Desired::Running.as_str()),
        workloads::spec.eq(spec),
        workloads::secrets.eq(secrets),
        workloads::spec_hash.eq(spec_hash),
        workloads::updated_at.eq(now),
    );
    let afresh = (workloads::stop_cause.eq(None::<String>), workloads::stop_words.eq(None::<String>));
    diesel::insert_into(workloads::table)
        .values((
            workloads::id.eq(&new.id),
            workloads::kind.eq(new.kind.as_str()),
            workloads::owner.eq(&new.owner),
            workloads::created_at.eq(now),
            values.clone(),
        ))
        .on_conflict(workloads::id)
        .do_update()
        .set((values, afresh))
        .execute(conn)
        .map_err(Error::internal)?;
    if same {
        return Ok(());
    }
    let fresh = ObservedRow::of(&Observed::pending(new.generation));
    diesel::replace_into(observations::table)
        .values((observations::workload_id.eq(&new.id), observations::changed_at.eq(now), fresh))
        .execute(conn)
        .map_err(Error::internal)?;
    Ok(())
}

/// Changes what is wished of a workload; a workload that does not exist stays so. Absent also drops its secrets.
pub fn set_desired(conn: &mut Conn, id: &str, desired: Desired) -> Result<()> {
    diesel::update(workloads::table.find(id))
        .set((workloads::desired.eq(desired.as_str()), workloads::updated_at.eq(clock::now_ms())))
        .execute(conn)
        .map_err(Error::internal)?;
    if desired == Desired::Absent {
        diesel::update(workloads::table.find(id))
            .set(workloads::secrets.eq("{}"))
            .execute(conn)
            .map_err(Error::internal)?;
    }
    Ok(())
}

/// Why a running workload was told to stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// One word that the owner's rules know: `disk`, `log`, `preempted`, `gpu`.
    pub cause: String,
    /// A sentence for people.
    pub words: String,
    /// When it was asked for, milliseconds.
    pub at: i64,
}

/// Stops a workload and keeps why, for its owner. The first reason stays; one that is not wished running is left alone.
pub fn stop_because(conn: &mut Conn, id: &str, cause: &str, words: &str) -> Result<()> {
    diesel::update(workloads::table.find(id).filter(workloads::desired.eq(Desired::Running.as_str())))
        .set((
            workloads::desired.eq(Desired::Stopped.as_str()),
            workloads::stop_cause.eq(cause),
            workloads::stop_words.eq(words),
            workloads::updated_at.eq(clock::now_ms()),
        ))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// Why the workload's present generation was told to stop, if anybody gave a reason.
pub fn why_stopped(conn: &mut Conn, id: &str) -> Result<Option<Stop>> {
    let found: Option<(Option<String>, Option<String>, i64)> = workloads::table
        .find(id)
        .select((workloads::stop_cause, workloads::stop_words, workloads::updated_at))
        .first(conn)
        .optional()
        .map_err(Error::internal)?;
    Ok(found.and_then(|(cause, words, at)| Some(Stop { cause: cause?, words: words.unwrap_or_default(), at })))
}

/// Deletes the rows of a workload that is gone. A workload that is not gone yet stays.
pub fn forget(conn: &mut Conn, id: &str) -> Result<()> {
    let gone = observations::table.find(id).filter(observations::phase.eq(Phase::Gone.as_str()));
    if diesel::select(diesel::dsl::exists(gone)).get_result::<bool>(conn).map_err(Error::internal)? {
        diesel::delete(workloads::table.find(id)).execute(conn).map_err(Error::internal)?;
    }
    Ok(())
}

/// The desired row of that id.
pub fn find(conn: &mut Conn, id: &str) -> Result<Option<Workload>> {
    let row =
        workloads::table.find(id).select(WorkloadRow::as_select()).first(conn).optional().map_err(Error::internal)?;
    row.map(WorkloadRow::into_workload).transpose()
}

/// What is wished of a workload, and of which generation.
pub(super) fn desired(conn: &mut Conn, id: &str) -> Result<Option<(i64, Desired)>> {
    let found: Option<(i64, String)> = workloads::table
        .find(id)
        .select((workloads::generation, workloads::desired))
        .first(conn)
        .optional()
        .map_err(Error::internal)?;
    found.map(|(generation, word)| Ok((generation, Desired::parse(&word)?))).transpose()
}

/// What was last seen of that workload's present generation.
pub fn observed(conn: &mut Conn, id: &str) -> Result<Option<Observed>> {
    let row = observations::table
        .find(id)
        .select(ObservedRow::as_select())
        .first(conn)
        .optional()
        .map_err(Error::internal)?;
    row.map(ObservedRow::into_observed).transpose()
}

/// All workloads of a kind with what was seen of them, by id; of one owner if given.
pub fn list(conn: &mut Conn, kind: Kind, owner: Option<&str>) -> Result<Vec<(Workload, Observed)>> {
    let mut query = workloads::table
        .inner_join(observations::table)
        .filter(workloads::kind.eq(kind.as_str()))
        .order(workloads::id)
        .select((WorkloadRow::as_select(), ObservedRow::as_select()))
        .into_boxed();
    if let Some(owner) = owner {
        query = query.filter(workloads::owner.eq(owner.to_owned()));
    }
    let rows: Vec<(WorkloadRow, ObservedRow)> = query.load(conn).map_err(Error::internal)?;
    rows.into_iter().map(|(workload, seen)| Ok((workload.into_workload()?, seen.into_observed()?))).collect()
}

/// The workloads of a kind whose container runs now, with what was seen of them.
pub fn running(conn: &mut Conn, kind: Kind) -> Result<Vec<(Workload, Observed)>> {
    let rows: Vec<(WorkloadRow, ObservedRow)> = workloads::table
        .inner_join(observations::table)
        .filter(observations::phase.eq(Phase::Running.as_str()).and(workloads::kind.eq(kind.as_str())))
        .select((WorkloadRow::as_select(), ObservedRow::as_select()))
        .load(conn)
        .map_err(Error::internal)?;
    rows.into_iter().map(|(workload, seen)| Ok((workload.into_workload()?, seen.into_observed()?))).collect()
}

/// What something that is wished running holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Demand {
    pub kind: Kind,
    /// In cores.
    pub cpus: f64,
    pub memory_bytes: u64,
    pub gpu_uuids: Vec<String>,
}

/// What everything that is wished running holds.
pub fn demand(conn: &mut Conn) -> Result<Vec<Demand>> {
    let rows: Vec<(String, String)> = workloads::table
        .filter(workloads::desired.eq(Desired::Running.as_str()))
        .select((workloads::kind, workloads::spec))
        .load(conn)
        .map_err(Error::internal)?;
    rows.into_iter()
        .map(|(kind, spec)| {
            let spec: super::spec::WorkloadSpec = serde_json::from_str(&spec).map_err(Error::internal)?;
            let (cpus, memory_bytes, gpu_uuids) = (spec.cpus, spec.memory_bytes, spec.gpu_uuids);
            Ok(Demand { kind: Kind::parse(&kind)?, cpus, memory_bytes, gpu_uuids })
        })
        .collect()
}

/// Folders of the data directory that a container may have mounted, or may get.
pub fn mounted(conn: &mut Conn) -> Result<std::collections::BTreeSet<String>> {
    let rows: Vec<WorkloadRow> = workloads::table
        .inner_join(observations::table)
        .filter(observations::phase.ne(Phase::Gone.as_str()))
        .select(WorkloadRow::as_select())
        .load(conn)
        .map_err(Error::internal)?;
    let mut found = std::collections::BTreeSet::new();
    for row in rows {
        found.extend(row.into_workload()?.spec.mounts.into_iter().map(|mount| mount.source));
    }
    Ok(found)
}

/// What a pass looks at: everything that can still change, by id.
pub(super) fn live(conn: &mut Conn) -> Result<Vec<(DesiredWorkload, Observed)>> {
    type Row = ((String, String, i64, String, String), ObservedRow);
    let rows: Vec<Row> = workloads::table
        .inner_join(observations::table)
        .filter(observations::phase.ne(Phase::Gone.as_str()).or(workloads::desired.ne(Desired::Absent.as_str())))
        .order(workloads::id)
        .select((
            (workloads::id, workloads::kind, workloads::generation, workloads::spec_hash, workloads::desired),
            ObservedRow::as_select(),
        ))
        .load(conn)
        .map_err(Error::internal)?;
    rows.into_iter()
        .map(|((id, kind, generation, spec_hash, desired), seen)| {
            let (kind, desired) = (Kind::parse(&kind)?, Desired::parse(&desired)?);
            Ok((DesiredWorkload { id, kind, generation, spec_hash, desired }, seen.into_observed()?))
        })
        .collect()
}

/// Writes what was seen, unless the workload has moved to another generation meanwhile.
pub(super) fn record(conn: &mut Conn, changes: &BTreeMap<String, Observed>) -> Result<()> {
    let now = clock::now_ms();
    for (id, seen) in changes {
        diesel::update(observations::table.find(id).filter(observations::generation.eq(seen.generation)))
            .set((ObservedRow::of(seen), observations::changed_at.eq(now)))
            .execute(conn)
            .map_err(Error::internal)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
