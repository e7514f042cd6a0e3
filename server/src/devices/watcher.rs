//! The watcher: once a second what was read last, what the driver told and what the rows say become rows again. It waits for nothing
//! that a driver could hold up.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use drydock_appliance::devices::{self, BoxReading, GpuFault};
use drydock_wire::devices::OverShare;
use futures_util::future::BoxFuture;

use super::{
    WATCHER, changed, leases,
    rules::{self, Holder, Look, Memory, Program, Step},
    store::{self, Event, Frees, GpuRow, State},
};
use crate::{
    app::App,
    background::Task,
    clock,
    db::Conn,
    error::Result,
    workloads::{self, Phase},
};

/// Follows the GPUs.
pub struct DeviceWatcher {
    app: App,
    boot_id: String,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    memory: Memory,
    /// Taken from the monitor and not written yet.
    faults: Vec<GpuFault>,
}

impl Task for DeviceWatcher {
    fn name(&self) -> &'static str {
        WATCHER
    }

    fn period(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn run(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.pass())
    }
}

impl DeviceWatcher {
    pub fn new(app: App) -> Self {
        Self { app, boot_id: store::boot_id(), kept: Mutex::default() }
    }

    async fn pass(&self) -> Result<()> {
        // started by the first pass rather than at boot, which waits for no reading
        let Some(monitor) = devices::monitor(&self.app.data_dir).await else { return Ok(()) };
        let waker = self.app.background.waker(WATCHER);
        monitor.on_fault(move || waker.wake());
        let (reading, silent) = (monitor.reading(), monitor.silent_for());
        let (mut memory, faults) = {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.faults.extend(monitor.take_faults());
            (kept.memory.clone(), kept.faults.clone())
        };
        let (rows, holders) = self.app.db.read(|conn| Ok((store::all(conn)?, holders(conn)?))).await?;
        if rows.is_empty() && reading.gpus.is_empty() {
            return Ok(());
        }
        let programs = programs(&reading);
        let look = Look {
            now_ms: clock::now_ms(),
            now: Instant::now(),
            boot_id: &self.boot_id,
            rows: &rows,
            readings: &reading.gpus,
            pass: reading.gpu_pass,
            silent,
            faults: &faults,
            programs: &programs,
            holders: &holders,
        };
        let steps = rules::watch(&mut memory, &look);
        self.take(steps).await?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.memory = memory;
        // a fault of a GPU that has no row yet waits for it, as long as the GPU is there
        let is_early = |fault: &GpuFault| {
            !rows.iter().any(|row| row.uuid == fault.uuid) && reading.gpus.iter().any(|gpu| gpu.uuid == fault.uuid)
        };
        kept.faults.retain(is_early);
        Ok(())
    }

    /// All steps in one transaction, then whoever has to look again.
    async fn take(&self, steps: Vec<Step>) -> Result<()> {
        if steps.is_empty() {
            return Ok(());
        }
        for step in &steps {
            tracing::info!(gpu.step = ?step, "GPUs: {step:?}");
        }
        let policy = self.app.config.gpus.over_share;
        self.app.db.write(move |conn| steps.iter().try_for_each(|step| take_one(conn, step, policy))).await?;
        changed(&self.app);
        workloads::wake(&self.app);
        Ok(())
    }
}

pub(super) fn programs(reading: &BoxReading) -> Vec<Program> {
    let on = |gpu: &devices::GpuReading| {
        let uuid = gpu.uuid.clone();
        gpu.processes.clone().into_iter().map(move |process| Program {
            gpu: uuid.clone(),
            pid: process.pid,
            name: devices::name_of(process.pid).unwrap_or_default(),
            memory_bytes: process.memory_bytes,
            container: devices::container_of(process.pid),
        })
    };
    // a GPU that is cut up lists the programs of its instances once more
    reading.gpus.iter().filter(|gpu| !gpu.is_divided).flat_map(on).collect()
}

/// Who has a lease, or had one until a moment ago, with their containers.
pub(super) fn holders(conn: &mut Conn) -> Result<Vec<Holder>> {
    leases::recent(conn)?
        .into_iter()
        .map(|(held, is_live)| {
            let observed = workloads::observed(conn, &held.workload)?.filter(|it| it.generation == held.generation);
            Ok(Holder {
                is_over: observed.as_ref().is_none_or(|observed| observed.phase == Phase::Gone),
                container: observed.and_then(|observed| observed.container_id),
                workload: held.workload,
                generation: held.generation,
                gpu: held.uuid,
                memory_bytes: held.memory_bytes,
                is_live,
            })
        })
        .collect()
}

