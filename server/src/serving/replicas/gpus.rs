//! Which GPUs a replica gets: the fullest that still has room, so that whole ones stay free for who needs one. Pure.

use drydock_wire::jobs::Resources;

use crate::devices::{GpuRoom, Held};

/// UUIDs of the GPUs to lease.
///
/// # Errors
/// What is waited for, in words.
pub fn choose(room: &[GpuRoom], held: &[Held], asked: &Resources) -> Result<Vec<String>, String> {
    let wanted = asked.gpus as usize;
    if wanted == 0 {
        return Ok(vec![]);
    }
    let mut fitting: Vec<(u64, &str)> = room
        .iter()
        .filter(|gpu| gpu.usable)
        .filter_map(|gpu| Some((left(gpu, held, asked.gpu_memory_bytes)?, gpu.uuid.as_str())))
        .collect();
    fitting.sort_by_key(|(left, _)| *left);
    if fitting.len() < wanted {
        return Err(waits(asked, fitting.len()));
    }
    Ok(fitting.into_iter().take(wanted).map(|(_, uuid)| uuid.to_owned()).collect())
}

/// What the GPU has left, if that is enough.
pub fn left(gpu: &GpuRoom, held: &[Held], share: Option<u64>) -> Option<u64> {
    let on_it: Vec<&Held> = held.iter().filter(|lease| lease.uuid == gpu.uuid).collect();
    let Some(share) = share else { return on_it.is_empty().then_some(gpu.memory_bytes) };
    if !gpu.sharable || on_it.iter().any(|lease| lease.memory_bytes.is_none()) {
        return None;
    }
    let taken = on_it.iter().filter_map(|lease| lease.memory_bytes).fold(0, u64::saturating_add);
    let left = gpu.memory_bytes.saturating_sub(taken);
    (left >= share).then_some(left)
}

fn waits(asked: &Resources, free: usize) -> String {
    match asked.gpu_memory_bytes {
        Some(share) => format!("Waiting for a GPU with {} MiB of memory left.", share >> 20),
        None if asked.gpus == 1 => "Waiting for a GPU that is free.".to_owned(),
        None => format!("Waiting for {} GPUs; {free} are free.", asked.gpus),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const GIB: u64 = 1 << 30;

    fn gpu(uuid: &str, usable: bool) -> GpuRoom {
        GpuRoom { uuid: uuid.into(), memory_bytes: 16 * GIB, total_bytes: 16 * GIB, usable, sharable: true, note: None }
    }

    fn held(uuid: &str, gib: Option<u64>) -> Held {
        let memory_bytes = gib.map(|gib| gib * GIB);
        Held { workload: "w".into(), generation: 1, uuid: uuid.into(), memory_bytes, taken_at: 0 }
    }

    fn asked(gpus: u32, gib: Option<u64>) -> Resources {
        Resources { gpus, gpu_memory_bytes: gib.map(|gib| gib * GIB), ..Resources::default() }
    }

    #[test]
    fn a_share_goes_where_it_just_fits_and_a_whole_one_where_nobody_is() {
        let room = [gpu("A", true), gpu("B", true), gpu("C", false)];
        let on_b = [held("B", Some(8))];
        assert_eq!(choose(&room, &on_b, &asked(0, None)).unwrap(), Vec::<String>::new());
        assert_eq!(choose(&room, &on_b, &asked(1, Some(4))).unwrap(), ["B"]);
        assert_eq!(choose(&room, &on_b, &asked(1, Some(9))).unwrap(), ["A"]);
        assert_eq!(choose(&room, &on_b, &asked(1, None)).unwrap(), ["A"]);
        assert_eq!(choose(&room, &on_b, &asked(2, None)).unwrap_err(), "Waiting for 2 GPUs; 1 are free.");
        let all = [held("A", None), held("B", Some(8))];
        assert_eq!(choose(&room, &all, &asked(1, None)).unwrap_err(), "Waiting for a GPU that is free.");
        let more = choose(&room, &all, &asked(1, Some(9))).unwrap_err();
        assert_eq!(more, "Waiting for a GPU with 9216 MiB of memory left.");
    }
}
