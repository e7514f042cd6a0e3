//! Whether all replicas of a revision find room. Pure: GPUs are chosen as the deployer chooses them, one replica after another.

use drydock_wire::jobs::Resources;
use drydock_wire::serving::{FitVerdict, FitWhen};

use crate::devices::{GpuRoom, Held};
use crate::serving::replicas::gpus;

/// The kind of a holder that is not there for the one who is told of it.
pub const HIDDEN: &str = "something";

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Ask {
    pub resources: Resources,
    pub replicas: u32,
}

/// What the box has.
#[derive(Debug, Clone, Default)]
pub struct Room {
    pub gpus: Vec<Gpu>,
    pub cpus: u32,
    /// 0: not known.
    pub memory_bytes: u64,
}

/// A GPU with what people call it.
#[derive(Debug, Clone)]
pub struct Gpu {
    pub room: GpuRoom,
    pub number: u32,
    pub name: String,
}

/// A lease with its holder.
#[derive(Debug, Clone)]
pub struct Holding {
    pub lease: Held,
    pub whose: Whose,
    pub kind: &'static str,
    pub name: String,
    pub revision: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// The revision that the asked one is to replace.
    Replaced,
    /// Another revision of the deployment, which ends by itself.
    Ending,
    Other,
}

/// What comes of it, in words for whoever asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    pub verdict: FitVerdict,
    pub beside: FitWhen,
    pub after: FitWhen,
    pub words: String,
    pub way_out: Option<String>,
}

/// The one decision about room. `replaces` is the number of the revision that runs.
pub fn decide(ask: &Ask, room: &Room, held: &[Holding], replaces: Option<i64>) -> Decision {
    if let Some(words) = never(ask, room) {
        let (verdict, never) = (FitVerdict::Never, FitWhen::Never);
        let way_out = Some("Ask for less, or for fewer replicas.".to_owned());
        return Decision { verdict, beside: never, after: never, words, way_out };
    }
    let when = |now: &dyn Fn(Whose) -> bool, stays: &dyn Fn(Whose) -> bool| {
        if is_all(ask, &present(room), &leases(held, now)) {
            FitWhen::Now
        } else if is_all(ask, &mended(room), &leases(held, stays)) {
            FitWhen::Later
        } else {
            FitWhen::Never
        }
    };
    let beside = when(&|_| true, &|whose| whose == Whose::Replaced);
    let after = when(&|whose| whose == Whose::Other, &|_| false);
    let verdict = match beside {
        FitWhen::Now => FitVerdict::Beside,
        FitWhen::Later => FitVerdict::Waits,
        FitWhen::Never => FitVerdict::After,
    };
    let (words, way_out) = told(ask, room, held, replaces, (verdict, after));
    Decision { verdict, beside, after, words, way_out }
}

/// Whether all replicas find room now, where only these leases stay.
pub fn is_all(ask: &Ask, gpus: &[GpuRoom], held: &[Held]) -> bool {
    fitting(ask, gpus, held) == ask.replicas
}

/// So many of them find room.
fn fitting(ask: &Ask, gpus: &[GpuRoom], held: &[Held]) -> u32 {
    let mut held = held.to_vec();
    let memory_bytes = ask.resources.gpu_memory_bytes;
    for replica in 0..ask.replicas {
        let Ok(found) = gpus::choose(gpus, &held, &ask.resources) else { return replica };
        let lease = |uuid| Held { workload: String::new(), generation: 0, uuid, memory_bytes, taken_at: 0 };
        held.extend(found.into_iter().map(lease));
    }
    ask.replicas
}

/// What can never be had here, whoever ends.
pub fn never(ask: &Ask, room: &Room) -> Option<String> {
    let (asked, replicas) = (&ask.resources, u64::from(ask.replicas));
    if asked.cpus > f64::from(room.cpus) {
        return Some(format!("This box has {} cores; {} were asked for.", room.cpus, asked.cpus));
    }
    let memory = asked.memory_bytes.saturating_mul(replicas);
    if room.memory_bytes > 0 && memory > room.memory_bytes {
        let of = if replicas > 1 { format!(" by {replicas} replicas together") } else { String::new() };
        let (has, wants) = (size(room.memory_bytes), size(memory));
        return Some(format!("This box has {has} of memory; {wants} were asked for{of}."));
    }
    if asked.gpus == 0 {
        return None;
    }
    let gpus = mended(room);
    let fitting = fitting(ask, &gpus, &[]);
    if fitting == ask.replicas {
        return None;
    }
    Some(match asked.gpu_memory_bytes {
        _ if gpus.is_empty() => "This box has no GPU that Drydock can use; ask for 0 GPUs.".to_owned(),
        None => {
            let wanted = u64::from(asked.gpus) * replicas;
            let of = if replicas > 1 { format!(" by {replicas} replicas together") } else { String::new() };
            format!("This box has {}; {wanted} were asked for{of}.", count(gpus.len(), "GPU"))
        }
        Some(share) if fitting == 0 => match gpus.iter().filter(|gpu| gpu.sharable).map(|gpu| gpu.memory_bytes).max() {
            Some(most) => {
                format!("The largest GPU of this box has {} of memory; {} were asked for.", size(most), size(share))
            }
            None => "The GPUs of this box are given as a whole only; leave gpu_memory_bytes out.".to_owned(),
        },
        Some(share) => format!(
            "The GPUs of this box have room for {} with {} of GPU memory each; {replicas} were asked for.",
            count(fitting as usize, "replica"),
            size(share)
        ),
    })
}

