//! What `GET /api/v1/devices` answers: rows, leases and events put beside what was read last.

use std::sync::OnceLock;

use drydock_appliance::devices::{self as machine, BoxReading, GpuReading};
use drydock_wire::devices::{
    Devices, Disk, GpuDevice, GpuEvent, GpuLease, GpuLive, GpuProgram, GpuState, Machine, Network,
};

use super::{
    rules::{self, Holder, Program},
    store::{self, Event, GpuRow, State},
    watcher,
};
use crate::{
    app::App,
    db::Conn,
    error::Result,
    workloads::{self, Kind},
};

/// Events that are shown.
const EVENTS: i64 = 100;

/// What a feature above calls the owner of a workload of that kind.
pub type WhoHolds = fn(&mut Conn, Kind, &str) -> Result<Option<String>>;

static WHO_HOLDS: OnceLock<WhoHolds> = OnceLock::new();

/// Tells this feature whom to ask for names; at boot.
pub fn ask_who_holds(answer: WhoHolds) {
    // A second call is a second server in one process (tests), with the same function.
    let _ = WHO_HOLDS.set(answer);
}

/// Whose a workload is: its kind, its owner's id, and what people call that.
pub fn holder(conn: &mut Conn, workload: &str) -> Result<Option<(Kind, String, String)>> {
    let Some(workload) = workloads::find(conn, workload)? else { return Ok(None) };
    let name = WHO_HOLDS.get().map_or(Ok(None), |ask| ask(conn, workload.kind, &workload.owner))?;
    let name = name.unwrap_or_else(|| workload.owner.clone());
    Ok(Some((workload.kind, workload.owner, name)))
}

/// A lease with its holder's kind, owner and name, and when it was taken.
struct Named {
    holder: Holder,
    kind: Kind,
    owner: String,
    name: String,
    taken_at: i64,
}

pub async fn devices(app: &App) -> Result<Devices> {
    let reading = machine::read(&app.data_dir).await;
    let (rows, named, holders, events) = app
        .db
        .read(|conn| {
            let holders = watcher::holders(conn)?;
            Ok((store::all(conn)?, named(conn, &holders)?, holders, store::events(conn, EVENTS)?))
        })
        .await?;
    let programs = watcher::programs(&reading);
    let gpus = rows.into_iter().map(|row| gpu(row, &reading, &named, &holders, &programs)).collect();
    Ok(Devices {
        gpus,
        gpu_note: reading.gpu_note.clone(),
        over_share: app.config.gpus.over_share,
        events: events.into_iter().map(event).collect(),
        machine: machine_of(reading),
    })
}

fn named(conn: &mut Conn, holders: &[Holder]) -> Result<Vec<Named>> {
    let held = super::leases(conn)?;
    let mut named = vec![];
    for holder in holders.iter().filter(|holder| holder.is_live) {
        let same = |it: &&super::Held| it.workload == holder.workload && it.uuid == holder.gpu;
        let taken_at = held.iter().find(same).map_or(0, |it| it.taken_at);
        let Some((kind, owner, name)) = self::holder(conn, &holder.workload)? else { continue };
        named.push(Named { holder: holder.clone(), kind, owner, name, taken_at });
    }
    Ok(named)
}

fn gpu(row: GpuRow, reading: &BoxReading, named: &[Named], holders: &[Holder], programs: &[Program]) -> GpuDevice {
    let on_it = named.iter().filter(|it| it.holder.gpu == row.uuid);
    let strangers = programs.iter().filter(|it| it.gpu == row.uuid && !rules::is_held(it, holders.iter()));
    let foreign = strangers.map(|program| GpuProgram {
        pid: program.pid,
        name: program.name.clone(),
        memory_bytes: program.memory_bytes,
        container: program.container.clone(),
    });
    GpuDevice {
        live: reading.gpus.iter().find(|gpu| gpu.uuid == row.uuid).map(live),
        leases: on_it.map(|it| lease(it, programs)).collect(),
        foreign: foreign.collect(),
        state: match row.state {
            State::Usable => GpuState::Usable,
            State::Quarantined => GpuState::Quarantined,
            State::Missing => GpuState::Missing,
        },
        uuid: row.uuid,
        parent_uuid: row.parent_uuid,
        number: row.number,
        name: row.name,
        reason: row.reason,
        state_since: row.state_since,
        frees_itself_at: row.frees_itself_at,
        is_divided: row.is_divided,
        sharable: row.sharable,
        memory_bytes: row.memory_bytes,
        foreign_bytes: row.foreign_bytes,
    }
}

fn live(gpu: &GpuReading) -> GpuLive {
    GpuLive {
        memory_used_bytes: gpu.memory_used_bytes,
        utilization_percent: gpu.utilization_percent,
        temperature_celsius: gpu.temperature_celsius,
        power_mw: gpu.power_mw,
        power_limit_mw: gpu.power_limit_mw,
        clock_sm_mhz: gpu.clock_sm_mhz,
        clock_memory_mhz: gpu.clock_memory_mhz,
        ecc_corrected: gpu.ecc_corrected,
        ecc_uncorrected: gpu.ecc_uncorrected,
    }
}

fn lease(named: &Named, programs: &[Program]) -> GpuLease {
    let kind = match named.kind {
        Kind::Job => "job",
        Kind::Revision => "deployment",
    };
    // a deployment's page goes by its name
    let holder = if named.kind == Kind::Job { &named.owner } else { &named.name };
    GpuLease {
        kind: kind.to_owned(),
        holder: holder.clone(),
        name: named.name.clone(),
        generation: named.holder.generation,
        memory_bytes: named.holder.memory_bytes,
        used_bytes: rules::used(&named.holder, programs),
        taken_at: named.taken_at,
    }
}

fn event(event: Event) -> GpuEvent {
    let Event { gpu_uuid, at, kind, code, words, workload } = event;
    GpuEvent { gpu_uuid, at, kind, code, words, workload }
}

fn machine_of(reading: BoxReading) -> Machine {
    let disks = reading.disks.into_iter().map(|disk| Disk {
        name: disk.name,
        mounted_at: disk.mounted_at,
        file_system: disk.file_system,
        total_bytes: disk.total_bytes,
        free_bytes: disk.free_bytes,
        read_bytes_per_s: disk.read_bytes_per_s,
        written_bytes_per_s: disk.written_bytes_per_s,
        holds_data: disk.holds_path,
    });
    let networks = reading.networks.into_iter().map(|network| Network {
        name: network.name,
        addresses: network.addresses,
        is_up: network.is_up,
        received_bytes_per_s: network.received_bytes_per_s,
        sent_bytes_per_s: network.sent_bytes_per_s,
        received_bytes: network.received_bytes,
        sent_bytes: network.sent_bytes,
    });
    Machine {
        hostname: reading.hostname,
        cpu_percents: reading.cpu_percents,
        memory_total_bytes: reading.memory_total_bytes,
        memory_used_bytes: reading.memory_used_bytes,
        swap_total_bytes: reading.swap_total_bytes,
        swap_used_bytes: reading.swap_used_bytes,
        load_average: reading.load_average,
        disks: disks.collect(),
        networks: networks.collect(),
    }
}
