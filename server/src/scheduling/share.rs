//! What counts against a queue's weight and among its people: use of the box in hours, of which half fade in a day.

use drydock_wire::queues::BoxUse;

use super::rules::{Amounts, Ask, CPU, Capacity, DISK, GPU, JOBS, MEMORY};

const HALF_LIFE_MS: f64 = 24.0 * 3_600_000.0;
const HOUR_MS: f64 = 3_600_000.0;

/// What is left of `hours` after so many milliseconds; a clock that went back fades nothing.
pub fn faded(hours: f64, after_ms: i64) -> f64 {
    hours * 0.5f64.powf(after_ms.max(0) as f64 / HALF_LIFE_MS)
}

/// Hours of the whole box that this is for so long: the largest part of any one resource.
pub fn box_hours(ask: &Ask, capacity: &Capacity, ms: i64) -> f64 {
    share(&ask.amounts(largest_gpu(capacity)), &total(capacity)) * ms.max(0) as f64 / HOUR_MS
}

/// The largest part of any one resource.
pub fn share(used: &Amounts, total: &Amounts) -> f64 {
    let part = |at: usize| if total[at] == 0 { 0.0 } else { used[at] as f64 / total[at] as f64 };
    (CPU..=GPU).map(part).fold(0.0, f64::max)
}

/// All of the box.
pub fn total(capacity: &Capacity) -> Amounts {
    [capacity.cpus_milli, capacity.memory, capacity.disk, capacity.gpus.len() as u64 * 1000, 0]
}

/// A share of a GPU counts by its part of this.
pub fn largest_gpu(capacity: &Capacity) -> u64 {
    capacity.gpus.iter().map(|gpu| gpu.memory).max().unwrap_or(0)
}

/// For people.
pub fn to_wire(amounts: &Amounts) -> BoxUse {
    BoxUse {
        cpus: amounts[CPU] as f64 / 1000.0,
        memory_bytes: amounts[MEMORY],
        disk_bytes: amounts[DISK],
        gpus: amounts[GPU] as f64 / 1000.0,
        jobs: u32::try_from(amounts[JOBS]).unwrap_or(u32::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::super::rules::GpuAsk;
    use super::*;

    #[test]
    fn half_of_it_fades_in_a_day_and_nothing_when_the_clock_goes_back() {
        assert_eq!(faded(8.0, 24 * 3_600_000), 4.0);
        assert_eq!(faded(8.0, 48 * 3_600_000), 2.0);
        assert_eq!(faded(8.0, -5), 8.0);
    }

    #[test]
    fn an_hour_of_half_the_memory_is_half_an_hour_of_the_box() {
        let capacity = Capacity { cpus_milli: 8000, memory: 32, disk: 0, gpus: vec![] };
        let ask = Ask { cpus_milli: 1000, memory: 16, disk: 0, gpu: GpuAsk::None };
        assert_eq!(box_hours(&ask, &capacity, 3_600_000), 0.5);
    }
}
