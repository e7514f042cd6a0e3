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
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct Stop {
    /// One word that the owner's rules know: `disk`, `log`, `preempted`, `gpu`.
    pub cause: String,
    /// A sentence for people.
    pub words: String,
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
    let found: Option<(Option<String>, Option<String>)> = workloads::table
        .find(id)
        .select((workloads::stop_cause, workloads::stop_words))
        .first(conn)
        .optional()
        .map_err(Error::internal)?;
    Ok(found.and_then(|(cause, words)| Some(Stop { cause: cause?, words: words.unwrap_or_default() })))
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

/// Kind, cores and memory of everything that is wished running.
pub fn demand(conn: &mut Conn) -> Result<Vec<(Kind, f64, u64)>> {
    let rows: Vec<WorkloadRow> = workloads::table
        .filter(workloads::desired.eq(Desired::Running.as_str()))
        .select(WorkloadRow::as_select())
        .load(conn)
        .map_err(Error::internal)?;
    rows.into_iter()
        .map(|row| {
            let workload = row.into_workload()?;
            Ok((workload.kind, workload.spec.cpus, workload.spec.memory_bytes))
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
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{db::testing::connection, workloads::WorkloadSpec};

    fn new(generation: i64, image: &str) -> NewWorkload {
        let spec = WorkloadSpec {
            image: image.into(),
            command: vec!["true".into()],
            env: BTreeMap::new(),
            mounts: Vec::new(),
            working_dir: "/scratch".into(),
            cpus: 1.0,
            memory_bytes: 64 << 20,
            gpu_uuids: Vec::new(),
            reach_drydock: true,
        };
        let secrets = BTreeMap::from([("TOKEN".to_owned(), "s".to_owned())]);
        NewWorkload { id: "w".into(), kind: Kind::Job, owner: "j".into(), generation, spec, secrets }
    }

    fn see(conn: &mut Conn, generation: i64, phase: Phase) {
        let seen = Observed { phase, container_id: Some("c".into()), ..Observed::pending(generation) };
        record(conn, &BTreeMap::from([("w".to_owned(), seen)])).unwrap();
    }

    #[test]
    fn a_generation_never_goes_backwards_nor_changes_its_spec() {
        let mut conn = connection();
        put_desired(&mut conn, new(2, "a")).unwrap();
        assert!(put_desired(&mut conn, new(1, "a")).is_err());
        assert!(put_desired(&mut conn, new(2, "b")).is_err());
        put_desired(&mut conn, new(3, "b")).unwrap();
        assert_eq!(find(&mut conn, "w").unwrap().unwrap().generation, 3);
    }

    #[test]
    fn putting_the_same_again_keeps_what_was_seen_and_a_higher_generation_forgets_it() {
        let mut conn = connection();
        put_desired(&mut conn, new(1, "a")).unwrap();
        see(&mut conn, 1, Phase::Running);
        put_desired(&mut conn, new(1, "a")).unwrap();
        assert_eq!(observed(&mut conn, "w").unwrap().unwrap().phase, Phase::Running);
        put_desired(&mut conn, new(2, "a")).unwrap();
        assert_eq!(observed(&mut conn, "w").unwrap().unwrap(), Observed::pending(2));
    }

    #[test]
    fn what_was_seen_of_an_older_generation_is_dropped() {
        let mut conn = connection();
        put_desired(&mut conn, new(2, "a")).unwrap();
        see(&mut conn, 1, Phase::Exited);
        assert_eq!(observed(&mut conn, "w").unwrap().unwrap().phase, Phase::Pending);
    }

    #[test]
    fn absent_drops_the_secrets_and_gone_leaves_the_pass() {
        let mut conn = connection();
        put_desired(&mut conn, new(1, "a")).unwrap();
        forget(&mut conn, "w").unwrap();
        assert_eq!(list(&mut conn, Kind::Job, Some("j")).unwrap().len(), 1);
        set_desired(&mut conn, "w", Desired::Absent).unwrap();
        assert!(find(&mut conn, "w").unwrap().unwrap().secrets.is_empty());
        assert_eq!(live(&mut conn).unwrap().len(), 1);
        see(&mut conn, 1, Phase::Gone);
        assert_eq!(live(&mut conn).unwrap().len(), 0);
        forget(&mut conn, "w").unwrap();
        assert_eq!(list(&mut conn, Kind::Job, None).unwrap().len(), 0);
    }

    #[test]
    fn the_first_reason_to_stop_stays_until_the_next_generation() {
        let mut conn = connection();
        put_desired(&mut conn, new(1, "a")).unwrap();
        assert_eq!(why_stopped(&mut conn, "w").unwrap(), None);
        stop_because(&mut conn, "w", "disk", "its 20 GiB of disk were full").unwrap();
        stop_because(&mut conn, "w", "gpu", "GPU 0 failed").unwrap();
        let stop = why_stopped(&mut conn, "w").unwrap().unwrap();
        assert_eq!((stop.cause.as_str(), stop.words.as_str()), ("disk", "its 20 GiB of disk were full"));
        assert_eq!(find(&mut conn, "w").unwrap().unwrap().desired, Desired::Stopped);
        put_desired(&mut conn, new(2, "a")).unwrap();
        assert_eq!(why_stopped(&mut conn, "w").unwrap(), None);
        assert_eq!(find(&mut conn, "w").unwrap().unwrap().desired, Desired::Running);
    }

    #[test]
    fn only_what_is_wished_running_is_demand() {
        let mut conn = connection();
        put_desired(&mut conn, new(1, "a")).unwrap();
        assert_eq!(demand(&mut conn).unwrap(), vec![(Kind::Job, 1.0, 64 << 20)]);
        set_desired(&mut conn, "w", Desired::Stopped).unwrap();
        assert_eq!(demand(&mut conn).unwrap(), vec![]);
    }
}
