//! How many replicas there are to be: the formula of Kubernetes' HorizontalPodAutoscaler, and when a deployment rests and wakes. Pure.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use drydock_wire::serving::Scale;

/// A ratio this near to 1 changes nothing.
const TOLERANCE: f64 = 0.1;

/// What was measured of a deployment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Measured {
    /// Requests at its replicas and in its queue.
    pub in_flight: u64,
    /// Of those the queue's.
    pub queued: u64,
    /// Of the last minute; absent: nobody asked.
    pub p95_ms: Option<f64>,
    /// Of the cores that all replicas asked for; absent: not known.
    pub cpu_percent: Option<f64>,
    /// Since the last request, or since the server started.
    pub idle: Duration,
}

/// What the targets ask for, before any window: the one that asks for most counts. `replicas` are those that there are.
pub fn proposed(scale: &Scale, replicas: u32, measured: &Measured) -> u32 {
    let there = replicas.max(1);
    let per_replica = measured.in_flight as f64 / f64::from(there);
    let asked = [
        scale.in_flight.map(|target| by_ratio(there, per_replica / target)),
        // without a request there is no latency to keep
        scale.p95_ms.map(|target| by_ratio(there, measured.p95_ms.unwrap_or_default() / target)),
        scale.cpu_percent.zip(measured.cpu_percent).map(|(target, found)| by_ratio(there, found / target)),
    ];
    let most = asked.into_iter().flatten().max().unwrap_or(there);
    most.clamp(scale.min.max(1), scale.max.max(1))
}

fn by_ratio(replicas: u32, ratio: f64) -> u32 {
    if !ratio.is_finite() || (ratio - 1.0).abs() <= TOLERANCE + 1e-9 {
        return replicas;
    }
    // far above any bound there is; a float beyond it would not fit
    (f64::from(replicas) * ratio).ceil().min(1e6) as u32
}

/// Proposals of the past, for the windows.
#[derive(Debug, Clone, Default)]
pub struct Past(VecDeque<(Instant, u32)>);

impl Past {
    /// The next number of replicas: it grows to the least proposed within the upper window, and shrinks to the most within the lower.
    pub fn steady(&mut self, scale: &Scale, replicas: u32, proposal: u32, now: Instant) -> u32 {
        let (up, down) = (seconds(scale.up_window_s), seconds(scale.down_window_s));
        if self.0.is_empty() {
            // what there was before this server looked
            self.0.push_back((now, replicas));
        }
        self.0.push_back((now, proposal));
        let within = |window: Duration| {
            self.0.iter().filter(move |(at, _)| now.saturating_duration_since(*at) < window).map(|(_, it)| *it)
        };
        let least = within(up).chain([proposal]).min().unwrap_or(proposal);
        let most = within(down).chain([proposal]).max().unwrap_or(proposal);
        self.0.retain(|(at, _)| now.saturating_duration_since(*at) <= up.max(down));
        replicas.max(least).min(most)
    }
}

fn seconds(count: u32) -> Duration {
    Duration::from_secs(u64::from(count))
}