fn take_one(conn: &mut Conn, step: &Step, policy: OverShare) -> Result<()> {
    match step {
        Step::Put(facts) => store::put(conn, facts),
        Step::Quarantine { gpu, kind, code, words, frees } => {
            let row = store::require(conn, gpu)?;
            store::tell(conn, &Event { code: *code, ..Event::now(gpu, kind, words) })?;
            take_out(conn, &row, words, *frees)
        }
        Step::Tell { gpu, kind, code, words } => {
            store::tell(conn, &Event { code: *code, ..Event::now(gpu, kind, words) })
        }
        Step::Missing { gpu } => {
            let words = format!("{} is not in the machine any more.", store::require(conn, gpu)?.called());
            store::set_state(conn, gpu, State::Missing, Some(&words), None)?;
            store::tell(conn, &Event::now(gpu, "missing", words))
        }
        Step::Back { gpu } => {
            let words = format!("{} is back.", store::require(conn, gpu)?.called());
            store::set_state(conn, gpu, State::Usable, None, None)?;
            store::tell(conn, &Event::now(gpu, "back", words))
        }
        Step::Free { gpu, words } => {
            // an admin may have taken it out since the rows were read
            if store::require(conn, gpu)?.frees == Some(Frees::Hand) {
                return Ok(());
            }
            store::set_state(conn, gpu, State::Usable, None, None)?;
            store::tell(conn, &Event::now(gpu, "freed", words))
        }
        Step::FreesItselfAt { gpu, at } => store::set_frees_itself_at(conn, gpu, *at),
        Step::Foreign { gpu, bytes } => store::set_foreign(conn, gpu, *bytes),
        Step::End { workload, generation } => {
            leases::end_leases(conn, workload, *generation, "Nothing of it runs any more.")
        }
        Step::Over { gpu, workload, generation, words } => {
            let event = Event { workload: Some(workload.clone()), ..Event::now(gpu, "over_share", words) };
            store::tell(conn, &event)?;
            if policy == OverShare::Stop { stop(conn, workload, *generation, words) } else { Ok(()) }
        }
    }
}

/// Puts a GPU into quarantine, ends its leases and stops who had them. One that is there already keeps what ends it last.
pub(super) fn take_out(conn: &mut Conn, gpu: &GpuRow, words: &str, frees: Frees) -> Result<()> {
    let frees = gpu.frees.map_or(frees, |before| before.max(frees));
    // what an admin said stays to be read
    if gpu.frees != Some(Frees::Hand) {
        store::set_state(conn, &gpu.uuid, State::Quarantined, Some(words), Some(frees))?;
    }
    let holders = leases::end_on(conn, &gpu.uuid, words)?;
    for (workload, generation) in &holders {
        stop(conn, workload, *generation, words)?;
    }
    for (workload, _) in holders {
        let stopped = format!("Stopped for it: {workload}.");
        store::tell(conn, &Event { workload: Some(workload), ..Event::now(&gpu.uuid, "quarantined", stopped) })?;
    }
    Ok(())
}

