//! Who is next: first come, first served, within what the box has.
//!
//! Cores count among jobs alone, since a model server is idle most of the time and its limit holds it back; memory counts
//! over everything, since it is not given back. The first that does not fit holds up the ones behind it: nobody starves.

/// What the box has.
#[derive(Debug, Clone, PartialEq)]
pub struct Capacity {
    pub cpus: f64,
    pub memory_bytes: u64,
    pub gpu_uuids: Vec<String>,
}

/// What a job needs, or what is in use.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Need {
    pub cpus: f64,
    pub memory_bytes: u64,
    pub gpus: u32,
}

/// What the queue tells a waiting job.
#[derive(Debug, Clone, PartialEq)]
pub enum Turn {
    Go,
    /// Why not yet, in words.
    Wait(String),
}

/// One turn for each waiting job, in their order.
pub fn admit(waiting: &[Need], used: Need, capacity: &Capacity) -> Vec<Turn> {
    let mut used = used;
    let mut held_up = false;
    let mut turns = Vec::with_capacity(waiting.len());
    for need in waiting {
        let missing = if held_up { Some("waiting for its turn".to_owned()) } else { shortage(need, &used, capacity) };
        turns.push(match missing {
            Some(reason) => {
                held_up = true;
                Turn::Wait(reason)
            }
            None => {
                used.cpus += need.cpus;
                used.memory_bytes = used.memory_bytes.saturating_add(need.memory_bytes);
                used.gpus += need.gpus;
                Turn::Go
            }
        });
    }
    turns
}

fn shortage(need: &Need, used: &Need, capacity: &Capacity) -> Option<String> {
    // sums of tenths are not exact
    if need.cpus + used.cpus > capacity.cpus + 1e-6 {
        let free = (capacity.cpus - used.cpus).max(0.0);
        return Some(format!("waiting for {:.1} CPUs: {free:.1} of {:.1} are free", need.cpus, capacity.cpus));
    }
    if need.memory_bytes.saturating_add(used.memory_bytes) > capacity.memory_bytes {
        let free = capacity.memory_bytes.saturating_sub(used.memory_bytes) >> 20;
        return Some(format!("waiting for {} MiB of memory: {free} MiB are free", need.memory_bytes >> 20));
    }
    let gpus = u32::try_from(capacity.gpu_uuids.len()).unwrap_or(u32::MAX);
    if need.gpus > 0 && need.gpus + used.gpus > gpus {
        return Some(format!("waiting for {} GPUs: {} are free", need.gpus, gpus.saturating_sub(used.gpus)));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn need(cpus: f64, memory_gib: u64, gpus: u32) -> Need {
        Need { cpus, memory_bytes: memory_gib * GIB, gpus }
    }

    fn capacity() -> Capacity {
        Capacity { cpus: 2.0, memory_bytes: 8 * GIB, gpu_uuids: vec!["GPU-1".into()] }
    }

    fn wait(text: &str) -> Turn {
        Turn::Wait(text.into())
    }

    #[test]
    fn jobs_go_until_the_box_is_full_and_the_rest_wait_in_order() {
        let waiting = [need(1.0, 1, 0), need(1.0, 1, 0), need(1.0, 1, 0), need(0.1, 1, 0)];
        let turns = admit(&waiting, Need::default(), &capacity());
        let third = wait("waiting for 1.0 CPUs: 0.0 of 2.0 are free");
        assert_eq!(turns, [Turn::Go, Turn::Go, third, wait("waiting for its turn")]);
    }

    #[test]
    fn a_big_job_at_the_head_is_not_overtaken() {
        let turns = admit(&[need(2.0, 1, 0), need(0.5, 1, 0)], need(0.5, 1, 0), &capacity());
        assert_eq!(turns, [wait("waiting for 2.0 CPUs: 1.5 of 2.0 are free"), wait("waiting for its turn")]);
    }

    #[test]
    fn memory_and_gpus_are_limits_of_their_own() {
        assert_eq!(
            admit(&[need(0.5, 4, 0)], need(0.0, 5, 0), &capacity()),
            [wait("waiting for 4096 MiB of memory: 3072 MiB are free")]
        );
        assert_eq!(admit(&[need(0.5, 1, 1)], need(0.0, 0, 1), &capacity()), [wait("waiting for 1 GPUs: 0 are free")]);
    }

    #[test]
    fn tenths_add_up_to_a_full_box() {
        let waiting = vec![need(0.1, 0, 0); 20];
        assert!(admit(&waiting, Need::default(), &capacity()).iter().all(|turn| *turn == Turn::Go));
    }
}
