//! Leases: which generation of which workload has a GPU, or how much of one. Functions end in the connection, so that a lease is taken
//! and ended in the transaction that starts and ends an attempt.

use std::collections::BTreeMap;

use diesel::prelude::*;

use super::store::{self, GpuRow, State};
use crate::{
    clock,
    db::{Conn, schema::devices::gpu_leases},
    error::{Error, Result},
};

/// What somebody asks for: a GPU, or so much of its memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub uuid: String,
    /// Absent: the whole GPU.
    pub memory_bytes: Option<u64>,
}

/// A lease that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub workload: String,
    pub generation: i64,
    pub uuid: String,
    /// Absent: the whole GPU.
    pub memory_bytes: Option<u64>,
    pub taken_at: i64,
}

/// A GPU as the scheduler sees it: with all of its memory that can be promised, leases not taken off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpuRoom {
    pub uuid: String,
    pub memory_bytes: u64,
    /// With what programs outside Drydock hold.
    pub total_bytes: u64,
    /// False: quarantined or gone. What runs there counts until it has ended; nothing new is given to it.
    pub usable: bool,
    pub sharable: bool,
    /// Why it is not usable, or what is held by programs outside Drydock.
    pub note: Option<String>,
}

type Row = (String, i64, String, Option<i64>, i64);

/// How long a lease that ended is remembered by its container.
const RECENT_MS: i64 = 10 * 60 * 1000;

/// All GPUs and MIG instances of the box, always in the same order. A GPU that is cut into instances, and one that is not in the
/// machine, are here only while somebody holds them.
pub fn room(conn: &mut Conn) -> Result<Vec<GpuRoom>> {
    let held = leases(conn)?;
    let is_held = |uuid: &str| held.iter().any(|lease| lease.uuid == uuid);
    let rows = store::all(conn)?;
    let there = rows.into_iter().filter(|gpu| (!gpu.is_divided && gpu.state != State::Missing) || is_held(&gpu.uuid));
    Ok(there.map(as_room).collect())
}

fn as_room(gpu: GpuRow) -> GpuRoom {
    let foreign = (gpu.foreign_bytes > 0)
        .then(|| format!("Programs outside Drydock hold {} MiB of GPU {}.", gpu.foreign_bytes >> 20, gpu.number));
    GpuRoom {
        memory_bytes: gpu.promisable(),
        total_bytes: gpu.memory_bytes,
        usable: gpu.state == State::Usable && !gpu.is_divided,
        sharable: gpu.sharable,
        note: gpu.reason.or(foreign),
        uuid: gpu.uuid,
    }
}

/// The leases that have not ended, oldest first.
pub fn leases(conn: &mut Conn) -> Result<Vec<Held>> {
    let rows: Vec<Row> = gpu_leases::table
        .filter(gpu_leases::ended_at.is_null())
        .order((gpu_leases::taken_at, gpu_leases::workload_id, gpu_leases::gpu_uuid))
        .select((
            gpu_leases::workload_id,
            gpu_leases::generation,
            gpu_leases::gpu_uuid,
            gpu_leases::memory_bytes,
            gpu_leases::taken_at,
        ))
        .load(conn)
        .map_err(Error::internal)?;
    Ok(rows.into_iter().map(held).collect())
}

fn held((workload, generation, uuid, memory_bytes, taken_at): Row) -> Held {
    Held { workload, generation, uuid, memory_bytes: memory_bytes.map(store::unsigned), taken_at }
}

/// Leases that have not ended, and, marked as such, those that ended in the last minutes: their containers may still be ending.
pub(super) fn recent(conn: &mut Conn) -> Result<Vec<(Held, bool)>> {
    let rows: Vec<Row> = gpu_leases::table
        .filter(gpu_leases::ended_at.gt(clock::now_ms() - RECENT_MS))
        .select((
            gpu_leases::workload_id,
            gpu_leases::generation,
            gpu_leases::gpu_uuid,
            gpu_leases::memory_bytes,
            gpu_leases::taken_at,
        ))
        .load(conn)
        .map_err(Error::internal)?;
    let ended = rows.into_iter().map(|row| (held(row), false));
    Ok(leases(conn)?.into_iter().map(|lease| (lease, true)).chain(ended).collect())
}