/// Stops this generation of a workload; a later one has other GPUs.
fn stop(conn: &mut Conn, workload: &str, generation: i64, words: &str) -> Result<()> {
    match workloads::find(conn, workload)? {
        Some(found) if found.generation == generation => {
            tracing::info!(workload.id = workload, "workload {workload} is stopped: {words}");
            workloads::stop_because(conn, workload, "gpu", words)
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use super::{
        super::{leases::Lease, store::testing::gpu},
        *,
    };
    use crate::{
        db::testing::connection,
        workloads::{Desired, Kind, NewWorkload},
    };

    /// A job with a share of GPU A and all of GPU B.
    fn job(conn: &mut Conn, id: &str, generation: i64) {
        let spec = serde_json::json!({
            "image": "busybox", "command": ["true"], "env": {}, "mounts": [], "working_dir": "/scratch", "cpus": 1.0,
            "memory_bytes": 1 << 20, "gpu_uuids": ["A", "B"], "reach_drydock": true,
        });
        let spec = serde_json::from_value(spec).unwrap();
        let (id, secrets) = (id.to_owned(), BTreeMap::new());
        workloads::put_desired(conn, NewWorkload { owner: id.clone(), id, kind: Kind::Job, generation, spec, secrets })
            .unwrap();
    }

    fn fault(gpu: &str, words: &str, frees: Frees) -> Step {
        Step::Quarantine { gpu: gpu.into(), kind: "xid", code: Some(79), words: words.into(), frees }
    }

    #[test]
    fn a_fault_ends_the_lease_and_stops_its_holder_with_the_cause_and_spares_later_generations() {
        let mut conn = connection();
        let conn = &mut conn;
        gpu(conn, "A", 0, 16);
        gpu(conn, "B", 1, 16);
        job(conn, "hit", 1);
        job(conn, "later", 2);
        let share = |uuid: &str| Lease { uuid: uuid.into(), memory_bytes: Some(1 << 30) };
        leases::lease(conn, "hit", 1, &[share("A"), Lease { uuid: "B".into(), memory_bytes: None }]).unwrap();
        leases::lease(conn, "later", 1, &[share("A")]).unwrap();

        take_one(conn, &fault("A", "GPU 0 failed.", Frees::Boot), OverShare::Stop).unwrap();
        let row = store::require(conn, "A").unwrap();
        assert_eq!(
            (row.state, row.reason.as_deref(), row.frees),
            (State::Quarantined, Some("GPU 0 failed."), Some(Frees::Boot))
        );
        assert_eq!(workloads::find(conn, "hit").unwrap().unwrap().desired, Desired::Stopped);
        let stop = workloads::why_stopped(conn, "hit").unwrap().unwrap();
        assert_eq!((stop.cause.as_str(), stop.words.as_str()), ("gpu", "GPU 0 failed."));
        assert_eq!(
            workloads::find(conn, "later").unwrap().unwrap().desired,
            Desired::Running,
            "it has other GPUs by now"
        );
        // the container may compute on the other GPU until it has ended
        let left: Vec<String> = leases::leases(conn).unwrap().into_iter().map(|lease| lease.uuid).collect();
        assert_eq!(left, ["B"]);
        assert_eq!(store::events(conn, 10).unwrap().iter().filter(|event| event.code == Some(79)).count(), 1);
    }

    #[test]
    fn a_milder_fault_does_not_shorten_a_quarantine_nor_any_an_admins_word() {
        let mut conn = connection();
        gpu(&mut conn, "A", 0, 16);
        let frees = |conn: &mut Conn| store::require(conn, "A").unwrap().frees;
        take_one(&mut conn, &fault("A", "hardware", Frees::Boot), OverShare::Stop).unwrap();
        take_one(&mut conn, &fault("A", "a program", Frees::Quiet), OverShare::Stop).unwrap();
        assert_eq!(frees(&mut conn), Some(Frees::Boot));
        store::set_state(&mut conn, "A", State::Quarantined, Some("by hand"), Some(Frees::Hand)).unwrap();
        take_one(&mut conn, &fault("A", "hardware", Frees::Boot), OverShare::Stop).unwrap();
        take_one(&mut conn, &Step::Free { gpu: "A".into(), words: "quiet".into() }, OverShare::Stop).unwrap();
        let row = store::require(&mut conn, "A").unwrap();
        assert_eq!((row.state, row.reason.as_deref()), (State::Quarantined, Some("by hand")));
    }

    #[test]
    fn who_is_over_its_share_is_stopped_or_only_named() {
        let mut conn = connection();
        gpu(&mut conn, "A", 0, 16);
        job(&mut conn, "greedy", 1);
        let over =
            Step::Over { gpu: "A".into(), workload: "greedy".into(), generation: 1, words: "It used too much.".into() };
        take_one(&mut conn, &over, OverShare::Warn).unwrap();
        assert_eq!(workloads::why_stopped(&mut conn, "greedy").unwrap(), None);
        take_one(&mut conn, &over, OverShare::Stop).unwrap();
        assert_eq!(workloads::why_stopped(&mut conn, "greedy").unwrap().unwrap().words, "It used too much.");
        assert_eq!(store::require(&mut conn, "A").unwrap().state, State::Usable);
    }
}