/// How many there are to be from now on.
pub fn next(scale: &Scale, replicas: u32, measured: &Measured, past: &mut Past, now: Instant) -> u32 {
    if replicas == 0 {
        // who waits is not made to wait for a window
        let wakes = measured.in_flight > 0 || scale.min > 0;
        return if wakes { proposed(scale, 1, measured) } else { 0 };
    }
    if scale.min == 0 && measured.in_flight == 0 && measured.idle >= seconds(scale.idle_s) {
        return 0;
    }
    let proposal = proposed(scale, replicas, measured);
    past.steady(scale, replicas, proposal, now).clamp(scale.min.max(1), scale.max.max(1))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn scale(min: u32, max: u32) -> Scale {
        Scale { min, max, in_flight: Some(2.0), ..Scale::default() }
    }

    fn busy(in_flight: u64) -> Measured {
        Measured { in_flight, ..Measured::default() }
    }

    #[test]
    fn the_formula_is_kubernetes_own() {
        let of = |replicas, in_flight| proposed(&scale(1, 10), replicas, &busy(in_flight));
        assert_eq!((of(1, 4), of(2, 4), of(3, 100), of(4, 0)), (2, 2, 10, 1));
        // within a tenth nothing changes: 5 replicas at 11 are 2.2 each, at 12 they are 2.4
        assert_eq!((of(5, 11), of(5, 9), of(5, 12)), (5, 5, 6));
        let most = Scale { p95_ms: Some(100.0), cpu_percent: Some(50.0), ..scale(1, 10) };
        let measured = Measured { p95_ms: Some(250.0), cpu_percent: Some(75.0), ..busy(2) };
        assert_eq!(proposed(&most, 2, &measured), 5);
        assert_eq!(proposed(&most, 2, &Measured { p95_ms: None, ..measured }), 3);
        let unknown = Scale { in_flight: None, cpu_percent: Some(50.0), ..scale(1, 10) };
        assert_eq!(proposed(&unknown, 3, &busy(9)), 3, "what is not measured changes nothing");
    }

    #[test]
    fn windows_hold_it_down_and_up() {
        let (mut past, start) = (Past::default(), Instant::now());
        let windows = Scale { up_window_s: 10, down_window_s: 30, ..scale(1, 10) };
        let at = |second| start + Duration::from_secs(second);
        let mut step = |replicas, in_flight, second| next(&windows, replicas, &busy(in_flight), &mut past, at(second));
        assert_eq!(step(1, 8, 0), 1, "one peak is not yet a load");
        assert_eq!(step(1, 8, 11), 4);
        assert_eq!(step(4, 2, 20), 4, "one lull is not yet peace");
        assert_eq!(step(4, 2, 40), 4);
        assert_eq!(step(4, 2, 60), 1);
    }

    #[test]
    fn it_rests_when_idle_and_wakes_at_once() {
        let (mut past, now) = (Past::default(), Instant::now());
        let rests = Scale { idle_s: 60, down_window_s: 300, ..scale(0, 4) };
        let idle = |seconds| Measured { idle: Duration::from_secs(seconds), ..busy(0) };
        assert_eq!(next(&rests, 1, &idle(59), &mut past, now), 1);
        assert_eq!(next(&rests, 3, &idle(60), &mut past, now), 0);
        assert_eq!(next(&rests, 0, &idle(600), &mut past, now), 0);
        assert_eq!(next(&rests, 0, &Measured { queued: 1, ..busy(1) }, &mut past, now), 1);
        assert_eq!(next(&rests, 0, &Measured { queued: 7, ..busy(7) }, &mut past, now), 4);
        let stays = Scale { min: 1, ..rests };
        assert_eq!((next(&stays, 1, &idle(600), &mut past, now), next(&stays, 0, &idle(600), &mut past, now)), (1, 1));
    }

    /// A generator that needs no crate: the same numbers each time.
    fn numbers(seed: u64) -> impl Iterator<Item = u64> {
        std::iter::successors(Some(seed), |x| {
            Some(x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407))
        })
        .map(|x| x >> 33)
    }

    #[test]
    fn it_never_leaves_its_bounds_and_more_load_never_means_fewer() {
        let mut any = numbers(7);
        let mut take = move |most: u64| any.next().unwrap() % most;
        for _ in 0..20_000 {
            let min = take(5) as u32;
            let scale = Scale {
                min,
                max: min.max(1) + take(8) as u32,
                in_flight: (take(2) == 0).then(|| 0.5 + take(8) as f64),
                p95_ms: (take(2) == 0).then(|| 1.0 + take(500) as f64),
                cpu_percent: (take(2) == 0).then(|| 1.0 + take(100) as f64),
                up_window_s: take(20) as u32,
                down_window_s: take(20) as u32,
                idle_s: 1 + take(20) as u32,
            };
            let measured = Measured {
                in_flight: take(60),
                queued: 0,
                p95_ms: (take(3) > 0).then(|| take(2000) as f64),
                cpu_percent: (take(3) > 0).then(|| take(400) as f64),
                idle: Duration::from_secs(take(40)),
            };
            let (replicas, mut past, now) = (take(14) as u32, Past::default(), Instant::now());
            let found = next(&scale, replicas, &measured, &mut past, now);
            assert!(found <= scale.max && (found >= scale.min || found == 0), "{scale:?} {measured:?} {found}");
            assert!(found > 0 || scale.min == 0 && measured.in_flight == 0, "{scale:?} {measured:?}");
            let more = Measured { in_flight: measured.in_flight + 1 + take(9), ..measured };
            assert!(proposed(&scale, replicas, &more) >= proposed(&scale, replicas, &measured), "{scale:?}");
        }
    }
}