/// Gives these GPUs to a generation of a workload: all of them or none. What it has already is left as it is.
///
/// # Errors
/// `Conflict` when one is not usable or has not enough left: the decision rests on a picture that is out of date.
pub fn lease(conn: &mut Conn, workload: &str, generation: i64, wanted: &[Lease]) -> Result<()> {
    if wanted.is_empty() {
        return Ok(());
    }
    let gpus: BTreeMap<String, GpuRow> = store::all(conn)?.into_iter().map(|gpu| (gpu.uuid.clone(), gpu)).collect();
    for want in wanted {
        let held = leases(conn)?;
        let mine = |lease: &&Held| lease.workload == workload && lease.generation == generation;
        if held.iter().filter(mine).any(|lease| lease.uuid == want.uuid && lease.memory_bytes == want.memory_bytes) {
            continue;
        }
        let gpu = gpus.get(&want.uuid).ok_or_else(|| Error::conflict(format!("There is no GPU {}.", want.uuid)))?;
        let on_it: Vec<&Held> = held.iter().filter(|lease| lease.uuid == want.uuid).collect();
        if let Some(against) = objection(gpu, &on_it, want.memory_bytes) {
            return Err(Error::conflict(against));
        }
        insert(conn, workload, generation, want)?;
    }
    Ok(())
}

fn insert(conn: &mut Conn, workload: &str, generation: i64, want: &Lease) -> Result<()> {
    diesel::insert_into(gpu_leases::table)
        .values((
            gpu_leases::workload_id.eq(workload),
            gpu_leases::generation.eq(generation),
            gpu_leases::gpu_uuid.eq(&want.uuid),
            gpu_leases::memory_bytes.eq(want.memory_bytes.map(store::signed)),
            gpu_leases::taken_at.eq(clock::now_ms()),
        ))
        .execute(conn)
        .map(drop)
        .map_err(|cause| match cause {
            diesel::result::Error::DatabaseError(diesel::result::DatabaseErrorKind::UniqueViolation, _) => {
                Error::conflict(format!("Workload {workload} had GPU {} before.", want.uuid))
            }
            other => Error::internal(other),
        })
}

/// Why it cannot be had, in words.
fn objection(gpu: &GpuRow, held: &[&Held], memory_bytes: Option<u64>) -> Option<String> {
    let number = gpu.number;
    if gpu.state != State::Usable {
        return Some(format!("GPU {number} is not usable: {}", gpu.reason.as_deref().unwrap_or("it is not there.")));
    }
    if gpu.is_divided {
        return Some(format!("GPU {number} is cut into MIG instances: one of these can be had."));
    }
    let Some(share) = memory_bytes else {
        return (!held.is_empty()).then(|| format!("GPU {number} is in use."));
    };
    if held.iter().any(|lease| lease.memory_bytes.is_none()) {
        return Some(format!("GPU {number} is in use as a whole."));
    }
    if !gpu.sharable {
        return Some(format!("GPU {number} is given as a whole only."));
    }
    let taken: u64 = held.iter().filter_map(|lease| lease.memory_bytes).fold(0, u64::saturating_add);
    let left = gpu.promisable().saturating_sub(taken);
    (share > left).then(|| format!("GPU {number} has {} MiB left, {} MiB are asked for.", left >> 20, share >> 20))
}