/// What a GPU has that is not promised to anybody.
pub fn free_bytes(gpu: &GpuRoom, held: &[Holding]) -> u64 {
    let on_it = held.iter().filter(|it| it.lease.uuid == gpu.uuid).map(|it| it.lease.memory_bytes);
    let taken = on_it.fold(0_u64, |taken, share| taken.saturating_add(share.unwrap_or(u64::MAX)));
    gpu.memory_bytes.saturating_sub(taken)
}

fn told(
    ask: &Ask,
    room: &Room,
    held: &[Holding],
    replaces: Option<i64>,
    (verdict, after): (FitVerdict, FitWhen),
) -> (String, Option<String>) {
    let (need, old) = (need(ask), replaces.map(|number| format!("revision {number}")));
    match (verdict, old) {
        (FitVerdict::Beside, None) => ("It fits.".to_owned(), None),
        (FitVerdict::Beside, Some(old)) => (format!("It fits beside {old} and all else that runs now."), None),
        (FitVerdict::Waits, old) => {
            let words =
                format!("There is no room yet for {need}: {}. It starts as soon as there is.", gpus(room, held));
            let way_out = match old.filter(|_| after == FitWhen::Now) {
                Some(old) => format!("Wait, or use the release `recreate`, which ends {old} first."),
                None => "Wait, or free it under Devices.".to_owned(),
            };
            (words, Some(way_out))
        }
        (_, old) => {
            let old = old.unwrap_or_else(|| "what runs".to_owned());
            let others = if after == FitWhen::Later { ", and others have given up what they hold" } else { "" };
            let words = format!(
                "There is no room for {need} beside {old}: {}. It fits once {old} has ended{others}.",
                gpus(room, held)
            );
            let way_out = format!(
                "Use the release `recreate`, which ends {old} first and holds requests meanwhile, or free {need}."
            );
            (words, Some(way_out))
        }
    }
}

/// `a whole GPU`, `3 replicas with 10 GiB of a GPU each`.
fn need(ask: &Ask) -> String {
    let each = match (ask.resources.gpus, ask.resources.gpu_memory_bytes) {
        (_, Some(share)) => format!("{} of a GPU", size(share)),
        (1, None) => "a whole GPU".to_owned(),
        (gpus, None) => format!("{gpus} whole GPUs"),
    };
    if ask.replicas > 1 { format!("{} replicas with {each} each", ask.replicas) } else { each }
}

/// Every GPU with what is free of it, and who has the rest.
fn gpus(room: &Room, held: &[Holding]) -> String {
    let one = |gpu: &Gpu| {
        let (free, total) = (size(free_bytes(&gpu.room, held)), size(gpu.room.total_bytes));
        let mut holders: Vec<String> =
            held.iter().filter(|it| it.lease.uuid == gpu.room.uuid).map(Holding::called).collect();
        holders.dedup();
        let by = if holders.is_empty() { String::new() } else { format!(", held by {}", holders.join(" and ")) };
        let note = match &gpu.room.note {
            Some(note) => format!(" ({})", note.trim_end_matches('.')),
            None => String::new(),
        };
        format!("GPU {} ({}, {}) has {free} of {total} free{by}{note}", gpu.number, gpu.name, gpu.room.uuid)
    };
    let all: Vec<String> = room.gpus.iter().map(one).collect();
    if all.is_empty() { "this box has no GPU".to_owned() } else { all.join("; ") }
}

impl Holding {
    fn called(&self) -> String {
        match self.revision {
            _ if self.kind == HIDDEN => format!("{} {}", self.kind, self.name),
            Some(number) => format!("revision {number} of deployment '{}'", self.name),
            None => format!("{} '{}'", self.kind, self.name),
        }
    }
}

fn present(room: &Room) -> Vec<GpuRoom> {
    room.gpus.iter().map(|gpu| gpu.room.clone()).collect()
}

/// As they are when nothing outside holds them and what failed is mended: that is waited for.
fn mended(room: &Room) -> Vec<GpuRoom> {
    let whole = |gpu: GpuRoom| GpuRoom { usable: true, memory_bytes: gpu.total_bytes, ..gpu };
    present(room).into_iter().map(whole).collect()
}

fn leases(held: &[Holding], stay: &dyn Fn(Whose) -> bool) -> Vec<Held> {
    held.iter().filter(|it| stay(it.whose)).map(|it| it.lease.clone()).collect()
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn size(bytes: u64) -> String {
    const GIB: u64 = 1 << 30;
    match bytes {
        0 => "0 GiB".to_owned(),
        _ if bytes.is_multiple_of(GIB) => format!("{} GiB", bytes / GIB),
        _ if bytes > GIB => format!("{:.1} GiB", bytes as f64 / GIB as f64),
        _ => format!("{} MiB", bytes >> 20),
    }
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