/// Ends what a generation of a workload holds. Without any: nothing to do.
pub fn end_leases(conn: &mut Conn, workload: &str, generation: i64, why: &str) -> Result<()> {
    let live = gpu_leases::table
        .filter(gpu_leases::workload_id.eq(workload))
        .filter(gpu_leases::generation.eq(generation))
        .filter(gpu_leases::ended_at.is_null());
    diesel::update(live)
        .set((gpu_leases::ended_at.eq(clock::now_ms()), gpu_leases::ended_because.eq(why)))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// Ends the leases on one GPU; answers whose they were, with the generation.
pub(super) fn end_on(conn: &mut Conn, uuid: &str, why: &str) -> Result<Vec<(String, i64)>> {
    let live = gpu_leases::table.filter(gpu_leases::gpu_uuid.eq(uuid)).filter(gpu_leases::ended_at.is_null());
    let holders = live
        .select((gpu_leases::workload_id, gpu_leases::generation))
        .order((gpu_leases::taken_at, gpu_leases::workload_id))
        .load(conn)
        .map_err(Error::internal)?;
    diesel::update(live)
        .set((gpu_leases::ended_at.eq(clock::now_ms()), gpu_leases::ended_because.eq(why)))
        .execute(conn)
        .map_err(Error::internal)?;
    Ok(holders)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use diesel::connection::SimpleConnection;
    use insta::assert_snapshot;

    use super::{
        super::store::testing::{facts, gpu, quarantined},
        *,
    };
    use crate::db::testing::connection;

    const GIB: u64 = 1 << 30;

    fn whole(uuid: &str) -> Lease {
        Lease { uuid: uuid.into(), memory_bytes: None }
    }

    fn share(uuid: &str, gib: u64) -> Lease {
        Lease { uuid: uuid.into(), memory_bytes: Some(gib * GIB) }
    }

    fn refused(conn: &mut Conn, workload: &str, wanted: &[Lease]) -> String {
        let error = lease(conn, workload, 1, wanted).unwrap_err();
        assert_eq!(error.code, drydock_wire::ErrorCode::Conflict);
        error.message
    }

    #[test]
    fn a_whole_gpu_has_one_holder_until_its_lease_ends() {
        let mut conn = connection();
        gpu(&mut conn, "A", 0, 16);
        lease(&mut conn, "one", 1, &[whole("A")]).unwrap();
        lease(&mut conn, "one", 1, &[whole("A")]).unwrap();
        assert_snapshot!(refused(&mut conn, "two", &[whole("A")]), @"GPU 0 is in use.");
        assert_snapshot!(refused(&mut conn, "two", &[share("A", 1)]), @"GPU 0 is in use as a whole.");
        end_leases(&mut conn, "one", 2, "of another generation").unwrap();
        assert_eq!(leases(&mut conn).unwrap().len(), 1);
        end_leases(&mut conn, "one", 1, "it ended").unwrap();
        end_leases(&mut conn, "one", 1, "again").unwrap();
        lease(&mut conn, "two", 1, &[whole("A")]).unwrap();
        assert_eq!(leases(&mut conn).unwrap()[0].workload, "two");
    }

    #[test]
    fn shares_never_exceed_the_memory_less_what_others_hold() {
        let mut conn = connection();
        gpu(&mut conn, "A", 0, 16);
        store::set_foreign(&mut conn, "A", 2 * GIB).unwrap();
        lease(&mut conn, "one", 1, &[share("A", 8)]).unwrap();
        assert_snapshot!(refused(&mut conn, "two", &[whole("A")]), @"GPU 0 is in use.");
        assert_snapshot!(refused(&mut conn, "two", &[share("A", 7)]), @"GPU 0 has 6144 MiB left, 7168 MiB are asked for.");
        lease(&mut conn, "two", 1, &[share("A", 6)]).unwrap();
        assert_snapshot!(refused(&mut conn, "three", &[share("A", 1)]), @"GPU 0 has 0 MiB left, 1024 MiB are asked for.");
        let room = room(&mut conn).unwrap();
        assert_eq!((room[0].memory_bytes, room[0].usable), (14 * GIB, true));
        assert_eq!(room[0].note.as_deref(), Some("Programs outside Drydock hold 2048 MiB of GPU 0."));
    }

    #[test]
    fn of_several_gpus_all_are_given_or_none() {
        let mut conn = connection();
        gpu(&mut conn, "A", 0, 16);
        gpu(&mut conn, "B", 1, 16);
        lease(&mut conn, "one", 1, &[whole("B")]).unwrap();
        // as the writer does it: an error undoes what the closure did
        conn.batch_execute("BEGIN").unwrap();
        assert_snapshot!(refused(&mut conn, "two", &[whole("A"), whole("B")]), @"GPU 1 is in use.");
        conn.batch_execute("ROLLBACK").unwrap();
        assert_eq!(leases(&mut conn).unwrap().len(), 1);
        assert_snapshot!(refused(&mut conn, "two", &[whole("C")]), @"There is no GPU C.");
    }

    #[test]
    fn what_is_quarantined_divided_or_unshared_is_not_given() {
        let mut conn = connection();
        gpu(&mut conn, "A", 0, 16);
        quarantined(&mut conn, "A", "Xid 79: it has fallen off the bus.");
        assert_snapshot!(refused(&mut conn, "one", &[whole("A")]), @"GPU 0 is not usable: Xid 79: it has fallen off the bus.");
        assert_eq!(room(&mut conn).unwrap()[0].note.as_deref(), Some("Xid 79: it has fallen off the bus."));
        gpu(&mut conn, "B", 1, 16);
        store::set_sharable(&mut conn, "B", false).unwrap();
        assert_snapshot!(refused(&mut conn, "one", &[share("B", 1)]), @"GPU 1 is given as a whole only.");
        store::put(&mut conn, &store::Facts { is_divided: true, ..facts("B", 1, 16) }).unwrap();
        assert_snapshot!(refused(&mut conn, "one", &[whole("B")]), @"GPU 1 is cut into MIG instances: one of these can be had.");
        assert_eq!(room(&mut conn).unwrap().len(), 1);
    }

    #[test]
    fn the_database_itself_refuses_a_second_whole_lease() {
        let mut conn = connection();
        gpu(&mut conn, "A", 0, 16);
        insert(&mut conn, "one", 1, &whole("A")).unwrap();
        assert!(insert(&mut conn, "two", 1, &whole("A")).is_err());
    }
}
